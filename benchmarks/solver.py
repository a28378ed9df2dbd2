"""`make bench-solver`: the solvers in SQL and JavaScript against the one in Python; their times.

Random tables of n = 4 e rows with a given condition, and a reference that is the table itself in
another space, changed by a third. Compared are the stable vectors T M_T Omega (largest difference,
relative to the largest component), the singular values (relative), and scores against those of the
raw vectors (relative to the largest). Times of DuckDB and Node are CPU seconds on one core; those
of the other engines are on the clock, since they are other processes. Writes the tables into
docs/sql-solver.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from measure import DOCS, write_block  # noqa: E402

from sqlstab.engines.duckdb import DUCKDB  # noqa: E402
from sqlstab.maths import solve  # noqa: E402
from sqlstab.session import connect  # noqa: E402
from sqlstab.statements import build, ddl, relations  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlstab.engines.base import Engine
    from sqlstab.statements.dialect import Dialect

NODE = """
const [code, settings, rounds, sums] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const solve = new Function(`${code}\nreturn solve;`)();
let [best, rows] = [Infinity, null];
for (let round = 0; round < rounds; round++) {
  const started = process.cpuUsage();
  rows = solve(sums, settings);
  const { user, system } = process.cpuUsage(started);
  best = Math.min(best, (user + system) / 1e6);
}
console.log(JSON.stringify([best, rows]));
"""
PAGE = DOCS / "sql-solver.md"
COLUMNS = {"side": "text", "i": "integer", "j": "integer", "value": "double", "n_rows": "bigint"}


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
    return pa.table([pa.array(column) for column in columns], names=[*COLUMNS])


@dataclass(frozen=True)
class Problem:
    """Two tables of vectors, and the sums that are solved."""

    users: np.ndarray
    items: np.ndarray
    grams: dict[str, np.ndarray]
    cross: np.ndarray

    @classmethod
    def random(cls, size: int, condition: float) -> Problem:
        """Tables of this dimension and condition, always the same."""
        rng = np.random.default_rng(size)
        users, items = conditioned(size, condition, rng), conditioned(size, condition, rng)
        grams = {"users": users.T @ users, "items": items.T @ items}
        balanced = items @ balance(grams).items
        turn = np.linalg.qr(rng.standard_normal((size, size)))[0]
        noise = 0.3 * balanced.std() * rng.standard_normal(balanced.shape)
        return cls(users, items, grams, items.T @ ((balanced + noise) @ turn))

    def tables(self) -> dict[str, pa.Table]:
        """The sums as the statement reads them."""
        grams = [entries(s, matrix, triangular=True) for s, matrix in self.grams.items()]
        crosses = entries("items", self.cross, triangular=False)
        return {"grams": pa.concat_tables(grams), "crosses": crosses}


def balance(grams: dict[str, np.ndarray]) -> solve.Balance:
    return solve.balance(*(solve.factor(matrix, 4 * len(matrix)) for matrix in grams.values()))


def solution(dialect: Dialect, size: int) -> build.Solve:
    return build.solve(dialect, size, "grams", crosses="crosses", anchors={"items": 1.0})


Solved = tuple[float, dict[str, np.ndarray]]


def contest(
    size: int, condition: float, rounds: int, solved: Callable[[Problem, int], Solved | str]
) -> Row | str:
    """The figures; or why a solver refuses."""
    problem = Problem.random(size, condition)
    users, items = problem.users, problem.items

    def python() -> tuple[solve.Balance, np.ndarray]:
        balanced = balance(problem.grams)
        return balanced, solve.align(balanced.items.T @ problem.cross).omega

    python_seconds, (balanced, omega) = timed(python, rounds)
    other = solved(problem, rounds)
    if isinstance(other, str):
        return other
    seconds, found = other
    scores = items @ users.T
    stable = items @ balanced.items @ omega
    return Row(
        size,
        condition,
        np.abs(found["singular_values"][:, 0] / balanced.singular_values - 1).max(),
        np.abs(items @ found["items"] - stable).max() / np.abs(stable).max(),
        np.abs(items @ found["items"] @ found["users"].T @ users.T - scores).max()
        / np.abs(scores).max(),
        np.abs(items @ balanced.items @ balanced.users.T @ users.T - scores).max()
        / np.abs(scores).max(),
        seconds,
        python_seconds,
    )


def in_duckdb(problem: Problem, rounds: int) -> Solved | str:
    """What the statement gives, or why not."""
    size = len(problem.cross)
    with duckdb.connect(config={"threads": 1}) as connection:
        for name, sums in problem.tables().items():
            connection.register("given", sums)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
        try:
            seconds, rows = timed(
                lambda: connection.execute(solution(DUCKDB, size).query).fetchall(), rounds
            )
        except duckdb.InvalidInputException as error:
            return str(error).removeprefix("Invalid Input Error: ")
    found = {
        name: np.zeros((size, size)) for name in ("users", "items", "omega", "singular_values")
    }
    for name, i, j, value in rows:
        if name in found:
            found[name][i - 1, j - 1] = value
    return seconds, found


def in_node(problem: Problem, rounds: int) -> Solved | str:
    """What the function gives, or why not."""
    kinds = {"grams": "gram", "crosses": "cross"}
    sums = [
        {"kind": kinds[name], **row}
        for name, entries_ in problem.tables().items()
        for row in entries_.to_pylist()
    ]
    size = len(problem.cross)
    settings = {"dimension": size, "reference_dimension": size, "anchors": {"items": 1}}
    code = (DOCS.parent / "sql" / "solver.js").read_text()
    done = subprocess.run(
        ["node", "-e", NODE],
        input=json.dumps([code, json.dumps(settings), rounds, sums]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return next(line for line in done.stderr.splitlines() if "Error: " in line)
    seconds, rows = json.loads(done.stdout)
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(row["x"])
    return seconds, {name: np.array(matrix) for name, matrix in found.items()}


def timed(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """The least CPU time of some rounds, and the result."""
    best, result = float("inf"), None
    for _ in range(rounds):
        started = time.process_time()
        result = work()
        best = min(best, time.process_time() - started)
    return best, result


def table(rows: list[Row | str], cases: list[tuple[int, float]], solver: str) -> str:
    lines = [
        "| e | condition | stable vectors | singular values | scores | scores, Python "
        f"| {solver}, s | Python, s |",
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


def engine_table(name: str, sizes: list[int]) -> str:
    """Seconds that another engine takes, at a condition of 10: the better one of two rounds."""
    from engines import load_targets  # noqa: PLC0415 - another benchmark

    lines = ["| e | s |", "|---|---|"]
    with (
        load_targets().TARGETS[name].start() as database,
        connect(database, writes=True) as engine,
    ):
        dialect = engine.dialect
        for size in sizes:
            for table_, sums in Problem.random(size, 10).tables().items():
                rows = [tuple(row.values()) for row in sums.to_pylist()]
                for text in (
                    ddl.drop_table(table_, dialect),
                    created(table_, dialect),
                    *ddl.insert(table_, rows, dialect),
                ):
                    engine.execute(text)
            seconds = min(solved_in(engine, size) for _ in range(2))
            lines.append(f"| {size} | {seconds:.1f} |")
            print(name, lines[-1], flush=True)
    return "\n".join(lines)


def created(name: str, dialect: Dialect) -> str:
    """A statement that makes a table of sums."""
    listed = ", ".join(f"{column} {getattr(dialect, kind)}" for column, kind in COLUMNS.items())
    return f"CREATE TABLE {relations.named(name, dialect)} ({listed}){dialect.tables.storage}"


def solved_in(engine: Engine, size: int) -> float:
    """Seconds on the clock of the statements of a solution."""
    found = solution(engine.dialect, size)
    started = time.perf_counter()
    for name, query in found.tables.items():
        engine.execute(ddl.create_table(name, query, engine.dialect))
    engine.query(found.query)
    seconds = time.perf_counter() - started
    for name in found.tables:
        engine.execute(ddl.drop_table(name, engine.dialect))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="8,32,64,128,256")
    parser.add_argument("--conditions", default="1,10,1e2,1e4,1e6")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="duckdb,node,postgres,clickhouse,spark")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    for name, solver, solved, most, mark in (
        ("duckdb", "DuckDB", in_duckdb, 256, "bench-solver"),
        ("node", "Node", in_node, 128, "bench-solver-node"),
    ):
        if name not in given.engines.split(","):
            continue
        cases = [(s, float(c)) for s in sizes if s <= most for c in given.conditions.split(",")]
        rows = []
        for size, condition in cases:
            rows.append(contest(size, condition, given.rounds if size <= 128 else 1, solved))
            print(rows[-1], flush=True)
        write_block(PAGE, mark, table(rows, cases, solver))
    for name in ("postgres", "clickhouse", "spark"):
        if name in given.engines.split(","):
            mark = f"bench-solver-{name}"
            write_block(PAGE, mark, engine_table(name, [size for size in sizes if size <= 128]))


if __name__ == "__main__":
    main()
