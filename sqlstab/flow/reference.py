"""The reference: earlier runs of a space, each with a weight, as rows to join with."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlstab.maths.maps import Maps
    from sqlstab.maths.solve import Matrix
    from sqlstab.options import MapKind
    from sqlstab.statements.sides import Side
    from sqlstab.statements.table import VectorTable

# A run with less weight, relative to the newest, takes no part.
LEAST_WEIGHT = 0.05


@dataclass(frozen=True)
class Made:
    """What the raw rows of a run were when its maps were made.

    Attributes:
        key: The run.
        rows: How many there were.
        fingerprint: What they are known by again, of `sums.fingerprint`.
    """

    key: str
    rows: int
    fingerprint: Sequence[float]


@dataclass(frozen=True)
class Member:
    """Rows of the reference in one relation; an id stands there once for each run.

    Attributes:
        table: Stable rows of one or more runs, with a weight column or expression; or the raw rows
            of one.
        dimension: Components of a stable vector.
        matrix: From raw rows to stable ones, (e, dimension); None where the rows are stable.
        weight: The weight of all rows, multiplied with the table's own weights.
        made: What raw rows were; None for stable ones.
    """

    table: VectorTable
    dimension: int
    matrix: Matrix | None = None
    weight: float = 1.0
    made: Made | None = None

    @property
    def stored(self) -> int:
        """Components of a row as it stands."""
        return self.dimension if self.matrix is None else len(self.matrix)


@dataclass(frozen=True)
class Reference:
    """The earlier runs that a run is aligned with, and the newest of them for figures.

    Attributes:
        align: How they were chosen: `recent`, `previous`, `first`, or a key.
        weights: The weight of each run, by its key, oldest first.
        members: Their rows, for each side that is an anchor.
        newest: The rows of the newest of them, for each table that it shares with this run.
        maps: The maps of the newest.
        map: The kind of its maps: `balanced` or `rotation`.
        lossless: Whether its raw vectors can be had back, by side.
        rank: How many of its dimensions carry scores.
        axes: What tells its axes from others: when the run was made that began them; None where
            no run says.
        rows: How many rows the newest had, by table.
    """

    align: str
    weights: Mapping[str, float]
    members: Mapping[Side, Sequence[Member]]
    newest: Mapping[Side, Member]
    maps: Maps
    map: MapKind
    lossless: Mapping[Side, bool]
    rank: int
    axes: str | None = None
    rows: Mapping[Side, int] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """Components of a stable vector; a space may have grown from one run to the next."""
        sizes = [member.dimension for side in self.members.values() for member in side]
        return max([self.maps.shape[1], *sizes])

    @property
    def key(self) -> str:
        """The key of the newest run."""
        return list(self.weights)[-1]

    def figures(self) -> dict[str, Any]:
        """Return what `run.json` says of it."""
        return {
            "align": self.align,
            "run": self.key,
            "runs": dict(self.weights),
            "dimension": self.dimension,
            "rows": dict(self.rows),
        }


def weights(
    keys: Sequence[str],
    align: str,
    memory: float,
    alike: Callable[[str], bool] = lambda _: True,
) -> dict[str, float]:
    """Choose runs to align with, and how much each counts.

    Args:
        keys: The runs before this one, oldest first.
        align: `recent`, `previous`, `first`, or one of the keys.
        memory: With `recent`: the weight of a run relative to the one after it.
        alike: Whether a run has the axes that are wanted; it is asked of few.

    Returns:
        Weights by key, oldest first; empty where there is no such run before.

    Raises:
        KeyError: There is no run of this key before this one.
    """
    if align not in ("recent", "previous", "first", *keys):
        raise KeyError(align)
    if align not in ("recent", "previous", "first"):
        return {align: 1.0}
    if align == "first":
        return dict.fromkeys(islice(filter(alike, keys), 1), 1.0)
    found: dict[str, float] = {}
    for key in filter(alike, reversed(keys)):
        weight = memory ** len(found)
        if weight < LEAST_WEIGHT or (found and align == "previous"):
            break
        found[key] = weight
    return dict(reversed(found.items()))
