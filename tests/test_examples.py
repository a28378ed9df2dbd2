"""The examples for schedulers do what they say, as far as that shows without their servers."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import types
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import jinja2
import pytest
from test_dbt import demo

EXAMPLES = Path(__file__).parent.parent / "examples"
# See test_dbt.py.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


class Task:
    """As much of Airflow's operator as the example uses."""

    def __init__(self, task_id: str, bash_command: str, **options: Any) -> None:
        self.name, self.command, self.options = task_id, bash_command, options
        self.before: list[str] = []

    def __rshift__(self, other: Task) -> Task:
        other.before.append(self.name)
        return other


class Dag:
    """The same of its DAG."""

    def __init__(self, name: str, **options: Any) -> None:
        self.name, self.options = name, options

    def __enter__(self) -> Dag:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return demo.copy_project(tmp_path)


def shell(command: str, folder: Path, *, status: int = 0) -> str:
    """Run a command with the programs of this environment first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def stable_run(project: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(project / "movies.duckdb", read_only=True) as connection:
        return connection.execute("SELECT DISTINCT run_id FROM stable_items").fetchall()


def test_cron(project: Path) -> None:
    """Green, then refused while another one runs, then stopped by broken vectors."""
    script = EXAMPLES / "cron" / "stabilize.sh"
    shell("dbt deps --profiles-dir .", project)
    demo.load_duckdb(project / "movies.duckdb", demo.DATA / "run0")
    assert "2013-06-15: stable." in shell(f"{script} {project} 2013-06-15", project)
    busy = shell(f"flock .stabilize.lock {script} {project} 2013-07-01", project, status=75)
    assert "the run before is still at it" in busy
    with duckdb.connect(project / "movies.duckdb") as connection:
        connection.execute("INSERT INTO recommender.items SELECT 'new', [1.0::FLOAT]")
    said = shell(f"{script} {project} 2013-07-01", project, status=1)
    assert "have not 32 components" in said
    assert "2013-07-01: not stabilized" in said
    assert stable_run(project) == [("2013-06-15",)]


def test_airflow(project: Path) -> None:
    """The file loads, its tasks stand in order, and the command that it runs stabilizes."""
    bash = "airflow.providers.standard.operators.bash"
    parts = bash.split(".")
    names = [".".join(parts[: k + 1]) for k in range(len(parts))]
    modules = {name: types.ModuleType(name) for name in names}
    modules["airflow"].DAG = Dag  # type: ignore[attr-defined]
    modules[bash].BashOperator = Task  # type: ignore[attr-defined]
    with mock.patch.dict(sys.modules, modules):
        found = runpy.run_path(str(EXAMPLES / "airflow" / "stabilize_embeddings.py"))
    assert found["stabilize"].before == ["train"]
    assert found["features"].before == ["stabilize"]
    assert found["dag"].options["max_active_runs"] == 1
    assert found["dag"].options["start_date"] == datetime(2026, 1, 1)
    # As Airflow does, and in this project's place.
    command = jinja2.Template(found["stabilize"].command).render(ds="2013-06-15")
    command = command.replace("/opt/dbt/movies", str(project))
    shell("dbt deps --profiles-dir .", project)
    demo.load_duckdb(project / "movies.duckdb", demo.DATA / "run0")
    shell(command, project)
    assert stable_run(project) == [("2013-06-15",)]
