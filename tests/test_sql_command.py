"""`sqlstab sql`: the statements of a run and of its steps, for any client."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb
import numpy as np
import pytest
import sqlglot
from conftest import read_vectors
from invoke import invoke
from sqlglot import exp
from warehouse import store_vectors

from sqlstab import EmbeddingTable, FurtherTable, Options, Space
from sqlstab.engines import dialects
from sqlstab.flow import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from warehouse import Warehouse

DIALECTS = dialects()


def sql(*arguments: Any, dialect: str = "duckdb") -> str:
    return invoke("sql", *arguments[:1], "--dialect", dialect, *arguments[1:]).stdout


def statements(text: str) -> list[str]:
    return [part for part in text.split(";\n") if part.strip()]


def rows(text: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        found = []
        for statement in statements(text):
            result = connection.execute(statement)
            names = [column[0] for column in result.description or ()]
            found += [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        return found


# --- the same steps as a run ----------------------------------------------------------------------


class Recorded:
    """The steps of runs, as they are executed."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._run = drive._run

    def __call__(self, statement: Any, engine: Any, log: Any) -> Any:
        self.steps.append(statement.step)
        return self._run(statement, engine, log)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    found = Recorded()
    with mock.patch.object(drive, "_run", found):
        yield found


# Every option that changes which statements there are.
FLOWS: dict[str, dict[str, Any]] = {
    "default": {},
    "previous": {"align": "previous"},
    "users": {"anchor": "users"},
    "both": {"anchor": "both"},
    "plain rows": {"plain_rows": True},
    "maps only": {"maps_only": True},
    "rank": {"rank": 3},
    "sample": {"sample": 0.9},
    "refine": {"refine": "always"},
    "drop": {"on_invalid": "drop"},
    "layout": {"output_layout": "wide", "output_type": "double"},
    "gate": {"min_agreement": 0.1},
}


@pytest.mark.parametrize("strategy", ["auto", "sql"])
@pytest.mark.parametrize("flow", FLOWS)
def test_explain_has_the_steps_of_a_run(
    flow: str, strategy: Any, tmp_path: Path, model: Any, recorded: Recorded
) -> None:
    """A first run, and one with two earlier ones; the inputs have a column of keys."""
    space = Space(tmp_path / "s")
    options = Options(**{"strategy": strategy, **FLOWS[flow]})
    tables = dated(tmp_path, model)
    for key in KEYS:
        explained = [s.step for s in space.explain(*tables, key=f"ds={key}", options=options)]
        recorded.steps.clear()
        space.run(*tables, key=f"ds={key}", options=options)
        assert explained == recorded.steps


KEYS = ("a", "b", "c")


def dated(folder: Path, model: Any) -> list[Path]:
    """Three trainings of users and items in a file each, with a column ds."""
    sources: list[Path] = []
    for key in KEYS:
        sources.append(model(key, rotate=sources[-1] if sources else None))
    found = []
    for side in ("users", "items"):
        parts = [
            f"SELECT '{key}' AS ds, * FROM '{source / side}.parquet'"
            for key, source in zip(KEYS, sources, strict=True)
        ]
        found.append(folder / f"{side}.parquet")
        duckdb.sql(f"COPY ({' UNION ALL '.join(parts)}) TO '{found[-1]}' (FORMAT parquet)")
    return found


def test_explain_with_further_tables(tmp_path: Path, model: Any, recorded: Recorded) -> None:
    source = model()
    space = Space(tmp_path / "s")
    also = {"queries": FurtherTable(EmbeddingTable(str(source / "users.parquet")), "users")}
    tables = source / "users.parquet", source / "items.parquet"
    for key in "ab":
        explained = [s.step for s in space.explain(*tables, also=also, key=key)]
        recorded.steps.clear()
        space.run(*tables, also=also, key=key)
        assert explained == recorded.steps
    vectors = Space(tmp_path / "v")
    for key in "ab":
        explained = [s.step for s in vectors.explain(vectors=tables[0], key=key)]
        recorded.steps.clear()
        vectors.run(vectors=tables[0], key=key)
        assert explained == recorded.steps


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_explain_on_tables(
    engine: str,
    warehouses: Callable[[str], Warehouse],
    rng: np.random.Generator,
    recorded: Recorded,
) -> None:
    """With and without a connection."""
    warehouse = warehouses(engine)
    for view in ("users", "items"):
        warehouse.execute(f"DROP VIEW IF EXISTS explained_{view}_newest")
    for table in ("users", "items", "maps", "runs"):
        warehouse.execute(f"DROP TABLE IF EXISTS explained_{table}")
    store_vectors(warehouse.engine, "explained_u", rng.standard_normal((60, 4)))
    store_vectors(warehouse.engine, "explained_i", rng.standard_normal((50, 4)))
    space = Space("explained", warehouse.engine)
    options = Options(strategy="sql")
    for key in "ab":
        explained = [
            s.step for s in space.explain("explained_u", "explained_i", key=key, options=options)
        ]
        recorded.steps.clear()
        space.run("explained_u", "explained_i", key=key, options=options)
        assert explained == recorded.steps
        arguments = (
            *("--users", "explained_u", "--items", "explained_i", "--vector", "v"),
            *("--dimension", 4, "--element", "double", "--space", "explained", "--run", key),
            *(("--first-run",) if key == "a" else ("--earlier", "a")),
            *(("--database", "x") if engine == "duckdb" else ()),
        )
        text = invoke("sql", "--dialect", engine, "--explain", "--json", *arguments).stdout
        assert [step["step"] for step in json.loads(text)["steps"]] == explained


