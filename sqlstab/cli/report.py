"""`sqlstab report`: look at whether a run worked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sqlstab.cli import options
from sqlstab.cli.console import log_to, new_console, progress_on
from sqlstab.report import FORMATS
from sqlstab.report import report as make_report
from sqlstab.runs import REPORT_FILE, replaced_files


@click.command(short_help="Look at whether a run worked.")
@click.argument("run", metavar="RUN")
@click.argument("earlier", metavar="[EARLIER]...", nargs=-1)
@click.option(
    "--reference",
    metavar="DIR",
    help="The run to compare it with. Default: the one it was aligned with, if it is among the "
    "earlier ones.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    default="html",
    show_default=True,
    help="A page, Markdown for a pull request or the log of a CI job, or all figures as JSON.",
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    help=f"Where to write; - is standard output. Default: RUN/{REPORT_FILE} for a page, standard "
    "output for the others.",
)
@options.engine
@options.display
@click.pass_context
def report(context: click.Context, /, **given: Any) -> None:
    """Make a page that shows whether a run worked.

    RUN is a run directory, and so is each EARLIER run: with some of them the page also shows how
    the vectors drift from run to run. It says first whether the run worked and why; then where the
    same ids are as raw and as stable vectors, the neighbours they have, those that moved most, the
    inputs, the settings and the SQL. One file, with no script in it and nothing to load; vectors
    stay where they are. Nothing else is written.

    \b
      sqlstab report tuesday/ --reference monday/
      sqlstab report sunday/ monday/ tuesday/ saturday/ -o week.html
      sqlstab report tuesday/ --reference monday/ --format md >> "$GITHUB_STEP_SUMMARY"
    """  # noqa: D301 - click reads the backspace
    console = new_console(stderr=True)
    log_to(console, given)
    settings = options.engine_settings(context, given)
    with options.opened(settings, writes_tables=False) as engine:
        made = make_report(
            given["run"],
            given["reference"],
            given["earlier"],
            engine,
            progress=progress_on(console, given["quiet"] or given["verbose"]),
        )
    text = made.text(given["output_format"])
    target = given["out"]
    if target is None and given["output_format"] == "html":
        target = Path(given["run"]) / REPORT_FILE
    if target in (None, "-"):
        click.echo(text, nl=False)
        return
    with replaced_files(Path(target)) as (file,):
        file.write_text(text, encoding="utf-8")
    if not given["quiet"]:
        click.echo(f"{made.figures['verdict']['headline']}\nwritten  {target}")
