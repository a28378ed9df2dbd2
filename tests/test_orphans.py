"""`sqlstab clean` finds what killed runs have left, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from engines import QUICK, RUNNABLE, TARGETS
from invoke import invoke
from test_outputs import load

from sqlstab import EmbeddingTable, Options, orphans, stabilize
from sqlstab.compute.sql import SqlCompute
from sqlstab.engines import connect
from sqlstab.registry import Registry
from sqlstab.runs import new_run_id, staging
from sqlstab.space.folders import LockedFolder
from sqlstab.sql_solver import SqlSolver
from sqlstab.staged import StagedTables, check_creatable
from sqlstab.statements import ddl, quoting
from sqlstab.statements.dialect import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines import Running

    from sqlstab.engines import Engine
    from sqlstab.statements.dialect import Dialect

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

DAY = dt.timedelta(hours=24)
# Names that others give, and dbt's package.
NOT_OURS = ("sqlstab_runs", "sqlstab_gram", "sqlstab_20261301t000000_000000z_00ff_users", "other")


def long_ago() -> str:
    return "20240229T235959.000001Z-0a1b"


@pytest.fixture(params=TARGETS)
def engine(request: pytest.FixtureRequest, running: Running) -> Iterator[Engine]:
    """With a schema c of its own, and inputs in it."""
    with connect(running[request.param], writes_tables=True) as opened:
        target = TARGETS[request.param]
        opened.execute([f"CREATE {target.schema} c"])
        if request.param in RUNNABLE:
            for seed, name in enumerate(("c.users", "c.items")):
                load(opened, name, seed)
        yield opened
        opened.execute([f"DROP {target.schema} c{target.cascade}"])


def create(engine: Engine, *names: str) -> None:
    engine.execute([ddl.trial_table(name, engine.dialect) for name in names])


def found(engine: Engine, **given: Any) -> dict[str, str]:
    beside = [engine.qualified("c.x")]
    given = {"older_than": DAY} | given
    return {
        quoting.table_parts(orphan.name, engine.dialect)[-1]: orphan.what
        for orphan in orphans.tables(engine, beside, **given)
    }


def test_tables_of_old_runs(engine: Engine) -> None:
    """They are told by their names, and by these alone."""
    dialect = engine.dialect
    ours = {}
    for run_id in (long_ago(), new_run_id()):
        staged = StagedTables(engine, {"users": "c.su"}, None, run_id)
        ours[run_id] = staged.name("users")
    old, young = ours.values()
    others = [f"c.{quoting.identifier(name, dialect)}" for name in NOT_OURS]
    create(engine, old, young, *others)
    name = quoting.table_parts(old, dialect)[-1]
    assert found(engine) == {name: "stable table, not in place"}
    youngest = quoting.table_parts(young, dialect)[-1]
    both = {name: "stable table, not in place", youngest: "stable table, not in place"}
    assert found(engine, older_than=dt.timedelta()) == both
    [orphan] = orphans.tables(engine, [engine.qualified("c.x")], DAY)
    assert f"{orphan.since:%Y-%m-%d %H:%M}" == "2024-02-29 23:59"
    orphans.remove([orphan], engine)
    assert found(engine) == {}
    assert found(engine, older_than=dt.timedelta()) == {youngest: "stable table, not in place"}
    engine.execute([ddl.drop_table(name, dialect) for name in (young, *others)])


def test_tables_for_intermediate_results(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlstab.compute.sql.new_run_id", long_ago)
    names = [SqlCompute(engine, "c.su")._scratch_name()]
    if engine.dialect.solving:
        names.append(SqlSolver(engine, "c.su", long_ago())._name("grams"))
    create(engine, *names)
    # A trial table whose process was killed before it was dropped.
    monkeypatch.setattr(ddl, "drop_table", lambda *_: "SELECT 1")
    check_creatable(engine, {"": "c.su"}, long_ago())
    monkeypatch.undo()
    assert sorted(found(engine).values()) == ["intermediate table"] * (len(names) + 1)
    orphans.remove(orphans.tables(engine, [engine.qualified("c.x")], DAY), engine)
    assert found(engine) == {}


def run(engine: Engine, reference: str | None = None, keep: int = 1) -> Any:
    tables = [EmbeddingTable(name, vector="v") for name in ("c.users", "c.items")]
    return stabilize(
        *tables,
        reference,
        engine=engine,
        users_out="c.su",
        items_out="c.si",
        registry="c.runs",
        options=Options(keep_runs=keep),
    )


@pytest.mark.parametrize("engine", QUICK, indirect=True)
def test_kept_tables(engine: Engine) -> None:
    """A registry keeps them, until it says that they are gone."""
    first = run(engine)
    run(engine)
    now = dt.timedelta()
    registry = Registry("c.runs", engine)
    assert found(engine, older_than=now) == {}
    assert found(engine, older_than=now, log=registry.log()) == {}
    kept = registry.log().entries[first.run_id].aside
    assert len(kept) == 2
    # A run that was killed before it dropped what it had recorded as gone.
    registry.prune(0)
    create(engine, *kept)
    assert found(engine, older_than=now) == {}, "another registry may keep them"
    gone = found(engine, older_than=now, log=registry.log())
    assert list(gone.values()) == ["kept table of a run that is gone"] * 2
    orphans.remove(orphans.tables(engine, [kept[0]], now, registry.log()), engine)
    assert found(engine, older_than=now, log=registry.log()) == {}


@pytest.mark.parametrize("engine", QUICK, indirect=True)
def test_tables_that_may_be_the_only_ones(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tables take their places one after the other, a kill may come in between."""
    run(engine)
    statements: list[str] = []
    real = engine.execute

    def killed(given: list[str], step: Any = None, *, expected: Any = ()) -> None:
        if any("su" in s and re.search("RENAME|EXCHANGE|REPLACE", s) for s in given):
            statements.extend(given)
            raise SystemExit
        real(given, expected=expected)

    monkeypatch.setattr(engine, "execute", killed)
    monkeypatch.setattr(StagedTables, "dropped_afterwards", not_dropped)
    with pytest.raises(SystemExit):
        run(engine)
    monkeypatch.undo()
    log = Registry("c.runs", engine).log()
    now = dt.timedelta()
    before = found(engine, older_than=now, log=log)
    expected = "stable table, not in place" if engine.dialect.transactions else "half way"
    assert list(before.values()) == [expected] * 2
    [*half, _] = orphans.tables(engine, [engine.qualified("c.x")], now, log)
    assert half[0].removable == engine.dialect.transactions
    orphans.remove(half, engine)
    left = found(engine, older_than=now, log=log)
    assert len(left) == (1 if engine.dialect.transactions else 2)


