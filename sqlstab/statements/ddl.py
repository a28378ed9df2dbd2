"""Statements about tables as such: to make, fill, replace, drop and look up those that we write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab.statements.quoting import identifier, relation, string, table_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import Side

# Bytes of one INSERT statement, where the engine takes so many.
_INSERTED = 2**18
# Columns of the tables that we keep: a matrix of each run and side, and a Gram matrix of each
# partition of a table.
MATRIX_COLUMNS = {
    "run_id": "text",
    "side": "text",
    "i": "integer",
    "j": "integer",
    "value": "double",
}
_SUMS_COLUMNS = {
    "side": "text",
    "i": "integer",
    "j": "integer",
    "value": "double",
    "n_rows": "bigint",
}
GRAM_COLUMNS = {
    "run_id": "text",
    "source": "text",
    "partition_key": "text",
    "version": "text",
    "partition_rows": "bigint",
    "n_rows": "bigint",
    "i": "integer",
    "j": "integer",
    "value": "double",
}
# The registry's: an event is a JSON text, cut into parts of so many characters. Even with each of
# them escaped, a part takes half of ClickHouse's longest statement, and it fits into Redshift's
# longest string. An entry of a transform as a row of its own would be 600,000 rows at e = 256.
REGISTRY_COLUMNS = {
    "event_id": "text",
    "event": "text",
    "run_id": "text",
    "part": "integer",
    "parts": "integer",
    "body": "long_text",
}
_PART = 60_000


def matrix_table(
    name: str, run_id: str, matrices: Mapping[Side, Matrix], dialect: Dialect
) -> list[str]:
    """Statements that create a table (run_id, side, i, j, value) and fill it."""
    create = _create(name, MATRIX_COLUMNS, dialect)
    return [create, *insert_matrices(name, run_id, matrices, dialect)]


def create_matrix_table(name: str, dialect: Dialect) -> str:
    """A statement that creates such a table, if there is none."""
    return _if_missing(_create(name, MATRIX_COLUMNS, dialect))


def insert_matrices(
    name: str, run_id: str, matrices: Mapping[Side, Matrix], dialect: Dialect
) -> list[str]:
    """Statements that add the entries of a run's matrices to such a table."""
    entries = [
        (run_id, side, i + 1, j + 1, value)
        for side, matrix in matrices.items()
        for (i, j), value in np.ndenumerate(matrix)
    ]
    return insert(name, entries, dialect)


def create_sums_table(name: str, dialect: Dialect) -> str:
    """A statement that creates a table of sums, (side, i, j, value, n_rows)."""
    return _create(name, _SUMS_COLUMNS, dialect)


def create_gram_store(name: str, dialect: Dialect) -> str:
    """A statement that creates the table which holds Gram matrices of partitions, if need be."""
    return _if_missing(_create(name, GRAM_COLUMNS, dialect))


def _create(name: str, columns: Mapping[str, str], dialect: Dialect) -> str:
    listed = ",\n".join(
        f"    {column} {getattr(dialect, kind)}" for column, kind in columns.items()
    )
    return f"CREATE TABLE {relation(name, dialect)} (\n{listed}\n){dialect.tables.storage}"


def _if_missing(create: str) -> str:
    return create.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)


def insert(name: str, rows: Sequence[tuple[Any, ...]], dialect: Dialect) -> list[str]:
    """Statements that insert rows of text, whole numbers and doubles into a table."""
    # sqlglot takes 20 microseconds for a text, and a matrix repeats few of them 600,000 times.
    texts = {value for row in rows for value in row if isinstance(value, str)}
    quoted = {text: string(text, dialect) for text in texts}

    def literal(value: Any) -> str:
        if isinstance(value, str):
            return quoted[value]
        return str(value) if isinstance(value, int) else dialect.number(float(value))

    header = f"INSERT INTO {relation(name, dialect)} VALUES\n"
    most = min(_INSERTED, dialect.longest_statement or _INSERTED) - len(header.encode())
    statements: list[list[str]] = []
    free = 0
    for row in rows:
        text = f"({', '.join(map(literal, row))})"
        size = len(text.encode()) + len(",\n")
        if size > free or not statements:
            statements.append([])
            free = most
        statements[-1].append(text)
        free -= size
    return [header + ",\n".join(values) for values in statements]


def create_registry(name: str, dialect: Dialect) -> str:
    """A statement that creates the table which a registry of runs is kept in, if need be."""
    return _if_missing(_create(name, REGISTRY_COLUMNS, dialect))


