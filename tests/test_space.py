"""A space: runs in a directory or in tables, each there as a whole or not at all."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
import sqlglot
from conftest import write_vectors
from warehouse import store_vectors

from sqlstab import Options, Space, folders
from sqlstab.engines import dialect, dialects
from sqlstab.engines.duckdb import DUCKLAKE, DuckDBEngine
from sqlstab.errors import ConflictError, DataError, EngineError, UsageError
from sqlstab.session import connect
from sqlstab.space import directory
from sqlstab.space.directory import DirectorySpace
from sqlstab.space.key import Key
from sqlstab.space.tables import Names, TablesSpace, TablesTarget
from sqlstab.space.target import MemoryTarget
from sqlstab.statements.conditions import condition
from sqlstab.statements.files import exact
from sqlstab.statements.table import Column, StableTable, VectorTable, stable_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engines import Running
    from warehouse import Warehouse

    from sqlstab.engines.base import Engine

OUTPUT = StableTable("array", (Column("id", "BIGINT"),), ("v",), "float", 2)
MAPS = {"items": np.arange(6.0).reshape(3, 2), "users": -np.arange(6.0).reshape(3, 2) / 7}
DUCKDB = dialect("duckdb")
ENGINES = ["duckdb", "postgres", "clickhouse", "snowflake", "spark"]


# ---- Keys ----------------------------------------------------------------------------------------


def test_a_key_is_a_value_or_a_column_and_a_value() -> None:
    assert Key.parse("2026-11-30") == Key("2026-11-30", "run")
    assert Key.parse("ds=2026-11-30") == Key("2026-11-30", "ds", named=True)
    assert Key.parse("ds = a=b") == Key("a=b", "ds", named=True)
    assert Key.parse('"d ""s" = a=b') == Key("a=b", 'd "s', named=True)


@pytest.mark.parametrize(
    "text",
    [
        *("2024-02-29", "2026-02-28-2", "20260230", "2026-11-300", "v2026-02-30"),
        *("2026-01-02T00:30:00Z", "2026-01-02T00:30:00+00:00", "2026-01-02 00:30:00.5-0000"),
        *("2026-01-02 00:30+00", "ts=2026-01-02T00:30:00+02:00", "2026-01-02T00:30:00"),
    ],
)
def test_what_can_name_a_run(text: str) -> None:
    assert Key.parse(text).value == text.rpartition("=")[2]


def test_a_key_that_is_not_given_is_the_time_in_utc() -> None:
    before = dt.datetime.now(dt.timezone.utc)
    key = Key.parse(None)
    made = dt.datetime.strptime(key.value, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=dt.timezone.utc)
    assert before <= made <= dt.datetime.now(dt.timezone.utc)
    assert key.value < Key.parse(None).value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "..", "a\0b", "a\nb", "=a", "x" * 201, "é" * 101),
        "__HIVE_DEFAULT_PARTITION__",
        *("2026-02-30", "2026-13-01 06:55", "ds=2025-02-29"),
        *("2026-01-02T00:30:00+02:00", "2026-01-02 00:30-0330", "2026-01-02T00:30:00.5+01"),
    ],
)
def test_what_cannot_name_a_run_is_no_key(text: str) -> None:
    with pytest.raises(UsageError):
        Key.parse(text)


@pytest.mark.parametrize(
    ("kind", "value", "literal"),
    [
        ("DATE", "2026-11-30", "DATE '2026-11-30'"),
        ("BIGINT", "007", "7"),
        ("VARCHAR", "it's", "'it''s'"),
        ("TIMESTAMP", "2026-11-30T06:55:00", "CAST('2026-11-30 06:55:00' AS TIMESTAMP)"),
    ],
)
def test_a_key_takes_the_type_of_the_column(kind: str, value: str, literal: str) -> None:
    key = Key(value).typed(Column("ds", kind), DUCKDB)
    assert key.condition(DUCKDB) == f'"ds" = {literal}'
    connection = duckdb.connect()
    assert connection.execute(f"SELECT CAST({literal} AS {kind}) = {literal}").fetchone() == (True,)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("DATE", "20 November"), ("BIGINT", "a"), ("TIMESTAMP", "today"), ("DOUBLE", "1.5")],
)
def test_a_key_that_is_not_of_the_columns_type_is_refused(kind: str, value: str) -> None:
    with pytest.raises(UsageError, match=kind):
        Key(value).typed(Column("ds", kind), DUCKDB)


@pytest.mark.parametrize("name", list(dialects()))
def test_every_dialect_reads_the_literals_of_keys(name: str) -> None:
    record = dialect(name)
    kinds = {"DATE": "2026-11-30", "TIMESTAMP": "2026-11-30 06:55:00", record.text: "it's \\ 5%"}
    for kind, value in kinds.items():
        key = Key(value).typed(Column("ds", kind), record)
        tree = sqlglot.parse_one(f"SELECT {key.literal(record)}", dialect=record.sqlglot)
        assert next(tree.find_all(sqlglot.exp.Literal)).this == value


# ---- A directory ---------------------------------------------------------------------------------


def write(space: DirectorySpace, text: str, rows: int = 3, **figures: Any) -> Path:
    """A run with items whose ids are counted, as the flow does it."""
    key = Key.parse(text)
    space.check({}, key)
    with space.staging(key) as target:
        query = f"SELECT range AS id, [1.0::FLOAT, range] AS v FROM range({rows})"
        with duckdb.connect() as connection:
            for statement in target.store("items", query, OUTPUT):
                connection.execute(statement)
        return space.finish(target, MAPS, {"rows": rows, **figures})


def keys(space: DirectorySpace | TablesSpace) -> list[str]:
    return [entry.key for entry in space.entries()]


def count(space: DirectorySpace, **weights: float) -> list[Any]:
    """The rows and the weight of some runs, by key."""
    rows = space.reference("items", {name.strip("_"): weight for name, weight in weights.items()})
    query = (
        f"SELECT run, count(*), any_value({rows.weight or 'NULL'}) "
        f"FROM {exact(rows.files)} GROUP BY run ORDER BY run"
    )
    return duckdb.connect().execute(query).fetchall()


def test_a_run_is_a_folder_that_others_read_by_hive_partitioning(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path / "s")
    assert keys(space) == []
    path = write(space, "2026-11-30", agreement=0.9)
    write(space, "2026-11-29", rows=4)
    assert path == tmp_path / "s" / "run=2026-11-30"
    assert {p.name for p in path.iterdir()} == {"items.parquet", "maps.parquet", "run.json"}
    assert path.stat().st_mode & 0o777 == 0o777 & ~_umask()
    assert [(e.key, e.figures["rows"]) for e in space.entries()] == [
        ("2026-11-29", 4),
        ("2026-11-30", 3),
    ]
    history = f"read_parquet('{tmp_path}/s/*/items.parquet', hive_partitioning = true)"
    assert duckdb.connect().execute(f"SELECT run, count(*) FROM {history} GROUP BY run").fetchall()
    found = space.maps("2026-11-30")
    assert list(found) == ["items", "users"]
    for side, matrix in MAPS.items():
        np.testing.assert_array_equal(found[side], matrix)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_runs_are_one_relation_with_weights(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path / "s[1]*?")
    write(space, "a", rows=2)
    write(space, "b", rows=3)
    write(space, "c", rows=5)
    assert count(space, a=0.8, c=1.0) == [("a", 2, 0.8), ("c", 5, 1.0)]
    assert space.reference("items", {"a": 1.0}).weight is None
    with pytest.raises(DataError, match="no stable users"):
        space.reference("users", {"a": 1.0})
    with pytest.raises(DataError, match="no run d"):
        space.reference("items", {"d": 1.0})


@pytest.mark.parametrize(
    "texts",
    [
        ["9", "10", "100"],
        ["9", "10a", "x"][1:],
        ["2026-11-29", "2026-11-30"],
        ["20261130T065500.123456Z", "20261130T065500.123457Z"],
        ["-5", "3"],
    ],
)
def test_keys_sort_as_numbers_where_all_of_them_are(tmp_path: Path, texts: list[str]) -> None:
    space = DirectorySpace(tmp_path)
    for text in reversed(texts):
        write(space, text)
    assert keys(space) == texts
    assert [e.key for e in space.around(Key.parse(texts[-1])).before] == texts[:-1]


@pytest.mark.parametrize(
    "value", ["a/b", "100%", "it's", "a=b", "../x", "é ü", "a+b", "%41", "x:y"]
)
def test_a_key_is_escaped_where_a_path_cannot_have_it(tmp_path: Path, value: str) -> None:
    space = DirectorySpace(tmp_path / "s")
    path = write(space, f"run={value}")
    assert path.parent == tmp_path / "s"
    assert keys(space) == [value]
    files = space.reference("items", {value: 1.0}).files
    query = f"SELECT DISTINCT run FROM {exact(files)}"
    assert duckdb.connect().execute(query).fetchall() == [(value,)]


def test_doing_a_key_again_replaces_that_run_alone(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path)
    write(space, "a")
    write(space, "b", rows=3)
    before = {path: path.read_bytes() for path in (tmp_path / "run=a").iterdir()}
    write(space, "b", rows=7)
    assert count(space, a=1.0, b=1.0) == [("a", 3, 1.0), ("b", 7, 1.0)]
    assert {path: path.read_bytes() for path in (tmp_path / "run=a").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"run=a", "run=b"}


def test_two_renamings_do_where_folders_cannot_change_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_exchange", lambda *paths: False)
    space = DirectorySpace(tmp_path)
    write(space, "b", rows=3)
    write(space, "b", rows=7)
    assert count(space, b=1.0) == [("b", 7, None)]
    assert {path.name for path in tmp_path.iterdir()} == {"run=b"}
    # Killed between the two.
    (tmp_path / "run=b").rename(tmp_path / ".run=b.sqlstab-0123abcd.aside")
    write(space, "c")
    assert keys(space) == ["b", "c"]


@pytest.mark.parametrize("make", ["empty", "file", "no run.json", "further file", "link"])
def test_what_sqlstab_did_not_make_is_not_replaced(tmp_path: Path, make: str) -> None:
    space = DirectorySpace(tmp_path)
    path = tmp_path / "run=a"
    if make == "file":
        path.write_text("mine")
    elif make == "link":
        write(space, "z")
        path.symlink_to(tmp_path / "run=z")
    elif make == "further file":
        write(space, "a")
        (path / "notes.txt").write_text("mine")
    else:
        path.mkdir()
    if make == "no run.json":
        (path / "items.parquet").write_text("mine")
    before = sorted(path.iterdir()) if path.is_dir() else path.read_text()
    with pytest.raises(UsageError, match="run=a"):
        write(space, "a")
    if path.is_dir() and (path / "run.json").exists():
        with suppress(DataError), pytest.raises(UsageError, match="run=a"):
            space.drop(["a"])
    assert (sorted(path.iterdir()) if path.is_dir() else path.read_text()) == before


def test_of_two_runs_of_one_key_one_wins(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path)
    for earlier in (False, True):
        if earlier:
            write(space, "a", rows=1)
        with space.staging(Key("a")) as target:
            write(space, "a", rows=2 + earlier)
            with pytest.raises(ConflictError, match="meanwhile"):
                space.finish(target, MAPS, {})
        assert space.entries()[0].figures["rows"] == 2 + earlier
    with space.staging(Key("a")) as target:
        space.drop(["a"])
        with pytest.raises(ConflictError, match="meanwhile"):
            space.finish(target, MAPS, {})
    assert list(tmp_path.iterdir()) == []


def two_at_once(
    name: str,
    connection: duckdb.DuckDBPyConnection,
    tables: tuple[str, str],
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Make a run, and another one with its key while its transaction is open: one of them stays."""
    real, ends = TablesTarget.conflict_check, []

    def attempt(connection: duckdb.DuckDBPyConnection) -> None:
        try:
            Space(name, connection).run(*tables, key=key)
            ends.append("done")
        except ConflictError:
            ends.append("overtaken")

    def with_another(self: TablesTarget, *, first: bool) -> Any:
        monkeypatch.setattr(TablesTarget, "conflict_check", real)
        with connection.cursor() as other:
            attempt(other)
        return real(self, first=first)

    monkeypatch.setattr(TablesTarget, "conflict_check", with_another)
    attempt(connection)
    assert sorted(ends) == ["done", "overtaken"]
    value = Key.parse(key).value
    assert [run.key for run in Space(name, connection).runs].count(value) == 1
    for side, table in zip(("users", "items"), tables, strict=True):
        whole = Space(name, connection)[value].figures["tables"][side]["rows"]
        condition = f"WHERE {Key.parse(key).column} = '{value}'"
        count = f"SELECT count(*), count(DISTINCT id) FROM {name}_{side} {condition}"
        assert connection.execute(count).fetchall() == [(whole, whole)], table


