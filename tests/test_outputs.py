"""What is in the way of an output is found before a table is scanned, on the engines themselves."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from engines import RUNNABLE, TARGETS
from warehouse import store_vectors

from sqlstab import (
    DataError,
    EmbeddingTable,
    EngineError,
    FurtherTable,
    Options,
    UsageError,
    stabilize,
)
from sqlstab.engines import connect
from sqlstab.stabilize import collect_sums
from sqlstab.statements import ddl, quoting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines import Running

    from sqlstab.engines import Engine

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")


def load(engine: Engine, name: str, seed: int = 0, rows: int = 20) -> None:
    """A table (id, v) of vectors."""
    store_vectors(engine, name, np.random.default_rng(seed).standard_normal((rows, 3)))


@pytest.fixture(params=RUNNABLE)
def target(request: pytest.FixtureRequest, running: Running) -> Iterator[Any]:
    """A connection, session or URL, with tables o_users and o_items and a schema o_schema."""
    name = request.param
    with connect(running[name], writes_tables=True) as engine:
        schema = TARGETS[name].schema
        engine.execute([f"CREATE {schema} IF NOT EXISTS o_schema"])
        for seed, table in enumerate(("o_users", "o_items")):
            load(engine, table, seed)
        yield running[name]
        for table in ("o_users", "o_items", "o_su", "o_si"):
            engine.execute([ddl.drop_table(table, engine.dialect)])


@contextmanager
def opened(target: Any) -> Iterator[Engine]:
    with connect(target, writes_tables=True) as engine:
        yield engine


def run(target: Any, reference: Any = None, **given: Any) -> Any:
    options = {"users_out": "o_su", "items_out": "o_si"} | given
    tables = [EmbeddingTable(name, vector="v") for name in ("o_users", "o_items")]
    return stabilize(*tables, reference, engine=target, **options)


@pytest.fixture
def no_scan(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def scanned(*_: Any, **__: Any) -> None:
        raise AssertionError("a table was scanned")

    monkeypatch.setattr("sqlstab.checks.check_table", scanned)
    return monkeypatch


def test_what_is_not_there_and_what_fails_are_two_things(
    target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(target) as engine:
        for missing in ("o_nothing", "o_nowhere.nothing"):
            with pytest.raises(DataError, match=r"There is no table or view o_no"):
                engine.describe(missing)
            assert engine.kind(missing) is None
        broken = "(SELECT no_such_column FROM o_users) AS t"
        monkeypatch.setattr(quoting, "relation", lambda *_: broken)
        monkeypatch.setattr(ddl, "describe", lambda *_: f"SELECT * FROM {broken}")
        if engine.dialect.name != "duckdb":  # which calls a column like a table
            with pytest.raises(EngineError):
                engine.describe("o_users")


def test_kinds(target: Any) -> None:
    with opened(target) as engine:
        engine.execute(["CREATE VIEW o_view AS SELECT * FROM o_users"])
        try:
            whole = engine.qualified("o_view")
            assert len(quoting.table_parts(whole, engine.dialect)) > 1
            assert engine.qualified(whole) == whole
            assert [engine.kind(name) for name in ("o_view", whole)] == ["view", "view"]
            assert engine.kind("o_users") == "table"
            assert engine.kind("o_schema.o_users") is None
        finally:
            engine.execute(["DROP VIEW o_view"])


def test_a_view_is_not_replaced(target: Any, no_scan: Any) -> None:
    with opened(target) as engine:
        engine.execute(["CREATE VIEW o_view AS SELECT * FROM o_users"])
        try:
            with pytest.raises(UsageError, match=r"o_view, where the stable items .* is a view"):
                run(target, items_out="o_view")
            assert engine.kind("o_view") == "view"
        finally:
            engine.execute(["DROP VIEW o_view"])


def test_an_input_view_of_an_output(target: Any) -> None:
    """The view would show the output, and what it showed would be gone."""
    with opened(target) as engine:
        engine.execute(
            [
                "CREATE VIEW o_view AS SELECT * FROM o_users",
                "CREATE VIEW o_schema.o_view AS WITH o AS (SELECT * FROM o_view) SELECT * FROM o",
            ]
        )
        try:
            tables = [EmbeddingTable(name, vector="v") for name in ("o_schema.o_view", "o_items")]
            outputs = {"users_out": "o_users", "items_out": "o_si"}
            if engine.dialect.name == "datafusion":  # whose views keep the table that they are of
                stabilize(*tables, engine=target, **outputs)
                assert int(engine.query("SELECT count(*) AS n FROM o_view")[0]["n"]) == 20
                return
            with pytest.raises(UsageError, match=r"o_users.* (over|re)"):
                stabilize(*tables, engine=target, **outputs)
            assert int(engine.query("SELECT count(*) AS n FROM o_users")[0]["n"]) == 20
        finally:
            engine.execute(["DROP VIEW o_schema.o_view", "DROP VIEW o_view"])


def test_views_of_outputs(target: Any) -> None:
    """They show what the last run wrote; where the catalogue says they cannot, there is no run."""
    run(target)
    views = ("o_view", "o_schema.o_view")
    with opened(target) as engine:
        engine.execute([f"CREATE VIEW {view} AS SELECT * FROM o_su" for view in views])
        try:
            load(engine, "o_users", 7, rows=19)
            if engine.dialect.tables.dependents:
                kept = {"registry": "o_runs", "options": Options(keep_runs=1)}
                for given in ({}, kept):
                    with pytest.raises(UsageError, match=r"o_schema\.o_view, o_view would stay"):
                        run(target, **given)
                assert engine.kind("o_runs") is None
            else:
                run(target)
                # A view of a DataFusion session keeps the plan that was made of its text.
                rows = 20 if engine.dialect.name == "datafusion" else 19
                for view in views:
                    counted = engine.query(f"SELECT count(*) AS n FROM {view}")
                    assert int(counted[0]["n"]) == rows
        finally:
            engine.execute([f"DROP VIEW {view}" for view in views])


@pytest.mark.parametrize(
    "component", ["CAST(1e200 AS float8)", "CAST(1e-300 AS float8)", "CAST(1e400 AS numeric)"]
)
def test_numbers_that_postgres_refuses(running: Running, component: str) -> None:
    """It stops at a square that others make infinite, or zero, and says nothing of the table."""
    with opened(running["postgres"]) as engine:
        for table in ("o_users", "o_items"):
            load(engine, table)
        vector = (
            f"CASE id WHEN 7 THEN ARRAY[1, {component}, 3] ELSE ARRAY[1, id, 1 / (id + 1.0)] END"
        )
        engine.execute([f"CREATE TABLE o_range AS SELECT id, {vector} AS v FROM o_users"])
        named = [EmbeddingTable(name, vector="v") for name in ("o_range", "o_items")]
        try:
            with pytest.raises(DataError, match=r"users table o_range, vector v: a component, or"):
                collect_sums(*named, engine=running["postgres"])
        finally:
            engine.execute(["DROP TABLE o_range, o_users, o_items"])


@pytest.mark.parametrize("name", ["postgres", "datafusion"])
def test_letters_outside_ascii_are_not_folded(running: Running, name: str) -> None:
    with opened(running[name]) as engine:
        engine.execute(["CREATE TABLE O_\u00dcBER AS SELECT 1 AS id"])
        try:
            for spelled in ("O_\u00dcBER", "o_\u00dcber", '"o_\u00dcber"'):
                assert [column.name for column in engine.describe(spelled)] == ["id"]
                assert engine.kind(spelled) == "table"
            assert engine.kind("o_\u00fcber") is None
        finally:
            engine.execute(["DROP TABLE O_\u00dcBER"])


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (
            "CREATE TABLE o_new.t (id bigint REFERENCES o_su)",
            "o_su is to be replaced, but constraint t_id_fkey on table o_new.t would",
        ),
        ("CREATE TABLE o_new.t () INHERITS (o_su)", "but table o_new.t would"),
        ("CREATE TABLE o_new.t (row o_su)", "but column row of table o_new.t would"),
        (
            "CREATE FUNCTION o_new.t() RETURNS bigint BEGIN ATOMIC SELECT max(id) FROM o_su; END",
            r"but function o_new.t\(\) would",
        ),
        ("CREATE PUBLICATION o_said FOR TABLE o_su", "but publication of table o_su in "),
        ("ALTER TABLE o_su ENABLE ROW LEVEL SECURITY", "but its row-level security would"),
        ("ALTER TABLE o_su INHERIT o_new.parent", "stable users .* is a part of another table"),
        (
            "CREATE TABLE o_new.su (id bigint) PARTITION BY RANGE (id)",
            "o_new.su, where the stable users are to go, is a partitioned table",
        ),
    ],
)
def test_what_is_of_an_output_on_postgres(
    running: Running, no_scan: Any, made: str, says: str
) -> None:
    """It would stay with the old table, or be lost with it."""
    target = running["postgres"]
    with opened(target) as engine:
        for table in ("o_users", "o_items"):
            load(engine, table)
        # What belongs to the table itself is in nobody's way.
        own = "ADD PRIMARY KEY (id), ADD FOREIGN KEY (id) REFERENCES o_su, ADD CHECK (id >= 0)"
        engine.execute(
            [
                "CREATE TABLE o_su AS SELECT * FROM o_users",
                "ALTER TABLE o_su ADD UNIQUE (id)",
                f"ALTER TABLE o_su {own}",
                "CREATE INDEX ON o_su ((id + 1))",
                "ALTER TABLE o_su ADD COLUMN twice bigint GENERATED ALWAYS AS (id * 2) STORED",
                "CREATE SCHEMA o_new",
                "CREATE TABLE o_new.parent (id integer)",
            ]
        )
        try:
            with pytest.raises(AssertionError, match="a table was scanned"):
                run(target)
            engine.execute([made])
            with pytest.raises(UsageError, match=says):
                run(target, users_out="o_new.su" if "o_new.su" in made else "o_su")
        finally:
            engine.execute(
                [
                    "DROP PUBLICATION IF EXISTS o_said",
                    "DROP TABLE o_su, o_users, o_items CASCADE",
                    "DROP SCHEMA o_new CASCADE",
                ]
            )


def test_names_that_postgres_would_cut(running: Running, no_scan: Any) -> None:
    """It reads and writes the table whose name is the first 63 bytes of a longer one."""
    longest = "\u00fc" * 31 + "x"
    target = running["postgres"]
    with opened(target) as engine:
        load(engine, f'"{longest}"')
        tables = [EmbeddingTable(f'"{longest}"', vector="v")] * 2
        try:
            for out in (f'"{longest}s"', f"{longest}t"):
                with pytest.raises(UsageError, match="has 64 bytes; postgres cuts a name after 63"):
                    stabilize(*tables, engine=target, users_out=out, items_out="o_si")
            assert {column.name for column in engine.describe(f'"{longest}"')} == {"id", "v"}
            for size in (21, 22):
                name = "q" * size
                further = FurtherTable(tables[0], "users", out="o_sq")
                given: Any = {"also": {name: further}, "users_out": "o_su", "items_out": "o_si"}
                # The name of a kept table would have room for the longer one no more.
                error, says = {
                    21: (AssertionError, "a table was scanned"),
                    22: (UsageError, f"also {name}: a table of ours .* has 64 bytes"),
                }[size]
                with pytest.raises(error, match=says):
                    stabilize(*tables, engine=target, **given)
        finally:
            engine.execute([ddl.drop_table(f'"{longest}"', engine.dialect)])


@pytest.mark.parametrize(
    "given", [{"items_out": "o_nowhere.si"}, {"transform_table": "o_nowhere.t"}]
)
def test_a_schema_that_is_missing(target: Any, no_scan: Any, given: dict[str, str]) -> None:
    with pytest.raises(
        EngineError, match=r"made beside (memory\.)?o_nowhere\.\w+, for .* Its schema must be"
    ):
        run(target, **given)


def test_a_store_of_gram_matrices_that_cannot_be_made(target: Any, no_scan: Any) -> None:
    tables = [EmbeddingTable(name, vector="v") for name in ("o_users", "o_items")]
    for by, store, error, says in (
        (
            "id",
            "o_nowhere.grams",
            EngineError,
            r"No table can be made beside (memory\.)?o_nowhere\.grams",
        ),
        ("day", "o_grams", DataError, "users table o_users: there is no column day to partition"),
    ):
        options = Options(partition_by=by, grams=store)
        with pytest.raises(error, match=says):
            collect_sums(*tables, engine=target, options=options)
    options = Options(partition_by="id", partition_version="loaded", grams="o_grams")
    with pytest.raises(DataError, match="there is no column loaded that grows"):
        collect_sums(*tables, engine=target, options=options)


def test_another_table_in_the_place_of_one_that_grows(target: Any, no_scan: Any) -> None:
    """Rows are added by position: side and run would change places, and nobody would notice."""
    with opened(target) as engine:
        real, text = engine.dialect.double, engine.dialect.text
        columns = f"side {text}, run_id {text}, i int, j int, value {real}"
        engine.execute([f"CREATE TABLE o_other ({columns}){engine.dialect.tables.storage}"])
        try:
            says = r"o_other is no {}: its columns are side, .*, and they must be, or begin with, "
            with pytest.raises(DataError, match=says.format("transform table") + "run_id, side"):
                run(target, transform_table="o_other")
            options = Options(partition_by="id", partition_version="id", grams="o_other")
            with pytest.raises(DataError, match=says.format("table of Gram matrices") + "run_id"):
                run(target, options=options)
        finally:
            engine.execute([ddl.drop_table("o_other", engine.dialect)])


def test_a_reference_that_is_gone(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(target)
    assert run(target, first).figures["alignment"]["anchors"] == 20
    with opened(target) as engine:
        engine.execute([ddl.drop_table("o_si", engine.dialect)])
    monkeypatch.setattr("sqlstab.checks.check_table", None)
    with pytest.raises(DataError, match=r"There is no table or view .*o_si"):
        run(target, first)


def test_a_reference_that_was_replaced(target: Any) -> None:
    """Its name is that of a later run's table now, with other vectors of the same ids."""
    monday = run(target)
    with opened(target) as engine:
        load(engine, "o_items", seed=7)
    tuesday = run(target)
    says = rf"o_su is no longer the table of stable users that run {monday.run_id} wrote"
    with pytest.raises(DataError, match=says) as caught:
        run(target, monday)
    assert caught.value.exit_code == 4
    assert "20 rows" in str(caught.value)
    # A chain, each run to the one before, may use the same names.
    wednesday = run(target, tuesday)
    assert run(target, wednesday).figures["cosine"]["items"]["after"]["mean"] == pytest.approx(1)
    with opened(target) as engine:
        load(engine, "o_users", rows=19)
    run(target)
    with pytest.raises(DataError, match=r"had 20 rows, .*; now there are 19 rows"):
        run(target, wednesday)


