"""Any warehouse that SQLAlchemy reaches: Postgres, ClickHouse, Snowflake, BigQuery, Redshift..."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sqlstab.engines import check_expected, no_files, no_relation, qualified
from sqlstab.errors import DataError, EngineError, OutOfRangeError, UsageError
from sqlstab.statements import ddl
from sqlstab.statements.dialect import (
    BIGQUERY,
    CLICKHOUSE,
    DATABRICKS,
    POSTGRES,
    REDSHIFT,
    SNOWFLAKE,
    TRINO,
)
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.engine import URL, Connection, CursorResult
    from sqlalchemy.engine import Engine as Database

    from sqlstab.engines import Expected
    from sqlstab.progress import Step
    from sqlstab.statements.dialect import Dialect

logger = logging.getLogger("sqlstab.sql")

# SQLAlchemy's name of a dialect -> ours.
_DIALECTS: dict[str, Dialect] = {
    "bigquery": BIGQUERY,
    "clickhouse": CLICKHOUSE,
    "clickhousedb": CLICKHOUSE,
    "databricks": DATABRICKS,
    "postgresql": POSTGRES,
    "redshift": REDSHIFT,
    "snowflake": SNOWFLAKE,
    "trino": TRINO,
}
# SQLAlchemy's name of a dialect -> the extra that brings it, where the names differ.
_EXTRAS = {"postgresql": "postgres", "clickhousedb": "clickhouse"}
# A transaction that gave way to another one is run so often in all.
_ATTEMPTS = 5
# What a URL without a driver means where SQLAlchemy's default is not installed: ours by the extra.
_DRIVERS = {
    "clickhouse": "clickhousedb",
    "postgresql": "postgresql+psycopg",
    "redshift": "redshift+redshift_connector",
}


class SqlAlchemyEngine:
    """A database behind SQLAlchemy.

    Args:
        database: A SQLAlchemy engine, which stays open; or a URL, as text or as SQLAlchemy's
            object, as in `postgresql+psycopg://user:password@host/database`.

    Raises:
        UsageError: The URL cannot be meant, its driver is not installed, or sqlstab does not speak
            the database's dialect.
        EngineError: The database cannot be reached.
    """

    def __init__(self, database: Database | URL | str) -> None:
        self._owned = not hasattr(database, "connect")
        self._database: Database = _open(database) if self._owned else cast("Database", database)
        name = self._database.dialect.name
        if name not in _DIALECTS:
            raise UsageError(
                f"sqlstab does not speak the SQL of {name}; it does that of "
                f"{', '.join(sorted(_DIALECTS))}, and of DuckDB, Spark and DataFusion without it."
            )
        self.dialect = _DIALECTS[name]
        self.identity = self._database.url.render_as_string(hide_password=True)
        with self._running("") as connection:
            # ClickHouse's driver knows it; of others, SQLAlchemy asks when it first connects.
            client = getattr(connection.connection.driver_connection, "client", None)
            version = getattr(client, "server_version", None)
        parts = getattr(self._database.dialect, "server_version_info", None) or ()
        self.version: str | None = version or ".".join(map(str, parts)) or None

    def close(self) -> None:
        """Close the connections, unless the engine is the user's own."""
        if self._owned:
            self._database.dispose()

    def describe(self, relation: str) -> list[Column]:
        """See `Engine`."""
        statement = ddl.describe(relation, self.dialect)
        try:
            with self._running(statement) as connection:
                rows = [Column(str(row[0]), str(row[1])) for row in _run(connection, statement)]
        except EngineError as error:
            if not _says(error, self.dialect.tables.missing):
                raise
            raise no_relation(relation, error) from error
        if not rows:
            raise DataError(f"There is no table or view {relation}, or it has no columns.")
        return rows

    def qualified(self, name: str) -> str:
        """See `Engine`."""
        return qualified(self, name)

    def kind(self, name: str) -> str | None:
        """See `Engine`."""
        if not self.dialect.tables.kind:
            try:
                self.describe(name)
            except DataError:
                return None
            return "table"
        try:
            rows = self.query(ddl.table_kind(self.qualified(name), self.dialect))
        except EngineError as error:
            # A schema that is not there.
            if _says(error, self.dialect.tables.missing):
                return None
            raise
        return rows[0]["kind"] if rows else None

    def query(self, statement: str, step: Step | None = None) -> list[dict[str, Any]]:
        """See `Engine`."""
        with self._running(statement) as connection:
            return _query(connection, statement)

    def execute(
        self, statements: Sequence[str], step: Step | None = None, *, expected: Expected = ()
    ) -> None:
        """See `Engine`."""
        if not self.dialect.transactions:
            check_expected(self.query, expected)
            for statement in statements:
                self._transact([statement], ())
            return
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._transact(statements, expected)
            except EngineError as error:
                if attempt == _ATTEMPTS or not _says(error, self.dialect.tables.gave_way):
                    raise
            else:
                return

    def _transact(self, statements: Sequence[str], expected: Expected) -> None:
        with self._running("\n".join(statements)) as connection:
            check_expected(partial(_query, connection), expected)
            for statement in statements:
                _run(connection, statement)

    def write(self, statement: str, path: Path, row_group: int, step: Step | None = None) -> None:
        """See `Engine`."""
        raise no_files(self.dialect)

    @contextmanager
    def _running(self, statement: str) -> Iterator[Connection]:
        """A connection in a transaction; what fails on it is an error of the engine."""
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - an extra

        logger.debug("%s", statement)
        try:
            with self._database.connect() as connection:
                # A percent sign is one; it begins no parameter.
                plain = connection.execution_options(no_parameters=True)
                with plain.begin():
                    for setting in self.dialect.before:
                        plain.exec_driver_sql(setting)
                    yield plain
        except SQLAlchemyError as error:
            # Postgres, where others have infinity, or zero.
            is_range = getattr(getattr(error, "orig", None), "sqlstate", None) == "22003"
            raised = OutOfRangeError if is_range else EngineError
            raise raised(f"{self.dialect.name}: {_reason(error)}", statement) from error


