"""The whole run as one file of SQL gives what `sqlstab run` gives, without Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import movietweetings, read_vectors, write_vectors
from engines import missing
from invoke import invoke
from warehouse import Rows, Variant

from sqlstab import Options, Run, Transform, __version__, stabilize
from sqlstab.statements import ddl
from sqlstab.statements.dialect import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse import Warehouse

GROUPS = ("time_als_e32", "seeds_bpr_e32", "seeds_twotower_e32")
# From the PyPI package duckdb-cli.
DUCKDB = Path(sysconfig.get_path("scripts")) / "duckdb"

needs_duckdb = pytest.mark.skipif(
    not DUCKDB.exists() and "CI" not in os.environ, reason="duckdb-cli is not installed"
)


def render(*arguments: object) -> str:
    return invoke("render", "script", *arguments).stdout


def duckdb_cli(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Read a script with the DuckDB command line, which knows no Python."""
    (folder / "stabilize.sql").write_text(text)
    return subprocess.run(
        [DUCKDB, "-csv", "-c", ".read stabilize.sql"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(folder)},
    )


def on_files(source: Path, out: Path, *more: object) -> str:
    return render(
        *("--dialect", "duckdb", "--dimension", 32, "--out", out),
        *("--users", source / "users.parquet", "--items", source / "items.parquet"),
        *more,
    )


