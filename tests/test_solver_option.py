"""`--solver sql`: the small mathematics in the engine gives the figures of the Python solver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from conftest import movietweetings, write_vectors
from invoke import invoke
from test_engines import movie_tables, own_tables

from sqlstab import Options, Run, UsageError, stabilize
from sqlstab.statements.dialect import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engines import Running
    from warehouse import Warehouse

GROUP = "time_als_e32"
# Databricks has no engine of its own here.
SOLVING = [name for name, dialect in DIALECTS.items() if dialect.solving and name != "databricks"]


def numbers(run: Run) -> dict[str, float]:
    """The figures of a run that are numbers, by path; times left out."""
    found: dict[str, float] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, (dict, list)):
            parts = value.items() if isinstance(value, dict) else enumerate(value)
            for key, part in parts:
                walk(part, f"{path}.{key}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[path] = float(value)

    walk({key: value for key, value in run.figures.items() if key != "timings"}, "")
    return found


def agree(found: Run, wanted: Run) -> None:
    got, want = numbers(found), numbers(wanted)
    assert got.keys() == want.keys()
    for path, value in want.items():
        assert got[path] == pytest.approx(value, abs=1e-8), path
    assert (found.figures["solver"], wanted.figures["solver"]) == ("sql", "python")
    for side in ("users", "items"):
        np.testing.assert_allclose(
            getattr(found.transform, side).matrix, getattr(wanted.transform, side).matrix, atol=1e-9
        )


@pytest.mark.parametrize("engine", SOLVING)
def test_figures_agree(
    engine: str, warehouses: Callable[[str], Warehouse], running: Running
) -> None:
    """Two real retrainings: the first defines the space, the second is aligned with it."""
    warehouse = warehouses(engine)
    # Scripts leave tables of theirs to be looked at.
    before = own_tables(warehouse)
    first_tables, second_tables = (movie_tables(warehouse, GROUP, n) for n in (0, 1))
    options: dict[str, Any] = {"engine": running[engine]}
    first = stabilize(
        first_tables["users"],
        first_tables["items"],
        **options,
        users_out="solver_users",
        items_out="solver_items",
        options=Options(solver="sql"),
    )
    runs = {
        solver: stabilize(
            second_tables["users"],
            second_tables["items"],
            first,
            **options,
            options=Options(solver=solver, anchor="both"),  # type: ignore[arg-type]
        )
        for solver in ("python", "sql")
    }
    agree(runs["sql"], runs["python"])
    assert own_tables(warehouse) == before


def test_a_first_run_and_all_options(tmp_path: Path) -> None:
    """Unit vectors as anchors, and a rank, are the run's, not the solver's."""
    sources = [movietweetings(GROUP, number) for number in (0, 1)]
    files = [[source / f"{side}.parquet" for side in ("users", "items")] for source in sources]
    firsts = {
        solver: stabilize(*files[0], out=tmp_path / solver, options=Options(solver=solver))  # type: ignore[arg-type]
        for solver in ("python", "sql")
    }
    for side in ("users", "items"):
        np.testing.assert_allclose(
            getattr(firsts["sql"].transform, side).matrix,
            getattr(firsts["python"].transform, side).matrix,
            atol=1e-9,
        )
    runs = {
        solver: stabilize(
            *files[1],
            firsts["python"],
            options=Options(solver=solver, cosine=True, rank=20),  # type: ignore[arg-type]
        )
        for solver in ("python", "sql")
    }
    agree(runs["sql"], runs["python"])


def run_on_files(folder: Path, *more: object, code: int = 0) -> str:
    tables = ("--users", folder / "users.parquet", "--items", folder / "items.parquet")
    return invoke("run", *tables, "--solver", "sql", *more, code=code).stderr


def test_what_the_statement_refuses_is_bad_data(tmp_path: Path, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((50, 4))
    vectors[:, 3] = vectors[:, 0] - vectors[:, 2]
    write_vectors(tmp_path / "users.parquet", rng.standard_normal((60, 4)))
    write_vectors(tmp_path / "items.parquet", vectors)
    stderr = " ".join(run_on_files(tmp_path, "--out", tmp_path / "out", code=4).split())
    assert "items: of 4 columns that are not zero only 3 are independent" in stderr
    assert "Use sqlstab run --solver python, which takes a second pass where it must." in stderr
    assert not (tmp_path / "out").exists()


def test_too_few_shared_ids(tmp_path: Path, rng: np.random.Generator) -> None:
    first = tmp_path / "first"
    first.mkdir()
    for folder, ids in ((first, np.arange(30)), (tmp_path, np.arange(27, 57))):
        write_vectors(folder / "users.parquet", rng.standard_normal((60, 4)))
        write_vectors(folder / "items.parquet", rng.standard_normal((30, 4)), ids)
    run_on_files(first, "--out", tmp_path / "reference")
    stderr = run_on_files(
        tmp_path, "--reference", tmp_path / "reference", "--out", tmp_path / "out", code=4
    )
    assert "say nothing about 1 of 4 directions. Use --solver python" in " ".join(stderr.split())


def test_no_second_pass(tmp_path: Path) -> None:
    stderr = run_on_files(tmp_path, "--out", tmp_path / "out", "--refine", "always", code=2)
    assert "--refine always takes a second pass" in " ".join(stderr.split())


def test_an_engine_without_a_solver(warehouses: Callable[[str], Warehouse]) -> None:
    engine = warehouses("snowflake").engine
    with pytest.raises(UsageError, match="no SQL solver for snowflake, only for duckdb, spark"):
        stabilize("u", "i", engine=engine, options=Options(solver="sql"))


def test_a_database_file_is_as_it_was(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "vectors.duckdb"
    with duckdb.connect(path) as connection:
        for side in ("users", "items"):
            write_vectors(tmp_path / f"{side}.parquet", rng.standard_normal((40, 3)))
            connection.execute(f"CREATE TABLE {side} AS FROM '{tmp_path / side}.parquet'")
    stabilize("users", "items", engine=path, options=Options(solver="sql"))
    tables = ("--users", "users", "--items", "items", "--database", path, "--solver", "sql")
    invoke("run", *tables, "--out", tmp_path / "out")
    with duckdb.connect(path) as connection:
        assert connection.sql("SHOW TABLES").fetchall() == [("items",), ("users",)]
