"""The maps of a run, for numpy arrays: what turns raw vectors into stable ones, and back.

The maps are all that a space has to keep of a run: `M_W Omega` for users, `M_T Omega` for items, or
`Omega` for vectors without a second side. The inverse is free: raw items are stable items times
`(M_W Omega)'`, since `M_T M_W' = I`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sqlstab.errors import DataError, UsageError
from sqlstab.maths.solve import EPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from sqlstab.maths.solve import Matrix

# What multiplying may cost of a score, relative to the largest: well below what a component of this
# type costs anyway.
SCORE_ERROR: dict[Literal["float", "double"], float] = {"float": 1e-8, "double": 1e-13}
# A direction that is left out is off by 1; rounding errors are eps times the condition.
_WHOLE = 1e-3
# Whose map leads back.
_OTHER = {"users": "items", "items": "users"}


@dataclass(frozen=True)
class Map:
    """The map of one table.

    Attributes:
        matrix: (e, d) float64; stable = raw @ matrix.
        other: (e, d), the map of the other side; of a table alone, its own.
        invertible: Whether `inverse` restores raw vectors up to rounding. It does not where a rank
            was requested, or where the other side gives no score to some direction.
    """

    matrix: Matrix
    other: Matrix
    invertible: bool = True

    def __repr__(self) -> str:
        """Show its sizes; the numbers would fill a page."""
        e, d = self.matrix.shape
        return f"<Map {e} -> {d}{'' if self.invertible else ', not invertible'}>"

    @property
    def inverse_matrix(self) -> Matrix:
        """The inverse map, (d, e): raw = stable @ inverse_matrix."""
        return self.other.T

    @property
    def is_whole(self) -> bool:
        """Whether scores of any raw vector are kept, M_T M_W' = I: no direction is left out."""
        both = self.matrix @ self.inverse_matrix
        return bool(np.abs(both - np.eye(len(both))).max() < _WHOLE)

    def apply(self, vectors: ArrayLike) -> NDArray[np.floating[Any]]:
        """Turn raw vectors into stable ones.

        Args:
            vectors: (e,) or (n, e). Products are taken in float64.

        Returns:
            (d,) or (n, d), float32 for float32 input, else float64.

        Raises:
            DataError: The vectors have another dimension.
            UsageError: They have masked entries, or components that are not numbers.
        """
        return multiply(vectors, self.matrix, "raw")

    def inverse(self, vectors: ArrayLike) -> NDArray[np.floating[Any]]:
        """Turn stable vectors, (d,) or (n, d), back into raw ones, (e,) or (n, e).

        Raises:
            DataError: The vectors have another dimension.
            UsageError: They have masked entries, or components that are not numbers.
        """
        return multiply(vectors, self.inverse_matrix, "stable")


def multiply(vectors: ArrayLike, matrix: Matrix, kind: str) -> NDArray[np.floating[Any]]:
    """Multiply vectors, (e,) or (n, e), by a matrix in float64; float32 input stays float32.

    Raises:
        DataError: They have another dimension; the message calls them `kind`.
        UsageError: They have masked entries, or components that are not numbers.
    """
    given = numbers(vectors)
    dimension = len(matrix)
    if given.ndim not in (1, 2) or given.shape[-1] != dimension:
        raise DataError(
            f"This map takes {kind} vectors of {dimension} components, as an array of shape "
            f"({dimension},) or (n, {dimension}); it was given shape {given.shape}."
        )
    result = given.astype(np.float64) @ matrix
    return result.astype(np.float32) if given.dtype == np.float32 else result


def numbers(vectors: ArrayLike) -> NDArray[Any]:
    """Return vectors as an array of numbers.

    Raises:
        UsageError: They have masked entries, or components that are not numbers.
    """
    if np.ma.is_masked(vectors):
        raise UsageError(
            "The array has masked entries, which numpy alone knows of: leave their rows out, or "
            "fill them."
        )
    given = np.asarray(vectors)
    if given.dtype.kind not in "fiub":
        raise UsageError(
            f"The array has components that are not real numbers, but {given.dtype.name}."
        )
    return given


@dataclass(frozen=True)
class Maps(Mapping[str, Map]):
    """The maps of a run, by the names of its tables.

    Attributes:
        sides: The map of `users` and `items`, or of `vectors`.
        like: Further tables, and the side whose map each takes.
    """

    sides: Mapping[str, Map]
    like: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        matrices: Mapping[str, Matrix],
        like: Mapping[str, str] | None = None,
        invertible: Mapping[str, bool] | None = None,
    ) -> Maps:
        """Make them of matrices (e, d) by side.

        Raises:
            DataError: They do not belong together, or have a component that is not finite.
        """
        # Users first, however they were kept.
        found = {
            side: np.asarray(matrices[side], dtype=np.float64)
            for side in sorted(matrices, reverse=True)
        }
        shapes = {matrix.shape for matrix in found.values()}
        if set(found) not in ({"users", "items"}, {"vectors"}) or len(shapes) != 1:
            raise DataError(
                "The maps of a run are two of one shape, of users and items, or one of vectors; "
                f"these are {', '.join(f'{s} {m.shape}' for s, m in found.items()) or 'none'}."
            )
        if not all(np.isfinite(matrix).all() for matrix in found.values()):
            raise DataError("A map has a component that is not finite: it is damaged.")
        known = invertible or {}
        return cls(
            {
                side: Map(matrix, found[_OTHER.get(side, side)], known.get(side, True))
                for side, matrix in found.items()
            },
            like or {},
        )

    def __getitem__(self, table: str) -> Map:
        """Return the map of a side, or of a further table.

        Raises:
            KeyError: The run has no such table.
        """
        return self.sides[self.like.get(table, table)]

    def __iter__(self) -> Iterator[str]:
        return iter((*self.sides, *self.like))

    def __len__(self) -> int:
        return len(self.sides) + len(self.like)

    def __repr__(self) -> str:
        """Show the tables and the sizes."""
        shown = ", ".join(f"{name} {self[name].matrix.shape}" for name in self)
        return f"<Maps {shown}>"

    @property
    def matrices(self) -> dict[str, Matrix]:
        """The matrix (e, d) of each side."""
        return {side: known.matrix for side, known in self.sides.items()}

    @property
    def shape(self) -> tuple[int, int]:
        """The components of a raw vector, e, and of a stable one, d."""
        rows, columns = next(iter(self.sides.values())).matrix.shape
        return int(rows), int(columns)


def steps(balanced: Matrix, omega: Matrix, condition: float, tolerance: float) -> list[Matrix]:
    """Return the matrices to multiply raw vectors by: one, where that keeps the scores.

    The product M Omega loses digits where some directions carry much smaller scores than others:
    its entries are as large as the large factor demands, and their rounding errors go into every
    stable component.

    Args:
        balanced: M, (e, r).
        omega: Omega, (r, d).
        condition: Largest singular value of the scores over the smallest.
        tolerance: Largest error of a score, relative to the largest score.
    """
    if 16 * EPS * np.sqrt(condition) < tolerance:
        return [balanced @ omega]
    return [balanced, omega]
