"""A fingerprint is that of one table: other vectors, axes, signs or ids have another one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from sqlstab import DataError, stabilize
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.fingerprint import Fingerprint, default_share, fingerprint
from sqlstab.statements.table import EmbeddingTable, resolve

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

ROWS = 60_000


def taken(
    connection: duckdb.DuckDBPyConnection, ids: np.ndarray, vectors: np.ndarray
) -> Fingerprint:
    columns = {f"e{k}": column.astype(np.float32) for k, column in enumerate(vectors.T)}
    rows = pa.table({"id": ids, **columns})  # noqa: F841 - DuckDB reads it by its name
    connection.execute("CREATE OR REPLACE TABLE stable AS FROM rows")
    engine = DuckDBEngine(connection=connection)
    table = resolve(EmbeddingTable("stable"), "items", engine.describe("stable"), engine.dialect)
    return fingerprint(engine, table, len(ids), default_share(len(ids)))


def test_what_it_tells(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((ROWS, 3)) * [5.0, 1.0, 0.5] + [0.0, 1.0, 2.0]
    ids = np.arange(ROWS)
    written = taken(connection, ids, vectors)
    assert written.rows == ROWS
    assert written.summed == pytest.approx(25_000, rel=0.05)
    # A JSON file holds it exactly.
    assert Fingerprint(**written.to_dict()) == written

    order = rng.permutation(ROWS)
    again = taken(connection, ids[order], vectors[order])
    assert written.agrees(again)
    assert written.total == pytest.approx(again.total, rel=1e-9)

    turned = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    others: dict[str, tuple[np.ndarray, np.ndarray]] = {
        "one more row": (np.arange(ROWS + 1), np.vstack([vectors, vectors[:1]])),
        "other ids": (order, vectors),
        "another sign": (ids, vectors * [-1, 1, 1]),
        "other axes": (ids, vectors @ turned),
        "all a little longer": (ids, vectors * (1 + 1e-6)),
        "a little turned": (ids, vectors @ np.linalg.qr(np.eye(3) + 1e-5 * turned)[0]),
        "another order of the axes": (ids, vectors[:, [1, 0, 2]]),
    }
    for what, table in others.items():
        assert not written.agrees(taken(connection, *table)), what


def test_zero_vectors_agree(connection: duckdb.DuckDBPyConnection) -> None:
    zero = taken(connection, np.arange(10), np.zeros((10, 2)))
    assert zero.agrees(zero)
    assert not zero.agrees(replace(zero, squares=1.0))


@pytest.mark.parametrize("damage", ["gone", "null", "more"])
def test_without_one_a_table_is_not_trusted(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, damage: str
) -> None:
    connection.execute(
        "CREATE TABLE raw AS SELECT i AS id, [sin(i), cos(3 * i)] AS v FROM range(30) t(i)"
    )
    out = tmp_path / "run"
    stabilize("raw", "raw", out=out, engine=connection, users_out="su", items_out="si")
    figures = json.loads((out / "run.json").read_text())
    output = figures["outputs"]["items"]
    if damage == "gone":
        del output["fingerprint"]
    elif damage == "null":
        output["fingerprint"] = None
    else:
        output["fingerprint"]["more"] = 1
    (out / "run.json").write_text(json.dumps(figures))
    with pytest.raises(DataError, match=r"run.json of run .* is damaged: outputs.items.finger"):
        stabilize("raw", "raw", out, engine=connection)


@pytest.mark.parametrize(
    ("rows", "share"), [(0, 0.5), (10, 0.5), (50_000, 0.5), (1_000_000, 0.025)]
)
def test_at_most_so_many_rows(rows: int, share: float) -> None:
    assert default_share(rows) == share
