"""`make bench-memory`: peak memory of `sqlstab run`, by number of users and writer of the files.

Options: `--users 1000000 16000000 --writers pyarrow spark --threads 1 2 4`. Polars is not among
what the tests install: `pip install polars` before you ask for its row.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import measure

TABLES = ("users.parquet", "items.parquet")


def by_pandas(source: Path, target: Path) -> None:
    import pandas as pd  # noqa: PLC0415

    pd.read_parquet(source).to_parquet(target)


def by_polars(source: Path, target: Path) -> None:
    import polars as pl  # noqa: PLC0415

    pl.scan_parquet(source).sink_parquet(target)


def by_duckdb(source: Path, target: Path, group: int = 122_880) -> None:
    import duckdb  # noqa: PLC0415

    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            f"COPY (FROM '{source}') TO '{target}' (FORMAT parquet, ROW_GROUP_SIZE {group})"
        )


def by_duckdb_in_large_groups(source: Path, target: Path) -> None:
    by_duckdb(source, target, 1_048_576)


def by_spark(source: Path, target: Path) -> None:
    from pyspark.sql import SparkSession  # noqa: PLC0415

    settings = {"spark.driver.memory": "4g", "spark.ui.enabled": "false"}
    session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    session.read.parquet(str(source)).write.parquet(str(target))


WRITERS = {
    "pyarrow": None,
    "pandas": by_pandas,
    "polars": by_polars,
    "duckdb": by_duckdb,
    "duckdb, 1,048,576 rows a group": by_duckdb_in_large_groups,
    "spark": by_spark,
}


def rewrite(writer: str, folder: Path) -> None:
    """Let another library write the files anew; a process of its own, whose memory is its own."""
    for path in (folder / day / name for day in ("yesterday", "today") for name in TABLES):
        written = path.with_name(f"other-{path.name}")
        subprocess.run(measure.python("memory", "--rewrite", writer, path, written), check=True)
        path.unlink()
        written.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[1_000_000, 16_000_000])
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    writers = [name for name in WRITERS if name != "polars"]
    parser.add_argument("--writers", nargs="+", default=writers, choices=list(WRITERS))
    parser.add_argument("--rewrite", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rewrite:
        writer, source, target = given.rewrite
        WRITERS[writer](Path(source), Path(target))
        return
    print("| users | written by | threads | first run | time | next run | time |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for users in given.users:
        with tempfile.TemporaryDirectory(prefix="sqlstab-bench-") as name:
            folder, space = Path(name), Path(name) / "space"
            shape = (users, 100_000, given.dimension)
            subprocess.run(measure.python("generate", folder, *shape), check=True)
            for writer in given.writers:
                if WRITERS[writer]:
                    rewrite(writer, folder)
                for threads in given.threads:
                    cells = []
                    for key, day in enumerate(("yesterday", "today"), start=1):
                        run = [*measure.tables(folder / day), "--space", space, "--run", key]
                        command = measure.sqlstab(*run, "--force", "--threads", threads)
                        found = measure.cost(command, space / f"run={key}")
                        cells.append(f"{found.megabytes:.0f} MB | {found.seconds:.1f} s")
                    print(f"| {users:,} | {writer} | {threads} | {' | '.join(cells)} |", flush=True)
                    shutil.rmtree(space)


if __name__ == "__main__":
    main()
