"""How the SQL text differs from one database to the next: one frozen record per dialect."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """What a template must know of a database.

    Attributes:
        sqlglot: The name that sqlglot knows the dialect by.
        real: Type of a 4-byte floating point number.
        double: Type of an 8-byte floating point number.
        text: Type of a string of any length.
        array_base: Index of the first element of an array.
        numeric: Names of the types that a vector's elements may have.
        integer: Names of the types that compare as whole numbers.
        string: Names of the types that compare as text.
        id_types: Names of the types that an id can have: comparable, and kept by Parquet.
        lossy: Names of the types that Parquet does not keep.
        arrow_types: Names of the types that come back the same from Arrow by way of Parquet.
    """

    sqlglot: str
    real: str
    double: str
    text: str
    array_base: int
    numeric: frozenset[str]
    integer: frozenset[str]
    string: frozenset[str]
    id_types: frozenset[str]
    lossy: frozenset[str]
    arrow_types: frozenset[str]

    def number(self, value: float) -> str:
        """A literal of type double; a bare `0.94` would be a DECIMAL in several engines."""
        text = repr(float(value)).upper()
        return text if "E" in text else text + "E0"


_INTEGER = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG")
) | {"INTEGER", "UINTEGER"}
_TEMPORAL = {"DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS"}
_ID = _INTEGER | _TEMPORAL | {"VARCHAR", "BLOB", "DECIMAL"}

DUCKDB = Dialect(
    sqlglot="duckdb",
    real="FLOAT",
    double="DOUBLE",
    text="VARCHAR",
    array_base=1,
    numeric=_INTEGER | {"HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL"},
    integer=_INTEGER,
    string=frozenset({"VARCHAR", "ENUM"}),
    id_types=_ID | {"UUID", "ENUM", "TIMESTAMP_S", "TIMESTAMP_MS"},
    # DuckDB writes them as DOUBLE.
    lossy=frozenset({"HUGEINT", "UHUGEINT"}),
    arrow_types=_ID | {"BOOLEAN", "DOUBLE", "FLOAT"},
)
