"""The small mathematics: pure functions on e x e matrices, all float64.

Notation, after Zielnicki & Hsiao, *Orthogonal Low Rank Embedding Stabilization* (RecSys 2025):
items T (n x e), users W (m x e), scores S = T W'. Rows are vectors and matrices act from the right.

1. `factor`: the Gram matrix T'T gives R with T = Q R, Q'Q = I, without ever seeing T.
2. `balance`: the SVD R_T R_W' = U S V' gives M_T, M_W. `T M_T` and `W M_W` have the same Gram
   matrix, the diagonal S, and the same scores as T and W.
3. `align`: the orthogonal Omega that brings `T M_T` closest to the reference's stable vectors.

The stable vectors are `T M_T Omega` and `W M_W Omega`.

Vectors X without a second side need no balance: any orthogonal map keeps their dot products. Of
these three steps there is `align` alone, and in the place of M_T the identity, or the principal
axes if a rank is requested (`principal_axes`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sqlstab.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating[Any]]

EPS = float(np.finfo(np.float64).eps)

# Passes over the data that refinement may take in all: CholeskyQR2 takes two, shifted CholeskyQR3
# three.
MOST_PASSES = 3
# Worse than this, the rows of a table are worth a second pass (stable vectors are mostly FLOAT,
# whose resolution is 6e-8).
GOOD_ACCURACY = 1e-6
# Sums of squares below this have lost digits: the smallest normal number is 2e-308.
_SMALLEST = 1e-290
# Relative to the diagonal, sums in doubles are exact to much less: to 2e-8 at worst for 1e8 rows.
_SUMMED = 1e-6
# A whitened table whose condition is still above this is not orthonormal yet.
_WHITE = 10.0


@dataclass(frozen=True)
class Factor:
    """T = Q R of a table T with orthonormal Q, known from Gram matrices alone.

    Attributes:
        triangle: R, (k, e); k < e where columns of T are zero.
        whitener: P, (e, k), with R P = I, so that Q = T P.
        rows: n, the number of rows of T.
        passes: How many Gram matrices (scans of T) went into it.
        resolved: False where T has directions so small next to the others that this many passes
            cannot tell their size, or whether they are zero.
        white: Condition of the rows that the last Gram matrix was taken of.
    """

    triangle: Matrix
    whitener: Matrix
    rows: int
    passes: int
    resolved: bool
    white: float

    @property
    def norms(self) -> Matrix:
        """Norms of the columns of T, (e,)."""
        found: Matrix = np.linalg.norm(self.triangle, axis=0)
        return found

    @property
    def scale(self) -> Matrix:
        """The same, but 1 for a zero column."""
        return np.where(self.norms > 0, self.norms, 1.0)

    @property
    def spectrum(self) -> Matrix:
        """Singular values of T with its columns scaled to length one, descending."""
        return singular_values(self.triangle / self.scale)

    @property
    def rank(self) -> int:
        """Numerical rank of T."""
        values = self.spectrum
        return int(np.sum(values > 4 * EPS * max(self.triangle.shape) * values[0]))

    @property
    def condition(self) -> float:
        """Condition number of T with its columns scaled to length one, dead directions left out."""
        values = self.spectrum
        return float(values[0] / values[self.rank - 1])

    @property
    def summation_error(self) -> float:
        """Estimate of |Q'Q - I|: the last Gram matrix's rounding errors, as a random walk."""
        return float(EPS * (16 + np.sqrt(self.rows)) * self.white**2)


def factor(gram: Matrix, rows: int) -> Factor:
    """Factor the Gram matrix of a table: R and its inverse.

    The Gram matrix is equilibrated (unit diagonal) first, so that badly scaled columns do no harm.
    Where it is not numerically positive definite, its eigenvalues are taken with a floor, in the
    manner of the shifted Cholesky QR (Fukaya et al. 2020): the factor stays invertible, scores
    stay exact, and a further pass (`refine`) settles what the directions below the floor are.

    Args:
        gram: T'T, (e, e), symmetric, finite.
        rows: Number of rows of T.

    Raises:
        DataError: Every vector is zero.
    """
    dimension = gram.shape[0]
    live = np.flatnonzero(np.diag(gram) > 0)
    if live.size == 0 or gram.max() < _SMALLEST:
        raise DataError(
            "All vectors are zero, or so small that their squares are: nothing to stabilize. "
            "Multiply small vectors by a constant."
        )
    triangle, whitener, resolved, condition = _square_root(gram[np.ix_(live, live)])
    full_triangle = np.zeros((live.size, dimension))
    full_triangle[:, live] = triangle
    full_whitener = np.zeros((dimension, live.size))
    full_whitener[live] = whitener
    return Factor(
        triangle=full_triangle,
        whitener=full_whitener,
        rows=rows,
        passes=1,
        resolved=resolved,
        white=condition,
    )


def indefinite_entry(gram: Matrix) -> tuple[int, int] | None:
    """Find an entry for which a matrix is the Gram matrix of no vectors, beyond rounding errors.

    Args:
        gram: (e, e), finite.

    Returns:
        The entry, counted from 0; None where the matrix is symmetric and positive semidefinite.
    """
    diagonal = np.diag(gram)
    if (diagonal < 0).any():
        worst = int(diagonal.argmin())
        return worst, worst
    # Squares that vanish are sums of products all the same.
    roots = np.sqrt(np.maximum(diagonal, _SMALLEST))
    # (x'y)^2 <= x'x y'y, and both halves say the same.
    bounds = roots * roots[:, None]
    excess = np.maximum(np.abs(gram), np.abs(gram.T)) - bounds * (1 + _SUMMED)
    excess = np.maximum(excess, np.abs(gram - gram.T) - bounds * _SUMMED)
    if (excess > 0).any():
        i, j = np.unravel_index(int(excess.argmax()), excess.shape)
        return int(i), int(j)
    unit = gram / roots / roots[:, None]
    values, vectors = np.linalg.eigh(unit)
    if values[0] >= -_SUMMED * len(gram):
        return None
    # Of x'Gx < 0 the entry that takes the most away.
    parts = unit * np.outer(vectors[:, 0], vectors[:, 0])
    i, j = np.unravel_index(int(parts.argmin()), parts.shape)
    return int(i), int(j)


def refine(rough: Factor, gram: Matrix) -> Factor:
    """Take a second or third pass: the Gram matrix of the whitened rows (CholeskyQR2).

    Args:
        rough: The factor so far.
        gram: (T P)'(T P) with P = `rough.whitener`, (k, k).
    """
    triangle, whitener, _, condition = _square_root(gram)
    refined = Factor(
        triangle=triangle @ rough.triangle,
        whitener=rough.whitener @ whitener,
        rows=rough.rows,
        passes=rough.passes + 1,
        resolved=rough.resolved or condition < 1 / np.sqrt(EPS),
        white=condition,
    )
    return _without_dead(refined) if refined.resolved else refined


def _without_dead(factor: Factor) -> Factor:
    """Drop dead directions from a factor: rounding errors decide what is in them."""
    rank = factor.rank
    if rank == factor.triangle.shape[0]:
        return factor
    scale = factor.scale
    _, values, right_t = np.linalg.svd(factor.triangle / scale, full_matrices=False)
    values, right_t = values[:rank], right_t[:rank]
    return replace(
        factor,
        triangle=values[:, None] * right_t * scale,
        whitener=right_t.T / values / scale[:, None],
    )


def wants_refinement(candidate: Factor, mode: Literal["auto", "always", "never"]) -> bool:
    """Return whether to take a further pass: never, until orthonormal, or while too inaccurate."""
    if mode == "never" or candidate.passes >= MOST_PASSES:
        return False
    if mode == "always" and candidate.passes == 1:
        return True
    if candidate.passes == 1:
        return not candidate.resolved or candidate.summation_error > GOOD_ACCURACY
    return candidate.white > _WHITE


def _square_root(
    gram: Matrix,
) -> tuple[Matrix, Matrix, bool, float]:
    """Return R and P with R'R = gram and R P = I; whether no floor was needed; the condition."""
    size = gram.shape[0]
    scale = np.sqrt(np.diag(gram))
    scale = np.where(scale > 0, scale, 1.0)
    unit = gram / scale / scale[:, None]
    values, vectors = np.linalg.eigh(unit)
    floor = values[-1] * EPS * size
    condition = float(np.sqrt(values[-1] / max(values[0], floor)))
    if values[0] > 4 * floor:
        triangle: Matrix = np.linalg.cholesky(unit).T * scale
        # Of a triangle, the LU factorisation inside is trivial: this is back substitution.
        whitener: Matrix = np.linalg.inv(triangle)
        return triangle, whitener, True, condition
    # Largest first, as in a triangle: later passes mix no small direction into a large one.
    roots = np.sqrt(np.maximum(values, floor))[::-1]
    vectors = vectors[:, ::-1]
    triangle = roots[:, None] * vectors.T * scale
    whitener = vectors / roots / scale[:, None]
    return triangle, whitener, False, condition


