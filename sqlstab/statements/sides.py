"""The names of a run's tables, and the ways in which vectors stand in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Collection

# The name of a table in a run.
Side: TypeAlias = str
Layout = Literal["wide", "array", "long"]
Element = Literal["float", "double"]

# The two tables whose dot products are the scores.
SIDES: tuple[Side, Side] = ("users", "items")
# The table of a run that has no second side.
VECTORS: Side = "vectors"
# What a vector is multiplied with. Vectors without a second side are compared with each other.
OTHER: dict[Side, Side] = {"users": "items", "items": "users", VECTORS: VECTORS}
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
# Components of a vector, where no table is looked at that shows how many there are: a statement has
# a term for each pair of them. Snowflake's vectors have as many at most.
MOST_DIMENSIONS = 4096


def option(side: Side, name: str) -> str:
    """Return the option of a table, as `errors.spelled` takes it."""
    return f"--{side if side in OTHER else f'also.{side}'}.{name}"


def singular(side: Side) -> str:
    """Return one of what a table has: `item` of `items`, `query` of `queries`."""
    return f"{side[:-3]}y" if side.endswith("ies") else side.removesuffix("s")


def main_side(sides: Collection[Side]) -> Side:
    """Return the table whose neighbours are looked for: items are, among others of their kind."""
    return "items" if "items" in sides else VECTORS
