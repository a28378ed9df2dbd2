"""The statements, rendered from the templates in `sql/`.

Templates hold our own text. Whatever a user supplies (relations, columns, conditions) goes through
sqlglot before it gets there: names are quoted, conditions are parsed and written anew, so nothing
can break out of its place in a statement. Whole statements are not transpiled at run time: at
e = 64 sqlglot takes half a second for one, and its time grows with e squared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import sqlglot
from sqlglot import exp

from sqlstab.errors import UsageError
from sqlstab.tables import base_type

if TYPE_CHECKING:
    from sqlstab.dialects import Dialect
    from sqlstab.solve import Matrix
    from sqlstab.tables import Side, StableTable, VectorTable

_FILE_READERS = {
    "read_parquet": (".parquet", ".parq", ".pq"),
    "read_csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst"),
}


# Sums of one statement. DuckDB holds a vector of 2,048 products for each of them and for each
# thread, and its planning time grows faster than their number.
MOST_SUMS = 4096


@cache
def _environment() -> jinja2.Environment:
    here = Path(__file__).resolve().parent
    # In a wheel the templates are part of the package; a checkout keeps them at the top level.
    folder = next((d for d in (here / "templates", here.parent / "sql") if d.is_dir()), None)
    if folder is None:
        raise FileNotFoundError("The SQL templates are missing from this installation of sqlstab.")
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is SQL, not HTML
    )


def _render(template: str, dialect: Dialect, **context: Any) -> str:
    text = _environment().get_template(f"{template}.sql.jinja").render(dialect=dialect, **context)
    return f"{text}\n"


def _one_line(text: str, what: str) -> str:
    """Refuse line breaks: the templates indent line by line, which would change such a text."""
    if text.splitlines() != [text]:
        raise UsageError(f"The {what} {text!r} must be one line of text.")
    return text


def identifier(name: str, dialect: Dialect) -> str:
    """A quoted column name."""
    one_line = _one_line(name, "name")
    return exp.to_identifier(one_line, quoted=True).sql(dialect=dialect.sqlglot)


def string(text: str, dialect: Dialect) -> str:
    """A quoted string."""
    return exp.Literal.string(_one_line(text, "path")).sql(dialect=dialect.sqlglot)


def file_reader(relation: str) -> str | None:
    """The function that reads this relation, if it is a file, a glob or a URL; None for a table."""
    if relation.startswith('"'):
        return None
    path = relation.split("?", maxsplit=1)[0] if "://" in relation else relation
    for reader, endings in _FILE_READERS.items():
        if path.lower().endswith(endings):
            return reader
    return "read_parquet" if "/" in relation or "*" in relation else None


def relation(name: str, dialect: Dialect) -> str:
    """A relation as it stands after FROM: a call that reads files, or a quoted table name.

    Args:
        name: `vectors.parquet`, `day=*/part-*.parquet`, `s3://bucket/x.csv`, `users`,
            `schema.users`, `"odd name"`. A directory stands for the Parquet files in it.
        dialect: The dialect to write.

    Raises:
        UsageError: It is none of these.
    """
    if not name.strip() or "\0" in name:
        raise UsageError(f"{name!r} names no table and no file.")
    is_folder = "://" not in name and not name.startswith('"') and Path(name).is_dir()
    reader = "read_parquet" if is_folder else file_reader(name)
    if reader:
        path = str(Path(name) / "*.parquet") if is_folder else name
        # One file has its own columns only; of several, `day=2026-11-24/` in a path is a column.
        own = ", hive_partitioning = false" if "://" not in name and Path(name).is_file() else ""
        return f"{reader}({string(path, dialect)}{own})"
    try:
        table = exp.to_table(name, dialect=dialect.sqlglot)
    except sqlglot.errors.SqlglotError:
        table = None
    if not isinstance(table, exp.Table) or any(
        not isinstance(part, exp.Identifier) for part in table.parts
    ):
        raise UsageError(
            f"{name!r} is not the name of a table; write table, schema.table, or quote an odd "
            'name as in "odd name".'
        )
    parts = (identifier(part.name, dialect) for part in table.parts)
    return ".".join(parts)


def condition(text: str, dialect: Dialect) -> str:
    """A user's condition, parsed and written anew.

    Raises:
        UsageError: It is no single condition on the columns of one row.
    """
    try:
        tree = sqlglot.parse_one(text, into=exp.Condition, dialect=dialect.sqlglot)
        accepted = tree.sql(dialect=dialect.sqlglot, comments=False)
        # As it will stand: sqlglot accepts some beginnings of expressions by themselves.
        again = sqlglot.parse_one(f"SELECT 1 WHERE ({accepted})", dialect=dialect.sqlglot)
    except sqlglot.errors.SqlglotError as error:
        raise UsageError(
            f"The condition {text!r} is not one SQL expression, such as year > 1990."
        ) from error
    alone = isinstance(again, exp.Select) and isinstance(again.args["where"].this, exp.Paren)
    if not alone or tree.find(exp.Query, exp.Command, exp.Placeholder, exp.Parameter, exp.Star):
        raise UsageError(
            f"The condition {text!r} must be about the columns of one row; "
            "subqueries and parameters are not allowed."
        )
    return _one_line(accepted, "condition")


@dataclass(frozen=True)
class _Source:
    """A `VectorTable` in the words of a statement; see `sql/macros.sql.jinja`."""

    side: str
    layout: str
    element: str
    single: bool
    relation: str
    id: str
    vector: str
    dimension: str
    first: int
    filter: str | None
    weight: str | None
    anchor_filter: str | None
    keep: tuple[str, ...]
    keep_names: tuple[str, ...]
    valid_dimension: int | None


def _source(table: VectorTable, dialect: Dialect) -> _Source:
    def column(name: str) -> str:
        return f"t.{identifier(name, dialect)}"

    if table.layout == "wide" and len(table.vector) == 1:
        # DuckDB 2.0 takes a list of one Parquet column for a list with NULL in dot products.
        vector = f"array_value({column(table.vector[0])})"
    elif table.layout == "wide":
        vector = f"[{', '.join(column(name) for name in table.vector)}]"
    else:
        vector = column(table.vector[-1])
    id_column = column(table.id.name)
    is_enum = base_type(table.id.type) == "ENUM"
    return _Source(
        side=table.side,
        layout=table.layout,
        element=table.element,
        single=table.element == dialect.real,
        relation=relation(table.relation, dialect),
        # An ENUM and its text are equal, but not their hashes.
        id=f"CAST({id_column} AS {dialect.text})" if is_enum else id_column,
        vector=vector,
        dimension=column(table.vector[0]) if table.layout == "long" else "",
        first=table.first,
        filter=_row_condition(table, table.filter, dialect),
        weight=column(table.weight) if table.weight else None,
        anchor_filter=_row_condition(table, table.anchor_filter, dialect),
        keep=tuple(column(c.name) for c in table.keep),
        keep_names=tuple(identifier(c.name, dialect) for c in table.keep),
        valid_dimension=table.only_valid,
    )


def _row_condition(table: VectorTable, text: str | None, dialect: Dialect) -> str | None:
    """A condition on a table; in the long layout not one that takes single components away."""
    if not text:
        return None
    accepted = condition(text, dialect)
    if table.layout == "long":
        tree = sqlglot.parse_one(accepted, into=exp.Condition, dialect=dialect.sqlglot)
        names = {column.name.lower() for column in tree.find_all(exp.Column)}
        parts = names & {name.lower() for name in table.vector}
        if parts:
            raise UsageError(
                f"{table.side} table {table.relation}: the condition {text!r} is about "
                f"{', '.join(sorted(parts))}, so it would take vectors apart; in the long layout a "
                "condition must hold for all rows of an id or for none."
            )
    return accepted


def _columns(matrix: Matrix | None, dialect: Dialect) -> list[list[str]] | None:
    """A matrix as the statements spell it: its columns, as lists of literals."""
    if matrix is None:
        return None
    return [[dialect.number(value) for value in column] for column in matrix.T]


def check(table: VectorTable, dialect: Dialect, *, values: bool) -> str:
    """One row that counts what can be wrong with the ids and, with `values`, with the vectors."""
    return _render("check", dialect, t=_source(table, dialect), values=values)


def first_dimension(table: VectorTable, dialect: Dialect) -> str:
    """The number of the first dimension of a table in the long layout, as `first`."""
    return _render("first_dimension", dialect, t=_source(table, dialect))


def example(
    table: VectorTable, problem: str | None, dimension: int | None, dialect: Dialect
) -> str:
    """The first id with a problem, named as a count of `check`; of all ids for None."""
    return _render(
        "example", dialect, t=_source(table, dialect), problem=problem, dimension=dimension
    )


def shared_ids(
    table: VectorTable, reference: VectorTable, dialect: Dialect, *, anchor: bool
) -> str:
    """One row: how many ids both tables have; with `anchor`, only rows that may align."""
    return _render(
        "shared_ids",
        dialect,
        t=_source(table, dialect),
        reference=_source(reference, dialect),
        anchor=anchor,
    )


def rows(
    table: VectorTable,
    dialect: Dialect,
    *,
    keep_one_in: int | None = None,
    output: StableTable | None = None,
) -> str:
    """The vectors x, for an engine that multiplies them itself.

    Args:
        table: The table.
        dialect: The dialect to write.
        keep_one_in: Add a column `kept`: the id for one row in so many, chosen by a hash of the id,
            else NULL.
        output: Add the id and the columns to keep, under the names that they have there.
    """
    return _render(
        "rows",
        dialect,
        t=_source(table, dialect),
        keep_one_in=keep_one_in,
        output_id=identifier(output.id, dialect) if output else None,
    )


def shared_rows(
    table: VectorTable,
    reference: VectorTable,
    dialect: Dialect,
    *,
    anchor: bool = False,
    one_in: int = 1,
) -> str:
    """The vectors x of the run and y of the reference, one row for a shared id.

    Args:
        table: The run's table.
        reference: The reference's stable table.
        dialect: The dialect to write.
        anchor: Only the rows that may align, with their weights w.
        one_in: Take one shared id in so many.
    """
    return _render(
        "shared_rows",
        dialect,
        t=_source(table, dialect),
        reference=_source(reference, dialect),
        anchor=anchor,
        one_in=one_in,
    )


def tiles(rows: int, columns: int, *, triangular: bool) -> list[tuple[int, int]]:
    """Ranges of rows, 1-based and inclusive, of at most `MOST_SUMS` entries of a matrix each.

    Args:
        rows: Rows of the matrix.
        columns: Columns of the matrix.
        triangular: Count the entries j >= i alone.
    """
    ranges = []
    first = 1
    while first <= rows:
        last, entries = first, 0
        while last <= rows:
            entries += columns - last + 1 if triangular else columns
            if entries > MOST_SUMS and last > first:
                break
            last += 1
        ranges.append((first, last - 1))
        first = last
    return ranges


def gram(
    table: VectorTable,
    dimension: int,
    dialect: Dialect,
    *,
    matrix: Matrix | None = None,
    other: VectorTable | None = None,
    weighted: bool = False,
    normalize: bool = False,
) -> list[str]:
    """Rows (side, i, j, value, n_rows) of the Gram matrix, 1-based, i <= j.

    Args:
        table: The table.
        dimension: Components of a row: after the matrix, if there is one.
        dialect: The dialect to write.
        matrix: (e, dimension): the Gram matrix of the rows times this instead.
        other: Only rows whose id this table has too, among its anchors.
        weighted: Multiply by the row weight.
        normalize: Give the rows length one first.

    Returns:
        Statements, each of which scans the table for a part of the matrix.
    """
    return [
        _render(
            "gram",
            dialect,
            t=_source(table, dialect),
            dimension=dimension,
            first=first,
            last=last,
            matrix=_columns(matrix, dialect),
            other=_source(other, dialect) if other else None,
            weighted=weighted,
            normalize=normalize,
        )
        for first, last in tiles(dimension, dimension, triangular=True)
    ]


def cross_gram(
    table: VectorTable,
    reference: VectorTable,
    dimension: int,
    reference_dimension: int,
    dialect: Dialect,
    *,
    matrix: Matrix | None = None,
    normalize: bool = False,
) -> list[str]:
    """Rows (side, i, j, value, n_rows) of the cross Gram matrix over the shared anchors, 1-based.

    Args:
        table: The run's table (x, index i).
        reference: The reference's stable table (y, index j).
        dimension: Components of x: after the matrix, if there is one.
        reference_dimension: Components of y.
        dialect: The dialect to write.
        matrix: (e, dimension): use the run's rows times this.
        normalize: Give both rows of a pair length one first.

    Returns:
        Statements, each of which scans both tables for a part of the matrix.
    """
    return [
        _render(
            "cross_gram",
            dialect,
            t=_source(table, dialect),
            reference=_source(reference, dialect),
            dimension=dimension,
            reference_dimension=reference_dimension,
            first=first,
            last=last,
            matrix=_columns(matrix, dialect),
            normalize=normalize,
        )
        for first, last in tiles(dimension, reference_dimension, triangular=False)
    ]


def apply(table: VectorTable, steps: list[Matrix], output: StableTable, dialect: Dialect) -> str:
    """The table with each vector x multiplied by one matrix, or by two one after the other."""
    quoted = replace(
        output,
        id=identifier(output.id, dialect),
        vector=tuple(identifier(name, dialect) for name in output.vector),
    )
    return _render(
        "apply",
        dialect,
        t=_source(table, dialect),
        steps=[_columns(matrix, dialect) for matrix in steps],
        output=quoted,
    )


def cosine(
    table: VectorTable,
    reference: VectorTable,
    dimension: int,
    dialect: Dialect,
    *,
    matrix: Matrix,
    raw_matrix: Matrix | None,
    one_in: int,
) -> str:
    """One row of cosine figures between the run and the reference.

    Args:
        table: The run's raw table.
        reference: The reference's stable table.
        dimension: d, of the run's stable vectors; the reference's are padded with zeros.
        dialect: The dialect to write.
        matrix: From the run's raw vectors to its stable ones, (e, d).
        raw_matrix: From the reference's stable vectors back to its raw ones; None leaves out
            `before`.
        one_in: Take one shared id in so many.
    """
    return _render(
        "cosine",
        dialect,
        t=_source(table, dialect),
        reference=_source(reference, dialect),
        dimension=dimension,
        matrix=_columns(matrix, dialect),
        raw_matrix=_columns(raw_matrix, dialect),
        one_in=one_in,
    )


def scores(
    raw: dict[Side, VectorTable],
    stable: dict[Side, VectorTable],
    rows: int,
    dialect: Dialect,
) -> str:
    """One row (n_pairs, largest, largest_error): scores of so many users with so many items."""
    return _render(
        "scores",
        dialect,
        users=_source(raw["users"], dialect),
        stable_users=_source(stable["users"], dialect),
        items=_source(raw["items"], dialect),
        stable_items=_source(stable["items"], dialect),
        rows=rows,
    )
