"""`sqlstab sql` and `sqlstab solve`: statements, and maps from what a client printed of them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
import sqlglot
from invoke import invoke

from sqlstab.engines import NAMES, dialect

if TYPE_CHECKING:
    from pathlib import Path

STEPS = ("gram", "cross-gram", "check", "apply", "inverse", "drift")
DECLARED = ["--users", "ml.u", "--items", "ml.i", "--dimension", 3, "--space", "ml.movies"]


def parsed(text: str, name: str) -> list[Any]:
    # sqlglot knows no settings of a DROP.
    text = text.replace(" SETTINGS max_table_size_to_drop = 0", "")
    found = sqlglot.parse(text, dialect=dialect(name).sqlglot)
    return [statement for statement in found if statement is not None]


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_run(name: str) -> None:
    """Nothing is connected to; each step stands under its name, and the text is SQL."""
    done = invoke("sql", "--dialect", name, *DECLARED, "--run", "ds=2026-11-30")
    titles = [line for line in done.stdout.splitlines() if line.startswith("-- 0")]
    assert [title.split()[2:4] for title in titles[:2]] == [
        ["check", "users"],
        ["lengths", "users"],
    ]
    assert parsed(done.stdout, name)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", NAMES)
def test_steps(name: str, step: str) -> None:
    done = invoke("sql", step, "--dialect", name, *DECLARED, "--run", "2026-11-30")
    assert parsed(done.stdout, name)
    assert done.stderr == ""


def test_the_first_run_joins_with_no_other() -> None:
    first = invoke("sql", "--dialect", "postgres", *DECLARED, "--run", "a", "--first-run").stdout
    assert " cross items" not in first
    assert " cross items" in invoke("sql", "--dialect", "postgres", *DECLARED).stdout
    later = ["--earlier", "a", "--earlier", "b"]
    found = invoke("sql", "--dialect", "postgres", *DECLARED, "--run", "c", *later).stdout
    # The newest counts one.
    assert "WHEN 'a' THEN 8.0000000000000004e-01" in found
    assert "WHEN 'b' THEN 1.0" in found


@pytest.fixture
def tables(model: Any) -> list[Any]:
    source = model()
    return ["--users", source / "users.parquet", "--items", source / "items.parquet"]


def test_explain_is_what_a_run_does(tables: list[Any], tmp_path: Path) -> None:
    """Without --dialect the tables and the space are looked up."""
    space = ["--space", tmp_path / "s"]
    invoke("run", *tables, *space, "--run", "a", "-q")
    said = invoke("run", *tables, *space, "--run", "b", "-v").stderr
    found = json.loads(invoke("sql", "--explain", "--json", *tables, *space, "--run", "b").stdout)
    assert len(found["steps"]) == said.count(" s\n")
    assert found["scans"]["reference items"] >= 1
    shown = invoke("sql", "--explain", *tables, *space, "--run", "b").stdout
    assert "write items" in shown
    assert "scans: users" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grma", "--dialect", "duckdb"], "There is no step 'grma'; write script, or gram, "),
        (["gram", "--explain"], "leave the step out"),
        (["gram", "--items", "i"], "sqlstab sql gram needs --dialect"),
        (["--items", "i", "--dimension", 3], "--dimension needs --dialect"),
        (["--items", "i", "--first-run"], "--first-run needs --dialect"),
        (["--dialect", "duckdb", "--items", "i", "--first-run", "--earlier", "k"], "contradict"),
        (["gram", "--dialect", "duckdb", "--items", "i"], "Say it with --dimension"),
        (["--dialect", "duckdb", "--items", "i", "--dimension", 3], "Name two tables"),
        (["--dialect", "duckdb", "--vectors", "v", "--dimension", 3], "Name the space"),
        (["gram", "--dialect", "duckdb", "--items", "i", "--dimension", 9999], "from 1 to 4,096"),
    ],
)
def test_mistakes(arguments: list[Any], message: str) -> None:
    assert message in invoke("sql", *arguments, code=2).stderr


# From sums to maps.


def printed(statements: str, tables: list[Any], form: str) -> bytes:
    """What a client prints of them, with tables u and i."""
    with duckdb.connect() as connection:
        for name, path in (("u", tables[1]), ("i", tables[3])):
            connection.execute(f"CREATE VIEW {name} AS FROM '{path}'")
        rows = [
            dict(zip([c[0] for c in result.description], row, strict=True))
            for text in statements.split(";\n")
            if text.strip()
            for result in [connection.execute(text)]
            for row in result.fetchall()
        ]
    if form == "json":
        return json.dumps(rows).encode()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize("form", ["csv", "json"])
def test_solve(tables: list[Any], tmp_path: Path, form: str) -> None:
    """The same maps as those of a run."""
    space = tmp_path / "s"
    invoke("run", *tables, "--space", space, "--run", "k", "--strategy", "sql", "-q")
    options = ["--dialect", "duckdb", "--users", "u", "--items", "i", "--dimension", 6]
    sums = printed(invoke("sql", "gram", *options).stdout, tables, form)
    out = tmp_path / "maps.parquet"
    invoke("solve", "--run", "k", "--out", out, stdin=sums)
    want, found = pq.read_table(space / "run=k" / "maps.parquet"), pq.read_table(out)
    for column in ("side", "i", "j"):
        assert found[column].to_pylist() == want[column].to_pylist()
    assert np.allclose(found["value"], want["value"], rtol=0, atol=1e-9)
    as_csv = invoke("solve", "--run", "k", stdin=sums).stdout
    assert as_csv.startswith("run,side,i,j,value\nk,users,1,1,")
    inserts = ["--format", "sql", "--dialect", "postgres", "--space", "ml.s", "--run", "ds=k"]
    text = invoke("solve", *inserts, stdin=sums).stdout
    assert text.startswith(
        'INSERT INTO "ml"."s_maps" ("ds", "side", "i", "j", "value", "feature_of'
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "sql"], "belong together"),
        (["--format", "sql", "--dialect", "duckdb"], "needs --space and --run"),
        (["--gram", "-", "--cross", "-"], "Standard input can be one of"),
        (["--gram", "nowhere.csv"], "nowhere.csv cannot be read"),
        (["--out", "maps.txt"], "name its format with --format"),
    ],
)
def test_mistakes_of_solve(arguments: list[Any], message: str) -> None:
    assert message in invoke("solve", *arguments, code=(2, 4)).stderr
