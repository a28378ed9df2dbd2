"""A command with a date, day after day: days done again, and days that come late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from conftest import expected, movietweetings

from sqlstab import DataError, EmbeddingTable, Options, Run, Space

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

GROUP = "time_als_e32"
DAYS = [f"2026-11-0{day}" for day in range(1, 6)]
SIDES = ("users", "items")


def loaded(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Two tables with five days in them, each day a retraining."""
    for side in SIDES:
        parts = [
            f"SELECT DATE '{day}' AS ds, * FROM '{movietweetings(GROUP, number)}/{side}.parquet'"
            for number, day in enumerate(DAYS)
        ]
        connection.execute(where.format(side, " UNION ALL ".join(parts)))


class Files:
    """A space on files, of Parquet files that hold all days."""

    def __init__(self, folder: Path) -> None:
        with duckdb.connect() as connection:
            loaded(connection, f"COPY ({{1}}) TO '{folder}/{{0}}.parquet'")
        self.inputs = [str(folder / f"{side}.parquet") for side in SIDES]
        self.path = folder / "space"
        self.space = Space(self.path)

    def rows(self, day: str) -> Any:
        """What is kept of a day, byte for byte."""
        folder = self.path / f"ds={day}"
        return {side: (folder / f"{side}.parquet").read_bytes() for side in SIDES} | {
            "maps": (folder / "maps.parquet").read_bytes()
        }


