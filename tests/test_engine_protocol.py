"""The protocol of engines: one session, transactions as statements, folds and calls."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from engines import TARGETS
from warehouse import store_vectors

from sqlstab import (
    DataError,
    EmbeddingTable,
    EngineError,
    Space,
    UsageError,
    compare,
    folds,
    stabilize,
)
from sqlstab.engines import NAMES, dialect, dialects
from sqlstab.engines.base import UnusableVectorsError
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.session import connect
from sqlstab.statements.statement import Call, Fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    from engines import Running
    from warehouse import Warehouse

    from sqlstab.engines.base import Engine

TRANSACTIONAL = [name for name in ("duckdb", "postgres") if dialect(name).transactions]
STREAMING = ["duckdb", "spark"]
STEPS = [np.array([[1.0, 2.0], [0.5, 0.0], [-1.0, 1e-3]]), np.array([[0.0, 1.0], [3.0, 0.5]])]


def gram_of(parts: list[tuple[int, list[np.ndarray]]]) -> tuple[int, np.ndarray]:
    assert parts
    return sum(rows for rows, _ in parts), folds.unpacked(sum(upper for _, (upper, _) in parts))


def gram_fold(query: str, whitener: np.ndarray | None = None) -> Fold[Any]:
    part = partial(folds.gram, dimension=3, whitener=whitener)
    return Fold(query, part, gram_of, ("items",), components=3, numbers=6)


def call(text: str, steps: list[np.ndarray] = STEPS, *, single: bool = False) -> Call:
    function = partial(folds.multiplied, steps=steps, single=single)
    element = "float" if single else "double"
    return Call((text,), "stable_of_test", function, element, "double", "items")


def make(engine: Engine, target: str, query: str) -> str:
    return f"CREATE TABLE {target}{engine.dialect.tables.storage} AS {query}"


@pytest.fixture
def fresh(running: Running) -> Iterator[Callable[[str], Engine]]:
    """A session of its own with an engine, for tests that leave it in a state."""
    from contextlib import ExitStack  # noqa: PLC0415

    with ExitStack() as stack:
        yield lambda name: stack.enter_context(connect(running[name]))


def test_every_engine_has_a_record_of_its_name() -> None:
    assert list(dialects()) == list(NAMES)
    for name, record in dialects().items():
        assert record.name == name
    with pytest.raises(UsageError, match="'oracle', only duckdb, spark"):
        dialect("oracle")


@pytest.mark.parametrize("name", NAMES)
def test_a_record_needs_no_driver(name: str) -> None:
    heavy = ["duckdb", "pyspark", "sqlalchemy", "pyarrow"]
    script = (
        "import sys, types; "
        "package = types.ModuleType('sqlstab'); "
        f"package.__path__ = [{str(Path(folds.__file__).parent)!r}]; "
        "sys.modules['sqlstab'] = package; "
        f"from sqlstab.engines import dialect; assert dialect({name!r}).name == {name!r}; "
        f"print([each for each in {heavy} if each in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert found.stderr == ""
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "snowflake"])
def test_statements_are_run_and_queried(name: str, warehouses: Callable[[str], Warehouse]) -> None:
    engine = warehouses(name).engine
    store_vectors(engine, "protocol_v", np.eye(3))
    assert engine.query("SELECT count(*) AS N FROM protocol_v") == [{"n": 3}]
    assert [column.name for column in engine.describe("protocol_v")] == ["id", "v"]
    assert engine.kind("protocol_v") == "table"
    assert engine.kind("protocol_none") is None
    assert engine.version
    with pytest.raises(DataError, match="protocol_none"):
        engine.describe("protocol_none")
    with pytest.raises(EngineError) as caught:
        engine.query("SELECT no_such_column FROM protocol_v")
    assert caught.value.statement == "SELECT no_such_column FROM protocol_v"
    # A percent sign is one.
    assert engine.query("SELECT '5% %s' AS a") == [{"a": "5% %s"}]
    engine.rollback()
    engine.execute("DROP TABLE protocol_v")


@pytest.mark.parametrize("name", TRANSACTIONAL)
def test_what_is_rolled_back_was_never_there(
    name: str, fresh: Callable[[str], Engine], running: Running
) -> None:
    engine = fresh(name)
    engine.execute("CREATE TABLE transacted (i integer)")
    engine.execute("BEGIN")
    engine.execute("INSERT INTO transacted VALUES (1)")
    assert engine.query("SELECT i FROM transacted") == [{"i": 1}]
    with pytest.raises(EngineError):
        engine.query("SELECT 1 FROM nothing_of_this_name")
    engine.rollback()
    engine.rollback()
    assert engine.query("SELECT i FROM transacted") == []
    engine.execute("BEGIN")
    engine.execute("INSERT INTO transacted VALUES (2)")
    engine.execute("COMMIT")
    engine.rollback()
    assert engine.query("SELECT i FROM transacted") == [{"i": 2}]
    engine.execute("DROP TABLE transacted")


def test_others_do_not_see_what_is_not_committed(
    fresh: Callable[[str], Engine],
) -> None:
    first, second = fresh("postgres"), fresh("postgres")
    first.execute("CREATE TABLE hidden (i integer)")
    first.execute("BEGIN")
    first.execute("INSERT INTO hidden VALUES (1)")
    assert second.query("SELECT i FROM hidden") == []
    first.execute("COMMIT")
    assert second.query("SELECT i FROM hidden") == [{"i": 1}]
    first.execute("DROP TABLE hidden")


def test_a_transaction_that_is_left_open_is_rolled_back(running: Running) -> None:
    with connect(running["postgres"]) as engine:
        engine.execute("CREATE TABLE left_open (i integer)")
        engine.execute("BEGIN")
        engine.execute("INSERT INTO left_open VALUES (1)")
    with connect(running["postgres"]) as engine:
        assert engine.query("SELECT i FROM left_open") == []
        engine.execute("DROP TABLE left_open")


def test_settings_are_of_the_session_and_a_users_pool_never_sees_them(running: Running) -> None:
    from sqlalchemy import create_engine  # noqa: PLC0415

    database = create_engine(running["postgres"], pool_size=1, max_overflow=0)
    try:
        with connect(database) as engine:
            assert engine.query("SHOW jit") == [{"jit": "off"}]
        with database.connect() as connection:
            assert connection.exec_driver_sql("SHOW jit").scalar() == "on"
            assert connection.get_isolation_level() == "READ COMMITTED"
    finally:
        database.dispose()


def test_no_table_is_read_for_each_row_of_another(running: Running) -> None:
    """Postgres expects a single row of a run that was written since it last took statistics."""
    with connect(running["postgres"]) as engine:
        engine.execute("CREATE SCHEMA stale")
        try:
            for seed, side in enumerate(("users", "items")):
                vectors = np.random.default_rng(seed).standard_normal((400, 4))
                store_vectors(engine, f"stale.{side}", vectors)
            space = Space("stale.space", engine)
            space.run("stale.users", "stale.items", key="1")
            engine.execute("ANALYZE")
            space.run("stale.users", "stale.items", key="2")
            statements = space.explain("stale.users", "stale.items", key="2")
            scores = next(s.texts[0] for s in statements if s.step == "scores")
            plan = [row["query plan"] for row in engine.query(f"EXPLAIN ANALYZE {scores}")]
        finally:
            engine.rollback()
            engine.execute("DROP SCHEMA stale CASCADE")
    scans = [line for line in plan if re.search(r" on (users|items|space_\w+) ", line)]
    assert len(scans) >= 4
    assert all(line.endswith(" loops=1)") for line in scans), scans


# In a space with the run 1 of tables u and i: what is called, and whether it writes.
IN_A_TRANSACTION: dict[str, tuple[Callable[[Space], Any], bool]] = {
    "run": (lambda space: space.run("u", "i", key="2"), True),
    "run on a missing table": (lambda space: space.run("u", "nothing", key="2"), True),
    "drop": (lambda space: space.drop("1"), True),
    "keep": (lambda space: space.keep(1), True),
    "apply": (lambda space: space.apply({"items": "i"}, {"items": "o"}), True),
    "features": (lambda space: space.feature_map("1"), True),
    "stabilize": (lambda space: stabilize("u", "i", engine=space._engine), True),
    "list": (lambda space: space.runs[0].items.arrow(), False),
    "list a space that is not there": (lambda space: Space("other", space._engine).runs, False),
    "a missing run": (lambda space: space["2"], False),
    "explain": (lambda space: space.explain("u", "i", key="2"), False),
    "explain on a missing table": (lambda space: space.explain("u", "nothing", key="2"), False),
    "explain on a missing column": (
        lambda space: space.explain("u", EmbeddingTable("i", id="nothing"), key="2"),
        False,
    ),
    "explain on a missing file": (lambda space: space.explain("u", "no.parquet", key="2"), False),
    "compare": (lambda space: compare(space["1"], ("u", "i"), space._engine), False),
    "compare with a missing table": (
        lambda space: compare(space["1"], "nothing,i", space._engine),
        False,
    ),
    "report": (lambda space: space.report("1"), False),
}


@pytest.mark.parametrize("case", IN_A_TRANSACTION)
def test_a_users_transaction_is_left_alone(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, case: str
) -> None:
    with connect(connection) as engine:
        for name in ("u", "i"):
            store_vectors(engine, name, rng.standard_normal((50, 3)))
    space = Space("space", connection)
    space.run("u", "i", key="1")
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    does, writes = IN_A_TRANSACTION[case]
    if writes:
        with pytest.raises(UsageError, match="has a transaction open"):
            does(space)
    elif "missing" in case:
        with pytest.raises(DataError):
            does(space)
    else:
        does(space)
    assert connection.execute("SELECT one FROM mine").fetchall() == [(1,)]
    connection.execute("COMMIT")
    assert connection.execute("SELECT one FROM mine").fetchall() == [(1,)]


def test_what_is_begun_is_no_transaction_of_the_users(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with connect(connection) as engine:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
        with pytest.raises(UsageError, match="has a transaction open"):
            engine.execute("BEGIN")
        engine.rollback()
    connection.execute("COMMIT")
    assert connection.execute("SELECT one FROM mine").fetchall() == [(1,)]


@pytest.mark.parametrize("name", STREAMING)
def test_a_fold_is_what_numpy_gives(
    name: str, warehouses: Callable[[str], Warehouse], rng: np.random.Generator
) -> None:
    engine = warehouses(name).engine
    x = rng.standard_normal((1000, 3))
    store_vectors(engine, "folded", x)
    assert engine.streams
    rows, gram = engine.fold(gram_fold("SELECT v FROM folded"))
    assert rows == 1000
    np.testing.assert_allclose(gram, x.T @ x, rtol=1e-12)
    whitener = rng.standard_normal((3, 3))
    _, gram = engine.fold(gram_fold("SELECT v FROM folded", whitener))
    np.testing.assert_allclose(gram, (x @ whitener).T @ (x @ whitener), rtol=1e-12)
    with pytest.raises(AssertionError):
        engine.fold(gram_fold("SELECT v FROM folded WHERE id < 0"))
    for broken in ("CASE WHEN id = 7 THEN NULL ELSE v END", "CASE WHEN id = 7 THEN NULL END"):
        query = f"SELECT {broken} AS v FROM folded"
        if name == "duckdb":
            query = query.replace("END AS v", "END::DOUBLE[] AS v")
        else:
            query = query.replace("THEN NULL END", "THEN CAST(NULL AS array<double>) END")
        with pytest.raises(UnusableVectorsError) as caught:
            engine.fold(gram_fold(query))
        assert caught.value.side == "items"
    with pytest.raises(EngineError):
        engine.fold(gram_fold("SELECT nothing FROM folded"))
    # The session is as good as before.
    assert engine.query("SELECT count(*) AS n FROM folded") == [{"n": 1000}]
    engine.execute("DROP TABLE folded")


@pytest.mark.parametrize("name", STREAMING)
def test_a_call_is_what_numpy_gives(
    name: str, warehouses: Callable[[str], Warehouse], rng: np.random.Generator
) -> None:
    engine = warehouses(name).engine
    x = rng.standard_normal((500, 3))
    store_vectors(engine, "given", x)
    for single in (True, False):
        engine.execute("DROP TABLE IF EXISTS called")
        text = make(engine, "called", "SELECT id, stable_of_test(v) AS v FROM given")
        engine.call(call(text, single=single))
        found = engine.query("SELECT v FROM called ORDER BY id")
        stable = x @ STEPS[0] @ STEPS[1]
        np.testing.assert_allclose(
            [row["v"] for row in found], stable, rtol=1e-6 if single else 1e-12, atol=1e-6 * single
        )
        want = {"FLOAT[]", "array<float>"} if single else {"DOUBLE[]", "array<double>"}
        assert engine.describe("called")[1].type in want
    broken = "SELECT stable_of_test(CASE WHEN id < 499 THEN v END) AS v FROM given"
    with pytest.raises(UnusableVectorsError) as caught:
        engine.call(call(make(engine, "refused", broken)))
    assert caught.value.side == "items"
    beyond = make(engine, "refused", "SELECT stable_of_test(v) AS v FROM given")
    with pytest.raises(DataError, match="beyond the range of FLOAT"):
        engine.call(call(beyond, [*STEPS, 1e300 * np.eye(2)], single=True))
    with pytest.raises(EngineError):
        engine.call(call("SELECT stable_of_test(nothing) FROM given"))
    with pytest.raises(EngineError):
        engine.execute("SELECT stable_of_test(v) FROM given")
    for table in ("called", "given"):
        engine.execute(f"DROP TABLE {table}")
    engine.execute("DROP TABLE IF EXISTS refused")


def test_a_call_takes_part_in_a_transaction(connection: duckdb.DuckDBPyConnection) -> None:
    with connect(connection) as engine:
        store_vectors(engine, "given", np.eye(3))
        engine.execute("CREATE TABLE target (id integer, v DOUBLE[])")
        insert = "INSERT INTO target SELECT id, stable_of_test(v) FROM given"
        # What fails there takes the function along, and the next call has it again.
        for steps in ([np.eye(4)], STEPS):
            engine.execute("BEGIN")
            engine.execute("CREATE TEMP TABLE own AS SELECT 1 AS i")
            if len(steps) == 1:
                with pytest.raises(UnusableVectorsError):
                    engine.call(call(insert, steps))
                engine.rollback()
                assert engine.query("SELECT * FROM target") == []
            else:
                engine.call(call(f"{insert} WHERE id < (SELECT 3 * i FROM own)", steps))
                engine.execute("COMMIT")
    found = connection.execute("SELECT v FROM target ORDER BY id").fetchall()
    np.testing.assert_allclose([row[0] for row in found], STEPS[0] @ STEPS[1])


@pytest.mark.parametrize("name", STREAMING)
def test_rows_are_read_by_the_name_they_are_registered_under(
    name: str, warehouses: Callable[[str], Warehouse]
) -> None:
    engine: Any = warehouses(name).engine
    registered = engine.register(pa.table({"id": [1, 2], "v": [[1.0], [2.0]]}))
    assert registered.startswith("sqlstab_")
    assert engine.query(f"SELECT sum(id) AS n FROM {registered}") == [{"n": 3}]
    assert [column.name for column in engine.describe(registered)] == ["id", "v"]
    if name == "spark":
        frame = engine.session.range(3)
        again = engine.register(frame)
        assert engine.query(f"SELECT count(*) AS n FROM {again}") == [{"n": 3}]
        engine.unregister(again)
    engine.unregister(registered)
    with pytest.raises(DataError):
        engine.describe(registered)


def test_a_directory_of_several_tables_is_not_one(
    tmp_path: Path, model: Callable[..., Path]
) -> None:
    engine = DuckDBEngine()
    folder = model("run=a")
    with pytest.raises(UsageError, match="is the directory of a model"):
        engine.describe(f"{folder}/")
    (folder / "maps.parquet").touch()
    with pytest.raises(UsageError, match="is a space"):
        engine.describe(f"{tmp_path}/")
    engine.close()


def _interrupt(after: float) -> None:
    threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()


@pytest.mark.parametrize("form", ["query", "call", "fold"])
def test_ctrl_c_is_heard_at_once(form: str, connection: duckdb.DuckDBPyConnection) -> None:
    """It takes half a minute to finish each of them."""
    rows = "FROM range(100_000_000) AS r(i)"

    def slow(vectors: Any) -> Any:
        time.sleep(0.01)
        return vectors

    def slow_part(batches: Iterator[pa.RecordBatch]) -> tuple[int, list[np.ndarray]]:
        return sum(len(slow(batch)) for batch in batches), []

    text = f"CREATE TABLE t AS SELECT slowly([CAST(i AS double)]) AS v {rows}"
    fold = Fold(f"SELECT [CAST(i AS double)] AS v {rows}", slow_part, len, ("items",), 64)
    with connect(connection) as engine:
        run: dict[str, Callable[[], Any]] = {
            "query": lambda: engine.query(f"SELECT max(md5(CAST(i AS varchar))) AS m {rows}"),
            "call": lambda: engine.call(Call((text,), "slowly", slow, "double", "double")),
            "fold": lambda: engine.fold(fold),
        }
        started = time.monotonic()
        _interrupt(0.5)
        with pytest.raises(KeyboardInterrupt):
            run[form]()
        assert time.monotonic() - started < 5
        assert engine.query("SELECT 1 AS a") == [{"a": 1}]


def test_thousands_of_sums_are_given_memory() -> None:
    engine = DuckDBEngine(threads=8)

    def limit() -> str:
        return str(engine.query("SELECT current_setting('memory_limit') AS m")[0]["m"])

    before = limit()
    engine.query(f"SELECT {', '.join(['sum(i)'] * 4)} FROM range(3) AS r(i)")
    assert limit() == before
    engine.query(f"SELECT {', '.join(['sum(i)'] * 4096)} FROM range(3) AS r(i)")
    assert limit() != before
    engine.close()


@pytest.mark.parametrize("given", ["postgres", "user:secret@host", 3])
def test_what_is_not_an_engine_is_refused(given: Any) -> None:
    with pytest.raises(UsageError) as caught, connect(given):
        pass
    assert "secret" not in str(caught.value)