def test_a_right_that_is_missing(running: Running) -> None:
    with opened(running["postgres"]) as engine:
        for table in ("o_users", "o_items"):
            load(engine, table)
        engine.execute(
            [
                "CREATE ROLE o_limited LOGIN",
                "CREATE SCHEMA o_hidden",
                "CREATE SCHEMA o_readable",
                "CREATE TABLE o_hidden.t (id integer)",
                "GRANT USAGE ON SCHEMA o_readable TO o_limited",
                "GRANT SELECT ON o_users, o_items TO o_limited",
            ]
        )
        url = running["postgres"].replace("postgres:@", "o_limited:@")
        assert url != running["postgres"]
        try:
            with opened(url) as limited, pytest.raises(EngineError, match="permission denied"):
                limited.describe("o_hidden.t")
            with pytest.raises(EngineError, match=r"No table can be made .*permission denied"):
                run(url, users_out="o_readable.su", items_out="o_readable.si")
        finally:
            engine.execute(
                [
                    "DROP SCHEMA o_hidden CASCADE",
                    "DROP SCHEMA o_readable",
                    "DROP TABLE o_users, o_items",
                    "DROP ROLE o_limited",
                ]
            )


def test_a_closed_connection_is_a_failure(connection: Any) -> None:
    with opened(connection) as engine:
        connection.close()
        with pytest.raises(EngineError):
            engine.describe("o_users")


