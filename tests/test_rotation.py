"""Spaces of rotations: one orthogonal map for all tables, and what it keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import read_vectors, write_vectors

from sqlstab import FurtherTable, Options, Space, UsageError, compare, stabilize
from sqlstab.maths import quality, solve

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

STRATEGIES = ["arrow", "sql"]
ROTATION = Options(map="rotation", output_type="double")


def rotated(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


@pytest.fixture
def trainings(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Users and items of three trainings, each in a rotated space, with noise."""
    users, items = rng.standard_normal((300, 8)), rng.standard_normal((200, 8))
    found = []
    for _ in range(3):
        turn = rotated(rng, 8)
        noise = [0.1 * rng.standard_normal(m.shape) for m in (users, items)]
        found.append(((users + noise[0]) @ turn, (items + noise[1]) @ turn))
    return found


def of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(rows)), rows


def table(run: Any, side: str) -> np.ndarray:
    found = run.table(side).arrow().sort_by("id")
    return np.array(found["embedding"].to_pylist())


def cosines(rows: np.ndarray) -> np.ndarray:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_rotation_keeps(
    tmp_path: Path, trainings: list[tuple[np.ndarray, np.ndarray]], strategy: str
) -> None:
    """Scores, lengths and cosines among items; and the same ids stay where they were."""
    space = Space(tmp_path / "space")
    runs = []
    for key, (users, items) in enumerate(trainings):
        options = Options(map="rotation", output_type="double", strategy=strategy)  # type: ignore[arg-type]
        run = space.run(of(users), of(items), key=str(key), options=options)
        stable_users, stable_items = table(run, "users"), table(run, "items")
        np.testing.assert_allclose(stable_users @ stable_items.T, users @ items.T, atol=1e-12)
        for raw, stable in ((users, stable_users), (items, stable_items)):
            np.testing.assert_allclose(
                np.linalg.norm(stable, axis=1), np.linalg.norm(raw, axis=1), rtol=1e-12
            )
            np.testing.assert_allclose(cosines(stable), cosines(raw), atol=1e-12)
        maps = run.maps
        np.testing.assert_array_equal(maps["users"].matrix, maps["items"].matrix)
        np.testing.assert_allclose(maps["items"].inverse(stable_items), items, atol=1e-12)
        assert run.figures["map"] == "rotation"
        assert run.figures["warnings"] == []
        runs.append(stable_items)
    np.testing.assert_array_equal(runs[0], trainings[0][1])
    for later in runs[1:]:
        assert np.mean(np.sum(cosines_of(runs[0], later))) / 200 > 0.95


def cosines_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.sum(a * b, axis=1) / lengths


