"""What docs/scheduler.md says to do works as it stands there, and gives what `stabilize` gives."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import duckdb
import numpy as np
import pytest
from conftest import movietweetings, read_vectors
from engines import psql_environment

from sqlstab import Options, Run, Transform, stabilize
from sqlstab.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines import Running

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "scheduler.md").read_text()
SOLVER = (DOCS / "sql-solver.md").read_text()
DOCUMENTATION = (
    *(DOCS.parent / name for name in ("README.md", "dbt_project/README.md")),
    *sorted(DOCS.glob("*.md")),
)
BIN = Path(sys.executable).parent
RUNS = {"monday": 0, "tuesday": 1}

needs_duckdb = pytest.mark.skipif(
    not (BIN / "duckdb").exists() and "CI" not in os.environ, reason="duckdb-cli is not installed"
)


def blocks(page: str = TEXT) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", page, re.DOTALL)


def shell(script: str, folder: Path, **environment: str) -> str:
    """Run a script that stops at the first error, with the commands of this environment."""
    path = os.pathsep.join([environment.pop("PATH", ""), str(BIN), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, script + done.stderr
    assert "rror" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """monday/ and tuesday/, as the page has them."""
    for day, number in RUNS.items():
        shutil.copytree(movietweetings("time_als_e32", number), tmp_path / day)
    return tmp_path


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The two runs by `stabilize`, in double."""
    folder = tmp_path_factory.mktemp("wanted")
    runs: dict[str, Run] = {}
    for day, number in RUNS.items():
        source = movietweetings("time_als_e32", number)
        runs[day] = stabilize(
            source / "users.parquet",
            source / "items.parquet",
            runs.get("monday"),
            folder / day,
            options=Options(output_type="double"),
        )
    return runs


def in_double(script: str) -> str:
    """The same, with stable vectors in double: FLOAT, as the raw ones are, differs by 1e-8."""
    for command, option in (
        ("apply", "--output-type"),
        ("cross-gram", "--reference-element"),
        ("drift", "--element"),
    ):
        script = script.replace(f"render {command} ", f"render {command} {option} double ")
    return script


def check_transform(found: Transform, wanted: Run, tolerance: float = 1e-10) -> None:
    for side in ("users", "items"):
        x, y = getattr(found, side).matrix, getattr(wanted.transform, side).matrix
        assert np.abs(x - y).max() < tolerance * np.abs(y).max()


@needs_duckdb
def test_the_duckdb_command_line(folder: Path, wanted: dict[str, Run]) -> None:
    """Three commands, then four with a reference: the same matrices and figures to 1e-10."""
    written = [block for block in blocks() if "--dialect duckdb" in block and "/" in block]
    assert len(written) == 5
    script = in_double("\n".join(written))
    script = script.replace("stable_items.parquet | duckdb", "stable_items.parquet | duckdb -csv")
    printed = shell(script, folder)
    for day, run in wanted.items():
        check_transform(Transform.load(folder / day / "transform.json"), run)
        assert run.directory
        for side in ("users", "items"):
            ids, vectors = read_vectors(folder / day / f"stable_{side}.parquet")
            wanted_ids, wanted_vectors = read_vectors(run.directory / f"{side}.parquet")
            assert (ids == wanted_ids).all()
            assert np.abs(vectors - wanted_vectors).max() < 1e-10
    cosines = re.search(r"n_rows,after_mean,after_p10,after_median\n(.*)\n", printed)
    assert cosines
    rows, *figures = map(float, cosines[1].split(","))
    want = wanted["tuesday"].figures["cosine"]["items"]
    assert rows == want["rows"]
    assert figures == pytest.approx(list(want["after"].values()), abs=1e-10)


@needs_duckdb
def test_a_scheduled_query(folder: Path, wanted: dict[str, Run]) -> None:
    """Its text is written once; each run's transform comes from the table."""
    solve = (
        "sqlstab solve --gram gram.json --format sql --dialect duckdb --transform-table transforms"
    )
    gram = "sqlstab render gram --dialect duckdb --dimension 32 --users users --items items"
    apply = "sqlstab render apply --dialect duckdb --transform-table transforms --dimension 32"
    into = "--items items --items-into stable_items --output-type double --replace"
    load = "".join(
        f"CREATE OR REPLACE TABLE {side} AS FROM '$day/{side}.parquet'; "
        for side in ("users", "items")
    )
    cross = (
        "sqlstab render cross-gram --dialect duckdb --dimension 32 --items items "
        "--items-reference stable_items --reference-element double"
    )
    first = f"""
        day=monday; duckdb w.duckdb -c "{load}"
        {gram} | duckdb w.duckdb -json > gram.json
        {solve} --create --out monday.json | duckdb w.duckdb
        {apply} {into} > apply.sql
        duckdb w.duckdb < apply.sql
        """
    shell(first, folder)
    text = (folder / "apply.sql").read_text()
    later = f"""
        day=tuesday; duckdb w.duckdb -c "{load}"
        {cross} | duckdb w.duckdb -json > cross.json
        {gram} | duckdb w.duckdb -json > gram.json
        {solve} --cross cross.json --reference monday.json | duckdb w.duckdb
        duckdb w.duckdb < apply.sql
        """
    for day, script in (("monday", ""), ("tuesday", later)):
        shell(script, folder)
        with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
            found = connection.execute("SELECT * FROM stable_items ORDER BY id").fetchall()
        directory = wanted[day].directory
        assert directory
        want = dict(zip(*read_vectors(directory / "items.parquet"), strict=True))
        assert len(found) == len(want)
        assert max(np.abs(np.array(vector) - want[key]).max() for key, vector in found) < 1e-10
    assert text == (folder / "apply.sql").read_text()


