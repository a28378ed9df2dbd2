"""Features for a consumer: a classifier trained on one run reads the vectors of a later run.

    sqlstab demo --out demo
    python examples/classifier.py

A feature map brings the vectors of run K closer to those of run J, on which it was trained.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import sqlstab

DEMO = Path("demo")
TRAINED, TODAY = "2013-06-15", "2013-08-01"  # J and K


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """Read the ids and vectors (n, e) of movies."""
    table = pq.read_table(path, partitioning=None)
    return table["id"].to_pylist(), np.stack(table["embedding"].to_numpy()).astype(float)


def auc(scores: np.ndarray, flags: np.ndarray) -> float:
    """Return the mean over genres of how often a movie with the genre outranks one without."""
    both = zip(scores.T, flags.T, strict=True)
    return float(np.mean([(s[f][:, None] > s[~f]).mean() for s, f in both]))


def main() -> None:
    """Train on half of the movies of run J, and judge the others in run K."""
    if not (DEMO / "raw").is_dir():
        sys.exit("There is no demo/raw here: run `sqlstab demo --out demo` first.")
    table = pq.read_table(DEMO / "raw" / "genres.parquet")
    genres = dict(zip(table["id"].to_pylist(), np.array(table.columns[1:]).T == 1, strict=True))
    ids, x = read(DEMO / "movies" / f"run={TRAINED}" / "items.parquet")
    learn = [n for n, i in enumerate(ids) if i in genres and n % 2 == 0]
    y = np.array([genres[ids[n]] for n in learn], float)
    centre = x[learn].mean(axis=0)
    known = x[learn] - centre
    weights = np.linalg.solve(known.T @ known + np.eye(x.shape[1]), known.T @ (y - y.mean(axis=0)))

    raw = read(DEMO / "raw" / "run3" / "items.parquet")  # the same training
    now, stable = read(DEMO / "movies" / f"run={TODAY}" / "items.parquet")
    unseen = set(genres) - {ids[n] for n in learn}
    features = (now, sqlstab.Space(DEMO / "movies").feature_map(TRAINED, TODAY).apply(stable))
    inputs = {"raw vectors": raw, "stable vectors": (now, stable), "features": features}
    for kind, (names, vectors) in inputs.items():
        rows = [n for n, i in enumerate(names) if i in unseen]
        flags = np.array([genres[names[n]] for n in rows])
        print(f"AUC on {kind}: {auc((vectors[rows] - centre) @ weights, flags):.3f}")


if __name__ == "__main__":
    main()
