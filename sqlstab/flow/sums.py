"""The sums of a run, each from one scan or one join: statements in SQL, and folds over streams."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import folds
from sqlstab.engines.base import UnusableVectorsError
from sqlstab.errors import DataError, EngineError, OutOfRangeError
from sqlstab.flow import check, temporary
from sqlstab.flow.check import Checked
from sqlstab.maths import quality, solve
from sqlstab.maths.quality import SharedSums
from sqlstab.statements import build
from sqlstab.statements.statement import Fold, Statement

if TYPE_CHECKING:
    from sqlstab.flow.job import Job
    from sqlstab.flow.reference import Made, Member
    from sqlstab.maths.solve import Factor, Matrix
    from sqlstab.statements.statement import Flow, Part, Rows
    from sqlstab.statements.table import VectorTable

# Of sums that are taken in another order.
_SAME = 1e-9
# Multiples of it, without their whole parts, are spread evenly over 0 to 1.
_GOLDEN = (math.sqrt(5) - 1) / 2
# Of a row in a fingerprint: ids have 256 buckets.
_MOST_WEIGHT = 256
# What stands in for the rows of a table that is not looked at.
_ROWS = 1_000_000


@dataclass(frozen=True)
class Gram:
    """T'T of a table T.

    Attributes:
        matrix: (e, e).
        rows: How many rows T has.
        zeros: How many of them are zeros, where it is known.
        stands_in: Whether it stands in for what is not run.
    """

    matrix: Matrix
    rows: int
    zeros: int | None = None
    stands_in: bool = False


# ---- Gram matrices -------------------------------------------------------------------------------


def factor(job: Job, checked: Checked) -> Flow[tuple[Checked, Factor]]:
    """Do step 1 of the paper: R of a table from its Gram matrix, with as many passes as it needs.

    Returns:
        The table, without its bad rows if they are to be left out, and its factor.
    """
    checked, found = yield from gram(job, checked)
    known = yield from _refined(job, checked, found)
    if _is_sample(checked, found) and _lacks(found, known):
        # What a sample does not show, the other rows may have; scores must stay exact.
        found = yield from _all_rows(job, checked, found)
        known = yield from _refined(job, checked, found)
    checked = replace(checked, dimension=len(found.matrix), summed=found.rows)
    return checked, known


def gram(job: Job, checked: Checked, wanted: int | None = None) -> Flow[tuple[Checked, Gram]]:
    """Sum the Gram matrix of a table: of the sample that the options ask for, or of all rows.

    Args:
        job: The run.
        checked: The table.
        wanted: With a sample: how many directions it must show; None leaves that open.

    Raises:
        DataError: Vectors cannot be summed.
    """
    try:
        found = yield from _pass(job, checked, None, job.share)
    except (UnusableVectorsError, OutOfRangeError):
        # Say what is wrong, or leave it out.
        checked = yield from check.table(
            checked.table,
            job.dialect,
            values=True,
            drop=job.options.on_invalid == "drop",
            dimension=job.dimension,
        )
        check.warn_left_out(job, checked)
        try:
            found = yield from _pass(job, checked, None, job.share)
        except UnusableVectorsError as error:
            raise check.overflow_error(checked.table) from error
        except OutOfRangeError as error:
            raise check.range_error(checked.table) from error
    few = found.rows < max(len(found.matrix), 1)
    if wanted and not few:
        few = _lacks(found, solve.factor(found.matrix, found.rows), wanted)
    if _is_sample(checked, found) and few:
        found = yield from _all_rows(job, checked, found)
    zeros = checked.zeros if found.zeros is None else found.zeros
    return replace(checked, dimension=len(found.matrix), summed=found.rows, zeros=zeros), found


def fingerprint(job: Job, checked: Checked) -> Flow[list[float] | None]:
    """Sum what a table's rows, of a sample, are known by again.

    Each vector x of e components counts by the number c'x, c without a pattern: no turn, no swap of
    columns, and no change of signs keeps it. A hash of its id weighs it.

    Returns:
        Their weighted sum, and that of their squares; None where nothing is run.
    """
    size = checked.dimension or job.dimension
    matrix = 1 + (np.arange(1, size + 1)[:, None] * _GOLDEN) % 1
    table = replace(checked.table, share=quality.sampled(checked.rows))
    keep = len(job.temporary)
    source, left, _ = yield from temporary.mapped(job, table, 1, matrix)
    found: list[float] | None = yield Statement(
        f"fingerprint {table.side}",
        (build.fingerprint(source, job.dialect, matrix=left),),
        _fingerprint,
        None,
        reads=(table.side,),
        title=f"Summing {table.side}",
    )
    yield from job.drop(keep)
    return found


def _fingerprint(rows: Rows) -> list[float]:
    total = sum((1 + int(row["bucket"], 16)) * float(row["total"] or 0) for row in rows)
    return [total, sum(float(row["squares"] or 0) for row in rows)]


def _refined(job: Job, checked: Checked, found: Gram) -> Flow[Factor]:
    known = solve.factor(found.matrix, found.rows)
    share = job.share if _is_sample(checked, found) else 1.0
    while solve.wants_refinement(known, job.options.refine):
        white = yield from _pass(job, checked, known.whitener, share)
        known = solve.refine(known, white.matrix)
    return known


def _is_sample(checked: Checked, found: Gram) -> bool:
    return found.rows < checked.rows


def _lacks(found: Gram, known: Factor, wanted: int | None = None) -> bool:
    """Return whether a Gram matrix has fewer directions than wanted; None wants all."""
    # Fewer rows than dimensions may look like more: rounding errors fill the other ones.
    return min(found.rows, known.rank) < (len(found.matrix) if wanted is None else wanted)


def _all_rows(job: Job, checked: Checked, sample: Gram) -> Flow[Gram]:
    """Sum all rows, where a sample does not do."""
    found = yield from _pass(job, checked, None, 1.0)
    job.log.warn(
        f"{checked.table.side}: a sample of {sample.rows:,} rows does not fill the "
        f"{len(found.matrix)} dimensions; all rows were summed instead."
    )
    return found


def _pass(job: Job, checked: Checked, whitener: Matrix | None, share: float) -> Flow[Gram]:
    """Sum the Gram matrix of a share of a table's rows, scaled up to all of them."""
    table = replace(checked.table, share=share)
    side = table.side
    again = "" if whitener is None else " once more, to full accuracy"
    size = checked.dimension or job.dimension
    stand_in = Gram(np.eye(size if whitener is None else whitener.shape[1]), _ROWS, stands_in=True)
    common: dict[str, Any] = {
        "step": f"gram {side}",
        "stand_in": stand_in,
        "title": f"Summing {side}{again}",
    }
    if job.streams:
        query = build.rows(table, job.dialect)
        fold = Fold(
            query,
            partial(folds.gram, dimension=checked.dimension, whitener=whitener),
            partial(_merged_gram, side=side),
            (side,),
            size,
            numbers=size * size // 2,
            rows=round(checked.rows * share),
        )
        found: Gram = yield Statement(
            texts=(query,), read=lambda _: stand_in, fold=fold, reads=(side,), **common
        )
    else:
        if checked.dimension is None:
            raise ValueError("The SQL of a Gram matrix depends on the dimension.")
        columns = checked.dimension if whitener is None else whitener.shape[1]
        keep = len(job.temporary)
        source, matrix, _ = yield from temporary.mapped(job, table, columns, whitener)
        texts = build.gram(source, columns, job.dialect, matrix=matrix)
        found = yield Statement(
            texts=tuple(texts),
            read=partial(_symmetric, size=columns),
            reads=(side,) * len(texts),
            **common,
        )
        yield from job.drop(keep)
    if found.rows == 0 and share < 1:
        return Gram(np.zeros((0, 0)), 0)
    if found.rows == 0 or not np.isfinite(found.matrix).all():
        raise UnusableVectorsError(side)
    entry = solve.indefinite_entry(found.matrix)
    if entry is not None:
        raise check.indefinite_error(checked.table, found.matrix, entry, job.dialect)
    if share < 1:
        return replace(found, matrix=found.matrix * (checked.rows / found.rows))
    return found


