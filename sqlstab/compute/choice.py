"""Which way to compute a run takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlstab.compute.arrow import ArrowCompute
from sqlstab.compute.sql import SqlCompute
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.errors import UsageError
from sqlstab.statements.dialect import SPARK

if TYPE_CHECKING:
    from sqlstab.compute import Compute
    from sqlstab.config import Strategy
    from sqlstab.engines import Engine
    from sqlstab.statements.dialect import Dialect


def choose(engine: Engine, strategy: Strategy, beside: str) -> Compute:
    """The way to compute: BLAS where it can be had, SQL elsewhere or on request.

    Args:
        engine: The engine.
        strategy: As in `Options`.
        beside: A table in whose schema temporary tables may be made, if there is one.

    Raises:
        UsageError: BLAS is asked for where it cannot be had.
    """
    if isinstance(engine, DuckDBEngine):
        if strategy != "sql":
            return ArrowCompute(engine)
        engine.make_room_for_sums()
    elif strategy != "sql" and engine.dialect is SPARK:
        from sqlstab.compute.spark import SparkCompute  # noqa: PLC0415 - an extra
        from sqlstab.engines.spark import SparkEngine  # noqa: PLC0415

        if isinstance(engine, SparkEngine):
            return SparkCompute(engine)
    if strategy == "arrow":
        raise no_blas(engine.dialect)
    return SqlCompute(engine, beside)


def no_blas(dialect: Dialect) -> UsageError:
    """BLAS cannot be had on this engine."""
    return UsageError(f"{dialect.name} hands no rows to BLAS; leave out --strategy arrow.")