def test_in_steps(folder: Path, wanted: dict[str, Run]) -> None:
    """Each step by a command of its own, with the first run as the reference."""
    shutil.rmtree(folder / "monday")
    assert wanted["monday"].directory
    shutil.copytree(wanted["monday"].directory, folder / "monday")
    (script,) = (block for block in blocks() if block.startswith("# steps\n"))
    shell(script.replace("sqlstab apply", "sqlstab apply --output-type double"), folder)
    check_transform(Transform.load(folder / "tuesday.json"), wanted["tuesday"])
    assert wanted["tuesday"].directory
    for side in ("users", "items"):
        found = read_vectors(folder / f"stable_{side}.parquet")[1]
        want = read_vectors(wanted["tuesday"].directory / f"{side}.parquet")[1]
        assert np.abs(found - want).max() < 1e-10


def test_the_options_of_the_warehouse_are_options() -> None:
    """Nobody has that database here: the commands are read, and the second one is run."""
    job, cost = (block for block in blocks() if block.startswith("# warehouse\n"))
    assert "in all" in shell(cost, Path.cwd())
    words = shlex.split(job.split("\n", 2)[2].replace("\\\n", " "))
    assert words[:2] == ["sqlstab", "run"]
    known = {name for parameter in cli.commands["run"].params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.fixture
def psql(running: Running) -> Iterator[dict[str, str]]:
    """The environment in which psql finds the database, with an empty schema ml."""
    url = running["postgres"]
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA ml"))
    yield psql_environment(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA ml CASCADE"))
    engine.dispose()


def load(folder: Path, day: str, psql: dict[str, str]) -> None:
    """Fill ml.users and ml.items."""
    lines = ["CREATE SCHEMA IF NOT EXISTS ml;"]
    for side in ("users", "items"):
        ids, vectors = read_vectors(folder / day / f"{side}.parquet")
        lines += [
            f"DROP TABLE IF EXISTS ml.{side};",
            f"CREATE TABLE ml.{side} (id text PRIMARY KEY, embedding real[]);",
            f"COPY ml.{side} FROM STDIN;",
            *(
                f"{key}\t{{{','.join(map(repr, map(float, v)))}}}"
                for key, v in zip(ids, vectors, strict=True)
            ),
            "\\.",
        ]
    (folder / "load.sql").write_text("\n".join(lines) + "\n")
    shell("psql -q -v ON_ERROR_STOP=1 -f load.sql", folder, **psql)


def test_psql(folder: Path, psql: dict[str, str], wanted: dict[str, Run]) -> None:
    written = [block for block in blocks() if block.startswith("# postgres\n")]
    assert len(written) == 2
    for script, day in zip(written, RUNS, strict=True):
        load(folder, day, psql)
        shell(in_double(script), folder, **psql)
        check_transform(Transform.load(folder / f"{day}.json"), wanted[day])
        printed = shell(
            "psql -At -c 'SELECT id, array_to_json(embedding) FROM ml.stable_items'", folder, **psql
        )
        directory = wanted[day].directory
        assert directory
        want = dict(zip(*read_vectors(directory / "items.parquet"), strict=True))
        rows = [line.split("|") for line in printed.splitlines()]
        assert len(rows) == len(want)
        kind = type(next(iter(want)))
        for key, vector in rows:
            assert np.abs(np.array(eval(vector)) - want[kind(key)]).max() < 1e-10


@needs_duckdb
def test_one_file_of_sql_on_duckdb(folder: Path, wanted: dict[str, Run]) -> None:
    """docs/sql-solver.md: no Python but what renders the text."""
    (script,) = (block for block in blocks(SOLVER) if "--dialect duckdb" in block)
    for day in wanted:
        shutil.copytree(folder / day, folder / "raw" / day)
    shell(script.replace("render script", "render script --output-type double"), folder)
    for day, run in wanted.items():
        check_transform(Run.load(folder / "runs" / day).transform, run)


def test_one_file_of_sql_on_postgres(
    folder: Path, psql: dict[str, str], wanted: dict[str, Run]
) -> None:
    render, *daily = (block for block in blocks(SOLVER) if "# postgres" in block)
    shell(render.replace("render script", "render script --output-type double"), folder, **psql)
    printed = ""
    for script, day in zip(daily, RUNS, strict=True):
        load(folder, day, psql)
        printed = shell(script, folder, **psql)
    figures = dict(re.findall(r"(?m)^ (\w+) +\| +(\S+)$", printed))
    for side, parts in wanted["tuesday"].figures["cosine"].items():
        for when in ("before", "after"):
            for name, value in parts[when].items():
                found = float(figures[f"cosine_{side}_{when}_{name}"])
                assert found == pytest.approx(value, abs=1e-8)


def commands(group: click.Group = cli, prefix: str = "sqlstab") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_has_help_and_is_documented(name: str, command: click.Command) -> None:
    assert command.short_help
    assert command.short_help.endswith(".")
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            continue  # tests/test_cli.py sees that the command's text has it
        assert isinstance(parameter, click.Option)
        assert parameter.help, f"{name} {parameter.name}"
        assert parameter.help.rstrip().endswith("."), f"{name} {parameter.name}: {parameter.help}"
    assert any(name in page.read_text() for page in DOCUMENTATION), f"{name}: in no documentation"
