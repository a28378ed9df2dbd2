"""The small mathematics of a dbt project: from the rows of its models to those of another."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sqlstab import sums
from sqlstab.errors import DataError

if TYPE_CHECKING:
    from sqlstab.maths.maps import Transform
    from sqlstab.sums import Kind, Source

logger = logging.getLogger("sqlstab")


@dataclass(frozen=True)
class _Reference:
    """See `sums.Reference`."""

    run_id: str
    dimension: int


def solved(gram: pa.Table, cross_gram: pa.Table, run: pa.Table) -> Transform:
    """Solve for the two maps from what three models of the dbt package hold.

    Args:
        gram: `sqlstab_gram`: rows (side, partition_key, i, j, value, n_rows).
        cross_gram: `sqlstab_cross_gram`: rows (side, i, j, value, n_rows); none for a first run.
        run: `sqlstab_run`: one row (run_id, reference_run_id).

    Raises:
        DataError: The sums cannot be worked with.
    """
    gram, cross_gram, run = map(_lower, (gram, cross_gram, run))
    named = run.to_pylist()
    if len(named) != 1:
        raise DataError(f"sqlstab_run has {len(named)} rows instead of one; build it again.")
    name, reference_name = named[0]["run_id"], named[0]["reference_run_id"]
    if gram.num_rows == 0:
        raise DataError("sqlstab_gram has no rows: are the raw vectors there, and was it built?")
    if reference_name is not None and cross_gram.num_rows == 0:
        raise DataError(
            f"Run {name} shares no id with its reference {reference_name}: do ids still mean the "
            "same? For a new space set the var sqlstab_reference to none."
        )
    # The partitions of a table add up.
    total = gram.group_by(["side", "i", "j"]).aggregate([("value", "sum"), ("n_rows", "sum")])
    total = total.rename_columns(
        [column.removesuffix("_sum") for column in total.column_names],
    )
    sources = [_source("sqlstab_gram", total, "gram")]
    reference = None
    if reference_name is not None:
        sources.append(_source("sqlstab_cross_gram", cross_gram, "cross"))
        dimension = max(cross_gram.column("j").to_pylist())
        reference = _Reference(str(reference_name), int(dimension))
    transform, warnings = sums.transform(
        sums.load(sources, reference), reference, weights=None, rank=None, run_id=str(name)
    )
    for warning in warnings:
        logger.warning("%s", warning)
    return transform


def _lower(table: pa.Table) -> pa.Table:
    """Snowflake's names are in capitals."""
    return table.rename_columns([name.lower() for name in table.column_names])


def _source(name: str, table: pa.Table, kind: Kind) -> Source:
    buffer = io.BytesIO()
    pq.write_table(table.select(list(sums.COLUMNS)), buffer)
    return sums.Source(name, buffer.getvalue(), kind)


def solved_frame(gram: Any, cross_gram: Any, run: Any) -> Any:
    """The same for a Python model: frames of the adapter in, one that it takes out.

    Args:
        gram: What `dbt.ref` returns for `sqlstab_gram`: a relation of DuckDB, or a data frame of
            Snowpark, Spark or BigQuery.
        cross_gram: The same for `sqlstab_cross_gram`.
        run: The same for `sqlstab_run`.

    Returns:
        Rows (run_id, side, i, j, value): an Arrow table for DuckDB, which needs no pandas, else a
        data frame of pandas.

    Raises:
        DataError: The sums cannot be worked with.
    """
    rows = sums.matrix_rows(solved(*map(_arrow, (gram, cross_gram, run))))
    return rows if type(gram).__module__.startswith(("duckdb", "_duckdb")) else rows.to_pandas()


def _arrow(frame: Any) -> pa.Table:
    """The rows of a data frame: at most some 100,000, of a few numbers each."""
    if hasattr(frame, "to_arrow_table"):  # DuckDB
        return frame.to_arrow_table()
    if hasattr(frame, "toPandas"):  # Spark
        frame = frame.toPandas()
    elif hasattr(frame, "to_pandas"):  # Snowpark, BigQuery DataFrames
        frame = frame.to_pandas()
    return pa.Table.from_pandas(frame, preserve_index=False)