def _merged_gram(parts: list[Part], side: str) -> Gram:
    if not parts:
        return Gram(np.zeros((0, 0)), 0)
    uppers = [upper for _, (upper, _) in parts]
    if len({upper.size for upper in uppers}) != 1:
        raise UnusableVectorsError(side)
    with np.errstate(over="ignore", invalid="ignore"):
        matrix = folds.unpacked(sum(uppers[1:], uppers[0]))
    zeros = sum(int(count[0]) for _, (_, count) in parts)
    return Gram(matrix, sum(count for count, _ in parts), zeros)


def _symmetric(rows: Rows, size: int) -> Gram:
    matrix = np.zeros((size, size))
    count = 0
    for row in rows:
        i, j, count = int(row["i"]) - 1, int(row["j"]) - 1, int(row["n_rows"])
        matrix[i, j] = matrix[j, i] = row["value"] or 0.0
    return Gram(matrix, count)


# ---- Sums over the shared ids --------------------------------------------------------------------

Halves = tuple[SharedSums, SharedSums]


def cross(job: Job, checked: Checked, member: Member, matrix: Matrix) -> Flow[Halves]:
    """Sum C, G_X and G_Y over the shared anchors, for each half of the ids.

    Args:
        job: The run.
        checked: The run's table.
        member: The rows of the reference, with their weights.
        matrix: From raw to balanced vectors, (e, r).

    Raises:
        DataError: The reference's vectors are damaged, or are others than its map was made of.
    """
    try:
        if member.made is not None:
            yield from _check_unchanged(job, member.table, member.stored, member.made)
        return (yield from _cross(job, checked, member, matrix))
    except (UnusableVectorsError, EngineError) as error:
        raise (yield from check.damage(member.table, member.stored, job.dialect, error)) from error


