"""The project file: a whole run in a TOML file, for a scheduler.

A string value may hold variables, `{name}`, and the database's URL may hold environment variables,
`${NAME}`. Both are put in after the TOML has been parsed, so that whatever they hold is a value.

Every error names the file, the line and the key. `tomllib` has no lines for keys; `_key_lines` gets
them from it all the same.
"""

from __future__ import annotations

import collections.abc
import datetime as dt
import difflib
import itertools
import json
import os
import re
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote

from sqlstab.config import Options
from sqlstab.errors import UsageError
from sqlstab.places import writes_tables
from sqlstab.registry import is_file, is_looked_up
from sqlstab.spelling import spelled
from sqlstab.statements.quoting import file_reader
from sqlstab.statements.table import (
    SIDES,
    VECTORS,
    EmbeddingTable,
    FurtherTable,
    Side,
    check_further,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

MOST_THREADS = 1024


class SecretUrl:
    """A database's URL that shows nothing secret of itself.

    `str`, `repr` and a format show `shown`; only `reveal` gives the URL. It is no dataclass, so
    `dataclasses.asdict` leaves it as it is.

    Args:
        url: The URL.
        shown: What to show instead of it.
    """

    __slots__ = ("_shown", "_url")

    def __init__(self, url: str, shown: str) -> None:
        self._url = url
        self._shown = shown

    def reveal(self) -> str:
        """The URL with its secrets."""
        return self._url

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"SecretUrl({self._shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and self._url == other._url

    def __hash__(self) -> int:
        return hash(self._url)


@dataclass(frozen=True)
class EngineSettings:
    """What runs the statements. DuckDB on files, if neither `url` nor `database` nor `kind` is set.

    Attributes:
        url: A SQLAlchemy URL.
        database: Path of a DuckDB database file.
        kind: `spark`: the session of this Spark installation.
        threads: DuckDB's threads.
        memory_limit: How much memory DuckDB may take before it uses the disk, as in `4GB`.
    """

    url: SecretUrl | None = None
    database: str | None = None
    kind: Literal["spark"] | None = None
    threads: int | None = None
    memory_limit: str | None = None

    def __post_init__(self) -> None:
        # DuckDB starts as many as it is told to, which takes minutes where they are too many.
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise UsageError(
                f"--threads is {self.threads}; it must be a whole number from 1 to {MOST_THREADS}."
            )


@dataclass(frozen=True)
class Project:
    """What a project file says. Relative paths in it have become relative to the file's directory.

    Attributes:
        engine: What runs the statements.
        tables: The raw vectors: of `users` and `items`, or `vectors` without a second side.
        targets: The table to write the stable vectors of each to; empty where files are written to
            `out`.
        also: Further tables, by name.
        references: The directory of the run whose space to stay in, or as text what is looked up in
            the registry; several are a consensus, none defines a new space.
        out: The directory to write to; None where tables are written and a registry is kept.
        transform_table: The table to write the maps to.
        registry: Where runs are recorded: a table, or a file that ends in `.jsonl`.
        options: How the run is done.
    """

    engine: EngineSettings
    tables: Mapping[Side, EmbeddingTable]
    targets: Mapping[Side, str]
    also: Mapping[Side, FurtherTable]
    references: tuple[Path | str, ...]
    out: Path | None
    transform_table: str | None
    registry: str | None
    options: Options

    @property
    def writes_tables(self) -> bool:
        """Whether a run writes tables, beside the files of its directory."""
        targets = *self.targets.values(), self.transform_table
        return writes_tables(targets, self.registry, self.options)

    @property
    def reference(self) -> Path | str | tuple[Path | str, ...] | None:
        """The same as `stabilize` takes it."""
        if len(self.references) > 1:
            return self.references
        return self.references[0] if self.references else None

    @classmethod
    def load(
        cls,
        path: str | Path,
        variables: Mapping[str, str],
        environment: Mapping[str, str] = os.environ,
    ) -> Project:
        """Read a project file.

        Args:
            path: The file.
            variables: The values for `{name}`; each must occur in the file.
            environment: The values for `${NAME}`.

        Raises:
            UsageError: The file cannot be read or meant; the message names the file, the line and
                the key, and never shows the value of an environment variable or a password.
        """
        return _Reader(_File.read(path), variables, environment).project()


def load_registry(
    path: str | Path,
    variables: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
) -> tuple[EngineSettings, str]:
    """Where a project file's runs are recorded; variables of other keys need no value.

    Args:
        path: The file.
        variables: The values for `{name}`.
        environment: The values for `${NAME}`.

    Raises:
        UsageError: As for `Project.load`; or the file names no registry.
    """
    return _Reader(_File.read(path), variables, environment).registry()


# Places in a file are paths of keys, as ("users", "vector").
_Place = tuple[str, ...]


def _types(settings: type) -> dict[str, Any]:
    """The fields that a dataclass is made from, and their types."""
    # A module may import a name for annotations alone, and then has it not at run time.
    hints = get_type_hints(settings, localns={**vars(typing), **vars(collections.abc)})
    return {field.name: hints[field.name] for field in fields(settings) if field.init}


def _table_keys() -> dict[str, Any]:
    keys = _types(EmbeddingTable)
    return {"table": keys.pop("relation"), **keys, "out": str}


def _further_keys() -> dict[str, Any]:
    """Those of a table but what is about an alignment, in which a further table has no part."""
    return {key: t for key, t in _table_keys().items() if key not in ("weight", "anchor_filter")}


ALSO = "also"
KEYS: dict[str, dict[str, Any]] = {
    "engine": {**_types(EngineSettings), "url": str},
    "users": _table_keys(),
    "items": _table_keys(),
    VECTORS: _table_keys(),
    ALSO: {**_further_keys(), "like": str, "scores": float},
    "run": {
        "reference": str | collections.abc.Sequence[str],
        "out": str,
        "transform_table": str,
        "registry": str,
        **_types(Options),
    },
}
"""The sections of a project file, their keys, and the types of these; of `[also.NAME]` too."""

# `user:password@` in front of a host, but no port.
_HAS_PASSWORD = re.compile(r"[\w+]+://[^/:@]*:(?!\d+/).*@")


@dataclass(frozen=True, repr=False)
class _File:
    """A parsed file that knows where its keys stand. It may hold a password."""

    name: str
    text: str
    content: dict[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> _File:
        name = str(path)
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            raise UsageError(f"{name}: there is no such file.") from None
        except OSError as error:
            raise UsageError(f"{name} cannot be read: {error.strerror}.") from error
        try:
            # Editors on Windows write a byte order mark, which TOML does not allow.
            text = data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise UsageError(f"{name}, line {line}: this is not UTF-8 text.") from None
        try:
            return cls(name, text, tomllib.loads(text))
        except RecursionError:
            raise UsageError(f"{name}: arrays or tables are nested too deeply.") from None
        # A number of too many digits is a ValueError only.
        except ValueError as error:
            raise UsageError(f"{name}, {_syntax_error(str(error), text)}") from None

    @cached_property
    def lines(self) -> dict[_Place, int]:
        return _key_lines(self.text)

    def line(self, place: _Place) -> int | None:
        """The line of a key, or of the section that lacks it."""
        known = (place[:end] for end in range(len(place), 0, -1))
        return next((self.lines[found] for found in known if found in self.lines), None)

    def error(self, place: _Place, problem: str) -> UsageError:
        line = self.line(place)
        where = f"{self.name}, line {line}" if line else self.name
        return UsageError(f"{where}: {_shown(place)}: {problem}")


def _syntax_error(message: str, text: str) -> str:
    """The parser's message, with the position in front."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.S)
    if not found:
        return f"not valid TOML: {message}"
    last = text.split("\n")
    line, column = (found[2], found[3]) if found[2] else (len(last), len(last[-1]) + 1)
    at_end = "" if found[2] else " at the end of the file"
    return f"line {line}, column {column}: not valid TOML: {found[1]}{at_end}"


def _key_lines(text: str) -> dict[_Place, int]:
    """The lines on which the keys of a valid document stand, counted from 1.

    Each statement is parsed by itself. It ends with the first line after which it can be: a string
    or a bracket that is still open is an error, and a finished statement goes on on no other line.
    So no second grammar of TOML is needed here. Keys inside an array are left out.

    Only an error needs it. A statement of n lines is parsed n times: 1,000 lines take a second.
    """
    lines: dict[_Place, int] = {}
    section: _Place = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += f"{line}\n"
        try:
            content = tomllib.loads(statement)
        except (ValueError, RecursionError):
            continue
        if statement.lstrip().startswith("["):
            section = tuple(_header(content))
            places = [section]
        else:
            places = [(*section, *place) for place in _places(content)]
        for place in places:
            for end in range(1, len(place) + 1):
                lines.setdefault(place[:end], first)
        statement, first = "", number + 1
    return lines


def _header(content: Any) -> Iterator[str]:
    """The keys of `[a.b]` or `[[a.b]]` from what it is parsed to."""
    while isinstance(content, dict) and content:
        key, content = next(iter(content.items()))
        yield key


def _places(content: dict[str, Any], depth: int = 3) -> Iterator[_Place]:
    """The keys of a statement, but none that is deeper than those of a project."""
    for key, value in content.items():
        yield (key,)
        if isinstance(value, dict) and depth > 1:
            yield from ((key, *place) for place in _places(value, depth - 1))


def _shown(place: _Place) -> str:
    """A place for a message: `[run] anchor.items`."""
    short = [key if len(key) <= 60 else f"{key[:60]}..." for key in place]
    bare = [key if re.fullmatch(r"[\w-]+", key) else json.dumps(key) for key in short]
    if place[0] not in KEYS:
        return ".".join(bare)
    if place[0] == ALSO and len(bare) > 1:
        bare = [".".join(bare[:2]), *bare[2:]]
    return " ".join([f"[{bare[0]}]", ".".join(bare[1:])]).rstrip()


class _Reader:
    """Turns the content of a file into a project."""

    def __init__(
        self, file: _File, variables: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        self._file = file
        self._variables = variables
        self._environment = environment
        self._used: set[str] = set()
        self._directory = os.path.dirname(file.name)  # noqa: PTH120 - as in `_path`

    def project(self) -> Project:
        self._check_keys()
        values = {section: self._values((section,)) for section in KEYS if section != ALSO}
        further = {name: self._values((ALSO, name)) for name in self._file.content.get(ALSO, {})}
        sides = self._sides()
        required = [(side, "table") for side in sides]
        # One that has no table for its output is told so below.
        in_tables = any("out" in values[side] for side in sides)
        if not (in_tables and "registry" in values["run"]):
            required.append(("run", "out"))
        for section, key in required:
            if key not in values[section]:
                raise self._file.error((section, key), "this key is required.")
        for name, of_further in further.items():
            for key in ("table", "like"):
                if key not in of_further:
                    raise self._file.error((ALSO, name, key), "this key is required.")
            try:
                scores = {name: of_further.get("scores", 0.0)}
                check_further({name: of_further["like"]}, sides, scores)
            except UsageError as error:
                raise self._file.error((ALSO, name), str(error)) from None
        self._check_engine(values["engine"])
        self._check_outputs(
            {
                **{(section,): part for section, part in values.items()},
                **{(ALSO, name): part for name, part in further.items()},
            },
            [*((side,) for side in sides), *((ALSO, name) for name in further)],
        )
        self._check_used()
        run = values["run"]
        written = run.pop("reference", None)
        if written == ():
            problem = "this names no run; leave it out for a new space."
            raise self._file.error(("run", "reference"), problem)
        out = run.pop("out", None)
        registry = run.pop("registry", None)
        references = tuple(
            name if registry is not None and is_looked_up(name) else Path(self._path(name))
            for name in ((written,) if isinstance(written, str) else written or ())
        )
        return Project(
            targets={side: values[side].pop("out") for side in sides if "out" in values[side]},
            references=references,
            out=None if out is None else Path(self._path(out)),
            transform_table=run.pop("transform_table", None),
            registry=registry and self._registry(registry),
            options=self._build(Options, ("run",), run),
            tables={side: self._table((side,), values[side], values["engine"]) for side in sides},
            also={
                name: FurtherTable(
                    like=of_further.pop("like"),
                    out=of_further.pop("out", None),
                    scores=of_further.pop("scores", 0.0),
                    table=self._table((ALSO, name), of_further, values["engine"]),
                )
                for name, of_further in further.items()
            },
            engine=self._engine(values["engine"]),
        )

    def registry(self) -> tuple[EngineSettings, str]:
        self._check_keys()
        engine = self._values(("engine",))
        self._check_engine(engine)
        registry = self._values(("run",), "registry").get("registry")
        if registry is None:
            raise self._file.error(("run", "registry"), "this key is required for this command.")
        return self._engine(engine), self._registry(registry)

    def _registry(self, written: str) -> str:
        return self._path(written) if is_file(written) else written

    def _sides(self) -> tuple[Side, ...]:
        """The tables that the file is about."""
        there = self._file.content
        if VECTORS not in there:
            return SIDES
        for side in SIDES:
            if side in there:
                problem = "vectors without a second side stand alone."
                raise self._contradiction((side,), (VECTORS,), problem)
        return (VECTORS,)

    def _check_keys(self) -> None:
        for section, content in self._file.content.items():
            if section not in KEYS:
                raise self._file.error((section,), _no_such_section(section, content))
            if not isinstance(content, dict):
                problem = f"this must be a table, not {_kind(content)}; write [{section}] once."
                raise self._file.error((section,), problem)
            places: dict[_Place, Any] = {(section,): content}
            if section == ALSO:
                places = {(section, name): of_further for name, of_further in content.items()}
            for place, part in places.items():
                if not isinstance(part, dict):
                    problem = "a further table has a section of its own, as in [also.queries]."
                    raise self._file.error(place, problem)
                for key in part:
                    if key not in KEYS[section]:
                        raise self._file.error((*place, key), _no_such_key(section, key))

    def _values(self, section: _Place, *keys: str) -> dict[str, Any]:
        """The values of a section, of the right types and with their variables put in.

        Args:
            section: The section.
            keys: Of these keys alone.
        """
        values = {}
        types = KEYS[section[0]]
        content = self._file.content.get(section[0], {})
        for part in section[1:]:
            content = content[part]
        for key, written in content.items():
            if keys and key not in keys:
                continue
            place = *section, key
            value = self._expanded(written, place)
            if not _fits(value, types[key]):
                raise self._wrong_type(value, types[key], place)
            values[key] = tuple(value) if isinstance(value, list) else value
        return values

    def _expanded(self, value: Any, place: _Place) -> Any:
        """A value with its variables put in, wherever a project has strings."""
        if place == ("engine", "url"):
            return self._url(value, place) if isinstance(value, str) else value
        if isinstance(value, list):
            return [self._text(part, place) if isinstance(part, str) else part for part in value]
        return self._text(value, place) if isinstance(value, str) else value

    def _text(self, written: str, place: _Place) -> str:
        text = self._substituted(written, place, self._variable)
        if not text.strip() or "\0" in text:
            raise self._file.error(place, "this is empty or has a NUL character.")
        if _HAS_PASSWORD.match(text):
            problem = "a password may stand in [engine] url only; elsewhere it would be shown."
            raise self._file.error(place, problem)
        return text

    def _substituted(
        self, text: str, place: _Place, lookup: Callable[[re.Match[str], _Place], str]
    ) -> str:
        """A string with each `{{` and `}}` made a brace and all else in braces looked up."""

        def replacement(match: re.Match[str]) -> str:
            if match[0] in ("{{", "}}"):
                return match[0][0]
            if match["name"] is None or not re.fullmatch(r"[A-Za-z_]\w*", match["name"]):
                problem = "a brace is no part of a variable {name}; write {{ or }} for a brace."
                raise self._file.error(place, problem)
            return lookup(match, place)

        return re.sub(r"\{\{|\}\}|\$?\{(?P<name>[^{}]*)\}|[{}]", replacement, text)

    def _variable(self, match: re.Match[str], place: _Place) -> str:
        name = match["name"]
        if match[0].startswith("$"):
            raise self._file.error(
                place,
                f"{match[0]} may stand in [engine] url only, since what comes from the environment "
                f'is never shown. Write {{{name}}} and give --var {name}="{match[0]}".',
            )
        if name not in self._variables:
            problem = f"the variable {{{name}}} is not given; add --var {name}=VALUE."
            close = difflib.get_close_matches(name, self._variables, 1)
            raise self._file.error(place, problem + (f" {close[0]} is given." if close else ""))
        self._used.add(name)
        value = self._variables[name]
        if not value.strip():
            # In a script that is mostly a variable that is not set: `stable/{day}` would be the
            # directory of all days.
            problem = f"the variable {{{name}}} is empty; give a value with --var {name}=VALUE."
            raise self._file.error(place, problem)
        return value

    def _url(self, written: str, place: _Place) -> SecretUrl:
        def value(match: re.Match[str], place: _Place) -> str:
            if not match[0].startswith("$"):
                found = self._variable(match, place)
            elif match["name"] in self._environment:
                found = self._environment[match["name"]]
            else:
                problem = f"the environment variable {match['name']} is not set."
                raise self._file.error(place, problem)
            # SQLAlchemy decodes it, so a password may have any characters. At the beginning stands
            # a URL, or the first part of one.
            return quote(found, safe="", errors="surrogateescape") if match.start() else found

        def shown(match: re.Match[str], place: _Place) -> str:
            return match[0] if match[0].startswith("$") else value(match, place)

        url = self._substituted(written, place, value)
        if not re.fullmatch(r"[\w+]+://[^\r\n\0]*", url):
            raise self._file.error(
                place,
                "this is no SQLAlchemy URL, such as postgresql+psycopg://user:password@host/name "
                "(it is not shown here, as it may be secret).",
            )
        return SecretUrl(url, redacted(self._substituted(written, place, shown)))

    def _wrong_type(self, value: Any, wanted: Any, place: _Place) -> UsageError:
        tables = [part for part in _alternatives(wanted) if _is(part, Mapping)]
        if tables and isinstance(value, dict):
            inner = get_args(tables[0])[1]
            key = next(key for key, part in value.items() if not _fits(part, inner))
            return self._wrong_type(value[key], inner, (*place, key))
        # Shown only where one of a few words should stand: it can hardly be a secret there.
        is_choice = any(get_origin(part) is Literal for part in _alternatives(wanted))
        found = json.dumps(value) if is_choice and isinstance(value, str) else _kind(value)
        return self._file.error(place, f"this must be {_described(wanted)}, not {found}.")

    def _check_used(self) -> None:
        for name in self._variables:
            if name not in self._used:
                raise UsageError(
                    f"{self._file.name}: the variable {name} is given, but no value in the file "
                    f"has {{{name}}}."
                )

    def _check_engine(self, engine: dict[str, Any]) -> None:
        ways = [key for key in ("url", "database", "kind") if key in engine]
        if len(ways) > 1:
            raise self._contradiction(
                ("engine", ways[0]), ("engine", ways[1]), "each names an engine; leave one out."
            )
        for key in ("threads", "memory_limit"):
            for way in ("url", "kind"):
                if key in engine and way in engine:
                    raise self._contradiction(
                        ("engine", way), ("engine", key), f"{key} is for DuckDB only."
                    )

    def _check_outputs(
        self, values: Mapping[_Place, dict[str, Any]], tables: Sequence[_Place]
    ) -> None:
        for side, other in itertools.permutations(tables, 2):
            if "out" in values[side] and "out" not in values[other]:
                problem = f"{_shown(side)} out is a table, so this key is required."
                raise self._file.error((*other, "out"), problem)
        taken: dict[str, _Place] = {
            values[side]["table"].casefold(): (*side, "table") for side in tables
        }
        outputs: list[tuple[_Place, str]] = [
            *((side, "out") for side in tables),
            (("run",), "transform_table"),
            (("run",), "registry"),
        ]
        for section, key in outputs:
            table = values[section].get(key)
            if table is None or (key == "registry" and is_file(table)):
                continue
            if file_reader(table):
                problem = "this is a file, not the name of a table; files go to [run] out."
                raise self._file.error((*section, key), problem)
            if not values["engine",].keys() & {"url", "database", "kind"}:
                problem = "[engine] names no database to write a table to."
                raise self._file.error((*section, key), problem)
            if table.casefold() in taken:
                problem = "this table would be overwritten; name another one."
                raise self._contradiction(taken[table.casefold()], (*section, key), problem)
            taken[table.casefold()] = (*section, key)

    def _contradiction(self, first: _Place, second: _Place, problem: str) -> UsageError:
        """Two keys that cannot both be meant: an error at the one that comes later."""
        first, second = sorted((first, second), key=lambda place: self._file.line(place) or 0)
        return self._file.error(second, f"this contradicts {_shown(first)}: {problem}")

    def _engine(self, values: dict[str, Any]) -> EngineSettings:
        database = values.get("database")
        if database and "://" not in database and not database.startswith((":", "md:")):
            # Neither a database in memory nor one of MotherDuck.
            values["database"] = self._path(database)
        return self._build(EngineSettings, ("engine",), values)

    def _table(
        self, section: _Place, values: dict[str, Any], engine: dict[str, Any]
    ) -> EmbeddingTable:
        relation = values.pop("table")
        # Of the engines only DuckDB reads files.
        is_duckdb = not engine.keys() & {"url", "kind"}
        if is_duckdb and "://" not in relation and file_reader(relation):
            relation = self._path(relation)
        return self._build(partial(EmbeddingTable, relation), section, values)

    def _path(self, written: str) -> str:
        # pathlib would make `./vectors`, a file or a directory, the table `vectors`.
        return os.path.join(self._directory, os.path.expanduser(written))  # noqa: PTH111, PTH118

    def _build(self, settings: Callable[..., T], section: _Place, values: dict[str, Any]) -> T:
        """Make a dataclass; what it refuses is an error at the key that it refuses alone."""
        try:
            return settings(**values)
        except UsageError as whole:
            for key, value in values.items():
                try:
                    settings(**{key: value})
                except UsageError as error:
                    option = spelled(f"--{key.replace('_', '-')}")
                    problem = re.sub(rf"^{re.escape(option)} (?=is |must )", "this ", str(error))
                    raise self._file.error((*section, key), problem) from None
            raise self._file.error(section, str(whole)) from None


def redacted(url: str) -> str:
    """A database's URL without what may be secret: user, password and query.

    urllib would take the `/`, `?` or `#` of a password for the end of the host, show what follows,
    and fail on `[`. Where it is unclear what belongs to the password, all but the scheme is hidden.
    An environment variable, `${NAME}`, may stand for any part.
    """
    beginning = re.match(r"\$\{\w+\}", url)
    if beginning:
        return beginning[0] + ("***" if url != beginning[0] else "")
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    place, question, _ = place.partition("?")
    part = r"(?:[\w.~% -]|\$\{\w+\})*"
    plain = rf"(?:{part}|\[[\w:.%]*\])(?::(?:\d+|\$\{{\w+\}}))?(?:/{part})*"
    if not re.fullmatch(r"[\w+]+", scheme):
        return "***"
    if "?" in user or not re.fullmatch(plain, place):
        return f"{scheme}://***"
    return f"{scheme}://{'***@' if at else ''}{place}{'?***' if question else ''}"


def _home(section: str) -> str:
    return "[also.NAME]" if section == ALSO else f"[{section}]"


def _no_such_section(name: str, content: Any) -> str:
    if not isinstance(content, dict):
        homes = [_home(section) for section, keys in KEYS.items() if name in keys]
        if homes:
            return f"this key belongs below {' or '.join(homes)}."
    close = _close(name, KEYS)
    hint = f"did you mean [{close}]?" if close else f"there are {_listed(f'[{s}]' for s in KEYS)}."
    return f"there is no such {'section' if isinstance(content, dict) else 'key'}; {hint}"


def _no_such_key(section: str, name: str) -> str:
    close = _close(name, KEYS[section])
    homes = [_home(other) for other, keys in KEYS.items() if name in keys]
    if homes:
        return f"there is no such key here; it belongs below {' or '.join(homes)}."
    hint = f"did you mean {close}?" if close else f"there are {_listed(KEYS[section])}."
    return f"there is no such key; {hint}"


def _close(name: str, known: collections.abc.Iterable[str]) -> str | None:
    """The key that was meant, if one is near; `anchor-filter` is how the command line spells it."""
    close = difflib.get_close_matches(name.lower().replace("-", "_"), known, 1)
    return close[0] if close else None


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of a union, without None, which TOML does not have."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(part for part in parts if part is not NoneType)


def _is(hint: Any, kind: type) -> bool:
    """Whether a type such as `Mapping[str, float]` or `dict[str, float]` is a kind of mapping."""
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, kind)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value that TOML can have is of a type."""
    return any(_fits_one(value, part) for part in _alternatives(hint))


def _fits_one(value: Any, hint: Any) -> bool:
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in arguments
    if _is(hint, Mapping):
        return isinstance(value, dict) and all(_fits(v, arguments[1]) for v in value.values())
    if _is(hint, Sequence):
        return isinstance(value, list) and all(_fits(part, arguments[0]) for part in value)
    if hint is str:
        return isinstance(value, str | SecretUrl)
    if type(value) is int and abs(value) >= 2**63:
        # TOML promises no more than 64 bits, and a float cannot hold all of Python's integers.
        return False
    # True is an int for isinstance.
    return type(value) in ((int, float) if hint is float else (hint,))


def _described(hint: Any) -> str:
    names = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}
    texts: list[str] = []
    for part in _alternatives(hint):
        if get_origin(part) is Literal:
            texts.extend(json.dumps(choice) for choice in get_args(part))
        elif _is(part, Mapping):
            texts.append("a table of numbers")
        elif _is(part, Sequence):
            texts.append("an array of strings")
        else:
            texts.append(names[part])
    return _listed(texts, "or")


def _kind(value: Any) -> str:
    if isinstance(value, list):
        kinds_inside = dict.fromkeys(_kind(part) for part in value if not isinstance(part, list))
        return f"an array with {_listed(kinds_inside)}" if kinds_inside else "an array"
    if type(value) is int and abs(value) >= 2**63:
        return "an integer of more than 64 bits"
    kinds: dict[type, str] = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a float",
        dict: "a table",
        dt.time: "a time",
    }
    return kinds.get(type(value), "a date")


def _listed(names: collections.abc.Iterable[str], word: str = "and") -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
