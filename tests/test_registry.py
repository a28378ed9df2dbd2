"""Which run is in place, what has changed, and going back: on files and on the engines."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pytest
from conftest import read_vectors
from engines import RUNNABLE, TARGETS
from invoke import invoke
from warehouse import store_vectors

from sqlstab import (
    DataError,
    EmbeddingTable,
    EngineError,
    GateError,
    Options,
    Run,
    UsageError,
    history,
    stabilize,
)
from sqlstab.engines import connect
from sqlstab.errors import HalfWayInterrupt, SqlstabError
from sqlstab.job import Job
from sqlstab.project import Project, load_registry
from sqlstab.registry import Event, Registry
from sqlstab.space.folders import locked
from sqlstab.statements import ddl, quoting
from sqlstab.statements.dialect import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engines import Running

    from sqlstab.engines import Engine
    from sqlstab.registry import Log

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

ROWS, DIMENSION = 30, 3


def load(engine: Engine, day: int) -> None:
    """Tables g_users and g_items of a model that is trained anew each day."""
    noise = np.random.default_rng(day)
    turned = np.linalg.qr(noise.standard_normal((DIMENSION, DIMENSION)))[0]
    for seed, name in enumerate(("g_users", "g_items")):
        lasting = np.random.default_rng(100 + seed).standard_normal((ROWS, DIMENSION))
        vectors = (lasting + 0.2 * noise.standard_normal(lasting.shape)) @ turned
        store_vectors(engine, name, vectors)


def tables(engine: Engine) -> set[str]:
    """The tables of these tests, and those with names of ours."""
    shown = {"postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"}
    rows = engine.query(shown.get(engine.dialect.name, "SHOW TABLES"))
    names = {str(value) for row in rows for value in row.values()}
    return {name for name in names if name.lower().startswith(("g_", "sqlstab_"))}


@pytest.fixture(params=RUNNABLE)
def target(request: pytest.FixtureRequest, running: Running) -> Iterator[Any]:
    yield from _cleared(running[request.param])


@pytest.fixture
def duck(running: Running) -> Iterator[Any]:
    yield from _cleared(running["duckdb"])


@pytest.fixture
def clickhouse(running: Running) -> Iterator[Any]:
    yield from _cleared(running["clickhouse"])


def _cleared(session: Any) -> Iterator[Any]:
    with connect(session, writes_tables=True) as engine:
        # Before, too: scripts of other tests leave their tables.
        _clear(engine)
        load(engine, 0)
        yield session
        _clear(engine)


def _clear(engine: Engine) -> None:
    for name in tables(engine):
        engine.execute([f"DROP TABLE {quoting.identifier(name, engine.dialect)}"])


def run(target: Any, day: int, reference: Any = "previous", **given: Any) -> Run:
    options = {"users_out": "g_su", "items_out": "g_si", "registry": "g_runs"} | given
    with connect(target, writes_tables=True) as engine:
        load(engine, day)
    named = [EmbeddingTable(name, vector="v") for name in ("g_users", "g_items")]
    return stabilize(*named, reference, engine=target, **options)


def rows(engine: Engine) -> list[Any]:
    return [engine.query(f"SELECT * FROM {name} ORDER BY id") for name in ("g_su", "g_si")]


def states(log: Log) -> list[str]:
    return [log.status(entry) for entry in log.entries.values()]


def test_record_and_roll_back(target: Any) -> None:
    with connect(target, writes_tables=True) as engine:
        registry = Registry("g_runs", engine)
        assert registry.log().entries == {}
        done, written = [], []
        for day in range(4):
            done.append(run(target, day, options=Options(keep_runs=2)))
            written.append(rows(engine))
        ids = [finished.run_id for finished in done]
        assert [finished.transform.reference for finished in done] == [None, *ids[:-1]]
        log = registry.log()
        assert list(log.entries) == ids
        assert states(log) == ["replaced", "kept", "kept", "current"]
        assert log.entries[ids[3]].figures["run_id"] == ids[3]
        assert log.entries[ids[3]].who.count("@") == 1
        # Two runs of two tables are kept, and the first one's are gone.
        before = tables(engine)
        assert len(before) == 5 + 4
        again = registry.run(log.entries[ids[2]])
        np.testing.assert_array_equal(
            again.transform.items.matrix, done[2].transform.items.matrix, strict=True
        )

        assert registry.rollback().run_id == ids[2]
        assert rows(engine) == written[2]
        assert states(registry.log()) == ["replaced", "kept", "current", "rolled back"]
        assert registry.rollback(ids[1]).run_id == ids[1]
        assert rows(engine) == written[1]
        assert registry.rollback(ids[3]).run_id == ids[3]
        assert rows(engine) == written[3]
        assert tables(engine) == before
        with pytest.raises(DataError, match="have been replaced or dropped"):
            registry.rollback(ids[0])
        assert registry.rollback().run_id == ids[2]

        # The run in place is the one before the next one.
        last = run(target, 4, options=Options(keep_runs=2))
        assert last.transform.reference == ids[2]
        assert last.figures["cosine"]["items"]["after"]["mean"] > 0.9
        log = registry.log()
        assert log.status(log.entries[ids[2]]) == "kept"


KEEPING = {
    "redshift": ['ALTER TABLE "s"."t" RENAME TO "k"', 'ALTER TABLE "s"."n" RENAME TO "t"'],
    "trino": ['ALTER TABLE "s"."t" RENAME TO "s"."k"', 'ALTER TABLE "s"."n" RENAME TO "s"."t"'],
    "snowflake": [
        'ALTER TABLE "S"."T" SWAP WITH "S"."N"',
        'ALTER TABLE "S"."N" RENAME TO "S"."K"',
    ],
    "bigquery": [
        "CREATE TABLE `s`.`k` COPY `s`.`t`",
        "CREATE OR REPLACE TABLE `s`.`t` COPY `s`.`n`",
        "DROP TABLE `s`.`n`",
    ],
    "databricks": [
        "CREATE TABLE `s`.`k` AS SELECT * FROM `s`.`t`",
        "CREATE OR REPLACE TABLE `s`.`t` AS SELECT * FROM `s`.`n`",
        "DROP TABLE `s`.`n`",
    ],
}


@pytest.mark.parametrize("name", KEEPING)
def test_what_is_kept_where_no_engine_is_at_hand(name: str) -> None:
    assert ddl.keep_table("s.n", "s.t", "s.k", DIALECTS[name]) == KEEPING[name]


@pytest.mark.parametrize("name", TARGETS)
def test_any_text_of_any_length(running: Running, name: str) -> None:
    """An event comes back as it was, in however many statements it went there."""
    text = "it's \"quoted\" \\ back\\'slash {x:Int} %s %(a)s :p ? \u2028 \n ü \0 -- /* "
    body = {"format": 1, "transform": {"text": text * 5000}}
    with connect(running[name], writes_tables=True) as engine:
        registry = Registry("g_runs", engine)
        event = Event("1", "transform", "run'\\1", body)
        assert len(json.dumps(body)) > 400_000
        for statement in registry.statements([event]):
            assert engine.dialect.takes(statement)
        registry.append([event])
        assert list(registry._events(transform_of="run'\\1")) == [event]
        assert list(registry._events()) == []
        engine.execute([ddl.drop_table("g_runs", engine.dialect)])


def test_a_failed_gate_leaves_all_as_it_was(target: Any) -> None:
    with connect(target, writes_tables=True) as engine:
        run(target, 0)
        before, made = rows(engine), tables(engine)
        events = list(Registry("g_runs", engine)._events())
        with pytest.raises(GateError):
            run(target, 1, options=Options(min_mean_cosine=1.0, keep_runs=1))
        assert (rows(engine), tables(engine)) == (before, made)
        assert list(Registry("g_runs", engine)._events()) == events


@pytest.mark.parametrize("name", ["duckdb", "postgres"])
def test_recorded_and_put_in_place_together(
    running: Running, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for session in _cleared(running[name]):
        with connect(session, writes_tables=True) as engine:
            run(session, 0)
            before, made = rows(engine), tables(engine)
            events = list(Registry("g_runs", engine)._events())
            with monkeypatch.context() as patch:
                patch.setattr(ddl, "insert_events", lambda *_: ["INSERT INTO g_nothing VALUES (1)"])
                with pytest.raises(EngineError, match="g_nothing"):
                    run(session, 1, options=Options(keep_runs=1))
            assert (rows(engine), tables(engine)) == (before, made)
            assert list(Registry("g_runs", engine)._events()) == events


def test_the_first_run_is_kept_for_those_that_refer_to_it(duck: Any) -> None:
    with connect(duck, writes_tables=True) as engine:
        done = [run(duck, day, "first") for day in range(3)]
        first = done[0].run_id
        assert [finished.transform.reference for finished in done] == [None, first, first]
        registry = Registry("g_runs", engine)
        assert states(registry.log()) == ["kept", "replaced", "current"]
        assert registry.prune(0) == []
        # An id, or whatever begins like one alone, names a run too.
        assert run(duck, 3, first).transform.reference == first
        with pytest.raises(DataError, match="have been replaced or dropped"):
            run(duck, 4, done[1].run_id)
        with pytest.raises(DataError, match="no runs whose id begins with 20000101T"):
            run(duck, 4, "20000101T000000.000000Z-0000")
        # A run without a reference begins a space, and is its first.
        new = run(duck, 4, None)
        assert run(duck, 5, "first").transform.reference == new.run_id
        (dropped,) = registry.prune(0)
        assert dropped.run_id == first
        assert len(dropped.aside) == 2
        assert tables(engine) == {
            *("g_users", "g_items", "g_runs", "g_su", "g_si"),
            *(
                quoting.table_parts(name, engine.dialect)[-1]
                for name in (registry.log().entries[new.run_id].places or {}).values()
            ),
        }


def test_tables_with_names_of_their_own_stay(duck: Any) -> None:
    with connect(duck, writes_tables=True) as engine:
        for day in range(3):
            run(duck, day, users_out=f"g_su{day}", items_out=f"g_si{day}")
        registry = Registry("g_runs", engine)
        assert states(registry.log()) == ["kept", "kept", "current"]
        made = tables(engine)
        entry = registry.rollback()
        assert registry.prune(0) == []
        assert tables(engine) == made
        assert (entry.places or {})["users"].endswith("g_su1")
        last = run(duck, 3, users_out="g_su3", items_out="g_si3")
        assert last.transform.reference == entry.run_id
        # The newest of the others had been rolled back when the last one came.
        assert states(registry.log()) == ["kept", "kept", "rolled back", "current"]
        assert registry.rollback().run_id == entry.run_id


def test_what_is_in_the_way_of_a_rollback(duck: Any) -> None:
    with connect(duck, writes_tables=True) as engine:
        first, second = (run(duck, day, options=Options(keep_runs=1)) for day in range(2))
        registry = Registry("g_runs", engine)
        with pytest.raises(UsageError, match="is in place already"):
            registry.rollback(second.run_id)
        # Somebody has replaced a table without the registry: it would be kept as a run's.
        run(duck, 2, registry=None, reference=None)
        with pytest.raises(DataError, match=rf"that run {second.run_id} wrote"):
            registry.rollback()
        engine.execute(["DROP TABLE g_su", "DROP TABLE g_si"])
        with pytest.raises(DataError, match=r"stable users of run .* no table or view"):
            registry.rollback()
        aside = registry.log().entries[first.run_id].aside
        assert len(aside) == 2
        assert {engine.kind(name) for name in aside} == {"table"}


def test_a_registry_in_a_file_beside_tables(
    duck: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / 'it\'s "odd" %s.jsonl'
    with connect(duck, writes_tables=True) as engine:
        written = []
        for day in range(3):
            run(duck, day, registry=file, options=Options(keep_runs=1))
            written.append(rows(engine))
        registry = Registry(file, engine)
        assert states(registry.log()) == ["replaced", "kept", "current"]
        registry.rollback()
        assert rows(engine) == written[1]
        assert len(tables(engine)) == 6
        assert [p.name for p in tmp_path.iterdir()] == [file.name]

        def full(_: Registry, events: list[Event]) -> None:
            if events[0].event == "place":
                raise EngineError("the disk is full")
            append(registry, events)

        append = Registry.append
        with monkeypatch.context() as patch:
            patch.setattr(Registry, "append", full)
            says = (
                r"run \S+ are in place, but the registry .*; `sqlstab runs rollback \S+` mends that"
            )
            with pytest.raises(EngineError, match=says):
                run(duck, 3, registry=file, options=Options(keep_runs=1))
        third = list(registry.log().entries)[-1]
        assert states(registry.log())[-1] == "not in place"
        registry.rollback(third)
        assert states(registry.log())[-3:] == ["kept", "rolled back", "current"]
        # A rollback that was ended when tables had changed places; the next one records that.
        second = list(registry.log().entries)[1]
        with monkeypatch.context() as patch:
            patch.setattr(Registry, "append", full)
            with pytest.raises(EngineError, match="the disk is full"):
                registry.rollback(second)
        assert rows(engine) == written[1]
        assert registry.log().current == third
        says = rf"that run {third} wrote.*Run {second} was to replace it.*rollback {second}`"
        with pytest.raises(DataError, match=says):
            run(duck, 4, registry=file)
        assert registry.rollback(second).run_id == second == registry.log().current
        assert rows(engine) == written[1]
        registry.rollback(third)
        assert registry.log().current == third


def test_odd_names(duck: Any) -> None:
    with connect(duck, writes_tables=True) as engine:
        name = '"g_it\'s; DROP TABLE g_users; --"'
        out = {"users_out": '"g_ odd ""u"', "items_out": '"g_ odd ""i"'}
        for day in range(2):
            run(duck, day, registry=name, options=Options(keep_runs=1), **out)
        registry = Registry(name, engine)
        registry.rollback()
        assert states(registry.log()) == ["current", "rolled back"]
        with pytest.raises(UsageError, match=r"would be overwritten"):
            run(duck, 2, registry="g_users")
        with pytest.raises(UsageError, match="one place"):
            run(duck, 2, registry="G_SU")


@pytest.fixture
def daily(tmp_path: Path, model: Callable[..., Path]) -> Callable[..., None]:
    """Run the command of a day on files, which is the same each day."""

    def command(day: int, *further: Any, reference: str = "previous", code: int = 0) -> None:
        folder = tmp_path / f"model{day}"
        if not folder.exists():
            model(folder.name, rotate=tmp_path / f"model{day - 1}" if day else None)
        invoke(
            "run",
            *("--users", folder / "users.parquet", "--items", folder / "items.parquet"),
            *("--registry", tmp_path / "runs.jsonl", "--reference", reference),
            *("--out", tmp_path / f"day{day}", "-q", *further),
            code=code,
        )

    return command


def said(tmp_path: Path, *arguments: Any) -> Any:
    name, *rest = arguments
    given = ["runs", name, *rest, "--registry", tmp_path / "runs.jsonl", "--json"]
    return json.loads(invoke(*given).stdout)


def test_on_files(tmp_path: Path, daily: Any) -> None:
    for day in range(3):
        daily(day)
    files = {
        path: path.read_bytes() for day in range(3) for path in (tmp_path / f"day{day}").iterdir()
    }
    listed = said(tmp_path, "list")
    ids = [entry["run_id"] for entry in listed]
    assert [entry["reference"] for entry in listed] == [None, *ids[:2]]
    assert [entry["status"] for entry in listed] == ["kept", "kept", "current"]
    assert said(tmp_path, "rollback")["run_id"] == ids[1]
    current = said(tmp_path, "current")
    assert current["run_id"] == ids[1]
    assert current["places"]["items"] == str(tmp_path / "day1" / "items.parquet")
    assert all(path.read_bytes() == content for path, content in files.items())
    assert said(tmp_path, "prune", "--keep", 0) == []
    daily(3)
    assert Run.load(tmp_path / "day3").transform.reference == ids[1]
    before = (tmp_path / "runs.jsonl").read_bytes()
    daily(4, "--min-mean-cosine", "1", code=5)
    assert (tmp_path / "runs.jsonl").read_bytes() == before
    assert not (tmp_path / "day4").exists()

    # A directory that another run has replaced, without a word to the registry.
    folder = tmp_path / "model0"
    stabilize(folder / "users.parquet", folder / "items.parquet", out=tmp_path / "day3")
    with connect(None, writes_tables=False) as engine:
        registry = Registry(tmp_path / "runs.jsonl", engine)
        with pytest.raises(DataError, match=r"day3 has run .*, not .*, which the registry"):
            registry.reference("previous")
    assert invoke("runs", "list", "--registry", tmp_path / "runs.jsonl").stdout.count("\n") == 1 + 4


def test_what_the_commands_print(tmp_path: Path, daily: Any) -> None:
    for day in range(3):
        daily(day, *(["--anchor", "both"] if day == 2 else []))
    ids = [entry["run_id"] for entry in said(tmp_path, "list")]
    shown = said(tmp_path, "show", ids[2][:-1])
    assert shown["figures"]["run_id"] == ids[2]
    assert shown["options"]["anchor"] == "both"
    found = said(tmp_path, "diff", ids[1], ids[2])
    assert found["changed"]["options.anchor"] == ["items", "both"]
    assert found["changed"]["inputs.users.relation"][0].endswith("model1/users.parquet")
    assert "options.rank" not in found["changed"]
    assert found["space"]["first"] == found["space"]["second"] == ids[0]
    values, grams = [], []
    for day in (1, 2):
        kept = Run.load(tmp_path / f"day{day}")
        values.append(kept.transform.singular_values)
        _, stable = read_vectors(tmp_path / f"day{day}" / "items.parquet")
        grams.append(stable.T @ stable)
    np.testing.assert_allclose(found["singular_values"], values[1] / values[0] - 1)
    wanted = np.sum(grams[0] * grams[1]) / np.prod([np.linalg.norm(g) for g in grams])
    assert found["space"]["gram_cosine"] == pytest.approx(wanted, abs=1e-6)

    matrix = said(tmp_path, "skew", "--last", 2)
    assert matrix["runs"] == ids[1:]
    assert matrix["spaces"] == [ids[0]] * 2
    for side in ("users", "items"):
        (a, x), (b, y) = (
            read_vectors(tmp_path / f"day{day}" / f"{side}.parquet") for day in (1, 2)
        )
        np.testing.assert_array_equal(a, b)
        cosines = np.sum(x * y, axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        wanted = [[1, cosines.mean()], [cosines.mean(), 1]]
        np.testing.assert_allclose(matrix["sides"][side], wanted, atol=1e-6)

    where = ["--registry", tmp_path / "runs.jsonl"]
    for words, arguments in (
        (["current", "kept", ids[0]], ["list"]),
        (["current", "day2"], ["show"]),
        (["options, anchor", "both", "singular values", "the cosine of their"], ["diff", *ids[1:]]),
        (["users", "items", "1.000"], ["skew"]),
        ([ids[2], str(tmp_path / "day2" / "users.parquet")], ["current"]),
        ([f"Run {ids[0]} is in place again"], ["rollback", ids[0]]),
    ):
        out = invoke("runs", *arguments, *where).stdout
        assert all(word in out for word in words), out
    undo = invoke("runs", "rollback", ids[2], *where).stderr
    assert f"sqlstab runs rollback {ids[0]}, with" in undo
    (told,) = invoke("runs", "prune", "--keep", 0, *where).stderr.splitlines()
    assert "directories, which are yours to remove" in told


def test_two_spaces(tmp_path: Path, duck: Any) -> None:
    with connect(duck, writes_tables=True) as engine:
        options = Options(keep_runs=5, output_layout="long", output_type="float")
        first, second = (run(duck, day, None, options=options) for day in range(2))
        registry = Registry("g_runs", engine)
        log = registry.log()
        entries = [log.entries[finished.run_id] for finished in (first, second)]
        assert history.diff(registry, *entries)["space"] == {
            "first": first.run_id,
            "second": second.run_id,
            "same": False,
            "gram_cosine": None,
        }
        registry.rollback()
        assert states(registry.log()) == ["current", "rolled back"]
        assert history.skew(registry, registry.log(), engine)["spaces"] == [
            first.run_id,
            second.run_id,
        ]


def test_pruning_says_what_it_drops(tmp_path: Path) -> None:
    database = tmp_path / "w.duckdb"
    where = ["--database", database, "--registry", "g_runs"]
    for day in range(4):
        with connect(database, writes_tables=True) as engine:
            load(engine, day)
        invoke(
            *("run", "--users", "g_users", "--items", "g_items", "--vector", "v", "-q"),
            *("--users-out", "g_su", "--items-out", "g_si", "--keep-runs", 3),
            *(*where, "--reference", "previous"),
        )
    with connect(database, writes_tables=True) as engine:
        before = tables(engine)
    dry = invoke("runs", "prune", "--keep", 1, "--dry-run", *where).stdout
    with connect(database, writes_tables=True) as engine:
        assert tables(engine) == before
    pruned = invoke("runs", "prune", "--keep", 1, *where)
    assert (pruned.stdout, pruned.stderr) == (dry, "4 tables dropped.\n")
    again = invoke("runs", "prune", "--keep", 1, *where)
    assert again.stdout == ""
    assert "or of the newest runs (--keep 1)" in again.stderr
    assert dry.count("\n") == 4
    assert dry.count("_kept") == 4
    with connect(database, writes_tables=True) as engine:
        assert len(before - tables(engine)) == 4
        assert states(Registry("g_runs", engine).log()) == [
            *("replaced", "replaced", "kept", "current")
        ]


def test_a_damaged_file(tmp_path: Path, daily: Any) -> None:
    for day in range(2):
        daily(day)
    file = tmp_path / "runs.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 6
    newer = lines[0].replace('"format": 1', '"format": 2', 1)
    for content in (
        "".join(lines)[:-20],
        "".join(lines[1:]),
        "".join(["[]\n", *lines]),
        "".join(["null\n", *lines]),
        "".join([newer, *lines[1:]]),
        "".join(lines).replace('"place"', '"plaice"'),
        "".join(lines).replace('"outputs"', '"out"'),
    ):
        assert content != "".join(lines)
        file.write_text(content)
        message = invoke("runs", "list", "--registry", file, code=4).stderr
        assert message.startswith(f"The registry {file} is damaged: ")
        assert message.count("\n") == 0
        daily(1, code=4)
        assert file.read_text() == content
    file.write_bytes(b"\xff\n")
    assert "is damaged" in invoke("runs", "current", "--registry", file, code=4).stderr
    file.write_text("".join(line for line in lines if '"transform"' not in line[:120]))
    ids = [entry["run_id"] for entry in said(tmp_path, "list")]
    message = invoke("runs", "diff", *ids, "--registry", file, code=4).stderr
    assert f"run {ids[0]} has no transform" in message


def test_a_damaged_table(duck: Any) -> None:
    with connect(duck, writes_tables=True) as engine:
        run(duck, 0)
        registry = Registry("g_runs", engine)
        engine.execute(["UPDATE g_runs SET parts = 2 WHERE event = 'place'"])
        with pytest.raises(DataError, match="has 1 of 2 parts"):
            registry.log()
        engine.execute(["UPDATE g_runs SET parts = 1, body = 'x' WHERE event = 'place'"])
        with pytest.raises(DataError, match=r"g_runs is damaged: event \S+: Expecting value"):
            run(duck, 1)
        engine.execute(["CREATE TABLE g_other (id int)"])
        with pytest.raises(DataError, match="is no registry of runs: it lacks the columns body, e"):
            run(duck, 1, registry="g_other")


def test_a_run_that_was_killed_before_it_was_in_place(clickhouse: Any) -> None:
    """Where there are no transactions, a beginning of its record may stay."""
    with connect(clickhouse, writes_tables=True) as engine:
        first = run(clickhouse, 0)
        engine.execute(["INSERT INTO g_runs VALUES ('9', 'run', 'x', 1, 2, '{')"])
        assert list(Registry("g_runs", engine).log().entries) == [first.run_id]
        assert run(clickhouse, 1).transform.reference == first.run_id


def test_a_run_that_was_killed_when_it_was_in_place(
    clickhouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(clickhouse, writes_tables=True) as engine:
        first = run(clickhouse, 0)
        registry = Registry("g_runs", engine)
        with monkeypatch.context() as patch:
            broken = ["INSERT INTO g_nothing VALUES (1)"]
            insertions = Registry.insertions
            patch.setattr(
                Registry,
                "insertions",
                lambda self, events: (
                    broken if events[0].event == "place" else insertions(self, events)
                ),
            )
            with pytest.raises(EngineError, match=r"g_nothing[^`]*`sqlstab runs rollback \S+`"):
                run(clickhouse, 1, options=Options(keep_runs=1))
        assert states(registry.log()) == ["current", "not in place"]
        second = list(registry.log().entries)[1]
        written = rows(engine)
        # Half of it: a person must look.
        (kept,) = (name for name in tables(engine) if "_kept" in name and "items" in name)
        engine.execute(["RENAME TABLE g_si TO g_new", f"RENAME TABLE {kept} TO g_si"])
        says = rf"that run {first.run_id} wrote.*`sqlstab runs rollback {second}`"
        with pytest.raises(DataError, match=says):
            run(clickhouse, 2)
        engine.execute([f"RENAME TABLE g_si TO {kept}", "RENAME TABLE g_new TO g_si"])
        # All of it: the next run records that, and so would a rollback to it.
        with monkeypatch.context() as patch:
            patch.setattr(Job, "_checked", ended)
            with pytest.raises(KeyboardInterrupt):
                run(clickhouse, 2)
        assert states(registry.log()) == ["kept", "current"]
        assert rows(engine) == written
        assert run(clickhouse, 2).transform.reference == second
        with pytest.raises(DataError, match="have been replaced or dropped"):
            registry.rollback(second)


@pytest.mark.parametrize("name", ["duckdb", "clickhouse"])
def test_ctrl_c_when_tables_are_being_replaced(
    running: Running, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What mends it is named where half of it may be done."""
    for session in _cleared(running[name]):
        run(session, 0)
        with monkeypatch.context() as patch:
            patch.setattr("sqlstab.staged.StagedTables.put_in_place", ended)
            with pytest.raises(KeyboardInterrupt) as caught:
                run(session, 1)
        assert ("sqlstab runs rollback" in str(caught.value)) == (name == "clickhouse")


