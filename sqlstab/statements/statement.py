"""A run is a sequence of named statements: what one is, and what may stand in its place.

The steps of `sqlstab.flow` are generators: they yield a `Statement` and are sent its result. They
hold no connection. A driver (`sqlstab.flow.drive`) decides what becomes of a statement: it is run,
or printed, or explained, or its result is read from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

T = TypeVar("T")

Rows: TypeAlias = "list[dict[str, Any]]"
"""The rows of a result, with lower-case names."""

Part: TypeAlias = "tuple[int, list[NDArray[Any]]]"
"""What one stream of batches gives: how many rows it had, and arrays of doubles."""


@dataclass(frozen=True)
class Fold(Generic[T]):
    """The same result from streamed rows: numpy in place of sums in SQL.

    Attributes:
        query: The rows to stream.
        part: Takes a stream of Arrow batches, once for each partition. Raises
            `sqlstab.folds.Unusable` for vectors that cannot be used. It runs on Spark's workers,
            which have numpy and pyarrow.
        merge: Takes the parts in a fixed order, those of streams without rows left out.
        columns: For each vector column of the query, the table that it is from (a side).
        components: Components of all vectors of a row: how large a batch should be.
        numbers: How many numbers a part gives, so that not too many parts are collected.
        rows: How many rows to expect, for progress.
    """

    query: str
    part: Callable[[Iterator[pa.RecordBatch]], Part]
    merge: Callable[[list[Part]], T]
    columns: tuple[str, ...]
    components: int
    numbers: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Call:
    """The same statements with a function in place of the arithmetic, for engines that have one.

    Attributes:
        texts: The statements; they call the function `name` with one vector column, an array.
        name: What they call it.
        function: Takes an Arrow array of lists and returns one.
        element: `float` or `double`: of the components that the function returns.
        takes: `float` or `double`: of those that it is given.
        side: The table that the vectors are from.
    """

    texts: tuple[str, ...]
    name: str
    function: Callable[[pa.Array], pa.Array]
    element: str
    takes: str
    side: str = ""


@dataclass(frozen=True)
class Statement(Generic[T]):
    """A named step, as text.

    Attributes:
        step: Its name: `check items`, `gram users`, `write items`.
        texts: The statements, as a rule one. Several are parts of one result (where one would be
            longer than the engine takes), or are run one after the other.
        read: Makes the result from the rows of all of them.
        stand_in: The result to go on with where nothing is run.
        reads: What is scanned, by side: `items`, `reference items`, `stable items`; once for each
            scan.
        makes: The table or file that is written, if any is.
        title: What a person sees while it is under way.
        fold: The form for engines that stream rows.
        call: The form for engines that take a function.
    """

    step: str
    texts: tuple[str, ...]
    read: Callable[[Rows], T]
    stand_in: T
    reads: tuple[str, ...] = ()
    makes: str | None = None
    title: str = ""
    fold: Fold[T] | None = None
    call: Call | None = None


Flow: TypeAlias = Generator["Statement[Any]", Any, T]
"""A sequence of statements with a result."""


def nothing(rows: Rows) -> None:
    """Read the result of a statement that has none."""


def done(
    step: str, *texts: str, makes: str | None = None, reads: tuple[str, ...] = ()
) -> Statement[None]:
    """Return a statement without a result."""
    return Statement(step, texts, nothing, None, reads=reads, makes=makes)
