"""A run, as in the paper: Zielnicki & Hsiao, *Orthogonal Low Rank Embedding Stabilization* (2025).

Items T (n x e), users W (m x e), scores S = T W'. Every sum over rows is a statement that the
engine runs; between statements stand the few e x e matrices.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab.errors import DataError
from sqlstab.flow import check, figures, gates, sums, write
from sqlstab.maths import quality, solve
from sqlstab.maths.axes import Axes
from sqlstab.maths.maps import Maps
from sqlstab.statements.sides import SIDES, VECTORS

if TYPE_CHECKING:
    from sqlstab.flow.check import Checked
    from sqlstab.flow.job import Job
    from sqlstab.flow.reference import Reference
    from sqlstab.maths.solve import Factor, Matrix
    from sqlstab.statements.sides import Side
    from sqlstab.statements.statement import Flow


@dataclass(frozen=True)
class Finished:
    """What a run has found.

    Attributes:
        maps: The maps of its tables.
        figures: What `run.json` holds.
    """

    maps: Maps
    figures: dict[str, Any]


def run(job: Job) -> Flow[Finished]:
    """Stabilize the vectors of one training, aligned with earlier runs if there are any."""
    try:
        # Are the tables fit for it, and what do they share with the reference?
        tables = yield from _checked(job)
        shared, anchors = yield from _shared(job, tables)
        # 1. to 3. Gram matrices, their Cholesky factors, one small SVD: the run's own axes.
        before = tables
        tables, axes = yield from _axes(job, before)
        if any(tables[side].left_out != before[side].left_out for side in tables):
            shared, anchors = yield from _shared(job, tables)
        # 4. Omega, which turns them to where the reference is.
        omega, fit = yield from _align(job, tables, axes, anchors)
        # 5. Each raw vector times its map.
        found = _figures(job, tables, axes, omega, fit, shared)
        if job.reference and fit:
            found["cosine"] = yield from _cosines(job, tables, axes, omega, job.reference, shared)
            found["gates"] = gates.check(
                found["alignment"], job.reference.key, job.options, job.log
            )
        else:
            gates.unchecked(job.options, job.log)
        return (yield from _write(job, tables, axes, omega, found))
    except GeneratorExit:  # nobody runs what would be yielded now
        raise
    except BaseException:
        yield from job.drop()
        raise


# ---- Checks --------------------------------------------------------------------------------------


def _checked(job: Job) -> Flow[dict[Side, Checked]]:
    """Check the tables: their vectors only where no stream of them will notice what is wrong."""
    found: dict[Side, Checked] = {}
    for side, table in job.tables.items():
        noticed = job.streams and side in SIDES and job.share == 1
        found[side] = yield from check.table(
            table,
            job.dialect,
            values=not noticed,
            drop=job.options.on_invalid == "drop",
            dimension=job.dimension,
        )
        check.warn_left_out(job, found[side])
    return found


def _shared(job: Job, tables: dict[Side, Checked]) -> Flow[tuple[dict[Side, int], dict[Side, int]]]:
    """Count the ids that tables share with the newest run, and those that take part in the fit."""
    shared: dict[Side, int] = {}
    anchors: dict[Side, int] = {}
    if not job.reference:
        return shared, anchors
    for side, member in job.reference.newest.items():
        check.joinable(tables[side].table, member.table, job.dialect)
        shared[side] = yield from check.shared(tables[side].table, member.table, job.dialect)
    for side, members in job.reference.members.items():
        sample = replace(tables[side].table, share=job.share)
        largest = max(members, key=lambda member: member.weight)
        anchors[side] = yield from check.anchors(sample, largest.table, job.dialect)
    return shared, anchors


# ---- Steps 1 to 3 --------------------------------------------------------------------------------


def _axes(job: Job, tables: dict[Side, Checked]) -> Flow[tuple[dict[Side, Checked], Axes]]:
    """Find the run's own axes; the tables come back as they turned out to be on the way."""
    tables = dict(tables)
    if VECTORS in tables:
        tables[VECTORS], axes = yield from _as_they_are(job, tables[VECTORS])
    else:
        factors: dict[Side, Factor] = {}
        for side in SIDES:
            tables[side], factors[side] = yield from sums.factor(job, tables[side])
        check.dimensions(tables["users"], tables["items"])
        axes = _balanced(job, factors)
    for name, side in job.like.items():
        check.alike(tables[name], tables[side])
    return tables, axes


