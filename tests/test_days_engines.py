"""Days of one model after the other in the same tables of a warehouse, by the same command.

The tables of stable vectors have been there before, partitioned by day, with days of somebody else.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import expected, movietweetings
from invoke import invoke
from test_movietweetings import figures_of, shared_rows, stable
from test_pruning import Explained

from sqlstab import Options, Run, Space
from sqlstab.session import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from engines import Running

    from sqlstab.engines.base import Engine

GROUP = "time_als_e32"
SIDES = ("users", "items")
# Of the runs in expected.json.
DAYS = [f"2026-11-0{k}" for k in range(1, 6)]
# Rows that somebody else has put into the tables before.
FOREIGN = ("2026-10-30", "2026-10-31")
POLICY = {"previous": "chain", "first": "anchor_run0"}


class Days:
    """Raw tables with all days, and spaces, on one engine.

    Attributes:
        engine: Another session than those of the runs.
        schema: Where all tables are.
        types: Those of a day, of the ids of users and of items, and of a vector.
    """

    name = ""
    types = ("date", "bigint", "text", "real[]")

    def __init__(self, at: Any, engine: Engine, schema: str) -> None:
        self.at, self.engine, self.schema = at, engine, schema
        engine.execute(f"CREATE {'DATABASE' if self.name == 'clickhouse' else 'SCHEMA'} {schema}")
        for side in SIDES:
            self.create(self.raw(side), side)
            self.create(f"{schema}.movies_{side}", side)
            for day in FOREIGN:
                self.insert_foreign(f"{schema}.movies_{side}", day)
            for k, day in enumerate(DAYS):
                self.load(side, day, movietweetings(GROUP, k) / f"{side}.parquet")

    def create(self, table: str, side: str) -> None:
        """Make a table that is partitioned by day where the engine has that."""
        self.engine.execute(f"CREATE TABLE {table} ({self.columns(side)})")

    def raw(self, side: str) -> str:
        return f"{self.schema}.raw_{side}"

    def columns(self, side: str) -> str:
        date, number, text, array = self.types
        return f"ds {date}, id {text if side == 'items' else number}, embedding {array}"

    def insert_foreign(self, table: str, day: str) -> None:
        """Put a row of somebody else into a table."""
        vector = self.engine.dialect.array.format("1.5, 2.5")
        self.engine.execute(f"INSERT INTO {table} VALUES ('{day}', '7', {vector})")

    def load(self, side: str, day: str, path: Path) -> None:
        """Put the vectors of a file into the raw table, as a day."""
        dialect = self.engine.dialect
        rows = pq.read_table(path)
        values = [
            f"('{day}', '{key}', {dialect.array.format(', '.join(map(repr, vector)))})"
            for key, vector in zip(
                rows["id"].to_pylist(), rows["embedding"].to_pylist(), strict=True
            )
        ]
        for start in range(0, len(values), 1000):
            chunk = ", ".join(values[start : start + 1000])
            self.engine.execute(f"INSERT INTO {self.raw(side)} VALUES {chunk}")

    def stored(self, table: str) -> Any:
        """What a table holds, by day: not its rows alone, but where and as what they are stored."""
        raise NotImplementedError

    def run(self, space: str, day: str, align: str) -> Run:
        """The command that a scheduler starts every day, where it can reach the engine."""
        if isinstance(self.at, str):
            invoke(
                *("run", "-q", f"--engine={self.at}"),
                *(f"--{side}={self.raw(side)}" for side in SIDES),
                *("--space", f"{self.schema}.{space}", "--run", f"ds={day}"),
                *("--align", align, "--plain-rows"),
            )
            return self.space(space)[day]
        return Space(f"{self.schema}.{space}", self.at).run(
            *map(self.raw, SIDES),
            key=f"ds={day}",
            options=Options(align=align, plain_rows=True),
        )

    def space(self, name: str) -> Space:
        return Space(f"{self.schema}.{name}", self.engine)

    def all_stored(self, space: str) -> dict[str, Any]:
        """What every day has in the tables of a space."""
        found: dict[str, Any] = {}
        for side in SIDES:
            for day, what in self.stored(f"{space}_{side}").items():
                found.setdefault(day, {})[side] = what
        # Of these the rows: some engines write them anew where they delete others of the table.
        for what, order in (("maps", "side, i, j"), ("runs", "part")):
            for row in self.engine.query(
                f"SELECT * FROM {self.schema}.{space}_{what} ORDER BY ds, {order}"
            ):
                found[str(row["ds"])].setdefault(what, []).append(row)
        return found


class DuckDB(Days):
    """Plain tables."""

    name = "duckdb"
    types = ("DATE", "BIGINT", "VARCHAR", "FLOAT[]")

    def load(self, side: str, day: str, path: Path) -> None:
        self.engine.execute(
            f"INSERT INTO {self.raw(side)} SELECT DATE '{day}', id, embedding FROM '{path}'"
        )

    def stored(self, table: str) -> Any:
        """The rows."""
        found: dict[str, Any] = {}
        for row in self.engine.query(f"SELECT * FROM {self.schema}.{table} ORDER BY ds, id"):
            found.setdefault(str(row["ds"]), []).append(row)
        return found


class Postgres(Days):
    """Users in a partition for each day, items in one for each month."""

    name = "postgres"

    def create(self, table: str, side: str) -> None:
        kind = "LIST" if side == "users" else "RANGE"
        self.engine.execute(f"CREATE TABLE {table} ({self.columns(side)}) PARTITION BY {kind} (ds)")
        parts = (
            [f"IN ('{day}')" for day in (*FOREIGN, *DAYS)]
            if kind == "LIST"
            else [f"FROM ('2026-{k}-01') TO ('2026-{k + 1}-01')" for k in (10, 11)]
        )
        for k, values in enumerate(parts):
            self.engine.execute(
                f"CREATE TABLE {table}_{k} PARTITION OF {table} FOR VALUES {values}"
            )

    def stored(self, table: str) -> Any:
        """Return where each row is and which transaction wrote it: untouched rows keep both."""
        rows = self.engine.query(
            f"SELECT ds, string_agg(md5(concat(tableoid, ' ', ctid, ' ', xmin, ' ', t)), '' "
            "ORDER BY ctid) AS b\n"
            f"FROM {self.schema}.{table} AS t GROUP BY ds"
        )
        return {str(row["ds"]): row["b"] for row in rows}


class ClickHouse(Days):
    name = "clickhouse"
    types = ("Date", "Int64", "String", "Array(Float32)")

    def create(self, table: str, side: str) -> None:
        self.engine.execute(
            f"CREATE TABLE {table} ({self.columns(side)}) "
            "ENGINE = MergeTree PARTITION BY ds ORDER BY id"
        )

    def stored(self, table: str) -> Any:
        """The hashes of the files."""
        rows = self.engine.query(
            "SELECT partition, name, hash_of_all_files AS h FROM system.parts "
            f"WHERE active AND database = '{self.schema}' AND table = '{table}' ORDER BY name"
        )
        found: dict[str, Any] = {}
        for row in rows:
            found.setdefault(row["partition"], []).append((row["name"], row["h"]))
        return found


class Spark(Days):
    """Tables of Hive."""

    name = "spark"
    types = ("date", "bigint", "string", "array<float>")

    def create(self, table: str, side: str) -> None:
        date, number, text, array = self.types
        self.engine.execute(
            f"CREATE TABLE {table} (id {text if side == 'items' else number}, embedding {array}) "
            f"PARTITIONED BY (ds {date}) STORED AS PARQUET"
        )

    def insert_foreign(self, table: str, day: str) -> None:
        self.engine.execute(
            f"INSERT INTO {table} PARTITION (ds = DATE '{day}') VALUES (7, array(1.5f, 2.5f))"
        )

    def load(self, side: str, day: str, path: Path) -> None:
        self.engine.execute(
            f"INSERT INTO {self.raw(side)} PARTITION (ds = DATE '{day}') SELECT id, embedding "
            f"FROM parquet.`{path}`"
        )

    def stored(self, table: str) -> Any:
        """The bytes of the files."""
        from pathlib import Path  # noqa: PLC0415

        rows = self.engine.query(f"DESCRIBE TABLE EXTENDED {self.schema}.{table}")
        place = next(row["data_type"] for row in rows if row["col_name"] == "Location")
        found: dict[str, Any] = {}
        for path in Path(place.removeprefix("file:")).glob("ds=*/*"):
            found.setdefault(path.parent.name[3:], {})[path.name] = path.read_bytes()
        return found


@contextmanager
def days_on(name: str, running: Running) -> Iterator[Days]:
    kinds = {kind.name: kind for kind in (DuckDB, Postgres, ClickHouse, Spark)}
    with connect(running[name]) as engine:
        found = kinds[name](running[name], engine, "days")
        try:
            yield found
        finally:
            engine.rollback()
            kind = "DATABASE" if name == "clickhouse" else "SCHEMA"
            engine.execute(f"DROP {kind} days{'' if name == 'clickhouse' else ' CASCADE'}")


def check_figures(days: Days, run: Run, align: str, reference: Run | None) -> None:
    """What a run says and what it has written is what expected.json has."""
    number = DAYS.index(run.key)
    known = expected()[GROUP]
    want = known["runs"][number]
    assert run.figures["tables"]["users"]["rows"] == want["n_users"]
    assert run.figures["tables"]["items"]["rows"] == want["n_items"]
    np.testing.assert_allclose(run.figures["singular_values"], want["sigma"], rtol=1e-8)
    users, items = stable(run, "users"), stable(run, "items")
    assert (len(users), len(items)) == (want["n_users"], want["n_items"])
    squares = sum(float(v @ v) for v in items.values())
    assert squares == pytest.approx(want["sum_sq_stabilized_items"], rel=1e-7)
    for spot in want["spot_dots"]:
        assert users[spot["user"]] @ items[spot["item"]] == pytest.approx(spot["dot"], abs=1e-6)
    assert run.figures["scores"]["max_relative_error"] < 1e-6
    if reference is None:
        assert run.figures["reference"] is None
        return
    assert run.figures["reference"]["run"] == reference.key
    want = known[POLICY[align]][number - 1]
    assert want["run"] == number
    assert run.figures["shared"] == {s: want[f"shared_{s}"] for s in SIDES}
    for side in SIDES:
        x, y = shared_rows(run, reference, side)
        measured, reported = figures_of(x, y), run.figures["cosine"][side]["after"]
        for name, value in want[f"cos_{side}"].items():
            assert measured[name] == pytest.approx(value, abs=1e-5), (side, name)
            if name in reported:
                assert reported[name] == pytest.approx(value, abs=1e-5), (side, name)
        residual = np.linalg.norm(x - y) / np.linalg.norm(y)
        assert residual == pytest.approx(want[f"rel_residual_{side}"], abs=1e-5)
    found = run.figures["alignment"]["relative_residual"]
    assert found == pytest.approx(want["rel_residual_items"], abs=1e-5)
    assert abs(run.figures["alignment"]["determinant"]) == 1


def rows_of(run: Run) -> dict[str, Any]:
    return {side: stable(run, side) for side in SIDES}


def check_same(found: dict[str, Any], known: dict[str, Any]) -> None:
    for side, vectors in known.items():
        assert found[side].keys() == vectors.keys()
        for key, vector in vectors.items():
            np.testing.assert_array_equal(found[side][key], vector)


def check_others(days: Days, space: str, before: dict[str, Any], but: Sequence[str]) -> None:
    """Other days are stored as they were, to the byte."""
    now = days.all_stored(space)
    assert now.keys() - set(but) == before.keys() - set(but)
    for day in before.keys() - set(but):
        assert now[day] == before[day], day


def check_days(days: Days) -> None:
    space = days.space("movies")
    runs: dict[str, Run] = {}
    before = {day: {side: days.stored(f"movies_{side}")[day] for side in SIDES} for day in FOREIGN}
    for k, day in enumerate(DAYS):
        runs[day] = days.run("movies", day, "previous")
        check_figures(days, runs[day], "previous", runs[DAYS[k - 1]] if k else None)
        check_others(days, "movies", before, [day])
        before = days.all_stored("movies")
    assert set(before) == {*DAYS, *FOREIGN}
    assert [run.key for run in space.entries] == DAYS

    # A day done again.
    day = DAYS[2]
    rows = rows_of(runs[day])
    again = days.run("movies", day, "previous")
    check_same(rows_of(again), rows)
    check_figures(days, again, "previous", runs[DAYS[1]])
    check_others(days, "movies", before, [day])

    # As if it had come late: aligned with what came before it.
    space.drop(day)
    gone = days.all_stored("movies")
    assert day not in gone
    check_others(days, "movies", before, [day])
    late = days.run("movies", day, "previous")
    check_same(rows_of(late), rows)
    check_figures(days, late, "previous", runs[DAYS[1]])
    check_others(days, "movies", gone, [day])
    assert [run.key for run in space.entries] == DAYS

    # What readers see.
    newest = days.engine.query(f"SELECT count(*) AS n FROM {days.schema}.movies_items_newest")
    assert newest == [{"n": len(stable(runs[DAYS[-1]], "items"))}]


@pytest.mark.parametrize("name", ["duckdb", "postgres", "clickhouse"])
def test_days(name: str, running: Running) -> None:
    """One after the other, one again, and one late; then all of them in the first one's space."""
    with days_on(name, running) as days:
        check_days(days)
        runs: dict[str, Run] = {}
        before: dict[str, Any] = {}
        # The third comes late.
        for k in (0, 1, 3, 4, 2):
            runs[DAYS[k]] = days.run("firsts", DAYS[k], "first")
            check_figures(days, runs[DAYS[k]], "first", runs[DAYS[0]] if k else None)
            check_others(days, "firsts", before, [DAYS[k]])
            before = days.all_stored("firsts")


def test_days_in_tables_of_hive_on_spark(running: Running) -> None:
    """What a run reads is the partitions that it needs, too."""
    with days_on("spark", running) as days:
        check_days(days)
        first = days.space("movies")[DAYS[0]]
        for day in DAYS[1:]:
            before = days.all_stored("movies")
            check_figures(days, days.run("movies", day, "first"), "first", first)
            check_others(days, "movies", before, [day])

        # What a run reads, of the inputs and of the reference; see test_pruning.py.
        explained = Explained(
            days.engine, ("raw_users", "raw_items", "movies_users", "movies_items")
        )
        Space("days.movies", explained).run(
            *map(days.raw, SIDES),
            key=f"ds={DAYS[-1]}",
            options=Options(memory=0.2, strategy="sql", plain_rows=True),
        )
        explained.check_spark(DAYS[-1], DAYS[-3:-1])
