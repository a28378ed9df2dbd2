"""The flow of a run: sums where the data is, the small mathematics here, the transform there.

A run has named tables. `users` and `items` define scores, which the two maps keep together; or
`vectors` stand alone, and any orthogonal map keeps their dot products with each other. What the two
kinds do differently is how a run comes to axes of its own (`_Axes`): by the Gram matrices of both
sides, or by leaving the vectors as they are.

All else is a loop over the tables that the run has: they are checked, compared with the reference,
written and put in place by their names. So further tables can ride along, each with the map of the
side whose space it shares.
"""

from __future__ import annotations

import datetime as dt
import logging
import platform
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import __version__, checks, gates, quality, solve
from sqlstab.compute import Compute, Gram, InvalidVectorsError
from sqlstab.compute.arrow import ArrowCompute
from sqlstab.compute.sql import SqlCompute
from sqlstab.dialects import SPARK
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.errors import DataError, UsageError
from sqlstab.fingerprint import default_share, fingerprint
from sqlstab.outputs import Outputs
from sqlstab.partitions import PartitionGrams
from sqlstab.preparation import Preparation
from sqlstab.references import AnyRun, Earlier, Reference, check_kinds, loaded_runs, preparing
from sqlstab.registry import Registry, is_looked_up, is_policy
from sqlstab.runs import FORMAT, Run, file_name, new_run_id, replaced_files
from sqlstab.spelling import spelled
from sqlstab.sql_solver import SqlSolver
from sqlstab.staged import StagedTables
from sqlstab.sums import Sums
from sqlstab.tables import (
    SIDES,
    VECTORS,
    EmbeddingTable,
    Side,
    VectorTable,
    resolve,
    stable_table,
)
from sqlstab.transform import SCORE_ERROR, Transform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlstab.checks import CheckedTable
    from sqlstab.config import Options, Strategy
    from sqlstab.engines import Engine
    from sqlstab.progress import Progress, Step
    from sqlstab.solve import Alignment, Balance, Factor, Matrix

logger = logging.getLogger("sqlstab")


# What writing may do to a score, relative to the largest: components of 24 or 53 bits, summed.
_FLOAT_PROMISE, _DOUBLE_PROMISE = 1e-6, 1e-11


@dataclass(frozen=True)
class _Axes:
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


