"""The report as a page, as Markdown and as JSON."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from sqlstab.flow.figures import word
from sqlstab.report.charts import charts
from sqlstab.statements.sides import VECTORS, main_side, singular
from sqlstab.words import counted

GENERATOR = '<meta name="generator" content="sqlstab">'
"""Stands in the head of each page: a file that has it may be replaced by another page."""

_MARKS = {"good": "✓", "doubtful": "!", "bad": "✗"}
_EMOJI = {"good": "✅", "doubtful": "⚠️", "bad": "❌"}
# A matrix stands in a statement as its numbers: a line of them says nothing to a reader.
_LONGEST_LINE = 120
_MOVED_IN_MARKDOWN = 5
# Runs of the reference that a cell has room for.
_SHOWN = 5


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        # Ids and names are what users have, whatever that is.
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "figure": figure,
        "rounded": lambda value: figure(value) if isinstance(value, float) else listed(value),
        "moment": lambda value: value[:16].replace("T", " ") + " UTC",
        "shortened": shortened,
        "listed": listed,
        "singular": singular,
        "word": word,
    }
    return environment


def html(figures: dict[str, Any]) -> str:
    """Return one page that holds all it needs.

    Raises:
        UsageError: What draws the charts is not installed.
    """
    sections: dict[str, list[Any]] = {}
    for chart in charts(figures):
        sections.setdefault(chart.section, []).append(chart)
    common = {"f": figures, "generator": GENERATOR, "charts": sections, "marks": _MARKS}
    if "run" not in figures:
        template = _environment().get_template("space.html.jinja")
        sides = list(figures["runs"][-1]["tables"])
        return template.render(**common, kind="space", name=figures["space"], sides=sides)
    run = figures["run"]
    return (
        _environment()
        .get_template("run.html.jinja")
        .render(
            **common,
            kind="run",
            name=run["name"],
            main=main_side(run["tables"]),
            # What the vectors of both sides make; those of a table alone have dot products.
            alone=VECTORS in run["tables"],
            # Those that the reference has too.
            compared=list(figures["sides"] or {}),
            tables=run["tables"],
            runs=_weights(run["reference"]),
        )
    )


def _weights(reference: dict[str, Any] | None) -> str:
    """Return the runs of the reference with their weights, newest first."""
    runs = list((reference or {}).get("runs", {}).items())[::-1]
    shown = [key if weight == 1 else f"{key} ({weight:.2g})" for key, weight in runs]
    more = f", and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"{', '.join(shown[:_SHOWN])}{more}" or "none"


def figure(value: float | None, digits: int = 2) -> str:
    """Return a figure as a page shows it."""
    # No minus before a zero.
    return "unknown" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def shortened(statement: str) -> str:
    """Return a statement without the bulk of its numbers."""

    def short(line: str) -> str:
        if len(line) <= _LONGEST_LINE:
            return line
        left_out = len(line) - _LONGEST_LINE
        return f"{line[: _LONGEST_LINE - 40]} ... {left_out:,} characters ... {line[-40:]}"

    return "\n".join(map(short, statement.strip().split("\n")))


def listed(value: Any) -> str:
    """Return a setting as a page shows it."""
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return f"{value[0]} ... {value[-1]}" if len(value) > 3 else ", ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def markdown(figures: dict[str, Any]) -> str:
    """Return short tables, fit for a pull request or the summary of a CI job."""
    verdict = figures["verdict"]
    lines = [
        f"## {_EMOJI[verdict['level']]} {_cell(verdict['headline'])}",
        "",
        *(_run_named if "run" in figures else _space_named)(figures),
        *_table(
            ("", "", "found"),
            [(_EMOJI[f["level"]], f["title"], f["text"]) for f in verdict["findings"]],
        ),
        *(_run_tables if "run" in figures else _space_tables)(figures),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _run_named(figures: dict[str, Any]) -> list[str]:
    reference = figures["reference"]
    compared = f", compared with {_cell(reference['name'])}" if reference else ""
    return [f"Run {_cell(figures['run']['name'])}{compared}.", ""]


def _run_tables(figures: dict[str, Any]) -> list[str]:
    run, lines = figures["run"], []
    if figures["sides"]:
        lines += _table(
            ("cosine of the same id", "raw", "stable", "stable, 10%", "shared", "new", "gone"),
            [
                (
                    side,
                    *(_mean(found[kind]) for kind in ("before", "after")),
                    _p10(found["after"]),
                    *(f"{found[name]:,}" for name in ("shared", "new", "gone")),
                )
                for side, found in figures["sides"].items()
            ],
        )
        main = main_side(run["tables"])
        lines += _moved(main, figures["sides"].get(main, {"moved": []})["moved"])
    if run.get("gates"):
        lines += _table(
            ("gate", "wanted", "found", ""),
            [
                (word(name), f"{g['wanted']:g}", listed(g["found"]), "✅" if g["passed"] else "❌")
                for name, g in run["gates"].items()
            ],
        )
    return lines + _warnings([*run["warnings"], *figures["warnings"]])


def _space_named(figures: dict[str, Any]) -> list[str]:
    return [f"Space {_cell(figures['space'])}, {counted(len(figures['runs']), 'run')}.", ""]


def _space_tables(figures: dict[str, Any]) -> list[str]:
    lines = _table(
        ("cosine of the same id", "earlier by", "run", "raw", "stable"),
        [
            (
                side,
                counted(lag["lag"], "run"),
                lag["run"],
                figure(lag["raw"]),
                figure(lag["stable"]),
            )
            for side, lags in figures["lags"].items()
            for lag in lags
        ],
    )
    main = main_side(figures["runs"][-1]["tables"])
    lines += _moved(main, figures["moved"].get(main, {"ids": []})["ids"])
    if main in figures["cosines"] and len(figures["compared"]) > 2:
        names, matrix = figures["compared"], figures["cosines"][main]["stable"]
        lines += _table(
            (f"mean cosine, {main}", *names),
            [(name, *map(figure, row)) for name, row in zip(names, matrix, strict=True)],
        )
    warnings = [f"{run['name']}: {text}" for run in figures["runs"] for text in run["warnings"]]
    return lines + _warnings([*figures["warnings"], *warnings])


def _moved(side: str, rows: list[dict[str, Any]]) -> list[str]:
    return _table(
        (f"{side} that moved most", "cosine, raw", "cosine, stable"),
        [
            (row["moved_id"], figure(row.get("before")), figure(row["after"]))
            for row in rows[:_MOVED_IN_MARKDOWN]
        ],
    )


def _warnings(texts: list[str]) -> list[str]:
    return [*(f"- {_cell(text)}" for text in texts), ""] if texts else []


def _mean(found: dict[str, Any] | None) -> str:
    return figure(found["mean"]) if found else "unknown"


def _p10(found: dict[str, Any] | None) -> str:
    return figure(found["cosine"]["p10"]) if found else "unknown"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    lines = [header, tuple("---" for _ in header), *rows]
    cells = [" | ".join(map(_cell, line)) for line in lines[:1] + lines[2:]]
    cells.insert(1, " | ".join(lines[1]))
    return [*(f"| {line} |" for line in cells), ""]


def _cell(text: str) -> str:
    """Escape text for Markdown, on one line."""
    escaped = re.sub(r"([\\`*_{}\[\]()<>#!|~&])", r"\\\1", " ".join(text.split()))
    return escaped.replace("@", "&#64;")
