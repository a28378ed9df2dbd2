"""The saved transform at serving time, on numpy arrays alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import read_vectors

from sqlstab import DataError, Run, Transform, stabilize

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, model: Any) -> Run:
    source = model()
    return stabilize(source / "users.parquet", source / "items.parquet", out=tmp_path / "run")


def test_apply_gives_the_written_vectors(run: Run, tmp_path: Path) -> None:
    transform = Transform.load(tmp_path / "run")
    for side in ("users", "items"):
        raw = read_vectors(tmp_path / f"model/{side}.parquet")[1].astype(np.float32)
        written = read_vectors(tmp_path / f"run/{side}.parquet")[1]
        stable = transform[side].apply(raw)
        assert stable.dtype == np.float32
        np.testing.assert_allclose(stable, written, atol=1e-6)
        np.testing.assert_allclose(transform[side].inverse(stable), raw, atol=1e-5)


def test_shapes_and_types(run: Run) -> None:
    items = run.transform.items
    assert items.apply(np.ones(6)).shape == (6,)
    assert items.apply(np.ones((0, 6))).shape == (0, 6)
    assert items.apply([1] * 6).dtype == np.float64
    assert items.apply(np.ones((2, 6), np.float16)).dtype == np.float64
    for wrong in (np.ones(5), np.ones((6, 2)), np.ones((2, 3, 6)), 1.0):
        with pytest.raises(DataError, match="raw vectors of 6 components"):
            items.apply(wrong)
    with pytest.raises(DataError, match="stable vectors of 6 components"):
        items.inverse(np.ones(5))


def test_inverse_undoes_apply(run: Run, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((10, 6))
    for side in (run.transform.users, run.transform.items):
        assert side.invertible
        np.testing.assert_allclose(side.inverse(side.apply(vectors)), vectors, atol=1e-12)


def test_save_and_load(run: Run, tmp_path: Path) -> None:
    path = run.transform.save(tmp_path / "other.json")
    loaded = Transform.load(path)
    np.testing.assert_array_equal(loaded.users.matrix, run.transform.users.matrix)
    np.testing.assert_array_equal(loaded.items.inverse_matrix, run.transform.items.inverse_matrix)
    assert (loaded.run_id, loaded.reference, loaded.rank, loaded.dimension) == (
        run.run_id,
        None,
        6,
        6,
    )


def test_a_run_goes_along_when_its_reference_moves(tmp_path: Path, model: Any) -> None:
    """B was aligned with X; X is then aligned with Y: B is in the space of Y without being read."""
    folders = {}
    for name, earlier in (("y", None), ("x", "y"), ("b", "x")):
        folders[name] = model(name, dtype=np.float64, rotate=earlier and folders[earlier])
    tables = {n: [f / f"{side}.parquet" for side in ("users", "items")] for n, f in folders.items()}
    y = stabilize(*tables["y"], out=tmp_path / "run_y")
    x = stabilize(*tables["x"], out=tmp_path / "run_x")
    b = stabilize(*tables["b"], reference=x, out=tmp_path / "run_b")
    moved = stabilize(*tables["x"], reference=y, out=tmp_path / "run_moved")

    turn = x.transform.turn_to(moved.transform)
    np.testing.assert_allclose(turn @ turn.T, np.eye(6), atol=1e-12)
    gone_along = b.transform.then(turn, y.run_id)
    assert (gone_along.run_id, gone_along.reference) == (b.run_id, y.run_id)
    raw = {side: read_vectors(folders["b"] / f"{side}.parquet")[1] for side in ("users", "items")}
    stable = {side: getattr(gone_along, side).apply(raw[side]) for side in raw}
    np.testing.assert_allclose(
        stable["users"] @ stable["items"].T, raw["users"] @ raw["items"].T, atol=1e-12
    )
    # What B was to X in the old space, it is to X in the new one.
    for side in raw:
        before = [read_vectors(tmp_path / run / f"{side}.parquet")[1] for run in ("run_b", "run_x")]
        there = read_vectors(tmp_path / "run_moved" / f"{side}.parquet")[1]
        np.testing.assert_allclose(stable[side] @ there.T, before[0] @ before[1].T, atol=1e-12)
    assert not np.allclose(stable["items"], before[0], atol=0.1)

    with pytest.raises(DataError, match="are not of the same raw vectors"):
        x.transform.turn_to(b.transform)
    for wrong in (np.eye(5), np.diag([1.0, 1, 1, 1, 1, 0]), 2 * np.eye(6)):
        with pytest.raises(DataError, match=r"does not keep the scores of run .*, 6 of them"):
            b.transform.then(wrong, y.run_id)
