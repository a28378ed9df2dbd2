"""What is looked at of a table before it is worked with, the stable tables of earlier runs too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlstab import checks
from sqlstab.compute import InvalidVectorsError
from sqlstab.errors import EngineError, OutOfRangeError, UsageError
from sqlstab.runs import file_name
from sqlstab.statements import build
from sqlstab.statements.table import resolve

if TYPE_CHECKING:
    from sqlstab.checks import CheckedTable
    from sqlstab.config import Options
    from sqlstab.engines import Engine
    from sqlstab.progress import Diary
    from sqlstab.runs import Run
    from sqlstab.statements.table import EmbeddingTable, Side, VectorTable


class Inspector:
    """Looks at tables, as closely as what is done with them needs.

    Args:
        engine: Where they are.
        options: How the run is done.
        diary: Is told.
        notices: Whether bad vectors are noticed when they are summed: as in `Compute`.
    """

    def __init__(self, engine: Engine, options: Options, diary: Diary, *, notices: bool) -> None:
        self._engine = engine
        self._options = options
        self._diary = diary
        self._notices = notices

    def resolved(self, table: EmbeddingTable, side: Side) -> VectorTable:
        """A table with its columns, from the metadata of the engine alone."""
        columns = self._engine.describe(table.relation)
        return resolve(table, side, columns, self._engine.dialect)

    def stable_table(self, run: Run, side: Side) -> VectorTable:
        """See `checks.stable_table`."""
        return checks.stable_table(self._engine, run, side)

    def checked(self, table: VectorTable, *, values: bool = False) -> CheckedTable:
        """A table that can be worked with.

        Args:
            table: The table.
            values: Look at its vectors, even if those who sum them notice what is wrong.

        Raises:
            DataError: It is empty, or has bad rows that are not to be left out.
        """
        with self._diary.step("check", f"Checking {table.side}"):
            try:
                checked = checks.check_table(
                    self._engine,
                    self.numbered(table),
                    values=values or self._looks_at_vectors(),
                    drop=self._options.on_invalid == "drop",
                )
            except EngineError as error:
                cause = checks.cause(
                    self._engine,
                    "filter",
                    table,
                    lambda plain: build.check(plain, self._engine.dialect),
                    error,
                )
                if isinstance(cause, OutOfRangeError):
                    cause = checks.range_error(table)
                raise cause from error
        if checked.left_out:
            self._diary.warn(f"{table.side}: {checks.left_out_text(checked)}.")
        return checked

    def stable(self, run: Run, table: VectorTable, *, values: bool) -> CheckedTable:
        """A stable table of a run, if it is what that wrote.

        Args:
            run: The run.
            table: The table.
            values: Sums must not go wrong without a word; figures may fail with one.

        Raises:
            InvalidVectorsError: Its vectors have another length than the run's.
            DataError: It is another table, or has bad rows.
        """
        table = self.numbered(table)
        values = values and not self._notices
        checked = checks.check_table(self._engine, table, values=values, drop=None)
        if checked.dimension not in (None, run.transform.dimension):
            raise InvalidVectorsError(table, run.transform.dimension)
        self.check_unchanged(run, table, checked.rows)
        return checked

    def numbered(self, table: VectorTable) -> VectorTable:
        """A table in the long layout with the number of its first dimension; others as they are."""
        return checks.numbered(self._engine, table)

    def check_unchanged(self, run: Run, table: VectorTable, rows: int) -> None:
        """See `checks.check_unchanged`."""
        checks.check_unchanged(self._engine, run, table, rows)

    def check_reachable(self, run: Run) -> None:
        """The stable tables of a run must be where this run's are.

        Raises:
            UsageError: They are elsewhere.
        """
        here = self._engine.dialect.name
        there = run.figures.get("engine")
        files = all(run.table(side).relation.endswith(file_name(side)) for side in run.sides)
        if files and not self._engine.dialect.reads_files:
            raise UsageError(
                f"The stable vectors of run {run.run_id} are Parquet files, which {here} does not "
                "read: take a --reference that was written to tables there."
            )
        if not files and there != here:
            raise UsageError(
                f"The stable vectors of run {run.run_id} are tables of {there}, but this run is "
                f"on {here}."
            )

    def _looks_at_vectors(self) -> bool:
        """Whether vectors must be looked at before they are summed."""
        if self._options.partition_by and self._options.on_invalid == "error":
            # Partitions are, each before it is summed. One that has not changed is not looked at
            # again: not to scan it is what its Gram matrix is kept for.
            return False
        # A sample passes over bad vectors; SQL sums them without a word.
        return self._options.share < 1 or not self._notices
