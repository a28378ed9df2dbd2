"""A report: whether a run worked, and whether its space holds, for people."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlstab.errors import UsageError
from sqlstab.flow import drive
from sqlstab.maths.maps import Maps
from sqlstab.prepare import check_figures, placed, stored_table
from sqlstab.report import page, verdict
from sqlstab.report.measure import Measuring, Stored
from sqlstab.space.entry import late
from sqlstab.words import counted, json_text, printable_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlstab.engines.base import Engine
    from sqlstab.prepare import AnySpace
    from sqlstab.progress import Log
    from sqlstab.space.entry import Entry

Format = Literal["html", "md", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
# Runs that are compared, each with each: 66 pairs.
_RUNS = 12
# How many runs earlier the runs are that the newest is compared with.
_LAGS = (1, 7, 30)


@dataclass(frozen=True)
class Report:
    """What is known of a finished run, or of a space.

    Attributes:
        figures: All figures, as `sqlstab report --format json` prints them.
    """

    figures: dict[str, Any]

    def __repr__(self) -> str:
        """Show the verdict; all figures would fill a book."""
        figures, headline = self.figures, self.figures["verdict"]["headline"]
        if "run" not in figures:
            what = f"space {figures['space']}, {counted(len(figures['runs']), 'run')}"
        elif figures["reference"]:
            what = f"run {figures['run']['name']} compared with {figures['reference']['name']}"
        else:
            what = f"run {figures['run']['name']}"
        return f"<Report on {what}: {headline}>"

    def _repr_html_(self) -> str | None:
        """Return the page for a notebook: in a frame, so that neither styles the other.

        Returns:
            None where charts cannot be drawn; a notebook shows the Markdown then.
        """
        try:
            escaped = html.escape(self.text("html"))
        except UsageError:
            return None
        # An empty sandbox: the page needs no script and no request.
        frame = 'title="sqlstab report" sandbox style="width: 100%; height: 45em; border: 0"'
        return f'<iframe {frame} srcdoc="{escaped}"></iframe>'

    def _repr_markdown_(self) -> str:
        """Return short tables, where a notebook shows no HTML."""
        return self.text("md")

    def text(self, format: Format) -> str:  # noqa: A002 - as the command line calls it
        """Return the report as one self-contained page, as Markdown, or as JSON.

        Raises:
            UsageError: What draws the charts of a page is not installed.
        """
        if format == "json":
            return f"{json_text(self.figures)}\n"
        # The reader of a page or a log has not chosen the ids and names in it.
        return {"html": page.html, "md": page.markdown}[format](printable_within(self.figures))


def on_run(space: AnySpace, key: str, engine: Engine, log: Log) -> Report:
    """Measure how a run compares with the one that it was aligned with.

    Only small results leave the engine.

    Args:
        space: The space.
        key: The run, which is there.
        engine: Where the stable tables are.
        log: Records steps, timings and warnings.

    Raises:
        DataError: A run is damaged, or ids or vectors cannot be compared.
        EngineError: The database or the disk failed.
    """
    entries = {entry.key: entry for entry in space.entries()}
    run = _stored(space, entries[key])
    aligned = (run.figures["reference"] or {}).get("run")
    # It may have been dropped since.
    reference = _stored(space, entries[aligned]) if aligned in entries else None
    flow = Measuring(engine.dialect, log).run(run, reference)
    measured = drive.execute(flow, engine, log)
    compared = [entries[one.key] for one in (run, reference) if one]
    figures = {**measured, "changed": _changed(compared)}
    return Report({"verdict": verdict.of_run(figures), **figures})


def on_space(space: AnySpace, name: str, engine: Engine, log: Log) -> Report:
    """Measure whether a space holds: how its runs agree; arguments as of `on_run`.

    Args:
        space: The space, which has a run.
        name: What to call it.
        engine: Where the stable tables are.
        log: Records steps, timings and warnings.
    """
    entries = space.entries()
    for entry in entries:
        check_figures(entry.figures, f"run {entry.key}")
    with_rows = [entry for entry in entries if entry.figures["outputs"]]
    newest = {entry.key: _stored(space, entry) for entry in with_rows[-_RUNS:]}
    earlier = {}
    for lag in _LAGS:
        if lag < len(with_rows):
            entry = with_rows[-1 - lag]
            earlier[lag] = newest.get(entry.key) or _stored(space, entry)
    flow = Measuring(engine.dialect, log).space(list(newest.values()), earlier)
    measured = drive.execute(flow, engine, log)
    figures = {"space": name, **measured, "runs": _days(entries), "changed": _changed(entries)}
    return Report({"verdict": verdict.of_space(figures, entries), **figures})


def _changed(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """List what is not as a run wrote it, by the key of the run."""
    found = {entry.key: entry.changed() for entry in entries}
    return {key: files for key, files in found.items() if files}


def _days(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what is known of each run without a scan: from its own figures."""
    known = {entry.key: entry.figures for entry in entries}
    return [_day(entry, known, after) for entry, after in zip(entries, late(entries), strict=True)]


def _day(entry: Entry, known: Mapping[str, Mapping[str, Any]], after: str | None) -> dict[str, Any]:
    figures = entry.figures
    alignment, reference = figures["alignment"] or {}, figures["reference"] or {}
    earlier = known.get(reference.get("run", ""), {"tables": {}})["tables"]
    tables = {}
    for side, table in figures["tables"].items():
        rows, shared = table["rows"], figures["shared"].get(side)
        # A run that has been done again since may have other ids.
        gone = earlier[side]["rows"] - (shared or 0) if side in earlier else -1
        cosine = (figures["cosine"] or {}).get(side, {})
        tables[side] = {
            "rows": rows,
            "shared": shared,
            "new": None if shared is None else rows - shared,
            "gone": None if shared is None or gone < 0 else gone,
            "stable": cosine["after"]["mean"] if cosine.get("after") else None,
            "raw": cosine["before"]["mean"] if cosine.get("before") else None,
        }
    errors = [figures["scores"]["max_relative_error"], *figures["scores"].get("also", {}).values()]
    return {
        "name": entry.key,
        "created": figures["created"],
        "made_after": after,
        "aligned_with": reference.get("run"),
        "dimension": figures["dimension"],
        "has_rows": figures["outputs"] is not None,
        "agreement": alignment.get("agreement"),
        "verdict": alignment.get("verdict", "first"),
        "score_error": max((error for error in errors if error is not None), default=None),
        "tables": tables,
        "warnings": figures["warnings"],
    }


def _stored(space: AnySpace, entry: Entry) -> Stored:
    """Read the figures and the maps of a run, and find its stable tables."""
    figures = entry.figures
    check_figures(figures, f"run {entry.key}")
    tables = {
        side: placed(stored_table(side, output), space.reference(side, {entry.key: 1.0}))
        for side, output in (figures["outputs"] or {}).items()
    }
    maps = Maps.of(space.maps(entry.key), figures["like"], figures["invertible"])
    return Stored(entry.key, figures, maps, tables)