@dataclass(frozen=True)
class Balance:
    """The run's own coordinates: principal axes of the scores, largest first.

    Attributes:
        users, items: M_W and M_T, (e, r): the raw rows times these are the balanced rows.
        singular_values: The singular values of the score matrix T W', (r,), descending.
        dropped: How many further directions were left out: numerically zero, or beyond a
            requested rank.
        identity_error: Largest entry of R_T (M_T M_W' - I) R_W' relative to the largest singular
            value: what the transform alone does to scores.
        users_accuracy, items_accuracy: Estimates, on the safe side, of the largest entry of
            (W M_W)'(W M_W) - S and of (T M_T)'(T M_T) - S, entry i, j relative to sqrt(s_i s_j).
        users_restored, items_restored: Whether W M_W M_T' = W, and T M_T M_W' = T: the raw vectors
            can be had back. Not so where a direction of theirs gets no score from the other side.
    """

    users: Matrix
    items: Matrix
    singular_values: Matrix
    dropped: int
    identity_error: float
    users_accuracy: float
    items_accuracy: float
    users_restored: bool
    items_restored: bool

    @property
    def rank(self) -> int:
        """r, the number of balanced coordinates."""
        return int(self.singular_values.size)


def balance(users: Factor, items: Factor, rank: int | None = None) -> Balance:
    """Do steps 2 and 3 of the paper: one diagonal Gram matrix for both sides.

    `M_T = P_T U S^(1/2)` equals the paper's `R_W' V S^(-1/2)`, since R_T R_W' = U S V'; where R_T
    has no inverse, on the rows of T. It is used because its error grows with the condition of one
    table, not with the product of both.

    Signs are fixed by the largest component of each column of M_T, which is made positive.

    Args:
        users: Factor of W.
        items: Factor of T; of the same dimension.
        rank: Keep at most so many directions, the largest; scores are then approximate.

    Raises:
        DataError: All scores are zero, or depend on components whose squares are.
    """
    product = items.triangle @ users.triangle.T
    left, values, right_t = np.linalg.svd(product, full_matrices=False)
    # Below the rounding error of the product a singular value is no longer one.
    size = max(product.shape)
    noise = EPS * items.spectrum[0] * users.spectrum[0] * float(np.max(items.norms * users.norms))
    significant = int(np.sum(values > 4 * max(EPS * size * values[0], noise)))
    if significant == 0:
        raise DataError("All scores are zero: users and items have no direction in common.")
    _check_underflow(users, items, float(values[0]))
    kept = min(significant, rank) if rank else significant
    left, values, right = left[:, :kept], values[:kept], right_t[:kept].T
    root = np.sqrt(values)
    items_matrix = items.whitener @ left * root
    users_matrix = users.whitener @ right * root
    largest = np.argmax(np.abs(items_matrix), axis=0)
    signs = np.where(items_matrix[largest, np.arange(kept)] < 0, -1.0, 1.0)
    items_matrix, users_matrix = items_matrix * signs, users_matrix * signs
    return balanced(users, items, users_matrix, items_matrix, values)


