"""Two ways to compute one answer: everything in SQL, or SQL that hands rows to BLAS.

`SqlCompute` is the portable reference. `ArrowCompute` needs an engine in this process: DuckDB
scans, filters and joins, and its rows stream as Arrow batches through BLAS, in bounded memory.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from sqlstab import sql
from sqlstab.errors import DataError
from sqlstab.quality import BeforeAfter, Cosines, SharedSums, row_cosines
from sqlstab.tables import Column, StableTable, VectorTable, base_type

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from sqlstab.engines.duckdb import DuckDBEngine
    from sqlstab.progress import Step
    from sqlstab.solve import Matrix
    from sqlstab.tables import Side

    Floats = NDArray[np.floating[Any]]

# 4,096 rows of e = 64 in float64. Of 2,048 to 65,536 such rows, larger batches are slower: they
# fall out of the cache.
_BATCH_BYTES = 2 * 2**20

# See `_row_group`.
_ROW_GROUP_BYTES = 8 * 2**20

# `gram` keeps so many rows for `cosines` at most.
_MOST_KEPT = 50_000


class InvalidVectorsError(DataError):
    """Some vectors cannot be used: NULL, of another length, or not finite.

    Args:
        table: The table that they are from.
        dimension: The length that was expected, if any was.
    """

    def __init__(self, table: VectorTable, dimension: int | None = None) -> None:
        length = f"not {dimension} long, " if dimension else ""
        super().__init__(
            f"{table.side} table {table.relation} has vectors ({table.vector_names()}) that are "
            f"{length}NULL or not finite; mend or replace the table."
        )


@dataclass(frozen=True)
class Gram:
    """T'T, (e, e), and the number of rows of T."""

    matrix: Matrix
    rows: int


@dataclass(frozen=True)
class Pair:
    """A raw table of this run and the stable table of the reference, for the ids they share.

    Attributes:
        table: The run's raw table.
        reference: The reference's stable table.
        dimension: Components of a stable vector of the reference.
        shared: How many ids they share.
    """

    table: VectorTable
    reference: VectorTable
    dimension: int
    shared: int


class Compute(Protocol):
    """What the two ways do differently; every other statement is the same for both."""

    name: str
    # Whether `gram` notices bad vectors by itself, so that nobody need look for them beforehand.
    notices_bad_vectors: bool

    def gram(
        self,
        table: VectorTable,
        dimension: int | None,
        whitener: Matrix | None,
        rows: int,
        step: Step,
        *,
        keep_one_in: int | None = None,
    ) -> Gram:
        """The Gram matrix of a table's rows, or of its rows times a whitener.

        Args:
            table: The table.
            dimension: e; may be unknown where bad vectors are noticed.
            whitener: (e, k), or None.
            rows: How many rows there are; for the progress display.
            step: The progress display.
            keep_one_in: One row in so many, chosen by a hash of the id, will be wanted for
                `cosines`.

        Raises:
            InvalidVectorsError: A sum overflows; or, where bad vectors are noticed, a vector cannot
                be summed.
        """

    def shared_sums(self, pair: Pair, matrix: Matrix, *, normalize: bool, step: Step) -> SharedSums:
        """C, G_X and G_Y over the shared anchors, with row weights; not finite if they overflow.

        Args:
            pair: The tables.
            matrix: From raw to balanced vectors, (e, r).
            normalize: Give the rows of both sides length one first.
            step: The progress display.
        """

    def cosines(
        self, pair: Pair, matrix: Matrix, raw_matrix: Matrix | None, one_in: int, step: Step
    ) -> BeforeAfter:
        """Cosines of the same id in both tables.

        Args:
            pair: The tables.
            matrix: From the run's raw to its stable vectors, (e, d), d at least the reference's.
            raw_matrix: From the reference's stable vectors back to its raw ones; None leaves out
                `before`.
            one_in: Look at one shared id in so many, chosen by a hash of the id.
            step: The progress display.
        """

    def apply(
        self,
        table: VectorTable,
        steps: list[Matrix],
        output: StableTable,
        path: Path,
        rows: int,
        step: Step,
    ) -> None:
        """Write the stable table to a Parquet file.

        Args:
            table: The raw table.
            steps: The matrices that take raw vectors to stable ones, one after the other.
            output: How the stable table is laid out.
            path: The file.
            rows: How many rows there are; for the progress display.
            step: The progress display.
        """


