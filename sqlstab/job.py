"""The flow of a run: sums where the data is, the small mathematics here, the transform there.

A run has named tables. `users` and `items` define scores, which the two maps keep together; or
`vectors` stand alone, and any orthogonal map keeps their dot products with each other. What the two
kinds do differently is how a run comes to axes of its own (`Axes`): by the Gram matrices of both
sides, or by leaving the vectors as they are.

All else is a loop over the tables that the run has: they are checked, compared with the reference,
written and put in place by their names. So a run can have further tables, each with the map of the
side whose space it shares.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import checks, gates
from sqlstab.compute import Gram, InvalidVectorsError
from sqlstab.errors import DataError, UsageError
from sqlstab.figures import described, figures_of
from sqlstab.maths import quality, solve
from sqlstab.maths.axes import Axes
from sqlstab.maths.maps import Transform
from sqlstab.maths.preparation import what_is_lost
from sqlstab.partitions import PartitionGrams
from sqlstab.references import Reference, References, check_kinds, check_prepared, forgotten_tables
from sqlstab.runs import Run, replaced_files
from sqlstab.statements.table import SIDES, VECTORS, EmbeddingTable, Side
from sqlstab.summing import Summing
from sqlstab.sums import Sums
from sqlstab.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlstab.checks import CheckedTable
    from sqlstab.compute import Compute
    from sqlstab.config import Options
    from sqlstab.engines import Engine
    from sqlstab.inspection import Inspector
    from sqlstab.maths.solve import Matrix
    from sqlstab.outputs import Outputs
    from sqlstab.progress import Diary
    from sqlstab.references import AnyRun
    from sqlstab.solver import Solver
    from sqlstab.statements.table import FurtherTable
    from sqlstab.summing import Factored


class Job:
    """One run; its methods are the steps, in the order of `run`.

    Args:
        engine: Runs the statements.
        options: How the run is done.
        compute: The way to compute.
        inspector: Looks at tables.
        solver: Solves the small matrices.
        outputs: Where the results go.
        diary: Is told what is going on.
        also: The further tables among them.
    """

    def __init__(
        self,
        engine: Engine,
        options: Options,
        compute: Compute,
        inspector: Inspector,
        solver: Solver,
        outputs: Outputs,
        diary: Diary,
        also: Mapping[Side, FurtherTable] = MappingProxyType({}),
    ) -> None:
        self._engine = engine
        self._options = options
        self._compute = compute
        self._inspector = inspector
        self._solver = solver
        self._outputs = outputs
        self._diary = diary
        self._also = also
        partitions = (
            PartitionGrams(
                engine,
                compute,
                outputs.run_id,
                options.partition_by,
                options.partition_version,
                options.grams,
            )
            if options.partition_by and options.grams
            else None
        )
        self._summing = Summing(options, compute, inspector, diary, partitions)
        self._references = References(
            engine, options, inspector, diary, outputs.registry, outputs.directory
        )
        self._writer = Writer(engine, options, compute, diary)

    def run(
        self,
        named: dict[Side, EmbeddingTable],
        reference: AnyRun | Sequence[AnyRun] | None,
    ) -> Run:
        """The whole run; see `stabilize`."""
        started = time.perf_counter()
        anchors = self._options.anchors_of(named)
        for name in self._also:
            if named[name].weight or named[name].anchor_filter:
                raise UsageError(
                    f"--also {name}: nothing is aligned on it, so it takes no weight and no "
                    "anchor filter."
                )
        gates.check_reference(self._options, is_named=reference is not None)
        with self._diary.step("check", "Looking at the outputs"):
            self._outputs.check(named)
        # Staged from the start: what cannot be written must not be noticed only at the end.
        with self._outputs.staged() as directory:
            tables, earlier = self._checked(named, reference, anchors)
            if earlier:
                for forgotten in forgotten_tables(earlier.run, tables):
                    self._diary.warn(forgotten)
            elif reference is not None and gates.wanted(self._options):
                self._diary.tell(
                    f"There is no run for --reference {reference} yet, so this one begins a space, "
                    f"and {' and '.join(gates.wanted(self._options))} cannot be checked."
                )
            looked_at = tables
            tables, axes = self._axes(tables, earlier)
            earlier = self._recounted(earlier, looked_at, tables)
            omega, fit = self._align(axes, tables, earlier, anchors)
            transform = Transform.from_factors(
                run_id=self._outputs.run_id,
                reference=earlier.run.run_id if earlier else None,
                singular_values=None if VECTORS in tables else axes.singular_values,
                balanced=axes.matrices,
                omega=omega,
                invertible=axes.invertible,
                also={name: one.like for name, one in self._also.items()},
                preparations={side: tables[side].table.preparation for side in axes.matrices},
            )
            figures = figures_of(
                self._engine,
                self._options,
                self._compute.name,
                tables,
                self._also,
                axes,
                transform,
            )
            figures["alignment"] = fit
            if earlier:
                figures["reference"] = earlier.figures(self._references.policy(reference))
                figures["cosine"] = self._cosines(tables, transform, earlier)
                self._references.check_unmoved(earlier)
            figures["gates"] = gates.check(figures, self._options)
            if figures["gates"] and not all(g["passed"] for g in figures["gates"].values()):
                failed = [name for name, gate in figures["gates"].items() if not gate["passed"]]
                self._diary.warn(
                    "Written by force although a gate has failed: "
                    f"{' and '.join(name.replace('_', ' ') for name in failed)}."
                )
            if directory is not None or self._outputs.tables.targets:
                self._write(directory, tables, transform, figures)
            self._finish(figures, started)
            # What can fail of the directory fails before tables are replaced.
            if directory is not None:
                self._outputs.save(directory, figures, transform)
            run = Run(figures, transform, self._outputs.directory)
            placement = self._outputs.placement(run, refers_to_first=reference == "first")
            self._outputs.announce(placement)
            if self._outputs.tables.wanted:
                matrices = {side: known.matrix for side, known in transform.maps.items()}
                with self._diary.step("replace", "Putting tables in place"):
                    self._outputs.put_in_place(matrices, placement)
                self._finish(figures, started)
                if directory is not None:
                    self._outputs.save_figures(directory, figures, transform, self._diary.warn)
        self._outputs.record(placement, self._diary.warn)
        return run

    def sums(
        self,
        named: dict[Side, EmbeddingTable],
        reference: AnyRun | Sequence[AnyRun] | None,
    ) -> Sums:
        """All that a transform is solved from; see `collect_sums`."""
        anchors = self._options.anchors_of(named)
        self._outputs.check_overwritten(named)
        tables, earlier = self._checked(named, reference, anchors)
        looked_at = dict(tables)
        grams: dict[Side, Gram] = {}
        for side in SIDES:
            tables[side], grams[side] = self._summing.filled_gram(tables[side])
            tables[side] = replace(tables[side], dimension=len(grams[side].matrix))
        checks.check_dimensions(tables["users"], tables["items"])
        earlier = self._recounted(earlier, looked_at, tables)
        if earlier is None:
            return Sums(grams, {})
        crosses: dict[Side, Gram] = {}
        for side, shared_ids in earlier.anchors.items():
            raw = np.eye(len(grams[side].matrix))
            shared = self._shared_sums(raw, tables[side], earlier, normalize=False)
            crosses[side] = Gram(shared.cross, shared_ids)
        self._references.check_unmoved(earlier)
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
        resolved = {side: self._inspector.resolved(table, side) for side, table in named.items()}
        with staged.dropped_afterwards(), replaced_files(*files.values()) as partials:
            beside = dict(zip(files, partials, strict=True))
            for side, table in resolved.items():
                # Nobody sums them, and SQL multiplies NaN without a word.
                checked = self._inspector.checked(table, values=True)
                if checked.dimension != transform.raw_dimension:
                    raise InvalidVectorsError(checked.table, transform.raw_dimension)
                prepared = replace(checked.table, preparation=transform[side].preparation)
                checked = replace(checked, table=prepared)
                target = beside[side] if side in files else staged.name(side)
                self._writer.write(checked, transform, target)
            if staged.wanted:
                with self._diary.step("replace", "Putting tables in place"):
                    staged.put_in_place({})

    def _checked(
        self,
        named: dict[Side, EmbeddingTable],
        reference: AnyRun | Sequence[AnyRun] | None,
        anchors: Mapping[Side, float],
    ) -> tuple[dict[Side, CheckedTable], Reference | None]:
        """The tables and the reference; what their columns tell comes before any scan."""
        resolved = {side: self._inspector.resolved(table, side) for side, table in named.items()}
        runs = self._references.runs(reference)
        for run in runs:
            check_kinds(run, [side for side in named if side not in self._also])
            check_prepared(run, self._options)
        stable = [
            self._references.resolved(run, named if run is runs[-1] else anchors) for run in runs
        ]
        for each in stable:
            for side, table in each.items():
                checks.check_joinable(self._engine, resolved[side], table)
        self._summing.prepare(table for side, table in resolved.items() if self._is_summed(side))
        # What is not summed is looked at by nobody else.
        tables = {
            side: self._inspector.checked(table, values=not self._is_summed(side))
            for side, table in resolved.items()
        }
        if not runs:
            return tables, None
        return tables, self._references.opened(runs, stable, tables, anchors)

    def _recounted(
        self,
        earlier: Reference | None,
        before: Mapping[Side, CheckedTable],
        after: Mapping[Side, CheckedTable],
    ) -> Reference | None:
        """The reference, with its shared ids counted anew if bad rows came to light meanwhile."""
        if earlier and any(after[side].left_out != before[side].left_out for side in before):
            return self._references.counted(earlier, after)
        return earlier

    def _is_summed(self, side: Side) -> bool:
        """Whether the axes come from the Gram matrix of this table."""
        return side in SIDES or (side in self._also and self._also[side].scores > 0)

    def _axes(
        self, tables: dict[Side, CheckedTable], earlier: Reference | None
    ) -> tuple[dict[Side, CheckedTable], Axes]:
        """The run's own axes, and the tables as they turned out to be on the way there."""
        if self._options.prepares:
            asked = {"center": self._options.center, "normalize": self._options.normalize}
            if earlier is None:
                # Once: no run after it has a choice.
                self._diary.tell(what_is_lost(**asked))
            preparation = self._summing.preparation(tables[VECTORS], **asked)
            tables = {
                side: replace(checked, table=replace(checked.table, preparation=preparation))
                for side, checked in tables.items()
            }
        found, axes = (
            self._unbalanced(tables) if VECTORS in tables else self._balanced(tables, earlier)
        )
        for name, one in self._also.items():
            checks.check_alike(found[name], found[one.like])
        return found, axes

    def _balanced(
        self, tables: dict[Side, CheckedTable], earlier: Reference | None
    ) -> tuple[dict[Side, CheckedTable], Axes]:
        """Steps 1 to 3: the principal axes of the scores, from the Gram matrices of both sides."""
        tables = dict(tables)
        sides: dict[Side, Factored] = {}
        for side in SIDES:
            sides[side] = self._factored(side, tables, earlier)
            tables |= sides[side].tables
        checks.check_dimensions(tables["users"], tables["items"])
        factors = {side: known.factor for side, known in sides.items()}
        with self._diary.step("solve", f"Solving {self._solver.where}"):
            grams = {side: known.gram for side, known in sides.items()}
            balance = self._solver.balance(grams, factors, self._options.rank)
        accuracy = {"users": balance.users_accuracy, "items": balance.items_accuracy}
        for side in SIDES:
            if accuracy[side] > solve.GOOD_ACCURACY:
                self._diary.warn(
                    f"{side}: columns are nearly dependent (condition "
                    f"{factors[side].condition:.1e}), so the axes are accurate to "
                    f"{accuracy[side]:.0e} only; scores are exact all the same."
                    + (" Use --refine auto." if self._options.refine == "never" else "")
                )
        if balance.dropped and not self._options.rank:
            self._diary.warn(
                f"The scores have rank {balance.rank}; {balance.dropped} of "
                f"{balance.items.shape[0]} dimensions carry none."
            )
        return tables, Axes(
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

    def _factored(
        self, side: Side, tables: Mapping[Side, CheckedTable], earlier: Reference | None
    ) -> Factored:
        """Step 1, with the scores of further tables that count."""
        further = {
            name: one.scores
            for name, one in self._also.items()
            if one.like == side and self._is_summed(name)
        }
        kept = {
            name: earlier.share(name)
            for name in (side, *further)
            if earlier and name in earlier.shared and self._options.share == 1
        }
        return self._summing.factor(side, tables, further, kept)

    def _unbalanced(
        self, tables: dict[Side, CheckedTable]
    ) -> tuple[dict[Side, CheckedTable], Axes]:
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
            checked, gram = self._summing.filled_gram(checked, rank)
            checked = replace(checked, summed=gram.rows)
            axes = solve.principal_axes(gram.matrix, rank)
            matrix, values, passes = axes.matrix, axes.singular_values, 1
        return {**tables, VECTORS: checked}, Axes(
            {VECTORS: matrix},
            {VECTORS: len(matrix) == matrix.shape[1]},
            values,
            float(np.abs(matrix @ matrix.T - np.eye(len(matrix))).max(initial=0.0)),
            {VECTORS: {"passes": passes}},
        )

    def _align(
        self,
        axes: Axes,
        tables: dict[Side, CheckedTable],
        earlier: Reference | None,
        anchors: Mapping[Side, float],
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
            for side, weight in anchors.items()
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
        with self._diary.step("solve", f"Aligning {self._solver.where}"):
            alignment = self._solver.align(total.cross)
        for warning in quality.alignment_warnings(
            alignment,
            axes.rank,
            sum(earlier.anchors.values()),
            earlier.dimension,
            share=self._options.share,
        ):
            self._diary.warn(warning)
        sides = list(anchors)
        return alignment.omega, {
            "side": sides[0] if len(sides) == 1 else "both",
            "weights": dict(anchors),
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
            with self._diary.step("cross_gram", f"Comparing {side} with {which}") as step:
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
            with self._diary.step("cosine", f"Measuring {side}") as step:
                found = self._compute.cosines(
                    earlier.pair(tables[side].table),
                    transform[side].matrix,
                    before.inverse_matrix if known else None,
                    earlier.share(side),
                    step,
                )
            figures[side] = asdict(found)
            if side in earlier.anchors and found.after and found.after.mean < quality.HARDLY_AGREES:
                self._diary.warn(
                    f"{side}: shared ids hardly agree even when aligned (mean cosine "
                    f"{found.after.mean:.2f}): the two runs may be of different models, or their "
                    "ids may not mean the same."
                )
        return figures

    def _write(
        self,
        directory: Path | None,
        tables: dict[Side, CheckedTable],
        transform: Transform,
        figures: dict[str, Any],
    ) -> None:
        """Step 5: the stable tables, and what is known of them."""
        written = {
            side: self._writer.write(checked, transform, self._outputs.target(side, directory))
            for side, checked in tables.items()
        }
        kept = figures["dot_products" if VECTORS in tables else "scores"]
        kept |= self._writer.score_errors(tables, written, transform, self._also)
        figures["outputs"] = {
            side: {
                **described(written[side]),
                "relation": self._outputs.place(side),
                # Files are replaced together with `run.json`.
                "fingerprint": (
                    self._writer.fingerprint(written[side], checked.rows)
                    if self._outputs.tables.targets
                    else None
                ),
            }
            for side, checked in tables.items()
        }

    def _finish(self, figures: dict[str, Any], started: float) -> None:
        self._diary.timings["total"] = time.perf_counter() - started
        figures["warnings"] = self._diary.warnings
        figures["timings"] = {name: round(spent, 3) for name, spent in self._diary.timings.items()}
