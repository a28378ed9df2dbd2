"""`sqlstab render`: statements for every dialect, and what they give on DuckDB."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
import sqlglot
from conftest import read_vectors
from engines import RUNNABLE
from invoke import invoke
from sqlglot import exp
from warehouse import store_vectors

from sqlstab import Run, Transform, stabilize
from sqlstab.engines import connect
from sqlstab.staged import scratch_name
from sqlstab.statements import ddl
from sqlstab.statements.dialect import DIALECTS, DUCKDB

if TYPE_CHECKING:
    from pathlib import Path

    from engines import Running


LABELS = ("side", "what", "n", "n_rows")


def render(*arguments: Any, dialect: str = "duckdb", **options: Any) -> str:
    return invoke("render", arguments[0], "--dialect", dialect, *arguments[1:], **options).stdout


def statements(text: str) -> list[str]:
    assert text.endswith(";\n\n")
    parts = [part for part in text.split(";\n") if part.strip()]
    # What is said about settings is a comment before the first.
    return [part for part in parts if any(ln and ln[:2] != "--" for ln in part.splitlines())]


def rows(text: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        found = []
        for statement in statements(text):
            result = connection.execute(statement)
            names = [column[0] for column in result.description or ()]
            found += [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        return found


@pytest.fixture
def run(tmp_path: Path, model: Any) -> Run:
    source = model(dtype=np.float64)
    return stabilize(source / "users.parquet", source / "items.parquet", out=tmp_path / "run")


JOBS: dict[str, list[str]] = {
    "gram": ["--users", "u", "--items", "s.i", "--dimension", "3"],
    "gram_wide": ["gram", "--users", "u", "--vector", "e0..e2", "--id", "user_id"],
    "gram_long": ["gram", "--users", "u", "--layout", "long", "--dimension", "3", "--first", "1"],
    "cross-gram": ["--items", "i", "--dimension", "3", "--reference", "r"],
    "check": ["--users", "u", "--items", "i", "--dimension", "3", "--users-reference", "r"],
    "apply": ["--users", "u", "--items", "i", "--transform", "{run}"],
    "apply_into": ["apply", "--items", "i", "--transform", "{run}", "--into", "s.x", "--replace"],
    "apply_table": ["apply", "--users", "u", "--transform-table", "t", "--dimension", "6"],
    "inverse": ["--users", "u", "--transform", "{run}"],
    "inverse_table": ["inverse", "--items", "i", "--transform-table", "t", "--dimension", "6"],
    "drift": ["--users", "u", "--dimension", "3", "--users-reference", "r"],
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("job", JOBS)
def test_every_dialect_has_every_statement(run: Run, dialect: str, job: str) -> None:
    name, *options = JOBS[job] if JOBS[job][0][0] != "-" else [job, *JOBS[job]]
    text = render(
        name, *(str(run.directory) if o == "{run}" else o for o in options), dialect=dialect
    )
    found = [tree for tree in sqlglot.parse(text, dialect=DIALECTS[dialect].sqlglot) if tree]
    assert not [tree for tree in found if isinstance(tree, exp.Command | exp.Semicolon)][:-1]
    if job != "apply_into":
        assert any(isinstance(tree, exp.Query) for tree in found)


def test_gram_is_one_statement_where_that_fits(tmp_path: Path) -> None:
    tables = ["--users", "u", "--items", "i"]
    assert len(statements(render("gram", *tables, "--dimension", 64))) == 1
    # Several scans of a table, united.
    assert len(statements(render("gram", *tables, "--dimension", 200))) == 1
    assert len(statements(render("gram", *tables, "--dimension", 768, dialect="clickhouse"))) == 1
    parts = statements(render("gram", *tables, "--dimension", 300, dialect="snowflake"))
    assert len(parts) > 2
    assert all(DIALECTS["snowflake"].takes(part) for part in parts)


def test_gram_and_cross_gram_are_right(tmp_path: Path, model: Any) -> None:
    monday, tuesday = model("monday", dimension=4), model("tuesday", dimension=6)
    tables = ["--users", tuesday / "users.parquet", "--items", tuesday / "items.parquet"]
    want = {
        side: read_vectors(tuesday / f"{side}.parquet")[1].astype(np.float64)
        for side in ("users", "items")
    }
    found = rows(render("gram", *tables, "--dimension", 6))
    assert len(found) == 2 * 21
    for row in found:
        x = want[row["side"]]
        assert row["n_rows"] == len(x)
        expected = (x.T @ x)[row["i"] - 1, row["j"] - 1]
        assert row["value"] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    references = [
        part
        for side in ("users", "items")
        for part in (f"--{side}-reference", monday / f"{side}.parquet")
    ]
    found = rows(
        render("cross-gram", *tables, "--dimension", 6, *references, "--reference-dimension", 4)
    )
    assert len(found) == 2 * 24
    for row in found:
        y = read_vectors(monday / f"{row['side']}.parquet")[1]
        expected = (want[row["side"]].T @ y)[row["i"] - 1, row["j"] - 1]
        assert row["value"] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_apply_and_its_inverse(tmp_path: Path, run: Run) -> None:
    for side in ("users", "items"):
        raw = tmp_path / "model" / f"{side}.parquet"
        into = tmp_path / f"{side}.parquet"
        options = ["--element", "double", f"--{side}"]
        text = render("apply", *options, raw, "--transform", run.directory, "--into", into)
        rows(text)
        assert run.directory
        want = read_vectors(run.directory / f"{side}.parquet")[1]
        assert np.allclose(read_vectors(into)[1], want, rtol=0, atol=1e-13)
        text = render("inverse", *options, into, "--transform", run.directory)
        found = np.array([row["embedding"] for row in sorted(rows(text), key=lambda r: r["id"])])
        assert np.allclose(found, read_vectors(raw)[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", ["array", "wide", "long"])
def test_from_a_transform_table(tmp_path: Path, run: Run, layout: str) -> None:
    """The text stays the same; the newest run counts, unless one is named."""
    source = tmp_path / "model"
    options = ["--dimension", 6, "--element", "double", "--transform-table", "transforms"]
    text = render("apply", "--items", "raw", *options, "--output-layout", layout)
    back = render(
        "inverse", "--items", "stable", *options, "--layout", layout, "--output-layout", "array"
    )
    older = render("apply", "--items", "raw", *options, "--run-id", "2026-11-23")
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE raw AS SELECT * FROM '{source}/items.parquet'")
        connection.execute(
            "CREATE TABLE transforms (run_id TEXT, side TEXT, i INTEGER, j INTEGER, value DOUBLE)"
        )
        for day in ("2026-11-23", "2026-11-24"):
            other = stabilize(source / "users.parquet", source / "items.parquet").transform
            turned = np.linalg.qr(np.random.default_rng(int(day[-2:])).standard_normal((6, 6)))[0]
            for side in ("users", "items"):
                for (i, j), value in np.ndenumerate(getattr(other, side).matrix @ turned):
                    connection.execute(
                        "INSERT INTO transforms VALUES (?, ?, ?, ?, ?)",
                        [day, side, i + 1, j + 1, value],
                    )
            connection.execute(f"CREATE OR REPLACE TABLE stable AS {text.strip().rstrip(';')}")
            if layout == "array":
                found = connection.execute("SELECT embedding FROM stable ORDER BY id").fetchall()
                want = read_vectors(source / "items.parquet")[1] @ other.items.matrix @ turned
                assert np.allclose(np.array([row[0] for row in found]), want, atol=1e-12)
            raw = connection.execute(back.strip().rstrip(";")).fetchall()
            raw_vectors = np.array([vector for _, vector in sorted(raw)])
            assert np.allclose(raw_vectors, read_vectors(source / "items.parquet")[1], atol=1e-12)
        assert connection.execute(older.strip().rstrip(";")).fetchall() != found_rows(
            connection, text
        )


def found_rows(connection: duckdb.DuckDBPyConnection, text: str) -> list[Any]:
    return connection.execute(text.strip().rstrip(";")).fetchall()


def test_replaced_tables(tmp_path: Path, run: Run) -> None:
    raw = tmp_path / "model" / "items.parquet"
    options = ["--items", raw, "--transform", run.directory, "--element", "double"]
    text = render("apply", *options, "--into", "main.stable", "--replace")
    once = render("apply", *options, "--into", "main.stable")
    with duckdb.connect() as connection:
        for _ in range(2):
            for statement in statements(text):
                connection.execute(statement)
            assert connection.execute("SELECT count(*) FROM stable").fetchone() == (90,)
        names = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        assert names == [("stable",)]
        with pytest.raises(duckdb.CatalogException, match="already exists"):
            connection.execute(statements(once)[0])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tables_are_replaced_as_a_run_replaces_them(run: Run, dialect: str) -> None:
    """After both new ones are there, by the dialect's own way; each under a name of its own."""
    into = ["--users-into", "s.a", "--items-into", "s.b", "--replace"]
    options = ["--users", "u", "--items", "i", "--transform", run.directory, *into]
    parts = [part.strip() for part in statements(render("apply", *options, dialect=dialect))]
    record = DIALECTS[dialect]
    wanted = [
        statement
        for made in (ddl.replace_table, ddl.left_over)
        for name in ("a", "b")
        for statement in made(
            scratch_name(f"s.{name}", f"staged_{name}", record), f"s.{name}", record
        )
    ]
    if record.transactions:
        assert (parts[0].rsplit("\n", 1)[-1], parts[-1]) == ("BEGIN", "COMMIT")
        parts = parts[:-1]
    assert parts[-len(wanted) :] == wanted
    made = [part for part in parts[: -len(wanted)] if "CREATE TABLE" in part]
    assert len(made) == 2


