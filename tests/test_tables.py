"""Finding the id and the vector from a relation's columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sqlstab import DataError, EmbeddingTable, UsageError
from sqlstab.engines import dialects
from sqlstab.statements.declared import declared
from sqlstab.statements.table import Column, VectorTable, resolve, stable_table

WIDE = [f"e{k} FLOAT" for k in range(4)]


def columns(*texts: str) -> list[Column]:
    return [Column(*text.split(" ", 1)) for text in texts]


def resolved(texts: list[str], side: Any = "items", **table: Any) -> Any:
    return resolve(EmbeddingTable("t", **table), side, columns(*texts), dialects()["duckdb"])


@pytest.mark.parametrize(
    ("texts", "id_name", "layout", "vector", "element"),
    [
        (["id BIGINT", "v FLOAT[]"], "id", "array", "v", "float"),
        (["id BIGINT", "v FLOAT[64]"], "id", "array", "v", "float"),
        (["id BIGINT", "v DOUBLE[]"], "id", "array", "v", "double"),
        (["id BIGINT", "v INTEGER[]"], "id", "array", "v", "double"),
        (["id BIGINT", "v DECIMAL(9,3)[]"], "id", "array", "v", "double"),
        (["id BIGINT", "v TINYINT[]"], "id", "array", "v", "float"),
        (["ITEM_ID VARCHAR", "v FLOAT[]", "tags VARCHAR[]"], "ITEM_ID", "array", "v", "float"),
        (["movie_id VARCHAR", "v FLOAT[]"], "movie_id", "array", "v", "float"),
        (["id BIGINT", *WIDE], "id", "wide", "e0..e3", "float"),
        (["id BIGINT", *WIDE, "year INTEGER"], "id", "wide", "e0..e3", "float"),
        (["id BIGINT", *WIDE, "embedding_model VARCHAR"], "id", "wide", "e0..e3", "float"),
        (["id BIGINT", "v FLOAT[]", "features VARCHAR"], "id", "array", "v", "float"),
        (["id BIGINT", "x_1 TEXT", "x_01 TEXT", "v FLOAT[]"], "id", "array", "v", "float"),
        (["id BIGINT", *WIDE[::-1]], "id", "wide", "e0..e3", "float"),
        (["id BIGINT", "f01 FLOAT", "f02 DOUBLE"], "id", "wide", "f01, f02", "double"),
        (["id BIGINT", "dim INTEGER", "value FLOAT"], "id", "long", "dim, value", "float"),
        (["value DOUBLE", "i INTEGER", "id UUID"], "id", "long", "i, value", "double"),
        (["id BIGINT", "a1 FLOAT", "a3 FLOAT", "v FLOAT[]"], "id", "array", "v", "float"),
    ],
)
def test_found(texts: list[str], id_name: str, layout: str, vector: str, element: str) -> None:
    table = resolved(texts)
    assert (table.id_names(), table.layout, table.vector_names(), table.element) == (
        id_name,
        layout,
        vector,
        element,
    )


@pytest.mark.parametrize(
    ("spec", "layout", "want"),
    [
        ("e0..e3", None, ("e0", "e1", "e2", "e3")),
        ("e1..e2", None, ("e1", "e2")),
        ("e*", None, ("e0", "e1", "e2", "e3")),
        ("e3, e0", None, ("e3", "e0")),
        (["e0", "e2"], None, ("e0", "e2")),
        ("v", None, ("v",)),
        ("V", None, ("v",)),
        ("k,w", "long", ("k", "w")),
        ("odd..name", None, ("odd..name",)),
    ],
)
def test_named(spec: Any, layout: Any, want: tuple[str, ...]) -> None:
    texts = ["id BIGINT", "v FLOAT[]", *WIDE, "k INTEGER", "w FLOAT", "odd..name FLOAT[]"]
    assert resolved(texts, vector=spec, layout=layout).vector == want


@pytest.mark.parametrize(
    ("dialect", "name", "there", "declared_as"),
    [
        ("snowflake", "user_id", "USER_ID", "USER_ID"),
        ("snowflake", '"user_id"', "user_id", "user_id"),
        ("snowflake", "User_Id", "USER_ID", "USER_ID"),
        ("postgres", "USER_ID", "user_id", "user_id"),
        ("postgres", '"USER_ID"', "USER_ID", "USER_ID"),
        # It differs in case alone from the one that is there.
        ("duckdb", "User_ID", "user_id", "User_ID"),
        ("bigquery", "User_ID", "user_id", "User_ID"),
    ],
)
def test_names_of_columns_fold_as_those_of_tables(
    dialect: str, name: str, there: str, declared_as: str
) -> None:
    of = dialects()[dialect]
    table = EmbeddingTable("t", id=name, vector="v")
    other = there.swapcase() if of.fold else "another"
    listed = [Column(other, of.text), Column(there, of.text)]
    listed.append(Column(of.folded("v"), of.tables.array.format(of.double)))
    assert resolve(table, "users", listed, of).id_names() == there
    known = declared(replace(table, keep=[name], id_type=of.text), "users", 4, of)
    assert known.id_names() == known.keep[0].name == declared_as
    assert known.vector == (of.folded("v"),)


@pytest.mark.parametrize(
    ("texts", "table", "error", "message"),
    [
        (
            ["id BIGINT", "v FLOAT[]", "w FLOAT[]"],
            {},
            UsageError,
            r"more than one .*v .*w .*EmbeddingTable\(items, vector=",
        ),
        (["id BIGINT", "v FLOAT[]", *WIDE], {}, UsageError, "more than one"),
        (
            ["id BIGINT", "embedding VARCHAR", "genre_0 BIGINT", "genre_1 BIGINT"],
            {},
            UsageError,
            r"more than one .*: genre_0,genre_1 \(wide\); embedding \(array\)",
        ),
        (
            ["id BIGINT", *WIDE, "e01 FLOAT"],
            {},
            UsageError,
            "e1 and e01 have the same number.* Name all .* with EmbeddingTable\\(items, vector=",
        ),
        (["id BIGINT", *WIDE, "e01 FLOAT"], {"vector": "e*"}, UsageError, "e1 and e01 have the"),
        (["id BIGINT", "name VARCHAR"], {}, DataError, "no vector .*name VARCHAR"),
        (["id BIGINT", "v VARCHAR"], {}, DataError, r"text such as .* \(v VARCHAR\)"),
        (
            ["id BIGINT", "e00 FLOAT", "e01 FLOAT", "e03 FLOAT"],
            {},
            DataError,
            "e00..e03 could be the vector, but e02 is missing.* that are there, 'e\\*', with",
        ),
        (
            ["id BIGINT", *WIDE, "e6 FLOAT"],
            {"layout": "wide"},
            DataError,
            "e0..e6 could be the vector, but e4, e5 are missing",
        ),
        (["id BIGINT", "y1990 INTEGER", "y2010 INTEGER"], {}, DataError, "no vector was found"),
        (
            ["a FLOAT", "v FLOAT[]"],
            {},
            UsageError,
            r"which column is the id.* with EmbeddingTable\(items, id=",
        ),
        (["a_id INT", "b_id INT", "v FLOAT[]"], {}, UsageError, "which column is the id"),
        (["id BIGINT", "v FLOAT[]"], {"id": "key"}, DataError, "no column key for the id"),
        (["id BIGINT", "v FLOAT[]"], {"vector": "x"}, DataError, "no column x for the vector"),
        (["id BIGINT", *WIDE], {"vector": "e0..e9"}, DataError, "no column e4"),
        (["id BIGINT", *WIDE], {"vector": "e3..e0"}, UsageError, "no range of columns"),
        (["id BIGINT", *WIDE], {"vector": "f*"}, DataError, "begins with f"),
        (["id BIGINT", *WIDE], {"vector": "e0,e0"}, UsageError, "named twice"),
        (["id BIGINT", *WIDE], {"vector": []}, UsageError, "empty"),
        (["id BIGINT", "v VARCHAR[]"], {"vector": "v"}, DataError, "v VARCHAR"),
        (["id STRUCT(a INTEGER)", "v FLOAT[]"], {}, DataError, "cannot serve as an id"),
        (["id HUGEINT", "v FLOAT[]"], {}, DataError, "cannot serve as an id"),
        (["id BIGINT", "v FLOAT[]"], {"weight": "w"}, DataError, "no column w for the row weight"),
        (["id BIGINT", "v FLOAT[]", "w DATE"], {"weight": "w"}, DataError, "w has type DATE"),
        (["id BIGINT", "v FLOAT[]"], {"keep": ["x"]}, DataError, "no column x for the column"),
        (
            ["id BIGINT", "v FLOAT[]"],
            {"keep": ["v"], "vector": "v"},
            UsageError,
            "v is named twice",
        ),
        (
            ["id BIGINT", "dim INTEGER", "value FLOAT", "x INTEGER"],
            {"keep": ["x"]},
            UsageError,
            "long layout",
        ),
        (["id BIGINT", *WIDE], {"vector": "e0,e1,e2", "layout": "long"}, UsageError, "two columns"),
    ],
)
def test_refused(texts: list[str], table: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        resolved(texts, **table)


def test_stable_columns_are_named_like_the_raw_ones() -> None:
    table = resolved(["id BIGINT", "f1 FLOAT", "f2 FLOAT"])
    assert stable_table(table, 2, None, None, dialects()["duckdb"]).vector == ("f1", "f2")
    assert stable_table(table, 3, None, None, dialects()["duckdb"]).vector == ("f1", "f2", "f3")
    assert stable_table(table, 2, "array", None, dialects()["duckdb"]).vector == ("embedding",)
    assert stable_table(table, 2, "long", "double", dialects()["duckdb"]).vector == ("dim", "value")
    assert stable_table(table, 2, "long", "double", dialects()["duckdb"]).element == "double"


def test_names_of_ours_need_no_quotes() -> None:
    """Snowflake makes EMBEDDING of a bare embedding; what the user named stays as it is."""
    table = VectorTable("items", "t", (Column("id", "INT"),), "wide", ("a", "b"), "float")
    snowflake = dialects()["snowflake"]
    for layout, names in (
        ("array", ("EMBEDDING",)),
        ("long", ("DIM", "VALUE")),
        ("wide", ("E0", "E1", "E2")),
    ):
        stable = stable_table(table, 3, layout, None, snowflake)
        assert (stable.ids, stable.vector) == (table.ids, names)
    assert stable_table(table, 2, "wide", None, snowflake).vector == ("a", "b")


def test_stable_columns_do_not_collide() -> None:
    table = resolved(["id BIGINT", "v FLOAT[]", "e1 INTEGER"], keep=["e1"])
    with pytest.raises(UsageError, match="column e1 would"):
        stable_table(table, 2, "wide", None, dialects()["duckdb"])
