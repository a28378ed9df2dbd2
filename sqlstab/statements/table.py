"""What a table of vectors is: where its ids and its vectors stand.

A user writes an `EmbeddingTable` and may leave out whatever the columns of the relation make plain;
`resolve` compares it with those columns and returns a `VectorTable`, in which nothing is left open.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlstab.errors import DataError, UsageError
from sqlstab.statements import quoting, relations
from sqlstab.statements.conditions import condition
from sqlstab.statements.given import EmbeddingTable, FurtherTable, check_further
from sqlstab.statements.sides import (
    LAYOUTS,
    MOST_DIMENSIONS,
    OTHER,
    SIDES,
    VECTORS,
    Element,
    Layout,
    Side,
    option,
    singular,
)
from sqlstab.statements.types import (
    Column,
    has_no_file_type,
    is_array,
    is_id,
    is_id_part,
    is_integer,
    is_numeric,
    is_single,
    is_small,
    reading,
    stable_type,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.types import Reading

# What a user says of a table is imported from here as well.
__all__ = [
    "LAYOUTS",
    "MOST_DIMENSIONS",
    "OTHER",
    "SIDES",
    "VECTORS",
    "Column",
    "Element",
    "EmbeddingTable",
    "FurtherTable",
    "Layout",
    "Side",
    "StableTable",
    "VectorTable",
    "check_further",
    "option",
    "range_of_names",
    "resolve",
    "shown",
    "singular",
    "stable_table",
]

# A name that ends in a number, which is no longer than that of a column may be.
_NUMBERED = re.compile(r"(.*?)(\d{1,18})")

# Column pairs that announce one row per (id, dimension, value).
_LONG_DIMENSIONS = ("dim", "dimension", "i", "idx", "index", "position")
_LONG_VALUES = ("value", "val", "v")
# What a text column is called that holds a vector, most likely.
_VECTOR_NAME = re.compile(r"(.*_)?(embeddings?|vectors?|emb|vec|factors|features)(_.*)?", re.I)


@dataclass(frozen=True)
class VectorTable:
    """A table of vectors whose every column is known.

    Attributes:
        side: What the table is called in its run: `users`, `items`, `vectors`, or the name of a
            further table.
        relation: As in `EmbeddingTable`.
        ids: The columns of the id and their types: one, or several that are the id together.
        layout: How the vectors stand in the table.
        vector: The vector's columns: e of them (wide), one (array), or dimension and value (long).
        element: `float` (4 bytes) or `double`, the type of a component.
        filter, weight, anchor_filter, keep: As in `EmbeddingTable`.
        first: The number of the first dimension in the long layout.
        vector_type: The type of the array column, or of a component's, as the engine spells it;
            empty for a plain array, or numbers, of type `element`.
        fields: The fields that lead from the array column to the vector, where it is a struct.
        share: The share of the rows that take part, chosen by a hash of the id; 1 for all.
        half: The half of the ids that takes part, 0 or 1, by another hash; None for both.
        only_valid: Dimension of the rows that take part; rows with a NULL id, a duplicate id, or a
            vector of another length or with a NULL or non-finite component are left out. None where
            every row takes part.
        files: Parquet files that are read instead of the relation; a `key=value` folder in their
            paths is a column.
        weight_expression: An SQL expression on the columns in the place of `weight`.
    """

    side: Side
    relation: str
    ids: tuple[Column, ...]
    layout: Layout
    vector: tuple[str, ...]
    element: Element
    filter: str | None = None
    weight: str | None = None
    anchor_filter: str | None = None
    keep: tuple[Column, ...] = ()
    first: int = 0
    vector_type: str = ""
    fields: tuple[str, ...] = ()
    share: float = 1.0
    half: int | None = None
    only_valid: int | None = None
    files: tuple[str, ...] = ()
    weight_expression: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for a message: `users.parquet`, `ml.users`, or `data`."""
        return relations.place(self._name)

    @property
    def about(self) -> str:
        """What it is called in a message: `users table users.parquet`."""
        return relations.about(self.side, self._name)

    @property
    def _name(self) -> str:
        return self.files[0] if len(self.files) == 1 else self.relation

    def id_names(self) -> str:
        """Return the id's columns for a message: `id`, `doc, chunk`."""
        return ", ".join(column.name for column in self.ids)

    def id_types(self) -> str:
        """Return the types of the id's columns for a message: `BIGINT`, `VARCHAR, INTEGER`."""
        return ", ".join(column.type for column in self.ids)

    def vector_names(self) -> str:
        """Return the vector's columns for a message: `e0..e63`, `embedding`, `dim, value`."""
        if self.layout == "wide" and len(self.vector) > 3:
            return f"{self.vector[0]}..{self.vector[-1]}"
        return ".".join((", ".join(self.vector), *self.fields))

    def reading(self, dialect: Dialect, column: str = "") -> Reading | None:
        """Return how the array column is read; None for a plain array, or without one."""
        if self.layout != "array" or not self.vector_type:
            return None
        return reading(column, self.vector_type, dialect, self.fields)

    def product(self, dialect: Dialect) -> tuple[str, str] | None:
        """The engine's own product of 4-byte numbers; None where it has none for all these rows."""
        known = self.reading(dialect)
        return known.product if known and not self.only_valid else None


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown}, ... ({len(names)} columns)" if len(names) > most else shown


