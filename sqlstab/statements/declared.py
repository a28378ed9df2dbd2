"""Tables of vectors whose columns the user names: nothing is looked up, nothing is connected to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlstab.errors import UsageError
from sqlstab.statements.quoting import column_name
from sqlstab.statements.table import Column, VectorTable, range_of_names
from sqlstab.statements.types import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.sides import Layout, Side
    from sqlstab.statements.table import EmbeddingTable


def declared(
    table: EmbeddingTable, side: Side, dimension: int | None, dialect: Dialect
) -> VectorTable:
    """Complete what a user says of a table with a default for all that is left open.

    The id is `id`; the vector is `embedding`, or `e0`, `e1`, ... in the wide layout, or `dim,value`
    in the long one; the layout is `array`, unless the vector has more than one column. Names mean
    what they would mean in a statement: without double quotes, the engine may fold them.

    Args:
        table: What the user says.
        side: Whether these are the users or the items.
        dimension: Components of a vector; may be left out where the vector's columns tell.
        dialect: Of the engine that the table is on.

    Raises:
        UsageError: It does not fit together.
    """
    where = f"{side} table {table.relation}"
    layout, vector = _vector(table.vector, table.layout, dimension, where)
    if layout == "wide" and dimension not in (None, len(vector)):
        raise UsageError(
            f"{where}: the vector has {len(vector)} columns, but {dimension} dimensions."
        )
    if layout == "long" and table.keep:
        raise UsageError(
            f"{where}: the long layout has one row per dimension, so no further column can be kept."
        )
    fields: tuple[str, ...] = ()
    element = table.element or "float"
    if vector_type := table.vector_type:
        name, *path = vector[0].split(".")
        vector, fields = [name, *vector[1:]], tuple(path)
        known = reading(name, vector_type, dialect, fields)
        if layout != "array" or known is None:
            raise UsageError(
                f"{where}: --vector-type is the type of a column that holds an array of numbers; "
                f"{vector_type} is none in {dialect.name}, or the vector has several columns."
            )
        element = known.element
    vector = [column_name(name, dialect) for name in vector]
    # Of a type no more is asked here than whether two ids can be compared, and that is not checked.
    return VectorTable(
        side=side,
        relation=table.relation,
        ids=_ids(table.id, table.id_type, where, dialect),
        layout=layout,
        vector=tuple(vector),
        element=element,
        filter=table.filter,
        weight=table.weight and column_name(table.weight, dialect),
        anchor_filter=table.anchor_filter,
        keep=tuple(Column(column_name(name, dialect), dialect.text) for name in table.keep),
        first=table.first,
        vector_type=vector_type or "",
        fields=fields,
    )


def _ids(
    spec: str | Sequence[str] | None, said: str | None, where: str, dialect: Dialect
) -> tuple[Column, ...]:
    names = spec.split(",") if isinstance(spec, str) else spec or ["id"]
    names = [column_name(name.strip(), dialect) for name in names]
    said = said or (dialect.bigint if len(names) == 1 else "none")
    # The commas of DECIMAL(9, 0) stand in parentheses.
    types = [text.strip() for text in re.split(r",(?![^()]*\))", said)]
    if len(types) != len(names):
        raise UsageError(
            f"{where}: the id has {len(names)} columns, {', '.join(names)}; name the type of each "
            f"with --id-type, as in --id-type {dialect.text},{dialect.bigint}, not {said}."
        )
    return tuple(map(Column, names, types))


def _vector(
    spec: str | Sequence[str] | None,
    layout: Layout | None,
    dimension: int | None,
    where: str,
) -> tuple[Layout, list[str]]:
    if spec is None:
        if layout == "wide":
            return layout, _numbered("e", dimension, where)
        return layout or "array", ["dim", "value"] if layout == "long" else ["embedding"]
    if not isinstance(spec, str):
        names = list(spec)
    elif ".." in spec:
        names = range_of_names(spec, where)
    elif spec.endswith("*"):
        names = _numbered(spec[:-1], dimension, where)
    else:
        names = [name.strip() for name in spec.split(",")]
    if layout is None:
        layout = "array" if len(names) == 1 else "wide"
    wanted = {"array": 1, "long": 2}.get(layout, len(names))
    if len(names) != wanted or not all(names):
        what = "one column" if layout == "array" else "two columns, dimension and value"
        raise UsageError(f"{where}: the {layout} layout needs {what}, but {spec} was named.")
    return layout, names


def _numbered(prefix: str, dimension: int | None, where: str) -> list[str]:
    if dimension is None:
        raise UsageError(
            f"{where}: how many vector columns {prefix}0, {prefix}1, ... are there? Say it with "
            "--dimension, or name the first and the last one with --vector."
        )
    return [f"{prefix}{k}" for k in range(dimension)]
