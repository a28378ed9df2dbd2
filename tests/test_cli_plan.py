"""`sqlstab plan`: the same statements as the run itself, without running one."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from invoke import invoke

from sqlstab import EmbeddingTable, Options, stabilize
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.plan import Plan, plan
from sqlstab.statements.dialect import DIALECTS, DUCKDB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

LAYOUTS = {
    "array": "SELECT * FROM '{path}'",
    "wide": "SELECT id, " + ", ".join(f"embedding[{k + 1}] AS e{k}" for k in range(6))
    + " FROM '{path}'",
    "long": "SELECT id, unnest(range(6)) AS dim, unnest(embedding) AS value FROM '{path}'",
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "both": {"anchor": "both"},
    "cosine": {"cosine": True, "anchor": "users"},
    "always": {"refine": "always"},
    "sample": {"sample": 0.9},
    "drop": {"on_invalid": "drop"},
    "rank": {"rank": 3, "output_type": "double", "output_layout": "array"},
    "solver": {"solver": "sql", "refine": "never"},
}


@pytest.fixture
def database(tmp_path: Path, model: Any) -> Path:
    """Tables of two runs in every layout, of which half the ids are shared."""
    monday = model("raw_monday", users=300, items=200)
    tuesday = model("raw_tuesday", users=400, items=300, rotate=monday)
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        for day, folder in (("monday", monday), ("tuesday", tuesday)):
            for side in ("users", "items"):
                for layout, query in LAYOUTS.items():
                    source = query.format(path=folder / f"{side}.parquet")
                    shift = "+ 50" if day == "tuesday" else ""
                    connection.execute(
                        f"CREATE TABLE {day}_{side}_{layout} AS "
                        f"SELECT * REPLACE (id {shift} AS id), 1.5 AS n FROM ({source})"
                    )
    return path


class Logged(logging.Handler):
    """The statements that a run executes."""

    def __init__(self) -> None:
        super().__init__()
        self.statements: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() not in ("BEGIN", "COMMIT"):
            self.statements.append(record.getMessage())


@pytest.fixture
def open_engine() -> Iterator[Callable[..., DuckDBEngine]]:
    """Opens a database; the one before is closed."""
    with ExitStack() as stack:

        def connect(path: Path, **options: Any) -> DuckDBEngine:
            stack.close()
            return stack.enter_context(closing(DuckDBEngine(path, **options)))

        yield connect


@pytest.fixture
def logged() -> Iterator[Logged]:
    logger = logging.getLogger("sqlstab.sql")
    handler, level = Logged(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def kinds(statements: list[str]) -> Counter[str]:
    """How many statements there are of each kind, by their first words."""
    found = Counter[str]()
    for statement in statements:
        words = statement.split()
        found[" ".join(words[:2] if words[0] != "--" else words[:6])] += 1
    # A file is described in other words than a table, and written with COPY.
    describing = [kind for kind in found if kind.startswith("DESCRIBE")]
    found["DESCRIBE"] = sum(found.pop(kind) for kind in describing)
    return found


def compare(planned: Plan, done: list[str]) -> None:
    done = [statement.removeprefix("COPY (\n") for statement in done]
    assert kinds(planned.statements) == kinds(done)
    assert len(planned.statements) == len(done)
    assert planned.scans(planned.statements) == planned.scans(done)
    # With as many digits as they get, but not many more. How a file is to be read that is not
    # there yet is not in a plan.
    longest = max(len(text.replace(", hive_partitioning = false", "")) for text in done)
    assert longest <= planned.longest <= 1.5 * longest + 100


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("strategy", ["sql", "arrow"])
def test_the_run_does_what_was_planned(
    tmp_path: Path,
    database: Path,
    logged: Logged,
    open_engine: Any,
    strategy: str,
    layout: str,
    options: str,
) -> None:
    """The first run into files, the second with a reference: counts, kinds and scans are equal."""
    chosen = Options(strategy=strategy, **OPTIONS[options])
    reference = None
    for day in ("monday", "tuesday"):
        users, items = (
            EmbeddingTable(f"{day}_{side}_{layout}", weight="n", anchor_filter="id > 60")
            for side in ("users", "items")
        )
        # What is solved in SQL goes through tables.
        engine = open_engine(database, read_only=chosen.solver == "python")
        out = tmp_path / day
        planned = plan(
            {"users": users, "items": items},
            reference,
            chosen,
            DUCKDB,
            engine,
            out=out,
            dimension=6,
        )
        assert not out.exists()
        logged.statements.clear()
        stabilize(users, items, reference, out, engine, options=chosen)
        compare(planned, logged.statements)
        reference = out


@pytest.mark.parametrize("strategy", ["sql", "auto"])
def test_tables_are_planned(
    tmp_path: Path, database: Path, logged: Logged, open_engine: Any, strategy: str
) -> None:
    reference = None
    for day, exists in (("monday", False), ("tuesday", True)):
        tables = {side: EmbeddingTable(f"{day}_{side}_array") for side in ("users", "items")}
        targets = {"users": f"{day}_su", "items": f"{day}_si"}
        engine = open_engine(database, read_only=False)
        options = Options(strategy=strategy)
        planned = plan(
            tables,
            reference,
            options,
            DUCKDB,
            engine,
            out=tmp_path / day,
            targets=targets,
            transform_table="t",
            dimension=6,
        )
        logged.statements.clear()
        stabilize(
            tables["users"], tables["items"], reference, tmp_path / day, engine,
            users_out=targets["users"], items_out=targets["items"], transform_table="t",
            options=options,
        )  # fmt: skip
        compare(planned, logged.statements)
        names = [table.name for table in planned.tables]
        assert names == [targets["users"], targets["items"], "t"]
        assert planned.tables[2].role.endswith("added") is exists
        reference = tmp_path / day


def test_statements_that_are_too_long_go_through_tables(
    tmp_path: Path,
    database: Path,
    logged: Logged,
    open_engine: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on engines with a limit: the temporary tables are in the plan."""
    # 36 numbers alone are longer.
    object.__setattr__(DUCKDB, "longest_statement", 800)
    try:
        tables = {side: EmbeddingTable(f"monday_{side}_array") for side in ("users", "items")}
        targets = {"users": "su", "items": "si"}
        options = Options(strategy="sql")
        engine = open_engine(database, read_only=False)
        planned = plan(tables, None, options, DUCKDB, engine, targets=targets, dimension=6)
        logged.statements.clear()
        stabilize(
            tables["users"], tables["items"], None, None, engine,
            users_out="su", items_out="si", options=options,
        )  # fmt: skip
        compare(planned, logged.statements)
        assert [table.temporary for table in planned.tables] == [False, False, True]
    finally:
        object.__setattr__(DUCKDB, "longest_statement", None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_a_connection(dialect: str) -> None:
    arguments = ["--users", "ml.u", "--items", "ml.i", "--dialect", dialect, "--dimension", 16]
    arguments += ["--users-out", "ml.su", "--items-out", "ml.si", "--transform-table", "ml.t"]
    found = json.loads(invoke("plan", *arguments, "--json", "--show-sql").stdout)
    assert found["dialect"] == dialect
    assert found["statements"] == sum(step["statements"] for step in found["steps"])
    assert found["statements"] == sum(len(step["sql"]) for step in found["steps"])
    assert found["longest_statement_allowed"] == DIALECTS[dialect].longest_statement
    assert found["scans"]["users"] >= 3
    assert [table["name"] for table in found["tables"]][:3] == ["ml.su", "ml.si", "ml.t"]
    shown = invoke("plan", *arguments).stdout
    assert "in all" in shown
    assert "Summing users" in shown


@pytest.mark.parametrize("dialect", [name for name, one in DIALECTS.items() if one.solving])
def test_the_sql_solver_is_planned(dialect: str) -> None:
    """Its statements and tables, where it solves in one statement and where in several."""
    arguments = ["--users", "ml.u", "--items", "ml.i", "--dialect", dialect, "--dimension", 16]
    arguments += ["--users-out", "ml.su", "--items-out", "ml.si", "--json", "--show-sql"]
    usual, found = (
        json.loads(invoke("plan", *arguments, "--solver", solver).stdout)
        for solver in ("python", "sql")
    )
    steps = {step["step"]: step for step in found["steps"]}
    solving = steps.pop("Solving in SQL")
    assert [*steps] == [step["step"] for step in usual["steps"]]
    assert any("The SQL solver refuses" in text for text in solving["sql"])
    made = {name for text in solving["sql"] for name in re.findall(r"sqlstab_solve_\w+", text)}
    known = DIALECTS[dialect].solving
    assert known is not None
    assert len(made) == (1 if known.way == "recursive" else 6)
    assert found["longest_statement"] >= solving["longest_statement"] > 10_000
    (own,) = (table for table in found["tables"] if "solve" in table["name"])
    assert own["name"] == f"{len(made)} x sqlstab_solve_..."
    assert own["temporary"]
    assert "the SQL solver ends the run" in " ".join(found["notes"])
    limit = found["longest_statement_allowed"]
    assert limit is None or solving["longest_statement"] < limit


def test_with_a_reference_and_without_a_connection(tmp_path: Path, database: Path) -> None:
    """The same numbers as when the tables are looked at."""
    with duckdb.connect(str(database)) as connection:
        stabilize("monday_users_long", "monday_items_wide", None, tmp_path / "monday", connection)
    common = ["--users", "tuesday_users_array", "--items", "tuesday_items_wide"]
    common += ["--reference", tmp_path / "monday", "--strategy", "sql", "--json"]
    seen = json.loads(invoke("plan", "--database", database, *common).stdout)
    said = ["--dialect", "duckdb", "--items-vector", "e0..e5", "--id", "id"]
    unseen = json.loads(invoke("plan", *common, *said).stdout)
    for document in (seen, unseen):
        del document["longest_statement"]
        for step in document["steps"]:
            del step["longest_statement"]
    assert unseen == seen
    assert seen["scans"]["reference items"] > seen["scans"]["reference users"]


def test_a_project_file(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "sqlstab.toml"
    path.write_text("""
[engine]
database = "w.duckdb"
[users]
table = "monday_users_wide"
out = "su"
[items]
table = "monday_items_wide"
out = "si"
[run]
out = "{day}"
partition_by = "n"
grams = "g"
""")
    done = invoke("plan", "-c", path, "--var", "day=x")
    assert "table su: stable users" in done.stdout
    assert "Of the partitions only those" in done.stdout
    assert not (tmp_path / "x").exists()
    with duckdb.connect(str(database)) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert len(tables) == 12
    assert "--rank cannot" in invoke("plan", "-c", path, "--rank", 2, code=2).stderr


def test_numbers_are_as_long_as_they_get(rng: np.random.Generator) -> None:
    from sqlstab.plan import _LONG_NUMBER  # noqa: PLC0415

    for value in rng.standard_normal(1000) * 0.01:
        assert len(DUCKDB.number(value)) <= len(DUCKDB.number(_LONG_NUMBER))


def test_gates_are_planned_for(tmp_path: Path, model: Any) -> None:
    """A plan has no figures that a gate could judge."""
    model("monday")
    users, items = (tmp_path / "monday" / f"{side}.parquet" for side in ("users", "items"))
    stabilize(users, items, out=tmp_path / "first")
    (tmp_path / "sqlstab.toml").write_text(
        f"[users]\ntable = '{users}'\n[items]\ntable = '{items}'\n[run]\nout = 'out'\n"
        "reference = 'first'\nmin_mean_cosine = 0.99\nmin_shared_ids = 1000000\nmin_cka = 1.0\n"
    )
    found = json.loads(invoke("plan", "-c", tmp_path / "sqlstab.toml", "--json").stdout)
    assert any("[run] min_mean_cosine and" in note for note in found["notes"]), found["notes"]
