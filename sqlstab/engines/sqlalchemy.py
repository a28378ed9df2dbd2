"""Any warehouse that SQLAlchemy reaches: Postgres, ClickHouse, Snowflake, BigQuery, Redshift..."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from sqlstab.engines import dialects
from sqlstab.engines.base import begins, ends, no_relation, qualified, reason
from sqlstab.errors import DataError, EngineError, OutOfRangeError, UsageError
from sqlstab.statements import ddl
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.engine import Engine as Database

    from sqlstab.progress import Step
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.statement import Call, Fold, Rows

logger = logging.getLogger("sqlstab.sql")

T = TypeVar("T")


class SqlAlchemyEngine:
    """A session with a database behind SQLAlchemy: one connection, opened when it is first used.

    Args:
        database: A SQLAlchemy engine, which stays open; or a URL, as text or as SQLAlchemy's
            object, as in `postgresql+psycopg://user:password@host/database`.

    Raises:
        UsageError: The URL is not valid, its driver is not installed, or sqlstab does not speak
            the database's dialect.
    """

    streams = False
    frames = None

    def __init__(self, database: Database | URL | str) -> None:
        self._owned = not hasattr(database, "connect")
        self._database: Database = _open(database) if self._owned else cast("Database", database)
        self._connection: Connection | None = None
        # Whether a transaction is open that was begun here.
        self._begun = False
        name = self._database.dialect.name
        found = _dialect(name)
        if found is None:
            known = sorted(name for record in dialects().values() for name in record.sqlalchemy)
            raise UsageError(
                f"sqlstab does not speak the SQL of {name}, but that of {', '.join(known)}, and of "
                "DuckDB and Spark without SQLAlchemy."
            )
        self.dialect = found

    @property
    def version(self) -> str | None:
        """See `Engine`."""
        # ClickHouse's driver knows it; of others, SQLAlchemy asks when it first connects.
        with self._running("") as connection:
            client = getattr(connection.connection.driver_connection, "client", None)
        parts = getattr(self._database.dialect, "server_version_info", None) or ()
        return getattr(client, "server_version", None) or ".".join(map(str, parts)) or None

    def close(self) -> None:
        """See `Engine`."""
        connection, self._connection = self._connection, None
        with suppress(Exception):  # a server that is gone has closed it
            if connection is not None:
                if self.dialect.before and not self._owned:
                    # Its settings are no longer those that a user's pool expects.
                    connection.detach()
                connection.close()
        if self._owned:
            self._database.dispose()

    def describe(self, relation: str) -> list[Column]:
        """See `Engine`."""
        statement = ddl.describe(relation, self.dialect)
        try:
            with self._running(statement) as connection:
                rows = [
                    Column(str(row[0]), str(row[1]))
                    for row in connection.exec_driver_sql(statement)
                ]
        except EngineError as error:
            if not _says(error, self.dialect.tables.missing):
                raise
            raise no_relation(relation, error) from error
        if not rows:
            raise DataError(f"There is no table or view {relation}, or it has no columns.")
        return rows

    def kind(self, name: str) -> str | None:
        """See `Engine`."""
        if not self.dialect.tables.kind:
            try:
                self.describe(name)
            except DataError:
                return None
            return "table"
        try:
            rows = self.query(ddl.table_kind(qualified(name, self), self.dialect))
        except EngineError as error:
            # A schema that is not there.
            if _says(error, self.dialect.tables.missing):
                return None
            raise
        return cast("str", rows[0]["kind"]) if rows else None

    def query(self, text: str, step: Step | None = None) -> Rows:
        """See `Engine`."""
        with self._running(text) as connection:
            result = connection.exec_driver_sql(text)
            names = list(map(str.lower, result.keys()))
            return [dict(zip(names, row, strict=True)) for row in result]

    def execute(self, text: str, step: Step | None = None) -> None:
        """See `Engine`."""
        with self._running(text) as connection:
            connection.exec_driver_sql(text).close()
        if begins(text):
            self._begun = True
        elif ends(text):
            self._begun = False

    def fold(self, fold: Fold[T], step: Step | None = None) -> NoReturn:
        """See `Engine`; rows stay in the database."""
        raise NotImplementedError

    def call(self, call: Call, step: Step | None = None) -> NoReturn:
        """See `Engine`; rows stay in the database."""
        raise NotImplementedError

    def rollback(self) -> None:
        """See `Engine`."""
        if self._begun:
            self._begun = False
            with suppress(Exception):
                self.execute("ROLLBACK")

    @contextmanager
    def _running(self, text: str) -> Iterator[Connection]:
        """Give the connection; what fails on it is an error of the engine."""
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - an extra

        logger.debug("%s", text)
        try:
            if self._connection is None:
                self._connection = self._connected()
            yield self._connection
            if not (self.dialect.transactions or self._begun or begins(text)):
                # There is nothing to commit, but some drivers want to be told.
                self._connection.commit()
        except SQLAlchemyError as error:
            if not self.dialect.transactions and self._connection is not None:
                with suppress(SQLAlchemyError):
                    self._connection.rollback()
            # Postgres, where others have infinity, or zero.
            is_range = getattr(getattr(error, "orig", None), "sqlstate", None) == "22003"
            raised = OutOfRangeError if is_range else EngineError
            # Where there is no connection, the statement is not to blame.
            statement = text if self._connection is not None else ""
            raise raised(f"{self.dialect.name}: {_reason(error)}", statement) from error

    def _connected(self) -> Connection:
        # A percent sign is one; it begins no parameter.
        connection = self._database.connect().execution_options(no_parameters=True)
        try:
            if self.dialect.transactions:
                # BEGIN and COMMIT are statements of sqlstab. Not every driver knows of this; those
                # of databases without transactions need not.
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            for setting in self.dialect.before:
                connection.exec_driver_sql(setting)
        except BaseException:
            connection.close()
            raise
        return connection


def _dialect(name: str) -> Dialect | None:
    """Find the dialect that SQLAlchemy calls so."""
    return next((one for one in dialects().values() if name in one.sqlalchemy), None)


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
            "The URL of the database is not valid: write dialect://user:password@host/database."
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
            record = _dialect(parsed.drivername)
            if record is None or not record.driver:
                raise
            return create_engine(parsed.set(drivername=record.driver))
    except (NoSuchModuleError, ImportError) as error:
        name = parsed.get_backend_name()
        record = _dialect(name)
        known = f"pip install 'sqlstab[{record.name}]'" if record else "is its name right?"
        raise UsageError(f"There is no driver for {parsed.drivername} here: {known}") from error


def _says(error: EngineError, marks: Sequence[str]) -> bool:
    """Return whether a driver's error has one of some marks: in its text, or as its SQLSTATE."""
    cause = error.__cause__
    original = getattr(cause, "orig", None) or cause
    text = f"{getattr(original, 'sqlstate', '')} {original}"
    return any(mark in text for mark in marks)


def _reason(error: Exception) -> str:
    """Return what the driver said, without SQLAlchemy's wrapping."""
    return reason(getattr(error, "orig", None) or error)
