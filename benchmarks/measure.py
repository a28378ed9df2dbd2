"""Run a command to its end: its time and its peak memory, as the operating system counts them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"


class Cost(NamedTuple):
    """Wall time in seconds, peak resident memory in MB."""

    seconds: float
    megabytes: float


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, str(HERE / f"{script}.py"), *map(str, arguments)]


def sqlstab(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sqlstab", "run", "--quiet", *map(str, arguments)]


def tables(folder: Path) -> list[str]:
    return ["--users", f"{folder}/users.parquet", "--items", f"{folder}/items.parquet"]


def cost(command: list[str], out: Path) -> Cost:
    """Run it; `out`, where it writes, is removed before."""
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed with {process.returncode}: {' '.join(command)}")
    return Cost(seconds, usage.ru_maxrss / 1024)


def _block(mark: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- {mark} -->\n).*?(?=\n<!-- end -->)", re.DOTALL)


def read_block(page: Path, mark: str) -> str:
    """The table that stands between these marks in a page of the documentation."""
    (text,) = _block(mark).findall(page.read_text())
    return text


def write_block(page: Path, mark: str, text: str) -> None:
    """Put a table into a page of the documentation, between its marks."""
    page.write_text(_block(mark).sub(lambda _: text, page.read_text()))
