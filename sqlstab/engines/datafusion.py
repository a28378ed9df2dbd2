"""DataFusion in this process: tables and views of a session of the user's."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

from sqlstab.engines import check_expected, no_files, no_relation, qualified
from sqlstab.errors import EngineError
from sqlstab.statements import ddl, quoting
from sqlstab.statements.dialect import DATAFUSION
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    from datafusion import SessionContext

    from sqlstab.engines import Expected
    from sqlstab.progress import Step

logger = logging.getLogger("sqlstab.sql")


class DataFusionEngine:
    """A DataFusion session of the user's; tables that are written to it are held in memory.

    Args:
        session: The session; its catalogue has the tables.
    """

    dialect = DATAFUSION
    identity = "datafusion"

    def __init__(self, session: SessionContext) -> None:
        self._session = session
        self.version: str | None = metadata.version("datafusion")

    def close(self) -> None:
        """See `Engine`; the session is the user's."""

    def describe(self, relation: str) -> list[Column]:
        """See `Engine`."""
        statement = f"SELECT * FROM {quoting.relation(relation, self.dialect)}"
        try:
            with _failing(statement):
                schema = self._session.sql(statement).schema()
        except EngineError as error:
            if not any(mark in str(error) for mark in self.dialect.tables.missing):
                raise
            raise no_relation(relation, error) from error
        return [Column(field.name, _spelled(field.type)) for field in schema]

    def qualified(self, name: str) -> str:
        """See `Engine`."""
        return qualified(self, name)

    def kind(self, name: str) -> str | None:
        """See `Engine`."""
        rows = self.query(ddl.table_kind(self.qualified(name), self.dialect))
        return rows[0]["kind"] if rows else None

    def query(self, statement: str, step: Step | None = None) -> list[dict[str, Any]]:
        """See `Engine`."""
        return [
            {name.lower(): value for name, value in row.items()}
            for batch in self._run(statement)
            for row in batch.to_pylist()
        ]

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

    def _run(self, statement: str) -> list[pa.RecordBatch]:
        logger.debug("%s", statement)
        with _failing(statement):
            batches: list[pa.RecordBatch] = self._session.sql(statement).collect()
            return batches


@contextmanager
def _failing(statement: str) -> Iterator[None]:
    """DataFusion's exceptions as ours: it has no class of its own for them."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise EngineError(f"datafusion: {reason}", statement) from error


def _spelled(kind: pa.DataType) -> str:
    """A type of Arrow's as SQL spells it; what has no such spelling keeps Arrow's."""
    if hasattr(kind, "value_field"):  # of lists
        return f"{_spelled(kind.value_type)}[]"
    return _SPELLED.get(str(kind), str(kind))


_SPELLED = {
    "float": "REAL",
    "double": "DOUBLE",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "TINYINT UNSIGNED",
    "uint16": "SMALLINT UNSIGNED",
    "uint32": "INTEGER UNSIGNED",
    "uint64": "BIGINT UNSIGNED",
    "string": "VARCHAR",
    "large_string": "VARCHAR",
    "string_view": "VARCHAR",
}
