"""`sqlstab gram` and `sqlstab solve`: the sums, and the transform that they give."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlstab import sums
from sqlstab.cli import options
from sqlstab.cli.console import log_to, new_console, progress_on
from sqlstab.config import Options
from sqlstab.errors import DataError, UsageError
from sqlstab.maths.maps import FILE_NAME, Transform, transform_file
from sqlstab.places import Place, check_outputs
from sqlstab.registry import is_looked_up
from sqlstab.runs import new_run_id, replaced_files
from sqlstab.stabilize import collect_sums
from sqlstab.statements import ddl, quoting
from sqlstab.statements.dialect import DIALECTS, DUCKDB, dialect
from sqlstab.statements.table import SIDES

if TYPE_CHECKING:
    from sqlstab.project import EngineSettings
    from sqlstab.sums import Kind, Source

FORMATS = ("json", "csv", "parquet")


@click.command(short_help="Take the sums that a transform is solved from.")
@options.tables(required=True)
@click.option(
    "--reference",
    multiple=True,
    metavar="DIR",
    help="The run whose space to stay in: a run directory. Adds the cross Gram matrices of the "
    "side that holds the space in place. Given several times, the consensus of these runs: solve "
    "then takes the newest of them as its --reference.",
)
@options.engine
@options.for_tables(options.FOUND_ANCHORS)
@options.anchor
@options.strategy
@options.on_invalid
@options.sampling
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    help="Save them to this file, as a whole at the end. Default: print them.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Default: by the name of --out, else csv.",
)
@options.display
@click.pass_context
def gram(context: click.Context, /, **given: Any) -> None:
    """Take the sums that a transform is solved from, with the checks that sqlstab run makes.

    The result has rows (kind, side, i, j, value, n_rows): the Gram matrices of the users and of the
    items (kind gram) and, with a reference, cross Gram matrices (kind cross). sqlstab solve reads
    all of it at once.

    \b
      sqlstab gram --users u.parquet --items i.parquet | sqlstab solve --out monday.json
    """  # noqa: D301 - click reads the backspace
    console = new_console(stderr=True)
    log_to(console, given)
    settings = options.engine_settings(context, given)
    chosen = options.chosen_options(given)
    form = given["form"] or Path(given["out"] or "x.csv").suffix[1:]
    if form not in FORMATS:
        raise UsageError(f"--format says how to write {given['out']}: {', '.join(FORMATS)}.")
    _refuse_looked_up(given["reference"])
    if given["out"]:
        _check_gram_output(given, settings)
    kept_in_table = bool(chosen.grams and not quoting.file_reader(chosen.grams))
    with options.opened(settings, writes_tables=kept_in_table) as engine:
        found = collect_sums(
            options.embedding_table(given, "users"),
            options.embedding_table(given, "items"),
            [Path(name) for name in given["reference"]] or None,
            engine,
            options=chosen,
            progress=progress_on(console, given["quiet"] or given["verbose"]),
        )
    data = sums.printed(sums.sum_rows(found), form)
    if not given["out"]:
        print_bytes(data, form)
        return
    with replaced_files(Path(given["out"])) as (partial,):
        partial.write_bytes(data)


def _refuse_looked_up(references: tuple[str, ...]) -> None:
    """Sums are solved with the transform of a reference, which must be a file.

    Raises:
        UsageError: A reference is what a registry is asked for.
    """
    for name in references:
        if is_looked_up(name) and not Path(name).exists():
            raise UsageError(
                f"--reference {name} is looked up in a registry, which sqlstab gram does not read: "
                "sqlstab solve needs the transform of the same run as a file. Name its directory "
                "(sqlstab runs current shows where the run in place is), or use sqlstab run."
            )


def _check_gram_output(given: dict[str, Any], settings: EngineSettings) -> None:
    # Of the engines only DuckDB reads files.
    reads_files = not settings.url and not settings.kind
    inputs = [Place(f"{side} table", given[side]) for side in SIDES if reads_files]
    if settings.database:
        inputs.append(Place("the database", settings.database, "file"))
    inputs += [Place("the reference", name, "run") for name in given["reference"]]
    output = Place("the sums", given["out"], "file")
    kept = [Place("the Gram matrices", given["grams"])] if given["grams"] else []
    check_outputs(inputs, [output, *kept], DUCKDB)


@click.command(short_help="Find the transform from saved sums.")
@click.option(
    "--gram",
    "gram_files",
    multiple=True,
    metavar="FILE",
    help="The Gram matrices of the users and of the items, as a client of the database printed "
    "them; - is standard input. May be given again for another file. Default: -.",
)
@click.option(
    "--cross",
    "cross_files",
    multiple=True,
    metavar="FILE",
    help="The cross Gram matrix of the side that holds the space in place, or of both.",
)
@click.option(
    "--reference",
    metavar="RUN",
    help="The transform of the run whose space to stay in: what sqlstab solve wrote then, or a run "
    "directory. Leave it out the first time.",
)
@click.option(
    "--anchor",
    metavar="SIDE",
    help="Which ids hold the space in place: items, users, both, or weights such as "
    "items=1,users=0.1. Default: all that there is a cross Gram matrix of.",
)
@click.option(
    "--rank",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the N most important dimensions only. Scores are then approximate.",
)
@click.option(
    "--run-id",
    metavar="ID",
    help="The name of this run; in a transform table the one that sorts last counts. Default: the "
    "time.",
)
@click.option(
    "--out",
    metavar="FILE",
    help="Write the transform to this file, as JSON; into a directory that is there as "
    "transform.json. Default: print it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMATS, "sql"]),
    help="What to print: the transform (json), or the two maps as rows (run_id, side, i, j, "
    "value), sql being statements that insert them into --transform-table. Default: json; nothing "
    "with --out.",
)
@click.option(
    "--dialect", "dialect_name", type=click.Choice(list(DIALECTS)), help="Of --format sql."
)
@click.option(
    "--transform-table", metavar="TABLE", help="Where --format sql inserts: a table's name."
)
@click.option("--create", is_flag=True, help="Let --format sql begin with the table's creation.")
@options.quiet
def solve(**given: Any) -> None:
    """Find the transform from sums that any client of the database has saved.

    Takes the output of what sqlstab render gram and cross-gram print: CSV or JSON of duckdb, psql,
    bq, snowsql, clickhouse-client, trino and the like, also several results one after the other,
    and what sqlstab gram prints. What kind it is, it finds out. Incomplete or doubled output, sums
    over different rows and the like are errors.

    \b
      sqlstab render gram ... | duckdb -csv | sqlstab solve --out monday.json
      sqlstab solve --gram gram.csv --cross cross.csv --reference monday.json --out tuesday.json
    """  # noqa: D301 - click reads the backspace
    weights = Options(anchor=given["anchor"]).anchor_weights if given["anchor"] else None
    form = given["form"] or (None if given["out"] else "json")
    _check_format(given, form)
    out = Path(given["out"]) if given["out"] else None
    if out is not None:
        out = out / FILE_NAME if out.is_dir() else out
        read = [
            Place(what, name, "file")
            for what in ("gram", "cross")
            for name in given[f"{what}_files"]
            if name != "-"
        ]
        if given["reference"]:
            read.append(Place("reference", str(transform_file(given["reference"])), "file"))
        check_outputs(read, [Place("the transform", str(out), "file")], DUCKDB)
    reference = Transform.load(given["reference"]) if given["reference"] else None
    loaded = sums.load(_sources(given), reference)
    if weights and reference is None:
        raise UsageError("--anchor is of use with --reference only.")
    transform, warnings = sums.transform(
        loaded,
        reference,
        weights=weights,
        rank=given["rank"],
        run_id=given["run_id"] or new_run_id(),
    )
    if not given["quiet"]:
        for warning in warnings:
            click.echo(f"Warning: {warning}", err=True)
    if out is not None:
        with replaced_files(out) as (partial,):
            partial.write_text(transform.to_json(), encoding="utf-8")
    if form == "json":
        click.echo(transform.to_json(), nl=False)
    elif form == "sql":
        click.echo(_inserts(transform, given), nl=False)
    elif form is not None:
        print_bytes(sums.printed(sums.matrix_rows(transform), form), form)


def _check_format(given: dict[str, Any], form: str | None) -> None:
    """Options of the INSERT statements, and what is printed, must agree."""
    named = [name for name in ("dialect_name", "transform_table", "create") if given[name]]
    if form != "sql" and named:
        raise UsageError("--dialect, --transform-table and --create are of --format sql.")
    if form == "sql" and not {"dialect_name", "transform_table"} <= set(named):
        raise UsageError("--format sql needs --dialect and --transform-table.")


def _inserts(transform: Transform, given: dict[str, Any]) -> str:
    matrices = {side: transform[side].matrix for side in SIDES}
    make = ddl.matrix_table if given["create"] else ddl.insert_matrices
    statements = make(
        given["transform_table"], transform.run_id, matrices, dialect(given["dialect_name"])
    )
    return "".join(f"{statement.strip()};\n\n" for statement in statements)


def _sources(given: dict[str, Any]) -> list[Source]:
    """What the options name, read."""
    named: list[tuple[str, Kind]] = [
        *((name, "gram") for name in given["gram_files"]),
        *((name, "cross") for name in given["cross_files"]),
    ]
    if not given["gram_files"] and "-" not in given["cross_files"]:
        named.insert(0, ("-", "gram"))
    if [name for name, _ in named].count("-") > 1:
        raise UsageError("Standard input can be one of --gram and --cross; save the other one.")
    return [sums.Source(_shown(name), _read(name), kind) for name, kind in named]


def _shown(name: str) -> str:
    return "standard input" if name == "-" else name


def _read(name: str) -> bytes:
    if name == "-":
        if sys.stdin.isatty():
            raise UsageError("Name a file with --gram, or pipe a client's output in.")
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from error


def print_bytes(data: bytes, form: str) -> None:
    """Print a result; Parquet not to a terminal."""
    if form == "parquet" and sys.stdout.isatty():
        raise UsageError("Parquet is nothing for a terminal: redirect it into a file.")
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
