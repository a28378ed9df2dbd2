"""The runs that a new one is aligned with, or compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sqlstab import quality
from sqlstab.compute import Pair
from sqlstab.errors import UsageError
from sqlstab.preparation import PREPARING
from sqlstab.runs import Run
from sqlstab.tables import (
    VECTORS,
    Side,
    VectorTable,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


AnyRun: TypeAlias = str | Path | Run
"""An earlier run, its directory, or what a registry knows it by."""


def loaded_runs(reference: AnyRun | Sequence[AnyRun] | None) -> list[Run]:
    """Runs that are given, or their directories; of several, the newest comes last.

    Raises:
        UsageError: Several of them cannot have one space.
        DataError: A directory is none of a run.
    """
    if reference is None:
        return []
    if isinstance(reference, (str, Path, Run)):
        return [reference if isinstance(reference, Run) else Run.load(reference)]
    if not reference:
        raise UsageError("--reference names no run; leave it out for a new space.")
    # A run's name sorts by time.
    runs = sorted((loaded_runs(one)[0] for one in reference), key=lambda run: run.run_id)
    names = [run.run_id for run in runs]
    if len(set(names)) < len(names):
        raise UsageError(f"--reference names one run twice; there are {', '.join(names)}.")
    began = [run.run_id for run in runs if run.transform.reference is None]
    if len(began) > 1:
        raise UsageError(
            f"Runs {' and '.join(began)} have each begun a space: there is no consensus of vectors "
            "in different spaces. Name runs of one space with --reference."
        )
    return runs


@dataclass(frozen=True)
class Earlier:
    """A run beside the new one.

    Attributes:
        run: The run.
        tables: Its stable tables.
        shared: How many ids each table shares with it.
    """

    run: Run
    tables: dict[Side, VectorTable]
    shared: dict[Side, int]

    def share(self, side: Side) -> float:
        """Figures of single rows come from this share of the shared ids."""
        return min(1.0, quality.SAMPLED_ROWS / max(self.shared[side], 1))

    def pair(self, table: VectorTable) -> Pair:
        """A table of the new run beside this run's."""
        return Pair(
            table,
            self.tables[table.side],
            self.run.transform.dimension,
            self.shared[table.side],
        )


@dataclass(frozen=True)
class Reference(Earlier):
    """The run to align with, or the newest of those whose consensus that is.

    Attributes:
        anchors: How many shared ids take part in the alignment; only the sides that are anchors.
        others: The runs before it in the consensus; these with the tables of the anchors alone.
    """

    anchors: dict[Side, int]
    others: list[Earlier]

    @property
    def dimension(self) -> int:
        """Components of a stable vector; a space may have grown from one run to the next."""
        return max(each.run.transform.dimension for each in (self, *self.others))


def check_kinds(run: Run, sides: Collection[Side]) -> None:
    """A run is aligned with one of the same kind: of users and items, or of vectors alone.

    Raises:
        UsageError: The reference is of the other kind.
    """
    if (VECTORS in sides) != (VECTORS in run.sides):
        raise UsageError(
            f"Run {run.run_id} has {' and '.join(run.sides)}, this one {' and '.join(sides)}: "
            "give a --reference of the same kind."
        )


def preparing(run: Run) -> dict[str, bool]:
    """How the vectors of a run were prepared, by the names of options."""
    known = next(iter(run.transform.maps.values()))
    return {name: getattr(known.preparation, name) for name in PREPARING}
