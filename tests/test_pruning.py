"""A run reads its own day and the days of its window, and no more runs than that make it slower."""

from __future__ import annotations

import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlstab import Options, Space
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.session import connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engines import Running

    from sqlstab.engines.base import Engine

SIDES = ("users", "items")
DAYS = [f"2026-11-0{k}" for k in range(1, 8)]
# The last of them is explained; with this memory its window has two days.
OPTIONS = Options(memory=0.2, strategy="sql")


class Explained:
    """A session that explains each statement that reads one of some tables before it runs it.

    Attributes:
        plans: By the tables that a statement names: its plan, a line each.
    """

    def __init__(self, engine: Engine, tables: Sequence[str], explain: str = "EXPLAIN ") -> None:
        self._engine = engine
        self._explain = explain
        self._tables = tables
        self.plans: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @property
    def dialect(self) -> Any:
        return self._engine.dialect

    def describe(self, relation: str) -> Any:
        return self._engine.describe(relation)

    def query(self, text: str, step: Any = None) -> Any:
        self._note(text)
        return self._engine.query(text, step)

    def execute(self, text: str, step: Any = None) -> Any:
        self._note(text)
        return self._engine.execute(text, step)

    def fold(self, fold: Any, step: Any = None) -> Any:
        self._note(fold.query)
        return self._engine.fold(fold, step)

    def call(self, call: Any, step: Any = None) -> Any:
        raise NotImplementedError("strategy sql has none")

    def _note(self, text: str) -> None:
        query = re.search(r"^(SELECT|WITH)", text, re.MULTILINE)
        if not any(name in text for name in self._tables) or query is None:
            return
        # What makes tables reads none, nor what empties a partition of Hive.
        if text.startswith(("CREATE", "DELETE")) or text.endswith("WHERE false"):
            return
        if self._engine.dialect.name == "clickhouse":
            text = text[query.start() :]
        rows = self._engine.query(self._explain + text)
        self.plans.append((text, "\n".join(str(v) for row in rows for v in row.values())))

    def check_spark(self, day: str, window: Sequence[str]) -> None:
        """Check which partitions are read: a filter on them is in every scan."""
        found = {True: set(), False: set()}  # type: ignore[var-annotated]
        for text, plan in self.plans:
            scans = [line for line in plan.splitlines() if "Scan" in line and "ds#" in line]
            assert scans, (text, plan)
            for scan in scans:
                filters = re.search(r"PartitionFilters: \[(.*?)\](,|$)", scan)
                filters = filters or re.search(r"\[isnotnull\(ds#\d+\), (.*?)\]$", scan)
                assert filters, scan
                days = set(re.findall(r"\d{4}-\d\d-\d\d", filters[0]))
                assert days, scan
                found["raw_" in scan] |= days
        assert found[True] == {day}
        assert found[False] <= {day, *window}
        assert found[False] >= {*window}


def model(rng: np.random.Generator, rows: int = 60, size: int = 4) -> dict[str, pa.Table]:
    """Vectors of users and items; those of the same generator state are like each other."""
    found = {}
    for side in SIDES:
        base = np.random.default_rng(5).standard_normal((rows, size))
        vectors = base + 0.1 * rng.standard_normal((rows, size))
        found[side] = pa.table({"id": np.arange(rows), "embedding": pa.array(vectors.tolist())})
    return found


def fill(engine: Engine, schema: str) -> None:
    """Put all days into raw tables."""
    rng = np.random.default_rng(1)
    dialect = engine.dialect
    for day in DAYS:
        for side, table in model(rng).items():
            values = ", ".join(
                f"('{day}', {key}, {dialect.array.format(', '.join(map(repr, vector)))})"
                for key, vector in zip(*(c.to_pylist() for c in table.columns), strict=True)
            )
            engine.execute(f"INSERT INTO {schema}.raw_{side} VALUES {values}")


def days(space: Space, tables: Sequence[str], chosen: Sequence[str] = DAYS[:-1]) -> None:
    for day in chosen:
        space.run(*tables, key=f"ds={day}", options=OPTIONS)


