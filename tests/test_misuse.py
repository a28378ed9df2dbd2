"""What is given in the wrong place or form gets one message that says what to give instead."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from engines import missing
from invoke import invoke
from sqlstab.stabilize import apply_transform, collect_sums

from sqlstab import DataError, EngineError, Options, Run, Transform, UsageError, stabilize
from sqlstab.session import connect

if TYPE_CHECKING:
    from pathlib import Path

# A port that nobody listens on.
URL = "postgresql+psycopg://etl:secret@127.0.0.1:1/db"


@pytest.fixture
def tables(model: Any) -> dict[str, Path]:
    folder = model()
    return {side: folder / f"{side}.parquet" for side in ("users", "items")}


@pytest.fixture
def done(tmp_path: Path, tables: dict[str, Path]) -> Run:
    return stabilize(**tables, out=tmp_path / "done")


def needs(engine: str) -> None:
    """Skip where the packages of an engine are not installed; fail in CI."""
    if reason := missing(engine):
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)


def options(tables: dict[str, Path]) -> list[Any]:
    return [part for side, path in tables.items() for part in (f"--{side}", path)]


def test_tables_in_memory(tables: dict[str, Path]) -> None:
    rows = pa.table({"id": [1], "embedding": [[1.0]]})
    with pytest.raises(UsageError, match=r"not as Table: write it .*connection\.register"):
        stabilize(rows, tables["items"])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not as Table"):
        collect_sums(tables["users"], rows)  # type: ignore[arg-type]


def test_the_way_that_the_message_names(tables: dict[str, Path]) -> None:
    with duckdb.connect() as connection:
        for side, path in tables.items():
            connection.register(f"my_{side}", connection.sql(f"FROM '{path}'").to_arrow_table())
        assert stabilize("my_users", "my_items", engine=connection).figures["users"]["rows"] == 200


def test_options_as_a_dict(tables: dict[str, Path], done: Run, tmp_path: Path) -> None:
    given: Any = {"anchor": "users"}
    for call in (
        lambda: stabilize(**tables, options=given),
        lambda: collect_sums(**tables, options=given),
        lambda: apply_transform(
            done.transform, {"users": tables["users"]}, {"users": tmp_path / "x"}, options=given
        ),
    ):
        with pytest.raises(UsageError, match=r"sqlstab\.Options.*not dict; of a dict, Options\("):
            call()
    assert Options(**given).anchor == "users"


@pytest.mark.parametrize("name", ["postgres", "spark", "snowflake"])
def test_an_engine_by_the_name_of_its_sql(tables: dict[str, Path], name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' says which SQL, not which database"):
        stabilize(**tables, engine=name)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_url_without_a_driver_takes_that_of_the_extra(scheme: str) -> None:
    """It gets as far as the database, which is not there."""
    needs("postgres")
    with (
        pytest.raises(EngineError, match=r"^postgres: .*onnection"),
        connect(f"{scheme}://127.0.0.1:1/db", writes_tables=False),
    ):
        pass


def test_clickhouse_without_a_driver() -> None:
    needs("clickhouse")
    with (
        pytest.raises(EngineError, match="clickhouse"),
        connect("clickhouse://127.0.0.1:1/db", writes_tables=False),
    ):
        pass


def test_a_driver_that_is_named_is_not_replaced() -> None:
    needs("postgres")
    with (
        pytest.raises(UsageError, match=r"no driver for postgresql\+nothing here"),
        connect("postgresql+nothing://host/db", writes_tables=False),
    ):
        pass


def test_an_engine_from_the_environment_is_named(
    tmp_path: Path, tables: dict[str, Path], done: Run
) -> None:
    run = ["run", *options(tables), "--out", tmp_path / "out"]
    variable = "environment variable SQLSTAB_ENGINE"
    failed = invoke(*run, code=3, SQLSTAB_ENGINE=URL)
    assert variable in failed.stderr
    assert "secret" not in failed.stderr
    assert variable in invoke(*run, "--threads", 2, code=2, SQLSTAB_ENGINE=URL).stderr
    assert variable in invoke(*run, code=2, SQLSTAB_ENGINE="w.duckdb").stderr
    # Not where it was named on the command line, and not where it is not used.
    assert variable not in invoke(*run, "--engine", URL, code=3, SQLSTAB_ENGINE=URL).stderr
    nowhere = ["--database", tmp_path / "nowhere" / "w.duckdb"]
    assert variable not in invoke(*run, *nowhere, code=3, SQLSTAB_ENGINE=URL).stderr
    file = tmp_path / "sqlstab.toml"
    file.write_text('users.table = "no.parquet"\nitems.table = "no.parquet"\nrun.out = "o"\n')
    assert variable not in invoke("run", "-c", file, code=4, SQLSTAB_ENGINE=URL).stderr
    plan = ["plan", *options(tables), "--dialect", "duckdb", "--dimension", 6]
    assert invoke(*plan, SQLSTAB_ENGINE=URL).stderr == ""


def test_a_plan_that_needs_a_dimension(tables: dict[str, Path], done: Run) -> None:
    plan = ["plan", *options(tables)]
    message = invoke(*plan, code=2).stderr
    assert "Neither columns e0, e1, ... nor a --reference tell" in message
    assert "--dimension" in message
    invoke(*plan, "--dimension", 6)
    invoke(*plan, "--reference", done.directory)


def test_a_transform_alone_is_no_reference_of_a_run(
    tmp_path: Path, tables: dict[str, Path], done: Run
) -> None:
    folder = tmp_path / "solved"
    folder.mkdir()
    sums = invoke("gram", *options(tables)).stdout
    invoke("solve", "--out", folder, stdin=sums)
    assert [path.name for path in folder.iterdir()] == ["transform.json"]
    for command in (["run", "--out", tmp_path / "out"], ["gram"], ["plan"]):
        for reference in (folder, folder / "transform.json"):
            failed = invoke(*command, *options(tables), "--reference", reference, code=4)
            assert "has a transform, but no run.json" in failed.stderr
            assert "sqlstab render cross-gram" in failed.stderr
    # What needs the transform alone takes all three.
    more = invoke("gram", *options(tables), "--reference", done.directory).stdout
    for reference in (done.directory, done.directory and done.directory / "transform.json"):
        solved = invoke("solve", "--reference", reference, stdin=more).stdout
        assert json.loads(solved)["reference"] == done.run_id
    for transform in (folder, folder / "transform.json", done.directory):
        render = ["render", "apply", "--dialect", "duckdb", "--transform", transform]
        assert "SELECT" in invoke(*render, "--items", "i").stdout


def test_a_transform_file_of_any_name(tmp_path: Path, tables: dict[str, Path]) -> None:
    sums = invoke("gram", *options(tables)).stdout
    invoke("solve", "--out", tmp_path / "monday", stdin=sums)
    assert Transform.load(tmp_path / "monday").raw_dimension == 6
    with pytest.raises(DataError, match="There is no transform at"):
        Transform.load(tmp_path / "tuesday")


def test_rows_of_a_check_say_what_they_are_about(tables: dict[str, Path]) -> None:
    check = ["render", "check", "--dialect", "duckdb", "--dimension", 6, *options(tables)]
    text = invoke(*check, "--items-reference", tables["items"]).stdout
    found = []
    with duckdb.connect() as connection:
        for statement in text.split(";\n"):
            if statement.strip():
                cursor = connection.execute(statement)
                names = [column[0] for column in cursor.description or ()]
                found += [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    assert [(row["side"], row["what"]) for row in found] == [
        ("users", "ids"),
        ("users", "lengths"),
        ("users", "vectors"),
        ("items", "ids"),
        ("items", "lengths"),
        ("items", "vectors"),
        ("items", "shared ids"),
    ]
    assert found[1] == {"side": "users", "what": "lengths", "n": 6, "n_rows": 200}
    assert found[-1]["shared"] == 90
