"""Step 5: stable tables are written, and compared with the raw ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import folds
from sqlstab.errors import DataError
from sqlstab.flow import check
from sqlstab.maths import maps as mapping
from sqlstab.maths.quality import SCORE_ROWS, SCORES_KEPT
from sqlstab.statements import build
from sqlstab.statements.files import check_unchanged
from sqlstab.statements.sides import VECTORS
from sqlstab.statements.statement import Call, Statement, done, nothing
from sqlstab.statements.table import stable_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.flow.check import Checked
    from sqlstab.flow.job import Job
    from sqlstab.maths.balanced import Balanced
    from sqlstab.maths.maps import Maps
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.statement import Flow, Rows
    from sqlstab.statements.table import StableTable, VectorTable

# What writing may do to a score, relative to the largest: components of 11, 24 or 53 bits, summed.
_HALF_PROMISE, _FLOAT_PROMISE, _DOUBLE_PROMISE = 5e-3, 1e-6, 1e-11
# Of a score, relative to the largest: no rounding of a table that stays as it is does more.
_NOT_KEPT = 1e-2
# Where sums of 4-byte numbers leave an error of at most 4 times what rounding their results to 4
# bytes does anyway. To round a number changes it by r of its size. With c for `cancellation`, the
# products of a component are c times its size, as the root of the sum of their squares, and mean
# squares of errors add up: 1 for the result, c^2 for the numbers of the map, c^2 for the products.
# Sums are of 32 products by 4 or 8 lanes: in a lane of n products the sum of the first k has k / 32
# of the squares, (n + 1) / 2 over all k and lanes, and joining the lanes adds 2 or 3; that makes
# 6.5 c^2 or 5.5 c^2. In all r^2 (1 + 8 c^2): 3 r where nothing cancels, and 4 r for c^2 = 15 / 8.
_MOST_CANCELLATION = 1.37


def stable(job: Job, checked: Checked, balanced: Balanced, omega: Matrix) -> Flow[VectorTable]:
    """Write the stable vectors of a table: each raw vector times M and Omega.

    Args:
        job: The run.
        checked: The raw table.
        balanced: M of each side, (e, r). Where the condition of the scores is large, the product of
            both matrices would lose digits of scores.
        omega: Omega, (r, d).

    Returns:
        What was written, as a table to read.
    """
    table = checked.table
    side = job.like.get(table.side, table.side)
    matrix = balanced.maps[side]
    output = output_of(job, table, omega.shape[1])
    if matrix.shape == omega.shape and np.array_equal(matrix @ omega, np.eye(len(omega))):
        # The first run of rotations: every bit stays, that of -0.0 too.
        steps: list[Matrix] = []
    else:
        tolerance = mapping.SCORE_ERROR[output.element]
        steps = mapping.steps(matrix, omega, balanced.condition, tolerance)
    single = output.element == "float" and (balanced.cancellation(side, omega) < _MOST_CANCELLATION)
    yield from multiplied(job, table, steps, output, single=single)
    return replace(job.target.written(table.side, output), keep=table.keep)


def output_of(job: Job, table: VectorTable, dimension: int) -> StableTable:
    """Lay out the stable vectors of a table as the options ask."""
    return stable_table(
        table, dimension, job.options.output_layout, job.options.output_type, job.dialect
    )


def multiplied(
    job: Job,
    table: VectorTable,
    steps: list[Matrix],
    output: StableTable,
    *,
    single: bool = False,
) -> Flow[None]:
    """Store a table's rows times matrices, one after the other; without any as they are.

    Args:
        job: The run.
        table: The table.
        steps: The matrices.
        output: How the rows are laid out.
        single: Whether sums of products may be those of 4-byte numbers.
    """
    side = table.side
    kept = [column.name for column in table.keep]
    query = build.apply(table, steps, output, job.dialect, single=single)
    keep = len(job.temporary)
    if steps and not job.streams and not job.dialect.takes(query):
        held = []
        for matrix in steps:
            held.append((yield from job.hold(matrix, side)))
        query = build.apply_from_table(table, held, output, job.dialect)
    call = None
    if steps and job.streams:
        name = f"sqlstab_{job.token}_{side}"
        called = build.apply(table, steps, output, job.dialect, function=name)
        single = output.element == "float"
        call = Call(
            job.target.store(side, called, output, kept),
            name,
            partial(folds.multiplied, steps=steps, single=single),
            output.element,
            table.element,
            side,
        )
    yield Statement(
        f"write {side}",
        job.target.store(side, query, output, kept) if call is None else call.texts,
        nothing,
        None,
        reads=(side,),
        makes=job.target.place(side),
        title=f"Writing {side}",
        call=call,
    )
    yield from job.drop(keep)


def check_rows(job: Job, checked: Checked, written: VectorTable, dimension: int) -> Flow[None]:
    """Check that as many rows were written as were checked.

    Raises:
        DataError: The table has changed in between, or has other rows each time that it is read.
    """
    wanted = checked.rows * (dimension if written.layout == "long" else 1)
    rows: int = yield Statement(
        f"count {written.side}",
        (build.count(written, job.dialect),),
        lambda found: int(found[0]["n_rows"]),
        wanted,
        reads=(f"stable {written.side}",),
    )
    # Where nothing is run the number of rows is unknown.
    if rows != wanted:
        size = dimension if written.layout == "long" else 1
        raise DataError(
            f"{checked.table.about} had {checked.rows:,} rows when it was checked, and "
            f"{rows // size:,} when it was written: it has changed meanwhile, or it is a view that "
            "gives other rows each time, or of tables that this run writes. Nothing was written; "
            "give a table that stays as it is."
        )


def compare(
    job: Job,
    checked: Mapping[str, Checked],
    written: Mapping[str, VectorTable],
    sizes: tuple[int, int],
) -> Flow[dict[str, Any]]:
    """Compare the scores of written vectors with those of raw ones, also of further tables.

    Args:
        job: The run.
        checked: The raw tables.
        written: The stable tables.
        sizes: Components of a raw and of a stable vector.

    Returns:
        `max_relative_error`, and for further tables `also` by name.
    """
    sides = [side for side in checked if side not in job.like]
    found: dict[str, Any] = {
        "max_relative_error": (
            yield from _error(job, checked, written, sizes, {side: side for side in sides})
        )
    }
    if VECTORS in checked or not job.like:
        return found
    found["also"] = {}
    for name, side in job.like.items():
        names = {**{side: side for side in sides}, side: name}
        found["also"][name] = yield from _error(job, checked, written, sizes, names, name)
    return found


def _error(
    job: Job,
    checked: Mapping[str, Checked],
    written: Mapping[str, VectorTable],
    sizes: tuple[int, int],
    names: Mapping[str, str],
    further: str | None = None,
) -> Flow[float | None]:
    """Compare the scores of two tables; `names` says which stands for each side."""
    error = yield from _score_error(
        job,
        {side: checked[name].table for side, name in names.items()},
        {side: written[name] for side, name in names.items()},
        sizes,
    )
    if error is not None and not np.isfinite(error):
        for name in names.values():
            # What was not summed may not have been looked at.
            yield from check.table(
                checked[name].table, job.dialect, values=True, drop=None, dimension=sizes[0]
            )
        raise check.overflow_error(checked[next(iter(names.values()))].table)
    promised = max(promise(written[name], job.dialect) for name in names.values())
    approximate = (job.options.rank or job.options.columns) and not further
    if error is None or error <= promised or approximate:
        return error
    what = "Dot products" if VECTORS in checked else "Scores"
    if further and error > SCORES_KEPT:
        cut = " or the rank leaves out" if job.options.rank else ""
        job.log.warn(
            f"{further}: scores differ by up to {error:.0e} of the largest: these vectors have "
            f"directions that the {job.like[further]} lack{cut}, and the map drops them."
        )
        return error
    differ = f"{what} of the written vectors differ by up to {error:.0e} of the largest"
    rounded = (
        "Vectors far smaller than 1, or with large parts that cancel in every score, lose digits"
    )
    remedy = ""
    if promised > _DOUBLE_PROMISE:
        rounded += " as FLOAT"
        remedy = ": multiply them by a constant, or set --output-type=double"
    if error > max(_NOT_KEPT, 10 * promised):
        tables = " and ".join(checked[name].table.about for name in names.values())
        raise DataError(
            f"{differ}, so they are not right, and nothing was written. Did {tables} change "
            f"meanwhile, or is one a view that gives other rows each time? {rounded}, too{remedy}."
        )
    job.log.warn(f"{differ}; {promised:.0e} was to be expected. {rounded}{remedy}.")
    return error


def promise(written: VectorTable, dialect: Dialect) -> float:
    """Return what writing vectors of its type may do to a score, relative to the largest."""
    known = written.reading(dialect)
    if known and known.is_half:
        return _HALF_PROMISE
    return _FLOAT_PROMISE if written.element == "float" else _DOUBLE_PROMISE


def _score_error(
    job: Job, raw: dict[str, VectorTable], written: dict[str, VectorTable], sizes: tuple[int, int]
) -> Flow[float | None]:
    """Compare raw and written scores for all pairs of a sample; of a table alone, dot products.

    Returns:
        The largest difference, relative to the largest score; None if the sample has no pair, or
        no score but zero.
    """
    found: float | None = yield Statement(
        "scores",
        (build.scores(raw, written, sizes, SCORE_ROWS, job.dialect),),
        _relative_error,
        0.0,
        reads=(*raw, *(f"stable {side}" for side in written)),
        title="Comparing scores",
    )
    return found


def _relative_error(rows: Rows) -> float | None:
    row = rows[0]
    return float(row["largest_error"] / row["largest"]) if row["largest"] else None


def begin(job: Job) -> Flow[None]:
    """Make room for this run's rows: what an earlier run with its key has written goes first."""
    texts = job.target.begin()
    if texts:
        yield done("begin", *texts)


