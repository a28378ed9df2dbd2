"""The solvers of the dbt package are what `sql/` says, and render what Python renders."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import ChainMap
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import jinja2
import minijinja
import numpy as np
import pytest
import sqlglot
import yaml

from sqlstab import EngineError
from sqlstab.engines import dialects

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse import Warehouse

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
    for what, query in generator().rendered(dialect, dimension).items():
        found = getattr(module, f"{name}__{what}")(dimension)
        assert re.sub(r"\n\s*\n", "\n", found).strip() == query.strip()


@pytest.mark.parametrize("path", MACROS, ids=lambda path: path.name)
def test_jinja_in_rust_parses_them(path: Path) -> None:
    """dbt Fusion has it: no syntax that only Python's Jinja knows."""
    text = path.read_text().replace("{% test ", "{% macro ").replace("endtest", "endmacro")
    minijinja.Environment().add_template(path.name, text)


def test_only_what_jinja_in_rust_has_is_used() -> None:
    for path in MACROS:
        text = re.sub(r"{#.*?#}", "", path.read_text(), flags=re.DOTALL)
        for tag in re.findall(r"{{.*?}}|{%.*?%}", text, re.DOTALL):
            code = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", "''", tag)
            assert not re.search(r"\.format\(|\.update\(|%\s*\(|\bmodules\.|\bvarargs\b", code), tag


# --- the text of `stable` for each engine ---------------------------------------------------------


def refuse(message: str) -> None:
    raise ValueError(message)


def rendered(engine: str, call: str) -> str:
    """What a call of a macro of the package is on an engine, with as much of dbt as it uses."""
    package = SimpleNamespace()

    def dispatch(name: str, _: str) -> Any:
        return getattr(package, f"{engine}__{name}", None) or getattr(package, f"default__{name}")

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.globals |= {
        "sqlstab": package,
        "adapter": SimpleNamespace(dispatch=dispatch),
        "exceptions": SimpleNamespace(raise_compiler_error=refuse),
        "target": SimpleNamespace(type=engine),
        "config": {"materialized": "incremental", "incremental_strategy": "microbatch"},
        "execute": True,
    }
    for path in MACROS:
        text = re.sub(r"{% test .*?{%- endtest %}", "", path.read_text(), flags=re.DOTALL)
        module = environment.from_string(text.replace("{%- do ", "{%- set _ = ")).module
        for name in re.findall(r"{%-? macro (\w+)", text):
            setattr(package, name, getattr(module, name))
    return environment.from_string("{{ sqlstab." + call + " }}").render()


ENGINES = sorted(dialects())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("macro", ["stable", "inverse"])
def test_each_engine_has_its_text(engine: str, macro: str) -> None:
    """Of its own idioms, which are those of its record."""
    call = f"{macro}('raw.items', 'ml.maps', 'items', 'ds', 'id', keep=['title'])"
    name = {"databricks": "spark"}.get(engine, engine)
    dialect = dialects()[engine]
    text = f"SELECT * FROM {rendered(name, call)} WHERE ds = '2026-11-30'"
    sqlglot.parse_one(text, dialect=dialect.sqlglot)
    collect = dialect.collect if dialect.style == "arrays" else dialect.gather
    first = (collect or "").split("{")[0]
    assert first
    assert first in text


@pytest.mark.parametrize("engine", ["duckdb", "postgres", "clickhouse", "snowflake", "spark"])
def test_stable_vectors(warehouses: Callable[[str], Warehouse], engine: str) -> None:
    """Each raw vector times the map of its run; a run without a map has no rows."""
    warehouse = warehouses(engine)
    rng = np.random.default_rng(3)
    e, ids = 3, (1, 2, 3, 4)
    raw = {run: rng.normal(size=(len(ids), e)) for run in ("a", "b", "c")}
    maps = {(run, side): rng.normal(size=(e, e)) for run in "ab" for side in ("users", "items")}
    array = {"clickhouse": "[{}]", "snowflake": "ARRAY_CONSTRUCT({})"}.get(engine, "ARRAY[{}]")
    array = "array({})" if engine == "spark" else array
    rows = [
        f"SELECT '{run}' AS ds, {i} AS id, {array.format(', '.join(f'{v:.17e}' for v in x))} "
        "AS embedding"
        for run, vectors in raw.items()
        for i, x in zip(ids, vectors, strict=True)
    ]
    text_type = warehouse.engine.dialect.tables.nullable.format("VARCHAR(9)")
    entries = [
        f"SELECT '{run}' AS ds, '{side}' AS side, {i + 1} AS i, {j + 1} AS j, {v:.17e} AS value, "
        f"CAST({of} AS {text_type}) AS feature_of"
        for (run, side), matrix in maps.items()
        for (i, j), v in np.ndenumerate(matrix)
        for of in ("NULL", "'z'")
    ]
    found = {}
    for key in ("stable", "inverse"):
        call = f"{key}('{{0}}', '{{1}}', 'items', 'ds', 'id')"
        relations = [f"({' UNION ALL '.join(part)}) AS given" for part in (rows, entries)]
        query = rendered(engine, call).replace("{0}", relations[0]).replace("{1}", relations[1])
        found[key] = warehouse.engine.query(f"SELECT * FROM {query} ORDER BY ds, id")
    for key, matrix in (
        ("stable", lambda run: maps[run, "items"]),
        ("inverse", lambda run: maps[run, "users"].T),
    ):
        assert [(row["ds"], row["id"]) for row in found[key]] == [(r, i) for r in "ab" for i in ids]
        for row in found[key]:
            x = row["embedding"]
            x = json.loads(x) if isinstance(x, str) else x
            want = raw[row["ds"]][row["id"] - 1] @ matrix(row["ds"])
            np.testing.assert_allclose(np.array(x, float), want, atol=1e-12)


