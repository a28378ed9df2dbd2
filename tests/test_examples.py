"""The examples do what they say; Airflow's as far as that shows without its server."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import types
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb
import jinja2
import pytest
from engines import psql_environment
from invoke import invoke
from test_dbt import demo
from test_scheduler import needs_duckdb

from sqlstab import Run
from sqlstab.engines import connect

if TYPE_CHECKING:
    from engines import Running

EXAMPLES = Path(__file__).parent.parent / "examples"
WALKS = sorted(path.name for pattern in ("*.sh", "*.py") for path in EXAMPLES.glob(pattern))
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


def shell(command: str, folder: Path, *, status: int = 0, **variables: str) -> str:
    """Run a command with the programs of this environment first."""
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", **variables}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
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


# The walks, one for each kind of user, on what `sqlstab demo --out demo` has left.


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with demo/ in it."""
    folder = tmp_path_factory.mktemp("walks")
    invoke("demo", "--quiet", "--out", folder / "demo")
    return folder


def test_the_readme_and_the_docs_name_each_walk() -> None:
    assert len(WALKS) == 6
    for page in ("README.md", "docs/index.md"):
        text = (EXAMPLES.parent / page).read_text()
        assert [name for name in WALKS if f"examples/{name}" in text] == WALKS, page


@pytest.mark.parametrize("name", WALKS)
def test_without_the_demo(name: str, tmp_path: Path) -> None:
    """A walk says what must come before it, and leaves nothing behind."""
    runner = sys.executable if name.endswith(".py") else "bash" if name == "psql.sh" else "sh"
    said = shell(f"{runner} {EXAMPLES / name}", tmp_path, status=1)
    assert said == "There is no demo/raw here: run `sqlstab demo --out demo` first.\n"
    assert list(tmp_path.iterdir()) == []


def moved(walks: Path, folder: str, earlier: str, later: str) -> None:
    """Two run directories of a walk are of one space, in which the same movie has stayed."""
    run = Run.load(walks / "demo" / folder / later)
    assert run.transform.reference == Run.load(walks / "demo" / folder / earlier).run_id
    cosine = run.figures["cosine"]["items"]
    assert abs(cosine["before"]["mean"]) < 0.1
    assert cosine["after"]["mean"] == pytest.approx(0.75, abs=0.02)


def test_parquet(walks: Path) -> None:
    printed = shell(f"sh {EXAMPLES}/parquet.sh", walks)
    moved(walks, "parquet", "june-15", "july-1")
    assert "alignable: " in printed
    assert "-> 0.749" in printed


@needs_duckdb
def test_duckdb_command_line(walks: Path) -> None:
    printed = shell(f"sh {EXAMPLES}/duckdb_cli.sh", walks)
    moved(walks, "duckdb", "june-15", "july-1")
    figures = Run.load(walks / "demo" / "duckdb" / "july-1").figures
    for tables in ("inputs", "outputs"):
        types = {side: figures[tables][side]["id_type"] for side in ("users", "items")}
        assert types == {"users": "BIGINT", "items": "VARCHAR"}
    raw, stable = map(float, re.findall(r"[-\d.]+", printed.rsplit("raw", 1)[1])[-2:])
    assert abs(raw) < 0.1
    assert stable == pytest.approx(0.75, abs=0.02)


def test_psql(walks: Path, running: Running) -> None:
    url = running["postgres"]
    try:
        printed = shell(f"bash {EXAMPLES}/psql.sh", walks, **psql_environment(url))
    finally:
        with connect(url, writes_tables=True) as engine:
            engine.execute(["DROP SCHEMA IF EXISTS movies CASCADE"])
    figures = re.findall(r"[\d.]+", printed.rsplit("after_median", 1)[1])
    assert float(figures[0]) == 1461
    assert float(figures[1]) == pytest.approx(0.75, abs=0.02)


def walk_in_python(name: str, walks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(walks)
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_spark(
    walks: Path,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spark = running["spark"]
    try:
        walk_in_python("spark_hive.py", walks, monkeypatch)
    finally:
        spark.sql("DROP DATABASE IF EXISTS movies CASCADE")
    found = re.search(
        r"cosine of the same movie: ([\d.]+) before, ([\d.]+) after", capsys.readouterr().out
    )
    assert found
    assert float(found[1]) < 0.1
    assert float(found[2]) == pytest.approx(0.75, abs=0.02)


def test_serving(
    walks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk_in_python("serving.py", walks, monkeypatch)
    printed = capsys.readouterr().out
    shared = dict(re.findall(r"(raw|stable) vectors: ([\d.]+) of the 10", printed))
    assert float(shared["raw"]) < 1
    assert float(shared["stable"]) > 5
    assert "scores: the same to " in printed


def test_texts(
    walks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk_in_python("texts.py", walks, monkeypatch)
    share = dict(
        re.findall(r"(raw|stable) vectors in monday's index: .* (\d+)%", capsys.readouterr().out)
    )
    assert int(share["raw"]) < 5
    assert int(share["stable"]) > 80
