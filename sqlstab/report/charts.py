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
    return list((_of_run if "run" in figures else _of_space)(figures))


def _of_run(figures: dict[str, Any]) -> Iterator[Chart]:
    compared = figures["sides"] or {}
    for side in compared:
        if compared[side]["after"]:
            yield _histogram(compared[side], side)
    for side in compared:
        if compared[side]["drawn"]:
            yield from _planes(compared[side]["drawn"], side)
    if figures["run"]["singular_values"]:
        yield _spectrum(figures)


def _of_space(figures: dict[str, Any]) -> Iterator[Chart]:
    runs = figures["runs"]
    names = [run["name"] for run in runs]
    if len(runs) > 1:
        yield _days(
            "days",
            "Agreement of held-out ids",
            names,
            {"agreement": ("stable", [run["agreement"] for run in runs])},
            "agreement above chance",
        )
    for side in runs[-1]["tables"] if len(runs) > 1 else ():
        own = [run["tables"].get(side, {}) for run in runs]
        kinds = ("stable", "raw")
        cosines = {f"{kind} vectors": (kind, [each.get(kind) for each in own]) for kind in kinds}
        counts = {
            name: (color, [each.get(name) for each in own])
            for name, color in (("shared", "stable"), ("new", "run"), ("gone", "soft"))
        }
        title = f"Cosine of the same {singular(side)}"
        yield _days("days", title, names, cosines, "mean cosine with the earlier run")
        yield _days("ids", side.capitalize(), names, counts, f"{side}", counted=True)
    for side, cosines in figures["cosines"].items() if len(figures["compared"]) > 2 else ():
        labels = _labels(figures["compared"])
        for kind in ("raw", "stable"):
            if _has_any(cosines[kind]):
                yield _skew(cosines[kind], figures["compared"], labels, side, kind)


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
        # Letters are wider where the page is read than where its charts are drawn.
        padding={"left": 9, "top": 1, "right": 1, "bottom": 1},
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
            titlePadding=9,
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


def _labels(names: Sequence[str]) -> list[str]:
    """Return the names of runs as an axis has room for them."""
    labels = [
        name if len(name) <= _LONGEST_NAME else f"#{number + 1}"
        for number, name in enumerate(names)
    ]
    if len(set(labels)) < len(labels):
        labels = [f"#{number + 1}" for number in range(len(names))]
    return labels


def _has_any(matrix: list[list[float | None]]) -> bool:
    return any(matrix[i][j] is not None for i in range(len(matrix)) for j in range(i))


def _days(
    section: str,
    title: str,
    names: list[str],
    series: dict[str, tuple[str, list[Any]]],
    what: str,
    *,
    counted: bool = False,
) -> Chart:
    """Draw figures of each run, in the order of the runs.

    Args:
        section: The part of the page.
        title: What is shown.
        names: The runs.
        series: What a line is called: its colour, and a value for each run, None where there is
            none.
        what: The title of the axis.
        counted: Values are counts, not cosines.
    """
    alt = _altair()
    labels = _labels(names)
    series = {name: line for name, line in series.items() if _values(line[1])}
    everything = [value for _, values in series.values() for value in _values(values)]
    least = min([0.0, *everything])
    scale = alt.Scale(domain=[least, 1]) if not counted else alt.Scale(domainMin=0)
    layers = [
        alt.Chart(
            _data(
                [
                    {"run": label, "value": value}
                    for label, value in zip(labels, values, strict=True)
                    if value is not None
                ]
            )
        )
        .mark_line(
            color=f"var(--{color})",
            strokeWidth=2,
            point=alt.OverlayMarkDef(color=f"var(--{color})", size=24),
        )
        .encode(
            x=alt.X(
                "run:N",
                title=None,
                sort=labels,
                scale=alt.Scale(domain=labels),
                axis=alt.Axis(labelAngle=0, labelLimit=90, labelOverlap=True),
            ),
            y=alt.Y(
                "value:Q",
                title=what,
                scale=scale,
                axis=alt.Axis(tickCount=5, domain=False, ticks=False),
            ),
        )
        for color, values in series.values()
    ]
    spelled = (lambda value: f"{value:,}") if counted else _figure
    ranges = "; ".join(
        f"{name} from {spelled(min(found))} to {spelled(max(found))}, last {spelled(found[-1])}"
        for name, found in ((name, _values(values)) for name, (_, values) in series.items())
    )
    return Chart(
        section,
        title,
        f"{title} over {len(names)} runs: {ranges or 'unknown'}.",
        tuple((color, name) for name, (color, _) in series.items()),
        _svg(alt.layer(*layers)),
        ("run", *series),
        [
            (name, *("" if v[n] is None else spelled(v[n]) for _, v in series.values()))
            for n, name in enumerate(names)
        ],
    )


def _values(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value is not None]


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
    # Its rows have all names.
    sparse = alt.Axis(labelAngle=0, labelOverlap=True, domain=False, ticks=False)
    x = alt.X("column:N", axis=sparse, **of_runs)
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
