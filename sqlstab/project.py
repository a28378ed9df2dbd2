"""The project file: a whole run in a TOML file, for a scheduler.

A string value may hold variables, `{name}`, and the database's URL may hold environment variables,
`${NAME}`. Both are put in after the TOML has been parsed, so that whatever they hold is a value.

Its sections and keys are those of the declared options. Every error names the file, the line and
the key.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
import os
import re
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from sqlstab.declaration import Declaration, declarations
from sqlstab.errors import UsageError, literal, typed_in
from sqlstab.errors import key as key_of
from sqlstab.options import IN_FILES, EngineSettings, Options, Place
from sqlstab.secret import SecretUrl
from sqlstab.statements.files import is_path, split
from sqlstab.statements.given import EmbeddingTable, FurtherTable, check_further
from sqlstab.statements.sides import SIDES, VECTORS, Side

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")

# A place in a file is a path of keys, as in ("users", "vector").
_Place = tuple[str, ...]

ALSO = "also"
SPACE = "space"

# `user:password@` in front of a host, but no port.
_HAS_PASSWORD = re.compile(r"[\w+]+://[^/:@]*:(?!\d+/).*@")


@cache
def sections() -> dict[str, dict[str, Declaration]]:
    """Return the sections of a project file and their keys; those of `[also.NAME]` as `also`."""
    table = {d.key: d for d in declarations(EmbeddingTable).values()}
    further = {k: d for k, d in table.items() if k not in ("weight", "anchor_filter")}
    found: dict[str, dict[str, Declaration]] = {
        "engine": {},
        **dict.fromkeys((*SIDES, VECTORS), table),
        ALSO: {**further, **declarations(FurtherTable)},
    }
    for settings in IN_FILES:
        for declared in declarations(settings).values():
            if declared.section:
                found.setdefault(declared.section, {})[declared.key] = declared
    return found


def in_the_file(side: str | None, name: str, value: str | None) -> str:
    """Spell an option as the key of a project file."""
    found = _key_in_the_file(side, name)
    return f"{found} = {literal(value)}" if value else found


def _key_in_the_file(side: str | None, name: str) -> str:
    if side:
        keys = sections().get(side.partition(".")[0], {})
        key = next((key for key, d in keys.items() if d.option == name), key_of(name))
        return f"[{side}] {key}"
    for section, keys in sections().items():
        for key, declared in keys.items():
            if declared.option == name:
                return f"[{section}] {key}" if declared.section else key
    return f"[{name}]" if name in sections() else f"--{name}"


@dataclass(frozen=True)
class Project:
    """What a project file says. Relative paths in it have become relative to the file's directory.

    Attributes:
        engine: What runs the statements.
        tables: The raw vectors: of `users` and `items`, or `vectors` without a second side.
        also: Further tables, by name.
        place: The space and the run's key.
        space_tables: The tables of the space that are named one by one: by side, `maps`, `runs`.
        options: How the run is done.
    """

    engine: EngineSettings
    tables: Mapping[Side, EmbeddingTable]
    also: Mapping[Side, FurtherTable]
    place: Place
    space_tables: Mapping[str, str]
    options: Options

    @classmethod
    def load(
        cls,
        path: str | Path,
        variables: Mapping[str, str],
        environment: Mapping[str, str] = os.environ,
        *,
        run: bool = True,
    ) -> Project:
        """Read a project file.

        Args:
            path: The file.
            variables: The values for `{name}`; each must occur in the file.
            environment: The values for `${NAME}`.
            run: Whether it is for a run. Otherwise the engine and the space are read alone, and
                variables of other keys need no value.

        Raises:
            UsageError: The file cannot be read or is invalid; the message names the file, the line
                and the key, and never shows the value of an environment variable or a password.
        """
        with typed_in(in_the_file):
            return _Reader(_File.read(path), variables, environment).project(run)


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
            raise UsageError(f"{name}: not valid TOML: {error}") from None

    @cached_property
    def lines(self) -> dict[_Place, int]:
        return _key_lines(self.text)

    def error(self, place: _Place, problem: str) -> UsageError:
        """Return an error at a key, or at the section that lacks it."""
        known = (place[:end] for end in range(len(place), 0, -1))
        line = next((self.lines[found] for found in known if found in self.lines), None)
        where = f"{self.name}, line {line}" if line else self.name
        return UsageError(f"{where}: {_shown(place)}: {problem}")


def _key_lines(text: str) -> dict[_Place, int]:
    """Return the lines on which the keys of a valid document stand, counted from 1.

    `tomllib` does not tell, so each statement is parsed by itself. It ends with the first line
    after which it can be parsed: a string or a bracket that is still open is an error, and a
    finished statement goes on on no other line. Keys inside an array are left out.

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
    """Yield the keys of `[a.b]` or `[[a.b]]` from what it is parsed to."""
    while isinstance(content, dict) and content:
        key, content = next(iter(content.items()))
        yield key


