"""A space in a database meets tables and views that are there: it fits them, or says what does not.

Each test has DuckDB; other engines share the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from sqlstab import DataError, EmbeddingTable, FurtherTable, Options, Run, Space, UsageError
from sqlstab.engines import dialects
from sqlstab.statements import types

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

KEYS = ("1", "2")


def store(
    connection: duckdb.DuckDBPyConnection,
    id_type: str = "BIGINT",
    element: str = "FLOAT",
    further: str = "",
) -> None:
    """Two days of `raw_users` and `raw_items`, of one model in other axes each day."""
    rng = np.random.default_rng(0)
    for side in ("users", "items"):
        model, ids = rng.standard_normal((120, 4)), list(range(120))
        connection.execute(
            f"CREATE OR REPLACE TABLE raw_{side} (ds VARCHAR, id {id_type}, embedding {element}[])"
        )
        for key in KEYS:
            turn = np.linalg.qr(np.random.default_rng(int(key)).standard_normal((4, 4)))[0]
            connection.register("v", pa.table({"id": ids, "v": (model @ turn).tolist()}))
            value = {"DATE": "DATE '2026-01-01' + CAST(id AS INTEGER)"}.get(id_type, "id / 2")
            value = "make_timestamp(id * 500000)" if id_type == "TIMESTAMP" else value
            value = "id" if "INT" in id_type else value
            connection.execute(f"INSERT INTO raw_{side} SELECT '{key}', {value}, v FROM v")
        if further:
            connection.execute(f"ALTER TABLE raw_{side} ADD COLUMN {further}")


def run(
    connection: duckdb.DuckDBPyConnection,
    key: str = "1",
    space: Space | None = None,
    keep: Sequence[str] = (),
    **given: Any,
) -> Run:
    users, items = (EmbeddingTable(f"raw_{side}", keep=keep) for side in ("users", "items"))
    return (space or Space("s", connection)).run(users, items, key=f"ds={key}", **given)


@pytest.mark.parametrize(
    ("dialect", "there", "comes", "kept"),
    [
        ("duckdb", "BIGINT", "INTEGER", True),
        ("duckdb", "INTEGER", "BIGINT", False),
        ("duckdb", "UBIGINT", "BIGINT", False),
        ("duckdb", "BIGINT", "UINTEGER", True),
        ("duckdb", "HUGEINT", "UBIGINT", True),
        ("duckdb", "INTEGER", "DECIMAL(9,1)", False),
        ("duckdb", "INTEGER", "DECIMAL(9,0)", True),
        ("duckdb", "INTEGER", "DECIMAL(11,0)", False),
        ("duckdb", "DECIMAL(18,1)", "INTEGER", True),
        ("duckdb", "DECIMAL(9,1)", "INTEGER", False),
        ("duckdb", "DECIMAL(9,1)", "DECIMAL(9,2)", False),
        ("duckdb", "DOUBLE", "INTEGER", True),
        ("duckdb", "DOUBLE", "BIGINT", False),
        ("duckdb", "FLOAT", "SMALLINT", True),
        ("duckdb", "FLOAT", "INTEGER", False),
        ("duckdb", "DOUBLE", "FLOAT", True),
        ("duckdb", "FLOAT", "DOUBLE", False),
        ("duckdb", "INTEGER", "DOUBLE", False),
        ("duckdb", "DECIMAL(5,2)", "FLOAT", False),
        ("duckdb", "DOUBLE[]", "FLOAT[]", True),
        ("duckdb", "FLOAT[4]", "FLOAT[]", True),
        ("duckdb", "FLOAT[]", "DOUBLE[]", False),
        ("duckdb", "INTEGER[]", "FLOAT[]", False),
        ("duckdb", "TINYINT[]", "FLOAT[]", False),
        ("duckdb", "TIMESTAMP", "TIMESTAMP_S", True),
        ("duckdb", "TIMESTAMP_S", "TIMESTAMP", False),
        ("duckdb", "TIMESTAMP_NS", "TIMESTAMP", True),
        ("duckdb", "VARCHAR", "VARCHAR", True),
        ("postgres", "numeric", "numeric(9,1)", True),
        ("postgres", "numeric(9,1)", "numeric", False),
        ("postgres", "timestamp(3) without time zone", "timestamp without time zone", False),
        ("postgres", "bigint", "integer", True),
        ("postgres", "vector(4)", "vector", True),
        ("clickhouse", "DateTime", "DateTime64(3)", False),
        ("clickhouse", "DateTime64(6)", "DateTime64(3)", True),
        ("clickhouse", "Nullable(Int64)", "Int64", True),
        ("clickhouse", "Int32", "Int64", False),
        ("clickhouse", "Array(Float64)", "Array(Float32)", True),
        ("snowflake", "NUMBER(38,0)", "INTEGER", True),
        ("snowflake", "NUMBER(18,0)", "NUMBER(38,0)", False),
        ("snowflake", "FLOAT", "FLOAT", True),
        ("bigquery", "NUMERIC", "INT64", True),
        ("spark", "int", "bigint", False),
        ("trino", "timestamp(3)", "timestamp(6)", False),
    ],
)
def test_a_type_that_loses_digits(dialect: str, there: str, comes: str, kept: bool) -> None:
    assert types.holds(there, comes, dialects()[dialect]) is kept


MAPS = "side VARCHAR, i INTEGER, j INTEGER, value {}, feature_of VARCHAR"


@pytest.mark.parametrize(
    ("id_type", "element", "table", "columns", "column"),
    [
        ("DECIMAL(9,1)", "FLOAT", "users", "id INTEGER, embedding FLOAT[]", "id"),
        ("BIGINT", "FLOAT", "items", "id DOUBLE, embedding FLOAT[]", "id"),
        ("BIGINT", "FLOAT", "items", "id INTEGER, embedding FLOAT[]", "id"),
        ("TIMESTAMP", "FLOAT", "users", "id TIMESTAMP_S, embedding FLOAT[]", "id"),
        ("BIGINT", "FLOAT", "users", "id BIGINT, embedding INTEGER[]", "embedding"),
        ("BIGINT", "FLOAT", "users", "id BIGINT, embedding DECIMAL(5,2)[]", "embedding"),
        ("BIGINT", "FLOAT", "maps", MAPS.format("INTEGER"), "value"),
        ("BIGINT", "DOUBLE", "maps", MAPS.format("FLOAT"), "value"),
    ],
)
def test_what_would_lose_digits_is_refused(
    connection: duckdb.DuckDBPyConnection,
    id_type: str,
    element: str,
    table: str,
    columns: str,
    column: str,
) -> None:
    """Whether ids would merge, or vectors and maps be rounded."""
    store(connection, id_type, element)
    connection.execute(f"CREATE TABLE s_{table} (ds VARCHAR, {columns})")
    with pytest.raises(DataError, match=f"s_{table}: the column {column} .* does not keep all"):
        run(connection)
    # Nothing else has been made.
    made = connection.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 's_%'")
    assert made.fetchall() == [(f"s_{table}",)]


@pytest.mark.parametrize(("element", "there"), [("DOUBLE", "FLOAT"), ("FLOAT", "DOUBLE")])
@pytest.mark.parametrize("layout", ["array", "wide", "long"])
def test_vectors_of_the_other_floating_point_numbers(
    connection: duckdb.DuckDBPyConnection, element: str, there: str, layout: Any
) -> None:
    """They are what the table has, and no warning promises more."""
    store(connection, element=element)
    columns = {
        "array": f"embedding {there}[]",
        "wide": ", ".join(f"e{k} {there}" for k in range(4)),
        "long": f"dim INTEGER, value {there}",
    }
    for side in ("users", "items"):
        connection.execute(f"CREATE TABLE s_{side} (ds VARCHAR, id BIGINT, {columns[layout]})")
    figures = run(connection, options=Options(output_layout=layout)).figures
    assert figures["warnings"] == []
    assert {known["element"] for known in figures["outputs"].values()} == {"float"}
    assert 1e-9 < figures["scores"]["max_relative_error"] < 1e-6


NAMES = {side: f"t_{side}" for side in ("users", "items", "maps", "runs")}


@pytest.mark.parametrize(
    ("tables", "also", "name"),
    [
        ({**NAMES, "users": "same", "items": "same"}, [], "same"),
        ({**NAMES, "users": "same", "items": "SAME"}, [], "SAME"),
        ({**NAMES, "users": "same", "items": "main.same"}, [], "main.same"),
        ({**NAMES, "users": "t_runs"}, [], "t_runs"),
        ({**NAMES, "items": "t_users_newest"}, [], "t_users_newest"),
        ({**NAMES, "items_newest": "t_users_newest"}, [], "t_users_newest"),
        (None, ["users_newest"], "s_users_newest"),
        (None, ["x", "x_newest"], "s_x_newest"),
    ],
)
def test_two_tables_of_one_name(
    connection: duckdb.DuckDBPyConnection,
    tables: dict[str, str] | None,
    also: list[str],
    name: str,
) -> None:
    store(connection)
    further = {key: FurtherTable(EmbeddingTable("raw_users"), like="users") for key in also}
    space = Space("s", connection, tables=tables)
    with pytest.raises(UsageError, match=f"{name} would be the table of the space .* for its"):
        run(connection, space=space, also=further)
    assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (2,)


@pytest.mark.parametrize("other", ["o", "O", "main.o", '"O"'])
def test_two_outputs_of_one_name(connection: duckdb.DuckDBPyConnection, other: str) -> None:
    store(connection)
    run(connection)
    tables = {side: EmbeddingTable(f"raw_{side}", id="id") for side in ("users", "items")}
    with pytest.raises(UsageError, match="Two tables would be written to o"):
        Space("s", connection).apply(tables, {"users": "o", "items": other})


def test_a_further_table_goes_with_the_run_that_had_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Done again without the table, the run leaves none of its rows."""
    store(connection)
    also = {"queries": FurtherTable(EmbeddingTable("raw_users"), like="users")}

    def rows() -> list[Any]:
        return connection.execute("SELECT ds, count(*) FROM s_queries GROUP BY 1").fetchall()

    run(connection, "1", also=also)
    run(connection, "2", also=also)
    run(connection, "2")
    assert rows() == [("1", 120)]
    assert connection.execute("SELECT count(*) FROM s_queries_newest").fetchone() == (0,)
    run(connection, "2", also=also)
    assert sorted(rows()) == [("1", 120), ("2", 120)]


def columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]


def test_views_of_the_newest_run_have_the_columns_of_their_tables(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    store(connection, further="title VARCHAR DEFAULT 'x'")
    run(connection, "1")
    with pytest.raises(DataError, match="s_users has no column title"):
        run(connection, "2", keep=["title"])
    for side in ("users", "items"):
        connection.execute(f"ALTER TABLE s_{side} ADD COLUMN title VARCHAR")
    run(connection, "2", keep=["title"])
    for side in ("users", "items"):
        assert columns(connection, f"s_{side}_newest") == ["id", "embedding", "title"]
    # An earlier run that writes fewer columns leaves the view as it is.
    run(connection, "1")
    titles = connection.execute("SELECT DISTINCT title FROM s_users_newest").fetchall()
    assert titles == [("x",)]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("TABLE", "is a table, where the view of"), ("VIEW", "columns that s_items lacks: mine")],
)
def test_another_thing_where_a_view_is_to_be(
    connection: duckdb.DuckDBPyConnection, kind: str, message: str
) -> None:
    store(connection)
    connection.execute(f"CREATE {kind} s_items_newest AS SELECT 1 AS mine")
    with pytest.raises(UsageError, match=f"s_items_newest .*{message}"):
        run(connection)
    assert connection.execute("FROM s_items_newest").fetchall() == [(1,)]
    made = "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 's_%'"
    assert connection.execute(made).fetchall() in ([], [("s_items_newest",)])


def test_stable_vectors_are_not_multiplied_again(connection: duckdb.DuckDBPyConnection) -> None:
    store(connection)
    run(connection)
    space = Space("s", connection)
    for name in ("s_items", "s_items_newest"):
        with pytest.raises(UsageError, match="name that of raw vectors"):
            space.apply({"items": EmbeddingTable(name)}, {"items": "twice"})
