"""What a run's vectors are multiplied with before they are aligned: M_T and M_W of the paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sqlstab.maths.solve import Matrix


@dataclass(frozen=True)
class Balanced:
    """The maps of a run to coordinates of its own, before they are turned to the reference's.

    Attributes:
        maps: M of each side, (e, r).
        restored: Whether the raw vectors of a side can be had back.
        singular_values: Of the scores, (r,), or of the dot products of a table alone; None where
            they are not needed.
        identity_error: What these matrices alone do to scores or dot products, relative to the
            largest.
        figures: What is known of the way there, by side.
        condition: The largest singular value of the scores over the smallest; 1 for a rotation.
        norms: Norms of the raw columns of each side, (e,); empty for a rotation.
    """

    maps: dict[str, Matrix]
    restored: dict[str, bool]
    singular_values: Matrix | None
    identity_error: float
    figures: dict[str, dict[str, Any]]
    condition: float = 1.0
    norms: dict[str, Matrix] = field(default_factory=dict)

    @property
    def raw_dimension(self) -> int:
        """e, the components of a raw vector."""
        return int(next(iter(self.maps.values())).shape[0])

    @property
    def rank(self) -> int:
        """r, the number of these coordinates."""
        return int(next(iter(self.maps.values())).shape[1])

    def cancellation(self, side: str, omega: Matrix) -> float:
        """Find how much larger than a stable component the products are that it is the sum of.

        Both as roots of mean squares over the rows. A component counts as much as it does in
        scores, in which it meets one of the other side that has the same size.

        Args:
            side: Whose stable components.
            omega: Omega, (r, d).

        Returns:
            About 1 where they do not cancel; for a rotation 1, since its products cancel no more
            than those that the raw scores are sums of.
        """
        if self.singular_values is None or side not in self.norms:
            return 1.0
        # Sums of squares over the rows, (d,): of the components, and of their products.
        squares = self.singular_values @ omega**2
        products = self.norms[side] ** 2 @ (self.maps[side] @ omega) ** 2
        return float(np.sqrt((products @ squares) / (squares @ squares)))
