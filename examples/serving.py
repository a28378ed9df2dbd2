"""Serving with numpy: fresh vectors of today's model, looked up in yesterday's index.

    sqlstab demo --out demo
    python examples/serving.py

A service reads the maps of a run, `maps.parquet` or the table `_maps`, and needs no database, no
SQL and no sqlstab.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

RAW, SPACE = Path("demo", "raw"), Path("demo", "movies")
YESTERDAY = (RAW / "run2", SPACE / "run=2013-07-15")
TODAY = (RAW / "run3", SPACE / "run=2013-08-01")


def read_map(run: Path, side: str) -> np.ndarray:
    """Read the map of a side: stable = raw @ map. Its rows are (side, i, j, value), 1-based."""
    rows = pq.read_table(run / "maps.parquet", filters=[("side", "=", side)], partitioning=None)
    i, j, value = (rows[name].to_numpy() for name in ("i", "j", "value"))
    matrix = np.zeros((i.max(), j.max()))
    matrix[i - 1, j - 1] = value
    return matrix


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read ids, and vectors (n, e)."""
    table = pq.read_table(path, partitioning=None)
    return table["id"].to_numpy(), np.stack(table["embedding"].to_numpy())


def best(users: np.ndarray, ids: np.ndarray, vectors: np.ndarray) -> list[set[str]]:
    """Find the ten movies with the highest score for each user."""
    return [set(ids[row]) for row in np.argsort(-users @ vectors.T)[:, :10]]


def main() -> None:
    """Recommend movies to users whose vectors have just been computed."""
    if not RAW.is_dir():
        sys.exit("There is no demo/raw here: run `sqlstab demo --out demo` first.")
    raw, stable = TODAY
    users_map = read_map(stable, "users")

    # Stands for what the model computes at request time: 200 of its user vectors.
    fresh = read(raw / "users.parquet")[1][:200]
    turned = fresh @ users_map

    movies, raw_items = read(raw / "items.parquet")
    _, stable_items = read(stable / "items.parquet")
    difference = np.abs(turned @ stable_items.T - fresh @ raw_items.T).max()
    print(f"scores: the same to {difference:.0e}, of at most {(fresh @ raw_items.T).max():.1f}")

    # An index is slow to build: as long as today's is not ready, yesterday's goes on serving.
    wanted = best(fresh, movies, raw_items)
    for kind, users, folder in zip(("raw", "stable"), (fresh, turned), YESTERDAY, strict=True):
        found = best(users, *read(folder / "items.parquet"))
        shared = np.mean([len(one & other) for one, other in zip(wanted, found, strict=True)])
        print(f"yesterday's index, {kind} vectors: {shared:.1f} of the 10 best movies")


if __name__ == "__main__":
    main()
