"""A cluster of Spark: two workers in processes of their own, which have no sqlstab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engines import missing, spark_environment

# What Python imports before anything else.
_BLOCKED = """
import sys

sys.modules["sqlstab"] = None
"""


def test_workers_without_sqlstab_one_of_which_is_killed(tmp_path: Path) -> None:
    """The run completes, and its vectors are right."""
    if reason := missing("spark"):
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    import numpy as np  # noqa: PLC0415
    import pyspark  # noqa: PLC0415

    workers = tmp_path / "workers"
    workers.mkdir()
    (workers / "sitecustomize.py").write_text(_BLOCKED)
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("cluster_job.py"), tmp_path, workers],
        cwd=tmp_path,
        env={
            **os.environ,
            **spark_environment(tmp_path),
            "SPARK_HOME": str(Path(pyspark.__file__).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == [np.__version__]