class not_dropped:  # noqa: N801 - in the place of a context manager
    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_an_old_table_beside_its_successor_on_spark(running: Running) -> None:
    """While both have names of ours, nothing has their place."""
    with connect(running["spark"], writes_tables=True) as engine:
        engine.execute(["CREATE SCHEMA c"])
        try:
            staged = StagedTables(engine, {"users": "c.su"}, None, long_ago()).name("users")
            old = staged[:-1] + ddl.OLD + staged[-1]
            create(engine, staged, old)
            assert list(found(engine).values()) == ["half way"] * 2
            engine.execute([ddl.drop_table(staged, engine.dialect)])
            assert list(found(engine).values()) == ["replaced table"]
        finally:
            engine.execute(["DROP SCHEMA c CASCADE"])


def test_directories(tmp_path: Path) -> None:
    """One that its process holds a lock on is in use."""
    left = tmp_path / ".monday.sqlstab-abcd0123"
    (left / "deeper").mkdir(parents=True)
    for name in (".monday.sqlstab-ABCD", "monday.sqlstab-abcd0123", ".sqlstab-abcd0123"):
        (tmp_path / name).mkdir()
    (tmp_path / ".link.sqlstab-abcd0123").symlink_to(left)
    with staging(tmp_path / "deep" / "tuesday") as made:
        directory = made.rename(tmp_path / made.name)
        where = ("clean", "--out", tmp_path / "wednesday", "--json")
        listed = json.loads(invoke(*where).stdout)
        assert [(one["name"], one["removed"]) for one in listed] == [(str(left), False)]
        assert left.exists()
        assert [one["removed"] for one in json.loads(invoke(*where, "--yes").stdout)] == [True]
        assert not left.exists()
        assert directory.exists()
        directory.rename(made)