def test_a_search_path(running: Running) -> None:
    """What has the bare name further along the path stays as it is."""
    url = running["postgres"]
    with opened(url) as engine:
        engine.execute(["CREATE SCHEMA o_first", "CREATE SCHEMA o_second"])
        for table in ("o_second.o_users", "o_second.o_items", "o_second.o_su", "o_second.o_si"):
            load(engine, table)
        engine.execute(["CREATE TABLE o_second.o_t (run_id text)"])
        try:
            separator = "&" if "?" in url else "?"
            path = f"{url}{separator}options=-csearch_path%3Do_first%2Co_second"
            for _ in range(2):
                done = run(path, transform_table="o_t")
            outputs = done.figures["outputs"]
            assert [outputs[side]["relation"] for side in ("users", "items")] == [
                "o_first.o_su",
                "o_first.o_si",
            ]
            listed = engine.query(
                "SELECT schemaname, tablename FROM pg_tables "
                "WHERE schemaname IN ('o_first', 'o_second') ORDER BY 1, 2"
            )
            assert [tuple(row.values()) for row in listed] == [
                *(("o_first", name) for name in ("o_si", "o_su", "o_t")),
                *(("o_second", n) for n in ("o_items", "o_si", "o_su", "o_t", "o_users")),
            ]
            assert [c.name for c in engine.describe("o_second.o_t")] == ["run_id"]
            with pytest.raises(EngineError, match="has no schema"):
                run(f"{url}{separator}options=-csearch_path%3Do_nowhere")
        finally:
            engine.execute(["DROP SCHEMA o_first CASCADE", "DROP SCHEMA o_second CASCADE"])


def test_names_in_duckdb(connection: Any) -> None:
    """A temporary table, which comes first, stays; a database's name stands for its `main`."""
    connection.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA memory.lake2")
    with opened(connection) as engine:
        for table in ("o_users", "o_items"):
            load(engine, table)
        connection.execute("CREATE TEMP TABLE o_su AS SELECT 1 AS mine")
        for _ in range(2):
            run(connection)
        assert connection.execute("FROM temp.main.o_su").fetchall() == [(1,)]
        assert connection.execute("SELECT count(*) FROM memory.main.o_su").fetchone() == (20,)
        assert engine.qualified("lake.t") == "lake.main.t"
        assert engine.qualified("lake2.t") == "memory.lake2.t"
        run(connection, users_out="lake.o_su", items_out="lake.o_si")
        connection.execute("USE lake")
        assert engine.qualified("o_su") == "lake.main.o_su"
        assert engine.kind("LAKE.Main.O_SU") == "table"
