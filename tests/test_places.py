"""No output takes the place of an input: tables, files, wildcards and directories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from conftest import write_vectors
from invoke import invoke

from sqlstab import UsageError, stabilize
from sqlstab.config import Options
from sqlstab.places import Place, check_outputs
from sqlstab.stabilize import apply_transform, collect_sums
from sqlstab.statements.dialect import DUCKDB, POSTGRES

if TYPE_CHECKING:
    import numpy as np


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files to read, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("raw/day=1/u.parquet", "raw/i.parquet", "db/x[1].parquet"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "link.parquet").symlink_to("raw/i.parquet")
    (tmp_path / "hard.parquet").hardlink_to("raw/i.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("raw/i.parquet", "raw/../raw/i.parquet"),
        ("raw/i.parquet", "link.parquet"),
        ("raw/i.parquet", "hard.parquet"),
        ("raw/*.parquet", "raw/new.parquet"),
        ("raw/**/*.parquet", "raw/day=2/new.parquet"),
        ("raw/*/u.parquet", "raw/day=2/u.parquet"),
        ("./raw", "raw/stable.parquet"),
        ("db/x[1].parquet", "db/x[1].parquet"),
        ("s3://b/i.parquet", "s3://b/i.parquet"),
        ("items", "main.ITEMS"),
    ],
)
def test_they_meet(folder: Path, source: str, output: str) -> None:
    with pytest.raises(UsageError, match=r"items table .* would be overwritten by the sums"):
        check_outputs([Place("items table", source)], [Place("the sums", output)], DUCKDB)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("raw/i.parquet", "raw/i2.parquet"),
        ("raw/*.parquet", "raw/day=1/new.parquet"),
        ("raw/*/u.parquet", "raw/day=2/i.parquet"),
        ("./raw", "stable.parquet"),
        ("./raw", "raw.parquet"),
        # A table of that name.
        ("raw", "raw/stable.parquet"),
        ("s3://b/i.parquet", "b/i.parquet"),
        ("items", "items.parquet"),
        ("items", "other.items2"),
    ],
)
def test_they_do_not_meet(folder: Path, source: str, output: str) -> None:
    check_outputs([Place("items table", source)], [Place("the sums", output)], DUCKDB)


@pytest.mark.parametrize(
    ("source", "meets"),
    [
        ("today/raw/*.parquet", True),
        ("*/users.parquet", True),
        ("./today", True),
        ("today", False),
        ("yesterday/users.parquet", False),
        ("*/raw.parquet", False),
    ],
)
def test_a_run_directory(folder: Path, source: str, meets: bool) -> None:
    (folder / "today").mkdir()
    places = [Place("users table", source)], [Place("the run directory", "today", "run")]
    if meets:
        with pytest.raises(UsageError, match="would be overwritten by the run directory"):
            check_outputs(*places, DUCKDB)
    else:
        check_outputs(*places, DUCKDB)


def test_the_file_of_a_further_table(folder: Path) -> None:
    """A run of users, items and queries writes one for these too."""
    today = Place("the run directory", "today", "run", ("queries.parquet",))
    with pytest.raises(UsageError, match="would be overwritten by the run directory"):
        check_outputs([Place("also", "*/queries.parquet")], [today], DUCKDB)
    check_outputs([Place("also", "*/others.parquet")], [today], DUCKDB)


def test_a_table_is_no_file_where_files_are_not_read(folder: Path) -> None:
    """`raw` is a directory here, and a table there."""
    with pytest.raises(UsageError, match="would be overwritten"):
        check_outputs([Place("users table", "raw")], [Place("the sums", "s.raw")], POSTGRES)


def test_every_entry_looks(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """No input changes by any command, and each says so before it reads one."""
    monkeypatch.chdir(tmp_path)
    source = model().relative_to(tmp_path)
    tables = ["--users", source / "users.parquet", "--items", source / "items.parquet"]
    run = stabilize(tables[1], tables[3], out="run")
    invoke("gram", *tables, "--out", "sums.csv")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    transform = ["--transform", "run"]
    one_of_many = ["--items", source / "*.parquet"]
    refused = [
        ["gram", *tables, "--out", tables[1], "--format", "parquet"],
        ["gram", *tables, "--reference", "run", "--out", "run/run.json"],
        ["gram", *tables, "--grams", "g.parquet", "--partition-by", "id", "--out", "g.parquet"],
        ["solve", "--gram", "sums.csv", "--out", "sums.csv"],
        ["solve", "--gram", "sums.csv", "--reference", "run", "--out", "run/transform.json"],
        ["apply", *transform, *one_of_many, "--items-out", source / "stable.parquet"],
        ["apply", *transform, "--items", f"./{source}", "--items-out", source / "items.parquet"],
        ["render", "apply", "--dialect", "duckdb", *transform, *one_of_many,
         "--into", source / "items.parquet"],
        ["render", "apply", "--dialect", "postgres", *transform, "--items", "i",
         "--into", "public.I", "--replace"],
        ["render", "apply", "--dialect", "spark", "--transform-table", "t", "--dimension", 3,
         "--items", "i", "--into", "t", "--replace"],
        ["run", *tables, "--out", "new", "--grams", tables[1], "--partition-by", "id"],
        ["run", *tables, "--out", "new", "--grams", "new/g.parquet", "--partition-by", "id"],
    ]  # fmt: skip
    for arguments in refused:
        done = invoke(*arguments, code=2)
        assert "overwrit" in done.stderr, arguments
    with pytest.raises(UsageError, match="would be overwritten by the stable items"):
        apply_transform(
            run.transform, {"items": source / "items.parquet"}, {"items": Path(tables[3])}
        )
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_what_is_behind_a_view(tmp_path: Path, rng: np.random.Generator) -> None:
    """A view shows what an output has become, so that what it showed is gone."""
    (tmp_path / "raw").mkdir()
    file = write_vectors(tmp_path / "raw" / "users.parquet", rng.standard_normal((20, 3)))
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            CREATE SCHEMA "odd s";
            CREATE TABLE raw AS FROM '{file}';
            CREATE TABLE "odd s".raw AS FROM '{file}';
            CREATE VIEW one AS WITH its AS (FROM main.raw) FROM its;
            CREATE VIEW "odd s".two AS SELECT * FROM main.one WHERE id IN (SELECT id FROM main.one);
            CREATE VIEW files AS FROM '{file}' UNION ALL FROM read_parquet(['{file}']);
            CREATE VIEW odd AS FROM "odd s".raw;
            """
        )
        for source, outputs in (
            ("one", {"users_out": "RAW", "items_out": "new"}),
            ('"odd s".two', {"users_out": "memory.main.raw", "items_out": "new"}),
            ("two", {"users_out": "new", "items_out": "main.raw"}),
            ("odd", {"users_out": '"odd s"."raw"', "items_out": "new"}),
            ("files", {"out": tmp_path / "raw"}),
        ):
            with pytest.raises(UsageError, match=r"a view of .*raw.* would be overwritten by the"):
                stabilize(source, source, engine=connection, **outputs)
        # Neither its own name for a query nor another schema's table is the output.
        outputs = {"users_out": "its", "items_out": '"odd s".raw'}
        stabilize("one", "one", engine=connection, **outputs)
        with pytest.raises(UsageError, match=r"a view of main\.raw would be overwritten by"):
            apply_transform(
                stabilize("one", "one", engine=connection).transform,
                {"items": "one"},
                {"items": "raw"},
                connection,
            )


