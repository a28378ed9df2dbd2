"""Statements about tables as such: to make, fill, drop and look them up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab.statements import relations
from sqlstab.statements.quoting import identifier, string, table_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.sides import Side

# Bytes of one INSERT statement, where the engine takes so many.
_INSERTED = 2**18


def insert(name: str, rows: Sequence[tuple[Any, ...]], dialect: Dialect) -> list[str]:
    """Write statements that insert rows of values into a table."""
    header = f"INSERT INTO {relations.named(name, dialect)} VALUES\n"
    return values(rows, header, header, dialect)


def values(
    rows: Sequence[tuple[Any, ...]],
    first: str,
    further: str,
    dialect: Dialect,
    before: tuple[str, ...] = (),
) -> list[str]:
    """Return statements that insert rows of values, each as long as the engine takes at most.

    Args:
        rows: Texts, whole numbers, doubles and None.
        first: What the first statement begins with.
        further: What the others begin with.
        dialect: Of the engine.
        before: Literals that each row begins with.
    """
    # sqlglot takes 20 microseconds for a text, and a matrix repeats few of them 600,000 times.
    texts = {value for row in rows for value in row if isinstance(value, str)}
    known = {text: string(text, dialect) for text in texts}

    def literal(value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, str):
            return known[value]
        return str(value) if isinstance(value, int) else dialect.number(float(value))

    header = max(len(first.encode()), len(further.encode()))
    most = min(_INSERTED, dialect.longest_statement or _INSERTED) - header
    statements: list[list[str]] = []
    free = 0
    for row in rows:
        text = f"({', '.join((*before, *map(literal, row)))})"
        size = len(text.encode()) + len(",\n")
        if size > free or not statements:
            statements.append([])
            free = most
        statements[-1].append(text)
        free -= size
    return [(further if k else first) + ",\n".join(lines) for k, lines in enumerate(statements)]


def create_table(name: str, query: str, dialect: Dialect) -> str:
    """Write a statement that makes a table of a query's rows."""
    return f"CREATE TABLE {relations.named(name, dialect)}{dialect.tables.storage} AS\n{query}"


def drop_table(name: str, dialect: Dialect) -> str:
    """Write a statement that drops a table, if it is there."""
    return f"DROP TABLE IF EXISTS {relations.named(name, dialect)}"


def describe(name: str, dialect: Dialect) -> str:
    """Write a statement that lists a relation's columns: name and type come first."""
    quoted = relations.named(name, dialect)
    *schema, bare = table_parts(name, dialect)
    prefix = ".".join(identifier(part, dialect) for part in schema)
    return dialect.tables.describe.format(
        quoted,
        string(quoted, dialect),
        string(bare, dialect),
        f"{prefix}." if prefix else "",
    )


def table_kind(name: str, dialect: Dialect) -> str:
    """Write a query of `kind`, what has a whole name: `table`, `view`, ...; or of no row."""
    return dialect.tables.kind.format(*_in_catalogue(name, dialect))


def lock(name: str, dialect: Dialect) -> str:
    """Write a statement that lets no two transactions with it commit at once; empty for none."""
    return about(dialect.tables.lock, name, dialect)


def about(pattern: str, name: str, dialect: Dialect) -> str:
    """Write a statement about a table of a whole name, from a pattern of `dialect.tables`."""
    bare = identifier(table_parts(name, dialect)[-1], dialect)
    return pattern.format(*_in_catalogue(name, dialect), bare)


def _in_catalogue(name: str, dialect: Dialect) -> list[str]:
    """Return the words that patterns ask the catalogue with about a table of a whole name."""
    *schema, bare = table_parts(name, dialect)
    database = schema[:-1]
    prefixes = [
        "".join(f"{identifier(part, dialect)}." for part in parts) for parts in (database, schema)
    ]
    strings = [string(parts[-1] if parts else "", dialect) for parts in ([bare], schema, database)]
    return [*strings, *prefixes]


def create_scratch(name: str, query: str, dialect: Dialect) -> str:
    """Return a statement that keeps a query's rows in a table of this session."""
    kind = "TEMPORARY TABLE" if dialect.temporary else "TABLE"
    storage = "" if dialect.temporary else dialect.tables.storage
    return f"CREATE {kind} {relations.named(name, dialect)}{storage} AS\n{query}"


def matrix_query(dialect: Dialect) -> str:
    """Return a query without rows: the columns (side, i, j, value) of a table of matrices."""
    columns = {"side": ("''", "text"), "i": ("0", "integer"), "j": ("0", "integer")}
    columns["value"] = ("0", "double")
    casts = ", ".join(
        f"CAST({value} AS {getattr(dialect, kind)}) AS {name}"
        for name, (value, kind) in columns.items()
    )
    # ClickHouse makes no column of a NULL that is cast, and BigQuery has no WHERE without FROM.
    return f"SELECT {casts}\nFROM (SELECT 1 AS one) AS nothing\nWHERE one = 0\n"


def insert_matrix(name: str, side: Side, matrix: Matrix, dialect: Dialect) -> list[str]:
    """Return statements that add the entries of a matrix to such a table."""
    rows = [(side, i + 1, j + 1, value) for (i, j), value in np.ndenumerate(matrix)]
    return insert(name, rows, dialect)
