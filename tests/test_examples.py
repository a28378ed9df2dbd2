"""The examples do what they say, on what `sqlstab demo --out demo` has left."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from engines import psql_environment, spark_url
from invoke import invoke
from pages import BIN, needs_duckdb, shell

from sqlstab import Space
from sqlstab.session import connect

if TYPE_CHECKING:
    from engines import Running

EXAMPLES = Path(__file__).parent.parent / "examples"
WALKS = sorted(path.name for pattern in ("*.sh", "*.py") for path in EXAMPLES.glob(pattern))
DAYS = ["2013-06-15", "2013-07-01"]


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with demo/ in it."""
    folder = tmp_path_factory.mktemp("walks")
    invoke("demo", "--quiet", "--out", folder / "demo")
    return folder


def test_the_docs_name_each_walk() -> None:
    assert len(WALKS) == 9
    for page in ("examples/README.md", "docs/index.md"):
        text = (EXAMPLES.parent / page).read_text()
        for name in (*WALKS, "dataframes.ipynb"):
            assert f"examples/{name}" in text, page


@pytest.mark.parametrize("name", WALKS)
def test_without_the_demo(name: str, tmp_path: Path) -> None:
    """A walk says what must come before it, and leaves nothing behind."""
    runner = sys.executable if name.endswith(".py") else "bash" if name == "psql.sh" else "sh"
    done = subprocess.run(
        [runner, str(EXAMPLES / name)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "There is no demo/raw here: run `sqlstab demo --out demo` first.\n"
    assert list(tmp_path.iterdir()) == []


def moved(space: Path) -> None:
    """Check that the second run has joined the first one, and the same movie has stayed."""
    first, second = Space(space).runs
    assert [first.key, second.key] == DAYS
    assert second.figures["reference"]["run"] == first.key
    assert second.figures["cosine"]["items"]["after"]["mean"] == pytest.approx(0.75, abs=0.02)


def test_parquet(walks: Path) -> None:
    printed = shell(f"sh {EXAMPLES}/parquet.sh", walks)
    moved(walks / "demo" / "parquet" / "movies")
    assert "alignable: " in printed
    assert re.search(r"items +0\.065 before -> 0\.75\d after", printed)


def test_dataframes(walks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells of the notebook run one after the other."""
    monkeypatch.chdir(walks)
    cells = json.loads((EXAMPLES / "dataframes.ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells), "clear the outputs before a commit"
    names: dict[str, Any] = {"__name__": "notebook"}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "dataframes.ipynb", "exec"), names)
    moved(walks / "demo" / "notebook" / "movies")
    assert names["cosines"]["raw"] == pytest.approx(0.065, abs=0.02)
    assert names["cosines"]["stable"] == pytest.approx(0.75, abs=0.02)
    assert names["difference"].max() < 1e-5
    assert names["history"]["run"].astype(str).tolist() == DAYS
    assert names["history"]["movies"].tolist() == [1461, 1648]
    assert names["turned"].shape == (5, 32)


@needs_duckdb
def test_duckdb_command_line(walks: Path) -> None:
    printed = shell(f"sh {EXAMPLES}/duckdb_cli.sh", walks)
    moved(walks / "demo" / "duckdb" / "movies")
    raw, stable = map(float, re.findall(r"[-\d.]+", printed.rsplit("raw", 1)[1])[-2:])
    assert abs(raw) < 0.1
    assert stable == pytest.approx(0.75, abs=0.02)


def test_psql(walks: Path, running: Running) -> None:
    url = running["postgres"]
    try:
        printed = shell(f"bash {EXAMPLES}/psql.sh", walks, **psql_environment(url))
    finally:
        with connect(url) as engine:
            engine.execute("DROP SCHEMA IF EXISTS movies CASCADE")
    for day, items in zip(DAYS, (1461, 1648), strict=True):
        assert f"{day},{items}" in printed
    users, items = re.findall(r"^(\d+),([\d.]+),", printed, re.MULTILINE)[-2:]
    assert (users[0], items[0]) == ("2528", "1461")
    assert float(users[1]) == pytest.approx(0.78, abs=0.02)
    assert float(items[1]) == pytest.approx(0.75, abs=0.02)


def test_scheduler(walks: Path, running: Running) -> None:
    url = running["postgres"]
    try:
        environment = {"DATABASE_URL": url, **psql_environment(url)}
        printed = shell(f"sh {EXAMPLES}/scheduler.sh", walks, **environment)
    finally:
        with connect(url) as engine:
            engine.execute("DROP SCHEMA IF EXISTS nightly CASCADE")
    for day, items in zip(DAYS, (1461, 1648), strict=True):
        assert f"{day},{items}" in printed
    agreement, verdict = re.findall(rf"^{DAYS[1]} .* ([\d.]+) +(\w+) ", printed, re.MULTILINE)[0]
    assert float(agreement) == pytest.approx(0.725, abs=0.02)
    assert verdict == "alignable"


def walk_in_python(name: str, walks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(walks)
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
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
        partitions = spark.sql("SHOW PARTITIONS movies.stable_items").collect()
    finally:
        spark.sql("DROP DATABASE IF EXISTS movies CASCADE")
    assert [row[0] for row in partitions] == [f"ds={day}" for day in DAYS]
    found = re.search(
        r"cosine of the same movie: ([\d.]+) before, ([\d.]+) after", capsys.readouterr().out
    )
    assert found
    assert float(found[1]) < 0.1
    assert float(found[2]) == pytest.approx(0.75, abs=0.02)


def test_spark_connect(
    walks: Path,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = spark_url(running["spark"])
    # PySpark marks a process that has a remote session; other sessions of this one are not.
    with mock.patch.dict(os.environ, SPARK_REMOTE=url):
        walk_in_python("spark_connect.py", walks, monkeypatch)
    printed = capsys.readouterr().out
    found = re.search(r"cosine of the same movie: ([\d.]+) before, ([\d.]+) after", printed)
    assert found
    assert float(found[1]) < 0.1
    assert float(found[2]) == pytest.approx(0.75, abs=0.02)
    assert "stable vectors of 1,648 movies" in printed


def test_serving(
    walks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk_in_python("serving.py", walks, monkeypatch)
    printed = capsys.readouterr().out
    shared = dict(re.findall(r"(raw|stable) vectors: ([\d.]+) of the 10", printed))
    assert float(shared["raw"]) < 1
    assert float(shared["stable"]) > 5
    assert "scores: the same to " in printed


def test_classifier(
    walks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk_in_python("classifier.py", walks, monkeypatch)
    found = dict(re.findall(r"AUC on ([a-z ]+): ([\d.]+)", capsys.readouterr().out))
    raw, stable, features = (float(found[k]) for k in ("raw vectors", "stable vectors", "features"))
    assert raw < 0.6
    assert 0.75 < stable < features


def test_texts(
    walks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk_in_python("texts.py", walks, monkeypatch)
    share = dict(
        re.findall(r"(raw|stable) vectors in monday's index: .* (\d+)%", capsys.readouterr().out)
    )
    assert int(share["raw"]) < 5
    assert int(share["stable"]) > 80
