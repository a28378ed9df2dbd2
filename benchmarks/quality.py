"""`make bench-quality`: what the choice of a reference does over many retrainings.

Retrainings of one ALS model, a run every two days, in two tables with a day. The alignment is
fitted on half of the ids, chosen by a hash; figures are of the other half: mean cosines of the same
id so many runs apart, items/users, and the AUC of a classifier of genres that was trained so many
runs earlier and has not seen these movies. Prints a Markdown table.

    --data DIR   items.parquet and users.parquet (ds, id, embedding); default: 31 retrainings, all
                 items and 15% of the users, in benchmarks/data
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from sqlstab import EmbeddingTable, Options, Space
from sqlstab.demo import KNOWN, genre_aucs, movies

HERE = Path(__file__).parent
LAGS = (1, 7, 30)
SIDES = ("items", "users")
VARIANTS = {
    "previous, plain rows": Options(align="previous", plain_rows=True),
    "first, plain rows": Options(align="first", plain_rows=True),
    "previous": Options(align="previous"),
    "first": Options(align="first"),
    "recent, memory .5": Options(memory=0.5),
    "**recent, memory .8** (default)": Options(),
    "recent, memory .9": Options(memory=0.9),
    "recent, memory .8, both sides": Options(anchor="both"),
    "recent, memory .8, plain rows": Options(plain_rows=True),
}


def main() -> None:
    # What the table says, the warnings of each run need not.
    logging.getLogger("sqlstab").setLevel(logging.ERROR)
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, default=HERE / "data")
    data = arguments.parse_args().data
    with duckdb.connect() as connection:
        days = [
            str(day)
            for (day,) in connection.execute(
                "SELECT DISTINCT ds FROM read_parquet(?) ORDER BY ds", [str(data / "items.parquet")]
            ).fetchall()
        ]
    lags = [lag for lag in LAGS if lag < len(days)]
    print(f"{len(days)} retrainings\n")
    print("| reference |", " | ".join(f"lag {lag}" for lag in lags), end=" | ")
    titles = [f"AUC lag {lag}{which}" for lag in lags[1:] for which in ("", ", feature map")]
    print(" | ".join(titles), "| AUC, trained anew |")
    print("|---" * (3 * len(lags)), "|", sep="")
    for name, options in VARIANTS.items():
        with tempfile.TemporaryDirectory(prefix="sqlstab-bench-") as folder:
            space = Space(Path(folder) / "space")
            for day in days:
                tables = (
                    EmbeddingTable(str(data / f"{side}.parquet"), anchor_filter=KNOWN)
                    for side in reversed(SIDES)
                )
                space.run(*tables, key=f"ds={day}", options=options)
            print(f"| {name} |", row(space, days, lags), flush=True)


def row(space: Space, days: list[str], lags: list[int]) -> str:
    """The cells of a row."""
    path = Path(space.name)
    means = {(side, lag): np.mean(cosines(path, side, days, lag)) for side in SIDES for lag in lags}
    cells = ["/".join(f"{means[side, lag]:.3f}" for side in SIDES) for lag in lags]
    known = dict(zip(days, (movies(path / f"ds={day}") for day in days), strict=True))
    for lag in lags[1:]:
        found = []
        for as_of, day in zip(days, days[lag:], strict=False):
            features = space.feature_map(as_of, day).apply(known[day].vectors)
            now = [known[day], replace(known[day], vectors=features)]
            found.append(genre_aucs([known[as_of], *now])[1:])
        cells += [f"{mean:.4f}" for mean in np.mean(found, axis=0)]
    cells.append(f"{np.mean([genre_aucs([one])[0] for one in known.values()]):.4f}")
    return " | ".join(cells) + " |"


def cosines(space: Path, side: str, days: list[str], lag: int) -> list[float]:
    """Mean cosines of the same id so many runs apart, of ids that no alignment was fitted on."""
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE v AS SELECT ds::VARCHAR AS ds, id, embedding::DOUBLE[] AS x "
            f"FROM read_parquet('{space}/*/{side}.parquet', hive_partitioning = true) "
            f"WHERE NOT ({KNOWN})"
        )
        pairs = list(zip(days, days[lag:], strict=False))
        connection.execute("CREATE TABLE pairs (a VARCHAR, b VARCHAR)")
        connection.executemany("INSERT INTO pairs VALUES (?, ?)", pairs)
        found = connection.execute(
            "SELECT avg(list_cosine_similarity(a.x, b.x)) FROM pairs "
            "JOIN v AS a ON a.ds = pairs.a JOIN v AS b ON b.ds = pairs.b AND b.id = a.id "
            "GROUP BY pairs.a ORDER BY pairs.a"
        ).fetchall()
    return [float(mean) for (mean,) in found]


if __name__ == "__main__":
    main()
