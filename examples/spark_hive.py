"""Spark with Hive tables: a job that runs after each training.

    sqlstab demo --out demo
    spark-submit examples/spark_hive.py

Vectors, stable vectors and the registry of runs are tables of the metastore; nothing else is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession

import sqlstab


def main() -> None:
    """Two trainings, each followed by the job."""
    raw = Path("demo", "raw").resolve()
    if not raw.is_dir():
        sys.exit("There is no demo/raw here: run `sqlstab demo --out demo` first.")
    spark = SparkSession.builder.appName("stabilize").enableHiveSupport().getOrCreate()
    # Else the two lines of this job are lost among thousands of Spark's.
    spark.sparkContext.setLogLevel("WARN")
    spark.sql("CREATE DATABASE IF NOT EXISTS movies")
    for training in ("run0", "run1"):
        for side in ("users", "items"):  # stands for the training
            vectors = spark.read.parquet(str(raw / training / f"{side}.parquet"))
            vectors.write.mode("overwrite").saveAsTable(f"movies.{side}")
        run = sqlstab.stabilize(
            "movies.users",
            "movies.items",
            # The run in place; the first one, which finds none, defines the space.
            reference="previous",
            registry="movies.runs",
            users_out="movies.stable_users",
            items_out="movies.stable_items",
            engine=spark,
        )
        reference = run.transform.reference
        space = f"in the space of {reference}" if reference else "which begins a space"
        print(f"{training}: run {run.run_id}, {space}")
        if run.figures["cosine"]:
            items = run.figures["cosine"]["items"]
            before, after = items["before"]["mean"], items["after"]["mean"]
            print(f"cosine of the same movie: {before:.2f} before, {after:.2f} after")
    spark.table("movies.stable_items").show(3)


if __name__ == "__main__":
    main()