def test_a_view_that_cannot_be_read_is_no_obstacle(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    file = write_vectors(tmp_path / "users.parquet", rng.standard_normal((20, 3)))
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            CREATE TABLE long AS SELECT id, 'e' || k AS name, embedding[k + 1] AS value
            FROM '{file}', range(3) AS r(k);
            CREATE VIEW wide AS PIVOT long ON name IN ('e0', 'e1', 'e2') USING any_value(value);
            """
        )
        outputs = {"users_out": "su", "items_out": "si"}
        stabilize("wide", "wide", engine=connection, **outputs)
        assert connection.execute("SELECT count(*) FROM su").fetchall() == [(20,)]


def test_a_store_of_gram_matrices_is_no_input(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write_vectors(tmp_path / "x.parquet", rng.standard_normal((20, 3)), day=[1] * 20)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="would be overwritten by the Gram matrices"):
        collect_sums(path, path, options=Options(partition_by="day", grams=str(path)))
    assert path.read_bytes() == before


@pytest.mark.parametrize("written", [True, False])
def test_the_directory_of_a_model_is_no_table(folder: Path, written: bool) -> None:
    """Users and items would be one table; a directory of part files is one."""
    model = folder / "model"
    model.mkdir()
    (model / ("run.json" if written else "users.parquet")).write_bytes(b"")
    (model / "items.parquet").write_bytes(b"")
    with pytest.raises(UsageError, match=r"model is the directory of a model.*/\w+\.parquet\."):
        stabilize(model, model)
