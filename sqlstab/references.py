"""The runs that a new one is aligned with, or compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlstab import checks
from sqlstab.compute import Pair
from sqlstab.errors import ConflictError, DataError, UsageError
from sqlstab.maths import quality
from sqlstab.maths.preparation import PREPARING
from sqlstab.registry import is_looked_up, is_policy
from sqlstab.runs import Run
from sqlstab.statements.table import (
    VECTORS,
    Side,
    VectorTable,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlstab.checks import CheckedTable
    from sqlstab.config import Options
    from sqlstab.engines import Engine
    from sqlstab.inspection import Inspector
    from sqlstab.progress import Diary
    from sqlstab.registry import Registry


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

    def figures(self, policy: str | None) -> dict[str, Any]:
        """What `run.json` says of it.

        Args:
            policy: The policy by which it was chosen.
        """
        return {
            "run_id": self.run.run_id,
            "dimension": self.run.transform.dimension,
            "policy": policy,
            "runs": [each.run.run_id for each in (*self.others, self)],
        }


class References:
    """Finds the runs to align with, and the ids that are shared with them.

    Args:
        engine: Where the tables are.
        options: How the run is done.
        inspector: Looks at tables.
        diary: Is told.
        registry: Knows runs by their ids and by policies, if there is one.
        directory: The run directory, which is replaced.
    """

    def __init__(
        self,
        engine: Engine,
        options: Options,
        inspector: Inspector,
        diary: Diary,
        registry: Registry | None,
        directory: Path | None,
    ) -> None:
        self._engine = engine
        self._options = options
        self._inspector = inspector
        self._diary = diary
        self._registry = registry
        self._directory = directory

    def runs(self, reference: AnyRun | Sequence[AnyRun] | None) -> list[Run]:
        """The runs, read from directories or a registry; none for a new space."""
        if reference is None or isinstance(reference, (str, Path, Run)):
            return self._looked_up(reference) if reference is not None else []
        return loaded_runs([run for one in reference for run in self._looked_up(one)])

    def policy(self, reference: object) -> str | None:
        """The policy by which the registry chose the reference, if that is how it came."""
        return str(reference) if self._registry and is_policy(reference) else None

    def resolved(self, run: Run, wanted: Collection[Side]) -> dict[Side, VectorTable]:
        """Those of a run's stable tables that are wanted, with their columns."""
        self._inspector.check_reachable(run)
        there = (side for side in run.tables if side in wanted)
        return {side: self._inspector.stable_table(run, side) for side in there}

    def opened(
        self,
        runs: Sequence[Run],
        stable: Sequence[Mapping[Side, VectorTable]],
        tables: Mapping[Side, CheckedTable],
        anchors: Collection[Side],
    ) -> Reference:
        """The reference, once its tables are known to be what its runs wrote.

        Args:
            runs: The runs, the newest last.
            stable: The stable tables of each.
            tables: The new run's tables.
            anchors: Those of them that are aligned.

        Raises:
            DataError: They are not, or nothing can be aligned with them.
        """
        with self._diary.step("check", "Checking the reference"):
            *others, newest = (
                Earlier(run, self._as_written(run, each, anchors), {})
                for run, each in zip(runs, stable, strict=True)
            )
        reference = Reference(newest.run, newest.tables, {}, dict.fromkeys(anchors, 0), others)
        return self.counted(reference, tables)

    def counted(self, reference: Reference, tables: Mapping[Side, CheckedTable]) -> Reference:
        """The reference, with the numbers of ids that are shared with it."""
        anchors: dict[Side, int] = {}
        with self._diary.step("check", "Counting shared ids"):
            shared = self._shared(reference, tables)
            for side in reference.anchors:
                sample = replace(tables[side].table, share=self._options.share)
                anchors[side] = checks.count_anchors(
                    self._engine, sample, reference.tables[side], shared[side]
                )
            others = [replace(each, shared=self._shared(each, tables)) for each in reference.others]
        return replace(reference, shared=shared, anchors=anchors, others=others)

    def check_unmoved(self, reference: Reference) -> None:
        """The directories of the runs still have them, when their files have been read.

        Each scan opens a file anew, by its name.

        Raises:
            ConflictError: Another run has taken the place of one.
            DataError: A directory is gone.
        """
        for each in (*reference.others, reference):
            in_files = any(each.run.fingerprint(side) is None for side in each.tables)
            now = Run.load(each.run.directory) if in_files and each.run.directory else each.run
            if now.run_id != each.run.run_id:
                raise ConflictError(
                    f"{each.run.directory} has run {now.run_id} by now, not {each.run.run_id}, "
                    "which is the --reference: another run has replaced it. Run again, with what "
                    "is there, or with a directory that stays."
                )

    def _looked_up(self, reference: AnyRun) -> list[Run]:
        if not (isinstance(reference, str) and is_looked_up(reference)):
            return loaded_runs(reference)
        if self._registry is None:
            if Path(reference).exists():
                return loaded_runs(reference)
            raise UsageError(
                f"--reference {reference} is looked up in a registry of runs: name that with "
                "--registry, or name a run directory."
            )
        found = self._registry.reference(reference)
        directory = found.runs[-1].directory if found.runs else None
        overwritten = (
            directory and self._directory and directory.resolve() == self._directory.resolve()
        )
        if reference == "first" and overwritten:
            raise UsageError(
                f"--reference first is the run in {directory}, which --out would replace, so that "
                "the next run could not refer to it: give each run a directory of its own, or "
                "refer to previous."
            )
        if found.gone and len(found.runs) == 1:
            self._diary.warn(
                f"The consensus is of run {found.runs[0].run_id} alone, as --reference previous "
                "is: the stable tables of those before it are gone. Keep them with --keep-runs, or "
                "write each run to tables or a directory of its own."
            )
        return found.runs

    def _as_written(
        self, run: Run, stable: Mapping[Side, VectorTable], anchors: Collection[Side]
    ) -> dict[Side, VectorTable]:
        """A run's stable tables, if they are what it wrote."""
        found: dict[Side, VectorTable] = {}
        for side, table in stable.items():
            try:
                found[side] = self._inspector.stable(run, table, values=side in anchors).table
            except checks.ChangedTableError as error:
                if self._registry is None:
                    raise
                remedy = self._registry.remedy({side: table.relation})
                raise DataError(f"{error}{remedy}") from error
        return found

    def _shared(self, earlier: Earlier, tables: Mapping[Side, CheckedTable]) -> dict[Side, int]:
        return {
            side: checks.count_shared(self._engine, tables[side].table, stable)
            for side, stable in earlier.tables.items()
        }


def forgotten_tables(run: Run, tables: Collection[Side]) -> list[str]:
    """What to say of further tables of a reference that a new run lacks.

    Whoever uses their stable vectors would not notice that they are out of date.
    """
    return [
        f"{name}: run {run.run_id}, the reference, has this further table, and this run has not; "
        "its stable vectors stay in that run. Name it with --also."
        for name in run.transform.also
        if name not in tables
    ]


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


def check_prepared(run: Run, options: Options) -> None:
    """Vectors are centred and made unit vectors in all runs of a space, or in none.

    Raises:
        UsageError: The options are not those of the space of this run.
    """
    for name, there in preparing(run).items():
        if there != getattr(options, name):
            having, remedy = ("with", "add it") if there else ("without", "leave it out")
            raise UsageError(
                f"Run {run.run_id} is of a space whose vectors are written {having} --{name}: "
                f"{remedy}, or begin a new space without a --reference."
            )
