"""A job on a cluster whose workers have no sqlstab, and one of which is killed in mid-run.

A program of its own, since a process has one cluster. Its arguments are a folder for files and what
the workers' PYTHONPATH is to be.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pyarrow as pa

from sqlstab import stabilize
from sqlstab.engines.spark import SparkEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = {"users": 400, "items": 300}
SIZE = 4
PARTITIONS = 4


def without_sqlstab(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Say of each row whether its worker has sqlstab, or else which numpy."""
    import numpy  # noqa: PLC0415, ICN001 - on the workers
    import pyarrow as pa  # noqa: PLC0415

    try:
        import sqlstab  # noqa: F401, PLC0415

        found = "sqlstab"
    except ModuleNotFoundError:
        found = numpy.__version__
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"has": [found] * len(batch)})


def slowly(batches: Iterator[pa.RecordBatch], part: Any) -> Any:
    """Take a second over a partition, so that its worker dies at its work."""
    import time  # noqa: PLC0415 - on the workers

    time.sleep(1)
    return part(batches)


def executors() -> list[int]:
    """The ids of the workers' processes."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "java" in process.name() and any("ExecutorBackend" in a for a in process.cmdline()):
                found.append(process.pid)
    return found


def main(folder: str, path: str) -> None:
    from pyspark.sql import SparkSession  # noqa: PLC0415

    flags = {
        "spark.master": "local-cluster[2,1,1024]",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        # Code is compiled for longer than it runs.
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.executorEnv.PYTHONPATH": path,
        "spark.sql.warehouse.dir": folder,
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    session = SparkSession.builder.config(map=flags).getOrCreate()
    rng = np.random.default_rng(5)
    raw = {side: rng.standard_normal((rows, SIZE)) for side, rows in ROWS.items()}
    frames: dict[str, Any] = {}
    for side, x in raw.items():
        table = pa.table({"id": np.arange(len(x)), "embedding": list(x)})
        frames[side] = session.createDataFrame(table).repartition(PARTITIONS)
    seen = frames["items"].mapInArrow(without_sqlstab, "has string").distinct().collect()
    killed: list[int] = []
    fold = SparkEngine.fold

    def kill() -> None:
        time.sleep(0.5)
        process = executors()[0]
        os.kill(process, signal.SIGKILL)
        killed.append(process)

    def folded(engine: SparkEngine, given: Any, *rest: Any) -> Any:
        if killed:
            return fold(engine, given, *rest)
        threading.Thread(target=kill).start()
        return fold(engine, replace(given, part=partial(slowly, part=given.part)), *rest)

    SparkEngine.fold = folded  # type: ignore[method-assign]
    run = stabilize(frames["users"], frames["items"])
    assert killed
    assert killed[0] not in executors()
    stable = {}
    for side in ROWS:
        found = run.table(side).arrow().sort_by("id")  # type: ignore[arg-type]
        stable[side] = np.array(found["embedding"].to_pylist())
    scores = raw["items"] @ raw["users"].T
    np.testing.assert_allclose(stable["items"] @ stable["users"].T, scores, atol=1e-12)
    values = np.linalg.svd(scores, compute_uv=False)[:SIZE]
    for x in stable.values():
        np.testing.assert_allclose(x.T @ x, np.diag(values), atol=1e-9)
    print(*(row["has"] for row in seen))
    session.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
