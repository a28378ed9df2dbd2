"""The `spark-sql` shell runs our statements as they are: its Hive metastore, no Python."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from engines import missing, spark_environment

from sqlstab import sql
from sqlstab.dialects import SPARK
from sqlstab.tables import Column, StableTable, VectorTable


def test_gram_and_apply_in_the_shell(tmp_path: Path, rng: np.random.Generator) -> None:
    if reason := missing("spark"):
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    import pyspark  # noqa: PLC0415

    vectors = rng.standard_normal((20, 3)).astype(np.float32)
    matrix = rng.standard_normal((3, 3))
    table = VectorTable("items", "ml.items", Column("id", "int"), "array", ("embedding",), "float")
    output = StableTable("array", "id", ("embedding",), "double", 3)
    values = ", ".join(
        f"({k}, array({', '.join(f'float({float(value)!r})' for value in vector)}))"
        for k, vector in enumerate(vectors)
    )
    (gram,) = sql.gram(table, 3, SPARK)
    apply = sql.create_table("ml.stable", sql.apply(table, [matrix], output, SPARK), SPARK)
    script = tmp_path / "job.sql"
    script.write_text(
        f"CREATE DATABASE ml; USE ml;\n"
        f"CREATE TABLE items STORED AS PARQUET AS\n"
        f"SELECT * FROM VALUES {values} AS v(id, embedding);\n"
        f"{gram};\n{apply};\nSELECT id, to_json(embedding) FROM ml.stable ORDER BY id;\n"
    )
    home = Path(pyspark.__file__).parent
    done = subprocess.run(
        [home / "bin" / "spark-sql", "-f", script, "--master", "local[1]"],
        cwd=tmp_path,
        env={**os.environ, **spark_environment(tmp_path), "SPARK_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = [line.split("\t") for line in done.stdout.splitlines()]
    sums = {(int(r[1]), int(r[2])): float(r[3]) for r in printed if r[0] == "items"}
    exact = vectors.astype(np.float64)
    expected = exact.T @ exact
    assert sums.keys() == {(i, j) for i in (1, 2, 3) for j in range(i, 4)}
    for (i, j), value in sums.items():
        assert value == pytest.approx(expected[i - 1, j - 1], rel=1e-12, abs=1e-12)
    stable = [np.fromstring(r[1].strip("[]"), sep=",") for r in printed if len(r) == 2]
    np.testing.assert_allclose(stable, exact @ matrix, rtol=1e-12, atol=1e-12)