def balanced(
    users: Factor, items: Factor, users_matrix: Matrix, items_matrix: Matrix, values: Matrix
) -> Balance:
    """Describe two maps, from either solver.

    Args:
        users: Factor of W.
        items: Factor of T.
        users_matrix: M_W, (e, r).
        items_matrix: M_T, (e, r).
        values: The singular values of the scores, (r,).
    """
    root = np.sqrt(values)
    product = items.triangle @ users.triangle.T
    restored = items.triangle @ items_matrix @ users_matrix.T @ users.triangle.T
    return Balance(
        users=users_matrix,
        items=items_matrix,
        singular_values=values,
        dropped=items.triangle.shape[1] - len(values),
        identity_error=float(np.max(np.abs(restored - product)) / values[0]),
        users_accuracy=_accuracy(users, users_matrix, root),
        items_accuracy=_accuracy(items, items_matrix, root),
        users_restored=_restored(users, users_matrix, items_matrix),
        items_restored=_restored(items, items_matrix, users_matrix),
    )


def _check_underflow(users: Factor, items: Factor, largest: float) -> None:
    """Check that scores do not depend on a column whose squares vanish, which counts as zero.

    Raises:
        DataError: They may.
    """
    least = np.sqrt(_SMALLEST)
    for name, small, other, large in (
        ("users", users, "items", items),
        ("items", items, "users", users),
    ):
        hidden = np.where(small.norms < least, least * large.norms, 0.0)
        worst = int(np.argmax(hidden))
        if hidden[worst] > EPS * largest:
            raise DataError(
                f"Component {worst + 1} of the {name} is zero or so small that its squares are, "
                f"while that of the {other} is so large that scores may depend on it: multiply "
                f"that component of the {name} by a constant, and divide that of the {other} by it."
            )