def shown(columns: Sequence[Column], most: int = 12) -> str:
    """List columns with their types, for a message."""
    return _listed([f"{column.name} {column.type}" for column in columns], most)


class _Columns:
    """The columns of one relation, by the names that a user gives.

    A name means what it would mean in a statement; if there is no such column, the one that differs
    in case alone.
    """

    def __init__(
        self,
        table: EmbeddingTable,
        side: Side,
        columns: Sequence[Column],
        dialect: Dialect,
        hidden: Sequence[Column] = (),
    ) -> None:
        self.hidden = hidden
        self.dialect = dialect
        self.where = relations.about(side, table.relation)
        self.vector_option = option(side, "vector")
        self.columns = columns
        self._exact = {column.name: column for column in columns}

    def get(self, name: str, purpose: str) -> Column:
        for meant in (quoting.column_name(name, self.dialect), name):
            if meant in self._exact:
                return self._exact[meant]
        folded = [column for column in self.columns if column.name.lower() == name.lower()]
        if len(folded) == 1:
            return folded[0]
        raise self._missing(name, purpose)

    def check_condition(self, text: str | None, purpose: str, dialect: Dialect) -> None:
        """Check that a condition is about columns that there are."""
        names = [column.name for column in (*self.columns, *self.hidden)]
        missing = condition(text, dialect).missing(names, dialect) if text else []
        if missing:
            raise self._missing(missing[0], f"{purpose} {text}")

    def _missing(self, name: str, purpose: str) -> DataError:
        names = [column.name for column in self.columns]
        if name.lower() in {column.name.lower() for column in self.hidden}:
            return DataError(
                f"{self.where}: the column {name} is the key of the run, which all outputs have, "
                f"and cannot be the {purpose}."
            )
        return DataError(
            f"{self.where}: there is no column {name} for the {purpose}; it has {_listed(names)}."
        )


