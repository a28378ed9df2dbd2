"""The maps of a run at serving time, on numpy arrays alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import read_vectors

from sqlstab import DataError, Maps, Run, Space, UsageError, compare, stabilize
from sqlstab.errors import ConflictError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from sqlstab import SqlstabError


@pytest.fixture
def run(tmp_path: Path, model: Any) -> Run:
    source = model()
    return Space(tmp_path / "space").run(
        source / "users.parquet", source / "items.parquet", key="1"
    )


def test_apply_gives_the_written_vectors(run: Run, tmp_path: Path) -> None:
    maps = Space(tmp_path / "space")["1"].maps
    for side in ("users", "items"):
        raw = read_vectors(tmp_path / f"model/{side}.parquet")[1].astype(np.float32)
        written = read_vectors(tmp_path / f"space/run=1/{side}.parquet")[1]
        stable = maps[side].apply(raw)
        assert stable.dtype == np.float32
        np.testing.assert_allclose(stable, written, atol=1e-6)
        np.testing.assert_allclose(maps[side].inverse(stable), raw, atol=1e-5)


def test_shapes_and_types(run: Run) -> None:
    items = run.maps["items"]
    assert items.apply(np.ones(6)).shape == (6,)
    assert items.apply(np.ones((0, 6))).shape == (0, 6)
    assert items.apply([1] * 6).dtype == np.float64
    assert items.apply(np.ones((2, 6), np.float16)).dtype == np.float64
    for wrong in (np.ones(5), np.ones((6, 2)), np.ones((2, 3, 6)), 1.0):
        with pytest.raises(DataError, match="raw vectors of 6 components"):
            items.apply(wrong)
    with pytest.raises(DataError, match="stable vectors of 6 components"):
        items.inverse(np.ones(5))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ma.masked_array(np.ones((2, 6)), mask=np.eye(2, 6)), "masked entries"),
        (np.ones(6) * 1j, "not real numbers, but complex128"),
        (np.full(6, "1"), "not real numbers, but str"),
    ],
)
def test_what_are_no_numbers(run: Run, wrong: Any, message: str) -> None:
    for does in (run.maps["items"].apply, run.maps["items"].inverse):
        with pytest.raises(UsageError, match=message):
            does(wrong)
    assert run.maps["items"].apply(np.ma.masked_array(np.ones(6))).shape == (6,)


def test_inverse_undoes_apply(run: Run, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((10, 6))
    for side in run.maps.values():
        assert side.invertible
        np.testing.assert_allclose(side.inverse(side.apply(vectors)), vectors, atol=1e-12)


def test_what_is_kept_is_what_was_found(run: Run, tmp_path: Path) -> None:
    """To the last bit."""
    kept = Space(tmp_path / "space")["1"]
    for side in ("users", "items"):
        np.testing.assert_array_equal(kept.maps[side].matrix, run.maps[side].matrix)
        np.testing.assert_array_equal(kept.maps[side].inverse_matrix, run.maps[side].inverse_matrix)
    assert kept.figures["dimension"] == kept.figures["rank"] == 6
    assert kept.maps.shape == (6, 6)


def test_maps_that_do_not_belong_together() -> None:
    with pytest.raises(DataError, match=r"users \(2, 2\), items \(3, 3\)"):
        Maps.of({"users": np.eye(2), "items": np.eye(3)})
    with pytest.raises(DataError, match="these are users"):
        Maps.of({"users": np.eye(2)})
    with pytest.raises(DataError, match="not finite"):
        Maps.of({"vectors": np.diag([1.0, np.nan])})


@pytest.mark.parametrize("kind", ["files", "tables"])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ("again", ConflictError, "Run b has been written again meanwhile: take it anew"),
        ("drop", DataError, "run b"),
    ],
)
def test_a_run_that_is_no_longer_there_has_no_rows(
    tmp_path: Path,
    connection: duckdb.DuckDBPyConnection,
    model: Any,
    kind: str,
    change: str,
    error: type[SqlstabError],
    message: str,
) -> None:
    """Its maps are those of other rows than the ones that would be read."""
    space = Space(tmp_path / "space") if kind == "files" else Space("space", connection)
    folders = {"a": model("a")}
    folders |= {key: model(key, rotate=folders["a"]) for key in "bc"}
    tables = {
        key: [str(folder / f"{side}.parquet") for side in ("users", "items")]
        for key, folder in folders.items()
    }
    first, run = (space.run(*tables[key], key=key) for key in "ab")
    if change == "again":
        space.run(*tables["c"], key="b")
    else:
        space.drop("b")
    for read in (
        run.items.arrow,
        lambda: stabilize(*tables["c"], run),
        lambda: compare(run, first),
    ):
        with pytest.raises(error, match=message):
            read()
    assert len(first.items.arrow())
    if change == "again":
        assert len(space["b"].items.arrow())
