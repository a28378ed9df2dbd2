"""Everything in SQL: the portable way, and the reference for the others."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab.compute import Gram, InvalidVectorsError
from sqlstab.maths.quality import BeforeAfter, Cosines, SharedSums
from sqlstab.runs import new_run_id
from sqlstab.staged import SCRATCH, scratch_name
from sqlstab.statements import build, ddl
from sqlstab.statements.build import MatrixTable
from sqlstab.statements.table import Column, VectorTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlstab.compute import Pair
    from sqlstab.engines import Engine
    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Step
    from sqlstab.statements.table import Side, StableTable

# See `row_group`.
_ROW_GROUP_BYTES = 8 * 2**20


class SqlCompute:
    """Everything in SQL: sums of products, and one dot product per output dimension.

    Matrices stand in the statements as literals. Where such a statement would be longer than the
    engine takes, the matrix goes into a temporary table, and so do the multiplied rows; these also
    where several statements would each multiply them anew.

    Args:
        engine: Runs the statements.
        beside: A table in whose schema the temporary tables are made; the engine's default schema
            without one.
    """

    name = "sql"
    notices_bad_vectors = False

    def __init__(self, engine: Engine, beside: str = "") -> None:
        self._engine = engine
        self._beside = beside or "x"
        self._dialect = engine.dialect
        self._grams: dict[Side, tuple[VectorTable, Gram]] = {}

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
        if dimension is None:
            raise ValueError("The SQL of a Gram matrix depends on the dimension.")
        size = dimension if whitener is None else whitener.shape[1]
        with self._mapped(table, size, whitener) as (source, matrix, _):
            statements = build.gram(source, size, self._dialect, matrix=matrix)
            gram = self._symmetric(statements, size, step)
        if not np.isfinite(gram.matrix).all():
            raise InvalidVectorsError(table)
        if whitener is None:
            self._grams[table.side] = table, gram
        return gram

    def mean(self, table: VectorTable, dimension: int, rows: int, step: Step) -> Matrix:
        """See `Compute`."""
        found: dict[str, Any] = {}
        for statement in build.means(table, dimension, self._dialect):
            found |= self._engine.query(statement, step)[0]
        if not int(found["n_rows"]):
            return np.empty(0)
        return np.array([float(found[f"m{k}"]) for k in range(1, dimension + 1)])

    def shared_sums(self, pair: Pair, matrix: Matrix, *, normalize: bool, step: Step) -> SharedSums:
        """See `Compute`."""
        # Unit rows need the matrix first. Else it is applied to the sums of raw rows.
        first = matrix if normalize else None
        size = matrix.shape[1] if normalize else matrix.shape[0]
        with ExitStack() as stack:
            table, inline, unit = stack.enter_context(
                self._mapped(pair.table, size, first, anchor=True, normalize=normalize)
            )
            stable, _, unit_stable = stack.enter_context(
                self._mapped(pair.reference, pair.dimension, None, normalize=normalize)
            )
            cross = np.zeros((size, pair.dimension))
            statements = build.cross_gram(
                table,
                stable,
                size,
                pair.dimension,
                self._dialect,
                matrix=inline,
                normalize=unit or unit_stable,
            )
            for row in self._entries(statements, step):
                cross[int(row["i"]) - 1, int(row["j"]) - 1] = row["value"] or 0.0
            run = self._run_gram(pair, table, size, inline, normalize=unit, step=step)
            statements = build.gram(
                stable,
                pair.dimension,
                self._dialect,
                other=pair.table,
                weighted=pair.table.weight is not None,
                normalize=unit_stable,
            )
            reference = self._symmetric(statements, pair.dimension, step).matrix
        if not normalize:
            with np.errstate(over="ignore", invalid="ignore"):
                cross, run = matrix.T @ cross, matrix.T @ run @ matrix
        return SharedSums(cross, run, reference)

    def _run_gram(
        self,
        pair: Pair,
        table: VectorTable,
        size: int,
        matrix: Matrix | None,
        *,
        normalize: bool,
        step: Step,
    ) -> Matrix:
        summed, known = self._grams.get(table.side, (None, None))
        weighted = pair.table.weight is not None
        plain = not (normalize or weighted or pair.table.anchor_filter or pair.table.share < 1)
        if known and summed == pair.table and plain and pair.shared == known.rows:
            # Every row is an anchor, and their sum has been taken.
            return known.matrix
        statements = build.gram(
            table,
            size,
            self._dialect,
            matrix=matrix,
            other=pair.reference,
            weighted=weighted,
            normalize=normalize,
        )
        return self._symmetric(statements, size, step).matrix

    def cosines(
        self, pair: Pair, matrix: Matrix, raw_matrix: Matrix | None, share: float, step: Step
    ) -> BeforeAfter:
        """See `Compute`."""
        sample = pair.sample(share)
        statement = build.drift(
            sample.table,
            sample.reference,
            (matrix.shape[0], pair.dimension),
            self._dialect,
            matrix=matrix,
            raw_matrix=raw_matrix,
        )
        # x, s and y, and z, which need not be columns where there are arrays.
        columns = sum(matrix.shape) + pair.dimension + (0 if raw_matrix is None else len(matrix))
        narrow = self._dialect.style == "arrays" or columns <= self._dialect.most_columns
        if narrow and self._dialect.takes(statement):
            row = self._engine.query(statement, step)[0]
        else:
            row = self._drift_of_tables(sample, matrix, raw_matrix, step)

        def figures(name: str) -> Cosines | None:
            found = [row.get(f"{name}_{figure}") for figure in ("mean", "p10", "median")]
            if any(value is None or not np.isfinite(value) for value in found):
                return None
            return Cosines(*(float(value) for value in found if value is not None))

        return BeforeAfter(int(row["n_rows"]), figures("before"), figures("after"))

    def _drift_of_tables(
        self, sample: Pair, matrix: Matrix, raw_matrix: Matrix | None, step: Step
    ) -> dict[str, Any]:
        """The same figures, from multiplied rows in temporary tables."""
        dimensions = (matrix.shape[1], sample.dimension)
        with self._product(sample.table, matrix.shape[1], matrix) as stable:
            statement = build.drift(stable, sample.reference, dimensions, self._dialect)
            row = self._engine.query(statement, step)[0]
        if raw_matrix is not None:
            size = raw_matrix.shape[1]
            with self._product(sample.reference, size, raw_matrix) as raw:
                statement = build.drift(sample.table, raw, (size, size), self._dialect)
                before = self._engine.query(statement, step)[0]
            row |= {name.replace("after", "before"): v for name, v in before.items()}
        return row

    def apply(
        self,
        table: VectorTable,
        steps: list[Matrix],
        output: StableTable,
        target: Path | str,
        rows: int,
        step: Step,
    ) -> None:
        """See `Compute`."""
        statement = build.apply(table, steps, output, self._dialect)
        if not isinstance(target, str):
            self._engine.write(statement, target, row_group(output), step)
        elif self._dialect.takes(statement):
            self._create(target, statement, step)
        else:
            with ExitStack() as stack:
                held = [stack.enter_context(self._held(matrix, table.side)) for matrix in steps]
                statement = build.apply_from_table(table, held, output, self._dialect)
                self._create(target, statement, step)

    @contextmanager
    def _mapped(
        self,
        table: VectorTable,
        size: int,
        matrix: Matrix | None,
        *,
        anchor: bool = False,
        normalize: bool = False,
    ) -> Iterator[tuple[VectorTable, Matrix | None, bool]]:
        """What the sums of rows times a matrix, made unit vectors if asked, are to be taken of.

        Args:
            table: The table.
            size: Components of a row, after the matrix.
            matrix: (e, size), or None.
            anchor: Only the rows that may align.
            normalize: Give the rows length one.

        Yields:
            This table, the matrix, and whether to normalize; or a table of such rows, None, False.
        """
        plain = matrix is None and not normalize and not table.preparation
        if plain or (not self._is_tiled(size) and self._takes_inline(table, size, matrix)):
            yield table, matrix, normalize
            return
        with self._product(table, size, matrix, anchor=anchor, normalize=normalize) as product:
            yield product, None, False

    def _is_tiled(self, size: int) -> bool:
        """Whether each of several statements would compute whole rows for a part of the sums.

        With arrays a statement reads what it needs, and the statements may run where no table can
        be made: on DuckDB's files.
        """
        tiles = build.tiles(size, size, self._dialect.most_sums, triangular=True)
        return self._dialect.style == "components" and len(tiles) > 1

    def _takes_inline(self, table: VectorTable, size: int, matrix: Matrix | None) -> bool:
        if matrix is None or self._dialect.longest_statement is None:
            return True
        options: dict[str, Any] = {"matrix": matrix, "other": table, "normalize": True}
        (statement,) = build.gram(table, size, self._dialect, **options)
        return self._dialect.takes(statement)

    @contextmanager
    def _product(
        self,
        table: VectorTable,
        size: int,
        matrix: Matrix | None,
        *,
        anchor: bool = False,
        normalize: bool = False,
    ) -> Iterator[VectorTable]:
        """A temporary table of a table's rows times a matrix, made unit vectors if asked."""
        options: dict[str, Any] = {"anchor": anchor, "normalize": normalize}
        with ExitStack() as stack:
            query = build.product(table, size, matrix, self._dialect, **options)
            in_rows = False
            if matrix is not None and not self._dialect.takes(query):
                held = stack.enter_context(self._held(matrix, table.side))
                query = build.product(table, size, held, self._dialect, **options)
                in_rows = self._dialect.style == "components"
            made = stack.enter_context(self._made(table, query, weighted=anchor, in_rows=in_rows))
            if in_rows and normalize:
                again = self._product(made, size, None, anchor=anchor, normalize=True)
                made = stack.enter_context(again)
            yield made

    @contextmanager
    def _made(
        self, table: VectorTable, query: str, *, weighted: bool, in_rows: bool
    ) -> Iterator[VectorTable]:
        """A temporary table of the rows that `sql.product` gives of a table."""
        name = self._scratch_name()
        # Its columns stand without quotes in the query that makes it.
        folded = self._dialect.folded
        names = ("j", "value") if in_rows else ("x",)
        try:
            self._engine.execute([ddl.create_table(name, query, self._dialect)])
            yield VectorTable(
                table.side,
                name,
                Column(folded("id"), table.id.type),
                "long" if in_rows else "array",
                tuple(map(folded, names)),
                "double",
                weight=folded("w") if weighted and table.weight else None,
                first=1 if in_rows else 0,
            )
        finally:
            self._engine.execute([ddl.drop_table(name, self._dialect)])

    @contextmanager
    def _held(self, matrix: Matrix, side: Side) -> Iterator[MatrixTable]:
        """A matrix as a temporary table."""
        name = self._scratch_name()
        try:
            self._engine.execute(ddl.matrix_table(name, "m", {side: matrix}, self._dialect))
            yield MatrixTable(name, side, matrix.shape[0], matrix.shape[1], "m")
        finally:
            self._engine.execute([ddl.drop_table(name, self._dialect)])

    def _scratch_name(self) -> str:
        return scratch_name(self._beside, f"{new_run_id()}{SCRATCH}", self._dialect)

    def _create(self, name: str, query: str, step: Step) -> None:
        self._engine.execute([ddl.create_table(name, query, self._dialect)], step)

    def _entries(self, statements: list[str], step: Step) -> Iterator[dict[str, Any]]:
        for statement in statements:
            yield from self._engine.query(statement, step)

    def _symmetric(self, statements: list[str], size: int, step: Step) -> Gram:
        matrix = np.zeros((size, size))
        rows = 0
        for row in self._entries(statements, step):
            i, j, rows = int(row["i"]) - 1, int(row["j"]) - 1, int(row["n_rows"])
            matrix[i, j] = matrix[j, i] = row["value"] or 0.0
        return Gram(matrix, rows)


def row_group(output: StableTable) -> int:
    """Rows of a row group of about 8 MiB, a multiple of DuckDB's vector size.

    A writer holds a row group in memory, and fresh memory is page faults: at 8 MiB (32,768 rows of
    e = 64) DuckDB writes in two thirds of the time that it takes at its default of 122,880 rows.
    """
    row = (4 if output.element == "float" else 8) * output.dimension
    return min(max(_ROW_GROUP_BYTES // row // 2048, 1) * 2048, 122_880)