@pytest.mark.parametrize("first", [True, False])
def test_two_runs_of_one_key_without_primary_keys(
    connection: duckdb.DuckDBPyConnection,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    *,
    first: bool,
) -> None:
    """As in a DuckLake, which `make test-lakes` tries: a comment on the runs tells them apart."""
    monkeypatch.setattr(DuckDBEngine, "dialect", DUCKLAKE)
    with connect(connection) as engine:
        for side in ("users", "items"):
            store_vectors(engine, side, rng.standard_normal((30, 3)))
    if not first:
        Space("movies", connection).run("users", "items", key="1")
    two_at_once("movies", connection, ("users", "items"), "2", monkeypatch)
    keys = "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
    assert connection.execute(keys).fetchall() == [(0,)]


def test_runs_of_different_keys_at_once_are_both_whole(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path)
    threads = [threading.Thread(target=write, args=(space, str(k), 10 + k)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.figures["rows"] for e in space.entries()] == list(range(10, 18))


def test_a_run_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path)
    write(space, "a", rows=2)

    def fail(error: BaseException) -> None:
        with space.staging(Key("a")) as target:
            (target.folder / "items.parquet").write_text("half")
            raise error

    with pytest.raises(KeyboardInterrupt):
        fail(KeyboardInterrupt())
    with pytest.raises(EngineError, match="it is as it was"):
        fail(OSError(28, "No space left on device"))
    assert count(space, a=1.0) == [("a", 2, None)]
    assert [path.name for path in tmp_path.iterdir()] == ["run=a"]


