"""Two ways to compute one answer: everything in SQL, or SQL that hands rows to BLAS.

`SqlCompute` is the portable reference. `ArrowCompute` needs an engine in this process: DuckDB scans,
filters and joins, and its rows stream as Arrow batches through BLAS, in bounded memory.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import scipy.linalg
from threadpoolctl import threadpool_limits

from sqlstab import sql
from sqlstab.quality import SharedSums
from sqlstab.sql import LinearMap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlstab.engines.duckdb import DuckDBEngine
    from sqlstab.progress import Step
    from sqlstab.solve import Matrix
    from sqlstab.tables import VectorTable

# 16,384 rows of e = 64 are 8 MiB of float64: small enough for the cache's sake, large enough for
# BLAS's. Anything from 2,048 to 32,768 is as fast; 65,536 is slower.
_BATCH_BYTES = 8 * 2**20


class InvalidVectors(Exception):  # noqa: N818 - not an error yet: the caller looks closer
    """Some vectors cannot be summed: NULL, of several lengths, or not finite."""


@dataclass(frozen=True)
class Gram:
    """T'T, (e, e), and the number of rows of T."""

    matrix: Matrix
    rows: int


class Compute(Protocol):
    """The sums and the linear map; everything else is the same SQL for both ways."""

    name: str
    checks_vectors: bool

    def gram(
        self,
        table: VectorTable,
        dimension: int | None,
        whitener: Matrix | None,
        rows: int,
        step: Step,
    ) -> Gram:
        """The Gram matrix of a table's rows, or of its rows times a whitener.

        Args:
            table: The table.
            dimension: e, if known.
            whitener: (e, k), or None.
            rows: How many rows there are, for the progress display.
            step: The progress display.

        Raises:
            InvalidVectors: Only where `checks_vectors`.
        """

    def shared_sums(
        self,
        table: VectorTable,
        reference: VectorTable,
        matrix: Matrix,
        reference_dimension: int,
        *,
        normalize: bool,
        shared: int,
        step: Step,
    ) -> SharedSums:
        """C, G_X and G_Y over the shared anchors.

        Args:
            table: The run's raw table.
            reference: The reference's stable table.
            matrix: From raw to balanced vectors, (e, r).
            reference_dimension: d of the reference.
            normalize: Give the rows of both sides length one first.
            shared: How many shared anchors there are, for the progress display.
            step: The progress display.
        """

    def linear_map(
        self, table: VectorTable, matrix: Matrix, result: str
    ) -> Any:  # a context manager of LinearMap
        """A way to write `x` times a matrix in a statement on this table."""


class SqlCompute:
    """Everything in SQL: sums of products, and one dot product per output dimension."""

    name = "sql"
    checks_vectors = False

    def __init__(self, engine: DuckDBEngine) -> None:
        self._engine = engine

    def gram(
        self,
        table: VectorTable,
        dimension: int | None,
        whitener: Matrix | None,
        rows: int,
        step: Step,
    ) -> Gram:
        """See `Compute`."""
        if dimension is None:
            raise ValueError("SqlCompute.gram needs to know the dimension.")
        linear_map = None if whitener is None else self._map(whitener)
        size = dimension if whitener is None else whitener.shape[1]
        statement = sql.gram(table, size, self._engine.dialect, linear_map=linear_map)
        return self._symmetric(statement, size, step)

    def shared_sums(
        self,
        table: VectorTable,
        reference: VectorTable,
        matrix: Matrix,
        reference_dimension: int,
        *,
        normalize: bool,
        shared: int,
        step: Step,
    ) -> SharedSums:
        """See `Compute`."""
        dialect = self._engine.dialect
        dimension, rank = matrix.shape
        # Unit rows need M first; all other sums are of raw rows, and M is applied to the sums.
        linear_map = self._map(matrix) if normalize else None
        size = rank if normalize else dimension
        weighted = table.weight is not None
        cross = np.zeros((size, reference_dimension))
        statement = sql.cross_gram(
            table,
            reference,
            size,
            reference_dimension,
            dialect,
            linear_map=linear_map,
            normalize=normalize,
        )
        for row in self._engine.query(statement, step):
            cross[row["i"] - 1, row["j"] - 1] = row["value"] or 0.0
        statement = sql.gram(
            table,
            size,
            dialect,
            linear_map=linear_map,
            other=reference,
            weighted=weighted,
            normalize=normalize,
        )
        run = self._symmetric(statement, size, step).matrix
        statement = sql.gram(
            reference,
            reference_dimension,
            dialect,
            other=table,
            weighted=weighted,
            normalize=normalize,
        )
        reference_gram = self._symmetric(statement, reference_dimension, step).matrix
        if not normalize:
            cross, run = matrix.T @ cross, matrix.T @ run @ matrix
        return SharedSums(cross, run, reference_gram)

    @contextmanager
    def linear_map(self, table: VectorTable, matrix: Matrix, result: str) -> Iterator[LinearMap]:
        """See `Compute`."""
        yield self._map(matrix)

    def _map(self, matrix: Matrix) -> LinearMap:
        return LinearMap(matrix, self._engine.dialect.double)

    def _symmetric(self, statement: str, size: int, step: Step) -> Gram:
        matrix = np.zeros((size, size))
        rows = 0
        for row in self._engine.query(statement, step):
            i, j, rows = row["i"] - 1, row["j"] - 1, row["n_rows"]
            matrix[i, j] = matrix[j, i] = row["value"] or 0.0
        return Gram(matrix, rows)


