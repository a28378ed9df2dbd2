"""Serving with numpy: fresh vectors of today's model, looked up in yesterday's index.

    sqlstab demo --out demo
    python examples/serving.py

A service that has loaded the transform of a run needs no database and no SQL.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import sqlstab

RAW, STABLE = Path("demo", "raw"), Path("demo", "stable")
YESTERDAY, TODAY = "run2", "run3"


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Ids, and vectors (n, e)."""
    table = pq.read_table(path)
    return table["id"].to_numpy(), np.stack(table["embedding"].to_numpy())


def best(users: np.ndarray, ids: np.ndarray, vectors: np.ndarray) -> list[set[str]]:
    """The ten movies with the highest score for each user."""
    return [set(ids[row]) for row in np.argsort(-users @ vectors.T)[:, :10]]


def main() -> None:
    """Recommend movies to users whose vectors have just been computed."""
    if not RAW.is_dir():
        sys.exit("There is no demo/raw here: run `sqlstab demo --out demo` first.")
    transform = sqlstab.Transform.load(STABLE / TODAY)

    # Stands for what the model computes at request time: 200 of its user vectors.
    fresh = read(RAW / TODAY / "users.parquet")[1][:200]
    stable = transform.users.apply(fresh)

    movies, raw_items = read(RAW / TODAY / "items.parquet")
    _, stable_items = read(STABLE / TODAY / "items.parquet")
    difference = np.abs(stable @ stable_items.T - fresh @ raw_items.T).max()
    print(f"scores: the same to {difference:.0e}, of at most {(fresh @ raw_items.T).max():.1f}")

    # An index is slow to build: as long as today's is not ready, yesterday's goes on serving.
    wanted = best(fresh, movies, raw_items)
    for kind, users, folder in (("raw", fresh, RAW), ("stable", stable, STABLE)):
        found = best(users, *read(folder / YESTERDAY / "items.parquet"))
        shared = np.mean([len(one & other) for one, other in zip(wanted, found, strict=True)])
        print(f"yesterday's index, {kind} vectors: {shared:.1f} of the 10 best movies")


if __name__ == "__main__":
    main()
