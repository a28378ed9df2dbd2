"""Running statements: one small class per way of reaching a database."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from duckdb import DuckDBPyConnection

from sqlstab.errors import ConflictError, DataError, EngineError, UsageError
from sqlstab.statements import quoting
from sqlstab.statements.dialect import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from datafusion import SessionContext
    from pyspark.sql import SparkSession
    from sqlalchemy.engine import Engine as Database

    from sqlstab.progress import Step
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import Column

    # Queries and the rows that they must give.
    Expected: TypeAlias = "Sequence[tuple[str, list[dict[str, Any]]]]"
    AnyEngine: TypeAlias = (
        "Engine | DuckDBPyConnection | SparkSession | SessionContext | Database | str | Path | None"
    )


class Engine(Protocol):
    """What a run needs of a database."""

    dialect: Dialect
    # Of the server or the library; None where the driver does not say.
    version: str | None

    @property
    def identity(self) -> str:
        """Tells one database from another; no secrets."""

    def describe(self, relation: str) -> list[Column]:
        """The columns of a relation, in order, with types as the engine spells them.

        Raises:
            DataError: There is no such relation, or it is no table of rows and columns.
            EngineError: The database refused or failed.
        """

    def qualified(self, name: str) -> str:
        """The whole name of a table, with the schema that a bare one is made in.

        Raises:
            EngineError: There is no such schema.
        """

    def kind(self, name: str) -> str | None:
        """What has this name: `table`, `view` or the like; None for nothing.

        Of bare names, only what is in the schema counts where one would be made.

        Raises:
            EngineError: The database refused or failed.
        """

    def query(self, statement: str, step: Step | None = None) -> list[dict[str, Any]]:
        """Run a statement whose result is small: rows as dicts with lower-case names.

        Raises:
            EngineError: The database refused or failed.
        """

    def execute(
        self,
        statements: Sequence[str],
        step: Step | None = None,
        *,
        expected: Expected = (),
    ) -> None:
        """Run statements without a result: in one transaction, where the engine has them for DDL.

        Args:
            statements: The statements.
            step: Is told how far they are.
            expected: Queries that come first, in the same transaction, and the rows that each must
                give.

        Raises:
            ConflictError: A query gave other rows; no statement was run.
            EngineError: The database refused or failed.
        """

    def write(self, statement: str, path: Path, row_group: int, step: Step | None = None) -> None:
        """Run a query and write its rows to a Parquet file, in groups of so many rows.

        Raises:
            UsageError: The engine writes tables only.
        """

    def close(self) -> None:
        """Close what was opened for this run; a session of the user's stays open."""


def check_expected(query: Callable[[str], list[dict[str, Any]]], expected: Expected) -> None:
    """See `Engine.execute`.

    Args:
        query: Runs a query.
        expected: The queries, and the rows that each must give.

    Raises:
        ConflictError: One gave others.
    """
    for statement, rows in expected:
        found = query(statement)
        if found != rows:
            raise ConflictError(f"There is {found} where {rows} was expected.", statement)


def no_relation(relation: str, error: EngineError) -> DataError:
    """What `Engine.describe` raises for a relation that is not there."""
    return DataError(f"There is no table or view {relation} to read: {error}")


def no_files(dialect: Dialect) -> UsageError:
    """What `Engine.write` raises where only tables can be written."""
    return UsageError(
        f"{dialect.name} writes tables, not files: name them with --users-out and --items-out."
    )


def qualified(engine: Engine, name: str) -> str:
    """See `Engine.qualified`; asks by the dialect's statement."""
    parts = quoting.table_parts(name, engine.dialect)
    if len(parts) > 1 or not engine.dialect.tables.current_schema:
        return name
    schema = list(engine.query(engine.dialect.tables.current_schema)[0].values())
    if None in schema:
        raise EngineError(
            f"{name} has no schema, and the session has none to make tables in: write "
            f"schema.{name}.",
            engine.dialect.tables.current_schema,
        )
    return quoting.table_name([*schema, *parts], engine.dialect)


@contextmanager
def connect(
    engine: AnyEngine,
    *,
    writes_tables: bool,
) -> Iterator[Engine]:
    """What a user names as an engine, as one; closed at the end if it was opened here.

    Args:
        engine: An `Engine`, a DuckDB connection, a SparkSession, a DataFusion SessionContext, a
            SQLAlchemy engine or URL, the path of a DuckDB database file, or None for DuckDB on
            files.
        writes_tables: Whether tables will be written: a database file is opened for that.

    Raises:
        UsageError: It is none of these.
    """
    from sqlstab.engines.duckdb import DuckDBEngine  # noqa: PLC0415 - it imports this module

    # An engine's package is imported only when one of its objects is here already.
    package = type(engine).__module__.split(".", maxsplit=1)[0]
    session: Engine
    if package == "pyspark":
        from sqlstab.engines.spark import SparkEngine  # noqa: PLC0415 - an extra

        session = SparkEngine(cast("SparkSession", engine))
    elif package == "datafusion":
        from sqlstab.engines.datafusion import DataFusionEngine  # noqa: PLC0415 - an extra

        session = DataFusionEngine(cast("SessionContext", engine))
    elif package == "sqlalchemy" or (isinstance(engine, str) and "://" in engine):
        from sqlstab.engines.sqlalchemy import SqlAlchemyEngine  # noqa: PLC0415 - an extra

        session = SqlAlchemyEngine(engine)  # type: ignore[arg-type]
    elif isinstance(engine, DuckDBPyConnection):
        session = DuckDBEngine(connection=engine)
    elif isinstance(engine, str) and ":" in engine and "@" in engine:
        # It may hold a password: it is not repeated.
        raise UsageError("The URL of the database is none: write dialect://user:password@host/db.")
    elif isinstance(engine, str) and engine in DIALECTS and not Path(engine).exists():
        raise UsageError(
            f"{engine!r} says which SQL, not which database: give a SQLAlchemy engine or URL, as "
            "in postgresql+psycopg://user:password@host/database, a SparkSession, a DataFusion "
            "SessionContext (pip install 'sqlstab[datafusion]'), a DuckDB connection or database "
            "file, or None for DuckDB on files."
        )
    elif engine is None or isinstance(engine, (str, Path)):
        session = DuckDBEngine(engine, read_only=not writes_tables)
    elif hasattr(engine, "describe") and hasattr(engine, "dialect"):
        # An engine of ours already; its owner closes it.
        yield cast("Engine", engine)
        return
    else:
        raise UsageError(
            f"{type(engine).__name__} is no engine: give a DuckDB connection or database file, a "
            "SparkSession, a DataFusion SessionContext, or a SQLAlchemy engine or URL."
        )
    try:
        yield session
    finally:
        session.close()