class ArrowCompute:
    """SQL for everything but arithmetic: batches through BLAS, and a function for the linear map."""

    name = "arrow"
    checks_vectors = True

    def __init__(self, engine: DuckDBEngine) -> None:
        self._engine = engine

    def gram(
        self,
        table: VectorTable,
        dimension: int | None,
        whitener: Matrix | None,
        rows: int,
        step: Step,
    ) -> Gram:
        """See `Compute`."""
        total: Matrix | None = None
        seen = 0
        with threadpool_limits(1, "blas"):
            for batch in self._batches(sql.rows(table, self._engine.dialect), dimension):
                vectors = _rows(batch.column(0), dimension)
                dimension = vectors.shape[1]
                total = _add_gram(total, vectors if whitener is None else vectors @ whitener)
                seen += len(batch)
                step.done(seen / max(rows, 1))
        if total is None:
            raise InvalidVectors
        matrix = _mirrored(total)
        if not np.isfinite(matrix).all():
            raise InvalidVectors
        return Gram(matrix, seen)

    def shared_sums(
        self,
        table: VectorTable,
        reference: VectorTable,
        matrix: Matrix,
        reference_dimension: int,
        *,
        normalize: bool,
        shared: int,
        step: Step,
    ) -> SharedSums:
        """See `Compute`."""
        dimension, rank = matrix.shape
        cross = np.zeros((rank, reference_dimension))
        run: Matrix | None = None
        reference_gram: Matrix | None = None
        seen = 0
        statement = sql.shared_rows(table, reference, self._engine.dialect)
        with threadpool_limits(1, "blas"):
            for batch in self._batches(statement, dimension + reference_dimension):
                x = _rows(batch.column(0), dimension) @ matrix
                y = _rows(batch.column(1), reference_dimension)
                if normalize:
                    x, y = _unit(x), _unit(y)
                if table.weight is not None:
                    weight = np.sqrt(batch.column(2).to_numpy(zero_copy_only=False))[:, None]
                    x, y = x * weight, y * weight
                cross += x.T @ y
                run = _add_gram(run, x)
                reference_gram = _add_gram(reference_gram, y)
                seen += len(batch)
                step.done(seen / max(shared, 1))
        if run is None or reference_gram is None:
            return SharedSums(
                cross, np.zeros((rank, rank)), np.zeros((reference_dimension, reference_dimension))
            )
        return SharedSums(cross, _mirrored(run), _mirrored(reference_gram))

    @contextmanager
    def linear_map(self, table: VectorTable, matrix: Matrix, result: str) -> Iterator[LinearMap]:
        """See `Compute`."""
        dtype = np.float32 if result == self._engine.dialect.float else np.float64

        def multiply(column: pa.ChunkedArray | pa.Array) -> pa.Array:
            array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            product = (_rows(array, matrix.shape[0]) @ matrix).astype(dtype, copy=False)
            offsets = np.arange(0, product.size + 1, product.shape[1], dtype=np.int32)
            return pa.ListArray.from_arrays(pa.array(offsets), pa.array(product.ravel()))

        with (
            threadpool_limits(1, "blas"),
            self._engine.function(multiply, f"{table.element}[]", f"{result}[]") as name,
        ):
            yield LinearMap(matrix, table.element, name)

    def _batches(self, statement: str, dimension: int | None) -> Iterator[pa.RecordBatch]:
        rows = _BATCH_BYTES // (8 * (dimension or 64))
        yield from self._engine.batches(statement, max(rows, 256))


def _rows(array: Any, dimension: int | None) -> Matrix:
    """An Arrow array of lists as an (n, e) float64 matrix."""
    values = array.flatten()
    offsets = array.offsets.to_numpy()
    lengths = np.diff(offsets)
    if dimension is None and lengths.size:
        dimension = int(lengths[0])
    if array.null_count or values.null_count or not dimension or (lengths != dimension).any():
        raise InvalidVectors
    return values.to_numpy().reshape(-1, dimension).astype(np.float64, copy=False)


def _add_gram(total: Matrix | None, vectors: Matrix) -> Matrix:
    """Add x'x to a running sum, whose upper triangle alone is kept."""
    if total is None:
        total = np.zeros((vectors.shape[1], vectors.shape[1]), order="F")
    # BLAS reads the C-ordered rows as a Fortran-ordered transpose, so nothing is copied.
    result: Matrix = scipy.linalg.blas.dsyrk(
        1.0, np.ascontiguousarray(vectors).T, beta=1.0, c=total, overwrite_c=1
    )
    return result


def _mirrored(upper: Matrix) -> Matrix:
    full: Matrix = np.triu(upper) + np.triu(upper, 1).T
    return full


def _unit(vectors: Matrix) -> Matrix:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Matrix = vectors / np.where(norms > 0, norms, 1.0)
    return unit
