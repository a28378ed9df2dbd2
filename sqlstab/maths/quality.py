"""The figures that say whether an alignment can be trusted.

Most come from e x e matrices alone.
X (n x r) are the balanced vectors of the shared ids in this run, Y (n x d) the reference's stable
ones; C = X'Y, G_X = X'X, G_Y = Y'Y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from sqlstab.folds import unit
from sqlstab.maths import solve

if TYPE_CHECKING:
    from sqlstab.maths.solve import Alignment, Matrix

Verdict = Literal["alignable", "doubtful", "unrelated"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# Figures of single rows come from at most about so many ids, chosen by a hash of the id: the
# standard error of a mean cosine is then at most 0.002.
SAMPLED_ROWS = 25_000
# FLOAT vectors keep scores to 1e-6; more than this is the doing of a requested rank.
SCORES_KEPT = 1e-5
# Below, the same id has moved: Procrustes finds a mean cosine of up to 0.25 between
# vectors whose ids were shuffled.
HARDLY_AGREES = 0.3
# Below so many shared ids per dimension, an alignment fits its own ids better than others.
_ENOUGH_PER_DIMENSION = 4
# Neighbours are looked for among so many rows, where these are streamed: 4 million cosines.
NEIGHBOUR_ROWS = 2_000
# Of so many of them where SQL looks for them.
NEIGHBOUR_QUERIES = 200
NEAREST = 10
# Scores are compared for all pairs of so many users and so many items.
SCORE_ROWS = 300
# Agreement on held-out ids above chance. The same model retrained reaches 0.6 to 0.8 on real data,
# another model of the same data at most 0.6; at 0.5, half of the vectors' squared length is where
# it was.
_ALIGNABLE = 0.5
_UNRELATED = 0.1
# So many standard deviations of shuffles are no chance any more.
_SURE = 4.0
# Of a cosine.
_ROUNDING = 1e-9
# Of the cosine of shuffled ids: more is a direction that most vectors share.
_COMMON = 0.5
# Ids that mean something else in both runs have cosines around chance, as many below as above it.
# Of retrained models almost no id is below (at most 0.7%, of two towers of another seed), and those
# a little above are 40 times as many.
_STRANGERS = 0.02
_FEWEST_STRANGERS = 6
_NO_TAIL = 3
# From this share of a table on, rows of an earlier training are more than a few.
_STALE = 0.01
_FEWEST_STALE = 6
# So many standard deviations above chance hold nearly all of them.
_NEAR = 2.0


@dataclass(frozen=True)
class SharedSums:
    """Sums over the shared ids; two of them add up as if their rows were stacked.

    Attributes:
        cross: C = sum of w x y', (r, d).
        run: G_X = sum of w x x', (r, r).
        reference: G_Y = sum of w y y', (d, d).
        run_total, reference_total: Sums of w x, (r,), and of w y, (d,).
        weight: Sum of w.
    """

    cross: Matrix
    run: Matrix
    reference: Matrix
    run_total: Matrix
    reference_total: Matrix
    weight: float

    @classmethod
    def of(cls, cross: Matrix, run: Matrix, reference: Matrix) -> SharedSums:
        """Make them of a cross Gram matrix of rows that end with a 1, (r + 1, d + 1)."""
        return cls(
            cross[:-1, :-1], run, reference, cross[:-1, -1], cross[-1, :-1], float(cross[-1, -1])
        )

    def __add__(self, other: SharedSums) -> SharedSums:
        pairs = zip(self._parts(), other._parts(), strict=True)
        # What overflows is noticed where sums are looked at: see `is_finite`.
        with np.errstate(over="ignore", invalid="ignore"):
            return SharedSums(*(a + b for a, b in pairs))

    def __mul__(self, weight: float) -> SharedSums:
        with np.errstate(over="ignore", invalid="ignore"):
            return SharedSums(*(part * weight for part in self._parts()))

    def _parts(self) -> tuple[Any, ...]:
        return (
            *(self.cross, self.run, self.reference),
            *(self.run_total, self.reference_total, self.weight),
        )

    @property
    def is_finite(self) -> bool:
        """Whether no sum has overflowed."""
        parts = (*self._parts(), np.trace(self.run), np.trace(self.reference))
        return all(bool(np.isfinite(part).all()) for part in parts)

    @property
    def is_zero(self) -> bool:
        """Whether one of the two sides has no length that can be divided by."""
        least = np.finfo(np.float64).tiny
        return not (np.trace(self.run) > least and np.trace(self.reference) > least)

    def widened(self, dimension: int) -> SharedSums:
        """Return the sums for rows y with zeros behind them, up to so many components."""
        behind = (0, dimension - self.cross.shape[1])
        return replace(
            self,
            cross=np.pad(self.cross, ((0, 0), behind)),
            reference=np.pad(self.reference, behind),
            reference_total=np.pad(self.reference_total, behind),
        )

    def mapped(self, matrix: Matrix | None, reference: Matrix | None = None) -> SharedSums:
        """Return the sums for the rows x times a matrix, (r, k), and y times another, (d, l)."""
        a = np.eye(len(self.run)) if matrix is None else matrix
        b = np.eye(len(self.reference)) if reference is None else reference
        with np.errstate(over="ignore", invalid="ignore"):
            return SharedSums(
                a.T @ self.cross @ b,
                a.T @ self.run @ a,
                b.T @ self.reference @ b,
                a.T @ self.run_total,
                b.T @ self.reference_total,
                self.weight,
            )


def relative_residual(sums: SharedSums) -> float:
    """Return |X Omega - Y| / |Y| (Frobenius) for the best orthogonal Omega: 0 is perfect."""
    nuclear = float(np.linalg.svd(sums.cross, compute_uv=False).sum())
    squared = np.trace(sums.run) + np.trace(sums.reference) - 2 * nuclear
    return float(np.sqrt(max(squared, 0.0) / np.trace(sums.reference)))


def linear_cka(sums: SharedSums) -> float:
    """Return the linear centred-kernel-alignment similarity, uncentred: 1 if dot products agree."""
    roots = np.sqrt(_norm(sums.run)) * np.sqrt(_norm(sums.reference))
    return float((_norm(sums.cross) / roots) ** 2)


def _norm(matrix: Matrix) -> float:
    """Return the Frobenius norm, without squares that overflow or vanish."""
    largest = float(np.abs(matrix).max())
    return largest * float(np.linalg.norm(matrix / largest)) if largest else 0.0


def residual_bound(sums: SharedSums) -> float:
    """Return the largest `relative_residual` that the difference of all dot products allows.

    Residual <= (2 e)^(1/4) sqrt(eps) with eps = |X X' - Y Y'| (Maystre et al. 2025, arXiv
    2510.13406), here relative to |Y| as the residual is.
    """
    dimension = max(sums.cross.shape)
    roots = np.sqrt(_difference(sums)) / np.sqrt(np.trace(sums.reference))
    return float((2 * dimension) ** 0.25 * roots)


def dot_product_difference(sums: SharedSums) -> float:
    """Return |X X' - Y Y'| / |Y Y'|: how much the dot products of shared ids differ."""
    return _difference(sums) / float(np.linalg.norm(sums.reference))


