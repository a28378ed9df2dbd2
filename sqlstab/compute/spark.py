"""numpy where Spark's partitions are: each hands back one row of sums, which the driver adds up."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

import sqlstab
from sqlstab.compute import Gram, InvalidVectorsError
from sqlstab.compute.arrow import OutOfRangeError, arranged, out_of_range, product
from sqlstab.compute.sql import SqlCompute
from sqlstab.errors import EngineError, UsageError
from sqlstab.maths.preparation import UNPREPARED, Preparation, unit
from sqlstab.maths.quality import BeforeAfter, Cosines, SharedSums, row_cosines
from sqlstab.statements import build, ddl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from sqlstab.compute import Pair
    from sqlstab.engines.spark import SparkEngine
    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Step
    from sqlstab.statements.table import StableTable, VectorTable

# What a partition gives: how many rows it has, and arrays of doubles.
Part: TypeAlias = "tuple[int, list[Matrix]]"

# In place of arrays, the first column whose vectors cannot be used.
_PART_SCHEMA = "partition int, n_rows bigint, arrays array<binary>, unusable int"

# All that the driver is sent at once. By default it refuses more than 1 GiB.
_COLLECTED_BYTES = 256 * 2**20
# Spark's batches are 10,000 rows; see `_BATCH_BYTES` of `ArrowCompute` for why not all at once.
_SLICE_BYTES = 2 * 2**20
# Without a known dimension, there are no more tasks than suit this one.
_ASSUMED_DIMENSION = 256


class SparkCompute:
    """SQL for everything but arithmetic, which numpy does in Spark's Python workers.

    The workers need numpy and pyarrow, but no sqlstab.

    Args:
        engine: Runs the statements.
    """

    name = "arrow"
    notices_bad_vectors = True

    def __init__(self, engine: SparkEngine) -> None:
        from pyspark import cloudpickle  # noqa: PLC0415 - an extra

        # What is sent to the workers takes with it whatever of this package it uses.
        cloudpickle.register_pickle_by_value(sqlstab)  # type: ignore[no-untyped-call]
        self._engine = engine

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
        statement = build.rows(table, self._engine.dialect)
        if dimension is None and table.layout == "array":
            dimension = self._first_dimension(statement, table)
        size = (dimension or _ASSUMED_DIMENSION) if whitener is None else whitener.shape[1]
        parts = self._parts(
            statement,
            [(table, dimension)],
            partial(_gram, dimension=dimension, whitener=whitener, preparation=table.preparation),
            size * size // 2,
        )
        if not parts and table.share < 1:
            return Gram(np.zeros((0, 0)), 0)
        uppers = [upper for _, (upper,) in parts]
        if len({upper.size for upper in uppers}) != 1:
            raise InvalidVectorsError(table, dimension)
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = _unpacked(sum(uppers[1:], uppers[0]))
        if not np.isfinite(matrix).all():
            raise InvalidVectorsError(table)
        return Gram(matrix, sum(count for count, _ in parts))

    def mean(self, table: VectorTable, dimension: int, rows: int, step: Step) -> Matrix:
        """See `Compute`."""
        parts = self._parts(
            build.rows(table, self._engine.dialect),
            [(table, dimension)],
            partial(_sum, dimension=dimension),
            dimension,
        )
        seen = sum(count for count, _ in parts)
        total: Matrix = np.zeros(dimension)
        for _, (part,) in parts:
            total = total + part
        return total / seen if seen else np.empty(0)

    def shared_sums(self, pair: Pair, matrix: Matrix, *, normalize: bool, step: Step) -> SharedSums:
        """See `Compute`."""
        rank, dimension = matrix.shape[1], pair.dimension
        parts = self._parts(
            build.shared_rows(pair.table, pair.reference, self._engine.dialect, anchor=True),
            [(pair.table, len(matrix)), (pair.reference, dimension)],
            partial(
                _shared_sums,
                matrix=matrix,
                dimension=dimension,
                normalize=normalize,
                weighted=pair.table.weight is not None,
                preparations=(pair.table.preparation, pair.reference.preparation),
            ),
            (rank + dimension) ** 2,
        )
        sums = SharedSums(
            np.zeros((rank, dimension)), np.zeros((rank, rank)), np.zeros((dimension, dimension))
        )
        with np.errstate(over="ignore", invalid="ignore"):
            for _, (cross, run, reference) in parts:
                sums += SharedSums(
                    cross.reshape(rank, dimension), _unpacked(run), _unpacked(reference)
                )
        return sums

    def cosines(
        self, pair: Pair, matrix: Matrix, raw_matrix: Matrix | None, share: float, step: Step
    ) -> BeforeAfter:
        """See `Compute`."""
        sample = pair.sample(share)
        parts = self._parts(
            build.shared_rows(sample.table, sample.reference, self._engine.dialect),
            [(pair.table, len(matrix)), (pair.reference, pair.dimension)],
            partial(
                _cosines,
                matrix=matrix,
                raw_matrix=raw_matrix,
                dimension=pair.dimension,
                preparations=(pair.table.preparation, pair.reference.preparation),
            ),
        )
        return BeforeAfter(
            sum(count for count, _ in parts),
            Cosines.of([before for _, (before, _) in parts]),
            Cosines.of([after for _, (_, after) in parts]),
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
        """See `Compute`. Where Arrow has no such type as a column's, SQL does the work."""
        from pyspark.errors import PySparkNotImplementedError  # noqa: PLC0415 - an extra

        if not isinstance(target, str):
            raise UsageError("Spark writes tables, not files.")
        dialect = self._engine.dialect
        given = self._engine.frame(build.rows(table, dialect, output=output))
        # mapInArrow takes a name with a point or a backtick for something else.
        frame = given.toDF(*(f"c{k}" for k in range(len(given.columns))))
        try:
            stable = frame.mapInArrow(
                partial(_apply, steps=steps, output=output, preparation=table.preparation),
                _output_schema(frame, output),
            ).toDF(output.id, *output.vector, *given.columns[2:])
        except PySparkNotImplementedError:
            SqlCompute(self._engine).apply(table, steps, output, target, rows, step)
            return
        view = f"sqlstab_{secrets.token_hex(8)}"
        stable.createOrReplaceTempView(view)
        try:
            self._engine.execute([ddl.create_table(target, f"SELECT * FROM {view}\n", dialect)])
        except EngineError as error:
            raise _raised_by_worker(error, table, len(steps[0])) from error
        finally:
            self._engine.session.catalog.dropTempView(view)

    def _first_dimension(self, statement: str, table: VectorTable) -> int | None:
        """How long the first vector is, whichever that may be; None if there is no row."""
        rows = self._engine.collect(self._engine.frame(statement).limit(1), statement)
        if rows and not rows[0][0]:
            raise InvalidVectorsError(table)
        return len(rows[0][0]) if rows else None

    def _parts(
        self,
        statement: str,
        vectors: list[tuple[VectorTable, int | None]],
        function: Callable[[Iterator[pa.RecordBatch]], Part],
        numbers: int = 0,
    ) -> list[Part]:
        """What each partition of a query gives, in the order of the partitions.

        Rounding depends on the order of a sum, so it must not be that in which tasks end.

        Args:
            statement: The query.
            vectors: Where the vectors in its first columns are from, and how long they should be.
            function: Takes the rows of a partition.
            numbers: About how many numbers a partition gives. Partitions are put together where
                all of them would be more than a driver takes.

        Raises:
            InvalidVectorsError: A vector cannot be used.
        """
        frame = self._engine.frame(statement)
        if numbers:
            frame = frame.coalesce(max(_COLLECTED_BYTES // (8 * numbers), 1))
        rows = self._engine.collect(
            frame.mapInArrow(partial(_one_row, function=function), _PART_SCHEMA), statement
        )
        rows.sort(key=lambda row: int(row["partition"]))
        for row in rows:
            if row["unusable"] is not None:
                raise InvalidVectorsError(*vectors[row["unusable"]])
        return [(row["n_rows"], [np.frombuffer(data) for data in row["arrays"]]) for row in rows]


def _packed(symmetric: Matrix) -> Matrix:
    """The upper triangle of a matrix, row by row."""
    upper: Matrix = symmetric[np.triu_indices(len(symmetric))]
    return upper


def _unpacked(upper: Matrix) -> Matrix:
    size = int(np.sqrt(2 * upper.size))
    matrix = np.empty((size, size))
    places = np.triu_indices(size)
    matrix[places] = matrix.T[places] = upper
    return matrix


def _output_schema(frame: DataFrame, output: StableTable) -> StructType:
    """Spark's types of what `arranged` makes of the rows of a query."""
    from pyspark.sql import types  # noqa: PLC0415 - an extra

    element = types.FloatType() if output.element == "float" else types.DoubleType()
    kinds: dict[str, list[types.DataType]] = {
        "wide": [element] * len(output.vector),
        "array": [types.ArrayType(element)],
        "long": [types.IntegerType(), element],
    }
    pairs = zip(output.vector, kinds[output.layout], strict=True)
    _, id_field, *kept = frame.schema.fields
    return types.StructType([id_field, *(types.StructField(*pair) for pair in pairs), *kept])


def _raised_by_worker(error: EngineError, table: VectorTable, dimension: int) -> Exception:
    """What a worker raised, which Spark hands over as text; else the error as it is."""
    text = str(error.__cause__)
    if UnusableError.__name__ in text:
        return InvalidVectorsError(table, dimension)
    return out_of_range() if OutOfRangeError.__name__ in text else error


# What follows runs in the workers.


class UnusableError(Exception):
    """Some vectors in a column, counted from 0, are NULL, have a NULL, or have another length."""

    def __init__(self, column: int) -> None:
        super().__init__(column)
        self.column = column


def _one_row(
    batches: Iterator[pa.RecordBatch], function: Callable[[Iterator[pa.RecordBatch]], Part]
) -> Iterator[pa.RecordBatch]:
    from pyspark import TaskContext  # noqa: PLC0415 - an extra

    context = TaskContext.get()
    unusable, rows = None, 0
    arrays: list[Matrix] = []
    try:
        rows, arrays = function(batches)
    except UnusableError as error:
        # Spark would try again what raises, and write pages about it.
        unusable = error.column
    if context is None or (rows == 0 and unusable is None):
        return
    yield pa.RecordBatch.from_pydict(
        {
            "partition": pa.array([context.partitionId()], pa.int32()),
            "n_rows": pa.array([rows], pa.int64()),
            "arrays": pa.array([[array.tobytes() for array in arrays]], pa.list_(pa.binary())),
            "unusable": pa.array([unusable], pa.int32()),
        }
    )


def _sliced(batches: Iterator[pa.RecordBatch], numbers: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches that fit into a cache as doubles, so many for a row."""
    size = max(_SLICE_BYTES // (8 * numbers), 256)
    for batch in batches:
        for start in range(0, len(batch), size):
            yield batch.slice(start, size)


def _vectors(
    batch: pa.RecordBatch, column: int, dimension: int, preparation: Preparation = UNPREPARED
) -> Matrix:
    """A column of lists as an (n, dimension) matrix of doubles, prepared if asked."""
    array = batch.column(column)
    values = array.flatten()
    lengths = np.diff(array.offsets.to_numpy())
    if array.null_count or values.null_count or not dimension or (lengths != dimension).any():
        raise UnusableError(column)
    vectors: Matrix = values.to_numpy().astype(np.float64, copy=False).reshape(-1, dimension)
    return preparation.of(vectors)


def _sum(batches: Iterator[pa.RecordBatch], dimension: int) -> Part:
    total, rows = np.zeros(dimension), 0
    for batch in _sliced(batches, dimension):
        total += _vectors(batch, 0, dimension).sum(axis=0)
        rows += len(batch)
    return rows, [total]


def _gram(
    batches: Iterator[pa.RecordBatch],
    dimension: int | None,
    whitener: Matrix | None,
    preparation: Preparation,
) -> Part:
    total: Any = np.zeros((0, 0))
    rows = 0
    for batch in _sliced(batches, dimension or _ASSUMED_DIMENSION):
        if dimension is None:
            dimension = len(batch.column(0)[0].as_py() or ())
        x = _vectors(batch, 0, dimension, preparation)
        if whitener is not None:
            x = x @ whitener
        # numpy sees that both factors are one array and calls BLAS's dsyrk.
        with np.errstate(over="ignore", invalid="ignore"):
            total = x.T @ x + (total if rows else 0.0)
        rows += len(x)
    return rows, [_packed(total)]


def _shared_sums(
    batches: Iterator[pa.RecordBatch],
    matrix: Matrix,
    dimension: int,
    normalize: bool,
    weighted: bool,
    preparations: tuple[Preparation, Preparation],
) -> Part:
    raw_dimension, rank = matrix.shape
    cross = np.zeros((rank, dimension))
    run, reference = np.zeros((rank, rank)), np.zeros((dimension, dimension))
    rows = 0
    for batch in _sliced(batches, raw_dimension + dimension):
        x = _vectors(batch, 0, raw_dimension, preparations[0])
        y = _vectors(batch, 1, dimension, preparations[1])
        x = x @ matrix
        if normalize:
            x, y = unit(x), unit(y)
        if weighted:
            root = np.sqrt(batch.column(2).to_numpy(zero_copy_only=False))[:, None]
            x, y = x * root, y * root
        with np.errstate(over="ignore", invalid="ignore"):
            cross += x.T @ y
            run += x.T @ x
            reference += y.T @ y
        rows += len(x)
    return rows, [cross, _packed(run), _packed(reference)]


def _cosines(
    batches: Iterator[pa.RecordBatch],
    matrix: Matrix,
    raw_matrix: Matrix | None,
    dimension: int,
    preparations: tuple[Preparation, Preparation],
) -> Part:
    raw_dimension, stable_dimension = matrix.shape
    padding = ((0, 0), (0, stable_dimension - dimension))
    before: list[Matrix] = [np.empty(0)]
    after: list[Matrix] = [np.empty(0)]
    for batch in _sliced(batches, raw_dimension + dimension):
        x = _vectors(batch, 0, raw_dimension, preparations[0])
        y = _vectors(batch, 1, dimension, preparations[1])
        if raw_matrix is not None:
            before.append(row_cosines(x, y @ raw_matrix))
        after.append(row_cosines(x @ matrix, np.pad(y, padding)))
    cosines: list[Matrix] = [np.concatenate(before), np.concatenate(after)]
    return cosines[1].size, cosines


def _apply(
    batches: Iterator[pa.RecordBatch],
    steps: list[Matrix],
    output: StableTable,
    preparation: Preparation,
) -> Iterator[pa.RecordBatch]:
    dtype = np.float32 if output.element == "float" else np.float64
    for batch in batches:
        raw = _vectors(batch, 0, len(steps[0]))
        rows = arranged(batch, product(raw, steps, dtype, preparation), output)
        if output.layout == "long":
            # An integer, as SQL has it.
            rows = rows.set_column(1, rows.schema.names[1], rows.column(1).cast(pa.int32()))
        yield rows
