"""The figures of a report: from finished run directories and their stable tables.

The raw vectors of a run are not needed: they are its stable ones, times the inverse transform.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sqlstab import __version__, checks
from sqlstab.compare import compare
from sqlstab.config import Options
from sqlstab.inspection import Inspector
from sqlstab.maths.quality import SAMPLED_ROWS
from sqlstab.references import check_kinds
from sqlstab.statements import build
from sqlstab.statements.build import Vectors
from sqlstab.statements.table import VECTORS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from sqlstab.engines import Engine
    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Diary
    from sqlstab.runs import Run
    from sqlstab.statements.table import Side, VectorTable

FORMAT = 1
BINS = 40
LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
# For each pair of runs, where there are many.
_ROWS_OF_A_PAIR = 5_000
# Neighbours of so many ids are looked for among so many: 400,000 scores to rank, three times over.
_QUERIES, _CANDIDATES, NEAREST = 200, 2_000, 10
_MOVED = 15
_DRAWN = 60

_Pair: TypeAlias = tuple[Vectors, Vectors]


class Measuring:
    """The steps of a report; nothing is written.

    Args:
        engine: Where the stable tables are.
        diary: Is told.
    """

    def __init__(self, engine: Engine, diary: Diary) -> None:
        self._engine = engine
        self._diary = diary
        # Stable vectors that are bad show in the figures.
        self._inspector = Inspector(engine, Options(), diary, notices=True)
        self._statements: list[dict[str, str]] = []
        self._tables: dict[tuple[str, Side], tuple[VectorTable, int]] = {}

    def figures(self, run: Run, reference: Run | None, others: Sequence[Run]) -> dict[str, Any]:
        """All figures; see `report`.

        Args:
            run: The run.
            reference: The one to compare it with.
            others: Further runs.
        """
        chosen = [*others, *([reference] if reference else []), run]
        # A run's name sorts by time.
        runs = sorted({each.run_id: each for each in chosen}.values(), key=lambda r: r.run_id)
        for each in runs:
            check_kinds(each, run.sides)
        for each in runs if len(chosen) > 1 else []:
            self._look_at(each)
        compared: dict[str, Any] = {"comparison": None, "sides": None, "neighbours": None}
        if reference:
            compared = self._beside(run, reference)
        names = _names(runs)
        return {
            "format": FORMAT,
            "sqlstab": __version__,
            "created": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
            "engine": self._engine.dialect.name,
            "run": {"name": names[run.run_id], **run.figures},
            "reference": (
                {"name": names[reference.run_id], **_short(reference)} if reference else None
            ),
            "space": _space(run, reference, runs) if reference else None,
            **compared,
            "runs": [{"name": names[each.run_id], **_short(each)} for each in runs],
            "cosines": self._between(runs) if len(runs) > 2 else None,
            "statements": self._statements,
            "warnings": self._diary.warnings,
        }

    def _look_at(self, run: Run) -> None:
        """Find a run's stable tables, and count their rows."""
        self._inspector.check_reachable(run)
        with self._diary.step("check", f"Checking run {run.run_id}"):
            for side in run.tables:
                table = self._inspector.stable_table(run, side)
                checked = self._inspector.stable(run, table, values=False)
                self._tables[run.run_id, side] = checked.table, checked.rows

    def _beside(self, run: Run, reference: Run) -> dict[str, Any]:
        alignment = run.figures["alignment"] or {}
        main = main_side(run.sides)
        comparison = compare(
            run,
            reference,
            self._engine,
            options=Options(anchor=alignment.get("weights") or main),
            progress=self._diary.progress,
        )
        sides = {}
        for side in _of_all([run, reference]):
            if side in run.sides:
                shared = comparison.figures[side]["shared"]
            else:
                shared = self._shared(run, reference, side)
            counts = [self._tables[each.run_id, side][1] for each in (run, reference)]
            sides[side] = {
                "run": counts[0],
                "reference": counts[1],
                "shared": shared,
                "new": counts[0] - shared,
                "gone": counts[1] - shared,
                **(self._rows(run, reference, side, shared) if shared else _NOTHING),
            }
        shared = comparison.figures[main]["shared"]
        neighbours = self._neighbours(run, reference, main, shared) if shared > 1 else None
        return {"comparison": comparison.figures, "sides": sides, "neighbours": neighbours}

    def _shared(self, run: Run, reference: Run, side: Side) -> int:
        """How many ids a further table has in both runs."""
        table, other = (self._tables[each.run_id, side][0] for each in (run, reference))
        with self._diary.step("check", "Counting shared ids"):
            checks.check_joinable(self._engine, table, other)
            return checks.count_shared(self._engine, table, other)

    def _rows(self, run: Run, reference: Run, side: Side, shared: int) -> dict[str, Any]:
        """What single rows show: cosines, those that moved most, a few vectors to draw."""
        share = min(1.0, SAMPLED_ROWS / shared)
        stable = self._stable(run, reference, side, share)
        raw = self._raw(run, reference, stable, side)
        with self._diary.step("rows", f"Measuring {side}"):
            found: dict[str, Any] = {"after": self._cosine_figures(stable, f"stable {side}")}
            found["before"] = self._cosine_figures(raw, f"raw {side}") if raw else None
            moved = build.moved_most(stable, raw, _MOVED, self._engine.dialect)
            rows = self._query(f"The {side} that moved most", moved)
            drawn = (
                self._drawn(run, reference, side, stable, with_raw=raw is not None)
                if side == main_side(run.sides)
                else None
            )
        return {**found, "moved": [_plain(row) for row in rows], "drawn": drawn}

    def _stable(self, run: Run, reference: Run, side: Side, share: float) -> _Pair:
        """The stable tables of two runs, or such a share of their rows."""
        first, second = (
            Vectors(
                replace(self._tables[each.run_id, side][0], share=share),
                each.transform.dimension,
            )
            for each in (run, reference)
        )
        checks.check_joinable(self._engine, first.table, second.table)
        return first, second

    def _raw(self, run: Run, reference: Run, stable: _Pair, side: Side) -> _Pair | None:
        """The same rows on the way back to raw vectors, where there is one for both runs."""
        maps = [each.transform[side] for each in (run, reference)]
        if not all(each.invertible for each in maps) or len({len(m.balanced) for m in maps}) > 1:
            return None
        first, second = (
            replace(vectors, matrix=each.inverse_matrix)
            for vectors, each in zip(stable, maps, strict=True)
        )
        dialect = self._engine.dialect
        # The longest statement, and what it carries in columns: both vectors, and where they began.
        statement = build.moved_most(stable, (first, second), _MOVED, dialect)
        columns = 2 * (run.transform.raw_dimension + run.transform.dimension)
        narrow = dialect.style == "arrays" or columns <= dialect.most_columns
        if not narrow or not dialect.takes(statement):
            self._diary.warn(
                f"{side}: raw vectors were not compared; {dialect.name} takes no statement as long "
                f"as {run.transform.raw_dimension} dimensions need."
            )
            return None
        return first, second

    def _cosine_figures(self, pair: _Pair, what: str) -> dict[str, Any]:
        dialect = self._engine.dialect
        (row,) = self._query(
            f"Cosines of {what}", build.cosine_summary(pair[0], pair[1], LEVELS, dialect)
        )
        bins = self._query(
            f"Histogram of the cosines of {what}",
            build.cosine_histogram(pair[0], pair[1], BINS, dialect),
        )
        counts = [0] * BINS
        for found in bins:
            counts[int(found["bin"])] = int(found["n_rows"])
        return {
            "rows": int(row["n_rows"]),
            "cosines": int(row["n_cosines"]),
            "mean": _number(row["cosine_mean"]),
            "cosine": _quantiles(row, "cosine"),
            "norm_ratio": _quantiles(row, "norm_ratio"),
            "histogram": counts,
        }

    def _drawn(
        self, run: Run, reference: Run, side: Side, stable: _Pair, *, with_raw: bool
    ) -> dict[str, Any]:
        """The reference's longest vectors and the same of the run, in a plane."""
        vectors: list[Matrix] = []
        ids: list[str] = []
        for name, wanted in zip(("run", "reference"), stable, strict=True):
            found = self._query(
                f"Some {side} of the {name}",
                build.longest(stable[0], stable[1], wanted, _DRAWN, self._engine.dialect),
            )
            ids = [str(row["vector_id"]) for row in found]
            columns = [f"x{k + 1}" for k in range(wanted.dimension)]
            rows = [[float(row[column]) for column in columns] for row in found]
            vectors.append(np.array(rows, dtype=np.float64).reshape(-1, wanted.dimension))
        drawn: dict[str, Any] = {"ids": ids, "stable": _in_a_plane(*vectors), "raw": None}
        if with_raw:
            back = [
                rows @ each.transform[side].inverse_matrix
                for rows, each in zip(vectors, (run, reference), strict=True)
            ]
            drawn["raw"] = _in_a_plane(*back)
        return drawn

    def _neighbours(self, run: Run, reference: Run, side: Side, shared: int) -> dict[str, Any]:
        """Whether an id's neighbours are the same, and are found among yesterday's vectors."""
        share = min(1.0, _CANDIDATES / shared)
        asked = min(1.0, _QUERIES / shared)
        stable = self._stable(run, reference, side, share)
        raw = self._raw(run, reference, stable, side)
        among = round(shared * share)
        found: dict[str, Any] = {"nearest": min(NEAREST, among - 1), "among": among, "raw": None}
        for name, pair in (("stable", stable), ("raw", raw)):
            if pair is None:
                continue
            found[name] = {}
            for measure in ("dot", "cosine"):
                with self._diary.step("neighbours", f"Looking for neighbours ({name}, {measure})"):
                    statement = build.neighbours(
                        pair[0],
                        pair[1],
                        asked,
                        found["nearest"],
                        self._engine.dialect,
                        normalize=measure == "cosine",
                    )
                    (row,) = self._query(f"Neighbours of {name} {side}, {measure}", statement)
                listed = int(row["n_neighbours"] or 0)
                found[name][measure] = {
                    "listed": listed,
                    "both": int(row["n_both"]) / listed if listed else None,
                    "looked_up": int(row["n_found"]) / listed if listed else None,
                }
        return found

    def _between(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Mean cosines of the same id in any two runs, as matrices; None where there is none."""
        found: dict[str, Any] = {}
        for side in _of_all(runs):
            stable, raw = (
                [[1.0 if i == j else None for j in range(len(runs))] for i in range(len(runs))]
                for _ in range(2)
            )
            with self._diary.step("between", f"Comparing {side} of {len(runs)} runs") as step:
                pairs = [(i, j) for i in range(len(runs)) for j in range(i)]
                for number, (i, j) in enumerate(pairs):
                    rows = min(self._tables[runs[k].run_id, side][1] for k in (i, j))
                    share = min(1.0, _ROWS_OF_A_PAIR / max(rows, 1))
                    pair = self._stable(runs[i], runs[j], side, share)
                    back = self._raw(runs[i], runs[j], pair, side)
                    for matrix, vectors in ((stable, pair), (raw, back)):
                        if vectors:
                            mean = self._mean_cosine(vectors)
                            matrix[i][j] = matrix[j][i] = mean
                    step.done((number + 1) / len(pairs))
            found[side] = {"stable": stable, "raw": raw}
        return found

    def _mean_cosine(self, pair: _Pair) -> float | None:
        statement = build.cosine_summary(pair[0], pair[1], (), self._engine.dialect)
        return _number(self._engine.query(statement)[0]["cosine_mean"])

    def _query(self, title: str, statement: str) -> list[dict[str, Any]]:
        """Run a statement that the report will show."""
        self._statements.append({"title": title, "sql": statement})
        return self._engine.query(statement)


# Of a side that shares no id with the reference.
_NOTHING: dict[str, Any] = {"before": None, "after": None, "moved": [], "drawn": None}


def _quantiles(row: dict[str, Any], figure: str) -> dict[str, float | None]:
    names = [build.quantile_name(level) for level in LEVELS]
    return {name: _number(row[f"{figure}_{name}"]) for name in names}


def _number(value: Any) -> float | None:
    """A number as JSON can have it."""
    return float(value) if value is not None and np.isfinite(float(value)) else None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: str(v) if name == "moved_id" else _number(v) for name, v in row.items()}


def _in_a_plane(run: Matrix, reference: Matrix) -> dict[str, Any] | None:
    """The rows of both as points of the plane in which the reference's differ most.

    Args:
        run: (n, d).
        reference: (n, k): what one has fewer components is zero.
    """
    if len(reference) < 2:
        return None
    size = max(run.shape[1], reference.shape[1], 2)
    run, reference = (np.pad(m, ((0, 0), (0, size - m.shape[1]))) for m in (run, reference))
    center = reference.mean(axis=0)
    plane = np.linalg.svd(reference - center)[2][:2].T
    return {
        "run": ((run - center) @ plane).tolist(),
        "reference": ((reference - center) @ plane).tolist(),
    }


def _of_all(runs: Sequence[Run]) -> list[Side]:
    """The tables that each of some runs has, in the order of the newest one."""
    return [side for side in runs[-1].tables if all(side in run.tables for run in runs)]


def main_side(sides: Collection[Side]) -> Side:
    """The table whose neighbours are looked for: items are, among others of their kind."""
    return "items" if "items" in sides else VECTORS


def _space(run: Run, reference: Run, runs: Sequence[Run]) -> dict[str, Any]:
    """Whether a run is in the space of its reference, as far as is known.

    Args:
        run: The run.
        reference: What it is compared with.
        runs: All that are at hand.

    Returns:
        `same`: true, false, or null where a run between the two is not at hand; `run` and
        `reference`: the run that began the space of each, null where that is not at hand;
        `aligned_with`: the run that this one was aligned with, null for none.
    """
    first = _began(run, runs)
    other = _began(reference, runs)
    same: bool | None = None
    if reference.run_id in _linked(run, runs):
        same = True
    # What began later than the other was made is not its beginning; ids sort by time.
    elif (
        (first and other) or (first and first > reference.run_id) or (other and other > run.run_id)
    ):
        same = False
    return {
        "same": same,
        "run": first,
        "reference": other,
        "aligned_with": run.transform.reference,
    }


def _linked(run: Run, runs: Sequence[Run]) -> set[str]:
    """The ids of runs that alignments lead to from a run, in either direction."""
    found = {run.run_id}
    groups = [{each.run_id, *_aligned_with(each)} for each in runs]
    # One more link of the chain each time.
    for _ in groups:
        found = found.union(*(group for group in groups if group & found))
    return found


def _began(run: Run, runs: Sequence[Run]) -> str | None:
    """The run that began the space of a run, if it is at hand."""
    linked = _linked(run, runs)
    roots = (r.run_id for r in runs if r.run_id in linked and not _aligned_with(r))
    return next(roots, None)


def _aligned_with(run: Run) -> set[str]:
    """The ids of the runs that a run was aligned with: several of a consensus."""
    consensus = (run.figures["reference"] or {}).get("runs", [])
    return {*filter(None, [run.transform.reference]), *consensus}


def _short(run: Run) -> dict[str, Any]:
    """What a report says of a run beside the one that it is about."""
    values = run.transform.singular_values
    return {
        "run_id": run.run_id,
        "created": run.figures["created"],
        "dimension": run.transform.dimension,
        "rank": run.transform.rank,
        "singular_values": None if values is None else values.tolist(),
    }


def _names(runs: Sequence[Run]) -> dict[str, str]:
    """What to call the runs: by their directories, where those have different names."""

    def own(directory: Path | None) -> str:
        return directory.absolute().name if directory else ""

    names = [own(run.directory) for run in runs]
    distinct = all(names) and len(set(names)) == len(names)
    return {
        run.run_id: name if distinct else run.run_id for run, name in zip(runs, names, strict=True)
    }