def test_drift(tmp_path: Path, model: Any, run: Run) -> None:
    source = tmp_path / "model"
    second = stabilize(
        source / "users.parquet", source / "items.parquet", tmp_path / "run", tmp_path / "again"
    )
    arguments = []
    for side in ("users", "items"):
        arguments += [f"--{side}", tmp_path / "again" / f"{side}.parquet"]
        arguments += [f"--{side}-reference", tmp_path / "run" / f"{side}.parquet"]
    users, items = rows(render("drift", *arguments, "--dimension", 6))
    assert users["after_mean"] == pytest.approx(second.figures["cosine"]["users"]["after"]["mean"])
    assert items["n_rows"] == 90


def test_check_has_a_comment_for_each_question() -> None:
    tables = ["--users", "u", "--items", "i", "--items-weight", "n", "--dimension", 3]
    text = render("check", *tables, "--items-reference", "r")
    found = statements(text)
    assert len(found) == 7
    for statement in found:
        assert "-- " in statement
    wide = render("check", "--users", "u", "--vector", "e*", "--dimension", 3)
    assert len(statements(wide)) == 2


def test_layouts_and_names(tmp_path: Path) -> None:
    text = render("gram", "--users", "u", "--vector", "v01..v12", "--users-id", "user key")
    assert '"v01"' in text
    assert '"v12"' in text
    assert "x13" not in text
    both = render(
        "cross-gram", "--items", "i", "--vector", "a,b,c", "--reference", "r", "--filter", "d = 1",
        "--anchor-filter", "n > 2", "--weight", "n", "--reference-dimension", 5,
        "--reference-layout", "wide",
    )  # fmt: skip
    assert '"a"' in both
    assert '"e4"' in both
    assert "n > 2" in both
    assert both.count("d = 1") == 1, "the filter is about the run's table only"


