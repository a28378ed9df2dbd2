"""The rows of one run in the tables of a space, as text."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlstab.errors import ConflictError
from sqlstab.space.key import calendar
from sqlstab.space.names import MAPS, MAPS_COLUMNS, RUNS, RUNS_COLUMNS, creations, quoted
from sqlstab.space.target import stable_rows
from sqlstab.statements import ddl, quoting, relations, types
from sqlstab.statements.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlstab.maths.solve import Matrix
    from sqlstab.space.key import Key
    from sqlstab.space.names import Names
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import Column, StableTable, VectorTable

# Of the texts that the figures are cut into: Redshift's strings have 65,535 bytes at most.
_PART = 60_000
# Stands among the maps of a run that is being written, where there are no transactions: in row 0
# whoever finds another number than its own has been overtaken; that there are rows at all tells
# the next run that other rows with the key are those of a killed one.
CLAIM = "claim"


@dataclass(frozen=True)
class Table:
    """A table of the space, as it is or as it would be made.

    Attributes:
        name: Its name.
        columns: Its columns in order; empty where it has not been looked at.
        store: How rows take the place of others; see `statements.dialect.Tables`.
    """

    name: str
    columns: tuple[Column, ...]
    store: str


@dataclass(frozen=True)
class TablesTarget:
    """The rows of one run in the tables of a space.

    Attributes:
        names: The tables.
        key: Of the run.
        dialect: Of the engine.
        tables: Those that have been looked at, by what they hold; others are as new ones would be.
        outputs: The columns that the stable tables are to have, without the key.
        creates: Whether `begin` makes the tables that are missing.
        others: Tables of stable vectors that are there, but that this run does not write.
        seen: When the run was made that had the key at first; None without such a run. Empty before
            a look.
        whole_name: The name of the table of runs, with its schema, where that is known.
        token: Makes names unique, and tells this run from another with its key.
    """

    names: Names
    key: Key
    dialect: Dialect
    tables: Mapping[str, Table] = field(default_factory=dict)
    outputs: Mapping[str, Sequence[Column]] = field(default_factory=dict)
    creates: bool = False
    others: tuple[str, ...] = ()
    seen: str | None = ""
    token: str = "0" * 8
    whole_name: str = ""

    @property
    def _transactions(self) -> bool:
        return bool(self.dialect.tables.begin)

    # Target

    def begin(self) -> list[str]:
        """Return the statements that come before the rows; see `Target`."""
        statements: list[str] = []
        if self.creates:
            tables, others = creations(self.names, self.outputs, self.key, self.dialect)
            statements += [*tables, *others]
        if self._transactions:
            statements.append(self.dialect.tables.begin)
            if self.dialect.tables.lock:
                name = self.whole_name or self.names.table(RUNS)
                statements.append(ddl.lock(name, self.dialect))
        seen = None
        if self._transactions and self.seen:
            # What another run has written since stays, and `conflict_check` finds it.
            column = quoting.identifier(self._name("created"), self.dialect)
            seen = f"{column} = {quoting.string(self.seen, self.dialect)}"
        if not (self._transactions and self.seen is None):
            statements += self.removal(RUNS, seen)
        if not self._transactions:
            statements += self._claimed()
        for side in self.others:
            statements += self.removal(side)
        return statements

    def store(
        self, side: str, query: str, output: StableTable, keep: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return the statements that store the rows of a query; see `Target`."""
        names = [*(column.name for column in output.ids), *output.vector, *keep]
        return tuple(self._stored(side, names, query.strip()))

    def place(self, side: str) -> str:
        """Return the name of a table."""
        return self.names.table(side)

    def written(self, side: str, output: StableTable) -> VectorTable:
        """Return the rows of this run as a table to read."""
        condition = self.key.condition(self.dialect)
        found = stable_rows(side, output, self.place(side), condition)
        # A table that a user has made may have vectors of another type.
        there = {column.name.lower(): column.type for column in self._table(side).columns}
        kind = there.get(output.vector[-1].lower())
        if kind is None:
            return found
        known = types.reading("", kind, self.dialect) if output.layout == "array" else None
        if types.is_single(kind, self.dialect) or (known and known.element == "float"):
            found = replace(found, element="float")
        return replace(found, vector_type=kind) if output.layout == "array" else found

    def conflict_check(self, *, first: bool) -> Statement[None]:
        """Return what raises ConflictError where another run came in between; see `Target`."""
        condition = self.key.condition(self.dialect)
        if self._transactions:
            table = self._quoted(RUNS)
            where = "" if first else f"\nWHERE {condition}"
            return Statement(
                "check for others",
                (f"SELECT count(*) AS n\nFROM {table}{where}",),
                self._read_count,
                None,
            )
        text = (
            f"SELECT {self._name_of('value')} AS claimed\nFROM {self._quoted(MAPS)}\n"
            f"WHERE {condition} AND {self._is_claim()} AND {self._name_of('i')} = 0"
        )
        if first:
            # No run's claim: one that has begun the space since.
            other = self.dialect.number(-1.0)
            text += f"\nUNION ALL\nSELECT {other} AS claimed\nFROM {self._quoted(RUNS)}"
        return Statement("check for others", (text,), self._read_claims, None)

    def commit(self, maps: Mapping[str, Matrix], figures: str) -> list[str]:
        """Return the statements that add the maps, then the run, and end the transaction."""
        entries = _entries(maps, None)
        known = json.loads(figures)
        # Characters beyond ASCII take several bytes, which some engines count.
        text = json.dumps(known)
        parts = [text[k : k + _PART] for k in range(0, len(text), _PART)]
        created = str(known.get("created") or dt.datetime.now(dt.timezone.utc).isoformat())
        by = str(known.get("created_by") or "")
        rows = [(created, by, k, len(parts), part) for k, part in enumerate(parts, start=1)]
        if self._overwrites(MAPS):
            statements = self._overwritten(MAPS, entries)
        elif self._transactions:
            statements = [*self.removal(MAPS), *self._inserted(MAPS, entries)]
        else:
            statements = [*self._inserted(MAPS, entries), self._without(self._is_claim())]
        add = self._overwritten if self._overwrites(RUNS) else self._inserted
        statements += add(RUNS, rows)
        return [*statements, self.dialect.tables.commit] if self._transactions else statements

    def features(self, as_of: str, maps: Mapping[str, Matrix]) -> list[str]:
        """Return the statements that add feature maps; those of the same runs and sides go.

        Args:
            as_of: The run that the models were trained on.
            maps: (e, d) by side.
        """
        entries = _entries(maps, as_of)
        literals = ", ".join(quoting.string(side, self.dialect) for side in maps)
        of, side = self._name_of("feature_of"), self._name_of("side")
        model = quoting.string(as_of, self.dialect)
        if not self._overwrites(MAPS):
            same = f"{of} = {model} AND {side} IN ({literals})"
            return [self._without(same), *self._inserted(MAPS, entries)]
        # A partition is overwritten as a whole, in one statement, and not by rows of its own.
        aside, listed = f"sqlstab_{self.token}_maps", self._listed(MAPS)
        others = f"({of} IS NULL OR {of} <> {model} OR {side} NOT IN ({literals}))"
        condition = self.key.condition(self.dialect)
        rows = f"SELECT {listed}\nFROM {self._quoted(MAPS)}\nWHERE {condition} AND {others}"
        return [
            ddl.create_scratch(aside, rows, self.dialect),
            *ddl.insert(aside, entries, self.dialect),
            f"INSERT OVERWRITE TABLE {self._quoted(MAPS)} {self._partition} ({listed})\n"
            f"SELECT {listed}\nFROM {relations.named(aside, self.dialect)}",
            ddl.drop_table(aside, self.dialect),
        ]

    # Within

    def conflict(self) -> ConflictError:
        """Return what is raised where another run has the key."""
        return ConflictError(
            f"Another run with the key {self.key.value}, or the first one of the space, has "
            f"written to {self.names} meanwhile; this run is discarded. Run it again."
        )

    def _read_count(self, rows: list[dict[str, Any]]) -> None:
        if rows[0]["n"]:
            raise self.conflict()

    def _read_claims(self, rows: list[dict[str, Any]]) -> None:
        if {int(row["claimed"]) for row in rows} != {int(self.token, 16)}:
            raise self.conflict()

    def _name(self, column: str) -> str:
        return self.dialect.folded(column)

    def _quoted(self, what: str) -> str:
        return quoted(self._table(what).name, self.dialect)

    def _table(self, what: str) -> Table:
        known = self.tables.get(what)
        return known or Table(self.names.table(what), (), store_of_new(what, self.dialect))

    @property
    def _column(self) -> str:
        return quoting.identifier(self.key.name(self.dialect), self.dialect)

    @property
    def _day(self) -> str:
        """The key as ClickHouse names a partition."""
        return self.key.literal(self.dialect).removeprefix("DATE ")

    @property
    def _partition(self) -> str:
        return f"PARTITION ({self._column} = {self.key.literal(self.dialect)})"

    def removal(self, what: str, further: str | None = None) -> list[str]:
        """Remove this key's rows."""
        table = self._table(what)
        if table.store == "overwrite":
            # Unlike DROP PARTITION, this removes the files of an external table, too.
            name = quoted(table.name, self.dialect)
            columns = self._columns_of(what, table)
            listed = ", ".join(quoting.identifier(column, self.dialect) for column in columns)
            nothing = ", ".join("NULL" for _ in columns)
            return [
                f"INSERT OVERWRITE TABLE {name} {self._partition} ({listed})\n"
                f"SELECT {nothing}\nWHERE false"
            ]
        if table.store == "exchange":
            # DELETE would give every part of the table a new version, and keep the rows masked.
            # Without a limit on the size of what is dropped.
            return [
                f"ALTER TABLE {quoted(table.name, self.dialect)} DROP PARTITION {self._day} "
                "SETTINGS max_partition_size_to_drop = 0"
            ]
        return [_deletion(table.name, self.key.condition(self.dialect), further, self.dialect)]

    def dropped_partition(self, what: str) -> str:
        """Return the statement that forgets the partition of this key, once it is empty."""
        return f"ALTER TABLE {self._quoted(what)} DROP IF EXISTS {self._partition}"

    def _columns_of(self, what: str, table: Table) -> list[str]:
        if what in (MAPS, RUNS):
            return [self._name(name) for name in (MAPS_COLUMNS if what == MAPS else RUNS_COLUMNS)]
        key = self.key.name(self.dialect).lower()
        return [column.name for column in table.columns if column.name.lower() != key]

    def _claimed(self) -> list[str]:
        """Return the statements that let this run's claim take the place of all maps of the key.

        A kill between any two of them leaves rows.
        """
        claim = (CLAIM, 0, 0, float(int(self.token, 16)), None)
        if self._overwrites(MAPS):
            return self._overwritten(MAPS, [claim])
        return [
            *self._inserted(MAPS, [(CLAIM, 1, 0, 0.0, None)]),
            self._without(f"NOT ({self._is_claim()} AND {self._name_of('i')} = 1)"),
            *self._inserted(MAPS, [claim]),
        ]

    def _is_claim(self) -> str:
        return f"{self._name_of('side')} = {quoting.string(CLAIM, self.dialect)}"

    def _name_of(self, column: str) -> str:
        return quoting.identifier(self._name(column), self.dialect)

    def _without(self, condition: str) -> str:
        """Return the statement that removes some of this key's maps."""
        name = self._table(MAPS).name
        return _deletion(name, self.key.condition(self.dialect), condition, self.dialect)

    def _overwrites(self, what: str) -> bool:
        return self._table(what).store == "overwrite"

    def _overwritten(self, what: str, rows: Sequence[tuple[Any, ...]]) -> list[str]:
        """Let rows of values take the place of this key's rows, in one step."""
        into = f"TABLE {self._quoted(what)} {self._partition} ({self._listed(what)}) VALUES\n"
        return ddl.values(rows, f"INSERT OVERWRITE {into}", f"INSERT INTO {into}", self.dialect)

    def _inserted(self, what: str, rows: Sequence[tuple[Any, ...]]) -> list[str]:
        """Add rows of values with this key."""
        header = f"INSERT INTO {self._quoted(what)} ({self._column}, {self._listed(what)}) VALUES\n"
        return ddl.values(rows, header, header, self.dialect, (self.key.literal(self.dialect),))

    def _listed(self, what: str) -> str:
        columns = self._columns_of(what, self._table(what))
        return ", ".join(quoting.identifier(column, self.dialect) for column in columns)

    def _stored(self, side: str, names: Sequence[str], query: str) -> list[str]:
        table = self._table(side)
        name = quoted(table.name, self.dialect)
        types_there = {column.name.lower(): column.type for column in table.columns}
        wanted = {column.name.lower(): column.type for column in self.outputs.get(side, ())}
        columns = [quoting.identifier(column, self.dialect) for column in names]
        values = list(columns)
        for k, column in enumerate(names):
            there, comes = types_there.get(column.lower()), wanted.get(column.lower())
            if there and comes and not _same(there, comes, self.dialect):
                values[k] = f"CAST({columns[k]} AS {there})"
        listed, chosen = ", ".join(columns), ", ".join(values)
        rows = f"FROM (\n{query}\n) AS q"
        literal = self.key.literal(self.dialect)
        with_key = f"SELECT {literal} AS {self._column}, {chosen}\n{rows}"
        into = f"({self._column}, {listed})\n{with_key}"
        condition = self.key.condition(self.dialect)
        if table.store == "overwrite":
            return [
                f"INSERT OVERWRITE TABLE {name} {self._partition} ({listed})\n"
                f"SELECT {chosen}\n{rows}"
            ]
        if table.store == "replace":
            order = {column.name.lower(): k for k, column in enumerate(table.columns)}
            pairs = [(self.key.name(self.dialect), f"{literal} AS {self._column}")]
            pairs += list(zip(names, values, strict=True))
            pairs.sort(key=lambda pair: order.get(pair[0].lower(), 0))
            chosen = ", ".join(value for _, value in pairs)
            return [f"INSERT INTO {name} REPLACE WHERE {condition}\nSELECT {chosen}\n{rows}"]
        if table.store == "exchange":
            staged = quoted(_staged(table.name, self.token, self.dialect), self.dialect)
            return [
                # By the comment a later run knows what it may drop.
                f"CREATE TABLE {staged} AS {name} COMMENT 'sqlstab'",
                f"INSERT INTO {staged} {into}",
                f"ALTER TABLE {name} REPLACE PARTITION {self._day} FROM {staged}",
                # Without a limit on the size of what is dropped.
                f"DROP TABLE {staged} SETTINGS max_table_size_to_drop = 0",
            ]
        return [_deletion(table.name, condition, None, self.dialect), f"INSERT INTO {name} {into}"]