@pytest.mark.parametrize(("dimension", "noted"), [(16, False), (128, True)])
def test_explain_says_what_takes_a_driver(dimension: int, noted: bool) -> None:
    """Redshift's Data API takes less than its driver."""
    arguments = ("--users", "u", "--items", "i", "--dimension", dimension, "--space", "s")
    shown = invoke("sql", "--dialect", "redshift", "--explain", *arguments, "--run", "a").stdout
    assert ("takes 102,400 bytes of a statement; use a driver" in shown) is noted


def test_explain_says_what_is_scanned(tmp_path: Path, model: Any) -> None:
    source = model()
    arguments = (
        *("--users", source / "users.parquet", "--items", source / "items.parquet"),
        *("--space", tmp_path / "s", "--run", "a", "--strategy", "sql"),
    )
    found = json.loads(invoke("sql", "--explain", "--json", *arguments).stdout)
    scans = Counter(name for step in found["steps"] for name in step["reads"])
    assert found["scans"] == dict(scans)
    assert found["longest"] == max(step["longest"] for step in found["steps"])
    shown = invoke("sql", "--explain", *arguments).stdout
    assert "write items" in shown
    assert str(tmp_path / "s" / "run=a" / "items.parquet") in shown
    # It makes nothing.
    assert not (tmp_path / "s").exists()


# --- printed --------------------------------------------------------------------------------------

TABLES = ("--users", "ml.u", "--items", "ml.i", "--dimension", "3")
SPACE = ("--space", "ml.movies", "--run", "ds=2026-11-30")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_prints_a_run(dialect: str) -> None:
    database = ("--database", "x") if dialect == "duckdb" else ()
    text = invoke("sql", "--dialect", dialect, *TABLES, *SPACE, *database).stdout
    names = [line.split()[2:] for line in text.splitlines() if line[:4] in ("-- 0", "-- 1", "-- 2")]
    steps = [" ".join(words[:-1]) for words in names]
    wanted = ["gram users", "gram items", "cross items", "write users", "write items", "commit"]
    assert [step for step in steps if step in wanted] == [
        *wanted[:2], "cross items", "cross items", "cross items", *wanted[3:],
    ]  # fmt: skip
    assert "2026-11-30" in text
    for statement in statements(text):
        assert DIALECTS[dialect].takes(statement)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("step", ["gram", "cross-gram", "check", "apply", "inverse", "drift"])
def test_every_dialect_has_every_step(dialect: str, step: str) -> None:
    database = ("--database", "x") if dialect == "duckdb" else ()
    text = sql(step, *TABLES, *SPACE, *database, dialect=dialect)
    trees = [tree for tree in sqlglot.parse(text, dialect=DIALECTS[dialect].sqlglot) if tree]
    assert trees
    assert all(isinstance(tree, exp.Query) for tree in trees)
    if step in ("apply", "inverse"):
        given = "raw" if step == "inverse" else "stable"
        assert text.startswith(f"-- The {given} vectors of the users")


def test_gram_is_one_statement_where_that_fits() -> None:
    tables = ["--users", "u", "--items", "i"]
    assert len(statements(sql("gram", *tables, "--dimension", 64))) == 1
    # Several scans of a table, united.
    assert len(statements(sql("gram", *tables, "--dimension", 200))) == 1
    parts = statements(sql("gram", *tables, "--dimension", 300, dialect="snowflake"))
    assert len(parts) > 2
    assert all(DIALECTS["snowflake"].takes(part) for part in parts)


@pytest.fixture
def runs(tmp_path: Path, model: Any) -> dict[str, Path]:
    """A space with two runs, and what they were made of."""
    space, found = Space(tmp_path / "s"), {"space": tmp_path / "s"}
    for key in "ab":
        found[key] = model(key, dtype=np.float64, rotate=found.get("a"))
        space.run(found[key] / "users.parquet", found[key] / "items.parquet", key=key)
    return found


def options_of(runs: dict[str, Path], key: str = "b") -> tuple[Any, ...]:
    source = runs[key]
    return (
        *("--users", source / "users.parquet", "--items", source / "items.parquet"),
        *("--dimension", 6, "--element", "double", "--space", runs["space"], "--run", key),
        *("--earlier", "a"),
    )


