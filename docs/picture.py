"""Draw docs/problem.svg: the same movies in two trainings, raw and stable (`make picture`)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
from matplotlib import pyplot as plt

from sqlstab.demo import DATA, RUNS, run_demo
from sqlstab.progress import Silent

MOVIES = 60


def vectors(run: Path) -> dict[str, np.ndarray]:
    table = pq.read_table(run / "items.parquet", partitioning=None)
    rows = np.array(table.column("embedding").to_pylist())
    return dict(zip(table.column("id").to_pylist(), rows, strict=True))


def main() -> None:
    mpl.rcParams.update({"svg.hashsalt": "sqlstab", "font.size": 9})
    with tempfile.TemporaryDirectory() as folder:
        run_demo(folder, Silent())
        runs = [Path(folder) / "movies" / f"run={RUNS[name]}" for name in ("run0", "run1")]
        pairs = {
            "raw vectors": (vectors(DATA / "run0"), vectors(DATA / "run1")),
            "stable vectors": (vectors(runs[0]), vectors(runs[1])),
        }
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), layout="constrained")
    for axis, (title, (first, second)) in zip(axes, pairs.items(), strict=True):
        # The longest vectors, in the plane in which they differ most.
        movies = sorted(first, key=lambda movie: -float(np.linalg.norm(first[movie])))[:MOVIES]
        old = np.array([first[movie] for movie in movies])
        new = np.array([second[movie] for movie in movies])
        center = old.mean(axis=0)
        plane = np.linalg.svd(old - center)[2][:2].T
        start, end = (old - center) @ plane, (new - center) @ plane
        for a, b in zip(start, end, strict=True):
            axis.plot(*zip(a, b, strict=True), color="0.75", linewidth=0.7, zorder=1)
        axis.scatter(
            *start.T, s=14, color="#0072b2", label="trained on ratings until 2013-06-15", zorder=2
        )
        axis.scatter(*end.T, s=14, color="#d55e00", label="retrained two weeks later", zorder=3)
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_aspect("equal", adjustable="datalim")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(Path(__file__).with_name("problem.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
