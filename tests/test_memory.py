"""Vectors that are in this process already: frames, Arrow tables, arrays, relations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import paper
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlstab import (
    DataError,
    EmbeddingTable,
    FurtherTable,
    Options,
    Run,
    Space,
    UsageError,
    stabilize,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def arrays(path: Path) -> tuple[Any, Any]:
    table = pq.read_table(path)
    return table["id"].to_numpy(), np.array(table["embedding"].to_pylist(), dtype=np.float32)


# Ways to hold the rows of a Parquet file.
WAYS: dict[str, Callable[[Path], Any]] = {
    "pandas": lambda path: pq.read_table(path).to_pandas(),
    "polars": pl.read_parquet,
    "pyarrow": pq.read_table,
    "reader": lambda path: pq.read_table(path).to_reader(),
    "numpy": arrays,
    "lists": lambda path: (list(arrays(path)[0]), arrays(path)[1].tolist()),
    "duckdb": lambda path: duckdb.sql(f"FROM '{path}'"),
    "duckdb's own": lambda path: duckdb.connect().sql(f"FROM '{path}'"),
    "table": lambda path: EmbeddingTable(pq.read_table(path), id="id", vector="embedding"),
}


def vectors(run: Run, side: Any) -> np.ndarray:
    return np.array(run.table(side).arrow().sort_by("id")["embedding"].to_pylist())


@pytest.fixture
def files(model: Any) -> list[dict[str, Path]]:
    """A model and its retraining."""
    folders = [model("old")]
    folders.append(model("new", rotate=folders[0]))
    return [{side: folder / f"{side}.parquet" for side in ("users", "items")} for folder in folders]


@pytest.mark.parametrize("way", WAYS)
def test_the_same_vectors_as_on_parquet(files: list[dict[str, Path]], way: str) -> None:
    read = WAYS[way]
    found: list[Run] = []
    wanted: list[Run] = []
    for tables in files:
        held = {side: read(path) for side, path in tables.items()}
        found.append(stabilize(**held, reference=found[-1] if found else None))
        wanted.append(stabilize(**tables, reference=wanted[-1] if wanted else None))
    for run, want in zip(found, wanted, strict=True):
        for side in ("users", "items"):
            np.testing.assert_allclose(vectors(run, side), vectors(want, side), atol=1e-6)
        # Numbers of Python have 8 bytes.
        assert run.figures["inputs"]["users"]["element"] == (
            "double" if way == "lists" else "float"
        )
    assert found[1].figures["alignment"]["agreement"] == pytest.approx(
        wanted[1].figures["alignment"]["agreement"], abs=1e-6
    )
    assert found[1].figures["reference"]["run"] == found[0].key
    assert found[1].figures["cosine"]["items"]["before"] is not None


def test_a_space_takes_them_too(tmp_path: Path, files: list[dict[str, Path]]) -> None:
    space = Space(tmp_path / "space")
    for key, (tables, way) in enumerate(zip(files, ("pandas", "numpy"), strict=True)):
        held = {side: WAYS[way](path) for side, path in tables.items()}
        run = space.run(**held, key=str(key))
    want = stabilize(**files[1], reference=stabilize(**files[0]))
    np.testing.assert_allclose(vectors(run, "items"), vectors(want, "items"), atol=1e-6)


def test_a_run_of_a_space_is_a_reference(tmp_path: Path, files: list[dict[str, Path]]) -> None:
    kept = Space(tmp_path / "space").run(**files[0], key="1")
    run = stabilize(**files[1], reference=kept)
    want = stabilize(**files[1], reference=stabilize(**files[0]))
    for side in ("users", "items"):
        np.testing.assert_allclose(run.maps[side].matrix, want.maps[side].matrix, atol=1e-12)
    assert run.figures["reference"]["run"] == "1"


def test_what_comes_out(files: list[dict[str, Path]]) -> None:
    """A run's tables are whatever one wants to go on with."""
    run = stabilize(**files[0])
    assert run.items.arrow().column_names == ["id", "embedding"]
    frame = run.items.df()
    assert list(frame.columns) == ["id", "embedding"]
    assert len(frame) == 90
    assert pa.table(run.users).num_rows == 200
    again = stabilize(run.users, run.items, reference=run)
    np.testing.assert_allclose(vectors(again, "items"), vectors(run, "items"), atol=1e-5)
    with pytest.raises(DataError, match="has no table vectors; it has users and items"):
        _ = run.vectors


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_other_layouts(files: list[dict[str, Path]], layout: Any) -> None:
    first = stabilize(**files[0], options=Options(output_layout=layout))
    run = stabilize(**files[1], reference=first)
    want = stabilize(**files[1], reference=stabilize(**files[0]))
    np.testing.assert_allclose(run.maps["items"].matrix, want.maps["items"].matrix, atol=1e-6)


def test_further_tables(files: list[dict[str, Path]], rng: np.random.Generator) -> None:
    queries = np.arange(30), rng.standard_normal((30, 6))
    run = stabilize(**files[0], also={"queries": FurtherTable(queries, like="users")})
    want = run.maps["queries"].apply(queries[1])
    np.testing.assert_allclose(vectors(run, "queries"), want, atol=1e-12)
    again = stabilize(
        **files[1], reference=run, also={"queries": FurtherTable(queries, like="users")}
    )
    assert again.figures["cosine"]["queries"]["rows"] == 30


def test_unit_rows_are_those_of_the_formula(rng: np.random.Generator) -> None:
    """Vectors alone: Procrustes on rows of length one."""
    raw = rng.standard_normal((80, 4)) * rng.uniform(0.1, 10, (80, 1))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    later = (raw + 0.2 * rng.standard_normal(raw.shape)) @ turn
    first = stabilize(vectors=(np.arange(80), raw))
    run = stabilize(vectors=(np.arange(80), later), reference=first)
    want = paper.align(paper.unit(later), paper.unit(raw))
    np.testing.assert_allclose(run.maps["vectors"].matrix, want, atol=1e-12)
    plain = stabilize(
        vectors=(np.arange(80), later), reference=first, options=Options(plain_rows=True)
    )
    np.testing.assert_allclose(plain.maps["vectors"].matrix, paper.align(later, raw), atol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "relation is 3; it must be the name of a table, a path, a list of paths, or data"),
        ([[1.0] * 100] * 100, r"^relation is \[\[1.0, [^a-z]*\.\.\.; it must be"),
        ({"id": [1]}, "it must be the name of a table, a path, a list of paths, or data"),
        (([1, 2], np.ones((3, 2))), r"there are 2 ids and a matrix of shape \(3, 2\)"),
        (([1, 2], np.ones(2)), r"a matrix of shape \(2,\)"),
        ((["a", 1], np.ones((2, 2))), "users: .*ids"),
        (([1, 2], np.array([["a"], ["b"]])), "users: .*numbers"),
    ],
)
def test_what_is_no_table(files: list[dict[str, Path]], given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stabilize(given, files[0]["items"])


def test_nothing_stays_registered(
    files: list[dict[str, Path]], connection: duckdb.DuckDBPyConnection
) -> None:
    """On the user's connection, whose names are the user's."""
    held = {side: pq.read_table(path) for side, path in files[0].items()}
    first = stabilize(**held, engine=connection)
    stabilize(**held, reference=first, engine=connection)
    assert connection.execute(
        "SELECT count(*) FROM duckdb_views() WHERE NOT internal"
    ).fetchall() == [(0,)]
    assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
