"""What pages of the documentation say to do works as it stands there; other tests have the rest."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from conftest import movietweetings
from invoke import invoke
from test_scheduler import shell
from warehouse import store_vectors

from sqlstab import DataError, EngineError, GateError, Run, UsageError
from sqlstab.cli import cli
from sqlstab.engines import connect
from sqlstab.statements import quoting

if TYPE_CHECKING:
    import numpy as np
    import pytest
    from engines import Running

ROOT = Path(__file__).parent.parent
# Who executes the blocks of each page.
EXECUTED = {
    "README.md": "test_readme.py",
    "docs/engines.md": "test_pages.py",
    "docs/faults.md": "test_orphans.py",
    "docs/project-file.md": "test_project.py",
    "docs/registry.md": "test_pages.py",
    "docs/report.md": "test_pages.py",
    "docs/scheduler.md": "test_scheduler.py",
    "docs/sides.md": "test_sides.py",
    "docs/sql-solver.md": "test_scheduler.py",
    "docs/tutorial.md": "test_tutorial.py",
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def command(block: str) -> list[str]:
    """The words of a command of ours behind a comment."""
    words = shlex.split(block.replace("\\\n", " "), comments=True)
    assert words[0] == "sqlstab"
    return words[1:]


def test_every_block_is_executed() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    with_blocks = {
        str(page.relative_to(ROOT))
        for page in pages
        if re.search(r"```(sh|python)\n", page.read_text())
    }
    assert with_blocks == set(EXECUTED)
    for page, test in EXECUTED.items():
        assert Path(page).name in (ROOT / "tests" / test).read_text()


def test_the_list_of_exit_codes() -> None:
    """One list, and the command's help; other pages refer to it."""
    errors = (UsageError, EngineError, DataError, GateError)
    wanted = {0, *(error.exit_code for error in errors)}
    wanted |= {128 + number for number in (signal.SIGINT, signal.SIGTERM)}
    text = (
        (ROOT / "docs" / "scheduler.md").read_text().split("## Exit codes\n")[1].split("\n## ")[0]
    )
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == wanted
    assert {int(code) for code in re.findall(r"(\d+) ", str(cli.epilog))} == wanted


def test_report(tmp_path: Path) -> None:
    for day, number in (("monday", 0), ("tuesday", 1)):
        model = movietweetings("time_als_e32", number)
        invoke(
            *("run", "--users", model / "users.parquet", "--items", model / "items.parquet"),
            *("--out", tmp_path / day),
            *(("--reference", tmp_path / "monday") if number else ()),
        )
    (block,) = blocks("docs/report.md", "sh")
    install, report = block.strip().splitlines()
    assert install.startswith("pip install")
    assert shell(report, tmp_path).startswith("It worked")
    assert (tmp_path / "tuesday" / "report.html").is_file()


def test_registry_of_files(tmp_path: Path) -> None:
    """docs/registry.md, on two days."""
    _, daily, back = blocks("docs/registry.md", "sh")
    clock = tmp_path / "bin" / "date"
    clock.parent.mkdir()
    for number, day in enumerate(("2026-11-24", "2026-11-25")):
        for side in ("users", "items"):
            shutil.copy(movietweetings("time_als_e32", number) / f"{side}.parquet", tmp_path)
        clock.write_text(f"#!/bin/sh\necho {day}\n")
        clock.chmod(0o755)
        shell(daily, tmp_path, PATH=str(clock.parent))
    first, second = (Run.load(tmp_path / "runs" / f"2026-11-2{day}") for day in (4, 5))
    assert second.transform.reference == first.run_id
    said = shell(back, tmp_path)
    assert first.run_id in said
    current = invoke("runs", "current", "--registry", tmp_path / "runs" / "registry.jsonl").stdout
    assert "2026-11-24" in current


def test_registry_in_a_warehouse(running: Running, rng: np.random.Generator) -> None:
    url = running["postgres"]
    daily = command(blocks("docs/registry.md", "sh")[0].replace("$URL", url))
    with connect(url, writes_tables=True) as engine:
        engine.execute(["CREATE SCHEMA ml"])
        for _ in range(2):
            for side in ("user", "item"):
                vectors = rng.standard_normal((60, 4))
                store_vectors(engine, f"ml.{side}_vectors", vectors, "embedding")
            invoke(*daily)
        rows = engine.query("SELECT count(DISTINCT run_id) AS n FROM ml.sqlstab_runs")
        engine.execute(["DROP SCHEMA ml CASCADE"])
    assert rows == [{"n": 2}]


def test_on_spark(running: Running, rng: np.random.Generator) -> None:
    """docs/engines.md: the same job from Python and, the next day, from the command line."""
    session = running["spark"]
    with connect(session, writes_tables=True) as engine:
        engine.execute(["CREATE DATABASE movies"])
        for side in ("users", "items"):
            vectors = rng.standard_normal((40, 3))
            store_vectors(engine, f"movies.{side}", vectors, "embedding")
        names: dict[str, Run] = {}
        (program,) = (b for b in blocks("docs/engines.md", "python") if b.startswith("# spark"))
        exec(compile(program, "engines.md", "exec"), names)
        (block,) = blocks("docs/engines.md", "sh")
        invoke(*command(block))
        name = quoting.relation("movies.runs", engine.dialect)
        rows = engine.query(f"SELECT count(DISTINCT run_id) AS n FROM {name}")
        engine.execute(["DROP DATABASE movies CASCADE"])
    assert names["run"].figures["reference"] is None
    assert rows == [{"n": 2}]


def test_on_datafusion(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert running["datafusion"]
    for side in ("users", "items"):
        shutil.copy(movietweetings("time_als_e32", 0) / f"{side}.parquet", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Run] = {}
    (program,) = (b for b in blocks("docs/engines.md", "python") if b.startswith("# datafusion"))
    exec(compile(program, "engines.md", "exec"), names)
    assert names["run"].figures["engine"] == "datafusion"
    assert (tmp_path / "monday" / "stable_items.parquet").exists()
