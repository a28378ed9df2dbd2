"""`sqlstab compare`: can the vectors of two models be aligned at all?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from sqlstab.cli import options
from sqlstab.cli.console import log_to, new_console, progress_on
from sqlstab.compare import compare as compare_models
from sqlstab.errors import UsageError
from sqlstab.statements.table import SIDES, VECTORS, EmbeddingTable
from sqlstab.words import word

if TYPE_CHECKING:
    from sqlstab.compare import AnyModel, Comparison

_COLORS = {"alignable": "green", "doubtful": "yellow", "unrelated": "red"}

# figure -> what it is called, and what it means: short enough for a line of 80 columns
_FIGURES = {
    "held_out": ("cosine, held-out ids", "of ids that were not fitted to"),
    "cosine": ("cosine, all ids", "of those fitted to: too good"),
    "cka": ("CKA", "likeness of dot products, 0 to 1"),
    "relative_residual": ("residual", "what the best rotation leaves"),
    "linear_residual": (word("linear_residual"), "any map instead, scores changed"),
    "bound": (word("bound"), "from dot products alone"),
    "dot_product_difference": ("change of dot products", "among shared ids; 0 is none"),
    "ambiguous": (word("ambiguous"), "not fixed by the shared ids"),
}
_UNITS = "Cosines are weighted by length; residuals are relative to the reference."


@click.command(short_help="Find out whether two models can be aligned; writes nothing.")
@click.argument("model", metavar="MODEL")
@click.argument("reference", metavar="REFERENCE")
@options.engine
@options.for_tables(options.FOUND)
@options.anchor
@options.preparing
@options.strategy
@options.on_invalid
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
@options.display
@click.pass_context
def compare(context: click.Context, /, **given: Any) -> None:
    """Find out how well the vectors of MODEL can be aligned with those of REFERENCE.

    REFERENCE is the earlier one: residuals and differences are relative to it. MODEL, and so
    REFERENCE, is a run directory, a directory with users.parquet and items.parquet, or two tables
    as USERS,ITEMS; or one table of vectors that have no second side. Raw vectors and stable ones
    give the same figures. The verdict is alignable, doubtful or unrelated. It rests on ids that
    took no part in the fit, beside what shuffled ids would show: an alignment of many dimensions on
    few ids always looks good on those. The exit code is 0 whatever the verdict; --json has it for
    scripts, and sqlstab run has thresholds that fail (--min-cka).

    \b
      sqlstab compare users.parquet,items.parquet monday/
      sqlstab compare tuesday.parquet monday.parquet
      sqlstab compare --engine URL ml.users_2,ml.items_2 ml.users_1,ml.items_1 --json
    """  # noqa: D301 - click reads the backspace
    console = new_console(stderr=True)
    log_to(console, given)
    settings = options.engine_settings(context, given)
    with options.opened(settings, writes_tables=False) as engine:
        found = compare_models(
            _model(given, "model"),
            _model(given, "reference"),
            engine,
            options=options.chosen_options(given),
            progress=progress_on(console, given["quiet"] or given["verbose"]),
        )
    if given["as_json"]:
        click.echo(json.dumps(found.figures, indent=2, ensure_ascii=False))
        return
    output = new_console()
    color = _COLORS[found.verdict]
    verdict = Text(found.verdict, style=f"bold {color}")
    output.print(Text.assemble(verdict, f": {found.figures['reason']}"))
    output.print(_table(found))
    output.print(Text(_UNITS, "dim"))


def _model(given: dict[str, Any], name: str) -> AnyModel:
    """A model as the command line names it."""
    text: str = given[name]
    names = [part.strip() for part in text.split(",")]
    if len(names) == 1:
        return text if Path(text).is_dir() else _alone(given, text)
    if len(names) != len(SIDES) or not all(names):
        raise UsageError(f"{text}: write two tables as USERS,ITEMS, or one directory.")
    sides: dict[str, Any] = dict(zip(SIDES, names, strict=True))
    users, items = (options.embedding_table({**given, **sides}, side) for side in SIDES)
    return users, items


def _alone(given: dict[str, Any], text: str) -> AnyModel:
    """A table of vectors without a second side, as far as the options say more of it."""
    table = options.embedding_table({**given, VECTORS: text}, VECTORS)
    return text if table == EmbeddingTable(text) else table


def _table(found: Comparison) -> Table:
    figures = found.figures
    sides = [side for side in (*SIDES, VECTORS) if side in figures]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", *sides, ""):
        table.add_column(title, justify="right" if title else "left", header_style="bold")
    of = [figures[side] for side in sides]
    table.add_row("verdict", *(Text(f["verdict"], _COLORS[f["verdict"]]) for f in of), "")
    for name, meaning in (
        ("shared", "ids that both have"),
        ("new", "ids of the model alone"),
        ("gone", "ids of the reference alone"),
    ):
        table.add_row(name, *(f"{f[name]:,}" for f in of), Text(meaning, "dim"))
    for name, (title, meaning) in _FIGURES.items():
        table.add_row(title, *(_number(f.get(name)) for f in of), Text(meaning, "dim"))
        if name in ("held_out", "cosine"):
            chances = [(f.get("chance") or {}).get(name) for f in of]
            table.add_row("  by chance", *map(_number, chances), Text("with shuffled ids", "dim"))
    drift = figures["score_drift"]
    if drift is not None:
        meaning = "of shared users and items"
        table.add_row("change of scores", _number(drift), "", Text(meaning, "dim"))
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
