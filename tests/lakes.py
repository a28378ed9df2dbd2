"""`make test-lakes`: DuckDB with the extensions that read and write tables of a lake.

There are such extensions on PyPI, each for one version of DuckDB. They are no part of the lock, so
this is run by hand, in an environment of its own.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import deltalake
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from invoke import invoke
from pyiceberg.catalog.sql import SqlCatalog
from test_space import two_at_once

from sqlstab import GateError, Options, Space, UsageError
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.session import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXTENSIONS = ("ducklake", "avro", "delta", "iceberg")
DAYS = ("2026-11-29", "2026-11-30")


@pytest.fixture(scope="session", autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install the extensions in a home of their own, from which DuckDB loads them by itself."""
    with pytest.MonkeyPatch.context() as patched, duckdb.connect() as connection:
        patched.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        for name in EXTENSIONS:
            package = Path(str(import_module(f"duckdb_extension_{name}").__file__)).parent
            (file,) = package.rglob(f"v{duckdb.__version__}/*.duckdb_extension")
            connection.execute(f"INSTALL '{file}'")
        yield


@pytest.fixture
def lake(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, model: Callable[..., Path]
) -> duckdb.DuckDBPyConnection:
    """A connection with a lake that has two days of a model."""
    connection.execute(f"ATTACH 'ducklake:{tmp_path}/lake.ducklake' AS lake")
    connection.execute("CREATE SCHEMA lake.ml")
    first = model("first")
    folders = dict(zip(DAYS, (first, model("second", rotate=first)), strict=True))
    for side in ("users", "items"):
        rows = " UNION ALL ".join(
            f"SELECT DATE '{day}' AS ds, * FROM '{folder}/{side}.parquet'"
            for day, folder in folders.items()
        )
        connection.execute(f"CREATE TABLE lake.ml.{side} AS {rows}")
    return connection


def number(lake: duckdb.DuckDBPyConnection) -> int:
    row = lake.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')").fetchone()
    assert row
    return int(row[0])


def vectors(lake: duckdb.DuckDBPyConnection, query: str) -> np.ndarray:
    rows = lake.execute(f"SELECT embedding FROM {query} ORDER BY id").fetchall()
    return np.array([row[0] for row in rows])


@pytest.mark.parametrize("place", ["attached", "used"])
def test_days(lake: duckdb.DuckDBPyConnection, tmp_path: Path, place: str) -> None:
    """Each is one snapshot, also where it is done again, and what it would be on files."""
    if place == "used":
        lake.execute("USE lake")
    space = Space("lake.ml.movies" if place == "attached" else "ml.movies", lake)
    on_files = Space(tmp_path / "movies")
    snapshots = []
    for day in (*DAYS, DAYS[-1]):
        before = number(lake)
        run = space.run("lake.ml.users", "lake.ml.items", key=f"ds={day}")
        snapshots.append(number(lake) - before)
        frames = (
            lake.sql(f"SELECT id, embedding FROM lake.ml.{side} WHERE ds = '{day}'")
            for side in ("users", "items")
        )
        wanted = on_files.run(*(frame.to_arrow_table() for frame in frames), key=day)
        for side in ("users", "items"):
            np.testing.assert_allclose(
                vectors(lake, f"lake.ml.movies_{side}_newest"),
                np.array(wanted.table(side).arrow().sort_by("id")["embedding"].to_pylist()),
                atol=1e-5,
            )
    assert run.figures["alignment"]["agreement"] > 0.5
    assert snapshots[1:] == [1, 1]
    assert [run.key for run in space.runs] == [*DAYS]
    found = "SELECT DISTINCT ds FROM lake.ml.movies_users"
    assert len(lake.execute(f"{found} AT (VERSION => {number(lake) - 2})").fetchall()) == 1
    assert len(lake.execute(found).fetchall()) == 2
    space.drop(DAYS[-1])
    assert len(lake.execute(found).fetchall()) == 1


def test_nothing_is_lost_where_a_run_is_refused(lake: duckdb.DuckDBPyConnection) -> None:
    space = Space("lake.ml.movies", lake)
    space.run("lake.ml.users", "lake.ml.items", key=f"ds={DAYS[0]}")
    before = number(lake)
    with pytest.raises(GateError):
        space.run(
            *("lake.ml.users", "lake.ml.items"),
            key=f"ds={DAYS[1]}",
            options=Options(min_agreement=1.0),
        )
    assert number(lake) == before
    lake.execute("USE lake")
    lake.execute("BEGIN")
    lake.execute("CREATE TABLE lake.ml.mine AS SELECT 1 AS i")
    with pytest.raises(UsageError, match="has a transaction open"):
        space.run("lake.ml.users", "lake.ml.items", key=f"ds={DAYS[1]}")
    lake.execute("COMMIT")
    assert lake.execute("FROM lake.ml.mine").fetchall() == [(1,)]


