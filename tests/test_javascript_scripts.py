"""Scripts with a function in JavaScript, on emulators: they write what `sqlstab run` writes."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import write_vectors
from invoke import invoke
from javascript import evaluate
from test_script import AS_A_SCRIPT, alike
from warehouse import VARIANTS, Rows

from sqlstab import Space

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warehouse import Warehouse

    from sqlstab.engines.base import Engine

# fakesnow fetches from DuckDB in a way that DuckDB warns about.
pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

SIZE = 3
EMULATED = ["bigquery", "snowflake"]


def run(engine: Any, script: str) -> None:
    """Run a script; GoogleSQL's engine runs all of it itself."""
    if engine.dialect.name == "bigquery":
        engine.run(script)
        return
    body = ""
    for statement in re.split(r";\n\n(?=--|[A-Z])", script):
        text = re.sub(r"\A(--[^\n]*\n|\s)+", "", statement.strip().removesuffix(";"))
        if text.startswith("CREATE OR REPLACE TEMPORARY FUNCTION"):
            _, body, _ = text.split("$$")
        elif "sqlstab_solve(" in text:
            solve(engine, body, text)
        else:
            engine.execute(text)


def solve(engine: Engine, body: str, text: str) -> None:
    """Do what the statement says that calls the function: fakesnow knows no JavaScript."""
    sums = [
        {**row, "kind": kind}
        for kind, name in re.findall(r"SELECT '(\w+)' AS kind.* FROM (\S+) AS t", text)
        for row in engine.query(f"SELECT side, i, j, value, n_rows FROM {name}")
    ]
    (settings,) = re.findall(r"'({.*})'", text)
    code = f"function call(SUMS, SETTINGS) {{\n{body}\n}}"
    given = {"sums": sums, "settings": settings}
    rows = evaluate(code, "call(given.sums, given.settings)", given)
    values = ", ".join(
        f"('{row['name']}', {row['i']}, {j}, {value:.16e})"
        for row in rows
        for j, value in enumerate(row["x"], start=1)
    )
    (name,) = re.findall(r"^CREATE TEMPORARY TABLE (\S+)", text)
    engine.execute(f"CREATE TEMPORARY TABLE {name} (name VARCHAR, i INT, j INT, value FLOAT)")
    engine.execute(f"INSERT INTO {name} VALUES {values}")


def read(engine: Engine, key: str) -> Any:
    """A run as it stands in the tables of a space."""
    maps = {side: np.full((SIZE, SIZE), np.nan) for side in ("users", "items")}
    for row in engine.query(f"SELECT side, i, j, value FROM movies_maps WHERE run = '{key}'"):
        maps[row["side"]][row["i"] - 1, row["j"] - 1] = row["value"]
    (row,) = engine.query(f"SELECT figures, created FROM movies_runs WHERE run = '{key}'")
    figures = json.loads(row["figures"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", figures["created"])
    assert row["created"][:10] == figures["created"][:10]
    return SimpleNamespace(
        figures=figures,
        maps={
            side: SimpleNamespace(matrix=matrix, invertible=figures["invertible"][side])
            for side, matrix in maps.items()
        },
    )


def a_day(warehouse: Warehouse, key: str, raw: dict[str, np.ndarray], ids: dict[str, range]) -> str:
    """Run the script of a day, and return it."""
    name = warehouse.name
    for side, vectors in raw.items():
        rows = Rows(ids[side], vectors, {})
        warehouse.load(f"s_{side}", VARIANTS[name]["array"], rows, side=side)
    script = invoke(
        *("sql", "script", "--dialect", name, "--dimension", SIZE, "--element", "double"),
        *("--users", "s_users", "--items", "s_items", "--space", "movies", "--run", key),
        *(("--first-run",) if key == "a" else ()),
    ).stdout
    run(warehouse.engine, script)
    return script


@pytest.mark.parametrize("name", EMULATED)
def test_scripts(
    name: str, warehouses: Callable[[str], Warehouse], rng: np.random.Generator, tmp_path: Path
) -> None:
    """Two days, of which the second is aligned with the first."""
    warehouse = warehouses(name)
    engine = warehouse.engine
    usual = Space(tmp_path / "usual")
    raw = {"users": rng.standard_normal((30, SIZE)), "items": rng.standard_normal((25, SIZE))}
    ids = {side: range(len(vectors)) for side, vectors in raw.items()}
    for key in "ab":
        for side, vectors in raw.items():
            write_vectors(tmp_path / f"{side}.parquet", vectors)
        files = (tmp_path / "users.parquet", tmp_path / "items.parquet")
        wanted = usual.run(*files, key=key, options=AS_A_SCRIPT)
        script = a_day(warehouse, key, raw, ids)
        alike(read(engine, key), wanted)
        assert read(engine, key).figures["warnings"] == []
        stable = {}
        for side, vectors in raw.items():
            query = f"SELECT id, embedding FROM movies_{side} WHERE run = '{key}'"
            names = tuple(map(warehouse.dialect.folded, ("id", "embedding")))
            found = warehouse.vectors(query, "array", SIZE, names)
            stable[side] = np.array([found[k] for k in range(len(vectors))])
        scores = raw["items"] @ raw["users"].T
        np.testing.assert_allclose(stable["items"] @ stable["users"].T, scores, atol=1e-12)
        turn = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
        raw = {
            side: (vectors + 0.1 * rng.standard_normal(vectors.shape)) @ turn
            for side, vectors in raw.items()
        }
    # Two shared ids say nothing about a third direction.
    a_day(warehouse, "c", raw, {**ids, "items": range(23, 48)})
    found = read(engine, "c")
    assert found.figures["alignment"]["ambiguous"] == 1
    (warning,) = found.figures["warnings"]
    assert "those were placed in what is left of the space" in warning
    assert np.isfinite(found.maps["items"].matrix).all()
    # None of the script's own tables is left.
    (scratch,) = set(re.findall(r"(?i)sqlstab_figures_[0-9a-f]{8}", script))
    with pytest.raises(Exception, match=scratch):
        engine.query(f"SELECT * FROM {scratch}")