def test_what_killed_runs_have_left_is_invisible_and_removed(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from sqlstab.space.directory import DirectorySpace
        from sqlstab.space.key import Key
        with DirectorySpace(sys.argv[1]).staging(Key("a")) as target:
            (target.folder / "run.json").write_text("{}")
            print("there", flush=True)
            time.sleep(60)
    """)
    space = DirectorySpace(tmp_path)
    mine = tmp_path / ".run=a.sqlstab-mine"
    mine.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert keys(space) == []
        write(space, "b")  # leaves alone what a process is at
        assert len(folders.found(tmp_path, r"\.run=a\.sqlstab-", r"run\.json")) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert keys(space) == ["b"]
    write(space, "c")
    assert folders.found(tmp_path, r"\.run=a\.sqlstab-", r"run\.json") == []
    assert mine.is_dir()


@pytest.mark.parametrize("exchanges", [True, False])
def test_killed_at_any_moment_a_run_is_the_old_or_the_new_one(
    tmp_path: Path, exchanges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = textwrap.dedent(f"""
        import sys, numpy as np
        from sqlstab.space import directory
        from sqlstab.space.key import Key
        if not {exchanges}:
            directory._exchange = lambda *paths: False
        space = directory.DirectorySpace(sys.argv[1])
        for n in range(100_000):
            with space.staging(Key("a")) as target:
                (target.folder / "items.parquet").write_text(str(n))
                space.finish(target, {{"items": np.eye(2)}}, {{"n": n}})
            if n == 0:
                print("there", flush=True)
    """)
    space = DirectorySpace(tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.1 + rng.random() / 10)
            process.kill()
            process.wait()
        with space.staging(Key("other")):
            pass
        assert keys(space) == ["a"]
        (entry,) = space.entries()
        assert (tmp_path / "run=a" / "items.parquet").read_text() == str(entry.figures["n"])
        assert space.maps("a")["items"].shape == (2, 2)


def test_two_ways_to_one_directory_are_one_space(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    through = DirectorySpace(tmp_path / "link")
    write(through, "a")
    assert keys(DirectorySpace(tmp_path / "real")) == ["a"]
    assert through.path == (tmp_path / "real").resolve()


def test_a_space_has_one_column_for_its_keys(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path)
    write(space, "ds=2026-11-30")
    assert space.column() == "ds"
    with pytest.raises(UsageError, match="ds=5"):
        space.check({}, Key("5"))
    with pytest.raises(UsageError, match="column ds"):
        space.around(Key("5"))
    other = DirectorySpace(tmp_path / "other")
    write(other, "4")
    with pytest.raises(UsageError, match=r"write key 5 \(or key run=5 where the tables have"):
        other.around(Key("5", "ds"))


def test_no_column_is_that_of_a_folder(tmp_path: Path) -> None:
    columns = {"items": [Column("id", "BIGINT"), Column("v", "FLOAT[]")]}
    with pytest.raises(UsageError, match="elsewhere"):
        DirectorySpace(tmp_path / "id=5" / "s").check(columns, Key("a"))
    with pytest.raises(UsageError, match="column ID"):
        DirectorySpace(tmp_path).check(columns, Key("5", "ID"))
    DirectorySpace(tmp_path / "model=a").check(columns, Key("a"))


def test_runs_are_dropped(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path)
    for text in "abc":
        write(space, text)
    with pytest.raises(DataError, match="no run x"):
        space.drop(["a", "x"])
    space.drop(["a", "c"])
    assert [path.name for path in tmp_path.iterdir()] == ["run=b"]


def test_a_thousand_runs_are_listed_at_once(tmp_path: Path) -> None:
    for k in range(1000):
        folder = tmp_path / f"run={k}"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"k": k}))
    space = DirectorySpace(tmp_path)
    start = time.perf_counter()
    assert [e.figures["k"] for e in space.entries()] == list(range(1000))
    assert time.perf_counter() - start < 1


def test_damaged_files_are_named(tmp_path: Path) -> None:
    space = DirectorySpace(tmp_path)
    path = write(space, "a")
    (path / "maps.parquet").write_text("no")
    with pytest.raises(DataError, match=r"maps\.parquet"):
        space.maps("a")
    (path / "run.json").write_text("no")
    with pytest.raises(DataError, match=r"run\.json is damaged"):
        _ = space.entries()[0].figures


def _emptied(path: Path) -> None:
    pq.write_table(pq.read_table(path, partitioning=None).slice(0, 0), path)


# What was done to the run 2 of three, and what the run 3 then says when it is repeated.
BY_HAND: dict[str, tuple[Callable[[Path], Any], str]] = {
    "raw vectors in place of stable ones": (
        lambda space: shutil.copy(space.parent / "items2.parquet", space / "run=2/items.parquet"),
        r"^Run 2 is not as it was written: items\.parquet has been replaced",
    ),
    "no rows left": (
        lambda space: _emptied(space / "run=2/items.parquet"),
        r"^Run 2 is not as it was written: items\.parquet has.*No item of this run is in the "
        r"earlier run\. That has none\.",
    ),
    "the maps of another run": (
        lambda space: shutil.copy(space / "run=1/maps.parquet", space / "run=2/maps.parquet"),
        r"run=2/maps\.parquet is not the file that the run 2 wrote",
    ),
    "a copy of a run": (
        lambda space: shutil.copytree(space / "run=1", space / "run=2.5"),
        r"run=2\.5/run\.json is that of the run '1', but the folder is that of 2\.5: ",
    ),
    "another name for a run": (
        lambda space: (space / "run=2").rename(space / "run=2%2E5"),
        r"run=2%2E5 stands for the run 2\.5, whose folder is run=2\.5: give it this name",
    ),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_folders_that_were_changed_by_hand(
    case: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    change, said = BY_HAND[case]
    base, space = rng.standard_normal((60, 3)), Space(tmp_path / "s")
    for key in ("1", "2", "3"):
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        rows = (base + 0.1 * rng.standard_normal(base.shape)) @ turn
        for side in ("users", "items"):
            write_vectors(tmp_path / f"{side}{key}.parquet", rows, np.arange(60))
        paths = [tmp_path / f"{side}{key}.parquet" for side in ("users", "items")]
        assert space.run(*paths, key=key).figures["warnings"] == []
    change(tmp_path / "s")
    try:
        found = " ".join(space.run(*paths, key="3").figures["warnings"])
    except DataError as error:
        found = str(error)
    assert re.search(said, found), found


# ---- Tables --------------------------------------------------------------------------------------


def days(engine: Engine, rows: int, name: str) -> tuple[str, list[Column]]:
    """A query of so many vectors, and the columns of a table that takes them."""
    record = engine.dialect
    array = record.tables.array.format(record.real)
    number = {"snowflake": "NUMBER(38, 0)"}.get(name, record.bigint)
    vector = record.array.format("1, {0}")
    if name != "snowflake":
        vector = f"CAST({vector} AS {array})"
    query = " UNION ALL ".join(
        f"SELECT CAST({k} AS {number}) AS id, {vector.format(k)} AS v, 'it''s' AS title"
        for k in range(rows)
    )
    return query, [Column("id", number), Column("v", array), Column("title", record.text)]


class Tables:
    """A space in a schema of its own on one engine."""

    def __init__(self, name: str, engine: Engine, schema: str) -> None:
        self.name, self.engine, self.schema = name, engine, schema
        self.day = {"clickhouse": "Date"}.get(name, "DATE")

    def space(self, names: Any = None) -> TablesSpace:
        return TablesSpace(self.engine, names or f"{self.schema}.movies")

    def key(self, day: str) -> Key:
        return Key(day, "ds").typed(Column("ds", self.day), self.engine.dialect)

    def write(self, key: Key, rows: int, space: TablesSpace | None = None, **extra: Any) -> None:
        space = space or self.space()
        query, columns = days(self.engine, rows, self.name)
        sides: dict[str, list[Column]] = {} if extra.pop("maps_only", False) else {"items": columns}
        space.check(sides, key)
        between, first = extra.pop("between", None), extra.pop("first", False)
        with space.staging(key) as target:
            for text in target.begin():
                self.engine.execute(text)
            for side in sides:
                for text in target.store(side, query, OUTPUT, ["title"]):
                    self.engine.execute(text)
            if between:
                between()
            check = target.conflict_check(first=first)
            check.read(self.engine.query(check.texts[0]))
            for text in target.commit(MAPS, json.dumps({"rows": rows, **extra})):
                self.engine.execute(text)

    def counts(self, table: str = "movies_items") -> dict[str, int]:
        rows = self.engine.query(
            f"SELECT ds, count(*) AS n FROM {self.schema}.{table} GROUP BY ds ORDER BY ds"
        )
        return {str(row["ds"]): row["n"] for row in rows}


_schemas = iter(range(1000))


@pytest.fixture
def tables(running: Running, request: pytest.FixtureRequest) -> Iterator[Tables]:
    """An engine's space, in a schema that is dropped afterwards."""
    name: str = request.param
    with connect(running[name]) as engine:
        schema = f"space_{next(_schemas)}"
        kind = "DATABASE" if name == "clickhouse" else "SCHEMA"
        engine.execute(f"CREATE {kind} {schema}")
        yield Tables(name, engine, schema)
        engine.rollback()
        engine.execute(f"DROP {kind} {schema}{'' if name == 'clickhouse' else ' CASCADE'}")


on = pytest.mark.parametrize
everywhere = on("tables", ENGINES, indirect=True)
real = on("tables", ENGINES[:3], indirect=True)


@everywhere
def test_runs_are_rows_with_their_key(tables: Tables) -> None:
    space = tables.space()
    assert space.entries() == []
    assert space.around(tables.key("2026-11-30")).before == []
    long = "x" * 70_000  # more than one part
    odd = "it's \\ \\n {} % \" é"
    tables.write(tables.key("2026-11-30"), 3, odd=odd, long=long)
    tables.write(tables.key("2026-11-29"), 4)
    assert [(e.key, e.figures["rows"]) for e in space.entries()] == [
        ("2026-11-29", 4),
        ("2026-11-30", 3),
    ]
    figures = space.entries()[1].figures
    assert (figures["odd"], figures["long"]) == (odd, long)
    (before,) = space.around(tables.key("2026-11-30")).before
    assert (before.key, before.figures["rows"]) == ("2026-11-29", 4)
    for side, matrix in MAPS.items():
        np.testing.assert_array_equal(space.maps("2026-11-29")[side], matrix)
    # Done again.
    tables.write(tables.key("2026-11-30"), 5)
    assert tables.counts() == {"2026-11-29": 4, "2026-11-30": 5}
    newest = tables.engine.query(f"SELECT * FROM {tables.schema}.movies_items_newest")
    assert len(newest) == 5
    assert set(newest[0]) == {"id", "v", "title"}
    # As a reference.
    rows = space.reference("items", {"2026-11-29": 0.8, "2026-11-30": 1.0})
    found = tables.engine.query(
        f"SELECT ds, max({rows.weight}) AS w FROM {rows.relation} WHERE {rows.filter} "
        "GROUP BY ds ORDER BY ds"
    )
    assert [row["w"] for row in found] == [0.8, 1.0]
    assert isinstance(found[0]["w"], float)
    assert condition(rows.filter or "", tables.engine.dialect)
    # Dropped.
    with pytest.raises(DataError, match="no run 2026-01-01"):
        space.drop(["2026-01-01"])
    space.drop(["2026-11-30"])
    assert keys(space) == ["2026-11-29"]
    assert tables.counts() == {"2026-11-29": 4}
    assert set(tables.counts("movies_maps")) == {"2026-11-29"}
    assert len(tables.engine.query(f"SELECT * FROM {tables.schema}.movies_items_newest")) == 4


@everywhere
def test_a_killed_run_is_not_there_and_is_repaired(tables: Tables) -> None:
    tables.write(tables.key("2026-11-29"), 4)
    space = tables.space()

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tables.write(tables.key("2026-11-30"), 9, between=fail)
    assert keys(space) == ["2026-11-29"]
    assert len(tables.engine.query(f"SELECT * FROM {tables.schema}.movies_items_newest")) == 4
    with pytest.raises(DataError, match="no run 2026-11-30"):
        space.maps("2026-11-30")
    tables.write(tables.key("2026-11-30"), 5)
    assert tables.counts() == {"2026-11-29": 4, "2026-11-30": 5}


@on("tables", ["duckdb", "postgres", "clickhouse"], indirect=True)
def test_a_view_of_the_space_is_no_input(tables: Tables) -> None:
    tables.write(tables.key("2026-11-30"), 3)
    items = f"{tables.schema}.movies_items"
    tables.engine.execute(f"CREATE VIEW {tables.schema}.mine AS SELECT * FROM {items} WHERE id > 1")
    space = tables.space()
    space.check_inputs({"items": f"{tables.schema}.raw"})
    for view in ("mine", "movies_items_newest"):
        with pytest.raises(UsageError, match=r"is .*the table of the space"):
            space.check_inputs({"items": f"{tables.schema}.{view}"})


@everywhere
def test_a_view_gets_the_columns_of_its_table(tables: Tables) -> None:
    """Those that a user adds, as for a model that has grown."""
    tables.write(tables.key("2026-11-29"), 3)
    name, text = f"{tables.schema}.movies_items", tables.engine.dialect.text
    column = f"COLUMNS (more {text})" if tables.name == "spark" else f"COLUMN more {text}"
    tables.engine.execute(f"ALTER TABLE {name} ADD {column}")
    tables.write(tables.key("2026-11-30"), 2)
    (row, *_) = tables.engine.query(f"SELECT * FROM {name}_newest")
    assert sorted(row) == ["id", "more", "title", "v"]


@on("tables", ["clickhouse", "spark"], indirect=True)
def test_two_first_runs(tables: Tables) -> None:
    """Each would have axes of its own; engines with transactions are in tests/test_faults.py."""
    early, late = (tables.key(day) for day in ("2026-11-29", "2026-11-30"))
    with pytest.raises(ConflictError, match="the first one of the space"):
        tables.write(late, 3, first=True, between=lambda: tables.write(early, 4, first=True))
    assert keys(tables.space()) == ["2026-11-29"]
    tables.write(late, 3)
    assert keys(tables.space()) == ["2026-11-29", "2026-11-30"]


@on("tables", ["duckdb", "clickhouse"], indirect=True)
def test_maps_alone_do_not_empty_the_views_of_rows(tables: Tables) -> None:
    tables.write(tables.key("2026-11-29"), 4)
    tables.write(tables.key("2026-11-30"), 5)
    with pytest.raises(UsageError, match="maps_only another space"):
        tables.write(tables.key("2026-11-30"), 0, maps_only=True)
    assert tables.counts() == {"2026-11-29": 4, "2026-11-30": 5}
    assert keys(tables.space()) == ["2026-11-29", "2026-11-30"]


@real
def test_text_is_a_key_where_inputs_have_none(tables: Tables) -> None:
    name = "run"
    for text in ("b", "it's"):
        tables.write(Key(text, name), 2)
    space = tables.space()
    assert keys(space) == ["b", "it's"]
    assert [e.key for e in space.around(Key("c", name)).before] == ["b"]
    with pytest.raises(UsageError, match="column run"):
        space.check({}, Key("5", "ds"))


@on("tables", ["postgres", "clickhouse"], indirect=True)
def test_of_two_runs_with_one_key_in_tables_one_wins(tables: Tables, running: Running) -> None:
    # The second one comes while the first one writes; on Postgres it waits for it.
    errors: list[Exception] = []
    others: list[threading.Thread] = []

    def other() -> None:
        with connect(running[tables.name]) as engine:
            second = Tables(tables.name, engine, tables.schema)
            try:
                second.write(tables.key("2026-11-30"), 7)
            except ConflictError as error:
                errors.append(error)

    def between() -> None:
        others.append(threading.Thread(target=other))
        others[0].start()
        others[0].join(1 if tables.name == "postgres" else None)

    tables.write(tables.key("2026-11-29"), 1)
    try:
        tables.write(tables.key("2026-11-30"), 5, between=between)
    except ConflictError as error:
        errors.append(error)
    others[0].join()
    assert len(errors) == 1
    assert "2026-11-30" in str(errors[0])
    rows = tables.space().entries()[1].figures["rows"]
    assert rows == (5 if tables.name == "postgres" else 7)
    assert tables.counts() == {"2026-11-29": 1, "2026-11-30": rows}


@real
def test_runs_with_different_keys_at_once_are_both_whole_in_tables(
    tables: Tables, running: Running
) -> None:
    tables.write(tables.key("2026-11-01"), 1)
    errors: list[BaseException] = []

    def write_one(day: str) -> None:
        # Connections of DuckDB in one process.
        given = running[tables.name]
        with connect(given.cursor() if tables.name == "duckdb" else given) as engine:
            try:
                Tables(tables.name, engine, tables.schema).write(tables.key(day), 5)
            except BaseException as error:
                errors.append(error)

    found = [f"2026-11-0{k}" for k in range(1, 5)]
    threads = [threading.Thread(target=write_one, args=(day,)) for day in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert tables.counts() == dict.fromkeys(found, 5)
    assert [e.figures["rows"] for e in tables.space().entries()] == [5] * 4


def test_of_two_runs_with_one_key_in_duckdb_one_wins() -> None:
    with duckdb.connect() as connection, connect(connection) as engine:
        connection.execute("CREATE SCHEMA s")
        first = Tables("duckdb", engine, "s")
        with connect(connection.cursor()) as beside:
            second = Tables("duckdb", beside, "s")

            def between() -> None:
                second.write(first.key("2026-11-30"), 7)

            first.write(first.key("2026-11-29"), 1)
            with pytest.raises(ConflictError, match="2026-11-30"):
                first.write(first.key("2026-11-30"), 5, between=between)
            assert first.counts() == {"2026-11-29": 1, "2026-11-30": 7}

            def is_refused() -> None:
                with pytest.raises(ConflictError, match="at the same time"):
                    between()

            # The first one has removed rows that the second one would remove.
            first.write(first.key("2026-11-30"), 5, between=is_refused)
            assert first.counts() == {"2026-11-29": 1, "2026-11-30": 5}
            assert [e.figures["rows"] for e in first.space().entries()] == [1, 5]


@real
def test_tables_that_are_there_are_taken_as_they_are(tables: Tables) -> None:
    engine, schema, record = tables.engine, tables.schema, tables.engine.dialect
    _, columns = days(engine, 0, tables.name)
    double = record.tables.array.format(record.double)
    storage = record.tables.storage
    engine.execute(
        f"CREATE TABLE {schema}.my_items (title {record.text}, made {record.integer} DEFAULT 5, "
        f"v {double}, ds {tables.day}, id {columns[0].type}){storage}"
    )
    names = {
        "items": f"{schema}.my_items",
        "maps": f"{schema}.my_maps",
        "runs": f"{schema}.my_runs",
    }
    tables.write(tables.key("2026-11-29"), 4, tables.space(names))
    tables.write(tables.key("2026-11-30"), 3, tables.space(names))
    tables.write(tables.key("2026-11-30"), 2, tables.space(names))
    assert tables.counts("my_items") == {"2026-11-29": 4, "2026-11-30": 2}
    rows = engine.query(f"SELECT * FROM {schema}.my_items WHERE id = 1 ORDER BY ds")
    assert {(row["made"], row["title"], tuple(row["v"])) for row in rows} == {(5, "it's", (1, 1))}
    with pytest.raises(UsageError, match="no table for the users"):
        tables.space(names).check({"users": columns}, tables.key("2026-11-30"))


WRONG = [
    (wrong, name)
    for wrong in ("missing", "type", "no key", "key type", "view")
    for name in ("duckdb", "postgres", "clickhouse", "spark")
]


@on(
    ("wrong", "tables"),
    [*WRONG, ("required", "duckdb"), ("required", "postgres"), ("partitions", "spark")],
    indirect=["tables"],
)
def test_what_does_not_fit_is_said_before_anything_is_read(tables: Tables, wrong: str) -> None:
    engine, schema, record = tables.engine, tables.schema, tables.engine.dialect
    _, columns = days(engine, 0, tables.name)
    kinds = {"ds": tables.day, **{column.name: column.type for column in columns}}
    match = "movies_items"
    if wrong == "missing":
        del kinds["title"]
        match += ".*title"
    elif wrong == "type":
        kinds["v"] = record.text
        match += ".*column v"
    elif wrong == "no key":
        kinds["day"] = kinds.pop("ds")
        match += ".*ds"
    elif wrong == "key type":
        kinds["ds"] = record.text
        match += ".*ds"
    elif wrong == "required":
        kinds["must"] = f"{record.integer} NOT NULL"
        match += ".*must"
    listed = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    storage = record.tables.storage
    if tables.name == "spark" and wrong != "partitions" and "ds" in kinds:
        storage += " PARTITIONED BY (ds)"
    name = f"{schema}.{'base' if wrong == 'view' else 'movies_items'}"
    engine.execute(f"CREATE TABLE {name} ({listed}){storage}")
    if wrong == "view":
        engine.execute(f"CREATE VIEW {schema}.movies_items AS SELECT * FROM {name}")
    with pytest.raises((DataError, UsageError), match=match):
        tables.space().check({"items": columns}, tables.key("2026-11-30"))
    assert engine.kind(f"{schema}.movies_runs") is None


@on("tables", ["spark"], indirect=True)
@on("stored", ["STORED AS PARQUET", "external"])
def test_hive_tables_keep_their_other_days_on_spark(
    tables: Tables, stored: str, tmp_path: Path
) -> None:
    engine, name = tables.engine, f"{tables.schema}.movies_items"
    external = f"STORED AS PARQUET LOCATION '{tmp_path / 't'}'"
    engine.execute(
        f"CREATE {'EXTERNAL ' if stored == 'external' else ''}TABLE {name} "
        "(note string, v array<float>, id bigint, title string) PARTITIONED BY (ds string) "
        f"{external if stored == 'external' else stored}"
    )
    for day in ("2026-11-28", "2026-11-29"):
        engine.execute(
            f"INSERT INTO {name} PARTITION (ds = '{day}') VALUES ('mine', array(1, 2), 1, 'x')"
        )
    location = next(
        row["data_type"]
        for row in engine.query(f"DESCRIBE TABLE EXTENDED {name}")
        if row["col_name"] == "Location"
    )
    root = Path(location.removeprefix("file:"))

    def stand() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in root.glob("ds=2026-11-2*/*")}

    before = stand()
    assert len(before) >= 2
    key = Key("2026-11-30", "ds").typed(Column("ds", "string"), engine.dialect)
    tables.write(key, 5)
    tables.write(key, 3)
    assert stand() == before
    assert tables.counts() == {"2026-11-28": 1, "2026-11-29": 1, "2026-11-30": 3}
    tables.space().drop(["2026-11-30"])
    engine.execute(f"MSCK REPAIR TABLE {name}")
    assert tables.counts() == {"2026-11-28": 1, "2026-11-29": 1}
    assert stand() == before


@on("tables", ["clickhouse"], indirect=True)
def test_staged_tables_do_not_stay_on_clickhouse(tables: Tables) -> None:
    tables.write(tables.key("2026-11-30"), 3)
    rows = tables.engine.query(
        f"SELECT name, partition_key FROM system.tables WHERE database = '{tables.schema}'"
    )
    assert {row["name"]: row["partition_key"] for row in rows} == {
        "movies_items": "ds",
        "movies_maps": "",
        "movies_runs": "",
        "movies_items_newest": "",
    }


@on("tables", ["duckdb"], indirect=True)
def test_a_thousand_runs_are_read_by_few_queries(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = tables.space()
    tables.write(tables.key("2020-01-01"), 1)
    tables.engine.execute(
        f"INSERT INTO {tables.schema}.movies_runs BY NAME "
        "SELECT DATE '2021-01-01' + CAST(range AS INTEGER) AS ds, 'x' AS created, "
        "'x' AS created_by, 1 AS part, 1 AS parts, '{\"n\": 1}' AS figures FROM range(1000)"
    )
    start = time.perf_counter()
    assert len([e.figures for e in space.entries()]) == 1001
    assert time.perf_counter() - start < 1
    asked: list[str] = []
    query = tables.engine.query

    def counted(text: str) -> Any:
        asked.append(text)
        return query(text)

    monkeypatch.setattr(tables.engine, "query", counted)
    entries = space.around(tables.key("2030-01-01")).before
    assert len(entries) == 1001
    assert "figures" not in asked[-1]
    del asked[:]
    assert [e.figures["n"] for e in entries[-14:]] == [1] * 14
    assert entries[0].figures["rows"] == 1
    assert len(asked) == 2


def test_a_run_that_lacks_a_part_is_not_there() -> None:
    """Where there are transactions, it is damaged: no killed run has left it."""
    with duckdb.connect() as connection, connect(connection) as engine:
        connection.execute("CREATE SCHEMA s")
        tables = Tables("duckdb", engine, "s")
        tables.write(tables.key("2026-11-29"), 2)
        tables.write(tables.key("2026-11-30"), 3, long="x" * 130_000)
        assert len(tables.space().entries()) == 2
        connection.execute("DELETE FROM s.movies_runs WHERE part = 3")
        assert len(connection.execute("FROM s.movies_items_newest").fetchall()) == 2
        space = tables.space()
        for read in (space.entries, lambda: space.around(tables.key("2027-01-01")).before):
            with pytest.raises(DataError, match="rows of the run 2026-11-30 are missing"):
                read()
        space.dialect = replace(space.dialect, tables=replace(space.dialect.tables, begin=""))
        assert keys(space) == ["2026-11-29"]
        assert len(space.around(tables.key("2027-01-01")).before) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("figures = NULL", "The figures of the run 1 are damaged: they are NULL"),
        ("parts = 2", "rows of the run 1 are missing or damaged"),
        ("parts = NULL", "rows of the run 1 are missing or damaged"),
        ("part = 2", "Delete what has this key from all tables of s, and run it again"),
    ],
)
def test_damaged_rows_are_named(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, change: str, message: str
) -> None:
    ids = np.arange(50)
    model = [(ids, rng.standard_normal((50, 3))) for _ in range(2)]
    space = Space("s", connection)
    space.run(*model, key="1")
    connection.execute(f"UPDATE s_runs SET {change}")
    for read in (lambda: space.runs, lambda: space.run(*model, key="2")):
        with pytest.raises(DataError, match=message):
            read()
    for table in ("users", "items", "maps", "runs"):
        connection.execute(f"DELETE FROM s_{table} WHERE run = '1'")
    assert space.run(*model, key="1").key == "1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "UPDATE s_items SET embedding = '[nan, 0, 0]'::DOUBLE[] WHERE id = 7",
            "items table s_items .* 1 vector with a NaN or infinite component .for example id 7",
        ),
        (
            "UPDATE s_items SET embedding = '[0, inf, 0]'::DOUBLE[] WHERE id > 40",
            "items table s_items .* 9 vectors with a NaN or infinite component",
        ),
        (
            "DELETE FROM s_items",
            "items table s_items has no rows where .* those of the reference are gone. Write its",
        ),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_damaged_vectors_are_named(
    connection: duckdb.DuckDBPyConnection,
    rng: np.random.Generator,
    change: str,
    message: str,
    *,
    plain: bool,
) -> None:
    ids = np.arange(50)
    model = [(ids, rng.standard_normal((50, 3))) for _ in range(2)]
    space = Space("s", connection)
    space.run(*model, key="1")
    connection.execute(change)
    with pytest.raises(DataError, match=message):
        space.run(*model, key="2", options=Options(plain_rows=plain))