def _check_unchanged(job: Job, table: VectorTable, size: int, made: Made) -> Flow[None]:
    """Check that the raw rows of an earlier run are those that its map was made of.

    Raises:
        DataError: They are others, so their products with the map are no stable vectors.
    """
    now = yield from fingerprint(job, Checked(table, made.rows, size))
    if now is None:
        return
    # The root of the mean square times the rows is the most that totals can be.
    most = _MOST_WEIGHT * math.sqrt(made.rows * made.fingerprint[1])
    totals, squares = zip(now, made.fingerprint, strict=True)
    same = math.isclose(*totals, rel_tol=0, abs_tol=_SAME * most)
    if not (same and math.isclose(*squares, rel_tol=_SAME)):
        raise DataError(
            f"Run {made.key}, which this run is aligned with, kept only its maps, and its raw "
            f"rows in {table.about} have changed since: sums over them were "
            f"{made.fingerprint[0]:.9g} and {made.fingerprint[1]:.9g}, and are {now[0]:.9g} and "
            f"{now[1]:.9g}. Repeat that run, or drop it."
        )


def _cross(job: Job, checked: Checked, member: Member, matrix: Matrix) -> Flow[Halves]:
    table = replace(checked.table, share=job.share)
    reference = replace(member.table, share=job.share)
    unit_rows = not job.options.plain_rows
    side, e, d = table.side, len(matrix), member.stored
    common: dict[str, Any] = {
        "step": f"cross {side}",
        "title": f"Comparing {side} with the reference",
    }
    reads = (side, f"reference {side}")
    stand_in = _stand_in(matrix.shape[1], member.dimension)
    if job.streams:
        query = build.shared_rows(table, reference, job.dialect, anchor=True)
        fold = Fold(
            query,
            partial(
                folds.cross,
                dimensions=(e, d),
                matrix=matrix,
                reference_matrix=member.matrix,
                unit_rows=unit_rows,
            ),
            partial(_merged_cross, width=matrix.shape[1], height=member.dimension),
            reads,
            e + d,
            numbers=2 * (e + d + 2) ** 2,
            rows=round(checked.rows * job.share),
        )
        halves: Halves = yield Statement(
            texts=(query,),
            read=lambda _: stand_in,
            stand_in=stand_in,
            fold=fold,
            reads=reads,
            **common,
        )
        return _weighted(halves, member.weight)
    # Unit rows need the matrices first. Else these are applied to the sums of raw rows.
    size = matrix.shape[1] if unit_rows else e
    height = member.dimension if unit_rows else d
    keep = len(job.temporary)
    x, x_matrix, x_unit = yield from temporary.mapped(
        job, table, size, matrix if unit_rows else None, unit_rows=unit_rows
    )
    y, y_matrix, y_unit = yield from temporary.mapped(
        job, reference, height, member.matrix if unit_rows else None, unit_rows=unit_rows
    )
    crossed = build.cross_gram(
        x,
        y,
        size,
        height,
        job.dialect,
        matrix=x_matrix,
        reference_matrix=y_matrix,
        unit_rows=x_unit or y_unit,
    )
    grams = {
        "run": build.gram(x, size, job.dialect, matrix=x_matrix, other=y, unit_rows=x_unit),
        "reference": build.gram(y, height, job.dialect, matrix=y_matrix, other=x, unit_rows=y_unit),
    }
    found = yield Statement(
        texts=tuple(crossed),
        read=partial(_crossed, shape=(size + 1, height + 1)),
        stand_in=(np.eye(size + 1, height + 1),) * 2,
        reads=reads * len(crossed),
        **common,
    )
    sums = {}
    for name, texts in grams.items():
        columns = size if name == "run" else height
        sums[name] = yield Statement(
            texts=tuple(texts),
            read=partial(_halved, size=columns),
            stand_in=(np.eye(columns),) * 2,
            reads=reads * len(texts),
            **common,
        )
    yield from job.drop(keep)
    first, second = (
        SharedSums.of(*parts) for parts in zip(found, sums["run"], sums["reference"], strict=True)
    )
    if not unit_rows:
        first, second = (half.mapped(matrix, member.matrix) for half in (first, second))
    return _weighted((first, second), member.weight)


