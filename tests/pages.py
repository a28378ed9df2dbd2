"""The blocks of README and docs, and how each kind is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
)

needs_duckdb = pytest.mark.skipif(
    not (BIN / "duckdb").exists() and "CI" not in os.environ, reason="duckdb-cli is not installed"
)


class Block(NamedTuple):
    """A block of a page.

    Attributes:
        language: As the page has it.
        engine: What its first line names, as in `# postgres`; else nothing.
        text: All of it.
    """

    language: str
    engine: str
    text: str


def blocks(page: str) -> list[Block]:
    """Find the blocks of a page, in order."""
    found = re.findall(
        r"^```(\w+)\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE
    )
    marks = [re.match(r"(?:#|--) (postgres|spark|duckdb)\n", text) for _, text in found]
    return [
        Block(language, mark[1] if mark else "", text)
        for (language, text), mark in zip(found, marks, strict=True)
    ]


def shell(script: str, folder: Path, **environment: str) -> str:
    """Run a script that stops at the first error, with the commands of this environment.

    Returns:
        What it printed.
    """
    path = os.pathsep.join([str(BIN), environment.pop("PATH", ""), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, script + done.stdout + done.stderr
    return done.stdout