def ended(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def ended_at(kind: str) -> Any:
    """`Registry.append`, but that the process ends when an event of a kind is to be added."""
    append = Registry.append

    def until(self: Registry, events: Any) -> None:
        if any(event.event == kind for event in events):
            raise KeyboardInterrupt
        append(self, events)

    return until


@pytest.mark.parametrize("recorded_by", ["the next run", "a rollback"])
def test_a_directory_that_was_in_place_when_the_run_was_killed(
    tmp_path: Path, daily: Any, monkeypatch: pytest.MonkeyPatch, recorded_by: str
) -> None:
    daily(0, "--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "append", ended_at("place"))
        with pytest.raises(click.Abort):
            daily(1, "--out", tmp_path / "out")
    first, second = said(tmp_path, "list")
    assert (first["status"], second["status"]) == ("current", "not in place")
    assert second["run_id"] == Run.load(tmp_path / "out").run_id
    if recorded_by == "a rollback":
        where = ["--registry", tmp_path / "runs.jsonl"]
        message = invoke("runs", "skew", *where, code=4).stderr
        assert f"has run {second['run_id']}, not {first['run_id']}" in message
        remedy = re.search(r"`sqlstab (.*?)`", message)
        assert remedy
        invoke(*remedy[1].split(), *where)
        listed = said(tmp_path, "list")
        assert [entry["status"] for entry in listed] == ["replaced", "current"]
        assert listed[1]["places"]["users"] == str(tmp_path / "out" / "users.parquet")
    daily(2)
    assert Run.load(tmp_path / "day2").transform.reference == second["run_id"]
    assert [entry["status"] for entry in said(tmp_path, "list")] == ["replaced", "kept", "current"]


def test_a_directory_that_never_came(
    tmp_path: Path, daily: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(0)
    with monkeypatch.context() as patch:
        patch.setattr("sqlstab.runs._replace", ended)
        with pytest.raises(click.Abort):
            daily(1)
    assert not (tmp_path / "day1").exists()
    first, second = said(tmp_path, "list")
    assert (first["status"], second["status"]) == ("current", "not in place")
    where = ["--registry", tmp_path / "runs.jsonl"]
    for arguments in (
        *(["show", second["run_id"]], ["diff", first["run_id"], second["run_id"]], ["skew"]),
        *(["current"], ["prune", "--keep", 0]),
    ):
        invoke("runs", *arguments, *where)
    message = invoke("runs", "rollback", second["run_id"], *where, code=4).stderr
    assert message.startswith(f"{tmp_path / 'day1'} is not a run directory")
    assert said(tmp_path, "list") == [first, second]
    # The day after works, and so does the same day once more.
    daily(1)
    assert Run.load(tmp_path / "day1").transform.reference == first["run_id"]
    daily(2, reference="consensus")
    used = Run.load(tmp_path / "day2").figures["reference"]["runs"]
    assert used == [first["run_id"], Run.load(tmp_path / "day1").run_id]
    message = invoke("runs", "rollback", second["run_id"], *where, code=4).stderr
    assert f"not {second['run_id']}, which the registry" in message


def test_the_first_run_in_a_directory_that_each_run_replaces(tmp_path: Path, daily: Any) -> None:
    for day in range(2):
        daily(0, "--out", tmp_path / "out", reference="first", code=2 if day else 0)
    assert [entry["status"] for entry in said(tmp_path, "list")] == ["current"]
    first = Run.load(tmp_path / "out").run_id
    for day in (1, 2):
        daily(day, reference="first")
        assert Run.load(tmp_path / f"day{day}").transform.reference == first
    # Whatever the directory is called.
    (tmp_path / "link").symlink_to(tmp_path)
    daily(3, "--out", tmp_path / "link" / "out", reference="first", code=2)
    assert Run.load(tmp_path / "out").run_id == first


def test_names_that_differ_in_case_are_one_table(duck: Any) -> None:
    with connect(duck, writes_tables=True) as engine:
        written = []
        for day, (users, items) in enumerate((("g_su", "g_si"), ("G_SU", "MAIN.g_Si"))):
            run(duck, day, users_out=users, items_out=items, options=Options(keep_runs=1))
            written.append(rows(engine))
        registry = Registry("g_runs", engine)
        assert states(registry.log()) == ["kept", "current"]
        assert len(tables(engine)) == 7
        registry.rollback()
        assert rows(engine) == written[0]
        registry.rollback(list(registry.log().entries)[1])
        assert rows(engine) == written[1]
    assert quoting.normal_parts('"SU"', DIALECTS["postgres"]) == ["SU"]
    assert quoting.normal_parts("SU", DIALECTS["postgres"]) == ["su"]


def test_what_is_dropped_is_recorded_first(
    duck: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that nobody knows of does no harm, one that is gone does."""
    file = tmp_path / "runs.jsonl"
    append = Registry.append
    there = []
    with connect(duck, writes_tables=True) as engine:

        def watched(self: Registry, events: Any) -> None:
            if any(event.event == "drop" for event in events):
                there.append(len(tables(engine)))
            append(self, events)

        monkeypatch.setattr(Registry, "append", watched)
        for day, reference in enumerate(("previous", "previous", None)):
            run(duck, day, reference, registry=file, options=Options(keep_runs=1))
        registry = Registry(file, engine)
        assert (there, len(tables(engine))) == ([4 + 4], 4 + 2)
        assert states(registry.log()) == ["replaced", "kept", "current"]
        registry.prune(0)
        assert (there, len(tables(engine))) == ([4 + 4, 4 + 2], 4)
        for day in (3, 4):
            run(duck, day, registry=file, options=Options(keep_runs=1))
        with monkeypatch.context() as patch:
            broken = {True: lambda *_: "DROP TABLE g_nothing", False: ddl.drop_table}
            patch.setattr(ddl, "drop_table", lambda name, d: broken["_kept" in name](name, d))
            run(duck, 5, registry=file, options=Options(keep_runs=1))
        assert any("may be left behind" in record.message for record in caplog.records)
        assert states(registry.log())[-3:] == ["replaced", "kept", "current"]


def test_commands_that_need_the_tables_of_a_registry_in_a_file(tmp_path: Path) -> None:
    database, file = tmp_path / "w.duckdb", tmp_path / "runs.jsonl"
    for day in range(2):
        run(database, day, registry=file, options=Options(keep_runs=1))
    before = file.read_bytes()
    for command in (["rollback"], ["skew"], ["prune", "--keep", 0]):
        message = invoke("runs", *command, "--registry", file, code=2).stderr
        assert "are tables of duckdb: name the database that they are in with --database" in message
    assert file.read_bytes() == before
    for command in (["list"], ["show"], ["current"]):
        invoke("runs", *command, "--registry", file)
    for command in (["skew"], ["rollback"], ["prune", "--keep", 0]):
        invoke("runs", *command, "--registry", file, "--database", database)


def test_what_is_needed_to_run_once_more_is_in_the_figures(tmp_path: Path, daily: Any) -> None:
    daily(0, "--anchor", "items=1,users=0.1", "--sample", "50%")
    figures = Run.load(tmp_path / "day0").figures
    assert figures["options"]["anchor"] == "items=1,users=0.1"
    assert Options(**figures["options"]) == Options(anchor="items=1,users=0.1", sample="50%")
    assert said(tmp_path, "show")["options"] == figures["options"]
    assert Options(anchor={"users": 2.0}).to_dict()["anchor"] == {"users": 2.0}


def test_ctrl_c_when_files_are_in_place(
    tmp_path: Path, daily: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Registry, "append", ended_at("place"))
    with pytest.raises(click.Abort) as caught:
        daily(0)
    assert isinstance(caught.value.__cause__, HalfWayInterrupt)
    says = r"are in place, but the registry .*; `sqlstab runs rollback \S+` mends that"
    assert re.search(says, str(caught.value.__cause__))
    assert (tmp_path / "day0" / "users.parquet").exists()


def test_the_pages_query(running: Running) -> None:
    page = Path(__file__).parent.parent / "docs" / "registry.md"
    (query,) = re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL)
    for session in _cleared(running["postgres"]):
        done = [run(session, day) for day in range(2)]
        with connect(session, writes_tables=False) as engine:
            found = engine.query(query.replace("ml.sqlstab_runs", "g_runs"))
        cosines = {row["run_id"]: row["cosine"] for row in found}
        mean = done[1].figures["cosine"]["items"]["after"]["mean"]
        assert cosines[done[0].run_id] is None
        assert float(cosines[done[1].run_id]) == mean


def test_a_view_of_a_kept_table(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Postgres drops no table that has views: no reason for each run after that to fail."""
    for session in _cleared(running["postgres"]):
        done = [run(session, day, options=Options(keep_runs=1)) for day in range(2)]
        with connect(session, writes_tables=True) as engine:
            registry = Registry("g_runs", engine)
            (kept, _) = registry.entry(registry.log(), done[0].run_id).aside
            engine.execute([f"CREATE VIEW g_view AS SELECT * FROM {kept}"])
            try:
                for day in range(2, 4):
                    caplog.clear()
                    run(session, day, options=Options(keep_runs=1))
                    said = f"{kept}, of run {done[0].run_id}, would be dropped now, but g_view"
                    assert said in caplog.text
                assert states(registry.log()) == ["kept", "replaced", "kept", "current"]
                assert registry.prune(0) == []
            finally:
                engine.execute(["DROP VIEW g_view"])
            assert [entry.run_id for entry in registry.prune(0)] == [done[0].run_id]


def test_two_writers(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"

    def write(writer: int) -> None:
        with connect(None, writes_tables=False) as engine:
            for n in range(10):
                Registry(file, engine).append([Event(f"{writer}.{n}", "drop", "x", {"format": 1})])

    writers = [threading.Thread(target=write, args=(k,)) for k in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len({json.loads(line)["event_id"] for line in file.read_text().splitlines()}) == 30
    with (
        locked(tmp_path),
        pytest.raises(EngineError, match="is locked by another process"),
        locked(tmp_path, wait=0.1),
    ):
        raise AssertionError("two have the lock")


def test_clocks_that_do_not_agree(duck: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens later is recorded as later, on a machine too whose clock is behind."""

    class Behind(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return super().now(tz) - dt.timedelta(minutes=5)

    with connect(duck, writes_tables=True) as engine:
        for day in range(2):
            run(duck, day, options=Options(keep_runs=1))
        registry = Registry("g_runs", engine)
        with monkeypatch.context() as patch:
            patch.setattr(dt, "datetime", Behind)
            registry.rollback()
            assert states(registry.log()) == ["current", "rolled back"]
            run(duck, 2, options=Options(keep_runs=2))
            assert states(registry.log()) == ["kept", "rolled back", "current"]
            # Not the one whose space the new one is in.
            registry.prune(0)
            assert states(registry.log()) == ["kept", "replaced", "current"]


def test_a_project_file(tmp_path: Path) -> None:
    database = tmp_path / "w.duckdb"
    file = tmp_path / "sqlstab.toml"
    file.write_text(
        "[engine]\ndatabase = 'w.duckdb'\n"
        "[users]\ntable = 'g_users'\nvector = 'v'\nfilter = 'id <> {left_out}'\nout = 'g_su'\n"
        "[items]\ntable = 'g_items'\nvector = 'v'\nout = 'g_si'\n"
        "[run]\nreference = 'previous'\nregistry = 'g_runs'\nkeep_runs = 1\n"
    )
    project = Project.load(file, {"left_out": "-1"})
    assert (project.out, project.reference, project.registry) == (None, "previous", "g_runs")
    for day in range(2):
        with connect(database, writes_tables=True) as engine:
            load(engine, day)
        done = invoke("run", "-c", file, "--var", "left_out=-1")
    assert "shared with the reference" in done.stdout
    assert "run 2" in done.stdout.splitlines()[-1]
    # The commands need no variable but those of the engine and the registry.
    invoke("runs", "rollback", "-c", file)
    assert "rolled back" in invoke("runs", "list", "-c", file).stdout
    planned = invoke("plan", "-c", file, "--var", "left_out=-1").stdout
    assert "reference users" in planned
    assert "recorded in g_runs; the tables of the last 1 runs are kept" in planned
    message = invoke(
        "plan", "-c", file, "--var", "left_out=-1", "--dialect", "duckdb", "--dimension", 3, code=2
    ).stderr
    assert "[run] reference previous is looked up in the registry" in message

    text = file.read_text()
    file.write_text(text.replace("registry = 'g_runs'", "registry = 'logs/{name}.jsonl'"))
    settings, name = load_registry(file, {"name": "runs"})
    assert (settings.database, name) == (str(database), str(tmp_path / "logs" / "runs.jsonl"))
    for old, new, says in (
        ("registry = 'g_runs'", "", r"\[run\] out: this key is required"),
        ("registry = 'g_runs'", "registry = 'g_su'", r"this contradicts \[users\] out"),
        ("reference = 'previous'", "reference = 'first'\nout = 1", r"\[run\] out: this must be"),
        ("keep_runs = 1", "keep_runs = -1", r"\[run\] keep_runs: this is -1; it must"),
    ):
        file.write_text(text.replace(old, new))
        with pytest.raises(UsageError, match=says):
            Project.load(file, {"left_out": "-1"})
    file.write_text(text.replace("registry = 'g_runs'\n", "out = 'x'\n"))
    assert Project.load(file, {"left_out": "-1"}).reference == tmp_path / "previous"
    with pytest.raises(SqlstabError, match=r"\[run\] registry: this key is required for this"):
        load_registry(file, {})