def insert_events(
    name: str, events: Sequence[tuple[str, str, str, str]], dialect: Dialect
) -> list[str]:
    """Statements that add events to a registry.

    Args:
        name: The table.
        events: Of each its id, its kind, the run that it is about, and its body, ASCII text.
        dialect: The dialect to write.
    """
    rows: list[tuple[Any, ...]] = []
    for event_id, kind, run_id, body in events:
        cut = [body[start : start + _PART] for start in range(0, len(body), _PART)]
        rows += [(event_id, kind, run_id, k, len(cut), text) for k, text in enumerate(cut, start=1)]
    return insert(name, rows, dialect)


def create_table(name: str, query: str, dialect: Dialect) -> str:
    """A statement that makes a table of a query's rows."""
    return f"CREATE TABLE {relation(name, dialect)}{dialect.tables.storage} AS\n{query}"


def trial_table(name: str, dialect: Dialect) -> str:
    """A statement that makes a table without rows, to see whether that can be done."""
    return _create(name, {"i": "integer"}, dialect)


def drop_table(name: str, dialect: Dialect) -> str:
    """A statement that drops a table, if it is there."""
    return f"DROP TABLE IF EXISTS {relation(name, dialect)}"


# Ends the name of a table that another one is about to replace.
OLD = "_old"


def replace_table(staged: str, target: str, dialect: Dialect) -> list[str]:
    """Statements that put a staged table in another table's place, whether that is there or not.

    What they leave is for `left_over` to drop.
    """
    return _put_in_place(dialect.tables.replace, staged, target, _aside(staged, dialect), dialect)


def left_over(staged: str, target: str, dialect: Dialect) -> list[str]:
    """A statement that drops what `replace_table` leaves, if it leaves anything."""
    left = [f"DROP TABLE {dialect.tables.left}"] if dialect.tables.left else []
    return _put_in_place(left, staged, target, _aside(staged, dialect), dialect)


def _aside(staged: str, dialect: Dialect) -> str:
    *schema, own = table_parts(staged, dialect)
    return ".".join(identifier(part, dialect) for part in (*schema, f"{own}{OLD}"))


def keep_table(staged: str, target: str, kept: str, dialect: Dialect) -> list[str]:
    """The same for a table that is there, and is called otherwise from then on."""
    return _put_in_place(dialect.tables.keep, staged, target, kept, dialect)


def _put_in_place(
    patterns: Sequence[str], staged: str, target: str, aside: str, dialect: Dialect
) -> list[str]:
    names = [relation(name, dialect) for name in (staged, target, aside)]
    bare, bare_aside = (
        identifier(table_parts(name, dialect)[-1], dialect) for name in (target, aside)
    )
    return [pattern.format(names[0], names[1], bare, names[2], bare_aside) for pattern in patterns]


def describe(name: str, dialect: Dialect) -> str:
    """A statement that lists a relation's columns: name and type come first."""
    quoted = relation(name, dialect)
    *schema, bare = table_parts(name, dialect)
    prefix = ".".join(identifier(part, dialect) for part in schema)
    return dialect.tables.describe.format(
        quoted,
        string(quoted, dialect),
        string(bare, dialect),
        f"{prefix}." if prefix else "",
    )


def table_kind(name: str, dialect: Dialect) -> str:
    """A statement that says, as `kind`, what has a whole name: `table`, `view`, ...; or no row."""
    return dialect.tables.kind.format(*_in_catalogue(name, dialect))


def identity(name: str, dialect: Dialect) -> str:
    """A statement whose rows change when another table takes a whole name; empty for none."""
    return dialect.tables.identity.format(*_in_catalogue(name, dialect))


def dependents(name: str, dialect: Dialect) -> str:
    """A statement that lists, as `dependents`, what stays with a table of a whole name.

    Empty where another table that takes its name takes its views as well.
    """
    return dialect.tables.dependents.format(*_in_catalogue(name, dialect))


def view(name: str, dialect: Dialect) -> str:
    """A statement that shows the text of the views of a name; empty where it is not asked."""
    return dialect.tables.view.format(*_in_catalogue(name, dialect))


def lock(name: str, dialect: Dialect) -> str:
    """A statement that waits for other transactions with the same statement; empty for none."""
    return dialect.tables.lock.format(*_in_catalogue(name, dialect))


def tables_beside(name: str, dialect: Dialect) -> str:
    """A statement that lists the tables in the schema of a whole name, at least those of ours."""
    return dialect.tables.names.format(*_in_catalogue(name, dialect))


def _in_catalogue(name: str, dialect: Dialect) -> list[str]:
    """What the patterns of a dialect that ask the catalogue have for a table of a whole name."""
    *schema, bare = table_parts(name, dialect)
    database = schema[:-1]
    prefixes = [
        "".join(f"{identifier(part, dialect)}." for part in parts) for parts in (database, schema)
    ]
    strings = [string(parts[-1] if parts else "", dialect) for parts in ([bare], schema, database)]
    return [*strings, *prefixes, prefixes[1].removesuffix("."), identifier(bare, dialect)]