def _weighted(halves: Halves, weight: float) -> Halves:
    return (halves[0] * weight, halves[1] * weight) if weight != 1 else halves


def _stand_in(width: int, height: int) -> Halves:
    half = SharedSums.of(np.eye(width + 1, height + 1), np.eye(width), np.eye(height))
    return half, half


def _merged_cross(parts: list[Part], width: int, height: int) -> Halves:
    shapes = ((width + 1, height + 1), (width, width), (height, height)) * 2
    sums = [np.zeros(shape) for shape in shapes]
    with np.errstate(over="ignore", invalid="ignore"):
        for _, arrays in parts:
            sums = [
                total + array.reshape(total.shape)
                for total, array in zip(sums, arrays, strict=True)
            ]
    return SharedSums.of(*sums[:3]), SharedSums.of(*sums[3:])


def _crossed(rows: Rows, shape: tuple[int, int]) -> tuple[Matrix, Matrix]:
    found = np.zeros(shape), np.zeros(shape)
    for row in rows:
        found[int(row["half"])][int(row["i"]) - 1, int(row["j"]) - 1] = row["value"] or 0.0
    return found


def _halved(rows: Rows, size: int) -> tuple[Matrix, Matrix]:
    halves = [[row for row in rows if int(row["half"]) == half] for half in (0, 1)]
    first, second = (_symmetric(half, size).matrix for half in halves)
    return first, second
