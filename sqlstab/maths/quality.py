"""The figures that say whether an alignment can be trusted.

Most come from e x e matrices alone.
X (n x r) are the balanced vectors of the shared ids in this run, Y (n x d) the reference's stable
ones; C = X'Y, G_X = X'X, G_Y = Y'Y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sqlstab.statements import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.engines import Engine
    from sqlstab.maths.solve import Alignment, Matrix
    from sqlstab.progress import Step
    from sqlstab.statements.table import Side, VectorTable

# Figures of single rows come from at most about so many ids, chosen by a hash of the id: the
# standard error of a mean cosine is then at most 0.002.
SAMPLED_ROWS = 25_000
# Below, the same id is hardly where it was: Procrustes finds a mean cosine of up to 0.25 between
# vectors whose ids were shuffled.
HARDLY_AGREES = 0.3
# FLOAT vectors keep scores to 1e-6; more than this is the doing of a requested rank.
SCORES_KEPT = 1e-5
# Below so many shared ids per dimension, an alignment fits its own ids better than others.
_ENOUGH_PER_DIMENSION = 4

# Scores are compared for all pairs of so many users and so many items.
SCORE_ROWS = 300


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

    def __sub__(self, other: SharedSums) -> SharedSums:
        return self + other * -1.0

    def __mul__(self, weight: float) -> SharedSums:
        return SharedSums(self.cross * weight, self.run * weight, self.reference * weight)

    def widened(self, dimension: int) -> SharedSums:
        """The sums for the rows of Y with zeros behind them, up to so many components."""
        behind = (0, dimension - self.cross.shape[1])
        return replace(
            self,
            cross=np.pad(self.cross, ((0, 0), behind)),
            reference=np.pad(self.reference, behind),
        )

    def mapped(self, matrix: Matrix) -> SharedSums:
        """The sums for the rows of Y times a matrix, (d, k)."""
        return SharedSums(self.cross @ matrix, self.run, matrix.T @ self.reference @ matrix)


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
    dimension = max(sums.cross.shape)
    roots = np.sqrt(_difference(sums)) / np.sqrt(np.trace(sums.reference))
    return float((2 * dimension) ** 0.25 * roots)


def dot_product_difference(sums: SharedSums) -> float:
    """|X X' - Y Y'| / |Y Y'|: how much the dot products of shared ids with each other differ."""
    return _difference(sums) / float(np.linalg.norm(sums.reference))


def _difference(sums: SharedSums) -> float:
    """|X X' - Y Y'|, called eps by Maystre et al."""
    squared = (
        np.linalg.norm(sums.run) ** 2
        + np.linalg.norm(sums.reference) ** 2
        - 2 * np.linalg.norm(sums.cross) ** 2
    )
    return float(np.sqrt(max(float(squared), 0.0)))


def cosine(sums: SharedSums) -> float:
    """Norm-weighted mean cosine of the rows of X Omega with those of Y for the best Omega."""
    nuclear = float(np.linalg.svd(sums.cross, compute_uv=False).sum())
    return nuclear / _lengths(sums)


def cosine_with(omega: Matrix, sums: SharedSums) -> float:
    """The same for a given Omega, (r, at least d)."""
    return float(np.sum(omega[:, : sums.cross.shape[1]] * sums.cross)) / _lengths(sums)


def _lengths(sums: SharedSums) -> float:
    """|X| |Y|, Frobenius."""
    return float(np.sqrt(np.trace(sums.run)) * np.sqrt(np.trace(sums.reference)))


def linear_residual(sums: SharedSums) -> float:
    """|X A - Y| / |Y| for the best A of all matrices: what orthogonality costs shows beside it."""
    solved = np.linalg.lstsq(sums.run, sums.cross, rcond=None)[0]
    squared = np.trace(sums.reference) - np.sum(sums.cross * solved)
    return float(np.sqrt(max(squared, 0.0) / np.trace(sums.reference)))


@dataclass(frozen=True)
class Chance:
    """What vectors with shuffled ids would show.

    Attributes:
        cosine: Expected `cosine`.
        held_out: Expected `cosine_with` an Omega that fits other ids.
        spread: Standard deviation of the latter.
    """

    cosine: float
    held_out: float
    spread: float


# Shuffles that `chance` looks at: its mean is then known to a fifth of the spread.
_SHUFFLES = 25


def chance(sums: SharedSums, means: tuple[Matrix, Matrix], rows: int, share: float) -> Chance:
    """What the figures would be if the ids of one side were shuffled, without shuffling them.

    The cross Gram matrix of shuffled rows, X' P Y with P a random permutation, has mean
    n mean(X) mean(Y)' and, of centred X and Y, covariance G_X (x) G_Y / (n - 1); its entries are
    sums of many terms, so nearly normal. So a shuffle is drawn from e x e matrices.

    Args:
        sums: C, G_X, G_Y over the shared ids.
        means: Of the rows of X, (r,), and of Y, (d,).
        rows: n, how many shared ids there are; at least 2.
        share: Of these, what an alignment is fitted to; it is scored on the others.
    """
    centre = rows * np.outer(*means)
    roots = [
        _root(gram - rows * np.outer(mean, mean))
        for gram, mean in zip((sums.run, sums.reference), means, strict=True)
    ]
    random = np.random.default_rng(0)

    def drawn(part: float) -> Matrix:
        noise = random.standard_normal(sums.cross.shape)
        spread = np.sqrt(part / (rows - 1))
        shuffled: Matrix = part * centre + spread * roots[0] @ noise @ roots[1]
        return shuffled

    all_ids, held_out = [], []
    for _ in range(_SHUFFLES):
        fitted, rest = drawn(share), drawn(1 - share)
        all_ids.append(cosine(replace(sums, cross=fitted + rest)))
        left, _, right = np.linalg.svd(fitted, full_matrices=False)
        others = replace(sums, cross=rest / (1 - share))
        held_out.append(cosine_with(left @ right, others))
    return Chance(
        float(np.mean(all_ids)), float(np.mean(held_out)), float(np.std(held_out, ddof=1))
    )


def _root(gram: Matrix) -> Matrix:
    """The symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(gram)
    root: Matrix = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    return root


def enough(rank: int) -> int:
    """So many shared ids align so many directions, and not only those ids."""
    return _ENOUGH_PER_DIMENSION * rank


def alignment_warnings(
    alignment: Alignment,
    rank: int,
    anchors: int,
    reference_dimension: int,
    *,
    share: float = 1.0,
) -> list[str]:
    """What should be said of an alignment.

    Args:
        alignment: The alignment.
        rank: r, the number of directions that were aligned.
        anchors: How many shared ids took part.
        reference_dimension: Components of a stable vector of the reference.
        share: The share of the rows that was looked at.
    """
    warnings = []
    wanted = enough(rank)
    if anchors < wanted:
        sampled = f" in a sample of {share:.2%} of the rows" if share < 1 else ""
        warnings.append(
            f"Only {anchors:,} shared ids{sampled} align {rank} dimensions; below {wanted:,} the "
            "alignment suits these ids better than others."
            + (" Take a larger --sample, or none." if sampled else "")
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
    raw: Mapping[Side, VectorTable],
    stable: Mapping[Side, VectorTable],
    dimensions: tuple[int, int],
    rows: int,
    step: Step,
) -> float | None:
    """Largest difference between raw and written scores of a sample, relative to the largest score.

    Of a table alone, between dot products of its vectors with each other.

    None if the sample has no pair, or no score but zero.
    """
    row = engine.query(build.scores(raw, stable, dimensions, rows, engine.dialect), step)[0]
    return float(row["largest_error"] / row["largest"]) if row["largest"] else None
