"""Stable tables in a database take their places together, and cost nobody a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sqlstab import EmbeddingTable, EngineError, UsageError, stabilize
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.errors import HalfWayInterrupt
from sqlstab.runs import replaced_files
from sqlstab.staged import StagedTables
from sqlstab.statements.dialect import SPARK

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import numpy as np

    from sqlstab.engines import Engine


@pytest.fixture
def loaded(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> duckdb.DuckDBPyConnection:
    for side in ("users", "items"):
        connection.execute(f"CREATE TABLE {side} (id INTEGER, v DOUBLE[])")
        rows = [(k, rng.standard_normal(3).tolist()) for k in range(20)]
        connection.executemany(f"INSERT INTO {side} VALUES (?, ?)", rows)
    return connection


def run(connection: duckdb.DuckDBPyConnection, **given: Any) -> Any:
    options = {"users": "users", "items": "items", "users_out": "su", "items_out": "si"} | given
    tables = [EmbeddingTable(options.pop(side), vector="v") for side in ("users", "items")]
    return stabilize(*tables, engine=connection, **options)


def tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("SHOW TABLES").fetchall()}


@pytest.mark.parametrize(
    "given",
    [
        {"users_out": "users"},
        {"users_out": "USERS"},
        {"users_out": "main.users"},
        {"users": "main.users", "users_out": "USERS"},
        {"items_out": "users"},
        {"users_out": "same", "items_out": "main.SAME"},
        {"transform_table": "su"},
        {"transform_table": "items"},
    ],
)
def test_one_table_has_one_use(loaded: duckdb.DuckDBPyConnection, given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"would be overwritten|are one place"):
        run(loaded, **given)
    assert tables(loaded) == {"users", "items"}


def test_an_input_is_no_transform_table(loaded: duckdb.DuckDBPyConnection) -> None:
    tables_in = [EmbeddingTable(side, vector="v") for side in ("users", "items")]
    with pytest.raises(UsageError, match="would be overwritten by the transform"):
        stabilize(*tables_in, engine=loaded, transform_table="items")


def test_a_transaction_of_the_users_stays(loaded: duckdb.DuckDBPyConnection) -> None:
    loaded.execute("BEGIN; CREATE TABLE mine AS SELECT 1 AS x")
    with pytest.raises(UsageError, match="end it before"):
        run(loaded)
    loaded.execute("COMMIT")
    assert tables(loaded) == {"users", "items", "mine"}


def test_a_directory_that_cannot_be_written_replaces_no_table(
    loaded: duckdb.DuckDBPyConnection, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(loaded, out=tmp_path / "monday")
    before = loaded.execute("SELECT * FROM su ORDER BY id").fetchall()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sqlstab.maths.maps.Transform.save", full)
    loaded.execute("UPDATE users SET v = [1, id, 2]")
    with pytest.raises(EngineError, match="it is as it was"):
        run(loaded, out=tmp_path / "tuesday")
    assert loaded.execute("SELECT * FROM su ORDER BY id").fetchall() == before
    assert tables(loaded) == {"users", "items", "su", "si"}


def test_half_a_password_is_no_host() -> None:
    with pytest.raises(UsageError, match="%40") as caught:
        stabilize("u", "i", engine="postgresql+psycopg://u:SEC@RETPW@localhost:1/db")
    assert "SEC" not in str(caught.value)
    assert "RETPW" not in str(caught.value)


class Interrupted:
    """An engine on which Ctrl-C comes before, in, or after the statements that replace tables."""

    def __init__(self, engine: Engine, when: str) -> None:
        self._engine = engine
        self._when = when

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def execute(self, statements: Sequence[str], step: Any = None, *, expected: Any = ()) -> None:
        if not any("RENAME" in statement for statement in statements):
            self._engine.execute(statements, expected=expected)
            return
        if self._when == "in":
            # A half of the transaction, which is then rolled back.
            with pytest.raises(EngineError):
                self._engine.execute([*statements[:2], "SELECT no_such_column"])
        if self._when == "after":
            self._engine.execute(statements)
        raise KeyboardInterrupt


@pytest.mark.parametrize("when", ["before", "in", "after"])
def test_ctrl_c_says_what_was_replaced(
    loaded: duckdb.DuckDBPyConnection, tmp_path: Path, when: str
) -> None:
    run(loaded)
    before = loaded.execute("FROM su ORDER BY id").fetchall()
    loaded.execute("UPDATE users SET v = [1, id, 2]")
    engine: Any = Interrupted(DuckDBEngine(connection=loaded), when)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(engine, out=tmp_path / "run")
    replaced = loaded.execute("FROM su ORDER BY id").fetchall() != before
    assert replaced == (when == "after")
    assert isinstance(caught.value, HalfWayInterrupt) == replaced
    if replaced:
        assert str(caught.value).startswith("memory.main.su and memory.main.si had been written")
    assert tables(loaded) == {"users", "items", "su", "si"}
    assert not (tmp_path / "run").exists()


def test_ctrl_c_after_the_tables(
    loaded: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory is not there yet then."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sqlstab.runs._replace", interrupted)
    with pytest.raises(HalfWayInterrupt, match=r"memory.main.su and .* had been written by then"):
        run(loaded, out=tmp_path / "run")
    assert tables(loaded) == {"users", "items", "su", "si"}
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [1, 2])
def test_ctrl_c_between_two_files(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[Path] = []
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if len(replaced) == number - 1:
            raise KeyboardInterrupt
        replaced.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    paths = tmp_path / "a", tmp_path / "b"

    def write() -> None:
        with replaced_files(*paths) as partials:
            for partial in partials:
                partial.write_text("new")

    with pytest.raises(KeyboardInterrupt) as caught:
        write()
    assert isinstance(caught.value, HalfWayInterrupt) == (number == 2)
    assert sorted(tmp_path.iterdir()) == list(paths[: number - 1])


def test_two_at_one_file(tmp_path: Path) -> None:
    """Each writes a file of its own; what a killed one has left goes with the next."""
    (tmp_path / ".a.sqlstab-abcd0123").mkdir()
    with replaced_files(tmp_path / "a") as [first]:
        with replaced_files(tmp_path / "a") as [second]:
            first.write_text("first, and longer")
            second.write_text("second")
        assert (tmp_path / "a").read_text() == "second"
    assert (tmp_path / "a").read_text() == "first, and longer"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    with pytest.raises(EngineError, match=r"none/a cannot be written: No such file"):
        replaced_files(tmp_path / "none" / "a").__enter__()


def test_replacing_takes_part_in_the_times(
    loaded: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    done = run(loaded, out=tmp_path / "run")
    saved = json.loads((tmp_path / "run" / "run.json").read_text())
    assert saved["timings"] == done.figures["timings"]
    assert saved["timings"]["replace"] >= 0


class FailingSpark:
    """Fails at a statement; keeps the names of the tables that there are."""

    dialect = SPARK
    identity = ""

    def __init__(self, failing: int, names: set[str]) -> None:
        self.names = names
        self.error: BaseException = EngineError("lost")
        self._failing = failing

    def describe(self, relation: str) -> list[Any]:
        return []

    def execute(self, statements: Sequence[str], step: Any = None, *, expected: Any = ()) -> None:
        for statement in statements:
            if "RENAME" in statement:
                self._failing -= 1
                if self._failing < 0:
                    raise self.error
                old, new = statement.removeprefix("ALTER TABLE ").split(" RENAME TO ")
                assert old in self.names
                assert new not in self.names
                self.names = self.names - {old} | {new}
            elif "CREATE" in statement:
                self.names |= {statement.split()[5]}
            else:
                self.names.discard(statement.split()[-1])


@pytest.mark.parametrize("failing", [0, 1, 2, 3])
@pytest.mark.parametrize("before", [{"`ml`.`su`", "`ml`.`si`"}, set()])
def test_no_vectors_are_lost_half_way(
    failing: int, before: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    engine = FailingSpark(failing, before)
    staged = StagedTables(engine, {"users": "ml.su", "items": "ml.si"}, None, "run")  # type: ignore[arg-type]
    new = {staged.name(side) for side in ("users", "items")}
    engine.names |= new
    error = EngineError("lost") if failing % 2 else KeyboardInterrupt()
    engine.error = error
    wanted = EngineError if failing % 2 else HalfWayInterrupt
    with pytest.raises(wanted, match=r"lost|failed half way"), staged.dropped_afterwards():
        staged.put_in_place({})
    assert ("failed half way" in caplog.text) == bool(failing % 2)
    # Of each table there is the old one or the new one, under some name.
    assert len(engine.names) >= 2
    for side, short in (("users", "su"), ("items", "si")):
        own = staged.name(side)  # type: ignore[arg-type]
        assert engine.names & {f"`ml`.`{short}`", own, own[:-1] + "_old`"}


def test_what_was_replaced_and_cannot_be_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """ClickHouse drops no table of more than 50 GB: both new ones are in place all the same."""
    engine = FailingSpark(4, {"`ml`.`su`", "`ml`.`si`"})
    staged = StagedTables(engine, {"users": "ml.su", "items": "ml.si"}, None, "run")  # type: ignore[arg-type]
    new = {staged.name(side) for side in ("users", "items")}
    engine.names |= new
    execute = engine.execute

    def refusing(statements: Sequence[str], step: Any = None, *, expected: Any = ()) -> None:
        for statement in statements:
            if "DROP" in statement:
                raise EngineError("too large to drop")
            execute([statement])

    engine.execute = refusing  # type: ignore[method-assign]
    with staged.dropped_afterwards():
        staged.put_in_place({})
    assert caplog.text.count("may be left behind: too large to drop") == 2
    old = {f"{name[:-1]}_old`" for name in new}
    assert engine.names == {"`ml`.`su`", "`ml`.`si`"} | old
