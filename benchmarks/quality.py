"""`make bench-quality`: which reference, and which ids to align on?

Real retrainings, stabilized with each policy. The alignment is fitted on half of the ids, chosen by
a hash; every figure is of the other half: mean cosines of the same id in consecutive runs, in each
run and the first, and in all pairs of runs, and the AUC of a classifier of genres that was trained
on the first run and has not seen these movies. Prints a Markdown table.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np

from sqlstab import EmbeddingTable, Options, Run, stabilize
from sqlstab.demo import KNOWN, genre_auc

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from conftest import movietweetings

GROUPS = {
    "ALS, later data": ("time_als_e32", 6),
    "BPR, new seed": ("seeds_bpr_e32", 3),
    "two-tower, new seed": ("seeds_twotower_e32", 2),
}
REFERENCES = ("previous", "first", "consensus", "consensus:3")
ANCHORS = {
    "items": Options(anchor="items"),
    "items, unit length": Options(anchor="items", cosine=True),
    "users": Options(anchor="users"),
    "both": Options(anchor="both"),
    "both, unit length": Options(anchor="both", cosine=True),
}
SIDES = ("items", "users")


def main() -> None:
    head = "| runs | reference | anchors | consecutive | to the first | all pairs | AUC |"
    print(head, "|---|---|---|---|---|---|---|", sep="\n")
    for title, (group, count) in GROUPS.items():
        sources = [movietweetings(group, number) for number in range(count)]
        raw = figures(sources)
        print(f"| {title} | raw vectors | | {raw} |", flush=True)
        # Of two runs, the one before is the first one, and all there is; of three, all are three.
        for reference in REFERENCES[: {2: 1, 3: 3}.get(count)]:
            for name, options in ANCHORS.items():
                with tempfile.TemporaryDirectory(prefix="sqlstab-bench-") as folder:
                    runs = stabilized(sources, Path(folder), reference, options)
                    print(f"| {title} | {reference} | {name} | {figures(runs)} |", flush=True)


def stabilized(sources: list[Path], folder: Path, reference: str, options: Options) -> list[Path]:
    """Run directories, one for each retraining."""
    runs: list[Run] = []
    for source in sources:
        users, items = (
            EmbeddingTable(str(source / f"{side}.parquet"), anchor_filter=KNOWN)
            for side in ("users", "items")
        )
        before = {
            "previous": runs[-1:],
            "first": runs[:1],
            "consensus": runs,
            "consensus:3": runs[-3:],
        }[reference]
        runs.append(
            stabilize(
                users,
                items,
                before or None,
                folder / f"{len(runs)}",
                options=options,
            )
        )
    return [run.directory for run in runs if run.directory]


def figures(runs: list[Path]) -> str:
    """The cells of a row: cosines as items/users."""
    count = len(runs)
    kinds = {
        "consecutive": list(itertools.pairwise(range(count))),
        "first": [(0, later) for later in range(1, count)],
        "all": list(itertools.combinations(range(count), 2)),
    }
    means = {
        (side, pair): mean_cosine(*(runs[number] / f"{side}.parquet" for number in pair))
        for side in SIDES
        for pair in kinds["all"]
    }
    cells = [
        "/".join(f"{np.mean([means[side, pair] for pair in pairs]):.3f}" for side in SIDES)
        for pairs in kinds.values()
    ]
    first, *later = genre_auc(runs)
    return " | ".join([*cells, f"{np.mean(later):.3f} of {first:.3f}"])


def mean_cosine(first: Path, second: Path) -> float:
    """Of the same id, over the ids that the alignment was not fitted on."""
    with duckdb.connect() as connection:
        row = connection.execute(
            f"""
            SELECT avg(list_cosine_similarity(a.embedding::DOUBLE[], b.embedding::DOUBLE[]))
            FROM read_parquet(?) AS a JOIN read_parquet(?) AS b USING (id)
            WHERE NOT ({KNOWN})
            """,
            [str(first), str(second)],
        ).fetchone()
    assert row
    return float(row[0])


if __name__ == "__main__":
    main()
