"""What the benchmarks time of sqlstab itself: one step, as a run takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlstab import Options
from sqlstab.flow import drive, sums
from sqlstab.flow.check import Checked
from sqlstab.flow.job import Job
from sqlstab.progress import Log
from sqlstab.space.target import MemoryTarget

if TYPE_CHECKING:
    from sqlstab.engines.base import Engine
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.table import VectorTable


def gram(
    engine: Engine, table: VectorTable, dimension: int | None, rows: int, *, streams: bool
) -> Matrix:
    """Return the Gram matrix of a table, by a stream of its rows or in SQL."""
    log = Log()
    job = Job(
        {table.side: table},
        {},
        Options(),
        engine.dialect,
        streams,
        None,
        MemoryTarget("sqlstab_bench", engine.dialect),
        {},
        dimension=dimension or 64,
        log=log,
    )
    _, found = drive.execute(sums.gram(job, Checked(table, rows, dimension)), engine, log)
    return found.matrix