class SqlCompute:
    """Everything in SQL: sums of products, and one dot product per output dimension."""

    name = "sql"
    notices_bad_vectors = False

    def __init__(self, engine: DuckDBEngine) -> None:
        self._engine = engine
        self._grams: dict[Side, Gram] = {}

    def gram(
        self,
        table: VectorTable,
        dimension: int | None,
        whitener: Matrix | None,
        rows: int,
        step: Step,
        *,
        keep_one_in: int | None = None,
    ) -> Gram:
        """See `Compute`."""
        if dimension is None:
            raise ValueError("The SQL of a Gram matrix depends on the dimension.")
        size = dimension if whitener is None else whitener.shape[1]
        statements = sql.gram(table, size, self._engine.dialect, matrix=whitener)
        gram = self._symmetric(statements, size, step)
        if not np.isfinite(gram.matrix).all():
            raise InvalidVectorsError(table)
        if whitener is None:
            self._grams[table.side] = gram
        return gram

    def shared_sums(self, pair: Pair, matrix: Matrix, *, normalize: bool, step: Step) -> SharedSums:
        """See `Compute`."""
        dialect = self._engine.dialect
        table, reference = pair.table, pair.reference
        # Unit rows need the matrix first. Else it is applied to the sums of raw rows.
        first = matrix if normalize else None
        size = matrix.shape[1] if normalize else matrix.shape[0]
        weighted = table.weight is not None
        statements = sql.cross_gram(
            table,
            reference,
            size,
            pair.dimension,
            dialect,
            matrix=first,
            normalize=normalize,
        )
        cross = np.zeros((size, pair.dimension))
        for row in self._entries(statements, step):
            cross[row["i"] - 1, row["j"] - 1] = row["value"] or 0.0
        known = self._grams.get(table.side)
        plain = not (normalize or weighted or table.anchor_filter)
        if known and plain and pair.shared == known.rows:
            # Every row is an anchor, and their sum has been taken.
            run_gram = known.matrix
        else:
            statements = sql.gram(
                table,
                size,
                dialect,
                matrix=first,
                other=reference,
                weighted=weighted,
                normalize=normalize,
            )
            run_gram = self._symmetric(statements, size, step).matrix
        statements = sql.gram(
            reference,
            pair.dimension,
            dialect,
            other=table,
            weighted=weighted,
            normalize=normalize,
        )
        reference_gram = self._symmetric(statements, pair.dimension, step).matrix
        if not normalize:
            with np.errstate(over="ignore", invalid="ignore"):
                cross, run_gram = matrix.T @ cross, matrix.T @ run_gram @ matrix
        return SharedSums(cross, run_gram, reference_gram)

    def cosines(
        self, pair: Pair, matrix: Matrix, raw_matrix: Matrix | None, one_in: int, step: Step
    ) -> BeforeAfter:
        """See `Compute`."""
        statement = sql.cosine(
            pair.table,
            pair.reference,
            matrix.shape[1],
            self._engine.dialect,
            matrix=matrix,
            raw_matrix=raw_matrix,
            one_in=one_in,
        )
        row = self._engine.query(statement, step)[0]

        def figures(name: str) -> Cosines | None:
            if row.get(f"{name}_mean") is None:
                return None
            return Cosines(row[f"{name}_mean"], row[f"{name}_p10"], row[f"{name}_median"])

        return BeforeAfter(row["n_rows"], figures("before"), figures("after"))

    def apply(
        self,
        table: VectorTable,
        steps: list[Matrix],
        output: StableTable,
        path: Path,
        rows: int,
        step: Step,
    ) -> None:
        """See `Compute`."""
        statement = sql.apply(table, steps, output, self._engine.dialect)
        self._engine.write(statement, path, _row_group(output, self._engine), step)

    def _entries(self, statements: list[str], step: Step) -> Iterator[dict[str, Any]]:
        for statement in statements:
            yield from self._engine.query(statement, step)

    def _symmetric(self, statements: list[str], size: int, step: Step) -> Gram:
        matrix = np.zeros((size, size))
        rows = 0
        for row in self._entries(statements, step):
            i, j, rows = row["i"] - 1, row["j"] - 1, row["n_rows"]
            matrix[i, j] = matrix[j, i] = row["value"] or 0.0
        return Gram(matrix, rows)


