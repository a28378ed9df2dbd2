"""The whole run as one text of SQL gives what `sqlstab run` gives, without Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from conftest import movietweetings, read_vectors, write_vectors
from engines import missing
from invoke import invoke
from warehouse import Rows, Variant

from sqlstab import Options, Run, Space, __version__
from sqlstab.engines import dialects
from sqlstab.errors import EngineError
from sqlstab.space.key import Key
from sqlstab.space.names import created
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse import Warehouse

DIALECTS = dialects()
SOLVERS = [name for name, dialect in DIALECTS.items() if dialect.solving]
# Databricks has no engine of its own here; BigQuery's scripts have a file of their own.
RUNNABLE = [name for name in SOLVERS if name not in ("databricks", "bigquery", "snowflake")]
# From the PyPI package duckdb-cli.
DUCKDB = Path(sysconfig.get_path("scripts")) / "duckdb"
# What a script does: the newest run before, plain rows.
AS_A_SCRIPT = Options(align="previous", plain_rows=True, refine="never", strategy="sql")
# The figures that a script prints, and those of one that has an earlier run.
PRINTED = ("users_rows", "items_rows", "rank", "max_relative_error")
COMPARED = ("shared_users", "shared_items", "cosine_users_mean", "cosine_items_mean")

needs_duckdb = pytest.mark.skipif(
    not DUCKDB.exists() and "CI" not in os.environ, reason="duckdb-cli is not installed"
)


def script(*arguments: object) -> str:
    return invoke("sql", "script", *arguments).stdout


def duckdb_cli(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Read a script with the DuckDB command line, which knows no Python."""
    (folder / "stabilize.sql").write_text(text)
    return subprocess.run(
        [DUCKDB, "-csv", "-bail", "-c", ".read stabilize.sql"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(folder)},
    )


def on_files(source: Path, space: Path, key: str, *more: object) -> str:
    """A script of one run in a directory, whose folder it makes."""
    (space / f"run={key}").mkdir(parents=True)
    return script(
        *("--dialect", "duckdb", "--dimension", 32, "--space", space, "--run", key),
        *("--users", source / "users.parquet", "--items", source / "items.parquet", *more),
    )


def alike(found: Run, wanted: Run, tolerance: float = 1e-9) -> None:
    """Two runs have the same maps and figures, as far as a script has them."""
    for side in ("users", "items"):
        want = wanted.maps[side].matrix
        np.testing.assert_allclose(
            found.maps[side].matrix, want, atol=tolerance * np.abs(want).max()
        )
        assert found.maps[side].invertible == wanted.maps[side].invertible
    for name in ("rank", "dimension", "raw_dimension", "shared", "options"):
        assert found.figures[name] == wanted.figures[name], name
    np.testing.assert_allclose(
        found.figures["singular_values"], wanted.figures["singular_values"], rtol=1e-11
    )
    for side, known in wanted.figures["tables"].items():
        for name in ("rows", "dimension", "summed", "rank", "left_out"):
            assert found.figures["tables"][side][name] == known[name]
    if wanted.figures["reference"] is None:
        assert found.figures["reference"] is None
        return
    # A script does not look at how many rows the run before has.
    known = {k: v for k, v in wanted.figures["reference"].items() if k != "rows"}
    assert found.figures["reference"] in (known, wanted.figures["reference"])
    for name in ("anchors", "relative_residual", "cka", "sides", "unit_rows"):
        want = wanted.figures["alignment"][name]
        assert found.figures["alignment"][name] == pytest.approx(want, abs=1e-8), name
    assert found.figures["alignment"]["bound"] == pytest.approx(
        wanted.figures["alignment"]["bound"], abs=1e-6
    )
    for side, cosine in wanted.figures["cosine"].items():
        assert found.figures["cosine"][side]["after"] == pytest.approx(cosine["after"], abs=1e-7)


# --- directories ----------------------------------------------------------------------------------