def resolve(
    table: EmbeddingTable,
    side: Side,
    columns: Sequence[Column],
    dialect: Dialect,
    hidden: Sequence[Column] = (),
) -> VectorTable:
    """Find out what the user left open, from the relation's columns.

    Args:
        table: What the user said.
        side: What the table is called in its run.
        columns: The relation's columns, in order.
        dialect: Names the numeric types.
        hidden: Further columns for conditions, outside the vector.

    Raises:
        DataError: A named column is missing or has a type that cannot be used.
        UsageError: The columns allow more than one reading; the message says how to choose. Or a
            filter is no condition.
    """
    known = _Columns(table, side, columns, dialect, hidden)
    ids = _find_ids(table, side, known)
    for column in ids:
        alone = len(ids) == 1
        if not (is_id if alone else is_id_part)(column.type, dialect):
            raise DataError(
                f"{known.where}: the id column {column.name} has type {column.type}, which cannot "
                f"serve as {'an id' if alone else 'a part of an id'}; cast it to an integer of at "
                "most 64 bits or to a string in a view, or name another column with "
                f"{option(side, 'id')}."
            )
    keep = tuple(known.get(name, "column to keep") for name in table.keep)
    lossy = [column for column in keep if has_no_file_type(column.type, dialect)]
    if lossy:
        raise DataError(
            f"{known.where}: {shown(lossy)} cannot be kept: Parquet has no such type; cast it in "
            "a view."
        )
    weight: str | None = None
    if table.weight is not None:
        weight, weight_type = known.get(table.weight, "row weight")
        if not is_numeric(weight_type, dialect):
            raise DataError(
                f"{known.where}: the weight column {weight} has type {weight_type}; "
                "name a numeric column."
            )
    taken = {*(column.name for column in (*ids, *keep)), weight}
    free = [column for column in columns if column.name not in taken]
    layout, vector, fields = _find_vector(table, known, free, dialect)
    _check_types(known, layout, vector, fields, dialect)
    if layout == "long" and keep:
        raise UsageError(
            f"{known.where}: the long layout has one row per dimension, so no further column can "
            f"be kept; leave out --keep ({_listed([c.name for c in keep])})."
        )
    used = [column.name for column in (*ids, *vector, *keep)]
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise UsageError(
            f"{known.where}: {_listed(twice)} is named twice as id, vector or column to keep."
        )
    known.check_condition(table.filter, "filter", dialect)
    known.check_condition(table.anchor_filter, "anchor filter", dialect)
    return VectorTable(
        side=side,
        relation=table.relation,
        ids=ids,
        layout=layout,
        vector=tuple(column.name for column in vector),
        element=_element(layout, vector, fields, dialect),
        vector_type=_vector_type(layout, vector, dialect),
        fields=fields,
        filter=table.filter,
        weight=weight,
        anchor_filter=table.anchor_filter,
        keep=keep,
    )


def _find_ids(table: EmbeddingTable, side: Side, known: _Columns) -> tuple[Column, ...]:
    if table.id is not None:
        names = [table.id] if isinstance(table.id, str) else list(table.id)
        if isinstance(table.id, str) and all(table.id != column.name for column in known.columns):
            names = [name.strip() for name in table.id.split(",")]
        if not names:
            raise UsageError(f"{known.where}: the id is an empty list of columns.")
        return tuple(known.get(name, "id") for name in names)
    preferred = ("id", f"{singular(side)}_id", singular(side))
    for name in preferred:
        for column in known.columns:
            if column.name.lower() == name:
                return (column,)
    endings = [c for c in known.columns if c.name.lower().endswith(("_id", "_key"))]
    if len(endings) == 1:
        return (endings[0],)
    names = [column.name for column in known.columns]
    raise UsageError(
        f"{known.where}: which column is the id? None is called {' or '.join(preferred[:2])}; "
        f"name one of {_listed(names)} with {option(side, 'id')}."
    )


class _Vector(NamedTuple):
    """The layout of a vector, its columns, and the fields that lead to it where it is a struct."""

    layout: Layout
    columns: tuple[Column, ...]
    fields: tuple[str, ...] = ()


def _find_vector(
    table: EmbeddingTable, known: _Columns, free: Sequence[Column], dialect: Dialect
) -> _Vector:
    if table.vector is not None:
        return _named_vector(table, known, free, dialect)
    texts = [column for column in free if _is_text_of_numbers(column, dialect)]
    found = [c for c in _candidates(known, free, dialect) if table.layout in (None, c[0])]
    if table.layout in (None, "array") and all(c.layout != "array" for c in found):
        called = [(column, _VECTOR_NAME.fullmatch(column.name)) for column in texts]
        # Beside other columns that could be one, `embedding_model` is none.
        likely = [column for column, match in called if match and not (found and match[3])]
        found += [_Vector("array", (column,)) for column in likely]
    if len(found) == 1:
        return found[0]
    keep = [known.get(name, "column to keep") for name in table.keep]
    kept = _candidates(known, keep, dialect)
    if not found and kept:
        raise UsageError(
            f"{known.where}: {_names(kept[0].columns)} is the vector, which is written in any "
            "case: leave it out of --keep."
        )
    if not found:
        if table.layout in (None, "wide"):
            _check_gaps(known, free, dialect)
        wanted = f"in the {table.layout} layout " if table.layout else ""
        remedy = f"; text such as [0.1, 0.2] is read, too ({shown(texts)})" if texts else ""
        raise DataError(
            f"{known.where}: no vector {wanted}was found among its columns {shown(known.columns)}; "
            f"a vector is an array column of numbers, numbered numeric columns (e0, e1, ...), or "
            f"a dimension and a value column. Name it with {known.vector_option}{remedy}."
        )
    readings = "; ".join(f"{_names(one.columns)} ({one.layout})" for one in found)
    raise UsageError(
        f"{known.where}: more than one column could be the vector: {readings}. "
        f"Choose with {known.vector_option}."
    )


