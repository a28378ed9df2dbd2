"""The charts of a report, as SVG that stands in the page.

Vega-Lite specifications by Altair, drawn by vl-convert when the report is made. So the page has no
script in it: it opens anywhere, prints, and a policy in it can forbid all scripts. Bundled with
Vega's JavaScript it would be larger by 0.8 MB, and blank wherever scripts are not run. Colours are
variables of the page's style sheet, which has a light and a dark one; legends, captions, text
alternatives and tables are the page's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlstab.errors import UsageError
from sqlstab.statements.sides import VECTORS, singular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlstab.statements.sides import Side

# A telephone shows it at its own size, so that its letters are not made smaller.
_WIDTH, _HEIGHT = 340, 230
# Colours of the style sheet, by what they stand for.
_RAW, _STABLE, _REFERENCE, _RUN = "var(--raw)", "var(--stable)", "var(--stable)", "var(--run)"
_SOFT, _LINE = "var(--soft)", "var(--line)"
_LONGEST_NAME = 12
# Cells of a matrix with so many rows have room for a number.
_MOST_WITH_NUMBERS = 8
# From a cosine of 0 to 1. The number on it is to be read on the darkest too, in both style sheets.
_SHADES = [0.05, 0.55]


@dataclass(frozen=True)
class Chart:
    """A chart, and what is said of it to those who cannot see it.

    Attributes:
        section: The part of the page that it belongs to.
        title: What it shows.
        description: What can be seen in it, in words.
        legend: The colours and what they stand for.
        svg: The picture.
        columns, rows: The same as a table.
    """

    section: str
    title: str
    description: str
    legend: tuple[tuple[str, str], ...]
    svg: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def charts(figures: dict[str, Any]) -> list[Chart]:
    """Draw all charts that the figures of a report allow.

    Raises:
        UsageError: Altair or vl-convert is not installed.
    """
    found: list[Chart] = []
    compared = figures["sides"] or {}
    for side in compared:
        if compared[side]["after"]:
            found.append(_histogram(compared[side], side))
    for side in compared:
        if compared[side]["drawn"]:
            found += _planes(compared[side]["drawn"], side)
    if figures["run"]["singular_values"]:
        found.append(_spectrum(figures))
    if figures["cosines"]:
        names = [run["name"] for run in figures["runs"]]
        for side in figures["cosines"]:
            found += _between(figures["cosines"][side], names, side)
    return found


def _altair() -> Any:
    """Import Altair, which is an extra."""
    try:
        import altair as alt  # noqa: PLC0415 - an extra
        import vl_convert  # noqa: F401, PLC0415 - the same extra
    except ImportError as error:
        raise UsageError(
            "Charts need Altair and vl-convert: pip install 'sqlstab[report]', or take "
            "--format md or json."
        ) from error
    return alt


def _svg(chart: Any, height: int = _HEIGHT) -> str:
    """Draw a chart; vl-convert brings what it needs and asks no network."""
    alt = _altair()
    import vl_convert  # noqa: PLC0415 - an extra

    chart = chart.properties(
        width=_WIDTH,
        height=height,
        padding={"left": 3, "top": 1, "right": 1, "bottom": 1},
        background="transparent",
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    ).configure(
        # The page says it; a name for each mark would be three quarters of the bytes.
        aria=False,
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            domainColor=_LINE,
            gridColor=_LINE,
            gridOpacity=0.6,
            tickColor=_LINE,
            labelColor=_SOFT,
            titleColor=_SOFT,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
        ),
    )
    version = alt.SCHEMA_VERSION.lstrip("v").rsplit(".", 1)[0]
    # Vega escapes the text in it.
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version)
    return svg


def _data(rows: list[dict[str, Any]]) -> Any:
    return _altair().InlineData(values=rows)


def _histogram(figures: dict[str, Any], side: Side) -> Chart:
    """Draw the cosines of the same id, before and after."""
    alt = _altair()
    kinds = [(kind, figures[kind]) for kind in ("before", "after") if figures[kind]]
    bins = len(figures["after"]["histogram"])
    edges = [round(-1 + 2 * n / bins, 10) for n in range(bins + 1)]
    layers = []
    for kind, found in kinds:
        rows = [
            {"start": edges[n], "end": edges[n + 1], "share": count / max(found["cosines"], 1)}
            for n, count in enumerate(found["histogram"])
            if count
        ]
        color = _STABLE if kind == "after" else _RAW
        layers.append(
            alt.Chart(_data(rows))
            .mark_bar(color=color, opacity=0.8 if kind == "after" else 0.65, binSpacing=0)
            .encode(
                x=alt.X(
                    "start:Q",
                    title=f"cosine of the same {singular(side)} in both runs",
                    scale=alt.Scale(domain=[-1, 1]),
                    axis=alt.Axis(values=[-1, -0.5, 0, 0.5, 1], grid=False),
                ),
                x2="end:Q",
                y=alt.Y(
                    "share:Q",
                    title=f"share of {side}",
                    stack=None,
                    axis=alt.Axis(format="%", tickCount=4, domain=False, ticks=False),
                ),
                y2=alt.datum(0),
            )
        )
    words = " ".join(
        f"{'Stable' if kind == 'after' else 'Raw'} vectors: mean {_figure(found['mean'])}, "
        f"nine of ten above {_figure(found['cosine']['p10'])}."
        for kind, found in reversed(kinds)
    )
    names = {"before": "raw", "after": "stable"}
    return Chart(
        "cosines",
        f"Cosine of the same {singular(side)}",
        f"Histogram of the cosines of {figures['after']['cosines']:,} shared {side}. {words}",
        tuple((names[kind], f"{names[kind]} vectors") for kind, _ in kinds),
        _svg(alt.layer(*layers)),
        ("cosine", *(f"{names[kind]} vectors" for kind, _ in kinds)),
        [
            (f"{edges[n]:.2f} to {edges[n + 1]:.2f}", *counts)
            for n, counts in enumerate(zip(*(f["histogram"] for _, f in kinds), strict=True))
            if any(counts)
        ],
    )


def _planes(drawn: dict[str, Any], side: Side) -> Iterator[Chart]:
    """Draw the same ids in both runs, joined by lines, in raw and in stable coordinates."""
    for kind in ("raw", "stable"):
        if drawn[kind]:
            yield _plane(drawn["ids"], drawn[kind], side, kind)


def _plane(ids: list[str], points: dict[str, Any], side: Side, kind: str) -> Chart:
    alt = _altair()
    pairs = list(zip(points["reference"], points["run"], strict=True))
    both = [point for pair in pairs for point in pair]
    # One scale for both axes: a square around all points.
    middle = [(min(p[k] for p in both) + max(p[k] for p in both)) / 2 for k in range(2)]
    half = 1.05 * max(abs(p[k] - middle[k]) for p in both for k in range(2)) or 1.0
    x, y = (
        alt.Scale(domain=[middle[k] - half, middle[k] + half], nice=False, zero=False)
        for k in range(2)
    )
    of_axis = {"axis": None, "title": None}
    lines = (
        alt.Chart(_data([{"x": a[0], "y": a[1], "x2": b[0], "y2": b[1]} for a, b in pairs]))
        .mark_rule(color=_SOFT, opacity=0.45, strokeWidth=1)
        .encode(
            x=alt.X("x:Q", scale=x, **of_axis), y=alt.Y("y:Q", scale=y, **of_axis), x2="x2", y2="y2"
        )
    )
    dots = [
        alt.Chart(_data([{"x": pair[n][0], "y": pair[n][1]} for pair in pairs]))
        .mark_circle(color=color, size=34, opacity=0.9)
        .encode(x=alt.X("x:Q", scale=x, **of_axis), y=alt.Y("y:Q", scale=y, **of_axis))
        for n, color in enumerate((_REFERENCE, _RUN))
    ]
    moved = [((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5 for a, b in pairs]
    width = max(max(p[k] for p in both) - min(p[k] for p in both) for k in range(2)) or 1.0
    return Chart(
        "plane",
        _titled(side, kind),
        f"The same {len(ids)} {side} in both runs, {kind} vectors, joined by lines. The lines are "
        f"{sum(moved) / len(moved) / width:.0%} of the picture's width on average.",
        (("stable", "reference"), ("run", "this run")),
        _svg(alt.layer(lines, *dots), _WIDTH),
        (singular(side), "reference", "this run"),
        [
            (name, *(f"{p[0]:.3g}, {p[1]:.3g}" for p in pair))
            for name, pair in zip(ids, pairs, strict=True)
        ],
    )


def _titled(side: Side, kind: str, *more: str) -> str:
    """Return the title of a chart: `Items, raw vectors`; of vectors alone, `Raw vectors`."""
    named = () if side == VECTORS else (side,)
    return ", ".join([*named, *more, f"{kind} vectors"]).capitalize()


def _spectrum(figures: dict[str, Any]) -> Chart:
    """Draw the singular values of the scores, or of the dot products of a table alone."""
    alt = _altair()
    of = "dot products" if VECTORS in figures["run"]["tables"] else "scores"
    lines = [("this run", _RUN, figures["run"]["singular_values"])]
    if figures["reference"] and figures["reference"]["singular_values"]:
        lines.insert(0, ("reference", _REFERENCE, figures["reference"]["singular_values"]))
    everything = [value for _, _, values in lines for value in values]
    layers = [
        alt.Chart(_data([{"n": n + 1, "value": value} for n, value in enumerate(values)]))
        .mark_line(color=color, strokeWidth=2, point=alt.OverlayMarkDef(color=color, size=18))
        .encode(
            x=alt.X("n:Q", title="axis", axis=alt.Axis(grid=False, tickMinStep=1)),
            y=alt.Y(
                "value:Q",
                title="singular value, logarithmic",
                scale=alt.Scale(type="log", domain=[0.8 * min(everything), 1.25 * max(everything)]),
                axis=alt.Axis(tickCount=4, format="~g", domain=False, ticks=False, grid=False),
            ),
        )
        for _, color, values in lines
    ]
    own = lines[-1][2]
    count = max(len(values) for _, _, values in lines)
    return Chart(
        "spectrum",
        f"Spectrum of the {of}",
        f"Singular values of the {of}, on a logarithmic axis: {len(own)}, from {own[0]:.3g} "
        f"down to {own[-1]:.3g}.",
        tuple(("run" if name == "this run" else "stable", name) for name, _, _ in lines),
        _svg(alt.layer(*layers)),
        ("axis", *(name for name, _, _ in lines)),
        [
            (n + 1, *(f"{v[n]:.4g}" if n < len(v) else "" for _, _, v in lines))
            for n in range(count)
        ],
    )


def _between(cosines: dict[str, Any], names: list[str], side: Side) -> Iterator[Chart]:
    """Draw how the runs agree with each other: over time, and each with each."""
    labels = [
        name if len(name) <= _LONGEST_NAME else f"#{number + 1}"
        for number, name in enumerate(names)
    ]
    if len(set(labels)) < len(labels):
        labels = [f"#{number + 1}" for number in range(len(names))]
    known = [kind for kind in ("stable", "raw") if _has_any(cosines[kind])]
    yield _drift(cosines, names, labels, known, side)
    for kind in reversed(known):
        yield _skew(cosines[kind], names, labels, side, kind)


def _has_any(matrix: list[list[float | None]]) -> bool:
    return any(matrix[i][j] is not None for i in range(len(matrix)) for j in range(i))


def _drift(
    cosines: dict[str, Any], names: list[str], labels: list[str], known: list[str], side: Side
) -> Chart:
    alt = _altair()
    # What kind of vectors, the line's name, its look in the legend and in the chart.
    lines = [
        ("stable", "to the first run, stable", "stable", [1, 0]),
        ("stable", "to the run before, stable", "stable dashed", [4, 3]),
        ("raw", "to the first run, raw", "raw", [1, 0]),
    ]
    lines = [line for line in lines if line[0] in known]
    series = {
        title: [cosines[kind][n][n - 1 if "before" in title else 0] for n in range(1, len(names))]
        for kind, title, _, _ in lines
    }
    least = min([0.0, *(v for values in series.values() for v in values if v is not None)])
    layers = [
        alt.Chart(
            _data(
                [
                    {"run": labels[n + 1], "cosine": value}
                    for n, value in enumerate(series[title])
                    if value is not None
                ]
            )
        )
        .mark_line(
            color=_STABLE if kind == "stable" else _RAW,
            strokeWidth=2,
            strokeDash=dash,
            point=alt.OverlayMarkDef(color=_STABLE if kind == "stable" else _RAW, size=30),
        )
        .encode(
            x=alt.X(
                "run:N",
                title=None,
                sort=labels[1:],
                scale=alt.Scale(domain=labels[1:]),
                axis=alt.Axis(labelAngle=0, labelLimit=90, labelOverlap=True),
            ),
            y=alt.Y(
                "cosine:Q",
                title=f"mean cosine of the same {singular(side)}",
                scale=alt.Scale(domain=[least, 1]),
                axis=alt.Axis(tickCount=5, domain=False, ticks=False),
            ),
        )
        for kind, title, _, dash in lines
    ]
    last = ", ".join(f"{title} {_figure(values[-1])}" for title, values in series.items())
    return Chart(
        "runs",
        f"Drift of the {side}",
        f"Mean cosine of the same {singular(side)} over {len(names)} runs. "
        f"Of the last run: {last}.",
        tuple((css, title) for _, title, css, _ in lines),
        _svg(alt.layer(*layers)),
        ("run", *series),
        [
            (names[n + 1], *(_figure(values[n]) for values in series.values()))
            for n in range(len(names) - 1)
        ],
    )


def _skew(
    matrix: list[list[float | None]], names: list[str], labels: list[str], side: Side, kind: str
) -> Chart:
    alt = _altair()
    cells: list[dict[str, Any]] = [
        {"row": labels[i], "column": labels[j], "cosine": value, "shown": max(value, 0.0)}
        for i, row in enumerate(matrix)
        for j, value in enumerate(row)
        if value is not None
    ]
    of_runs = {"sort": labels, "title": None, "scale": alt.Scale(domain=labels, paddingInner=0.04)}
    x = alt.X("column:N", axis=alt.Axis(labelAngle=0, domain=False, ticks=False), **of_runs)
    y = alt.Y("row:N", axis=alt.Axis(domain=False, ticks=False), **of_runs)
    color = _STABLE if kind == "stable" else _RAW
    squares = (
        alt.Chart(_data(cells))
        .mark_rect(color=color, cornerRadius=3)
        .encode(
            x=x,
            y=y,
            opacity=alt.Opacity(
                "shown:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=_SHADES)
            ),
        )
    )
    layers = [squares]
    if len(names) <= _MOST_WITH_NUMBERS:
        numbers = alt.Chart(_data(cells)).mark_text(color="var(--text)", fontSize=12)
        layers.append(numbers.encode(x=x, y=y, text=alt.Text("cosine:Q", format=".2f")))
    others = [v for i, row in enumerate(matrix) for v in row[:i] if v is not None]
    return Chart(
        "runs",
        _titled(side, kind, "any two runs"),
        f"Mean cosine of the same {singular(side)} in any two of {len(names)} runs, {kind} "
        f"vectors: from {min(others):.2f} to {max(others):.2f}.",
        (),
        _svg(alt.layer(*layers), 232),
        ("run", *names),
        [(names[i], *(_figure(value) for value in row)) for i, row in enumerate(matrix)],
    )


def _figure(value: float | None) -> str:
    # No minus before a zero.
    return "unknown" if value is None else f"{round(value, 2) + 0.0:.2f}"
