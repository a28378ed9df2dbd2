"""Stable tables in a database take their places together, and cost nobody a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sqlstab import EmbeddingTable, EngineError, UsageError, stabilize
from sqlstab.dialects import SPARK
from sqlstab.staged import StagedTables

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import numpy as np


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
    with pytest.raises(UsageError, match=r"would be replaced|are one table"):
        run(loaded, **given)
    assert tables(loaded) == {"users", "items"}


def test_an_input_is_no_transform_table(loaded: duckdb.DuckDBPyConnection) -> None:
    tables_in = [EmbeddingTable(side, vector="v") for side in ("users", "items")]
    with pytest.raises(UsageError, match="would be replaced by the transform"):
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

    monkeypatch.setattr("sqlstab.transform.Transform.save", full)
    loaded.execute("UPDATE users SET v = [1, id, 2]")
    with pytest.raises(EngineError, match="Nothing was replaced"):
        run(loaded, out=tmp_path / "tuesday")
    assert loaded.execute("SELECT * FROM su ORDER BY id").fetchall() == before
    assert tables(loaded) == {"users", "items", "su", "si"}


def test_half_a_password_is_no_host() -> None:
    with pytest.raises(UsageError, match="%40") as caught:
        stabilize("u", "i", engine="postgresql+psycopg://u:SEC@RETPW@localhost:1/db")
    assert "SEC" not in str(caught.value)
    assert "RETPW" not in str(caught.value)


class FailingSpark:
    """Fails at a statement; keeps the names of the tables that there are."""

    dialect = SPARK
    identity = ""

    def __init__(self, failing: int, names: set[str]) -> None:
        self.names = names
        self._failing = failing

    def describe(self, relation: str) -> list[Any]:
        return []

    def execute(self, statements: Sequence[str], step: Any = None) -> None:
        for statement in statements:
            if "RENAME" in statement:
                self._failing -= 1
                if self._failing < 0:
                    raise EngineError("lost", statement)
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
    with pytest.raises(EngineError, match="lost"), staged.dropped_afterwards():
        staged.put_in_place({})
    assert "failed half way" in caplog.text
    # Of each table there is the old one or the new one, under some name.
    assert len(engine.names) >= 2
    for side, short in (("users", "su"), ("items", "si")):
        own = staged.name(side)  # type: ignore[arg-type]
        assert engine.names & {f"`ml`.`{short}`", own, own[:-1] + "_old`"}