def _names(vector: Sequence[Column]) -> str:
    if len(vector) > 3:
        return f"{vector[0].name}..{vector[-1].name}"
    return ",".join(column.name for column in vector)


def _is_text_of_numbers(column: Column, dialect: Dialect) -> bool:
    found = reading(column.name, column.type, dialect)
    return found is not None and found.is_text


def _candidates(known: _Columns, free: Sequence[Column], dialect: Dialect) -> list[_Vector]:
    found = [_Vector("array", (column,)) for column in free if is_array(column.type, dialect)]
    for numbered in _numbered_groups(known, free, dialect).values():
        # Numbers with a gap are something else than a vector.
        if max(numbered) - min(numbered) < len(numbered):
            found.append(_Vector("wide", tuple(numbered.values())))
    by_name = {column.name.lower(): column for column in free}
    dimension = next((by_name[n] for n in _LONG_DIMENSIONS if n in by_name), None)
    value = next((by_name[n] for n in _LONG_VALUES if n in by_name), None)
    if dimension and value and is_integer(dimension.type, dialect):
        found.append(_Vector("long", (dimension, value)))
    return found


def _numbered_groups(
    known: _Columns, free: Sequence[Column], dialect: Dialect
) -> dict[str, dict[int, Column]]:
    """Group columns that differ in a number at their end, by what stands before it.

    Raises:
        UsageError: Two of them have the same number.
    """
    listed: dict[str, list[Column]] = defaultdict(list)
    for column in free:
        match = _NUMBERED.fullmatch(column.name)
        if match and not is_array(column.type, dialect):
            listed[match[1]].append(column)
    # A single numbered column is something else than a vector; one with a few columns of another
    # type is a broken one, which must be said.
    return {
        prefix: _by_number(known, columns)
        for prefix, columns in listed.items()
        if len(columns) > 1
        and 2 * sum(is_numeric(column.type, dialect) for column in columns) > len(columns)
    }


def _by_number(known: _Columns, columns: Sequence[Column]) -> dict[int, Column]:
    """Return columns by the number at their end.

    Raises:
        UsageError: Two of them have the same.
    """
    found: dict[int, Column] = {}
    for column in columns:
        match = re.search(r"\d+$", column.name)
        other = found.setdefault(int(match[0]) if match else 0, column)
        if other is not column:
            raise UsageError(
                f"{known.where}: {other.name} and {column.name} have the same number: which is a "
                f"column of the vector? Name all of its columns with {known.vector_option}."
            )
    return dict(sorted(found.items()))


def _check_gaps(known: _Columns, free: Sequence[Column], dialect: Dialect) -> None:
    """Refuse numbered columns of which a few are missing: most likely they are the vector.

    Raises:
        DataError: There are such columns.
    """
    for prefix, numbered in _numbered_groups(known, free, dialect).items():
        if max(numbered) - min(numbered) + 1 >= 2 * len(numbered):
            continue
        names = f"{numbered[min(numbered)].name}..{numbered[max(numbered)].name}"
        there = {column.name for column in numbered.values()}
        missing = [name for name in range_of_names(names, known.where) if name not in there]
        verb, noun = ("is", "column") if len(missing) == 1 else ("are", "columns")
        raise DataError(
            f"{known.where}: {names} could be the vector, but {_listed(missing)} {verb} missing. "
            f"If the vector has no such {noun}, name those that are there, '{prefix}*', with "
            f"{known.vector_option}."
        )


