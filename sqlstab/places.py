"""Where inputs are read from and outputs are written to, and whether two such places are one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlstab.errors import UsageError
from sqlstab.registry import is_file as is_registry_file
from sqlstab.runs import OWN_FILES
from sqlstab.statements import quoting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlstab.config import Options
    from sqlstab.statements.dialect import Dialect


@dataclass(frozen=True)
class Place:
    """A table, a file, or a directory.

    Attributes:
        what: What it is for, as it stands in messages: `users table`, `the stable users`.
        name: Its name, as the user gave it.
        kind: A `relation` is what `quoting.relation` takes: a table, or on some engines files.
        files: The names of further files that a `run` has in its directory.
    """

    what: str
    name: str
    kind: Literal["relation", "file", "run"] = "relation"
    files: tuple[str, ...] = ()


def check_outputs(inputs: Sequence[Place], outputs: Sequence[Place], dialect: Dialect) -> None:
    """No output may overwrite an input, come to lie among its files, or overwrite another output.

    Raises:
        UsageError: One does.
    """
    for source, output in itertools.product(inputs, outputs):
        if _meet(source, output, dialect):
            raise UsageError(
                f"{source.what} {source.name} would be overwritten by {output.what}, written to "
                f"{output.name}; name another place for {output.what}."
            )
    for first, second in itertools.combinations(outputs, 2):
        if _meet(first, second, dialect):
            raise UsageError(
                f"{first.what} and {second.what} would overwrite each other: {first.name} and "
                f"{second.name} are one place; name another one."
            )


def writes_tables(
    tables: Iterable[str | None], registry: str | Path | None, options: Options
) -> bool:
    """Whether a run writes tables: those that are named, its registry, or Gram matrices to keep."""
    kept = options.grams and not quoting.file_reader(options.grams)
    recorded = registry and not is_registry_file(registry)
    return any((*tables, kept, recorded))


def _meet(first: Place, second: Place, dialect: Dialect) -> bool:
    """Whether writing to the second one changes what the first one is."""
    if any("://" in place.name for place in (first, second)):
        return first.name == second.name
    read, written = _path(first, dialect), _path(second, dialect)
    if read is None and written is None:
        return quoting.may_be_one_table(first.name, second.name, dialect)
    if read is None or written is None:
        return False
    if first.kind == "run":
        read, written = written, read
        first, second = second, first
    if second.kind == "run":
        # The directory is replaced as a whole, and has files of its own afterwards.
        inside = _without_wildcards(read).is_relative_to(written)
        return inside or any(_matches(written / name, read) for name in (*OWN_FILES, *second.files))
    if _matches(written, read) or _matches(read, written):
        return True
    return read.exists() and written.exists() and read.samefile(written)


def _path(place: Place, dialect: Dialect) -> Path | None:
    """The whole path of files, with the wildcards of several; None for a table."""
    if place.kind != "relation":
        return Path(place.name).resolve()
    if not dialect.reads_files or not quoting.file_reader(place.name):
        return None
    path = Path(place.name)
    return path.resolve() / "*.parquet" if path.is_dir() else path.resolve()


def _without_wildcards(path: Path) -> Path:
    known = itertools.takewhile(lambda part: not set(part) & set("*?["), path.parts)
    return Path(*known)


def _matches(path: Path, pattern: Path) -> bool:
    return path == pattern or _parts_match(path.parts, pattern.parts)


def _parts_match(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_parts_match(parts[n:], patterns[1:]) for n in range(len(parts) + 1))
    return (
        bool(parts) and fnmatchcase(parts[0], patterns[0]) and _parts_match(parts[1:], patterns[1:])
    )
