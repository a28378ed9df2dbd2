"""DataFrames of Spark as inputs and results; the same by Spark Connect."""

from __future__ import annotations

import json
import os
import pickletools
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from engines import spark_url
from invoke import invoke

from sqlstab import DataError, EngineError, Space, stabilize
from sqlstab.engines import dialect, spark
from sqlstab.engines.spark import SparkEngine
from sqlstab.session import connect
from sqlstab.statements import build
from sqlstab.statements.table import Column, VectorTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines import Running

SIDES = {"users": 60, "items": 40}
SIZE = 3


@pytest.fixture
def remote(running: Running) -> Iterator[str]:
    """The URL of a Connect server."""
    # PySpark marks a process that has a remote session; other sessions of this one are not.
    with mock.patch.dict(os.environ):
        yield spark_url(running["spark"])


@pytest.fixture
def session(remote: str) -> Iterator[Any]:
    """A session of this server."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra

    found = SparkSession.builder.remote(remote).create()
    yield found
    # One that is open when Python ends looks for its server for ten minutes.
    found.stop()


def trainings(rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
    """Two trainings of one model, in spaces of their own; scores nearly agree."""
    first = {side: rng.standard_normal((rows, SIZE)) for side, rows in SIDES.items()}
    turn = rng.standard_normal((SIZE, SIZE))
    again = {
        "users": first["users"] @ turn,
        "items": first["items"] @ np.linalg.inv(turn).T
        + 0.01 * rng.standard_normal((SIDES["items"], SIZE)),
    }
    return [{side: x.astype(np.float32) for side, x in day.items()} for day in (first, again)]


def arrow(vectors: np.ndarray) -> pa.Table:
    return pa.table({"id": np.arange(len(vectors)), "embedding": list(vectors)})


def vectors_of(table: pa.Table) -> np.ndarray:
    found = table.sort_by("id")
    assert found["id"].to_pylist() == [*range(len(found))]
    return np.array(found["embedding"].to_pylist(), dtype=np.float64)


def check_scores(raw: dict[str, np.ndarray], stable: dict[str, np.ndarray]) -> None:
    """Scores stay, and both Gram matrices are one."""
    scores = raw["items"].astype(np.float64) @ raw["users"].astype(np.float64).T
    found = stable["items"] @ stable["users"].T
    np.testing.assert_allclose(found, scores, atol=1e-6 * np.abs(scores).max())
    values = np.linalg.svd(scores, compute_uv=False)[:SIZE]
    for x in stable.values():
        np.testing.assert_allclose(np.linalg.svd(x, compute_uv=False) ** 2, values, rtol=1e-5)


def names_of_numpy(function: Any) -> set[str]:
    """What a pickle names of the inside of numpy, which numpy 1 has elsewhere than numpy 2."""
    from pyspark import cloudpickle  # noqa: PLC0415 - an extra

    words = [word for _, word, _ in pickletools.genops(cloudpickle.dumps(function))]
    inside = ("numpy._core", "numpy.core")
    return {word for word in words if isinstance(word, str) and word.startswith(inside)}


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return float((np.einsum("ij,ij->i", x, y) / lengths).mean())


def test_frames_stay_in_spark(
    session: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Spark Connect; `cluster_job.py` does it in a session of its own."""
    raw = trainings(rng)
    days = [{side: session.createDataFrame(arrow(x)) for side, x in day.items()} for day in raw]
    fetched: list[int] = []
    sent: list[Any] = []
    query, by_value = SparkEngine.query, spark._by_value

    def counted(*given: Any) -> Any:
        found = query(*given)
        fetched.append(len(found))
        return found

    def noted(function: Any) -> Any:
        sent.append(by_value(function))
        return sent[-1]

    with monkeypatch.context() as patched:
        patched.setattr(SparkEngine, "query", counted)
        patched.setattr(spark, "collected", None)
        patched.setattr(spark, "_by_value", noted)
        monday = stabilize(days[0]["users"], days[0]["items"])
        tuesday = stabilize(**days[1], reference=monday)
        results = {side: tuesday.table(side).spark() for side in SIDES}  # type: ignore[arg-type]
    assert max(fetched) < min(SIDES.values()), "vectors have come to the driver"
    assert names_of_numpy(np.eye(2))
    for function in sent:
        assert not names_of_numpy(function)
    for frame in results.values():
        assert frame.sparkSession is session
        assert dict(frame.dtypes) == {"id": "bigint", "embedding": "array<float>"}
    assert results["items"].filter("id < 7").count() == 7
    stable = [
        {side: vectors_of(run.table(side).arrow()) for side in SIDES}  # type: ignore[arg-type]
        for run in (monday, tuesday)
    ]
    for day, found in zip(raw, stable, strict=True):
        check_scores(day, found)
    for side in SIDES:
        measured = cosine(stable[1][side], stable[0][side])
        assert measured > 0.99
        assert cosine(raw[1][side], raw[0][side]) < 0.9
        reported = tuesday.figures["cosine"][side]["after"]["mean"]
        assert reported == pytest.approx(measured, abs=1e-6)


