"""The solver that is one SELECT: it gives what the Python solver gives, or says why not."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import conditioned

from sqlstab import UsageError
from sqlstab.engines import dialects
from sqlstab.errors import EngineError
from sqlstab.maths import solve
from sqlstab.maths.quality import (
    SharedSums,
    linear_cka,
    relative_residual,
    residual_bound,
)
from sqlstab.statements import build, ddl, relations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse import Warehouse

DIALECTS = dialects()
SOLVERS = [
    name
    for name, dialect in DIALECTS.items()
    if dialect.solving and dialect.solving.way != "javascript"
]
# Databricks has no engine of its own here; on Spark a solution takes some ten seconds: see the end.
RUNNABLE = [name for name in SOLVERS if name not in ("databricks", "spark")]


@pytest.fixture(params=RUNNABLE)
def warehouse(request: pytest.FixtureRequest, warehouses: Callable[[str], Warehouse]) -> Warehouse:
    return warehouses(request.param)


def entries(side: str, matrix: np.ndarray, rows: int, *, triangular: bool) -> Iterator[list[Any]]:
    for (i, j), value in np.ndenumerate(matrix):
        if i <= j or not triangular:
            yield [side, i + 1, j + 1, float(value), rows]


def fill(warehouse: Warehouse, name: str, rows: list[list[Any]]) -> str:
    dialect = warehouse.dialect
    columns = {
        "side": dialect.text,
        "i": dialect.integer,
        "j": dialect.integer,
        "value": dialect.double,
        "n_rows": dialect.bigint,
    }
    warehouse.create(name, columns, rows)
    return relations.named(name, dialect)


class Solution:
    """What a solving statement gives: `maps`, `omega`, `singular_values`, `figures` by name."""

    def __init__(self, warehouse: Warehouse, solution: build.Solve, size: int, width: int) -> None:
        self.maps = {side: np.full((size, width), np.nan) for side in ("users", "items")}
        self.omega = np.full((size, width), np.nan)
        self.singular_values = np.full(size, np.nan)
        self.figures: dict[str, float] = {}
        for table, query in solution.tables.items():
            warehouse.execute(
                ddl.drop_table(table, warehouse.dialect),
                ddl.create_table(table, query, warehouse.dialect),
            )
        for row in warehouse.engine.query(solution.query):
            name, i, j = row["name"], int(row["i"]) - 1, int(row["j"]) - 1
            if name in self.maps:
                assert np.isnan(self.maps[name][i, j])
                self.maps[name][i, j] = row["value"]
            elif name == "omega":
                self.omega[i, j] = row["value"]
            elif name == "singular_values":
                assert np.isnan(self.singular_values[i])
                self.singular_values[i] = row["value"]
            else:
                assert name not in self.figures
                self.figures[name] = float(row["value"])


class Problem:
    """Two tables of vectors, their sums in a warehouse, and what the Python solver makes of them.

    Args:
        warehouse: Where the sums go.
        users, items: (m, e) and (n, e).
    """

    def __init__(self, warehouse: Warehouse, users: np.ndarray, items: np.ndarray) -> None:
        self.warehouse = warehouse
        self.raw = {"users": users, "items": items}
        self.size = users.shape[1]
        self.grams = fill(
            warehouse,
            "solver_grams",
            [
                entry
                for side, table in self.raw.items()
                for entry in entries(side, table.T @ table, len(table), triangular=True)
            ],
        )

    @cached_property
    def balance(self) -> solve.Balance:
        return solve.balance(
            *(solve.factor(table.T @ table, len(table)) for table in self.raw.values())
        )

    def first(self) -> Solution:
        statement = build.solve(self.warehouse.dialect, self.size, self.grams)
        return Solution(self.warehouse, statement, self.size, self.size)

    def aligned(
        self, references: dict[str, np.ndarray], weights: dict[str, float]
    ) -> tuple[Solution, SharedSums]:
        """With a reference whose rows belong to the first rows of the raw tables."""
        balanced = {"users": self.balance.users, "items": self.balance.items}
        found: dict[str, list[list[Any]]] = {"crosses": [], "run": [], "reference": []}
        sums = []
        for side, weight in weights.items():
            y = references[side]
            x = self.raw[side][: len(y)]
            found["crosses"] += entries(side, x.T @ y, len(y), triangular=False)
            found["run"] += entries(side, x.T @ x, len(y), triangular=True)
            found["reference"] += entries(side, y.T @ y, len(y), triangular=True)
            b = x @ balanced[side]
            # Of the rows' totals the solver knows nothing.
            totals = b.sum(axis=0), y.sum(axis=0), float(len(y))
            sums.append(SharedSums(b.T @ y, b.T @ b, y.T @ y, *totals) * weight)
        names = {name: fill(self.warehouse, f"solver_{name}", rows) for name, rows in found.items()}
        width = next(iter(references.values())).shape[1]
        statement = build.solve(
            self.warehouse.dialect,
            self.size,
            self.grams,
            crosses=names["crosses"],
            reference_dimension=width,
            anchors=weights,
            shared=(names["run"], names["reference"]),
        )
        total = sums[0] if len(sums) == 1 else sums[0] + sums[1]
        return Solution(self.warehouse, statement, self.size, width), total


def noisy(vectors: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """The vectors in another space, changed by a third."""
    turn = np.linalg.qr(rng.standard_normal((width, width)))[0][: vectors.shape[1]]
    changed: np.ndarray = (
        vectors + 0.3 * np.std(vectors) * rng.standard_normal(vectors.shape)
    ) @ turn
    return changed


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_first_run(warehouse: Warehouse, rng: np.random.Generator, size: int) -> None:
    """The principal axes with their signs, as the Python solver has them."""
    users, items = rng.standard_normal((60, size)) * 3, rng.standard_normal((50, size))
    problem = Problem(warehouse, users, items)
    found = problem.first()
    np.testing.assert_allclose(found.singular_values, problem.balance.singular_values, rtol=1e-12)
    np.testing.assert_allclose(found.maps["items"], problem.balance.items, atol=1e-11)
    np.testing.assert_allclose(found.maps["users"], problem.balance.users, atol=1e-11)
    figures = found.figures
    assert figures["users_rows"] == 60
    assert figures["items_rows"] == 50
    assert figures["rank"] == figures["users_rank"] == figures["items_rank"] == size
    assert max(figures[f"{name}_error"] for name in ("score", "users_gram", "items_gram")) < 1e-13


@pytest.mark.parametrize(
    ("weights", "width"),
    [
        ({"items": 1.0}, 5),
        ({"users": 1.0}, 5),
        ({"users": 0.25, "items": 1.0}, 5),
        ({"items": 1.0}, 8),
    ],
    ids=["items", "users", "both", "wider"],
)
def test_alignment(
    warehouse: Warehouse, rng: np.random.Generator, weights: dict[str, float], width: int
) -> None:
    problem = Problem(warehouse, conditioned(60, 5, 30, rng), conditioned(50, 5, 30, rng))
    stable = {
        "users": problem.raw["users"][:33] @ problem.balance.users,
        "items": problem.raw["items"][:44] @ problem.balance.items,
    }
    seed = rng.integers(1000)
    references = {
        side: noisy(rows, width, np.random.default_rng(seed)) for side, rows in stable.items()
    }
    found, sums = problem.aligned(references, weights)
    omega = solve.align(sums.cross).omega
    # The Python solver leaves the order and the signs of balanced axes to the alignment, too.
    np.testing.assert_allclose(found.maps["items"], problem.balance.items @ omega, atol=1e-10)
    np.testing.assert_allclose(found.maps["users"], problem.balance.users @ omega, atol=1e-10)
    np.testing.assert_allclose(found.omega @ found.omega.T, np.eye(5), atol=1e-13)
    figures = found.figures
    assert figures["relative_residual"] == pytest.approx(relative_residual(sums), rel=1e-10)
    assert figures["cka"] == pytest.approx(linear_cka(sums), rel=1e-10)
    assert figures["bound"] == pytest.approx(residual_bound(sums), rel=1e-6)
    assert figures["anchors"] == sum({"users": 33, "items": 44}[side] for side in weights)
    assert figures["omega_error"] < 1e-13


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
def test_scores_are_kept(warehouse: Warehouse, rng: np.random.Generator, condition: float) -> None:
    users, items = conditioned(40, 6, condition, rng), conditioned(30, 6, condition, rng)
    found = Problem(warehouse, users, items).first()
    scores = items @ users.T
    stable = (items @ found.maps["items"]) @ (users @ found.maps["users"]).T
    assert np.abs(stable - scores).max() < 1e-13 * np.abs(scores).max()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_columns_of_very_different_size(
    warehouse: Warehouse, rng: np.random.Generator, scale: float
) -> None:
    """Columns are scaled to length one before anything else."""
    sizes = np.array([1e-6, 1.0, 1e6, 1e3]) * scale
    users = rng.standard_normal((40, 4)) / sizes
    items = rng.standard_normal((30, 4)) * sizes
    problem = Problem(warehouse, users, items)
    found = problem.first()
    np.testing.assert_allclose(found.singular_values, problem.balance.singular_values, rtol=1e-12)
    stable = items @ found.maps["items"]
    np.testing.assert_allclose(stable, items @ problem.balance.items, atol=1e-11 * stable.max())
    assert found.figures["items_condition"] < 10


def test_columns_of_zeros(warehouse: Warehouse, rng: np.random.Generator) -> None:
    """A dead dimension has no axis: zero rows, and a zero column at the end."""
    users, items = rng.standard_normal((40, 4)), rng.standard_normal((30, 4))
    items[:, 1] = 0
    problem = Problem(warehouse, users, items)
    found = problem.first()
    assert found.figures["rank"] == 3
    assert found.figures["items_live"] == 3
    assert found.figures["users_live"] == 4
    np.testing.assert_allclose(found.maps["items"][:, :3], problem.balance.items, atol=1e-12)
    np.testing.assert_allclose(found.maps["users"][:, :3], problem.balance.users, atol=1e-12)
    for side in ("users", "items"):
        np.testing.assert_array_equal(found.maps[side][:, 3], 0)
    np.testing.assert_array_equal(found.maps["items"][1], 0)


def refusal(solution: Callable[[], Any]) -> str:
    with pytest.raises(EngineError) as caught:
        solution()
    return str(caught.value)


def test_dependent_columns_are_refused(warehouse: Warehouse, rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((40, 4)), rng.standard_normal((30, 4))
    items[:, 3] = items[:, 0] - items[:, 2]
    message = refusal(Problem(warehouse, users, items).first)
    assert "items: of 4 columns that are not zero only 3 are independent" in message
    assert "sqlstab run" in message


def test_a_condition_too_large_is_refused(warehouse: Warehouse, rng: np.random.Generator) -> None:
    users, items = conditioned(4000, 4, 3e6, rng), rng.standard_normal((30, 4))
    message = refusal(Problem(warehouse, users, items).first)
    assert "users: the columns are nearly dependent" in message


def test_sums_of_other_dimensions_are_refused(
    warehouse: Warehouse, rng: np.random.Generator
) -> None:
    problem = Problem(warehouse, rng.standard_normal((40, 4)), rng.standard_normal((30, 4)))
    problem.size = 3
    assert "users: the sums are of 4 components, not of 3" in refusal(problem.first)


def test_too_few_shared_ids_are_refused(warehouse: Warehouse, rng: np.random.Generator) -> None:
    problem = Problem(warehouse, rng.standard_normal((40, 4)), rng.standard_normal((30, 4)))
    references = {"items": rng.standard_normal((3, 4))}
    message = refusal(lambda: problem.aligned(references, {"items": 1.0}))
    assert "the shared ids say nothing about 1 of 4 directions" in message


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        (np.zeros(4), np.ones(4), "users: all vectors are zero, or so small"),
        (np.ones(4), np.full(4, 1e-147), "items: all vectors are zero, or so small"),
        (np.full(4, 1e152), np.ones(4), "users: the sums of squares overflow"),
        (np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1]), "all scores are zero"),
    ],
    ids=["zero", "tiny", "huge", "apart"],
)
def test_nothing_to_solve(
    warehouse: Warehouse,
    rng: np.random.Generator,
    users: np.ndarray,
    items: np.ndarray,
    message: str,
) -> None:
    """What `sqlstab run` refuses, too, is refused with that reason."""
    raw = rng.standard_normal((40, 4)) * users, rng.standard_normal((30, 4)) * items
    assert message in refusal(Problem(warehouse, *raw).first)


@pytest.mark.parametrize("rows", [0, 9], ids=["no ids", "no weight"])
def test_nothing_shared(warehouse: Warehouse, rng: np.random.Generator, rows: int) -> None:
    """There are no sums, or all are zero."""
    problem = Problem(warehouse, rng.standard_normal((40, 4)), rng.standard_normal((30, 4)))
    names = {
        name: fill(
            warehouse,
            f"solver_{name}",
            list(entries("items", np.zeros((4, 4)), rows, triangular=name != "crosses"))[
                : 99 * rows
            ],
        )
        for name in ("crosses", "run", "reference")
    }
    statement = build.solve(
        warehouse.dialect,
        4,
        problem.grams,
        crosses=names["crosses"],
        anchors={"items": 1.0},
        shared=(names["run"], names["reference"]),
    )
    message = refusal(lambda: Solution(warehouse, statement, 4, 4))
    assert "the runs share no ids to align on, or none with a weight above zero" in message


def test_no_solver() -> None:
    with pytest.raises(UsageError, match="no SQL solver for redshift"):
        build.solve(DIALECTS["redshift"], 4, "grams")


def test_a_space_gets_no_new_axes() -> None:
    with pytest.raises(UsageError, match="have 4 components, the reference's 3"):
        build.solve(
            DIALECTS["duckdb"], 4, "g", crosses="c", reference_dimension=3, anchors={"items": 1.0}
        )


def test_on_spark(warehouses: Callable[[str], Warehouse], rng: np.random.Generator) -> None:
    """An odd number of columns, all sums, and a refusal; scripts are tested on even ones."""
    warehouse = warehouses("spark")
    test_alignment(warehouse, rng, {"users": 0.25, "items": 1.0}, 8)
    test_dependent_columns_are_refused(warehouse, rng)