# ---- As text -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(dialects()))
@pytest.mark.parametrize("typed", [True, False])
def test_sqlglot_reads_the_statements_of_a_run(name: str, typed: bool) -> None:
    record = dialect(name)
    raw = VectorTable("items", "raw", (Column("id", record.bigint),), "array", ("v",), "float")
    outputs = {"items": stable_columns(OUTPUT, raw, record)}
    key = Key("2026-11-30", "ds")
    if typed:
        key = key.typed(Column("ds", "DATE"), record)
    target = TablesTarget(Names("ml.movies", record), key, record, outputs=outputs, creates=True)
    texts = [
        *target.begin(),
        *target.store("items", "SELECT id, v FROM raw", OUTPUT),
        *target.conflict_check(first=True).texts,
        *target.commit(MAPS, json.dumps({"created": "2026-11-30T06:55:00Z"})),
    ]
    wanted = [record.tables.begin] if record.tables.begin else []
    assert [text for text in texts if text.startswith("BEGIN")] == wanted
    assert any("newest" in text.lower() for text in texts)
    for text in texts:
        if any(w in text for w in ("REPLACE WHERE", "USING brin", "REPLACE PARTITION", "SETTINGS")):
            continue  # which sqlglot does not know
        if text.startswith("INSERT OVERWRITE"):
            assert "PARTITION (" in text
        tree = sqlglot.parse_one(text, dialect=record.sqlglot)
        assert tree is not None
        assert not isinstance(tree, sqlglot.exp.Command), text


