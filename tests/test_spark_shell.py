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
        *("render", "script", "--dialect", "spark", "--dimension", 2, "--output-type", "double"),
        *("--users", "ml.users", "--items", "ml.items", "--transform-table", "ml.maps"),
        *("--users-into", "ml.stable_users", "--items-into", "ml.stable_items"),
    ).stdout
    script = tmp_path / "job.sql"
    script.write_text(
        "CREATE DATABASE ml;\n"
        + "".join(create(f"ml.{side}", vectors) for side, vectors in raw.items())
        + text
        + "".join(
            f"SELECT 'stable_{side}', id, to_json(embedding) FROM ml.stable_{side} ORDER BY id;\n"
            for side in raw
        )
        + "SELECT 'maps', count(*), count(DISTINCT run_id) FROM ml.maps;\n"
    )
    home = Path(pyspark.__file__).parent
    # Its code is compiled for longer than it runs.
    settings = ("spark.sql.codegen.factoryMode=NO_CODEGEN", "spark.sql.codegen.wholeStage=false")
    options = ["--master", "local[1]", *(part for one in settings for part in ("--conf", one))]
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
    assert ["maps", "8", "1"] in printed
    stable = {
        side: np.array([json.loads(row[2]) for row in printed if row[0] == f"stable_{side}"])
        for side in raw
    }
    exact = {side: vectors.astype(np.float64) for side, vectors in raw.items()}
    scores = exact["items"] @ exact["users"].T
    np.testing.assert_allclose(stable["items"] @ stable["users"].T, scores, atol=1e-13)
    values = np.diag(np.linalg.svd(scores, compute_uv=False)[:2])
    for vectors in stable.values():
        np.testing.assert_allclose(vectors.T @ vectors, values, atol=1e-12)
