"""`sqlstab report`: look at whether a space holds, and whether a run worked."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from sqlstab.cli import console, files, options

_FORMATS = ("html", "md", "json")


@click.command(cls=options.Command, short_help="Look at whether a space holds, or a run worked.")
@click.argument("words", metavar="[S] [K]", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="html",
    show_default=True,
    help="A page, Markdown for a pull request or the log of a CI job, or all figures as JSON.",
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    help="Where to write; - is standard output. Default: report.html or report-K.html for a page, "
    "standard output for the others.",
)
@options.config
@options.declared("report")
@options.display
@click.pass_context
def report(context: click.Context, /, **given: Any) -> None:
    """Make a page that shows whether the space S holds, or whether its run K worked.

    For a space it shows how far runs agree that are 1, 7 and 30 runs apart, and any two of the
    newest; the ids that moved most; verdicts and warnings. For a run it shows raw and stable
    vectors of the same ids, their neighbours, the inputs and the settings. Both begin with a
    verdict and its reasons. The page is one file without scripts, and loads nothing.

        sqlstab report movies/
        sqlstab report movies/ 2026-11-30 --format md >> "$GITHUB_STEP_SUMMARY"
    """
    console.log(given)
    project = options.project_of(context, given, run=False)
    name, key = options.space_and_key(project, given["words"])
    with options.space_of(context, project, name, writes=False) as space:
        made = space.report(key, progress=console.progress(given))
    text = made.text(given["form"])
    out = given["out"] or (_page(key) if given["form"] == "html" else "-")
    if out == "-":
        console.print_exactly(text)
        return
    generator = import_module("sqlstab.report.page").GENERATOR
    files.write(out, text.encode(), generator.encode())
    if not given["quiet"]:
        with console.results(f"{out} had been written by then"):
            verdict = made.figures["verdict"]
            found = [
                (f["title"], "" if f["level"] == "good" else f"{f['level']}:", f["text"])
                for f in verdict["findings"]
            ]
            click.echo(f"{verdict['headline']}\n")
            console.print_rows([*found, ("written", "", out)])


def _page(key: str | None) -> str:
    """Name the page of a space or of a run."""
    if key is None:
        return "report.html"
    from sqlstab.space.key import escaped  # noqa: PLC0415 - it loads sqlglot

    return f"report-{escaped(key)}.html"
