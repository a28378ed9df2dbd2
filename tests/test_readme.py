"""What the README says to do works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from conftest import DATA
from engines import RUNNABLE, TARGETS

from sqlstab.statements.dialect import DIALECTS

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_commands_and_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with duckdb.connect("warehouse.duckdb") as connection:
        for side in ("users", "items"):
            source = DATA[1] / "run0" / f"{side}.parquet"
            vectors = f"SELECT *, 30 AS n_ratings FROM '{source}'"
            connection.execute(f"COPY ({vectors}) TO '{side}.parquet' (FORMAT parquet)")
            connection.execute(f"CREATE TABLE {side[:-1]}_vectors AS {vectors}")
    commands = [
        command
        for block in blocks("sh")
        for command in block.splitlines()
        # A warehouse is not at hand here; tests/test_scheduler.py runs its commands.
        if command.startswith("sqlstab ") and "--engine" not in command
    ]
    assert len(commands) == 5
    for command in commands:
        subprocess.run(
            [sys.executable, "-m", *command.split()], check=True, capture_output=True, timeout=120
        )
    python = blocks("python")
    assert len(python) == 2
    for block in python:
        exec(compile(block, "README.md", "exec"), {})


def test_the_demos_output_is_real() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sqlstab", "demo", "--quiet"],
        check=True,
        capture_output=True,
        text=True,
    )
    shown = next(block for block in blocks("text") if "AUC" in block)
    assert [line.split() for line in shown.splitlines() if "2013" in line] == [
        line.split() for line in done.stdout.splitlines() if "2013" in line
    ]


def test_support_tiers_are_those_of_the_tests() -> None:
    """What the README and docs/engines.md call tested is what the conformance suite runs on."""
    expected = {
        "itself": set(RUNNABLE),
        "emulator": set(TARGETS) - set(RUNNABLE),
        "parsed only": set(DIALECTS) - set(TARGETS),
    }
    for page in ("README.md", "docs/engines.md"):
        tiers: dict[str, set[str]] = {tier: set() for tier in expected}
        for line in (ROOT / page).read_text().splitlines():
            for tier in tiers:
                if line.startswith("|") and tier in line.split("|")[2]:
                    names = line.split("|")[1].lower()
                    tiers[tier] |= {name for name in DIALECTS if name in names}
        assert tiers == expected, page