def test_names_of_three_parts_on_the_command_line(
    running: Running, remote: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users in another catalogue; the server is what SPARK_REMOTE names, and then a URL."""
    session = running["spark"]
    raw, _ = trainings(rng)
    session.sql("CREATE SCHEMA parts")
    for side, x in raw.items():
        session.createDataFrame(arrow(x)).createOrReplaceTempView(f"parts_{side}")
    session.sql("CREATE TABLE parts.raw_items USING parquet AS SELECT * FROM parts_items")
    columns = ", ".join(f"e{k} FLOAT" for k in range(SIZE))
    session.sql(f"CREATE TABLE lake.APP.users (id BIGINT, {columns})")
    elements = ", ".join(f"embedding[{k}]" for k in range(SIZE))
    session.sql(f"INSERT INTO lake.APP.users SELECT id, {elements} FROM parts_users")
    name = "spark_catalog.parts.s"
    monkeypatch.setenv("SPARK_REMOTE", remote)
    done = invoke(
        *("run", "-q", "--engine", "spark", "--space", name, "--run", "a"),
        *("--users", "lake.APP.users", "--items", "spark_catalog.parts.raw_items"),
        *("--output-layout", "array"),
    )
    assert done.stderr == ""
    monkeypatch.delenv("SPARK_REMOTE")
    assert json.loads(invoke("runs", "parts.s", "--engine", remote, "--json").stdout)
    run = Space("parts.s", session)["a"]
    newest = {side: session.table(f"{name}_{side}_newest").toArrow() for side in SIDES}
    for tables in (newest, {side: run.table(side).arrow() for side in SIDES}):  # type: ignore[arg-type]
        check_scores(raw, {side: vectors_of(table) for side, table in tables.items()})
    with connect(session) as engine:
        assert engine.kind("lake.APP.users") == "table"
        for missing in ("lake.APP.nothing", "nowhere.APP.users"):
            with pytest.raises(DataError, match=f"no table or view {missing} to read"):
                engine.describe(missing)
        # What Spark says, where views of a space cannot be made.
        text = "CREATE VIEW lake.APP.v AS SELECT 1 AS a"
        with pytest.raises(EngineError) as caught:
            engine.execute(text)
        assert any(mark in str(caught.value) for mark in engine.dialect.tables.viewless)
    session.sql("DROP TABLE lake.APP.users")
    session.sql("DROP SCHEMA parts CASCADE")


def test_scores_are_compared_with_one_scan_of_each_table(
    running: Running, rng: np.random.Generator
) -> None:
    """Both samples are small, while each table has many partitions."""
    session, partitions = running["spark"], 12
    raw, _ = trainings(rng)
    named = {}
    for side, x in raw.items():
        frame = session.createDataFrame(arrow(x)).repartition(partitions)
        frame.createOrReplaceTempView(f"many_{side}")
        columns = (Column("id", "bigint"),)
        named[side] = VectorTable(side, f"many_{side}", columns, "array", ("embedding",), "float")
    tracker = session.sparkContext.statusTracker()
    session.sparkContext.setJobGroup("scores", "")
    with connect(session) as engine:
        (row,) = engine.query(build.scores(named, named, (SIZE, SIZE), 300, engine.dialect))
    session.sparkContext.setJobGroup("", "")
    scores = raw["items"].astype(np.float64) @ raw["users"].astype(np.float64).T
    assert (row["n_pairs"], row["largest_error"]) == (scores.size, 0)
    assert row["largest"] == pytest.approx(np.abs(scores).max())
    stages = {
        stage: tracker.getStageInfo(stage).numCompletedTasks
        for job in tracker.getJobIdsForGroup("scores")
        for stage in tracker.getJobInfo(job).stageIds
    }
    assert 4 * partitions <= sum(stages.values()) < 6 * partitions


def test_a_session_of_databricks(running: Running) -> None:
    """It has a function of this name, which Spark has not."""
    session = running["spark"].newSession()
    with connect(session) as engine:
        assert engine.dialect.name == "spark"
    session.sql(
        "CREATE TEMPORARY FUNCTION current_version() RETURNS struct<dbr_version string> "
        "RETURN named_struct('dbr_version', CAST(NULL AS string))"
    )
    with connect(session) as engine:
        assert engine.dialect is dialect("databricks")


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "_PATIENCE", 0.2)
    command = ("runs", "ml.movies", "--engine")
    done = invoke(*command, "sc://127.0.0.1:1/;token=hidden", code=3)
    assert "no Connect server answers at 127.0.0.1:1 within 0.2 s" in done.stderr
    done = invoke(*command, "sc://127.0.0.1:1/path;token=hidden", code=2)
    assert "write sc://host:port" in done.stderr
    assert "hidden" not in done.stderr
