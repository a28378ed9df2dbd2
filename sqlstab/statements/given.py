"""What a user says of a table of vectors; the engine's columns say the rest.

Nothing here needs SQL, so that a command which only prints its help starts fast.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sqlstab import saved
from sqlstab.declaration import check, declare
from sqlstab.errors import UsageError
from sqlstab.statements.files import join, named
from sqlstab.statements.sides import OTHER, Element, Layout, Side

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_ALL = ("run", "compare", "apply", "sql")


def _relation(value: Any) -> Any:
    """Take a name, a path, a list of paths, or data: whatever may have rows."""
    if isinstance(value, list) and value:
        return join(value)
    if value is None or isinstance(value, bool | int | float | bytes | dict | list):
        raise ValueError
    return named(value) if isinstance(value, PurePath) else value


def _names(value: Any) -> Any:
    """Take one name, a range, or a sequence of names."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ValueError
    return tuple(value)


@dataclass(frozen=True)
class EmbeddingTable:
    """A table of vectors, as much of it as a user needs to say.

    Attributes:
        relation: The name of a table or view; on DuckDB also files: Parquet, CSV or JSON, as a
            path, a list of paths, a glob, a URL, or a directory as `./users` (or as a `Path`).
        id: The id column, or several that are the id together, as in `("doc", "chunk")`. Default:
            `id`, `user_id` or `item_id` (`vector_id` for vectors without a second side), or the
            only column that ends in `_id` or `_key`.
        vector: The column or columns of the vector: one name (`embedding`), a field of a struct
            (`features.values`), a range (`e0..e63`), a prefix (`e*`), or a sequence of names; for
            the long layout the dimension column and the value column. Default: found from the
            types; of text, what is called like a vector.
        layout: `wide` (one column per dimension), `array` (one array column) or `long` (one row per
            id and dimension). Default: found from the columns.
        filter: An SQL condition on the columns; rows that do not meet it take no part at all. It
            stands in statements as it is written, and runs with the rights of the session.
        weight: A column of non-negative numbers: how much a row counts in the alignment.
        anchor_filter: An SQL condition; only rows that meet it take part in the alignment.
        keep: Further columns to copy into the stable table.
        dated: Whether the table has the column of a run's key, as in `--run ds=2026-11-30`; the
            rows with that key are then its rows in this run.
        id_type: Where no table is looked at, as for the three below: the type of the id; of several
            columns that of each, with commas between. None for a whole number of 8 bytes.
        element: The type of a component; None for `float`.
        vector_type: The type of an array column; None for a plain array of `element`.
        first: The number of the first dimension in the long layout.
    """

    relation: str = declare(
        "The table or view; on DuckDB also Parquet, CSV or JSON: a file, several with commas "
        "between, a glob, a URL, or a directory.",
        default=MISSING,
        key="table",
        metavar="TABLE",
        parse=_relation,
        wanted="the name of a table, a path, a list of paths, or data",
    )
    id: str | Sequence[str] | None = declare(
        "The id column, or several (doc,chunk). Default: id, user_id or item_id, or the only "
        "column that ends in _id or _key.",
        common=True,
        metavar="COLUMNS",
        parse=_names,
        wanted="a column or a sequence of columns",
        commands=_ALL,
    )
    vector: str | Sequence[str] | None = declare(
        "The vector column, or a range (e0..e63), a prefix (e*), a list (a,b,c). The column is an "
        "array, a text of numbers, or a field of a struct (features.values). Write dimension,value "
        "for one row per dimension. Default: found from the types.",
        common=True,
        metavar="COLUMNS",
        parse=_names,
        wanted="a column, a range of columns, or a sequence of columns",
        commands=_ALL,
    )
    layout: Layout | None = declare(
        "The layout of vectors: one column per dimension, one array column, or one row per "
        "dimension. Default: found from the columns.",
        commands=("sql",),
    )
    filter: str | None = declare(
        "Read only rows that meet this SQL condition.",
        metavar="CONDITION",
        commands=_ALL,
    )
    weight: str | None = declare(
        "The column with the weight of each row in the alignment: numbers from 0 on, never NULL.",
        metavar="COLUMN",
        commands=("sql",),
    )
    anchor_filter: str | None = declare(
        "Align on rows that meet this SQL condition, as in 'ratings > 20'. A run still writes all "
        "rows.",
        metavar="CONDITION",
        commands=("sql",),
    )
    keep: Sequence[str] = declare(
        "More columns to copy into the stable table, separated by commas.",
        default=(),
        metavar="COLUMNS",
        commands=("run", "apply", "sql"),
    )
    dated: bool = declare(
        "Whether the table has the column of the run's key, where --run names one.", default=True
    )
    id_type: str | None = declare(
        "The type of the id, as the engine spells it; of an id of several columns, that of each, "
        "with commas between. Default of a single one: a whole number of 8 bytes.",
        metavar="TYPE",
        commands=("sql",),
    )
    element: Element | None = declare(
        "The type of a component: 4-byte or 8-byte numbers. Default: float.", commands=("sql",)
    )
    vector_type: str | None = declare(
        "The type of an array column, as the engine spells it: halfvec(64), FLOAT[64], JSON. "
        "Default: a plain array of --element.",
        metavar="TYPE",
        commands=("sql",),
    )
    first: int = declare(
        "The number of the first dimension in the long layout.",
        default=0,
        least=0,
        metavar="N",
        commands=("sql",),
    )

    def __post_init__(self) -> None:
        if isinstance(self.keep, str):
            raise UsageError(f"--keep is a sequence of column names, as in ({self.keep!r},).")
        check(self)


@dataclass(frozen=True)
class FurtherTable:
    """A further table of a run, in the space of one of its sides; it takes the map of that side.

    Attributes:
        table: The table, as for a side: its name or file, an `EmbeddingTable`, or data.
        like: The side whose space it shares: `users`, `items` or `vectors`.
    """

    table: Any
    like: Side = declare(
        "The side whose space a further table shares: users, items or vectors.", default=MISSING
    )


def check_further(like: Mapping[Side, Side], sides: Collection[Side]) -> None:
    """Check that further tables have names of their own, and each a side to be like.

    Args:
        like: The side that each is like, by its name.
        sides: The sides of the run.

    Raises:
        UsageError: One does not.
    """
    for name, side in like.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in OTHER or name in RESERVED:
            raise UsageError(
                f"--also {name[:60]}: name a further table by a word of its own, of a-z, 0-9 and "
                "_, as in queries."
            )
        if side not in sides:
            raise UsageError(
                f"--also {name}: it is to be like {saved.shown(side)}, but this run has "
                f"{' and '.join(sides)}."
            )


# What only statements need that are written without a look at the table.
UNSEEN = ("id_type", "element", "vector_type", "first")
# Tables of a space that hold no vectors.
RESERVED = ("run", "maps", "features", "runs", "name")
