"""A space in a database: rows with the key of their run in a few tables.

A run is there when its row in the table of runs is: that is written last and deleted first. What a
killed run has left has no such row; the next run with its key takes its place.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from sqlstab import saved
from sqlstab.engines.base import are_same, qualified
from sqlstab.errors import ConflictError, DataError, EngineError, UsageError
from sqlstab.space.directory import matrices
from sqlstab.space.entry import Around, Entry, Rows, case
from sqlstab.space.insert import CLAIM, Table, TablesTarget, fits, store_of_new
from sqlstab.space.key import COLUMN, Key, check_lengths
from sqlstab.space.names import (
    MAPS,
    MAPS_COLUMNS,
    RUNS,
    RUNS_COLUMNS,
    Names,
    created,
    quoted,
    view,
)
from sqlstab.statements import ddl, quoting, types
from sqlstab.statements.files import is_path
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlstab.engines.base import Engine
    from sqlstab.maths.solve import Matrix

__all__ = ["MAPS", "RUNS", "Names", "TablesSpace", "TablesTarget"]

# Runs whose figures are read at once.
_READ = 16
_REMEDY = "Change the table, or name another one."


class TablesSpace:
    """A space whose runs are rows of a few tables.

    Args:
        engine: A session with the database.
        names: A prefix, as in `ml.movies`, or the names of the tables; see `Names`.
    """

    def __init__(self, engine: Engine, names: str | Mapping[str, str]) -> None:
        self._engine = engine
        self.dialect = engine.dialect
        self.names = Names(names, self.dialect)
        self._checked: TablesTarget | None = None

    def __repr__(self) -> str:
        """Show which tables they are."""
        return f"TablesSpace({str(self.names)!r})"

    # Reading

    def entries(self) -> list[Entry]:
        """List the runs, in the order of their keys.

        Raises:
            EngineError: The database refused or failed.
            DataError: A row of the runs is damaged.
        """
        key = self._key()
        if key is None:
            return []
        rows = self._runs(key, "", self._figures)
        texts: dict[str, list[str]] = {}
        for row in rows:
            texts.setdefault(row["run_key"], []).append(row["figures"])
        return [Entry(k, partial(_parsed, k, texts[k])) for k in _whole(rows)]

    def around(self, key: Key) -> Around:
        """List the runs before a key, with it, and after it, as the engine orders keys.

        Raises:
            UsageError: The key is text with numbers of another length than theirs.
        """
        column = self._key()
        if column is None:
            return Around([], None, [])
        name = quoting.identifier(column.name, self.dialect)
        known = self._as_there(key, column)
        literal = known.literal(self.dialect)
        place = f"CASE WHEN {name} < {literal} THEN -1 WHEN {name} = {literal} THEN 0 ELSE 1 END"
        rows = self._runs(column, "", f"{place} AS place")
        if types.is_text(column.type, self.dialect):
            check_lengths(known.value, _whole(rows), self.names)

        def entries(wanted: int) -> list[Entry]:
            keys = _whole([row for row in rows if int(row["place"]) == wanted])
            loader = _Loader(self, column, keys)
            return [Entry(k, partial(loader.figures, k)) for k in keys]

        return Around(entries(-1), next(iter(entries(0)), None), entries(1))

    def maps(self, key: str) -> dict[str, Matrix]:
        """Read the maps of a run: (e, d) by side.

        Raises:
            DataError: There is no such run, or its maps are damaged.
        """
        column = self._key()
        if column is None:
            raise DataError(f"There is no run {key} in {self.names}.")
        names = {name: quoting.identifier(self._name(name), self.dialect) for name in MAPS_COLUMNS}
        condition = self._of(key, column).condition(self.dialect)
        claim = quoting.string(CLAIM, self.dialect)
        rows = self._engine.query(
            f"SELECT {names['side']}, {names['i']}, {names['j']}, {names['value']}\n"
            f"FROM {quoted(self.names.table(MAPS), self.dialect)}\n"
            f"WHERE {condition} AND {names['feature_of']} IS NULL AND {names['side']} <> {claim}"
        )
        entries = [(row["side"], row["i"], row["j"], row["value"]) for row in rows]
        if not entries:
            raise DataError(f"There is no run {key} in {self.names}.")
        return matrices(entries, f"{self.names.table(MAPS)}, run {key}")

    def reference(self, side: str, weights: Mapping[str, float]) -> Rows:
        """Return the stable rows of some runs as one relation.

        Args:
            side: The table.
            weights: The weight of each run, by its key.
        """
        column = self._key()
        if column is None:
            raise DataError(f"There are no runs in {self.names}.")
        literals = {
            self._of(key, column).literal(self.dialect): weight for key, weight in weights.items()
        }
        name = quoting.identifier(column.name, self.dialect)
        # In Postgres 8.0e-01 is a decimal.
        weight = case(name, literals, self.dialect.number)
        return Rows(
            self.names.table(side),
            filter=_is_one_of(name, list(literals)),
            weight=weight and self.dialect.as_double.format(weight),
        )

    # Writing

    def check(
        self, outputs: Mapping[str, Sequence[Column]], key: Key, *, make: bool = True
    ) -> None:
        """Check that the tables take a run's rows, before anything is read; make missing ones.

        Args:
            outputs: For each table that is to be written, its columns without the key.
            key: Of the run.
            make: Whether to make tables and views that are missing.

        Raises:
            DataError: A table lacks a column, or has one of another type.
            UsageError: A name is that of a view, or the key is not of the column's type.
            EngineError: A table cannot be made.
        """
        key.check_beside(c.name for columns in outputs.values() for c in columns)
        fixed = {
            what: [
                Column(self._name(name), getattr(self.dialect, kind)) for name, kind in c.items()
            ]
            for what, c in ((MAPS, MAPS_COLUMNS), (RUNS, RUNS_COLUMNS))
        }
        wanted = {**outputs, **fixed}
        sides = dict.fromkeys([*self.names.sides(), *self._written(key)])
        others = [side for side in sides if side not in outputs]
        there = {what: self._columns(self.names.table(what)) for what in (*wanted, *others)}
        known = {what: columns for what, columns in there.items() if columns is not None}
        for what in known:
            name = self.names.table(what)
            kind = self._engine.kind(name)
            if kind is not None and "view" in kind:
                raise UsageError(f"{name} is a {kind}: a run is written to a table. {_REMEDY}")
        self._check_names(wanted, others)
        for side in outputs:
            newest = self.names.newest(side)
            kind = self._engine.kind(newest)
            if kind is not None and "view" not in kind:
                raise UsageError(
                    f"{newest} is a {kind}, where the view of the newest run is to be. {_REMEDY}"
                )
            own = _names(known.get(side, outputs[side]))
            strange = sorted(_names(self._columns(newest) or ()) - own)
            if strange:
                raise UsageError(
                    f"{newest} is to be the view of the newest run, but has columns that "
                    f"{self.names.table(side)} lacks: {', '.join(strange)}. Drop it, and a run "
                    "makes it; or name another space."
                )
        key = self._key_there(key, known)
        if not outputs and any(
            self._columns(self.names.newest(side)) is not None for side in others
        ):
            raise UsageError(
                f"The space {self.names} keeps stable vectors, and its views of the newest run "
                "would be empty after one that keeps maps alone: give --maps-only another space."
            )
        for what, columns in known.items():
            self._check_columns(what, columns, key, wanted.get(what, ()))
        tables = {
            what: Table(
                self.names.table(what),
                columns,
                self._store(what, columns, key, 1 + len(wanted.get(what, ()))),
            )
            for what, columns in known.items()
        }
        for what, missing in wanted.items() if make else ():
            if what not in known:
                name = self.names.table(what)
                self._make(name, created(name, what, missing, key, self.dialect))
        self._checked = TablesTarget(
            self.names,
            key,
            self.dialect,
            tables,
            outputs,
            creates=False,
            others=tuple(side for side in others if side in known),
            whole_name=self._lock_name(),
        )
        for side in outputs if make else ():
            name = key.name(self.dialect).lower()
            shown = [c for c in known.get(side, ()) if c.name.lower() != name]
            self._make_view(side, shown or outputs[side], key)

    def target(self, key: Key) -> TablesTarget:
        """Return where a run is written, for who prints or explains it."""
        if self._checked is not None and self._checked.key.value == key.value:
            return self._checked
        return TablesTarget(self.names, key, self.dialect)

    @contextmanager
    def staging(self, key: Key) -> Iterator[TablesTarget]:
        """Give the target of a run that is about to be made; `check` comes first.

        Raises:
            ConflictError: For an error of the database, where another run with this key has
                finished since.
        """
        plain = self.target(key)
        seen = self._seen(plain.key)
        target = replace(plain, seen=seen, token=secrets.token_hex(4))
        if seen is None:
            self._check_free(target)
        self._tidy(target)
        try:
            yield target
        except ConflictError:
            self._engine.rollback()
            raise
        except EngineError as error:
            self._engine.rollback()
            # Some engines find out themselves.
            found = self._seen_or(target.key, seen)
            if found != seen and found is not None:
                raise target.conflict() from error
            if any(mark in str(error) for mark in self.dialect.tables.overtaken):
                raise ConflictError(
                    f"Another run writes to {self.names} at the same time, and came first: {error}"
                ) from error
            raise
        except BaseException:
            self._engine.rollback()
            raise

    def finish(self, target: Any, maps: Mapping[str, Matrix], figures: Any) -> None:
        """Do nothing: the row by which a run is there was its last statement."""

    def drop(self, keys: Sequence[str]) -> None:
        """Remove runs: first the rows by which they are there, then all others.

        The maps go last: by them a run knows rows that a killed removal has left.

        Raises:
            DataError: One is not there; none is removed then.
            EngineError: The database refused or failed.
        """
        column = self._key()
        entries = {entry.key: entry for entry in self.entries()}
        for key in keys:
            if key not in entries or column is None:
                raise DataError(f"There is no run {key} in {self.names}.")
        if not keys or column is None:
            return
        sides = dict.fromkeys(self.names.sides())
        for key in keys:
            sides |= dict.fromkeys(self._further(entries[key].figures))
        names = {what: self.names.table(what) for what in (RUNS, *sides, MAPS)}
        there = {what: self._columns(name) for what, name in names.items()}
        known = {what: columns for what, columns in there.items() if columns is not None}
        statements: list[str] = []
        for what, columns in known.items():
            for key in keys:
                typed = self._of(key, column)
                table = Table(names[what], columns, self._store(what, columns, typed))
                target = TablesTarget(self.names, typed, self.dialect, {what: table})
                statements += target.removal(what)
                if table.store == "overwrite":
                    statements.append(target.dropped_partition(what))
        self._execute(statements)

    def keep_features(self, key: str, as_of: str, maps: Mapping[str, Matrix]) -> None:
        """Keep the feature maps of a run for models that were trained on another one.

        Args:
            key: The run whose vectors they take.
            as_of: The run that the models were trained on.
            maps: (e, d) by side; they take the place of those of the same runs and sides.

        Raises:
            DataError: There is no such run.
            EngineError: The database refused or failed.
        """
        column, name = self._key(), self.names.table(MAPS)
        columns = self._columns(name)
        if column is None or columns is None:
            raise DataError(f"There is no run {key} in {self.names}.")
        typed = self._of(key, column)
        table = Table(name, columns, self._store(MAPS, columns, typed))
        token = secrets.token_hex(4)
        target = TablesTarget(self.names, typed, self.dialect, {MAPS: table}, token=token)
        self._execute(target.features(as_of, maps))

    # Within

    def _execute(self, statements: Sequence[str]) -> None:
        """Run statements in one transaction, where the engine has those."""
        if self.dialect.tables.begin:
            name = self._lock_name()
            lock = name and ddl.lock(name, self.dialect)
            statements = [
                self.dialect.tables.begin,
                *([lock] if lock else []),
                *statements,
                self.dialect.tables.commit,
            ]
        try:
            for statement in statements:
                self._engine.execute(statement)
        except BaseException:
            self._engine.rollback()
            raise

    def _name(self, column: str) -> str:
        return self.dialect.folded(column)

    def _columns(self, name: str) -> tuple[Column, ...] | None:
        """List the columns of a table; None where there is none."""
        try:
            found = self._engine.describe(name)
        except DataError:
            return None
        columns: list[Column] = []
        for column in found:
            if not column.name or column.name.startswith("#"):
                break  # Databricks goes on with partitions
            columns.append(column)
        return tuple(columns)

    def _key(self) -> Column | None:
        """Find the column of the keys; None where there are no tables yet.

        Raises:
            DataError: It cannot be told.
        """
        runs = self._columns(self.names.table(RUNS))
        return None if runs is None else self._key_among(runs)

    def _lock_name(self) -> str:
        """Return what the lock is taken by: one text, however the space is named."""
        if not self.dialect.tables.lock:
            return ""
        return qualified(self.names.table(RUNS), self._engine)

    def _key_among(self, runs: Sequence[Column]) -> Column:
        own = set(RUNS_COLUMNS)
        left = [column for column in runs if column.name.lower() not in own]
        if len(left) > 1:
            maps = self._columns(self.names.table(MAPS)) or ()
            also = {column.name.lower() for column in maps} - set(MAPS_COLUMNS)
            left = [column for column in left if column.name.lower() in also]
        if len(left) > 1:
            left = [column for column in left if column.name.lower() == COLUMN] or left
        if len(left) != 1:
            raise DataError(
                f"{self.names.table(RUNS)}: which column is the key? It has "
                f"{', '.join(column.name for column in runs)}; besides "
                f"{', '.join(RUNS_COLUMNS)} it needs one that {self.names.table(MAPS)} has, too."
            )
        return left[0]

    def _of(self, key: str, column: Column) -> Key:
        return self._as_there(Key(key, column.name), column)

    def _as_there(self, key: Key, column: Column) -> Key:
        if key.column.lower() != column.name.lower():
            raise UsageError(
                f"The runs of {self.names} have the column {column.name} as their key, not "
                f"{key.column}: write {key.in_column(column.name)}, or name another space."
            )
        return key.typed(column, self.dialect)

    def _key_there(self, key: Key, known: Mapping[str, Sequence[Column]]) -> Key:
        """Return the key as a value of the column of the existing tables."""
        if RUNS in known:
            column = self._key_among(known[RUNS])
            if column.name.lower() != key.column.lower():
                return self._as_there(key, column)  # which says so
        for what in (RUNS, *known):
            for column in known.get(what, ()):
                if column.name.lower() == key.column.lower():
                    if key.type is not None and not fits(column.type, key.type, self.dialect):
                        raise DataError(
                            f"{self.names.table(what)}: the column {column.name} has type "
                            f"{column.type}, that of the inputs {key.type}. {_REMEDY}"
                        )
                    return key.typed(column, self.dialect)
        return key

    def _written(self, key: Key) -> list[str]:
        """List the further tables that the run with a key has written, if there is one."""
        column = self._key()
        if column is None:
            return []
        with suppress(DataError):  # Damaged figures are replaced with their run.
            found = self.figures([self._as_there(key, column).value], column)
            return [side for figures in found.values() for side in self._further(figures)]
        return []

    def _further(self, figures: Mapping[str, Any]) -> list[str]:
        """List the tables of a run that its figures alone know: those that are not named."""
        tables: Any = figures.get("tables")
        return list(tables) if self.names.prefix is not None and isinstance(tables, dict) else []

    @property
    def _figures(self) -> str:
        return quoting.identifier(self._name("figures"), self.dialect)

    def _runs(self, key: Column, condition: str, *further: str) -> list[dict[str, Any]]:
        name = quoting.identifier(key.name, self.dialect)
        part, parts = (
            quoting.identifier(self._name(column), self.dialect) for column in ("part", "parts")
        )
        chosen = "".join(f", {expression}" for expression in further)
        rows = self._engine.query(
            f"SELECT {self.dialect.as_text.format(name)} AS run_key, {part}, {parts}{chosen}\n"
            f"FROM {quoted(self.names.table(RUNS), self.dialect)}\n"
            f"{condition}{chr(10) if condition else ''}ORDER BY {name}, {part}"
        )
        broken = {row["run_key"] for row in rows} - {*_whole(rows)}
        if broken and self.dialect.tables.begin:
            raise DataError(
                f"{self.names.table(RUNS)}: rows of the run {min(broken)} are missing or damaged, "
                "which one transaction wrote: their part is not 1 to parts. Delete what has this "
                f"key from all tables of {self.names}, and run it again."
            )
        return rows

    def figures(self, keys: Sequence[str], column: Column) -> dict[str, dict[str, Any]]:
        """Read the figures of some runs, by key."""
        literals = [self._of(key, column).literal(self.dialect) for key in keys]
        name = quoting.identifier(column.name, self.dialect)
        rows = self._runs(column, f"WHERE {_is_one_of(name, literals)}", self._figures)
        texts: dict[str, list[str]] = {}
        for row in rows:
            texts.setdefault(row["run_key"], []).append(row["figures"])
        return {key: _parsed(key, texts[key]) for key in _whole(rows)}

    def _seen(self, key: Key) -> str | None:
        """Return when the run was made that has this key; None for none."""
        created = quoting.identifier(self._name("created"), self.dialect)
        rows = self._engine.query(
            f"SELECT max({created}) AS created\n"
            f"FROM {quoted(self.names.table(RUNS), self.dialect)}\n"
            f"WHERE {key.condition(self.dialect)}"
        )
        return rows[0]["created"] or None

    def _seen_or(self, key: Key, default: str | None) -> str | None:
        try:
            return self._seen(key)
        except EngineError:
            return default

    def _store(self, what: str, columns: Sequence[Column], key: Key, wanted: int = 0) -> str:
        """Return how rows replace those of this key in an existing table.

        Args:
            what: What the table holds.
            columns: Its columns.
            key: Of the run.
            wanted: How many columns are written.

        Raises:
            DataError: They cannot: its partitions are no runs.
        """
        store = store_of_new(what, self.dialect)
        pattern = self.dialect.tables.layout
        if store == "delete" or not pattern:
            return store
        name = self.names.table(what)
        rows = self._engine.query(ddl.about(pattern, qualified(name, self._engine), self.dialect))
        provider, partitioned = _layout(rows)
        if store == "exchange":
            is_ours = provider == "mergetree" and partitioned == [key.name(self.dialect).lower()]
            return store if is_ours else "delete"
        if provider in ("delta", "iceberg"):
            # What a condition replaces has no list of columns.
            return store if store == "replace" and len(columns) == wanted else "delete"
        if partitioned != [key.name(self.dialect).lower()]:
            by = f"by {', '.join(partitioned)}" if partitioned else "not at all"
            raise DataError(
                f"{name} is partitioned {by}: a run overwrites its own partition, so its tables "
                f"are partitioned by {key.column} alone. Make it PARTITIONED BY ({key.column}), or "
                "name another space."
            )
        return "overwrite"

    def _check_columns(
        self, what: str, columns: Sequence[Column], key: Key, wanted: Sequence[Column]
    ) -> None:
        """Check that an existing table can take the rows of a run.

        Raises:
            DataError: It does not.
        """
        name = self.names.table(what)
        there = {column.name.lower(): column for column in columns}
        key_column = Column(key.name(self.dialect), key.type or self.dialect.text)
        for column in (key_column, *wanted):
            found = there.get(column.name.lower())
            if found is None:
                raise DataError(
                    f"{name} has no column {column.name} ({column.type}), which a run writes; it "
                    f"has {', '.join(c.name for c in columns)}. {_REMEDY}"
                )
            if not fits(found.type, column.type, self.dialect):
                raise DataError(
                    f"{name}: the column {found.name} has type {found.type}, but a run writes "
                    f"{column.type}. {_REMEDY}"
                )
            exactly = what in (MAPS, RUNS)
            if not types.holds(found.type, column.type, self.dialect, exactly=exactly):
                raise DataError(
                    f"{name}: the column {found.name} has type {found.type}, which does not keep "
                    f"all digits of the {column.type} that a run writes. {_REMEDY}"
                )
        if not wanted or not self.dialect.tables.required:
            return
        written = {column.name.lower() for column in (key_column, *wanted)}
        pattern = self.dialect.tables.required
        rows = self._engine.query(ddl.about(pattern, qualified(name, self._engine), self.dialect))
        missing = [row["name"] for row in rows if row["name"].lower() not in written]
        if missing:
            raise DataError(
                f"{name} needs a value for {', '.join(missing)}, which a run does not write: give "
                f"the column a default, or let it be NULL."
            )

    def _check_names(self, wanted: Iterable[str], others: Iterable[str]) -> None:
        """Check that no two tables or views of the space have one name.

        Raises:
            UsageError: Two have.
        """
        names = {what: self.names.table(what) for what in (*wanted, *others)}
        for side in [what for what in names if what not in (MAPS, RUNS)]:
            names[f"newest {side}"] = self.names.newest(side)
        for one, other in combinations(names, 2):
            if are_same(names[one], names[other], self._engine):
                raise UsageError(
                    f"{names[other]} would be the table of the space {self.names} for its {one} "
                    f"and for its {other}: give each a name of its own."
                )

    def _make(self, name: str, statements: Sequence[str]) -> None:
        """Make a table or a view; another run may be about to do the same."""
        try:
            for statement in statements:
                self._engine.execute(statement)
        except EngineError:
            self._engine.rollback()
            if self._columns(name) is None:
                raise

    def _make_view(self, side: str, columns: Sequence[Column], key: Key) -> None:
        """Make the view of the newest run, unless it has these columns already.

        Raises:
            EngineError: It cannot be made.
        """
        newest = self.names.newest(side)
        there = self._columns(newest)
        if there is not None and _names(there) == _names(columns):
            return
        # One that only seems to be missing, because it cannot be read, stays.
        create = "CREATE VIEW" if there is None else "CREATE OR REPLACE VIEW"
        made = view(self.names, side, columns, key, self.dialect, create=create)
        try:
            if there is None:
                self._make(newest, [made])
            else:
                self._execute([made])
        except EngineError as error:
            if there is not None:
                raise EngineError(
                    f"{newest} lacks columns that {self.names.table(side)} has, and cannot be made "
                    f"anew: {str(error).rstrip('.')}. Drop the view: a run makes it again."
                ) from error
            # The view is for readers; a catalogue without views does without.
            if not any(mark in str(error) for mark in self.dialect.tables.viewless):
                raise

    def check_inputs(self, relations: Mapping[str, str]) -> None:
        """Check that no input is a table of the space, whose rows a run replaces.

        Args:
            relations: The name of the table of each side.

        Raises:
            UsageError: One is.
        """
        inputs = {}
        for side, relation in relations.items():
            is_file = is_path(relation) and self.dialect.reads_files
            read = [] if is_file else self._read_by(relation, {relation})
            inputs[side] = [relation, *read]
        self.names.check_inputs(inputs)

    def _read_by(self, view: str, seen: set[str]) -> list[str]:
        """List what a view reads, and the views in it, as far as its text can be had and read."""
        pattern = self.dialect.tables.definition
        if not pattern:
            return []
        whole = qualified(view, self._engine)
        rows = self._engine.query(ddl.about(pattern, whole, self.dialect))
        try:
            trees = [sqlglot.parse_one(r["definition"], dialect=self.dialect.sqlglot) for r in rows]
        except sqlglot.errors.SqlglotError:
            return []
        names = {
            quoting.table_name([part.name for part in table.parts], self.dialect)
            for tree in trees
            for table in tree.find_all(exp.Table)
            if all(isinstance(part, exp.Identifier) for part in table.parts)
        } - seen
        deeper = [each for name in sorted(names) for each in self._read_by(name, seen | names)]
        return [*sorted(names), *deeper]

    def _check_free(self, target: TablesTarget) -> None:
        """Check that rows with the key of a run that is not there are not those of others.

        What a killed run has left has a claim, or was rolled back.

        Raises:
            UsageError: They are.
        """
        condition = target.key.condition(self.dialect)

        def count(what: str) -> int:
            name = quoted(self.names.table(what), self.dialect)
            text = f"SELECT count(*) AS n\nFROM {name}\nWHERE {condition}\n"
            return int(self._engine.query(text)[0]["n"])

        if not self.dialect.tables.begin and count(MAPS):
            return
        for side in target.outputs:
            if side in target.tables and (rows := count(side)):
                raise UsageError(
                    f"{self.names.table(side)} has {rows:,} rows with {condition}, but no run "
                    f"{target.key.value} is in {self.names}: sqlstab did not write them, "
                    "and does not replace them. Delete them, or use another key."
                )

    def _tidy(self, target: TablesTarget) -> None:
        """Drop the tables that killed runs have left."""
        pattern = self.dialect.tables.leftovers
        for side in target.outputs if pattern else ():
            name = qualified(self.names.table(side), self._engine)
            *schema, _ = quoting.table_parts(name, self.dialect)
            for row in self._engine.query(ddl.about(pattern, name, self.dialect)):
                left = quoting.table_name([*schema, row["name"]], self.dialect)
                self._engine.execute(f"DROP TABLE IF EXISTS {quoted(left, self.dialect)}")


class _Loader:
    """Reads the figures of some runs, a few at a time, when they are asked for."""

    def __init__(self, space: TablesSpace, column: Column, keys: list[str]) -> None:
        self._space = space
        self._column = column
        # Readers of the newest run also read those before it.
        self._chunks = [keys[max(k - _READ, 0) : k] for k in range(len(keys), 0, -_READ)]
        self._found: dict[str, dict[str, Any]] = {}

    def figures(self, key: str) -> dict[str, Any]:
        """Return the figures of a run."""
        if key not in self._found:
            chunk = next(chunk for chunk in self._chunks if key in chunk)
            self._found |= self._space.figures(chunk, self._column)
        if key not in self._found:
            raise DataError(f"The run {key} of {self._space.names} has gone meanwhile.")
        return self._found[key]


def _names(columns: Sequence[Column]) -> set[str]:
    return {column.name.lower() for column in columns}


def _is_one_of(column: str, literals: Sequence[str]) -> str:
    if len(literals) == 1:
        return f"{column} = {literals[0]}"
    return f"{column} IN ({', '.join(literals)})"


def _layout(rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """Return what stores a table, and the columns or expressions that partition it."""
    if not rows or "col_name" not in rows[0]:
        row = rows[0] if rows else {"provider": "", "partitioned": ""}
        parts = [part.strip(' `"()').lower() for part in str(row["partitioned"]).split(",")]
        return str(row["provider"]).lower(), [part for part in parts if part]
    provider = ""
    partitioned: list[str] = []
    within = False
    for row in rows:
        name, value = str(row["col_name"] or ""), str(row["data_type"] or "")
        if name == "Provider":
            provider = value.lower()
        if within and (not name or (name.startswith("#") and name != "# col_name")):
            within = False
        elif within and name != "# col_name":
            partitioned.append(name.lower())
        if name == "# Partition Information":
            within = True
    return provider, partitioned


def _whole(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys of runs all of whose parts are there, in their order."""
    found: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        found.setdefault(row["run_key"], []).append((int(row["part"] or 0), int(row["parts"] or 0)))
    return [
        key
        for key, parts in found.items()
        if sorted(parts) == [(k, len(parts)) for k in range(1, len(parts) + 1)]
    ]


def _parsed(key: str, texts: Sequence[str]) -> dict[str, Any]:
    if not all(texts):
        raise DataError(f"The figures of the run {key} are damaged: they are NULL or empty.")
    try:
        found = saved.loads("".join(texts))
    except ValueError as error:
        raise DataError(f"The figures of the run {key} are damaged: {error}.") from error
    if not isinstance(found, dict):
        raise DataError(f"The figures of the run {key} are damaged: they are not a JSON object.")
    return found