def test_the_command(tmp_path: Path) -> None:
    database = tmp_path / "w.duckdb"
    with connect(database, writes_tables=True) as engine:
        engine.execute(["CREATE SCHEMA c"])
        create(engine, "c.sqlstab_20261124t180215_123456z_ab12_users", "c.sqlstab_runs")
    arguments = ["clean", "--database", database, "--schema", "c"]
    done = invoke(*arguments)
    assert "w.c.sqlstab_20261124t180215_123456z_ab12_users" in done.stdout
    assert done.stderr == "1 to be removed with --yes.\n"
    assert "1 removed." in invoke(*arguments, "--yes").stderr
    assert invoke(*arguments).stdout == ""
    assert invoke("clean", "--database", database).stderr == "Nothing to remove.\n"
    young = invoke("clean", "--database", database, "--older-than", 24).stderr
    assert young.startswith("Nothing to remove. What is younger than 24 hours may be of a run")
    missing = invoke("clean", "--database", tmp_path / "w", "--yes", code=3)
    assert "cannot be opened" in missing.stderr
    assert not (tmp_path / "w").exists()
    assert "Name where runs write" in invoke("clean", code=2).stderr
    assert "needs a database" in invoke("clean", "--schema", "c", code=2).stderr


def test_the_command_by_a_project_file(tmp_path: Path) -> None:
    database = tmp_path / "w.duckdb"
    left = "sqlstab_20261124t180215_123456z_ab12_users"
    with connect(database, writes_tables=True) as engine:
        engine.execute(["CREATE SCHEMA c", "CREATE SCHEMA other"])
        create(engine, f"c.{left}", f"other.{left}", left)
    config = tmp_path / "sqlstab.toml"
    config.write_text(f"""
[engine]
database = "{database}"
[users]
table = "users"
out = "c.su_{{day}}"
[items]
table = "items"
out = "c.si_{{day}}"
[run]
registry = "c.runs"
out = "runs/{{day}}"
""")
    directory = tmp_path / "runs" / ".2026-11-23.sqlstab-abcd0123"
    directory.mkdir(parents=True)
    listed = invoke("clean", "-c", config, "--var", "day=1", "--json", "--yes").stdout
    names = [one["name"] for one in json.loads(listed)]
    assert names == [str(directory), f"w.main.{left}", f"w.c.{left}"]
    with connect(database, writes_tables=False) as engine:
        assert engine.kind(f"other.{left}") == "table"
    assert not directory.exists()


def test_what_was_spilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next session removes it, but not what a living one has."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "sqlstab-spill-abcd0123"
    left.mkdir()
    (left / "block.tmp").write_text("")
    (tmp_path / "sqlstab-other012").mkdir()
    living = LockedFolder(tmp_path, "sqlstab-spill-")
    with connect(None, writes_tables=False):
        assert not left.exists()
        assert len(list(tmp_path.glob("sqlstab-spill-*"))) == 2
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "sqlstab-other012", living.path])
    living.remove()


def test_no_folder_to_spill_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(tmp_path / "w.duckdb", writes_tables=True):
        pass
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    done = invoke("clean", "--database", tmp_path / "w.duckdb", code=3)
    assert "Set TMPDIR" in done.stderr


def test_the_documentation(running: Running) -> None:
    """docs/faults.md: its commands, the first of which only lists."""
    page = (Path(__file__).parent.parent / "docs" / "faults.md").read_text()
    commands = re.findall(r"^sqlstab (.+)$", page, re.MULTILINE)
    assert len(commands) == 2
    url = running["postgres"]
    with connect(url, writes_tables=True) as engine:
        engine.execute(["CREATE SCHEMA ml"])
        left = "ml.sqlstab_20240229t235959_000001z_0a1b_users"
        create(engine, left)
        for command, kind in zip(commands, ("table", None), strict=True):
            said = invoke(*shlex.split(command.replace('"$URL"', url)))
            assert left in said.stdout
            assert engine.kind(left) == kind
        engine.execute(["DROP SCHEMA ml CASCADE"])


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
def test_statements_are_of_their_dialect(dialect: Dialect) -> None:
    name = f"lake.ml.{quoting.identifier('odd name', dialect)}"
    for statement in (
        ddl.tables_beside(name, dialect),
        ddl.table_kind(name, dialect),
        ddl.identity(name, dialect),
        ddl.lock(name, dialect),
        ddl.dependents(name, dialect),
        ddl.view(name, dialect),
    ):
        if statement.startswith("SELECT"):
            parsed = sqlglot.parse_one(statement, read=dialect.sqlglot)
            assert isinstance(parsed, sqlglot.exp.Select)
            assert "ml" in statement.lower()
        else:
            assert statement in (
                "",
                "SHOW TABLES IN `lake`.`ml` LIKE 'sqlstab*'",
                "SHOW CREATE TABLE `lake`.`ml`.`odd name`",
            )