@needs_duckdb
@pytest.mark.parametrize("group", ["time_als_e32", "seeds_bpr_e32"])
def test_real_retrainings(group: str, tmp_path: Path) -> None:
    """Scripts of the DuckDB command line and runs of sqlstab continue each other's spaces."""
    scripted, usual = Space(tmp_path / "scripted"), Space(tmp_path / "usual")
    for number, key in enumerate("abc"):
        source = movietweetings(group, number)
        tables = source / "users.parquet", source / "items.parquet"
        usual.run(*tables, key=key, options=AS_A_SCRIPT)
        if key == "c":
            scripted.run(*tables, key=key, options=AS_A_SCRIPT)
        else:
            first = () if number else ("--first-run",)
            text = on_files(source, tmp_path / "scripted", key, *first)
            done = duckdb_cli(tmp_path, text)
            assert done.returncode == 0, done.stderr
            # It ends with what tells a person whether it worked.
            _, _, last = done.stdout.partition("name,value\n")
            printed = dict(line.split(",") for line in last.split())
            assert printed.keys() == {*PRINTED, *(COMPARED if number else ())}
            figures = scripted[key].figures
            assert int(float(printed["items_rows"])) == figures["tables"]["items"]["rows"]
            assert float(printed["max_relative_error"]) < 1e-6
        alike(scripted[key], usual[key])
        for side in ("users", "items"):
            ids, vectors = read_vectors(tmp_path / "scripted" / f"run={key}" / f"{side}.parquet")
            want_ids, want = read_vectors(tmp_path / "usual" / f"run={key}" / f"{side}.parquet")
            assert (ids == want_ids).all()
            np.testing.assert_allclose(vectors, want, atol=1e-6 * np.abs(want).max())
    assert [run.key for run in scripted.runs] == ["a", "b", "c"]
    assert "unknown" in invoke("runs", tmp_path / "scripted").stdout
    # A run done again takes a script's place; a report shows one.
    source = movietweetings(group, 1)
    scripted.run(source / "users.parquet", source / "items.parquet", key="b", options=AS_A_SCRIPT)
    assert scripted["b"].figures["alignment"]["verdict"] == "alignable"


@needs_duckdb
@pytest.mark.parametrize(
    ("spoil", "dimension", "message"),
    [
        (
            lambda v, ids: v.__setitem__((3, 1), np.nan),
            4,
            "components that are not finite: 1. Leave such rows out, with --filter",
        ),
        (lambda v, ids: ids.__setitem__(3, 4), 4, "duplicate ids: 1"),
        (lambda v, ids: v.__setitem__((slice(None), 2), v[:, 1]), 4, "only 3 are independent"),
        (
            lambda v, ids: None,
            5,
            "not finite: 0. The longest vector has 4 components: give that as",
        ),
    ],
    ids=["nan", "duplicate", "dependent", "dimension"],
)
def test_nothing_is_written_after_an_error(
    tmp_path: Path,
    rng: np.random.Generator,
    spoil: Callable[..., None],
    dimension: int,
    message: str,
) -> None:
    users, items, ids = rng.standard_normal((40, 4)), rng.standard_normal((30, 4)), np.arange(30)
    spoil(items, ids)
    write_vectors(tmp_path / "users.parquet", users)
    write_vectors(tmp_path / "items.parquet", items, ids)
    text = on_files(tmp_path, tmp_path / "s", "a", "--first-run", "--element", "double")
    text = text if dimension == 32 else on_files_of(tmp_path, dimension)
    done = duckdb_cli(tmp_path, text)
    assert done.returncode == 1
    assert message in done.stderr
    assert list((tmp_path / "s" / "run=a").iterdir()) == []
    assert Space(tmp_path / "s").runs == []


def on_files_of(folder: Path, dimension: int) -> str:
    return script(
        *("--dialect", "duckdb", "--dimension", dimension, "--space", folder / "s", "--run", "a"),
        *("--users", folder / "users.parquet", "--items", folder / "items.parquet"),
        *("--first-run", "--element", "double"),
    )


@needs_duckdb
def test_no_earlier_run_is_an_error(tmp_path: Path, model: Any) -> None:
    source = model(dimension=32)
    done = duckdb_cli(tmp_path, on_files(source, tmp_path / "s", "a"))
    assert done.returncode == 1
    assert "no run before a to align with: print the script with --first-run if" in done.stderr
    assert "Runs before it: 0" in done.stderr


@needs_duckdb
def test_a_space_of_rotations_is_refused(tmp_path: Path, model: Any) -> None:
    source = model(dimension=32)
    tables = source / "users.parquet", source / "items.parquet"
    Space(tmp_path / "s").run(*tables, key="a", options=Options(map="rotation"))
    done = duckdb_cli(tmp_path, on_files(source, tmp_path / "s", "b"))
    assert done.returncode == 1
    assert "maps of this space are rotations" in done.stderr
    assert list((tmp_path / "s" / "run=b").iterdir()) == []


# --- tables ---------------------------------------------------------------------------------------