def commit(job: Job, matrices: Mapping[str, Matrix], figures: str) -> Flow[None]:
    """Store the maps, and last the row by which the run is there.

    Raises:
        EngineError: A file that was read has changed meanwhile.
    """
    check_unchanged(job.versions)
    first = job.reference is None and not job.options.force
    conflict = job.target.conflict_check(first=first)
    if conflict is not None:
        yield conflict
    texts = job.target.commit(matrices, figures)
    if texts:
        yield done("commit", *texts)


def apply(job: Job, maps: Maps) -> Flow[None]:
    """Write the stable vectors of tables with maps that are known already.

    Args:
        job: The tables and where they are written.
        maps: The maps, by the names of the tables.
    """
    raw, stable_size = maps.shape
    for side, table in job.tables.items():
        # No step sums these vectors, and SQL multiplies NaN silently.
        checked = yield from check.table(
            table,
            job.dialect,
            values=True,
            drop=job.options.on_invalid == "drop",
            dimension=raw,
        )
        check.warn_left_out(job, checked)
        if checked.dimension != raw:
            raise DataError(
                f"{table.about} has vectors of {checked.dimension} components "
                f"({table.vector_names()}); the run's map takes {raw}."
            )
        output = output_of(job, checked.table, stable_size)
        yield from multiplied(job, checked.table, [maps[side].matrix], output)
