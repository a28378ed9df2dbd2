"""A run directory is replaced as a whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from sqlstab import DataError, EngineError, FurtherTable, Options, Run, UsageError, runs, stabilize
from sqlstab.runs import staging

if TYPE_CHECKING:
    from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write_run(out: Path, text: str) -> None:
    with staging(out) as directory:
        (directory / "run.json").write_text(text)


@pytest.fixture(params=["exchange", "two renames"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "two renames":
        monkeypatch.setattr(runs, "_exchange", lambda *_: False)


@pytest.mark.usefixtures("_both_ways")
def test_a_run_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    out = tmp_path / "run"
    for text in ("first", "second"):
        write_run(out, text)
        assert contents(out) == {"run.json": text.encode()}
        assert list(tmp_path.iterdir()) == [out]
    assert out.stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.usefixtures("_both_ways")
def test_an_error_leaves_everything_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "run"
    write_run(out, "first")

    def fail() -> None:
        with staging(out) as directory:
            (directory / "run.json").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert contents(out) == {"run.json": b"first"}
    assert list(tmp_path.iterdir()) == [out]


def test_a_kill_between_two_renames_is_mended(tmp_path: Path) -> None:
    """Where the system cannot exchange two directories."""
    out = tmp_path / "run"
    write_run(out, "first")
    out.rename(tmp_path / ".run.previous")

    def fail() -> None:
        with staging(out):
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert contents(out) == {"run.json": b"first"}


def test_a_kill_after_two_renames_is_mended(tmp_path: Path) -> None:
    out = tmp_path / "run"
    write_run(out, "second")
    (tmp_path / ".run.previous").mkdir()
    (tmp_path / ".run.previous" / "run.json").write_text("first")
    write_run(out, "third")
    assert contents(out) == {"run.json": b"third"}
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    for text in ("first", "second"):
        write_run(tmp_path / "run", text)
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]


def test_a_run_at_work_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with staging(out) as first:
        (first / "run.json").write_text("first")
        with pytest.raises(EngineError, match=r"Another run is writing .*/run: wait"):
            write_run(out, "second")
        # Others beside it go on, and take no directory for abandoned that is not.
        write_run(tmp_path / "other", "third")
        assert (first / "run.json").exists()
    assert contents(out) == {"run.json": b"first"}
    assert sorted(tmp_path.iterdir()) == [tmp_path / "other", out]


def test_what_is_not_a_run_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "run"
    write_run(out, "first")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt.*would be lost"):
        write_run(out, "second")
    assert contents(out) == {"run.json": b"first", "notes.txt": b"mine"}
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="not a directory"):
        write_run(tmp_path / "file", "second")
    (tmp_path / "link").symlink_to(out)
    with pytest.raises(UsageError, match="not a directory"):
        write_run(tmp_path / "link", "second")
    with pytest.raises(UsageError, match="cannot be written"):
        write_run(tmp_path / "file" / "run", "second")


def test_raw_vectors_are_not_replaced(tmp_path: Path, model: Any) -> None:
    source = model()
    before = contents(source)
    users, items = source / "users.parquet", source / "items.parquet"
    with pytest.raises(
        UsageError, match=r"users.parquet would be overwritten by the run directory"
    ):
        stabilize(users, items, out=source)
    with pytest.raises(UsageError, match=r"would be overwritten by the run directory"):
        stabilize(users, items, out=tmp_path)
    other = model("other")
    with pytest.raises(UsageError, match="would be lost"):
        stabilize(users, items, out=other)
    assert contents(source) == before


@pytest.mark.parametrize("name", ["id=7", "embedding=3", "day=2026-11-24"])
def test_a_run_may_be_named_like_a_partition(tmp_path: Path, model: Any, name: str) -> None:
    source = model()
    users, items = source / "users.parquet", source / "items.parquet"
    first = stabilize(users, items, out=tmp_path / name)
    second = stabilize(users, items, first, tmp_path / "next")
    assert second.figures["alignment"]["shared_users"] == 200
    assert second.figures["cosine"]["users"]["after"]["mean"] == pytest.approx(1)


def test_the_reference_may_be_replaced_by_the_run(tmp_path: Path, model: Any) -> None:
    source = model()
    users, items = source / "users.parquet", source / "items.parquet"
    first = stabilize(users, items, out=tmp_path / "run")
    second = stabilize(users, items, tmp_path / "run", tmp_path / "run")
    assert second.figures["reference"]["run_id"] == first.run_id
    assert Run.load(tmp_path / "run").run_id == second.run_id


def test_names_with_wildcards_are_names(tmp_path: Path, model: Any) -> None:
    source = model("m[1]")
    out = tmp_path / "run [a]*?"
    for _ in range(2):
        stabilize(
            source / "users.parquet",
            source / "items.parquet",
            out if out.exists() else None,
            out,
        )
    assert Run.load(out).figures["alignment"]["shared_users"] == 200


def test_load_is_what_was_saved(tmp_path: Path, model: Any) -> None:
    source = model()
    run = stabilize(source / "users.parquet", source / "items.parquet", out=tmp_path / "run")
    loaded = Run.load(tmp_path / "run")
    assert loaded.figures == json.loads(json.dumps(run.figures))
    np.testing.assert_array_equal(loaded.transform.users.matrix, run.transform.users.matrix)
    assert set(contents(tmp_path / "run")) == {
        "users.parquet",
        "items.parquet",
        "transform.json",
        "run.json",
    }
    assert loaded.figures["outputs"]["users"]["relation"] == "users.parquet"


def test_what_a_prompt_prints(tmp_path: Path, model: Any) -> None:
    """A line without an array in it."""
    source = model(users=80, items=50, dimension=6)
    tables = source / "users.parquet", source / "items.parquet"
    also = {"queries": FurtherTable(tables[0], like="users")}
    first = stabilize(*tables, out=tmp_path / "first", also=also)
    assert repr(first) == (
        f"<Run {first.run_id}: users 80 x 6, items 50 x 6, queries 80 x 6; a space of its own; "
        f"in {tmp_path / 'first'}>"
    )
    second = stabilize(*tables, first, options=Options(rank=4))
    cosine = second.figures["cosine"]
    assert repr(second) == (
        f"<Run {second.run_id}: users 80 x 6 (mean cosine {cosine['users']['after']['mean']:.3f}), "
        f"items 50 x 6 (mean cosine {cosine['items']['after']['mean']:.3f}); "
        f"reference {first.run_id}>"
    )
    assert repr(first.transform) == (
        f"<Transform of run {first.run_id}: users, items, queries; 6 -> 6, rank 6; "
        "a space of its own>"
    )
    assert repr(second.transform.items) == "<SideTransform 6 -> 6, rank 4, not invertible>"


def test_what_run_json_holds(tmp_path: Path, model: Any) -> None:
    """At least this; other programs read it."""
    source = model()
    users, items = source / "users.parquet", source / "items.parquet"
    first = stabilize(users, items, out=tmp_path / "first").figures
    assert first["reference"] is first["alignment"] is first["cosine"] is None
    figures = stabilize(users, items, tmp_path / "first", tmp_path / "second").figures
    assert {
        "format",
        "sqlstab",
        "run_id",
        "inputs",
        "options",
        "users",
        "items",
        "rank",
        "singular_values",
        "reference",
        "alignment",
        "cosine",
        "scores",
        "timings",
    } <= set(figures)
    assert figures["reference"] == {
        "run_id": first["run_id"],
        "dimension": first["dimension"],
        "policy": None,
        "runs": [first["run_id"]],
    }
    assert figures["versions"] == {
        "engine": duckdb.__version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "scipy", "pyarrow", "sqlglot")},
    }
    assert {
        "side",
        "shared_items",
        "shared_users",
        "relative_residual",
        "cka",
        "bound",
        "determinant",
    } <= set(figures["alignment"])
    assert {"identity_error", "max_relative_error"} <= set(figures["scores"])
    for side in ("users", "items"):
        assert {"rows", "dimension", "condition"} <= set(figures[side])
        for when in ("before", "after"):
            assert {"mean", "p10", "median"} == set(figures["cosine"][side][when])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", None, "no run.json"),
        ("run.json", "{", "damaged"),
        ("run.json", "[]", "damaged"),
        ("run.json", '{"format": 99}', "format 99"),
        ("run.json", '{"format": 1, "run_id": "other"}', "mixes two runs"),
        ("transform.json", None, "no transform"),
        ("transform.json", "{}", "not a transform"),
        ("users.parquet", None, "lacks users.parquet"),
        ("users.parquet", "hello", "users.parquet cannot be read"),
    ],
)
def test_a_damaged_reference(
    tmp_path: Path, model: Any, name: str, text: str | None, message: str
) -> None:
    source = model()
    users, items = source / "users.parquet", source / "items.parquet"
    stabilize(users, items, out=tmp_path / "run")
    if text is None:
        (tmp_path / "run" / name).unlink()
    else:
        (tmp_path / "run" / name).write_text(text)
    with pytest.raises(DataError, match=message):
        stabilize(users, items, tmp_path / "run", tmp_path / "next")
    assert not (tmp_path / "next").exists()


def test_a_full_disk(tmp_path: Path, model: Any) -> None:
    """A file size limit stands in for it: the error is one line, and nothing is replaced."""
    source = model(users=20_000, dimension=32)
    command = f"{sys.executable} -m sqlstab run -q --users {source}/users.parquet"
    command += f" --items {source}/items.parquet --out {tmp_path}/run"
    for strategy in ("arrow", "sql"):
        done = subprocess.run(
            ["bash", "-c", f"ulimit -f 100; exec {command} --strategy {strategy}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "run").exists()
    assert [path.name for path in tmp_path.iterdir()] == [source.name]
    shutil.rmtree(source)