@pytest.mark.parametrize("vector", ["[1, nan]", "[inf, 1]", "[1]", "[1, 2, 3]"])
def test_a_vector_that_does_not_fit_is_an_error_on_clickhouse(
    vector: str, warehouses: Callable[[str], Warehouse]
) -> None:
    vectors = "SELECT 'a' AS ds, 1 AS id, CAST({0} AS Array(Float32)) AS embedding"
    entries = (
        "SELECT 'a' AS ds, 'items' AS side, i, j, 1.5 AS value, "
        "CAST(NULL AS Nullable(String)) AS feature_of FROM (SELECT arrayJoin([1, 2]) AS i) AS i, "
        "(SELECT arrayJoin([1, 2]) AS j) AS j"
    )
    stable = rendered("clickhouse", "stable('(VECTORS) AS t', '(MAPS) AS t', 'items', 'ds', 'id')")
    query = f"SELECT * FROM {stable}".replace("VECTORS", vectors).replace("MAPS", entries)
    engine = warehouses("clickhouse").engine
    found = engine.query(query.replace("{0}", "[1, 2]"))
    assert found == [{"ds": "a", "id": 1, "embedding": [4.5, 4.5]}]
    with pytest.raises(EngineError, match="does not fit the map of its run"):
        engine.query(query.replace("{0}", vector))


@pytest.mark.parametrize("engine", sorted(set(ENGINES) - set(generator().DIALECTS)))
@pytest.mark.parametrize(
    ("call", "command"),
    [
        ("fit_maps('users', 'items', 'ds', 'id', 'id', 'embedding', 3)", "run --maps-only"),
        ("features('stable', '2026-11-01', 'ds', 'id', 3)", "features --out"),
    ],
)
def test_what_is_refused_where_nothing_solves(engine: str, call: str, command: str) -> None:
    with pytest.raises(ValueError, match=f"On {engine} run `sqlstab {command}` before dbt"):
        rendered(engine, call)


def test_microbatch_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch sees its own day only"):
        rendered("duckdb", "check_model({})")


def test_size() -> None:
    """What a project pays when it is parsed: some 0.2 s of processor time for so much."""
    text = "".join(path.read_text() for path in MACROS)
    assert len(text) < 110_000
    assert len(re.findall(r"{%-? (?:macro|test) ", text)) < 120


PUBLIC = {"fit_maps", "stable", "inverse", "features", "drift"}


def test_only_public_macros_are_shown() -> None:
    """The docs of a project that has the package show what is for it; no macro lacks a caller."""
    described = yaml.safe_load((PROJECT / "macros" / "_macros.yml").read_text())["macros"]
    shown = {m["name"] for m in described if m.get("docs", {}).get("show", True)}
    text = "".join(path.read_text() for path in MACROS)
    names = re.findall(r"{%-? macro (\w+)", text)
    assert shown == PUBLIC
    assert sorted(m["name"] for m in described) == sorted(names)
    # dbt 1.12 keeps macros in such a mapping, whose own attributes hide those of the same name.
    assert not {*names} & {*dir(ChainMap)}
    for name in {name.split("__")[-1] for name in names} - PUBLIC:
        assert re.search(rf"sqlstab\.(default__)?{name}\(", text), name
    for macro in described:
        if macro["name"] in PUBLIC:
            found = re.search(rf"macro {macro['name']}\((.*?)\) -%}}", text, re.DOTALL)
            assert found
            given = re.findall(r"(\w+)(?:=[^,]+)?(?:,|$)", found[1].strip())
            assert [a["name"] for a in macro["arguments"]] == given
