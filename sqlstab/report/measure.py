"""The figures of a report, on a run or on a space: from its runs and their stable tables.

Raw tables are not read: raw vectors are stable ones times the inverse map.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sqlstab import __version__
from sqlstab.flow import check
from sqlstab.maths.quality import SAMPLED_ROWS
from sqlstab.statements import build, ids
from sqlstab.statements.build import Vectors
from sqlstab.statements.sides import main_side
from sqlstab.statements.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlstab.maths.maps import Maps
    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Log
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.sides import Side
    from sqlstab.statements.statement import Flow
    from sqlstab.statements.table import VectorTable

FORMAT = 2
BINS = 40
LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
# For each pair of runs, where there are many.
_ROWS_OF_A_PAIR = 5_000
# Neighbours of so many ids are looked for among so many: 400,000 scores to rank, three times over.
_QUERIES, _CANDIDATES, NEAREST = 200, 2_000, 10
_MOVED = 15
# How many runs earlier is what ids of a space have moved from.
_MOVED_SINCE = 7
_DRAWN = 60

_Pair: TypeAlias = tuple[Vectors, Vectors]
# Mean cosines of stable and of raw vectors; None where they are unknown.
_Means: TypeAlias = tuple[float | None, float | None]


@dataclass(frozen=True)
class Stored:
    """A run of a space.

    Attributes:
        key: Its key.
        figures: What `run.json` holds.
        maps: The maps of its tables.
        tables: Its stable tables by name; empty where it wrote its maps only.
    """

    key: str
    figures: Mapping[str, Any]
    maps: Maps
    tables: Mapping[Side, VectorTable]

    def rows(self, side: Side) -> int:
        """Return how many rows a table has."""
        rows: int = self.figures["tables"][side]["rows"]
        return rows

    @property
    def dimension(self) -> int:
        """Components of a stable vector."""
        return self.maps.shape[1]


@dataclass
class Measuring:
    """The steps of a report; nothing is written.

    Attributes:
        dialect: The dialect to write.
        log: Records warnings.
        statements: The statements so far that the report will show.
    """

    dialect: Dialect
    log: Log
    statements: list[dict[str, str]] = field(default_factory=list)

    def run(self, run: Stored, reference: Stored | None) -> Flow[dict[str, Any]]:
        """Take the figures of a run.

        Args:
            run: The run.
            reference: The newest of the runs that it was aligned with, if it is in the space.
        """
        compared: dict[str, Any] = {"sides": None, "neighbours": None}
        if reference and run.tables and reference.tables:
            compared = yield from self._compared(run, reference)
        return {
            **self._about(),
            "run": {"name": run.key, **run.figures},
            "reference": _short(reference) if reference else None,
            **compared,
        }

    def space(self, runs: Sequence[Stored], earlier: Mapping[int, Stored]) -> Flow[dict[str, Any]]:
        """Take the figures of a space that its stable rows show.

        Args:
            runs: The newest runs that have rows, oldest first: these are compared each with each.
            earlier: What the newest is compared with, by how many runs it is earlier.
        """
        keys = [run.key for run in runs]
        cosines, lags, moved = {}, {}, {}
        # Where nothing is as many runs back, the oldest of those that are compared.
        far = earlier.get(_MOVED_SINCE, runs[0]) if len(runs) > 1 else None
        for side in runs[-1].tables if far else ():
            means: dict[tuple[str, str], _Means] = {}
            last = [(runs[-1], other) for other in earlier.values()]
            for run, other in [*combinations(runs[::-1], 2), *last]:
                if (run.key, other.key) not in means:
                    title = f"Comparing {side} of {len(runs)} runs"
                    means[run.key, other.key] = yield from self._means(run, other, side, title)
            cosines[side] = _matrices(means, keys)
            lags[side] = [
                {"lag": lag, "run": other.key, **_by_kind(means[runs[-1].key, other.key])}
                for lag, other in earlier.items()
            ]
            if far and _comparable(runs[-1], far, side, self.dialect):
                share = min(1.0, SAMPLED_ROWS / max(min(runs[-1].rows(side), far.rows(side)), 1))
                stable = self._stable(runs[-1], far, side, share)
                raw = self._raw(runs[-1], far, stable, side)
                rows = yield from self._moved(runs[-1], side, stable, raw)
                moved[side] = {
                    "run": runs[-1].key,
                    "reference": far.key,
                    "share": share,
                    "ids": rows,
                }
        found = {"compared": keys, "cosines": cosines, "lags": lags, "moved": moved}
        return {**self._about(), **found}

    def _about(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "sqlstab": __version__,
            "created": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
            "engine": self.dialect.name,
            "statements": self.statements,
            "warnings": self.log.warnings,
        }

    def _compared(self, run: Stored, reference: Stored) -> Flow[dict[str, Any]]:
        """Compare a run with its reference."""
        sides = {}
        main = main_side(run.tables)
        for side in _both(run, reference):
            table, other = run.tables[side], reference.tables[side]
            check.joinable(table, other, self.dialect)
            shared = yield from check.shared(table, other, self.dialect)
            rows = (yield from self._rows(run, reference, side, shared)) if shared else _NOTHING
            sides[side] = {
                "run": run.rows(side),
                "reference": reference.rows(side),
                "shared": shared,
                "new": run.rows(side) - shared,
                "gone": reference.rows(side) - shared,
                **rows,
            }
        shared = sides[main]["shared"] if main in sides else 0
        neighbours = None
        if shared > 1:
            neighbours = yield from self._neighbours(run, reference, main, shared)
        return {"sides": sides, "neighbours": neighbours}

    def _rows(
        self, run: Stored, reference: Stored, side: Side, shared: int
    ) -> Flow[dict[str, Any]]:
        """Measure what single rows show: cosines, those that moved most, a few to draw."""
        share = min(1.0, SAMPLED_ROWS / shared)
        stable = self._stable(run, reference, side, share)
        raw = self._raw(run, reference, stable, side)
        step = f"Measuring {side}"
        found: dict[str, Any] = {
            "after": (yield from self._cosine_figures(stable, f"stable {side}", step)),
            "before": (yield from self._cosine_figures(raw, f"raw {side}", step)) if raw else None,
        }
        moved = yield from self._moved(run, side, stable, raw)
        drawn = None
        if side == main_side(run.tables):
            drawn = yield from self._drawn(run, reference, side, stable, with_raw=raw is not None)
        return {**found, "moved": moved, "drawn": drawn}

    def _moved(
        self, run: Stored, side: Side, stable: _Pair, raw: _Pair | None
    ) -> Flow[list[dict[str, Any]]]:
        """Find the ids that moved most."""
        statement = build.moved_most(stable, raw, _MOVED, self.dialect)
        title = f"The {side} that moved most"
        rows = yield from self._query(title, statement, f"Measuring {side}")
        known = run.tables[side].ids
        return [
            {
                name: ids.shown(str(v), known, self.dialect) if name == "moved_id" else _number(v)
                for name, v in row.items()
            }
            for row in rows
        ]

    def _stable(self, run: Stored, reference: Stored, side: Side, share: float) -> _Pair:
        """Return the stable tables of two runs, or such a share of their rows."""
        first, second = (
            Vectors(replace(each.tables[side], share=share), each.dimension)
            for each in (run, reference)
        )
        return first, second

    def _raw(self, run: Stored, reference: Stored, stable: _Pair, side: Side) -> _Pair | None:
        """Return the same rows mapped back to raw vectors, where both runs can be."""
        maps = [each.maps[side] for each in (run, reference)]
        if not all(each.invertible for each in maps) or len({len(m.matrix) for m in maps}) > 1:
            return None
        first, second = (
            replace(vectors, matrix=each.inverse_matrix)
            for vectors, each in zip(stable, maps, strict=True)
        )
        dialect = self.dialect
        # The longest statement, and what it carries in columns: both vectors, and where they began.
        statement = build.moved_most(stable, (first, second), _MOVED, dialect)
        columns = 2 * sum(run.maps.shape)
        narrow = dialect.style == "arrays" or columns <= dialect.most_columns
        if not narrow or not dialect.takes(statement):
            self.log.warn(
                f"{side}: raw vectors were not compared; {dialect.name} takes no statement as long "
                f"as {run.maps.shape[0]} dimensions need."
            )
            return None
        return first, second

    def _cosine_figures(self, pair: _Pair, what: str, step: str) -> Flow[dict[str, Any]]:
        dialect = self.dialect
        (row,) = yield from self._query(
            f"Cosines of {what}", build.cosine_summary(pair[0], pair[1], LEVELS, dialect), step
        )
        bins = yield from self._query(
            f"Histogram of the cosines of {what}",
            build.cosine_histogram(pair[0], pair[1], BINS, dialect),
            step,
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
        self, run: Stored, reference: Stored, side: Side, stable: _Pair, *, with_raw: bool
    ) -> Flow[dict[str, Any]]:
        """Read the reference's longest vectors and the same of the run, in a plane."""
        vectors: list[Matrix] = []
        names: list[str] = []
        for name, wanted in zip(("run", "reference"), stable, strict=True):
            found = yield from self._query(
                f"Some {side} of the {name}",
                build.longest(stable[0], stable[1], wanted, _DRAWN, self.dialect),
                f"Measuring {side}",
            )
            known = run.tables[side].ids
            names = [ids.shown(str(row["vector_id"]), known, self.dialect) for row in found]
            columns = [f"x{k + 1}" for k in range(wanted.dimension)]
            rows = [[float(row[column]) for column in columns] for row in found]
            vectors.append(np.array(rows, dtype=np.float64).reshape(-1, wanted.dimension))
        drawn: dict[str, Any] = {"ids": names, "stable": _in_a_plane(*vectors), "raw": None}
        if with_raw:
            back = [
                rows @ each.maps[side].inverse_matrix
                for rows, each in zip(vectors, (run, reference), strict=True)
            ]
            drawn["raw"] = _in_a_plane(*back)
        return drawn

    def _neighbours(
        self, run: Stored, reference: Stored, side: Side, shared: int
    ) -> Flow[dict[str, Any]]:
        """Measure whether an id has the same neighbours, and finds them in yesterday's vectors."""
        share = min(1.0, _CANDIDATES / shared)
        asked = min(1.0, _QUERIES / shared)
        stable = self._stable(run, reference, side, share)
        raw = self._raw(run, reference, stable, side)
        among = round(shared * share)
        nearest = min(NEAREST, among - 1)
        found: dict[str, Any] = {"nearest": nearest, "among": among, "raw": None, "kept": None}
        for name, pair in (("stable", stable), ("raw", raw)):
            if pair is None:
                continue
            found[name] = {}
            for measure in ("dot", "cosine"):
                found[name][measure] = yield from self._overlap(
                    pair, asked, nearest, measure, f"{name} {side}"
                )
        if raw:
            # The same run, without the reference: what its map does to neighbours.
            own = raw[0], stable[0]
            what = f"{side}, raw against stable"
            kept = yield from self._overlap(own, asked, nearest, "cosine", what)
            found["kept"] = kept["both"]
        return found

    def _overlap(
        self, pair: _Pair, asked: float, nearest: int, measure: str, what: str
    ) -> Flow[dict[str, Any]]:
        statement = build.neighbours(
            *pair, asked, nearest, self.dialect, cosine=measure == "cosine"
        )
        title = f"Neighbours of {what}, {measure}"
        (row,) = yield from self._query(title, statement, f"Looking for neighbours of {what}")
        listed = int(row["n_neighbours"] or 0)
        return {
            "listed": listed,
            "both": int(row["n_both"]) / listed if listed else None,
            "looked_up": int(row["n_found"]) / listed if listed else None,
        }

    def _means(self, run: Stored, other: Stored, side: Side, title: str) -> Flow[_Means]:
        """Take mean cosines of the same id in two runs, of stable and of raw vectors."""
        if not _comparable(run, other, side, self.dialect):
            return None, None
        share = min(1.0, _ROWS_OF_A_PAIR / max(min(run.rows(side), other.rows(side)), 1))
        stable = self._stable(run, other, side, share)
        raw = self._raw(run, other, stable, side)
        of_stable = yield from self._mean(stable, title)
        of_raw = (yield from self._mean(raw, title)) if raw else None
        return of_stable, of_raw

    def _mean(self, pair: _Pair, title: str) -> Flow[float | None]:
        statement = build.cosine_summary(pair[0], pair[1], (), self.dialect)
        rows = yield Statement("compare", (statement,), list, [], title=title)
        return _number(rows[0]["cosine_mean"])

    def _query(self, title: str, statement: str, step: str) -> Flow[list[dict[str, Any]]]:
        """Run a statement that the report will show."""
        self.statements.append({"title": title, "sql": statement})
        rows: list[dict[str, Any]] = yield Statement("report", (statement,), list, [], title=step)
        return rows


