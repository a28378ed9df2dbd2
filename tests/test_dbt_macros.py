"""The macros of the dbt package are what `sql/` says, and render what Python renders."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import jinja2
import pytest
from test_sql import CASES, DIALECTS, statements

from sqlstab.statements import build
from sqlstab.statements.dialect import Dialect

PROJECT = Path(__file__).parent.parent / "dbt_project"
MACROS = sorted(PROJECT.glob("macros/**/*.sql"))


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", PROJECT / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up.
    with mock.patch.dict("sys.modules", generate=module):
        spec.loader.exec_module(module)
        return module.made()


def test_they_are_made_from_the_templates() -> None:
    """`make dbt-macros` after a change of `sql/` or of an engine's record."""
    found = {path.name: path.read_text() for path in (PROJECT / "macros" / "made").iterdir()}
    assert found == generator()


class Returned(Exception):  # noqa: N818 - how dbt returns a value, too
    pass


def returned(value: Any) -> None:
    raise Returned(value)


@pytest.fixture(scope="module")
def package() -> SimpleNamespace:
    """The made macros, by name, with as much of dbt as they use."""
    package = SimpleNamespace()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.globals |= {"sqlstab": package, "return": returned}
    files = [
        *sorted((PROJECT / "macros" / "made").glob("*.sql")),
        PROJECT / "macros/filled.sql",
    ]
    for path in files:
        module = environment.from_string(path.read_text()).module
        for name in re.findall(r"{%-? macro (\w+)", path.read_text()):
            setattr(package, name, getattr(module, name))
    return package


def dialect_of(package: SimpleNamespace, name: str) -> dict[str, Any]:
    with pytest.raises(Returned) as found:
        getattr(package, f"{name}__dialect")()
    value: dict[str, Any] = found.value.args[0]
    return value


def plain(value: Any) -> Any:
    """As dbt has it: dicts and lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize(("name", "key"), CASES)
def test_they_render_what_python_renders(package: SimpleNamespace, name: str, key: str) -> None:
    dialect = dialect_of(package, name)

    def rendered(template: str, given: Dialect, **context: Any) -> str:
        assert given.name == name
        arguments = {key: plain(value) for key, value in context.items()}
        return f"{getattr(package, f'statement_{template}')(dialect=dialect, **arguments)}\n"

    def part(macro: str, *arguments: Any) -> str:
        found = [dialect if isinstance(value, Dialect) else plain(value) for value in arguments]
        return str(getattr(package, f"part_{macro}")(*found))

    wanted = statements(DIALECTS[name])[key]
    with mock.patch.object(build, "_render", rendered), mock.patch.object(build, "_part", part):
        assert statements.__wrapped__(DIALECTS[name])[key] == wanted


@pytest.mark.parametrize("triangular", [True, False])
@pytest.mark.parametrize("most_sums", [512, 1024, 4096])
def test_tiles_are_those_of_python(most_sums: int, triangular: bool) -> None:
    package = SimpleNamespace()
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    environment.globals |= {"sqlstab": package, "return": returned}
    module = environment.from_string((PROJECT / "macros" / "tiles.sql").read_text()).module

    def macro(name: str) -> Any:
        def call(*arguments: Any) -> Any:
            with pytest.raises(Returned) as found:
                getattr(module, name)(*arguments)
            return found.value.args[0]

        return call

    for name in re.findall(r"macro (\w+)", (PROJECT / "macros" / "tiles.sql").read_text()):
        setattr(package, name, macro(name))
    for size in (1, 2, 32, 64, 90, 91, 128, 300):
        wanted = build.tiles(size, size, most_sums, triangular=triangular)
        assert listed(package.tiles(size, size, most_sums, triangular)) == listed(wanted)


def listed(value: Any) -> Any:
    """Ranges and tuples as lists."""
    return [listed(part) for part in value] if isinstance(value, (list, tuple, range)) else value


@pytest.mark.parametrize("path", MACROS, ids=lambda path: path.name)
def test_jinja_in_rust_parses_them(path: Path) -> None:
    """dbt 2 has it: no syntax that only Python's Jinja knows."""
    if importlib.util.find_spec("minijinja") is None and "CI" not in os.environ:
        pytest.skip("minijinja is not installed")
    import minijinja  # noqa: PLC0415 - see above

    environment = minijinja.Environment()
    environment.add_template(path.name, path.read_text())


def test_only_what_jinja_in_rust_has_is_used() -> None:
    for path in MACROS:
        text = re.sub(r"{#.*?#}", "", path.read_text(), flags=re.DOTALL)
        for tag in re.findall(r"{{.*?}}|{%.*?%}", text, re.DOTALL):
            code = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", "''", tag)
            assert not re.search(r"\.format\(|\.update\(|%\s*\(|\bmodules\.|\bvarargs\b", code), tag
