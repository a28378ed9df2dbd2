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

import duckdb
import pytest
from test_dbt import demo

from sqlstab.engines import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@pytest.fixture
def integration_tests(tmp_path: Path, running: Running) -> Iterator[Callable[[str], Path]]:
    """The project of the integration tests, on an engine."""
    with mock.patch.dict(os.environ):

        def project(engine: str) -> Path:
            folder = tmp_path / "integration_tests"
            shutil.copytree(PACKAGE / "integration_tests", folder)
            (folder / "packages.yml").write_text(f"packages:\n  - local: {PACKAGE}\n")
            os.environ |= {"SQLSTAB_TARGET": engine, "SQLSTAB_DUCKDB": str(folder / "tests.duckdb")}
            if engine == "postgres":
                from sqlalchemy.engine import make_url  # noqa: PLC0415 - where there is one

                url = make_url(running[engine])
                os.environ |= {"PGHOST": str(url.query["host"]), "PGUSER": str(url.username)}
                os.environ |= {"PGDATABASE": str(url.database)}
            demo.dbt(folder, "deps")
            return folder

        yield project
        if os.environ.get("SQLSTAB_TARGET") == "postgres":
            # Other tests look at what is there, too.
            with connect(running["postgres"], writes_tables=True) as engine:
                engine.execute(["DROP SCHEMA IF EXISTS sqlstab_integration_tests CASCADE"])


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_integration_tests(integration_tests: Callable[[str], Path], engine: str) -> None:
    """Vectors of two components: dbt's unit tests, and macros in models of their own."""
    result = demo.dbt(integration_tests(engine), "build")
    kinds = {str(one.node.resource_type) for one in result.results}
    assert kinds == {"model", "seed", "test", "unit_test", "operation"}


TAMPERED = {
    "sqlstab_rows_match": (
        "DELETE FROM stable_users WHERE id = 2",
        "1 ids of known_users are missing in stable_users (for example 2)",
    ),
    "sqlstab_scores_preserved": (
        "UPDATE stable_users SET x = x + 0.001",
        "as percentage that the largest error of a stable score is of it",
    ),
    "sqlstab_gram_is_symmetric": (
        "UPDATE gram_of_items SET value = 100 WHERE i = 1 AND j = 2",
        "1 entries without a value, or larger than their diagonal allows, in gram_of_items",
    ),
    "sqlstab_min_mean_cosine": (
        "UPDATE raw_items_again SET x = -x",
        "agree with those of known_items by a mean cosine below 1",
    ),
    "sqlstab_no_invalid_vectors": (
        "UPDATE stable_items SET y = 'infinity' WHERE id = 12",
        "1 vectors with a component that is NULL, NaN or infinite in stable_items (for example 12)",
    ),
}


def test_each_test_can_fail(
    integration_tests: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project = integration_tests("duckdb")
    demo.dbt(project, "build")
    manifest = demo.dbt(project, "parse")
    database, whole = project / "tests.duckdb", project / "whole.duckdb"
    shutil.copy(database, whole)
    for name, (statement, message) in TAMPERED.items():
        shutil.copy(whole, database)
        with duckdb.connect(database) as connection:
            connection.execute(statement)
        capsys.readouterr()
        selected = ["--select", f"test_name:{name}"]
        result = demo.dbt(project, "test", *selected, manifest=manifest, fails=True)
        failed = [one.node.name for one in result.results if str(one.status) == "fail"]
        assert len(failed) == 1
        assert name in failed[0]
        assert message in capsys.readouterr().out


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
