"""A comparison: can the vectors of two models be aligned at all?

Both models are balanced first, so that what is compared does not depend on the basis of either.
Vectors without a second side need no balance: their dot products allow no other bases than rotated
ones. Then one is rotated to the other on the shared ids of each side, and, for a fair score, on
half of them while the other half is looked at. Only e x e matrices leave the engine, and nothing
is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab.errors import DataError
from sqlstab.flow import check, findings, sums
from sqlstab.flow.figures import counts
from sqlstab.flow.reference import Member
from sqlstab.maths import quality, solve
from sqlstab.statements.sides import SIDES, VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.flow.check import Checked
    from sqlstab.flow.job import Job
    from sqlstab.maths.quality import SharedSums
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.sides import Side
    from sqlstab.statements.statement import Flow
    from sqlstab.statements.table import VectorTable


# Agreement that is no reason to prefer one kind of map.
_AS_GOOD = 0.05


@dataclass(frozen=True)
class Model:
    """The tables of a model: raw vectors or stable ones, which give the same figures.

    Attributes:
        tables: `users` and `items`, or `vectors`.
        back: Of stable tables: from their space to raw vectors, (d, e). Those without are taken as
            they are; None for what cannot be had back.
    """

    tables: Mapping[Side, VectorTable]
    back: Mapping[Side, Matrix | None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Balanced:
    """A model, and the matrices from its rows to the axes that it is compared in, (e, r).

    `raw` has those to its raw vectors, where they can be had.
    """

    tables: Mapping[Side, Checked]
    matrices: Mapping[Side, Matrix]
    raw: Mapping[Side, Matrix]

    @property
    def rank(self) -> int:
        """R, the number of these axes."""
        return int(next(iter(self.matrices.values())).shape[1])


@dataclass(frozen=True)
class _Shared:
    """What two models share of one side: how many ids, how many take part, and their sums.

    `raw` has the sums of raw vectors, which one rotation of both sides has to bring together.
    """

    ids: int
    anchors: int
    halves: sums.Halves | None
    raw: sums.Halves | None = None

    @property
    def total(self) -> SharedSums | None:
        """The sums over all of them; None where a side has no length."""
        total = self.halves[0] + self.halves[1] if self.halves else None
        return None if total is None or total.is_zero else total


def compare(job: Job, model: Model, reference: Model) -> Flow[dict[str, Any]]:
    """Take the figures of two models that have the same sides.

    Args:
        job: The engine's dialect and the options.
        model: The model to align.
        reference: The one to align it with.

    Returns:
        The figures of each side by its name, `score_drift`, and the `verdict`, the `reason` and
        the `map` that suits of the anchor that can be aligned best, because an alignment can rest
        on it.
    """
    try:
        models = (yield from _balanced(job, model)), (yield from _balanced(job, reference))
        shared: dict[Side, _Shared] = {}
        for side in model.tables:
            shared[side] = yield from _shared(job, *models, side)
    except GeneratorExit:  # the engine runs no more statements
        raise
    except BaseException:
        yield from job.clear()
        raise
    for each, name in zip(models, ("model", "reference"), strict=True):
        for side, checked in each.tables.items():
            for finding in findings.zeros(side, counts(checked), None):
                job.log.warn(f"Of the {name}: {finding.text}")
    sides = {}
    for side, found in shared.items():
        rows = [each.tables[side].rows for each in models]
        sides[side] = {
            **_verdict(found, models[0].rank, side),
            "shared": found.ids,
            "new": rows[0] - found.ids,
            "gone": rows[1] - found.ids,
            **(_figures(found.total, models[0].rank) if found.total else {}),
        }
    anchors = job.options.anchors(list(sides))
    best = min(anchors, key=lambda side: quality.VERDICTS.index(sides[side]["verdict"]))
    return {
        "verdict": sides[best]["verdict"],
        "reason": sides[best]["reason"],
        "map": _map(sides[best]),
        "models": {
            name: {
                "rank": each.rank,
                **{side: checked.table.place for side, checked in each.tables.items()},
            }
            for name, each in zip(("model", "reference"), models, strict=True)
        },
        **sides,
        "unit_rows": not job.options.plain_rows,
        # Rows of unit length have lost what scores depend on.
        "score_drift": _score_drift(shared) if job.options.plain_rows else None,
    }


def _balanced(job: Job, model: Model) -> Flow[_Balanced]:
    """Check the tables of a model, and find the axes that it is compared in."""
    tables: dict[Side, Checked] = {}
    for side, table in model.tables.items():
        # The sums of users and items notice bad vectors where all are streamed.
        noticed = job.streams and side in SIDES and job.share == 1
        tables[side] = yield from check.table(
            table,
            job.dialect,
            values=not noticed,
            drop=job.options.on_invalid == "drop",
            dimension=job.dimension,
        )
        check.warn_left_out(job, tables[side])
    if VECTORS in tables:
        back = model.back.get(VECTORS)
        back = np.eye(tables[VECTORS].dimension or 0) if back is None else back
        return _Balanced(tables, {VECTORS: back}, {})
    factors: dict[Side, solve.Factor] = {}
    for side in SIDES:
        tables[side], factors[side] = yield from sums.factor(job, tables[side])
    check.dimensions(tables["users"], tables["items"])
    balance = solve.balance(factors["users"], factors["items"])
    raw = {side: model.back.get(side, np.eye(len(balance.users))) for side in SIDES}
    return _Balanced(
        tables,
        {"users": balance.users, "items": balance.items},
        {side: matrix for side, matrix in raw.items() if matrix is not None},
    )


def _shared(job: Job, model: _Balanced, reference: _Balanced, side: Side) -> Flow[_Shared]:
    """Count the ids of a side that both models have, and sum over those that take part."""
    checked, other = model.tables[side], reference.tables[side].table
    check.joinable(checked.table, other, job.dialect)
    ids = yield from check.shared(checked.table, other, job.dialect)
    if ids == 0:
        return _Shared(0, 0, None)
    anchors = ids
    table = checked.table
    if job.share < 1 or table.weight or table.anchor_filter or other.anchor_filter:
        found = yield from check.anchors(replace(table, share=job.share), other, job.dialect)
        anchors = round(found.effective)
    halves = yield from _halves(job, checked, other, model.matrices[side], reference.matrices[side])
    raw = None
    if side in model.raw and side in reference.raw:
        raw = yield from _halves(job, checked, other, model.raw[side], reference.raw[side])
    return _Shared(ids, anchors, halves, raw)


def _halves(
    job: Job, checked: Checked, other: VectorTable, matrix: Matrix, reference_matrix: Matrix
) -> Flow[sums.Halves]:
    """Sum over the shared ids, of rows times matrices."""
    side = checked.table.side
    member = Member(other, reference_matrix.shape[1], reference_matrix)
    halves = yield from sums.cross(job, checked, member, matrix)
    total = halves[0] + halves[1]
    if not total.is_finite:
        raise DataError(
            f"{side}: the sums over the shared ids overflow; divide the "
            f"{'weights' if checked.table.weight else 'vectors'} by a constant."
        )
    if not total.is_zero:
        # No figure depends on a common factor; squares may overflow.
        scale = 1 / max(np.trace(total.run), np.trace(total.reference))
        halves = halves[0] * scale, halves[1] * scale
    return halves


def _verdict(shared: _Shared, rank: int, side: Side) -> dict[str, Any]:
    """Say whether a side can be aligned, and why."""
    if shared.halves is None:
        zero = quality.SharedSums.of(np.zeros((2, 2)), np.zeros((1, 1)), np.zeros((1, 1)))
        found = quality.agreement((zero, zero), 0, rank, side)
    else:
        found = quality.agreement(shared.halves, shared.anchors, rank, side)
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "agreement": found.value,
        "held_out": found.held_out,
        "chance": found.chance,
        "rotation": (
            quality.agreement(shared.raw, shared.anchors, rank, side).value if shared.raw else None
        ),
    }


def _map(side: Mapping[str, Any]) -> str | None:
    """Say which kind of map suits; None where one of them is unknown."""
    balanced, rotation = side["agreement"], side["rotation"]
    if balanced is None or rotation is None or side["verdict"] == "unrelated":
        return None
    if rotation < balanced - _AS_GOOD:
        return (
            f"Balanced maps bring them closer than one rotation does (agreement {balanced:.2f} and "
            f"{rotation:.2f}): these trainings differ in what a rotation cannot undo, such as the "
            "scale between users and items."
        )
    return (
        f"One rotation brings them as close as balanced maps do (agreement {rotation:.2f} and "
        f"{balanced:.2f}): a space of rotations would keep lengths and neighbours, too."
    )


def _figures(total: SharedSums, rank: int) -> dict[str, Any]:
    """Take the other figures of a side, from the sums over all shared ids."""
    # Rows that are at right angles have a cross Gram matrix of zeros.
    alignment = solve.align(total.cross / (np.linalg.norm(total.cross) or 1.0))
    new = max(rank - total.reference.shape[0], 0)
    return {
        "cosine": quality.cosine(total),
        "relative_residual": quality.relative_residual(total),
        "linear_residual": quality.linear_residual(total),
        "bound": quality.residual_bound(total),
        "dot_product_difference": quality.dot_product_difference(total),
        "cka": quality.linear_cka(total),
        # New dimensions are no surprise: the model has grown.
        "ambiguous": max(alignment.ambiguous - new, 0),
    }


def _score_drift(shared: Mapping[Side, _Shared]) -> float | None:
    """Return |S - S*| / |S*| of the scores of shared users with shared items (Frobenius)."""
    found = [shared[side].total for side in SIDES if side in shared]
    if len(found) < len(SIDES) or found[0] is None or found[1] is None:
        return None
    users, items = found[0], found[1]
    first = np.sum(users.run * items.run)
    second = np.sum(users.reference * items.reference)
    both = np.sum(users.cross * items.cross)
    return float(np.sqrt(max(first + second - 2 * both, 0.0) / second)) if second else None
