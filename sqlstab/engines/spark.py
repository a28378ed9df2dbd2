"""Spark: tables of the session's catalogue, and files."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlstab.engines import check_expected, no_files, no_relation, qualified
from sqlstab.errors import EngineError
from sqlstab.statements import quoting
from sqlstab.statements.dialect import SPARK
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pyspark.sql import DataFrame, Row, SparkSession

    from sqlstab.engines import Expected
    from sqlstab.progress import Step

logger = logging.getLogger("sqlstab.sql")


class SparkEngine:
    """A Spark session of the user's, which stays open.

    Args:
        session: The session; its catalogue has the tables.
    """

    dialect = SPARK
    identity = "spark"

    def __init__(self, session: SparkSession) -> None:
        self.session = session
        self.version: str | None = session.version

    def close(self) -> None:
        """See `Engine`; the session is the user's."""

    def frame(self, statement: str) -> DataFrame:
        """What a query gives, not computed yet.

        Raises:
            EngineError: The query cannot be meant.
        """
        return self._run(statement)

    def describe(self, relation: str) -> list[Column]:
        """See `Engine`."""
        try:
            frame = self._run(f"SELECT * FROM {quoting.relation(relation, self.dialect)}")
        except EngineError as error:
            if not any(mark in str(error) for mark in self.dialect.tables.missing):
                raise
            raise no_relation(relation, error) from error
        return [Column(name, kind) for name, kind in frame.dtypes]

    def qualified(self, name: str) -> str:
        """See `Engine`."""
        return qualified(self, name)

    def kind(self, name: str) -> str | None:
        """See `Engine`."""
        whole = quoting.relation(self.qualified(name), self.dialect)
        try:
            with _failing(""):
                found = self.session.catalog.getTable(whole).tableType
        except EngineError as error:
            if any(mark in str(error) for mark in self.dialect.tables.missing):
                return None
            raise
        return "view" if found == "VIEW" else "table"

    def query(self, statement: str, step: Step | None = None) -> list[dict[str, Any]]:
        """See `Engine`."""
        return [
            {name.lower(): value for name, value in row.asDict().items()}
            for row in self.collect(self._run(statement), statement)
        ]

    def collect(self, frame: DataFrame, statement: str) -> list[Row]:
        """The rows of what was made of a query.

        Raises:
            EngineError: The query, or what was made of it, failed.
        """
        with _failing(statement):
            return frame.collect()

    def execute(
        self, statements: Sequence[str], step: Step | None = None, *, expected: Expected = ()
    ) -> None:
        """See `Engine`."""
        check_expected(self.query, expected)
        for statement in statements:
            self._run(statement)

    def write(self, statement: str, path: Path, row_group: int, step: Step | None = None) -> None:
        """See `Engine`."""
        raise no_files(self.dialect)

    def _run(self, statement: str) -> DataFrame:
        logger.debug("%s", statement)
        with _failing(statement):
            return self.session.sql(statement)


@contextmanager
def _failing(statement: str) -> Iterator[None]:
    """Spark's exceptions as ours; PySpark prints each of its own with two pages of Java."""
    from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra

    printers = [logging.getLogger(f"{name}QueryContextLogger") for name in ("SQL", "DataFrame")]
    before = [printer.disabled for printer in printers]
    for printer in printers:
        printer.disabled = True
    try:
        yield
    except PySparkException as error:
        raise EngineError(f"spark: {_reason(error)}", statement) from error
    finally:
        for printer, disabled in zip(printers, before, strict=True):
            printer.disabled = disabled


def _reason(error: Exception) -> str:
    """The first line of an error; of a Python worker's, what stands after the traceback."""
    first, *lines = str(error).strip().splitlines() or [""]
    tracebacks = [k for k, line in enumerate(lines) if line.startswith("Traceback")]
    if not tracebacks:
        return first
    said = (line for line in lines[tracebacks[-1] + 1 :] if line.strip() and line[0] != " ")
    return next(said, first)
