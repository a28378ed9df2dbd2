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
    """

    maps: dict[str, Matrix]
    restored: dict[str, bool]
    singular_values: Matrix | None
    identity_error: float
    figures: dict[str, dict[str, Any]]

    @property
    def raw_dimension(self) -> int:
        """e, the components of a raw vector."""
        return int(next(iter(self.maps.values())).shape[0])

    @property
    def rank(self) -> int:
        """r, the number of these coordinates."""
        return int(next(iter(self.maps.values())).shape[1])

    @property
    def condition(self) -> float:
        """The largest singular value of the scores over the smallest; 1 for a table alone."""
        if len(self.maps) == 1 or self.singular_values is None:
            return 1.0
        return float(self.singular_values[0] / self.singular_values[-1])