def test_too_long_for_the_engine(tmp_path: Path, rng: np.random.Generator) -> None:
    size = 128
    transform = Transform.from_factors(
        "run",
        None,
        np.ones(size),
        {"users": rng.standard_normal((size, size)), "items": rng.standard_normal((size, size))},
        np.eye(size),
        {"users": True, "items": True},
    )
    transform.save(tmp_path / "t.json")
    options = ["--items", "i", "--transform", tmp_path / "t.json"]
    done = invoke("render", "apply", "--dialect", "clickhouse", *options, code=2)
    assert "bytes; clickhouse takes 262,144" in done.stderr
    assert "--transform-table" in done.stderr
    table = ["--items", "i", "--transform-table", "t", "--dimension", size]
    assert DIALECTS["clickhouse"].takes(render("apply", *table, dialect="clickhouse"))


def test_a_transform_from_standard_input(run: Run) -> None:
    assert run.directory
    text = (run.directory / "transform.json").read_text()
    options = ["--dialect", "duckdb", "--items", "i", "--transform"]
    piped = invoke("render", "apply", *options, "-", stdin=text).stdout
    assert piped == invoke("render", "apply", *options, run.directory).stdout
    done = invoke("render", "apply", *options, "-", stdin="{}", code=4)
    assert "standard input is not a transform" in done.stderr


def test_an_approximate_inverse_says_so(tmp_path: Path, run: Run) -> None:
    assert run.directory
    document = json.loads((run.directory / "transform.json").read_text())
    document["users"]["invertible"] = False
    path = tmp_path / "t.json"
    path.write_text(json.dumps(document))
    done = invoke("render", "inverse", "--dialect", "duckdb", "--users", "u", "--transform", path)
    assert "approximately" in done.stderr
    assert "SELECT" in done.stdout