class Tables:
    """A space in tables of a DuckDB database, of tables with a column of days."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "w.duckdb"
        with duckdb.connect(str(self.path)) as connection:
            loaded(connection, "CREATE TABLE all_{0} AS {1}")
        self.inputs = ["all_users", "all_items"]
        self.space = Space("movies", self.path)

    def rows(self, day: str) -> Any:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return [
                connection.execute(
                    f"SELECT * FROM movies_{name} WHERE ds = DATE '{day}' ORDER BY ALL"
                ).fetchall()
                for name in (*SIDES, "maps")
            ]


@pytest.fixture(params=[Files, Tables])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path)


def do(place: Any, day: str, **options: Any) -> Run:
    """The same command, with another date."""
    return place.space.run(*place.inputs, key=f"ds={day}", options=Options(**options))


def untouched(place: Any, days: list[str], change: Callable[[], Run]) -> Run:
    """Days are byte for byte what they were, whatever else is done."""
    before = [place.rows(day) for day in days]
    run = change()
    assert [place.rows(day) for day in days] == before
    return run


@pytest.mark.parametrize("policy", ["previous", "first"])
def test_five_days_have_the_figures_of_the_paper(place: Any, policy: str) -> None:
    name = {"previous": "chain", "first": "anchor_run0"}[policy]
    wanted = {want["run"]: want for want in expected()[GROUP][name]}
    for number, day in enumerate(DAYS):
        run = do(place, day, align=policy, plain_rows=True)
        want = expected()[GROUP]["runs"][number]
        assert run.figures["tables"]["items"]["rows"] == want["n_items"]
        assert run.figures["singular_values"] == pytest.approx(want["sigma"], rel=1e-8)
        if number == 0:
            assert run.figures["reference"] is None
            continue
        want = wanted[number]
        assert run.figures["reference"]["run"] == DAYS[number - 1 if policy == "previous" else 0]
        assert run.figures["shared"] == {
            "users": want["shared_users"], "items": want["shared_items"],
        }  # fmt: skip
        for side in SIDES:
            after = run.figures["cosine"][side]["after"]
            for figure, value in after.items():
                assert value == pytest.approx(want[f"cos_{side}"][figure], abs=1e-5)
    assert [run.key for run in place.space.runs] == DAYS
    assert place.space.newest.key == DAYS[-1]


def test_a_day_done_again_is_the_same_again(place: Any) -> None:
    """Its rows are the same, but for the order in which threads take sums; others are untouched."""
    runs = [do(place, day) for day in DAYS]

    def vectors(side: Any) -> pa.Table:
        return place.space[DAYS[2]].table(side).arrow().sort_by("id")

    before = {side: vectors(side) for side in SIDES}
    others = [day for day in DAYS if day != DAYS[2]]
    again = untouched(place, others, lambda: do(place, DAYS[2]))
    assert again.figures["reference"]["runs"] == runs[2].figures["reference"]["runs"]
    assert list(again.figures["reference"]["runs"]) == DAYS[:2]
    assert [run.key for run in place.space.runs] == DAYS
    for side in SIDES:
        assert vectors(side)["id"] == before[side]["id"]
        np.testing.assert_allclose(
            vectors(side)["embedding"].to_pylist(), before[side]["embedding"].to_pylist(), atol=1e-6
        )


def test_a_late_day_is_aligned_with_what_came_before_it(place: Any) -> None:
    others = [day for day in DAYS if day != DAYS[2]]
    for day in others:
        do(place, day)
    late = untouched(place, others, lambda: do(place, DAYS[2]))
    assert list(late.figures["reference"]["runs"]) == DAYS[:2]
    assert [run.key for run in place.space.runs] == DAYS
    # What came later did not see it.
    assert DAYS[2] not in place.space[DAYS[3]].figures["reference"]["runs"]
    assert list(do(place, DAYS[4]).figures["reference"]["runs"]) == DAYS[:4]


def test_days_that_are_dropped(place: Any) -> None:
    for day in DAYS[:4]:
        do(place, day)
    assert untouched(place, [DAYS[2], DAYS[3]], lambda: place.space.keep(2)) == DAYS[:2]  # type: ignore[comparison-overlap]
    assert [run.key for run in place.space.runs] == DAYS[2:4]
    assert place.space.drop(DAYS[3]) == [DAYS[3]]
    assert place.space.newest.key == DAYS[2]
    with pytest.raises(DataError, match=f"no run {DAYS[3]}"):
        place.space.drop(DAYS[3])


def test_the_history_is_read_without_sqlstab(place: Any) -> None:
    runs = [do(place, day) for day in DAYS[:3]]
    if isinstance(place, Files):
        history = f"read_parquet('{place.path}/*/items.parquet', hive_partitioning = true)"
        connection = duckdb.connect()
    else:
        history = "movies_items"
        connection = duckdb.connect(str(place.path), read_only=True)
    with connection:
        found = connection.execute(
            f"SELECT CAST(ds AS DATE), typeof(ds), count(*) FROM {history} GROUP BY ALL ORDER BY 1"
        ).fetchall()
    assert [(str(day), kind, rows) for day, kind, rows in found] == [
        (run.key, "DATE", run.figures["tables"]["items"]["rows"]) for run in runs
    ]


def test_a_table_without_the_column(place: Any) -> None:
    users, _ = place.inputs
    bare = EmbeddingTable(str(movietweetings(GROUP, 0) / "items.parquet"))
    with pytest.raises(DataError, match=r"items table .*: there is no column ds, which key ds="):
        place.space.run(users, bare, key=f"ds={DAYS[0]}")
    run = place.space.run(users, EmbeddingTable(bare.relation, dated=False), key=f"ds={DAYS[0]}")
    assert run.figures["tables"]["items"]["rows"] == expected()[GROUP]["runs"][0]["n_items"]


def test_the_key_is_no_column_to_keep(place: Any) -> None:
    users, items = place.inputs
    with pytest.raises(DataError, match="the column DS is the key of the run, which all outputs"):
        place.space.run(users, EmbeddingTable(items, keep=["DS"]), key=f'"ds"={DAYS[0]}')


def test_a_day_without_rows(place: Any) -> None:
    do(place, DAYS[0])
    with pytest.raises(DataError, match="no rows that meet the filter"):
        do(place, "2027-01-01")
    assert [run.key for run in place.space.runs] == DAYS[:1]
