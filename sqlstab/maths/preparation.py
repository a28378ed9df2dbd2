"""What is done to raw vectors before anything else: a mean is subtracted, all get length one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.maths.solve import Matrix

# The options that ask for it.
PREPARING = ("center", "normalize")


@dataclass(frozen=True)
class Preparation:
    """A raw vector x becomes x - mean, and that has length one then, if asked.

    The mean is taken once and saved with the map: whatever comes later, a fresh vector at serving
    time too, must be moved as all others were. By default nothing is done.

    Attributes:
        mean: What is subtracted, e numbers; empty for nothing.
        normalize: Whether the result has length one; a zero vector stays one.
    """

    mean: tuple[float, ...] = ()
    normalize: bool = False

    def __bool__(self) -> bool:
        """Whether anything is done."""
        return self.center or self.normalize

    @property
    def center(self) -> bool:
        """Whether a mean is subtracted."""
        return bool(self.mean)

    def of(self, vectors: Matrix) -> Matrix:
        """Raw vectors, (n, e) or (e,), as they are mapped then."""
        moved = vectors - np.array(self.mean) if self.mean else vectors
        return unit(moved) if self.normalize else moved

    def agrees(self, other: Preparation) -> bool:
        """Whether another one does the same, but for what the order of a sum does to a mean."""
        same = (self.normalize, len(self.mean)) == (other.normalize, len(other.mean))
        if not same or not self.mean:
            return same
        size = max(1.0, float(np.abs(self.mean).max()))
        return bool(np.abs(np.subtract(self.mean, other.mean)).max() <= _ROUNDING * size)


UNPREPARED = Preparation()
# Norms between these are of squares that have all their digits, or do not count.
_SMALL, _LARGE = 1e-140, 1e140
# Means of the same rows in another order differ by less, relative to a component of size 1.
_ROUNDING = 1e-9


def unit(vectors: Matrix) -> Matrix:
    """Rows, (n, e), or one row, (e,), of length one; a zero row stays one.

    Where a square may be no number, rows are brought to a size near one first, by powers of two,
    which round nothing: a row becomes the same whatever stands beside it.
    """
    # Of an infinite component becomes NaN, which is for the sums to find.
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
        if not ((norms > _SMALL) & (norms < _LARGE)).all():
            sizes = np.abs(vectors).max(axis=-1, keepdims=True, initial=0.0)
            vectors = np.ldexp(vectors, -np.frexp(sizes)[1])
            norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
        rows: Matrix = vectors / np.where(norms == 0, 1.0, norms)
    return rows


def prepared_text(options: Mapping[str, Any]) -> str:
    """What was done to the vectors of a run first, for people; empty for nothing.

    Args:
        options: Those of the run, by name.
    """
    done = {"center": "centred", "normalize": "made unit vectors"}
    return " and ".join(text for name, text in done.items() if options.get(name))


def what_is_lost(*, center: bool, normalize: bool) -> str:
    """What a space of vectors that are prepared so does not have, for who begins one."""
    if center and normalize:
        what = (
            "centred and have length one: their dot products are cosines about the mean, and the "
            "model's dot products and lengths are lost"
        )
    elif center:
        what = "centred: their dot products, lengths and cosines are no longer the model's"
    else:
        what = (
            "of length one: their dot products are the cosines of the model, and its lengths are "
            "lost"
        )
    return (
        f"Stable vectors are {what}. A fresh vector must take the same way: sqlstab apply, and "
        "Transform in Python, do."
    )