def test_days_that_duckdb_reads_of_files(tmp_path: Path) -> None:
    """Of inputs partitioned as Hive does it, and of the folders of a space."""
    rng = np.random.default_rng(1)
    for day in DAYS:
        for side, table in model(rng).items():
            folder = tmp_path / side / f"ds={day}"
            folder.mkdir(parents=True)
            pq.write_table(table, folder / "part-0.parquet")
    inputs = [f"{tmp_path}/{side}/*/*.parquet" for side in SIDES]
    days(Space(tmp_path / "movies"), inputs)
    engine = DuckDBEngine(None)
    explained = Explained(engine, ("read_parquet",))
    days(Space(tmp_path / "movies", explained), inputs, DAYS[-1:])  # type: ignore[arg-type]
    engine.close()
    read: set[str] = set()
    raw = 0
    for text, plan in explained.plans:
        # Exact files, of this run itself among them.
        for files in re.findall(r"read_parquet\(\[(.*?)\]", text):
            read |= set(re.findall(r"/\.?ds=(\d{4}-\d\d-\d\d)", files))
        found = re.findall(r"Scanning Files: (\d+)/(\d+)", plan)
        assert found == [("1", str(len(DAYS)))] * text.count("/*/*.parquet"), (text, plan)
        raw += len(found)
    assert read == set(DAYS[-3:])
    assert raw > 10


def test_days_that_postgres_reads(running: Running) -> None:
    """Of tables partitioned by day, which the space's tables may be as well."""
    names = [f"{name}_{side}" for name in ("raw", "movies") for side in SIDES]
    with connect(running["postgres"]) as engine:
        engine.execute("CREATE SCHEMA pruning")
        try:
            for name in names:
                engine.execute(
                    f"CREATE TABLE pruning.{name} (ds date, id bigint, embedding real[]) "
                    "PARTITION BY LIST (ds)"
                )
                for day in DAYS:
                    engine.execute(
                        f"CREATE TABLE pruning.{name}_{day.replace('-', '')} "
                        f"PARTITION OF pruning.{name} FOR VALUES IN ('{day}')"
                    )
            fill(engine, "pruning")
            days(Space("pruning.movies", engine), [f"pruning.{name}" for name in names[:2]])
            explained = Explained(engine, names)
            days(
                Space("pruning.movies", explained),  # type: ignore[arg-type]
                [f"pruning.{name}" for name in names[:2]],
                DAYS[-1:],
            )
        finally:
            engine.rollback()
            engine.execute("DROP SCHEMA pruning CASCADE")
    plans = "\n".join(plan for _, plan in explained.plans)
    read = {
        name: set(re.findall(rf" on {name}_\w+?_(\d{{8}}) ", plans)) for name in ("raw", "movies")
    }
    short = [day.replace("-", "") for day in DAYS]
    assert read["raw"] == {short[-1]}
    # The rows of the run itself, too: they are compared with the raw ones.
    assert read["movies"] == set(short[-3:])
    assert len(explained.plans) > 10


def test_days_that_clickhouse_reads(running: Running) -> None:
    """Of tables partitioned by day, as those of a new space are."""
    with connect(running["clickhouse"]) as engine:
        engine.execute("CREATE DATABASE pruning")
        try:
            for side in SIDES:
                engine.execute(
                    f"CREATE TABLE pruning.raw_{side} (ds Date, id Int64, "
                    "embedding Array(Float32)) ENGINE = MergeTree PARTITION BY ds ORDER BY id"
                )
            fill(engine, "pruning")
            inputs = [f"pruning.raw_{side}" for side in SIDES]
            days(Space("pruning.movies", engine), inputs)
            names = [f"{name}_{side}" for name in ("raw", "movies") for side in SIDES]
            explained = Explained(engine, names, "EXPLAIN indexes = 1 ")
            days(Space("pruning.movies", explained), inputs, DAYS[-1:])  # type: ignore[arg-type]
        finally:
            engine.execute("DROP DATABASE pruning")
    read: dict[str, set[tuple[int, int]]] = {"raw": set(), "movies": set()}
    for text, plan in explained.plans:
        for scan in plan.split("ReadFromMergeTree (pruning.")[1:]:
            parts = re.findall(r"Parts: (\d+)/(\d+)", scan)
            assert parts, (text, scan)
            found = min(int(left) for left, _ in parts), int(parts[0][1])
            read[scan.partition("_")[0]].add(found)
    assert read["raw"] == {(1, len(DAYS))}
    # Of the six earlier days two, or the newest alone; of seven the run itself. None of the six by
    # the count of rows that have the new day already.
    assert read["movies"] == {(0, 6), (1, 6), (2, 6), (1, 7)}


