"""`sqlstab apply`: stable vectors with a transform that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlstab.cli import options
from sqlstab.cli.console import log_to, new_console, progress_on
from sqlstab.cli.render import read_transform
from sqlstab.errors import UsageError
from sqlstab.stabilize import apply_transform
from sqlstab.statements.quoting import file_reader
from sqlstab.statements.table import SIDES, VECTORS

if TYPE_CHECKING:
    from sqlstab.statements.table import Side


def _refuse_out(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    """Name all options for places; click's own guess has one of them, and --layout and --quiet."""
    if value is not None:
        raise UsageError(
            "There is no --out here: name places with --users-out, --items-out or --vectors-out."
        )


@click.command(short_help="Write the stable vectors with a saved transform.")
@options.tables(alone=True)
@click.option(
    "--transform",
    required=True,
    metavar="FILE|DIR",
    help="The transform: a run directory, what sqlstab solve wrote, or - for standard input.",
)
@click.option(
    "--users-out",
    metavar="TABLE",
    help="Where the users' stable vectors go: on DuckDB a Parquet file or a table of --database, "
    "elsewhere a table. What is there is replaced at the end, as a whole.",
)
@click.option("--items-out", metavar="TABLE", help="The same for the items.")
@click.option("--vectors-out", metavar="TABLE", help="The same for vectors without a second side.")
@click.option(
    "--out",
    hidden=True,
    expose_value=False,
    callback=_refuse_out,
    help="What a run has, but not this command.",
)
@options.engine
@options.for_tables(options.FOUND_KEEP)
@options.strategy
@options.on_invalid
@options.output_layout
@options.output_type
@options.display
@click.pass_context
def apply(context: click.Context, /, **given: Any) -> None:
    """Write the stable vectors of the users, of the items, or of both, with a saved transform.

    Or, with the transform of a run of --vectors, those of vectors that have no second side.

    Tables are written under names of their own and put in place together at the end; where the
    engine can do that, in one transaction.

    \b
      sqlstab apply --transform monday.json --items i.parquet --items-out stable.parquet
    """  # noqa: D301 - click reads the backspace
    console = new_console(stderr=True)
    log_to(console, given)
    sides = options.given_sides(given)
    outputs: dict[Side, str] = {}
    for side in sides:
        if not given[f"{side}_out"]:
            raise UsageError(f"Name the place for the stable {side} with --{side}-out.")
        outputs[side] = given[f"{side}_out"]
    for side in (*SIDES, VECTORS):
        if given[f"{side}_out"] and side not in sides:
            raise UsageError(f"--{side}-out is of use with --{side} only.")
    settings = options.engine_settings(context, given)
    is_duckdb = not settings.url and not settings.kind
    files = [name for name in outputs.values() if is_duckdb and file_reader(name)]
    csv = [name for name in files if file_reader(name) != "read_parquet"]
    if csv:
        raise UsageError(f"{csv[0]}: stable vectors are written as Parquet; name a .parquet file.")
    transform = read_transform(given["transform"])
    with options.opened(settings, writes_tables=len(files) < len(outputs)) as engine:
        apply_transform(
            transform,
            {side: options.embedding_table(given, side) for side in sides},
            outputs,
            engine,
            options=options.chosen_options(given),
            progress=progress_on(console, given["quiet"] or given["verbose"]),
        )
    if not given["quiet"]:
        for side in sides:
            click.echo(f"{side}: {outputs[side]}")
