"""Databricks: Spark's SQL on Delta tables, reached through SQLAlchemy."""

from __future__ import annotations

from dataclasses import replace

from sqlstab.engines.spark import SPARK

DATABRICKS = replace(
    SPARK,
    name="databricks",
    sqlglot="databricks",
    sqlalchemy=("databricks",),
    tables=replace(
        SPARK.tables,
        storage="",
        store="replace",
        # Runs with different keys, written at once, do not conflict in different partitions.
        partitioned=" PARTITIONED BY ({0})",
        keyed="",
        overtaken=("ConcurrentAppend", "ConcurrentDelete", "DELTA_CONCURRENT"),
    ),
)
