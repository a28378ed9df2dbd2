"""Stable tables in a database: written under names of their own, then put in place together."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlstab.errors import ConflictError, DataError, EngineError, HalfWayInterrupt, UsageError
from sqlstab.statements import ddl, quoting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlstab.engines import Engine
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import Side

logger = logging.getLogger("sqlstab")


class StagedTables:
    """The tables of one run, until they are put in place.

    Args:
        engine: The database.
        targets: The name that each side's stable table is to have.
        transform_table: A table (run_id, side, i, j, value) to add the run's matrices to.
        run_id: Names the staged tables, so that two runs do not meet.

    Attributes:
        targets, transform_table: The names, with their schemas once `prepare` has been called.
        run_id: As given.
    """

    def __init__(
        self,
        engine: Engine,
        targets: Mapping[Side, str],
        transform_table: str | None,
        run_id: str,
    ) -> None:
        self._engine = engine
        self.targets = dict(targets)
        self.transform_table = transform_table
        self.run_id = run_id
        self._begun = self._done = False
        self._found: list[tuple[str, list[dict[str, Any]]]] = []

    @property
    def wanted(self) -> bool:
        """Whether there is anything to put in place."""
        return bool(self.targets or self.transform_table)

    def prepare(self) -> None:
        """Settle where the tables go, and that they can be made there: before anything is read.

        Raises:
            UsageError: Something else than a table has the name of one, or something, such as a
                view, would stay with a table that is replaced.
            DataError: The transform table is another kind of table.
            EngineError: A table cannot be made there.
        """
        # A bare name is read along a search path, but a table is made in one schema.
        self.targets = {side: self._engine.qualified(name) for side, name in self.targets.items()}
        for side, target in self.targets.items():
            self._check_side(side)
            kind = self._engine.kind(target)
            if kind not in ("table", None):
                raise UsageError(
                    f"{target}, where the stable {side} are to go, is a {kind}, which a table "
                    "would replace; name a table."
                )
            check_no_dependents(self._engine, target)
        made = {f"the stable {side}": target for side, target in self.targets.items()}
        if self.transform_table:
            self.transform_table = self._engine.qualified(self.transform_table)
            if self._engine.kind(self.transform_table) is None:
                made["the transform"] = self.transform_table
            else:
                check_columns(
                    self._engine, self.transform_table, "transform table", ddl.MATRIX_COLUMNS
                )
        check_creatable(self._engine, made, self.run_id)
        if self._engine.dialect.tables.identity:
            for target in self.targets.values():
                query = ddl.identity(target, self._engine.dialect)
                self._found.append((query, self._engine.query(query)))

    def _check_side(self, side: Side) -> None:
        """The longest name of ours for a side's table is no longer than the engine takes."""
        try:
            scratch_name(self.targets[side], f"{self.run_id}_{side}{KEPT}", self._engine.dialect)
        except UsageError as error:
            raise UsageError(
                f"--also {side}: a table of ours is named after it while a run is at work. {error}"
            ) from error

    def name(self, side: Side) -> str:
        """The name that a side's table is written under, in the schema where it will stay."""
        return scratch_name(self.targets[side], f"{self.run_id}_{side}", self._engine.dialect)

    def put_in_place(
        self,
        matrices: Mapping[Side, Matrix],
        *,
        kept: Mapping[str, str] = MappingProxyType({}),
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        beside: Sequence[str] = (),
    ) -> None:
        """Let the staged tables take their places: all or none, where the engine can do that.

        Args:
            matrices: What to add to the transform table, if there is one.
            kept: What tables that are there and replaced are to be called from then on.
            before: Statements that come first.
            after: Statements that come last.
            beside: Other tables that these statements may create.

        Raises:
            ConflictError: Other tables have taken these places since `prepare`; they stay.
            EngineError: The database failed.
        """
        dialect = self._engine.dialect
        statements: list[str] = []
        if dialect.transactions:
            statements += before
        elif before:
            # While nothing has been replaced yet.
            self._engine.execute(before)
        for side, target in self.targets.items():
            if target in kept:
                statements += ddl.keep_table(self.name(side), target, kept[target], dialect)
            else:
                statements += ddl.replace_table(self.name(side), target, dialect)
        if self.transform_table:
            if self._engine.kind(self.transform_table) is None:
                statements.append(ddl.create_matrix_table(self.transform_table, dialect))
            statements += ddl.insert_matrices(self.transform_table, self.run_id, matrices, dialect)
        statements += after
        if statements:
            self._begun = True
            try:
                self._engine.execute(statements, expected=[*self._locks(beside), *self._found])
            except ConflictError as error:
                self._begun = False
                raise ConflictError(
                    f"{' or '.join(self.targets.values())} was replaced by another run while this "
                    "one was at work, and stays. Run again, one run after the other."
                ) from error
            self._done = True
        self._drop_left_over([side for side, target in self.targets.items() if target not in kept])

    def _drop_left_over(self, sides: Sequence[Side]) -> None:
        """Drop what is left of what was replaced; it is no reason to fail now."""
        for side in sides:
            target = self.targets[side]
            for statement in ddl.left_over(self.name(side), target, self._engine.dialect):
                try:
                    self._engine.execute([statement])
                except EngineError as error:
                    logger.warning("What %s was before may be left behind: %s", target, error)

    def _locks(self, beside: Sequence[str]) -> list[tuple[str, list[dict[str, Any]]]]:
        """Queries that let one run at a time replace these tables, in an order without deadlock."""
        names = {*self.targets.values(), *beside, *filter(None, [self.transform_table])}
        locks = (ddl.lock(name, self._engine.dialect) for name in sorted(names))
        return [(lock, [{"n": 1}]) for lock in locks if lock]

    @contextmanager
    def dropped_afterwards(self) -> Iterator[None]:
        """Drop at the end what has not been put in place, also after an error.

        Not what a failure caught half way: then the staged table may be the only one.

        Raises:
            HalfWayInterrupt: For a KeyboardInterrupt that came when tables were being replaced.
        """
        try:
            yield
        except BaseException as error:
            happened = self._replaced()
            if happened and isinstance(error, KeyboardInterrupt):
                raise HalfWayInterrupt(f"{error} {happened}".strip()) from error
            if happened:
                logger.warning("%s", happened)
            raise
        finally:
            kept = self._done or (self._begun and not self._engine.dialect.transactions)
            for side in () if kept else self.targets:
                try:
                    self._engine.execute([ddl.drop_table(self.name(side), self._engine.dialect)])
                except EngineError as error:
                    logger.warning("%s may be left behind: %s", self.name(side), error)

    def _replaced(self) -> str:
        """What has become of the tables, in words; nothing where they are as they were."""
        if not self._begun:
            return ""
        written = " and ".join(
            [*self.targets.values(), *([self.transform_table] if self.transform_table else [])]
        )
        if self._done:
            return f"{written} had been written by then, and stay."
        if not self._engine.dialect.transactions:
            staged = ", ".join(self.name(side) for side in self.targets)
            return (
                f"Putting the tables in place failed half way: look for {staged or written}, and "
                "for the same names with _old behind them, beside the tables themselves."
            )
        # Whether a transaction was committed is unknown where its end was not seen, but shows.
        try:
            if any(self._engine.kind(self.name(side)) for side in self.targets):
                return ""
            known = bool(self.targets)
        except EngineError:
            known = False
        if known:
            self._done = True
            return f"{written} had been written by then, and stay."
        return f"Whether {written} were written is not known: look at them."


