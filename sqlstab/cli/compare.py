"""`sqlstab compare`: can the vectors of two models be aligned at all?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import sqlstab
from sqlstab.cli import console, options
from sqlstab.errors import UsageError
from sqlstab.statements.sides import SIDES, VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.engines.base import Engine

# Figure -> what it is called, and what it means: short enough for a line of 80 columns.
_FIGURES = {
    "agreement": ("agreement", "held-out ids, above chance"),
    "rotation": ("  by one rotation", "of raw vectors, lengths kept"),
    "held_out": ("cosine, held-out ids", "of ids that were not fitted to"),
    "cosine": ("cosine, all ids", "of those fitted to: too good"),
    "cka": ("CKA", "likeness of dot products, 0 to 1"),
    "relative_residual": ("residual", "what the best rotation leaves"),
    "linear_residual": ("residual, linear map", "any map instead, scores changed"),
    "bound": ("residual, upper bound", "from dot products alone"),
    "dot_product_difference": ("change of dot products", "among shared ids; 0 is none"),
    "ambiguous": ("ambiguous directions", "not fixed by the shared ids"),
}
_COUNTS = {
    "shared": "ids that both have",
    "new": "ids of the model alone",
    "gone": "ids of the reference alone",
}
_UNITS = {
    True: "Of rows of unit length; residuals are relative to the reference.",
    False: "Cosines are weighted by length; residuals are relative to the reference.",
}


@click.command(
    cls=options.Command,
    short_help="Find out whether two models can be aligned; writes nothing.",
)
@click.argument("model", metavar="MODEL")
@click.argument("reference", metavar="REFERENCE")
@options.declared("compare")
@options.as_json
@options.display
@click.pass_context
def compare(context: click.Context, /, **given: Any) -> None:
    """Find out how well the vectors of MODEL can be aligned with those of REFERENCE.

    Each is a run, as SPACE/KEY; a directory with users.parquet and items.parquet; two tables, as
    USERS,ITEMS; or one table of vectors without a second side. REFERENCE is the earlier one. Raw
    and stable vectors give the same figures. The verdict is alignable, doubtful or unrelated: it
    compares ids left out of the fit with shuffled ids. The exit code is 0 whatever the verdict;
    --json prints it for scripts, and sqlstab run refuses unrelated vectors.

        sqlstab compare users.parquet,items.parquet movies/2026-11-29
        sqlstab compare tuesday.parquet monday.parquet
        sqlstab compare --engine URL ml.users_2,ml.items_2 ml.movies/monday --json
    """
    console.log(given)
    settings = options.engine_settings(context, given)
    with options.engine_of(context, settings, writes=False) as engine:
        found = sqlstab.compare(
            _model(given, given["model"], engine),
            _model(given, given["reference"], engine),
            engine,
            options=sqlstab.Options(**options.values_of(sqlstab.Options, given)),
            progress=console.progress(given),
        )
    figures = found.figures
    if given["as_json"]:
        console.print_json(figures)
        return
    console.print_text(f"{found.verdict}: {figures['reason']}")
    sides = [side for side in (*SIDES, VECTORS) if side in figures]
    console.print_rows(_rows(figures, sides), titles=("", *sides, ""))
    console.print_text(_UNITS[figures["unit_rows"]])
    if figures["map"]:
        console.print_text(figures["map"])


def _model(given: Mapping[str, Any], text: str, engine: Engine) -> Any:
    """Return a model as the command line names it."""
    from sqlstab.comparison import named_model  # noqa: PLC0415 - loads numpy

    names = [part.strip() for part in text.split(",")]
    if len(names) > 1 and (len(names) != len(SIDES) or not all(names)):
        raise UsageError(f"{text}: write two tables as USERS,ITEMS, or one directory.")
    found = named_model(text, engine)
    if isinstance(found, sqlstab.Run):
        return found
    tables = [options.table(given, table.relation) for table in found.values()]
    return tables[0] if len(tables) == 1 else tuple(tables)


def _rows(figures: Mapping[str, Any], sides: list[str]) -> list[tuple[str, ...]]:
    of = [figures[side] for side in sides]
    rows: list[tuple[str, ...]] = [("verdict", *(f["verdict"] for f in of), "")]
    rows += [(name, *(f"{f[name]:,}" for f in of), text) for name, text in _COUNTS.items()]
    for name, (title, meaning) in _FIGURES.items():
        rows.append((title, *(_number(f.get(name)) for f in of), meaning))
        if name == "held_out":
            chances = [_number(f.get("chance")) for f in of]
            rows.append(("  by chance", *chances, "with shuffled ids"))
    drift = figures["score_drift"]
    if drift is not None:
        rows.append(("change of scores", _number(drift), "", "of shared users and items"))
    return rows


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
