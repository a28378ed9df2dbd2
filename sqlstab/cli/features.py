"""`sqlstab features`: the vectors of a run for a model that was trained on another run."""

from __future__ import annotations

from typing import Any

import click

from sqlstab.cli import console, options

_WANTED = "TABLE=PLACE, as in items=features.parquet"
_USE = (
    "Features are for models that read vectors, not for serving: scores are not kept, and vectors "
    "become shorter."
)


@click.command(
    cls=options.Command, short_help="Vectors for a model that was trained on another run."
)
@click.argument("words", metavar="[S] [K]", nargs=-1)
@click.option("--as-of", required=True, metavar="J", help="The run that the model was trained on.")
@click.option(
    "--out",
    multiple=True,
    metavar="TABLE=PLACE",
    help="Where to write the features of a table: a table, or on DuckDB a Parquet file. None "
    "is replaced. Repeat for each table. Default: keep the maps, and write no features.",
)
@options.config
@options.declared("features")
@options.display
@click.pass_context
def features(context: click.Context, /, **given: Any) -> None:
    """Turn the stable vectors of a run into features for a model that was trained on another run.

    A classifier, say, was trained on the vectors of the run J. Those of the run K of the space S
    (by default its newest) have drifted since; a feature map brings them closer. The command fits
    it to the ids of both runs, applies it to all ids of K, and keeps it in the space with the maps
    of K. Ids left out of the fit show what it gains.

        sqlstab features movies/ --as-of 2026-11-01 --out items=features.parquet
        sqlstab features movies/ 2026-11-30 --as-of 2026-11-01 --out users=u.parquet
    """
    console.log(given)
    project = options.project_of(context, given, run=False)
    name, key = options.space_and_key(project, given["words"])
    outputs = options.pairs(given["out"], "--out", _WANTED)
    with options.space_of(context, project, name, writes=True) as space:
        maps = space.features(
            given["as_of"],
            outputs,
            key,
            options=project.options,
            progress=console.progress(given),
        )
    if given["quiet"]:
        return
    rows = [
        (
            side,
            f"{found.shared:,}",
            *map(_cosine, (found.before, found.after)),
            outputs.get(side, "-"),
        )
        for side, found in maps.items()
    ]
    with console.results("the maps had been kept by then"):
        console.print_rows(
            rows, titles=("table", "ids shared", "cosine", "with the map", "features")
        )
        console.print_text(_USE)


def _cosine(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
