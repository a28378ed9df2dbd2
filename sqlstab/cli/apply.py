"""`sqlstab apply`: turn fresh vectors with the maps of a run."""

from __future__ import annotations

from typing import Any

import click

from sqlstab.cli import console, options
from sqlstab.errors import UsageError
from sqlstab.statements.sides import OTHER

_WANTED = "SIDE=PLACE, as in items=fresh.parquet"


@click.command(cls=options.Command, short_help="Turn fresh vectors with a run's maps.")
@click.argument("words", metavar="[S] [K]", nargs=-1)
@options.tables
@click.option(
    "--also",
    multiple=True,
    metavar="NAME=TABLE:SIDE",
    cls=options.RareOption,
    help="A further table, and the side whose map it takes.",
)
@click.option(
    "--out",
    multiple=True,
    metavar="[SIDE=]PLACE",
    help="Where to write the stable vectors of a table: a table, or on DuckDB a Parquet file. "
    "Repeat for each table.",
)
@options.config
@options.declared("apply")
@options.display
@click.pass_context
def apply(context: click.Context, /, **given: Any) -> None:
    r"""Write the stable vectors of fresh raw ones, such as those of ids that came after training.

    Multiplies them with the maps of the run K of the space S, by default its newest. Changes
    nothing in the space.

        sqlstab apply movies/ --items fresh.parquet --out stable.parquet
        sqlstab apply movies/ 2026-11-30 --users u.parquet --items i.parquet \
            --out users=su.parquet --out items=si.parquet
    """
    console.log(given)
    project = options.project_of(context, given, run=False)
    name, key = options.space_and_key(project, given["words"])
    further = options.further(given)
    named = any(given[side] for side in ("users", "items", "vectors"))
    tables: dict[str, Any] = options.named_tables(given) if named or not further else {}
    tables |= further
    outputs = _outputs(given["out"], list(tables))
    with options.space_of(context, project, name, writes=True) as space:
        space.apply(
            tables,
            outputs,
            key=key,
            options=project.options,
            progress=console.progress(given),
        )
    if not given["quiet"]:
        with console.results("the vectors had been written by then"):
            console.print_rows(list(outputs.items()))


def _outputs(given: tuple[str, ...], sides: list[str]) -> dict[str, str]:
    """Return the place of each table."""
    named = any(given[0].startswith(f"{side}=") for side in (*sides, *OTHER)) if given else False
    if len(sides) == len(given) == 1 and not named:
        return {sides[0]: given[0]}
    outputs = options.pairs(given, "--out", _WANTED)
    for side in sides:
        if side not in outputs:
            raise UsageError(f"Name the place for the stable {side} with --out {side}=PLACE.")
    for side in outputs:
        if side not in sides:
            raise UsageError(f"--out {side}={outputs[side]}: no table of this name is given.")
    return outputs
