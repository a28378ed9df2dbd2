"""Draw the lines of the tutorial: 31 retrainings of one model (`make tutorial-pictures`).

As in `make bench-quality`, the alignment is fitted on half of the movies, and the figures are of
the other half: docs/tutorial-cosine.svg and docs/tutorial-classifier.svg.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import altair as alt
import duckdb
import numpy as np
import vl_convert

from sqlstab import EmbeddingTable, Space
from sqlstab.demo import KNOWN, Movies, genre_aucs, movies

HERE = Path(__file__).resolve().parent
BENCHMARKS = HERE.parent / "benchmarks"
sys.path.append(str(BENCHMARKS))

from quality import cosines  # noqa: E402 - of the benchmarks

# To be seen on a white page and on a dark one.
TEXT, LINE = "#808080", "#80808044"
COLORS = {
    "raw": "#e07020",
    "stable": "#3388cc",
    "with a feature map": "#22a06b",
    "trained anew": "#909090",
}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sqlstab-") as folder:
        raw, stable = Path(folder) / "raw", Path(folder) / "stable"
        days = split(raw)
        space = Space(stable)
        for day in days:
            tables = (
                EmbeddingTable(str(raw / f"run={day}" / f"{side}.parquet"), anchor_filter=KNOWN)
                for side in ("users", "items")
            )
            space.run(*tables, key=day)
        lags = range(1, len(days))
        drift = {
            name: [float(np.mean(cosines(path, "items", days, [lag], "run"))) for lag in lags]
            for name, path in {"stable": stable, "raw": raw}.items()
        }
        vectors = {
            name: [movies(path / f"run={day}") for day in days]
            for name, path in {"stable": stable, "raw": raw}.items()
        }
        vectors["with a feature map"] = [
            mapped(run, space, days[0], day)
            for run, day in zip(vectors["stable"], days, strict=True)
        ]
        auc = {name: genre_aucs(runs)[1:] for name, runs in vectors.items()}
        auc["trained anew"] = [genre_aucs([run])[0] for run in vectors["stable"][1:]]
    draw("cosine", drift, "mean cosine of the same movie", [0, 1])
    draw("classifier", auc, "AUC of a classifier of the first run", [0.4, 0.8])


def split(target: Path) -> list[str]:
    """Write the vectors of each day to a folder of its own, and return the days."""
    with duckdb.connect() as connection:
        for side in ("users", "items"):
            rows = connection.read_parquet(str(BENCHMARKS / "data" / f"{side}.parquet"))
            days = [str(day) for (day,) in rows.unique("ds").order("ds").fetchall()]
            for day in days:
                folder = target / f"run={day}"
                folder.mkdir(parents=True, exist_ok=True)
                rows.filter(f"ds = '{day}'").write_parquet(str(folder / f"{side}.parquet"))
    return days


def mapped(run: Movies, space: Space, as_of: str, key: str) -> Movies:
    """Return the vectors of a run as features for a model that was trained on an earlier one."""
    if key == as_of:
        return run
    return replace(run, vectors=space.feature_map(as_of, key).apply(run.vectors))


def draw(name: str, lines: dict[str, list[float]], title: str, domain: list[float]) -> None:
    """Draw lines over the retrainings, each with its name at its end."""
    values = [
        {"line": line, "later": later, "value": value, "last": later == len(series)}
        for line, series in lines.items()
        for later, value in enumerate(series, 1)
    ]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("later:Q", title="retrainings later, one every two days", scale={"nice": False}),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(domain=domain)),
        color=alt.Color(
            "line:N", legend=None, scale=alt.Scale(domain=[*COLORS], range=[*COLORS.values()])
        ),
    )
    names = base.transform_filter("datum.last").mark_text(align="left", dx=6, fontSize=12)
    chart = (base.mark_line(strokeWidth=2) + names.encode(text="line:N")).properties(
        width=440, height=220, background="transparent"
    )
    chart = chart.configure(
        aria=False,
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            domain=False,
            gridColor=LINE,
            ticks=False,
            labelColor=TEXT,
            titleColor=TEXT,
            titleFontWeight="normal",
            labelFontSize=12,
            titleFontSize=12,
            titlePadding=8,
            tickCount=6,
        ),
    )
    version = alt.SCHEMA_VERSION.lstrip("v").rsplit(".", 1)[0]
    svg = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version)
    (HERE / f"tutorial-{name}.svg").write_text(f"{svg}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
