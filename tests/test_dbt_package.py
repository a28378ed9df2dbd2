"""The dbt package by itself: its integration tests, its documentation, and how it is installed."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from sqlalchemy.engine import make_url
from test_dbt import demo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines import Running

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dbt_project"
# See test_dbt.py.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What dbt leaves behind goes here, and not in the middle of some other test."""
    yield
    gc.collect()


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_integration_tests(tmp_path: Path, running: Running, engine: str) -> None:
    """Vectors of two components: dbt's unit tests, and macros in models of their own."""
    project = tmp_path / "integration_tests"
    shutil.copytree(PACKAGE / "integration_tests", project)
    (project / "packages.yml").write_text(f"packages:\n  - local: {PACKAGE}\n")
    variables = {"SQLSTAB_TARGET": engine, "SQLSTAB_DUCKDB": str(tmp_path / "tests.duckdb")}
    if engine == "postgres":
        url = make_url(running[engine])
        variables |= {"PGHOST": str(url.query["host"]), "PGUSER": str(url.username)}
        variables |= {"PGDATABASE": str(url.database)}
    with mock.patch.dict(os.environ, variables):
        demo.dbt(project, "deps")
        result = demo.dbt(project, "build")
    kinds = {str(one.node.resource_type) for one in result.results}
    assert kinds == {"model", "seed", "test", "unit_test", "operation"}


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """A project that installs the package from a repository, as most will."""
    repository = tmp_path / "repository"
    shutil.copytree(PACKAGE, repository / "dbt_project")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(repository)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "package"]):
        subprocess.run([*git, *command], check=True)
    subprocess.run([*git, "tag", "v1"], check=True)
    packages = (
        f"packages:\n  - git: file://{repository}\n    subdirectory: dbt_project\n"
        "    revision: v1\n"
    )
    project = demo.copy_project(tmp_path, packages)
    with mock.patch.dict(
        os.environ, MOVIES_DUCKDB=str(project / "movies.duckdb"), MOVIES_TARGET="duckdb"
    ):
        demo.dbt(project, "deps")
        yield project


def test_from_a_repository_with_documentation(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It installs from a subdirectory, builds, and its documentation is whole."""
    demo.load_duckdb(installed / "movies.duckdb", demo.DATA / "run0")
    demo.dbt(installed, "build", "--vars", json.dumps({"sqlstab_run_id": "1"}))
    capsys.readouterr()
    demo.dbt(installed, "docs", "generate", "--vars", json.dumps({"sqlstab_run_id": "1"}))
    said = capsys.readouterr().out
    assert "WARN" not in said.upper().replace("WARN=0", "")
    manifest: dict[str, Any] = json.loads((installed / "target" / "manifest.json").read_text())
    catalog = json.loads((installed / "target" / "catalog.json").read_text())
    for name, node in manifest["nodes"].items():
        if node["package_name"] == "sqlstab" and node["resource_type"] == "model":
            assert node["description"], name
            assert name in catalog["nodes"]
            undocumented = [
                column
                for column in catalog["nodes"][name]["columns"]
                if not node["columns"].get(column, {}).get("description")
            ]
            # Reference models have the columns of the user's own.
            assert not undocumented or "reference" in name, (name, undocumented)
    shown = {
        macro["name"]: macro
        for macro in manifest["macros"].values()
        if macro["package_name"] == "sqlstab" and macro["docs"]["show"]
    }
    public = {"gram", "cross_gram", "apply", "inverse", "drift", "keep_solved"}
    tests = {name for name in shown if name.startswith("test_sqlstab_")}
    assert shown.keys() == public | tests
    assert len(tests) == 5
    for name in shown:
        arguments = {argument["name"] for argument in shown[name]["arguments"]}
        assert arguments == signature(PACKAGE / "macros", name)
        assert all(argument["description"] for argument in shown[name]["arguments"])


def signature(folder: Path, name: str) -> set[str]:
    """The parameters of a macro."""
    text = "".join(path.read_text() for path in folder.rglob("*.sql"))
    kind = "test " + name.removeprefix("test_") if name.startswith("test_") else f"macro {name}"
    head = text.split(f"{kind}(")[1].split(") -%}")[0]
    return {part.split("=")[0].strip() for part in head.split(",")}


def test_no_network(installed: Path) -> None:
    """No statistics are sent, and no hub is asked, unless a user wants it."""
    project = (installed / "dbt_project.yml").read_text()
    assert "send_anonymous_usage_stats: false" in project
    assert "package:" not in (installed / "packages.yml").read_text()
