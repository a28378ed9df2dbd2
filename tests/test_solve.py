"""The small mathematics, on numpy arrays alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import paper
import pytest
from conftest import conditioned
from hypothesis import given
from hypothesis import strategies as st

from sqlstab import DataError
from sqlstab.maths import solve
from sqlstab.maths.quality import (
    SharedSums,
    cosine,
    cosine_with,
    dot_product_difference,
    linear_cka,
    linear_residual,
    relative_residual,
    residual_bound,
)

Array = np.ndarray
seeds = st.integers(0, 2**32 - 1)


def factored(table: Array, mode: Any = "auto") -> solve.Factor:
    """The factor of a table, with as many passes as a run would take."""
    factor = solve.factor(table.T @ table, len(table))
    while solve.wants_refinement(factor, mode):
        white = table @ factor.whitener
        factor = solve.refine(factor, white.T @ white)
    return factor


def gram_error(stable: Array, values: Array) -> float:
    """Largest entry of X'X - S relative to sqrt(s_i s_j)."""
    root = np.sqrt(values)
    return float(np.abs((stable.T @ stable - np.diag(values)) / root / root[:, None]).max())


def score_error(users: Array, items: Array, balance: solve.Balance) -> float:
    raw = items @ users.T
    stable = (items @ balance.items) @ (users @ balance.users).T
    return float(np.abs(stable - raw).max() / np.abs(raw).max())


@given(
    seed=seeds,
    rows=st.integers(1, 60),
    dimension=st.integers(1, 12),
    rank=st.integers(1, 12),
)
def test_factor_is_a_qr_decomposition(seed: int, rows: int, dimension: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    rank = min(rank, dimension, rows)
    table = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, dimension))
    factor = factored(table)
    q = table @ factor.whitener
    np.testing.assert_allclose(q @ factor.triangle, table, atol=1e-13 * np.abs(table).max())
    assert factor.rank == np.linalg.matrix_rank(table)
    # Orthonormal to what the factor says of itself, and to what computing Q here costs.
    error = np.abs(q.T @ q - np.eye(factor.triangle.shape[0])).max()
    product = 16 * solve.EPS * factor.condition
    assert error <= factor.summation_error + product
    assert factor.summation_error <= solve.GOOD_ACCURACY


@pytest.mark.parametrize("condition", [1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e14])
@pytest.mark.parametrize("mode", ["auto", "always", "never"])
@pytest.mark.parametrize("dimension", [2, 16, 64])
def test_scores_are_kept_at_every_condition(
    dimension: int, mode: str, condition: float, rng: np.random.Generator
) -> None:
    users = conditioned(300, dimension, condition, rng)
    items = conditioned(200, dimension, condition, rng)
    balance = solve.balance(factored(users, mode), factored(items, mode))
    assert score_error(users, items, balance) <= 1e-12
    assert balance.identity_error <= 1e-12


@pytest.mark.parametrize("condition", [1, 10, 1e2, 1e3, 1e4, 1e6, 1e8, 1e10])
@pytest.mark.parametrize("mode", ["auto", "always", "never"])
@pytest.mark.parametrize("dimension", [2, 16, 64])
def test_both_sides_have_the_gram_matrix_s(
    dimension: int, mode: str, condition: float, rng: np.random.Generator
) -> None:
    """To 1e-10 up to condition 1e2, and always to what the run says of itself."""
    users = conditioned(300, dimension, condition, rng)
    items = conditioned(200, dimension, condition, rng)
    factors = factored(users, mode), factored(items, mode)
    balance = solve.balance(*factors)
    values = balance.singular_values
    errors = gram_error(users @ balance.users, values), gram_error(items @ balance.items, values)
    if condition <= 1e2:
        assert max(errors) <= 1e-10
    if mode == "always":
        # What float64 matrices can hold: rounding M alone costs eps times the condition.
        assert max(errors) <= 1e-13 * max(condition, 100)
    assert errors[0] <= balance.users_accuracy
    assert errors[1] <= balance.items_accuracy