def test_sums_are_right(runs: dict[str, Path]) -> None:
    want = {side: read_vectors(runs["b"] / f"{side}.parquet")[1] for side in ("users", "items")}
    found = rows(sql("gram", *options_of(runs)))
    assert len(found) == 2 * 21
    for row in found:
        x = want[row["side"]]
        assert row["n_rows"] == len(x)
        assert row["value"] == pytest.approx((x.T @ x)[row["i"] - 1, row["j"] - 1], abs=1e-9)
    x, y = want["items"], read_vectors(runs["space"] / "run=a" / "items.parquet")[1]
    ends = {"cross": (np.c_[x, np.ones(len(x))], np.c_[y, np.ones(len(y))])}
    ends |= {"run": (x, x), "reference": (y, y)}
    sums: dict[Any, float] = Counter()
    for row in rows(sql("cross-gram", *options_of(runs))):
        sums[row["kind"], row["i"], row["j"]] += row["value"]
    for (kind, i, j), value in sums.items():
        left, right = ends[kind]
        assert value == pytest.approx((left.T @ right)[i - 1, j - 1], abs=1e-9)
    assert Counter(kind for kind, _, _ in sums) == {"cross": 49, "run": 21, "reference": 21}


def test_apply_and_inverse_take_the_maps_of_a_run(runs: dict[str, Path]) -> None:
    for step, wanted in (("apply", runs["space"] / "run=b"), ("inverse", runs["b"])):
        texts = statements(sql(step, *options_of(runs)))
        for side, text in zip(("users", "items"), texts, strict=True):
            ids, want = read_vectors(wanted / f"{side}.parquet")
            found = {row["id"]: row["embedding"] for row in rows(f"{text};\n")}
            np.testing.assert_allclose(np.array([found[i] for i in ids]), want, atol=1e-12)


@pytest.mark.parametrize("engine", ["duckdb", "postgres", "clickhouse"])
def test_steps_on_tables(
    engine: str, warehouses: Callable[[str], Warehouse], rng: np.random.Generator
) -> None:
    """A client that has only SQL multiplies with the maps of a run, and back."""
    warehouse = warehouses(engine)
    for view in ("users", "items"):
        warehouse.execute(f"DROP VIEW IF EXISTS stepped_{view}_newest")
    for table in ("users", "items", "maps", "runs"):
        warehouse.execute(f"DROP TABLE IF EXISTS stepped_{table}")
    raw = {"users": rng.standard_normal((60, 4)), "items": rng.standard_normal((50, 4))}
    for side, vectors in raw.items():
        store_vectors(warehouse.engine, f"stepped_{side[0]}", vectors)
    space = Space("stepped", warehouse.engine)
    for key in "ab":
        run = space.run("stepped_u", "stepped_i", key=key)
    arguments = (
        *("--users", "stepped_u", "--items", "stepped_i", "--vector", "v", "--dimension", 4),
        *("--element", "double", "--space", "stepped", "--run", "b", "--earlier", "a"),
        *(("--database", "x") if engine == "duckdb" else ()),
    )
    for step in ("apply", "inverse"):
        texts = statements(sql(step, *arguments, dialect=engine))
        for (side, vectors), text in zip(raw.items(), texts, strict=True):
            want = run.maps[side].apply(vectors) if step == "apply" else vectors
            found = warehouse.vectors(text, "array", 4)
            got = np.array([found[k] for k in range(len(vectors))])
            np.testing.assert_allclose(got, want, atol=1e-11)
    for text in statements(sql("drift", *arguments, dialect=engine)):
        assert warehouse.engine.query(text)[0]["after_mean"] == pytest.approx(1.0)


def test_check_and_drift(runs: dict[str, Path]) -> None:
    counts = rows(sql("check", *options_of(runs)))
    assert {row["what"] for row in counts} == {"ids", "lengths", "vectors", "shared ids"}
    assert {row["side"] for row in counts} == {"users", "items"}
    known = Space(runs["space"])["b"].figures["cosine"]
    for side, row in zip(("users", "items"), rows(sql("drift", *options_of(runs))), strict=True):
        assert row["after_mean"] == pytest.approx(known[side]["after"]["mean"], abs=1e-9)


def test_a_project_file_says_the_same(tmp_path: Path, runs: dict[str, Path]) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        f'[users]\ntable = "{runs["b"]}/users.parquet"\nelement = "double"\n[items]\n'
        f'table = "{runs["b"]}/items.parquet"\nelement = "double"\n'
        f'[space]\nname = "{runs["space"]}"\n'
    )
    more = ("--run", "b", "--earlier", "a", "--dimension", 6)
    found = sql("apply", "-c", path, *more)
    assert found == sql("apply", *options_of(runs))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gram", "--dialect", "duckdb", "--users", "u", "--items", "i"), "--dimension"),
        (("--dialect", "duckdb", "--users", "u", "--dimension", 3, "--space", "s"), "two tables"),
        (("--dialect", "duckdb", *TABLES), "Name the space"),
        (("--dialect", "postgres", *TABLES, *SPACE, "--strategy", "arrow"), "no rows to BLAS"),
        (
            ("--dialect", "postgres", *TABLES, *SPACE, "--earlier", "a", "--align", "b"),
            "--earlier has no such run",
        ),
        (("drift", "--dialect", "postgres", *TABLES, *SPACE, "--first-run"), "names no run"),
    ],
)
def test_what_does_not_belong_together(arguments: tuple[Any, ...], message: str) -> None:
    assert message in invoke("sql", *arguments, code=2).stderr
