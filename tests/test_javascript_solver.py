"""The solver in JavaScript gives what the Python solver gives, or says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import conditioned, movietweetings, read_vectors
from javascript import JavaScriptError, evaluate

from sqlstab import Options, Space
from sqlstab.maths import solve
from sqlstab.maths.quality import SharedSums, linear_cka, relative_residual, residual_bound

if TYPE_CHECKING:
    from collections.abc import Iterator

SOLVER = (Path(__file__).parents[1] / "sql" / "solver.js").read_text()
# Sums of two sides over the ids that two runs share.
Shared = dict[str, tuple[np.ndarray, np.ndarray]]


def entries(
    kind: str, side: str, matrix: np.ndarray, rows: int, *, triangular: bool = True
) -> Iterator[dict[str, Any]]:
    for (i, j), value in np.ndenumerate(matrix):
        if i <= j or not triangular:
            place = {"kind": kind, "side": side, "i": i + 1, "j": j + 1}
            yield {**place, "value": float(value), "n_rows": rows}


class Solution:
    """What the function gives for tables: `maps`, `omega`, `singular_values`, `figures` by name.

    Args:
        raw: Users and items, (m, e) and (n, e).
        shared: By side, raw rows and the reference's rows of the ids that two runs share.
        weights: How much each side counts.
    """

    def __init__(
        self,
        raw: dict[str, np.ndarray],
        shared: Shared | None = None,
        weights: dict[str, float] | None = None,
    ) -> None:
        size = width = raw["users"].shape[1]
        sums = [
            entry
            for side, table in raw.items()
            for entry in entries("gram", side, table.T @ table, len(table))
        ]
        for side, (x, y) in (shared or {}).items():
            width = y.shape[1]
            sums += entries("cross", side, x.T @ y, len(y), triangular=False)
            sums += entries("shared_run", side, x.T @ x, len(y))
            sums += entries("shared_reference", side, y.T @ y, len(y))
        settings: dict[str, Any] = {"dimension": size, "reference_dimension": width}
        if shared is not None:
            settings["anchors"] = weights or dict.fromkeys(shared, 1.0)
        given = {"sums": sums, "settings": json.dumps(settings)}
        self.matrices: dict[str, np.ndarray] = {}
        found: dict[str, list[list[float]]] = {}
        for row in evaluate(SOLVER, "solve(given.sums, given.settings)", given):
            rows = found.setdefault(row["name"], [])
            rows.append(row["x"])
            assert row["i"] == len(rows)
        self.maps = {side: np.array(found.pop(side)) for side in ("users", "items")}
        self.omega = np.array(found.pop("omega", []))
        self.singular_values = np.array(found.pop("singular_values"))[:, 0]
        self.figures = {name: rows[0][0] for name, rows in found.items()}


def balanced(raw: dict[str, np.ndarray]) -> solve.Balance:
    return solve.balance(*(solve.factor(table.T @ table, len(table)) for table in raw.values()))


def of_shared(
    raw: dict[str, np.ndarray], shared: Shared, weights: dict[str, float]
) -> tuple[solve.Balance, SharedSums]:
    """What the Python solver makes of the same sums."""
    balance = balanced(raw)
    maps = {"users": balance.users, "items": balance.items}
    sums = []
    for side, (x, y) in shared.items():
        b = x @ maps[side]
        totals = b.sum(axis=0), y.sum(axis=0), float(len(y))
        sums.append(SharedSums(b.T @ y, b.T @ b, y.T @ y, *totals) * weights[side])
    return balance, sums[0] if len(sums) == 1 else sums[0] + sums[1]


@pytest.mark.parametrize("size", [1, 2, 3, 8, 32])
def test_first_run(rng: np.random.Generator, size: int) -> None:
    """The principal axes with their signs, and all figures."""
    raw = {"users": rng.standard_normal((60, size)) * 3, "items": rng.standard_normal((50, size))}
    found, want = Solution(raw), balanced(raw)
    np.testing.assert_allclose(found.singular_values, want.singular_values, rtol=1e-12)
    scale = np.abs(want.items).max()
    np.testing.assert_allclose(found.maps["items"], want.items, atol=1e-11 * scale)
    np.testing.assert_allclose(found.maps["users"], want.users, atol=1e-11 * scale)
    figures = found.figures
    assert figures["rank"] == size
    for side, accuracy in (("users", want.users_accuracy), ("items", want.items_accuracy)):
        factor = solve.factor(raw[side].T @ raw[side], len(raw[side]))
        assert figures[f"{side}_rows"] == len(raw[side])
        assert figures[f"{side}_live"] == figures[f"{side}_rank"] == size
        assert figures[f"{side}_condition"] == pytest.approx(factor.condition, rel=1e-10)
        assert figures[f"{side}_accuracy"] == pytest.approx(accuracy, rel=1e-6)
    assert max(figures[f"{name}_error"] for name in ("score", "users_gram", "items_gram")) < 1e-13


@pytest.mark.parametrize(
    ("weights", "width"),
    [
        ({"items": 1.0}, 5),
        ({"users": 1.0}, 5),
        ({"users": 0.25, "items": 1.0}, 5),
        ({"items": 1.0}, 8),
        ({"items": 1.0}, 3),
    ],
    ids=["items", "users", "both", "wider", "grown"],
)
def test_alignment(rng: np.random.Generator, weights: dict[str, float], width: int) -> None:
    raw = {"users": conditioned(60, 5, 30, rng), "items": conditioned(50, 5, 30, rng)}
    balance = balanced(raw)
    stable = {
        "users": raw["users"][:33] @ balance.users,
        "items": raw["items"][:44] @ balance.items,
    }
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0][:5, :width]
    shared: Shared = {}
    for side in weights:
        noise = 0.3 * stable[side].std() * rng.standard_normal(stable[side].shape)
        shared[side] = raw[side][: len(noise)], (stable[side] + noise) @ turn
    found = Solution(raw, shared, weights)
    balance, sums = of_shared(raw, shared, weights)
    omega = solve.align(sums.cross).omega
    np.testing.assert_allclose(found.omega @ found.omega.T, np.eye(5), atol=1e-13)
    np.testing.assert_allclose(found.maps["items"], balance.items @ omega, atol=1e-9)
    np.testing.assert_allclose(found.maps["users"], balance.users @ omega, atol=1e-9)
    figures = found.figures
    assert figures["relative_residual"] == pytest.approx(relative_residual(sums), rel=1e-10)
    assert figures["cka"] == pytest.approx(linear_cka(sums), rel=1e-10)
    assert figures["bound"] == pytest.approx(residual_bound(sums), rel=1e-6)
    assert figures["anchors"] == sum(len(x) for x, _ in shared.values())
    assert figures["ambiguous"] == max(5 - width, 0)
    assert figures["omega_error"] < 1e-13


FACTORS = """(() => {
    const [users, items] = given.map((gram) => factor(gram, 100));
    const balanced = balance(users, items);
    const about = (side) => [side.rank, side.live, side.resolved, side.condition];
    return { ...balanced, about: [about(users), about(items)] };
})()"""


@pytest.mark.parametrize("case", ["well", "1e2", "1e4", "1e6", "dependent", "zeros", "scales"])
def test_balance(rng: np.random.Generator, case: str) -> None:
    """Scores are kept to rounding errors, whatever a pass tells of the weakest directions."""
    condition = float(case) if case.startswith("1e") else 5.0
    users, items = conditioned(60, 6, condition, rng), conditioned(50, 6, condition, rng)
    if case == "dependent":
        items[:, 3] = items[:, 0] - items[:, 2]
    if case == "zeros":
        items[:, 1] = users[:, 4] = 0
    if case == "scales":
        sizes = np.array([1e-36, 1e-10, 1.0, 1e6, 1e20, 1e36])
        users, items = users / sizes, items * sizes
    grams = [table.T @ table for table in (users, items)]
    found = evaluate(SOLVER, FACTORS, [gram.tolist() for gram in grams])
    factors = [solve.factor(gram, 100) for gram in grams]
    want = solve.balance(*factors)
    for (rank, live, resolved, known), factor in zip(found["about"], factors, strict=True):
        assert rank == factor.rank
        assert live == factor.triangle.shape[0]
        assert resolved is factor.resolved
        if resolved:
            # Of sums that are exact to eps, as far as they tell.
            assert known == pytest.approx(factor.condition, rel=1e-15 * condition**2 + 1e-9)
    maps = {side: np.array(found[side]).T for side in ("users", "items")}
    scores = items @ users.T
    stable = (items @ maps["items"]) @ (users @ maps["users"]).T
    assert np.abs(stable - scores).max() < 1e-13 * np.abs(scores).max()
    assert len(found["values"]) == want.rank == {"zeros": 4}.get(case, 6)
    if case in ("1e6", "dependent"):
        return
    np.testing.assert_allclose(
        found["values"], want.singular_values, rtol=1e-15 * condition**2 + 1e-12
    )
    rows = items @ want.items
    close = {"atol": (1e-15 * condition**2 + 1e-11) * np.abs(rows).max()}
    np.testing.assert_allclose(items @ maps["items"], rows, **close)


def low_rank(rng: np.random.Generator, rows: int, columns: int, rank: int) -> np.ndarray:
    found: np.ndarray = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))
    return found


@pytest.mark.parametrize(
    ("shape", "rank"),
    [((5, 5), 5), ((5, 5), 3), ((5, 8), 5), ((5, 8), 2), ((6, 4), 4), ((6, 4), 1), ((4, 4), 0)],
)
def test_directions_that_nothing_determines(
    rng: np.random.Generator, shape: tuple[int, int], rank: int
) -> None:
    """They go where the Python solver puts them, also the axes that a space has not yet."""
    cross = low_rank(rng, *shape, rank)
    found = evaluate(SOLVER, "align(given)", cross.tolist())
    want = solve.align(cross)
    np.testing.assert_allclose(found["omega"], want.omega, atol=1e-10)
    assert found["ambiguous"] == want.ambiguous == shape[0] - rank


def test_a_direction_whose_own_position_is_taken() -> None:
    """Then the last guide decides, a matrix that is always the same."""
    cross = np.array([[0.0, 1.0], [0.0, 0.0]])
    found = evaluate(SOLVER, "align(given)", cross.tolist())
    np.testing.assert_allclose(found["omega"], solve.align(cross).omega, atol=1e-14)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (3, 7), (20, 20)])
@pytest.mark.parametrize("missing", [0, 1])
def test_singular_values(rng: np.random.Generator, shape: tuple[int, int], missing: int) -> None:
    matrix = low_rank(rng, *shape, min(shape) - missing)
    found = evaluate(SOLVER, "svd(given)", matrix.tolist())
    left, right = np.array(found["left"]).T, np.array(found["right"]).T
    values = np.linalg.svd(matrix, compute_uv=False)
    np.testing.assert_allclose(found["values"], values, atol=1e-13 * max(values[0], 1))
    np.testing.assert_allclose(left * found["values"] @ right.T, matrix, atol=1e-12)


def spoiled(rng: np.random.Generator, what: str) -> tuple[dict[str, np.ndarray], Shared | None]:
    raw = {"users": rng.standard_normal((40, 4)), "items": rng.standard_normal((30, 4))}
    shared = None
    if what == "zero":
        raw["users"] *= 0
    if what == "dependent":
        raw["items"][:, 3] = raw["items"][:, 0] - raw["items"][:, 2]
    if what == "condition":
        raw["users"] = conditioned(4000, 4, 3e6, rng)
    if what == "apart":
        raw["users"][:, :2] = raw["items"][:, 2:] = 0
    if what == "underflow":
        raw["users"][:, 0] *= 1e-170
        raw["items"][:, 0] *= 1e150
    if what == "nothing shared":
        shared = {"items": (np.zeros((0, 4)), np.zeros((0, 4)))}
    if what == "no weight":
        shared = {"items": (raw["items"], np.zeros((30, 4)))}
    return raw, shared


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("zero", "all vectors are zero"),
        ("dependent", "items: the columns depend on each other, or nearly so"),
        ("condition", "users: the columns depend on each other, or nearly so"),
        ("apart", "all scores are zero"),
        ("underflow", "component 1 of the users is zero or so small"),
        ("nothing shared", "the runs share no ids to align on"),
        ("no weight", "none with a weight above zero"),
    ],
)
def test_refusals(rng: np.random.Generator, what: str, message: str) -> None:
    with pytest.raises(JavaScriptError, match=f"^The SQL solver refuses: .*{message}.*sqlstab run"):
        Solution(*spoiled(rng, what))


def test_sums_of_other_dimensions_are_refused() -> None:
    given = [list(entries("gram", "users", np.eye(4), 9)), json.dumps({"dimension": 3})]
    with pytest.raises(JavaScriptError, match="users: the sums are of 4 components, not of 3"):
        evaluate(SOLVER, "solve(given[0], given[1])", given)


def test_few_shared_ids_are_counted(rng: np.random.Generator) -> None:
    raw = {"users": rng.standard_normal((40, 4)), "items": rng.standard_normal((30, 4))}
    shared: Shared = {"items": (raw["items"][:3], rng.standard_normal((3, 4)))}
    found = Solution(raw, shared)
    balance, sums = of_shared(raw, shared, {"items": 1.0})
    want = solve.align(sums.cross)
    assert found.figures["ambiguous"] == want.ambiguous == 1
    np.testing.assert_allclose(found.maps["items"], balance.items @ want.omega, atol=1e-9)


@pytest.mark.parametrize("group", ["time_als_e32", "seeds_bpr_e32"])
def test_real_retrainings(group: str, tmp_path: Path) -> None:
    """Stable vectors have the dot products and cosines of a run of sqlstab."""
    space = Space(tmp_path / "usual")
    options = Options(align="previous", plain_rows=True, refine="never", strategy="sql")
    earlier: tuple[np.ndarray, np.ndarray] | None = None
    for number, key in enumerate("ab"):
        source = movietweetings(group, number)
        space.run(source / "users.parquet", source / "items.parquet", key=key, options=options)
        tables = {side: read_vectors(source / f"{side}.parquet") for side in ("users", "items")}
        raw = {side: vectors.astype(float) for side, (_, vectors) in tables.items()}
        shared = None
        if earlier:
            _, here, there = np.intersect1d(tables["items"][0], earlier[0], return_indices=True)
            shared = {"items": (raw["items"][here], earlier[1][there].astype(float))}
            assert len(here) > 1000
        found = Solution(raw, shared)
        for side, vectors in raw.items():
            got, want = vectors @ found.maps[side], vectors @ space[key].maps[side].matrix
            np.testing.assert_allclose(got, want, atol=1e-8 * np.abs(want).max())
            some = slice(None, None, len(got) // 300)
            dots = want[some] @ want[some].T
            np.testing.assert_allclose(got[some] @ got[some].T, dots, atol=1e-8 * dots.max())
            cosines = np.sum(got * want, axis=1)
            lengths = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
            np.testing.assert_allclose(cosines[lengths > 0], lengths[lengths > 0], rtol=1e-8)
        earlier = read_vectors(tmp_path / "usual" / f"run={key}" / "items.parquet")


def test_engines_take_it() -> None:
    """BigQuery takes 32,768 bytes, and either engine ends a text in its own way."""
    assert len(SOLVER.encode()) < 32_000
    assert '"""' not in SOLVER
    assert "$$" not in SOLVER
    assert SOLVER.isascii()
