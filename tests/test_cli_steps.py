"""`sqlstab gram`, `solve` and `apply`: the job in steps gives what the whole gives."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from conftest import read_vectors
from invoke import invoke

from sqlstab import Run, Transform, UsageError, stabilize
from sqlstab.stabilize import apply_transform

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runs(tmp_path: Path, model: Any) -> dict[str, Run]:
    """Two runs on files, the second aligned with the first."""
    monday = model("raw_monday", dtype=np.float64)
    model("raw_tuesday", dtype=np.float64, rotate=monday)
    found: dict[str, Run] = {}
    for day in ("monday", "tuesday"):
        users, items = (tmp_path / f"raw_{day}" / f"{side}.parquet" for side in ("users", "items"))
        found[day] = stabilize(users, items, found.get("monday"), tmp_path / day)
    return found


def tables(folder: Path, *sides: str) -> list[Any]:
    return [part for side in sides for part in (f"--{side}", folder / f"{side}.parquet")]


def same(found: Transform, want: Run) -> None:
    for side in ("users", "items"):
        x, y = getattr(found, side).matrix, getattr(want.transform, side).matrix
        assert np.abs(x - y).max() < 1e-11 * np.abs(y).max()


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
def test_in_steps(tmp_path: Path, runs: dict[str, Run], strategy: str) -> None:
    """Sums through a pipe, a transform through a file, vectors to files."""
    source = tmp_path / "raw_tuesday"
    reference = ["--reference", tmp_path / "monday"]
    sums = invoke(
        "gram", *tables(source, "users", "items"), *reference, "--strategy", strategy, "-q"
    )
    assert sums.stderr == ""
    solved = invoke("solve", *reference, stdin=sums.stdout)
    same(Transform.from_json(solved.stdout, "stdout"), runs["tuesday"])
    options = ["--transform", "-", "--strategy", strategy]
    for side in ("users", "items"):
        target = tmp_path / f"stable_{side}.parquet"
        invoke(
            "apply", *options, *tables(source, side), f"--{side}-out", target, stdin=solved.stdout
        )
        want = read_vectors(tmp_path / "tuesday" / f"{side}.parquet")
        found = read_vectors(target)
        assert (found[0] == want[0]).all()
        assert np.abs(found[1] - want[1]).max() < 1e-11


def test_a_consensus_as_the_reference(tmp_path: Path, runs: dict[str, Run], model: Any) -> None:
    """Of several directories, as run has it; what a registry is asked for is for run alone."""
    source = model("raw_wednesday", dtype=np.float64, rotate=tmp_path / "raw_monday")
    both = tables(source, "users", "items")
    names = [tmp_path / "tuesday", tmp_path / "monday"]
    summed = invoke("gram", *both, *(x for name in names for x in ("--reference", name)))
    solved = invoke("solve", "--reference", tmp_path / "tuesday", stdin=summed.stdout)
    want = stabilize(
        source / "users.parquet",
        source / "items.parquet",
        list(runs.values()),
        tmp_path / "wednesday",
    )
    found = Transform.from_json(solved.stdout, "stdout")
    np.testing.assert_allclose(found.items.matrix, want.transform.items.matrix, atol=1e-11)
    message = invoke("gram", *both, "--reference", "previous", code=2).stderr
    assert "looked up in a registry, which sqlstab gram does not read" in message


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_saved_sums(tmp_path: Path, runs: dict[str, Run], form: str) -> None:
    """The same rows, printed or in a file; the file's name may say how."""
    arguments = ["gram", *tables(tmp_path / "raw_monday", "users", "items")]
    out = tmp_path / f"sums.{form}"
    assert invoke(*arguments, "-o", out).stdout == ""
    assert out.read_bytes() == invoke(*arguments, "--format", form).data
    solved = invoke("solve", "--gram", out)
    same(Transform.from_json(solved.stdout, "stdout"), runs["monday"])
    data = out.read_bytes()
    if form == "json":
        assert {row["kind"] for row in json.loads(data)} == {"gram"}
    else:
        read = pq.read_table if form == "parquet" else pyarrow.csv.read_csv
        assert read(io.BytesIO(data)).num_rows == 2 * 21


def test_bad_vectors_are_noticed(tmp_path: Path, model: Any) -> None:
    source = model("bad")
    with duckdb.connect() as connection:
        path = source / "items.parquet"
        rows = f"SELECT * FROM '{path}' UNION ALL SELECT id, embedding FROM '{path}' WHERE id = 1"
        connection.execute(f"COPY ({rows}) TO '{tmp_path}/items.parquet'")
    arguments = ["--users", source / "users.parquet", "--items", tmp_path / "items.parquet"]
    done = invoke("gram", *arguments, code=4)
    assert "id has occurred before" in done.stderr
    dropped = invoke("gram", *arguments, "--on-invalid", "drop")
    assert "left out 2 vectors" in dropped.stderr
    assert ",89\n" in dropped.stdout