def _restored(side: Factor, there: Matrix, back: Matrix) -> bool:
    # What overflows is lost.
    with np.errstate(over="ignore", invalid="ignore"):
        lost = np.linalg.norm((side.triangle @ there @ back.T - side.triangle) / side.scale)
    return bool(lost < np.sqrt(EPS) * side.spectrum[0])


def _accuracy(side: Factor, matrix: Matrix, root: Matrix) -> float:
    """Estimate of the balanced Gram matrix's relative error: of the sums, and of T times M.

    1, that is none, where the passes taken left a direction unresolved.
    """
    if not side.resolved:
        return 1.0
    scaled = np.linalg.norm(side.scale[:, None] * matrix, axis=0) / root
    return side.summation_error + float(16 * EPS * side.spectrum[0] * np.max(scaled))


@dataclass(frozen=True)
class PrincipalAxes:
    """The axes along which vectors without a second side are longest.

    Attributes:
        matrix: (e, r) with orthonormal columns; vectors times this are in these axes.
        singular_values: Of the matrix of all dot products X X', the r largest, descending.
        lost: The largest of those left out, relative to the largest: the error of X X'.
    """

    matrix: Matrix
    singular_values: Matrix
    lost: float


def principal_axes(gram: Matrix, rank: int) -> PrincipalAxes:
    """Find the best r axes: no others change dot products less (Eckart & Young 1936).

    Signs are fixed by the largest component of each column, which is made positive.

    Args:
        gram: X'X, (e, e), symmetric, finite.
        rank: r, at most so many.

    Raises:
        DataError: Every vector is zero.
    """
    if not np.trace(gram) > 0:
        raise DataError("All vectors are zero: they have no axes.")
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values[::-1], 0.0)
    lost = float(values[rank] / values[0]) if rank < len(values) else 0.0
    values, vectors = values[:rank], vectors[:, ::-1][:, :rank]
    largest = np.argmax(np.abs(vectors), axis=0)
    signs = np.where(vectors[largest, np.arange(len(values))] < 0, -1.0, 1.0)
    return PrincipalAxes(vectors * signs, values, lost)


