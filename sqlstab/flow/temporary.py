"""Rows in temporary tables, where a statement would be too long or compute them twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlstab.statements import build
from sqlstab.statements.table import Column, VectorTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlstab.flow.job import Job
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.statement import Flow


def mapped(
    job: Job,
    table: VectorTable,
    size: int,
    matrix: Matrix | None,
    *,
    unit_rows: bool = False,
) -> Flow[tuple[VectorTable, Matrix | None, bool]]:
    """Find what the sums of rows times a matrix, made unit vectors if asked, are taken of.

    Returns:
        This table, the matrix, and whether rows get length one; or a temporary table of them, None,
        False.
    """
    plain = matrix is None and not unit_rows
    if plain or (not _is_tiled(job, size) and _takes_inline(job, table, size, matrix)):
        return table, matrix, unit_rows
    made = yield from product(job, table, size, matrix, anchor=True, unit_rows=unit_rows)
    return made, None, False


def _is_tiled(job: Job, size: int) -> bool:
    """Return whether each of several statements would compute whole rows for a part of the sums."""
    tiles = build.tiles(size + 1, size + 1, job.dialect.most_sums, triangular=False)
    return job.dialect.style == "components" and len(tiles) > 1


def _takes_inline(job: Job, table: VectorTable, size: int, matrix: Matrix | None) -> bool:
    if matrix is None or job.dialect.longest_statement is None:
        return True
    options: dict[str, Any] = {"matrix": matrix, "reference_matrix": matrix, "unit_rows": True}
    statements = build.cross_gram(table, table, size, size, job.dialect, **options)
    return all(map(job.dialect.takes, statements))


def product(
    job: Job,
    table: VectorTable,
    size: int,
    matrix: Matrix | None,
    *,
    anchor: bool = False,
    unit_rows: bool = False,
    single: bool = False,
) -> Flow[VectorTable]:
    """Keep a table's rows times a matrix, made unit vectors if asked, in a temporary table."""
    options: dict[str, Any] = {"anchor": anchor, "unit_rows": unit_rows, "single": single}
    query = build.product(table, size, matrix, job.dialect, **options)
    in_rows = False
    if matrix is not None and not job.dialect.takes(query):
        held = yield from job.hold(matrix, table.side)
        query = build.product(table, size, held, job.dialect, **options)
        in_rows = job.dialect.style == "components"
    made = yield from _kept(job, table, query, weighted=anchor, in_rows=in_rows)
    if in_rows and unit_rows:
        made = yield from product(job, made, size, None, anchor=anchor, unit_rows=True)
    return made


def _kept(
    job: Job, table: VectorTable, query: str, *, weighted: bool, in_rows: bool
) -> Flow[VectorTable]:
    """Keep the rows that `build.product` gives of a table in a temporary table."""
    name = yield from job.scratch(f"rows {table.side}", query)
    # Its columns stand without quotes in the query that makes it.
    folded: Callable[[str], str] = job.dialect.folded
    names = ("j", "value") if in_rows else ("x",)
    has_weight = weighted and bool(table.weight or table.weight_expression)
    return VectorTable(
        table.side,
        name,
        (Column(folded("id"), table.ids[0].type if len(table.ids) == 1 else job.dialect.text),),
        "long" if in_rows else "array",
        tuple(map(folded, names)),
        "double",
        weight=folded("w") if has_weight else None,
        first=1 if in_rows else 0,
    )
