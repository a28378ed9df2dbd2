"""The ways to compute one answer: all in SQL, or SQL that hands rows to BLAS.

`SqlCompute` is the portable one. `ArrowCompute` streams the rows of an engine in this process,
DuckDB, through BLAS. `SparkCompute` takes BLAS to where Spark's partitions are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from sqlstab.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlstab.maths.quality import BeforeAfter, SharedSums
    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Step
    from sqlstab.statements.table import StableTable, VectorTable


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

    def sample(self, share: float) -> Pair:
        """A share of the shared ids, chosen by a hash of the id."""
        return replace(
            self,
            table=replace(self.table, share=share),
            reference=replace(self.reference, share=share),
            shared=round(self.shared * share),
        )


class Compute(Protocol):
    """What the ways do differently; every other statement is the same for all."""

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
        kept_share: float | None = None,
    ) -> Gram:
        """The Gram matrix of a table's rows, or of its rows times a whitener.

        Args:
            table: The table.
            dimension: e; may be unknown where bad vectors are noticed.
            whitener: (e, k), or None.
            rows: How many rows there are; for the progress display.
            step: The progress display.
            kept_share: The share of the rows, chosen by a hash of the id, that will be wanted for
                `cosines`.

        Raises:
            InvalidVectorsError: A sum overflows; or, where bad vectors are noticed, a vector cannot
                be summed.
        """

    def mean(self, table: VectorTable, dimension: int, rows: int, step: Step) -> Matrix:
        """The mean of a table's rows, (e,); of no row an empty array, and not finite on overflow.

        Args:
            table: The table.
            dimension: e.
            rows: How many rows there are; for the progress display.
            step: The progress display.
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
        self, pair: Pair, matrix: Matrix, raw_matrix: Matrix | None, share: float, step: Step
    ) -> BeforeAfter:
        """Cosines of the same id in both tables.

        Args:
            pair: The tables.
            matrix: From the run's raw to its stable vectors, (e, d), d at least the reference's.
            raw_matrix: From the reference's stable vectors back to its raw ones; None leaves out
                `before`.
            share: Look at this share of the shared ids, chosen by a hash of the id.
            step: The progress display.
        """

    def apply(
        self,
        table: VectorTable,
        steps: list[Matrix],
        output: StableTable,
        target: Path | str,
        rows: int,
        step: Step,
    ) -> None:
        """Write the stable table.

        Args:
            table: The raw table.
            steps: The matrices that take raw vectors to stable ones, one after the other.
            output: How the stable table is laid out.
            target: A Parquet file, or the name of a table to create.
            rows: How many rows there are; for the progress display.
            step: The progress display.
        """