# ---- Many runs ---------------------------------------------------------------------------------

RUNS, WINDOW = 1000, 14
KEY = "2030-01-01"


def keys(count: int) -> list[str]:
    return [str(np.datetime64("2027-01-01") + k) for k in range(count)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("inputs")
    for side, table in model(np.random.default_rng(2), 1000, 16).items():
        pq.write_table(table, folder / f"{side}.parquet")
    return [str(folder / f"{side}.parquet") for side in SIDES]


def copied(folder: Path, inputs: list[str], count: int) -> tuple[Space, list[str]]:
    """A directory with so many runs, of which one was done; and how the command names it."""
    space = Space(folder)
    known = keys(count)
    space.run(*inputs, key=known[0])
    source = folder / f"run={known[0]}"
    figures = (source / "run.json").read_text()
    for key in known[1:]:
        shutil.copytree(source, folder / f"run={key}")
        (folder / f"run={key}" / "run.json").write_text(figures.replace(known[0], key))
    return space, [str(folder)]


def copied_rows(file: Path, inputs: list[str], count: int) -> tuple[Space, list[str]]:
    """The same in the tables of a DuckDB file."""
    known = keys(count)
    space = Space("movies", file)
    space.run(*inputs, key=known[0])
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TEMP TABLE keys AS SELECT unnest(?) AS key", [known[1:]])
        for what in (*SIDES, "maps"):
            connection.execute(
                f"INSERT INTO movies_{what} SELECT m.* REPLACE (key AS run) "
                f"FROM movies_{what} AS m, keys ORDER BY key"
            )
        connection.execute(
            "INSERT INTO movies_runs SELECT m.* REPLACE (key AS run, "
            f"replace(figures, '{known[0]}', key) AS figures) FROM movies_runs AS m, keys"
        )
    return space, ["movies", f"--database={file}"]


def seconds(function: Any) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def busy() -> float:
    """What processes that this one has started, and that have ended, have kept a core busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("make", [copied, copied_rows], ids=["directory", "tables"])
def test_a_thousand_runs(make: Any, inputs: list[str], tmp_path: Path) -> None:
    """They are listed in a second, and a run takes what it takes with those of its window.

    Other work of the machine counts: the list is measured by the time that it keeps a core busy,
    which is all that it does, the least of three times; and of a run half as much again will do.
    """
    many, words = make(tmp_path / "many", inputs, RUNS)
    few, _ = make(tmp_path / "few", inputs, WINDOW)

    took = []
    for _ in range(3):
        before, started = busy(), time.perf_counter()
        command = [sys.executable, "-m", "sqlstab", "runs", *words]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        took.append((busy() - before, time.perf_counter() - started))
        assert len(said.splitlines()) == RUNS + 1
        assert keys(RUNS)[-1] in said
    least, wall = min(took)
    print(f"{make.__name__}: runs S kept a core busy for {least:.2f} s, in {wall:.2f} s")
    assert least < 1

    def done(space: Space) -> Any:
        return lambda: space.run(*inputs, key=KEY)

    done(many)()
    assert len(many[KEY].figures["reference"]["runs"]) == WINDOW
    done(few)()
    # By turns, so that both have the same neighbours.
    pairs = [(seconds(done(few)), seconds(done(many))) for _ in range(3)]
    with_few, with_many = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{make.__name__}: a run {with_few:.2f} s of {WINDOW} runs, {with_many:.2f} s of {RUNS}")
    assert with_many < 1.5 * with_few