def _named_vector(
    table: EmbeddingTable, known: _Columns, free: Sequence[Column], dialect: Dialect
) -> _Vector:
    spec = table.vector
    fields: tuple[str, ...] = ()
    exact = isinstance(spec, str) and any(column.name == spec for column in known.columns)
    if not isinstance(spec, str):
        vector = tuple(known.get(name, "vector") for name in spec or ())
    elif exact:
        vector = (known.get(spec, "vector"),)
    elif ".." in spec:
        names = range_of_names(spec, known.where)
        vector = tuple(known.get(name, "vector") for name in names)
    elif spec.endswith("*"):
        vector = _prefix(spec[:-1], known, free)
    elif "." in spec and "," not in spec:
        name, *path = spec.split(".")
        vector, fields = (known.get(name, "vector"),), tuple(path)
    else:
        vector = tuple(known.get(name.strip(), "vector") for name in spec.split(","))
    if not vector:
        raise UsageError(f"{known.where}: the vector is an empty list of columns.")
    if table.layout:
        if table.layout == "long" and len(vector) != 2:
            raise UsageError(
                f"{known.where}: the long layout wants two columns, dimension and value, "
                f"but {_names(vector)} was named."
            )
        if table.layout == "array" and len(vector) != 1:
            raise UsageError(f"{known.where}: the array layout needs one column.")
    return _Vector(table.layout or _layout(vector, dialect), vector, fields)


def _layout(vector: Sequence[Column], dialect: Dialect) -> Layout:
    if len(vector) == 1 and not is_numeric(vector[0].type, dialect):
        return "array"
    if len(vector) == 2:
        dimension, value = (column.name.lower() for column in vector)
        if dimension in _LONG_DIMENSIONS and value in _LONG_VALUES:
            return "long"
    return "wide"


def range_of_names(spec: str, where: str) -> list[str]:
    """List the names of a range of columns, as in `e0..e63`.

    Raises:
        UsageError: It is none; the message begins with `where`.
    """
    first, last = (_NUMBERED.fullmatch(end.strip()) for end in spec.split("..", 1))
    if not first or not last or first[1] != last[1] or int(first[2]) > int(last[2]):
        raise UsageError(
            f"{where}: {spec} is no range of columns; write the first and the last one, "
            "as in e0..e63."
        )
    count = int(last[2]) - int(first[2]) + 1
    if count > MOST_DIMENSIONS:
        raise UsageError(
            f"{where}: {spec} are {count:,} columns; a vector has at most {MOST_DIMENSIONS:,}."
        )
    width = len(first[2]) if first[2].startswith("0") and len(first[2]) > 1 else 0
    return [f"{first[1]}{k:0{width}d}" for k in range(int(first[2]), int(last[2]) + 1)]


def _prefix(prefix: str, known: _Columns, free: Sequence[Column]) -> tuple[Column, ...]:
    pattern = re.compile(re.escape(prefix) + r"\d{1,18}")
    found = [column for column in free if pattern.fullmatch(column.name)]
    if not found:
        names = [column.name for column in known.columns]
        raise DataError(
            f"{known.where}: no numbered column begins with {prefix}; it has {_listed(names)}."
        )
    return tuple(_by_number(known, found).values())


def _check_types(
    known: _Columns,
    layout: Layout,
    vector: Sequence[Column],
    fields: Sequence[str],
    dialect: Dialect,
) -> None:
    if layout == "array":
        wrong = [c for c in vector if reading(c.name, c.type, dialect, fields) is None]
        wanted = f"an array of numbers{' by way of ' + '.'.join(fields) if fields else ''}"
    else:
        wrong = [c for c in vector if not is_numeric(c.type, dialect)]
        wanted = "numeric"
    if wrong:
        raise DataError(
            f"{known.where}: {len(wrong)} of {len(vector)} vector columns "
            f"{'is' if len(wrong) == 1 else 'are'} not {wanted}: {shown(wrong)}. "
            "Name other columns, as in features.values for a field of a struct, or cast in a view."
        )


