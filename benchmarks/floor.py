"""The least that any solution does: DuckDB reads the model once, and copies it once.

Takes the directory of the model and one to write to.
"""

import sys
from pathlib import Path

import duckdb


def main(model: Path, out: Path) -> None:
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    out.mkdir()
    for side in ("users", "items"):
        source = f"read_parquet('{model}/{side}.parquet')"
        connection.execute(f"SELECT count(id), sum(list_sum(embedding)) FROM {source}").fetchall()
        connection.execute(f"COPY (FROM {source}) TO '{out}/{side}.parquet' (FORMAT parquet)")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