def _difference(sums: SharedSums) -> float:
    """Return |X X' - Y Y'|, called eps by Maystre et al."""
    squared = (
        np.linalg.norm(sums.run) ** 2
        + np.linalg.norm(sums.reference) ** 2
        - 2 * np.linalg.norm(sums.cross) ** 2
    )
    return float(np.sqrt(max(float(squared), 0.0)))


def cosine(sums: SharedSums) -> float:
    """Return the norm-weighted mean cosine of rows of X Omega and of Y for the best Omega."""
    nuclear = float(np.linalg.svd(sums.cross, compute_uv=False).sum())
    return nuclear / _lengths(sums)


def cosine_with(omega: Matrix, sums: SharedSums) -> float:
    """Return `cosine` for a given Omega, (r, at least d); the length is that of X Omega."""
    length = np.sum(omega * (sums.run @ omega))
    if not length > 0:
        return 0.0
    found = np.sum(omega[:, : sums.cross.shape[1]] * sums.cross)
    return float(found / (np.sqrt(length) * np.sqrt(np.trace(sums.reference))))


def _lengths(sums: SharedSums) -> float:
    """Return |X| |Y|, Frobenius."""
    return float(np.sqrt(np.trace(sums.run)) * np.sqrt(np.trace(sums.reference)))


def linear_residual(sums: SharedSums) -> float:
    """Return |X A - Y| / |Y| for the best matrix A; the residual has what orthogonality adds."""
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


