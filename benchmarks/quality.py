"""`make bench-quality`: what the choice of a reference and of a map does over many retrainings.

Retrainings of one ALS model, a run every two days, in two tables with a day. The alignment is
fitted on half of the ids, chosen by a hash; figures are of the other half: mean cosines of the same
id so many runs apart, items/users, and the AUC of a classifier of genres that was trained so many
runs earlier and has not seen these movies. Then the same of a few retrainings of three models, with
both kinds of maps, and how many of an item's ten nearest items by cosine stay. Prints Markdown.

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
from sqlstab.maths.quality import NEAREST, neighbours_kept

HERE = Path(__file__).parent
MODELS = HERE.parent / "tests" / "data"
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
    "rotation: previous": Options(map="rotation", align="previous"),
    "rotation: first": Options(map="rotation", align="first"),
    "rotation: recent, memory .8": Options(map="rotation"),
    "rotation: recent, memory .8, both sides": Options(map="rotation", anchor="both"),
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
    print("| reference |", " | ".join(f"lag {lag}" for lag in lags), end=" | all pairs | ")
    titles = [f"AUC lag {lag}{which}" for lag in lags[1:] for which in ("", ", feature map")]
    print(" | ".join(titles), "| AUC, trained anew |")
    print("|---" * (3 * len(lags) + 1), "|", sep="")
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
    print("\n| model | map | agreement | cosine | neighbours that stay |\n|---|---|---|---|---|")
    for model in ("time_als_e32", "seeds_bpr_e32", "seeds_twotower_e32"):
        for kind in ("balanced", "rotation"):
            print(f"| {model} | {kind} |", of_model(model, kind), flush=True)


def of_model(model: str, kind: str) -> str:
    """The cells of a row of the second table: means over the runs after the first one."""
    with tempfile.TemporaryDirectory(prefix="sqlstab-bench-") as folder:
        space = Space(Path(folder) / "space")
        kept, agreements = [], []
        for path in sorted((MODELS / model).glob("run*")):
            files = {side: path / f"{side}.parquet" for side in SIDES}
            tables = (EmbeddingTable(files[side], anchor_filter=KNOWN) for side in reversed(SIDES))
            run = space.run(*tables, key=path.name, options=Options(map=kind))
            raw = vectors(files["items"])
            kept.append(neighbours_kept(raw, raw @ run.maps["items"].matrix, NEAREST))
            if run.figures["alignment"]:
                agreements.append(run.figures["alignment"]["agreement"])
        keys = [run.key for run in space.runs]
        path = Path(folder) / "space"
        means = [np.mean(cosines(path, side, keys, [1], "run")) for side in SIDES]
    cosine = "/".join(f"{mean:.3f}" for mean in means)
    return f"{np.mean(agreements):.3f} | {cosine} | {np.mean(kept):.3f} |"


def vectors(file: Path) -> np.ndarray:
    """The vectors of a file, (n, e)."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT embedding FROM read_parquet(?)", [str(file)]
        ).fetchnumpy()
    return np.array(list(found["embedding"]), dtype=np.float64)


def row(space: Space, days: list[str], lags: list[int]) -> str:
    """The cells of a row."""
    path = Path(space.name)
    every = list(range(1, len(days)))
    cells = [
        "/".join(f"{np.mean(cosines(path, side, days, apart)):.3f}" for side in SIDES)
        for apart in (*([lag] for lag in lags), every)
    ]
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


def cosines(
    space: Path, side: str, keys: list[str], lags: list[int], column: str = "ds"
) -> list[float]:
    """Mean cosines of the same id so many runs apart, of ids that no alignment was fitted on."""
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE v AS SELECT {column}::VARCHAR AS ds, id, embedding::DOUBLE[] AS x "
            f"FROM read_parquet('{space}/*/{side}.parquet', hive_partitioning = true) "
            f"WHERE NOT ({KNOWN})"
        )
        pairs = [pair for lag in lags for pair in zip(keys, keys[lag:], strict=False)]
        connection.execute("CREATE TABLE pairs (a VARCHAR, b VARCHAR)")
        connection.executemany("INSERT INTO pairs VALUES (?, ?)", pairs)
        found = connection.execute(
            "SELECT avg(list_cosine_similarity(a.x, b.x)) FROM pairs "
            "JOIN v AS a ON a.ds = pairs.a JOIN v AS b ON b.ds = pairs.b AND b.id = a.id "
            "GROUP BY pairs.a, pairs.b ORDER BY pairs.a, pairs.b"
        ).fetchall()
    return [float(mean) for (mean,) in found]


if __name__ == "__main__":
    main()
