"""Features: stable vectors of a run K, for a model that was trained on those of a run J.

| step | formula | statement | mathematics |
|---|---|---|---|
| 1 | G = sum x'x, C = sum x'y over the ids of both runs | `cross items` | |
| 2 | F = (G + rho g I)^-1 (C + rho c g I) | | `features.feature_map` |
| 3 | x F, for all ids of K | `write items` | |
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sqlstab.errors import DataError
from sqlstab.flow import check, measure, sums
from sqlstab.flow import write as writing
from sqlstab.maths import features, quality
from sqlstab.maths.features import FeatureMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.flow.check import Checked
    from sqlstab.flow.job import Job
    from sqlstab.flow.reference import Member
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.sides import Side
    from sqlstab.statements.statement import Flow

# Rounding, and the choice of held-out ids, lower a cosine by less.
_LOWER = 0.005


def fit(job: Job, members: Mapping[Side, Member], as_of: str) -> Flow[dict[Side, FeatureMap]]:
    """Fit the feature map of each table; leave no temporary table behind.

    Args:
        job: Its tables are the stable rows of run K.
        members: The stable rows of run J, for each of them.
        as_of: The key of run J.
    """
    try:
        found = {}
        for side, member in members.items():
            found[side] = yield from _fit(job, side, member, as_of)
        return found
    except GeneratorExit:  # the engine runs no more statements
        raise
    except BaseException:
        yield from job.clear()
        raise


def write(job: Job, maps: Mapping[Side, Matrix]) -> Flow[None]:
    """Write the stable rows of run K times their feature maps."""
    for side, table in job.tables.items():
        output = writing.output_of(job, table, maps[side].shape[1])
        yield from writing.multiplied(job, table, [maps[side]], output)


def _fit(job: Job, side: Side, member: Member, as_of: str) -> Flow[FeatureMap]:
    """Fit the feature map of one table.

    Raises:
        DataError: Stable rows are damaged, or the runs share no rows other than zeros.
    """
    table, e = job.tables[side], job.dimension
    check.joinable(table, member.table, job.dialect)
    # SQL multiplies NaN silently.
    checked = yield from check.table(table, job.dialect, values=True, drop=None, dimension=e)
    if checked.dimension != e:
        raise check.size_error(table, checked.dimension, e)
    shared = yield from check.shared(table, member.table, job.dialect)
    runs = f"Run {job.about['key']} and run {as_of}"
    other = "name another run, or train the model anew"
    if not shared:
        raise DataError(
            f"{runs} share no {side}, so nothing shows how their vectors differ: {other}."
        )
    halves = yield from sums.cross(job, checked, member, np.eye(e))
    both = halves[0] + halves[1]
    if not both.is_finite:
        error = DataError(f"{side}: the sums over the ids of both runs overflow.")
        raise (yield from check.damage(member.table, member.stored, job.dialect, error))
    if both.is_zero:
        raise DataError(f"{runs} share {side} with zero vectors only: {other}.")
    before = yield from _cosine(job, checked, member, np.eye(e, max(e, member.dimension)), shared)
    after = yield from _held_out(job, checked, member, halves, shared)
    if shared < quality.enough(e):
        job.log.warn(
            f"{side}: only {shared:,} shared ids fit a feature map of {e} dimensions; below "
            f"{quality.enough(e):,} it does little for others."
        )
    if before is not None and after is not None and after < before - _LOWER:
        job.log.warn(
            f"{side}: ids that the feature map was not fitted to agree to {after:.3f} with it, and "
            f"to {before:.3f} without: use the stable vectors without it."
        )
    return FeatureMap(features.feature_map(both), shared, before, after)


def _held_out(
    job: Job, checked: Checked, member: Member, halves: sums.Halves, shared: int
) -> Flow[float | None]:
    """Take the mean cosine of each half of the ids through a map of the other; None for too few."""
    found = []
    for half, other in enumerate(reversed(halves)):
        if other.is_zero:
            return None
        held = replace(checked, table=replace(checked.table, half=half))
        found.append((yield from _cosine(job, held, member, features.feature_map(other), shared)))
    means = [mean for mean in found if mean is not None]
    return float(np.mean(means)) if len(means) == len(found) else None


def _cosine(
    job: Job, checked: Checked, member: Member, matrix: Matrix, shared: int
) -> Flow[float | None]:
    """Take the mean cosine of the same id in both runs, x times a matrix and y, as a run does."""
    band, share = quality.Band.of(0.0, job.dimension), quality.sampled(shared)
    both = yield from measure.cosines(job, checked, member, matrix, None, share, band)
    return both.after.mean if both.after else None
