"""What a column's type means, however its engine spells it: sqlglot reads the spelling."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstab.statements.dialect import Dialect, NativeVector
    from sqlstab.statements.sides import Element

_T = exp.DataType.Type
_BIG_INTEGER = {_T.INT128, _T.INT256, _T.UINT128, _T.UINT256}
_INTEGER = set(exp.DataType.INTEGER_TYPES) - _BIG_INTEGER - {_T.BIT}
_DECIMAL = {_T.DECIMAL, _T.DECIMAL32, _T.DECIMAL64, _T.DECIMAL128, _T.DECIMAL256, _T.BIGDECIMAL}
_ENUM = {_T.ENUM, _T.ENUM8, _T.ENUM16}
_TEXT = {*exp.DataType.TEXT_TYPES, _T.FIXEDSTRING, *_ENUM}
_TIMES = set(exp.DataType.TEMPORAL_TYPES) - {_T.DATE, _T.DATE32, _T.TIME, _T.TIMETZ}
_TEMPORAL = {_T.DATE, _T.DATE32, _T.TIME, *_TIMES}
# Whose text tells any two values apart, and is the same for equal ones: that of a time depends on
# settings, that of a decimal on its scale.
_PLAIN_TEXT = {*_INTEGER, *_TEXT, _T.DATE, _T.DATE32, _T.UUID}
_OTHER_IDS = {_T.UUID, _T.BINARY, _T.VARBINARY, _T.USERDEFINED}
_IDS = {*_INTEGER, *_DECIMAL, *_TEXT, *_TEMPORAL, *_OTHER_IDS}
_NUMERIC = {*_INTEGER, *_BIG_INTEGER, *_DECIMAL, _T.FLOAT, _T.DOUBLE}
# Types of anything, an array of numbers included.
_UNTYPED = {_T.SUPER, _T.VARIANT, _T.OBJECT}
_JSON = {_T.JSON, _T.JSONB}
# Their numbers are 4-byte numbers, too.
_SMALL = {_T.TINYINT, _T.SMALLINT, _T.UTINYINT, _T.USMALLINT}
# The fields of a vector of Spark's machine learning: of a dense one it has `values` alone.
_SPARK_VECTOR = {"type", "size", "indices", "values"}
# A name with a schema, perhaps, and parameters.
_NAMED = re.compile(r"((?:[\w$]+\.|\"[^\"]+\"\.)*)(\w+)(?: *\(.*\))?")
# Wrappers that say nothing about the values.
_WRAPPERS = {_T.LOWCARDINALITY}


@lru_cache(maxsize=4096)
def _parsed(column_type: str, dialect: str) -> exp.DataType | None:
    # Unknown to sqlglot; as of these integers, its numbers are 4-byte numbers once they are cast.
    known = column_type.replace("BFloat16", "Int16") if dialect == "clickhouse" else column_type
    try:
        tree = exp.DataType.build(known, dialect=dialect, udt=True)
    except sqlglot.errors.SqlglotError:
        return None
    while tree.this in _WRAPPERS:
        tree = tree.expressions[0]
    return tree


def _kind(column_type: str, dialect: Dialect) -> exp.DType | None:
    tree = _parsed(column_type, dialect.sqlglot)
    return tree.this if tree is not None else None


def is_numeric(column_type: str, dialect: Dialect) -> bool:
    """Return whether it is a type of numbers."""
    return _kind(column_type, dialect) in _NUMERIC


def is_integer(column_type: str, dialect: Dialect) -> bool:
    """Return whether it is an integer type of at most 64 bits, or a decimal without places.

    Snowflake has no other integers than NUMBER(38, 0).
    """
    tree = _parsed(column_type, dialect.sqlglot)
    if tree is None:
        return False
    whole = len(tree.expressions) == 2 and tree.expressions[1].name == "0"
    return tree.this in _INTEGER or (tree.this in _DECIMAL and whole)


def is_single(column_type: str, dialect: Dialect) -> bool:
    """Return whether it is the type of 4-byte floating point numbers."""
    return _kind(column_type, dialect) == _T.FLOAT


def is_enum(column_type: str, dialect: Dialect) -> bool:
    """Return whether it is an enumeration."""
    return _kind(column_type, dialect) in _ENUM


def is_text(column_type: str, dialect: Dialect) -> bool:
    """Return whether it is a type of text of any content."""
    return _kind(column_type, dialect) in _TEXT - _ENUM


def is_id(column_type: str, dialect: Dialect) -> bool:
    """Return whether values of this type can tell rows apart: equality and order are plain."""
    return _kind(column_type, dialect) in _IDS


def is_id_part(column_type: str, dialect: Dialect) -> bool:
    """Return whether values of this type can be one of several columns of an id."""
    return is_integer(column_type, dialect) or _kind(column_type, dialect) in _PLAIN_TEXT


def has_no_file_type(column_type: str, dialect: Dialect) -> bool:
    """Return whether it is, or holds, a type that Parquet lacks: DuckDB writes another instead.

    That is a double for an integer of more than 64 bits, and a struct for a union.
    """
    tree = _parsed(column_type, dialect.sqlglot)
    return tree is not None and any(
        part.this in {*_BIG_INTEGER, _T.UNION} for part in tree.find_all(exp.DataType)
    )


def is_small(column_type: str, dialect: Dialect) -> bool:
    """Return whether 4-byte floats hold all its numbers, as those of integers of 16 bits."""
    return _kind(column_type, dialect) in _SMALL


# The bits of integer types, negative where they have a sign.
_BITS = {
    _T.TINYINT: -8,
    _T.SMALLINT: -16,
    _T.MEDIUMINT: -24,
    _T.INT: -32,
    _T.BIGINT: -64,
    _T.INT128: -128,
    _T.INT256: -256,
    _T.UTINYINT: 8,
    _T.USMALLINT: 16,
    _T.UMEDIUMINT: 24,
    _T.UINT: 32,
    _T.UBIGINT: 64,
    _T.UINT128: 128,
    _T.UINT256: 256,
}
# Decimal digits that every number of a type keeps.
_DIGITS = {_T.FLOAT: 6, _T.DOUBLE: 15}
_MOMENTS = {_T.TIMESTAMP_S: 0, _T.TIMESTAMP_MS: 3, _T.TIMESTAMP_NS: 9}


def holds(there: str, comes: str, dialect: Dialect, *, exactly: bool = True) -> bool:
    """Return whether a type keeps every number, time, or array of numbers of another one.

    Args:
        there: The type of a column.
        comes: The type of what is to be stored in it; for neither numbers nor times it is true.
        dialect: Of the engine.
        exactly: Whether floating point numbers keep all digits; else 4 bytes do.
    """
    first, second = _parsed(there, dialect.sqlglot), _parsed(comes, dialect.sqlglot)
    return first is None or second is None or _holds(first, second, dialect, exactly=exactly)


def _holds(there: exp.DataType, comes: exp.DataType, dialect: Dialect, *, exactly: bool) -> bool:
    arrays = {_T.ARRAY, _T.LIST}
    if there.this in arrays and comes.this in arrays:
        first, second = there.expressions, comes.expressions
        return not (first and second) or _holds(first[0], second[0], dialect, exactly=exactly)
    if comes.this in _DIGITS:
        number = there.this in {*_BITS, *_DECIMAL, *_DIGITS}
        wanted = _DIGITS[comes.this if exactly else _T.FLOAT]
        return not number or _DIGITS.get(there.this, 0) >= wanted
    span, exact = _span(there), _span(comes)
    if exact is None:
        times = there.this in _TIMES and comes.this in _TIMES
        return not times or _fraction(there, dialect) >= _fraction(comes, dialect)
    low, high, places = exact
    if there.this in _DIGITS:
        return bool(max(-low, high) * 10**places <= 10 ** _DIGITS[there.this])
    return span is None or (span[0] <= low and high <= span[1] and places <= span[2])


def _span(tree: exp.DataType) -> tuple[float, float, float] | None:
    """Return the bounds and the decimal places of a type of exact numbers."""
    bits = _BITS.get(tree.this)
    if bits is not None:
        return (-(2 ** (-bits - 1)), 2 ** (-bits - 1) - 1, 0) if bits < 0 else (0, 2**bits - 1, 0)
    if tree.this not in _DECIMAL:
        return None
    if not tree.expressions:
        return -math.inf, math.inf, math.inf
    digits, places, *_ = *(int(part.name) for part in tree.expressions), 0
    most = 10 ** (digits - places)
    return -most, most, places


def _fraction(tree: exp.DataType, dialect: Dialect) -> int:
    """Return the digits of a second that a time has."""
    stated = [part.name for part in tree.expressions if part.name.isdecimal()]
    if stated:
        return int(stated[0])
    whole = tree.this == _T.DATETIME and dialect.sqlglot == "clickhouse"
    return 0 if whole else _MOMENTS.get(tree.this, 6)


class Column(NamedTuple):
    """A column of a relation: its name and its type as the engine spells it."""

    name: str
    type: str


class Reading(NamedTuple):
    """How a column is read as an array of numbers.

    Attributes:
        array: The array as an expression.
        element: `float` or `double`: how its numbers are worked with, and come out.
        stored: The type of stable vectors of {0} components; empty for a plain array.
        is_text: Whether it is a text, and may hold something else.
        is_half: Whether numbers of a stable vector have 2 bytes.
        is_sparse: Whether it may be a sparse vector, and none of those that can be.
        product: As in `NativeVector`, with the schema.
    """

    array: str
    element: Element
    stored: str = ""
    is_text: bool = False
    is_half: bool = False
    is_sparse: bool = False
    product: tuple[str, str] | None = None


def reading(
    column: str, column_type: str, dialect: Dialect, fields: Sequence[str] = ()
) -> Reading | None:
    """Return how a column is read as an array of numbers; None if it is none.

    Arrays whose elements have no declared type (Snowflake's ARRAY and VARIANT, Redshift's SUPER)
    are taken to hold doubles. A struct with a single field is what that is.

    Args:
        column: The column, as a statement has it.
        column_type: Its type, as the engine spells it.
        dialect: The dialect to write.
        fields: The fields of structs that lead to the vector.
    """
    named = _NAMED.fullmatch(column_type)
    for native in dialect.native_vectors if named and not fields else ():
        if named and named[2].lower() == native.name:
            return _native(column, named[1], native, dialect)
    tree = _parsed(column_type, dialect.sqlglot)
    return None if tree is None else _reading(column, tree, dialect, fields)


def _native(column: str, schema: str, native: NativeVector, dialect: Dialect) -> Reading:
    return Reading(
        native.array.format(column, schema),
        "double" if native.element == "double" else "float",
        schema + native.stored if native.stored else "",
        is_half=native.element == "half",
        is_sparse=bool(dialect.sparse),
        product=native.product and _in_schema(native.product, schema),
    )


def _in_schema(product: tuple[str, str], schema: str) -> tuple[str, str]:
    kept = schema.replace("{", "{{").replace("}", "}}")
    part, dot = (pattern.format("{0}", "{1}", kept) for pattern in product)
    return part, dot


def _reading(
    column: str, tree: exp.DataType, dialect: Dialect, fields: Sequence[str]
) -> Reading | None:
    if tree.this in _UNTYPED and dialect.style == "components":
        for name in fields:
            column = _member(column, name, dialect)
        return Reading(column, "double") if fields or tree.this != _T.OBJECT else None
    if tree.this == _T.STRUCT:
        return _of_struct(column, tree, dialect, fields)
    if fields:
        return None
    if tree.this in _TEXT - _ENUM | _JSON:
        read = (tree.this in _JSON and dialect.from_json) or dialect.from_text
        return Reading(read.format(column), "double", is_text=True) if read else None
    return _of_array(column, tree, dialect) if tree.this in (_T.ARRAY, _T.LIST) else None


def _member(struct: str, name: str, dialect: Dialect) -> str:
    quoted = exp.to_identifier(name, quoted=True).sql(dialect=dialect.sqlglot)
    return dialect.member.format(struct, quoted)


def _fields(tree: exp.DataType) -> dict[str, exp.DataType]:
    return {
        part.name: part.args["kind"]
        for part in tree.expressions
        if isinstance(part, exp.ColumnDef) and part.args.get("kind")
    }


def _of_struct(
    column: str, tree: exp.DataType, dialect: Dialect, fields: Sequence[str]
) -> Reading | None:
    known = _fields(tree)

    # Of sparse vectors the field of values alone would be another vector.
    if {*known} == _SPARK_VECTOR and tuple(fields) in ((), ("values",)):
        parts = {name: _member(column, name, dialect) for name in known}
        sparse = dialect.sparse.format(**parts) or dialect.no_array or "NULL"
        array = f"CASE WHEN {parts['type']} = 1 THEN {parts['values']} ELSE {sparse} END"
        return Reading(array, "double", is_sparse=True)
    name, *further = fields or (list(known) if len(known) == 1 else [""])
    if name not in known:
        return None
    return _reading(_member(column, name, dialect), known[name], dialect, further)


def _of_array(column: str, tree: exp.DataType, dialect: Dialect) -> Reading | None:
    if not tree.expressions:
        return Reading(column, "double")
    element, value = tree.expressions[0], "sqlstab_v"
    while element.this == _T.STRUCT and len(_fields(element)) == 1:
        ((name, element),) = _fields(element).items()
        value = _member(value, name, dialect)
    if element.this not in _NUMERIC:
        return None
    if value != "sqlstab_v":
        if not dialect.transform:
            return None
        column = dialect.transform.format(column, "sqlstab_v", value)
    stored = dialect.tables.fixed_array if tree.args.get("values") else ""
    if element.this in _SMALL:
        return Reading(dialect.as_reals.format(column), "float", stored)
    return Reading(column, "float" if element.this == _T.FLOAT else "double", stored)


def is_array(column_type: str, dialect: Dialect) -> bool:
    """Return whether it is a type of arrays of numbers, or is read as such; text is not."""
    found = reading("", column_type, dialect)
    return found is not None and not found.is_text


def size(column_type: str) -> int | None:
    """Return how many components a type of vectors has, as in `FLOAT[64]`, if it says."""
    found = re.search(r"[\[( ](\d+)[\])]$", column_type)
    return int(found[1]) if found else None


def stable_type(
    known: Reading | None, dimension: int, element: Element | None, dialect: Dialect
) -> str:
    """Return the type of an array column of stable vectors; empty for a plain array.

    Args:
        known: How the raw ones are read.
        dimension: Components of a stable vector.
        element: The type of a component that is asked for, if it is.
        dialect: The dialect to write.
    """
    if known is None or not known.stored:
        return ""
    if known.stored == dialect.tables.fixed_array:
        wanted = element or known.element
        return known.stored.format(dimension, dialect.real if wanted == "float" else dialect.double)
    # Of the engine's own types none has the other element.
    kept = element in (None, known.element) and not (element and known.is_half)
    return known.stored.format(dimension) if kept else ""


def same_in_files(first: str, second: str, dialect: Dialect) -> bool:
    """Return whether columns of both types are one in files that are read together."""
    arrays = [re.subn(r"\[\d*\]", "", kind) for kind in (first, second)]
    (one, depth), (other, others) = arrays
    return depth == others and comparable(one, other, dialect)


def comparable(first: str, second: str, dialect: Dialect) -> bool:
    """Return whether equal values of both types are equal in a join."""
    kinds = {_kind(first, dialect), _kind(second, dialect)}
    return first == second or len(kinds) == 1 or kinds <= _INTEGER or kinds <= _TEXT
