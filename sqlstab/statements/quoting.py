"""What a user names, as it stands in a statement: quoted, so nothing can break out of its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from sqlstab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstab.statements.dialect import Dialect


def _one_line(text: str, what: str) -> str:
    """Return a text that can stand in a statement.

    The templates indent line by line, which would change a text with line breaks.

    Raises:
        UsageError: It has line breaks, or is not UTF-8.
    """
    if text.splitlines() != [text]:
        raise UsageError(f"The {what} {text!r} must be one line of text.")
    try:
        text.encode()
    except UnicodeEncodeError:
        # How Python writes the bytes of a path that is not UTF-8.
        raise UsageError(f"The {what} {text!r} is not UTF-8, as SQL is; rename it.") from None
    return text


def identifier(name: str, dialect: Dialect) -> str:
    """Quote the name of a column."""
    one_line = _whole(_one_line(name, "name"), dialect)
    if any(character in dialect.not_in_names for character in one_line):
        raise UsageError(
            f"The name {name!r} has a character that no name of {dialect.name} can have."
        )
    return exp.to_identifier(one_line, quoted=True).sql(dialect=dialect.sqlglot)


def column_name(text: str, dialect: Dialect) -> str:
    """Return the name of the column that a user names: in double quotes as it is, else folded."""
    plain = unquoted(text)
    return dialect.folded(text) if plain == text else plain


def unquoted(text: str) -> str:
    """Return a name as it is within double quotes; without them all of it."""
    if len(text) > 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return text


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
    """Quote a string, on one line."""
    one_line = text and _one_line(text, "text")
    return exp.Literal.string(one_line).sql(dialect=dialect.sqlglot)


def table_parts(name: str, dialect: Dialect) -> list[str]:
    """Split a table's name: `lake.users` is `["lake", "users"]`.

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


def folded_parts(name: str, dialect: Dialect) -> list[str]:
    """Split a table's name into parts that are equal in any case; see `table_parts`."""
    return [part.casefold() for part in table_parts(name, dialect)]


def same_end(first: list[str], second: list[str]) -> bool:
    """Return whether the parts of two names are the same, as far as both have them."""
    known = min(len(first), len(second))
    return first[-known:] == second[-known:]


def table_name(parts: Sequence[str], dialect: Dialect) -> str:
    """Join the parts of a table's name, quoted where they must be."""
    plain = ".".join(parts)
    try:
        if all(parts) and table_parts(plain, dialect) == list(parts):
            return plain
    except UsageError:
        pass
    return ".".join(identifier(part, dialect) for part in parts)
