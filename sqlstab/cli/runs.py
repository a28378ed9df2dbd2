"""`sqlstab runs`: which run is in place, what has changed, and going back."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from sqlstab import history
from sqlstab.cli import options
from sqlstab.cli.console import log_to, new_console
from sqlstab.cli.run import summary
from sqlstab.errors import DataError, UsageError
from sqlstab.project import load_registry
from sqlstab.registry import Registry
from sqlstab.registry import is_file as is_registry_file
from sqlstab.runs import table_figures
from sqlstab.spelling import typed_in
from sqlstab.words import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlstab.engines import Engine
    from sqlstab.registry import Entry, Log

_STYLES = {"current": "green", "rolled back": "yellow", "replaced": "dim", "not in place": "dim"}

_where = options.all_of(
    click.option(
        "-c",
        "--config",
        metavar="FILE",
        help="A project file that names the registry and the engine.",
    ),
    click.option(
        "--var",
        "variables",
        multiple=True,
        metavar="NAME=VALUE",
        help="The value of a variable {NAME} in the project file, where the registry or the engine "
        "has it.",
    ),
    click.option("--registry", metavar="TABLE", help=options.REGISTRY),
    options.engine,
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(short_help="Which run is in place, what has changed, and going back.")
def runs() -> None:
    """Look at the runs that a --registry has recorded, and go back to an earlier one.

    A run is named by its id, or by a beginning of it that no other run has.

    \b
      sqlstab runs list --registry runs.jsonl
      sqlstab runs rollback -c sqlstab.toml
    """  # noqa: D301 - click reads the backspace


@runs.command("list", short_help="All runs, and what has become of them.")
@_where
@_as_json
@click.pass_context
def list_runs(context: click.Context, /, **given: Any) -> None:
    """List the runs, the oldest first.

    A run is current where its outputs are in place, kept where they are still there, replaced
    where they are gone, and rolled back where an earlier run has taken its place again.
    """
    with _opened(context, given) as (_, log, _):
        entries = list(log.entries.values())
        if given["as_json"]:
            _print([_described(log, entry) for entry in entries])
            return
    table = Table(box=None, padding=(0, 2, 0, 0))
    sides = history.sides_of(entries)
    # Whole ids, also in a narrow terminal: the other commands take them.
    numbers = {entry.run_id: str(number) for number, entry in enumerate(entries, start=1)}
    for title in ("", "run", "reference", *sides, "cosine", "status"):
        left = title in ("run", "status")
        table.add_column(title, justify="left" if left else "right", no_wrap=True)
    for entry in entries:
        status = log.status(entry)
        cosine, rows = _cosine(entry), _rows(entry)
        table.add_row(
            numbers[entry.run_id],
            entry.run_id,
            numbers.get(entry.reference or "", entry.reference or ""),
            *(f"{rows[side]:,}" if side in rows else "" for side in sides),
            "" if cosine is None else f"{cosine:.3f}",
            Text(status, style=_STYLES.get(status, "")),
        )
    new_console().print(table)


@runs.command(short_help="The figures of a run.")
@click.argument("run_id", metavar="[RUN]", required=False)
@_where
@_as_json
@click.pass_context
def show(context: click.Context, /, **given: Any) -> None:
    """Show the figures of RUN; without one, of the run in place."""
    with _opened(context, given) as (registry, log, _):
        entry = _named(registry, log, given["run_id"])
    if given["as_json"]:
        _print({**_described(log, entry), "options": entry.options, "figures": entry.figures})
        return
    table = summary(entry.figures)
    table.add_row("run", entry.run_id)
    table.add_row("created", f"{entry.created} by {entry.who}, sqlstab {entry.figures['sqlstab']}")
    table.add_row("status", log.status(entry))
    for side, place in (entry.places or {}).items():
        table.add_row(f"{side} now", place)
    new_console().print(table)


@runs.command(short_help="What changed between two runs.")
@click.argument("first", metavar="FIRST")
@click.argument("second", metavar="SECOND")
@_where
@_as_json
@click.pass_context
def diff(context: click.Context, /, **given: Any) -> None:
    """Show what changed from FIRST to SECOND: inputs, options, versions, counts and figures.

    It comes from what is recorded; no table is read.
    """
    with _opened(context, given) as (registry, log, _):
        pair = [registry.entry(log, given[name]) for name in ("first", "second")]
        found = history.diff(registry, *pair)
    if given["as_json"]:
        _print(found)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("", found["first"], found["second"]):
        # What does not fit into a narrow terminal goes on in the next line: nothing is cut.
        table.add_column(title, overflow="fold")
    for name, values in found["changed"].items():
        table.add_row(_in_words(name), *(_short(value) for value in values))
    changes = [abs(change) for change in found["singular_values"]]
    output = new_console()
    output.print(table)
    if changes:
        mean = sum(changes) / len(changes)
        output.print(
            f"singular values change by {mean:.1%} in the mean, at most {max(changes):.1%}"
        )
    space = found["space"]
    if space["same"]:
        cosine = space["gram_cosine"]
        agrees = ""
        if cosine is not None:
            agrees = f"; the cosine of their Gram matrices there is {cosine:.4f}"
        output.print(f"both are in the space of run {space['first']}{agrees}")
    else:
        output.print(
            f"they are in two spaces, of run {space['first']} and of run {space['second']}: their "
            "vectors cannot be compared"
        )


@runs.command(short_help="Put an earlier run in place again.")
@click.argument("run_id", metavar="[RUN]", required=False)
@_where
@_as_json
@options.display
@click.pass_context
def rollback(context: click.Context, /, **given: Any) -> None:
    """Put RUN in place again; without one, the run before the one in place.

    Tables that were kept (--keep-runs) change places with those that are there now; these are kept
    in turn, so that a rollback can be undone. Directories, and tables with names of their own, stay
    where they are: sqlstab runs current says which ones count.
    """
    log_to(new_console(stderr=True), given)
    with _opened(context, given, reads_tables=True, writes=True) as (registry, before, _):
        entry = registry.rollback(given["run_id"])
        log = registry.log()
    if given["as_json"]:
        _print(_described(log, log.entries[entry.run_id]))
    elif not given["quiet"]:
        places = " and ".join((entry.places or {}).values())
        click.echo(f"Run {entry.run_id} is in place again: {places}")
        if before.current and log.entries[before.current].places:
            click.echo(
                f"To undo that: sqlstab runs rollback {before.current}, with the same options.",
                err=True,
            )


@runs.command(short_help="Drop the kept tables of old runs.")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    required=True,
    metavar="N",
    help="The tables of so many runs, the newest ones, stay beside those in place.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be dropped; drop nothing.")
@_where
@_as_json
@options.display
@click.pass_context
def prune(context: click.Context, /, **given: Any) -> None:
    """Drop the tables that were kept for a rollback, but for the newest runs.

    Never those in place, nor those of the run that the one in place refers to. Directories, and
    tables with names that you gave, are yours to remove. What is recorded stays.
    """
    log_to(new_console(stderr=True), given)
    with _opened(context, given, reads_tables=True, writes=not given["dry_run"]) as opened:
        registry, log, _ = opened
        dropped = registry.prune(given["keep"], dry_run=given["dry_run"])
    if given["as_json"]:
        _print([{"run_id": entry.run_id, "tables": entry.aside} for entry in dropped])
    elif not given["quiet"]:
        names = [name for entry in dropped for name in entry.aside]
        for name in names:
            click.echo(name)
        click.echo(_pruned(log, names, given), err=True)


def _pruned(log: Log, names: list[str], given: dict[str, Any]) -> str:
    """What pruning has done, or why it had nothing to do."""
    if names:
        done = "would be dropped" if given["dry_run"] else "dropped"
        return f"{len(names)} tables {done}."
    if all(entry.in_files for entry in log.entries.values()):
        return "Nothing to drop: the runs are directories, which are yours to remove."
    return (
        "Nothing to drop: what is there is of the run in place, of the one that it refers to, or "
        f"of the newest runs (--keep {given['keep']})."
    )


@runs.command(short_help="Which run is in place, and where.")
@_where
@_as_json
@click.pass_context
def current(context: click.Context, /, **given: Any) -> None:
    """Print the id of the run in place, and where its tables are, each on a line of its own.

    The users come before the items.
    """
    with _opened(context, given) as (registry, log, _):
        entry = _named(registry, log, None)
    if given["as_json"]:
        _print(_described(log, entry))
        return
    for text in (entry.run_id, *(entry.places or {}).values()):
        click.echo(text)


@runs.command(short_help="How far each run is from each other one.")
@click.option(
    "--last", type=click.IntRange(min=1), metavar="K", help="Of the K newest runs. Default: of all."
)
@_where
@_as_json
@options.display
@click.pass_context
def skew(context: click.Context, /, **given: Any) -> None:
    """Measure the mean cosine of the same id in each two runs whose stable tables are still there.

    Of about 25,000 ids, chosen by a hash of the id, where there are more.
    """
    log_to(new_console(stderr=True), given)
    with _opened(context, given, reads_tables=True) as (registry, log, engine):
        found = history.skew(registry, log, engine, given["last"])
    if given["as_json"]:
        _print(found)
        return
    output = new_console()
    numbers = [str(number) for number, _ in enumerate(found["runs"], start=1)]
    known = Table(box=None, padding=(0, 2, 0, 0))
    known.add_column("", justify="right")
    known.add_column("run", no_wrap=True)
    for number, run_id in zip(numbers, found["runs"], strict=True):
        known.add_row(number, run_id)
    output.print(known)
    for side, matrix in found["sides"].items():
        table = Table(box=None, padding=(0, 1, 0, 0), title=f"\n{side}", title_justify="left")
        # A terminal too narrow for so many runs breaks the lines; it cuts no figure.
        for title in ("", *numbers):
            table.add_column(title, justify="right", min_width=5 if title else 2)
        for number, row in zip(numbers, matrix, strict=True):
            table.add_row(number, *("-" if value is None else f"{value:.3f}" for value in row))
        output.print(table, crop=False)
    if len(set(found["spaces"])) > 1:
        output.print("The runs are in several spaces; a cosine between two of them means nothing.")


@contextmanager
def _opened(
    context: click.Context,
    given: dict[str, Any],
    *,
    reads_tables: bool = False,
    writes: bool = False,
) -> Iterator[tuple[Registry, Log, Engine]]:
    """The registry, its state, and the engine.

    Raises:
        UsageError: Neither the options nor a project file name one; or, with `reads_tables`, not
            the engine that tables of runs are in.
        DataError: There is none, or it is damaged.
    """
    if given["config"]:
        beside = ("registry", "engine", "database", "threads", "memory_limit")
        allowed = [p.name for p in context.command.params if p.name and p.name not in beside]
        options.alone(context, "config", *allowed)
        context.with_resource(typed_in("project file"))
        settings, name = load_registry(given["config"], options.variables(given["variables"]))
    else:
        if given["variables"]:
            raise click.UsageError("--var is of use with --config only.", context)
        if not given["registry"]:
            raise UsageError("Name the registry with --registry, or a project file with --config.")
        settings, name = options.engine_settings(context, given), given["registry"]
    has_home = bool(settings.url or settings.kind or settings.database)
    if not has_home and not is_registry_file(name):
        options.check_home(settings)
    with options.opened(settings, writes_tables=writes and has_home) as engine:
        registry = Registry(name, engine)
        log = registry.log()
        if not log.entries:
            raise DataError(f"The registry {registry.name} has no runs: is its name right?")
        homeless = [entry for entry in log.entries.values() if entry.places and not entry.in_files]
        if reads_tables and homeless and not has_home:
            raise UsageError(
                f"The registry {registry.name} is a file, but the stable vectors of run "
                f"{homeless[-1].run_id} are tables of {homeless[-1].figures['engine']}: name the "
                "database that they are in with --database or --engine."
            )
        yield registry, log, engine


def _named(registry: Registry, log: Log, run_id: str | None) -> Entry:
    if run_id:
        return registry.entry(log, run_id)
    if log.current is None:
        raise DataError(f"No run in the registry {registry.name} is in place.")
    return log.entries[log.current]


def _cosine(entry: Entry) -> float | None:
    """The mean cosine to the reference, the worse one of the sides that were aligned on."""
    figures = entry.figures
    if not figures["cosine"]:
        return None
    found = [figures["cosine"][side]["after"] for side in figures["alignment"]["weights"]]
    return None if None in found else min(float(after["mean"]) for after in found)


def _rows(entry: Entry) -> dict[str, int]:
    """How many rows each table of a run has."""
    return {side: table_figures(entry.figures, side)["rows"] for side in entry.targets}


def _described(log: Log, entry: Entry) -> dict[str, Any]:
    return {
        "run_id": entry.run_id,
        "created": entry.created,
        "who": entry.who,
        "reference": entry.reference,
        "status": log.status(entry),
        "rows": _rows(entry),
        "mean_cosine": _cosine(entry),
        "places": entry.places,
    }


def _in_words(name: str) -> str:
    """What to call something that has changed; names of tables stay as they are."""
    kind, *rest = name.split(".")
    if kind == "inputs":
        return ", ".join([rest[0], *map(word, rest[1:])])
    return ", ".join([word(kind), *(map(word, rest) if kind == "options" else rest)])


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int else str(value)


def _print(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
