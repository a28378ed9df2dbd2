"""Bad input: one error that names table, column, count, example and remedy; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import write_vectors

from sqlstab import DataError, EmbeddingTable, EngineError, Options, Space, UsageError, stabilize
from sqlstab.maths import quality

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

STRATEGIES = ("arrow", "sql")

GOOD = "SELECT i AS id, [random(), random(), random()]::FLOAT[] AS v FROM range(60) r(i)"
# A select list on (id, v) of GOOD -> what the error must say, and how many rows are left by drop.
BAD_ARRAYS = {
    "CASE WHEN id < 2 THEN NULL ELSE id END AS id, v": ("2 NULL ids", 58),
    "id // 2 AS id, v": ("30 rows whose id has occurred before .for example id 0", None),
    "greatest(id, 1) AS id, v": ("1 row whose id has occurred before .for example id 1", 58),
    "id, CASE WHEN id = 7 THEN NULL ELSE v END AS v": ("1 vector that is NULL.*id 7", 59),
    "id, CASE WHEN id > 57 THEN v[:2] ELSE v END AS v": (
        "2 vectors of another length than 3 .for example id 58",
        58,
    ),
    "id, CASE WHEN id = 0 THEN []::FLOAT[] ELSE v END AS v": (
        "1 vector of another length.*id 0",
        59,
    ),
    "id, CASE WHEN id = 5 THEN [1, NULL, 2]::FLOAT[] ELSE v END AS v": (
        "1 vector with a NULL in it.*id 5",
        59,
    ),
    "id, CASE WHEN id = 5 THEN [1, 'NaN'::FLOAT, 2] ELSE v END AS v": (
        "1 vector with a NaN or infinite component.*id 5",
        59,
    ),
    "id, CASE WHEN id = 0 THEN ['-inf'::FLOAT, 'inf'::FLOAT, 2] ELSE v END AS v": (
        "1 vector with a NaN or infinite component.*id 0",
        59,
    ),
}


@pytest.fixture(autouse=True)
def tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SELECT setseed(0.5)")
    connection.execute(f"CREATE TABLE good AS {GOOD}")


def run(connection: duckdb.DuckDBPyConnection, users: Any = "bad", **options: Any) -> Any:
    """A run in memory, of whatever the users are."""
    reference = options.pop("reference", None)
    return stabilize(users, "good", reference, engine=connection, options=Options(**options))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("select", BAD_ARRAYS)
def test_bad_rows(connection: duckdb.DuckDBPyConnection, select: str, strategy: str) -> None:
    message, left = BAD_ARRAYS[select]
    connection.execute(f"CREATE TABLE bad AS SELECT {select} FROM good")
    with pytest.raises(
        DataError, match=f"users table bad .id id, vector v. has.*{message}"
    ) as error:
        run(connection, strategy=strategy)
    assert 'leave such rows out with on_invalid="drop"' in str(error.value)
    if left is None:
        with pytest.raises(DataError, match="no valid row"):
            run(connection, strategy=strategy, on_invalid="drop")
        return
    found = run(connection, strategy=strategy, on_invalid="drop")
    assert found.figures["tables"]["users"]["rows"] == left
    assert found.figures["tables"]["users"]["left_out"] == 60 - left
    ids = found.users.arrow()["id"].to_pylist()
    assert len(ids) == len(set(ids)) == left
    assert any("left out" in warning for warning in found.figures["warnings"])


def test_what_is_left_out_adds_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Both rows of a duplicate id go: the data do not tell which is right."""
    select = "CASE id WHEN 0 THEN NULL WHEN 1 THEN 2 ELSE id END AS id, v"
    connection.execute(f"CREATE TABLE bad AS SELECT {select} FROM good")
    found = run(connection, on_invalid="drop")
    assert found.figures["warnings"][0] == (
        "users: left out 3 vectors: 1 NULL id, 1 row whose id has occurred before; every row of "
        "such an id goes."
    )
    connection.execute(
        "CREATE OR REPLACE TABLE bad AS "
        "SELECT id, CASE WHEN id = 5 THEN v[:2] ELSE v END AS v FROM good"
    )
    found = run(connection, on_invalid="drop")
    assert found.figures["warnings"][0] == (
        "users: left out 1 vector: 1 vector of another length than 3."
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("select", "message"),
    [
        (
            "id, v[1] AS e0, v[2] AS e1, CASE WHEN id = 3 THEN NULL ELSE v[3] END AS e2",
            "NULL in it",
        ),
        ("id, v[1] AS e0, v[2] AS e1, CASE WHEN id = 3 THEN 'NaN' ELSE v[3] END AS e2", "NaN"),
    ],
)
def test_bad_wide_rows(
    connection: duckdb.DuckDBPyConnection, select: str, message: str, strategy: str
) -> None:
    connection.execute(f"CREATE TABLE bad AS SELECT {select} FROM good")
    with pytest.raises(DataError, match=f"vector e0, e1, e2.*1 vector .*{message}.*example id 3"):
        run(connection, strategy=strategy)
    found = run(connection, strategy=strategy, on_invalid="drop")
    assert found.figures["tables"]["users"]["rows"] == 59


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("NOT (id = 4 AND dim = 1)", "1 vector that lacks a dimension, or .*id 4.: write each"),
        ("NOT (id = 4 AND dim = 0)", "1 vector that lacks a dimension, or .*id 4.: write each"),
        ("NOT (id = 4 AND dim = 2)", "1 vector of another length.*id 4"),
    ],
)
def test_bad_long_rows(
    connection: duckdb.DuckDBPyConnection, where: str, message: str, strategy: str
) -> None:
    connection.execute(
        "CREATE TABLE bad AS FROM ("
        "SELECT id, unnest(range(3)) AS dim, unnest(v) AS value FROM good"
        f") WHERE {where}"
    )
    with pytest.raises(DataError, match=f"vector dim, value.*{message}"):
        run(connection, strategy=strategy)
    found = run(connection, strategy=strategy, on_invalid="drop")
    assert found.figures["tables"]["users"]["rows"] == 59


