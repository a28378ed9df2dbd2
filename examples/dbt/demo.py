"""Days of real retrainings through dbt and through `Space.run`: `make dbt-demo`.

    python examples/dbt/demo.py duckdb
    python examples/dbt/demo.py postgres

Days as they come, one late, one again, three at once, slim CI and --full-refresh. After each,
maps and vectors are held against the core's (1E-6 of the largest), and all scores against the raw
ones. Postgres is started for it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from dbt_movies import Core, Project, Training, again, date  # noqa: E402
from engines import Running  # noqa: E402

DATA = ROOT / "benchmarks" / "data"


def training(day: int, seed: int) -> Training:
    """One of the retrainings, which are of every second day; another seed is another of them."""
    found = {}
    for side in ("users", "items"):
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"SELECT id, embedding FROM '{DATA / side}.parquet' WHERE ds = (SELECT ds FROM "
                f"(SELECT DISTINCT ds FROM '{DATA / side}.parquet') ORDER BY ds "
                f"LIMIT 1 OFFSET {day + 15 * seed}) ORDER BY id"
            ).fetchall()
        found[side] = ([row[0] for row in rows], np.array([row[1] for row in rows], float))
    return found


def main(engine: str, folder: Path) -> None:
    """Go through the days."""
    with Running() as running:
        url = running["postgres"] if engine == "postgres" else None
        movies = Project(folder / "project", url, training, dimension=32).begin()
        core = Core(folder / "core", training)

        def built(what: str, *arguments: str) -> None:
            movies.dbt("build", *arguments, writes=True)
            movies.check(core)
            print(f"{engine}: {what}: as Space.run has it, {len(movies.maps()) // 2} days")

        for day in (2, 3, 4, 6, 7):
            movies.load(day)
            core.run(day)
            built(f"{date(day)}")
        movies.load(5)
        core.run(5)
        built(f"{date(5)}, late")
        movies.load(6, seed=1)
        core.run(6, seed=1)
        built(f"{date(6)}, again", *again(6))
        movies.load(8, 9, 10)
        core.run(8, 9, 10)
        built("three days at once")

        movies.load(11)
        movies.dbt("build", "--select", "stable_items", "stable_users")
        np.testing.assert_equal(
            date(11) in {*movies.stable("items"), *movies.stable("users")}, False
        )
        print(f"{engine}: --select stable_items: a day without a map has no rows")
        core.run(11)
        built(f"{date(11)}")

        state = folder / "state"
        shutil.copytree(movies.root / "target", state)
        path = movies.root / "models" / "stable_items.sql"
        path.write_text(path.read_text() + f"where ds >= '{date(9)}'\n")
        slim = ("--select", "state:modified", "--defer", "--state", str(state), "--target", "dev")
        movies.dbt("run", *slim)
        found, wanted = movies.stable("items", "dev.stable_items"), movies.stable("items")
        np.testing.assert_equal(set(found), {date(day) for day in (9, 10, 11)})
        for ds, vectors in found.items():
            np.testing.assert_array_equal(vectors, wanted[ds])
        print(f"{engine}: slim CI with --defer: production's vectors, in the schema of CI")
        movies.begin_models()

        built("--full-refresh, which leaves the maps", "--full-refresh")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(sys.argv[1], Path(name))