@pytest.mark.parametrize("condition", [1, 1e2, 1e4, 1e6])
def test_singular_values_are_those_of_the_scores(
    condition: float, rng: np.random.Generator
) -> None:
    users, items = conditioned(80, 9, condition, rng), conditioned(70, 9, condition, rng)
    balance = solve.balance(factored(users, "always"), factored(items, "always"))
    want = paper.stabilize(users, items).singular_values
    # A table's smallest singular value is known to eps times its condition. BLAS kernels differ in
    # how much of that they use: 1e-17 times the condition held on one machine, 1.4e-17 on another.
    np.testing.assert_allclose(balance.singular_values, want, rtol=1e-14 + 3e-17 * condition)


def test_badly_scaled_columns_do_no_harm(rng: np.random.Generator) -> None:
    scale = 10.0 ** np.arange(-6, 6)
    users = rng.standard_normal((100, 12)) * scale
    items = rng.standard_normal((80, 12)) / scale
    factors = factored(users), factored(items)
    assert [factor.passes for factor in factors] == [1, 1]
    assert all(factor.condition < 10 for factor in factors)
    balance = solve.balance(*factors)
    assert gram_error(users @ balance.users, balance.singular_values) < 1e-12


def test_first_run_defines_principal_axes(rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((50, 5)), rng.standard_normal((40, 5))
    balance = solve.balance(factored(users), factored(items))
    assert np.all(np.diff(balance.singular_values) < 0)
    largest = np.abs(balance.items).argmax(axis=0)
    assert np.all(balance.items[largest, np.arange(5)] > 0)


def test_signs_do_not_depend_on_the_row_order(rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((50, 5)), rng.standard_normal((40, 5))
    first = solve.balance(factored(users), factored(items))
    again = solve.balance(factored(rng.permutation(users)), factored(rng.permutation(items)))
    np.testing.assert_allclose(first.items, again.items, atol=1e-12)


def test_dead_dimensions_are_left_out(rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((50, 6)), rng.standard_normal((40, 6))
    users[:, 2] = 0
    items[:, 4] = items[:, 3]
    factors = factored(users), factored(items)
    assert [factor.rank for factor in factors] == [5, 5]
    balance = solve.balance(*factors)
    assert balance.rank == np.linalg.matrix_rank(items @ users.T) == 4
    assert balance.dropped == 2
    assert score_error(users, items, balance) < 1e-13


def test_what_gets_no_score_cannot_be_had_back(rng: np.random.Generator) -> None:
    """Equal ranks are not enough: T = (a, a) loses a half to W = (b, 0)."""
    a, b = rng.standard_normal((40, 1)), rng.standard_normal((50, 1))
    users, items = np.hstack([b, 0 * b]), np.hstack([a, a])
    balance = solve.balance(factored(users), factored(items))
    assert not balance.items_restored
    full = rng.standard_normal((40, 2))
    balance = solve.balance(factored(rng.standard_normal((50, 2))), factored(full))
    assert balance.items_restored
    assert balance.users_restored
    there_and_back = full @ balance.items @ balance.users.T
    np.testing.assert_allclose(there_and_back, full, atol=1e-12)


def test_a_requested_rank_is_the_best_approximation(rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((50, 6)), rng.standard_normal((40, 6))
    balance = solve.balance(factored(users), factored(items), rank=3)
    left, values, right_t = np.linalg.svd(items @ users.T, full_matrices=False)
    best = left[:, :3] * values[:3] @ right_t[:3]
    got = (items @ balance.items) @ (users @ balance.users).T
    np.testing.assert_allclose(got, best, atol=1e-12 * values[0])


def test_zero_vectors_have_nothing_to_stabilize() -> None:
    with pytest.raises(DataError, match="All vectors are zero"):
        solve.factor(np.zeros((3, 3)), 10)
    users, items = np.diag([1.0, 0, 0]), np.diag([0, 1.0, 1.0])
    with pytest.raises(DataError, match="All scores are zero"):
        solve.balance(factored(users), factored(items))


@given(seed=seeds, rank=st.integers(1, 8), reference=st.integers(1, 8), rows=st.integers(1, 30))
def test_alignment_keeps_lengths_and_is_best(
    seed: int, rank: int, reference: int, rows: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((rows, rank)), rng.standard_normal((rows, reference))
    alignment = solve.align(x.T @ y)
    dimension = max(rank, reference)
    assert alignment.omega.shape == (rank, dimension)
    np.testing.assert_allclose(alignment.omega @ alignment.omega.T, np.eye(rank), atol=1e-12)
    # The maximum of tr(Omega' C) over orthonormal rows is the nuclear norm.
    reached = np.trace(alignment.omega[:, :reference].T @ (x.T @ y))
    assert reached == pytest.approx(np.linalg.norm(x.T @ y, "nuc"), rel=1e-7)
    assert alignment.ambiguous == rank - min(rank, reference, rows)


def test_alignment_equals_scipy(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((40, 5)), rng.standard_normal((40, 5))
    alignment = solve.align(x.T @ y)
    np.testing.assert_allclose(alignment.omega, paper.align(x, y), atol=1e-12)
    assert alignment.determinant == pytest.approx(np.linalg.det(alignment.omega))


@given(seed=seeds, shared=st.integers(1, 4))
def test_an_ambiguous_alignment_does_not_depend_on_chance(seed: int, shared: int) -> None:
    """With fewer shared ids than dimensions, noise in C must not decide about the rest."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((shared, 5)), rng.standard_normal((shared, 5))
    cross = x.T @ y
    noise = 1e-16 * rng.standard_normal((2, 5, 5)) * np.abs(cross).max()
    first, second = solve.align(cross + noise[0]), solve.align(cross + noise[1])
    values = first.singular_values
    smallest = values[shared - 1] / values[0]
    assert first.ambiguous == 5 - shared
    np.testing.assert_allclose(first.omega, second.omega, atol=1e-13 / smallest)


def test_nothing_shared_leaves_the_axes_alone() -> None:
    alignment = solve.align(np.zeros((3, 5)))
    np.testing.assert_allclose(alignment.omega, np.eye(3, 5), atol=1e-15)
    assert alignment.ambiguous == 3


def test_new_dimensions_get_new_axes(rng: np.random.Generator) -> None:
    x = rng.standard_normal((40, 6))
    y = x[:, :4] @ np.linalg.qr(rng.standard_normal((4, 4)))[0]
    alignment = solve.align(x.T @ y)
    assert alignment.omega.shape == (6, 6)
    assert alignment.ambiguous == 2
    assert alignment.determinant in (1, -1)


@given(seed=seeds, rows=st.integers(2, 40), dimension=st.integers(1, 6))
def test_figures_from_sums_equal_those_from_rows(seed: int, rows: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, rows, dimension))
    sums = SharedSums(x.T @ y, x.T @ x, y.T @ y, x.sum(axis=0), y.sum(axis=0), rows)
    omega = solve.align(sums.cross).omega
    residual = np.linalg.norm(x @ omega - y) / np.linalg.norm(y)
    # The square of a difference of sums: half the digits where the residual is near zero.
    assert relative_residual(sums) == pytest.approx(residual, rel=1e-10, abs=1e-7)
    cka = np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert linear_cka(sums) == pytest.approx(cka, rel=1e-10)
    difference = np.linalg.norm(x @ x.T - y @ y.T)
    bound = (2 * dimension) ** 0.25 * np.sqrt(difference) / np.linalg.norm(y)
    assert residual_bound(sums) == pytest.approx(bound, rel=1e-7, abs=1e-4)
    assert residual <= residual_bound(sums) + 1e-7
    assert dot_product_difference(sums) == pytest.approx(
        difference / np.linalg.norm(y @ y.T), rel=1e-7, abs=1e-7
    )
    weighted = (
        paper.cosines(x @ omega, y)
        @ (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
        / (np.linalg.norm(x) * np.linalg.norm(y))
    )
    assert cosine(sums) == pytest.approx(weighted, rel=1e-10)
    assert cosine_with(omega, sums) == pytest.approx(weighted, rel=1e-10)
    least = np.linalg.norm(x @ np.linalg.lstsq(x, y, rcond=None)[0] - y) / np.linalg.norm(y)
    assert linear_residual(sums) == pytest.approx(least, rel=1e-6, abs=1e-6)
    assert linear_residual(sums) <= relative_residual(sums) + 1e-6
