"""The same input gives the same maps: to the last byte where sums are taken in one order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from sqlstab import Options, Run, Space, stabilize

if TYPE_CHECKING:
    from collections.abc import Callable

    from engines import Running
    from warehouse import Warehouse

# An order of summation changes a sum by about eps, and the transform by eps times the condition.
TOLERANCE = 1e-12

ENGINES = [
    ("duckdb", "sql"),
    ("duckdb", "arrow"),
    ("postgres", "sql"),
    ("clickhouse", "sql"),
    ("spark", "sql"),
    ("spark", "arrow"),
]


def stored(warehouse: Warehouse) -> tuple[str, str]:
    """Two tables, of 300 users and 200 items."""

    def make() -> tuple[str, str]:
        rng = np.random.default_rng(12)
        names = ("same_users", "same_items")
        dialect = warehouse.dialect
        for name, rows in zip(names, (300, 200), strict=True):
            columns = {"id": dialect.bigint, **{f"e{k}": dialect.double for k in range(5)}}
            vectors = rng.standard_normal((rows, 5))
            warehouse.create(name, columns, ([k, *v] for k, v in enumerate(vectors.tolist())))
        return names

    found: tuple[str, str] = warehouse.once("same", make)
    return found


def again(space: Space, names: tuple[str, str], **options: Any) -> list[Run]:
    """Three times the same run, with a first one as its reference."""
    space.run(*names, key="1", options=Options(**options))
    return [space.run(*names, key="2", options=Options(**options)) for _ in range(3)]


# Each test has a space of its own.
_NUMBERS = itertools.count()


def new_space(engine: Any) -> Space:
    return Space(f"same_{next(_NUMBERS)}", engine)


@pytest.mark.parametrize(("name", "strategy"), ENGINES)
def test_the_same_bytes(warehouses: Callable[[str], Warehouse], name: str, strategy: str) -> None:
    warehouse = warehouses(name)
    names = stored(warehouse)
    if name == "duckdb":
        # A session of its own: the settings of the others' stay as they are.
        with duckdb.connect(config={"threads": 1}) as connection:
            for table in names:
                rows = warehouse.engine.query(f"SELECT * FROM {table} ORDER BY id")
                connection.register("given", pa.Table.from_pylist(rows))
                connection.execute(f"CREATE TABLE {table} AS FROM given")
            check_same(again(new_space(connection), names, strategy=strategy), strategy)
        return
    if name == "spark":
        # One partition is one task: sums are taken in one order.
        session: Any = warehouse.engine
        for table in names:
            session.session.table(table).coalesce(1).createOrReplaceTempView(f"{table}_1")
        names = (f"{names[0]}_1", f"{names[1]}_1")
    check_same(again(new_space(warehouse.engine), names, strategy=strategy), strategy)


def check_same(runs: list[Run], strategy: str) -> None:
    for run in runs[1:]:
        for side in ("users", "items"):
            np.testing.assert_array_equal(run.maps[side].matrix, runs[0].maps[side].matrix)
    # What is needed to do it again.
    figures = runs[0].figures
    assert figures["versions"]["engine"]
    assert figures["sqlstab"]
    assert figures["options"]["strategy"] == strategy
    assert figures["inputs"]["users"]["relation"].startswith("same_users")


def test_across_engines_spark_too(warehouses: Callable[[str], Warehouse]) -> None:
    """Aligned with one reference, engines and strategies agree to rounding errors."""
    rng = np.random.default_rng(13)
    reference = rng.standard_normal((5, 5))
    found = []
    for name, strategy in ENGINES:
        warehouse = warehouses(name)
        run = new_space(warehouse.engine).run(
            *stored(warehouse), key="1", options=Options(strategy=strategy)
        )
        balanced = run.maps["items"].matrix
        # The axes of a first run are fixed up to signs and near ties; turned to a common frame
        # they are not.
        left, _, right = np.linalg.svd(balanced.T @ reference)
        found.append(balanced @ left @ right)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=TOLERANCE * np.abs(found[0]).max())


@pytest.mark.parametrize("threads", [2, 5])
def test_threads(threads: int) -> None:
    """On DuckDB, with enough rows for several threads."""
    found = []
    for count in (1, threads):
        with duckdb.connect(config={"threads": count}) as connection:
            for name, rows in (("u", 300_000), ("i", 1000)):
                connection.execute(
                    f"CREATE TABLE {name} AS SELECT i AS id, [hash(i) % 1009 / 1009, "
                    f"hash(i + 7) % 1013 / 1013]::DOUBLE[] AS v FROM range({rows}) r(i)"
                )
            found += [
                stabilize("u", "i", engine=connection, options=Options(strategy=strategy))
                for strategy in ("sql", "arrow")
            ]
    matrices = [run.maps["items"].matrix for run in found]
    for other in matrices[1:]:
        np.testing.assert_allclose(other, matrices[0], rtol=TOLERANCE)


@pytest.mark.parametrize("strategy", ["sql", "arrow"])
def test_partitions_of_spark(
    warehouses: Callable[[str], Warehouse], running: Running, strategy: str
) -> None:
    warehouse = warehouses("spark")
    names = stored(warehouse)
    session = running["spark"]
    found = []
    for count in (1, 7, 30):
        for name in names:
            session.table(name).repartition(count).createOrReplaceTempView(f"{name}_cut")
        run = new_space(session).run(
            f"{names[0]}_cut",
            f"{names[1]}_cut",
            key="1",
            options=Options(strategy=strategy, refine="never"),
        )
        found.append(run.maps)
    for other in found[1:]:
        for side in ("users", "items"):
            want = found[0][side].matrix
            np.testing.assert_allclose(
                other[side].matrix, want, rtol=0, atol=TOLERANCE * np.abs(want).max()
            )
