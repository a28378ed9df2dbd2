"""What would go wrong without a word later is refused, or mended, now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from conftest import write_vectors

from sqlstab import DataError, EmbeddingTable, Options, Space, UsageError, compare, stabilize

if TYPE_CHECKING:
    from pathlib import Path

IDS = np.arange(300)


@pytest.fixture
def model(rng: np.random.Generator) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    users, items = rng.standard_normal((2, 300, 8))
    return (IDS, users), (IDS, items)


def test_numbers_as_text_that_sort_otherwise(
    connection: duckdb.DuckDBPyConnection, model: tuple[object, object]
) -> None:
    """In a database a key without a column is text, and 10 comes before 9."""
    space = Space("movies", connection)
    space.run(*model, key="9")
    with pytest.raises(UsageError, match=r"keys of movies are text.*as in 09, or name a column"):
        space.run(*model, key="10")
    assert [entry.key for entry in space.entries] == ["9"]


def test_numbers_in_a_directory(tmp_path: Path, model: tuple[object, object]) -> None:
    space = Space(tmp_path / "space")
    for key in ("8", "9", "10"):
        run = space.run(*model, key=key, options=Options(align="previous"))
    assert run.figures["reference"]["run"] == "9"
    assert space.newest is not None
    assert space.newest.key == "10"


def test_maps_alone_of_a_table_without_days(tmp_path: Path, rng: np.random.Generator) -> None:
    """Its raw rows of yesterday are gone when a later run wants them."""
    write_vectors(tmp_path / "items.parquet", rng.standard_normal((300, 8)))
    write_vectors(
        tmp_path / "users.parquet", rng.standard_normal((300, 8)), ds=pa.array(["1"] * 300)
    )
    users = EmbeddingTable(tmp_path / "users.parquet")
    items = EmbeddingTable(tmp_path / "items.parquet", dated=False, filter="id >= 0")
    with pytest.raises(UsageError, match=r"maps_only keeps no stable rows.*and items have none"):
        Space(tmp_path / "s").run(users, items, key="ds=1", options=Options(maps_only=True))


def test_maps_alone_in_a_space_of_stable_vectors(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> None:
    """Its views show the newest run, which would have no rows."""
    for side in ("users", "items"):
        vectors = rng.standard_normal((300, 8))
        connection.register("v", pa.table({"id": IDS, "embedding": list(vectors)}))
        connection.execute(
            f"CREATE TABLE {side} AS SELECT d AS ds, v.* FROM v, (VALUES ('1'), ('2')) AS days(d)"
        )
    space = Space("movies", connection)
    space.run("users", "items", key="ds=1")
    with pytest.raises(UsageError, match=r"keeps stable vectors.*another space"):
        space.run("users", "items", key="ds=2", options=Options(maps_only=True))
    rows = connection.execute("SELECT count(*) FROM movies_items_newest").fetchone()
    assert rows == (300,)


def test_apply_in_a_database_file(tmp_path: Path, model: tuple[object, object]) -> None:
    file = tmp_path / "warehouse.duckdb"
    space = Space("main.movies", file)
    run = space.run(*model, key="1")
    space.apply({"items": model[1]}, {"items": "fresh"})
    with duckdb.connect(str(file)) as connection:
        rows = connection.execute("SELECT id, embedding FROM fresh ORDER BY id").fetchall()
    want = run.maps["items"].apply(model[1][1])  # type: ignore[index]
    np.testing.assert_allclose([vector for _, vector in rows], want, atol=1e-12)


def test_frames_are_two_tables(model: tuple[object, object]) -> None:
    """And (ids, matrix) is one: both are pairs."""
    frames = tuple(
        pa.table({"id": ids, "embedding": list(matrix)})
        for ids, matrix in model  # type: ignore[attr-defined]
    )
    for pair in (frames, tuple(frame.to_pandas() for frame in frames)):
        found = compare(pair, frames)
        assert found.verdict == "alignable"
        assert found.figures["users"]["shared"] == found.figures["items"]["shared"] == 300
    alone = compare(model[0], model[0])
    assert alone.figures["vectors"]["shared"] == 300


def test_explain_passes_gates(tmp_path: Path, model: tuple[object, object]) -> None:
    """What stands in for figures is no reason to stop."""
    space = Space(tmp_path / "space")
    space.run(*model, key="1")
    gates = Options(min_agreement=1.0, min_shared_ids=2_000_000)
    assert space.explain(*model, key="2", options=gates)[-1].step == "scores"


def test_an_error_leaves_no_table(
    connection: duckdb.DuckDBPyConnection,
    model: tuple[object, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a connection of the user's, when the end of a run fails."""

    def full(*_: object) -> None:
        raise DataError("full")

    monkeypatch.setattr("sqlstab.flow.write.compare", full)
    with pytest.raises(DataError, match=r"full"):
        stabilize(*model, engine=connection)
    assert connection.execute("SHOW ALL TABLES").fetchall() == []


def test_weights_too_small_to_divide_by(tmp_path: Path, rng: np.random.Generator) -> None:
    space = Space(tmp_path / "space")
    tables = []
    for side in ("users", "items"):
        path = write_vectors(
            tmp_path / f"{side}.parquet", rng.standard_normal((300, 8)), w=np.full(300, 1e-312)
        )
        tables.append(EmbeddingTable(path, weight="w"))
    space.run(*tables, key="1")
    with pytest.raises(DataError, match=r"zero vectors or zero weights only"):
        space.run(*tables, key="2")
