"""A report on a finished run: whether it worked, for people."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlstab.errors import UsageError
from sqlstab.flow import drive
from sqlstab.maths.maps import Maps
from sqlstab.prepare import check_figures, placed, stored_table
from sqlstab.report import page
from sqlstab.report.measure import Measuring, Stored
from sqlstab.report.verdict import verdict
from sqlstab.words import json_text, printable_within

if TYPE_CHECKING:
    from sqlstab.engines.base import Engine
    from sqlstab.prepare import AnySpace
    from sqlstab.progress import Log
    from sqlstab.space.entry import Entry

Format = Literal["html", "md", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
# Runs that are compared, each with each: 66 pairs.
_RUNS = 12


@dataclass(frozen=True)
class Report:
    """What is known of a finished run.

    Attributes:
        figures: All figures, as `sqlstab report --format json` prints them.
    """

    figures: dict[str, Any]

    def __repr__(self) -> str:
        """Show the verdict; all figures would fill a book."""
        run, reference = self.figures["run"], self.figures["reference"]
        compared = f" compared with {reference['name']}" if reference else ""
        headline = self.figures["verdict"]["headline"]
        return f"<Report on run {run['name']}{compared}: {headline}>"

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
        # Whoever opens a page or a log has not seen the ids and names in it.
        return {"html": page.html, "md": page.markdown}[format](printable_within(self.figures))


def report(space: AnySpace, key: str, engine: Engine, log: Log) -> Report:
    """Measure how a run of a space compares with others; only small results leave the engine.

    Args:
        space: The space.
        key: The run, which is there.
        engine: Where the stable tables are.
        log: Shows what is going on.

    Raises:
        DataError: A run is damaged, or ids or vectors cannot be compared.
        EngineError: The database or the disk failed.
    """
    entries = {entry.key: entry for entry in space.entries()}
    run = _stored(space, entries[key])
    aligned = (run.figures["reference"] or {}).get("run")
    # The run that this one was aligned with may have been dropped since.
    room = _RUNS - 1 - (aligned in entries)
    others = [other for other in entries if other not in (key, aligned)]
    wanted = {key, aligned, *others[::-1][:room]}
    runs = [
        run if entry.key == key else _stored(space, entry)
        for entry in entries.values()
        if entry.key in wanted
    ]
    runs = [each for each in runs if set(each.maps.sides) == set(run.maps.sides)]
    reference = next((each for each in runs if each.key == aligned), None)
    measuring = Measuring(engine.dialect, log)
    figures = drive.execute(measuring.figures(run, reference, runs), engine, log)
    return Report({"verdict": verdict(figures), **figures})


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
