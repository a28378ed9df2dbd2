"""How the SQL text differs from one database to the next: one frozen record per dialect."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """What a template must know of a database.

    Attributes:
        name: The name that users write.
        sqlglot: The name that sqlglot knows the dialect by.
        real: Type of a 4-byte floating point number.
        double: Type of an 8-byte floating point number.
        text: Type of a string of any length.
        array_base: Index of the first element of an array.
        numeric: Names of the types that a vector's elements may have.
        integer: Names of the types that compare as whole numbers.
    """

    name: str
    sqlglot: str
    real: str
    double: str
    text: str
    array_base: int
    numeric: frozenset[str]
    integer: frozenset[str]

    def number(self, value: float) -> str:
        """A literal of type double; a bare `0.94` would be a DECIMAL in several engines."""
        text = repr(float(value)).upper()
        return text if "E" in text else text + "E0"


_INTEGER = frozenset(
    [
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
    ]
)

DUCKDB = Dialect(
    name="duckdb",
    sqlglot="duckdb",
    real="FLOAT",
    double="DOUBLE",
    text="VARCHAR",
    array_base=1,
    numeric=_INTEGER | {"FLOAT", "DOUBLE", "DECIMAL"},
    integer=_INTEGER,
)