def _open(url: Any) -> Database:
    try:
        from sqlalchemy import create_engine  # noqa: PLC0415 - an extra
        from sqlalchemy.engine import make_url  # noqa: PLC0415
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "A warehouse is reached through SQLAlchemy, which is not installed; install the extra "
            "of yours, as in pip install 'sqlstab[postgres]'."
        ) from error
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The URL itself may hold a password: it is not repeated.
        raise UsageError(
            "The URL of the database is none: write dialect://user:password@host/database."
        ) from error
    if "@" in (parsed.host or ""):
        # What stands before it is part of a password, which a driver would show as the host.
        raise UsageError(
            "The URL of the database has more than one @: write one in a password as %40, and "
            "other special characters likewise."
        )
    if parsed.drivername == "postgres":  # as several hosts write it; not a name of SQLAlchemy's
        parsed = parsed.set(drivername="postgresql")
    try:
        try:
            return create_engine(parsed)
        except (NoSuchModuleError, ImportError):
            if parsed.drivername not in _DRIVERS:
                raise
            return create_engine(parsed.set(drivername=_DRIVERS[parsed.drivername]))
    except (NoSuchModuleError, ImportError) as error:
        name = parsed.get_backend_name()
        extra = _EXTRAS.get(name, name)
        known = f"pip install 'sqlstab[{extra}]'" if name in _DIALECTS else "is its name right?"
        raise UsageError(f"There is no driver for {parsed.drivername} here: {known}") from error


def _run(connection: Connection, statement: str) -> CursorResult[Any]:
    return connection.exec_driver_sql(statement)


def _query(connection: Connection, statement: str) -> list[dict[str, Any]]:
    result = _run(connection, statement)
    names = list(map(str.lower, result.keys()))
    return [dict(zip(names, row, strict=True)) for row in result]


def _says(error: EngineError, marks: Sequence[str]) -> bool:
    """Whether a driver's error has one of some marks: in its text, or as its SQLSTATE."""
    cause = error.__cause__
    original = getattr(cause, "orig", None) or cause
    text = f"{getattr(original, 'sqlstate', '')} {original}"
    return any(mark in text for mark in marks)


def _reason(error: Exception) -> str:
    """The first line of what the driver said, without SQLAlchemy's wrapping."""
    original = getattr(error, "orig", None) or error
    return str(original).strip().split("\n", 1)[0]
