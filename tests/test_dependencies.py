"""docs/dependencies.md names what is installed, and no more; the lock fits pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from sqlstab.project import tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements" / "dev.txt").read_text()
PYTHONS = [
    text.rsplit(" ", 1)[-1]
    for text in PROJECT["classifiers"]
    if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", text)
]


# Pages, examples and messages, where a reader finds how to install something.
TOLD = [
    *(ROOT / name for name in ("README.md", "dbt_project/README.md", "examples/README.md")),
    *(path for path in (ROOT / "docs").rglob("*.md")),
    *(path for path in (ROOT / "sqlstab").rglob("*.py")),
]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~; ]", one)[0] for one in requirements}


def test_the_page_names_them_all() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines()
        if re.match(r"\| (?!package |extra |command )\w", line)
    ]
    assert all(row[-1] for row in rows), "without a reason"
    assert {row[0] for row in rows if len(row) == 2} == names(PROJECT["dependencies"])
    extras = {row[0]: set(row[1].split(", ")) for row in rows if len(row) == 3}
    assert extras == {
        name: names(requirements)
        for name, requirements in PROJECT["optional-dependencies"].items()
        if name not in ("all", "dev", "docs")
    }


def wanted(extra: str) -> Iterator[Requirement]:
    """Return what an extra brings, with the extras of sqlstab that it names."""
    for line in PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(line)
        if requirement.name != PROJECT["name"]:
            yield requirement
        for named in requirement.extras if requirement.name == PROJECT["name"] else ():
            yield from wanted(named)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_fits_the_project(python: str) -> None:
    """`make lock` renews it after a change of pyproject.toml."""
    environment = {"python_version": python, "python_full_version": f"{python}.1"}
    locked: dict[str, str] = {}
    for line in re.findall(r"^(\w[^\\\n]*)", LOCK, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in locked
            (version,) = requirement.specifier
            assert version.operator == "=="
            locked[requirement.name] = version.version
    for requirement in (*map(Requirement, PROJECT["dependencies"]), *wanted("dev")):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version = locked[normal(requirement.name)]
            assert requirement.specifier.contains(version), requirement


def test_the_lock_is_of_files_not_of_places() -> None:
    """A hash for each file, and no address: any index that has the same files will do."""
    assert "://" not in LOCK
    parts = re.split(r"^(?=\w)", LOCK, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in part for part in parts)
    assert len(parts) > 100


def test_one_way_to_install() -> None:
    """From a checkout or as released; an extra in one way for both, which pip adds to either."""
    # polars, the DuckDB command line and dbt are the user's own.
    known = {
        ".",
        "sqlstab",
        "polars",
        "duckdb-cli",
        "'dbt-core<1.12'",
        *(f"'sqlstab[{name}]'" for name in PROJECT["optional-dependencies"]),
    }
    told = {
        name
        for path in TOLD
        # An error fills in the extra, which has the name of the dialect.
        for name in re.findall(r"pip install ('[^']*'|[\w.-]*\w|\.)", path.read_text())
        if "{record.name}" not in name
    }
    assert len(told) > 5
    assert told <= known
