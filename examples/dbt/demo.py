"""Three trainings of a movie recommender through a fresh dbt project: `make dbt-demo`.

The project beside this file is copied, installs the package, and is built after each training, as a
scheduler would do it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq

from sqlstab.demo import DATA, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parents[1] / "dbt_project"
TRAININGS = dict(list(RUNS.items())[:3])
FIGURES = """SELECT run_id, side, before_mean, after_mean
FROM {{ ref('sqlstab_run_quality') }}
ORDER BY run_id, side"""


def copy_project(folder: Path, packages: str | None = None) -> Path:
    """A fresh copy of the project, which installs the package from this checkout."""
    project = folder / "movies"
    shutil.copytree(HERE, project, ignore=shutil.ignore_patterns("*.py", "target", "dbt_packages"))
    local = f"packages:\n  - local: {PACKAGE}\n"
    (project / "packages.yml").write_text(packages or local)
    return project


def dbt(
    project: Path,
    *arguments: str,
    manifest: Any = None,
    fails: bool = False,
    callbacks: Sequence[Callable[[Any], None]] = (),
) -> Any:
    """Run dbt in this process; nothing goes over the network.

    Args:
        project: The project's directory.
        arguments: As on the command line.
        manifest: What `dbt parse` returned; None to parse the project.
        fails: Whether it must not succeed.
        callbacks: Called with each event, also with those that `--quiet` does not print.
    """
    from dbt.cli.main import dbtRunner  # noqa: PLC0415 - it takes a second

    # A log file would stay open as long as this process.
    options = ["--project-dir", str(project), "--profiles-dir", str(project)]
    options += ["--no-version-check", "--log-level-file", "none"]
    if not sys.stdout.isatty():
        options.append("--no-use-colors")
    done = dbtRunner(manifest=manifest, callbacks=list(callbacks)).invoke([*arguments, *options])
    if done.exception:
        raise done.exception
    if done.success == fails:
        raise SystemExit(f"dbt {' '.join(arguments)}: success is {done.success}")
    return done.result


def say(event: Any) -> None:
    """Of all that dbt says of a build: the package's sentences, and the counts at its end."""
    if event.info.level == "info" and event.info.msg.startswith(("sqlstab: ", "Done. ")):
        sys.stdout.write(f"{event.info.msg}\n")


def load_duckdb(database: Path, training: Path) -> None:
    """What a training job does: new vectors in place of the old ones."""
    with duckdb.connect(database) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS recommender")
        for side in ("users", "items"):
            file = str(training / f"{side}.parquet")
            connection.execute(
                f"CREATE OR REPLACE TABLE recommender.{side} AS FROM read_parquet('{file}')"
            )


def load_postgres(url: str, training: Path) -> None:
    """The same for Postgres."""
    import psycopg  # noqa: PLC0415 - of use with Postgres only

    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS recommender")
        for side, kind in (("users", "bigint"), ("items", "text")):
            name = f"recommender.{side}"
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} (id {kind}, embedding real[])")
            connection.execute(f"TRUNCATE {name}")
            rows = pq.read_table(training / f"{side}.parquet", columns=["id", "embedding"])
            with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                for row in rows.to_pylist():
                    copy.write_row((row["id"], row["embedding"]))


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Variables of the profile, for as long as the context lasts."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> None:
    """Build after each training, and show how far the movies have moved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", metavar="URL", help="A Postgres to use instead of DuckDB.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sqlstab-") as folder:
        project = copy_project(Path(folder))
        database = project / "movies.duckdb"
        target = "postgres" if given.postgres else "duckdb"
        with environment(MOVIES_TARGET=target, MOVIES_DUCKDB=str(database)):
            dbt(project, "deps", "--quiet")
            for run, day in TRAININGS.items():
                if given.postgres:
                    load_postgres(given.postgres, DATA / run)
                else:
                    load_duckdb(database, DATA / run)
                sys.stdout.write(f"dbt build, after the training of {day}\n")
                named = json.dumps({"sqlstab_run_id": day})
                dbt(project, "build", "--quiet", "--vars", named, callbacks=[say])
            # Without --limit it shows five rows.
            dbt(project, "show", "--quiet", "--limit", "-1", "--inline", FIGURES)
    sys.stdout.write(
        "Every build was green; after_mean says how much of a movie's place is kept.\n"
    )


if __name__ == "__main__":
    main()
