"""What a column's type means, however its engine spells it: sqlglot reads the spelling."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from sqlstab.statements.dialect import Dialect

_T = exp.DataType.Type
_BIG_INTEGER = {_T.INT128, _T.INT256, _T.UINT128, _T.UINT256}
_INTEGER = set(exp.DataType.INTEGER_TYPES) - _BIG_INTEGER - {_T.BIT}
_DECIMAL = {_T.DECIMAL, _T.DECIMAL32, _T.DECIMAL64, _T.DECIMAL128, _T.DECIMAL256, _T.BIGDECIMAL}
_ENUM = {_T.ENUM, _T.ENUM8, _T.ENUM16}
_TEXT = {*exp.DataType.TEXT_TYPES, _T.FIXEDSTRING, *_ENUM}
_TEMPORAL = {
    _T.DATE,
    _T.DATE32,
    _T.TIME,
    *(set(exp.DataType.TEMPORAL_TYPES) - {_T.TIMETZ}),
}
# Whose text tells any two values apart, and is the same for equal ones: that of a time depends on
# settings, that of a decimal on its scale.
_PLAIN_TEXT = {*_INTEGER, *_TEXT, _T.DATE, _T.DATE32, _T.UUID}
_OTHER_IDS = {_T.UUID, _T.BINARY, _T.VARBINARY, _T.USERDEFINED}
_IDS = {*_INTEGER, *_DECIMAL, *_TEXT, *_TEMPORAL, *_OTHER_IDS}
_NUMERIC = {*_INTEGER, *_BIG_INTEGER, *_DECIMAL, _T.FLOAT, _T.DOUBLE}
# Types of anything, an array of numbers included.
_UNTYPED = {_T.SUPER, _T.VARIANT}
# Wrappers that say nothing about the values.
_WRAPPERS = {_T.LOWCARDINALITY}


@lru_cache(maxsize=4096)
def _parsed(column_type: str, dialect: str) -> exp.DataType | None:
    try:
        tree = exp.DataType.build(column_type, dialect=dialect, udt=True)
    except sqlglot.errors.SqlglotError:
        return None
    while tree.this in _WRAPPERS:
        tree = tree.expressions[0]
    return tree


def _kind(column_type: str, dialect: Dialect) -> exp.DType | None:
    tree = _parsed(column_type, dialect.sqlglot)
    return tree.this if tree is not None else None


def is_numeric(column_type: str, dialect: Dialect) -> bool:
    """Whether it is a type of numbers."""
    return _kind(column_type, dialect) in _NUMERIC


def is_integer(column_type: str, dialect: Dialect) -> bool:
    """Whether it is an integer type of at most 64 bits, or a decimal without decimal places.

    Snowflake has no other integers than NUMBER(38, 0).
    """
    tree = _parsed(column_type, dialect.sqlglot)
    if tree is None:
        return False
    whole = len(tree.expressions) == 2 and tree.expressions[1].name == "0"
    return tree.this in _INTEGER or (tree.this in _DECIMAL and whole)


def is_single(column_type: str, dialect: Dialect) -> bool:
    """Whether it is the type of 4-byte floating point numbers."""
    return _kind(column_type, dialect) == _T.FLOAT


def is_enum(column_type: str, dialect: Dialect) -> bool:
    """Whether it is an enumeration."""
    return _kind(column_type, dialect) in _ENUM


def is_text(column_type: str, dialect: Dialect) -> bool:
    """Whether it is a type of text of any content."""
    return _kind(column_type, dialect) in _TEXT - _ENUM


def is_id(column_type: str, dialect: Dialect) -> bool:
    """Whether values of this type can tell rows apart: equality and order are plain."""
    return _kind(column_type, dialect) in _IDS


def is_id_part(column_type: str, dialect: Dialect) -> bool:
    """Whether values of this type can be one of several columns of an id."""
    return is_integer(column_type, dialect) or _kind(column_type, dialect) in _PLAIN_TEXT


def has_no_file_type(column_type: str, dialect: Dialect) -> bool:
    """Whether it is, or holds, a type that Parquet has not: DuckDB writes another in its place.

    That is a double for an integer of more than 64 bits, and a struct for a union.
    """
    tree = _parsed(column_type, dialect.sqlglot)
    return tree is not None and any(
        part.this in {*_BIG_INTEGER, _T.UNION} for part in tree.find_all(exp.DataType)
    )


def is_native_vector(column_type: str, dialect: Dialect) -> bool:
    """Whether it is the engine's own vector type rather than an array."""
    name = column_type.split("(", maxsplit=1)[0].lower()
    return name in dialect.native_vectors


def element_type(column_type: str, dialect: Dialect) -> str | None:
    """The type of an array's elements, in the engine's spelling; None if it is no array.

    Arrays whose elements have no declared type (Snowflake's ARRAY and VARIANT, Redshift's SUPER)
    are taken to hold doubles.
    """
    if is_native_vector(column_type, dialect):
        return dialect.real
    tree = _parsed(column_type, dialect.sqlglot)
    if tree is None:
        return None
    if tree.this in _UNTYPED and dialect.style == "components":
        return dialect.double
    if tree.this not in (_T.ARRAY, _T.LIST):
        return None
    if not tree.expressions:
        return dialect.double
    element: str = tree.expressions[0].sql(dialect=dialect.sqlglot)
    return element


def comparable(first: str, second: str, dialect: Dialect) -> bool:
    """Whether equal values of both types are equal in a join."""
    kinds = {_kind(first, dialect), _kind(second, dialect)}
    return first == second or len(kinds) == 1 or kinds <= _INTEGER or kinds <= _TEXT
