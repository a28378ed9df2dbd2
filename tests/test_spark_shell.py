"""The `spark-sql` shell runs a script as it is: its Hive metastore, no Python."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from engines import missing, spark_environment
from invoke import invoke


def create(name: str, vectors: np.ndarray) -> str:
    values = ", ".join(
        f"({k}, array({', '.join(f'float({float(value)!r})' for value in vector)}))"
        for k, vector in enumerate(vectors)
    )
    return (
        f"CREATE TABLE {name} STORED AS PARQUET AS\n"
        f"SELECT * FROM VALUES {values} AS v(id, embedding);\n"
    )


def test_a_script_in_the_shell(tmp_path: Path, rng: np.random.Generator) -> None:
    """Scores stay, and both Gram matrices become one: sums, solution and products are right."""
    if reason := missing("spark"):
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    import pyspark  # noqa: PLC0415

    raw = {
        "users": rng.standard_normal((25, 2)).astype(np.float32),
        "items": rng.standard_normal((20, 2)).astype(np.float32),
    }
    text = invoke(
        *("sql", "script", "--dialect", "spark", "--dimension", 2, "--output-type", "double"),
        *("--users", "ml.users", "--items", "ml.items", "--space", "ml.s", "--first-run"),
        *("--run", "2026-11-30"),
    ).stdout
    script = tmp_path / "job.sql"
    script.write_text(
        "CREATE DATABASE ml;\n"
        + "".join(create(f"ml.{side}", vectors) for side, vectors in raw.items())
        + text
        + "".join(
            f"SELECT '{side}', run, id, to_json(embedding) FROM ml.s_{side} ORDER BY id;\n"
            for side in raw
        )
        + "SELECT 'newest', count(*) FROM ml.s_items_newest;\n"
        + "SELECT 'maps', run, side, i, j, value FROM ml.s_maps WHERE feature_of IS NULL;\n"
        + "SELECT 'runs', run, part, parts, figures FROM ml.s_runs;\n"
    )
    home = Path(pyspark.__file__).parent
    # Its code is compiled for longer than it runs.
    settings = (
        "spark.sql.codegen.factoryMode=NO_CODEGEN",
        "spark.sql.codegen.wholeStage=false",
        "spark.sql.shuffle.partitions=1",
        "spark.ui.enabled=false",
    )
    java = ("--driver-java-options", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    options = [
        "--master",
        "local[1]",
        *java,
        *(part for one in settings for part in ("--conf", one)),
    ]
    done = subprocess.run(
        [home / "bin" / "spark-sql", *options, "-f", script],
        cwd=tmp_path,
        env={**os.environ, **spark_environment(tmp_path), "SPARK_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = [line.split("\t") for line in done.stdout.splitlines()]
    of_the_run = [row for row in printed if row[1:2] == ["2026-11-30"]]
    stable = {
        side: np.array([json.loads(row[3]) for row in of_the_run if row[0] == side]) for side in raw
    }
    assert ["newest", "20"] in printed
    exact = {side: vectors.astype(np.float64) for side, vectors in raw.items()}
    scores = exact["items"] @ exact["users"].T
    np.testing.assert_allclose(stable["items"] @ stable["users"].T, scores, atol=1e-13)
    values = np.diag(np.linalg.svd(scores, compute_uv=False)[:2])
    for vectors in stable.values():
        np.testing.assert_allclose(vectors.T @ vectors, values, atol=1e-12)
    maps = {side: np.zeros((2, 2)) for side in raw}
    for _, _, side, i, j, value in (row for row in of_the_run if row[0] == "maps"):
        maps[side][int(i) - 1, int(j) - 1] = float(value)
    for side, vectors in exact.items():
        np.testing.assert_allclose(vectors @ maps[side], stable[side], atol=1e-13)
    (row,) = (row for row in of_the_run if row[0] == "runs")
    assert row[2:4] == ["1", "1"]
    figures = json.loads(row[4])
    assert figures["key"] == "2026-11-30"
    assert {side: known["rows"] for side, known in figures["tables"].items()} == {
        "users": 25,
        "items": 20,
    }
    np.testing.assert_allclose(figures["singular_values"], np.diag(values), rtol=1e-12)
