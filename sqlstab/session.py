"""Open a session with what a user names as an engine: as an object, or by options."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlstab.engines import NAMES
from sqlstab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from duckdb import DuckDBPyConnection
    from pyspark.sql import SparkSession
    from sqlalchemy.engine import Engine as Database

    from sqlstab.engines.base import Engine
    from sqlstab.options import EngineSettings

    AnyEngine: TypeAlias = (
        "Engine | DuckDBPyConnection | SparkSession | Database | str | Path | None"
    )


@contextmanager
def connect(engine: AnyEngine, *, writes: bool = True) -> Iterator[Engine]:
    """Open a session with what a user names as an engine; close it at the end, if it was opened.

    Args:
        engine: An `Engine`, a DuckDB connection, a SparkSession or the URL of a Spark Connect
            server, a SQLAlchemy engine or URL, the path of a DuckDB database file, or None for
            DuckDB on files.
        writes: Whether tables will be written: a database file is opened for that.

    Raises:
        UsageError: It is none of these, or a connection with a transaction open, to be written to.
        EngineError: It cannot be reached.
    """
    from sqlstab.engines.duckdb import DuckDBEngine  # noqa: PLC0415 - it imports this module

    # An engine's package is imported only when one of its objects is here already.
    package = type(engine).__module__.split(".", maxsplit=1)[0]
    session: Engine
    if package == "pyspark":
        from sqlstab.engines.spark import SparkEngine  # noqa: PLC0415 - an extra

        session = SparkEngine(cast("SparkSession", engine))
    elif isinstance(engine, str) and engine.startswith("sc://"):
        from sqlstab.engines.spark import SparkEngine  # noqa: PLC0415 - an extra

        session = SparkEngine.start(engine)
    elif package == "sqlalchemy" or (isinstance(engine, str) and "://" in engine):
        from sqlstab.engines.sqlalchemy import SqlAlchemyEngine  # noqa: PLC0415 - an extra

        session = SqlAlchemyEngine(cast("Database | str", engine))
    elif package in ("duckdb", "_duckdb"):
        connection = cast("DuckDBPyConnection", engine)
        session = DuckDBEngine(connection=connection, read_only=not writes)
    elif isinstance(engine, str) and ":" in engine and "@" in engine:
        # It may hold a password: it is not repeated.
        raise UsageError(
            "The URL of the database is not valid: write dialect://user:password@host/database."
        )
    elif isinstance(engine, str) and engine in NAMES and not Path(engine).exists():
        raise UsageError(
            f"{engine!r} says which SQL, not which database: give a SQLAlchemy engine or URL, as "
            "in postgresql+psycopg://user:password@host/database, a SparkSession, a DuckDB "
            "connection or database file, or None for DuckDB on files."
        )
    elif engine is None or isinstance(engine, (str, Path)):
        session = DuckDBEngine(engine, read_only=not writes)
    elif hasattr(engine, "describe") and hasattr(engine, "dialect"):
        # A session already; its owner closes it.
        yield cast("Engine", engine)
        return
    else:
        raise UsageError(
            f"{type(engine).__name__} is not an engine: give a DuckDB connection or database "
            "file, a SparkSession, or a SQLAlchemy engine or URL."
        )
    try:
        yield session
    finally:
        session.close()


@contextmanager
def opened(settings: EngineSettings, *, writes: bool) -> Iterator[Engine]:
    """Open an engine for as long as the context lasts.

    Args:
        settings: Which one.
        writes: Whether tables will be written: a database file is opened for that.

    Raises:
        UsageError: It is not installed.
        EngineError: It cannot be reached.
    """
    if settings.url:
        with connect(settings.url.reveal(), writes=writes) as named:
            yield named
        return
    engine: Engine
    if settings.kind == "spark":
        from sqlstab.engines.spark import SparkEngine  # noqa: PLC0415 - an extra

        engine = SparkEngine.start()
    else:
        # It loads sqlglot.
        from sqlstab.engines.duckdb import DuckDBEngine  # noqa: PLC0415

        engine = DuckDBEngine(
            settings.database,
            read_only=not writes,
            threads=settings.threads,
            memory_limit=settings.memory_limit,
        )
    try:
        yield engine
    finally:
        engine.close()
