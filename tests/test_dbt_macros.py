"""The solvers of the dbt package are what `sql/` says, and render what Python renders."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import jinja2
import minijinja
import pytest

from sqlstab.statements import build

PROJECT = Path(__file__).parent.parent / "dbt_project"
MACROS = sorted(PROJECT.glob("macros/**/*.sql"))


@cache
def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", PROJECT / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up.
    with mock.patch.dict("sys.modules", generate=module):
        spec.loader.exec_module(module)
    return module


def test_they_are_made_from_the_templates() -> None:
    """`make dbt-macros` after a change of `sql/` or of an engine's record."""
    found = {path.name: path.read_text() for path in (PROJECT / "macros" / "made").iterdir()}
    assert found == generator().made()


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 32, 33])
@pytest.mark.parametrize("name", generator().DIALECTS)
def test_they_render_what_python_renders(name: str, dimension: int) -> None:
    dialect = generator().DIALECTS[name]
    text = (PROJECT / "macros" / "made" / f"{name}.sql").read_text()
    module: Any = jinja2.Environment(autoescape=False).from_string(text).module
    grams, cross = generator().GRAMS, generator().CROSS
    wanted = {
        "solve": build.solve(dialect, dimension, grams).query,
        "polar": build.align(dialect, dimension, dimension, cross),
    }
    for what, query in wanted.items():
        found = getattr(module, f"{name}__{what}")(dimension)
        assert re.sub(r"\n\s*\n", "\n", found).strip() == query.strip()


@pytest.mark.parametrize("path", MACROS, ids=lambda path: path.name)
def test_jinja_in_rust_parses_them(path: Path) -> None:
    """dbt Fusion has it: no syntax that only Python's Jinja knows."""
    minijinja.Environment().add_template(path.name, path.read_text())


def test_only_what_jinja_in_rust_has_is_used() -> None:
    for path in MACROS:
        text = re.sub(r"{#.*?#}", "", path.read_text(), flags=re.DOTALL)
        for tag in re.findall(r"{{.*?}}|{%.*?%}", text, re.DOTALL):
            code = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", "''", tag)
            assert not re.search(r"\.format\(|\.update\(|%\s*\(|\bmodules\.|\bvarargs\b", code), tag
