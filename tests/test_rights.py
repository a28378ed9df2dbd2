"""A run needs few rights, and writes into its outputs and nowhere else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import faulty
import numpy as np
import pytest
from conftest import write_vectors
from warehouse import store_vectors

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
    with connect(running["postgres"], writes=True) as engine:
        for text in (
            "CREATE ROLE r_limited LOGIN",
            "CREATE SCHEMA r_in",
            "CREATE SCHEMA r_out",
            "GRANT USAGE ON SCHEMA r_in TO r_limited",
            "GRANT USAGE, CREATE ON SCHEMA r_out TO r_limited",
        ):
            engine.execute(text)
        for seed, side in enumerate(("users", "items")):
            vectors = np.random.default_rng(seed).standard_normal((60, 4))
            store_vectors(engine, f"r_in.{side}", vectors)
            engine.execute(f"ALTER TABLE r_in.{side} ADD COLUMN ds date DEFAULT '2026-11-30'")
        engine.execute("GRANT SELECT ON ALL TABLES IN SCHEMA r_in TO r_limited")
        url = running["postgres"].replace("postgres:@", "r_limited:@")
        try:
            yield engine, url
        finally:
            for text in (
                "DROP SCHEMA r_in CASCADE",
                "DROP SCHEMA r_out CASCADE",
                "DROP ROLE r_limited",
            ):
                engine.execute(text)


def test_least_rights(limited: tuple[Engine, str], tmp_path: Path) -> None:
    """SELECT on the inputs, and USAGE and CREATE in one schema: for all that a run can do."""
    engine, url = limited

    def catalog() -> set[tuple[Any, ...]]:
        return {tuple(row.values()) for row in engine.query(CATALOG)}

    before = catalog()
    where = ["--engine", url]
    tables = ["--users", "r_in.users", "--items", "r_in.items", "--space", "r_out.movies"]
    engine.execute("UPDATE r_in.users SET ds = '2026-11-29' WHERE id < 30")
    engine.execute("UPDATE r_in.items SET ds = '2026-11-29' WHERE id < 30")
    for day in ("2026-11-29", "2026-11-30", "2026-11-30"):
        faulty.run(
            *("run", "-q", "--force", *where, *tables, "--anchor", "both", "--run", f"ds={day}"),
            # No id is in both days.
            code=0 if day == "2026-11-29" else 4,
            folder=tmp_path,
        )
    engine.execute("UPDATE r_in.users SET ds = '2026-12-01'")
    engine.execute("UPDATE r_in.items SET ds = '2026-12-01'")
    for _ in range(2):
        faulty.run(
            "run", "-q", "--force", *where, *tables, "--run", "ds=2026-12-01", folder=tmp_path
        )
    faulty.run("runs", "r_out.movies", "keep", "1", *where, folder=tmp_path)
    after = catalog()
    made = {name for kind, name in after - before if kind == "relation"}
    assert after >= before
    stored = ("users", "items", "maps", "runs")
    assert {name for name in made if name.endswith(" r")} == {
        f"r_out.movies_{name} r" for name in stored
    }
    assert {name for name in made if name.endswith(" v")} == {
        f"r_out.movies_{side}_newest v" for side in ("users", "items")
    }
    # A key's index, perhaps; nothing outside of the one schema.
    assert all(name.startswith(("r_out.", "pg_toast")) for name in made)
    assert {kind for kind, _ in after - before} <= {"relation", "type"}
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
    command += ["--run", "1"]
    in_files, in_tables = (
        ["--space", data / "out"],
        ["--space", "s", "--database", data / "w.duckdb"],
    )
    given = {"HOME": str(folders["home"]), "TMPDIR": str(folders["tmp"])}
    for more in (in_files, [*in_files, *SQL], in_tables, [*in_tables, *SQL]):
        faulty.run(*command, *more, folder=said, cwd=folders["cwd"], **given)
    assert {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()
    } == {
        *(f"data/{name}" for name in ("users.parquet", "items.parquet", "w.duckdb")),
        *(
            f"data/out/run=1/{name}"
            for name in ("run.json", "maps.parquet", "users.parquet", "items.parquet")
        ),
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
    ended = faulty.run("run", "-v", *sides, "--space", place, code=2, folder=tmp_path)
    assert f"Error: {place} cannot be made: " in ended.stderr
    assert "Checking" not in ended.stderr
