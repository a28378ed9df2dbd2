"""What a user names, as it stands in a statement: quoted, so nothing can break out of its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from sqlstab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstab.statements.dialect import Dialect

_FILE_READERS = {
    "read_parquet": (".parquet", ".parq", ".pq"),
    "read_csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst"),
}


def _one_line(text: str, what: str) -> str:
    """Refuse line breaks: the templates indent line by line, which would change such a text."""
    if text.splitlines() != [text]:
        raise UsageError(f"The {what} {text!r} must be one line of text.")
    return text


def identifier(name: str, dialect: Dialect) -> str:
    """A quoted column name."""
    one_line = _whole(_one_line(name, "name"), dialect)
    if any(character in dialect.not_in_names for character in one_line):
        raise UsageError(
            f"The name {name!r} has a character that no name of {dialect.name} can have."
        )
    return exp.to_identifier(one_line, quoted=True).sql(dialect=dialect.sqlglot)


def _whole(name: str, dialect: Dialect) -> str:
    """Refuse what an engine would cut: the rest may be the name of another table, an input even."""
    size = len(name.encode())
    if dialect.longest_name is not None and size > dialect.longest_name:
        raise UsageError(
            f"The name {name!r} has {size} bytes; {dialect.name} cuts a name after "
            f"{dialect.longest_name} of them, and would mean another one. Take a shorter name."
        )
    return name


def string(text: str, dialect: Dialect) -> str:
    """A quoted string, of one line."""
    one_line = text and _one_line(text, "text")
    return exp.Literal.string(one_line).sql(dialect=dialect.sqlglot)


def file_reader(relation: str) -> str | None:
    """The function that reads this relation, if it is a file, a glob or a URL; None for a table."""
    if relation.startswith('"'):
        return None
    path = relation.split("?", maxsplit=1)[0] if "://" in relation else relation
    for reader, endings in _FILE_READERS.items():
        if path.lower().endswith(endings):
            return reader
    return "read_parquet" if "/" in relation or "*" in relation else None


# A password, or the parameters by which DuckDB takes the keys of S3.
_SECRET = re.compile(r"://[^/?#]*:[^/?#]*@|[?&]s3_(?:secret_access_key|session_token)=", re.I)


def relation(name: str, dialect: Dialect) -> str:
    """A relation as it stands after FROM: a call that reads files, or a quoted table name.

    Args:
        name: `vectors.parquet`, `day=*/part-*.parquet`, `s3://bucket/x.csv`, `users`,
            `schema.users`, `"odd name"`. A directory, as in `./users`, stands for the Parquet files
            in it.
        dialect: The dialect to write.

    Raises:
        UsageError: It is none of these, or has a secret in it.
    """
    if not name.strip() or "\0" in name:
        raise UsageError(f"{name!r} names no table and no file.")
    if _SECRET.search(name):
        raise UsageError(
            f"The name of a file at {name.partition('://')[0]}:// has a secret in it, which would "
            "stand in statements, errors and run.json: give it to the engine (in DuckDB, CREATE "
            "PERSISTENT SECRET), and name the file without it."
        )
    reader, path = _file(name, dialect)
    if reader:
        # One file has its own columns only; of several, `day=2026-11-24/` in a path is a column.
        own = ", hive_partitioning = false" if _is_one_file(name) else ""
        return f"{reader}({string(path, dialect)}{own})"
    return ".".join(identifier(part, dialect) for part in table_parts(name, dialect))


def parquet_files(name: str, dialect: Dialect) -> str | None:
    """The path or the glob of the Parquet files that a relation's name stands for, if it does."""
    reader, path = _file(name, dialect)
    return path if reader == "read_parquet" else None


def exact_files(files: Sequence[str], dialect: Dialect) -> str:
    """Return a call that reads these Parquet files; `key=value` in their paths is a column of text.

    Args:
        files: Paths, which are not patterns.
        dialect: The dialect to write.
    """
    listed = ", ".join(string(no_pattern(name), dialect) for name in files)
    return f"read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false)"


def _file(name: str, dialect: Dialect) -> tuple[str | None, str]:
    """What reads a relation, if that is files, and their path; a directory is a glob then.

    The name alone says which: a directory that happens to lie about must not take the place of the
    table `users`.
    """
    reader = file_reader(name) if dialect.reads_files else None
    if reader and "://" not in name and Path(name).is_dir():
        return "read_parquet", str(Path(no_pattern(name)) / "*.parquet")
    if reader and _is_one_file(name):
        return reader, no_pattern(name)
    return reader, name


def _is_one_file(name: str) -> bool:
    return "://" not in name and Path(name).is_file()


def no_pattern(path: str) -> str:
    """The pattern that this path alone matches: DuckDB takes `x[1]` for `x1` where that is, too."""
    return re.sub(r"[\[*?]", r"[\g<0>]", path)


def table_parts(name: str, dialect: Dialect) -> list[str]:
    """The parts of a table's name: `lake.users` is `["lake", "users"]`.

    Raises:
        UsageError: It is no such name, or a part of it is too long.
    """
    try:
        table = exp.to_table(name, dialect=dialect.sqlglot)
    except (sqlglot.errors.SqlglotError, ValueError):
        table = None
    if not isinstance(table, exp.Table) or any(
        not isinstance(part, exp.Identifier) for part in table.parts
    ):
        raise UsageError(
            f"{name!r} is not the name of a table; write table, schema.table, or quote an odd "
            'name as in "odd name".'
        )
    return [
        _whole(part.name if part.args.get("quoted") else dialect.folded(part.name), dialect)
        for part in table.parts
    ]


def table_name(parts: Sequence[str], dialect: Dialect) -> str:
    """The name of a table from its parts, quoted where it must be."""
    plain = ".".join(parts)
    try:
        if all(parts) and table_parts(plain, dialect) == list(parts):
            return plain
    except UsageError:
        pass
    return ".".join(identifier(part, dialect) for part in parts)
