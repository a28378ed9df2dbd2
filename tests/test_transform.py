"""The saved transform at serving time, on numpy arrays alone."""

from __future__ import annotations

import json
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
        stable = getattr(transform, side).apply(raw)
        assert stable.dtype == np.float32
        np.testing.assert_allclose(stable, written, atol=1e-6)
        np.testing.assert_allclose(getattr(transform, side).inverse(stable), raw, atol=1e-5)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"users": {}}, "not a transform"),
        ({"raw_dimension": 5}, "not a transform"),
        ({"singular_values": "many"}, "not a transform"),
        ({"items": {"balanced": [[float("nan")] * 6] * 6, "invertible": True}}, "damaged"),
        (None, "not a transform"),
    ],
)
def test_files_that_are_refused(run: Run, tmp_path: Path, change: Any, message: str) -> None:
    path = run.transform.save(tmp_path / "other.json")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **change} if change else [1, 2]))
    with pytest.raises(DataError, match=message):
        Transform.load(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no transform"):
        Transform.load(tmp_path)
