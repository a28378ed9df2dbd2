"""A run's own axes: what its vectors are turned to before they are aligned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.sides import Side


@dataclass(frozen=True)
class Axes:
    """A run's own axes, before they are turned to the reference's.

    Attributes:
        matrices: From the raw vectors of each side to these axes, (e, r).
        invertible: Whether there is a way back, by side.
        singular_values: Of the scores, (r,), or of the dot products of a table alone; None where
            nobody needed them.
        identity_error: What these matrices alone do to scores or dot products, relative to the
            largest.
        figures: What is known of the way there, by side.
    """

    matrices: dict[Side, Matrix]
    invertible: dict[Side, bool]
    singular_values: Matrix | None
    identity_error: float
    figures: dict[Side, dict[str, Any]]

    @property
    def raw_dimension(self) -> int:
        """e, the components of a raw vector."""
        return int(next(iter(self.matrices.values())).shape[0])

    @property
    def rank(self) -> int:
        """r, the number of these axes."""
        return int(next(iter(self.matrices.values())).shape[1])
