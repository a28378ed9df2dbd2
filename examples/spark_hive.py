"""Spark with Hive tables that have a day: a job that runs after each training.

    sqlstab demo --out demo
    spark-submit examples/spark_hive.py

Vectors and stable vectors are tables partitioned by `ds`; a run writes its own partition.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession

import sqlstab

DAYS = {"run0": "2013-06-15", "run1": "2013-07-01"}


def main() -> None:
    """Two trainings, each followed by the job."""
    raw = Path("demo", "raw").resolve()
    if not raw.is_dir():
        sys.exit("There is no demo/raw here: run `sqlstab demo --out demo` first.")
    spark = SparkSession.builder.appName("stabilize").enableHiveSupport().getOrCreate()
    # Else the two lines of this job are lost among thousands of Spark's.
    spark.sparkContext.setLogLevel("WARN")
    spark.sql("CREATE DATABASE IF NOT EXISTS movies")
    for side, id_type in (("users", "BIGINT"), ("items", "STRING")):
        spark.sql(
            f"CREATE TABLE IF NOT EXISTS movies.{side} (id {id_type}, embedding ARRAY<FLOAT>) "
            "PARTITIONED BY (ds DATE) STORED AS PARQUET"
        )
    space = sqlstab.Space("movies.stable", engine=spark)
    for training, day in DAYS.items():
        for side in ("users", "items"):  # stands for the training
            spark.sql(
                f"INSERT OVERWRITE TABLE movies.{side} PARTITION (ds = DATE '{day}') "
                f"SELECT id, embedding FROM parquet.`{raw / training / side}.parquet`"
            )
        run = space.run("movies.users", "movies.items", key=f"ds={day}")
        reference = run.figures["reference"]
        print(f"{day}:", f"aligned with {reference['run']}" if reference else "begins a space")
        if run.figures["cosine"]:
            items = run.figures["cosine"]["items"]
            before, after = items["before"]["mean"], items["after"]["mean"]
            print(f"cosine of the same movie: {before:.2f} before, {after:.2f} after")
    spark.sql("SELECT ds, count(*) AS items FROM movies.stable_items GROUP BY ds").show()


if __name__ == "__main__":
    main()
