"""`sqlstab sql`: print the statements of a run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from sqlstab.cli import console, options
from sqlstab.declaration import declarations
from sqlstab.engines import NAMES
from sqlstab.errors import UsageError, printable
from sqlstab.options import Columns
from sqlstab.statements.given import UNSEEN, EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.project import Project

_STEPS = ("gram", "cross-gram", "check", "apply", "inverse", "drift")


@click.command(
    cls=options.Command, short_help="Print the SQL of a run, or of a step, for any client."
)
@click.argument("step", metavar="[STEP | script]", required=False)
@click.option(
    "--dialect",
    type=click.Choice(NAMES),
    metavar="ENGINE",
    help=f"Write SQL for this engine, without a connection. One of {', '.join(NAMES)}. Default: "
    "look up the tables and the space, and print what sqlstab run would run.",
)
@click.option(
    "--earlier",
    multiple=True,
    metavar="K",
    help="With --dialect: an earlier run of the space. Repeat for more, oldest first.",
)
@click.option(
    "--first-run",
    is_flag=True,
    help="With --dialect: there is no earlier run. Default: there is one.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Print a table of the steps. It shows what each scans and makes, and how long its "
    "statements are.",
)
@options.config
@options.tables
@options.also
@options.declared("sql")
@click.option(
    "--json",
    "as_json",
    cls=options.RareOption,
    is_flag=True,
    help="With --explain: print JSON.",
)
@click.pass_context
def sql(context: click.Context, /, **given: Any) -> None:
    """Print the statements of a run, in order, each step under its name.

    STEP: gram and cross-gram (sums for sqlstab solve), check (errors in tables), apply (raw vectors
    to stable), inverse (back), drift (cosines of the same ids in two runs). script prints the whole
    run as one SQL file, mathematics included.

        sqlstab sql gram --dialect duckdb --users u --items i --dimension 64
        sqlstab sql --explain -c sqlstab.toml --var day=2026-11-30
    """
    step = given["step"]
    if step not in (None, "script", *_STEPS):
        raise UsageError(f"There is no step {step!r}; write script, or {', '.join(_STEPS)}.")
    if step and given["explain"]:
        raise UsageError("--explain covers a whole run: leave the step out.")
    project = options.project_of(context, given, run=True)
    if given["dialect"]:
        _declared(given, project, step)
        return
    of_tables = declarations(EmbeddingTable)
    unseen = [*declarations(Columns).values(), *(of_tables[name] for name in UNSEEN)]
    unused = [declared.option for declared in unseen if given[declared.name] is not None]
    unused += ["earlier"] if given["earlier"] else []
    if step or unused or given["first_run"]:
        what = f"sqlstab sql {step}" if step else f"--{(*unused, 'first-run')[0]}"
        raise UsageError(f"{what} needs --dialect, which prints SQL without a connection.")
    with options.space_of(context, project, None, writes=False) as space:
        tables = project.tables
        statements = space.explain(
            tables.get("users"),
            tables.get("items"),
            vectors=tables.get("vectors"),
            also=project.also or None,
            key=project.place.key,
            options=project.options,
        )
    _show(statements, given)


def _declared(given: Mapping[str, Any], project: Project, step: str | None) -> None:
    """Print what needs no connection."""
    if given["first_run"] and given["earlier"]:
        raise UsageError("--first-run and --earlier contradict each other; leave one out.")
    texts = import_module("sqlstab.texts")
    in_tables = project.engine.database or project.space_tables
    directory = given["dialect"] == "duckdb" and not in_tables
    asked = texts.Texts(
        project.tables,
        project.also,
        project.place,
        project.options,
        given["dialect"],
        Columns(**options.values_of(Columns, given)),
        earlier=() if given["first_run"] else given["earlier"] or None,
        names=project.space_tables or None,
        directory=directory and bool(project.place.space),
    )
    if step is None:
        _show(asked.statements(), given)
    elif step == "script":
        if given["align"] == "recent":
            raise UsageError("sql script: --align recent is for sqlstab run only; leave it out.")
        console.print_exactly(asked.script())
    else:
        console.print_exactly("\n".join(f"{text.strip()};\n" for text in asked.step(step)))


def _show(statements: list[Any], given: Mapping[str, Any]) -> None:
    texts = import_module("sqlstab.texts")
    if not given["explain"]:
        console.print_exactly(texts.printed(statements))
        return
    found = texts.explained(statements)
    if given["as_json"]:
        console.print_json(found)
        return
    rows = [
        (
            str(step["step"]),
            ", ".join(step["reads"]),
            f"{step['statements']:,}",
            f"{step['longest']:,}",
            step["makes"] or "",
        )
        for step in found["steps"]
    ]
    console.print_rows(rows, titles=("step", "scans", "statements", "longest, bytes", "makes"))
    scans = ", ".join(f"{name} {times}x" for name, times in found["scans"].items())
    click.echo(printable(f"\nscans: {scans}"))
    if given["dialect"] and (note := texts.over_http(given["dialect"], found["longest"])):
        click.echo(note)