def figures_of(run: Run) -> dict[str, float]:
    """The figures of a run that are numbers, by path; times and counts of passes left out."""
    found: dict[str, float] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                walk(part, f"{path}.{key}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[path] = float(value)

    for key in ("users", "items", "dimension", "rank", "alignment", "cosine"):
        walk(run.figures[key], key)
    # Estimated otherwise there; and no determinant is computed.
    left_out = re.compile(r"condition|accuracy|determinant")
    return {path: value for path, value in found.items() if not left_out.search(path)}


@needs_duckdb
@pytest.mark.parametrize("group", GROUPS)
def test_real_retrainings(group: str, tmp_path: Path) -> None:
    """Two runs with the DuckDB command line: figures and vectors of `sqlstab run`."""
    scripted, usual = [], []
    for number in (0, 1):
        source = movietweetings(group, number)
        out = tmp_path / f"scripted{number}"
        out.mkdir()
        reference = ("--reference", tmp_path / "scripted0") if number else ()
        done = duckdb_cli(tmp_path, on_files(source, out, *reference))
        assert done.returncode == 0, done.stderr
        assert "score_error" in done.stdout
        scripted.append(Run.load(out))
        usual.append(
            stabilize(
                source / "users.parquet",
                source / "items.parquet",
                usual[0] if number else None,
                tmp_path / f"usual{number}",
            )
        )
        np.testing.assert_allclose(
            scripted[-1].figures["singular_values"],
            usual[-1].figures["singular_values"],
            rtol=1e-12,
        )
        for side in ("users", "items"):
            ids, vectors = read_vectors(out / f"{side}.parquet")
            want_ids, want = read_vectors(tmp_path / f"usual{number}" / f"{side}.parquet")
            assert (ids == want_ids).all()
            np.testing.assert_allclose(vectors, want, atol=1e-6 * np.abs(want).max())
            np.testing.assert_allclose(
                getattr(scripted[-1].transform, side).matrix,
                getattr(usual[-1].transform, side).matrix,
                atol=1e-9,
            )
    assert scripted[1].figures["reference"]["run_id"] == scripted[0].run_id
    how = Options(refine="never", strategy="sql", solver="sql")
    assert scripted[1].figures["options"] == how.to_dict()
    assert scripted[1].figures["scores"]["max_relative_error"] < 1e-6
    got, want_figures = figures_of(scripted[1]), figures_of(usual[1])
    assert got.keys() == want_figures.keys()
    for path, value in want_figures.items():
        assert got[path] == pytest.approx(value, abs=1e-8), path


@needs_duckdb
def test_days_chain(tmp_path: Path) -> None:
    """A script stays in the space of a run, and a run in that of a script."""
    sources = [movietweetings("time_als_e32", number) for number in range(3)]
    first = stabilize(
        sources[0] / "users.parquet", sources[0] / "items.parquet", out=tmp_path / "first"
    )
    (tmp_path / "second").mkdir()
    text = on_files(sources[1], tmp_path / "second", "--reference", tmp_path / "first")
    assert duckdb_cli(tmp_path, text).returncode == 0
    second = Run.load(tmp_path / "second")
    assert second.transform.reference == first.run_id
    third = stabilize(
        sources[2] / "users.parquet", sources[2] / "items.parquet", tmp_path / "second"
    )
    runs = [first]
    for source in sources[1:]:
        runs.append(
            stabilize(
                source / "users.parquet",
                source / "items.parquet",
                runs[-1],
                tmp_path / source.name,
            )
        )
    got, want = figures_of(third), figures_of(runs[-1])
    for path, value in want.items():
        assert got[path] == pytest.approx(value, abs=1e-7), path
    # Its run can be looked at as any other.
    for form in ("html", "md", "json"):
        made = ["report", second.directory, "--reference", first.directory, "--format", form]
        assert invoke(*made, "-o", tmp_path / f"report.{form}", "-q").stdout == ""
        assert (tmp_path / f"report.{form}").stat().st_size > 1000
    # A saved transform of a script gives raw vectors back.
    transform = Transform.load(tmp_path / "second")
    _, raw = read_vectors(sources[1] / "items.parquet")
    back = transform.items.inverse(transform.items.apply(raw))
    np.testing.assert_allclose(back, raw, atol=1e-12)


@needs_duckdb
@pytest.mark.parametrize(
    ("spoil", "dimension", "message"),
    [
        (
            lambda v, ids: v.__setitem__((3, 1), np.nan),
            4,
            "components that are not finite: 1. Leave such rows out, with --items-filter of",
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
    write_vectors(tmp_path / "u.parquet", users)
    write_vectors(tmp_path / "i.parquet", items, ids)
    (tmp_path / "out").mkdir()
    text = render(
        *("--dialect", "duckdb", "--dimension", dimension, "--out", "out"),
        *("--users", "u.parquet", "--items", "i.parquet", "--element", "double"),
    )
    done = duckdb_cli(tmp_path, text)
    assert done.returncode == 1
    assert message in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


# --- tables ---------------------------------------------------------------------------------------


# Databricks has no engine of its own here.
@pytest.mark.parametrize(
    "engine", [n for n, d in DIALECTS.items() if d.solving and n != "databricks"]
)
def test_the_same_text_each_day(
    engine: str, warehouses: Callable[[str], Warehouse], rng: np.random.Generator
) -> None:
    """In a database the reference is what the script itself wrote the day before."""
    warehouse = warehouses(engine)
    dialect = warehouse.dialect
    variant = Variant("wide", dialect.double, False, dialect.bigint)
    users, items = rng.standard_normal((60, 4)), rng.standard_normal((50, 4))
    for name in ("s_users_out", "s_items_out", "s_transforms", "r_users_out", "r_items_out"):
        warehouse.engine.execute([ddl.drop_table(name, dialect)])

    def fill(vectors: np.ndarray, side: Any) -> None:
        warehouse.load(f"s_{side}", variant, Rows(range(len(vectors)), vectors, {}), side=side)

    def execute(*more: str) -> None:
        text = render(
            *("--dialect", engine, "--dimension", 4, "--element", "double"),
            *("--users", "s_users", "--items", "s_items", "--vector", "e0..e3"),
            *("--users-into", "s_users_out", "--items-into", "s_items_out"),
            *("--transform-table", "s_transforms", *more),
        )
        statements = [part.strip() for part in text.split(";\n") if part.strip()]
        own = ("BEGIN", "COMMIT")
        warehouse.engine.execute([s for s in statements if s.splitlines()[-1] not in own])

    def figures() -> dict[str, float]:
        rows = warehouse.engine.query("SELECT name, value FROM sqlstab_figures")
        return {row["name"]: float(row["value"]) for row in rows}

    def usual(reference: Run | None) -> Run:
        return stabilize(
            *("s_users", "s_items", reference),
            engine=warehouse.engine,
            users_out="r_users_out",
            items_out="r_items_out",
        )

    fill(users, "users")
    fill(items, "items")
    execute()
    run = usual(None)
    daily = ("--users-reference", "s_users_out", "--items-reference", "s_items_out")
    # A script takes Spark a minute: the first, and one with a reference.
    for _ in range(1 if engine == "spark" else 2):
        turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
        users = (users + 0.1 * rng.standard_normal(users.shape)) @ turn
        items = (items + 0.1 * rng.standard_normal(items.shape)) @ turn
        fill(users, "users")
        fill(items, "items")
        execute(*daily)
        run = usual(run)
        found = figures()
        assert found["score_largest_relative_error"] < 1e-13
        want = {
            f"cosine_{side}_{when}_{name}": value
            for side, parts in run.figures["cosine"].items()
            for when in ("before", "after")
            for name, value in parts[when].items()
        }
        for name in ("anchors", "shared_users", "shared_items", "relative_residual", "cka"):
            want[name] = run.figures["alignment"][name]
        for name, value in want.items():
            assert found[name] == pytest.approx(value, abs=1e-8), name
    runs = warehouse.engine.query("SELECT count(DISTINCT run_id) AS n FROM s_transforms")
    assert runs[0]["n"] == (2 if engine == "spark" else 3)
    stable = {
        side: warehouse.vectors(f"SELECT * FROM s_{side}_out", "wide", 4)
        for side in ("users", "items")
    }
    got = np.array([stable["items"][k] for k in range(50)])
    got = got @ np.array([stable["users"][k] for k in range(60)]).T
    np.testing.assert_allclose(got, items @ users.T, atol=1e-12)


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
    text += render(
        *("--dialect", "clickhouse", "--dimension", 2, "--element", "double"),
        *("--users", "ml.users", "--items", "ml.items", "--transform-table", "ml.maps"),
        *("--users-into", "ml.stable_users", "--items-into", "ml.stable_items"),
    )
    # Of several statements chdb prints the last one's result.
    written = (f"SELECT '{side}', id, embedding FROM ml.stable_{side}" for side in raw)
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


# --- usage ----------------------------------------------------------------------------------------

BASE = ("--users", "u", "--items", "i", "--dimension", "4")
INTO = ("--users-into", "a", "--items-into", "b", "--transform-table", "t")


def test_a_script_writes_over_nothing_that_it_reads(tmp_path: Path, model: Any) -> None:
    raw = model()
    tables = ("--users", raw / "users.parquet", "--items", raw / "items.parquet")
    base = ("render", "script", "--dialect", "duckdb", "--dimension", 6)
    assert "would be overwritten" in invoke(*base, *tables, "--out", raw, code=2).stderr
    first = stabilize(raw / "users.parquet", raw / "items.parquet", out=tmp_path / "first")
    again = ("--reference", first.directory, "--out", first.directory)
    assert "users of the reference" in invoke(*base, *tables, *again, code=2).stderr
    named = ("--users", "u", "--items", "i", "--transform-table", "t")
    for into in (("u", "b"), ("a", "A"), ("a", "t")):
        outputs = ("--users-into", into[0], "--items-into", into[1])
        assert "name another" in invoke(*base, *named, *outputs, code=2).stderr


# --- text -----------------------------------------------------------------------------------------

GOLDEN = Path(__file__).parent / "golden_scripts"


@pytest.mark.parametrize("dialect", [name for name, dialect in DIALECTS.items() if dialect.solving])
def test_golden(dialect: str) -> None:
    """The text of a whole script, as it was reviewed; `make golden` rewrites it."""
    text = render(
        *("--dialect", dialect, "--users", "ml.users", "--items", "ml.items", "--dimension", 3),
        *("--users-into", "ml.stable_users", "--items-into", "ml.stable_items"),
        *("--transform-table", "ml.transforms"),
        *("--users-reference", "ml.stable_users", "--items-reference", "ml.stable_items"),
    ).replace(f"sqlstab {__version__}", "sqlstab VERSION")
    path = GOLDEN / f"{dialect}.sql"
    if "UPDATE_GOLDEN" in os.environ:
        path.write_text(text)
    assert text == path.read_text()
