"""The arithmetic of a run on streams of Arrow batches: what DuckDB and Spark share.

Each function takes the batches of one stream and returns a `Part`: the number of rows and arrays
of doubles. Parts of several streams add up (or are concatenated) in `merge` functions of the flow.
They run in this process and on Spark's workers, which have numpy and pyarrow only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

# 4,096 rows of e = 64 in float64. Of 2,048 to 65,536 such rows, larger batches are slower: they
# fall out of the cache. Spark's batches are cut to it.
SLICE_BYTES = 2 * 2**20
# Assumed where nothing says how many components a vector has.
ASSUMED_DIMENSION = 256


class Unusable(Exception):  # noqa: N818 - a state of the data; the engine makes an error of it
    """Some vectors in a column, counted from 0, are NULL, have a NULL, or have another length."""

    def __init__(self, column: int) -> None:
        super().__init__(column)
        self.column = column


class OutOfRange(Exception):  # noqa: N818 - likewise
    """A stable vector has a component beyond the range of FLOAT."""


def gram(
    batches: Iterator[pa.RecordBatch], dimension: int | None, whitener: Floats | None
) -> tuple[int, list[Floats]]:
    """Sum x'x over rows (x), of x times a whitener if there is one, and count rows of zeros.

    Returns:
        [upper triangle, [count]].
    """
    total: Any = np.zeros((0, 0))
    rows = zeros = 0
    for batch in sliced(batches, dimension or ASSUMED_DIMENSION):
        if dimension is None:
            dimension = len(batch.column(0)[0].as_py() or ())
        x = vectors(batch, 0, dimension)
        # Few rows begin with a zero, so this costs nothing.
        zeros += int((~x[x[:, 0] == 0].any(axis=1)).sum())
        if whitener is not None:
            x = x @ whitener
        # numpy sees that both factors are one array and calls BLAS's dsyrk.
        with np.errstate(over="ignore", invalid="ignore"):
            total = x.T @ x + (total if rows else 0.0)
        rows += len(x)
    return rows, [packed(total), np.array([float(zeros)])]


def cross(
    batches: Iterator[pa.RecordBatch],
    dimensions: tuple[int, int],
    matrix: Floats | None,
    reference_matrix: Floats | None,
    unit_rows: bool,
) -> tuple[int, list[Floats]]:
    """Sum over rows (x, y, w, half) in each half of the ids: [C, G_x, G_y] twice.

    x and y end with a 1 in C, as in the SQL: its last column holds the sums of x, its last row
    those of y, and the corner that of the weights.

    Args:
        batches: The rows.
        dimensions: Components of x and of y as they stand.
        matrix: Multiplies x; None leaves it as it is.
        reference_matrix: The same for y.
        unit_rows: Give x and y length one, after the matrices.
    """
    width, height = (
        size if by is None else by.shape[1]
        for size, by in zip(dimensions, (matrix, reference_matrix), strict=True)
    )
    shapes = ((width + 1, height + 1), (width, width), (height, height))
    sums: list[Floats] = [np.zeros(shape) for _ in range(2) for shape in shapes]
    rows = 0
    for batch in sliced(batches, sum(dimensions)):
        x, y = vectors(batch, 0, dimensions[0]), vectors(batch, 1, dimensions[1])
        x = x if matrix is None else x @ matrix
        y = y if reference_matrix is None else y @ reference_matrix
        if unit_rows:
            x, y = unit(x), unit(y)
        weights = numbers(batch.column(2)).astype(np.float64)
        second = numbers(batch.column(3)) == 1
        for half, chosen in enumerate((~second, second)):
            root = np.sqrt(weights[chosen])[:, None]
            a, b = x[chosen] * root, y[chosen] * root
            with np.errstate(over="ignore", invalid="ignore"):
                sums[3 * half] += np.hstack([a, root]).T @ np.hstack([b, root])
                sums[3 * half + 1] += a.T @ a
                sums[3 * half + 2] += b.T @ b
        rows += len(x)
    return rows, [part.ravel() for part in sums]


def cosines(
    batches: Iterator[pa.RecordBatch],
    dimensions: tuple[int, int],
    matrix: Floats,
    reference_matrix: Floats | None,
    raw_matrix: Floats | None,
) -> tuple[int, list[Floats]]:
    """Return the cosines of rows (x, y): [of the raw vectors, of the stable ones].

    Args:
        batches: The rows.
        dimensions: Components of x and of y as they stand.
        matrix: From x to this run's stable vectors.
        reference_matrix: From y to the reference's; None where y is stable.
        raw_matrix: From the reference's stable vectors back to its raw ones; None where nothing
            leads back, and the first array is empty.
    """
    before: list[Floats] = [np.empty(0)]
    after: list[Floats] = [np.empty(0)]
    for batch in sliced(batches, sum(dimensions)):
        x, y = vectors(batch, 0, dimensions[0]), vectors(batch, 1, dimensions[1])
        y = y if reference_matrix is None else y @ reference_matrix
        if raw_matrix is not None:
            before.append(row_cosines(x, y @ raw_matrix))
        stable = x @ matrix
        missing = stable.shape[1] - y.shape[1]
        after.append(row_cosines(stable, np.pad(y, ((0, 0), (0, max(missing, 0))))))
    found = [np.concatenate(before), np.concatenate(after)]
    return len(found[1]), found


def sample(batches: Iterator[pa.RecordBatch], dimension: int) -> tuple[int, list[Floats]]:
    """Return rows (x) as they are: [all components, one row after the other]."""
    found: list[Floats] = [np.empty(0)]
    found += [vectors(batch, 0, dimension).ravel() for batch in batches]
    rows = np.concatenate(found)
    return len(rows) // dimension, [rows]


def multiplied(array: pa.Array, steps: Sequence[Floats], single: bool) -> pa.Array:
    """Multiply an Arrow array of vectors by matrices, in float64: the function of a write.

    In slices, so that what lies between stays in the cache.

    Raises:
        Unusable: A vector is NULL, has a NULL, or has another length.
        OutOfRange: A result is beyond the range of FLOAT.
    """
    import pyarrow as pa  # noqa: PLC0415 - on Spark's workers

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    given = _rows(array, 0, len(steps[0]))
    size = max(SLICE_BYTES // (8 * max(max(matrix.shape) for matrix in steps)), 256)
    result = np.empty((len(given), steps[-1].shape[1]), np.float32 if single else np.float64)
    for start in range(0, len(given), size):
        current: Floats = given[start : start + size].astype(np.float64)
        for matrix in steps:
            current = current @ matrix
        with np.errstate(over="ignore"):
            result[start : start + size] = current
    if not np.isfinite(result).all():
        raise OutOfRange
    offsets = np.arange(0, result.size + 1, result.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(arrow(offsets), arrow(result.ravel()))


def sliced(batches: Iterator[pa.RecordBatch], components: int) -> Iterator[pa.RecordBatch]:
    """Cut batches so that their vectors, of so many components in all, fit into a cache."""
    size = max(SLICE_BYTES // (8 * components), 256)
    for batch in batches:
        for start in range(0, len(batch), size):
            yield batch.slice(start, size)


def vectors(batch: pa.RecordBatch, column: int, dimension: int) -> Floats:
    """Return a column of lists as an (n, dimension) matrix of doubles.

    Raises:
        Unusable: A vector is NULL, has a NULL, or has another length.
    """
    rows: Floats = _rows(batch.column(column), column, dimension).astype(np.float64, copy=False)
    return rows


def _rows(array: pa.Array, column: int, dimension: int) -> Floats:
    """Return an Arrow array of lists as an (n, dimension) matrix of its own type."""
    if array.null_count:
        raise Unusable(column)
    if len(array) == 0:
        return np.empty((0, dimension))
    offsets = numbers(array.offsets)
    values = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    if values.null_count or not dimension or (np.diff(offsets) != dimension).any():
        raise Unusable(column)
    return numbers(values).reshape(-1, dimension)


def numbers(array: pa.Array) -> NDArray[Any]:
    """Return an Arrow array of numbers, none of them NULL, as one of numpy's.

    `to_numpy` imports pandas where that is installed: a fifth of a second. So does `pa.array`.
    """
    found: NDArray[Any] = np.asarray(np.from_dlpack(array))
    return found


def arrow(values: NDArray[Any]) -> pa.Array:
    """Return numbers of numpy's, (n,), as an Arrow array."""
    import pyarrow as pa  # noqa: PLC0415 - executors have it, a process that only solves may not

    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def row_cosines(x: Floats, y: Floats) -> Floats:
    """Return the cosine of each row of x, (n, d), with that of y, (n,); NaN for a zero row."""
    # That scores overflow is said where they are compared.
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        dots: Floats = np.einsum("ij,ij->i", x, y)
        found: Floats = np.divide(dots, norms, out=np.full(dots.shape, np.nan), where=norms > 0)
    return found


# Norms between these are of squares that have all their digits, or do not count.
_SMALL, _LARGE = 1e-140, 1e140


def unit(rows: Floats) -> Floats:
    """Give rows, (n, e), length one; a zero row stays zero.

    Where a square may be no number, rows are brought to a size near one first, by powers of two,
    which round nothing: the result of a row does not depend on the other rows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(rows, axis=-1, keepdims=True)
        if not ((norms > _SMALL) & (norms < _LARGE)).all():
            sizes = np.abs(rows).max(axis=-1, keepdims=True, initial=0.0)
            rows = np.ldexp(rows, -np.frexp(sizes)[1])
            norms = np.linalg.norm(rows, axis=-1, keepdims=True)
        found: Floats = rows / np.where(norms == 0, 1.0, norms)
    return found


def packed(symmetric: Floats) -> Floats:
    """Return the upper triangle of a matrix, row by row."""
    upper: Floats = symmetric[np.triu_indices(len(symmetric))]
    return upper


def unpacked(upper: Floats) -> Floats:
    """Return the symmetric matrix of an upper triangle."""
    size = int(np.sqrt(2 * upper.size))
    matrix = np.empty((size, size))
    places = np.triu_indices(size)
    matrix[places] = matrix.T[places] = upper
    return matrix
