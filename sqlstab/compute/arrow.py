"""DuckDB scans, filters and joins in this process; its rows stream through BLAS."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from sqlstab.compute import Gram, InvalidVectorsError
from sqlstab.compute.sql import SqlCompute, row_group
from sqlstab.errors import DataError
from sqlstab.maths.preparation import UNPREPARED, Preparation, unit
from sqlstab.maths.quality import BeforeAfter, Cosines, SharedSums, row_cosines
from sqlstab.statements import build
from sqlstab.statements.table import Column, StableTable, VectorTable
from sqlstab.statements.types import is_kept_by_arrow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from sqlstab.compute import Pair
    from sqlstab.engines.duckdb import DuckDBEngine
    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Step
    from sqlstab.statements.table import Side

    Floats = NDArray[np.floating[Any]]

# 4,096 rows of e = 64 in float64. Of 2,048 to 65,536 such rows, larger batches are slower: they
# fall out of the cache.
_BATCH_BYTES = 2 * 2**20

# `gram` keeps so many rows for `cosines` at most.
_MOST_KEPT = 50_000


class ArrowCompute:
    """SQL for everything but arithmetic, which BLAS does in this process, in bounded memory."""

    name = "arrow"
    notices_bad_vectors = True

    def __init__(self, engine: DuckDBEngine) -> None:
        self._engine = engine
        self._kept: dict[Side, pa.Table] = {}

    def gram(
        self,
        table: VectorTable,
        dimension: int | None,
        whitener: Matrix | None,
        rows: int,
        step: Step,
        *,
        kept_share: float | None = None,
    ) -> Gram:
        """See `Compute`."""
        total: Any = 0.0
        seen = 0
        kept = []
        if kept_share and rows * kept_share > _MOST_KEPT:
            kept_share = None
        statement = build.rows(table, self._engine.dialect, kept_share=kept_share)
        for batch in self._batches(statement, dimension or 64, rows, step):
            vectors = _doubles(batch.column(0), dimension, table)
            dimension = vectors.shape[1]
            x = vectors if whitener is None else vectors @ whitener
            # numpy sees that both factors are one array and calls BLAS's dsyrk.
            with np.errstate(over="ignore", invalid="ignore"):
                total += x.T @ x
            seen += len(batch)
            if kept_share:
                kept.append(batch.filter(batch.column(1).is_valid()))
        if kept:
            self._kept[table.side] = pa.Table.from_batches(kept)
        if seen == 0 and table.share < 1:
            return Gram(np.zeros((0, 0)), 0)
        matrix = np.asarray(total)
        if seen == 0 or not np.isfinite(matrix).all():
            raise InvalidVectorsError(table)
        return Gram(matrix, seen)

    def mean(self, table: VectorTable, dimension: int, rows: int, step: Step) -> Matrix:
        """See `Compute`."""
        total, seen = np.zeros(dimension), 0
        for batch in self._batches(build.rows(table, self._engine.dialect), dimension, rows, step):
            total += _doubles(batch.column(0), dimension, table).sum(axis=0)
            seen += len(batch)
        return total / seen if seen else np.empty(0)

    def shared_sums(self, pair: Pair, matrix: Matrix, *, normalize: bool, step: Step) -> SharedSums:
        """See `Compute`."""
        dimension, rank = matrix.shape
        sums = SharedSums(
            np.zeros((rank, pair.dimension)),
            np.zeros((rank, rank)),
            np.zeros((pair.dimension, pair.dimension)),
        )
        statement = build.shared_rows(pair.table, pair.reference, self._engine.dialect, anchor=True)
        for batch in self._batches(statement, dimension + pair.dimension, pair.shared, step):
            x: Matrix = _doubles(batch.column(0), dimension, pair.table) @ matrix
            y: Matrix = _doubles(batch.column(1), pair.dimension, pair.reference)
            if normalize:
                x, y = unit(x), unit(y)
            if pair.table.weight is not None:
                root = np.sqrt(batch.column(2).to_numpy(zero_copy_only=False))[:, None]
                x, y = x * root, y * root
            with np.errstate(over="ignore", invalid="ignore"):
                sums += SharedSums(x.T @ y, x.T @ x, y.T @ y)
        return sums

    def cosines(
        self, pair: Pair, matrix: Matrix, raw_matrix: Matrix | None, share: float, step: Step
    ) -> BeforeAfter:
        """See `Compute`."""
        dimension, stable_dimension = matrix.shape
        padding = ((0, 0), (0, stable_dimension - pair.dimension))
        before: list[Matrix] = []
        after: list[Matrix] = []
        sample = pair.sample(share)
        with self._kept_rows(sample.table) as table:
            statement = build.shared_rows(table, sample.reference, self._engine.dialect)
            for batch in self._batches(statement, dimension + pair.dimension, sample.shared, step):
                x = _doubles(batch.column(0), dimension, pair.table)
                y = _doubles(batch.column(1), pair.dimension, pair.reference)
                if raw_matrix is not None:
                    before.append(row_cosines(x, y @ raw_matrix))
                after.append(row_cosines(x @ matrix, np.pad(y, padding)))
        return BeforeAfter(
            sum(values.size for values in after), Cosines.of(before), Cosines.of(after)
        )

    def apply(
        self,
        table: VectorTable,
        steps: list[Matrix],
        output: StableTable,
        target: Path | str,
        rows: int,
        step: Step,
    ) -> None:
        """See `Compute`.

        A function that DuckDB calls from a COPY statement does the same on more threads, but takes
        1.8 times the processor time, and on two cores 1.5 times the time. Where pyarrow would not
        keep the type of a column (a UUID becomes text), DuckDB does the writing, as it does into a
        table of its own.
        """
        single = output.element == "float"
        others = [table.id, *table.keep]
        if isinstance(target, str) or not all(
            is_kept_by_arrow(c.type, self._engine.dialect) for c in others
        ):
            SqlCompute(self._engine).apply(table, steps, output, target, rows, step)
            return
        statement = build.rows(table, self._engine.dialect, output=output)
        writer: pq.ParquetWriter | None = None
        try:
            for batch in self._batches(statement, len(steps[0]), rows, step, row_group(output)):
                raw = _rows(batch.column(0), len(steps[0]), table)
                stable = product(
                    raw, steps, np.float32 if single else np.float64, table.preparation
                )
                result = arranged(batch, stable, output)
                if writer is None:
                    writer = _parquet_writer(target, result.schema, output)
                writer.write_batch(result)
        except OutOfRangeError as error:
            raise out_of_range() from error
        finally:
            if writer is not None:
                writer.close()

    @contextmanager
    def _kept_rows(self, table: VectorTable) -> Iterator[VectorTable]:
        """The rows that `gram` kept, so that the table need not be scanned again; or the table."""
        if table.side not in self._kept:
            yield table
            return
        with self._engine.table(self._kept[table.side]) as name:
            yield VectorTable(
                table.side,
                name,
                Column("kept", table.id.type),
                "array",
                ("x",),
                table.element,
                preparation=table.preparation,
            )

    def _batches(
        self, statement: str, components: int, rows: int, step: Step, size: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Stream a result; BLAS gets one thread, since DuckDB's are busy on the other cores."""
        seen = 0
        size = size or max(_BATCH_BYTES // (8 * components), 256)
        with threadpool_limits(1, "blas"):
            for batch in self._engine.batches(statement, size):
                yield batch
                seen += len(batch)
                step.done(seen / max(rows, 1))


def arranged(batch: pa.RecordBatch, stable: Floats, output: StableTable) -> pa.RecordBatch:
    """The id, the stable vectors in the layout of the output, and the columns that are kept."""
    rows, dimension = stable.shape
    ids, kept = batch.column(1), batch.columns[2:]
    if output.layout == "long":
        ids = ids.take(pa.array(np.repeat(np.arange(rows), dimension)))
        numbers = np.arange(output.first, output.first + dimension)
        vector = [pa.array(np.tile(numbers, rows)), pa.array(stable.ravel())]
    elif output.layout == "wide":
        vector = [pa.array(column) for column in np.asfortranarray(stable).T]
    else:
        offsets = np.arange(0, stable.size + 1, dimension, dtype=np.int32)
        vector = [pa.ListArray.from_arrays(pa.array(offsets), pa.array(stable.ravel()))]
    names = [output.id, *output.vector, *batch.schema.names[2:]]
    return pa.RecordBatch.from_arrays([ids, *vector, *kept], names=names)


def _parquet_writer(path: Path, schema: pa.Schema, output: StableTable) -> pq.ParquetWriter:
    """A writer that spends no time on compressing noise, as `DuckDBEngine.write` does."""
    vector = set(output.vector)
    others = [name for name in schema.names if name not in vector]
    return pq.ParquetWriter(
        path,
        schema,
        compression={name: "snappy" if name in others else "none" for name in schema.names},
        use_dictionary=others,
        write_statistics=others,
    )


def product(
    vectors: Floats,
    steps: list[Matrix],
    dtype: type[np.floating[Any]],
    preparation: Preparation = UNPREPARED,
) -> Floats:
    """Vectors times matrices, in float64; in slices, so that what lies between stays in the cache.

    One multiplication of all would touch fresh memory for each of its intermediate results, and
    page faults are a quarter of the time of `apply`.
    """
    size = max(_BATCH_BYTES // (8 * max(max(matrix.shape) for matrix in steps)), 256)
    result = np.empty((len(vectors), steps[-1].shape[1]), dtype)
    raw = np.empty((size, len(steps[0])))
    products = [np.empty((size, matrix.shape[1])) for matrix in steps]
    for start in range(0, len(vectors), size):
        part = vectors[start : start + size]
        count = len(part)
        raw[:count] = part
        if preparation:
            raw[:count] = preparation.of(raw[:count])
        current = raw
        for matrix, product in zip(steps, products, strict=True):
            np.matmul(current[:count], matrix, out=product[:count])
            current = product
        with np.errstate(over="ignore"):
            result[start : start + count] = current[:count]
    if not np.isfinite(result).all():
        raise OutOfRangeError
    return result


class OutOfRangeError(Exception):
    """A stable vector has a component beyond the range of FLOAT.

    No `DataError`: Spark's workers, where this is raised too, know of no command line.
    """


def out_of_range() -> DataError:
    """The same for people."""
    return DataError(
        "Some stable vectors have components beyond the range of FLOAT; write them as DOUBLE "
        "with --output-type double."
    )


def _doubles(array: Any, dimension: int | None, table: VectorTable) -> Matrix:
    rows: Matrix = _rows(array, dimension, table).astype(np.float64, copy=False)
    return table.preparation.of(rows)


def _rows(array: Any, dimension: int | None, table: VectorTable) -> Floats:
    """An Arrow array of lists as an (n, e) matrix of its own type, float32 or float64."""
    values = array.flatten()
    lengths = np.diff(array.offsets.to_numpy())
    if dimension is None and lengths.size:
        dimension = int(lengths[0])
    if array.null_count or values.null_count or not dimension or (lengths != dimension).any():
        raise InvalidVectorsError(table, dimension)
    rows: Floats = values.to_numpy().reshape(-1, dimension)
    return rows
