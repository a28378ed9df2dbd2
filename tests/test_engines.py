"""Every engine gives what numpy gives, from every layout; and a whole run does what files do."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import paper
import pytest
from conftest import movietweetings, read_vectors
from engines import QUICK, RUNNABLE, TARGETS
from warehouse import VARIANTS, Loaded, Rows, Variant, Warehouse, array

from sqlstab import DataError, Options, Space
from sqlstab.engines import NAMES
from sqlstab.engines import dialect as dialect_of
from sqlstab.errors import EngineError
from sqlstab.flow import check, drive, measure, sums, write
from sqlstab.flow.check import Checked
from sqlstab.flow.job import Job
from sqlstab.flow.reference import Member
from sqlstab.maths.quality import Band
from sqlstab.progress import Log
from sqlstab.space.insert import TablesTarget
from sqlstab.space.target import MemoryTarget
from sqlstab.statements import build, ddl, quoting, relations
from sqlstab.statements.build import MatrixTable
from sqlstab.statements.conditions import condition
from sqlstab.statements.table import (
    SIDES,
    Column,
    EmbeddingTable,
    StableTable,
    VectorTable,
    resolve,
    stable_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from engines import Running

    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import Layout, Side

DIALECTS = {name: dialect_of(name) for name in NAMES}

# fakesnow fetches from DuckDB in a way that DuckDB warns about.
pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

# What cannot be, by engine and layout, or by engine and test: the reason. A layout that cannot be
# is tried by one test, which must fail.
EXCEPTIONS = {
    ("snowflake", "vector"): "fakesnow has no VECTOR",
}


def _except(request: pytest.FixtureRequest, engine: str, *more: str) -> None:
    for key in (request.node.originalname, *more):
        if (engine, key) in EXCEPTIONS:
            reason = EXCEPTIONS[engine, key]
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(params=TARGETS)
def warehouse(request: pytest.FixtureRequest, warehouses: Callable[[str], Warehouse]) -> Warehouse:
    """Each engine."""
    _except(request, request.param)
    return warehouses(request.param)


# The data, once: a run of 40 rows and a reference that has 30 of their ids, among them a zero
# vector on each side; no number of components that a block size would divide.
_RNG = np.random.default_rng(20250922)
_IDS = _RNG.permutation(np.arange(1, 41))
RUN = Rows(
    _IDS.tolist(),
    _RNG.standard_normal((40, 5)) * (_IDS != 15)[:, None],
    {
        "weight": ("double", (np.round(_RNG.random(40), 3) * (_IDS % 7 > 0)).tolist()),
        "n_ratings": ("integer", (_IDS % 40).tolist()),
        "genre": ("text", [("Drama", "it's 50% :a", "Ünï")[i % 3] for i in _IDS]),
    },
)
_REFERENCE_IDS = _RNG.permutation(np.arange(11, 46))
REFERENCE = Rows(
    _REFERENCE_IDS.tolist(),
    _RNG.standard_normal((35, 6)) * (_REFERENCE_IDS != 20)[:, None],
    {},
)
# Where cosines are a matter of chance.
BAND = Band.of(0.0, 5)
MATRIX = _RNG.standard_normal((5, 4))
SQUARE = _RNG.standard_normal((4, 4))


@dataclass(frozen=True)
class Lab:
    """The data in one layout of one engine."""

    warehouse: Warehouse
    name: str

    @property
    def variant(self) -> Variant:
        return VARIANTS[self.warehouse.name][self.name]

    @property
    def dialect(self) -> Any:
        return self.warehouse.dialect

    @property
    def layout(self) -> Layout:
        return self.variant.layout

    def load(self, name: str, rows: Rows, **options: Any) -> Loaded:
        """A table, made once in a session."""
        table = f"{name}_{self.name}".replace(" ", "_")
        loaded: Loaded = self.warehouse.once(
            table, lambda: self.warehouse.load(table, self.variant, rows, **options)
        )
        return loaded

    @property
    def run(self) -> Loaded:
        return self.load("run", RUN)

    @property
    def reference(self) -> Loaded:
        return self.load("reference", REFERENCE, first=0)

    def shared(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids that both have, and the vectors of each."""
        run, reference = self.run.at, self.reference.at
        ids = [i for i in self.run.ids.tolist() if i in reference]
        return (
            np.array(ids),
            np.array([run[i] for i in ids]),
            np.array([reference[i] for i in ids]),
        )

    def output(self, layout: Layout, size: int, element: str = "double") -> StableTable:
        """A stable table of so many components."""
        names = {
            "wide": tuple(f"e{k}" for k in range(size)),
            "array": ("embedding",),
            "long": ("dim", "value"),
        }
        ids = (Column("id", "BIGINT"),)
        return StableTable(layout, ids, names[layout], element, size, first=3)  # type: ignore[arg-type]

    def of(self, name: str, ids: np.ndarray) -> np.ndarray:
        """A further column of the run for these ids."""
        values = dict(zip(RUN.ids, RUN.further[name][1], strict=True))
        return np.array([values[int(i)] for i in ids])


def labs(
    *, layout: str = "", style: str = "", solving: bool = False, impossible: bool = False
) -> list[Any]:
    """Each layout of each engine, or those alone that a test is about."""
    return [
        pytest.param((engine, name), id=f"{engine}-{name.replace(' ', '_')}")
        for engine in TARGETS
        for name, variant in VARIANTS[engine].items()
        if layout in ("", variant.layout)
        and style in ("", DIALECTS[engine].style)
        and (DIALECTS[engine].solving or not solving)
        and (impossible or (engine, name) not in EXCEPTIONS)
    ]


@pytest.fixture(params=labs())
def lab(request: pytest.FixtureRequest, warehouses: Callable[[str], Warehouse]) -> Lab:
    """Each layout of each engine."""
    engine, variant = request.param
    _except(request, engine, variant)
    return Lab(warehouses(engine), variant)


def agree(got: np.ndarray, want: np.ndarray, tolerance: float = 1e-10) -> None:
    assert got.shape == want.shape
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(np.abs(want).max(), 1e-300))


def agree_by_id(
    got: dict[Any, np.ndarray], ids: Any, want: np.ndarray, tolerance: float = 1e-10
) -> None:
    assert len(got) == len(ids)
    agree(np.array([got[i] for i in np.asarray(ids).tolist()]), want, tolerance)


def entries(
    lab: Lab, statements: list[str], shape: tuple[int, int], *, triangular: bool
) -> dict[int | None, tuple[np.ndarray, int]]:
    """The matrices of Gram statements by half, each entry given once, and their numbers of rows."""
    found: dict[int | None, np.ndarray] = {}
    counts: dict[int | None, set[int]] = {}
    for statement in statements:
        for row in lab.warehouse.engine.query(statement):
            half = int(row["half"]) if "half" in row else None
            matrix = found.setdefault(half, np.full(shape, np.nan))
            i, j = int(row["i"]) - 1, int(row["j"]) - 1
            assert row["side"] == "items"
            assert np.isnan(matrix[i, j])
            matrix[i, j] = 0 if row["value"] is None else row["value"]
            counts.setdefault(half, set()).add(int(row["n_rows"]))
    if triangular:
        lower = np.tril_indices(shape[0], -1)
        for matrix in found.values():
            assert np.isnan(matrix[lower]).all()
            matrix[lower] = matrix.T[lower]
    results = {}
    for half, matrix in found.items():
        (count,) = counts[half]
        results[half] = (matrix, count)
    return results


def gram(lab: Lab, table: VectorTable, size: int, **options: Any) -> tuple[np.ndarray, int]:
    """The Gram matrix of all rows."""
    statements = build.gram(table, size, lab.dialect, **options)
    (found,) = entries(lab, statements, (size, size), triangular=True).values()
    return found


