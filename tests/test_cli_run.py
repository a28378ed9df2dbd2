"""`sqlstab run` as a scheduler calls it: from a project file, on an engine, into tables."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import read_vectors, write_vectors
from invoke import invoke

from sqlstab import Run

if TYPE_CHECKING:
    from pathlib import Path

    from engines import Running

SECRET = "hunter2/@:"


@pytest.fixture
def project(tmp_path: Path, model: Any) -> Path:
    """A project file beside its data."""
    model("monday")
    path = tmp_path / "sqlstab.toml"
    path.write_text("""
[users]
table = "{day}/users.parquet"
[items]
table = "{day}/items.parquet"
[run]
out = "stable/{day}"
""")
    return path


@pytest.fixture
def database(tmp_path: Path, model: Any) -> Path:
    """A DuckDB database with tables u and i."""
    source = model(dtype=np.float64)
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        for side, name in (("users", "u"), ("items", "i")):
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM '{source}/{side}.parquet'")
    return path


def test_a_rank(database: Path, tmp_path: Path) -> None:
    """What it costs is a percentage; one above the dimension costs nothing, and is said to."""
    tables = ["--database", database, "--users", "u", "--items", "i", "--out", tmp_path / "run"]
    shown = invoke("run", *tables, "--rank", 2).stdout
    error = Run.load(tmp_path / "run").figures["scores"]["max_relative_error"]
    assert f"changed, by up to {error * 100:.3g}% of the largest" in shown
    assert "asked for" not in shown
    shown = invoke("run", *tables, "--rank", 80).stdout
    assert "80 were asked for: the vectors have 6, all are kept" in shown
    assert "kept, to" in shown


def test_a_project_file(project: Path) -> None:
    done = invoke("run", "-c", project, "--var", "day=monday", "-q", "--json")
    run = Run.load(project.parent / "stable" / "monday")
    assert json.loads(done.stdout) == run.figures
    # A variable of the environment is no option of the command line.
    invoke("run", "--config", project, "--var", "day=monday", "-v", SQLSTAB_ENGINE="x://y")


def test_keep_accumulates(tmp_path: Path, model: Any) -> None:
    source = model()
    for side in ("users", "items"):
        with duckdb.connect() as connection:
            path = source / f"{side}.parquet"
            copied = f"SELECT *, 1 AS a, 2 AS b, 3 AS c FROM '{path}'"
            connection.execute(f"COPY ({copied}) TO '{tmp_path}/{side}.parquet'")
    tables = ["--users", tmp_path / "users.parquet", "--items", tmp_path / "items.parquet"]
    options = ["--keep", "a,b", "--keep", "c", "--items-keep", "c", "-q"]
    invoke("run", *tables, "--out", tmp_path / "run", *options)
    names = {
        side: pq.read_schema(tmp_path / "run" / f"{side}.parquet").names
        for side in ("users", "items")
    }
    assert names == {"users": ["id", "embedding", "a", "b", "c"], "items": ["id", "embedding", "c"]}


def test_into_tables(tmp_path: Path, database: Path) -> None:
    arguments = ["run", "--database", database, "--users", "u", "--items", "i", "-q"]
    arguments += ["--users-out", "su", "--items-out", "si", "--transform-table", "t"]
    invoke(*arguments, "--out", tmp_path / "run")
    invoke(*arguments, "--reference", tmp_path / "run", "--out", tmp_path / "again")
    with duckdb.connect(str(database), read_only=True) as connection:
        names = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        assert names == [("i",), ("si",), ("su",), ("t",), ("u",)]
        assert connection.execute("SELECT count(DISTINCT run_id) FROM t").fetchone() == (2,)
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        "run.json",
        "transform.json",
    ]


def test_a_sample_and_partitions(tmp_path: Path, database: Path) -> None:
    with duckdb.connect(str(database)) as connection:
        for name in ("u", "i"):
            connection.execute(f"ALTER TABLE {name} ADD COLUMN day DATE DEFAULT '2026-11-24'")
    arguments = ["run", "--database", database, "--users", "u", "--items", "i", "--json", "-q"]
    sample = json.loads(invoke(*arguments, "--out", tmp_path / "a", "--sample", "50%").stdout)
    assert sample["users"]["summed"] < sample["users"]["rows"]
    kept = ["--partition-by", "day", "--grams", "grams"]
    invoke(*arguments, "--out", tmp_path / "b", *kept)
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("SELECT count(*) FROM grams").fetchone() == (42,)


def test_a_secret_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = ["--users", "u", "--items", "i", "--out", tmp_path / "run", "-v", "--show-sql"]
    urls = {
        2: f"not a url {SECRET}",
        3: "postgresql+psycopg://user:hunter2@localhost:1/none",
    }
    for code, url in urls.items():
        done = invoke("run", *tables, code=code, SQLSTAB_ENGINE=url)
        assert "hunter2" not in done.stderr


def test_an_option_is_stronger_than_the_environment(tmp_path: Path, database: Path) -> None:
    arguments = ["run", "--database", database, "--users", "u", "--items", "i", "-q"]
    invoke(*arguments, "--out", tmp_path / "run", SQLSTAB_ENGINE="postgresql://nowhere/x")


def test_spark_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pyspark"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    tables = ["--users", "u", "--items", "i", "--out", tmp_path / "run"]
    done = invoke("run", *tables, "--engine", "spark", code=2)
    assert "sqlstab[spark]" in done.stderr


def test_postgres(tmp_path: Path, model: Any, running: Running) -> None:
    """The same stable vectors as from files; the URL from the environment, shown nowhere."""
    url = running["postgres"]
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    source = model(dtype=np.float64)
    engine = create_engine(url)
    with engine.begin() as connection:
        for side in ("users", "items"):
            ids, vectors = read_vectors(source / f"{side}.parquet")
            name = f"cli_{side}"
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
            connection.execute(text(f"CREATE TABLE {name} (id int, embedding float8[])"))
            connection.execute(
                text(f"INSERT INTO {name} VALUES (:id, :v)"),
                [{"id": int(i), "v": v.tolist()} for i, v in zip(ids, vectors, strict=True)],
            )
    arguments = ["run", "--users", "cli_users", "--items", "cli_items", "-v", "--show-sql"]
    arguments += ["--users-out", "cli_su", "--items-out", "cli_si", "--out", tmp_path / "run"]
    done = invoke(*arguments, SQLSTAB_ENGINE=url)
    assert url not in done.stderr + done.stdout
    files = ["--users", source / "users.parquet", "--items", source / "items.parquet"]
    invoke("run", *files, "--out", tmp_path / "files", "-q")
    with engine.begin() as connection:
        found = connection.execute(text("SELECT embedding FROM cli_si ORDER BY id")).fetchall()
    engine.dispose()
    want = read_vectors(tmp_path / "files" / "items.parquet")[1]
    assert np.allclose(np.array([row[0] for row in found]), want, rtol=0, atol=1e-10)


def test_spark(tmp_path: Path, model: Any, running: Running) -> None:
    """Tables of the session's catalogue; a session that was there already goes on."""
    session = running["spark"]
    source = model(dtype=np.float64)
    for side in ("users", "items"):
        frame = session.read.parquet(str(source / f"{side}.parquet"))
        frame.write.saveAsTable(f"cli_{side}")
    arguments = ["run", "--users", "cli_users", "--items", "cli_items", "--strategy", "sql", "-q"]
    arguments += ["--users-out", "cli_su", "--items-out", "cli_si", "--out", tmp_path / "run"]
    invoke(*arguments, "--engine", "spark")
    found = session.sql("SELECT embedding FROM cli_si ORDER BY id").collect()
    for table in ("users", "items", "su", "si"):
        session.sql(f"DROP TABLE cli_{table}")
    files = ["--users", source / "users.parquet", "--items", source / "items.parquet"]
    invoke("run", *files, "--out", tmp_path / "files", "-q")
    want = read_vectors(tmp_path / "files" / "items.parquet")[1]
    assert np.allclose(np.array([row[0] for row in found]), want, rtol=0, atol=1e-10)


def test_names_are_no_markup(tmp_path: Path, rng: np.random.Generator) -> None:
    tables: list[Any] = []
    for side in ("users", "items"):
        path = write_vectors(tmp_path / f"{side}.parquet", rng.standard_normal((20, 3)))
        tables += [f"--{side}", path, f"--{side}-filter", "[id][1] < 9"]
    registry = ("--registry", tmp_path / "runs.jsonl")
    ids = []
    # The second would be the end of a style that never began.
    for out in ("run [v2]", "run[/x]"):
        assert out in invoke("run", *tables, "--out", tmp_path / out, *registry).stdout
        ids.append(Run.load(tmp_path / out).run_id)
        assert out in invoke("runs", "show", ids[-1], *registry).stdout
        tables[3] = "[id][1] < 8"
    assert "[id][1] < 8" in invoke("runs", "diff", *ids, *registry).stdout
