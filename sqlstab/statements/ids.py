"""The id of a row where it is not a column itself: a text that no other id has.

Of several columns these are their texts with `//` between, and a `.` behind each `/` within them:
a text that has `//` in it, or ends with `/`, is never taken for two. A row or a tuple would not do:
not every engine joins, hashes and orders it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlstab.statements.quoting import identifier
from sqlstab.statements.types import comparable, is_enum, is_integer, is_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import Column, VectorTable

_BETWEEN, _WITHIN, _ESCAPED = "//", "/", "/."


def _in_order(ids: Sequence[Column]) -> list[Column]:
    """Return columns in the order of their names, in whichever they were named."""
    return sorted(ids, key=lambda column: (column.name.lower(), column.name))


def text(ids: Sequence[Column], dialect: Dialect) -> str:
    """Return the text of an id of the table `t` as an expression; NULL where a part is NULL."""

    def part(column: Column) -> str:
        name = f"t.{identifier(column.name, dialect)}"
        # Redshift's cast cuts a text.
        whole = name if is_text(column.type, dialect) else dialect.as_text.format(name)
        if is_text(column.type, dialect) or is_enum(column.type, dialect):
            return f"replace({whole}, '{_WITHIN}', '{_ESCAPED}')"
        return whole

    if len(ids) == 1:
        return dialect.as_text.format(f"t.{identifier(ids[0].name, dialect)}")
    between = f" || '{_BETWEEN}' || "
    return f"({between.join(map(part, _in_order(ids)))})"


def shown(found: str, ids: Sequence[Column], dialect: Dialect) -> str:
    """Return an id for a message from its text: `7`, or `('a', 3)`."""
    if len(ids) == 1:
        return found
    parts = [part.replace(_ESCAPED, _WITHIN) for part in found.split(_BETWEEN)]
    values = dict(zip(_in_order(ids), parts, strict=True))
    return f"({', '.join(_literal(values[column], column, dialect) for column in ids)})"


def _literal(value: str, column: Column, dialect: Dialect) -> str:
    return value if is_integer(column.type, dialect) else repr(value)


def joinable(table: VectorTable, other: VectorTable, dialect: Dialect) -> bool:
    """Return whether the same id is equal in both: of several columns, those of the same names."""
    pairs = list(zip(_in_order(table.ids), _in_order(other.ids), strict=False))
    names = [[column.name.lower() for column in _in_order(each.ids)] for each in (table, other)]
    return (
        len(table.ids) == len(other.ids)
        and (len(table.ids) == 1 or names[0] == names[1])
        and all(comparable(one.type, same.type, dialect) for one, same in pairs)
    )
