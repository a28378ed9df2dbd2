"""docs/dependencies.md names what is installed, and no more."""

from __future__ import annotations

import re
from pathlib import Path

from sqlstab.project import tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~; ]", one)[0] for one in requirements}


def test_the_page_names_them_all() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| package", "| extra"))
    ]
    assert all(row[-1] for row in rows), "without a reason"
    assert {row[0] for row in rows if len(row) == 2} == names(PROJECT["dependencies"])
    extras = {row[0]: set(row[1].split(", ")) for row in rows if len(row) == 3}
    assert extras == {
        name: names(requirements)
        for name, requirements in PROJECT["optional-dependencies"].items()
        if name not in ("all", "dev", "docs")
    }
