"""Runs with other tables than users and items, against numpy and scipy."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import read_vectors, write_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from invoke import invoke
from scipy.linalg import orthogonal_procrustes

from sqlstab import (
    DataError,
    EmbeddingTable,
    FurtherTable,
    GateError,
    Options,
    Space,
    UsageError,
    stabilize,
)

if TYPE_CHECKING:
    from collections.abc import Callable

STRATEGIES = ("arrow", "sql")


def retrained(vectors: np.ndarray, seed: int, noise: float = 0.1) -> np.ndarray:
    """The same model once more: other axes, and a little noise."""
    rng = np.random.default_rng(seed)
    size = vectors.shape[1]
    turn = np.linalg.qr(rng.standard_normal((size, size)))[0]
    found: np.ndarray = (vectors + noise * rng.standard_normal(vectors.shape)) @ turn
    return found.astype(vectors.dtype)


def dots(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors @ vectors.T
    return found


def mean_cosine(x: np.ndarray, y: np.ndarray) -> float:
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return float(np.mean(np.sum(x * y, axis=1) / lengths))


@pytest.fixture
def docs(tmp_path: Path, rng: np.random.Generator) -> Callable[..., Path]:
    """Writes a file of vectors; days with other numbers are retrainings of day 0."""
    first = rng.standard_normal((150, 6)).astype(np.float32)

    def write(day: int, **columns: Any) -> Path:
        vectors = retrained(first, day) if day else first
        return write_vectors(tmp_path / f"docs{day}.parquet", vectors, **columns)

    return write


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path / "space")


def stable(space: Space, key: str, side: str = "vectors") -> np.ndarray:
    return read_vectors(Path(space.name) / f"run={key}" / f"{side}.parquet")[1]


# Vectors without a second side.


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_first_run_leaves_vectors_as_they_are(
    space: Space, docs: Callable[..., Path], strategy: Any
) -> None:
    run = space.run(vectors=docs(0), key="0", options=Options(strategy=strategy))
    _, raw = read_vectors(docs(0))
    np.testing.assert_array_equal(stable(space, "0"), raw)
    np.testing.assert_array_equal(run.maps["vectors"].matrix, np.eye(6))
    assert sorted(path.name for path in (Path(space.name) / "run=0").iterdir()) == [
        "maps.parquet",
        "run.json",
        "vectors.parquet",
    ]
    assert run.figures["scores"] == {"identity_error": 0, "max_relative_error": 0}
    assert list(run.figures["tables"]) == ["vectors"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_alignment_is_procrustes(
    tmp_path: Path,
    space: Space,
    docs: Callable[..., Path],
    strategy: Any,
    rng: np.random.Generator,
) -> None:
    """Of the ids that both have; new ones go along."""
    space.run(vectors=docs(0), key="1")
    _, first = read_vectors(docs(0))
    raw = np.concatenate([retrained(first, 1), rng.standard_normal((20, 6))])
    path = write_vectors(tmp_path / "raw.parquet", raw, [*range(150), *range(900, 920)])
    run = space.run(vectors=path, key="2", options=Options(strategy=strategy, plain_rows=True))
    written = stable(space, "2")
    turn, _ = orthogonal_procrustes(raw[:150], first)
    np.testing.assert_allclose(written, raw @ turn, atol=1e-12)
    np.testing.assert_allclose(dots(written), dots(raw), atol=1e-12)
    figures = run.figures
    assert figures["shared"] == {"vectors": 150}
    assert figures["alignment"]["anchors"] == 150
    assert figures["tables"]["vectors"]["rows"] == 170
    assert figures["scores"]["max_relative_error"] < 1e-13
    cosine = figures["cosine"]["vectors"]
    assert cosine["before"]["mean"] == pytest.approx(mean_cosine(raw[:150], first))
    assert cosine["after"]["mean"] == pytest.approx(mean_cosine(written[:150], first))
    # What is saved gives what is written, and back.
    vectors = space["2"].maps["vectors"]
    np.testing.assert_allclose(vectors.apply(raw), written, atol=1e-12)
    np.testing.assert_allclose(vectors.inverse(written), raw, atol=1e-12)
    assert vectors.apply(raw.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_filters_and_unit_rows(
    space: Space, docs: Callable[..., Path], strategy: Any, rng: np.random.Generator
) -> None:
    space.run(vectors=docs(0), key="1")
    _, first = read_vectors(docs(0))
    weights = rng.uniform(0, 2, 150)
    path = docs(1, importance=weights, long=np.arange(150) % 3 == 0)
    _, raw = read_vectors(path)
    space.run(
        vectors=EmbeddingTable(
            str(path), weight="importance", anchor_filter="long", filter="id < 140", keep=["long"]
        ),
        key="2",
        options=Options(strategy=strategy, output_layout="wide"),
    )
    root = np.sqrt(weights[:140:3])[:, None]
    x, y = (v / np.linalg.norm(v, axis=1)[:, None] for v in (raw[:140:3], first[:140:3]))
    turn, _ = orthogonal_procrustes(x * root, y * root)
    table = space["2"].vectors.arrow().sort_by("id")
    assert set(table.column_names) == {"id", "long", *(f"e{k}" for k in range(6))}
    written = np.stack([table.column(f"e{k}").to_numpy() for k in range(6)], axis=1)
    np.testing.assert_allclose(written, raw[:140] @ turn, atol=1e-6)


def test_a_sample(space: Space, docs: Callable[..., Path]) -> None:
    space.run(vectors=docs(0), key="1")
    run = space.run(vectors=docs(1), key="2", options=Options(sample="50%"))
    assert 40 < run.figures["alignment"]["anchors"] < 110
    _, raw = read_vectors(docs(1))
    written = stable(space, "2")
    np.testing.assert_allclose(dots(written), dots(raw), atol=1e-5)
    # Half of the ids say nearly the same as all.
    turn, _ = orthogonal_procrustes(raw, read_vectors(docs(0))[1])
    assert np.abs(written - raw @ turn).max() < 0.15


def test_a_space_grows_with_the_model(
    tmp_path: Path, space: Space, rng: np.random.Generator
) -> None:
    """6, 9 and 6 dimensions: what is new gets axes of its own, and a smaller model fills a part."""
    truth = rng.standard_normal((200, 9))
    raw = [truth[:, :6], retrained(truth, 1), retrained(truth[:, :6], 2)]
    for day, vectors in enumerate(raw):
        path = write_vectors(tmp_path / f"{day}.parquet", vectors)
        space.run(vectors=path, key=str(day), options=Options(align="previous", plain_rows=True))
    written = [stable(space, str(day)) for day in range(3)]
    assert [vectors.shape[1] for vectors in written] == [6, 9, 9]
    for before, after in zip(raw, written, strict=True):
        np.testing.assert_allclose(dots(after), dots(before), atol=1e-11)
    # Schoenemann's solution on what both have, in nine dimensions.
    padded = np.pad(written[0], ((0, 0), (0, 3)))
    turn, _ = orthogonal_procrustes(raw[1], padded)
    fitted = np.linalg.norm(raw[1] @ turn - padded)
    assert np.linalg.norm(written[1] - padded) == pytest.approx(fitted)
    turn, _ = orthogonal_procrustes(np.pad(raw[2], ((0, 0), (0, 3))), written[1])
    wanted = np.pad(raw[2], ((0, 0), (0, 3))) @ turn
    np.testing.assert_allclose(written[2], wanted, atol=1e-10)
    vectors = space["2"].maps["vectors"]
    np.testing.assert_allclose(vectors.inverse(written[2]), raw[2], atol=1e-11)
    # Runs of several sizes are one reference, too.
    path = write_vectors(tmp_path / "3.parquet", retrained(truth, 3))
    run = space.run(vectors=path, key="3")
    assert run.figures["reference"]["runs"] == pytest.approx({"0": 0.64, "1": 0.8, "2": 1.0})
    assert mean_cosine(stable(space, "3"), written[1]) > 0.9


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rank(tmp_path: Path, space: Space, rng: np.random.Generator, strategy: Any) -> None:
    """The principal axes: nothing else of this rank changes dot products less."""
    raw = rng.standard_normal((120, 8)) * np.geomspace(1, 0.01, 8)
    path = write_vectors(tmp_path / "raw.parquet", raw)
    run = space.run(vectors=path, key="1", options=Options(rank=3, strategy=strategy))
    written = stable(space, "1")
    left, values, right = np.linalg.svd(raw, full_matrices=False)
    np.testing.assert_allclose(dots(written), (left[:, :3] * values[:3] ** 2) @ left[:, :3].T)
    np.testing.assert_allclose(np.abs(written), np.abs(raw @ right[:3].T), atol=1e-12)
    np.testing.assert_allclose(run.figures["singular_values"], values[:3] ** 2)
    assert not run.maps["vectors"].invertible
    np.testing.assert_allclose(space["1"].maps["vectors"].apply(raw), written)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(2, 40),
    dimensions=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    shared=st.integers(1, 40),
    dtype=st.sampled_from([np.float32, np.float64]),
    output=st.sampled_from([None, "array", "long"]),
    plain_rows=st.booleans(),
    strategy=st.sampled_from(STRATEGIES),
)
def test_dot_products_are_kept(
    seed: int,
    rows: int,
    dimensions: tuple[int, int],
    shared: int,
    dtype: Any,
    output: Any,
    plain_rows: bool,
    strategy: Any,
) -> None:
    """Of any number of vectors, of any dimension, however few ids they share with the reference."""
    rng = np.random.default_rng(seed)
    first, second = (rng.standard_normal((rows, size)).astype(dtype) for size in dimensions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        space = Space(path / "space")
        space.run(vectors=write_vectors(path / "a.parquet", first), key="1")
        ids = np.arange(rows) + rows - min(shared, rows)
        run = space.run(
            vectors=write_vectors(path / "b.parquet", second, ids),
            key="2",
            options=Options(
                plain_rows=plain_rows, strategy=strategy, output_layout=output, force=True
            ),
        )
        applied = run.maps["vectors"].apply(second.astype(np.float64))
        table = run.vectors.arrow()
    if output == "long":
        table = table.sort_by([("id", "ascending"), ("dim", "ascending")])
        written = table.column("value").to_numpy().reshape(rows, -1)
    else:
        written = np.array(table.sort_by("id")["embedding"].to_pylist())
    assert run.figures["dimension"] == max(dimensions)
    single = dtype == np.float32
    scale = np.abs(dots(second.astype(np.float64))).max()
    np.testing.assert_allclose(dots(applied), dots(second.astype(np.float64)), atol=1e-13 * scale)
    np.testing.assert_allclose(written, applied, atol=1e-6 if single else 1e-13 * scale)
    assert run.figures["scores"]["max_relative_error"] < (1e-6 if single else 1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bad_vectors_are_noticed(
    tmp_path: Path, space: Space, rng: np.random.Generator, strategy: Any
) -> None:
    """Though nothing is summed."""
    raw = rng.standard_normal((50, 4))
    raw[7, 2] = np.nan
    path = write_vectors(tmp_path / "raw.parquet", raw, [*range(49), 3])
    with pytest.raises(DataError, match="1 row whose id has occurred before"):
        space.run(vectors=path, key="1", options=Options(strategy=strategy))
    run = space.run(vectors=path, key="1", options=Options(on_invalid="drop", strategy=strategy))
    known = run.figures["tables"]["vectors"]
    assert (known["rows"], known["left_out"]) == (47, 3)
    table = run.vectors.arrow()
    np.testing.assert_array_equal(table["embedding"].to_pylist(), raw[table["id"].to_numpy()])


def test_what_cannot_be_meant(
    tmp_path: Path, space: Space, docs: Callable[..., Path], model: Any
) -> None:
    both = model()
    pair = both / "users.parquet", both / "items.parquet"
    for tables in ({"users": pair[0]}, {"vectors": docs(0), "items": pair[1]}, {}):
        with pytest.raises(UsageError, match="Name two tables, users and items, or one"):
            space.run(**tables)
    usual, alone = stabilize(*pair), stabilize(vectors=docs(0))
    space.run(vectors=docs(0), key="1")
    for options, word in (
        (Options(anchor="users"), "anchor chooses between"),
        (Options(refine="always"), "refine is about"),
    ):
        with pytest.raises(UsageError, match=word):
            space.run(vectors=docs(0), key="2", options=options)
    with pytest.raises(UsageError, match="has users and items, this run vectors"):
        stabilize(vectors=docs(0), reference=usual)
    with pytest.raises(UsageError, match="has vectors, this run users and items"):
        stabilize(*pair, reference=alone)
    with pytest.raises(UsageError, match="has vectors, this run users and items: name another"):
        space.run(*pair, key="2")
    with pytest.raises(KeyError):
        alone.maps["users"]
    strange = tmp_path / "strange.parquet"
    pq.write_table(pq.read_table(docs(0)).rename_columns(["key", "embedding"]), strange)
    with pytest.raises(UsageError, match="None is called id or vector_id; name one of key, embed"):
        space.run(vectors=strange)
    assert [run.key for run in space.runs] == ["1"]


def test_a_gate(space: Space, docs: Callable[..., Path]) -> None:
    space.run(vectors=docs(0), key="1")
    with pytest.raises(GateError, match=r"agreement of held-out ids: 0\.99"):
        space.run(vectors=docs(1), key="2", options=Options(min_agreement=0.9999))
    assert [run.key for run in space.runs] == ["1"]


# Further tables in the space of a side.


def with_queries(folder: Path, seed: int, earlier: Path | None = None) -> tuple[np.ndarray, ...]:
    """Writes users, items and queries of a model; with `earlier`, of the same one trained anew."""
    rng = np.random.default_rng(seed)
    names = ("users", "items", "queries")
    if earlier is None:
        raw = [rng.standard_normal((rows, 5)) for rows in (120, 80, 70)]
    else:
        # A model's axes: one turn of all that share the space.
        turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        before = [read_vectors(earlier / f"{name}.parquet")[1] for name in names]
        raw = [(v + 0.05 * rng.standard_normal(v.shape)) @ turn for v in before]
    folder.mkdir()
    for name, vectors in zip(names, raw, strict=True):
        write_vectors(folder / f"{name}.parquet", vectors)
    return tuple(raw)


def tables(folder: Path) -> dict[str, Any]:
    return {
        "users": folder / "users.parquet",
        "items": folder / "items.parquet",
        "also": {"queries": FurtherTable(folder / "queries.parquet", like="users")},
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_further_table_takes_the_map_of_its_side(
    tmp_path: Path, space: Space, strategy: Any
) -> None:
    """Queries are scored with items, as users are; those scores are kept too."""
    with_queries(tmp_path / "raw0", 0)
    users, items, queries = with_queries(tmp_path / "raw1", 1, tmp_path / "raw0")
    options = Options(strategy=strategy)
    plain = stabilize(
        tmp_path / "raw0/users.parquet", tmp_path / "raw0/items.parquet", options=options
    )
    first = space.run(**tables(tmp_path / "raw0"), key="0", options=options)
    # It rides along, and changes nothing.
    np.testing.assert_allclose(first.maps["items"].matrix, plain.maps["items"].matrix, atol=1e-14)
    for _ in range(2):  # the second one replaces the first one
        run = space.run(**tables(tmp_path / "raw1"), key="1", options=options)
    assert {path.name for path in (Path(space.name) / "run=1").iterdir()} == {
        *("users.parquet", "items.parquet", "queries.parquet", "run.json", "maps.parquet")
    }
    written = {name: stable(space, "1", name) for name in ("users", "items", "queries")}
    np.testing.assert_allclose(written["queries"] @ written["items"].T, queries @ items.T)
    np.testing.assert_allclose(written["users"] @ written["items"].T, users @ items.T)
    loaded = space["1"]
    assert list(loaded.maps) == ["users", "items", "queries"]
    assert loaded.maps.like == {"queries": "users"}
    np.testing.assert_allclose(
        loaded.maps["queries"].apply(queries), written["queries"], atol=1e-13
    )
    assert loaded.table("queries").arrow().num_rows == 70
    figures = run.figures
    assert figures["tables"]["queries"] == {
        "rows": 70, "dimension": 5, "summed": 0, "zeros": 0, "left_out": 0, "problems": {},
    }  # fmt: skip
    assert figures["scores"]["also"]["queries"] < 1e-13
    assert figures["shared"]["queries"] == 70
    want = mean_cosine(stable(space, "0", "queries"), written["queries"])
    assert figures["cosine"]["queries"]["after"]["mean"] == pytest.approx(want)
    # With a reference that has no such table, there is nothing to compare it with.
    alone = stabilize(**tables(tmp_path / "raw1"), reference=plain, options=options)
    assert "queries" not in alone.figures["cosine"]
    assert len(alone.table("queries").arrow()) == 70


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_directions_that_a_further_table_has_alone(
    tmp_path: Path, rng: np.random.Generator, strategy: Any
) -> None:
    """Where users have nothing, what queries have there is lost, and it is said."""
    users, items, queries = (rng.standard_normal((rows, 4)) for rows in (60, 50, 40))
    users[:, 3] = 0
    run = stabilize(
        (np.arange(60), users),
        (np.arange(50), items),
        also={"queries": FurtherTable((np.arange(40), queries), like="users")},
        options=Options(strategy=strategy),
    )
    assert run.figures["scores"]["max_relative_error"] < 1e-12
    assert run.figures["scores"]["also"]["queries"] > 0.01
    assert any(
        "queries: scores differ by up to" in warning and "the users lack" in warning
        for warning in run.figures["warnings"]
    )


def test_a_further_table_that_is_left_out_is_missed(tmp_path: Path, space: Space) -> None:
    with_queries(tmp_path / "raw", 0)
    given = tables(tmp_path / "raw")
    space.run(**given, key="0")
    del given["also"]
    run = space.run(**given, key="1")
    assert any("queries: run 0 of the reference has this" in w for w in run.figures["warnings"])


def test_a_further_table_of_another_dimension(tmp_path: Path, rng: np.random.Generator) -> None:
    with_queries(tmp_path / "raw", 0)
    given = tables(tmp_path / "raw")
    odd = write_vectors(tmp_path / "odd.parquet", rng.standard_normal((9, 3)))
    given["also"] = {"queries": FurtherTable(odd, like="users")}
    with pytest.raises(
        DataError, match=r"queries table .* 3 components .*whose map it takes, has 5"
    ):
        stabilize(**given)
    for name, like, message in (
        ("users", "items", "users"),
        ("queries", "movies", "movies"),
    ):
        given["also"] = {name: FurtherTable(odd, like=like)}  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=message):
            stabilize(**given)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_vectors_whose_squares_overflow(rng: np.random.Generator, strategy: Any) -> None:
    raw = rng.standard_normal((50, 4)) * 1e200
    with pytest.raises(DataError, match="divide all vectors by a constant"):
        stabilize(vectors=(np.arange(50), raw), options=Options(strategy=strategy))


def test_apply_of_a_further_table(tmp_path: Path, rng: np.random.Generator) -> None:
    """With the map of the side that it is like, which the command line names, too."""
    space = Space(tmp_path / "space")
    model = [(np.arange(n), rng.standard_normal((n, 4))) for n in (60, 50)]
    run = space.run(*model, key="1")
    queries = rng.standard_normal((9, 4))
    path = write_vectors(tmp_path / "q.parquet", queries)
    also = ("--also", f"queries={path}:users", "--out", f"queries={tmp_path / 'sq.parquet'}")
    invoke("apply", space.name, *also)
    _, found = read_vectors(tmp_path / "sq.parquet")
    np.testing.assert_allclose(found, run.maps["users"].apply(queries), atol=1e-12)
    with pytest.raises(UsageError, match="is to be like"):
        space.apply(
            {"queries": FurtherTable(path, "vectors")}, {"queries": tmp_path / "no.parquet"}
        )


def test_a_further_table_stays_like_its_side(tmp_path: Path, rng: np.random.Generator) -> None:
    space = Space(tmp_path / "space")
    model = [(np.arange(n), rng.standard_normal((n, 4))) for n in (60, 50)]
    queries = (np.arange(9), rng.standard_normal((9, 4)))
    space.run(*model, also={"queries": FurtherTable(queries, "users")}, key="1")
    with pytest.raises(UsageError, match=r"like items, but run 1 .* like users"):
        space.run(*model, also={"queries": FurtherTable(queries, "items")}, key="2")
