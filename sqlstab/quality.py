"""The figures that say whether an alignment can be trusted.

Most come from e x e matrices alone.
X (n x r) are the balanced vectors of the shared ids in this run, Y (n x d) the reference's stable
ones; C = X'Y, G_X = X'X, G_Y = Y'Y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sqlstab import sql

if TYPE_CHECKING:
    from sqlstab.engines import Engine
    from sqlstab.progress import Step
    from sqlstab.solve import Alignment, Matrix
    from sqlstab.tables import Side, VectorTable

# Below so many shared ids per dimension, an alignment fits its own ids better than others.
_ENOUGH_PER_DIMENSION = 4


@dataclass(frozen=True)
class SharedSums:
    """Sums over the shared ids; two of them add up as if their rows were stacked.

    Attributes:
        cross: C, (r, d).
        run: G_X, (r, r).
        reference: G_Y, (d, d).
    """

    cross: Matrix
    run: Matrix
    reference: Matrix

    def __add__(self, other: SharedSums) -> SharedSums:
        return SharedSums(
            self.cross + other.cross, self.run + other.run, self.reference + other.reference
        )

    def __mul__(self, weight: float) -> SharedSums:
        return SharedSums(self.cross * weight, self.run * weight, self.reference * weight)


def relative_residual(sums: SharedSums) -> float:
    """|X Omega - Y| / |Y| (Frobenius) for the best orthogonal Omega: 0 is perfect."""
    nuclear = float(np.linalg.svd(sums.cross, compute_uv=False).sum())
    squared = np.trace(sums.run) + np.trace(sums.reference) - 2 * nuclear
    return float(np.sqrt(max(squared, 0.0) / np.trace(sums.reference)))


def linear_cka(sums: SharedSums) -> float:
    """Linear centred-kernel-alignment similarity, uncentred: 1 when all dot products agree."""
    roots = np.sqrt(_norm(sums.run)) * np.sqrt(_norm(sums.reference))
    return float((_norm(sums.cross) / roots) ** 2)


def _norm(matrix: Matrix) -> float:
    """The Frobenius norm, without squares that overflow or vanish."""
    largest = float(np.abs(matrix).max())
    return largest * float(np.linalg.norm(matrix / largest)) if largest else 0.0


def residual_bound(sums: SharedSums) -> float:
    """The largest `relative_residual` that the difference of all dot products allows.

    Residual <= (2 e)^(1/4) sqrt(eps) with eps = |X X' - Y Y'| (Maystre et al. 2025, arXiv
    2510.13406), here relative to |Y| as the residual is.
    """
    squared = (
        np.linalg.norm(sums.run) ** 2
        + np.linalg.norm(sums.reference) ** 2
        - 2 * np.linalg.norm(sums.cross) ** 2
    )
    difference = np.sqrt(max(float(squared), 0.0))
    dimension = max(sums.cross.shape)
    return float((2 * dimension) ** 0.25 * np.sqrt(difference) / np.sqrt(np.trace(sums.reference)))


def alignment_warnings(
    alignment: Alignment, rank: int, anchors: int, reference_dimension: int
) -> list[str]:
    """What should be said of an alignment.

    Args:
        alignment: The alignment.
        rank: r, the number of directions that were aligned.
        anchors: How many shared ids took part.
        reference_dimension: Components of a stable vector of the reference.
    """
    warnings = []
    enough = _ENOUGH_PER_DIMENSION * rank
    if anchors < enough:
        warnings.append(
            f"Only {anchors:,} shared ids align {rank} dimensions; below {enough:,} the alignment "
            "suits these ids better than others."
        )
    # New dimensions are no surprise: the model has grown.
    new = max(rank - reference_dimension, 0)
    if alignment.ambiguous > new:
        warnings.append(
            f"The shared ids say nothing about {alignment.ambiguous - new} of {rank} dimensions; "
            "those were placed in what is left of the space, near their own axes."
        )
    return warnings


@dataclass(frozen=True)
class Cosines:
    """Cosines of the same id in two runs, over rows.

    Attributes:
        mean, p10, median: Their mean, tenth percentile and median.
    """

    mean: float
    p10: float
    median: float

    @classmethod
    def of(cls, parts: list[Matrix]) -> Cosines | None:
        """From arrays of cosines; NaN (of a zero vector) is left out. None if nothing is left."""
        values = np.concatenate([np.empty(0), *parts])
        values = values[~np.isnan(values)]
        if values.size == 0:
            return None
        p10, median = np.quantile(values, [0.1, 0.5])
        return cls(float(values.mean()), float(p10), float(median))


@dataclass(frozen=True)
class BeforeAfter:
    """Cosines between the run and the reference.

    Attributes:
        rows: How many shared ids were looked at.
        before: Of the raw vectors; None where the reference's cannot be had.
        after: Of the stable vectors.
    """

    rows: int
    before: Cosines | None
    after: Cosines | None


def row_cosines(x: Matrix, y: Matrix) -> Matrix:
    """Cosine of each row of x, (n, d), with the same row of y, (n,); NaN for a zero row."""
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    dots: Matrix = np.einsum("ij,ij->i", x, y)
    cosines: Matrix = np.divide(dots, norms, out=np.full(dots.shape, np.nan), where=norms > 0)
    return cosines


def score_error(
    engine: Engine,
    raw: dict[Side, VectorTable],
    stable: dict[Side, VectorTable],
    dimensions: tuple[int, int],
    rows: int,
    step: Step,
) -> float | None:
    """Largest difference between raw and written scores of a sample, relative to the largest score.

    None if the sample has no pair, or no score but zero.
    """
    row = engine.query(sql.scores(raw, stable, dimensions, rows, engine.dialect), step)[0]
    return float(row["largest_error"] / row["largest"]) if row["largest"] else None
