"""The wheel and the sdist hold what they must, and the wheel works alone."""

from __future__ import annotations

import ast
import email
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sqlstab
from sqlstab.statements.sides import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel that is built from it."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}


def tracked(*folders: str) -> set[str]:
    """Files below these folders, without what Python leaves there."""
    return {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_contents_of_the_wheel(built: dict[str, Path]) -> None:
    """The package, its templates, the demo's data and the licences; nothing else."""
    with zipfile.ZipFile(built["wheel"]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = {name.split(".dist-info/")[1] for name in archive.namelist() if name not in names}
    templates = {f"sqlstab/templates/{Path(name).name}" for name in tracked("sql")}
    assert names == tracked("sqlstab") | templates
    assert {"sqlstab/py.typed", "sqlstab/templates/gram.sql.jinja"} < names
    demo = {f"sqlstab/demo_data/run{k}/{side}.parquet" for k in range(4) for side in SIDES}
    assert demo | {"sqlstab/demo_data/genres.parquet", "sqlstab/demo_data/README.md"} < names
    assert about == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "licenses/sqlstab/demo_data/LICENSE-MovieTweetings.txt",
    }
    assert built["wheel"].stat().st_size < 4e6


def test_contents_of_the_sdist(built: dict[str, Path]) -> None:
    """All of the repository, as it is to be had from it."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    with tarfile.open(built["sdist"]) as archive:
        names = {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}
    wanted = {name for name in listing.stdout.splitlines() if (ROOT / name).exists()}
    assert names == wanted | {"PKG-INFO"}


def test_the_metadata(built: dict[str, Path]) -> None:
    """Version, licence and Python, wherever they are said."""
    with zipfile.ZipFile(built["wheel"]) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        found = email.message_from_string(archive.read(path).decode())
    assert found["Version"] == sqlstab.__version__
    release = sqlstab.__version__.split(".dev")[0]
    assert f"\n## [{release}] - " in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {release}\n" in (ROOT / "CITATION.cff").read_text()
    assert found["License-Expression"] == "Apache-2.0"
    assert f"\nlicense: {found['License-Expression']}\n" in (ROOT / "CITATION.cff").read_text()
    assert str(found.get_payload()).strip() == (ROOT / "README.md").read_text().strip()
    python = {
        c.rsplit(" ", 1)[1] for c in found.get_all("Classifier", []) if ":: Python :: 3." in c
    }
    assert f">={min(python, key=minor)}," in f"{found['Requires-Python']},"
    assert f"<3.{minor(max(python, key=minor)) + 1}," in f"{found['Requires-Python']},"


def minor(version: str) -> int:
    return int(version.split(".")[1])


def test_the_wheel_alone(built: dict[str, Path], tmp_path: Path) -> None:
    """In a clean environment, from another directory, with nothing but its own dependencies."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    # What pip and Python read from this environment must not leak into the new one.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    run = {"capture_output": True, "text": True, "env": environment}
    subprocess.run([python, "-m", "pip", "install", "-q", built["wheel"]], check=True, **run)
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [tmp_path / "venv/bin/sqlstab", "demo", "-q"], cwd=tmp_path / "elsewhere", check=True, **run
    )
    assert "No score changed" in done.stdout


# What imports only when an engine is used, and the module where that may be.
EXTRAS = {
    "grpc": "spark",
    "pyspark": "spark",
    "sqlalchemy": "sqlalchemy",
    "dbt": "dbt",
    "altair": "charts",
    "vl_convert": "charts",
}


def imports(nodes: Iterable[ast.AST]) -> set[str]:
    """The packages that these statements import."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_imports_are_declared() -> None:
    """Whatever the package imports is one of its dependencies, or an extra's in its own module."""
    project = (ROOT / "pyproject.toml").read_text()
    declared = project.split("dependencies = [")[1].split("\n]")[0]
    names = set(re.findall(r'^ +"([a-z0-9-]+)', declared, re.MULTILINE))
    imported = set()
    for path in (ROOT / "sqlstab").rglob("*.py"):
        # What types alone need is not imported.
        text = re.sub(
            r"^if TYPE_CHECKING:\n(?: .*\n|\n)+", "", path.read_text(), flags=re.MULTILINE
        )
        tree = ast.parse(text)
        found = imports(ast.walk(tree))
        imported |= {name for name in found if EXTRAS.get(name) not in (path.stem, "spark")}
        assert not imports(tree.body) & set(EXTRAS), f"{path} imports an extra at once"
    # On Python 3.10 the project file needs a backport; polars is the user's own.
    other = {"sqlstab", "tomllib", "sqlalchemy", "polars"}
    foreign = imported - set(sys.stdlib_module_names) - other
    assert foreign == names
