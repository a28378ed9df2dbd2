"""Embeddings of texts: one table, no second side, looked up in an index of an earlier model.

    sqlstab demo --out demo
    python examples/texts.py

The demo has no texts: its movies stand for documents, and the users are not looked at. On the
command line it is `sqlstab run --vectors docs.parquet --space texts --run tuesday`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import sqlstab

RAW = Path("demo", "raw")
MONDAY, TUESDAY = (RAW / run / "items.parquet" for run in ("run0", "run1"))
SPACE = Path("demo", "texts")


def read(path: Path) -> dict[str, np.ndarray]:
    """The vector of each document, of length one."""
    table = pq.read_table(path, partitioning=None)
    vectors = np.stack(table["embedding"].to_numpy())
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(table["id"].to_pylist(), vectors, strict=True))


def found(queries: dict[str, np.ndarray], index: dict[str, np.ndarray]) -> float:
    """How often a document is among the ten of an index that are nearest to its new vector."""
    ids = list(index)
    shared = [i for i in ids if i in queries]
    cosines = np.array([queries[i] for i in shared]) @ np.array([index[i] for i in ids]).T
    nearest = np.argsort(-cosines, axis=1)[:, :10]
    return float(
        np.mean([i in {ids[k] for k in row} for i, row in zip(shared, nearest, strict=True)])
    )


def main() -> None:
    """Tuesday's model, searched for in monday's index."""
    if not RAW.is_dir():
        sys.exit("There is no demo/raw here: run `sqlstab demo --out demo` first.")
    space = sqlstab.Space(SPACE)
    # The first run leaves its vectors as they are: an index of them goes on working.
    space.run(vectors=MONDAY, key="2013-06-15")
    run = space.run(vectors=TUESDAY, key="2013-07-01")
    cosine = run.figures["cosine"]["vectors"]
    print(
        f"cosine of the same document: {cosine['before']['mean']:.2f} raw, "
        f"{cosine['after']['mean']:.2f} stable"
    )
    index = read(MONDAY)
    for kind, path in (("raw", TUESDAY), ("stable", SPACE / "run=2013-07-01" / "vectors.parquet")):
        print(
            f"tuesday's {kind} vectors in monday's index: a document is among the ten nearest "
            f"in {found(read(path), index):.0%}"
        )


if __name__ == "__main__":
    main()
