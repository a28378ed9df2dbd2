"""`sqlstab run` and `sqlstab demo`: a whole run, and what it is good for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from sqlstab.cli import options
from sqlstab.cli.console import log_to, new_console, progress_on
from sqlstab.errors import UsageError
from sqlstab.maths.preparation import prepared_text
from sqlstab.maths.quality import SCORES_KEPT
from sqlstab.project import Project
from sqlstab.registry import is_looked_up
from sqlstab.runs import file_name, table_figures
from sqlstab.spelling import typed_in
from sqlstab.stabilize import stabilize
from sqlstab.statements.table import SIDES, VECTORS
from sqlstab.words import share

if TYPE_CHECKING:
    from rich.console import Console

    from sqlstab.runs import Run


@click.command(short_help="Put a run's vectors into the space of an earlier run.")
@options.config
@options.tables(alone=True)
@options.also
@click.option(
    "--reference",
    multiple=True,
    metavar="DIR",
    help="The run whose space to stay in: a run directory, which it wrote as its --out. "
    "Leave it out the first time; that run then defines the space. Given several times, the "
    "consensus of these runs, which must have one space: the sum of their vectors. With a "
    "--registry also previous, the run in place, first, the one that began its space, consensus, "
    "all runs of the space that are still there, consensus:7, the newest seven of them, or the id "
    "of a run; where there is no run yet, a policy begins a space.",
)
@click.option(
    "--out",
    metavar="DIR",
    help="The run directory to write. An earlier run there is replaced as a whole at the end, or "
    "not at all. May be left out where tables are written and a --registry is kept.",
)
@options.outputs
@options.engine
@options.for_tables(options.FOUND_ALL)
@options.run_options
@options.gates
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@options.display
@click.pass_context
def run(context: click.Context, /, **given: Any) -> None:
    """Put the vectors of a retrained model into the space of an earlier run.

    Writes DIR/users.parquet and DIR/items.parquet with the stable vectors (or the tables
    --users-out and --items-out), DIR/transform.json with the two maps (to turn fresh vectors at
    serving time), and DIR/run.json with figures. DIR is what the next run takes as its --reference.
    Rows come in no particular order. Vectors without a second side, --vectors, keep their dot
    products with each other. A further table, --also, takes the map of the side whose space it
    shares.

    \b
    The first time:
      sqlstab run --users u.parquet --items i.parquet --out monday/
    From then on:
      sqlstab run --users u.parquet --items i.parquet --reference monday/ --out tuesday/
    Texts, which have no second side:
      sqlstab run --vectors docs.parquet --reference monday/ --out tuesday/
    In a warehouse:
      sqlstab run -c sqlstab.toml --var day=2026-11-24
    """  # noqa: D301 - click reads the backspace
    console = new_console(stderr=True)
    log_to(console, given)
    finished = _run(context, given, console)
    if given["as_json"]:
        click.echo(json.dumps(finished.figures, indent=2, ensure_ascii=False))
    elif not given["quiet"]:
        where = finished.directory or f"run {finished.run_id}"
        table = summary(finished.figures)
        table.add_row("written", f"{where} in {finished.figures['timings']['total']:.1f} s")
        new_console().print(table)


def project_of(context: click.Context, given: dict[str, Any], *display: str) -> Project:
    """What is to be done: as a project file says, or the options.

    Raises:
        UsageError: Something cannot be meant.
    """
    if given["config"]:
        options.alone(context, "config", "variables", *display)
        context.with_resource(typed_in("project file"))
        return Project.load(given["config"], options.variables(given["variables"]))
    if given["variables"]:
        raise click.UsageError("--var is of use with --config only.", context)
    sides = options.given_sides(given) if given[VECTORS] else list(SIDES)
    writes = all(given[f"{side}_out"] for side in sides)
    needs_out = [] if given["registry"] and writes else ["out"]
    options.required(context, given, *sides, *needs_out)
    if given["vectors_out"] and not given[VECTORS]:
        raise UsageError("--vectors-out is of use with --vectors only.")
    references = tuple(
        name
        if is_looked_up(name) and (given["registry"] or not Path(name).exists())
        else Path(name)
        for name in given["reference"]
    )
    return Project(
        engine=options.engine_settings(context, given),
        tables={side: options.embedding_table(given, side) for side in sides},
        targets={side: given[f"{side}_out"] for side in sides if given[f"{side}_out"]},
        also=options.further(given),
        references=references,
        out=Path(given["out"]) if given["out"] else None,
        transform_table=given["transform_table"],
        registry=given["registry"],
        options=options.chosen_options(given),
    )


def _run(context: click.Context, given: dict[str, Any], console: Console) -> Run:
    project = project_of(context, given, "as_json", "quiet", "verbose", "show_sql")
    tables, targets = project.tables, project.targets
    # The SQL solver finds its sums in a table; without a database file there is one in memory.
    solves = project.options.solver == "sql" and project.engine.database is not None
    with options.opened(project.engine, writes_tables=project.writes_tables or solves) as engine:
        return stabilize(
            tables.get("users"),
            tables.get("items"),
            project.reference,
            project.out,
            engine,
            vectors=tables.get(VECTORS),
            also=project.also,
            users_out=targets.get("users"),
            items_out=targets.get("items"),
            vectors_out=targets.get(VECTORS),
            transform_table=project.transform_table,
            registry=project.registry,
            options=project.options,
            # --verbose says the same after each step, with the time.
            progress=progress_on(console, given["quiet"] or given["verbose"]),
        )


@click.command(short_help="See on real data what it does.")
@click.option(
    "--out",
    metavar="DIR",
    help="Keep the trainings (raw/) and the runs (stable/) here. Default: keep nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print the result only.")
def demo(out: str | None, as_json: bool, quiet: bool) -> None:
    """Stabilize four real retrainings of a movie recommender, and show what that is good for.

    The vectors come with the package: implicit-feedback matrix factorisation on MovieTweetings, on
    data up to four dates in 2013, each training from a new random start. Takes a few seconds.
    """
    # It needs scipy.stats, which takes half a second to import.
    from sqlstab.demo import run_demo  # noqa: PLC0415

    result = run_demo(out, progress_on(new_console(stderr=True), quiet))
    if as_json:
        click.echo(json.dumps(result.figures, indent=2))
        return
    for part in result.report():
        new_console().print(part)


def summary(figures: dict[str, Any]) -> Table:
    """One small table that answers: did it work?

    Args:
        figures: What `run.json` holds.
    """
    alignment, cosine = figures["alignment"], figures["cosine"]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    sides = list(figures["inputs"])
    for side in sides:
        known = table_figures(figures, side)
        text = f"{known['rows']:,} x {known['dimension']}"
        if f"shared_{side}" in (alignment or {}):
            text += f", {alignment[f'shared_{side}']:,} shared with the reference"
        table.add_row(side, text)
    if not alignment:
        own = "axes of the vectors" if VECTORS in sides else "principal axes"
        table.add_row("space", f"new, {figures['rank']} {own}; later runs can stay in it")
    else:
        anchors = " and ".join(alignment["weights"])
        reference = figures["reference"]
        others = len(reference["runs"]) - 1
        with_others = f" and {others} before it" if others else ""
        table.add_row("space", f"run {reference['run_id']}{with_others}, aligned on {anchors}")
        table.add_row("cosine", "of the same id in both runs, mean")
        for side in sides:
            if side in cosine:
                table.add_row(f"  {side}", _cosine_text(cosine[side]))
    wanted, dimension = figures["options"].get("rank"), figures[sides[0]]["dimension"]
    if wanted and wanted > dimension:
        table.add_row(
            "rank", f"{wanted:,} were asked for: the vectors have {dimension:,}, all are kept"
        )
    promised = "dot_products" if VECTORS in sides else "scores"
    error = figures[promised]["max_relative_error"]
    prepared = prepared_text(figures["options"])
    if prepared:
        table.add_row("prepared", f"{prepared}, which changed dot products")
    if error is not None:
        table.add_row(promised.replace("_", " "), _kept_text(error, since=bool(prepared)))
    for name, error in figures[promised].get("also", {}).items():
        if error is not None:
            table.add_row(f"  of {name}", _kept_text(error, since=bool(prepared)))
    relations = [output["relation"] for output in figures["outputs"].values()]
    if relations != [file_name(side) for side in figures["outputs"]]:
        table.add_row("tables", " and ".join(relations))
    return table


def _kept_text(error: float, *, since: bool) -> Text:
    if error > SCORES_KEPT:
        kept, how = "[yellow]changed[/]", f"by up to {share(error)} of the largest"
    else:
        kept = "[green]kept[/]"
        how = "exactly" if error == 0 else f"to {error:.0e} of the largest"
    if since:
        kept = f"{kept} from there on"
    return Text.from_markup(f"{kept}, {how}")


def _cosine_text(figures: dict[str, Any]) -> Text:
    before, after = figures["before"], figures["after"]
    if after is None:
        return Text("no shared ids")
    raw = f"{before['mean']:.3f}" if before else "unknown"
    return Text.from_markup(f"{raw} before -> [bold]{after['mean']:.3f}[/] after")