@dataclass(frozen=True)
class Alignment:
    """The orthogonal Procrustes solution.

    Attributes:
        omega: (r, d) with orthonormal rows: balanced coordinates to stable coordinates; where d is
            less than r, with orthonormal columns.
        singular_values: Of the cross Gram matrix C, (min(r, d),), descending; their sum is its
            nuclear norm.
        ambiguous: How many of the r directions the shared ids say nothing about.
        determinant: +1 or -1 (a reflection) where omega is square, else None.
    """

    omega: Matrix
    singular_values: Matrix
    ambiguous: int
    determinant: float | None


def align(cross: Matrix, columns: int | None = None) -> Alignment:
    """Find the rows-orthonormal Omega that maximises tr(Omega' C) (Schoenemann 1966), made unique.

    A run may have more coordinates than the reference (they get new axes, or with `columns` are
    projected onto those that agree best with it: the partial isometry of the same SVD) or fewer.
    Directions that C does not determine, having a singular value of no size, go to what is left of
    the space as close to their own position as possible: the same problem over, for the identity
    instead of C. So the answer does not depend on the basis that an SVD happens to return.

    Args:
        cross: C = (T M_T)' T_ref over the shared ids, (r, d_ref); X' X_ref of vectors without a
            second side.
        columns: Let Omega have so many columns at most, but as many as the reference.
    """
    rank, reference_dimension = cross.shape
    dimension = max(min(rank, columns or rank), reference_dimension)
    padded = np.zeros((rank, dimension))
    padded[:, :reference_dimension] = cross
    omega = np.zeros((rank, dimension))
    rows: Matrix = np.eye(rank)
    columns_left: Matrix = np.eye(dimension)
    ambiguous = 0
    for guide in _guides(padded):
        left, values, right_t = np.linalg.svd(rows.T @ guide @ columns_left)
        sure = directions(values)
        omega += rows @ left[:, :sure] @ right_t[:sure] @ columns_left.T
        rows, columns_left = rows @ left[:, sure:], columns_left @ right_t[sure:].T
        left_over = min(rows.shape[1], columns_left.shape[1])
        if guide is padded:
            ambiguous = left_over
        if left_over == 0:
            break
    return Alignment(
        omega=omega,
        singular_values=singular_values(cross),
        ambiguous=ambiguous,
        determinant=float(np.sign(np.linalg.det(omega))) if rank == dimension else None,
    )


def _guides(cross: Matrix) -> Iterator[Matrix]:
    """Yield what decides a direction: the data, its own position, or any fixed generic matrix."""
    yield cross
    yield np.eye(*cross.shape)
    while True:
        i, j = np.indices(cross.shape)
        yield np.cos(1.0 + i * (j + np.sqrt(2.0)) + j * j)


def first_alignment(rank: int, dimension: int) -> Matrix:
    """Return Omega of a run without a reference: its axes, padded with zero columns, (r, d)."""
    return np.eye(rank, dimension)


def directions(values: Matrix) -> int:
    """Count the singular values, descending, that decide a direction of an alignment.

    An eps of noise in C turns a direction by eps over its relative singular value.
    """
    return int(np.sum(values > np.sqrt(EPS) * values[0])) if values[0] > 0 else 0


def singular_values(matrix: Matrix) -> Matrix:
    """Return the singular values, descending."""
    values: Matrix = np.linalg.svd(matrix, compute_uv=False)
    return values
