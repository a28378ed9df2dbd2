"""`sqlstab demo`: four real retrainings of one recommender, and a model that uses its vectors."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from scipy.stats import rankdata

from sqlstab.api import Run, Space
from sqlstab.errors import EngineError, UsageError
from sqlstab.space.key import Key
from sqlstab.statements.files import local

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Progress, Step

DATA = Path(__file__).resolve().parent / "demo_data"

# The folders of the trainings, and the last day of the data of each.
RUNS = {
    "run0": "2013-06-15",
    "run1": "2013-07-01",
    "run2": "2013-07-15",
    "run3": "2013-08-01",
}


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Attributes:
        figures: One entry per run: `run`, `agreement`, `cosine` to the run before (items and users,
            before and after), `max_score_error`, and `genre_auc` with `raw` and `stable`.
        space: The space, which is gone if it was not to be kept.
        kept: Whether it was kept.
    """

    figures: list[dict[str, Any]]
    space: Path
    kept: bool

    @property
    def titles(self) -> tuple[str, ...]:
        """The headings of `rows`."""
        return ("run", "cosine, raw", "cosine, stable", "AUC, raw", "AUC, stable")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """One row for each run: cosines of the same movie to the run before, and the classifier."""
        found = []
        for run in self.figures:
            items = (run["cosine"] or {}).get("items")
            cosines = [
                f"{items[when]['mean']:.2f}" if items else "" for when in ("before", "after")
            ]
            auc = [f"{run['genre_auc'][kind]:.2f}" for kind in ("raw", "stable")]
            found.append((run["run"], *cosines, *auc))
        return found

    @property
    def text(self) -> str:
        """What the rows mean, and how to read the history."""
        later = self.figures[1:]
        raw, stable = (
            np.mean([run["genre_auc"][kind] for run in later]) for kind in ("raw", "stable")
        )
        error = max(run["max_score_error"] for run in self.figures)
        space = self.space if self.kept else Path("demo/movies")
        first = self.figures[0]["run"]
        history = f"'{space}/*/items.parquet'"
        kept = "" if self.kept else "Nothing was kept. After sqlstab demo --out demo:\n\n"
        return (
            "The cosine is that of the same movie in this run and the run before.\n"
            f"A classifier of genres was trained once, on the vectors of {first}.\n"
            f"On raw vectors of later trainings it guesses (AUC {raw:.2f}; 0.50 is chance).\n"
            f"On stable vectors it goes on working ({stable:.2f}).\n"
            f"No score changed: the largest difference is {error:.0e} of the largest score.\n"
            "\n"
            f"{kept}The history of the stable vectors, with the duckdb command line:\n"
            f'duckdb -c "FROM {history}"\n'
            f'duckdb -c "SELECT run, count(*) FROM {history} GROUP BY run"'
        )


@dataclass(frozen=True)
class _OfTraining:
    """Progress that says which training a step is of."""

    progress: Progress
    name: str

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """See `Progress`."""
        with self.progress.step(f"{self.name}: {title}") as step:
            yield step


def run_demo(out: str | None, progress: Progress) -> DemoResult:
    """Make a space of four runs, one after the other.

    Args:
        out: Where to keep the trainings, in `raw`, and the space, in `movies`; None keeps neither.
        progress: Shows each step.

    Raises:
        UsageError: One of the two exists already.
        EngineError: The disk refused.
    """
    with ExitStack() as stack:
        folder = local(out or stack.enter_context(tempfile.TemporaryDirectory(prefix="sqlstab-")))
        for path in (folder / "raw", folder / "movies"):
            if os.path.lexists(path):
                raise UsageError(f"{path} exists already and is not replaced: name another.")
        if out:
            _copy(DATA, folder / "raw")
        space = Space(folder / "movies")
        runs: list[Run] = [
            space.run(
                DATA / name / "users.parquet",
                DATA / name / "items.parquet",
                key=until,
                progress=_OfTraining(progress, until),
            )
            for name, until in RUNS.items()
        ]
        stable = [folder / "movies" / Key(run.key).folder for run in runs]
        auc = {
            kind: genre_aucs([movies(where) for where in folders])
            for kind, folders in (("raw", [DATA / name for name in RUNS]), ("stable", stable))
        }
    figures = [
        {
            "run": run.key,
            "agreement": (run.figures["alignment"] or {}).get("agreement"),
            "cosine": run.figures["cosine"],
            "max_score_error": run.figures["scores"]["max_relative_error"],
            "genre_auc": {kind: auc[kind][number] for kind in auc},
        }
        for number, run in enumerate(runs)
    ]
    return DemoResult(figures, folder / "movies", kept=bool(out))


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target)
    except OSError as error:
        raise EngineError(f"{target} cannot be written: {error.strerror or error}.") from error


@dataclass(frozen=True)
class Movies:
    """Vectors (n, e), genre flags (n, g), and which movies the classifier may learn from, (n,)."""

    vectors: Matrix
    genres: NDArray[np.bool_]
    known: NDArray[np.bool_]


# Of each id, whether the classifier may learn from it.
KNOWN = "hash(id) % 2 = 0"


def genre_aucs(runs: Sequence[Movies]) -> list[float]:
    """Train a classifier of genres on the first run, and use it on each.

    Returns:
        The area under the ROC curve for each run, on movies that it has not learnt from; the mean
        over the genres.
    """
    first = runs[0]
    x = _with_constant(first.vectors[first.known])
    targets = first.genres[first.known].astype(np.float64)
    ridge = 0.01 * np.trace(x.T @ x) / x.shape[1] * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + ridge, x.T @ targets)
    result = []
    for run in runs:
        unseen = ~run.known
        scores = _with_constant(run.vectors[unseen]) @ weights
        flags = run.genres[unseen]
        result.append(float(np.mean([_auc(s, f) for s, f in zip(scores.T, flags.T, strict=True)])))
    return result


def movies(run: Path) -> Movies:
    """Read the vectors of a folder's `items.parquet`, with the genres of the movies."""
    with duckdb.connect() as connection:
        found = connection.execute(
            f"""
            SELECT items.embedding, genres.* EXCLUDE (id), {KNOWN} AS known
            FROM read_parquet(?, hive_partitioning = false) AS items
            JOIN read_parquet(?) AS genres USING (id)
            ORDER BY id
            """,
            [str(run / "items.parquet"), str(DATA / "genres.parquet")],
        ).fetchnumpy()
    flags = [found[name] for name in found if name not in ("embedding", "known")]
    return Movies(
        np.array(list(found["embedding"]), dtype=np.float64),
        np.stack(flags, axis=1) == 1,
        np.asarray(found["known"], dtype=bool),
    )


def _with_constant(vectors: Matrix) -> Matrix:
    return np.column_stack([vectors, np.ones(len(vectors))])


def _auc(scores: Matrix, flags: NDArray[np.bool_]) -> float:
    """Return how often a movie of the genre outranks one that is not: the area below the ROC."""
    positive, negative = int(flags.sum()), int((~flags).sum())
    ranks = rankdata(scores)[flags].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))
