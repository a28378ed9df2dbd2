"""BigQuery's statements, judged by GoogleSQL: Google's own analyser and reference executor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from invoke import invoke
from test_sql import DIALECTS, statements

from sqlstab.statements import build

if TYPE_CHECKING:
    import numpy as np
    from engines import Running
    from googlesql import GoogleSQL

BIGQUERY = DIALECTS["bigquery"]
STATEMENTS = statements(BIGQUERY)
VECTOR = "ARRAY<FLOAT64>"


@pytest.fixture
def sql(running: Running) -> GoogleSQL:
    """An empty database."""
    executor: GoogleSQL = running["bigquery"]
    return type(executor)(executor.client)


# ---- Every statement -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(running: Running) -> GoogleSQL:
    """What the statements of the golden set are about."""
    executor: GoogleSQL = running["bigquery"]
    sql = type(executor)(executor.client)
    sql.create("items", {"id": "INT64", "embedding": VECTOR, "year": "INT64", "n_ratings": "INT64"})
    sql.create("users", {"id": "INT64", "v": VECTOR})
    wide = dict.fromkeys(("e0", "e1", "e2"), "FLOAT64")
    sql.create("lake.items", {"item_id": "INT64", **wide, "genre": "STRING"})
    sql.create("lake.users", {"id": "INT64", "dim": "INT64", "value": "FLOAT64"})
    sql.create("yesterday.items", {"id": "INT64", "embedding": VECTOR, "run": "STRING"})
    matrix = {"side": "STRING", "i": "INT64", "j": "INT64", "value": "FLOAT64"}
    for name in ("sqlstab_transform", "t"):
        sql.create(name, matrix)
    for name in ("grams", "crosses", "shared_run", "shared_reference"):
        sql.create(name, {**matrix, "n_rows": "INT64"})
    sql.create("solution", {"name": "STRING", "i": "INT64", "j": "INT64", "value": "FLOAT64"})
    sql.create("figures", {"name": "STRING", "value": "FLOAT64"})
    sql.create("reference", {"run_key": "STRING"})
    sql.create("checked", {"checked": "INT64"})
    sql.execute(build.solve(BIGQUERY, 3, "grams").function)
    return sql


@pytest.mark.parametrize("name", STATEMENTS)
def test_it_is_googlesql(known: GoogleSQL, name: str) -> None:
    """Names are known, types fit, functions have such arguments."""
    for statement in STATEMENTS[name].split(";\n"):
        known.analyse(statement)


def test_what_is_not_googlesql_is_refused(known: GoogleSQL) -> None:
    for statement in ("SELECT nothing FROM items", "SELECT CAST(1 AS DOUBLE)", "SELECT"):
        with pytest.raises(Exception, match="INVALID_ARGUMENT"):
            known.analyse(statement)


# ---- Scripts ----------------------------------------------------------------------------------


def script(key: str, *more: object) -> str:
    return invoke(
        *("sql", "script", "--dialect", "bigquery", "--dimension", 3, "--element", "double"),
        *("--users", "users", "--items", "items", "--space", "movies", "--run", key, *more),
    ).stdout


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows[3].__setitem__(1, [1.0, 2.0]), "vectors without 3 components: 1"),
        (lambda rows: rows[3].__setitem__(1, [1.0, float("nan"), 1.0]), "not finite: 1"),
        (lambda rows: rows[3].__setitem__(0, 4), "duplicate ids: 1"),
    ],
    ids=["length", "nan", "duplicate"],
)
def test_nothing_is_written_after_an_error(
    sql: GoogleSQL, rng: np.random.Generator, spoil: Any, message: str
) -> None:
    rows: list[list[Any]] = [[k, vector.tolist()] for k, vector in enumerate(rng.random((9, 3)))]
    sql.create("users", {"id": "INT64", "embedding": VECTOR}, rows)
    spoil(rows)
    sql.create("items", {"id": "INT64", "embedding": VECTOR}, rows)
    with pytest.raises(Exception, match=message):
        sql.run(script("a", "--first-run"))
    assert sql.query("SELECT run FROM movies_runs") == []


def test_no_earlier_run_is_an_error(sql: GoogleSQL, rng: np.random.Generator) -> None:
    rows = [[k, vector.tolist()] for k, vector in enumerate(rng.random((9, 3)))]
    for side in ("users", "items"):
        sql.create(side, {"id": "INT64", "embedding": VECTOR}, rows)
    with pytest.raises(Exception, match=r"no run before a to align with: .* Runs before it: 0"):
        sql.run(script("a"))
