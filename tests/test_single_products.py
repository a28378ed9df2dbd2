"""Products of pgvector's own: sums of 4-byte numbers, where they keep scores as well as doubles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlstab import EmbeddingTable, Options, Space
from sqlstab.engines.postgres import POSTGRES
from sqlstab.engines.sqlalchemy import SqlAlchemyEngine
from sqlstab.session import connect
from sqlstab.statements.types import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engines import Running
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating[Any]]

# Parts of 32 components and one of 8.
E = 72
ROWS = 200


@pytest.fixture
def server(running: Running) -> Iterator[Any]:
    at = running["postgres"]
    with connect(at) as engine:
        engine.execute("CREATE EXTENSION IF NOT EXISTS vector")
        engine.execute("CREATE SCHEMA single")
        yield at
        engine.execute("DROP SCHEMA single CASCADE")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that write stable vectors."""
    return noted(monkeypatch, "-- The stable vectors of")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that keep rows in a temporary table."""
    return noted(monkeypatch, "CREATE TEMPORARY TABLE")


def noted(monkeypatch: pytest.MonkeyPatch, part: str) -> list[str]:
    """Statements that have this in them, as they are run."""
    found: list[str] = []
    execute = SqlAlchemyEngine.execute

    def noting(self: SqlAlchemyEngine, text: str, step: Any = None) -> Any:
        if part in text:
            found.append(text)
        return execute(self, text, step)

    monkeypatch.setattr(SqlAlchemyEngine, "execute", noting)
    return found


def fill(at: Any, table: str, vectors: Matrix, kind: str) -> str:
    with connect(at) as engine:
        engine.execute(f"CREATE TABLE single.{table} (id bigint, embedding {kind})")
        rows = [
            f"({k}, CAST(CAST(ARRAY[{', '.join(map(repr, row))}] AS real[]) AS {kind}))"
            for k, row in enumerate(vectors.tolist())
        ]
        engine.execute(f"INSERT INTO single.{table} VALUES {', '.join(rows)}")
    return f"single.{table}"


def vectors_of(at: Any, relation: str, run: str) -> Matrix:
    with connect(at) as engine:
        rows = engine.query(
            f"SELECT CAST(embedding AS real[]) AS x FROM {relation} WHERE run = '{run}' ORDER BY id"
        )
    # Texts of 4-byte numbers are as short as tells them apart.
    return np.array([row["x"] for row in rows], dtype=np.float32)


def orthogonal(seed: int, size: int = E) -> Matrix:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


def two_tables(cancellation: float) -> tuple[Matrix, Matrix]:
    """Users and items whose stable components are sums of so much larger products.

    Half of the directions of the users are a times as long as those that balance, and a times
    shorter among the items; the other half the other way round. With raw axes that mix all of them,
    mean squares of products are (a^2 + 1 / a^2) / 2 times those of stable components, seen from
    either side of the map: it has the one, the vectors the other.
    """
    square = cancellation + np.sqrt(cancellation**2 - 1)
    sizes = np.sqrt(np.where(np.arange(E) % 2, square, 1 / square))
    axes, rng = orthogonal(1), np.random.default_rng(2)
    users, items = (np.linalg.qr(rng.standard_normal((ROWS, E)))[0] * 10 for _ in range(2))
    found = users * sizes @ axes, items / sizes @ axes
    return found[0].astype(np.float32), found[1].astype(np.float32)


def error_of(scores: Matrix, wanted: Matrix) -> float:
    return float(np.sqrt(np.mean((scores - wanted) ** 2)))


@pytest.mark.parametrize(("cancellation", "single"), [(1.3, True), (1.45, False)])
def test_scores_are_kept_below_the_bound_and_above(
    cancellation: float, single: bool, server: Any, written: list[str]
) -> None:
    raw = two_tables(cancellation)
    names = [
        fill(server, side, vectors, f"vector({E})")
        for side, vectors in zip(("users", "items"), raw, strict=True)
    ]
    run = Space("single.s", server).run(*names, key="a")
    assert ["inner_product(" in text for text in written] == [single] * 2
    doubles = [vectors.astype(float) for vectors in raw]
    wanted = doubles[0] @ doubles[1].T
    exact = [
        vectors @ run.maps[side].matrix
        for side, vectors in zip(("users", "items"), doubles, strict=True)
    ]
    # Mean squares of products over those of components, from the rows.
    products = [
        vectors**2 @ run.maps[side].matrix ** 2
        for side, vectors in zip(("users", "items"), doubles, strict=True)
    ]
    found = [p.sum() / (e**2).sum() for p, e in zip(products, exact, strict=True)]
    np.testing.assert_allclose(np.sqrt(found), cancellation, rtol=0.03)
    rounded = [vectors.astype(np.float32).astype(float) for vectors in exact]
    stable = [vectors_of(server, f"single.s_{side}", "a").astype(float) for side in run.maps]
    ratio = error_of(stable[0] @ stable[1].T, wanted) / error_of(rounded[0] @ rounded[1].T, wanted)
    assert (3 < ratio < 4) if single else (ratio < 1.01)
    assert run.figures["warnings"] == []


@pytest.mark.parametrize("kind", ["vector", "halfvec", "sparsevec"])
def test_largest_numbers_do_not_overflow(kind: str, server: Any, written: list[str]) -> None:
    """A part of 32 components sums to 4 times a component where the whole is zero."""
    largest = 1e4 if kind == "halfvec" else 1e38
    signs = np.where(np.arange(64) < 32, 1.0, -1.0)
    start = np.column_stack([np.ones(64), np.random.default_rng(3).standard_normal((64, 63))])
    axes = np.linalg.qr(start)[0]
    rng = np.random.default_rng(4)
    raw = rng.standard_normal((ROWS, 64)) * largest / 8
    raw[0] = 0
    raw[1] = largest * signs
    if kind == "halfvec":
        raw = raw.astype(np.float16).astype(float)
    stable = raw.astype(np.float32) @ axes
    assert np.abs(stable).max() < 3.4e38
    assert np.abs(stable[1, 0]) < 1e-6 * largest
    assert np.abs(raw[1, :32] @ axes[:32, 0]) == pytest.approx(4 * largest)
    first, second = (
        fill(server, name, vectors, f"{kind}(64)")
        for name, vectors in (("first", stable), ("second", raw))
    )
    space = Space("single.s", server)
    space.run(vectors=first, key="a")
    assert "inner_product" not in written.pop()
    space.run(vectors=second, key="b")
    assert "inner_product(" in written.pop()
    found, known = (vectors_of(server, "single.s_vectors", key) for key in "ab")
    lengths = np.linalg.norm(stable, axis=1, keepdims=True) + (stable == 0)
    error = np.abs(found / lengths - known / lengths).max()
    assert error < (1e-3 if kind == "halfvec" else 1e-6)
    assert not found[0].any()


@pytest.mark.parametrize("layout", ["array", "wide", "long"])
def test_what_stands_beside_vectors_is_written_with_them(
    layout: Any, server: Any, written: list[str]
) -> None:
    """Ids of two columns, a kept one where the layout has room for it, a filter."""
    raw = np.random.default_rng(5).standard_normal((60, 8)).astype(np.float32)
    turned = raw @ orthogonal(6, 8)
    for name, vectors in (("first", raw), ("second", turned)):
        fill(server, name, vectors, "vector(8)")
        with connect(server) as engine:
            engine.execute(
                f"CREATE VIEW single.{name}_view AS SELECT id / 10 AS a, id % 10 AS b, "
                f"'t' || id AS title, embedding, id FROM single.{name}"
            )
    options = Options(output_layout=layout)
    space = Space("single.s", server)
    for key, name in (("a", "first"), ("b", "second")):
        table = EmbeddingTable(
            f"single.{name}_view",
            id=("a", "b"),
            vector="embedding",
            filter="id < 50",
            keep=("title",) if layout != "long" else (),
        )
        space.run(vectors=table, key=key, options=options)
    assert "inner_product(" in written[-1]
    vector = {
        "array": "min(CAST(embedding AS real[]))",
        "wide": f"ARRAY[{', '.join(f'min(e{k})' for k in range(8))}]",
        "long": "array_agg(value ORDER BY dim)",
    }[layout]
    title = "min(title)" if layout != "long" else "'t' || 10 * a + b"
    with connect(server) as engine:
        rows = engine.query(
            f"SELECT 10 * a + b AS id, {title} AS title, {vector} AS x FROM single.s_vectors "
            "WHERE run = 'b' GROUP BY a, b ORDER BY a, b"
        )
    assert [(row["id"], row["title"]) for row in rows] == [(k, f"t{k}") for k in range(50)]
    np.testing.assert_allclose([row["x"] for row in rows], raw[:50], atol=1e-5)


@pytest.mark.parametrize(("condition", "single"), [(9, True), (11, False)])
def test_cosines_are_those_of_doubles(
    condition: float, single: bool, server: Any, kept: list[str], tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    axes = orthogonal(8, 40)
    # The map of the users is that of the items backwards: both have this condition.
    sizes = np.geomspace(condition**0.5, condition**-0.5, 40)
    raw = [np.linalg.qr(rng.standard_normal((ROWS, 40)))[0] * 10 for _ in range(2)]
    first = [raw[0] * sizes @ axes, raw[1] / sizes @ axes]
    second = [(x + 0.3 * rng.standard_normal(x.shape)) @ orthogonal(9, 40) for x in first]
    spaces = (Space("single.s", server), Space(tmp_path / "s"))
    for key, tables in (("a", first), ("b", second)):
        small = [vectors.astype(np.float32) for vectors in tables]
        names = [
            fill(server, f"{side}_{key}", x, "vector(40)")
            for side, x in zip("ui", small, strict=True)
        ]
        spaces[0].run(*names, key=key)
        kept_of_cosines = [text for text in kept if "inner_product(" in text]
        found = spaces[0][key].figures["cosine"]
        ids = np.arange(ROWS)
        known = spaces[1].run(*((ids, x) for x in small), key=key).figures["cosine"]
    assert len(kept_of_cosines) == (4 if single else 0)
    for side in ("users", "items"):
        for when in ("before", "after"):
            for name, value in known[side][when].items():
                assert found[side][when][name] == pytest.approx(value, abs=2e-6), (side, when, name)


def test_the_product_is_that_of_the_schema_of_the_type() -> None:
    known = reading("v", '"a {b}".vector(64)', POSTGRES)
    assert known is not None
    assert known.product is not None
    part, dot = known.product
    assert part.format(33, 64) == 'CAST(x[33:64] AS "a {b}".vector)'
    assert dot.format("x2", "1, 2") == (
        '"a {b}".inner_product(x2, CAST(\'[1, 2]\' AS "a {b}".vector))'
    )