def _balanced(job: Job, factors: dict[Side, Factor]) -> Axes:
    """Balance both sides: R_T R_W' = U S V', M_T = R_W' V S^(-1/2), M_W = R_T' U S^(-1/2)."""
    balance = solve.balance(factors["users"], factors["items"], job.options.rank)
    accuracy = {"users": balance.users_accuracy, "items": balance.items_accuracy}
    for side in SIDES:
        if accuracy[side] > solve.GOOD_ACCURACY:
            job.log.warn(
                f"{side}: columns are nearly dependent (condition "
                f"{factors[side].condition:.1e}), so the axes are accurate to "
                f"{accuracy[side]:.0e} only; scores are exact all the same."
            )
    if balance.dropped and not job.options.rank:
        job.log.warn(
            f"The scores have rank {balance.rank}; {balance.dropped} of "
            f"{balance.items.shape[0]} dimensions carry none."
        )
    return Axes(
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


def _as_they_are(job: Job, checked: Checked) -> Flow[tuple[Checked, Axes]]:
    """Take the axes of a table alone: its vectors as they are.

    Any orthogonal map keeps dot products, so nothing is to be balanced, and the first run's
    vectors, and whatever knows them already, stay. Where a rank is requested, principal axes are
    the ones to keep.
    """
    dimension, rank = checked.dimension or job.dimension, job.options.rank
    matrix: Matrix = np.eye(dimension)
    values, passes = None, 0
    if rank is not None and rank < dimension:
        checked, gram = yield from sums.gram(job, checked, rank)
        axes = solve.principal_axes(gram.matrix, rank)
        matrix, values, passes = axes.matrix, axes.singular_values, 1
    error = float(np.abs(matrix @ matrix.T - np.eye(len(matrix))).max(initial=0.0))
    square = len(matrix) == matrix.shape[1]
    return checked, Axes(
        {VECTORS: matrix}, {VECTORS: square}, values, error, {VECTORS: {"passes": passes}}
    )


# ---- Step 4 --------------------------------------------------------------------------------------


def _align(
    job: Job, tables: dict[Side, Checked], axes: Axes, anchors: dict[Side, int]
) -> Flow[tuple[Matrix, figures.Fit | None]]:
    """Find Omega = A B' of C = A D B', the sum of w x y' over the ids shared with the reference."""
    reference = job.reference
    if reference is None:
        # A requested rank is a requested number of columns; a rank that fell short is not.
        dimension = min(job.options.rank or axes.raw_dimension, axes.raw_dimension)
        return solve.first_alignment(axes.rank, dimension), None
    halves: list[quality.SharedSums] = []
    for side, members in reference.members.items():
        for member in members:
            pair = yield from sums.cross(job, tables[side], member, axes.matrices[side])
            wide = [half.widened(reference.dimension) for half in pair]
            halves = [a + b for a, b in zip(halves, wide, strict=True)] if halves else wide
    total = halves[0] + halves[1]
    if not total.is_finite:
        raise DataError("The sums over the shared ids overflow; divide the weights by a constant.")
    if total.is_zero:
        raise DataError(
            "The shared ids have zero vectors or zero weights only; there is nothing to align."
        )
    # Neither the alignment nor its figures depend on a common factor; squares may overflow.
    scale = 1 / max(np.trace(total.run), np.trace(total.reference))
    first, second = (half * scale for half in halves)
    total = first + second
    alignment = solve.align(total.cross)
    count = sum(anchors.values())
    for warning in quality.alignment_warnings(
        alignment, axes.rank, count, reference.dimension, share=job.share
    ):
        job.log.warn(warning)
    sides = tuple(reference.members)
    agreement = quality.agreement((first, second), count, axes.rank, " and ".join(sides))
    if agreement.verdict == "doubtful":
        job.log.warn(f"The alignment is doubtful. {agreement.reason}")
    return alignment.omega, figures.Fit(
        total, alignment, agreement, count, sides, not job.options.plain_rows
    )


def _cosines(
    job: Job,
    tables: dict[Side, Checked],
    axes: Axes,
    omega: Matrix,
    reference: Reference,
    shared: dict[Side, int],
) -> Flow[dict[str, Any]]:
    """Take the cosines of the same id in this run and the newest one, raw and stable."""
    found: dict[str, Any] = {}
    for side, member in reference.newest.items():
        own = job.like.get(side, side)
        back = reference.maps[own].inverse_matrix
        # The reference's raw vectors are its stable ones, back through its own map.
        known = reference.lossless.get(own, False) and back.shape[1] == axes.raw_dimension
        share = min(1.0, quality.SAMPLED_ROWS / max(shared[side], 1))
        matrix = axes.matrices[own] @ omega
        cosines = yield from sums.cosines(
            job, tables[side], member, matrix, back if known else None, share
        )
        found[side] = asdict(cosines)
    return found


# ---- Step 5 --------------------------------------------------------------------------------------


def _figures(
    job: Job,
    tables: dict[Side, Checked],
    axes: Axes,
    omega: Matrix,
    fit: figures.Fit | None,
    shared: dict[Side, int],
) -> dict[str, Any]:
    """Collect the figures that are known once a run is solved; what comes later is None."""
    values = axes.singular_values
    return {
        "format": figures.FORMAT,
        **job.about,
        "options": job.options.to_dict(),
        "strategy": "arrow" if job.streams else "sql",
        "inputs": {side: figures.described(checked.table) for side, checked in tables.items()},
        "tables": {
            side: {**figures.counts(checked), **axes.figures.get(side, {})}
            for side, checked in tables.items()
        },
        "like": dict(job.like),
        "raw_dimension": axes.raw_dimension,
        "dimension": omega.shape[1],
        "rank": axes.rank,
        "invertible": axes.invertible,
        "singular_values": None if values is None else values.tolist(),
        "reference": job.reference.figures() if job.reference else None,
        "alignment": figures.of_fit(fit) if fit else None,
        "shared": shared,
        "cosine": None,
        "gates": None,
        "scores": {"identity_error": axes.identity_error, "max_relative_error": None},
        "outputs": None,
    }


def _write(
    job: Job, tables: dict[Side, Checked], axes: Axes, omega: Matrix, found: dict[str, Any]
) -> Flow[Finished]:
    """Write the stable tables, then the maps, and last what says that the run is there."""
    values = axes.singular_values
    spread = 1.0 if values is None else float(values[0] / values[-1])
    maps = Maps.of(
        {side: matrix @ omega for side, matrix in axes.matrices.items()},
        job.like,
        axes.invertible,
    )
    yield from write.begin(job)
    if not job.options.maps_only:
        written = {}
        for side, checked in tables.items():
            balanced = axes.matrices[job.like.get(side, side)]
            written[side] = yield from write.stable(job, checked, balanced, omega, spread)
        found["scores"] |= yield from write.compare(
            job, tables, written, (axes.raw_dimension, omega.shape[1])
        )
        found["outputs"] = {
            # Where a run is written beside its place, the place.
            side: {**figures.described(table), "relation": job.target.place(side)}
            for side, table in written.items()
        }
    found["warnings"], found["timings"] = job.log.warnings, job.log.seconds()
    text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    yield from write.commit(job, maps.matrices, text)
    return Finished(maps, found)