def _entries(maps: Mapping[str, Matrix], feature_of: str | None) -> list[tuple[Any, ...]]:
    """Return the rows of matrices by side in the table of maps, without the key."""
    import numpy as np  # noqa: PLC0415

    return [
        (side, i + 1, j + 1, float(value), feature_of)
        for side, matrix in maps.items()
        for (i, j), value in np.ndenumerate(matrix)
    ]


def store_of_new(what: str, dialect: Dialect) -> str:
    """Return how rows take the place of others in a new table."""
    store = dialect.tables.store
    if what in (MAPS, RUNS) and store in ("exchange", "replace"):
        return "delete"
    return store


def _deletion(name: str, condition: str, further: str | None, dialect: Dialect) -> str:
    also = f" AND {further}" if further else ""
    return f"DELETE FROM {quoted(name, dialect)} WHERE {condition}{also}"


def _staged(name: str, token: str, dialect: Dialect) -> str:
    *schema, bare = quoting.table_parts(name, dialect)
    return quoting.table_name([*schema, f"{bare}_sqlstab_{token}"], dialect)


def _family(kind: str, dialect: Dialect) -> str:
    if types.is_array(kind, dialect):
        return "array"
    if types.is_numeric(kind, dialect):
        return "number"
    if types.is_text(kind, dialect) or types.is_enum(kind, dialect):
        return "text"
    return calendar(kind, dialect) or kind.lower()


def fits(there: str, comes: str, dialect: Dialect) -> bool:
    """Return whether a column of one type takes values of another one."""
    family = _family(there, dialect)
    if family != _family(comes, dialect):
        return False
    sizes = {types.size(there), types.size(comes)} - {None} if family == "array" else set()
    return len(sizes) < 2


def _same(there: str, comes: str, dialect: Dialect) -> bool:
    """Return whether two types are one, whose values need no cast."""
    return there.lower() == comes.lower() or _family(there, dialect) == "text"