def test_no_statement_needs_a_terminal() -> None:
    """Statements end in a semicolon, with nothing behind it but the comments of the next."""
    text = render("gram", "--users", "u", "--dimension", 3, dialect="postgres")
    assert text.startswith("-- Faster in a transaction that begins with: SET LOCAL jit = off;\n")
    assert DUCKDB.before == ()


# DuckDB's command line runs them in test_scheduler.py.
@pytest.mark.parametrize("name", [name for name in RUNNABLE if name != "duckdb"])
def test_on_the_engines_themselves(
    tmp_path: Path, running: Running, rng: np.random.Generator, name: str
) -> None:
    """The whole job by rendered statements, and again after a second run by the same text."""
    raw = {"users": rng.standard_normal((60, 5)), "items": rng.standard_normal((40, 5))}
    made = ["r_users", "r_items", "s_users", "s_items", "b_items", "maps"]
    named = ["--dialect", name, "--element", "double", "--dimension", 5]
    both = ["--users", "r_users", "--items", "r_items"]
    with connect(running[name], writes_tables=True) as engine, ExitStack() as stack:

        def queried(*arguments: Any) -> list[dict[str, Any]]:
            text = invoke("render", arguments[0], *named, *arguments[1:]).stdout
            return [row for part in statements(text) for row in engine.query(part)]

        def executed(text: str) -> None:
            parts = [part for part in statements(text) if part.strip() not in ("BEGIN", "COMMIT")]
            engine.execute(parts)

        def vectors(table: str) -> np.ndarray:
            rows = engine.query(f"SELECT * FROM {table} ORDER BY id")
            return np.array([list(row["embedding"]) for row in rows])

        for table in made:
            stack.callback(engine.execute, [f"DROP TABLE IF EXISTS {table}"])
        for side, x in raw.items():
            store_vectors(engine, f"r_{side}", x, "embedding")
        counts = [count for row in queried("check", *both) for count in row.items()]
        assert {number for key, number in counts if key not in LABELS} == {0}

        table = ["--transform-table", "maps"]
        into = ["--users-into", "s_users", "--items-into", "s_items", "--replace"]
        apply = invoke("render", "apply", *named, *both, *table, *into).stdout
        back = ["--items", "s_items", *table, "--items-into", "b_items", "--replace"]
        inverse = invoke("render", "inverse", *named, *back).stdout
        solve = ["solve", "--format", "sql", "--dialect", name, *table, "--out"]
        gram = json.dumps(queried("gram", *both))
        executed(invoke(*solve, tmp_path / "1.json", "--create", stdin=gram).stdout)
        executed(apply)
        first = Transform.load(tmp_path / "1.json").items.apply(raw["items"])
        assert np.allclose(vectors("s_items"), first, rtol=0, atol=1e-12)

        cross = tmp_path / "cross.json"
        side = ["--items", "r_items", "--items-reference", "s_items"]
        cross.write_text(json.dumps(queried("cross-gram", *side)))
        options = ["--gram", "-", "--cross", cross, "--reference", tmp_path / "1.json"]
        executed(invoke(*solve, tmp_path / "2.json", *options, stdin=gram).stdout)
        second = Transform.load(tmp_path / "2.json").items.apply(raw["items"])
        # The same vectors again: they are where they were.
        assert np.allclose(second, first, rtol=0, atol=1e-12)
        executed(apply)
        assert np.allclose(vectors("s_items"), second, rtol=0, atol=1e-12)
        executed(inverse)
        assert np.allclose(vectors("b_items"), raw["items"], rtol=0, atol=1e-12)
        (figures,) = queried("drift", "--items", "s_items", "--items-reference", "s_items")
        assert figures["n_rows"] == 40
        assert figures["after_mean"] == pytest.approx(1)


def test_what_nobody_named_needs_no_quotes_on_snowflake() -> None:
    """A bare embedding is EMBEDDING there, and so it is in a table that we make."""
    maps = ("--transform-table", "maps", "--dimension", 2)
    options = ("--items", "vectors", "--items-into", "stable")
    text = render("apply", *maps, *options, dialect="snowflake")
    assert '"EMBEDDING"' in text
    assert not re.search(r'"[a-z]', text)
    named = render("apply", *maps, *options, "--vector", "Emb", dialect="snowflake")
    assert 't."Emb"' in named
    for layout, column in (("long", '"DIM"'), ("wide", '"E1"')):
        written = render("apply", *maps, *options, "--layout", layout, dialect="snowflake")
        assert column in written
        assert not re.search(r'"[a-z]', written)
