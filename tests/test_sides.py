"""Runs with other tables than users and items, against numpy and scipy."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import movietweetings, read_vectors, write_vectors
from engines import RUNNABLE
from hypothesis import given, settings
from hypothesis import strategies as st
from invoke import invoke
from scipy.linalg import orthogonal_procrustes
from test_scheduler import shell
from warehouse import store_vectors

from sqlstab import (
    DataError,
    EmbeddingTable,
    FurtherTable,
    GateError,
    Options,
    Run,
    Transform,
    UsageError,
    compare,
    report,
    stabilize,
)
from sqlstab.engines import connect
from sqlstab.registry import Registry
from sqlstab.stabilize import apply_transform
from sqlstab.statements import ddl, quoting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engines import Running

    from sqlstab.engines import Engine

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

STRATEGIES = ("arrow", "sql")


def retrained(vectors: np.ndarray, seed: int, noise: float = 0.1) -> np.ndarray:
    """The same model once more: other axes, and a little noise."""
    rng = np.random.default_rng(seed)
    size = vectors.shape[1]
    turn = np.linalg.qr(rng.standard_normal((size, size)))[0]
    found: np.ndarray = (vectors + noise * rng.standard_normal(vectors.shape)) @ turn
    return found.astype(vectors.dtype)


def aligned(raw: np.ndarray, reference: np.ndarray, shared: slice = slice(None)) -> np.ndarray:
    """Raw vectors turned to the reference's; both of one dimension."""
    turn, _ = orthogonal_procrustes(raw[shared], reference[shared])
    found: np.ndarray = raw @ turn
    return found


