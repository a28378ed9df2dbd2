"""What a flow needs of an engine, and what several engines share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlstab.errors import DataError, EngineError
from sqlstab.statements import quoting

if TYPE_CHECKING:
    from sqlstab.progress import Step
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.statement import Call, Fold, Rows
    from sqlstab.statements.table import Column

T = TypeVar("T")

# How several dialects ask what a name stands for.
KIND_IN_INFORMATION_SCHEMA = (
    "SELECT CASE WHEN table_type LIKE '%VIEW' THEN 'view' ELSE 'table' END AS kind FROM "
)
# How several dialects ask which columns a row must have.
REQUIRED_IN_INFORMATION_SCHEMA = "SELECT column_name AS name FROM information_schema.columns "


class UnusableVectorsError(DataError):
    """Some vectors are NULL, have a NULL component, or have another length than the others.

    Args:
        side: The table that they are from.
    """

    def __init__(self, side: str) -> None:
        super().__init__(
            f"Some vectors of the {side} cannot be used: they are NULL, have a NULL component, or "
            "have another number of components than the others."
        )
        self.side = side


class Frames(Protocol):
    """Data of this process that statements read as tables, and rows that are handed over.

    Attributes:
        session: The Spark session whose DataFrames are such data, too; None without Spark.
    """

    session: Any

    def register(self, rows: Any) -> str:
        """Let statements read an Arrow table, or a frame of the session.

        Returns:
            The name that statements read it by; on a connection of the user's, it hides no other.
        """

    def unregister(self, name: str) -> None:
        """Forget what was registered under this name."""

    def rows(self, text: str) -> Any:
        """Return the rows of a query as an Arrow table.

        In a Spark session of the user's as a DataFrame, which nothing has computed yet.
        """


class Engine(Protocol):
    """One session with a database: what is begun in it stays in one transaction."""

    @property
    def dialect(self) -> Dialect:
        """How its SQL reads."""

    @property
    def version(self) -> str | None:
        """The version of the server or the library; None where the driver does not say."""

    @property
    def streams(self) -> bool:
        """Whether it takes folds and calls as well as SQL."""

    @property
    def frames(self) -> Frames | None:
        """How it shares data with this process; None where it does not."""

    def describe(self, relation: str) -> list[Column]:
        """List the columns of a relation, in order, with types as the engine spells them.

        Raises:
            DataError: There is no such relation, or it is not a table of rows and columns.
            EngineError: The database refused or failed.
        """

    def kind(self, name: str) -> str | None:
        """Return what has this name: `table`, `view` or the like; None for nothing.

        Of bare names, only what is in the schema counts where one would be made.

        Raises:
            EngineError: The database refused or failed.
        """

    def query(self, text: str, step: Step | None = None) -> Rows:
        """Run a statement whose result is small: rows as dicts with lower-case names.

        Raises:
            EngineError: The database refused or failed.
        """

    def execute(self, text: str, step: Step | None = None) -> None:
        """Run a statement without a result; BEGIN, COMMIT and ROLLBACK are such statements.

        Raises:
            UsageError: BEGIN, where the user has a transaction open.
            EngineError: The database refused or failed.
        """

    def fold(self, fold: Fold[T], step: Step | None = None) -> T:
        """Stream rows through a fold.

        Raises:
            UnusableVectorsError: Some vectors cannot be used.
            EngineError: The database refused or failed.
        """

    def call(self, call: Call, step: Step | None = None) -> None:
        """Run statements that call a function.

        Raises:
            UnusableVectorsError: Some vectors cannot be used.
            DataError: A component that the function returns is beyond the range of FLOAT.
            EngineError: The database refused or failed.
        """

    def rollback(self) -> None:
        """Leave a transaction, if this session has begun one; never raises."""

    def close(self) -> None:
        """Close what was opened for this session; one of the user's stays open."""


def begins(text: str) -> bool:
    """Return whether a statement begins a transaction."""
    return _first_word(text) in ("BEGIN", "START")


def ends(text: str) -> bool:
    """Return whether a statement ends a transaction."""
    return _first_word(text) in ("COMMIT", "ROLLBACK")


def _first_word(text: str) -> str:
    # Some statements are megabytes long.
    return (text[:100].replace(";", " ").split() or [""])[0].upper()


# What repeats the statement, lists what a reader of files tried, or is a trace of calls: what comes
# after it is no cause.
_NO_CAUSE = re.compile(
    r"^(?:== SQL|-+Query Job SQL|Stack Trace:|Driver stacktrace:|JVM stacktrace:|\s+at [\w.$]+\(|"
    r"The search space used was:|Possible (?:fixes|solution)|\[SQL: |\(Background on this error)",
    re.IGNORECASE,
)
# A line of the statement, with a mark below it.
_QUOTED = re.compile(r"^(?:LINE \d+: .*|[\s^~-]*\^[\s^~-]*)$")
# Characters of its beginning and of its end that a long one keeps.
_HEAD, _TAIL = 1_500, 500


def reason(error: object) -> str:
    """Return what a database said, on one line: with causes, details and hints.

    What repeats the statement is left out, which is shown by itself.
    """
    said = []
    for line in str(error).strip().splitlines():
        if _NO_CAUSE.match(line):
            break
        if line.strip() and not _QUOTED.match(line):
            said.append(" ".join(line.split()))
    text = " ".join(said)
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]} ... {text[-_TAIL:]}"


def no_relation(relation: str, error: EngineError) -> DataError:
    """Return what `Engine.describe` raises for a relation that is not there."""
    return DataError(f"There is no table or view {relation} to read: {error}")


def out_of_range() -> DataError:
    """Return what `Engine.call` raises for components beyond the range of FLOAT."""
    return DataError(
        "Some stable vectors have components beyond the range of FLOAT; write them as DOUBLE: "
        "set --output-type=double."
    )


def qualified(name: str, engine: Engine) -> str:
    """Return the whole name of a table, with the schema that a bare one is made in.

    Raises:
        EngineError: There is no such schema.
    """
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


def are_same(first: str, second: str, engine: Engine) -> bool:
    """Return whether two names are those of one table: in another case, too, or with a schema."""
    one, other = (quoting.folded_parts(name, engine.dialect) for name in (first, second))
    if one[-1] == other[-1] and len(one) != len(other):
        # Only now the schema of a bare name, which is a query, tells.
        one, other = (
            quoting.folded_parts(qualified(name, engine), engine.dialect)
            for name in (first, second)
        )
    return quoting.same_end(one, other)
