"""What a run's vectors are multiplied with before they are aligned: M_T and M_W of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """

    maps: dict[str, Matrix]
    restored: dict[str, bool]
    singular_values: Matrix | None
    identity_error: float
    figures: dict[str, dict[str, Any]]
    condition: float = 1.0

    @property
    def raw_dimension(self) -> int:
        """e, the components of a raw vector."""
        return int(next(iter(self.maps.values())).shape[0])

    @property
    def rank(self) -> int:
        """r, the number of these coordinates."""
        return int(next(iter(self.maps.values())).shape[1])