class ArrowCompute:
    """SQL for everything but arithmetic; rows stream through BLAS."""

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
        keep_one_in: int | None = None,
    ) -> Gram:
        """See `Compute`."""
        total: Any = 0.0
        seen = 0
        kept = []
        if keep_one_in and rows // keep_one_in > _MOST_KEPT:
            keep_one_in = None
        statement = sql.rows(table, self._engine.dialect, keep_one_in=keep_one_in)
        for batch in self._batches(statement, dimension or 64, rows, step):
            vectors = _doubles(batch.column(0), dimension, table)
            dimension = vectors.shape[1]
            x = vectors if whitener is None else vectors @ whitener
            # numpy sees that both factors are one array and calls BLAS's dsyrk.
            with np.errstate(over="ignore", invalid="ignore"):
                total += x.T @ x
            seen += len(batch)
            if keep_one_in:
                kept.append(batch.filter(batch.column(1).is_valid()))
        if kept:
            self._kept[table.side] = pa.Table.from_batches(kept)
        matrix = np.asarray(total)
        if seen == 0 or not np.isfinite(matrix).all():
            raise InvalidVectorsError(table)
        return Gram(matrix, seen)

    def shared_sums(self, pair: Pair, matrix: Matrix, *, normalize: bool, step: Step) -> SharedSums:
        """See `Compute`."""
        dimension, rank = matrix.shape
        sums = SharedSums(
            np.zeros((rank, pair.dimension)),
            np.zeros((rank, rank)),
            np.zeros((pair.dimension, pair.dimension)),
        )
        statement = sql.shared_rows(pair.table, pair.reference, self._engine.dialect, anchor=True)
        for batch in self._batches(statement, dimension + pair.dimension, pair.shared, step):
            x: Matrix = _doubles(batch.column(0), dimension, pair.table) @ matrix
            y: Matrix = _doubles(batch.column(1), pair.dimension, pair.reference)
            if normalize:
                x, y = _unit(x), _unit(y)
            if pair.table.weight is not None:
                root = np.sqrt(batch.column(2).to_numpy(zero_copy_only=False))[:, None]
                x, y = x * root, y * root
            with np.errstate(over="ignore", invalid="ignore"):
                sums += SharedSums(x.T @ y, x.T @ x, y.T @ y)
        return sums

    def cosines(
        self, pair: Pair, matrix: Matrix, raw_matrix: Matrix | None, one_in: int, step: Step
    ) -> BeforeAfter:
        """See `Compute`."""
        dimension, stable_dimension = matrix.shape
        padding = ((0, 0), (0, stable_dimension - pair.dimension))
        before: list[Matrix] = []
        after: list[Matrix] = []
        with self._kept_rows(pair.table) as table:
            statement = sql.shared_rows(table, pair.reference, self._engine.dialect, one_in=one_in)
            for batch in self._batches(
                statement, dimension + pair.dimension, pair.shared // one_in, step
            ):
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
        path: Path,
        rows: int,
        step: Step,
    ) -> None:
        """See `Compute`.

        A function that DuckDB calls from a COPY statement does the same on more threads, but takes
        1.8 times the processor time, and on two cores 1.5 times the time. Where pyarrow would not
        keep the type of a column (a UUID becomes text), DuckDB does the writing.
        """
        single = output.element == self._engine.dialect.real
        others = [table.id, *table.keep]
        if any(base_type(c.type) not in self._engine.dialect.arrow_types for c in others):
            SqlCompute(self._engine).apply(table, steps, output, path, rows, step)
            return
        statement = sql.rows(table, self._engine.dialect, output=output)
        writer: pq.ParquetWriter | None = None
        try:
            for batch in self._batches(
                statement, len(steps[0]), rows, step, _row_group(output, self._engine)
            ):
                raw = _rows(batch.column(0), len(steps[0]), table)
                stable = _product(raw, steps, np.float32 if single else np.float64)
                result = _arranged(batch, stable, output)
                if writer is None:
                    writer = _parquet_writer(path, result.schema, output)
                writer.write_batch(result)
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


def _row_group(output: StableTable, engine: DuckDBEngine) -> int:
    """Rows of a row group of about 8 MiB, a multiple of DuckDB's vector size.

    A writer holds a row group in memory, and fresh memory is page faults: at 8 MiB (32,768 rows of
    e = 64) DuckDB writes in two thirds of the time that it takes at its default of 122,880 rows.
    """
    row = (4 if output.element == engine.dialect.real else 8) * output.dimension
    return min(max(_ROW_GROUP_BYTES // row // 2048, 1) * 2048, 122_880)


def _arranged(batch: pa.RecordBatch, stable: Floats, output: StableTable) -> pa.RecordBatch:
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


def _product(vectors: Floats, steps: list[Matrix], dtype: type[np.floating[Any]]) -> Floats:
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
        current = raw
        for matrix, product in zip(steps, products, strict=True):
            np.matmul(current[:count], matrix, out=product[:count])
            current = product
        with np.errstate(over="ignore"):
            result[start : start + count] = current[:count]
    if not np.isfinite(result).all():
        raise DataError(
            "Some stable vectors have components beyond the range of FLOAT; write them as DOUBLE "
            "with --output-type double."
        )
    return result


def _doubles(array: Any, dimension: int | None, table: VectorTable) -> Matrix:
    return _rows(array, dimension, table).astype(np.float64, copy=False)


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


def _unit(vectors: Matrix) -> Matrix:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Matrix = vectors / np.where(norms > 0, norms, 1.0)
    return unit
