"""`sqlstab run`: a whole run."""

from __future__ import annotations

from typing import Any

import click

from sqlstab.cli import console, options
from sqlstab.cli.summary import summary
from sqlstab.errors import HalfWayInterrupt


@click.command(
    cls=options.Command, short_help="Put a run's vectors into the space of earlier runs."
)
@options.config
@options.tables
@options.also
@options.declared("run")
@options.as_json
@options.display
@click.pass_context
def run(context: click.Context, /, **given: Any) -> None:
    """Put the vectors of a retrained model into the space of earlier runs.

    The first run defines the space; the same command aligns each later one. A run with the same key
    replaces itself. Column options apply to all tables; a project file can set them for each.

        # Files, into a directory
        sqlstab run --users u.parquet --items i.parquet --space movies/ --run K
        # A day of a table, in a database
        sqlstab run --engine URL --users u --items i --space s --run ds=2026-11-30
        # From a scheduler
        sqlstab run -c sqlstab.toml --var day=2026-11-30
    """
    console.log(given)
    project = options.project_of(context, given, run=True)
    tables = dict(project.tables)
    finished = None
    try:
        with options.space_of(context, project, None, writes=True) as space:
            finished = space.run(
                tables.get("users"),
                tables.get("items"),
                vectors=tables.get("vectors"),
                also=project.also or None,
                key=project.place.key,
                options=project.options,
                progress=console.progress(given),
            )
        with console.results(f"the run {finished.key} had been written by then"):
            if given["as_json"]:
                console.print_json(finished.figures)
            elif not given["quiet"]:
                later = finished.figures["newest"]
                newest = [("newest", f"stays {later}")] if later else []
                console.print_rows([*summary(finished.figures), *newest])
    except KeyboardInterrupt as error:
        if finished is None or isinstance(error, HalfWayInterrupt):
            raise
        raise HalfWayInterrupt(f"the run {finished.key} had been written by then.") from error
