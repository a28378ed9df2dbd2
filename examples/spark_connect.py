"""Spark Connect: a notebook or a job without a Spark of its own, on a server at `sc://host:port`.

    sqlstab demo --out demo
    SPARK_REMOTE=sc://localhost python examples/spark_connect.py

DataFrames go in and come out; their rows stay on the server.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

import sqlstab

RAW = Path("demo", "raw")


def main() -> None:
    """Two trainings: the second one joins the space of the first."""
    if not RAW.is_dir():
        sys.exit("There is no demo/raw here: run `sqlstab demo --out demo` first.")
    server = os.environ.get("SPARK_REMOTE", "sc://localhost")
    spark = SparkSession.builder.remote(server).create()

    def training(name: str) -> dict[str, DataFrame]:  # stands for `spark.table`
        return {
            side: spark.createDataFrame(pq.read_table(RAW / name / f"{side}.parquet"))
            for side in ("users", "items")
        }

    monday = sqlstab.stabilize(**training("run0"))
    tuesday = sqlstab.stabilize(**training("run1"), reference=monday)
    items = tuesday.figures["cosine"]["items"]
    before, after = items["before"]["mean"], items["after"]["mean"]
    print(f"cosine of the same movie: {before:.2f} before, {after:.2f} after")

    stable = tuesday.items.spark().withColumn("day", f.lit("2013-07-01"))
    stable.show(3)  # or stable.write.saveAsTable("movies.stable_items", partitionBy="day")
    print(f"stable vectors of {stable.count():,} movies")
    spark.stop()


if __name__ == "__main__":
    main()