# Ends the names of tables that are made to see whether that can be done, of those for intermediate
# results, and of stable tables that others have replaced.
TRIAL, SCRATCH, KEPT = "_trial", "_scratch", "_kept"


def check_creatable(engine: Engine, tables: Mapping[str, str], run_id: str) -> None:
    """Tables can be made where some are to go, one after another tried in each schema.

    No catalogue says so on all engines: a schema may be missing, or a right, or the database may
    have been opened for reading only.

    Args:
        engine: The engine.
        tables: What is to be made -> its name.
        run_id: Names what is tried.

    Raises:
        EngineError: One cannot be made.
    """
    tried = set()
    for what, name in tables.items():
        trial = scratch_name(name, f"{run_id}{TRIAL}", engine.dialect)
        if trial in tried:
            continue
        tried.add(trial)
        create, drop = ddl.trial_table(trial, engine.dialect), ddl.drop_table(trial, engine.dialect)
        try:
            engine.execute([create, drop])
        except EngineError as error:
            said = str(error).rstrip(".")
            raise EngineError(
                f"No table can be made beside {name}, for {what}: {said}. Its schema must be "
                "there, and the account must be allowed to make tables in it.",
                error.statement,
            ) from error


def check_columns(engine: Engine, table: str, what: str, columns: Iterable[str]) -> None:
    """A table that is there, and rows are added to, begins with the columns that they have.

    Their values are given in that order, without names: in another one, texts would change places.

    Raises:
        DataError: It does not.
    """
    wanted = list(columns)
    there = [column.name for column in engine.describe(table)]
    if [name.lower() for name in there[: len(wanted)]] != wanted:
        raise DataError(
            f"{table} is no {what}: its columns are {', '.join(there)}, and they must be, or begin "
            f"with, {', '.join(wanted)}. Name a table of its own, which is made if there is none."
        )


def dependents(engine: Engine, table: str) -> str:
    """What would stay with a table that is replaced, in words; empty where nothing would."""
    if not engine.dialect.tables.dependents:
        return ""
    return engine.query(ddl.dependents(table, engine.dialect))[0]["dependents"] or ""


def check_no_dependents(engine: Engine, table: str) -> None:
    """Nothing may be of a table that is replaced, where it would stay with the old one.

    If that is dropped, the engine refuses; if it is kept under another name, a view goes on showing
    it, a foreign key goes on asking it, and nobody would notice. Row-level security and the place
    in a publication are lost in both cases.

    Raises:
        UsageError: Something is.
    """
    found = dependents(engine, table)
    if found:
        raise UsageError(
            f"{table} is to be replaced, but {found} would stay with the old table: in "
            f"{engine.dialect.name} a view, a foreign key and the like are of a table and not of "
            "its name. Drop that and create it again after each run, or name another table."
        )


def scratch_name(beside: str, suffix: str, dialect: Dialect) -> str:
    """The name of a table of ours in the schema of another table."""
    *schema, _ = quoting.table_parts(beside, dialect)
    own = "sqlstab_" + re.sub(r"[^a-z0-9]", "_", suffix.lower())
    return ".".join(quoting.identifier(part, dialect) for part in (*schema, own))