def agree_in_halves(
    got: dict[int | None, tuple[np.ndarray, int]],
    ids: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> None:
    """For each half of the ids: the sum of weight * x' y, over as many rows as count."""
    second = np.array([paper.is_second(i) for i in ids.tolist()])
    w = np.ones(len(ids)) if weight is None else weight
    count = np.full(len(ids), True) if rows is None else rows
    assert got.keys() == {0, 1}
    for half, chosen in ((0, ~second & count), (1, second & count)):
        matrix, found = got[half]
        agree(matrix, x[chosen].T @ (w[chosen, None] * y[chosen]))
        assert found == chosen.sum() > 0


def ended(rows: np.ndarray) -> np.ndarray:
    """Rows that end with a 1."""
    return np.hstack([rows, np.ones((len(rows), 1))])


def shared_gram(
    lab: Lab, table: VectorTable, size: int, other: VectorTable, **options: Any
) -> dict[int | None, tuple[np.ndarray, int]]:
    statements = build.gram(table, size, lab.dialect, other=other, **options)
    return entries(lab, statements, (size, size), triangular=True)


def cross_gram(
    lab: Lab, table: VectorTable, size: int, **options: Any
) -> dict[int | None, tuple[np.ndarray, int]]:
    statements = build.cross_gram(table, lab.reference.table, size, 6, lab.dialect, **options)
    return entries(lab, statements, (size + 1, 7), triangular=False)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one; a zero row stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def sampled(ids: Any, share: float) -> np.ndarray:
    """Which ids are in a sample, by the MD5 of their text."""
    below = f"{round(share * 16**8):08x}"
    texts = [str(i).encode() for i in np.asarray(ids).tolist()]
    return np.array([hashlib.md5(text).hexdigest() < below for text in texts])


@pytest.mark.parametrize("lab", labs(impossible=True), indirect=True)
def test_gram(lab: Lab) -> None:
    got, rows = gram(lab, lab.run.table, 5)
    agree(got, lab.run.vectors.T @ lab.run.vectors)
    assert rows == 40


def test_gram_in_parts(lab: Lab) -> None:
    pairs = lab.dialect.gram == "pairs"
    small = replace(lab.dialect, most_sums=7 if pairs else None)
    statements = build.gram(lab.run.table, 5, small)
    assert len(statements) == (6 if pairs else 1)
    ((got, _),) = entries(lab, statements, (5, 5), triangular=True).values()
    agree(got, lab.run.vectors.T @ lab.run.vectors)


def test_gram_of_whitened_rows(lab: Lab) -> None:
    got, rows = gram(lab, lab.run.table, 4, matrix=MATRIX)
    white = lab.run.vectors @ MATRIX
    agree(got, white.T @ white)
    assert rows == 40


def test_fingerprint(lab: Lab) -> None:
    got = lab.warehouse.engine.query(
        build.fingerprint(lab.run.table, lab.dialect, matrix=MATRIX[:, :1])
    )
    numbers: dict[str, list[float]] = {}
    for i, x in zip(lab.run.ids.tolist(), lab.run.vectors @ MATRIX[:, 0], strict=True):
        bucket = hashlib.md5(str(i).encode()).hexdigest()[8:10]
        numbers.setdefault(bucket, []).append(x)
    found = {row["bucket"]: row for row in got}
    assert {bucket: int(row["n_rows"]) for bucket, row in found.items()} == {
        bucket: len(values) for bucket, values in numbers.items()
    }
    for bucket, values in numbers.items():
        agree(np.array(found[bucket]["total"]), np.sum(values))
        agree(np.array(found[bucket]["squares"]), np.sum(np.square(values)))


def test_gram_of_shared_ids(lab: Lab) -> None:
    ids, x, _ = lab.shared()
    got = shared_gram(lab, lab.run.table, 5, lab.reference.table)
    agree_in_halves(got, ids, x, x)


def test_weighted_sums_of_anchors(lab: Lab) -> None:
    table = replace(lab.run.table, weight="weight", anchor_filter="n_ratings >= 20")
    ids, x, y = lab.shared()
    chosen = lab.of("n_ratings", ids) >= 20
    w = lab.of("weight", ids)
    got = shared_gram(lab, table, 5, lab.reference.table)
    agree_in_halves(got, ids, x, x, w, chosen)
    got = shared_gram(lab, lab.reference.table, 6, table)
    agree_in_halves(got, ids, y, y, w, chosen)
    agree_in_halves(cross_gram(lab, table, 5), ids, ended(x), ended(y), w, chosen)


def test_an_id_that_stands_in_the_reference_once_for_each_run(lab: Lab) -> None:
    """With the weight of its run, in one join."""
    ids, x, _ = lab.shared()
    rows = Rows(
        [*ids.tolist(), *ids[:20].tolist()],
        np.concatenate([x @ np.eye(5)[::-1], 2 * x[:20]]),
        {"day": ("integer", [2] * len(ids) + [1] * 20)},
    )
    days = lab.load("reference_days", rows, first=0)
    # A long table has one value for an id; of several runs, one for an id and a run.
    if lab.layout == "long":
        return
    half = lab.dialect.number(0.5)
    table = replace(days.table, weight_expression=f"CASE day WHEN 1 THEN {half} WHEN 2 THEN 1 END")
    of_run = replace(lab.run.table, weight="weight")
    at = [*range(len(ids)), *range(20)]
    w = lab.of("weight", ids)[at] * np.repeat([1.0, 0.5], [len(ids), 20])
    statements = build.cross_gram(of_run, table, 5, 5, lab.dialect)
    got = entries(lab, statements, (6, 6), triangular=False)
    agree_in_halves(got, ids[at], ended(x[at]), ended(days.vectors), w)
    got = shared_gram(lab, of_run, 5, table)
    agree_in_halves(got, ids[at], x[at], x[at], w)
    got = shared_gram(lab, table, 5, of_run)
    agree_in_halves(got, ids[at], days.vectors, days.vectors, w)


def test_cross_gram(lab: Lab) -> None:
    ids, x, y = lab.shared()
    agree_in_halves(cross_gram(lab, lab.run.table, 5), ids, ended(x), ended(y))


def test_cross_gram_in_parts(lab: Lab) -> None:
    ids, x, y = lab.shared()
    pairs = lab.dialect.gram == "pairs"
    small = replace(lab.dialect, most_sums=13 if pairs else None)
    statements = build.cross_gram(lab.run.table, lab.reference.table, 5, 6, small)
    assert len(statements) == (6 if pairs else 1)
    got = entries(lab, statements, (6, 7), triangular=False)
    agree_in_halves(got, ids, ended(x), ended(y))


def test_gram_of_large_means(lab: Lab) -> None:
    """Where all vectors point almost the same way."""
    rng = np.random.default_rng(4)
    vectors = 1e4 + rng.standard_normal((50, 5))
    loaded = lab.load("large_means", Rows([*range(50)], vectors, {}))
    got, _ = gram(lab, loaded.table, 5)
    np.testing.assert_allclose(got, loaded.vectors.T @ loaded.vectors, rtol=1e-12)


def test_sums_of_unit_rows(lab: Lab) -> None:
    """Rows of length one, after a matrix; a zero row adds nothing but its weight."""
    table = replace(lab.run.table, weight="weight")
    ids, x, y = lab.shared()
    w, x, y = lab.of("weight", ids), unit(x @ MATRIX), unit(y)
    got = cross_gram(lab, table, 4, matrix=MATRIX, unit_rows=True)
    agree_in_halves(got, ids, ended(x), ended(y), w)
    got = shared_gram(lab, table, 4, lab.reference.table, matrix=MATRIX, unit_rows=True)
    agree_in_halves(got, ids, x, x, w)
    got = shared_gram(lab, lab.reference.table, 6, table, unit_rows=True)
    agree_in_halves(got, ids, y, y, w)


def test_sums_with_raw_rows_of_the_reference(lab: Lab) -> None:
    """Times their map."""
    ids, x, y = lab.shared()
    back = np.vander(np.linspace(-1, 1, 6))[:, :4]
    statements = build.cross_gram(
        lab.run.table, lab.reference.table, 4, 4, lab.dialect, matrix=MATRIX, reference_matrix=back
    )
    got = entries(lab, statements, (5, 5), triangular=False)
    agree_in_halves(got, ids, ended(x @ MATRIX), ended(y @ back))


def test_filter(lab: Lab) -> None:
    """A percent sign, a colon and a quote in a condition are what they are."""
    genre = quoting.string("it's 50% :a", lab.dialect)
    table = replace(lab.run.table, filter=f"n_ratings >= 10 AND genre = {genre}")
    keys = lab.run.ids
    chosen = (lab.of("n_ratings", keys) >= 10) & (lab.of("genre", keys) == "it's 50% :a")
    x = lab.run.vectors[chosen]
    got, rows = gram(lab, table, 5)
    agree(got, x.T @ x)
    assert rows == len(x) > 0


@pytest.mark.parametrize("lab", labs(solving=True), indirect=True)
def test_what_a_script_begins_with(lab: Lab) -> None:
    """It stops where vectors have another length than was said, with the one that they have."""
    query, table = lab.warehouse.engine.query, lab.run.table
    (row,) = query(build.guard(table, 5, lab.dialect))
    assert int(row["checked"]) == len(lab.run.ids)
    if table.layout != "wide":
        with pytest.raises(EngineError, match="longest vector has 5 components: give that as"):
            query(build.guard(table, 6, lab.dialect))


def test_no_rows(lab: Lab) -> None:
    table = replace(lab.run.table, filter="n_ratings > 1000")
    got, rows = gram(lab, table, 5) if lab.dialect.gram == "pairs" else (np.zeros((5, 5)), 0)
    assert rows == 0
    assert not got.any()
    (row,) = lab.warehouse.engine.query(build.check(table, lab.dialect))
    assert int(row["n_rows"]) == 0


def test_sample(lab: Lab) -> None:
    """The same ids are sampled on every engine."""
    x = lab.run.vectors[sampled(lab.run.ids, 0.4)]
    got, rows = gram(lab, replace(lab.run.table, share=0.4), 5)
    agree(got, x.T @ x)
    assert rows == len(x) < 40


def test_shared_ids(lab: Lab) -> None:
    ids, _, _ = lab.shared()
    anchored = replace(lab.run.table, anchor_filter="n_ratings >= 20", share=0.5)
    small = replace(lab.reference.table, share=0.5)
    statements = {
        30: build.shared_ids(lab.run.table, lab.reference.table, lab.dialect, anchor=False),
        int((sampled(ids, 0.5) & (lab.of("n_ratings", ids) >= 20)).sum()): build.shared_ids(
            anchored, small, lab.dialect, anchor=True
        ),
    }
    for count, statement in statements.items():
        (row,) = lab.warehouse.engine.query(statement)
        assert int(row["shared"]) == count


def test_shared_weights(lab: Lab) -> None:
    """How many are above 0, their sum, and that of their squares."""
    ids, _, _ = lab.shared()
    weights = lab.of("n_ratings", ids).astype(float)
    table = replace(lab.run.table, weight="n_ratings")
    statement = build.shared_ids(table, lab.reference.table, lab.dialect, anchor=True)
    (row,) = lab.warehouse.engine.query(statement)
    got = [float(row[name]) for name in ("shared", "weighted", "weight", "squares")]
    want = [len(ids), (weights > 0).sum(), weights.sum(), (weights**2).sum()]
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("lab", labs(layout="long"), indirect=True)
def test_first_dimension(lab: Lab) -> None:
    for loaded, first in ((lab.run, 1), (lab.reference, 0)):
        (row,) = lab.warehouse.engine.query(build.first_dimension(loaded.table, lab.dialect))
        assert int(row["first_dimension"]) == first


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
def test_what_is_a_vector_in_the_long_layout(warehouse: Warehouse, kind: str) -> None:
    """Each dimension from the first on, once; the value may be NULL."""
    whole = [[1, 2, 3], [3, 1, 2], [2, 1]]
    broken = [
        [1, 2, 4],
        [2, 3, 4],
        [0, 1, 2],
        [1, 1, 2],
        [1, 2, None],
        # What tells these is nothing but the number of different dimensions.
        [1, 3, 3],
        [1, 3, None],
        [1, 1, 3],
        [None],
    ]
    rows = [
        (key, dimension, 1.0 if position else None)
        for key, dimensions in enumerate(whole + broken)
        for position, dimension in enumerate(dimensions)
    ]
    nullable = TARGETS[warehouse.name].nullable
    dimension_type = nullable.format(getattr(warehouse.dialect, kind, kind))
    value_type = nullable.format(warehouse.dialect.double)
    columns = {"id": warehouse.dialect.bigint, "dim": dimension_type, "value": value_type}
    warehouse.create("long_rows", columns, rows)
    vector = ("dim", "value")
    table = VectorTable(
        "users", "long_rows", (Column("id", ""),), "long", vector, "double", first=1
    )
    found = {
        key: [row["n"] for row in warehouse.engine.query(build.lengths(part, warehouse.dialect))]
        for key in range(len(whole + broken))
        for part in [replace(table, filter=f"id = {key}")]
    }
    assert found == {
        key: [len(dimensions) if key < len(whole) else None]
        for key, dimensions in enumerate(whole + broken)
    }


@pytest.mark.parametrize(("element", "tolerance"), [("double", 1e-10), ("float", 1e-6)])
def test_apply(lab: Lab, element: str, tolerance: float) -> None:
    got = lab.warehouse.vectors(
        build.apply(lab.run.table, [MATRIX], lab.output(lab.layout, 4, element), lab.dialect),
        lab.layout,
        4,
    )
    agree_by_id(got, lab.run.ids, lab.run.vectors @ MATRIX, tolerance)


def test_apply_two_matrices(lab: Lab) -> None:
    output = lab.output(lab.layout, 4)
    got = lab.warehouse.vectors(
        build.apply(lab.run.table, [MATRIX, SQUARE], output, lab.dialect), lab.layout, 4
    )
    agree_by_id(got, lab.run.ids, lab.run.vectors @ MATRIX @ SQUARE)


def hold(warehouse: Warehouse, name: str, matrices: dict[str, np.ndarray]) -> None:
    """A table of matrices (day, side, i, j, value), by day and side."""
    dialect = warehouse.dialect
    columns = {"day": "text", "side": "text", "i": "integer", "j": "integer", "value": "double"}
    rows = [
        (day, side, i + 1, j + 1, value)
        for (day, side), matrix in ((key.split(), matrix) for key, matrix in matrices.items())
        for (i, j), value in np.ndenumerate(matrix)
    ]
    warehouse.create(name, {n: getattr(dialect, kind) for n, kind in columns.items()}, rows)


def held(warehouse: Warehouse) -> list[MatrixTable]:
    """MATRIX and SQUARE in tables, among those of other days and sides."""

    def make() -> list[MatrixTable]:
        tables = []
        for name, matrix in (("matrices", MATRIX), ("squares", SQUARE)):
            hold(warehouse, name, {"d2 items": matrix, "d2 users": -matrix, "d1 items": 2 * matrix})
            tables.append(MatrixTable(name, "items", *matrix.shape, filter="day = 'd2'"))
        return tables

    tables: list[MatrixTable] = warehouse.once("matrices", make)
    return tables


@pytest.mark.parametrize("steps", [1, 2])
def test_apply_from_table(lab: Lab, steps: int) -> None:
    matrices = held(lab.warehouse)[:steps]
    output = lab.output(lab.layout, 4)
    got = lab.warehouse.vectors(
        build.apply_from_table(lab.run.table, matrices, output, lab.dialect), lab.layout, 4
    )
    want = lab.run.vectors @ MATRIX
    agree_by_id(got, lab.run.ids, want @ SQUARE if steps == 2 else want)


def test_apply_from_table_by_day(lab: Lab) -> None:
    earlier = replace(held(lab.warehouse)[0], filter="day = 'd1'")
    output = lab.output(lab.layout, 4)
    table = replace(lab.run.table, filter="n_ratings >= 10", share=0.5)
    chosen = sampled(lab.run.ids, 0.5) & (lab.of("n_ratings", lab.run.ids) >= 10)
    got = lab.warehouse.vectors(
        build.apply_from_table(table, [earlier], output, lab.dialect), lab.layout, 4
    )
    agree_by_id(got, lab.run.ids[chosen], lab.run.vectors[chosen] @ (2 * MATRIX))


def test_apply_the_transpose(lab: Lab) -> None:
    transposed = replace(held(lab.warehouse)[1], transposed=True)
    steps = [held(lab.warehouse)[0], transposed]
    output = lab.output(lab.layout, 4)
    got = lab.warehouse.vectors(
        build.apply_from_table(lab.run.table, steps, output, lab.dialect), lab.layout, 4
    )
    agree_by_id(got, lab.run.ids, lab.run.vectors @ MATRIX @ SQUARE.T)


@pytest.mark.parametrize("layout", ["wide", "array", "long"])
def test_any_layout_can_be_written(warehouse: Warehouse, layout: Layout) -> None:
    lab = Lab(warehouse, "array")
    output = lab.output(layout, 4)
    for statement in (
        build.apply(lab.run.table, [MATRIX], output, lab.dialect),
        build.apply_from_table(lab.run.table, held(warehouse)[:1], output, lab.dialect),
    ):
        got = warehouse.vectors(statement, layout, 4)
        agree_by_id(got, lab.run.ids, lab.run.vectors @ MATRIX)


def test_a_stable_table_and_the_way_back(lab: Lab) -> None:
    """Ids and kept columns keep names, types and values; the inverse gives the raw vectors."""
    raw = lab.run
    keep = () if lab.layout == "long" else (Column("genre", "text"), Column("n_ratings", "int"))
    matrix = np.linalg.qr(np.vander(np.arange(1.0, 6.0)))[0] * 3
    wanted = stable_table(raw.table, 5, None, None, lab.dialect)
    output = replace(lab.output(lab.layout, 5, raw.table.element), first=1, type=wanted.type)
    name = f"{raw.table.relation}_stable"
    engine, dialect = lab.warehouse.engine, lab.dialect
    query = build.apply(replace(raw.table, keep=keep), [matrix], output, dialect)
    lab.warehouse.execute(ddl.drop_table(name, dialect), ddl.create_table(name, query, dialect))

    types = dict(engine.describe(raw.table.relation))
    written = dict(engine.describe(name))
    assert {n: kind for n, kind in written.items() if n in ("id", "genre", "n_ratings")} == {
        n: types[n] for n in ("id", *(column.name for column in keep))
    }
    stable = resolve(EmbeddingTable(name), "items", engine.describe(name), dialect)
    assert (stable.layout, stable.element) == (raw.table.layout, raw.table.element)
    assert wanted.type in ("", stable.vector_type)
    assert set(types) - set(written) <= {"weight", "genre", "n_ratings"}
    stable = replace(stable, first=1, keep=keep)

    sql_back = f"{raw.table.relation}_back"
    hold(lab.warehouse, sql_back, {"d items": np.linalg.inv(matrix)})
    back = MatrixTable(sql_back, "items", 5, 5)
    statement = build.apply_from_table(
        replace(stable, keep=keep), [back], lab.output(lab.layout, 5), dialect
    )
    got = lab.warehouse.vectors(statement, lab.layout, 5)
    single = raw.table.element == "float"
    agree_by_id(got, raw.ids, raw.vectors, 1e-6 if single else 1e-10)
    if keep:
        genres = {row["id"]: row["genre"] for row in engine.query(statement)}
        wanted = lab.of("genre", raw.ids).tolist()
        assert genres == dict(zip(raw.ids.tolist(), wanted, strict=True))


def test_kept_columns_are_those_of_the_rows_that_take_part(warehouse: Warehouse) -> None:
    """A table may have the vector of an id of each day, of which a filter chooses one."""
    lab = Lab(warehouse, "array")
    days = Rows([1, 2, 1, 2], RUN.vectors[:4], {"n_ratings": ("integer", [1, 1, 2, 2])})
    loaded = lab.load("days", days)
    table = replace(
        loaded.table, filter="n_ratings = 2", keep=(Column("n_ratings", lab.dialect.integer),)
    )
    statement = build.apply_from_table(
        table, held(warehouse)[:1], lab.output("array", 4), lab.dialect
    )
    got = warehouse.vectors(statement, "array", 4)
    agree_by_id(got, [1, 2], loaded.vectors[2:] @ MATRIX)
    if warehouse.name != "snowflake":  # see Warehouse.vectors
        assert [row["n_ratings"] for row in warehouse.engine.query(statement)] == [2, 2]


@pytest.mark.parametrize("by", ["constants", "table", "nothing"])
def test_product(lab: Lab, by: str) -> None:
    """The rows that may align, with their weights; unit vectors, but where they come in rows.

    By constants, vectors are so long that their squares are no numbers.
    """
    in_rows = by == "table" and lab.dialect.style == "components"
    unit_rows = not in_rows
    table = replace(lab.run.table, weight="weight", anchor_filter="n_ratings >= 20")
    chosen = lab.of("n_ratings", lab.run.ids) >= 20
    ids, want = lab.run.ids[chosen], lab.run.vectors[chosen]
    matrix = {"constants": MATRIX * 1e200, "table": held(lab.warehouse)[0], "nothing": None}[by]
    if matrix is not None:
        want = want @ MATRIX
    size = want.shape[1]
    query = build.product(table, size, matrix, lab.dialect, anchor=True, unit_rows=unit_rows)
    if not (lab.warehouse.name == "snowflake" and not in_rows):  # see Warehouse.vectors
        weights = {row["id"]: row["w"] for row in lab.warehouse.engine.query(query)}
        assert weights == dict(zip(ids.tolist(), lab.of("weight", ids).tolist(), strict=True))
    got = lab.warehouse.vectors(query, "long" if in_rows else "array", size, ("id", "x"))
    agree_by_id(got, ids, unit(want) if unit_rows else want)


def job_on(dialect: Dialect, *, unit_rows: bool = True, target: Any = None) -> Job:
    """What steps of a run are given that compute in SQL."""
    return Job(
        tables={},
        like={},
        options=Options(plain_rows=not unit_rows),
        dialect=dialect,
        streams=False,
        reference=None,
        target=target or MemoryTarget("unused", dialect),
        about={},
    )


def run_flow(flow: Any, warehouse: Warehouse) -> Any:
    return drive.execute(flow, warehouse.engine, Log())


def test_sums_in_parts_take_rows_from_tables(lab: Lab) -> None:
    """Where each of several statements would multiply all rows, they are multiplied once."""
    ids, x, y = lab.shared()
    pairs = lab.dialect.gram == "pairs"
    job = job_on(replace(lab.dialect, most_sums=7 if pairs else None))
    matrix = MATRIX[:, :4]
    checked = Checked(lab.run.table, 40, 5)
    white = run_flow(sums._pass(job, checked, matrix, 1.0), lab.warehouse).matrix
    rows = lab.run.vectors @ matrix
    agree(white, rows.T @ rows)
    weighted = replace(lab.run.table, weight="weight", anchor_filter="n_ratings >= 20")
    w = (lab.of("weight", ids) * (lab.of("n_ratings", ids) >= 20))[:, None]
    x, y = unit(x @ matrix), unit(y)
    member = Member(lab.reference.table, 6)
    halves = run_flow(
        sums.cross(job, replace(checked, table=weighted), member, matrix), lab.warehouse
    )
    second = np.array([paper.is_second(i) for i in ids.tolist()])
    for half, chosen in zip(halves, (~second, second), strict=True):
        a, b, v = x[chosen], y[chosen], w[chosen]
        agree(half.cross, a.T @ (v * b))
        agree(half.run, a.T @ (v * a))
        agree(half.reference, b.T @ (v * b))
        agree(half.run_total, (v * a).sum(0))
        agree(half.reference_total, (v * b).sum(0))
        assert half.weight == pytest.approx(v.sum())
    assert job.temporary == []


@pytest.mark.parametrize("lab", labs(style="arrays"), indirect=True)
def test_rows_to_hand_over(lab: Lab) -> None:
    """Engines with arrays hand vectors over to BLAS as such."""
    engine, dialect = lab.warehouse.engine, lab.dialect
    run = lab.run
    found = engine.query(build.rows(run.table, dialect))
    got = sorted(tuple(array(next(iter(row.values())))) for row in found)
    agree(np.array(got), np.array(sorted(map(tuple, run.vectors.tolist()))), 0)

    table = replace(run.table, weight="weight")
    ids, x, y = lab.shared()
    found = engine.query(build.shared_rows(table, lab.reference.table, dialect, anchor=True))
    pairs = sorted((*array(row["x"]), *array(row["y"]), row["w"], row["half"]) for row in found)
    second = [paper.is_second(i) for i in ids.tolist()]
    rows = np.column_stack([x, y, lab.of("weight", ids), second])
    agree(np.array(pairs), np.array(sorted(map(tuple, rows.tolist()))), 0)


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    size = max(x.shape[1], y.shape[1])
    x, y = (np.pad(rows, ((0, 0), (0, size - rows.shape[1]))) for rows in (x, y))
    values = (x * y).sum(axis=1)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return values[norms > 0] / norms[norms > 0]


@pytest.mark.parametrize("columns", [6, 7])
def test_drift(lab: Lab, columns: int) -> None:
    """Cosines of the same id after matrices; zero vectors have none."""
    matrix = np.linalg.qr(np.vander(np.arange(7.0)))[0][:5, :columns]
    raw_matrix = np.linalg.qr(np.vander(np.arange(6.0)))[0][:, :5]
    share = 0.7 if columns == 7 else 1.0
    ids, x, y = lab.shared()
    chosen = sampled(ids, share) if share < 1 else np.full(len(ids), True)
    x, y = x[chosen], y[chosen]
    statement = build.drift(
        replace(lab.run.table, share=share),
        replace(lab.reference.table, share=share),
        (5, 6),
        lab.dialect,
        matrix=matrix,
        raw_matrix=raw_matrix,
    )
    figures = {"after": cosines(x @ matrix, y), "before": cosines(x, y @ raw_matrix)}
    check_figures(lab, statement, len(x), figures)


def test_drift_of_vectors_as_they_are(lab: Lab) -> None:
    """What the reference's vectors lack in components is zero."""
    _, x, y = lab.shared()
    statement = build.drift(lab.reference.table, lab.run.table, (6, 5), lab.dialect)
    check_figures(lab, statement, len(x), {"after": cosines(y, x)})


def check_figures(lab: Lab, statement: str, rows: int, figures: dict[str, np.ndarray]) -> None:
    (row,) = lab.warehouse.engine.query(statement)
    assert int(row["n_rows"]) == rows
    for figure, values in figures.items():
        want = [values.mean(), *np.quantile(values, [0.1, 0.5])]
        got = [row[f"{figure}_{name}"] for name in ("mean", "p10", "median")]
        agree(np.array(got, dtype=np.float64), np.array(want))


# From vectors of 5 and of 6 components to vectors of as many, as the way back to raw ones is.
BACK = np.vander(np.linspace(0.5, 1.5, 5)), np.vander(np.linspace(-1, 1, 6))[:, :5]


def compared(lab: Lab, *, raw: bool, share: float = 1.0) -> tuple[build.Vectors, build.Vectors]:
    """The run and the reference as they stand, or times a matrix each."""
    first, second = BACK if raw else (None, None)
    return (
        build.Vectors(replace(lab.run.table, share=share), 5, first),
        build.Vectors(replace(lab.reference.table, share=share), 6, second),
    )


def compared_rows(lab: Lab, *, raw: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ids that both have, and the same vectors, of as many components each."""
    ids, x, y = lab.shared()
    return (ids, x @ BACK[0], y @ BACK[1]) if raw else (ids, np.pad(x, ((0, 0), (0, 1))), y)


@pytest.mark.parametrize("raw", [False, True])
def test_cosine_summary(lab: Lab, raw: bool) -> None:
    """Quantiles as numpy has them; a zero vector has no cosine, and no length to divide by."""
    levels = (0.01, 0.05, 0.5, 0.99)
    share = 0.6 if raw else 1.0
    ids, x, y = compared_rows(lab, raw=raw)
    chosen = sampled(ids, share) if share < 1 else np.full(len(ids), True)
    x, y = x[chosen], y[chosen]
    run, reference = compared(lab, raw=raw, share=share)
    (row,) = lab.warehouse.engine.query(
        build.cosine_summary(run, reference, levels, lab.dialect),
    )
    found = cosines(x, y)
    assert int(row["n_rows"]) == len(x) > int(row["n_cosines"]) == len(found)
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    ratios = lengths[0][lengths[1] > 0] / lengths[1][lengths[1] > 0]
    got = [row["cosine_mean"]]
    for figure in ("cosine", "norm_ratio"):
        got += [row[f"{figure}_{build.quantile_name(level)}"] for level in levels]
    want = [found.mean(), *np.quantile(found, levels), *np.quantile(ratios, levels)]
    agree(np.array(got, dtype=np.float64), np.array(want))


def test_cosine_histogram(lab: Lab) -> None:
    _, x, y = compared_rows(lab, raw=False)
    run, reference = compared(lab, raw=False)
    statement = build.cosine_histogram(run, reference, 9, lab.dialect)
    found = [(int(r["bin"]), int(r["n_rows"])) for r in lab.warehouse.engine.query(statement)]
    counts, _ = np.histogram(cosines(x, y), bins=9, range=(-1, 1))
    assert found == [(i, n) for i, n in enumerate(counts.tolist()) if n]


def test_cosine_histogram_of_the_same_vectors(lab: Lab) -> None:
    """What rounding makes larger than 1 is in the last bin."""
    run, _ = compared(lab, raw=False)
    rows = lab.warehouse.engine.query(build.cosine_histogram(run, run, 40, lab.dialect))
    assert [(int(r["bin"]), int(r["n_rows"])) for r in rows] == [(39, 39)]


@pytest.mark.parametrize("raw", [False, True])
def test_moved_most(lab: Lab, raw: bool) -> None:
    ids, x, y = compared_rows(lab, raw=False)
    norms = [np.linalg.norm(rows, axis=1) for rows in (x, y)]
    moved = [i for i in range(len(ids)) if norms[0][i] * norms[1][i]]
    moved.sort(key=lambda i: float(x[i] @ y[i] / (norms[0][i] * norms[1][i])))
    both = compared(lab, raw=True) if raw else None
    statement = build.moved_most(compared(lab, raw=False), both, 7, lab.dialect)
    found = lab.warehouse.engine.query(statement)
    assert [row["moved_id"] for row in found] == [str(i) for i in ids[moved[:7]].tolist()]
    want = {"after": cosines(x[moved[:7]], y[moved[:7]])}
    want |= {"norm": norms[0][moved[:7]], "reference_norm": norms[1][moved[:7]]}
    if raw:
        _, x, y = (rows[moved[:7]] for rows in compared_rows(lab, raw=True))
        want |= {"before": cosines(x, y), "raw_norm": np.linalg.norm(x, axis=1)}
        want |= {"raw_reference_norm": np.linalg.norm(y, axis=1)}
    assert {name for row in found for name in row} == {"moved_id", *want}
    for name, values in want.items():
        agree(np.array([row[name] for row in found], dtype=np.float64), values)


def nearest(
    rows: np.ndarray, among: np.ndarray, ids: list[str], most: int, cosine: bool
) -> list[list[str]]:
    """The nearest neighbours of each row but itself; of equal ones, the smaller id."""
    if cosine:
        rows, among = unit(rows), unit(among)
    lists = []
    for i, scores in enumerate(rows @ among.T):
        # A zero vector has no cosine with anything.
        usable = [
            j
            for j in range(len(ids))
            if j != i and (not cosine or (rows[i].any() and among[j].any()))
        ]
        lists.append([ids[j] for j in sorted(usable, key=lambda j: (-scores[j], ids[j]))[:most]])
    return lists


@pytest.mark.parametrize("cosine", [False, True])
def test_neighbours(lab: Lab, cosine: bool) -> None:
    """Of half of the ids, among all that both have."""
    ids, x, y = compared_rows(lab, raw=False)
    run, reference = compared(lab, raw=False)
    if cosine:  # whose zero vectors take part in one of the two only
        positive = (x != 0).any(axis=1) & (y != 0).any(axis=1)
        ids, x, y = ids[positive], x[positive], y[positive]
    asked = np.flatnonzero(sampled(ids, 0.5)).tolist()
    own = nearest(x, x, ids.tolist(), 4, cosine)
    earlier = nearest(y, y, ids.tolist(), 4, cosine)
    looked_up = nearest(x, y, ids.tolist(), 4, cosine)
    statement = build.neighbours(run, reference, 0.5, 4, lab.dialect, cosine=cosine)
    (row,) = lab.warehouse.engine.query(statement)
    assert [int(row[name]) for name in ("n_neighbours", "n_both", "n_found")] == [
        4 * len(asked),
        sum(len({*own[i]} & {*earlier[i]}) for i in asked),
        sum(len({*looked_up[i]} & {*earlier[i]}) for i in asked),
    ]


def test_longest(lab: Lab) -> None:
    ids, x, y = compared_rows(lab, raw=False)
    order = np.argsort(-np.linalg.norm(y, axis=1))[:8]
    run, reference = compared(lab, raw=False)
    for wanted, rows in ((run, x[:, :5]), (reference, y)):
        statement = build.longest(run, reference, wanted, 8, lab.dialect)
        found = lab.warehouse.engine.query(statement)
        assert [row["vector_id"] for row in found] == [str(i) for i in ids[order].tolist()]
        got = [[row[f"x{k + 1}"] for k in range(rows.shape[1])] for row in found]
        agree(np.array(got, dtype=np.float64), rows[order])


@pytest.mark.parametrize("most_columns", [1600, 21])
def test_scores(lab: Lab, most_columns: int) -> None:
    """Users and items from one table: all that a statement knows is where the vectors are."""
    dialect = replace(lab.dialect, most_columns=most_columns)
    _, x, y = lab.shared()
    raw = {"users": lab.run.table, "items": lab.run.table}
    stable = {"users": lab.reference.table, "items": lab.reference.table}
    statement = build.scores(raw, stable, (5, 6), 100, dialect)  # type: ignore[arg-type]
    (row,) = lab.warehouse.engine.query(statement)
    assert int(row["n_pairs"]) == 900
    got = np.array([row["largest"], row["largest_error"]], dtype=np.float64)
    agree(got, np.array([np.abs(x @ x.T).max(), np.abs(x @ x.T - y @ y.T).max()]))


# Id, vector, and what is wrong with it. Finite numbers whose sum a 4-byte number cannot hold are
# no problem.
_NAN, _INF = float("nan"), float("inf")
BROKEN: list[tuple[int | None, list[Any] | None, str | None]] = [
    *((i, _RNG.standard_normal(5).tolist(), None) for i in range(1, 9)),
    (9, [3e38, 3e38, 0.0, 1.0, 1.0], None),
    (None, [1.0, 2.0, 3.0, 4.0, 5.0], "null_ids"),
    (20, [1.0, 2.0, 3.0, 4.0, 5.0], None),
    (20, [1.0, 2.0, 3.0, 4.0, 5.0], "duplicate_ids"),
    (21, None, "null_vectors"),
    (22, [1.0, 2.0, 3.0], "wrong_length"),
    (23, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "wrong_length"),
    (24, [1.0, 2.0, None, 4.0, 5.0], "null_components"),
    (25, [1.0, _NAN, 3.0, 4.0, 5.0], "non_finite"),
    (26, [1.0, 2.0, 3.0, 4.0, -_INF], "non_finite"),
    (27, [_INF, -_INF, 3.0, 4.0, 5.0], "non_finite"),
]


def broken(lab: Lab) -> tuple[VectorTable, dict[str, list[str]]]:
    """A table with every problem that its layout can have, and ids that have it, as text."""
    rows = [row for row in BROKEN if row[2] not in lab.variant.cannot]
    ids = [key for key, _, _ in rows]
    loaded = lab.load("broken", Rows(ids, [vector for _, vector, _ in rows], {}))
    problems: dict[str, list[str]] = {}
    for key, _, problem in rows:
        if problem == "duplicate_ids" and lab.layout == "long":
            problem = "null_vectors"  # noqa: PLW2901 - its dimensions stand twice
        if problem:
            problems.setdefault(problem, []).append(str(key))
    return loaded.table, problems


def test_checks_find_each_problem(lab: Lab) -> None:
    engine, dialect = lab.warehouse.engine, lab.dialect
    table, problems = broken(lab)
    want = Counter({problem: len(ids) for problem, ids in problems.items()})
    (row,) = engine.query(build.check(table, dialect))
    rows = sum(problem not in lab.variant.cannot for _, _, problem in BROKEN)
    rows -= lab.layout == "long"
    assert {name: int(count) for name, count in row.items()} == {
        "n_rows": rows,
        "null_ids": want["null_ids"],
        "duplicate_ids": want["duplicate_ids"],
    }
    found = Counter(
        {
            None if row["n"] is None else int(row["n"]): int(row["n_rows"])
            for row in engine.query(build.lengths(table, dialect))
        }
    )
    assert found[None] == want["null_vectors"]
    assert found[5] == rows - want["null_vectors"] - want["wrong_length"]
    (row,) = engine.query(build.check_vectors(table, 5, dialect))
    assert int(row["null_components"]) == want["null_components"]
    assert int(row["non_finite"]) == want["non_finite"]


def test_examples_of_each_problem(lab: Lab) -> None:
    table, problems = broken(lab)
    for problem, ids in problems.items():
        if problem != "null_ids":
            statement = build.example(table, problem, 5, lab.dialect)
            (row,) = lab.warehouse.engine.query(statement)
            assert row["example"] == min(ids)
    (row,) = lab.warehouse.engine.query(build.example(lab.run.table, None, None, lab.dialect))
    assert row["example"] == "1"


def test_broken_rows_are_left_out(lab: Lab) -> None:
    table, problems = broken(lab)
    checked = run_flow(
        check.table(table, lab.dialect, values=True, drop=True, dimension=5), lab.warehouse
    )
    assert checked.problems == {problem: len(ids) for problem, ids in problems.items()}
    assert checked.rows == 9
    valid = checked.table
    wanted = [(key, vector) for key, vector, _ in BROKEN[:8]]
    x = np.array([vector for _, vector in wanted])
    if valid.element == "float":
        x = x.astype(np.float32).astype(np.float64)
    small = replace(valid, filter="id <> 9" if "String" not in lab.variant.id else "id <> '9'")
    got, rows = gram(lab, small, 5)
    agree(got, x.T @ x)
    assert rows == 8
    got, rows = gram(lab, small, 4, matrix=MATRIX)
    agree(got, MATRIX.T @ x.T @ x @ MATRIX)

    ids = [str(key) if "String" in lab.variant.id else key for key, _ in wanted]
    output = lab.output(lab.layout, 4)
    for statement in (
        build.apply(small, [MATRIX], output, lab.dialect),
        build.apply_from_table(small, held(lab.warehouse)[:1], output, lab.dialect),
    ):
        agree_by_id(lab.warehouse.vectors(statement, lab.layout, 4), ids, x @ MATRIX)

    (row,) = lab.warehouse.engine.query(
        build.shared_ids(small, replace(valid, side="users"), lab.dialect, anchor=False)
    )
    assert int(row["shared"]) == 8
    statement = build.drift(small, valid, (5, 5), lab.dialect)
    (row,) = lab.warehouse.engine.query(statement)
    assert row["after_mean"] == pytest.approx(1)


def test_broken_weights_are_found(lab: Lab) -> None:
    weights = [1.0, 0.0, None, -1.0, _NAN, _INF, 2.0]
    rows = Rows(
        [1, 2, 3, 4, 5, 6, 7],
        np.ones((7, 3)),
        {"weight": ("double", weights), "n": ("integer", [1] * 7)},
    )
    loaded = lab.load("weights", rows)
    table = replace(loaded.table, weight="weight")
    (row,) = lab.warehouse.engine.query(build.check(table, lab.dialect))
    assert int(row["bad_weights"]) == 4
    (row,) = lab.warehouse.engine.query(build.example(table, "bad_weights", 3, lab.dialect))
    assert row["example"] == "3"


# The name of a schema and of a table: as odd as the engine allows.
_ODD_TABLE = {
    "spark": ("odd_schema", "order"),  # the metastore takes letters, digits and underscores
    "snowflake": ("ODD", "order by é"),  # fakesnow takes quotes apart
}
_ODD_COLUMNS = {
    "id": 'sel"ect',
    "embedding": "größe.日本",
    "e0": "Group",
    "e1": "e 1",
    "e2": "it's",
    "e3": "50% :a",
    "e4": "--",
    "dim": "from",
    "value": "/* a */",
    "weight": "{{ w }}",
    "n_ratings": "a;b",
    "genre": "é.`",
}
# Names that the statements use for something else.
_OUR_COLUMNS = {
    "id": "x",
    "embedding": "v",
    "e0": "x2",
    "e1": "x1",
    "e2": "k1",
    "e3": "w",
    "e4": "norm",
    "dim": "j",
    "value": "k",
    "weight": "y",
    "n_ratings": "id",
    "genre": "t",
}


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        pytest.param("wide", _ODD_COLUMNS, id="wide-odd"),
        pytest.param("wide", _OUR_COLUMNS, id="wide-ours"),
        pytest.param("array", _ODD_COLUMNS, id="array-odd"),
        pytest.param("long", _OUR_COLUMNS, id="long-ours"),
    ],
)
def test_names(warehouse: Warehouse, layout: Layout, names: dict[str, str]) -> None:
    engine, dialect = warehouse.engine, warehouse.dialect
    forbidden = str.maketrans("", "", dialect.not_in_names)
    names = {name: called.translate(forbidden) for name, called in names.items()}
    odd = _ODD_TABLE.get(warehouse.name, ('odd "schema"', "order by é, it's"))
    schema, table, target = (quoting.identifier(n, dialect) for n in (*odd, odd[1] + "2"))
    kind = TARGETS[warehouse.name].schema
    engine.execute(f"CREATE {kind} IF NOT EXISTS {schema}")
    if warehouse.name == "snowflake":
        engine.execute("USE SCHEMA PUBLIC")  # a new schema is the current one
    variant = VARIANTS[warehouse.name][layout]
    loaded = warehouse.load(f"{schema}.{table}", variant, RUN, names=names)
    ratings = quoting.identifier(names["n_ratings"], dialect)
    source = replace(
        loaded.table,
        filter=f"{ratings} >= 10",
        anchor_filter=f"{ratings} >= 20",
        weight=names["weight"],
        keep=() if layout == "long" else (Column(names["genre"], "text"),),
    )
    lab = Lab(warehouse, layout)
    ratings, weights = lab.of("n_ratings", loaded.ids), lab.of("weight", loaded.ids)
    chosen = ratings >= 10
    there = [column.name for column in engine.describe(f"{schema}.{table}")]
    assert condition(source.filter or "", dialect).missing(there, dialect) == []
    (row,) = engine.query(build.check(source, dialect))
    assert int(row["n_rows"]) == chosen.sum()
    assert int(row["duplicate_ids"]) == int(row["bad_weights"]) == 0
    x = loaded.vectors
    sums_of = shared_gram(lab, source, 5, replace(source, weight=None))
    agree_in_halves(sums_of, loaded.ids, x, x, weights, ratings >= 20)

    matrix = np.column_stack([MATRIX, MATRIX[:, 0]])
    output = replace(lab.output(layout, 5), ids=source.ids, vector=source.vector, first=7)
    query = build.apply(source, [matrix], output, dialect)
    target = f"{schema}.{target}"
    warehouse.execute(ddl.drop_table(target, dialect), ddl.create_table(target, query, dialect))
    stable = replace(source, relation=target, filter=None, element="double", first=7)
    output = replace(lab.output(layout, 4), ids=source.ids, vector=source.vector[:4], first=7)
    back = build.apply_from_table(source, held(warehouse)[:1], output, dialect)
    got = warehouse.vectors(back, layout, 4, (source.ids[0].name, source.vector[0]))
    agree_by_id(got, loaded.ids[chosen], (x @ MATRIX)[chosen])
    statement = build.drift(source, stable, (5, 5), dialect, matrix=matrix)
    (row,) = engine.query(statement)
    assert int(row["n_rows"]) == chosen.sum()
    assert row["after_mean"] == pytest.approx(1)


def test_a_name_without_quotes_is_what_the_engine_makes_of_it(warehouse: Warehouse) -> None:
    whole, double = warehouse.dialect.bigint, warehouse.dialect.double
    columns = f"Id {whole}, E0 {double}, E1 {double}"
    create = f"CREATE TABLE Without_Quotes ({columns}){warehouse.dialect.tables.storage}"
    drop = ddl.drop_table("Without_Quotes", warehouse.dialect)
    warehouse.execute(drop, create, "INSERT INTO Without_Quotes VALUES (1, 2E0, 3E0)")
    found = warehouse.engine.describe("Without_Quotes")
    named = EmbeddingTable("Without_Quotes", filter="Id = 1 AND E0 > 0", anchor_filter="iD > 0")
    table = resolve(named, "items", found, warehouse.dialect)
    got, rows = gram(Lab(warehouse, "wide"), table, 2)
    assert (got.tolist(), rows) == ([[4.0, 6.0], [6.0, 9.0]], 1)
    for wrong in (
        replace(named, filter="E0 > 0 AND nope = 1"),
        replace(named, anchor_filter="length(nope) = 1"),
    ):
        with pytest.raises(DataError, match=r"(?i)no column nope for the .*; it has id, e0, e1\."):
            resolve(wrong, "items", found, warehouse.dialect)


@pytest.mark.parametrize("warehouse", RUNNABLE, indirect=True)
def test_768_components(warehouse: Warehouse) -> None:
    """In SQL alone, by way of tables where constants would be too many.

    Of the parts of a matrix the first and the last. fakesnow parses each statement by sqlglot,
    which would take minutes.
    """
    size = 768
    rng = np.random.default_rng(size)
    lab = Lab(warehouse, "array")
    run = lab.load("run_768", Rows([*range(12)], rng.standard_normal((12, size)), {}))
    reference = lab.load(
        "reference_768", Rows([*range(4, 14)], rng.standard_normal((10, size)), {})
    )
    x, y = run.vectors, reference.vectors
    sides = {
        True: (build.gram(run.table, size, lab.dialect), x.T @ x),
        False: (
            build.cross_gram(run.table, reference.table, size, size, lab.dialect),
            ended(x[4:]).T @ ended(y[:8]),
        ),
    }
    for triangular, (statements, want) in sides.items():
        whole = size if triangular else size + 1
        tiles = build.tiles(whole, whole, lab.dialect.most_sums, triangular=triangular)
        for k in {0, len(tiles) - 1}:
            statement, (rows, columns) = statements[k], tiles[k]
            found = dict.fromkeys(
                ((i, j) for i in rows for j in columns if not triangular or i <= j), 0.0
            )
            for row in warehouse.engine.query(statement):
                found[row["i"], row["j"]] += row["value"]
            places = [(i, j) for i in rows for j in columns if not triangular or i <= j]
            assert found.keys() == set(places)
            agree(
                np.array([found[place] for place in places]),
                np.array([want[i - 1, j - 1] for i, j in places]),
            )

    if warehouse.name == "spark":
        # 600,000 constants, or as many inserted, take minutes; there folds multiply.
        return
    matrix = rng.standard_normal((size, size)) / size
    output = lab.output("array", size)
    warehouse.execute(ddl.drop_table("stable_768", lab.dialect))
    job = job_on(lab.dialect, target=_OneTable("stable_768", lab.dialect))
    run_flow(write.multiplied(job, run.table, [matrix], output), warehouse)
    query = f"SELECT * FROM {relations.named('stable_768', lab.dialect)}"
    agree_by_id(warehouse.vectors(query, "array", size), run.ids, x @ matrix)
    checked = Checked(run.table, 12, size)
    white = run_flow(sums._pass(job, checked, matrix[:, :20], 1.0), warehouse).matrix
    agree(white, matrix[:, :20].T @ x.T @ x @ matrix[:, :20])
    member = Member(reference.table, size)
    after = run_flow(
        measure.cosines(job, checked, member, matrix, None, 1.0, BAND), warehouse
    ).after
    assert after is not None
    assert after.mean == pytest.approx(cosines(x[4:] @ matrix, y[:8]).mean(), rel=1e-9)
    assert job.temporary == []


class _OneTable(MemoryTarget):
    """A table that stays."""

    def store(self, side: str, query: str, *_: Any) -> tuple[str, ...]:
        return (ddl.create_table(self.prefix, query, self.dialect),)


class _Recorder:
    """An engine that keeps what it is asked."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.asked: list[str] = []

    def query(self, statement: str, step: Any = None) -> list[dict[str, Any]]:
        self.asked.append(statement)
        return [{"half": 0, "i": 1, "j": 1, "value": 1.0, "n_rows": 1}]

    def execute(self, statement: str, step: Any = None) -> None:
        self.asked.append(statement)

    def rollback(self) -> None:
        """See `Engine`."""


LIMITED = [name for name, dialect in DIALECTS.items() if dialect.longest_statement]


# 768 where rows are arrays and where they are columns: rendering takes ten seconds and more.
@pytest.mark.parametrize(
    ("name", "size", "unit_rows"),
    [
        *((name, size, unit) for name in LIMITED for size in (64, 256) for unit in (False, True)),
        ("clickhouse", 768, True),
        ("redshift", 768, True),
    ],
)
def test_statements_stay_within_the_limits(
    name: str, size: int, unit_rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the choice of the steps; of the parts of a matrix the largest alone."""
    dialect = DIALECTS[name]
    longest = dialect.longest_statement or 0
    tiles = build.tiles

    def largest(*shape: Any, triangular: bool) -> Any:
        found = tiles(*shape, triangular=triangular)
        # Two, since it matters whether there is more than one.
        return sorted(found, key=lambda tile: (tile[0] != tile[1], len(tile[0])), reverse=True)[:2]

    monkeypatch.setattr(ddl, "insert", lambda *_: [])
    monkeypatch.setattr(build, "tiles", largest)
    table = VectorTable("items", "items", (Column("id", dialect.bigint),), "array", ("v",), "float")
    matrix = np.random.default_rng(1).standard_normal((size, size))
    engine = _Recorder(dialect)
    checked = Checked(table, 1, size)
    stored = Member(replace(table, relation="stable"), size)
    raw = Member(replace(table, relation="raw"), size, matrix)
    output = StableTable(
        "wide", (Column("id", "BIGINT"),), tuple(f"e{k}" for k in range(size)), "float", size
    )
    job = job_on(dialect, unit_rows=unit_rows)
    for flow in (
        sums._pass(job, checked, None, 1.0),
        sums._pass(job, checked, matrix, 1.0),
        sums.cross(job, checked, stored, matrix),
        sums.cross(job, checked, raw, matrix),
        measure.cosines(job, checked, stored, matrix, matrix, 0.5, BAND),
        measure.cosines(job, checked, raw, matrix, matrix, 0.5, BAND),
        write.multiplied(job, table, [matrix], output),
    ):
        drive.execute(flow, engine, Log())  # type: ignore[arg-type,misc]
    assert max(len(statement.encode()) for statement in engine.asked) <= longest

    if name == "clickhouse":
        # The smallest of the limits: without the choice, it holds up to 64 components or so.
        constants = len(build.apply(table, [matrix], output, dialect))
        assert (constants > longest) == (size > 64)
        assert any("a table holds" in text for text in engine.asked) == (size > 64)


def test_multiplied_rows_are_read_by_the_names_that_they_have() -> None:
    """Snowflake makes VALUE of the bare name that the table was made with."""
    engine = _Recorder(replace(DIALECTS["snowflake"], longest_statement=1000))
    table = VectorTable(
        "items", "T", (Column("ID", "NUMBER"),), "array", ("V",), "float", weight="N"
    )
    flow = sums.cross(
        job_on(engine.dialect),
        Checked(table, 1, 4),
        Member(replace(table, relation="S"), 4),
        np.eye(4),
    )
    drive.execute(flow, engine, Log())  # type: ignore[arg-type]
    made = [text for text in engine.asked if "CREATE T" in text and "times a matrix" in text]
    assert len(made) == 1
    assert "AS value" in made[0]
    read = "".join(engine.asked)
    assert 't."VALUE"' in read
    assert 't."W"' in read
    assert not re.search(r't\."[a-z]', read)


def movie_tables(warehouse: Warehouse, group: str, number: int) -> dict[str, str]:
    """The vectors of one retraining as tables."""

    def make() -> dict[str, str]:
        tables = {}
        sides: list[tuple[Side, str]] = [("users", "bigint"), ("items", "text")]
        for side, id_type in sides:
            path = movietweetings(group, number) / f"{side}.parquet"
            ids, vectors = read_vectors(path)
            name = "vector" if "vector" in VARIANTS[warehouse.name] else "array"
            variant = VARIANTS[warehouse.name]["array" if side == "users" else name]
            variant = replace(variant, id=getattr(warehouse.dialect, id_type))
            tables[side] = f"{group}_{side}_{number}"
            if warehouse.name == "spark":
                # Statements with so many numbers take it half a minute.
                frame = warehouse.engine.session.read.parquet(str(path))  # type: ignore[attr-defined]
                frame.write.mode("overwrite").saveAsTable(tables[side])
            else:
                warehouse.load(tables[side], variant, Rows(ids.tolist(), vectors, {}), side=side)
        return tables

    made: dict[str, str] = warehouse.once((group, number), make)
    return made


@pytest.fixture(scope="module")
def on_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Space]:
    """A space of a group's first two runs, on DuckDB and files."""
    folder = tmp_path_factory.mktemp("files")

    def get(group: str) -> Space:
        space = Space(folder / group)
        if not (folder / group).exists():
            for number in (0, 1):
                source = movietweetings(group, number)
                files = (source / f"{side}.parquet" for side in ("users", "items"))
                space.run(*files, key=str(number))
        return space

    return get


def same(got: Any, want: Any, where: str = "") -> None:
    """Figures: counts and names are equal, numbers to 1e-6."""
    if isinstance(want, dict):
        assert got.keys() == want.keys(), where
        for key in want:
            same(got[key], want[key], f"{where}.{key}")
    elif isinstance(want, list) and isinstance(want[0], float):
        np.testing.assert_allclose(got, want, rtol=1e-6, err_msg=where)
    elif isinstance(want, float):
        # What stays of an error after its cancellation is small, and noise.
        assert got == pytest.approx(want, rel=1e-6, abs=1e-6), where
    else:
        assert got == want, where


_COMPARED = (
    "tables",
    "dimension",
    "rank",
    "singular_values",
    "reference",
    "alignment",
    "shared",
    "cosine",
)


@pytest.mark.parametrize(
    ("warehouse", "group"),
    [
        (name, group)
        for name in RUNNABLE
        for group in ("time_als_e32", "seeds_bpr_e32")
        if name in QUICK or group == "time_als_e32"
    ],
    indirect=["warehouse"],
)
def test_a_run_on_tables_does_what_a_run_on_files_does(
    warehouse: Warehouse, running: Running, on_files: Callable[[str], Space], group: str
) -> None:
    space = Space(f"on_{group}", running[warehouse.name])
    for number, files in enumerate(on_files(group).runs):
        tables = movie_tables(warehouse, group, number)
        # The second run is done twice: it takes its own place.
        for _ in range(2 if number and group == "time_als_e32" else 1):
            run = space.run(tables["users"], tables["items"], key=str(number))
        for name in _COMPARED:
            same(run.figures[name], files.figures[name], name)
        assert run.figures["scores"]["max_relative_error"] < 1e-6
        for side in ("users", "items"):
            wanted = files.table(side).arrow()  # type: ignore[arg-type]
            query = (
                f"SELECT * FROM {relations.named(f'on_{group}_{side}_newest', warehouse.dialect)}"
            )
            agree_by_id(
                warehouse.vectors(query, "array", 32),
                wanted["id"].to_numpy(zero_copy_only=False),
                np.array(wanted["embedding"].to_pylist()),
                1e-5,
            )
    assert [done.key for done in space.runs] == ["0", "1"]


# The others run each of the statements of a report on small vectors above.
@pytest.mark.parametrize("warehouse", QUICK, indirect=True)
def test_a_report_on_tables_shows_what_one_on_files_does(
    warehouse: Warehouse, running: Running, on_files: Callable[[str], Space]
) -> None:
    group = "time_als_e32"
    space = Space("reported", running[warehouse.name])
    for number in (0, 1):
        tables = movie_tables(warehouse, group, number)
        space.run(tables["users"], tables["items"], key=str(number))
    got, want = space.report("1").figures, on_files(group).report("1").figures
    for side in ("users", "items"):
        for name in ("run", "reference", "shared", "new", "gone"):
            assert got["sides"][side][name] == want["sides"][side][name]
        for kind in ("before", "after"):
            one, other = got["sides"][side][kind], want["sides"][side][kind]
            for name in ("rows", "cosines", "mean", "cosine", "norm_ratio"):
                same(one[name], other[name], name)
            # A cosine at an edge may be on either side of it.
            assert np.abs(np.subtract(one["histogram"], other["histogram"])).sum() <= 2
        moved = [[row["moved_id"] for row in f["sides"][side]["moved"]] for f in (got, want)]
        assert moved[0] == moved[1]
    assert got["neighbours"]["nearest"] == 10
    for kind in ("raw", "stable"):
        for which, found in want["neighbours"][kind].items():
            assert got["neighbours"][kind][which] == pytest.approx(found, abs=2 / 2000)
    # The texts tell rounding errors, which differ.
    levels = [
        [(found["title"], found["level"]) for found in figures["verdict"]["findings"]]
        for figures in (got, want)
    ]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("warehouse", RUNNABLE, indirect=True)
def test_a_run_that_fails_at_the_end_leaves_things_as_they_were(
    warehouse: Warehouse, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    lab = Lab(warehouse, "array")
    rows = Rows([*range(30)], rng.standard_normal((30, 5)), {})
    users, items = (lab.load(f"failing_{side}", rows, side=side) for side in ("users", "items"))
    names = users.table.relation, items.table.relation
    space = Space("failed", running[warehouse.name])
    space.run(*names, key="1")
    read = {
        side: f"SELECT * FROM {relations.named(f'failed_{side}_newest', lab.dialect)}"
        for side in ("users", "items")
    }
    before = {side: warehouse.vectors(query, "array", 5) for side, query in read.items()}

    def fail(*_: Any, **__: Any) -> list[str]:
        return ["SELECT nothing FROM no_such_table_here"]

    with monkeypatch.context() as patched:
        patched.setattr(TablesTarget, "commit", fail)
        with pytest.raises(EngineError):
            space.run(*names, key="2")
    assert [run.key for run in space.runs] == ["1"]
    for side, query in read.items():
        after = warehouse.vectors(query, "array", 5)
        agree_by_id(after, [*before[side]], np.array([*before[side].values()]), 0)
    # The next run with this key takes the place of what was left.
    space.run(*names, key="2")
    assert [run.key for run in space.runs] == ["1", "2"]
    for query in read.values():
        assert len(warehouse.vectors(query, "array", 5)) == 30


def test_what_a_worker_of_spark_cannot_write(
    warehouses: Callable[[str], Warehouse], rng: np.random.Generator
) -> None:
    warehouse = warehouses("spark")
    rows = Rows(range(20), 1e60 * rng.standard_normal((20, 3)), {})
    variant = replace(VARIANTS["spark"]["array"], type="array<double>", single=False)
    names = {side: f"beyond_{side}" for side in SIDES}
    for name in names.values():
        warehouse.load(name, variant, rows)
    with pytest.raises(DataError, match="beyond the range of FLOAT; write them as DOUBLE: set"):
        Space("large", warehouse.engine).run(
            names["users"], names["items"], key="1", options=Options(output_type="float")
        )