def dots(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors @ vectors.T
    return found


@pytest.fixture
def docs(tmp_path: Path, rng: np.random.Generator) -> Callable[..., Path]:
    """Writes a file of vectors; days with other numbers are retrainings of day 0."""
    first = rng.standard_normal((150, 6)).astype(np.float32)

    def write(day: int, **columns: Any) -> Path:
        vectors = retrained(first, day) if day else first
        return write_vectors(tmp_path / f"docs{day}.parquet", vectors, **columns)

    return write


# Vectors without a second side.


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_first_run_leaves_vectors_as_they_are(
    tmp_path: Path, docs: Callable[..., Path], strategy: Any
) -> None:
    run = stabilize(vectors=docs(0), out=tmp_path / "run", options=Options(strategy=strategy))
    _, raw = read_vectors(docs(0))
    np.testing.assert_array_equal(read_vectors(tmp_path / "run/vectors.parquet")[1], raw)
    assert run.sides == ("vectors",)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "run.json",
        "transform.json",
        "vectors.parquet",
    ]
    assert run.figures["dot_products"] == {"identity_error": 0, "max_relative_error": 0}
    assert not {"scores", "users", "items"} & set(run.figures)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_alignment_is_procrustes(
    tmp_path: Path, docs: Callable[..., Path], strategy: Any, rng: np.random.Generator
) -> None:
    """Of the ids that both have; new ones go along."""
    stabilize(vectors=docs(0), out=tmp_path / "one")
    _, first = read_vectors(docs(0))
    raw = np.concatenate([retrained(first, 1), rng.standard_normal((20, 6))])
    path = write_vectors(tmp_path / "raw.parquet", raw, [*range(150), *range(900, 920)])
    run = stabilize(
        vectors=path,
        reference=tmp_path / "one",
        out=tmp_path / "two",
        options=Options(strategy=strategy),
    )
    _, written = read_vectors(tmp_path / "two/vectors.parquet")
    turn, _ = orthogonal_procrustes(raw[:150], first)
    np.testing.assert_allclose(written, raw @ turn, atol=1e-12)
    np.testing.assert_allclose(dots(written), dots(raw), atol=1e-12)
    figures = run.figures
    assert figures["alignment"]["shared_vectors"] == figures["alignment"]["anchors"] == 150
    assert figures["vectors"]["rows"] == 170
    assert figures["dot_products"]["max_relative_error"] < 1e-13

    def mean_cosine(x: np.ndarray, y: np.ndarray) -> float:
        lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        return float(np.mean(np.sum(x * y, axis=1) / lengths))

    cosine = figures["cosine"]["vectors"]
    assert cosine["before"]["mean"] == pytest.approx(mean_cosine(raw[:150], first))
    assert cosine["after"]["mean"] == pytest.approx(mean_cosine(written[:150], first))
    # What is saved gives what is written, and back.
    vectors = Transform.load(tmp_path / "two").vectors
    np.testing.assert_allclose(vectors.apply(raw), written, atol=1e-12)
    np.testing.assert_allclose(vectors.inverse(written), raw, atol=1e-12)
    assert vectors.apply(raw.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_filters_and_directions(
    tmp_path: Path, docs: Callable[..., Path], strategy: Any, rng: np.random.Generator
) -> None:
    stabilize(vectors=docs(0), out=tmp_path / "one")
    _, first = read_vectors(docs(0))
    weights = rng.uniform(0, 2, 150)
    path = docs(1, importance=weights, long=np.arange(150) % 3 == 0)
    _, raw = read_vectors(path)
    stabilize(
        vectors=EmbeddingTable(
            str(path), weight="importance", anchor_filter="long", filter="id < 140", keep=["long"]
        ),
        reference=tmp_path / "one",
        out=tmp_path / "two",
        options=Options(strategy=strategy, cosine=True, output_layout="wide"),
    )
    root = np.sqrt(weights[:140:3])[:, None]
    x, y = (v / np.linalg.norm(v, axis=1)[:, None] for v in (raw[:140:3], first[:140:3]))
    turn, _ = orthogonal_procrustes(x * root, y * root)
    table = pq.read_table(tmp_path / "two/vectors.parquet").sort_by("id")
    assert set(table.column_names) == {"id", "long", *(f"e{k}" for k in range(6))}
    written = np.stack([table.column(f"e{k}").to_numpy() for k in range(6)], axis=1)
    np.testing.assert_allclose(written, raw[:140] @ turn, atol=1e-6)


def test_a_sample(tmp_path: Path, docs: Callable[..., Path]) -> None:
    stabilize(vectors=docs(0), out=tmp_path / "one")
    run = stabilize(
        vectors=docs(1),
        reference=tmp_path / "one",
        out=tmp_path / "two",
        options=Options(sample="50%"),
    )
    assert 40 < run.figures["alignment"]["anchors"] < 110
    _, raw = read_vectors(docs(1))
    _, written = read_vectors(tmp_path / "two/vectors.parquet")
    np.testing.assert_allclose(dots(written), dots(raw), atol=1e-5)
    # Half of the ids say nearly the same as all.
    wanted = aligned(raw, read_vectors(docs(0))[1])
    assert np.abs(written - wanted).max() < 0.15
    # The mean of a sample without a row is that of all.
    centred = stabilize(
        vectors=docs(1), out=tmp_path / "centred", options=Options(sample=1e-6, center=True)
    )
    np.testing.assert_allclose(
        centred.transform.vectors.preparation.mean, raw.mean(axis=0), atol=1e-12
    )


def test_a_space_grows_with_the_model(tmp_path: Path, rng: np.random.Generator) -> None:
    """6, 9 and 6 dimensions: what is new gets axes of its own, and a smaller model fills a part."""
    truth = rng.standard_normal((200, 9))
    raw = [truth[:, :6], retrained(truth, 1), retrained(truth[:, :6], 2)]
    previous = None
    for day, vectors in enumerate(raw):
        path = write_vectors(tmp_path / f"{day}.parquet", vectors)
        previous = stabilize(vectors=path, reference=previous, out=tmp_path / f"run{day}")
    stable = [read_vectors(tmp_path / f"run{day}/vectors.parquet")[1] for day in range(3)]
    assert [vectors.shape[1] for vectors in stable] == [6, 9, 9]
    for before, after in zip(raw, stable, strict=True):
        np.testing.assert_allclose(dots(after), dots(before), atol=1e-11)
    # Schoenemann's solution on what both have, in nine dimensions.
    padded = np.pad(stable[0], ((0, 0), (0, 3)))
    turn, _ = orthogonal_procrustes(raw[1], padded)
    fitted = np.linalg.norm(raw[1] @ turn - padded)
    assert np.linalg.norm(stable[1] - padded) == pytest.approx(fitted)
    turn, _ = orthogonal_procrustes(np.pad(raw[2], ((0, 0), (0, 3))), stable[1])
    wanted = np.pad(raw[2], ((0, 0), (0, 3))) @ turn
    np.testing.assert_allclose(stable[2], wanted, atol=1e-10)
    assert previous is not None
    vectors = previous.transform.vectors
    np.testing.assert_allclose(vectors.inverse(stable[2]), raw[2], atol=1e-11)
    # A model as it came and what is written of it are one model.
    figures = [
        compare(model, tmp_path / "run1").figures["vectors"]
        for model in (tmp_path / "run2", tmp_path / "2.parquet")
    ]
    assert figures[0].keys() == figures[1].keys()
    for name in ("cosine", "held_out", "cka", "relative_residual", "ambiguous"):
        assert figures[0][name] == pytest.approx(figures[1][name], rel=1e-9)


def test_a_consensus(tmp_path: Path, docs: Callable[..., Path]) -> None:
    """Of several runs: Procrustes with the sum of their vectors."""
    runs: list[Any] = []
    for day in range(3):
        reference = runs if runs else None
        runs.append(stabilize(vectors=docs(day), reference=reference, out=tmp_path / f"run{day}"))
    stable = [read_vectors(tmp_path / f"run{day}/vectors.parquet")[1] for day in range(3)]
    wanted = aligned(read_vectors(docs(2))[1], stable[0] + stable[1])
    np.testing.assert_allclose(stable[2], wanted, atol=1e-6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rank(tmp_path: Path, rng: np.random.Generator, strategy: Any) -> None:
    """The principal axes: nothing else of this rank changes dot products less."""
    raw = rng.standard_normal((120, 8)) * np.geomspace(1, 0.01, 8)
    path = write_vectors(tmp_path / "raw.parquet", raw)
    run = stabilize(vectors=path, out=tmp_path / "run", options=Options(rank=3, strategy=strategy))
    _, written = read_vectors(tmp_path / "run/vectors.parquet")
    left, values, right = np.linalg.svd(raw, full_matrices=False)
    np.testing.assert_allclose(dots(written), (left[:, :3] * values[:3] ** 2) @ left[:, :3].T)
    np.testing.assert_allclose(np.abs(written), np.abs(raw @ right[:3].T), atol=1e-12)
    np.testing.assert_allclose(run.figures["singular_values"], values[:3] ** 2)
    assert not run.transform.vectors.invertible
    np.testing.assert_allclose(Transform.load(tmp_path / "run").vectors.apply(raw), written)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(2, 40),
    dimensions=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    shared=st.integers(1, 40),
    dtype=st.sampled_from([np.float32, np.float64]),
    output=st.sampled_from([None, "array", "long"]),
    cosine=st.booleans(),
    strategy=st.sampled_from(STRATEGIES),
)
def test_dot_products_are_kept(
    seed: int,
    rows: int,
    dimensions: tuple[int, int],
    shared: int,
    dtype: Any,
    output: Any,
    cosine: bool,
    strategy: Any,
) -> None:
    """Of any number of vectors, of any dimension, however few ids they share with the reference."""
    rng = np.random.default_rng(seed)
    first, second = (rng.standard_normal((rows, size)).astype(dtype) for size in dimensions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        reference = stabilize(vectors=write_vectors(path / "a.parquet", first), out=path / "one")
        ids = np.arange(rows) + rows - min(shared, rows)
        run = stabilize(
            vectors=write_vectors(path / "b.parquet", second, ids),
            reference=reference,
            out=path / "two",
            options=Options(cosine=cosine, strategy=strategy, output_layout=output),
        )
        applied = run.transform.vectors.apply(second.astype(np.float64))
        table = pq.read_table(path / "two/vectors.parquet")
        if output == "long":
            table = table.sort_by([("id", "ascending"), ("dim", "ascending")])
            written = table.column("value").to_numpy().reshape(rows, -1)
        else:
            written = read_vectors(path / "two/vectors.parquet")[1]
    assert run.transform.dimension == max(dimensions)
    single = dtype == np.float32
    scale = np.abs(dots(second.astype(np.float64))).max()
    np.testing.assert_allclose(dots(applied), dots(second.astype(np.float64)), atol=1e-13 * scale)
    np.testing.assert_allclose(written, applied, atol=1e-6 if single else 1e-13 * scale)
    assert run.figures["dot_products"]["max_relative_error"] < (1e-6 if single else 1e-12)


def prepared(
    vectors: np.ndarray, *, center: bool, normalize: bool, rows: slice = slice(None)
) -> np.ndarray:
    """Less their mean, and of length one then."""
    moved: np.ndarray = vectors - vectors[rows].mean(axis=0) if center else vectors
    return moved / np.linalg.norm(moved, axis=1, keepdims=True) if normalize else moved


WAYS = [
    {"center": True, "normalize": False},
    {"center": False, "normalize": True},
    {"center": True, "normalize": True},
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_centred_and_unit_vectors(
    tmp_path: Path, rng: np.random.Generator, strategy: Any, way: dict[str, bool]
) -> None:
    """Two trainings whose offsets, each far longer than what is left, have nothing in common."""
    truth = rng.standard_normal((150, 6))
    offset = 1e5 if way["center"] else 0
    raw = [vectors + offset * rng.standard_normal(6) for vectors in (truth, retrained(truth, 1))]
    options = Options(strategy=strategy, output_layout="array", **way)
    paths = [
        write_vectors(tmp_path / "0.parquet", raw[0]),
        write_vectors(tmp_path / "1.parquet", raw[1], importance=np.linspace(0, 1, 150)),
    ]
    first = stabilize(vectors=paths[0], out=tmp_path / "run0", options=options)
    run = stabilize(
        vectors=EmbeddingTable(str(paths[1]), weight="importance", keep=["importance"]),
        also={"more": FurtherTable(paths[0], like="vectors")},
        reference=first,
        out=tmp_path / "run1",
        options=options,
    )
    want = [prepared(vectors, **way) for vectors in raw]
    # 1e5 in 16 digits leaves eleven of a component of 1. Gram matrices less n m m' would be wrong
    # in the sixth digit: their entries are 1e10 times as large as what is left.
    atol = 1e-9
    written = [read_vectors(tmp_path / f"run{day}/vectors.parquet")[1] for day in range(2)]
    np.testing.assert_allclose(written[0], want[0], atol=atol)
    root = np.sqrt(np.linspace(0, 1, 150))[:, None]
    turn, _ = orthogonal_procrustes(want[1] * root, want[0] * root)
    np.testing.assert_allclose(written[1], want[1] @ turn, atol=atol)
    assert run.figures["dot_products"]["max_relative_error"] < 1e-9
    assert run.figures["warnings"] == []
    cosines = np.sum(written[0] * written[1], axis=1)
    cosines /= np.linalg.norm(written[0], axis=1) * np.linalg.norm(written[1], axis=1)
    assert run.figures["cosine"]["vectors"]["after"]["mean"] == pytest.approx(cosines.mean())
    # What is in the same space goes the same way.
    vectors = Transform.load(tmp_path / "run1").vectors
    more = read_vectors(tmp_path / "run1/more.parquet")[1]
    np.testing.assert_allclose(more, vectors.apply(raw[0]), atol=atol)
    np.testing.assert_allclose(vectors.apply(raw[1]), written[1], atol=atol)
    np.testing.assert_allclose(vectors.apply(raw[1][7]), written[1][7], atol=atol)
    if way["normalize"]:
        with pytest.raises(DataError, match="the lengths of the raw ones are lost"):
            vectors.inverse(written[1])
    else:
        np.testing.assert_allclose(vectors.inverse(written[1]), raw[1], atol=1e-9)
    for layout in ("array", "wide", "long"):
        apply_transform(
            run.transform,
            {"vectors": paths[1]},
            {"vectors": tmp_path / "applied.parquet"},
            options=Options(strategy=strategy, output_layout=layout),
        )
        table = pq.read_table(tmp_path / "applied.parquet")
        columns = [name for name in table.column_names if name not in ("id", "dim")]
        total = sum(np.sum(table.column(name).to_pylist()) for name in columns)
        assert total == pytest.approx(written[1].sum(), abs=1e-6)
    # A comparison prepares what is none of the space's runs as that was.
    found, same = (
        compare(model, first, options=Options(strategy=strategy)).figures["vectors"]
        for model in (paths[1], run)
    )
    for name in ("cosine", "held_out", "cka", "relative_residual"):
        assert found[name] == pytest.approx(same[name], rel=1e-7)
    for name in ("cosine", "held_out"):
        assert found["chance"][name] == pytest.approx(same["chance"][name], abs=1e-6)


def test_what_centring_is_good_for(tmp_path: Path, rng: np.random.Generator) -> None:
    """What docs/sides.md says: an offset in each training, twice and three times the spread."""
    truth = rng.standard_normal((2000, 32))
    raw = []
    for vectors, length in ((truth, 2), (retrained(truth, 1, 0.5), 3)):
        offset = rng.standard_normal(32)
        raw.append(vectors + length * np.sqrt(32) * offset / np.linalg.norm(offset))
    raw.append(rng.permutation(raw[1]))
    paths = [write_vectors(tmp_path / f"{day}.parquet", vectors) for day, vectors in enumerate(raw)]

    def found(center: bool) -> tuple[float, ...]:
        """How many are nearest to themselves, and the cosine; that of shuffled ids."""
        options = Options(center=center)
        first = stabilize(vectors=paths[0], out=tmp_path / "0", options=options)
        run, shuffled = (
            stabilize(vectors=path, reference=first, out=tmp_path / path.stem, options=options)
            for path in paths[1:]
        )
        x, y = (read_vectors(tmp_path / f"{day}/vectors.parquet")[1] for day in (1, 0))
        nearest = np.argmin(np.sum(y**2, axis=1) - 2 * x @ y.T, axis=1)
        cosines = (each.figures["cosine"]["vectors"]["after"]["mean"] for each in (run, shuffled))
        return float(np.mean(nearest == np.arange(2000))), *cosines

    assert found(center=False) == pytest.approx((0.72, 0.97, 0.86), abs=0.02)
    assert found(center=True) == pytest.approx((1.0, 0.89, 0.10), abs=0.02)


def test_a_space_is_prepared_or_not(
    tmp_path: Path, docs: Callable[..., Path], model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    both = model()
    pair = both / "users.parquet", both / "items.parquet"
    out = tmp_path / "out"
    for name in ("center", "normalize"):
        with pytest.raises(UsageError, match=f"{name} changes dot products, and those of users"):
            stabilize(*pair, out=out, options=Options(**{name: True}))
        message = invoke("gram", "--users", pair[0], "--items", pair[1], f"--{name}", code=2).stderr
        assert re.search(f"No such option:? '?--{name}", message)
    plain = stabilize(vectors=docs(0), out=tmp_path / "plain")
    caplog.clear()
    centred = stabilize(vectors=docs(0), out=tmp_path / "centred", options=Options(center=True))
    assert "their dot products, lengths and cosines are no longer the model's" in caplog.text
    caplog.clear()
    stabilize(vectors=docs(1), reference=centred, out=out, options=Options(center=True))
    assert "no longer the model's" not in caplog.text
    for reference, options, word in (
        (plain, Options(center=True), "written without center: leave it out"),
        (centred, Options(), "written with center: add it"),
        (centred, Options(center=True, normalize=True), "written without normalize: leave it out"),
    ):
        with pytest.raises(UsageError, match=word):
            stabilize(vectors=docs(1), reference=reference, out=out, options=options)
    shown = invoke(
        *("run", "--vectors", docs(1), "--reference", tmp_path / "centred", "--center"),
        *("--out", out),
    ).stdout
    assert re.search("prepared +centred", shown)
    file = tmp_path / "project.toml"
    begin = f"[vectors]\ntable = '{docs(1)}'\n[run]\nout = 'out'\nreference = 'centred'\n"
    file.write_text(begin + "center = true\n")
    invoke("run", "-c", file)
    file.write_text(begin)
    assert "written with [run] center: add it" in invoke("run", "-c", file, code=2).stderr
    with pytest.raises(UsageError, match="transform_table holds matrices"):
        stabilize(
            vectors=docs(0),
            out=tmp_path / "no",
            transform_table="maps",
            engine=tmp_path / "x.duckdb",
            options=Options(center=True),
        )
    planned = invoke(
        *("plan", "--vectors", docs(1), "--center", "--reference", tmp_path / "centred"),
        *("--dimension", 6, "--json"),
    ).stdout
    assert "Averaging vectors" in planned
    page = report(out, tmp_path / "centred").text("html")
    assert (
        "The vectors were centred first, which changed dot products. No dot product changed from"
        in page
    )
    # Nobody is to think that a turn of other vectors is one of these.
    with pytest.raises(DataError, match="are not of the same raw vectors"):
        centred.transform.turn_to(plain.transform)
    np.testing.assert_allclose(
        centred.transform.turn_to(Transform.load(tmp_path / "centred")), np.eye(6), atol=1e-12
    )
    saved = (tmp_path / "centred/transform.json").read_text()
    usual = json.loads(stabilize(*pair).transform.to_json())
    usual["users"]["normalize"] = True
    for broken, word in (
        (saved.replace('"mean": [', '"mean": [1.0, '), "vectors.mean has 7 numbers, not 6"),
        (saved.replace('"mean": [', '"mean": [NaN, '), r"vectors.mean\[0\] is nan, not a number"),
        (
            saved.replace('"normalize": false, ', ""),
            "vectors.normalize is missing beside vectors.m",
        ),
        (json.dumps(usual), "users have a mean or a length, which would change scores"),
    ):
        with pytest.raises(DataError, match=word):
            Transform.from_json(broken, "x")
    # As it is saved where nothing is centred.
    alone = json.loads(saved)
    del alone["vectors"]["mean"]
    alone["vectors"]["normalize"] = True
    way = Transform.from_json(json.dumps(alone), "x").vectors.preparation
    assert (way.center, way.normalize) == (False, True)


def test_bad_vectors_are_noticed(tmp_path: Path, rng: np.random.Generator) -> None:
    """Though nothing is summed."""
    raw = rng.standard_normal((50, 4))
    raw[7, 2] = np.nan
    path = write_vectors(tmp_path / "raw.parquet", raw, [*range(49), 3])
    for strategy in STRATEGIES:
        options: dict[str, Any] = {"strategy": strategy}
        with pytest.raises(DataError, match="1 row whose id has occurred before"):
            stabilize(vectors=path, out=tmp_path / "no", options=Options(**options))
        run = stabilize(
            vectors=path, out=tmp_path / "run", options=Options(on_invalid="drop", **options)
        )
        assert (run.figures["vectors"]["rows"], run.figures["vectors"]["left_out"]) == (47, 3)
        ids, written = read_vectors(tmp_path / "run/vectors.parquet")
        np.testing.assert_array_equal(written, raw[ids])


def test_what_cannot_be_meant(tmp_path: Path, docs: Callable[..., Path], model: Any) -> None:
    both = model()
    pair = both / "users.parquet", both / "items.parquet"
    out = tmp_path / "out"
    for tables in ({"users": pair[0]}, {"vectors": docs(0), "items": pair[1]}, {}):
        with pytest.raises(UsageError, match="Name two tables, users and items, or one"):
            stabilize(**tables, out=out)
    for options, word in (
        (Options(anchor="users"), "anchor chooses between"),
        (Options(partition_by="day", grams=str(tmp_path / "g.parquet")), "partition_by keeps"),
        (Options(refine="always"), "refine is about"),
    ):
        with pytest.raises(UsageError, match=word):
            stabilize(vectors=docs(0), out=out, options=options)
    with pytest.raises(UsageError, match="anchor is vectors"):
        stabilize(*pair, out=out, options=Options(anchor="vectors"))
    usual = stabilize(*pair, out=tmp_path / "usual")
    alone = stabilize(vectors=docs(0), out=tmp_path / "alone")
    with pytest.raises(UsageError, match="has users and items, this one vectors"):
        stabilize(vectors=docs(0), reference=usual, out=out)
    with pytest.raises(UsageError, match="has vectors, this one users and items"):
        stabilize(*pair, reference=alone, out=out)
    with pytest.raises(UsageError, match="cannot be compared"):
        compare(usual, alone)
    with pytest.raises(DataError, match="no map for users; it has one for vectors"):
        alone.transform["users"]
    assert not out.exists()
    message = invoke("run", "--vectors", docs(0), "--users-id", "id", "--out", out, code=2).stderr
    assert "--users-id cannot be given with --vectors" in message
    message = invoke("run", "--vectors-out", "x", "--out", out, code=2).stderr
    assert "--users" in message
    strange = tmp_path / "strange.parquet"
    pq.write_table(pq.read_table(docs(0)).rename_columns(["key", "embedding"]), strange)
    message = invoke("run", "--vectors", strange, "--out", out, code=2).stderr
    assert "None is called id or vector_id; name one of key, embedding with --id." in message
    file = tmp_path / "project.toml"
    file.write_text(f"[vectors]\ntable = '{strange}'\n[run]\nout = 'out'\n")
    assert "with [vectors] id." in invoke("run", "-c", file, code=2).stderr
    file.write_text("[vectors]\ntable = 'a'\n[users]\ntable = 'b'\n[run]\nout = 'out'\n")
    message = invoke("run", "-c", file, code=2).stderr
    assert "line 3: [users]: this contradicts [vectors]: vectors without" in message


def test_gates(tmp_path: Path, docs: Callable[..., Path]) -> None:
    stabilize(vectors=docs(0), out=tmp_path / "one")
    options: dict[str, Any] = {"min_mean_cosine": 0.9999}
    with pytest.raises(GateError, match=r"mean cosine of the vectors: 0\.99"):
        stabilize(
            vectors=docs(1),
            reference=tmp_path / "one",
            out=tmp_path / "two",
            options=Options(**options),
        )
    assert not (tmp_path / "two").exists()


def test_the_command_line(tmp_path: Path, docs: Callable[..., Path]) -> None:
    """A run, another one, and whatever can be asked about them."""
    registry = tmp_path / "runs.jsonl"
    recorded = ("--registry", registry, "--reference", "previous")
    shown = invoke("run", "--vectors", docs(0), "--out", tmp_path / "day0", *recorded).stdout
    assert "dot products  kept, exactly" in shown
    assert re.search("150 x 6.*new, 6 axes of the vectors", shown, re.DOTALL)
    planned = invoke(
        "plan", "--vectors", docs(1), "--reference", tmp_path / "day0", "--dimension", 6, "--json"
    ).stdout
    assert json.loads(planned)["scans"]["vectors"] > 0
    file = tmp_path / "project.toml"
    file.write_text(
        "[vectors]\ntable = 'docs{day}.parquet'\n[run]\nout = 'day{day}'\n"
        "registry = 'runs.jsonl'\nreference = 'previous'\n"
    )
    docs(1)
    shown = invoke("run", "-c", file, "--var", "day=1").stdout
    assert "aligned on vectors" in shown
    assert "dot products  kept" in shown
    assert not re.search("users|items|scores", shown)
    _, raw = read_vectors(docs(1))
    _, stable = read_vectors(tmp_path / "day1/vectors.parquet")
    np.testing.assert_allclose(stable, aligned(raw, read_vectors(docs(0))[1]), atol=1e-6)

    out = tmp_path / "applied.parquet"
    transform = ("--transform", tmp_path / "day1")
    invoke("apply", *transform, "--vectors", docs(1), "--vectors-out", out)
    np.testing.assert_array_equal(read_vectors(out)[1], stable)
    assert (
        "no map for users"
        in invoke("apply", *transform, "--users", docs(1), "--users-out", out, code=4).stderr
    )

    found = json.loads(invoke("compare", docs(1), tmp_path / "day0", "--json", "-q").stdout)
    assert found["verdict"] == "alignable"
    assert found["models"]["model"] == {"rank": 6, "vectors": str(docs(1))}
    assert "vectors" in invoke("compare", docs(1), docs(0), "--id", "id", "-q").stdout

    where = ("--registry", registry)
    listed = json.loads(invoke("runs", "list", *where, "--json").stdout)
    assert [entry["rows"] for entry in listed] == [{"vectors": 150}] * 2
    ids = [entry["run_id"] for entry in listed]
    for words, arguments in (
        (["vectors", "current", "kept"], ["list"]),
        (["vectors now", "day1"], ["show"]),
        (["vectors, table", "both are in the space"], ["diff", *ids]),
        (["vectors", "1.000"], ["skew"]),
        ([ids[1], str(tmp_path / "day1/vectors.parquet")], ["current"]),
        ([f"Run {ids[0]} is in place again"], ["rollback"]),
    ):
        text = invoke("runs", *arguments, *where).stdout
        assert all(word in text for word in words), text


def test_the_report(tmp_path: Path, docs: Callable[..., Path]) -> None:
    for day in range(3):
        stabilize(
            vectors=docs(day),
            reference=tmp_path / "run0" if day else None,
            out=tmp_path / f"run{day}",
        )
    alone = report(tmp_path / "run0")
    assert "the vectors as they are" in alone.text("html")
    made = report(tmp_path / "run2", earlier=[tmp_path / "run0", tmp_path / "run1"])
    titles = [finding["title"] for finding in made.figures["verdict"]["findings"]]
    assert titles == [
        *("Same vectors", "Held-out ids", "Index", "Dot products", "Known vectors", "Warnings")
    ]
    assert made.figures["verdict"]["headline"] == (
        "It worked: the same vectors stay where they were."
    )
    page, text = made.text("html"), made.text("md")
    for each in (page, text):
        assert "a vector finds" in each
        shown = each.split("The SQL of this report")[0]
        assert not re.search(r"\b(users?|items|scores?)\b(?![-:])", shown)
    assert "Cosine of the same vector" in page
    assert "Spectrum" not in page
    moved = made.figures["sides"]["vectors"]["moved"][0]
    stable, first = (read_vectors(tmp_path / f"run{day}/vectors.parquet")[1] for day in (2, 0))
    cosines = np.sum(stable * first, axis=1)
    cosines /= np.linalg.norm(stable, axis=1) * np.linalg.norm(first, axis=1)
    assert int(moved["moved_id"]) == np.argmin(cosines)
    assert moved["after"] == pytest.approx(cosines.min(), abs=1e-6)
    ranked = stabilize(vectors=docs(0), out=tmp_path / "ranked", options=Options(rank=2))
    assert "Singular values of the dot products" in report(ranked).text("html")


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
def test_a_further_table_takes_the_map_of_its_side(tmp_path: Path, strategy: Any) -> None:
    """Queries are scored with items, as users are; those scores are kept too."""
    with_queries(tmp_path / "raw0", 0)
    users, items, queries = with_queries(tmp_path / "raw1", 1, tmp_path / "raw0")
    options = Options(strategy=strategy)
    plain = stabilize(
        tmp_path / "raw0/users.parquet",
        tmp_path / "raw0/items.parquet",
        out=tmp_path / "plain",
        options=options,
    )
    first = stabilize(**tables(tmp_path / "raw0"), out=tmp_path / "run0", options=options)
    # It rides along, and changes nothing.
    np.testing.assert_array_equal(first.transform.items.matrix, plain.transform.items.matrix)
    assert first.figures["singular_values"] == plain.figures["singular_values"]
    out = tmp_path / "run1"
    for _ in range(2):  # the second one replaces the first one's directory
        run = stabilize(
            **tables(tmp_path / "raw1"), reference=tmp_path / "run0", out=out, options=options
        )
    assert {path.name for path in out.iterdir()} == {
        *("users.parquet", "items.parquet", "queries.parquet", "run.json", "transform.json")
    }
    written = {name: read_vectors(out / f"{name}.parquet")[1] for name in run.tables}
    np.testing.assert_allclose(written["queries"] @ written["items"].T, queries @ items.T)
    np.testing.assert_allclose(written["users"] @ written["items"].T, users @ items.T)
    loaded = Transform.load(out)
    assert (loaded.also, tuple(loaded.maps)) == ({"queries": "users"}, ("users", "items"))
    np.testing.assert_allclose(loaded["queries"].apply(queries), written["queries"], atol=1e-13)
    figures = Run.load(out).figures
    assert figures["also"] == {
        "queries": {
            "like": "users",
            "scores": 0,
            "summed": 0,
            "rows": 70,
            "dimension": 5,
            "left_out": 0,
            "problems": {},
        }
    }
    assert figures["scores"]["also"]["queries"] < 1e-13
    earlier = read_vectors(tmp_path / "run0/queries.parquet")[1]
    cosines = np.sum(earlier * written["queries"], axis=1)
    cosines /= np.linalg.norm(earlier, axis=1) * np.linalg.norm(written["queries"], axis=1)
    assert figures["cosine"]["queries"]["after"]["mean"] == pytest.approx(cosines.mean())
    assert figures["alignment"]["shared_queries"] == 70
    # With a reference that has no such table, there is nothing to compare it with.
    alone = stabilize(
        **tables(tmp_path / "raw1"), reference=plain, out=tmp_path / "run2", options=options
    )
    assert "queries" not in alone.figures["cosine"]
    assert "The reference has no table of queries" in report(alone, plain).text("md")
    assert (tmp_path / "run2/queries.parquet").exists()
    page = report(out, tmp_path / "run0").text("html")
    assert "Same queries" in page
    assert page.split("The SQL of this report")[0].count("queries.parquet") == 2
    made = report(out, tmp_path / "run0", [plain])
    of_queries = made.figures["sides"]["queries"]
    assert of_queries["after"]["mean"] == pytest.approx(cosines.mean())
    assert (of_queries["shared"], of_queries["new"], of_queries["gone"]) == (70, 0, 0)
    # One of the three runs has no such table.
    assert list(made.figures["cosines"]) == ["users", "items"]
    shown = made.text("md")
    assert re.search(r"\| users \|.*\n\| items \|.*\n\| queries \|.* \| 70 \| 0 \| 0 \|\n", shown)
    assert "Cosine of the same query" in made.text("html")


@pytest.mark.parametrize("refine", ["auto", "always"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_further_table_that_counts_in_the_scores(
    tmp_path: Path, rng: np.random.Generator, strategy: Any, refine: Any
) -> None:
    """The axes are those of the scores of users and queries, one on top of the other."""
    users, items, queries = with_queries(tmp_path / "raw0", 0)
    queries *= np.geomspace(10, 0.1, 5)
    write_vectors(tmp_path / "raw0/queries.parquet", queries)
    options = Options(strategy=strategy, refine=refine)
    named = tables(tmp_path / "raw0")
    further = replace(named["also"]["queries"], scores=0.25)
    named["also"] = {"queries": further}
    run = stabilize(**named, out=tmp_path / "run0", options=options)
    both = np.concatenate([users, 0.5 * queries])
    values = np.linalg.svd(both @ items.T, compute_uv=False)[:5]
    np.testing.assert_allclose(run.figures["singular_values"], values)
    written = {
        name: read_vectors(tmp_path / f"run0/{name}.parquet")[1]
        for name in ("users", "items", "queries")
    }
    gram = {name: vectors.T @ vectors for name, vectors in written.items()}
    np.testing.assert_allclose(gram["items"], np.diag(values), atol=1e-9 * values[0])
    np.testing.assert_allclose(
        gram["users"] + 0.25 * gram["queries"], np.diag(values), atol=1e-9 * values[0]
    )
    for name, raw in (("users", users), ("queries", queries)):
        np.testing.assert_allclose(written[name] @ written["items"].T, raw @ items.T, atol=1e-10)
    figures = Run.load(tmp_path / "run0").figures
    assert figures["also"]["queries"]["scores"] == 0.25
    assert figures["also"]["queries"]["summed"] == 70
    assert figures["users"]["summed"] == 120
    assert figures["users"]["passes"] == (2 if refine == "always" else 1)
    assert figures["scores"]["also"]["queries"] < 1e-12
    # A sample of the rows of each: other axes, and all scores as they were.
    sampled = stabilize(
        **named,
        reference=run,
        out=tmp_path / "run1",
        options=replace(options, sample="50%"),
    )
    assert 0 < sampled.figures["also"]["queries"]["summed"] < 60
    assert sampled.figures["scores"]["also"]["queries"] < 1e-12
    # One with no row of the smallest table: that is summed as a whole, in both passes.
    few = stabilize(
        **named,
        out=tmp_path / "few",
        options=replace(options, sample=1e-6),
    )
    assert few.figures["also"]["queries"]["summed"] == 70
    np.testing.assert_allclose(few.figures["singular_values"], values)
    assert "queries: a sample of 0 rows does not fill the 5" in " ".join(few.figures["warnings"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_directions_that_a_further_table_has_alone(
    tmp_path: Path, rng: np.random.Generator, strategy: Any
) -> None:
    """Where users have nothing, what queries have there is lost, unless they count."""
    users, items, queries = with_queries(tmp_path / "raw0", 0)
    users[:, 3:] = 0
    write_vectors(tmp_path / "raw0/users.parquet", users)
    named = tables(tmp_path / "raw0")
    options = Options(strategy=strategy)
    lost = stabilize(**named, out=tmp_path / "lost", options=options)
    assert lost.figures["scores"]["max_relative_error"] < 1e-12
    assert lost.figures["scores"]["also"]["queries"] > 0.1
    assert "directions in which the users have nothing" in " ".join(lost.figures["warnings"])
    assert "with scores of its FurtherTable." in " ".join(lost.figures["warnings"])
    page = report(tmp_path / "lost")
    titles = [finding["title"] for finding in page.figures["verdict"]["findings"]]
    assert "Scores of queries" in titles
    assert re.search("counts in the scores</th><td>1</td><td>1</td><td>0</td>", page.text("html"))
    further = replace(named["also"]["queries"], scores=1)
    kept = stabilize(
        **{**named, "also": {"queries": further}}, out=tmp_path / "run", options=options
    )
    assert kept.figures["rank"] == 5
    assert kept.figures["scores"]["also"]["queries"] < 1e-12
    assert kept.figures["warnings"] == []
    written = {name: read_vectors(tmp_path / f"run/{name}.parquet")[1] for name in kept.tables}
    np.testing.assert_allclose(written["queries"] @ written["items"].T, queries @ items.T)


def test_further_tables_on_the_command_line(tmp_path: Path) -> None:
    for day in range(2):
        with_queries(tmp_path / f"raw{day}", day, tmp_path / "raw0" if day else None)
    (tmp_path / "project.toml").write_text(
        "[users]\ntable = 'raw{day}/users.parquet'\n[items]\ntable = 'raw{day}/items.parquet'\n"
        "[also.queries]\ntable = 'raw{day}/queries.parquet'\nlike = 'users'\n"
        "[run]\nout = 'run{day}'\nregistry = 'runs.jsonl'\nreference = 'previous'\n"
    )
    invoke("run", "-c", tmp_path / "project.toml", "--var", "day=0")
    raw = tmp_path / "raw1"
    sides = ("--users", raw / "users.parquet", "--items", raw / "items.parquet")
    also = f"queries={raw / 'queries.parquet'}:users"
    where = ("--registry", tmp_path / "runs.jsonl")
    shown = invoke(
        "run",
        *sides,
        *("--also", also, "--out", tmp_path / "run1", *where, "--reference", "previous"),
    ).stdout
    assert re.search("queries +70 x 5, 70 shared with the reference", shown)
    listed = json.loads(invoke("runs", "list", *where, "--json").stdout)
    assert listed[1]["rows"] == {"users": 120, "items": 80, "queries": 70}
    assert set(listed[1]["places"]) == {"users", "items", "queries"}
    assert "queries" in invoke("runs", "skew", *where).stdout
    planned = invoke("plan", *sides, "--also", also, "--dimension", 5, "--json").stdout
    counted = ("--also-scores", "queries", "--dimension", 5, "--json")
    scans = [
        json.loads(text)["scans"]["queries"]
        for text in (planned, invoke("plan", *sides, "--also", also, *counted).stdout)
    ]
    assert scans[1] == scans[0] - 1  # the vectors are looked at where they are summed
    shown = invoke(
        "run", *sides, "--also", also, "--also-scores", "queries=2", "--out", tmp_path / "run2"
    ).stdout
    assert re.search(r"scores +kept, to .* of the largest\s+of queries +kept, to", shown)
    assert Run.load(tmp_path / "run2").figures["also"]["queries"]["scores"] == 2
    for scores in (np.float32(0.5), np.float64(0.5), np.int64(2), Fraction(1, 2), 3):
        assert FurtherTable("q", "users", scores=scores) == FurtherTable(
            "q", "users", scores=float(scores)
        )
    for wrong in (True, np.True_, "0.5", None, np.nan, -1, np.float64(np.inf), 10**400, [1]):
        further = FurtherTable(raw / "queries.parquet", like="users", scores=wrong)
        with pytest.raises(UsageError, match=r"its scores count .*; that must be a finite number"):
            stabilize(raw / "users.parquet", raw / "items.parquet", also={"queries": further})
    alone = FurtherTable(raw / "queries.parquet", like="vectors", scores=1)
    with pytest.raises(UsageError, match="vectors without a second side have no scores"):
        stabilize(vectors=raw / "users.parquet", also={"queries": alone})

    out = ("--out", tmp_path / "no")
    for given_also, word in (
        (["--also", "queries"], "write NAME=TABLE:SIDE"),
        (["--also", "queries=q.parquet"], "write NAME=TABLE:SIDE"),
        (["--also", also, "--also", also], "is there already"),
        (["--also", also.replace(":users", ":vectors")], "this run has users and items"),
        (["--also", also.replace("queries=", "items=")], "a word of its own"),
        (["--also-out", "queries=x"], "no --also has this name"),
        (["--also-scores", "queries"], "no --also has this name"),
        (["--also", also, "--also-scores", "queries=much"], "write NAME, or NAME=WEIGHT"),
        (["--also", also, "--also-scores", "queries=-1"], "must be a finite number, from 0 on"),
        (
            ["--also", also, "--also-scores", "queries=inf"],
            "must be a finite number, from 0 on",
        ),
    ):
        assert word in invoke("run", *sides, *given_also, *out, code=2).stderr
    broken = tmp_path / "broken.parquet"
    write_vectors(broken, np.ones((3, 4)))
    message = invoke("run", *sides, "--also", f"queries={broken}:users", *out, code=4).stderr
    assert "vectors of 4 components (embedding), but users table" in message
    write_vectors(broken, np.full((3, 5), np.nan))
    message = invoke("run", *sides, "--also", f"queries={broken}:users", *out, code=4).stderr
    assert "3 vectors with a NaN or infinite component" in message
    file = tmp_path / "project.toml"
    for text, word in (
        ("[also.queries]\ntable = 'q'", "[also.queries] like: this key is required"),
        ("[also.queries]\ntable = 'q'\nlike = 'x'", "[also.queries]: "),
        (
            "[also.queries]\ntable = 'q'\nlike = 'users'\nscores = -1",
            "its scores count -1; that must be a finite number",
        ),
        ("[also]\nqueries = 'q'", "[also.queries]: a further table has a section of its own"),
        ("[also.queries]\ntabel = 'q'\nlike = 'users'", "did you mean table?"),
    ):
        beginning = "[users]\ntable = 'u'\n[items]\ntable = 'i'\n[run]\nout = 'o'\n"
        file.write_text(beginning + text)
        assert word in invoke("run", "-c", file, code=2).stderr


# On the engines.


def fetch(engine: Engine, name: str) -> np.ndarray:
    """The vectors of a table (id, v), by id."""
    rows = engine.query(f"SELECT id, v FROM {quoting.relation(name, engine.dialect)}")
    return np.array([list(row["v"]) for row in sorted(rows, key=lambda row: row["id"])])


TABLES = ("s_docs", "s_users", "s_items", "s_queries", "s_su", "s_si", "s_sq", "s_sd", "s_t", "s_r")


@pytest.fixture(params=RUNNABLE)
def target(request: pytest.FixtureRequest, running: Running) -> Iterator[Any]:
    """A connection, session or URL, and an engine on it."""
    name = request.param
    with connect(running[name], writes_tables=True) as engine:
        yield running[name], engine
        for table in TABLES:
            engine.execute([ddl.drop_table(table, engine.dialect)])


def test_tables(target: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    """Two runs in one table, the way back, and the transform."""
    url, engine = target
    first = rng.standard_normal((60, 4))
    raw = retrained(first, 1)
    options: dict[str, Any] = {
        "reference": "previous",
        "engine": url,
        "vectors_out": "s_sd",
        "transform_table": "s_t",
        "registry": "s_r",
    }
    store_vectors(engine, "s_docs", dict(enumerate(first)))
    stabilize(vectors="s_docs", options=Options(keep_runs=1), **options)
    np.testing.assert_allclose(fetch(engine, "s_sd"), first, atol=1e-15)
    store_vectors(engine, "s_docs", dict(enumerate(raw)))
    run = stabilize(vectors="s_docs", options=Options(keep_runs=1), **options)
    np.testing.assert_allclose(fetch(engine, "s_sd"), aligned(raw, first), atol=1e-12)
    assert run.figures["dot_products"]["max_relative_error"] < 1e-12
    assert run.figures["cosine"]["vectors"]["after"]["mean"] > 0.98
    maps = engine.query(
        f"SELECT side, i, j, value FROM s_t WHERE run_id = '{run.run_id}' ORDER BY i, j"
    )
    assert {row["side"] for row in maps} == {"vectors"}
    matrix = np.array([float(row["value"]) for row in maps]).reshape(4, 4)
    np.testing.assert_allclose(raw @ matrix, fetch(engine, "s_sd"), atol=1e-12)
    assert compare(EmbeddingTable("s_docs"), "s_sd", url).figures["vectors"]["shared"] == 60
    if engine.dialect.name != "spark":  # where it takes a minute and says nothing new
        assert report(run, engine=url).figures["verdict"]["level"] == "good"

    # Centred and made unit vectors, far from zero as they are.
    way = Options(center=True, normalize=True)
    moved = [first + 100, raw - 50]
    stable = None
    for day, vectors in enumerate(moved):
        store_vectors(engine, "s_docs", dict(enumerate(vectors)))
        stable = stabilize(
            vectors="s_docs",
            reference=stable,
            engine=url,
            vectors_out=("s_su", "s_si")[day],
            options=way,
        )
    want = [prepared(vectors, center=True, normalize=True) for vectors in moved]
    np.testing.assert_allclose(fetch(engine, "s_su"), want[0], atol=1e-12)
    np.testing.assert_allclose(fetch(engine, "s_si"), aligned(want[1], want[0]), atol=1e-11)
    assert stable is not None
    assert stable.figures["cosine"]["vectors"]["after"]["mean"] > 0.98
    found = compare(EmbeddingTable("s_docs"), stable, url).figures["vectors"]
    assert found["relative_residual"] < 1e-6
    store_vectors(engine, "s_docs", dict(enumerate(raw)))

    registry = Registry("s_r", engine)
    registry.rollback()
    np.testing.assert_allclose(fetch(engine, "s_sd"), first, atol=1e-15)
    transform = registry.transform(run.run_id)
    apply_transform(transform, {"vectors": "s_docs"}, {"vectors": "s_sd"}, url)
    np.testing.assert_allclose(fetch(engine, "s_sd"), aligned(raw, first), atol=1e-12)
    registry.prune(0)


def test_further_tables_in_tables(target: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    """They are put in place with the sides, and go back with them."""
    url, engine = target
    names = {"users": "s_users", "items": "s_items", "queries": "s_queries"}
    stable = {"users": "s_su", "items": "s_si", "queries": "s_sq"}
    raw = {name: rng.standard_normal((40, 3)) for name in names}
    written = []
    for day in range(2):
        for name, table in names.items():
            store_vectors(engine, table, dict(enumerate(raw[name])))
        run = stabilize(
            names["users"],
            names["items"],
            "previous",
            engine=url,
            also={
                "queries": FurtherTable(
                    names["queries"], like="users", out=stable["queries"], scores=0.5
                )
            },
            users_out=stable["users"],
            items_out=stable["items"],
            registry="s_r",
            options=Options(keep_runs=1),
        )
        written.append({name: fetch(engine, table) for name, table in stable.items()})
        scores = written[day]["queries"] @ written[day]["items"].T
        np.testing.assert_allclose(scores, raw["queries"] @ raw["items"].T, atol=1e-12)
        counted = np.concatenate([raw["users"], np.sqrt(0.5) * raw["queries"]]) @ raw["items"].T
        values = np.linalg.svd(counted, compute_uv=False)[:3]
        np.testing.assert_allclose(run.figures["singular_values"], values)
        assert run.figures["scores"]["also"]["queries"] < 1e-12
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        raw = {name: (vectors + 0.01) @ turn for name, vectors in raw.items()}
    assert run.figures["cosine"]["queries"]["after"]["mean"] > 0.99
    registry = Registry("s_r", engine)
    registry.rollback()
    for name, table in stable.items():
        np.testing.assert_array_equal(fetch(engine, table), written[0][name])
    weighted = FurtherTable(EmbeddingTable(names["queries"], weight="id"), like="users")
    with pytest.raises(UsageError, match="also queries: nothing is aligned on it"):
        stabilize(names["users"], names["items"], engine=url, also={"queries": weighted})
    with pytest.raises(UsageError, match="and the out of also queries"):
        stabilize(
            names["users"],
            names["items"],
            engine=url,
            also={"queries": FurtherTable(names["queries"], like="users")},
            users_out=stable["users"],
            items_out=stable["items"],
        )
    registry.prune(0)


PAGE = (Path(__file__).parent.parent / "docs" / "sides.md").read_text()


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/sides.md says to do works as it stands there, and prints what stands there."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(sh|python|text)\n(.*?)```", PAGE, re.DOTALL)
    assert [kind for kind, _ in blocks] == [
        *("python", "sh", "text", "sh", "python"),  # vectors without a second side
        *("sh", "python", "sh"),  # more tables
    ]
    for name in ("users", "items"):
        shutil.copy(movietweetings("time_als_e32", 0) / f"{name}.parquet", f"{name}.parquet")
    shutil.copy("users.parquet", "queries.parquet")
    printed = ""
    for kind, text in blocks:
        if kind == "python":
            exec(compile(text, "sides.md", "exec"), {})  # by itself, as a reader may take it
        elif kind == "sh":
            printed += shell(text, tmp_path)
    assert "alignable: Vectors that took no part in the fit" in printed
    figures = Run.load("tuesday").figures["cosine"]["vectors"]
    shown = re.search(r"vectors +(\S+) before -> (\S+) after", PAGE)
    assert shown is not None
    found = figures["before"]["mean"], figures["after"]["mean"]
    assert found == pytest.approx([float(number) for number in shown.groups()], abs=5e-3)
    assert "It worked: the same vectors stay where they were." in printed


def test_a_further_table_may_have_the_name_of_an_option(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    paths = [write_vectors(tmp_path / f"{n}.parquet", rng.standard_normal((9, 3))) for n in "uiq"]
    sides = ("--users", paths[0], "--items", paths[1], "--out", tmp_path / "out")
    for name in ("anchor", "filter", "id"):
        also = ("--also", f"{name}={paths[2]}:users", "--anchor-filter", "id > 3")
        invoke("run", *sides, *also)
        assert len(read_vectors(tmp_path / "out" / f"{name}.parquet")[0]) == 9


def test_a_further_table_that_is_left_out_is_missed(
    tmp_path: Path, rng: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [write_vectors(tmp_path / f"{n}.parquet", rng.standard_normal((9, 3))) for n in "uiq"]
    also = {"queries": FurtherTable(paths[2], "users")}
    first = stabilize(*paths[:2], out=tmp_path / "1", also=also)
    caplog.clear()
    stabilize(*paths[:2], first, tmp_path / "2", also=also)
    assert "further table" not in caplog.text
    stabilize(*paths[:2], first, tmp_path / "3")
    missed = f"queries: run {first.run_id}, the reference, has this further table"
    assert missed in caplog.text
    sides = ("--users", paths[0], "--items", paths[1], "--dimension", 3)
    planned = invoke("plan", *sides, "--reference", tmp_path / "1", "--json").stdout
    assert missed in " ".join(json.loads(planned)["notes"])


def test_unit_vectors_are_not_centred_afterwards(tmp_path: Path, rng: np.random.Generator) -> None:
    table = write_vectors(tmp_path / "docs.parquet", rng.standard_normal((40, 3)))
    ways = {"unit": Options(normalize=True), "centred": Options(center=True)}
    for name, way in ways.items():
        stabilize(vectors=table, out=tmp_path / name, options=way)
    with pytest.raises(UsageError, match="Unit vectors cannot be centred afterwards"):
        compare(tmp_path / "unit", tmp_path / "centred")


def test_vectors_whose_squares_overflow(tmp_path: Path, rng: np.random.Generator) -> None:
    table = write_vectors(tmp_path / "docs.parquet", 1e160 * rng.standard_normal((40, 3)))
    with pytest.raises(DataError, match="the sums of squares overflow"):
        stabilize(vectors=table, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