def test_a_dimension_that_stands_twice(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE bad AS SELECT id, unnest(range(3)) AS dim, unnest(v) AS value FROM good "
        "UNION ALL SELECT 9, 1, 0.5"
    )
    with pytest.raises(
        DataError, match=r"1 vector that lacks a dimension, or has one twice or .*id 9"
    ):
        run(connection)


def test_no_id_has_all_dimensions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE bad AS SELECT id, unnest([1, 3, 5]) AS dim, unnest(v) AS value FROM good"
    )
    with pytest.raises(DataError, match="a value for each dimension from 1 on, without a gap"):
        run(connection)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bad_weights(connection: duckdb.DuckDBPyConnection, strategy: str) -> None:
    connection.execute("CREATE TABLE bad AS SELECT *, 1.0 - id AS w FROM good")
    with pytest.raises(
        DataError, match=r"weight w.*58 weights that are NULL, negative.*example id 10"
    ):
        run(connection, EmbeddingTable("bad", weight="w"), strategy=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("sql", "table", "message"),
    [
        ("CREATE TABLE bad AS FROM good LIMIT 0", {}, "bad has no rows"),
        ("CREATE TABLE bad AS FROM good", {"filter": "id > 1000"}, "no rows that meet the filter"),
        ("CREATE TABLE bad AS SELECT id, NULL::FLOAT[] AS v FROM good", {}, "no vector in any row"),
        (
            "CREATE TABLE bad AS SELECT id, unnest([5, 6, 8]) AS dim, unnest(v) AS value FROM good",
            {},
            "bad has no id with a value for each dimension from 5 on, without a gap .dim, value.",
        ),
        (
            "CREATE TABLE bad AS SELECT id, list_append(v, 1) AS v FROM good",
            {},
            "vectors of 4 components .v., but items table good has 3",
        ),
        ("CREATE TABLE bad AS SELECT id, [0, 0, 0]::FLOAT[] AS v FROM good", {}, "are zero"),
        (
            "CREATE TABLE bad AS SELECT id, [1e200, 1, id]::DOUBLE[] AS v FROM good",
            {},
            "squares overflow",
        ),
        ("SELECT 1", {}, "There is no table or view bad"),
    ],
)
def test_tables_that_cannot_be_used(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    table: dict[str, Any],
    message: str,
    strategy: str,
) -> None:
    connection.execute(sql)
    with pytest.raises(DataError, match=message):
        run(connection, EmbeddingTable("bad", **table), strategy=strategy)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file .*nowhere.parquet"):
        stabilize(tmp_path / "nowhere.parquet", tmp_path / "nothing.parquet")


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "u.parquet").write_text("hello")
    with pytest.raises(DataError, match=r"u\.parquet"):
        stabilize(tmp_path / "u.parquet", tmp_path / "u.parquet")


