"""The report as a page, as Markdown and as JSON."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from sqlstab.maths.preparation import prepared_text
from sqlstab.report.charts import charts
from sqlstab.report.measure import main_side
from sqlstab.runs import table_figures
from sqlstab.statements.table import singular
from sqlstab.words import alignment_rows, word

_MARKS = {"good": "✓", "doubtful": "!", "bad": "✗"}
_EMOJI = {"good": "✅", "doubtful": "⚠️", "bad": "❌"}
# A matrix stands in a statement as its numbers: a line of them says nothing to a reader.
_LONGEST_LINE = 120
_MOVED_IN_MARKDOWN = 5


def json_text(figures: dict[str, Any]) -> str:
    """All figures as JSON."""
    return json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


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
    """One page that holds all it needs.

    Raises:
        UsageError: What draws the charts is not installed.
    """
    sections: dict[str, list[Any]] = {}
    for chart in charts(figures):
        sections.setdefault(chart.section, []).append(chart)
    template = _environment().get_template("page.html.jinja")
    run = figures["run"]
    return template.render(
        f=figures,
        charts=sections,
        marks=_MARKS,
        main=main_side(run["inputs"]),
        # Those that the reference has too.
        compared=list(figures["sides"] or {}),
        tables={side: table_figures(run, side) for side in run["inputs"]},
        alignment=alignment_rows(run["alignment"]) if run["alignment"] else [],
        prepared=prepared_text(run["options"]),
    )


def figure(value: float | None, digits: int = 2) -> str:
    """A figure as a page shows it."""
    # No minus before a zero.
    return "unknown" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def shortened(statement: str) -> str:
    """A statement without the bulk of its numbers."""

    def short(line: str) -> str:
        if len(line) <= _LONGEST_LINE:
            return line
        left_out = len(line) - _LONGEST_LINE
        return f"{line[: _LONGEST_LINE - 40]} ... {left_out:,} characters ... {line[-40:]}"

    return "\n".join(map(short, statement.strip().split("\n")))


def listed(value: Any) -> str:
    """A setting as a page shows it."""
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
    """Short tables, fit for a pull request or the summary of a CI job."""
    verdict, run, reference = figures["verdict"], figures["run"], figures["reference"]
    lines = [f"## {_EMOJI[verdict['level']]} {_cell(verdict['headline'])}", ""]
    compared = f", compared with {_cell(reference['name'])}" if reference else ""
    lines += [f"Run {_cell(run['name'])} (`{run['run_id']}`){compared}.", ""]
    lines += _table(
        ("", "", "found"),
        [(_EMOJI[f["level"]], f["title"], f["text"]) for f in verdict["findings"]],
    )
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
        main = main_side(figures["sides"])
        moved = figures["sides"][main]["moved"][:_MOVED_IN_MARKDOWN]
        lines += _table(
            (f"{main} that moved most", "cosine, raw", "cosine, stable"),
            [(row["moved_id"], figure(row.get("before")), figure(row["after"])) for row in moved],
        )
    if figures["cosines"]:
        main = main_side(figures["cosines"])
        matrix = figures["cosines"][main]["stable"]
        names = [each["name"] for each in figures["runs"]]
        lines += _table(
            (f"mean cosine, {main}", *names),
            [(name, *map(figure, row)) for name, row in zip(names, matrix, strict=True)],
        )
    if run.get("gates"):
        lines += _table(
            ("gate", "wanted", "found", ""),
            [
                (word(name), f"{g['wanted']:g}", listed(g["found"]), "✅" if g["passed"] else "❌")
                for name, g in run["gates"].items()
            ],
        )
    warnings = [*run["warnings"], *figures["warnings"]]
    lines += [*(f"- {_cell(text)}" for text in warnings), ""] if warnings else []
    return "\n".join(lines).rstrip() + "\n"


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
    """Text that Markdown takes as such, on one line."""
    escaped = re.sub(r"([\\`*_{}\[\]()<>#!|~&])", r"\\\1", " ".join(text.split()))
    return escaped.replace("@", "&#64;")
