"""`make bench-solver`: the SQL solver against the Python solver, and how long each takes.

Random tables of n = 4 e rows with a given condition, and a reference that is the table itself in
another space, changed by a third. Compared are the stable vectors T M_T Omega (largest difference,
relative to the largest component), the singular values (relative), and scores against those of the
raw vectors (relative to the largest). Times are CPU seconds on one core. Writes the tables into
docs/sql-solver.md.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

from sqlstab import solve, sql  # noqa: E402
from sqlstab.dialects import DUCKDB  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).resolve().parent.parent / "docs" / "sql-solver.md"
COLUMNS = ("side", "i", "j", "value", "n_rows")


@dataclass(frozen=True)
class Row:
    """One problem, solved both ways."""

    size: int
    condition: float
    values: float
    vectors: float
    scores: float
    python_scores: float
    seconds: float
    python_seconds: float


def conditioned(size: int, condition: float, rng: np.random.Generator) -> np.ndarray:
    left = np.linalg.qr(rng.standard_normal((4 * size, size)))[0]
    right = np.linalg.qr(rng.standard_normal((size, size)))[0]
    return left * np.geomspace(1, 1 / condition, size) @ right.T


def entries(side: str, matrix: np.ndarray, *, triangular: bool) -> pa.Table:
    i, j = np.triu_indices(len(matrix)) if triangular else np.indices(matrix.shape).reshape(2, -1)
    columns = [[side] * len(i), i + 1, j + 1, matrix[i, j], [4 * len(matrix)] * len(i)]
    return pa.table([pa.array(column) for column in columns], names=COLUMNS)


def contest(size: int, condition: float, rounds: int) -> Row | str:
    """The figures; or why the SQL solver refuses."""
    rng = np.random.default_rng(size)
    users, items = conditioned(size, condition, rng), conditioned(size, condition, rng)
    gram = {"users": users.T @ users, "items": items.T @ items}

    def python() -> tuple[solve.Balance, np.ndarray]:
        factors = [solve.factor(matrix, 4 * size) for matrix in gram.values()]
        balance = solve.balance(*factors)
        return balance, solve.align(balance.items.T @ cross).omega

    turn = np.linalg.qr(rng.standard_normal((size, size)))[0]
    balanced = items @ solve.balance(*(solve.factor(g, 4 * size) for g in gram.values())).items
    noise = 0.3 * balanced.std() * rng.standard_normal(balanced.shape)
    cross = items.T @ ((balanced + noise) @ turn)
    python_seconds, (balance, omega) = timed(python, rounds)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register(
            "given",
            pa.concat_tables([entries(s, matrix, triangular=True) for s, matrix in gram.items()]),
        )
        connection.execute("CREATE TABLE grams AS SELECT * FROM given")
        connection.register("given_cross", entries("items", cross, triangular=False))
        connection.execute("CREATE TABLE crosses AS SELECT * FROM given_cross")
        statement = sql.solve(DUCKDB, size, "grams", crosses="crosses", anchors={"items": 1.0})
        try:
            seconds, rows = timed(lambda: connection.execute(statement).fetchall(), rounds)
        except duckdb.InvalidInputException as error:
            return str(error).removeprefix("Invalid Input Error: ")
    found = {
        name: np.zeros((size, size)) for name in ("users", "items", "omega", "singular_values")
    }
    for name, i, j, value in rows:
        if name in found:
            found[name][i - 1, j - 1] = value
    scores = items @ users.T
    stable = items @ balance.items @ omega
    return Row(
        size,
        condition,
        np.abs(found["singular_values"][:, 0] / balance.singular_values - 1).max(),
        np.abs(items @ found["items"] - stable).max() / np.abs(stable).max(),
        np.abs(items @ found["items"] @ found["users"].T @ users.T - scores).max()
        / np.abs(scores).max(),
        np.abs(items @ balance.items @ balance.users.T @ users.T - scores).max()
        / np.abs(scores).max(),
        seconds,
        python_seconds,
    )


def timed(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """The least CPU time of some rounds, and the result."""
    best, result = float("inf"), None
    for _ in range(rounds):
        started = time.process_time()
        result = work()
        best = min(best, time.process_time() - started)
    return best, result


def table(rows: list[Row | str], cases: list[tuple[int, float]]) -> str:
    lines = [
        "| e | condition | stable vectors | singular values | scores | scores, Python "
        "| DuckDB, s | Python, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (size, condition), row in zip(cases, rows, strict=True):
        start = f"| {size} | {condition:.0e} |"
        if isinstance(row, str):
            lines.append(f"{start} refused | | | | | |")
            continue
        lines.append(
            f"{start} {row.vectors:.0e} | {row.values:.0e} | {row.scores:.0e} | "
            f"{row.python_scores:.0e} | {row.seconds:.2f} | {row.python_seconds:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="8,32,64,128,256")
    parser.add_argument("--conditions", default="1,10,1e2,1e4,1e6")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    cases = [
        (int(size), float(condition))
        for size in given.sizes.split(",")
        for condition in given.conditions.split(",")
    ]
    rows = []
    for size, condition in cases:
        rows.append(contest(size, condition, given.rounds if size <= 128 else 1))
        print(rows[-1], flush=True)
    text = PAGE.read_text()
    block = f"<!-- bench-solver -->\n{table(rows, cases)}\n<!-- end -->"
    PAGE.write_text(
        re.sub(r"<!-- bench-solver -->.*<!-- end -->", lambda _: block, text, flags=re.DOTALL)
    )


if __name__ == "__main__":
    main()