def test_what_a_script_would_take_the_place_of(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> None:
    """Rows that no run wrote, and the axes of other runs."""
    for side, rows in (("users", 60), ("items", 50)):
        vectors = pa.table({"id": np.arange(rows), "embedding": list(rng.normal(size=(rows, 3)))})
        connection.register("v", vectors)
        connection.execute(f"CREATE TABLE {side} AS FROM v")

    def text(key: str, *more: object, space: str = "movies") -> str:
        return script(
            *("--dialect", "duckdb", "--dimension", 3, "--element", "double", "--database", "w.db"),
            *("--users", "users", "--items", "items", "--space", space, "--run", key, *more),
        )

    connection.execute(text("1", "--first-run"))

    def refused(message: str, text: str) -> None:
        with pytest.raises(duckdb.Error, match=message):
            connection.execute(text)
        connection.rollback()

    refused(r"other runs, with axes .*--first-run\. Rows: 1", text("2", "--first-run"))
    connection.execute(text("2"))
    connection.execute("INSERT INTO movies_items SELECT '3', id, embedding FROM items LIMIT 5")
    refused(r"no run wrote the items with this key.* Rows: 5", text("3"))
    # A run of its own is done again.
    connection.execute(text("2"))
    found = connection.execute("SELECT run, count(*) FROM movies_items GROUP BY run ORDER BY run")
    assert found.fetchall() == [("1", 50), ("2", 50), ("3", 5)]
    # Maps of the other kind.
    Space("turned", connection).run("users", "items", key="1", options=Options(map="rotation"))
    refused("maps of this space are rotations", text("2", space="turned"))


def test_a_first_script_that_fails_leaves_no_table(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> None:
    """Its tables may have other columns than those of the corrected script."""
    raw = {"users": rng.normal(size=(30, 3)), "items": rng.normal(size=(20, 3))}
    for side, vectors in raw.items():
        data = pa.table({"id": np.arange(len(vectors)), "embedding": list(vectors)})
        connection.register("v", data)
        connection.execute(f"CREATE TABLE {side} AS FROM v")
        connection.unregister("v")

    def text(dimension: int, layout: str) -> str:
        return script(
            *("--dialect", "duckdb", "--database", "w.db", "--dimension", dimension),
            *("--users", "users", "--items", "items", "--element", "double"),
            *("--space", "movies", "--run", "a", "--first-run", "--output-layout", layout),
        )

    with pytest.raises(duckdb.Error, match="give that as --dimension"):
        connection.execute(text(4, "array"))
    connection.rollback()
    found = connection.execute("SELECT table_name FROM information_schema.tables ORDER BY ALL")
    assert found.fetchall() == [("items",), ("users",)]
    connection.execute(text(3, "wide"))
    stable = {
        side: np.array(
            connection.execute(
                f"SELECT * EXCLUDE id FROM movies_{side}_newest ORDER BY id"
            ).fetchall()
        )
        for side in raw
    }
    scores = raw["items"] @ raw["users"].T
    np.testing.assert_allclose(stable["items"] @ stable["users"].T, scores, atol=1e-12)


def test_ids_of_several_types(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, tmp_path: Path
) -> None:
    """A project file names the id of each table and its type; a wrong one fails on day one."""
    raw = {"users": rng.normal(size=(30, 3)), "items": rng.normal(size=(20, 3))}
    # As texts these stay as they are; as numbers they would not.
    ids = {"users": pa.array(range(30)), "items": pa.array([f"{k:03}" for k in range(20)])}
    for number, day in enumerate(("2026-11-29", "2026-11-30")):
        for side, vectors in raw.items():
            data = {
                "ds": [day] * len(vectors),
                f"{side[:-1]}_id": ids[side],
                "embedding": list(vectors if number == 0 else np.roll(vectors, 1, axis=1)),
            }
            connection.register("v", pa.table(data))
            into = f"INSERT INTO {side}_vectors" if number else f"CREATE TABLE {side}_vectors AS"
            connection.execute(f"{into} FROM v")

    def text(day: str, id_type: str, *more: str) -> str:
        project = tmp_path / "sqlstab.toml"
        project.write_text(
            "[engine]\ndatabase = 'w.duckdb'\n[space]\nname = 'movies'\n"
            "[users]\ntable = 'users_vectors'\nid = 'user_id'\nelement = 'double'\n"
            "[items]\ntable = 'items_vectors'\nid = 'item_id'\nelement = 'double'\n"
            f"id_type = '{id_type}'\n[run]\nkey = 'ds={day}'\n"
        )
        return script("--dialect", "duckdb", "-c", project, "--dimension", 3, *more)

    message = r"the id item_id of the items in items_vectors is not of the type BIGINT: .* Rows: 20"
    with pytest.raises(duckdb.Error, match=message):
        connection.execute(text("2026-11-29", "BIGINT", "--first-run"))
    connection.rollback()
    connection.execute(text("2026-11-29", "VARCHAR", "--first-run"))
    connection.execute(text("2026-11-30", "VARCHAR"))
    with pytest.raises(duckdb.Error, match=r"users: users_vectors has no rows with .*2026-12-01"):
        connection.execute(text("2026-12-01", "VARCHAR"))
    connection.rollback()
    for side, sorted_ids in ids.items():
        days = [
            connection.execute(
                f"SELECT {side[:-1]}_id, embedding FROM movies_{side} WHERE ds = ? ORDER BY 1",
                [day],
            ).fetchall()
            for day in ("2026-11-29", "2026-11-30")
        ]
        for rows in days:
            assert [row[0] for row in rows] == sorted_ids.to_pylist()
        first, second = (np.array([row[1] for row in rows]) for rows in days)
        # The second day's model is the first's with other axes, which the space does not have.
        np.testing.assert_allclose(first, second, atol=1e-9)


def test_days_that_are_dates(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> None:
    """A script goes on in tables that a run has made, and a run after it."""
    days = ["2026-11-29", "2026-11-30", "2026-12-01"]
    for side, rows in (("users", 30), ("items", 20)):
        vectors = list(rng.normal(size=(rows, 3)))
        connection.register("v", pa.table({"id": np.arange(rows), "embedding": vectors}))
        connection.execute(
            f"CREATE TABLE {side} AS SELECT CAST(unnest(?) AS DATE) AS ds, v.* FROM v", [days]
        )
    space = Space("movies", connection)
    space.run("users", "items", key=f"ds={days[0]}")
    connection.execute(
        script(
            *("--dialect", "duckdb", "--database", "w.db", "--dimension", 3),
            *("--users", "users", "--items", "items", "--element", "double"),
            *("--space", "movies", "--run", f"ds={days[1]}"),
        )
    )
    last = space.run("users", "items", key=f"ds={days[2]}")
    assert list(last.figures["reference"]["runs"]) == days[:2]
    found = connection.execute("SELECT ds, count(*) FROM movies_items GROUP BY ds ORDER BY ds")
    assert [(str(day), rows) for day, rows in found.fetchall()] == [(day, 20) for day in days]


@pytest.mark.parametrize("engine", RUNNABLE)
def test_runs_of_tables(
    engine: str, warehouses: Callable[[str], Warehouse], rng: np.random.Generator
) -> None:
    """The tables of a space take scripts and runs in turn."""
    warehouse = warehouses(engine)
    dialect = warehouse.dialect
    variant = Variant("wide", dialect.double, False, dialect.bigint)
    raw = {"users": rng.standard_normal((60, 4)), "items": rng.standard_normal((50, 4))}
    spaces = {name: Space(name, warehouse.engine) for name in ("scripted", "usual")}
    for name in spaces:
        for view in ("users", "items"):
            warehouse.execute(f"DROP VIEW IF EXISTS {name}_{view}_newest")
        for table in ("users", "items", "maps", "runs"):
            warehouse.execute(f"DROP TABLE IF EXISTS {name}_{table}")
    # A script takes Spark a minute: one with a reference.
    keys = "ab" if engine == "spark" else "abc"
    for key in keys:
        for side, vectors in raw.items():
            rows = Rows(range(len(vectors)), vectors, {})
            warehouse.load(f"s_{side}", variant, rows, side=side)
        spaces["usual"].run("s_users", "s_items", key=key, options=AS_A_SCRIPT)
        if engine == "spark" and key == "a":
            spaces["scripted"].run("s_users", "s_items", key=key, options=AS_A_SCRIPT)
        else:
            first = ("--first-run",) if key == "a" else ()
            text = script(
                *("--dialect", engine, "--dimension", 4, "--element", "double"),
                *("--users", "s_users", "--items", "s_items", "--vector", "e0..e3"),
                *("--space", "scripted", "--run", key, *first),
                *(("--database", "x") if engine == "duckdb" else ()),
            )
            for part in text.split(";\n"):
                if part.strip():
                    warehouse.engine.execute(part.strip())
        found, wanted = spaces["scripted"][key], spaces["usual"][key]
        alike(found, wanted)
        stable = {
            side: warehouse.vectors(
                f"SELECT id, e0, e1, e2, e3 FROM scripted_{side} WHERE run = '{key}'", "wide", 4
            )
            for side in raw
        }
        got = np.array([stable["items"][k] for k in range(50)])
        got = got @ np.array([stable["users"][k] for k in range(60)]).T
        np.testing.assert_allclose(got, raw["items"] @ raw["users"].T, atol=1e-12)
        turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
        raw = {
            side: (vectors + 0.1 * rng.standard_normal(vectors.shape)) @ turn
            for side, vectors in raw.items()
        }
    assert [run.key for run in spaces["scripted"].runs] == list(keys)
    # None of the script's own tables is left.
    (name,) = set(re.findall(r"sqlstab_figures_[0-9a-f]{8}", text))
    with pytest.raises(Exception, match=name):
        warehouse.engine.query(f"SELECT * FROM {name}")


@pytest.mark.parametrize("engine", [name for name in RUNNABLE if name not in ("duckdb", "spark")])
@pytest.mark.parametrize(
    ("id_type", "id_of", "component", "message"),
    [
        ("DECIMAL(9, 1)", lambda k: k / 2, None, "the id id of the items in s_items is not of the"),
        (None, int, "integer", "scores of the written vectors differ by more than 1e-05"),
        (None, lambda k: k + 1000, None, "the runs share no ids to align on"),
        (None, lambda k: k * 7 % 40, None, "the items hardly agree with the earlier run"),
    ],
    ids=["ids", "components", "nothing shared", "another model"],
)
def test_each_engine_stops(
    engine: str,
    warehouses: Callable[[str], Warehouse],
    rng: np.random.Generator,
    id_type: str | None,
    id_of: Callable[[int], float],
    component: str | None,
    message: str,
) -> None:
    """With the message, and without a run."""
    warehouse = warehouses(engine)
    dialect = warehouse.dialect
    for view in ("users", "items"):
        warehouse.execute(f"DROP VIEW IF EXISTS stops_{view}_newest")
    for table in ("users", "items", "maps", "runs"):
        warehouse.execute(f"DROP TABLE IF EXISTS stops_{table}")

    def load(side: str, kind: str, of: Callable[[int], float]) -> None:
        columns = {"id": kind, "e0": dialect.double, "e1": dialect.double}
        rows = [(of(k), *map(float, row)) for k, row in enumerate(rng.standard_normal((40, 2)))]
        warehouse.create(f"s_{side}", columns, rows)

    def run(key: str, *more: str) -> None:
        text = script(
            *("--dialect", engine, "--dimension", 2, "--element", "double", "--users", "s_users"),
            *("--items", "s_items", "--vector", "e0..e1", "--space", "stops", "--run", key, *more),
        )
        for part in text.split(";\n"):
            if part.strip():
                warehouse.engine.execute(part.strip())

    kind = getattr(dialect, component or "double")
    output = [Column("id", dialect.bigint), Column("e0", kind), Column("e1", kind)]
    warehouse.execute(*created("stops_items", "items", output, Key.parse("a"), dialect))
    first = component is not None
    for side in ("users", "items"):
        load(side, dialect.bigint, int)
    if not first:
        with pytest.raises(EngineError, match=r"no run before a to align with: .*it: 0"):
            run("a")
        warehouse.engine.rollback()
        run("a", "--first-run")
    load("items", id_type or dialect.bigint, id_of)
    with pytest.raises(EngineError, match=message):
        run("b", *(("--first-run",) if first else ()))
    warehouse.engine.rollback()
    assert [run.key for run in Space("stops", warehouse.engine).runs] == ([] if first else ["a"])


def test_clickhouse_takes_a_file_as_it_is(rng: np.random.Generator) -> None:
    """As one text, which its client's parser takes apart; there is no such client on PyPI."""
    if reason := missing("clickhouse"):
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    raw = {"users": rng.standard_normal((25, 2)), "items": rng.standard_normal((20, 2))}
    text = "CREATE DATABASE ml ENGINE = Atomic;\n"
    for side, vectors in raw.items():
        rows = ", ".join(f"({k}, {vector.tolist()})" for k, vector in enumerate(vectors))
        text += f"CREATE TABLE ml.{side} (id Int64, embedding Array(Float64)) ORDER BY id;\n"
        text += f"INSERT INTO ml.{side} VALUES {rows};\n"
    text += script(
        *("--dialect", "clickhouse", "--dimension", 2, "--element", "double", "--first-run"),
        *("--users", "ml.users", "--items", "ml.items", "--space", "ml.s", "--run", "a"),
    )
    # Of several statements chdb prints the last one's result.
    written = (f"SELECT '{side}', id, embedding FROM ml.s_{side}" for side in raw)
    text += f"SELECT * FROM ({' UNION ALL '.join(written)}) ORDER BY ALL;\n"
    done = subprocess.run(
        [sys.executable, "-m", "chdb", text, "JSONCompactEachRow"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    stable = {side: np.array([row[2] for row in rows if row[0] == side]) for side in raw}
    scores = raw["items"] @ raw["users"].T
    np.testing.assert_allclose(stable["items"] @ stable["users"].T, scores, atol=1e-13)


# Where a script cannot be right it stops: what spoils it, its options, its key, and what it says.
_ITEMS = "CREATE TABLE other AS SELECT {} AS id, {} AS embedding FROM items"
_OTHER = ("--items", "other")
_REFUSED: dict[str, tuple[list[str], tuple[object, ...], str, str]] = {
    "no shared ids": (
        [_ITEMS.format("id + 5000", "embedding")],
        _OTHER,
        "3",
        "the runs share no ids to align on",
    ),
    "no anchor": ([], ("--anchor-filter", "id < 0"), "3", "the runs share no ids to align on"),
    "no stable rows": (
        ["DELETE FROM s_items WHERE run = '2'"],
        (),
        "3",
        "the runs share no ids to align on",
    ),
    "zero weights": (
        ["CREATE TABLE other AS SELECT *, 0 AS w FROM items"],
        (*_OTHER, "--users", "weighted", "--weight", "w"),
        "3",
        "or none with a weight above zero",
    ),
    "a view of its own rows": (
        ["CREATE VIEW other AS SELECT id, embedding FROM s_items WHERE run = '2'"],
        _OTHER,
        "2",
        "items: rows checked: 50, rows written: 0",
    ),
    "a view that changes": (
        ["CREATE VIEW other AS FROM items WHERE id > 0 OR '3' NOT IN (SELECT run FROM s_users)"],
        _OTHER,
        "3",
        "items: rows checked: 50, rows written: 49",
    ),
    "DECIMAL ids": (
        [_ITEMS.format("CAST(id / 2 AS DECIMAL(9, 1))", "embedding")],
        _OTHER,
        "3",
        "the id id of the items in other is not of the type BIGINT.* Rows: 50",
    ),
    "TIMESTAMP ids": (
        [
            _ITEMS.format("TIMESTAMP '2026-11-30' + to_minutes(id)", "embedding"),
            "CREATE TABLE ours AS SELECT DATE '2026-11-30' + CAST(id AS INTEGER) AS id, embedding "
            "FROM users",
        ],
        (*_OTHER, "--users", "ours", "--id-type", "DATE"),
        "3",
        "is not of the type DATE",
    ),
    "BIGINT ids beyond DOUBLE": (
        [_ITEMS.format("id + 2 ** 60 :: BIGINT", "embedding")],
        (*_OTHER, "--id-type", "DOUBLE"),
        "3",
        "is not of the type DOUBLE",
    ),
    "a table that merges ids": (
        [
            "ALTER TABLE s_items ALTER id TYPE INTEGER",
            _ITEMS.format("CAST(id / 2 AS DECIMAL(9, 1))", "embedding"),
            "CREATE TABLE ours AS SELECT CAST(id AS DECIMAL(9, 1)) AS id, embedding FROM users",
        ],
        (*_OTHER, "--users", "ours", "--id-type", "DECIMAL(9,1)"),
        "3",
        "items: rows checked: 50, rows written: 50, NULL ids: 0, duplicate ids: 24",
    ),
    "a table that changes ids": (
        [
            "ALTER TABLE s_items ALTER id TYPE INTEGER",
            _ITEMS.format("CAST(id + 0.4 AS DECIMAL(9, 1))", "embedding"),
            "CREATE TABLE ours AS SELECT CAST(id AS DECIMAL(9, 1)) AS id, embedding FROM users",
        ],
        (*_OTHER, "--users", "ours", "--id-type", "DECIMAL(9,1)", "--anchor", "users"),
        "3",
        "no vector was written that can be compared with a raw one",
    ),
    "a table that rounds": (
        ["ALTER TABLE s_items ALTER embedding TYPE INTEGER[]"],
        ("--anchor", "users"),
        "3",
        r"differ by more than 1e-05 of the largest.* Difference: 0\.\d+",
    ),
    "vectors of FLOAT that are tiny": (
        [
            _ITEMS.format("id", "list_transform(embedding, lambda x: x * 1e-42)"),
            "CREATE TABLE ours AS SELECT id, list_transform(embedding, lambda x: x * 1e-42) AS "
            "embedding FROM users",
        ],
        (*_OTHER, "--users", "ours", "--output-type", "float"),
        "3",
        "for which there is --output-type double",
    ),
    "items of another model": (
        [_ITEMS.format("id * 7 % 50", "embedding")],
        _OTHER,
        "3",
        r"the items hardly agree with the earlier run: .* another space, .* below 0\.3: ",
    ),
    "one of two anchors": (
        [_ITEMS.format("id * 7 % 50", "embedding")],
        (*_OTHER, "--anchor", "both"),
        "3",
        "the items hardly agree with the earlier run: ",
    ),
    "users of another training": (
        [
            "CREATE TABLE ours AS SELECT id, [embedding[2], embedding[3], embedding[1]] AS "
            "embedding FROM users"
        ],
        ("--users", "ours"),
        "3",
        "the users hardly agree with the earlier run, though the items do: ",
    ),
    "keys that sort otherwise": ([], (), "10", "whose order 10 and others do not stand .* Rows: 1"),
    "further tables": (
        [
            "UPDATE s_runs SET figures = "
            """replace(figures, '"like": {}', '"like": {"q": "users"}')"""
        ],
        (),
        "2",
        "the run with this key has further tables",
    ),
    "text vectors": (
        [_ITEMS.format("id", "CAST(embedding AS VARCHAR)")],
        _OTHER,
        "3",
        "the vectors of the items are text: .*--vector-type VARCHAR. Rows: 50",
    ),
}


@pytest.mark.parametrize("case", _REFUSED)
def test_what_cannot_be_right_is_not_written(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, case: str
) -> None:
    """The space is as it was, and goes on."""
    for side, rows in (("users", 60), ("items", 50)):
        vectors = pa.table({"id": np.arange(rows), "embedding": list(rng.normal(size=(rows, 3)))})
        connection.register("v", vectors)
        connection.execute(f"CREATE TABLE {side} AS FROM v")
    connection.execute("CREATE TABLE weighted AS SELECT *, 0 AS w FROM users")

    def text(key: str, *more: object) -> str:
        sides = () if "--users" in more else ("--users", "users")
        sides += () if "--items" in more else ("--items", "items")
        return script(
            *("--dialect", "duckdb", "--dimension", 3, "--element", "double", "--database", "w.db"),
            *(*sides, "--space", "s", "--run", key, *more),
        )

    connection.execute(text("1", "--first-run"))
    connection.execute(text("2"))
    spoil, options, key, message = _REFUSED[case]
    for statement in spoil:
        connection.execute(statement)

    def content() -> list[Any]:
        tables = ("s_users", "s_items", "s_maps", "s_runs", "s_items_newest")
        return [connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in tables]

    before = content()
    with pytest.raises(duckdb.Error, match=message):
        connection.execute(text(key, *options))
    connection.rollback()
    assert content() == before


@needs_duckdb
def test_a_folder_is_not_mixed_with_another_run(tmp_path: Path, model: Any) -> None:
    """A script cannot remove the files that are there, nor make first runs of one space alike."""
    source, space = model(dimension=32), tmp_path / "a.b.c.d"

    def refusal(text: str) -> str:
        done = duckdb_cli(tmp_path, text)
        assert done.returncode == 1
        return done.stderr

    first = on_files(source, space, "b", "--first-run")
    assert duckdb_cli(tmp_path, first).returncode == 0
    for key in "ac":
        other = on_files(source, space, key, "--first-run")
        assert "the space has other runs, with axes that this first one" in refusal(other)
    files = {path.name: path.read_bytes() for path in (space / "run=b").iterdir()}
    assert "empty it. Files: 4" in refusal(first)
    assert files == {path.name: path.read_bytes() for path in (space / "run=b").iterdir()}
    (space / "run=c" / "q.parquet").touch()
    later = on_files(source, space, "d").replace("run=d", "run=c")
    assert "empty it. Files: 1" in refusal(later)


def test_dimensions_that_are_numbered_otherwise(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> None:
    for side, rows in (("users", 60), ("items", 50)):
        values = {
            "id": np.repeat(np.arange(rows), 3),
            "dim": np.tile(np.arange(1, 4), rows),
            "value": rng.normal(size=3 * rows),
        }
        connection.register("v", pa.table(values))
        connection.execute(f"CREATE TABLE {side} AS FROM v")
    text = (
        *("--dialect", "duckdb", "--dimension", 3, "--element", "double", "--database", "w.db"),
        *("--users", "users", "--items", "items", "--layout", "long", "--space", "s"),
        *("--run", "1", "--first-run"),
    )
    message = "No vector has each of the dimensions 0 to 2 once: .* give it as --first"
    with pytest.raises(duckdb.Error, match=message):
        connection.execute(script(*text))
    connection.rollback()
    connection.execute(script(*text, "--first", 1))


# --- usage and text -------------------------------------------------------------------------------


BOTH = ("--users", "u", "--items", "i")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vectors", "v"), "name --users and --items"),
        ((*BOTH, "--stable-dimension", 6, "--first-run"), "leave out --stable-dimension"),
        ((*BOTH, "--stable-dimension", 3, "--first-run"), "leave out --stable-dimension"),
        ((*BOTH, "--stable-dimension", 3), "the SQL solver adds no axes"),
        (
            ("--users", "s_users", "--items", "i"),
            "s_users is the table of the space s for its users",
        ),
        (("--users", "u", "--items", "S_Runs"), "S_Runs is the table of the space s for its runs"),
        (("--users", "u", "--items", "s_items_newest"), "of the space s for its newest items"),
        *(
            ((*BOTH, *more), f"{' '.join(map(str, more))} is for sqlstab run only")
            for more in [
                ("--rank", 2),
                ("--columns", 2),
                ("--sample", 0.5),
                ("--maps-only",),
                ("--map", "rotation"),
                ("--on-invalid", "drop"),
                ("--align", "recent"),
                ("--align", "first"),
                ("--memory", 0.5),
                ("--strategy", "arrow"),
                ("--refine", "always"),
            ]
        ),
    ],
)
def test_what_a_script_cannot_do(arguments: tuple[Any, ...], message: str) -> None:
    base = ("sql", "script", "--dialect", "postgres", "--dimension", 4, "--space", "s")
    assert message in invoke(*base, *arguments, code=2).stderr


def test_options_of_a_project_that_a_script_does_not_follow(tmp_path: Path) -> None:
    project = tmp_path / "sqlstab.toml"
    tables = "users.table = 'u'\nitems.table = 'i'\nspace.name = 's'\nengine.database = 'w.db'\n"
    given = ("--dialect", "duckdb", "--dimension", 4, "-c", project)
    project.write_text(f"{tables}run.min_agreement = 0.5")
    message = invoke("sql", "script", *given, code=2).stderr
    assert "[run] min_agreement 0.5 is for sqlstab run only" in message
    project.write_text(f"{tables}run = {{align = 'previous', plain_rows = true, map = 'balanced'}}")
    assert script(*given)


def test_dialects_without_a_solver_say_so() -> None:
    base = ("sql", "script", "--dialect", "redshift", "--dimension", 4, "--space", "s")
    assert "no SQL solver" in invoke(*base, "--users", "u", "--items", "i", code=2).stderr


def test_a_script_longer_than_a_request() -> None:
    """BigQuery takes a script as a whole."""
    base = ("sql", "script", "--dialect", "bigquery", "--dimension", 128, "--space", "s")
    message = invoke(*base, "--users", "u", "--items", "i", code=2).stderr
    assert "bigquery takes 1,048,576 in one request" in message


GOLDEN = Path(__file__).parent / "golden_scripts"


@pytest.mark.parametrize("dialect", SOLVERS)
def test_golden(dialect: str) -> None:
    """The text of a whole script, as it was reviewed; `make golden` rewrites it."""
    text = (
        script(
            *("--dialect", dialect, "--users", "ml.users", "--items", "ml.items", "--dimension", 3),
            *("--space", "ml.movies", "--run", "2026-11-30"),
            *(("--database", "ml.duckdb") if dialect == "duckdb" else ()),
        )
        .replace(f"sqlstab {__version__}", "sqlstab VERSION")
        .replace(__version__, "VERSION")
    )
    path = GOLDEN / f"{dialect}.sql"
    if "UPDATE_GOLDEN" in os.environ:
        path.write_text(text)
    assert text == path.read_text()