class Job:
    """One run; its methods are the steps, in the order of `run`.

    Args:
        engine: Runs the statements.
        options: How the run is done.
        progress: Is told what is going on.
        targets: The tables to write, for all of the run's tables or for none.
        transform_table: The table to add the maps to.
        out: The run directory.
        compute: The way to compute, if it is not to be chosen by the engine and the options.
        registry: Where the run is recorded.
        like: The side whose space each further table shares.
        scores: How much the scores of each count; see `Rider`.
    """

    def __init__(
        self,
        engine: Engine,
        options: Options,
        progress: Progress,
        targets: Mapping[Side, str],
        transform_table: str | None,
        out: Path | None,
        compute: Compute | None = None,
        registry: Registry | None = None,
        like: Mapping[Side, Side] = MappingProxyType({}),
        scores: Mapping[Side, float] = MappingProxyType({}),
    ) -> None:
        self._engine = engine
        self._like = like
        self._scores = {rider: weight for rider, weight in scores.items() if weight}
        self._options = options
        self._progress = progress
        self._run_id = new_run_id()
        self._anchors: dict[Side, float] = {}
        tables = StagedTables(engine, targets, transform_table, self._run_id)
        self._outputs = Outputs(engine, options, tables, out, registry, like, self._run_id)
        beside = next(iter(targets.values()), "")
        self._compute = compute or _compute(engine, options.strategy, beside)
        self._solver = SqlSolver(engine, beside, self._run_id) if options.solver == "sql" else None
        self._grams: dict[Side, Gram] = {}
        self._timings: dict[str, float] = {}
        self._warnings: list[str] = []

    def run(
        self,
        named: dict[Side, EmbeddingTable],
        reference: AnyRun | Sequence[AnyRun] | None,
    ) -> Run:
        """The whole run; see `stabilize`."""
        started = time.perf_counter()
        self._anchors = self._options.anchors_of(named)
        for rider in self._like:
            if named[rider].weight or named[rider].anchor_filter:
                raise UsageError(
                    f"--also {rider}: nothing is aligned on it, so it takes no weight and no "
                    "anchor filter."
                )
        self._outputs.check(named)
        # Staged from the start: what cannot be written must not be noticed only at the end.
        with self._outputs.staged() as directory:
            tables, earlier = self._checked(named, reference)
            tables = self._prepared(tables, begins=earlier is None)

            tables, axes = (
                self._unbalanced(tables) if VECTORS in tables else self._balanced(tables, earlier)
            )
            if earlier and any(table.left_out for table in tables.values()):
                earlier = self._counted(earlier, tables)
            if earlier:
                self._warn_of_missing(earlier.run, tables)
            for rider, side in self._like.items():
                checks.check_alike(tables[rider], tables[side])
            omega, fit = self._align(axes, tables, earlier)
            transform = Transform.from_factors(
                run_id=self._run_id,
                reference=earlier.run.run_id if earlier else None,
                singular_values=None if VECTORS in tables else axes.singular_values,
                balanced=axes.matrices,
                omega=omega,
                invertible=axes.invertible,
                also=self._like,
                preparations={side: tables[side].table.preparation for side in axes.matrices},
            )

            figures = self._figures(tables, axes, transform)
            if earlier:
                figures["reference"] = {
                    "run_id": earlier.run.run_id,
                    "dimension": earlier.run.transform.dimension,
                    "policy": self._policy(reference),
                    "runs": [each.run.run_id for each in (*earlier.others, earlier)],
                }
            figures["alignment"] = fit
            figures["cosine"] = self._cosines(tables, transform, earlier) if earlier else None
            figures["gates"] = gates.check(figures, self._options)
            if figures["gates"] and not all(g["passed"] for g in figures["gates"].values()):
                self._warn("Written by force although a gate has failed; see gates in run.json.")
            if directory is not None or self._outputs.tables.targets:
                written = self._write(directory, tables, transform)
                kept = figures["dot_products" if VECTORS in tables else "scores"]
                kept |= self._score_errors(tables, written, transform)
                figures["outputs"] = {
                    side: {
                        **_described(written[side]),
                        "relation": self._outputs.place(side),
                        "fingerprint": self._new_fingerprint(written[side], tables[side].rows),
                    }
                    for side in tables
                }
            self._finish(figures, started)
            # What can fail of the directory fails before tables are replaced.
            if directory is not None:
                self._outputs.save(directory, figures, transform)
            run = Run(figures, transform, self._outputs.directory)
            placement = self._outputs.placement(run, refers_to_first=reference == "first")
            self._outputs.announce(placement)
            if self._outputs.tables.wanted:
                matrices = {side: known.matrix for side, known in transform.maps.items()}
                with self._step("replace", "Putting tables in place"):
                    self._outputs.put_in_place(matrices, placement)
                self._finish(figures, started)
                if directory is not None:
                    self._outputs.save_figures(directory, figures, transform, self._warn)
        self._outputs.record(placement, self._warn)
        return run

    def _warn_of_missing(self, reference: Run, tables: Mapping[Side, CheckedTable]) -> None:
        """Whoever uses a table's stable vectors would not notice that they are out of date."""
        for rider in reference.transform.also:
            if rider not in tables:
                self._warn(
                    f"{rider}: run {reference.run_id}, the reference, has this further table, and "
                    "this run has not; its stable vectors stay in that run. Name it with --also."
                )

    def _policy(self, reference: AnyRun | Sequence[AnyRun] | None) -> Any:
        """The policy by which the registry chose the reference, if that is how it came."""
        return reference if self._outputs.registry and is_policy(reference) else None

    def sums(
        self,
        named: dict[Side, EmbeddingTable],
        reference: AnyRun | Sequence[AnyRun] | None,
    ) -> Sums:
        """All that a transform is solved from; see `collect_sums`."""
        self._anchors = self._options.anchors_of(named)
        self._outputs.check_overwritten(named)
        tables, earlier = self._checked(named, reference)
        grams: dict[Side, Gram] = {}
        for side in SIDES:
            tables[side], gram = self._summed(tables[side], self._options.share, None)
            grams[side] = self._filling(tables[side], gram, len(gram.matrix))
            tables[side] = replace(tables[side], dimension=len(grams[side].matrix))
        checks.check_dimensions(tables["users"], tables["items"])
        if earlier is None:
            return Sums(grams, {})
        if any(table.left_out for table in tables.values()):
            earlier = self._counted(earlier, tables)
        crosses: dict[Side, Gram] = {}
        for side, anchors in earlier.anchors.items():
            raw = np.eye(len(grams[side].matrix))
            shared = self._shared_sums(raw, tables[side], earlier, normalize=False)
            crosses[side] = Gram(shared.cross, anchors)
        return Sums(grams, crosses)

    def apply(
        self,
        named: Mapping[Side, EmbeddingTable],
        transform: Transform,
        files: Mapping[Side, Path],
    ) -> None:
        """Write stable tables; see `apply_transform`."""
        staged = self._outputs.tables
        staged.prepare()
        resolved = {side: self._resolve(table, side) for side, table in named.items()}
        with staged.dropped_afterwards(), replaced_files(*files.values()) as partials:
            beside = dict(zip(files, partials, strict=True))
            for side, table in resolved.items():
                checked = self._check(table)
                if checked.dimension not in (None, transform.raw_dimension):
                    raise InvalidVectorsError(checked.table, transform.raw_dimension)
                prepared = replace(checked.table, preparation=transform[side].preparation)
                checked = replace(checked, table=prepared)
                target = beside[side] if side in files else staged.name(side)
                self._write_side(checked, transform, target)
            if staged.wanted:
                with self._step("replace", "Putting tables in place"):
                    staged.put_in_place({})

    @contextmanager
    def _step(self, name: str, title: str) -> Iterator[Step]:
        started = time.perf_counter()
        with self._progress.step(title) as step:
            yield step
        spent = time.perf_counter() - started
        logger.info("%s: %.2f s", title, spent)
        self._timings[name] = self._timings.get(name, 0.0) + spent

    def _warn(self, message: str) -> None:
        message = spelled(message)
        self._warnings.append(message)
        logger.warning("%s", message)

    def _checked(
        self,
        named: dict[Side, EmbeddingTable],
        reference: AnyRun | Sequence[AnyRun] | None,
    ) -> tuple[dict[Side, CheckedTable], Reference | None]:
        """The tables and the reference; what their columns tell comes before any scan."""
        resolved = {side: self._resolve(table, side) for side, table in named.items()}
        runs = self._runs(reference)
        for run in runs:
            check_kinds(run, [side for side in named if side not in self._like])
            self._check_prepared(run)
        stable = [
            self._resolved_reference(run, named if run is runs[-1] else self._anchors)
            for run in runs
        ]
        for each in stable:
            for side, table in each.items():
                checks.check_joinable(self._engine, resolved[side], table)
        if self._options.partition_by:
            self._partition_grams().prepare(
                table for side, table in resolved.items() if self._is_summed(side)
            )
        # What is not summed is looked at by nobody else.
        tables = {
            side: self._check(table, values=not self._is_summed(side))
            for side, table in resolved.items()
        }
        return tables, self._open(runs, stable, tables) if runs else None

    def _is_summed(self, side: Side) -> bool:
        """Whether the axes come from the Gram matrix of this table."""
        return side in SIDES or side in self._scores

    def _check_prepared(self, run: Run) -> None:
        """Vectors are centred and made unit vectors in all runs of a space, or in none."""
        for name, there in preparing(run).items():
            if there != getattr(self._options, name):
                having, remedy = ("with", "add it") if there else ("without", "leave it out")
                raise UsageError(
                    f"The space of run {run.run_id} was begun {having} --{name}: {remedy}, or "
                    "begin a new space without a --reference."
                )

    def _prepared(
        self, tables: dict[Side, CheckedTable], *, begins: bool
    ) -> dict[Side, CheckedTable]:
        """The tables, with what is to be done to each vector first.

        Args:
            tables: The tables.
            begins: Whether the run begins a space: then it is said what is lost.
        """
        center, normalize = self._options.center, self._options.normalize
        if not center and not normalize:
            return tables
        if begins:
            self._say_what_is_lost()
        preparation = self._preparation(tables[VECTORS], center=center, normalize=normalize)
        return {
            side: replace(checked, table=replace(checked.table, preparation=preparation))
            for side, checked in tables.items()
        }

    def _say_what_is_lost(self) -> None:
        """Once, where a space begins: no run after it has a choice."""
        center, normalize = self._options.center, self._options.normalize
        if center and normalize:
            what = (
                "centred and have length one: their dot products are cosines about the mean, and "
                "the model's dot products and lengths are lost"
            )
        elif center:
            what = "centred: their dot products, lengths and cosines are no longer the model's"
        else:
            what = (
                "of length one: their dot products are the cosines of the model, and its lengths "
                "are lost"
            )
        logger.warning(
            "Stable vectors are %s. A fresh vector must take the same way: sqlstab apply, and "
            "Transform in Python, do.",
            what,
        )

    def _preparation(self, checked: CheckedTable, *, center: bool, normalize: bool) -> Preparation:
        """What is done to the vectors of a table first.

        The mean comes from a scan of its own, and what is summed later are centred rows: to
        subtract n m m' from a Gram matrix of raw rows instead loses as many digits as the mean is
        longer than what is left.
        """
        if not center:
            return Preparation(normalize=normalize)
        share = self._options.share
        with self._step("mean", f"Averaging {checked.table.side}") as step:
            mean = self._compute.mean(
                replace(checked.table, share=share),
                checked.dimension or 0,
                round(checked.rows * share),
                step,
            )
        if not mean.size:
            raise _empty_sample(checked, share)
        if not np.isfinite(mean).all():
            raise checks.overflow_error(checked.table)
        return Preparation(tuple(mean.tolist()), normalize)

    def _runs(self, reference: AnyRun | Sequence[AnyRun] | None) -> list[Run]:
        """The runs to align with, read from directories or a registry; none for a new space."""
        if reference is None or isinstance(reference, (str, Path, Run)):
            return self._looked_up(reference) if reference is not None else []
        return loaded_runs([run for one in reference for run in self._looked_up(one)])

    def _looked_up(self, reference: AnyRun) -> list[Run]:
        if not (isinstance(reference, str) and is_looked_up(reference)):
            return loaded_runs(reference)
        if self._outputs.registry is None:
            if Path(reference).exists():
                return loaded_runs(reference)
            raise UsageError(
                f"--reference {reference} is looked up in a registry of runs: name that with "
                "--registry, or give the directory of a run."
            )
        found = self._outputs.registry.reference(reference)
        directory = found.runs[-1].directory if found.runs else None
        out = self._outputs.directory
        overwritten = directory and out and directory.resolve() == out.resolve()
        if reference == "first" and overwritten:
            raise UsageError(
                f"--reference first is the run in {directory}, which --out would replace, so that "
                "the next run could not refer to it: give each run a directory of its own, or "
                "refer to previous."
            )
        if found.gone and len(found.runs) == 1:
            self._warn(
                f"The consensus is of run {found.runs[0].run_id} alone, as --reference previous "
                "is: the stable tables of those before it are gone. Keep them with --keep-runs, or "
                "write each run to tables or a directory of its own."
            )
        return found.runs

    def _resolve(self, table: EmbeddingTable, side: Side) -> VectorTable:
        columns = self._engine.describe(table.relation)
        return resolve(table, side, columns, self._engine.dialect)

    def _numbered(self, table: VectorTable) -> VectorTable:
        return checks.numbered(self._engine, table)

    def _check(self, table: VectorTable, *, values: bool = False) -> CheckedTable:
        with self._step("check", f"Checking {table.side}"):
            checked = checks.check_table(
                self._engine,
                self._numbered(table),
                values=values or self._looks_at_vectors(),
                drop=self._options.on_invalid == "drop",
            )
        if checked.left_out:
            problems = ", ".join(
                f"{count:,} {name.replace('_', ' ')}" for name, count in checked.problems.items()
            )
            self._warn(f"{table.side}: left out {checked.left_out:,} vectors: {problems}.")
        return checked

    def _looks_at_vectors(self) -> bool:
        """Whether vectors must be looked at before they are summed."""
        if self._options.partition_by and self._options.on_invalid == "error":
            return False  # partitions are, each before it is summed
        # A sample passes over bad vectors; SQL sums them without a word.
        return self._options.share < 1 or not self._compute.notices_bad_vectors

    def _resolved_reference(self, run: Run, wanted: Collection[Side]) -> dict[Side, VectorTable]:
        self._check_reachable(run)
        there = (side for side in run.tables if side in wanted)
        return {side: self._resolve(run.table(side), side) for side in there}

    def _open(
        self,
        runs: Sequence[Run],
        stable: Sequence[dict[Side, VectorTable]],
        tables: dict[Side, CheckedTable],
    ) -> Reference:
        with self._step("check", "Checking the reference"):
            *others, newest = (
                Earlier(run, self._checked_reference(run, each), {})
                for run, each in zip(runs, stable, strict=True)
            )
        return self._counted(Reference(newest.run, newest.tables, {}, {}, others), tables)

    def _checked_reference(
        self, run: Run, stable: Mapping[Side, VectorTable]
    ) -> dict[Side, VectorTable]:
        """A run's stable tables, if they are what it wrote."""
        found: dict[Side, VectorTable] = {}
        for side, resolved in stable.items():
            table = found[side] = self._numbered(resolved)
            # Sums must not go wrong without a word; figures may fail with one.
            is_anchor = side in self._anchors
            values = is_anchor and not self._compute.notices_bad_vectors
            checked = checks.check_table(self._engine, table, values=values, drop=None)
            if checked.dimension not in (None, run.transform.dimension):
                raise InvalidVectorsError(table, run.transform.dimension)
            self._check_unchanged(run, table, checked.rows)
        return found

    def _check_unchanged(self, run: Run, table: VectorTable, rows: int) -> None:
        try:
            checks.check_unchanged(self._engine, run, table, rows)
        except DataError as error:
            if self._outputs.registry is None:
                raise
            remedy = self._outputs.registry.remedy({table.side: table.relation})
            raise DataError(f"{error}{remedy}") from error

    def _new_fingerprint(self, table: VectorTable, rows: int) -> dict[str, Any] | None:
        """Of a table; files are replaced together with `run.json`."""
        if not self._outputs.tables.targets:
            return None
        with self._step("fingerprint", f"Taking the fingerprint of {table.side}"):
            return fingerprint(self._engine, table, rows, default_share(rows)).to_dict()

    def _counted(self, earlier: Reference, tables: dict[Side, CheckedTable]) -> Reference:
        """The reference, with the numbers of shared ids."""
        anchors: dict[Side, int] = {}
        with self._step("check", "Counting shared ids"):
            shared = self._count_shared(earlier, tables)
            for side in self._anchors:
                sample = replace(tables[side].table, share=self._options.share)
                anchors[side] = checks.count_anchors(
                    self._engine, sample, earlier.tables[side], shared[side]
                )
            others = [
                replace(each, shared=self._count_shared(each, tables)) for each in earlier.others
            ]
        return replace(earlier, shared=shared, anchors=anchors, others=others)

    def _count_shared(self, earlier: Earlier, tables: dict[Side, CheckedTable]) -> dict[Side, int]:
        return {
            side: checks.count_shared(self._engine, tables[side].table, stable)
            for side, stable in earlier.tables.items()
        }

    def _check_reachable(self, run: Run) -> None:
        """The reference's stable tables must be where this run's are."""
        here = self._engine.dialect.name
        there = run.figures.get("engine")
        files = all(run.table(side).relation.endswith(file_name(side)) for side in run.sides)
        if files and not self._engine.dialect.reads_files:
            raise UsageError(
                f"The stable vectors of run {run.run_id} are Parquet files, which {here} does not "
                "read: take a --reference that was written to tables there."
            )
        if not files and there != here:
            raise UsageError(
                f"The stable vectors of run {run.run_id} are tables of {there}, but this run is "
                f"on {here}."
            )

    def _balanced(
        self, tables: dict[Side, CheckedTable], earlier: Reference | None
    ) -> tuple[dict[Side, CheckedTable], _Axes]:
        """Steps 1 to 3: the principal axes of the scores, from the Gram matrices of both sides."""
        tables = dict(tables)
        factors: dict[Side, Factor] = {}
        for side in SIDES:
            summed, factors[side] = self._factor(side, tables, earlier)
            tables |= summed
        checks.check_dimensions(tables["users"], tables["items"])
        balance = self._balance(factors)
        accuracy = {"users": balance.users_accuracy, "items": balance.items_accuracy}
        for side in SIDES:
            if accuracy[side] > solve.GOOD_ACCURACY:
                self._warn(
                    f"{side}: columns are nearly dependent (condition "
                    f"{factors[side].condition:.1e}), so the axes are accurate to "
                    f"{accuracy[side]:.0e} only; scores are exact all the same."
                    + (" Use --refine auto." if self._options.refine == "never" else "")
                )
        if balance.dropped and not self._options.rank:
            self._warn(
                f"The scores have rank {balance.rank}; {balance.dropped} of "
                f"{balance.items.shape[0]} dimensions carry none."
            )
        return tables, _Axes(
            {"users": balance.users, "items": balance.items},
            {"users": balance.users_restored, "items": balance.items_restored},
            balance.singular_values,
            balance.identity_error,
            {
                side: {
                    "rank": factors[side].rank,
                    "condition": factors[side].condition,
                    "accuracy": accuracy[side],
                    "passes": factors[side].passes,
                }
                for side in SIDES
            },
        )

    def _unbalanced(
        self, tables: dict[Side, CheckedTable]
    ) -> tuple[dict[Side, CheckedTable], _Axes]:
        """Instead of steps 1 to 3, for a table alone: its vectors as they are.

        No balance is to be found, so no Gram matrix is needed; and axes of its own, the principal
        ones, would be a turn for nothing: the first run's vectors, and whatever knows them already,
        stay as they are. Where a rank is requested, principal axes are the ones to keep.
        """
        checked = tables[VECTORS]
        dimension, rank = checked.dimension or 0, self._options.rank
        matrix: Matrix = np.eye(dimension)
        values, passes = None, 0
        if rank is not None and rank < dimension:
            checked, gram = self._summed(checked, self._options.share, None)
            gram = self._filling(checked, gram, rank)
            checked = replace(checked, summed=gram.rows)
            axes = solve.principal_axes(gram.matrix, rank)
            matrix, values, passes = axes.matrix, axes.singular_values, 1
        return {**tables, VECTORS: checked}, _Axes(
            {VECTORS: matrix},
            {VECTORS: len(matrix) == matrix.shape[1]},
            values,
            float(np.abs(matrix @ matrix.T - np.eye(len(matrix))).max(initial=0.0)),
            {VECTORS: {"passes": passes}},
        )

    def _factor(
        self, side: Side, tables: Mapping[Side, CheckedTable], earlier: Reference | None
    ) -> tuple[dict[Side, CheckedTable], Factor]:
        """Step 1: R of a side from its Gram matrix.

        The scores of several tables with one side are those of one table with the rows of all: its
        Gram matrix is the sum of theirs.

        Returns:
            The tables that were summed, and the factor of all their rows.
        """
        weights = {side: 1.0} | {
            rider: weight for rider, weight in self._scores.items() if self._like[rider] == side
        }
        share = self._options.share
        summed: dict[Side, CheckedTable] = {}
        grams: dict[Side, Gram] = {}
        for name in weights:
            known = earlier is not None and name in earlier.shared
            keep = earlier.share(name) if earlier and known and share == 1 else None
            checked, grams[name] = self._summed(tables[name], share, keep)
            summed[name] = replace(checked, dimension=len(grams[name].matrix))
            checks.check_alike(summed[name], summed[side])
        gram = _weighted(grams, weights)
        factor = self._refined(gram, summed, weights, share)
        # Fewer rows than dimensions may look like more: rounding errors fill the other ones.
        if share < 1 and min(gram.rows, factor.rank) < len(gram.matrix):
            # What a sample does not show, the other rows may have; scores must stay exact.
            self._warn_of_sample(side, gram)
            grams = {name: self._first_gram(summed[name], 1.0, None) for name in weights}
            gram = _weighted(grams, weights)
            factor = self._refined(gram, summed, weights, 1.0)
        self._grams[side] = gram
        return {
            name: replace(checked, summed=grams[name].rows) for name, checked in summed.items()
        }, factor

    def _filling(self, checked: CheckedTable, gram: Gram, wanted: int) -> Gram:
        """The Gram matrix of a sample, or of all rows if it has fewer directions than wanted."""
        if self._options.share == 1:
            return gram
        # Fewer rows than dimensions may look like more: rounding errors fill the other ones.
        if min(gram.rows, solve.factor(gram.matrix, gram.rows).rank) >= wanted:
            return gram
        self._warn_of_sample(checked.table.side, gram)
        return self._first_gram(checked, 1.0, None)

    def _warn_of_sample(self, side: Side, gram: Gram) -> None:
        self._warn(
            f"{side}: a sample of {gram.rows:,} rows does not fill the {len(gram.matrix)} "
            "dimensions; all rows were summed instead."
        )

    def _refined(
        self,
        gram: Gram,
        tables: Mapping[Side, CheckedTable],
        weights: Mapping[Side, float],
        share: float,
    ) -> Factor:
        """R from the weighted Gram matrix of tables, with as many passes as it needs."""
        factor = solve.factor(gram.matrix, gram.rows)
        # The SQL solver takes Gram matrices, and refuses those that a second pass is for.
        refine = "never" if self._solver else self._options.refine
        while solve.wants_refinement(factor, refine):
            white = {
                name: self._gram(
                    tables[name],
                    factor.whitener,
                    f"Summing {name} once more, to full accuracy",
                    share,
                )
                for name in weights
            }
            factor = solve.refine(factor, _weighted(white, weights).matrix)
        return factor

    def _balance(self, factors: dict[Side, Factor]) -> Balance:
        """Steps 2 and 3: one diagonal Gram matrix for both sides."""
        if self._solver is None:
            return solve.balance(factors["users"], factors["items"], self._options.rank)
        with self._step("solve", "Solving in SQL"):
            return self._solver.balance(self._grams, factors, self._options.rank)

    def _aligned(self, cross: Matrix) -> Alignment:
        """Omega."""
        if self._solver is None:
            return solve.align(cross)
        with self._step("solve", "Aligning in SQL"):
            return self._solver.align(cross)

    def _summed(
        self, checked: CheckedTable, share: float, kept_share: float | None
    ) -> tuple[CheckedTable, Gram]:
        """A table, without its bad rows if they are to be left out, and its Gram matrix."""
        try:
            return checked, self._first_gram(checked, share, kept_share)
        except InvalidVectorsError:
            # Say what is wrong, or leave it out.
            checked = self._check(checked.table, values=True)
            try:
                return checked, self._first_gram(checked, share, kept_share)
            except InvalidVectorsError as error:
                raise checks.overflow_error(checked.table) from error

    def _first_gram(self, checked: CheckedTable, share: float, kept_share: float | None) -> Gram:
        title = f"Summing {checked.table.side}"
        if not self._options.partition_by:
            return self._gram(checked, None, title, share, kept_share)
        with self._step("gram", f"{title}: partitions that are new or have changed") as step:
            sample = replace(checked.table, share=share)
            gram = self._partition_grams().total(sample, checked.dimension, step)
            return _scaled(gram, checked, share)

    def _partition_grams(self) -> PartitionGrams:
        return PartitionGrams(
            self._engine,
            self._compute,
            self._run_id,
            self._options.partition_by or "",
            self._options.partition_version,
            self._options.grams or "",
        )

    def _gram(
        self,
        checked: CheckedTable,
        whitener: Matrix | None,
        title: str,
        share: float,
        kept_share: float | None = None,
    ) -> Gram:
        """The Gram matrix of a table; of a share of its rows, scaled up to all of them."""
        with self._step("gram", title) as step:
            gram = self._compute.gram(
                replace(checked.table, share=share),
                checked.dimension,
                whitener,
                round(checked.rows * share),
                step,
                kept_share=kept_share,
            )
        return _scaled(gram, checked, share)

    def _align(
        self, axes: _Axes, tables: dict[Side, CheckedTable], earlier: Reference | None
    ) -> tuple[Matrix, dict[str, Any] | None]:
        """Step 4: Omega, and what is known of the fit."""
        if earlier is None:
            # A requested rank is a requested number of columns; a rank that fell short is not.
            dimension = min(self._options.rank or axes.raw_dimension, axes.raw_dimension)
            return solve.first_alignment(axes.rank, dimension), None
        sums = [
            self._shared_sums(
                axes.matrices[side], tables[side], earlier, normalize=self._options.cosine
            )
            * weight
            for side, weight in self._anchors.items()
        ]
        total = sums[0] if len(sums) == 1 else sums[0] + sums[1]
        if not all(np.isfinite(part).all() for part in (total.cross, total.run, total.reference)):
            raise DataError(
                "The sums over the shared ids overflow; divide the weights by a constant."
            )
        if not np.trace(total.reference) > 0 or not np.trace(total.run) > 0:
            raise DataError(
                "The shared ids have zero vectors or zero weights only; there is nothing to align."
            )
        # Neither the alignment nor its figures depend on a common factor; squares may overflow.
        total *= 1 / max(np.trace(total.run), np.trace(total.reference))
        alignment = self._aligned(total.cross)
        for warning in quality.alignment_warnings(
            alignment,
            axes.rank,
            sum(earlier.anchors.values()),
            earlier.dimension,
            share=self._options.share,
        ):
            self._warn(warning)
        sides = list(self._anchors)
        return alignment.omega, {
            "side": sides[0] if len(sides) == 1 else "both",
            "weights": self._anchors,
            "cosine": self._options.cosine,
            "anchors": sum(earlier.anchors.values()),
            **{f"shared_{side}": shared for side, shared in earlier.shared.items()},
            "relative_residual": quality.relative_residual(total),
            "cka": quality.linear_cka(total),
            "bound": quality.residual_bound(total),
            "determinant": alignment.determinant,
            "ambiguous": alignment.ambiguous,
        }

    def _shared_sums(
        self, matrix: Matrix, checked: CheckedTable, earlier: Reference, *, normalize: bool
    ) -> quality.SharedSums:
        """Step 3: the sums over the ids that are shared with the reference.

        Of a consensus those with each of its runs, added up: the cross Gram matrix is then that
        with the sum of the runs' vectors, and the other two are those of all pairs, stacked.
        """
        side = checked.table.side
        found = []
        for each in (earlier, *earlier.others):
            if not each.shared[side]:
                continue  # only with one of `others`
            which = "the reference" if each is earlier else f"run {each.run.run_id}"
            with self._step("cross_gram", f"Comparing {side} with {which}") as step:
                sums = self._compute.shared_sums(
                    each.pair(checked.table).sample(self._options.share),
                    matrix,
                    normalize=normalize,
                    step=step,
                )
            found.append(sums.widened(earlier.dimension))
        return sum(found[1:], found[0])

    def _cosines(
        self, tables: dict[Side, CheckedTable], transform: Transform, earlier: Reference
    ) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        for side in earlier.tables:
            before = earlier.run.transform[side]
            # The reference's raw vectors are its stable ones, back through its own transform.
            known = before.invertible and before.balanced.shape[0] == tables[side].dimension
            with self._step("cosine", f"Measuring {side}") as step:
                found = self._compute.cosines(
                    earlier.pair(tables[side].table),
                    transform[side].matrix,
                    before.inverse_matrix if known else None,
                    earlier.share(side),
                    step,
                )
            figures[side] = asdict(found)
            if side in earlier.anchors and found.after and found.after.mean < quality.HARDLY_AGREES:
                self._warn(
                    f"{side}: shared ids hardly agree even when aligned (mean cosine "
                    f"{found.after.mean:.2f}): the two runs may be of different models, or their "
                    "ids may not mean the same."
                )
        return figures

    def _write(
        self, directory: Path | None, tables: dict[Side, CheckedTable], transform: Transform
    ) -> dict[Side, VectorTable]:
        """Step 5: the stable tables."""
        return {
            side: self._write_side(
                tables[side],
                transform,
                self._outputs.target(side, directory),
            )
            for side in tables
        }

    def _write_side(
        self, checked: CheckedTable, transform: Transform, target: Path | str
    ) -> VectorTable:
        table = checked.table
        side = table.side
        output = stable_table(
            table,
            transform.dimension,
            self._options.output_layout,
            self._options.output_type,
            self._engine.dialect,
        )
        steps = transform.steps(side, SCORE_ERROR[output.element])
        with self._step("apply", f"Writing {side}") as step:
            self._compute.apply(table, steps, output, target, checked.rows, step)
        return VectorTable(
            side,
            str(target),
            table.id,
            output.layout,
            output.vector,
            output.element,
            first=output.first,
            native=output.native,
        )

    def _score_errors(
        self,
        tables: dict[Side, CheckedTable],
        written: dict[Side, VectorTable],
        transform: Transform,
    ) -> dict[str, Any]:
        """How much the scores have changed, and those of further tables with the other side."""
        found = {"max_relative_error": self._score_error(tables, written, transform)}
        if not self._like or VECTORS in tables:
            return found
        also = {rider: self._score_error(tables, written, transform, rider) for rider in self._like}
        return {**found, "also": also}

    def _score_error(
        self,
        tables: dict[Side, CheckedTable],
        written: dict[Side, VectorTable],
        transform: Transform,
        rider: Side | None = None,
    ) -> float | None:
        """How much scores have changed, relative to the largest.

        Args:
            tables: The raw tables.
            written: The stable tables.
            transform: The transform.
            rider: Those of this further table, in the place of the side that it is like.
        """
        compared = "dot products" if VECTORS in tables else "scores"
        names = {side: side for side in transform.maps}
        if rider:
            compared = f"scores of {rider}"
            names[self._like[rider]] = rider
        written = {side: written[name] for side, name in names.items()}
        with self._step("scores", f"Comparing {compared}") as step:
            error = quality.score_error(
                self._engine,
                {side: tables[name].table for side, name in names.items()},
                written,
                (transform.raw_dimension, transform.dimension),
                quality.SCORE_ROWS,
                step,
            )
        if error is not None and not np.isfinite(error):
            raise checks.overflow_error(next(iter(tables.values())).table)
        single = any(table.element == "float" for table in written.values())
        promise = _FLOAT_PROMISE if single else _DOUBLE_PROMISE
        if error is None or error <= promise or self._options.rank:
            return error
        if rider and rider not in self._scores and error > quality.SCORES_KEPT:
            self._warn(
                f"{rider}: scores differ by up to {error:.0e} of the largest: these vectors have "
                f"directions in which the {self._like[rider]} have nothing, and which are left "
                "out. Let them count in the scores, with --also-scores."
            )
        else:
            self._warn(
                f"{compared.capitalize()} of the written vectors differ by up to {error:.0e} of "
                f"the largest; {promise:.0e} was to be expected. Vectors far smaller than 1 lose "
                "digits as FLOAT: multiply them by a constant, or write --output-type double."
            )
        return error

    def _figures(
        self,
        tables: dict[Side, CheckedTable],
        axes: _Axes,
        transform: Transform,
    ) -> dict[str, Any]:
        sides: dict[str, Any] = {
            side: {
                "rows": tables[side].rows,
                "dimension": tables[side].dimension,
                **known,
                "summed": tables[side].summed,
                "left_out": tables[side].left_out,
                "problems": tables[side].problems,
            }
            for side, known in axes.figures.items()
        }
        if self._like:
            sides["also"] = {
                rider: {
                    "like": side,
                    "scores": self._scores.get(rider, 0.0),
                    "summed": tables[rider].summed,
                    "rows": tables[rider].rows,
                    "dimension": tables[rider].dimension,
                    "left_out": tables[rider].left_out,
                    "problems": tables[rider].problems,
                }
                for rider, side in self._like.items()
            }
        values = axes.singular_values
        return {
            "format": FORMAT,
            "sqlstab": __version__,
            "run_id": transform.run_id,
            "created": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
            "inputs": {side: _described(checked.table) for side, checked in tables.items()},
            "options": self._options.to_dict(),
            **sides,
            "dimension": transform.dimension,
            "rank": transform.rank,
            "singular_values": None if values is None else values.tolist(),
            "reference": None,
            "alignment": None,
            "cosine": None,
            "gates": None,
            "dot_products" if VECTORS in tables else "scores": {
                "identity_error": axes.identity_error,
                "max_relative_error": None,
            },
            "engine": self._engine.dialect.name,
            "strategy": self._compute.name,
            "solver": self._options.solver,
            "versions": _versions(self._engine),
            "outputs": None,
        }

    def _finish(self, figures: dict[str, Any], started: float) -> None:
        self._timings["total"] = time.perf_counter() - started
        figures["warnings"] = self._warnings
        figures["timings"] = {name: round(spent, 3) for name, spent in self._timings.items()}


