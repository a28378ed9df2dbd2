"""What is given in the wrong place or form gets one message that says what to give instead."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from engines import missing
from invoke import invoke

from sqlstab import (
    EmbeddingTable,
    EngineError,
    FurtherTable,
    Options,
    Space,
    SqlstabError,
    UsageError,
    stabilize,
)
from sqlstab.session import connect

if TYPE_CHECKING:
    from pathlib import Path

# No server listens on this port.
URL = "postgresql+psycopg://etl:secret@127.0.0.1:1/db"


@pytest.fixture
def tables(model: Any) -> dict[str, Path]:
    folder = model()
    return {side: folder / f"{side}.parquet" for side in ("users", "items")}


def needs(engine: str) -> None:
    """Skip where the packages of an engine are not installed; fail in CI."""
    if reason := missing(engine):
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)


def test_names_that_are_registered(tables: dict[str, Path]) -> None:
    with duckdb.connect() as connection:
        for side, path in tables.items():
            connection.register(f"my_{side}", connection.sql(f"FROM '{path}'").to_arrow_table())
        run = stabilize("my_users", "my_items", engine=connection)
    assert run.figures["tables"]["users"]["rows"] == 200


def test_options_as_a_dict(tables: dict[str, Path], tmp_path: Path) -> None:
    given: Any = {"anchor": "users"}
    space = Space(tmp_path / "space")
    space.run(**tables, key="1")
    for call in (
        lambda: stabilize(**tables, options=given),
        lambda: space.run(**tables, options=given),
        lambda: space.explain(**tables, options=given),
        lambda: space.apply(
            {"users": tables["users"]}, {"users": tmp_path / "x.parquet"}, options=given
        ),
    ):
        with pytest.raises(UsageError, match=r"sqlstab\.Options.*not dict; of a dict, Options\("):
            call()
    assert Options(**given).anchor == "users"


IDS, EYE = np.arange(6), np.eye(6, 3)
USERS, ITEMS = (IDS, EYE), (IDS, np.eye(6, 3, -1) + EYE)
TWICE = (np.zeros(6, int), EYE)
FRAME = pa.table({"doc": IDS, "embedding": EYE.tolist()})
OF_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong row": (
        {"users": TWICE},
        "users data (id id, vector embedding) has, among 6 rows, 5 rows whose id has occurred "
        "before (for example id 0): keep one row for an id, or leave such rows out with "
        'on_invalid="drop"',
    ),
    "no id": (
        {"items": FRAME},
        "items data: which column is the id? None is called id or item_id; name one of doc, "
        "embedding with EmbeddingTable(items, id=...)",
    ),
    "a wrong id": (
        {"items": EmbeddingTable(FRAME, id="chunk")},
        "items data: there is no column chunk for the id; it has doc, embedding",
    ),
    "another length": (
        {"items": (IDS, EYE[:, :2])},
        "users data has vectors of 3 components (embedding), but items data has 2 (embedding)",
    ),
    "a further table": (
        {"also": {"queries": FurtherTable(TWICE, "users")}},
        "queries data (id id, vector embedding) has, among 6 rows, 5 rows whose id",
    ),
    "a further table as it is": (
        {"also": {"queries": FRAME}},
        "also queries is a FurtherTable, as in FurtherTable(table, like='users'), not Table",
    ),
    "no shared ids": (
        {"items": (IDS + 10, EYE), "reference": (USERS, ITEMS)},
        "items data shares no ids with the reference data: its id is BIGINT, for example 1",
    ),
    "ids of another type": (
        {"items": (IDS.astype(str), EYE), "reference": (USERS, ITEMS)},
        "items data has ids id of type VARCHAR, but id in the reference data is BIGINT",
    ),
    "a gate": (
        {"options": Options(min_shared_ids=7), "reference": (USERS, ITEMS)},
        "force=True writes anyway",
    ),
    "the path of a reference": (
        {"reference": "movies/run=1"},
        "reference is a Run, as stabilize and Space.run return it, not str: for a run of a space",
    ),
    "two references": ({"reference": [USERS]}, "reference is a Run, as stabilize"),
}


@pytest.mark.parametrize("case", OF_ARGUMENTS)
def test_messages_name_arguments(case: str) -> None:
    """In Python, errors name arguments and keywords; not internal tables, nor options."""
    wrong, message = OF_ARGUMENTS[case]
    given: dict[str, Any] = {"users": USERS, "items": ITEMS, **wrong}
    if isinstance(given.get("reference"), tuple):
        given["reference"] = stabilize(*given["reference"])
    with pytest.raises(SqlstabError) as caught:
        stabilize(**given)
    assert message in str(caught.value)
    assert "sqlstab_" not in str(caught.value)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("name", ["postgres", "spark", "snowflake"])
def test_an_engine_by_the_name_of_its_sql(tables: dict[str, Path], name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' says which SQL, not which database"):
        stabilize(**tables, engine=name)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_url_without_a_driver_takes_that_of_the_extra(scheme: str) -> None:
    """It gets as far as the database, which is not there."""
    needs("postgres")
    with (
        pytest.raises(EngineError, match=r"^postgres: .*onnection"),
        connect(f"{scheme}://127.0.0.1:1/db") as engine,
    ):
        engine.query("SELECT 1")


def test_clickhouse_without_a_driver() -> None:
    needs("clickhouse")
    with (
        pytest.raises(EngineError, match="clickhouse"),
        connect("clickhouse://127.0.0.1:1/db") as engine,
    ):
        engine.query("SELECT 1")


def test_a_driver_that_is_named_is_not_replaced() -> None:
    needs("postgres")
    with (
        pytest.raises(UsageError, match=r"no driver for postgresql\+nothing here"),
        connect("postgresql+nothing://host/db"),
    ):
        pass


def test_an_engine_from_the_environment_is_named(tmp_path: Path) -> None:
    run = ["run", "--users", "u", "--items", "i", "--space", "movies"]
    variable = "environment variable SQLSTAB_ENGINE"
    failed = invoke(*run, code=3, SQLSTAB_ENGINE=URL)
    assert variable in failed.stderr
    assert "secret" not in failed.stderr
    assert variable in invoke(*run, "--threads", 2, code=2, SQLSTAB_ENGINE=URL).stderr
    assert variable in invoke(*run, code=2, SQLSTAB_ENGINE="w.duckdb").stderr
    # Not where it was named on the command line, and not where it is not used.
    assert variable not in invoke(*run, "--engine", URL, code=3, SQLSTAB_ENGINE=URL).stderr
    nowhere = ["--database", tmp_path / "nowhere" / "w.duckdb"]
    assert variable not in invoke(*run, *nowhere, code=3, SQLSTAB_ENGINE=URL).stderr


def test_a_space_of_another_kind(tmp_path: Path, tables: dict[str, Path]) -> None:
    """A directory is none of a database, and the other way round."""
    Space(tmp_path / "space").run(**tables, key="1")
    with pytest.raises(UsageError, match=r"is a path; .*prefix"), duckdb.connect() as connection:
        Space(tmp_path / "space", connection).run(**tables, key="2")
