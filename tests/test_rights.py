"""A run needs few rights, and writes where it was told to and nowhere else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import faulty
import numpy as np
import pytest
from conftest import write_vectors
from test_outputs import load

from sqlstab.session import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engines import Running

    from sqlstab.engines import Engine

SQL = ("--strategy", "sql")
# Tables and functions, everything that can be made in a database; and settings of roles.
CATALOG = """
SELECT 'relation' AS kind, concat(n.nspname, '.', c.relname, ' ', c.relkind) AS name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg_toast%'
UNION ALL SELECT 'function', concat(n.nspname, '.', p.proname, p.oid)
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
UNION ALL SELECT 'type', concat(n.nspname, '.', t.typname)
FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE n.nspname NOT LIKE 'pg_toast%'
UNION ALL SELECT 'schema', nspname FROM pg_namespace
UNION ALL SELECT 'role', rolname FROM pg_roles
UNION ALL SELECT 'setting', concat(setdatabase, ' ', setrole) FROM pg_db_role_setting
UNION ALL SELECT 'extension', extname FROM pg_extension
UNION ALL SELECT 'large object', CAST(oid AS text) FROM pg_largeobject_metadata
"""


@pytest.fixture
def limited(running: Running) -> Iterator[tuple[Engine, str]]:
    """An engine that may do anything, and the URL of a role that may read r_in and make r_out."""
    with connect(running["postgres"], writes_tables=True) as engine:
        engine.execute(
            [
                "CREATE ROLE r_limited LOGIN",
                "CREATE SCHEMA r_in",
                "CREATE SCHEMA r_out",
                "GRANT USAGE ON SCHEMA r_in TO r_limited",
                "GRANT USAGE, CREATE ON SCHEMA r_out TO r_limited",
            ]
        )
        for seed, side in enumerate(("users", "items")):
            load(engine, f"r_in.{side}", seed)
            engine.execute([f"ALTER TABLE r_in.{side} ADD COLUMN day integer DEFAULT 1"])
        engine.execute(["GRANT SELECT ON ALL TABLES IN SCHEMA r_in TO r_limited"])
        url = running["postgres"].replace("postgres:@", "r_limited:@")
        try:
            yield engine, url
        finally:
            engine.execute(
                [
                    "DROP SCHEMA r_in CASCADE",
                    "DROP SCHEMA r_out CASCADE",
                    "DROP ROLE r_limited",
                ]
            )


def test_least_rights(limited: tuple[Engine, str], tmp_path: Path) -> None:
    """SELECT on the inputs, and USAGE and CREATE in one schema: for all that a run can do."""
    engine, url = limited

    def catalog() -> set[tuple[Any, ...]]:
        return {tuple(row.values()) for row in engine.query(CATALOG)}

    before = catalog()
    command = ["run", "-q", "--engine", url, "--users", "r_in.users", "--items", "r_in.items"]
    command += ["--users-out", "r_out.users", "--items-out", "r_out.items"]
    command += ["--transform-table", "r_out.maps", "--registry", "r_out.runs", "--keep-runs", "1"]
    command += ["--partition-by", "day", "--grams", "r_out.grams", "--reference", "previous"]
    for _ in range(3):
        faulty.run(*command, folder=tmp_path)
    where = ["--engine", url, "--registry", "r_out.runs"]
    faulty.run("runs", "rollback", *where, folder=tmp_path)
    faulty.run("runs", "prune", "--keep", "0", *where, folder=tmp_path)
    faulty.run("clean", "--schema", "r_out", "--older-than", "0", "--yes", *where, folder=tmp_path)
    made = {name for kind, name in catalog() - before if kind == "relation"}
    assert catalog() >= before
    named = ("users", "items", "maps", "runs", "grams")
    assert made == {f"r_out.{name} r" for name in named}
    assert {kind for kind, _ in catalog() - before} == {"relation", "type"}
    assert list(tmp_path.iterdir()) == []


def test_the_files_that_a_run_makes(tmp_path: Path) -> None:
    """Nothing in the working directory, the home or the temporary folder."""
    folders = {name: tmp_path / name for name in ("cwd", "home", "tmp", "data")}
    for folder in folders.values():
        folder.mkdir()
    data = folders["data"]
    rng = np.random.default_rng(1)
    for side in ("users", "items"):
        write_vectors(data / f"{side}.parquet", rng.standard_normal((500, 4)))
    said = tmp_path / "said"
    said.mkdir()
    command = ["run", "-q", "--users", data / "users.parquet", "--items", data / "items.parquet"]
    tables = ["--database", data / "w.duckdb", "--users-out", "su", "--items-out", "si"]
    given = {"HOME": str(folders["home"]), "TMPDIR": str(folders["tmp"])}
    for more in ([], SQL, [*tables, "--registry", "runs"], [*tables, *SQL]):
        arguments = [*command, *more, "--out", data / "out"]
        faulty.run(*arguments, folder=said, cwd=folders["cwd"], **given)
    assert {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()
    } == {
        *(f"data/{name}" for name in ("users.parquet", "items.parquet", "w.duckdb")),
        *(f"data/out/{name}" for name in ("run.json", "transform.json")),
    }
    assert list(folders["tmp"].iterdir()) == []


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """It is found out before any work is done."""
    if os.geteuid() == 0:
        # To whom a directory without the right to write is like any other.
        place = "/proc/sqlstab"
    else:
        (tmp_path / "closed").mkdir(mode=0o555)
        place = str(tmp_path / "closed" / "run")
    rng = np.random.default_rng(1)
    for side in ("users", "items"):
        write_vectors(tmp_path / f"{side}.parquet", rng.standard_normal((50, 4)))
    sides = [f"--{side}={tmp_path}/{side}.parquet" for side in ("users", "items")]
    ended = faulty.run("run", "-v", *sides, "--out", place, code=2, folder=tmp_path)
    *steps, said = ended.stderr.splitlines()
    assert said.startswith(f"Error: {place} cannot be written: ")
    assert len(steps) == 1
    assert steps[0].startswith("Looking at the outputs: ")
    assert "Checking" not in ended.stderr
    sides += ["--registry", f"{place}.jsonl"]
    ended = faulty.run("run", *sides, "--out", tmp_path / "out", code=3, folder=tmp_path)
    assert "cannot be written" in ended.stderr
