"""`make bench-memory`: peak memory of `sqlstab run` as the number of users grows tenfold."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--dimension", type=int, default=64)
    given = parser.parse_args()
    print("| users | first run | time | with a reference | time |")
    print("|---|---|---|---|---|")
    for users in given.users:
        with tempfile.TemporaryDirectory(prefix="sqlstab-bench-") as name:
            folder = Path(name)
            shape = (users, 100_000, given.dimension)
            subprocess.run(measure.python("generate", folder, *shape), check=True)
            space = folder / "space"
            costs = []
            for key, day in enumerate(("yesterday", "today"), start=1):
                run = [*measure.tables(folder / day), "--space", space, "--run", key, "--force"]
                costs.append(measure.cost(measure.sqlstab(*run), space / f"run={key}"))
            cells = [f"{one.megabytes:.0f} MB | {one.seconds:.1f} s" for one in costs]
            print(f"| {users:,} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
