"""What runs in Spark's Python workers, around a fold's part and a call's function.

They have numpy and pyarrow, perhaps other versions than here, and no sqlstab: functions are pickled
by value, with the functions that they use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sqlstab.folds import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

# In place of arrays, the first column whose vectors cannot be used.
PART_SCHEMA = "partition int, n_rows bigint, arrays array<binary>, unusable int"


@dataclass(frozen=True)
class _Packed:
    """An array as bytes: those that numpy 2 pickles, numpy 1 cannot read."""

    data: bytes
    shape: tuple[int, ...]
    dtype: str


def packed(value: Any) -> Any:
    """Return a function, or what it is bound to, with bytes in place of arrays."""
    if isinstance(value, partial):
        keywords = packed(value.keywords)
        return partial(packed(value.func), *packed(value.args), **keywords)
    if isinstance(value, np.ndarray):
        return _Packed(value.tobytes(), value.shape, value.dtype.str)
    if type(value) in (tuple, list):
        return type(value)(map(packed, value))
    if type(value) is dict:
        return {key: packed(item) for key, item in value.items()}
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, partial):
        keywords = _unpacked(value.keywords)
        return partial(_unpacked(value.func), *_unpacked(value.args), **keywords)
    if isinstance(value, _Packed):
        return np.frombuffer(value.data, value.dtype).reshape(value.shape)
    if type(value) in (tuple, list):
        return type(value)(map(_unpacked, value))
    if type(value) is dict:
        return {key: _unpacked(item) for key, item in value.items()}
    return value


def one_row(
    batches: Iterator[pa.RecordBatch],
    part: Callable[[Iterator[pa.RecordBatch]], tuple[int, list[NDArray[Any]]]],
) -> Iterator[pa.RecordBatch]:
    """Take the rows of a partition through a fold, for `mapInArrow`."""
    from pyspark import TaskContext  # noqa: PLC0415 - an extra

    # It is for the order of the parts alone; what speaks Spark's protocol may have none.
    context = TaskContext.get()
    unusable, rows = None, 0
    arrays: list[NDArray[Any]] = []
    try:
        rows, arrays = _unpacked(part)(batches)
    except Unusable as error:
        # Spark would try again what raises, and write pages about it.
        unusable = error.column
    if rows == 0 and unusable is None:
        return
    yield pa.RecordBatch.from_pydict(
        {
            "partition": pa.array([context.partitionId() if context else 0], pa.int32()),
            "n_rows": pa.array([rows], pa.int64()),
            "arrays": pa.array([[array.tobytes() for array in arrays]], pa.list_(pa.binary())),
            "unusable": pa.array([unusable], pa.int32()),
        }
    )


def arrays(data: Sequence[bytes]) -> list[NDArray[Any]]:
    """Return the arrays that a partition has sent."""
    return [np.frombuffer(each) for each in data]


def calling(function: Callable[[pa.Array], pa.Array]) -> Callable[[pa.Array], pa.Array]:
    """Return a function for `arrow_udf`, which reads its type hints."""
    sent = packed(function)

    def call(vectors: pa.Array) -> pa.Array:
        return _unpacked(sent)(vectors)

    return call
