"""A run: Zielnicki & Hsiao, *Orthogonal Low Rank Embedding Stabilization* (RecSys 2025), in SQL.

Items T (n x e), users W (m x e), scores S = T W'. Sums over rows are statements that the engine
runs; between them stands mathematics on e x e matrices. A flow yields each statement, and is sent
its result: `yield from` reads as "run this".

| step | formula | statement | mathematics |
|---|---|---|---|
| 1 | G_T = T'T = R_T' R_T, G_W = W'W = R_W' R_W | `gram items`, `gram users` | `solve.factor` |
| 2 | R_T R_W' = U S V' | | `solve.balance` |
| 3 | M_T = R_W' V S^(-1/2), M_W = R_T' U S^(-1/2) | | `solve.balance` |
| 4 | C = M_T' (T' T_ref) = A D B', Omega = A B' | `cross items` | `solve.align` |
| 5 | T M_T Omega, W M_W Omega | `write items`, `write users` | `maps` |

Beyond the paper: the reference may be several earlier runs, each with a weight; users or both sides
may align in place of items (the anchors), and then add up to one C. Rows of T M_T and of T_ref have
length one in C unless the options ask for plain rows, as in row 4. C is summed over two halves of
the ids, so that each half can judge the alignment of the other. A rank may be requested. In a space
of rotations, and for a table without a second side, steps 1 to 3 fall away: M_T = M_W = I. Further
tables take the map of one of the sides.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab.errors import DataError, SqlstabError
from sqlstab.flow import check, figures, measure, sums, write
from sqlstab.maths import quality, solve
from sqlstab.maths.balanced import Balanced
from sqlstab.maths.maps import Maps
from sqlstab.statements.files import check_unchanged
from sqlstab.statements.sides import SIDES

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
    """Stabilize the vectors of one training; leave no temporary table behind."""
    try:
        return (yield from _stabilize(job))
    except GeneratorExit:
        # The driver has gone, so nothing that is yielded now would be run.
        raise
    except BaseException as error:
        yield from job.clear()
        if isinstance(error, SqlstabError):
            # What it says may be of files that are no longer there.
            check_unchanged(job.versions)
        raise


def _stabilize(job: Job) -> Flow[Finished]:
    """Check, do steps 1 to 4 of the paper, measure what they gave, and write: step 5."""
    tables = yield from _checked(job)
    # 1. to 3. Gram matrices, their factors, one small SVD: M_T and M_W.
    tables, balanced = yield from _balance(job, tables)
    # 4. C over the ids that this run and the reference share, and Omega.
    shared, anchors = yield from _count_shared(job, tables)
    omega, fit = yield from _align(job, tables, balanced, anchors)
    if omega.shape[1] < omega.shape[0]:
        # It drops dimensions: raw vectors can't be had back from stable ones.
        balanced = replace(balanced, restored=dict.fromkeys(balanced.restored, False))
    # Raises where the alignment is too poor to write; what is found becomes `run.json`.
    found = yield from measure.run(job, tables, balanced, omega, fit, shared)
    # 5. Each raw vector times its map.
    return (yield from _write(job, tables, balanced, omega, found))


# ---- Checks --------------------------------------------------------------------------------------


def _checked(job: Job) -> Flow[dict[Side, Checked]]:
    """Check ids and weights, and vectors unless a stream of all of them shows what is wrong."""
    found: dict[Side, Checked] = {}
    if "users" in job.tables and replace(job.tables["users"], side="items") == job.tables["items"]:
        job.log.warn(
            f"Users and items are the same vectors, those of {job.tables['items'].place}: is that "
            "meant? Vectors without a second side are given with --vectors."
        )
    for side, table in job.tables.items():
        streamed = job.streams and side in SIDES and job.share == 1 and job.map == "balanced"
        found[side] = yield from check.table(
            table,
            job.dialect,
            values=not streamed,
            drop=job.options.on_invalid == "drop",
            dimension=job.dimension,
        )
        check.warn_left_out(job, found[side])
    return found


# ---- Steps 1 to 3 --------------------------------------------------------------------------------


def _balance(job: Job, tables: dict[Side, Checked]) -> Flow[tuple[dict[Side, Checked], Balanced]]:
    """Find M_T and M_W; the tables come back without what the sums found wrong with them."""
    tables = dict(tables)
    if job.map == "rotation":
        tables, balanced = yield from _as_they_are(job, tables)
    else:
        factors: dict[Side, Factor] = {}
        for side in SIDES:
            tables[side], factors[side] = yield from sums.factor(job, tables[side])
        check.dimensions(tables["users"], tables["items"])
        if job.share < 1 and solve.balance(factors["users"], factors["items"]).dropped:
            # What carries no score in a sample may carry some in the other rows.
            job.log.warn("The sample shows too few dimensions; all rows were summed instead.")
            every = replace(job, options=replace(job.options, sample=None))
            for side in SIDES:
                tables[side], factors[side] = yield from sums.factor(every, tables[side])
        balanced = _two_tables(job, factors)
    for name, side in job.like.items():
        check.alike(tables[name], tables[side])
    return tables, balanced


def _two_tables(job: Job, factors: dict[Side, Factor]) -> Balanced:
    """Balance users and items: `T M_T` and `W M_W` have one Gram matrix, S, and the same scores."""
    balance = solve.balance(factors["users"], factors["items"], job.rank)
    accuracy = {"users": balance.users_accuracy, "items": balance.items_accuracy}
    dimension = balance.items.shape[0]
    for side in SIDES:
        if accuracy[side] > solve.GOOD_ACCURACY:
            job.log.warn(
                f"{side}: columns are nearly dependent (condition "
                f"{factors[side].condition:.1e}), so the axes are accurate to "
                f"{accuracy[side]:.0e} only; scores are still exact."
            )
    # Columns that no run has used are no news.
    known = job.reference.rank if job.reference else dimension
    if balance.rank < min(job.rank or dimension, known):
        job.log.warn(
            f"The scores have rank {balance.rank}; {dimension - balance.rank} of {dimension} "
            "dimensions carry none."
        )
    return Balanced(
        maps={"users": balance.users, "items": balance.items},
        restored={"users": balance.users_restored, "items": balance.items_restored},
        singular_values=balance.singular_values,
        identity_error=balance.identity_error,
        condition=float(balance.singular_values[0] / balance.singular_values[-1]),
        norms={side: factors[side].norms for side in SIDES},
        figures={
            side: {
                "rank": factors[side].rank,
                "condition": factors[side].condition,
                "accuracy": accuracy[side],
                "passes": factors[side].passes,
            }
            for side in SIDES
        },
    )


def _as_they_are(
    job: Job, tables: dict[Side, Checked]
) -> Flow[tuple[dict[Side, Checked], Balanced]]:
    """Leave the rows as they are: M is the identity, for all sides.

    One orthogonal map for all of them keeps their dot products, so nothing is to be balanced, and
    the first run's vectors, and whatever knows them already, stay. Where a rank is requested, the
    principal axes of the anchors are those to keep.
    """
    sides = [side for side in tables if side not in job.like]
    if len(sides) > 1:
        check.dimensions(tables["users"], tables["items"])
    dimension, rank = tables[sides[0]].dimension or job.dimension, job.rank
    matrix: Matrix = np.eye(dimension)
    values, passes, lost = None, 0, 0.0
    if rank is not None and rank < dimension:
        anchor = job.options.anchors(sides)[0]
        tables[anchor], gram = yield from sums.gram(job, tables[anchor], rank)
        axes = solve.principal_axes(gram.matrix, rank)
        matrix, values, lost, passes = axes.matrix, axes.singular_values, axes.lost, 1
    return tables, Balanced(
        maps=dict.fromkeys(sides, matrix),
        restored=dict.fromkeys(sides, len(matrix) == matrix.shape[1]),
        singular_values=values,
        identity_error=lost,
        figures={side: {"passes": passes} for side in sides},
    )


# ---- Step 4 --------------------------------------------------------------------------------------


def _count_shared(
    job: Job, tables: dict[Side, Checked]
) -> Flow[tuple[dict[Side, int], dict[Side, check.Anchors]]]:
    """Count the ids in common with the newest run of the reference, and those that align.

    Returns:
        By table, those in common with the newest run; by side, an estimate of those that take part
        in the fit: in the sample, in common with the run that counts most.
    """
    shared: dict[Side, int] = {}
    anchors: dict[Side, check.Anchors] = {}
    if not job.reference:
        return shared, anchors
    for side, member in job.reference.newest.items():
        check.joinable(tables[side].table, member.table, job.dialect)
        shared[side] = yield from check.shared(tables[side].table, member.table, job.dialect)
    for side, members in job.reference.members.items():
        # Only the run of the largest weight: the others have almost the same ids.
        most = max(members, key=lambda member: member.weight)
        sample = replace(tables[side].table, share=job.share)
        anchors[side] = yield from check.anchors(sample, most.table, job.dialect)
    return shared, anchors


def _align(
    job: Job, tables: dict[Side, Checked], balanced: Balanced, anchors: dict[Side, check.Anchors]
) -> Flow[tuple[Matrix, figures.Fit | None]]:
    """Find Omega, (r, d): that which brings this run closest to the reference.

    r dimensions carry scores; d are the columns of the space. Where r = d, Omega is orthogonal.
    """
    if job.reference is None:
        # A requested rank is a requested number of columns; a rank that fell short is not.
        width = min(job.rank or balanced.raw_dimension, balanced.raw_dimension)
        return solve.first_alignment(balanced.rank, width), None
    columns = job.options.columns
    halves = yield from _cross_sums(job, tables, balanced, job.reference)
    both = halves[0] + halves[1]
    alignment = solve.align(both.cross, columns)
    omega = alignment.omega
    # Omega is found; the rest judges it.
    sides = tuple(job.reference.members)
    count = sum(each.ids for each in anchors.values())
    effective = round(sum(each.effective for each in anchors.values()))
    unit_rows = not job.options.plain_rows
    if unit_rows:
        # Rows of zeros have stayed so, and align nothing.
        share = quality.share_with_length(both)
        count, effective = round(count * share), round(effective * share)
    if effective < quality.enough(balanced.rank) <= count:
        job.log.warn(
            f"The weights of {count:,} shared ids are so unequal that they count as {effective:,} "
            "of one weight."
        )
    warnings = quality.alignment_warnings(alignment, both.reference, effective, share=job.share)
    for warning in warnings:
        job.log.warn(warning)
    named = " and ".join(sides)
    agreement = quality.agreement(halves, effective, balanced.rank, named, columns)
    cost = None
    if not unit_rows:
        # How much better held-out ids would agree with unit rows.
        sample = min(job.share, quality.sampled(count))
        options = replace(job.options, plain_rows=False, sample=sample)
        with_unit_rows = replace(job, options=options)
        others = yield from _cross_sums(with_unit_rows, tables, balanced, job.reference)
        reached = quality.cosine_with(omega, others[0] + others[1])
        cost = quality.held_out(others, columns) - reached
    return omega, figures.Fit(both, alignment, agreement, count, sides, cost)


def _cross_sums(
    job: Job, tables: dict[Side, Checked], balanced: Balanced, reference: Reference
) -> Flow[sums.Halves]:
    """Sum C = sum of w x y' over all anchors and runs of the reference, in two halves of the ids.

    x is a row of this run times its M, y the stable row of the same id in an earlier run, w the
    weight of that run times that of the row. With C come the Gram matrices of the x and the y.
    The halves are for the agreement of held-out ids alone: Omega comes from both together.
    """
    halves: list[quality.SharedSums] = []
    for side, members in reference.members.items():
        for member in members:
            pair = yield from sums.cross(job, tables[side], member, balanced.maps[side])
            # A space may have grown: what an earlier run lacks in columns is zero.
            wide = [half.widened(reference.dimension) for half in pair]
            halves = [a + b for a, b in zip(halves, wide, strict=True)] if halves else wide
    first, second = halves
    both = first + second
    if not both.is_finite:
        weighted = any(tables[side].table.weight for side in reference.members)
        what = "weights" if weighted else "vectors"
        error: SqlstabError = DataError(
            f"The sums over the shared ids overflow; divide the {what} by a constant."
        )
        for member in (one for members in reference.members.values() for one in members):
            error = yield from check.damage(member.table, member.stored, job.dialect, error)
        raise error
    if both.is_zero:
        raise DataError(
            "The shared ids have zero vectors or zero weights only; there is nothing to align."
        )
    # Neither Omega nor a figure depends on a common factor, and squares may overflow.
    scale = 1 / max(np.trace(both.run), np.trace(both.reference))
    return first * scale, second * scale


# ---- Step 5 --------------------------------------------------------------------------------------


def _write(
    job: Job, tables: dict[Side, Checked], balanced: Balanced, omega: Matrix, found: dict[str, Any]
) -> Flow[Finished]:
    """Write the stable tables, then the maps, and last what says that the run is there."""
    maps = Maps.of(
        {side: matrix @ omega for side, matrix in balanced.maps.items()},
        job.like,
        balanced.restored,
    )
    for name, checked in tables.items() if job.options.maps_only else ():
        # Later runs multiply these rows again, if they are still the same.
        found["tables"][name]["fingerprint"] = yield from sums.fingerprint(job, checked)
    yield from write.begin(job)
    if not job.options.maps_only:
        written = {}
        for name, checked in tables.items():
            written[name] = yield from write.stable(job, checked, balanced, omega)
            yield from write.check_rows(job, checked, written[name], omega.shape[1])
        found["scores"] |= yield from write.compare(job, tables, written, maps.shape)
        found["outputs"] = {
            # The final place, also of a run that is written elsewhere first.
            name: {**figures.described(table), "relation": job.target.place(name)}
            for name, table in written.items()
        }
    found["warnings"], found["timings"] = job.log.warnings, job.log.seconds()
    text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    yield from write.commit(job, maps.matrices, text)
    return Finished(maps, found)