def test_the_last_statement_makes_a_run_be_there() -> None:
    for record in dialects().values():
        target = TablesTarget(Names("ml.movies", record), Key("a"), record)
        texts = target.commit(MAPS, "{}")
        runs = target.names.table("runs").rpartition(".")[2]
        assert runs in texts[-2 if record.tables.begin else -1]
        first = next(text for text in target.begin() if text.startswith(("DELETE", "INSERT")))
        assert runs in first


def test_names_are_made_of_a_prefix_or_given() -> None:
    names = Names("lake.ml.movies", DUCKDB)
    assert names.table("items") == "lake.ml.movies_items"
    assert names.newest("items") == "lake.ml.movies_items_newest"
    assert Names("ml.movies", dialect("snowflake")).table("runs") == "ML.MOVIES_RUNS"
    with pytest.raises(UsageError, match="runs"):
        Names({"items": "i", "maps": "m"}, DUCKDB)
    with pytest.raises(UsageError, match="63"):
        Names("x" * 60, dialect("postgres"))


def test_a_catalogue_without_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space does without; any other failure to make one is an error."""
    viewless = replace(DUCKDB, tables=replace(DUCKDB.tables, viewless=("no views here",)))
    execute = DuckDBEngine.execute

    def refusing(engine: DuckDBEngine, text: str, *rest: Any) -> None:
        if text.startswith("CREATE VIEW"):
            raise EngineError(f"duckdb: {said}.", text)
        execute(engine, text, *rest)

    monkeypatch.setattr(DuckDBEngine, "dialect", viewless)
    monkeypatch.setattr(DuckDBEngine, "execute", refusing)
    with duckdb.connect() as connection, connect(connection) as engine:
        space = TablesSpace(engine, "s")
        outputs = {"items": [Column("id", "BIGINT"), Column("v", "FLOAT[]")]}
        said = "no rights"
        with pytest.raises(EngineError, match=said):
            space.check(outputs, Key("a"))
        said = "no views here"
        space.check(outputs, Key("a"))
        assert engine.kind("s_items") == "table"
        assert engine.kind("s_items_newest") is None


def test_temporary_tables_hold_a_run_in_memory(warehouses: Callable[[str], Warehouse]) -> None:
    engine = warehouses("duckdb").engine
    target = MemoryTarget("sqlstab_memory", engine.dialect)
    query, _ = days(engine, 3, "duckdb")
    for text in target.store("items", query, OUTPUT, ["title"]):
        engine.execute(text)
    written = target.written("items", OUTPUT)
    assert engine.query(f"SELECT count(*) AS n FROM {written.relation}") == [{"n": 3}]
