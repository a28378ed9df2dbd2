"""`sqlstab clean`: what killed runs have left behind."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from sqlstab import orphans
from sqlstab.cli import options
from sqlstab.cli.console import log_to, new_console
from sqlstab.errors import UsageError
from sqlstab.project import EngineSettings, Project
from sqlstab.registry import Registry
from sqlstab.registry import is_file as is_registry_file
from sqlstab.spelling import typed_in
from sqlstab.statements.quoting import file_reader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlstab.engines import Engine
    from sqlstab.orphans import Orphan

_HOURS = 24.0


@click.command(short_help="Find what killed runs have left behind, and remove it.")
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="A project file: looks where its runs write, and knows what its registry keeps.",
)
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="The value of a variable {NAME} in the project file; once for each.",
)
@options.engine
@click.option(
    "--schema",
    "schemas",
    multiple=True,
    metavar="NAME",
    help="Look at the tables of this schema; may be given again for more. Default: the one where a "
    "table with a bare name is made, and that of the --registry.",
)
@click.option(
    "--registry",
    metavar="TABLE",
    help="The registry of the runs: tables that a killed run did not get to drop after it was "
    "recorded that they are gone, and those that it may not have replaced yet, are told by it.",
)
@click.option(
    "--out",
    multiple=True,
    metavar="DIR",
    help="Look for directories beside this run directory; may be given again for more.",
)
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="HOURS",
    help="Tables that are younger may belong to a run at work. Default: 24; 0 in a DuckDB database "
    "file, which one process has open at a time.",
)
@click.option("--yes", is_flag=True, help="Remove what is found.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.display
@click.pass_context
def clean(context: click.Context, /, **given: Any) -> None:
    """List what runs that were killed have left behind; with --yes, remove it.

    A run that ends by itself, or by Ctrl-C or SIGTERM, cleans up. One that is killed, or loses its
    database, leaves tables that never took their places, intermediate tables, and a directory
    beside its --out. No later run needs them gone, and one with the same --out removes the
    directory.

    Nothing is removed that a run at work uses, that a registry keeps, or that has a name which
    sqlstab does not give.

    \b
      sqlstab clean -c sqlstab.toml
      sqlstab clean --engine "$URL" --schema ml --registry ml.sqlstab_runs --yes
    """  # noqa: D301 - click reads the backspace
    log_to(new_console(stderr=True), given)
    settings, names, outs, registry = _places(context, given)
    has_home = bool(settings.url or settings.kind or settings.database)
    if not has_home and (given["schemas"] or names):
        options.check_home(settings)
    if not (has_home or outs):
        raise UsageError(
            "Name where runs write: --engine or --database, --out, or a project file with --config."
        )
    found = orphans.directories(out.absolute().parent for out in outs)
    hours = given["older_than"]
    if hours is None:
        hours = _HOURS if has_home and not settings.database else 0.0
    with ExitStack() as stack:
        engine: Engine | None = None
        if has_home:
            # A database file is opened for reading only, and so must be there.
            engine = stack.enter_context(options.opened(settings, writes_tables=False))
            log = Registry(registry, engine).log() if registry else None
            beside = _beside(engine, given["schemas"], names)
            tables = orphans.tables(engine, beside, dt.timedelta(hours=hours), log)
            found += tables
            if given["yes"] and settings.database and tables:
                stack.close()
                engine = stack.enter_context(options.opened(settings, writes_tables=True))
        if given["yes"]:
            orphans.remove(found, engine)
    _print(found, given, hours)


def _places(
    context: click.Context, given: dict[str, Any]
) -> tuple[EngineSettings, list[str], list[Path], str | None]:
    """The engine, tables of the schemas to look at, run directories, and the registry."""
    if not given["config"]:
        if given["variables"]:
            raise click.UsageError("--var is of use with --config only.", context)
        registry = given["registry"]
        names = [registry] if registry and not is_registry_file(registry) else []
        return (
            options.engine_settings(context, given),
            names,
            [Path(out) for out in given["out"]],
            registry,
        )
    shown = ("as_json", "quiet", "verbose", "show_sql")
    options.alone(context, "config", "variables", "older_than", "yes", *shown)
    context.with_resource(typed_in("project file"))
    project = Project.load(given["config"], options.variables(given["variables"]))
    written = [*project.targets.values(), project.transform_table]
    if project.options.grams and not file_reader(project.options.grams):
        written.append(project.options.grams)
    if project.registry and not is_registry_file(project.registry):
        written.append(project.registry)
    return (
        project.engine,
        [name for name in written if name],
        [project.out] if project.out else [],
        project.registry,
    )


def _beside(engine: Engine, schemas: Iterable[str], names: Iterable[str]) -> list[str]:
    """Whole names of tables in the schemas to look at, one in each."""
    wanted = [f"{schema}.x" for schema in schemas] or ["x", *names]
    whole = [engine.qualified(name) for name in wanted]
    return list({name.rpartition(".")[0]: name for name in whole}.values())


def _print(found: list[Orphan], given: dict[str, Any], hours: float) -> None:
    if given["as_json"]:
        described = [
            {
                "name": orphan.name,
                "what": orphan.what,
                "since": orphan.since.isoformat(timespec="seconds"),
                "removed": given["yes"] and orphan.removable,
            }
            for orphan in found
        ]
        click.echo(json.dumps(described, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for orphan in found:
        table.add_row(f"{orphan.since:%Y-%m-%d %H:%M}Z", orphan.what, orphan.name)
    if found:
        new_console().print(table)
    if given["quiet"]:
        return
    removable = sum(orphan.removable for orphan in found)
    done = "removed" if given["yes"] else "to be removed with --yes"
    said = f"{removable} {done}." if found else "Nothing to remove."
    if hours:
        said += (
            f" What is younger than {hours:g} hours may be of a run that is at work, and is not "
            "listed; --older-than 0 lists it."
        )
    click.echo(said, err=True)
    if removable < len(found):
        click.echo(
            "A run was stopped when it put tables in place, one after the other. What is half way "
            "may be the only copy of a stable table: look at it and at the tables that it was to "
            "replace, and rename or drop it yourself.",
            err=True,
        )
