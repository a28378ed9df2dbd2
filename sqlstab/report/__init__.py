"""A report on a finished run: what a person looks at to see whether it worked."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlstab.engines import connect
from sqlstab.errors import UsageError
from sqlstab.progress import Diary, Silent
from sqlstab.report import page
from sqlstab.report.measure import Measuring
from sqlstab.report.verdict import verdict
from sqlstab.runs import Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlstab.engines import AnyEngine
    from sqlstab.progress import Progress

Format = Literal["html", "md", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class Report:
    """What is known of a finished run.

    Attributes:
        figures: All figures, as `sqlstab report --format json` prints them.
    """

    figures: dict[str, Any]

    def __repr__(self) -> str:
        """The verdict; all figures would fill a book."""
        run, reference = self.figures["run"], self.figures["reference"]
        compared = f" beside {reference['run_id']}" if reference else ""
        headline = self.figures["verdict"]["headline"]
        return f"<Report on run {run['run_id']}{compared}: {headline}>"

    def _repr_html_(self) -> str | None:
        """The page, as a notebook shows it: in a frame, so that neither styles the other.

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
        """Short tables, where a notebook shows no HTML."""
        return self.text("md")

    def text(self, format: Format) -> str:  # noqa: A002 - as the command line calls it
        """The report as one self-contained page, as Markdown, or as JSON.

        Raises:
            UsageError: What draws the charts of a page is not installed.
        """
        return {"html": page.html, "md": page.markdown, "json": page.json_text}[format](
            self.figures
        )


def report(
    run: Run | str | Path,
    reference: Run | str | Path | None = None,
    earlier: Sequence[Run | str | Path] = (),
    engine: AnyEngine = None,
    *,
    progress: Progress | None = None,
) -> Report:
    """Measure how a finished run compares with earlier ones; only small results leave the engine.

    Args:
        run: The run, or its directory.
        reference: The run to compare it with, as a rule the one that it was aligned with. Default:
            that one, if it is among the earlier runs. Without one there is what the run itself
            has measured.
        earlier: Further runs: how the vectors of all of them agree with each other is shown too.
        engine: Where the stable tables are, as for `stabilize`.
        progress: Is told what is going on.

    Raises:
        UsageError: The stable tables of a run are not where the engine is.
        DataError: A directory is no run, or ids or vectors cannot be compared.
        EngineError: The database failed.

    Example:
        >>> page = report("tuesday", reference="monday").text("html")  # doctest: +SKIP
    """
    finished = _loaded(run)
    others = [_loaded(other) for other in earlier]
    known = {other.run_id: other for other in others}
    if reference is not None:
        compared: Run | None = _loaded(reference)
    else:
        compared = known.get(finished.transform.reference or "")
    if compared is not None and compared.run_id == finished.run_id:
        raise UsageError(f"Run {finished.run_id} cannot be its own reference.")
    with connect(engine, writes_tables=False) as session:
        measuring = Measuring(session, Diary(progress or Silent()))
        figures = measuring.figures(finished, compared, others)
    return Report({"verdict": verdict(figures), **figures})


def _loaded(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else Run.load(run)
