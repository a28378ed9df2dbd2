"""`make bench`: the whole job four ways, in turns, in one run.

Prints a Markdown table. Machines differ and drift, so the ratios count: each is the median of the
ratios within a round.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path

import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sqlstab-bench-") as name:
        folder = Path(name)
        shape = (given.users, given.items, given.dimension)
        subprocess.run(measure.python("generate", folder, *shape), check=True)
        today, space = folder / "today", folder / "space"
        reference, out = space / "run=1", space / "run=2"
        first = [*measure.tables(folder / "yesterday"), "--space", space, "--run", 1, "--force"]
        measure.cost(measure.sqlstab(*first), reference)
        run = [*measure.tables(today), "--space", space, "--run", 2, "--force"]
        commands = {
            "numpy and scipy, in memory": measure.python("paper_numpy", today, reference, out),
            "`sqlstab run`": measure.sqlstab(*run),
            "`sqlstab run --strategy sql`": measure.sqlstab(*run, "--strategy", "sql"),
            "DuckDB reads and copies the files": measure.python("floor", today, out),
        }
        costs: dict[str, list[measure.Cost]] = {label: [] for label in commands}
        for number in range(given.rounds + 1):
            for label, command in commands.items():
                found = measure.cost(command, out)
                if number:  # the first round warms the page cache
                    costs[label].append(found)
        report(costs)


def report(costs: dict[str, list[measure.Cost]]) -> None:
    numpy, *_, floor = costs
    print("| | time | of numpy's | of DuckDB's copy | peak memory | of numpy's |")
    print("|---|---|---|---|---|---|")
    for label, rounds in costs.items():
        seconds = statistics.median(one.seconds for one in rounds)
        megabytes = statistics.median(one.megabytes for one in rounds)
        print(
            f"| {label} | {seconds:.1f} s | {ratio(rounds, costs[numpy], 0):.2f} "
            f"| {ratio(rounds, costs[floor], 0):.2f} | {megabytes:.0f} MB "
            f"| {ratio(rounds, costs[numpy], 1):.2f} |"
        )


def ratio(these: list[measure.Cost], those: list[measure.Cost], figure: int) -> float:
    return statistics.median(a[figure] / b[figure] for a, b in zip(these, those, strict=True))


if __name__ == "__main__":
    main()