@pytest.mark.parametrize(
    ("cast", "joins"),
    [("BIGINT", True), ("UTINYINT", True), ("VARCHAR", False), ("UUID", False), ("DATE", False)],
)
def test_ids_must_be_comparable(
    connection: duckdb.DuckDBPyConnection, cast: str, joins: bool
) -> None:
    connection.execute("CREATE TABLE bad AS FROM good")
    first = run(connection)
    value = {
        "DATE": "DATE '2020-01-01' + id::INTEGER",
        "UUID": "uuid()",
    }.get(cast, f"id::{cast}")
    connection.execute(f"CREATE OR REPLACE TABLE bad AS SELECT {value} AS id, v FROM good")
    if joins:
        found = run(connection, reference=first)
        assert found.figures["shared"]["users"] == 60
        return
    with pytest.raises(
        DataError, match=f"ids id of type {cast}, but .* is BIGINT: are users and items swapped"
    ):
        run(connection, reference=first)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_invalid_rows_take_no_part_in_the_alignment_either(
    connection: duckdb.DuckDBPyConnection, strategy: str
) -> None:
    connection.execute("CREATE TABLE bad AS FROM good")
    first = run(connection)
    connection.execute("UPDATE bad SET v = ['NaN'::FLOAT, 1, 1] WHERE id < 10")
    found = run(
        connection,
        reference=first,
        strategy=strategy,
        on_invalid="drop",
        anchor="users",
    )
    assert found.figures["cosine"]["users"]["rows"] == 50
    assert found.figures["alignment"]["anchors"] == 50
    assert found.figures["cosine"]["users"]["after"]["mean"] == pytest.approx(1, abs=1e-3)
    assert np.isfinite(found.figures["alignment"]["relative_residual"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_anchor_filter_does_not_hide_bad_rows(
    connection: duckdb.DuckDBPyConnection, strategy: str
) -> None:
    connection.execute(
        "CREATE TABLE bad AS SELECT *, 1 AS w FROM good UNION ALL SELECT *, 1 FROM good"
    )
    connection.execute("DELETE FROM bad WHERE id < 59 AND rowid >= 60")
    table = EmbeddingTable("bad", vector="v", anchor_filter="id < 50", weight="w")
    with pytest.raises(DataError, match=r"1 row whose id has occurred before .for example id 59"):
        run(connection, table, strategy=strategy)
    connection.execute("DELETE FROM bad WHERE rowid >= 60")
    connection.execute("UPDATE bad SET v = NULL WHERE id = 55")
    with pytest.raises(DataError, match=r"1 vector that is NULL.*example id 55"):
        run(connection, table, strategy=strategy)
    found = run(connection, table, strategy=strategy, on_invalid="drop")
    assert found.figures["tables"]["users"]["rows"] == 59


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_stray_row_of_a_long_table(connection: duckdb.DuckDBPyConnection, strategy: str) -> None:
    """It spoils one vector, not all; and the numbering, here from 1, is kept."""
    connection.execute(
        "CREATE TABLE bad AS SELECT id, unnest(range(1, 4)) AS dim, unnest(v) AS value FROM good "
        "UNION ALL SELECT 9, -1, 0.5"
    )
    with pytest.raises(
        DataError, match=r"1 vector that lacks a dimension, or has one twice or .*id 9"
    ):
        run(connection, strategy=strategy)
    found = run(connection, strategy=strategy, on_invalid="drop")
    assert found.figures["tables"]["users"]["left_out"] == 1
    written = found.users.arrow()
    assert set(written["dim"].to_pylist()) == {1, 2, 3}
    assert len(set(written["id"].to_pylist())) == 59


def test_a_condition_must_not_take_long_vectors_apart(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute(
        "CREATE TABLE bad AS SELECT id, unnest(range(3)) AS dim, unnest(v) AS value FROM good"
    )
    for name in ("filter", "anchor_filter"):
        with pytest.raises(UsageError, match="take vectors apart"):
            run(connection, EmbeddingTable("bad", **{name: "DIM < 2"}))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_of_a_long_table_are_one_for_an_id(
    connection: duckdb.DuckDBPyConnection, strategy: str
) -> None:
    connection.execute(
        "CREATE TABLE bad AS "
        "SELECT id, unnest(range(3)) AS dim, unnest(v) AS value, 2.0 AS w FROM good"
    )
    connection.execute(
        "UPDATE bad SET w = CASE id WHEN 3 THEN NULL ELSE 5 END WHERE dim = 1 AND id < 4"
    )
    table = EmbeddingTable("bad", weight="w")
    with pytest.raises(DataError, match=r"4 weights that are NULL.*ambiguous .for example id 0"):
        run(connection, table, strategy=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_large_components_are_finite(connection: duckdb.DuckDBPyConnection, strategy: str) -> None:
    connection.execute("CREATE TABLE bad AS SELECT id, [1e308, 1e308, id]::DOUBLE[] AS v FROM good")
    with pytest.raises(DataError, match="squares overflow although every component is finite"):
        run(connection, strategy=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_that_overflow(connection: duckdb.DuckDBPyConnection, strategy: str) -> None:
    connection.execute("CREATE TABLE bad AS SELECT *, 1e308 AS w FROM good")
    first = run(connection, EmbeddingTable("bad", vector="v"))
    table = EmbeddingTable("bad", vector="v", weight="w")
    with pytest.raises(DataError, match="divide the weights"):
        run(connection, table, reference=first, anchor="users", strategy=strategy)


def test_vectors_beyond_float(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE bad AS SELECT id, [1e90 * random(), 1, id]::DOUBLE[] AS v FROM good"
    )
    with pytest.raises(DataError, match="beyond the range of FLOAT"):
        run(connection, output_type="float")


@pytest.fixture
def on_files(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> Callable[..., Any]:
    """The first run of a space on files is done; does further ones."""
    path = tmp_path / "good.parquet"
    connection.execute(f"COPY good TO '{path}'")
    space = Space(tmp_path / "space")
    space.run(path, path, key="1")

    def run(users: Any = path, **options: Any) -> Any:
        return space.run(users, path, key="2", options=Options(**options))

    return run


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_that_fails_leaves_its_space_as_it_was(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    on_files: Callable[..., Any],
    strategy: str,
) -> None:
    before = sorted((tmp_path / "space").rglob("*"))
    bad = tmp_path / "bad.parquet"
    for select in BAD_ARRAYS:
        connection.execute(f"COPY (SELECT {select} FROM good) TO '{bad}' (FORMAT parquet)")
        with pytest.raises(DataError, match=BAD_ARRAYS[select][0]):
            on_files(bad, strategy=strategy)
        assert sorted((tmp_path / "space").rglob("*")) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("side", ["items", "users"])
@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("id, v[:2] AS v", "has vectors of 2 components .v., where its run wrote 3: it is damaged"),
        (
            "id, CASE WHEN id < 9 THEN v[:2] ELSE v END AS v",
            "9 vectors of another length than 3 .for example id 0",
        ),
        (
            "id, CASE WHEN id = 5 THEN [1, NULL, 2]::FLOAT[] ELSE v END AS v",
            "1 vector with a NULL in it .for example id 5",
        ),
    ],
)
def test_a_reference_whose_vectors_are_damaged(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    on_files: Callable[..., Any],
    side: str,
    select: str,
    message: str,
    strategy: str,
) -> None:
    path = tmp_path / "space" / "run=1" / f"{side}.parquet"
    connection.execute(f"COPY (SELECT {select} FROM good) TO '{path}' (FORMAT parquet)")
    with pytest.raises(DataError, match=rf"{side} table .*run=1/{side}.parquet .*{message}"):
        on_files(strategy=strategy)


def test_an_error_in_the_middle_of_a_stream(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE VIEW bad AS SELECT i AS id, "
        "[1, i, CASE WHEN i > 390000 THEN error('late') ELSE 1 END::DOUBLE]::DOUBLE[] AS v "
        "FROM range(400000) r(i)"
    )
    with pytest.raises(EngineError, match="late"):
        run(connection)


def test_ids_of_an_enum_are_text(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("CREATE TYPE names AS ENUM (SELECT 'n' || i FROM range(60) r(i))")
    connection.execute("CREATE TABLE bad AS SELECT ('n' || id)::names AS id, v FROM good")
    first = run(connection)
    monkeypatch.setattr(quality, "SAMPLED_ROWS", 20)
    found = run(connection, reference=first)
    assert found.figures["shared"]["users"] == 60
    assert found.figures["cosine"]["users"]["rows"] > 8


def test_the_users_connection_is_left_as_it_was(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE bad AS FROM good")

    def state() -> list[Any]:
        return [
            connection.execute(f"SELECT * FROM {name}() ORDER BY ALL").fetchall()
            for name in ("duckdb_settings", "duckdb_views", "duckdb_tables")
        ]

    before = state()
    first = run(connection)
    run(connection, reference=first)
    run(connection, reference=first, strategy="sql")
    assert state() == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_column_that_is_no_number(connection: duckdb.DuckDBPyConnection, strategy: str) -> None:
    """A numbered column of another type is a broken vector, not the end of a shorter one."""
    connection.execute(
        "CREATE TABLE bad AS SELECT id, v[1] AS e0, v[2] AS e1, 'NA' AS e2 FROM good"
    )
    with pytest.raises(DataError, match="1 of 3 vector columns is not numeric: e2 VARCHAR"):
        run(connection, strategy=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("scale", ["1e100", "1e-100"])
def test_a_reference_of_another_scale(
    connection: duckdb.DuckDBPyConnection, scale: str, strategy: str
) -> None:
    """Large squares must not overflow the figures."""
    connection.execute("CREATE TABLE bad AS FROM good")
    first = run(connection)
    for name in ("bad", "good"):
        connection.execute(
            f"CREATE OR REPLACE TABLE {name} AS "
            f"SELECT id, list_transform(v::DOUBLE[], lambda c: c * {scale}) AS v FROM {name}"
        )
    found = run(connection, reference=first, strategy=strategy)
    assert found.figures["cosine"]["items"]["after"]["mean"] == pytest.approx(1, abs=1e-5)
    assert found.figures["scores"]["max_relative_error"] < 1e-12
    assert found.figures["alignment"]["cka"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_vectors_too_small_to_square(connection: duckdb.DuckDBPyConnection, strategy: str) -> None:
    connection.execute(
        "CREATE TABLE bad AS SELECT id, list_transform(v::DOUBLE[], lambda c: c * 1e-160) AS v "
        "FROM good"
    )
    with pytest.raises(DataError, match="Multiply small vectors by a constant"):
        run(connection, strategy=strategy)


def test_a_weight_that_is_no_number_in_a_file(tmp_path: Path, rng: np.random.Generator) -> None:
    """The statistics of a Parquet file know of no NaN, and DuckDB believes them."""
    weights = np.ones(50)
    weights[7] = np.nan
    path = write_vectors(tmp_path / "v.parquet", rng.standard_normal((50, 4)), w=weights)
    with pytest.raises(DataError, match=r"1 weight that is NULL, .* not finite .*example id 7"):
        stabilize(vectors=EmbeddingTable(path, weight="w"))
