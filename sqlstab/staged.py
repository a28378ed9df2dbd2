"""Stable tables in a database: written under names of their own, then put in place together."""

from __future__ import annotations

import itertools
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlstab import sql
from sqlstab.errors import DataError, EngineError, UsageError
from sqlstab.tables import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlstab.dialects import Dialect
    from sqlstab.engines import Engine
    from sqlstab.solve import Matrix
    from sqlstab.tables import EmbeddingTable, Side

logger = logging.getLogger("sqlstab")


class StagedTables:
    """The tables of one run, until they are put in place.

    Args:
        engine: The database.
        targets: The name that each side's stable table is to have.
        transform_table: A table (run_id, side, i, j, value) to add the run's matrices to.
        run_id: Names the staged tables, so that two runs do not meet.
    """

    def __init__(
        self,
        engine: Engine,
        targets: Mapping[Side, str],
        transform_table: str | None,
        run_id: str,
    ) -> None:
        self._engine = engine
        self.targets = targets
        self._transform_table = transform_table
        self._run_id = run_id
        self._begun = False

    @property
    def wanted(self) -> bool:
        """Whether there is anything to put in place."""
        return bool(self.targets or self._transform_table)

    def check(self, inputs: Mapping[Side, EmbeddingTable]) -> None:
        """Stable tables need names of their own.

        Raises:
            UsageError: One is missing, is given twice, is a file, or is that of an input.
        """
        if not self.wanted:
            return
        # Whatever forbids writing is said at once, before a table that is missing aborts a
        # transaction of the user's.
        self._engine.execute(())
        if self.targets and set(self.targets) != set(SIDES):
            raise UsageError(
                "Name the tables to write for both sides: --users-out and --items-out."
            )
        if any(self._is_file(target) for target in self.targets.values()):
            raise UsageError("--users-out and --items-out name tables; for files there is --out.")
        written = {f"the stable {side}": target for side, target in self.targets.items()}
        if self._transform_table:
            written["the transform"] = self._transform_table
        for (what, name), (other, again) in itertools.combinations(written.items(), 2):
            if self._may_be_one(name, again):
                raise UsageError(
                    f"{name} and {again}, named for {what} and {other}, are one table."
                )
        for (side, table), (what, name) in itertools.product(inputs.items(), written.items()):
            if not self._is_file(table.relation) and self._may_be_one(table.relation, name):
                raise UsageError(
                    f"{side} table {table.relation} would be replaced by {what}, written to "
                    f"{name}; name another table to write."
                )

    def _is_file(self, name: str) -> bool:
        return self._engine.dialect.reads_files and sql.file_reader(name) is not None

    def _may_be_one(self, first: str, second: str) -> bool:
        return sql.may_be_one_table(first, second, self._engine.dialect)

    def name(self, side: Side) -> str:
        """The name that a side's table is written under, in the schema where it will stay."""
        return scratch_name(self.targets[side], f"{self._run_id}_{side}", self._engine.dialect)

    def put_in_place(self, matrices: Mapping[Side, Matrix]) -> None:
        """Let the staged tables take their places: all or none, where the engine can do that.

        Args:
            matrices: What to add to the transform table, if there is one.
        """
        dialect = self._engine.dialect
        statements: list[str] = []
        for side, target in self.targets.items():
            statements += sql.replace_table(self.name(side), target, dialect)
        if self._transform_table:
            make = (
                sql.insert_matrices
                if exists(self._engine, self._transform_table)
                else sql.matrix_table
            )
            statements += make(self._transform_table, self._run_id, matrices, dialect)
        if statements:
            self._begun = not dialect.transactions
            self._engine.execute(statements)
            self._begun = False

    @contextmanager
    def dropped_afterwards(self) -> Iterator[None]:
        """Drop at the end what has not been put in place, also after an error.

        Not what a failure caught half way: then the staged table may be the only one.
        """
        try:
            yield
        finally:
            if self._begun:
                logger.warning(
                    "Putting the tables in place failed half way: look for %s and %s, and for the "
                    "same names with _old behind them, beside the tables themselves.",
                    *(self.name(side) for side in SIDES),
                )
            for side in self.targets if not self._begun else ():
                try:
                    self._engine.execute([sql.drop_table(self.name(side), self._engine.dialect)])
                except EngineError as error:
                    logger.warning("%s may be left behind: %s", self.name(side), error)


def scratch_name(beside: str, suffix: str, dialect: Dialect) -> str:
    """The name of a table of ours in the schema of another table."""
    *schema, _ = sql.table_parts(beside, dialect)
    own = "sqlstab_" + re.sub(r"[^a-z0-9]", "_", suffix.lower())
    return ".".join(sql.identifier(part, dialect) for part in (*schema, own))


def exists(engine: Engine, name: str) -> bool:
    """Whether the engine has a table of this name."""
    try:
        engine.describe(name)
    except DataError:
        return False
    return True
