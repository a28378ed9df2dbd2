"""Numbers at the edge: a run is as accurate as documented, or says why it cannot be.

Scores are compared with sums in `numpy.longdouble` (64 bits of mantissa), factors with a QR
decomposition in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import conditioned
from hypothesis import given, settings
from hypothesis import strategies as st
from test_solve import factored

from sqlstab import DataError, EmbeddingTable, Options, Space, stabilize
from sqlstab.maths import solve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = np.ndarray
Long = np.longdouble

# What README promises of doubles; components of 4 bytes are written to 1e-6.
SCORES = 1e-11

USERS, ITEMS = 60, 40
_RNG = np.random.default_rng(11)


def normal(*shape: int) -> Array:
    return _RNG.standard_normal(shape)


def users(scale: Any = 1.0, dimension: int = 4) -> Array:
    return normal(USERS, dimension) * scale


def items(scale: Any = 1.0, dimension: int = 4) -> Array:
    return normal(ITEMS, dimension) * scale


def with_row(table: Array, factor: float) -> Array:
    """A table one of whose rows is so many times as long."""
    table = table.copy()
    table[7] *= factor
    return table


_ONE = normal(USERS, 1)
_ROW_SCALES = 10.0 ** _RNG.uniform(-100, 100, (USERS, 1))

# Users, items, and the rank that the scores have.
WORKS: dict[str, tuple[Array, Array, int]] = {
    "users of 1e-145": (users(1e-145), items(), 4),
    "users of 1e153": (users(1e153), items(), 4),
    "both of 1e-140": (users(1e-140), items(1e-140), 4),
    "both of 1e152": (users(1e152), items(1e152), 4),
    "columns from 1 to 1e-140": (
        users(np.logspace(0, -140, 4)), items(np.logspace(0, 140, 4)), 4,
    ),
    "columns too small to count": (users(np.array([1, 1e-100, 1e-200, 1e-300])), items(), 1),
    "a column whose maps overflow": (
        users(np.array([1e-144, 1e140]), 2), items(np.array([1e-144, 1e-140]), 2), 1,
    ),
    "a row of 1e8": (with_row(users(), 1e8), items(), 4),
    # After so long a row, sums have no digits left for the others in its direction.
    "a row of 1e15": (with_row(users(), 1e15), items(), 0),
    "a row of 1e15 on both sides": (with_row(users(), 1e15), with_row(items(), 1e15), 0),
    "rows from 1e-100 to 1e100": (users(_ROW_SCALES), items(), 0),
    "equal rows": (np.ones((USERS, 1)) * normal(4), items(), 1),
    "equal rows on both sides": (np.ones((USERS, 1)) * normal(4), np.ones((9, 1)) * normal(4), 1),
    "one row on each side": (normal(1, 4), normal(1, 4), 1),
    "one row": (normal(1, 4), items(), 1),
    "one column": (users(1.0, 1), items(1.0, 1), 1),
    "one number": (normal(1, 1), normal(1, 1), 1),
    "rank one": (_ONE @ normal(1, 4), items(), 1),
    "dependent columns": (_ONE * np.array([1.0, 1.0, -1.0, 2.0]), items(), 1),
    "fewer rows than columns": (normal(3, 16), normal(5, 16), 3),
    "many users, few items": (normal(20_000, 4), normal(3, 4), 3),
    "condition 1e4": (conditioned(80, 6, 1e4, _RNG), conditioned(70, 6, 1e4, _RNG), 6),
    "condition 1e8": (conditioned(80, 6, 1e8, _RNG), conditioned(70, 6, 1e8, _RNG), 0),
    "condition 1e14": (conditioned(80, 6, 1e14, _RNG), conditioned(70, 6, 1e14, _RNG), 0),
}  # fmt: skip

FAILS: dict[str, tuple[Array, Array, str]] = {
    "users of 1e-300": (users(1e-300), items(), "so small that their squares are"),
    "denormal numbers": (users(1e-310), items(), "Multiply small vectors by a constant"),
    "the smallest number": (np.full((9, 4), 5e-324), items(), "so small that their squares are"),
    "users of 1e300": (users(1e300), items(), "the sums of squares overflow although every"),
    "items of 1e155": (users(), items(1e155), "items table i, vector v: the sums of squares over"),
    "a row of 1e160": (with_row(users(), 1e160), items(), "leave out the rows that are so long"),
    # 1e-155 squared is no number with all its digits, and 1e-170 squared is zero.
    "a column that counts, but has no square": (
        users(np.array([1e-100, 1e-170]), 2), items(np.array([1e-100, 1e150]), 2),
        "Component 2 of the users is zero or so small that its squares are",
    ),
    "a column whose square has few digits": (
        users(np.array([1e-100, 1e150]), 2), items(np.array([1e-100, 1e-155]), 2),
        "Component 2 of the items is zero or so small that its squares are",
    ),
    "nothing in common": (users(np.array([1, 1, 0, 0])), items(np.array([0, 0, 1, 1])),
                          "All scores are zero"),
}  # fmt: skip


def arrow(vectors: Array) -> pa.Table:
    values = pa.array(np.ascontiguousarray(vectors).ravel())
    return pa.table(
        {
            "id": np.arange(len(vectors)),
            "v": pa.FixedSizeListArray.from_arrays(values, vectors.shape[1]),
        }
    )


def run(raw_users: Array, raw_items: Array, **options: Any) -> tuple[Any, Array, Array]:
    """A run on DuckDB, and its stable vectors."""
    with duckdb.connect() as connection:
        connection.register("u", arrow(raw_users))
        connection.register("i", arrow(raw_items))
        done = stabilize("u", "i", engine=connection, options=Options(**options))
    return done, written(done, "users"), written(done, "items")


def written(done: Any, side: Any) -> Array:
    """The stable vectors of a table, by id."""
    return np.array(done.table(side).arrow().sort_by("id")["v"].to_pylist())


def score_error(raw: tuple[Array, Array], stable: tuple[Array, Array]) -> float:
    """The largest error of a score, relative to the largest score."""
    want, got = (t.astype(Long) @ w.astype(Long).T for w, t in (raw, stable))
    return float(np.abs(got - want).max() / np.abs(want).max())


@pytest.mark.parametrize("strategy", ["sql", "arrow"])
@pytest.mark.parametrize("name", WORKS)
def test_what_works(name: str, strategy: str) -> None:
    raw_users, raw_items, rank = WORKS[name]
    done, *stable = run(raw_users, raw_items, strategy=strategy)
    assert score_error((raw_users, raw_items), (stable[0], stable[1])) <= SCORES
    if rank:
        assert done.figures["rank"] == rank
    # Both Gram matrices are S, to what the run says of itself; in units of S no product underflows.
    values = np.array(done.figures["singular_values"])
    root = np.sqrt(values.astype(Long))
    for side, vectors in zip(("users", "items"), stable, strict=True):
        scaled = vectors[:, : len(values)].astype(Long) / root
        error = float(np.abs(scaled.T @ scaled - np.eye(len(values))).max())
        assert error <= max(1e-13, done.figures["tables"][side]["accuracy"])
        assert np.abs(vectors[:, len(values) :]).max(initial=0) == 0


@pytest.mark.parametrize("strategy", ["sql", "arrow"])
@pytest.mark.parametrize("name", FAILS)
def test_what_cannot_work_says_why(name: str, strategy: str) -> None:
    raw_users, raw_items, message = FAILS[name]
    with pytest.raises(DataError, match=message):
        run(raw_users, raw_items, strategy=strategy)


def test_4_byte_numbers_have_room_for_their_squares() -> None:
    """1e-37 and 1e37 squared are numbers of 8 bytes with all their digits."""
    for scale in (1e-37, 1e37):
        raw_users = users(scale).astype(np.float32)
        raw_items = items(1 / scale).astype(np.float32)
        done, *stable = run(raw_users, raw_items, output_type="double")
        assert score_error((raw_users, raw_items), (stable[0], stable[1])) <= SCORES
        assert done.figures["rank"] == 4


@pytest.mark.parametrize("strategy", ["sql", "arrow"])
def test_rows_of_any_length_are_fitted_as_unit_rows(tmp_path: Path, strategy: Any) -> None:
    """Below 1e-154 squares are no numbers; directions of such vectors are."""
    sizes = (1e-300, 1e-200, 1e-170, 1e-50, 1.0, 1e100, 1e140)
    raw = normal(len(sizes) * 8, 4)
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    turn = np.linalg.qr(normal(4, 4))[0]
    lengths = np.repeat(sizes, 8)[:, None]
    space = Space(tmp_path / "space")
    for key, vectors in (("1", raw), ("2", raw @ turn * lengths)):
        pq.write_table(arrow(vectors), tmp_path / "v.parquet")
        done = space.run(
            vectors=tmp_path / "v.parquet", key=key, options=Options(strategy=strategy)
        )
    np.testing.assert_allclose(done.maps["vectors"].matrix, turn.T, atol=1e-12)
    assert done.figures["alignment"]["held_out"] == pytest.approx(1)
    long = raw.astype(Long)
    got = written(done, "vectors").astype(Long) / lengths
    assert np.abs(got @ got.T - long @ long.T).max() < 1e-13
    # Beyond 1e154 dot products overflow, so they cannot be compared.
    pq.write_table(arrow(raw * 1e160), tmp_path / "v.parquet")
    with pytest.raises(DataError, match="divide all vectors by a constant"):
        space.run(vectors=tmp_path / "v.parquet", key="3", options=Options(strategy=strategy))


def test_many_dimensions() -> None:
    """e = 1024 with more, and with fewer rows than that."""
    for rows, rank in ((1100, 1024), (200, 200)):
        raw_users, raw_items = normal(rows, 1024), normal(1100, 1024)
        done, *stable = run(raw_users, raw_items)
        assert done.figures["rank"] == rank
        some = slice(0, 50)
        error = score_error((raw_users[some], raw_items[some]), (stable[0][some], stable[1][some]))
        assert error <= SCORES


@pytest.mark.parametrize(
    "value",
    ["[i::HUGEINT]", "{'a': i::UHUGEINT}", "MAP {'a': i::HUGEINT}", "[[i], [2]]::HUGEINT[1][2]",
     "union_value(a := i)", "[union_value(a := i)]"],
)  # fmt: skip
def test_columns_are_not_kept_as_another_type(
    tmp_path: Any, connection: duckdb.DuckDBPyConnection, value: str
) -> None:
    """Parquet has neither, and DuckDB would write a DOUBLE and a STRUCT, without a word."""
    connection.execute(
        f"CREATE TABLE u AS SELECT i AS id, [i, 1.0]::FLOAT[] AS v, {value} AS k FROM range(9) r(i)"
    )
    message = r"k .*(HUGEINT|UNION\().* cannot be kept: Parquet has no such type"
    with pytest.raises(DataError, match=message):
        stabilize(EmbeddingTable("u", vector="v", keep=("k",)), "u", engine=connection)


# --- against a QR decomposition with more digits --------------------------------------------------


def qr(table: Array) -> tuple[Array, Array]:
    """Q and R in longdouble: modified Gram-Schmidt, twice (numpy.linalg has no such numbers)."""
    q = table.astype(Long)
    triangle = np.eye(table.shape[1], dtype=Long)
    for _ in range(2):
        r = np.zeros_like(triangle)
        for k in range(q.shape[1]):
            r[k, k] = np.sqrt(q[:, k] @ q[:, k])
            q[:, k] /= r[k, k]
            r[k, k + 1 :] = q[:, k] @ q[:, k + 1 :]
            q[:, k + 1 :] -= np.outer(q[:, k], r[k, k + 1 :])
        triangle = r @ triangle
    return q, triangle


seeds = st.integers(0, 2**32 - 1)
exponents = st.floats(0, 6)


def tables(seed: int, dimension: int, log_condition: float) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return (
        conditioned(50, dimension, 10**log_condition, rng),
        conditioned(40, dimension, 10**log_condition, rng),
    )


def test_the_other_decomposition_is_one(rng: np.random.Generator) -> None:
    table = conditioned(50, 6, 1e8, rng)
    q, triangle = qr(table)
    assert np.abs(q.T @ q - np.eye(6)).max() < 1e-17
    assert np.abs(q @ triangle - table).max() < 1e-18


@settings(max_examples=60)
@given(seed=seeds, dimension=st.integers(1, 8), log_condition=exponents)
def test_factors_are_those_of_more_digits(seed: int, dimension: int, log_condition: float) -> None:
    """T P has orthonormal columns, to what the factor says of itself."""
    table = tables(seed, dimension, log_condition)[0]
    factor = factored(table)
    q, _ = qr(table)
    turn = q.T @ (table.astype(Long) @ factor.whitener.astype(Long))
    error = float(np.abs(turn.T @ turn - np.eye(dimension)).max())
    assert error <= factor.summation_error + 16 * solve.EPS * factor.condition


@settings(max_examples=60)
@given(seed=seeds, dimension=st.integers(2, 8), log_condition=exponents)
def test_scores_and_singular_values_are_those_of_more_digits(
    seed: int, dimension: int, log_condition: float
) -> None:
    left, right = tables(seed, dimension, log_condition)
    balance = solve.balance(factored(left, "always"), factored(right, "always"))
    assert score_error(
        (left, right),
        (left.astype(Long) @ balance.users, right.astype(Long) @ balance.items),
    ) <= SCORES  # fmt: skip
    small = qr(right)[1] @ qr(left)[1].T
    want = np.linalg.svd(small.astype(np.float64), compute_uv=False)
    kept = balance.rank
    # An error of eps in the sums turns into eps times the largest one, by Weyl.
    np.testing.assert_allclose(
        balance.singular_values, want[:kept], rtol=0, atol=1e-13 * dimension * want[0]
    )
    assert (want[kept:] <= 4 * solve.EPS * dimension * 2 * want[0]).all()


@settings(max_examples=40)
@given(seed=seeds, dimension=st.integers(2, 8), log_condition=st.floats(0, 3))
def test_stable_vectors_move_as_far_as_the_data_does(
    seed: int, dimension: int, log_condition: float
) -> None:
    """Aligned with a reference, rounding the raw vectors moves the stable ones by its condition."""
    left, right = tables(seed, dimension, log_condition)
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal(right.shape)
    found = []
    for noise in (0.0, 1e-12):
        w = left * (1 + noise * rng.standard_normal(left.shape))
        t = right * (1 + noise * rng.standard_normal(right.shape))
        balance = solve.balance(factored(w, "always"), factored(t, "always"))
        balanced = t @ balance.items
        omega = solve.align(balanced.T @ reference)
        found.append((balanced @ omega.omega, omega.singular_values))
    moved = np.abs(found[0][0] - found[1][0]).max() / np.abs(found[0][0]).max()
    # Of the factors: the condition of the data. Of Omega: what decides its weakest direction.
    values = found[0][1]
    sensitivity = 10**log_condition * values[0] / values[-1]
    assert moved <= 1e-12 * 1e3 * dimension * sensitivity


LARGE: dict[str, Callable[[Array], Array]] = {
    "rows in reverse": lambda x: x[::-1],
    "a power of two": lambda x: x * 2.0**200,
}


@pytest.mark.parametrize("change", LARGE)
def test_what_changes_nothing(change: str) -> None:
    """The order of rows, and a factor that rounds nothing: the same directions."""
    raw_users, raw_items = users(), items()
    first = solve.balance(factored(raw_users), factored(raw_items))
    again = solve.balance(factored(LARGE[change](raw_users)), factored(LARGE[change](raw_items)))
    scale = np.sqrt(again.singular_values / first.singular_values)
    ratio = 2.0**200 if change == "a power of two" else 1.0
    np.testing.assert_allclose(again.items * ratio / scale, first.items, atol=1e-13)