@pytest.mark.parametrize("target", ["out.parquet", "su"])
@pytest.mark.parametrize("kind", ["INTEGER", "UUID"])
def test_bad_vectors_are_not_written(
    tmp_path: Path, runs: dict[str, Run], kind: str, target: str
) -> None:
    """Where Arrow keeps no UUID and writes no table, SQL multiplies NaN as any number."""
    path = tmp_path / "w.duckdb"
    out = str(tmp_path / target) if "." in target else target
    one = "i" if kind == "INTEGER" else "uuid()"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE TABLE users AS SELECT {one} AS id, [1, 2, 3, 4, 5, "
            "CASE i WHEN 3 THEN 'nan'::DOUBLE WHEN 4 THEN NULL ELSE i END] AS embedding "
            "FROM range(9) AS r(i)"
        )
    arguments = [
        *("apply", "--database", path, "--transform", tmp_path / "monday"),
        *("--users", "users", "--users-out", out),
    ]
    done = invoke(*arguments, code=4)
    assert "1 vector with a NULL in it" in done.stderr
    assert "1 vector with a NaN or infinite component" in done.stderr
    dropped = invoke(*arguments, "--on-invalid", "drop")
    assert "left out 2 vectors" in dropped.stderr
    with duckdb.connect(str(path)) as connection:
        found = connection.execute(
            f"SELECT count(*), bool_and(isfinite(list_sum(embedding))) FROM '{out}'"
        ).fetchone()
    assert found == (7, True)


def test_into_tables(tmp_path: Path, runs: dict[str, Run]) -> None:
    """Staged and swapped; nothing is left over, and an existing table is replaced."""
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        for side in ("users", "items"):
            source = tmp_path / "raw_tuesday" / f"{side}.parquet"
            connection.execute(f"CREATE TABLE {side} AS SELECT *, 7 AS n FROM '{source}'")
        connection.execute("CREATE TABLE su AS SELECT 1 AS x")
    arguments = ["apply", "--database", path, "--transform", tmp_path / "tuesday", "--keep", "n"]
    both = ["--users", "users", "--items", "items", "--users-out", "su", "--items-out", "main.si"]
    assert invoke(*arguments, *both).stdout == "users: su\nitems: main.si\n"
    invoke(*arguments, "--items", "items", "--items-out", "si", "--output-layout", "wide", "-q")
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        assert names == [("items",), ("si",), ("su",), ("users",)]
        su = connection.execute("SELECT id, n, embedding FROM su ORDER BY id").fetchall()
        si = connection.execute("FROM si ORDER BY id").fetchall()
    users, items = (
        read_vectors(tmp_path / "tuesday" / f"{side}.parquet")[1] for side in ("users", "items")
    )
    assert np.allclose(np.array([row[2] for row in su]), users, rtol=0, atol=1e-12)
    assert np.allclose(np.array([row[1:7] for row in si]), items, rtol=0, atol=1e-12)
    assert {row[1] for row in su} == {row[7] for row in si} == {7}


def test_what_fails_leaves_all_as_it_was(tmp_path: Path, runs: dict[str, Run], model: Any) -> None:
    model("short", dimension=4)
    target = tmp_path / "stable.parquet"
    target.write_text("before")
    for strategy in ("sql", "arrow"):
        done = invoke(
            "apply", "--transform", tmp_path / "monday", *tables(tmp_path / "short", "items"),
            "--items-out", target, "--strategy", strategy, code=4,
        )  # fmt: skip
        assert "not 6 long" in done.stderr
    assert target.read_text() == "before"
    assert not list(tmp_path.glob(".*"))


def test_from_python(tmp_path: Path, runs: dict[str, Run]) -> None:
    source = tmp_path / "raw_monday" / "users.parquet"
    apply_transform(runs["monday"].transform, {"users": source}, {"users": tmp_path / "x.parquet"})
    want = read_vectors(tmp_path / "monday" / "users.parquet")[1]
    assert np.allclose(read_vectors(tmp_path / "x.parquet")[1], want, rtol=0, atol=1e-13)
    with pytest.raises(UsageError, match="overwritten"):
        apply_transform(runs["monday"].transform, {"users": source}, {"users": source})
