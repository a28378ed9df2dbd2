"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from sqlstab.config import ON_INVALID, OUTPUT_TYPES, REFINE, SOLVERS, STRATEGIES, Options
from sqlstab.engines import connect
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.errors import DataError, EngineError, UsageError
from sqlstab.project import MOST_THREADS, EngineSettings, SecretUrl, redacted
from sqlstab.statements.quoting import file_reader
from sqlstab.statements.table import (
    LAYOUTS,
    MOST_DIMENSIONS,
    SIDES,
    VECTORS,
    EmbeddingTable,
    FurtherTable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlstab.engines import Engine
    from sqlstab.statements.table import Side

Command = TypeVar("Command", bound=Callable[..., Any])

ENGINE_VARIABLE = "SQLSTAB_ENGINE"

TABLES: dict[str, dict[str, Any]] = {
    "users": {
        "metavar": "TABLE",
        "help": "The user vectors: a table or view; on DuckDB also a Parquet or CSV file, a glob "
        "or a URL.",
    },
    "items": {"metavar": "TABLE", "help": "The item vectors, likewise."},
}
ALONE: dict[str, dict[str, Any]] = {
    VECTORS: {
        "metavar": "TABLE",
        "help": "Instead of both: vectors that have no second side, such as those of texts. "
        "Options about columns are then those without a side, as in --id.",
    },
}

_SQL_CONDITION: dict[str, dict[str, Any]] = {
    "filter": {
        "metavar": "CONDITION",
        "help": "Only rows that meet this SQL condition take part at all.",
    },
}
_ANCHORS: dict[str, dict[str, Any]] = {
    "anchor-filter": {
        "metavar": "CONDITION",
        "help": "Only rows that meet this SQL condition take part in the alignment, as in "
        "'ratings > 20'; all are written.",
    },
    "weight": {
        "metavar": "COLUMN",
        "help": "How much a row counts in the alignment: a number from 0 on, never NULL.",
    },
}
_KEEP: dict[str, dict[str, Any]] = {
    "keep": {
        "metavar": "COLUMNS",
        "multiple": True,
        "help": "Further columns to copy into the stable table, with commas between; may be given "
        "again for more.",
    },
}

# Options of a table that exist for both at once, for the users and for the items. Columns that are
# not named are found from those of the table.
FOUND: dict[str, dict[str, Any]] = {
    "id": {
        "metavar": "COLUMN",
        "help": "The id column. Default: id, user_id or item_id, or the only column that ends in "
        "_id or _key.",
    },
    "vector": {
        "metavar": "COLUMNS",
        "help": "The vector: an array column (embedding), a range (e0..e63), a prefix (e*), a list "
        "(a,b,c), or dimension,value for one row per dimension. Default: found from the types.",
    },
    "layout": {
        "type": click.Choice(LAYOUTS),
        "help": "How vectors stand in the table: one column per dimension, one array column, or "
        "one row per dimension. Default: found from the columns.",
    },
    **_SQL_CONDITION,
}
FOUND_ANCHORS = {**FOUND, **_ANCHORS}
FOUND_KEEP = {**FOUND, **_KEEP}
FOUND_ALL = {**FOUND_ANCHORS, **_KEEP}

# The same where nobody looks at the table.
NAMED: dict[str, dict[str, Any]] = {
    "id": {"metavar": "COLUMN", "help": "The id column. Default: id."},
    "vector": {
        "metavar": "COLUMNS",
        "help": "The vector: an array column, a range (e0..e63), a prefix (e*), a list (a,b,c), or "
        "dimension,value in the long layout. Default: embedding, e0..eN, or dim,value.",
    },
    "layout": {
        "type": click.Choice(LAYOUTS),
        "help": "How vectors stand in the table: one column per dimension, one array column, or "
        "one row per dimension. Default: array; wide if --vector names several columns.",
    },
    "element": {
        "type": click.Choice(OUTPUT_TYPES),
        "help": "The type of a component: 4-byte or 8-byte numbers. Default: float.",
    },
    "native": {
        "is_flag": True,
        "default": None,
        "help": "The array column has the engine's own vector type: pgvector's, or Snowflake's "
        "VECTOR.",
    },
    "first": {
        "type": int,
        "metavar": "N",
        "help": "The number of the first dimension in the long layout. Default: 0.",
    },
    **_SQL_CONDITION,
}
UNSEEN = {name: NAMED[name] for name in ("element", "native", "first")}
NAMED_ANCHORS = {**NAMED, **_ANCHORS}
NAMED_KEEP = {**NAMED, **_KEEP}
# A stable table of the reference, and what it has.
REFERENCE: dict[str, dict[str, Any]] = {
    "reference": {
        "metavar": "TABLE",
        "help": "The reference's stable table.",
    },
}
REFERENCE_COLUMNS: dict[str, dict[str, Any]] = {
    "reference-id": {
        "metavar": "COLUMN",
        "help": "Its id column. Default: as in the run's table.",
    },
    "reference-vector": {
        "metavar": "COLUMNS",
        "help": "Its vector. Default: as in the run's table, with as many columns as it has "
        "dimensions.",
    },
    "reference-layout": {
        "type": click.Choice(LAYOUTS),
        "help": "Its layout. Default: as in the run's table.",
    },
    "reference-element": {
        "type": click.Choice(OUTPUT_TYPES),
        "help": "Its type of a component. Default: as in the run's table.",
    },
}


def no_empty_values(command: click.Command) -> None:
    """Let a command, or those of a group, refuse options that are given without a value.

    In a script that is mostly a variable that is not set, and where it stands for a filter, all
    rows would be taken.
    """
    if isinstance(command, click.Group):
        for one in command.commands.values():
            no_empty_values(one)
    for parameter in command.params:
        if parameter.callback is None:
            parameter.callback = _not_empty


def _not_empty(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    values = value if isinstance(value, tuple) else (value,)
    if any(isinstance(one, str) and not one.strip() for one in values):
        raise click.BadParameter("it is empty.", context, parameter)
    return value


def for_tables(options: Mapping[str, Mapping[str, Any]]) -> Callable[[Command], Command]:
    """Options of a table, each once for both tables and once for each.

    Args:
        options: The options and their settings.
    """

    def decorate(command: Command) -> Command:
        for name, settings in reversed(list(options.items())):
            for side in ("items", "users"):
                about = f"--{name} of the {side} only."
                command = click.option(f"--{side}-{name}", **{**settings, "help": about})(command)
            command = click.option(f"--{name}", **settings)(command)
        return command

    return decorate


def dimension(text: str, name: str = "--dimension") -> Callable[[Command], Command]:
    """How many components a vector has."""
    return click.option(
        name, type=click.IntRange(min=1, max=MOST_DIMENSIONS), metavar="E", help=text
    )


def all_of(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options as one decorator, in this order in the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def tables(*, required: bool = False, alone: bool = False) -> Callable[[Command], Command]:
    """--users and --items; and --vectors, where a table may stand alone."""
    return all_of(
        *(
            click.option(f"--{name}", required=required, **settings)
            for name, settings in {**TABLES, **(ALONE if alone else {})}.items()
        )
    )


also = all_of(
    click.option(
        "--also",
        multiple=True,
        metavar="NAME=TABLE:SIDE",
        help="A further table in the space of a side, whose map it takes, as in "
        "queries=queries.parquet:users; may be given again for more. Options about columns are "
        "those without a side, as in --id.",
    ),
    click.option(
        "--also-out",
        multiple=True,
        metavar="NAME=TABLE",
        help="The table to write its stable vectors to, where --users-out and --items-out are "
        "given.",
    ),
    click.option(
        "--also-scores",
        multiple=True,
        metavar="NAME[=WEIGHT]",
        help="Its dot products with the other side are scores too: they count in finding the axes, "
        "each row as much as one of its side, or WEIGHT times.",
    ),
)

engine = all_of(
    click.option(
        "--database",
        metavar="FILE",
        help="A DuckDB database file, in which tables and views are then found by name. It is "
        "opened for reading only, unless tables are to be written or removed.",
    ),
    click.option(
        "--engine",
        envvar=ENGINE_VARIABLE,
        metavar="URL",
        help="The database that holds the tables: a SQLAlchemy URL, as in "
        "postgresql+psycopg://host/name, or spark for the Spark session of this installation. "
        f"Better set in the environment variable {ENGINE_VARIABLE} if it has a password in it; it "
        "is never shown. Default: DuckDB, here.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1, max=MOST_THREADS),
        metavar="N",
        help="DuckDB's threads. Default: all cores.",
    ),
    click.option(
        "--memory-limit",
        metavar="SIZE",
        help="How much memory DuckDB may take before it uses the disk, as in 4GB. Default: 512MB, "
        "or what it takes to read a row group of the Parquet files, and to sum, with each thread.",
    ),
)

REGISTRY = (
    "Where runs are recorded: a table, which is made if there is none, or a file that ends in "
    ".jsonl."
)

quiet = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Print errors only: no progress, no warnings, no summary. What is asked for, as with "
    "--json, is printed all the same.",
)
display = all_of(
    quiet,
    click.option(
        "-v", "--verbose", is_flag=True, help="Say what is being done, and how long it took."
    ),
    click.option("--show-sql", is_flag=True, help="Print each SQL statement before it runs."),
)

strategy = click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="auto",
    show_default=True,
    help="sql computes everything in SQL; arrow streams rows through BLAS, which is faster, on "
    "DuckDB. The results agree. auto takes the faster one.",
)
on_invalid = click.option(
    "--on-invalid",
    type=click.Choice(ON_INVALID),
    default="error",
    show_default=True,
    help="What to do about NULL or duplicate ids and broken vectors: stop, or leave them out (of a "
    "duplicate id all rows).",
)
output_layout = click.option(
    "--output-layout",
    type=click.Choice(LAYOUTS),
    help="One column per dimension, one array column, or one row per dimension. Default: as the "
    "input.",
)
output_type = click.option(
    "--output-type",
    type=click.Choice(OUTPUT_TYPES),
    help="Type of a number. Default: as the input.",
)
anchor = click.option(
    "--anchor",
    default="items",
    show_default=True,
    metavar="SIDE",
    help="Which ids hold the space in place: items, users, both, or weights such as "
    "items=1,users=0.1.",
)
sampling = all_of(
    click.option(
        "--sample",
        metavar="SHARE",
        help="Fit on such a share of the rows only, as in 5% or 0.05, chosen by a hash of the id. "
        "All rows are written, and scores stay exact.",
    ),
    click.option(
        "--partition-by",
        metavar="COLUMN",
        help="A column that both tables are partitioned by. The Gram matrix of each partition is "
        "kept in --grams, and later runs scan only what is new or has changed.",
    ),
    click.option(
        "--partition-version",
        metavar="COLUMN",
        help="A column that grows when rows of a partition change, such as a time of loading. "
        "Without it a partition has changed when its number of rows has.",
    ),
    click.option(
        "--grams",
        metavar="TABLE",
        help="Where the Gram matrices of partitions are kept: a table, on files a Parquet file.",
    ),
)
preparing = all_of(
    click.option(
        "--center",
        is_flag=True,
        help="With --vectors: subtract their mean first. Dot products and cosines are then those "
        "of centred vectors.",
    ),
    click.option(
        "--normalize",
        is_flag=True,
        help="With --vectors: give each length one first, after --center if that is given too. "
        "Lengths are lost.",
    ),
)
run_options = all_of(
    anchor,
    click.option(
        "--cosine", is_flag=True, help="Align directions only: each anchor counts as a unit vector."
    ),
    preparing,
    click.option(
        "--rank",
        type=click.IntRange(min=1),
        metavar="N",
        help="Keep the N most important dimensions only; all, if there are no more. Fewer make "
        "scores approximate. With a reference the vectors have the columns of its space all the "
        "same.",
    ),
    click.option(
        "--refine",
        type=click.Choice(REFINE),
        default="auto",
        show_default=True,
        help="A second or third scan for full accuracy where vector columns are nearly dependent.",
    ),
    strategy,
    click.option(
        "--solver",
        type=click.Choice(SOLVERS),
        default="python",
        show_default=True,
        help="Where the small matrices are solved: here, or by SQL statements in the engine. The "
        "results agree; sql refuses what a second scan would settle.",
    ),
    on_invalid,
    sampling,
    output_layout,
    output_type,
)
gates = all_of(
    click.option(
        "--min-shared-ids",
        type=int,
        metavar="N",
        help="A gate: with fewer shared ids that take part in the alignment, nothing is written "
        "and the exit code is 5. Gates are for runs with a reference.",
    ),
    click.option(
        "--min-mean-cosine",
        type=float,
        metavar="X",
        help="A gate: the mean cosine of the same id in both runs, on each side that is an anchor.",
    ),
    click.option("--min-cka", type=float, metavar="X", help="A gate: linear CKA, at least."),
    click.option(
        "--max-residual",
        type=float,
        metavar="X",
        help="A gate: the relative residual of the alignment, at most.",
    ),
    click.option("--force", is_flag=True, help="Write although a gate fails; the run says so."),
)
outputs = all_of(
    click.option(
        "--users-out",
        metavar="TABLE",
        help="The table to write the users' stable vectors to, instead of a file in --out; an "
        "existing one is replaced at the end.",
    ),
    click.option("--items-out", metavar="TABLE", help="The same for the items."),
    click.option(
        "--vectors-out", metavar="TABLE", help="The same for vectors without a second side."
    ),
    click.option(
        "--transform-table",
        metavar="TABLE",
        help="A table (run_id, side, i, j, value) to add the maps to; made if there is none.",
    ),
    click.option("--registry", metavar="TABLE", help=REGISTRY),
    click.option(
        "--keep-runs",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="With a --registry: keep the tables of the last N runs that others have replaced, so "
        "that sqlstab runs rollback can put them back.",
    ),
)
config = all_of(
    click.option(
        "-c",
        "--config",
        metavar="FILE",
        help="A project file that says it all; no other options are then allowed but --var and "
        "those about what is printed.",
    ),
    click.option(
        "--var",
        "variables",
        multiple=True,
        metavar="NAME=VALUE",
        help="The value of a variable {NAME} in the project file; once for each.",
    ),
)


def chosen_options(given: Mapping[str, Any]) -> Options:
    """The options of a run; those that a command has not keep their defaults."""
    names = (field.name for field in fields(Options) if field.init)
    return Options(**{name: given[name] for name in names if name in given})


def of_side(given: Mapping[str, Any], side: Side, name: str) -> Any:
    """The value of a table's option: that for its side, else that for both."""
    own = given.get(f"{side}_{name}")
    return given.get(name) if own is None or own == () else own


def embedding_table(given: Mapping[str, Any], side: Side) -> EmbeddingTable:
    """What the options say of a side's table."""
    names = ("id", "vector", "layout", "filter", "anchor_filter", "weight")
    return EmbeddingTable(
        given[side],
        keep=column_list(of_side(given, side, "keep") or ()),
        **{name: of_side(given, side, name) for name in names},
    )


def column_list(given: tuple[str, ...]) -> tuple[str, ...]:
    """Columns from lists with commas between."""
    names = (name.strip() for part in given for name in part.split(","))
    return tuple(name for name in names if name)


def given_sides(given: Mapping[str, Any]) -> list[Side]:
    """The sides that a table is named for.

    Raises:
        UsageError: There is none, or vectors without a second side have one.
    """
    sides = [side for side in (*SIDES, VECTORS) if given.get(side)]
    if not sides:
        alone = "; or --vectors" if VECTORS in given else ""
        raise UsageError(f"Name a table with --users or --items, or both{alone}.")
    if VECTORS in sides:
        others = [name for name in given if given[name] and name.startswith(("users", "items"))]
        if others:
            raise UsageError(
                f"--{others[0].replace('_', '-')} cannot be given with --vectors, which have no "
                "second side; options about columns are those without a side, as in --id."
            )
    return sides


def further(given: Mapping[str, Any]) -> dict[str, FurtherTable]:
    """The further tables of a run, by name.

    Raises:
        UsageError: One is not written as it should be.
    """
    outputs = _named(given["also_out"], "--also-out", "NAME=TABLE, as in queries=ml.stable_queries")
    scores = _weights(given["also_scores"])
    found = {}
    wanted = "NAME=TABLE:SIDE, as in queries=queries.parquet:users"
    for name, text in _named(given["also"], "--also", wanted).items():
        table, colon, side = text.rpartition(":")
        if not colon or not table or not side:
            raise UsageError(f"--also {name}={text}: write {wanted}.")
        # Options without a side; its name may be the beginning of another option's.
        relation = embedding_table({**given, "": table}, "")
        # These are for tables that are aligned on.
        relation = replace(relation, weight=None, anchor_filter=None)
        found[name] = FurtherTable(relation, side, outputs.pop(name, None), scores.pop(name, 0.0))
    for option, left in (("out", outputs), ("scores", scores)):
        if left:
            raise UsageError(f"--also-{option} {next(iter(left))}: no --also has this name.")
    return found


def _weights(given: tuple[str, ...]) -> dict[str, float]:
    """How much the scores of tables count, from NAME or NAME=WEIGHT."""
    wanted = "NAME, or NAME=WEIGHT, as in queries=0.5"
    named = tuple(text if "=" in text else f"{text}=1" for text in given)
    found = {}
    for name, text in _named(named, "--also-scores", wanted).items():
        try:
            found[name] = float(text)
        except ValueError:
            raise UsageError(f"--also-scores {name}={text}: write {wanted}.") from None
    return found


def _named(given: tuple[str, ...], option: str, wanted: str) -> dict[str, str]:
    """What stands behind the names of NAME=TEXT."""
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not value or name in found:
            twice = " one of this name is there already;" if name in found else ""
            raise UsageError(f"{option} {text}:{twice} write {wanted}.")
        found[name] = value
    return found


def required(context: click.Context, given: Mapping[str, Any], *names: str) -> None:
    """Options that are required where no project file stands for them.

    Raises:
        MissingParameter: One is not given.
    """
    for parameter in context.command.params:
        if parameter.name in names and given[parameter.name] is None:
            raise click.MissingParameter(ctx=context, param=parameter)


def alone(context: click.Context, name: str, *allowed: str) -> None:
    """Refuse an option beside others that it stands for.

    Raises:
        UsageError: Another option than those allowed is on the command line.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is ParameterSource.COMMANDLINE and parameter.name not in (name, *allowed):
            raise UsageError(
                f"{parameter.opts[-1]} cannot be given with --{name}: the file says it all. Write "
                "it there, with a variable {NAME} and --var where it changes from run to run."
            )


def variables(given: tuple[str, ...]) -> dict[str, str]:
    """The variables from --var.

    Raises:
        UsageError: One is not of the form NAME=VALUE, or is given twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise UsageError(f"--var {text}: write a name and a value, as in --var day=2026-11-24.")
        if name.strip() in found:
            raise UsageError(f"--var {name.strip()} is given twice.")
        found[name.strip()] = value
    return found


def engine_settings(context: click.Context, given: Mapping[str, Any]) -> EngineSettings:
    """What the options say of the engine.

    Raises:
        UsageError: They contradict each other, or the engine cannot be meant.
    """
    url, database = given["engine"], given["database"]
    if database and url:
        if context.get_parameter_source("engine") is ParameterSource.COMMANDLINE:
            raise UsageError("--engine and --database each name an engine; leave one out.")
        url = None
    note = _chosen_by_variable(context)
    for name in ("threads", "memory_limit"):
        if given[name] is not None and url:
            raise UsageError(f"--{name.replace('_', '-')} is for DuckDB only.{note}")
    if url and url != "spark" and "://" not in url:
        # It is not repeated: it may be a secret.
        raise UsageError(
            "--engine is a SQLAlchemy URL, as in postgresql+psycopg://user:password@host/name, or "
            f"spark; for a DuckDB database file there is --database.{note}"
        )
    return EngineSettings(
        url=SecretUrl(url, redacted(url)) if url and url != "spark" else None,
        kind="spark" if url == "spark" else None,
        database=database,
        threads=given["threads"],
        memory_limit=given["memory_limit"],
    )


def _chosen_by_variable(context: click.Context) -> str:
    """What to add to an error where nothing but the environment names the engine, else nothing."""
    source = context.get_parameter_source("engine")
    others = context.params.get("database") or context.params.get("config")
    if source is not ParameterSource.ENVIRONMENT or others:
        return ""
    return (
        f" (The engine is the one that the environment variable {ENGINE_VARIABLE} names; unset it "
        "for DuckDB on files, or name another with --engine or --database.)"
    )


@contextmanager
def _named_as_cause() -> Iterator[None]:
    """Errors name the environment variable that chose the engine, where that may be their cause.

    It is not that of bad data, unless files were named, which only DuckDB reads.
    """
    context = click.get_current_context()
    note = _chosen_by_variable(context)
    files = any(file_reader(context.params.get(side) or "") for side in (*SIDES, VECTORS))
    try:
        yield
    except (UsageError, EngineError) as error:
        # What a statement has met is no matter of which engine it is.
        if not (isinstance(error, EngineError) and error.statement):
            error.args = (f"{error}{note}",)
        raise
    except DataError as error:
        error.args = (f"{error}{note if files else ''}",)
        raise


def check_home(settings: EngineSettings) -> None:
    """Tables can be written to a database only.

    Raises:
        UsageError: There is none.
    """
    if not (settings.url or settings.kind or settings.database):
        raise UsageError("A table needs a database: name it with --database or --engine.")


@contextmanager
def opened(settings: EngineSettings, *, writes_tables: bool) -> Iterator[Engine]:
    """The engine, for as long as the context lasts.

    Args:
        settings: Which one.
        writes_tables: Whether tables will be written: a database file is opened for that.

    Raises:
        UsageError: It is not installed, or there is none to write tables to.
        EngineError: It cannot be reached.
    """
    if writes_tables:
        check_home(settings)
    if settings.kind == "spark":
        with (
            _named_as_cause(),
            _spark_session() as session,
            connect(session, writes_tables=writes_tables) as spark,
        ):
            yield spark
    elif settings.url:
        with (
            _named_as_cause(),
            connect(settings.url.reveal(), writes_tables=writes_tables) as database,
        ):
            yield database
    else:
        duckdb = DuckDBEngine(
            settings.database,
            read_only=not writes_tables,
            threads=settings.threads,
            memory_limit=settings.memory_limit,
        )
        try:
            yield duckdb
        finally:
            duckdb.close()


@contextmanager
def _spark_session() -> Iterator[Any]:
    """A Spark session; stopped at the end, unless it had been started before."""
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("Spark is not installed here: pip install 'sqlstab[spark]'.") from error
    before = SparkSession.getActiveSession()
    # The tables are those of the Hive metastore, which a session does not see by itself.
    session = SparkSession.builder.appName("sqlstab").enableHiveSupport().getOrCreate()
    try:
        yield session
    finally:
        if before is None:
            session.stop()
