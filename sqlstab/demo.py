"""`sqlstab demo`: four real retrainings of one recommender, and a model that uses its vectors."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from scipy.stats import rankdata

from sqlstab.stabilize import stabilize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from rich.console import RenderableType

    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Progress, Step
    from sqlstab.runs import Run

DATA = Path(__file__).resolve().parent / "demo_data"

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
        figures: One entry per run: `run`, `data_until`, `cosine` to the run before (items and
            users, before and after), `max_score_error`, and `genre_auc` with `raw` and `stable`.
        folder: Where the trainings and the runs are, if they were kept.
    """

    figures: list[dict[str, Any]]
    folder: Path | None

    def report(self) -> list[RenderableType]:
        """What a person sees."""
        from rich.table import Table  # noqa: PLC0415 - only the terminal needs it
        from rich.text import Text  # noqa: PLC0415

        first, later = self.figures[0], self.figures[1:]
        table = Table(title="Cosine of the same movie to the run before, AUC of a genre classifier")
        for heading in (
            "data until",
            "cosine, raw",
            "cosine, stable",
            "AUC, raw",
            "AUC, stable",
        ):
            table.add_column(heading, justify="right")
        auc = first["genre_auc"]
        table.add_row(first["data_until"], "", "", f"{auc['raw']:.2f}", f"{auc['stable']:.2f}")
        for run in later:
            items, auc = run["cosine"]["items"], run["genre_auc"]
            table.add_row(
                run["data_until"],
                f"{items['before']['mean']:.2f}",
                Text(f"{items['after']['mean']:.2f}", "bold"),
                f"{auc['raw']:.2f}",
                Text(f"{auc['stable']:.2f}", "bold"),
            )
        raw = np.mean([run["genre_auc"]["raw"] for run in later])
        stable = np.mean([run["genre_auc"]["stable"] for run in later])
        error = max(run["max_score_error"] for run in self.figures)
        text = (
            f"\nThe classifier was trained once, on the vectors of {first['data_until']}.\n"
            f"On raw vectors of later trainings it guesses (AUC {raw:.2f}; 0.50 is chance).\n"
            f"On stable vectors it goes on working ({stable:.2f}).\n"
            f"No score changed: the largest difference is {error:.0e} of the largest score."
        )
        kept = self.folder
        where = f"\nThe trainings are in {kept}/raw, the runs in {kept}/stable." if kept else ""
        return [table, text + where]


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
    """Stabilize the runs one after the other, each in the space of the one before.

    Args:
        out: Where to keep the trainings, in `raw`, and the run directories, in `stable`; None keeps
            neither.
        progress: Is told what is going on.
    """
    with ExitStack() as stack:
        kept = Path(out or stack.enter_context(tempfile.TemporaryDirectory(prefix="sqlstab-")))
        folder = kept / "stable"
        if out:
            shutil.copytree(DATA, kept / "raw", dirs_exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        runs: dict[str, Run] = {}
        previous: Run | None = None
        for name, until in RUNS.items():
            previous = runs[name] = stabilize(
                DATA / name / "users.parquet",
                DATA / name / "items.parquet",
                reference=previous,
                out=folder / name,
                progress=_OfTraining(progress, until),
            )
        auc = {
            kind: dict(zip(RUNS, genre_auc([where / name for name in RUNS]), strict=True))
            for kind, where in (("raw", DATA), ("stable", folder))
        }
    figures = [
        {
            "run": name,
            "data_until": RUNS[name],
            "cosine": runs[name].figures["cosine"],
            "max_score_error": runs[name].figures["scores"]["max_relative_error"],
            "genre_auc": {kind: auc[kind][name] for kind in auc},
        }
        for name in RUNS
    ]
    return DemoResult(figures, Path(out) if out else None)


@dataclass(frozen=True)
class _Movies:
    """Vectors (n, e), genre flags (n, g), and which movies the classifier may learn from, (n,)."""

    vectors: Matrix
    genres: NDArray[np.bool_]
    known: NDArray[np.bool_]


# Of each id, whether the classifier may learn from it.
KNOWN = "hash(id) % 2 = 0"


def genre_auc(runs: Sequence[Path]) -> list[float]:
    """How well a classifier of genres goes on working: trained on the first run, used on each.

    Args:
        runs: Directories with `items.parquet`, of movies that the demo has the genres of.

    Returns:
        The area under the ROC curve for each run, on movies that it has not learnt from; the mean
        over the genres.
    """
    movies = [_movies(run, DATA / "genres.parquet") for run in runs]
    first = movies[0]
    x = _with_constant(first.vectors[first.known])
    targets = first.genres[first.known].astype(np.float64)
    ridge = 0.01 * np.trace(x.T @ x) / x.shape[1] * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + ridge, x.T @ targets)
    result = []
    for run in movies:
        unseen = ~run.known
        scores = _with_constant(run.vectors[unseen]) @ weights
        flags = run.genres[unseen]
        result.append(float(np.mean([_auc(s, f) for s, f in zip(scores.T, flags.T, strict=True)])))
    return result


def _movies(run: Path, genres: Path) -> _Movies:
    with duckdb.connect() as connection:
        found = connection.execute(
            f"""
            SELECT items.embedding, genres.* EXCLUDE (id), {KNOWN} AS known
            FROM read_parquet(?) AS items JOIN read_parquet(?) AS genres USING (id)
            ORDER BY id
            """,
            [str(run / "items.parquet"), str(genres)],
        ).fetchnumpy()
    flags = [found[name] for name in found if name not in ("embedding", "known")]
    return _Movies(
        np.array(list(found["embedding"]), dtype=np.float64),
        np.stack(flags, axis=1) == 1,
        np.asarray(found["known"], dtype=bool),
    )


def _with_constant(vectors: Matrix) -> Matrix:
    return np.column_stack([vectors, np.ones(len(vectors))])


def _auc(scores: Matrix, flags: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a movie of the genre is scored above one that is not."""
    positive, negative = int(flags.sum()), int((~flags).sum())
    ranks = rankdata(scores)[flags].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))
