"""Vectors in every type that they stand in: read as the numbers they are, written as they came."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from invoke import invoke

from sqlstab import DataError, EmbeddingTable, Options, Space, UsageError, stabilize
from sqlstab.engines import dialects
from sqlstab.session import connect
from sqlstab.statements import build
from sqlstab.statements.declared import declared
from sqlstab.statements.table import Column, resolve, stable_columns, stable_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb
    from engines import Running

E = 8
# Numbers that every type here holds exactly, zeros among them; and the same in turned axes.
RAW = np.random.default_rng(5).integers(-9, 10, (120, E)).astype(float)
AXES = np.linalg.qr(np.random.default_rng(6).standard_normal((E, E)))[0]

SPARK_VECTOR = """
CASE WHEN id % 2 = 0
    THEN {'type': 1::TINYINT, 'size': NULL::INTEGER, 'indices': NULL::INTEGER[], 'values': x}
    ELSE {
        'type': 0, 'size': 8,
        'indices': list_filter(range(8)::INTEGER[], lambda k: x[k + 1] <> 0),
        'values': list_filter(x, lambda v: v <> 0)
    }
END
"""

# What makes the column of x, an array of doubles; how the vector is named; what it comes out as.
DUCKDB: dict[str, tuple[str, str | None, str]] = {
    "fixed": ("x::FLOAT[8]", None, "FLOAT[8]"),
    "fixed double": ("x::DOUBLE[8]", None, "DOUBLE[8]"),
    "alias": ("x::emb", None, "FLOAT[8]"),
    "text": ("x::VARCHAR", None, "DOUBLE[]"),
    "text, named": ("x::VARCHAR", "Embedding", "DOUBLE[]"),
    "json": ("to_json(x)", None, "DOUBLE[]"),
    "bytes": ("x::TINYINT[]", None, "FLOAT[]"),
    "fixed short": ("x::SMALLINT[8]", None, "FLOAT[8]"),
    "big": ("x::BIGINT[]", None, "DOUBLE[]"),
    "decimal": ("x::DECIMAL(9, 4)[]", None, "DOUBLE[]"),
    "parquet lists": (
        "{'list': list_transform(x, lambda v: {'element': v})}",
        None,
        "DOUBLE[]",
    ),
    "list of structs": ("list_transform(x, lambda v: {'item': v::FLOAT})", None, "FLOAT[]"),
    "pyspark.ml": (SPARK_VECTOR, None, "DOUBLE[]"),
    "pyspark.ml, by its values": (SPARK_VECTOR, "embedding.values", "DOUBLE[]"),
    "field": ("{'v': x::FLOAT[8], 'w': x}", "embedding.v", "FLOAT[8]"),
    "field of a field": ("{'a': {'b c': x, 'n': 1}, 'd': 2}", "embedding.a.b c", "DOUBLE[]"),
}


@pytest.fixture
def tables(connection: duckdb.DuckDBPyConnection) -> Callable[..., str]:
    """Make a table of vectors whose column is of an expression; returns its name."""
    connection.execute("CREATE TYPE emb AS FLOAT[8]")

    def make(name: str, column: str, vectors: Any = RAW) -> str:
        rows = pa.table({"id": np.arange(len(vectors)), "x": vectors.tolist()})
        connection.register("rows", rows)
        connection.execute(f"CREATE TABLE {name} AS SELECT id, {column} AS embedding FROM rows")
        return name

    return make


def type_of(session: Any, table: str) -> str:
    """The type of the column of vectors, as the engine spells it."""
    with session as engine:
        return dict(engine.describe(table))["embedding"]


def vectors_of(table: pa.Table, column: str = "embedding") -> np.ndarray:
    table = table.sort_by("id")
    return np.array(table.column(column).to_pylist(), dtype=float)


@pytest.mark.parametrize("case", DUCKDB)
def test_duckdb(
    case: str, connection: duckdb.DuckDBPyConnection, tables: Callable[..., str]
) -> None:
    """A day and the day after: dot products stay those of the numbers, and so do the vectors."""
    column, named, wanted = DUCKDB[case]
    space = Space("s", connection)
    first = space.run(vectors=EmbeddingTable(tables("raw", column), vector=named), key="a")
    turned = RAW @ AXES
    second = space.run(vectors=(np.arange(len(RAW)), turned), key="b")

    assert type_of(connect(connection), "s_vectors") == wanted
    stable = vectors_of(first.vectors.arrow())
    np.testing.assert_allclose(stable @ stable.T, RAW @ RAW.T, atol=1e-3)
    np.testing.assert_allclose(vectors_of(second.vectors.arrow()), stable, atol=1e-4)


@pytest.mark.parametrize(
    ("layout", "element", "wanted"),
    [
        (None, "double", {"embedding": "DOUBLE[8]"}),
        ("array", "float", {"embedding": "FLOAT[8]"}),
        ("wide", None, {f"e{k}": "FLOAT" for k in range(E)}),
        ("long", "double", {"dim": "INTEGER", "value": "DOUBLE"}),
    ],
)
def test_what_is_asked_for_wins(
    layout: Any,
    element: Any,
    wanted: dict[str, str],
    connection: duckdb.DuckDBPyConnection,
    tables: Callable[..., str],
) -> None:
    options = Options(output_layout=layout, output_type=element)
    Space("s", connection).run(vectors=tables("raw", "x::FLOAT[8]"), key="a", options=options)
    with connect(connection) as engine:
        types = dict(engine.describe("s_vectors"))
    assert {name: types[name] for name in types if name not in ("run", "id")} == wanted


def test_the_length_is_that_of_stable_vectors(
    connection: duckdb.DuckDBPyConnection, tables: Callable[..., str]
) -> None:
    names = {side: tables(side, "x::FLOAT[8]") for side in ("users", "items")}
    Space("s", connection).run(**names, key="a", options=Options(rank=3))
    for side in names:
        assert type_of(connect(connection), f"s_{side}") == "FLOAT[3]"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (pa.list_(pa.float32(), E), pa.list_(pa.float32(), E)),
        (pa.list_(pa.float64(), E), pa.list_(pa.float64(), E)),
        (pa.list_(pa.float32()), pa.list_(pa.float32())),
        (pa.list_(pa.float16()), pa.list_(pa.float32())),
        (pa.list_(pa.float16(), E), pa.list_(pa.float32(), E)),
        (pa.large_list(pa.float16()), pa.list_(pa.float32())),
        (pa.list_(pa.int8()), pa.list_(pa.float32())),
        (pa.list_(pa.uint8(), E), pa.list_(pa.float32(), E)),
        (pa.list_(pa.int32()), pa.list_(pa.float64())),
        (pa.string(), pa.list_(pa.float64())),
    ],
    ids=str,
)
def test_in_memory(given: pa.DataType, wanted: pa.DataType) -> None:
    raw = abs(RAW)
    rows: list[Any] = raw.astype(int).tolist()
    if given == pa.string():
        rows = [json.dumps(row) for row in rows]
    elif given.value_type == pa.float16():
        rows = list(raw.astype(np.float16))
    table = pa.table({"id": np.arange(len(raw)), "embedding": pa.array(rows, given)})
    first = stabilize(vectors=table)
    stable = first.vectors.arrow()
    assert stable.schema.field("embedding").type.equals(wanted, check_metadata=False)
    np.testing.assert_allclose(vectors_of(stable) @ vectors_of(stable).T, raw @ raw.T, atol=1e-3)
    second = stabilize(vectors=(np.arange(len(raw)), raw @ AXES), reference=first)
    np.testing.assert_allclose(vectors_of(second.vectors.arrow()), vectors_of(stable), atol=1e-4)


def test_half_in_parquet(tmp_path: Path) -> None:
    halves = pa.array(list(RAW.astype(np.float16)), pa.list_(pa.float16()))
    path = tmp_path / "vectors.parquet"
    pq.write_table(pa.table({"id": np.arange(len(RAW)), "embedding": halves}), path)
    stable = Space(tmp_path / "s").run(vectors=path, key="a").vectors.arrow()
    assert stable.schema.field("embedding").type.value_type == pa.float32()
    np.testing.assert_allclose(vectors_of(stable) @ vectors_of(stable).T, RAW @ RAW.T, atol=1e-3)


def test_small_integers_in_columns(connection: duckdb.DuckDBPyConnection) -> None:
    rows = {f"e{k}": RAW[:, k].astype(np.int8) for k in range(E)}
    connection.register("rows", pa.table({"id": np.arange(len(RAW)), **rows}))
    run = Space("s", connection).run(vectors="rows", key="a")
    stable = run.vectors.arrow().sort_by("id")
    assert {stable.schema.field(name).type for name in rows} == {pa.float32()}
    found = np.array([stable.column(name).to_pylist() for name in rows]).T
    np.testing.assert_allclose(found @ found.T, RAW @ RAW.T, atol=1e-3)


def test_text_keeps_all_digits(tmp_path: Path) -> None:
    vectors = np.random.default_rng(7).standard_normal((50, E))
    lines = [f'{k},"{json.dumps(row.tolist())}"\n' for k, row in enumerate(vectors)]
    path = tmp_path / "vectors.csv"
    path.write_text("id,embedding\n" + "".join(lines))
    stable = vectors_of(stabilize(vectors=path).vectors.arrow())
    np.testing.assert_allclose(stable @ stable.T, vectors @ vectors.T, rtol=0, atol=1e-13)


# What is no vector of numbers, one row of many.
NO_VECTORS = [
    "n/a",
    "",
    "1, 2, 3, 4, 5, 6, 7, 8",
    "[1 2 3 4 5 6 7 8]",
    "[1, 2, 3, 4, 5, 6, 7, x]",
    "[1, 2, 3, 4, 5, 6, 7, null]",
    "[1, 2, 3, 4, 5, 6, 7, 8] [9]",
    "[1, 2, 3, 4, 5, 6, 7, 8",
    '{"values": [1, 2, 3, 4, 5, 6, 7, 8]}',
    "[[1, 2, 3, 4], [5, 6, 7, 8]]",
    "[1, 2, 3, 4, 5, 6, 7, ]",
    "[1, 2, 3, 4, 5, 6, 7, 1_0]",
]


def with_one(text: str) -> list[str]:
    return [text if k == 7 else json.dumps(row.tolist()) for k, row in enumerate(RAW)]


@pytest.mark.parametrize("text", NO_VECTORS)
def test_other_texts_are_refused(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    rows = pa.table({"id": np.arange(len(RAW)), "embedding": with_one(text)})
    connection.register("rows", rows)
    space = Space("s", connection)
    message = r"table rows \(id id, vector embedding\) has, among 120 rows, 1 .*id 7"
    with pytest.raises(DataError, match=message):
        space.run(vectors="rows", key="a")
    assert space.runs == []
    space.run(vectors="rows", key="a", options=Options(on_invalid="drop"))
    assert connection.sql("SELECT count(*) FROM s_vectors").fetchall() == [(len(RAW) - 1,)]


@pytest.mark.parametrize("text", ["a fine film", "1 2 3", "[1 2 3]", "[]"])
def test_texts_of_something_else(text: str, tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3], "features": [text] * 3}), path)
    with pytest.raises(DataError, match=r"3 texts that are no vectors such as \[0.1, 0.2\].*id 1"):
        stabilize(vectors=path)


@pytest.mark.parametrize(
    ("columns", "vector", "error", "message"),
    [
        (["title VARCHAR"], None, DataError, r"no vector.*text such as .*\(title VARCHAR\)"),
        (["emb VARCHAR", "vec JSON"], None, UsageError, "more than one column could be the vector"),
        (["v STRUCT(a INTEGER, b INTEGER)"], "v", DataError, "not an array of numbers: v STRUCT"),
        (["v STRUCT(a INTEGER[], b TEXT)"], "v.c", DataError, "numbers by way of c: v STRUCT"),
        (["v FLOAT[]"], "v.c", DataError, "numbers by way of c: v FLOAT"),
        (["v BLOB"], "v", DataError, "not an array of numbers: v BLOB"),
        (["v VARCHAR[]"], "v", DataError, "not an array of numbers: v VARCHAR"),
        (["v FLOAT[][]"], "v", DataError, "not an array of numbers: v FLOAT"),
    ],
)
def test_refused(columns: list[str], vector: str | None, error: Any, message: str) -> None:
    known = [Column("id", "BIGINT"), *(Column(*text.split(" ", 1)) for text in columns)]
    with pytest.raises(error, match=message):
        resolve(EmbeddingTable("t", vector=vector), "vectors", known, dialects()["duckdb"])


def test_a_text_is_not_taken_beside_an_array() -> None:
    known = [Column("id", "BIGINT"), Column("vector", "VARCHAR"), Column("x", "FLOAT[]")]
    table = resolve(EmbeddingTable("t"), "vectors", known, dialects()["duckdb"])
    assert table.vector == ("x",)


# Types of other engines, fields that are named, the type that vectors of 9 come out in, and a part
# of what reads the vectors.
RENDERED = [
    ("snowflake", "VECTOR(FLOAT, 8)", (), "VECTOR(FLOAT, 9)", "AS ARRAY)"),
    ("snowflake", "VECTOR(INT, 8)", (), "VECTOR(FLOAT, 9)", "AS ARRAY)"),
    ("snowflake", "VARCHAR(16777216)", (), "ARRAY", 'TRY_PARSE_JSON(t."V")'),
    ("snowflake", "VARIANT", ("values",), "ARRAY", 't."V":"values"'),
    ("bigquery", "STRING", (), "ARRAY<FLOAT64>", "JSON_VALUE_ARRAY(t.`V`)"),
    ("bigquery", "JSON", (), "ARRAY<FLOAT64>", "JSON_VALUE_ARRAY(t.`V`)"),
    (
        "bigquery",
        "STRUCT<list ARRAY<STRUCT<element FLOAT64>>>",
        (),
        "ARRAY<FLOAT64>",
        "SELECT sqlstab_v.`element` FROM UNNEST(t.`V`.`list`)",
    ),
    ("redshift", "character varying(65535)", (), "SUPER", 'JSON_PARSE(t."V")'),
    ("redshift", "super", ("values",), "SUPER", 't."V"."values"'),
    ("trino", "varchar", (), "array(double)", 'json_parse(t."V")'),
    ("trino", "json", (), "array(double)", 'TRY(CAST(t."V" AS array(double)))'),
    ("trino", "array(tinyint)", (), "array(real)", "AS array(real))"),
    (
        "trino",
        "row(type tinyint, size integer, indices array(integer), values array(double))",
        (),
        "array(double)",
        "array_intersect(sequence(0",
    ),
    (
        "spark",
        "struct<type:tinyint,size:int,indices:array<int>,values:array<double>>",
        (),
        "array<double>",
        "array_intersect(sequence(0",
    ),
    ("databricks", "string", (), "array<double>", "from_json(t.`V`"),
    ("databricks", "struct<a:array<float>,b:int>", ("a",), "array<float>", "t.`V`.`a`"),
    ("postgres", "extensions.halfvec(8)", (), "extensions.halfvec(9)", "AS real[])"),
    ("clickhouse", "Tuple(v Array(Float32), n Int8)", ("v",), "Array(Float32)", '"V"."v"'),
]


@pytest.mark.parametrize(("engine", "kind", "fields", "wanted", "reads"), RENDERED)
def test_rendered(engine: str, kind: str, fields: tuple[str, ...], wanted: str, reads: str) -> None:
    dialect = dialects()[engine]
    vector = ".".join(("V", *fields))
    known = [Column("id", dialect.bigint), Column("V", kind)]
    table = resolve(EmbeddingTable("t", vector=vector), "vectors", known, dialect)
    output = stable_table(table, 9, None, None, dialect)
    assert stable_columns(output, table, dialect)[1:] == [Column("V", wanted)]
    for text in (
        build.lengths(table, dialect),
        build.check_vectors(table, E, dialect),
        build.apply(table, [np.ones((E, 9))], output, dialect),
    ):
        assert reads in text
        sqlglot.parse_one(text, dialect=dialect.sqlglot)


# Of a text such as `[1, 2]`, {0}: the type of the column, its value, what it comes out as.
SERVERS = {
    "postgres": {
        "vector": ("vector(8)", "{0}", "vector(8)"),
        "halfvec": ("halfvec(8)", "{0}", "halfvec(8)"),
        "sparsevec": ("sparsevec(8)", "CAST(CAST({0} AS vector) AS sparsevec)", "vector(8)"),
        "domain": ("emb", "translate({0}, '[]', '{{}}')::emb", "real[]"),
        "domain of a domain": ("emb3", "CAST({0} AS emb3)", "halfvec(8)"),
        "text": ("text", "{0}", "double precision[]"),
        "braces": ("varchar(200)", "translate({0}, '[]', '{{}}')", "double precision[]"),
        "json": ("json", "{0}", "double precision[]"),
        "jsonb": ("jsonb", "{0}", "double precision[]"),
        "short": ("smallint[]", "translate({0}, '[]', '{{}}')::smallint[]", "real[]"),
        "numeric": ("numeric[]", "translate({0}, '[]', '{{}}')::numeric[]", "double precision[]"),
    },
    "clickhouse": {
        "text": ("String", "{0}", "Array(Float64)"),
        "nullable text": ("Nullable(String)", "{0}", "Array(Float64)"),
        "low cardinality": ("LowCardinality(String)", "{0}", "Array(Float64)"),
        "bytes": ("Array(Int8)", "JSONExtract({0}, 'Array(Int8)')", "Array(Float32)"),
        "half": ("Array(BFloat16)", "JSONExtract({0}, 'Array(Float32)')", "Array(Float32)"),
        "nullable": (
            "Array(Nullable(Float32))",
            "JSONExtract({0}, 'Array(Float32)')",
            "Array(Float32)",
        ),
        "parquet lists": (
            "Tuple(list Array(Tuple(element Float64)))",
            "tuple(arrayMap(v -> tuple(v), JSONExtract({0}, 'Array(Float64)')))",
            "Array(Float64)",
        ),
    },
}


@pytest.fixture(scope="module")
def servers(running: Running) -> Callable[[str], Any]:
    """Start an engine and make what the tests need there; returns what a user would hand over."""
    prepared = {}

    def get(name: str) -> Any:
        at = running[name]
        if name not in prepared:
            kind = "DATABASE" if name == "clickhouse" else "SCHEMA"
            with connect(at) as engine:
                engine.execute(f"CREATE {kind} vector_types")
                if name == "postgres":
                    engine.execute("CREATE EXTENSION IF NOT EXISTS vector")
                    engine.execute("CREATE DOMAIN emb AS real[] CHECK (cardinality(VALUE) = 8)")
                    engine.execute("CREATE DOMAIN emb2 AS halfvec(8)")
                    engine.execute("CREATE DOMAIN emb3 AS emb2 NOT NULL")
            prepared[name] = at
        return prepared[name]

    return get


def fill(engine: Any, table: str, kind: str, value: str, texts: list[str]) -> str:
    """Make a table of texts as values of another type."""
    dialect = engine.dialect
    create = f"CREATE TABLE {table} (id {dialect.bigint}, embedding {kind})"
    engine.execute(create + dialect.tables.storage)
    rows = ", ".join(f"({k}, {value.format(repr(text))})" for k, text in enumerate(texts))
    engine.execute(f"INSERT INTO {table} VALUES {rows}")
    return table


@pytest.mark.parametrize(
    ("server", "case"), [(server, case) for server, cases in SERVERS.items() for case in cases]
)
def test_server(server: str, case: str, servers: Callable[[str], Any]) -> None:
    kind, value, wanted = SERVERS[server][case]
    at, name = servers(server), f"vector_types.{case.replace(' ', '_')}"
    few = RAW[:40]
    with connect(at) as engine:
        texts = [json.dumps(row.astype(int).tolist()) for row in few]
        fill(engine, name, kind, value, texts)
    space = Space(f"{name}_s", at)
    first = space.run(vectors=name, key="a")
    turned = few @ AXES
    with connect(at) as engine:
        texts = [json.dumps(row.tolist()) for row in turned]
        doubles = engine.dialect.tables.array.format(engine.dialect.double)
        cast = {
            "postgres": f"translate({{0}}, '[]', '{{{{}}}}')::{doubles}",
            "clickhouse": f"JSONExtract({{0}}, '{doubles}')",
        }
        fill(engine, f"{name}_turned", doubles, cast[server], texts)
    second = space.run(vectors=f"{name}_turned", key="b")
    assert first.figures["warnings"] == second.figures["warnings"] == []
    assert type_of(connect(at), f"{name}_s_vectors") == wanted
    stable = vectors_of(first.vectors.arrow())
    np.testing.assert_allclose(stable @ stable.T, few @ few.T, atol=1e-3)
    half = "half" in wanted
    found = vectors_of(second.vectors.arrow())
    np.testing.assert_allclose(found, stable, atol=0.02 if half else 1e-4)


@pytest.mark.parametrize("server", SERVERS)
def test_other_texts_are_refused_by_servers(server: str, servers: Callable[[str], Any]) -> None:
    at = servers(server)
    kind = "text" if server == "postgres" else "String"
    for k, text in enumerate(NO_VECTORS):
        with connect(at) as engine:
            name = fill(engine, f"vector_types.bad_{k}", kind, "{0}", with_one(text))
        with pytest.raises(DataError, match=r"has, among 120 rows, 1 .*id 7"):
            Space(f"vector_types.bad_{k}_s", at).run(vectors=name, key="a")


def test_files_of_the_command_line(tmp_path: Path) -> None:
    """Texts in a CSV file, and vectors of pyspark.ml in Parquet, dense and sparse."""
    lines = [f'{k},"{json.dumps(row.tolist())}"\n' for k, row in enumerate(RAW)]
    (tmp_path / "users.csv").write_text("user_id,embedding\n" + "".join(lines))
    rows: list[dict[str, Any]] = []
    for k, row in enumerate(RAW):
        kept = np.flatnonzero(row)
        sparse = {"type": 0, "size": E, "indices": kept.tolist(), "values": row[kept].tolist()}
        dense = {"type": 1, "size": None, "indices": None, "values": row.tolist()}
        rows.append(sparse if k % 3 else dense)
    kind = {"type": pa.int8(), "size": pa.int32(), "indices": pa.list_(pa.int32())}
    features = pa.array(rows, pa.struct({**kind, "values": pa.list_(pa.float64())}))
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"item_id": np.arange(len(RAW)), "features": features}), path)
    invoke(
        *("run", "--users", tmp_path / "users.csv", "--items", path, "--vector", "embedding"),
        *("--space", tmp_path / "s", "--run", "a"),
        code=4,
    )
    invoke(
        *("run", "--users", tmp_path / "users.csv", "--items", path),
        *("--space", tmp_path / "s", "--run", "a"),
    )
    run = Space(tmp_path / "s")["a"]
    users = vectors_of(run.users.arrow().rename_columns(["id", "embedding"]))
    items = vectors_of(run.items.arrow().rename_columns(["id", "embedding"]))
    np.testing.assert_allclose(users @ items.T, RAW @ RAW.T, atol=1e-9)
    assert run.figures["inputs"]["items"]["vector"] == ["features"]


NO_SPARSE = {
    "beyond its size": [0, E],
    "before its start": [-1, 2],
    "twice": [3, 3],
    "NULL": [None, 2],
    "fewer than values": [1],
    "more than values": [1, 2, 3],
    "none": None,
}


@pytest.mark.parametrize("case", NO_SPARSE)
def test_sparse_vectors_that_are_none(case: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"type": 0, "size": E, "indices": list(range(E)), "values": row.tolist()} for row in RAW
    ]
    rows[7] = {"type": 0, "size": E, "indices": NO_SPARSE[case], "values": [1.0, 2.0]}
    kind = {"type": pa.int8(), "size": pa.int32(), "indices": pa.list_(pa.int32())}
    vectors = pa.array(rows, pa.struct({**kind, "values": pa.list_(pa.float64())}))
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"id": np.arange(len(RAW)), "embedding": vectors}), path)
    with pytest.raises(
        DataError,
        match=r"items\.parquet .* among 120 rows, 1 vector that is NULL, or whose indices .*id 7",
    ):
        Space(tmp_path / "s").run((np.arange(len(RAW)), RAW), path, key="a")


def test_spark(running: Running) -> None:
    """Vectors of pyspark.ml, dense and sparse, in a table; and a text that is none in a frame."""
    from pyspark.ml.linalg import Vectors  # noqa: PLC0415 - an extra

    spark = running["spark"]
    rows = [
        (k, Vectors.dense(row) if k % 2 else Vectors.sparse(E, dict(enumerate(row))))
        for k, row in enumerate(RAW[:40])
    ]
    spark.sql("CREATE DATABASE vector_types")
    spark.createDataFrame(rows, ["id", "features"]).write.saveAsTable("vector_types.raw")
    for strategy in ("sql", "arrow"):
        space = Space(f"vector_types.s_{strategy}", spark)
        run = space.run(vectors="vector_types.raw", key="a", options=Options(strategy=strategy))
        types = dict(spark.table(f"vector_types.s_{strategy}_vectors").dtypes)
        assert types["features"] == "array<double>"
        stable = vectors_of(run.vectors.arrow(), "features")
        np.testing.assert_allclose(stable @ stable.T, RAW[:40] @ RAW[:40].T, atol=1e-9)
    texts = spark.createDataFrame(list(enumerate(with_one("[1, 2] [3]"))), ["id", "embedding"])
    with pytest.raises(DataError, match=r"has, among 120 rows, 1 text that is no vector .*id 7"):
        Space("vector_types.bad", spark).run(vectors=texts, key="a")


def test_maps_alone_are_enough(
    connection: duckdb.DuckDBPyConnection, tables: Callable[..., str]
) -> None:
    """Later runs read the raw texts of a run that wrote its maps only."""
    tables("one", "x::VARCHAR")
    tables("two", "x::VARCHAR", RAW @ AXES)
    connection.execute(
        "CREATE TABLE raw AS SELECT 'a' AS ds, * FROM one UNION ALL SELECT 'b', * FROM two"
    )
    space = Space("s", connection)
    space.run(vectors="raw", key="ds=a", options=Options(maps_only=True))
    second = space.run(vectors="raw", key="ds=b")
    first = RAW @ space["a"].maps["vectors"].matrix
    np.testing.assert_allclose(vectors_of(second.vectors.arrow()), first, atol=1e-9)


def test_more_components_than_a_table_takes(
    connection: duckdb.DuckDBPyConnection, tables: Callable[..., str]
) -> None:
    space = Space("s", connection)
    space.run(vectors=tables("raw", "x::FLOAT[8]"), key="a")
    more = np.hstack([RAW @ AXES, np.ones((len(RAW), 1))])
    with pytest.raises(DataError, match=r"has type FLOAT\[8\], but a run writes FLOAT\[9\]"):
        space.run(vectors=tables("more", "x::FLOAT[9]", more), key="b")
    assert [run.key for run in space.runs] == ["a"]


def test_declared() -> None:
    postgres = dialects()["postgres"]
    table = declared(EmbeddingTable("t", vector_type="halfvec(8)"), "items", E, postgres)
    output = stable_table(table, 9, None, None, postgres)
    assert 'CAST(t."embedding" AS real[])' in build.lengths(table, postgres)
    assert "AS halfvec(9)) AS" in build.apply(table, [np.ones((E, 9))], output, postgres)
    with pytest.raises(UsageError, match="date is none in postgres"):
        declared(EmbeddingTable("t", vector_type="date"), "items", E, postgres)
