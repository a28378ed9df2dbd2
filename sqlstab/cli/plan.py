"""`sqlstab plan`: what a run would do."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from sqlstab import plan as planning
from sqlstab.cli import options
from sqlstab.cli.console import new_console
from sqlstab.cli.run import project_of
from sqlstab.errors import UsageError
from sqlstab.references import loaded_runs
from sqlstab.registry import Registry
from sqlstab.stabilize import embedding_table
from sqlstab.statements.declared import declared
from sqlstab.statements.dialect import DIALECTS, dialect
from sqlstab.statements.table import SIDES

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sqlstab.plan import Plan
    from sqlstab.project import Project
    from sqlstab.runs import Run
    from sqlstab.statements.table import EmbeddingTable, Side, VectorTable


@click.command(short_help="Show the statements and scans of a run, without running it.")
@options.config
@options.tables(alone=True)
@options.also
@click.option(
    "--reference",
    multiple=True,
    metavar="DIR",
    help="The run whose space to stay in: a run directory; with a --registry, as for sqlstab run.",
)
@click.option("--out", metavar="DIR", help="As for sqlstab run; nothing is written there.")
@options.outputs
@options.engine
@click.option(
    "--dialect",
    "dialect_name",
    type=click.Choice(list(DIALECTS)),
    help="Plan for this SQL, and connect to nothing. What the columns are is then not looked at: "
    "the defaults of --id, --vector and --layout are id, embedding and array.",
)
@options.dimension(
    "Components of a vector: a plan looks at no row. Needed where vectors are arrays or rows, "
    "unless a reference tells. Default: as many as there are columns, or as the reference has."
)
@options.for_tables(options.FOUND_ALL)
@options.for_tables(options.UNSEEN)
@options.run_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option("--show-sql", is_flag=True, help="Print the statements of each step too.")
@click.pass_context
def plan(context: click.Context, /, **given: Any) -> None:
    """Show what sqlstab run with the same options, or the same project file, would do.

    For each step its statements, how often each table is read, and the bytes of the longest
    statement beside what the engine takes; then the tables that are made, temporary ones too. The
    engine is asked for the columns of the tables and nothing else; with --dialect it is not even
    that.

    \b
      sqlstab plan -c sqlstab.toml --var day=2026-11-24
      sqlstab plan --dialect bigquery --dimension 256 --users ml.users --items ml.items \\
        --users-out ml.stable_users --items-out ml.stable_items
    """  # noqa: D301 - click reads the backspace
    if given["out"] is None:
        given["out"] = "out"
    project = project_of(
        context, given, "as_json", "show_sql", "dialect_name", "dimension", *_unseen()
    )
    found = _plan(project, given)
    if given["as_json"]:
        document = found.to_dict()
        if given["show_sql"]:
            for shown, step in zip(document["steps"], found.steps, strict=True):
                shown["sql"] = step.statements
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    console = new_console()
    for part in _report(found, show_sql=given["show_sql"]):
        console.print(part)


def _unseen() -> list[str]:
    """Options about columns that are not looked at; a project file has no place for them."""
    names = [name.replace("-", "_") for name in options.UNSEEN]
    return [*names, *(f"{side}_{name}" for side in SIDES for name in names)]


def _plan(project: Project, given: dict[str, Any]) -> Plan:
    further = {name: embedding_table(one.table) for name, one in project.also.items()}
    tables = {**project.tables, **further}
    with ExitStack() as stack:
        engine, known = None, None
        if given["dialect_name"]:
            speaks = dialect(given["dialect_name"])
            known = {side: _known(given, table, side) for side, table in tables.items()}
        else:
            if project.writes_tables:
                options.check_home(project.engine)
            engine = stack.enter_context(options.opened(project.engine, writes_tables=False))
            speaks = engine.dialect
        runs: list[Run] = []
        for reference in project.references:
            if isinstance(reference, Path):
                runs += loaded_runs(reference)
            elif engine is None:
                raise UsageError(
                    f"--reference {reference} is looked up in the registry, which takes a "
                    "connection: leave out --dialect, or name a run directory."
                )
            else:
                runs += Registry(project.registry or "", engine).reference(reference).runs
        return planning.plan(
            tables,
            runs or None,
            project.options,
            speaks,
            engine,
            out=project.out,
            targets={
                **project.targets,
                **{name: one.out for name, one in project.also.items() if one.out},
            },
            transform_table=project.transform_table,
            registry=project.registry,
            dimension=given["dimension"],
            known=known,
            also=project.also,
        )


def _known(given: dict[str, Any], table: EmbeddingTable, side: Side) -> VectorTable:
    return declared(
        table,
        side,
        given["dimension"],
        dialect(given["dialect_name"]),
        element=options.of_side(given, side, "element") or "float",
        native=bool(options.of_side(given, side, "native")),
        first=options.of_side(given, side, "first") or 0,
    )


def _report(found: Plan, *, show_sql: bool) -> list[RenderableType]:
    parts: list[RenderableType] = []
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    # A column for each table would leave a narrow terminal no room for the steps.
    table.add_column("step", no_wrap=True)
    table.add_column("statements", justify="right", no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("scans")
    for step in [*found.steps, None]:
        statements = step.statements if step else found.statements
        table.add_row(
            step.title if step else "in all",
            f"{len(statements):,}",
            f"{max(len(text.encode()) for text in statements):,}",
            ", ".join(
                name if count == 1 else f"{count} x {name}"
                for name, count in found.scans(statements).items()
            ),
            style=None if step else "bold",
        )
    parts.append(table)
    limit = found.dialect.longest_statement
    if limit is None:
        parts.append(Text(f"\n{found.dialect.name} has no limit on statements that matters."))
    else:
        share = found.longest / limit
        parts.append(
            Text(
                f"\nThe longest statement has {share:.0%} of what {found.dialect.name} takes "
                f"({limit:,} bytes)."
            )
        )
    for made in found.tables:
        kind = "temporary table" if made.temporary else "table"
        parts.append(Text(f"{kind} {made.name}: {made.role}"))
    parts.extend(Text(note) for note in found.notes)
    if show_sql:
        for step in found.steps:
            parts.append(Text(f"\n{step.title}", style="bold"))
            parts.extend(Text(f"{text.strip()};\n", style="dim") for text in step.statements)
    return parts