@pytest.mark.parametrize("element", ["float32", "float64"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_first_run_is_its_input(
    tmp_path: Path, rng: np.random.Generator, strategy: Any, element: str
) -> None:
    """Bit by bit, also that of -0.0; and so are vectors without a second side."""
    rows = rng.standard_normal((100, 6)).astype(element)
    rows[3] = [-0.0, 0.0, 1e-30, -1e-30, 1e30, -0.0]
    path = write_vectors(tmp_path / "v.parquet", rows)
    options = Options(map="rotation", strategy=strategy)
    space = Space(tmp_path / "space")
    space.run(path, path, key="1", options=options)
    for side in ("users", "items"):
        _, found = read_vectors(tmp_path / "space" / "run=1" / f"{side}.parquet")
        assert np.asarray(found, dtype=element).tobytes() == rows.tobytes()
    alone = Space(tmp_path / "alone")
    alone.run(vectors=path, key="1", options=Options(strategy=strategy))
    _, found = read_vectors(tmp_path / "alone" / "run=1" / "vectors.parquet")
    assert np.asarray(found, dtype=element).tobytes() == rows.tobytes()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_frozen_items_stay(tmp_path: Path, rng: np.random.Generator, strategy: Any) -> None:
    """Only users were trained anew: items stay to rounding, for many runs."""
    items = rng.standard_normal((200, 8))
    space = Space(tmp_path / "space")
    options = Options(map="rotation", output_type="double", strategy=strategy)
    for key in range(4):
        users = rng.standard_normal((300, 8)) * np.exp(rng.standard_normal(8))
        run = space.run(of(users), of(items), key=str(key), options=options)
        np.testing.assert_allclose(table(run, "items"), items, atol=1e-13)
    assert not [
        text for text in run.figures["warnings"] if re.search("raw items|same item", text, re.I)
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_gram_matrix_is_summed(
    tmp_path: Path, trainings: list[tuple[np.ndarray, np.ndarray]], strategy: Any
) -> None:
    space = Space(tmp_path / "space")
    options = Options(map="rotation", strategy=strategy)
    for key, (users, items) in enumerate(trainings[:2]):
        steps = [s.step for s in space.explain(of(users), of(items), key=str(key), options=options)]
        assert not [step for step in steps if step.startswith("gram")]
        run = space.run(of(users), of(items), key=str(key), options=options)
    assert run.figures["singular_values"] is None
    # What is wrong with vectors is found all the same.
    broken = trainings[2][1].copy()
    broken[7, 3] = np.nan
    with pytest.raises(Exception, match=r"items data .* 1 vector with a NaN .*id 7"):
        space.run(of(trainings[2][0]), of(broken), key="3", options=options)


def test_further_tables_take_the_map(
    tmp_path: Path, trainings: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator
) -> None:
    space = Space(tmp_path / "space")
    queries = rng.standard_normal((50, 8))
    for key, (users, items) in enumerate(trainings[:2]):
        run = space.run(
            of(users), of(items), also={"queries": FurtherTable(of(queries), "users")},
            key=str(key), options=ROTATION,
        )  # fmt: skip
    want = queries @ run.maps["items"].matrix
    np.testing.assert_allclose(table(run, "queries"), want, atol=1e-12)


def test_the_first_run_fixes_the_kind(
    tmp_path: Path, trainings: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    for first, second in (("rotation", "balanced"), ("balanced", "rotation")):
        space = Space(tmp_path / first)
        tables = [tuple(map(of, training)) for training in trainings]
        space.run(*tables[0], key="1", options=Options(map=first))  # type: ignore[arg-type]
        assert space.run(*tables[1], key="2").figures["map"] == first
        with pytest.raises(UsageError, match=rf"map {second}: the maps of this space are {first}"):
            space.run(*tables[2], key="3", options=Options(map=second))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"without a second side have nothing to be balanced"):
        stabilize(vectors=tables[0][0], options=Options(map="balanced"))


@pytest.mark.parametrize("kind", ["rotation", "balanced"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_larger_model(tmp_path: Path, rng: np.random.Generator, strategy: Any, kind: Any) -> None:
    """The space grows; or its columns stay, and take what agrees best with it."""
    hidden_users, hidden_items = rng.standard_normal((400, 4)), rng.standard_normal((300, 4))

    def model(extra: int) -> list[tuple[np.ndarray, np.ndarray]]:
        turn = rotated(rng, 4 + extra)
        made = []
        for hidden in (hidden_users, hidden_items):
            noise = 0.2 * rng.standard_normal(hidden.shape)
            other = rng.standard_normal((len(hidden), extra))
            made.append(of(np.hstack([hidden + noise, other]) @ turn))
        return made

    old, new = model(0), model(6)
    options = Options(map=kind, strategy=strategy, output_type="double")
    space = Space(tmp_path / "space")
    first = space.run(*old, key="1", options=options)
    grown = space.run(*new, key="2", options=options)
    assert table(grown, "items").shape[1] == 10
    narrow = Space(tmp_path / "narrow")
    narrow.run(*old, key="1", options=options)
    chosen = Options(map=kind, strategy=strategy, output_type="double", columns=4)
    run = narrow.run(*new, key="2", options=chosen)
    stable = table(run, "items")
    assert stable.shape[1] == 4
    assert not run.maps["items"].invertible
    agree = np.mean(cosines_of(table(first, "items"), stable))
    assert agree > 0.9
    # Of held-out rows, weighted by what the projection leaves of them: those above are not.
    assert run.figures["alignment"]["agreement"] == pytest.approx(agree, abs=0.05)
    # Scores are not kept, which is said.
    raw = new[0][1] @ new[1][1].T
    error = np.abs(table(run, "users") @ stable.T - raw).max() / np.abs(raw).max()
    # Of a sample of them, and relative to the largest there.
    assert run.figures["scores"]["max_relative_error"] == pytest.approx(error, rel=0.1)
    if kind == "rotation":
        # The partial isometry of the cross Gram matrix of unit rows, by hand.
        x, y = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (new[1][1], old[1][1]))
        left, _, right = np.linalg.svd(x.T @ y, full_matrices=False)
        np.testing.assert_allclose(run.maps["items"].matrix, left @ right, atol=1e-10)
    with pytest.raises(UsageError, match=r"columns 3: the space has 4 columns already"):
        narrow.run(*new, key="3", options=Options(columns=3))


def test_columns_of_a_first_run(tmp_path: Path, rng: np.random.Generator) -> None:
    """The principal axes; a later run agrees with them."""
    rows = rng.standard_normal((500, 8)) * [4, 3, 2, 1, 0.2, 0.2, 0.2, 0.2] @ rotated(rng, 8)
    space = Space(tmp_path / "space")
    options = Options(columns=4, output_type="double")
    first = space.run(vectors=of(rows), key="1", options=options)
    axes = solve.principal_axes(rows.T @ rows, 4).matrix
    np.testing.assert_allclose(table(first, "vectors"), rows @ axes, atol=1e-12)
    second = space.run(vectors=of(rows @ rotated(rng, 8)), key="2", options=options)
    # The reference has seen four of the eight directions only.
    np.testing.assert_allclose(table(second, "vectors"), table(first, "vectors"), atol=0.05)


def test_in_tables(
    connection: duckdb.DuckDBPyConnection, trainings: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    space = Space("movies", connection)
    for key, model in enumerate(trainings):
        for side, rows in zip(("users", "items"), model, strict=True):
            connection.register("v", pa.table({"id": np.arange(len(rows)), "e": list(rows)}))
            connection.execute(f"CREATE OR REPLACE TABLE {side} AS FROM v")
        space.run("users", "items", key=str(key), options=ROTATION)
    (sides,) = connection.execute(
        "SELECT count(*) FROM movies_maps AS a JOIN movies_maps AS b USING (run, i, j) "
        "WHERE a.side = 'users' AND b.side = 'items' AND a.value = b.value"
    ).fetchone() or (0,)
    assert sides == 3 * 64


def test_which_kind_of_map(trainings: list[tuple[np.ndarray, np.ndarray]], rng: Any) -> None:
    """`compare` tells: a rotation does, or the scale between users and items was left free."""
    tables = [tuple(map(of, training)) for training in trainings]
    found = compare(tables[1], tables[0])
    assert "One rotation brings them as close" in found.figures["map"]
    stretch = rotated(rng, 8) * np.exp(1.5 * rng.standard_normal(8)) @ rotated(rng, 8)
    (users, items) = trainings[1]
    other = of(users @ stretch), of(items @ np.linalg.inv(stretch).T)
    found = compare(other, tables[0])
    assert "Balanced maps bring them closer" in found.figures["map"]
    assert found.figures["items"]["rotation"] < found.figures["items"]["agreement"] - 0.05


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_neighbours_that_a_balanced_map_keeps(
    tmp_path: Path, rng: np.random.Generator, strategy: Any
) -> None:
    """What the first run of a space says of the choice, against all pairs by hand."""
    users = rng.standard_normal((300, 8)) * np.exp(rng.standard_normal(8))
    items = rng.standard_normal((150, 8))
    options = Options(strategy=strategy, output_type="double")
    run = Space(tmp_path / "s").run(of(users), of(items), key="1", options=options)
    before, after = (
        np.argsort(-cosines(m) + 2 * np.eye(150), axis=1)[:, :10]
        for m in (items, table(run, "items"))
    )
    want = np.mean([len({*a} & {*b}) / 10 for a, b in zip(before, after, strict=True)])
    assert run.figures["neighbours_kept"] == pytest.approx(want, abs=1e-12)
    assert quality.neighbours_kept(items, items, 10) == 1