def _element(
    layout: Layout, vector: Sequence[Column], fields: Sequence[str], dialect: Dialect
) -> Element:
    if layout == "array":
        found = reading(vector[0].name, vector[0].type, dialect, fields)
        return found.element if found else "double"
    values = vector[1:] if layout == "long" else vector
    single = all(is_single(c.type, dialect) or is_small(c.type, dialect) for c in values)
    return "float" if single else "double"


def _vector_type(layout: Layout, vector: Sequence[Column], dialect: Dialect) -> str:
    """Return the type of the array, or of a component: of one to be cast, if there is any."""
    values = vector[1:] if layout == "long" else vector
    return next((c.type for c in values if is_small(c.type, dialect)), values[0].type)


@dataclass(frozen=True)
class StableTable:
    """Where stable ids and vectors are to stand.

    Attributes:
        layout: `wide`, `array` or `long`.
        ids: The columns of the id and their types.
        vector: Names of the vector's columns, as in `VectorTable`.
        element: `float` or `double`.
        dimension: d, the number of components.
        first: The number of the first dimension in the long layout.
        type: The type of the array column; empty for a plain array.
    """

    layout: Layout
    ids: tuple[Column, ...]
    vector: tuple[str, ...]
    element: Element
    dimension: int
    first: int = 0
    type: str = ""


def stable_table(
    table: VectorTable,
    dimension: int,
    layout: Layout | None,
    element: Element | None,
    dialect: Dialect,
) -> StableTable:
    """Lay out the stable vectors of a table: as they came, or as asked.

    Columns that the table does not name get names that need no quotes.

    Args:
        table: The raw table.
        dimension: d, of the stable vectors.
        layout: None keeps the table's own.
        element: None keeps the table's own.
        dialect: Of the engine that they are written to.

    Raises:
        UsageError: A column of the vector would have the name of the id or of a kept column.
    """
    layout = layout or table.layout
    if layout == "wide":
        vector = _wide_names(table, dimension, dialect)
    elif layout == table.layout:
        vector = table.vector
    else:
        names = ("embedding",) if layout == "array" else ("dim", "value")
        vector = tuple(map(dialect.folded, names))
    if layout == "long" and table.keep:
        raise UsageError(
            f"{table.about}: the long layout has one row per dimension, so "
            "no further column can be kept."
        )
    taken = {column.name.lower() for column in (*table.ids, *table.keep)}
    clash = [name for name in vector if name.lower() in taken]
    if clash:
        raise UsageError(
            f"{table.about}: the stable vector's column {clash[0]} would "
            "have the name of the id or of a kept column; choose another --output-layout."
        )
    kind = ""
    if layout == "array":
        kind = stable_type(table.reading(dialect), dimension, element, dialect)
    return StableTable(
        layout, table.ids, vector, element or table.element, dimension, table.first, kind
    )


def _wide_names(table: VectorTable, dimension: int, dialect: Dialect) -> tuple[str, ...]:
    if table.layout == "wide" and len(table.vector) == dimension:
        return table.vector
    # Another dimension than the input's: go on counting as the input does.
    match = _NUMBERED.fullmatch(table.vector[0]) if table.layout == "wide" else None
    prefix, first = (match[1], int(match[2])) if match else (dialect.folded("e"), 0)
    return tuple(f"{prefix}{k}" for k in range(first, first + dimension))


def stable_columns(output: StableTable, table: VectorTable, dialect: Dialect) -> list[Column]:
    """Return the columns of a stable table, without the key.

    Args:
        output: How its vectors stand.
        table: The raw table: it has the columns to keep.
        dialect: Of the engine that holds it.
    """
    element = dialect.real if output.element == "float" else dialect.double
    kinds = [element] * len(output.vector)
    if output.layout == "long":
        kinds = [dialect.integer, element]
    elif output.layout == "array":
        kinds = [output.type or dialect.tables.array.format(element)]
    vector = [Column(name, kind) for name, kind in zip(output.vector, kinds, strict=True)]
    return [*output.ids, *vector, *table.keep]
