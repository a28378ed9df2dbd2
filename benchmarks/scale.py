"""How time and memory grow with rows and dimensions: `make bench-scale`.

DuckDB writes FLOAT vectors to Parquet files in a temporary directory, one at a time; for each the
Gram matrix is taken (`auto`), in a process of its own whose peak memory is measured. The seconds of
n rows of e components are fitted as a + b n e + c n e^2: what starting costs, reading, and
arithmetic. A million rows of 64 components are 260 MB; the largest table is 13 GB. Writes the table
into docs/performance.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
from measure import DOCS, Cost, cost, python, write_block
from scipy.optimize import nnls

# MADlib on Greenplum (Hellerstein et al. 2012): linear regression, whose work is the Gram matrix.
MADLIB = (10_000_000, 320)
# (rows, dimension): rows at one dimension, and dimensions at one number of components.
DEFAULT = [
    *((rows, 64) for rows in (100_000, 1_000_000, 10_000_000)),
    *((64_000_000 // dimension, dimension) for dimension in (8, 16, 32, 128, 256, 512, 1024)),
    MADLIB,
]


class Point(NamedTuple):
    """One measurement."""

    rows: int
    dimension: int
    seconds: float
    megabytes: float


def write(path: Path, rows: int, dimension: int) -> None:
    """Vectors of hashes, uniform in [-0.5, 0.5): nothing that compresses."""
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            f"COPY (SELECT i AS id, list_transform(range({dimension}), lambda k: "
            f"(hash(i * {dimension} + k) / 18446744073709551616 - 0.5)::FLOAT) AS embedding "
            f"FROM range({rows}) r(i)) TO '{path}' (FORMAT parquet, COMPRESSION uncompressed)"
        )


def gram(path: Path) -> None:
    """The Gram matrix of a file: what a measured process does."""
    from ours import gram as summed  # noqa: PLC0415 - not in the parent

    from sqlstab.session import connect  # noqa: PLC0415
    from sqlstab.statements.table import EmbeddingTable, resolve  # noqa: PLC0415

    with connect(None) as engine:
        for side, file in (("users", path), ("items", path.with_name("items.parquet"))):
            columns = engine.describe(str(file))
            table = resolve(EmbeddingTable(file), side, columns, engine.dialect)
            summed(engine, table, None, 0, streams=True)


def measured(rows: int, dimension: int) -> Point:
    """The cost of one size; the least time of three."""
    with tempfile.TemporaryDirectory(prefix="sqlstab-scale-") as folder:
        path = Path(folder) / "users.parquet"
        # In processes of their own: the peak memory of a process counts as that of its children.
        for file, count in ((path, rows), (path.with_name("items.parquet"), 2 * dimension)):
            subprocess.run(python("scale", "--write", file, count, dimension), check=True)
        costs = [cost(python("scale", "--file", path), Path(folder) / "none") for _ in range(3)]
        least = Cost(min(c.seconds for c in costs), max(c.megabytes for c in costs))
    return Point(rows, dimension, least.seconds, least.megabytes)


def fitted(points: list[Point]) -> tuple[float, float, float]:
    """a, b and c, none below zero, by least squares of the relative errors."""
    terms = np.array([[1.0, p.rows * p.dimension, p.rows * p.dimension**2] for p in points])
    seconds = np.array([p.seconds for p in points])
    scale = np.abs(terms).max(axis=0)
    found, _ = nnls(terms / scale / seconds[:, None], np.ones(len(points)))
    a, b, c = (found / scale).tolist()
    return a, b, c


def sizes(text: str) -> list[tuple[int, int]]:
    """Sizes as `ROWSxDIMENSION,...`; rows may be written as 1e6."""
    pairs = (part.split("x") for part in text.split(","))
    return [(int(float(rows)), int(dimension)) for rows, dimension in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=sizes, help="others: 1e6x64,1e8x64,...; writes nothing")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write(Path(given.write[0]), *map(int, given.write[1:]))
        return
    if given.file:
        gram(given.file)
        return
    points = []
    for rows, dimension in given.sizes or DEFAULT:
        points.append(measured(rows, dimension))
        point = points[-1]
        print(
            f"{point.rows:>12,} x {point.dimension:<5} {point.seconds:8.2f} s "
            f"{point.megabytes:8.0f} MB",
            file=sys.stderr,
        )
    a, b, c = (1e9 * term for term in fitted(points))
    lines = [
        "| rows | e | s | peak MB |",
        "|---:|---:|---:|---:|",
        *(f"| {p.rows:,} | {p.dimension} | {p.seconds:.1f} | {p.megabytes:.0f} |" for p in points),
        "",
        f"Fitted: {a / 1e9:.1f} s + {b:.2g} ns for each component + {c:.2g} ns for each component "
        "and dimension.",
    ]
    print(*lines, sep="\n")
    if not given.sizes:
        write_block(DOCS / "performance.md", "bench-scale", "\n".join(lines))


if __name__ == "__main__":
    main()