def chance(sums: SharedSums, rows: int, share: float, columns: int | None = None) -> Chance:
    """Return what the figures would be if the ids of one side were shuffled, without shuffling.

    The cross Gram matrix of shuffled rows, X' P Y with P a random permutation, has mean
    n mean(X) mean(Y)' and, of centred X and Y, covariance G_X (x) G_Y / (n - 1); its entries are
    sums of many terms, so nearly normal. So a shuffle is drawn from e x e matrices.

    Args:
        sums: Those over the shared ids.
        rows: n, how many shared ids there are; at least 2.
        share: Of these, what an alignment is fitted to; it is scored on the others.
        columns: As of `solve.align`.
    """
    centre = np.outer(sums.run_total, sums.reference_total) / sums.weight
    roots = [
        _root(gram - np.outer(total, total) / sums.weight)
        for gram, total in (
            (sums.run, sums.run_total),
            (sums.reference, sums.reference_total),
        )
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
        others = replace(sums, cross=rest / (1 - share))
        held_out.append(cosine_with(solve.align(fitted, columns).omega, others))
    return Chance(
        float(np.mean(all_ids)), float(np.mean(held_out)), float(np.std(held_out, ddof=1))
    )


@dataclass(frozen=True)
class Agreement:
    """How well an alignment holds for ids that took no part in it.

    Attributes:
        held_out: h, mean cosine of the rows of one half, weighted by length, under the alignment
            that the other half gives; both ways.
        chance: c, what shuffled ids would show.
        value: (h - c) / (1 - c).
        verdict: Whether the run and the reference can be aligned.
        reason: Why, in a sentence about `ids`.
    """

    held_out: float | None
    chance: float | None
    value: float | None
    verdict: Verdict
    reason: str


def agreement(
    halves: tuple[SharedSums, SharedSums],
    rows: int,
    rank: int,
    ids: str = "ids",
    columns: int | None = None,
) -> Agreement:
    """Judge an alignment by the ids that it was not fitted to.

    Args:
        halves: The sums over two halves of the shared ids, chosen by a hash.
        rows: How many ids are shared.
        rank: r, how many dimensions are aligned.
        ids: What they are called: `items`.
        columns: As of `solve.align`.
    """
    if rows == 0:
        return Agreement(None, None, None, "unrelated", f"The {ids} have no id in common.")
    wanted = enough(rank)
    few = f"Only {rows:,} shared {ids}; to align {rank} dimensions takes {wanted:,}."
    if any(half.is_zero for half in halves):
        zero = halves[0].is_zero and halves[1].is_zero
        if zero:
            why = f"The {ids} that both have are zero vectors."
            return Agreement(None, None, None, "unrelated", why)
        return Agreement(None, None, None, "doubtful", few)
    held = held_out(halves, columns)
    by_chance = chance(halves[0] + halves[1], rows, 0.5, columns) if rows > 1 else None
    if by_chance is None:
        return Agreement(held, None, None, "doubtful", few)
    level = by_chance.held_out
    seen = (
        f"{ids.capitalize()} that took no part in the fit agree to a cosine of {held:.2f}; "
        f"with shuffled ids it would be {round(level, 2) + 0.0:.2f}"
    )
    if level > _COMMON:
        seen += ", because they have a strong component in common"
    if level > 1 - _ROUNDING:
        why = f"All {ids} have one direction. {seen}."
        return Agreement(held, level, None, "doubtful", why)
    value = (held - level) / (1 - level)
    if rows < wanted:
        verdict: Verdict = "doubtful"
        reason = f"{few} {seen}."
    elif held < level + _SURE * by_chance.spread or value < _UNRELATED:
        verdict, reason = "unrelated", f"{seen}."
    elif value < _ALIGNABLE:
        verdict = "doubtful"
        reason = f"{seen}: no accident, but most of each vector is elsewhere."
    else:
        verdict, reason = "alignable", f"{seen}."
    return Agreement(held, level, value, verdict, reason)


def held_out(halves: tuple[SharedSums, SharedSums], columns: int | None = None) -> float:
    """Return the mean cosine of rows of one half under the alignment of the other, both ways."""
    scores = [
        cosine_with(solve.align(fitted.cross, columns).omega, other)
        for fitted, other in (halves, halves[::-1])
    ]
    return float(np.mean(scores))


def sampled(rows: int) -> float:
    """Return the share of so many rows that figures of single rows are taken of."""
    return min(1.0, SAMPLED_ROWS / max(rows, 1))


def share_with_length(sums: SharedSums) -> float:
    """Return the share of the weight that is on pairs of rows that are not zero.

    Args:
        sums: Of rows of length one or zero.
    """
    lengths = min(np.trace(sums.run), np.trace(sums.reference))
    return float(min(lengths / sums.weight, 1.0))


def neighbours_kept(before: Matrix, after: Matrix, nearest: int) -> float | None:
    """Return the share of the nearest neighbours by cosine that rows keep.

    Args:
        before: (n, e).
        after: The same rows with other components, (n, d).
        nearest: How many neighbours of each.

    Returns:
        From 0 to 1; None for fewer rows than that.
    """
    if len(before) <= nearest:
        return None
    found = []
    for rows in (unit(before), unit(after)):
        cosines = rows @ rows.T
        np.fill_diagonal(cosines, -np.inf)
        found.append(np.argpartition(-cosines, nearest - 1, axis=1)[:, :nearest])
    both = [len(np.intersect1d(a, b)) for a, b in zip(*found, strict=True)]
    return float(np.mean(both)) / nearest


def _root(gram: Matrix) -> Matrix:
    """Return the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(gram)
    root: Matrix = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    return root


def enough(rank: int) -> int:
    """Return how many shared ids it takes to align other ids in so many directions, too."""
    return _ENOUGH_PER_DIMENSION * rank


def alignment_warnings(
    alignment: Alignment,
    reference: Matrix,
    anchors: int,
    *,
    share: float = 1.0,
) -> list[str]:
    """List the warnings about an alignment.

    Args:
        alignment: The alignment.
        reference: G_Y, (d, d).
        anchors: How many shared ids took part.
        share: The share of the rows that was looked at.
    """
    warnings = []
    rank, known = len(alignment.omega), len(reference)
    wanted = enough(rank)
    if anchors < wanted:
        sampled = f" in a sample of {share:.2%} of the rows" if share < 1 else ""
        warnings.append(
            f"Only {anchors:,} shared ids{sampled} align {rank} dimensions; below {wanted:,} the "
            "alignment suits these ids better than others."
            + (" Take a larger --sample, or none." if sampled else "")
        )
    else:
        # What the reference does not use can't be aligned with, but a few ids may just not show it.
        known = solve.directions(solve.singular_values(reference))
    # New dimensions are no surprise: the model has grown.
    new = max(rank - known, 0)
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
        """Summarize arrays of cosines without NaN (of a zero vector); None if nothing is left."""
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
        strangers: How many of them seem to mean something else in the reference.
        stale: How many of them have the reference's raw vectors, where the others do not.
    """

    rows: int
    before: Cosines | None
    after: Cosines | None
    strangers: int = 0
    stale: int = 0


@dataclass(frozen=True)
class Band:
    """Two ranges of cosines, to be counted.

    Attributes:
        level: The first range is below this.
        near: The second one is from there on to this.
    """

    level: float
    near: float

    @classmethod
    def of(cls, level: float, dimension: int) -> Band:
        """Return where the cosines of ids are that have nothing to do with each other.

        Half of them are below `level`, their mean, and nearly all others below `near`.

        Args:
            level: The cosine of shuffled ids.
            dimension: Components of a vector.
        """
        return cls(level, level + _NEAR * (1 - level) / np.sqrt(dimension))


# Raw vectors that have changed, and those that are the same: of FLOAT, a cosine of 1 to its
# rounding. 2 is beyond all cosines.
SAME = Band(1 - 1e-6, 2.0)


def strangers(rows: int, below: int, near: int) -> int:
    """Estimate how many ids mean something else in the reference; 0 unless they stand apart.

    Args:
        rows: How many ids were looked at.
        below: How many have a cosine below `Band.level`.
        near: How many from there on to `Band.near`.
    """
    found = 2 * below
    apart = found >= max(_STRANGERS * rows, _FEWEST_STRANGERS) and near <= _NO_TAIL * below
    return min(found, rows) if apart else 0


def stale(mean: float | None, changed: int, same: int) -> int:
    """Return how many ids have the raw vectors of the reference, unlike the others; 0 for few.

    Where a training begins with the vectors of the one before, some may stay as they are, but the
    others do not move far.

    Args:
        mean: The mean cosine of the raw vectors.
        changed: How many have a cosine below `SAME.level`.
        same: How many have one of 1.
    """
    rows = changed + same
    few = min(same, changed) < _STALE * rows or same < _FEWEST_STALE
    if mean is None or few or (mean * rows - same) / changed >= HARDLY_AGREES:
        return 0
    return same