# Of a side that shares no id with the reference.
_NOTHING: dict[str, Any] = {"before": None, "after": None, "moved": [], "drawn": None}


def _quantiles(row: dict[str, Any], figure: str) -> dict[str, float | None]:
    names = [build.quantile_name(level) for level in LEVELS]
    return {name: _number(row[f"{figure}_{name}"]) for name in names}


def _number(value: Any) -> float | None:
    """Return a number as JSON can have it."""
    return float(value) if value is not None and np.isfinite(float(value)) else None


def _in_a_plane(run: Matrix, reference: Matrix) -> dict[str, Any] | None:
    """Return the rows of both as points of the plane in which the reference's differ most.

    Args:
        run: (n, d).
        reference: (n, k); missing components are zero.
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


def _both(run: Stored, other: Stored) -> list[Side]:
    """Return the tables that both runs have."""
    return [side for side in run.tables if side in other.tables]


def _comparable(run: Stored, other: Stored, side: Side, dialect: Dialect) -> bool:
    """Return whether two runs have a table whose ids can be compared."""
    return side in _both(run, other) and ids.joinable(run.tables[side], other.tables[side], dialect)


def _by_kind(means: _Means) -> dict[str, float | None]:
    return dict(zip(("stable", "raw"), means, strict=True))


def _matrices(
    means: Mapping[tuple[str, str], _Means], keys: Sequence[str]
) -> dict[str, list[list[float | None]]]:
    """Return the mean cosines of any two runs as a symmetric matrix of each kind."""
    found: dict[str, list[list[float | None]]] = {}
    for number, kind in enumerate(("stable", "raw")):
        known = {pair: each[number] for pair, each in means.items()}
        known |= {(b, a): value for (a, b), value in known.items()} | {(a, a): 1.0 for a in keys}
        found[kind] = [[known[a, b] for b in keys] for a in keys]
    return found


def _short(run: Stored) -> dict[str, Any]:
    """Return what a report says of another run than its own."""
    names = ("created", "dimension", "rank", "singular_values")
    return {"name": run.key, **{name: run.figures[name] for name in names}}