def _places(content: dict[str, Any], depth: int = 3) -> Iterator[_Place]:
    """Yield the keys of a statement, but none that is deeper than those of a project."""
    for key, value in content.items():
        yield (key,)
        if isinstance(value, dict) and depth > 1:
            yield from ((key, *place) for place in _places(value, depth - 1))


def _shown(place: _Place) -> str:
    """Return a place for a message: `[run] align`, `[also.queries] like`."""
    short = [key if len(key) <= 60 else f"{key[:60]}..." for key in place]
    bare = [key if re.fullmatch(r"[\w-]+", key) else json.dumps(key) for key in short]
    if place[0] not in sections():
        return ".".join(bare)
    depth = 2 if place[0] == ALSO else 1
    return f"[{'.'.join(bare[:depth])}] {'.'.join(bare[depth:])}".rstrip()


class _Reader:
    """Turns the content of a file into a project."""

    def __init__(
        self, file: _File, variables: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        self._file = file
        self._variables = variables
        self._environment = environment
        self._used: set[str] = set()
        self._content = file.content
        self._directory = os.path.dirname(file.name)  # noqa: PTH120 - as in `_path`

    def project(self, run: bool) -> Project:
        self._check_keys()
        engine = self._engine()
        reads_files = engine.url is None and engine.kind is None
        named = self._values((SPACE,))
        space = named.pop("space", None)
        if space and reads_files and engine.database is None and "://" not in space:
            space = self._path(space)
        if not run:
            return Project(engine, {}, {}, Place(space), named, Options())
        tables = {side: self._table((side,), reads_files) for side in self._sides()}
        also = {name: self._further(name, reads_files) for name in self._content.get(ALSO, {})}
        for name, table in also.items():
            try:
                check_further({name: table.like}, tables)
            except UsageError as error:
                raise self._file.error((ALSO, name), str(error)) from None
        values = self._values(("run",))
        place = Place(space, values.pop("key", None))
        options = self._built(Options, ("run",), values)
        self._check_used()
        return Project(engine, tables, also, place, named, options)

    def _engine(self) -> EngineSettings:
        values = self._values(("engine",))
        database = values.get("database") or ""
        lake = "ducklake:" if database.startswith("ducklake:") else ""
        file = database.removeprefix(lake)
        # Not a database in memory, one of MotherDuck, or the catalogue of a DuckLake in a database.
        elsewhere = (":", "md:", "mysql:", "postgres:", "sqlite:")
        if file and "://" not in file and not file.startswith(elsewhere):
            values["database"] = lake + self._path(file)
        return self._built(EngineSettings, ("engine",), values)

    def _table(self, section: _Place, reads_files: bool) -> EmbeddingTable:
        self._require(section, "table")
        values = self._values(section)
        values.pop("like", None)
        relation = values["relation"]
        if not isinstance(relation, str):
            problem = f"this is {_kind(relation)}; it must be the name of a table or a path."
            raise self._file.error((*section, "table"), problem)
        if reads_files and "://" not in relation and is_path(relation):
            values["relation"] = ",".join(map(self._path, split(relation)))
        return self._built(EmbeddingTable, section, values)

    def _further(self, name: str, reads_files: bool) -> FurtherTable:
        section = ALSO, name
        self._require(section, "like")
        return FurtherTable(self._table(section, reads_files), self._values(section)["like"])

    def _require(self, section: _Place, key: str) -> None:
        content: Any = self._content
        for part in section:
            content = content.get(part, {})
        if key not in content:
            raise self._file.error((*section, key), "this key is required.")

    def _built(self, settings: Callable[..., T], section: _Place, values: dict[str, Any]) -> T:
        """Make a dataclass of values of which each is valid by itself."""
        try:
            return settings(**values)
        except UsageError as error:
            raise self._file.error(section, str(error)) from None

    def _path(self, written: str) -> str:
        # pathlib would make `./vectors`, a file or a directory, the table `vectors`.
        return os.path.join(self._directory, os.path.expanduser(written))  # noqa: PTH111, PTH118

    def _sides(self) -> tuple[Side, ...]:
        """Return the tables that the file is about."""
        there = self._content
        if VECTORS not in there:
            return SIDES
        for side in SIDES:
            if side in there:
                problem = f"vectors without a second side stand alone; leave out [{side}]."
                raise self._file.error((VECTORS,), problem)
        return (VECTORS,)

    def _keys(self, section: str) -> dict[str, Declaration]:
        """Return the keys of a section; a space has one more for each of its tables."""
        keys = sections()[section]
        if section != SPACE:
            return keys
        further = self._content.get(ALSO)
        names = (*SIDES, VECTORS, *(further if isinstance(further, dict) else ()), "maps", "runs")
        return {**keys, **{name: Declaration("", name=name) for name in names}}

    def _check_keys(self) -> None:
        for section, content in self._content.items():
            if section not in sections():
                raise self._file.error((section,), self._no_such_section(section, content))
            if not isinstance(content, dict):
                problem = f"this must be a table, not {_kind(content)}; write [{section}] once."
                raise self._file.error((section,), problem)
            parts: dict[_Place, Any] = {(section,): content}
            if section == ALSO:
                parts = {(section, name): of_further for name, of_further in content.items()}
            for place, part in parts.items():
                if not isinstance(part, dict):
                    problem = "a further table has a section of its own, as in [also.queries]."
                    raise self._file.error(place, problem)
                for key in part:
                    if key not in self._keys(section):
                        raise self._file.error((*place, key), self._no_such_key(section, key))

    def _no_such_section(self, name: str, content: Any) -> str:
        if not isinstance(content, dict):
            homes = [_home(section) for section, keys in sections().items() if name in keys]
            if homes:
                return f"this key belongs below {' or '.join(homes)}."
        what = "section" if isinstance(content, dict) else "key"
        close = _close(name, sections())
        known = _listed(f"[{section}]" for section in sections())
        hint = f"did you mean [{close}]?" if close else f"there are {known}."
        return f"there is no such {what}; {hint}"

    def _no_such_key(self, section: str, name: str) -> str:
        homes = [_home(other) for other, keys in sections().items() if name in keys]
        if homes:
            return f"there is no such key here; it belongs below {' or '.join(homes)}."
        known = self._keys(section)
        close = _close(name, known)
        hint = f"did you mean {close}?" if close else f"there are {_listed(known)}."
        return f"there is no such key; {hint}"

    def _values(self, section: _Place) -> dict[str, Any]:
        """Return the values of a section, checked and with their variables put in."""
        content = self._content
        for part in section:
            content = content.get(part, {})
        keys = self._keys(section[0])
        return {
            keys[key].name: self._value(written, keys[key], (*section, key))
            for key, written in content.items()
        }

    def _value(self, written: Any, declared: Declaration, place: _Place) -> Any:
        value = self._expanded(written, place)
        try:
            return declared.checked(value)
        except UsageError:
            # A text is shown only where one of a few words should stand: it may be a secret.
            is_word = declared.choices and isinstance(value, str)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            found = json.dumps(value) if is_word or is_number else _kind(value)
            raise self._file.error(place, f"this is {found}; it {declared.must_be}.") from None

    def _expanded(self, value: Any, place: _Place) -> Any:
        """Return a value with its variables put in, wherever a project has strings."""
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
        """Return a string with each `{{` and `}}` made a brace and all else in braces looked up."""

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
            # In a script that is mostly a variable that is not set.
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
        return SecretUrl(url, self._substituted(written, place, shown))

    def _check_used(self) -> None:
        for name in self._variables:
            if name not in self._used:
                raise UsageError(
                    f"{self._file.name}: the variable {name} is given, but no value in the file "
                    f"has {{{name}}}."
                )


def _home(section: str) -> str:
    return "[also.NAME]" if section == ALSO else f"[{section}]"


def _close(name: str, known: Iterable[str]) -> str | None:
    """Return the key that was meant, if one is near; the command line has `anchor-filter`."""
    close = difflib.get_close_matches(key_of(name.lower()), known, 1)
    return close[0] if close else None


def _kind(value: Any) -> str:
    if isinstance(value, list):
        inside = dict.fromkeys(_kind(part) for part in value if not isinstance(part, list))
        return f"an array with {_listed(inside)}" if inside else "an array"
    kinds: dict[type, str] = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a float",
        dict: "a table",
        dt.time: "a time",
    }
    return kinds.get(type(value), "a date")


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