@pytest.mark.parametrize("first", [True, False])
def test_two_runs_of_one_key(
    lake: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    names = ("lake.ml.users", "lake.ml.items")
    if not first:
        Space("lake.ml.movies", lake).run(*names, key=f"ds={DAYS[0]}")
    two_at_once("lake.ml.movies", lake, names, f"ds={DAYS[1]}", monkeypatch)


def test_arrays_of_a_fixed_size(lake: duckdb.DuckDBPyConnection) -> None:
    """They come in from tables of DuckDB's own, and a lake takes them as arrays."""
    for side in ("users", "items"):
        rows = f"SELECT id, embedding::FLOAT[6] AS v FROM lake.ml.{side} WHERE ds = '{DAYS[0]}'"
        lake.execute(f"CREATE TABLE {side} AS {rows}")
    Space("lake.movies", lake).run("users", "items", key="1")
    found = lake.execute("SELECT count(*), any_value(typeof(v)) FROM lake.main.movies_users")
    assert found.fetchall() == [(200, "FLOAT[]")]


def test_the_command(tmp_path: Path, model: Callable[..., Path]) -> None:
    database = f"ducklake:{tmp_path}/lake.ducklake"
    for key in "12":
        folder = model(key, rotate=tmp_path / "1" if key == "2" else None)
        invoke(
            *("run", "--database", database, "--space", "movies", "--run", key),
            *("--users", folder / "users.parquet", "--items", folder / "items.parquet"),
        )
    assert "alignable" in invoke("runs", "--database", database, "movies").stdout
    limit = "SELECT current_setting('memory_limit') AS n"
    with connect(None) as files, connect(database) as lake, duckdb.connect() as plain:
        assert lake.query(limit)[0]["n"] == plain.sql(limit).fetchall()[0][0]
        assert files.query(limit) != lake.query(limit)
    # A database of another name is not left behind.
    missing = ("--users", "u", "--items", "i", "--space", "movies")
    invoke("run", "--database", f"ducklake:{tmp_path}/typo.ducklake", *missing, code=4)
    assert not list(tmp_path.glob("typo*"))


def _delta(folder: Path, rows: pa.Table) -> Path:
    deltalake.write_deltalake(folder, rows)
    deltalake.DeltaTable(folder).delete("id >= 50")
    return folder


def _iceberg(folder: Path, rows: pa.Table, *, hint: bool) -> Path:
    folder.mkdir()
    catalogue = SqlCatalog("c", uri=f"sqlite:///{folder}/c.db", warehouse=f"file://{folder}")
    catalogue.create_namespace("ml")
    table = catalogue.create_table("ml.t", schema=rows.schema)
    table.append(rows)
    table.delete("id >= 50")
    file = Path(table.metadata_location.removeprefix("file://"))
    if not hint:
        return file
    (file.parent / "version-hint.text").write_text(file.name.removesuffix(".metadata.json"))
    return file.parent.parent


@pytest.mark.parametrize("kind", ["delta", "iceberg", "iceberg by its version"])
def test_tables_of_a_lake_as_inputs(tmp_path: Path, rng: np.random.Generator, kind: str) -> None:
    """Rows that they have no longer, but their files, are not read."""
    tables, frames = {}, {}
    for side in ("users", "items"):
        embedding = pa.array(list(rng.standard_normal((60, 4))), pa.list_(pa.float64()))
        rows = pa.table({"id": np.arange(60), "embedding": embedding})
        frames[side] = rows.slice(0, 50)
        folder = tmp_path / side
        written = (
            _delta(folder, rows)
            if kind == "delta"
            else _iceberg(folder, rows, hint=kind == "iceberg")
        )
        tables[side] = str(written)
    engine = DuckDBEngine()
    engine.describe(tables["users"])
    parquet = next((tmp_path / "users").rglob("*.parquet"))
    # Memory is made for them as for other files.
    assert engine._row_group >= pq.read_metadata(parquet).row_group(0).total_byte_size
    engine.close()
    run = Space(tmp_path / "s").run(**tables, key="1")
    wanted = Space(tmp_path / "w").run(**frames, key="1")
    for side in ("users", "items"):
        assert run.figures["tables"][side]["rows"] == 50
        stable = (found.table(side).arrow().sort_by("id") for found in (run, wanted))
        found, expected = (np.array(table["embedding"].to_pylist()) for table in stable)
        np.testing.assert_allclose(found, expected, atol=1e-10)