def _versions(engine: Engine) -> dict[str, str | None]:
    """What else decides about the last digits of a result."""
    libraries = {name: metadata.version(name) for name in ("numpy", "scipy", "pyarrow", "sqlglot")}
    return {"engine": engine.version, "python": platform.python_version(), **libraries}


def _compute(engine: Engine, strategy: Strategy, beside: str) -> Compute:
    """The way to compute: BLAS where it can be had, SQL elsewhere or on request.

    Args:
        engine: The engine.
        strategy: As in `Options`.
        beside: A table in whose schema temporary tables may be made, if there is one.
    """
    if strategy != "sql":
        if isinstance(engine, DuckDBEngine):
            return ArrowCompute(engine)
        if engine.dialect is SPARK:
            from sqlstab.compute.spark import SparkCompute  # noqa: PLC0415 - an extra
            from sqlstab.engines.spark import SparkEngine  # noqa: PLC0415

            if isinstance(engine, SparkEngine):
                return SparkCompute(engine)
        if strategy == "arrow":
            raise UsageError(
                f"{engine.dialect.name} hands no rows to BLAS; leave out --strategy arrow."
            )
    return SqlCompute(engine, beside)


def _weighted(grams: Mapping[Side, Gram], weights: Mapping[Side, float]) -> Gram:
    """The Gram matrix of the rows of several tables, each times the root of its weight."""
    parts = [gram.matrix * weights[name] for name, gram in grams.items()]
    return Gram(sum(parts[1:], parts[0]), sum(gram.rows for gram in grams.values()))


def _scaled(gram: Gram, checked: CheckedTable, share: float) -> Gram:
    """The Gram matrix of a sample as that of all rows."""
    if share == 1:
        return gram
    if gram.rows == 0:
        raise _empty_sample(checked, share)
    return replace(gram, matrix=gram.matrix * (checked.rows / gram.rows))


def _empty_sample(checked: CheckedTable, share: float) -> DataError:
    return DataError(
        f"A sample of {share * 100:.3g}% has none of the {checked.rows:,} "
        f"{checked.table.side}; take a larger --sample."
    )


def _described(table: VectorTable) -> dict[str, Any]:
    return {
        "relation": table.relation,
        "id": table.id.name,
        "id_type": table.id.type,
        "layout": table.layout,
        "vector": list(table.vector),
        "element": table.element,
        "filter": table.filter,
        "weight": table.weight,
        "anchor_filter": table.anchor_filter,
        "keep": [column.name for column in table.keep],
    }
