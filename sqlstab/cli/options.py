"""Options of the command line, made from the declarations, and what they are turned into."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from copy import copy
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

import sqlstab
from sqlstab.declaration import declarations
from sqlstab.errors import (
    DataError,
    EngineError,
    UsageError,
    on_the_command_line,
    typed_in,
)
from sqlstab.options import ENGINE_VARIABLE, EngineSettings, Options, Place, options_of
from sqlstab.project import Project, in_the_file
from sqlstab.secret import SecretUrl
from sqlstab.session import opened
from sqlstab.statements.given import EmbeddingTable, FurtherTable
from sqlstab.statements.sides import SIDES, VECTORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlstab.api import Space
    from sqlstab.declaration import Declaration
    from sqlstab.engines.base import Engine
    from sqlstab.errors import Face

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

URL = declarations(EngineSettings)["url"]

_ALL = f"{__name__}.all"


def all_of(*options: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Return several options as one decorator, in this order in the help."""

    def decorate(command: Decorated) -> Decorated:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def declared(command: str) -> Callable[[Decorated], Decorated]:
    """Return the options that are declared for a command.

    None stands for one that is not given, so that a project file can have it, or the default.
    """
    return all_of(*map(_option, options_of(command)))


def _option(declared: Declaration) -> Callable[[Any], Any]:
    def checked(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value is None or value == ():
            return None
        if declared.type is tuple:
            value = tuple(name.strip() for text in value for name in text.split(","))
            if declared.parse and len(value) == 1:
                value = value[0]  # a range or a prefix is one text
        for text in value if isinstance(value, tuple) else (value,):
            # In a script that is mostly a variable that is not set, and where it stands for a
            # filter, all rows would be taken.
            if isinstance(text, str) and not text.strip():
                raise UsageError(f"--{declared.option} is empty.")
        return value if declared is URL else declared.checked(value)

    kind: Any = declared.type if declared.type in (int, float) else str
    settings: dict[str, Any] = {"metavar": declared.metavar}
    if declared.choices:
        kind = click.Choice(declared.choices)
    if declared.type is bool:
        settings = {"is_flag": True}
        kind = None
    default = "" if declared.default in (None, (), False) else f" Default: {declared.default}."
    # A share may be written as 5%.
    return click.option(
        f"--{declared.option}",
        declared.name,
        cls=click.Option if declared.common else RareOption,
        type=str if declared.parse else kind,
        default=None,
        envvar=declared.variable,
        multiple=declared.type is tuple,
        help=declared.help + default,
        callback=checked,
        **settings,
    )


def typed_for(command: click.Command) -> Face:
    """Return how options are spelled for who typed a command.

    Not every command has every option: what it lacks is written as a project file has it.
    """
    there = {name for parameter in command.params for name in parameter.opts}

    def face(side: str | None, name: str, value: str | None) -> str:
        written = in_the_file(None, name, value)
        if f"--{name}" in there or written.startswith("--"):
            return on_the_command_line(side, name, value)
        return f"{written} in a project file"

    return face


class RareOption(click.Option):
    """An option that `--help-all` shows and `--help` leaves out."""


class Command(click.Command):
    """A command with a help of one screen, which refuses an option given twice."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.append(_help_all)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples, which Markdown has indented, as they are."""
        shown, text = copy(self), cleandoc(self.help or "")
        # What follows a backspace click does not wrap.
        shown.help = text.replace("\n\n    ", "\n\n\b\n    ").replace("\n    ", "\n  ")
        click.Command.format_help_text(shown, ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence about each common option, or with `--help-all` everything."""
        shown = copy(self)
        if not ctx.meta.get(_ALL):
            shown.params = [copy(p) for p in self.params if not isinstance(p, RareOption)]
            for option in shown.params:
                if isinstance(option, click.Option) and option.help:
                    option.help = option.help.split(". ")[0].removesuffix(".") + "."
        # The documentation calls this one, and so has everything too.
        click.Command.format_options(shown, ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raise where one is given twice: click would take the last one."""
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        for parameter in order:
            once = isinstance(parameter, click.Option) and not (
                parameter.multiple or parameter.count or parameter.is_flag
            )
            if once and order.count(parameter) > 1:
                raise UsageError(
                    f"{parameter.opts[-1]} is given twice, and takes one value; leave one out."
                )
        return super().parse_args(ctx, args)


def _show_all(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        context.meta[_ALL] = True
        click.echo(context.get_help(), color=context.color)
        context.exit()


_help_all = click.Option(
    ["--help-all"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_all,
    help="Show all options, in full, and exit.",
)


def no_empty_values(command: click.Command) -> None:
    """Let a command, or those of a group, refuse arguments and options that are given empty."""
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


tables = all_of(
    click.option(
        "--users",
        metavar="TABLE",
        help="User vectors: a table, or on DuckDB a file. A view, a Parquet or CSV file, a glob or "
        "a URL will do.",
    ),
    click.option("--items", metavar="TABLE", help="Item vectors, likewise."),
    click.option(
        "--vectors",
        metavar="TABLE",
        help="Instead of both: vectors without a second side. Embeddings of texts are an example.",
    ),
)
also = click.option(
    "--also",
    cls=RareOption,
    multiple=True,
    metavar="NAME=TABLE:SIDE",
    help="A further table in the space of a side, as in queries=queries.parquet:users. It takes "
    "the side's map. Repeat for more.",
)
config = all_of(
    click.option(
        "-c",
        "--config",
        metavar="FILE",
        help="A project file: tables, space, engine, options. Options given here override it.",
    ),
    click.option(
        "--var",
        "variables",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set the variable {NAME} of the project file. Repeat for more.",
    ),
)
as_json = click.option(
    "--json", "as_json", cls=RareOption, is_flag=True, help="Print all figures as JSON."
)
display = all_of(
    click.option(
        "-q",
        "--quiet",
        cls=RareOption,
        is_flag=True,
        help="Print errors only: no progress, no warnings, no summary.",
    ),
    click.option(
        "-v", "--verbose", cls=RareOption, is_flag=True, help="Print each step and its time."
    ),
    click.option(
        "--show-sql",
        cls=RareOption,
        is_flag=True,
        help="Print each SQL statement before it runs.",
    ),
)


def values_of(settings: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given of a dataclass's fields."""
    return {name: given[name] for name in declarations(settings) if given.get(name) is not None}


def project_of(context: click.Context, given: dict[str, Any], *, run: bool) -> Project:
    """Return what is to be done: as a project file says it, or the options.

    Args:
        context: Of the command.
        given: Its options.
        run: Whether it needs the tables of a run, and not only the engine and the space.

    Raises:
        UsageError: Something is missing or invalid.
    """
    file = given.get("config")
    if not file:
        if given.get("variables"):
            raise UsageError("--var needs --config.")
        return Project(
            engine=engine_settings(context, given),
            tables=named_tables(given) if run else {},
            also=further(given) if run else {},
            place=Place(given.get("space"), given.get("key")),
            space_tables={},
            options=Options(**values_of(Options, given)),
        )
    _beside_a_file(context, run=run)
    project = Project.load(file, _variables(given["variables"]), run=run)
    place = Place(given.get("space") or project.place.space, given.get("key") or project.place.key)
    chosen = {**vars(project.options), **values_of(Options, given)}
    if run:
        context.with_resource(typed_in(in_the_file))
    return Project(
        project.engine, project.tables, project.also, place, project.space_tables, Options(**chosen)
    )


def _beside_a_file(context: click.Context, *, run: bool) -> None:
    """Refuse options about what is read from a project file: the engine, the tables of a run."""
    allowed = {d.name for kind in (Options, Place) for d in declarations(kind).values()}
    kinds = (EngineSettings, EmbeddingTable) if run else (EngineSettings,)
    refused = {d.name for kind in kinds for d in declarations(kind).values()}
    if run:
        refused |= {"users", "items", "vectors", "also"}
    for parameter in context.command.params:
        name = parameter.name or ""
        on_the_line = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if on_the_line and name in refused - allowed:
            raise UsageError(
                f"{parameter.opts[-1]} cannot be given with --config: write it in the file, with a "
                "variable {NAME} and --var where it changes from run to run."
            )


def named_tables(given: Mapping[str, Any]) -> dict[str, EmbeddingTable]:
    """Return the tables that the options name; what they say of columns is about each.

    Raises:
        UsageError: No table is named, or vectors without a second side have one.
    """
    sides = [side for side in (*SIDES, VECTORS) if given.get(side)]
    if not sides:
        raise UsageError("Name the tables with --users and --items, or one with --vectors.")
    if VECTORS in sides and len(sides) > 1:
        raise UsageError(f"--{sides[0]} cannot be given with --vectors, which have no second side.")
    return {side: table(given, given[side]) for side in sides}


def table(given: Mapping[str, Any], relation: str) -> EmbeddingTable:
    """Return a table as the options describe it."""
    return EmbeddingTable(**{**values_of(EmbeddingTable, given), "relation": relation})


def further(given: Mapping[str, Any]) -> dict[str, FurtherTable]:
    """Return the further tables of a run, by name.

    Raises:
        UsageError: One is not written as it should be.
    """
    wanted = "NAME=TABLE:SIDE, as in queries=queries.parquet:users"
    found = {}
    for name, text in pairs(given["also"], "--also", wanted).items():
        relation, colon, side = text.rpartition(":")
        if not colon or not relation or not side:
            raise UsageError(f"--also {name}={text}: write {wanted}.")
        # It is not aligned on.
        given = {**given, "weight": None, "anchor_filter": None}
        found[name] = FurtherTable(table(given, relation), side)
    return found


def pairs(given: tuple[str, ...], option: str, wanted: str) -> dict[str, str]:
    """Return what stands behind the names of NAME=TEXT.

    Raises:
        UsageError: One is not of this form, or is given twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name or not value or name in found:
            twice = " this name is given twice;" if name in found else ""
            raise UsageError(f"{option} {text}:{twice} write {wanted}.")
        found[name] = value
    return found


def _variables(given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise UsageError(f"--var {text}: write a name and a value, as in --var day=2026-11-24.")
        if name.strip() in found:
            raise UsageError(f"--var {name.strip()} is given twice.")
        # That it is not empty is the file's to say, which knows the key.
        found[name.strip()] = value
    return found


def engine_settings(context: click.Context, given: Mapping[str, Any]) -> EngineSettings:
    """Return what the options say of the engine.

    Raises:
        UsageError: They contradict each other, or name no engine.
    """
    values = values_of(EngineSettings, given)
    url = values.pop("url", None)
    from_variable = context.get_parameter_source("url") is ParameterSource.ENVIRONMENT
    if url and from_variable and "database" in values:
        url = None
    try:
        if url and url != "spark" and "://" not in url:
            # It is not repeated: it may be a secret.
            raise UsageError(
                "--engine is a SQLAlchemy URL, as in postgresql+psycopg://user:password@host/name, "
                "sc://host:port or spark; for a DuckDB database file there is --database."
            )
        if url == "spark":
            return EngineSettings(kind="spark", **values)
        return EngineSettings(url=SecretUrl(url) if url else None, **values)
    except UsageError as error:
        raise UsageError(f"{error}{_chosen_by_variable(context)}") from None


def _chosen_by_variable(context: click.Context) -> str:
    """Return what to add to an error where nothing but the environment names the engine."""
    given = context.params
    if given.get("database") or given.get("config"):
        return ""
    if context.get_parameter_source("url") is not ParameterSource.ENVIRONMENT:
        return ""
    return (
        f" (The engine is the one that the environment variable {ENGINE_VARIABLE} names; unset it "
        "for DuckDB on files, or name another with --engine or --database.)"
    )


@contextmanager
def engine_of(
    context: click.Context, settings: EngineSettings, *, writes: bool
) -> Iterator[Engine]:
    """Open the engine; errors name the environment variable that chose it.

    An error of a statement does not depend on which engine was chosen, and names no variable.
    """
    note = _chosen_by_variable(context)
    try:
        with opened(settings, writes=writes) as engine:
            yield engine
    except (UsageError, EngineError, DataError) as error:
        if not (isinstance(error, EngineError) and error.statement):
            error.args = (f"{error}{note}",)
        raise


@contextmanager
def space_of(
    context: click.Context, project: Project, name: str | None, *, writes: bool
) -> Iterator[Space]:
    """Open a space: a directory, or tables where an engine or a database is named.

    Raises:
        UsageError: No space is named.
    """
    name = name or project.place.space
    if not name and not project.space_tables:
        raise UsageError("Name the space with --space: a directory, or a prefix of tables.")
    settings = project.engine
    in_tables = settings.url or settings.kind or settings.database
    with engine_of(context, settings, writes=writes and bool(in_tables)) as engine:
        place: Any = name or "" if in_tables else Path(name or "")
        yield sqlstab.Space(place, engine, tables=project.space_tables or None)


def space_and_key(project: Project, words: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the space and the run that `[S] [K]` name; a project file names the space.

    Raises:
        UsageError: There are too many words, or no space.
    """
    named = bool(project.place.space or project.space_tables)
    if len(words) > (1 if named else 2):
        raise UsageError("Name one space and one run at most.")
    if named:
        return None, words[0] if words else None
    if not words:
        raise UsageError("Name the space: a directory, or a prefix of tables.")
    return words[0], words[1] if len(words) > 1 else None
