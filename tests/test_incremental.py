"""Sums over a sample of the rows, and sums that are kept from run to run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import read_vectors, write_vectors

from sqlstab import DataError, EmbeddingTable, Options, UsageError, stabilize
from sqlstab.stabilize import collect_sums

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STRATEGIES = ("arrow", "sql")


def scores_error(raw: Path, stable: Path) -> float:
    """Largest difference of any score, relative to the largest."""
    vectors = [
        read_vectors(folder / f"{side}.parquet")
        for folder in (raw, stable)
        for side in ("users", "items")
    ]
    before = vectors[0][1] @ vectors[1][1].T
    after = vectors[2][1] @ vectors[3][1].T
    return float(np.abs(after - before).max() / np.abs(before).max())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_scores_stay_exact_with_a_sample(
    tmp_path: Path, model: Callable[..., Path], strategy: Any
) -> None:
    source = model(users=3000, items=900, dtype=np.float64)
    options = Options(sample="10%", strategy=strategy)
    first = stabilize(
        source / "users.parquet", source / "items.parquet", out=tmp_path / "a", options=options
    )
    assert scores_error(source, tmp_path / "a") <= 1e-12
    assert 200 < first.figures["users"]["summed"] < 400
    assert first.figures["users"]["rows"] == 3000
    later = model("later", users=3000, items=900, dtype=np.float64, rotate=source)
    second = stabilize(
        later / "users.parquet",
        later / "items.parquet",
        first,
        tmp_path / "b",
        options=options,
    )
    assert scores_error(later, tmp_path / "b") <= 1e-12
    assert second.figures["alignment"]["anchors"] == first.figures["items"]["summed"]
    assert second.figures["cosine"]["items"]["after"]["mean"] > 0.97
    # Scaled up to all rows, a sample's singular values are those of the scores, nearly.
    whole = stabilize(source / "users.parquet", source / "items.parquet")
    np.testing.assert_allclose(
        first.transform.singular_values, whole.transform.singular_values, rtol=0.3
    )


def test_both_strategies_sample_the_same_rows(tmp_path: Path, model: Callable[..., Path]) -> None:
    source = model(users=2000)
    runs = [
        stabilize(
            source / "users.parquet",
            source / "items.parquet",
            options=Options(sample=0.2, strategy=strategy),
        )
        for strategy in STRATEGIES
    ]
    assert runs[0].figures["users"]["summed"] == runs[1].figures["users"]["summed"]
    np.testing.assert_allclose(
        runs[0].transform.singular_values, runs[1].transform.singular_values, rtol=1e-12
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_sample_that_misses_directions_is_not_used(
    tmp_path: Path, rng: np.random.Generator, strategy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = rng.standard_normal((300, 4))
    vectors[:, 3] = 0
    vectors[17, 3] = 1  # one row alone shows this direction
    source = tmp_path / "raw"
    source.mkdir()
    for side in ("users", "items"):
        write_vectors(source / f"{side}.parquet", vectors)
    run = stabilize(
        source / "users.parquet",
        source / "items.parquet",
        out=tmp_path / "out",
        options=Options(sample="5%", strategy=strategy),
    )
    assert run.figures["users"]["summed"] == 300
    assert "does not fill the 4 dimensions" in caplog.text
    assert scores_error(source, tmp_path / "out") <= 1e-12
    raw = source / "users.parquet", source / "items.parquet"
    sums = collect_sums(*raw, options=Options(sample="5%", strategy=strategy))
    assert sums.grams["users"].rows == 300


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
def test_a_sample_of_fewer_rows_than_dimensions_is_not_used(
    tmp_path: Path, rng: np.random.Generator, strategy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Rounding errors fill the Gram matrix of 15 rows, so that it looks like one of 40."""
    for side in ("users", "items"):
        write_vectors(tmp_path / f"{side}.parquet", rng.standard_normal((300, 40)))
    run = stabilize(
        tmp_path / "users.parquet",
        tmp_path / "items.parquet",
        out=tmp_path / "out",
        options=Options(sample="5%", strategy=strategy),
    )
    assert run.figures["items"]["summed"] == 300
    assert "does not fill the 40 dimensions" in caplog.text
    assert scores_error(tmp_path, tmp_path / "out") <= 1e-12
    raw = tmp_path / "users.parquet", tmp_path / "items.parquet"
    sums = collect_sums(*raw, options=Options(sample="5%", strategy=strategy))
    assert sums.grams["users"].rows == 300


def test_a_sample_of_fewer_vectors_than_a_rank_is_not_used(
    tmp_path: Path, rng: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    table = write_vectors(tmp_path / "docs.parquet", rng.standard_normal((1000, 50)))
    run = stabilize(vectors=table, options=Options(rank=30, sample="1%"))
    assert "does not fill" in caplog.text
    assert run.figures["vectors"]["summed"] == 1000


def test_bad_vectors_outside_the_sample_are_seen(tmp_path: Path, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((300, 4))
    vectors[5, 2] = np.nan
    for side in ("users", "items"):
        write_vectors(tmp_path / f"{side}.parquet", vectors)
    with pytest.raises(DataError, match="1 vector with a NaN"):
        stabilize(
            tmp_path / "users.parquet",
            tmp_path / "items.parquet",
            out=tmp_path / "out",
            options=Options(sample="1%"),
        )


@pytest.mark.parametrize("sample", ["0%", "101%", "half", -0.1, 0, float("nan"), "", [1]])
def test_samples_that_are_none(sample: Any) -> None:
    with pytest.raises(UsageError, match="sample is"):
        Options(sample=sample)


class Partitioned:
    """Tables in a DuckDB database, partitioned by day."""

    def __init__(self, rng: np.random.Generator, database: Path | str = ":memory:") -> None:
        self.connection = duckdb.connect(database)
        self._rng = rng
        self._next = 0
        for side in ("users", "items"):
            self.connection.execute(
                f"CREATE TABLE {side} (id BIGINT, v DOUBLE[], day DATE, loaded INTEGER)"
            )

    def load(self, day: str | None, rows: int, loaded: int = 0) -> None:
        for side in ("users", "items"):
            values = [
                (self._next + k, self._rng.standard_normal(3).tolist(), day, loaded)
                for k in range(rows)
            ]
            self.connection.executemany(f"INSERT INTO {side} VALUES (?, ?, ?, ?)", values)
        self._next += rows

    def run(self, **options: Any) -> Any:
        return stabilize(
            EmbeddingTable("users", vector="v"),
            EmbeddingTable("items", vector="v"),
            engine=self.connection,
            options=Options(partition_by="day", **options),
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("in_file", [False, True])
def test_only_new_and_changed_partitions_are_summed(
    tmp_path: Path,
    rng: np.random.Generator,
    caplog: pytest.LogCaptureFixture,
    strategy: Any,
    in_file: bool,
) -> None:
    tables = Partitioned(rng)
    grams = str(tmp_path / "grams.parquet") if in_file else "grams"
    options = {"grams": grams, "strategy": strategy, "partition_version": "loaded"}

    def summed() -> int:
        """Partitions of the users that the last run read the vectors of."""
        found = caplog.text.count(
            "Gram matrix of the users" if strategy == "sql" else "The vectors of the users"
        )
        caplog.clear()
        return found

    def agrees(run: Any) -> None:
        plain = stabilize(
            EmbeddingTable("users", vector="v"),
            EmbeddingTable("items", vector="v"),
            engine=tables.connection,
        )
        np.testing.assert_allclose(
            run.transform.singular_values, plain.transform.singular_values, rtol=1e-12
        )
        assert run.figures["users"]["summed"] == plain.figures["users"]["rows"]
        caplog.clear()

    tables.load("2026-11-01", 20)
    tables.load("2026-11-02", 30)
    tables.load(None, 10)
    with caplog.at_level(logging.DEBUG, "sqlstab.sql"):
        run = tables.run(**options)
        assert summed() == 3
        agrees(run)
        run = tables.run(**options)
        assert summed() == 0
        agrees(run)
        tables.load("2026-11-03", 40)
        run = tables.run(**options)
        assert summed() == 1
        agrees(run)
        # As many rows as before, but other ones.
        tables.connection.execute("UPDATE users SET v = [1, 2, id], loaded = 1 WHERE day IS NULL")
        run = tables.run(**options)
        assert summed() == 1
        agrees(run)
        tables.connection.execute("DELETE FROM users WHERE day = '2026-11-01'")
        run = tables.run(**options)
        assert summed() == 0
        agrees(run)


def test_half_a_gram_matrix_is_none(rng: np.random.Generator) -> None:
    """What a killed run left in the store is not taken for a whole."""
    tables = Partitioned(rng)
    tables.load("2026-11-01", 20)
    first = tables.run(grams="grams")
    tables.connection.execute("DELETE FROM grams WHERE i = 2 AND j = 3")
    second = tables.run(grams="grams")
    np.testing.assert_allclose(
        second.transform.singular_values, first.transform.singular_values, rtol=1e-14
    )


def test_another_filter_is_another_sum(rng: np.random.Generator) -> None:
    tables = Partitioned(rng)
    tables.load("2026-11-01", 20)
    tables.run(grams="grams")
    run = stabilize(
        EmbeddingTable("users", vector="v", filter="id < 10"),
        EmbeddingTable("items", vector="v"),
        engine=tables.connection,
        options=Options(partition_by="day", grams="grams"),
    )
    assert run.figures["users"]["summed"] == 10


def test_a_name_is_of_one_table(tmp_path: Path, rng: np.random.Generator) -> None:
    """Of several tables of one name, by file or by schema, none has the sums of another."""
    grams = str(tmp_path / "grams.parquet")

    def check(tables: Partitioned) -> None:
        tables.load("2026-11-01", 20)
        found = tables.run(grams=grams).transform.singular_values
        plain = stabilize(
            EmbeddingTable("users", vector="v"),
            EmbeddingTable("items", vector="v"),
            engine=tables.connection,
        )
        np.testing.assert_allclose(found, plain.transform.singular_values, rtol=1e-12)

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tables = Partitioned(rng, tmp_path / name / "warehouse.duckdb")
        check(tables)
    tables.connection.execute("CREATE SCHEMA schema_b")
    for side in ("users", "items"):
        tables.connection.execute(f"CREATE TABLE schema_b.{side} AS FROM {side} LIMIT 0")
    tables.connection.execute("SET schema = 'schema_b'")
    check(tables)


def test_a_bad_vector_in_a_new_partition(rng: np.random.Generator) -> None:
    for strategy in STRATEGIES:
        tables = Partitioned(rng)
        tables.load("2026-11-01", 20)
        tables.connection.execute("INSERT INTO users VALUES (99, [1, NULL, 2], '2026-11-02', 0)")
        with pytest.raises(DataError, match="1 vector with a NULL in it"):
            tables.run(grams="grams", strategy=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_bad_vector_of_a_partition_outside_the_sample(
    rng: np.random.Generator, strategy: Any
) -> None:
    tables = Partitioned(rng)
    tables.load("2026-11-01", 300)
    tables.connection.execute("UPDATE items SET v = [1, 'nan'::DOUBLE, 2] WHERE id = 250")
    with pytest.raises(DataError, match=r"items table items .* 1 vector with a NaN .* id 250"):
        tables.run(grams="grams", strategy=strategy, sample="2%")


def test_partitions_of_unequal_length(rng: np.random.Generator) -> None:
    tables = Partitioned(rng)
    tables.load("2026-11-01", 20)
    tables.connection.execute(
        "INSERT INTO users SELECT 100 + i, [i, 1], '2026-11-02', 0 FROM range(5) AS r(i)"
    )
    with pytest.raises(DataError, match="differ in the length of their vectors, 3 and 2"):
        tables.run(grams="grams")


def test_no_such_partition_column(rng: np.random.Generator) -> None:
    tables = Partitioned(rng)
    tables.load("2026-11-01", 20)
    with pytest.raises(DataError, match="no column week to partition by"):
        stabilize(
            "users",
            "items",
            engine=tables.connection,
            options=Options(partition_by="week", grams="g"),
        )


def test_a_store_in_a_file_is_replaced_as_a_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    tables = Partitioned(rng)
    tables.load("2026-11-01", 20)
    path = tmp_path / "grams.parquet"
    tables.run(grams=str(path))
    before = pq.read_table(path).num_rows
    tables.load("2026-11-02", 20)
    tables.run(grams=str(path))
    assert pq.read_table(path).num_rows == 2 * before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "options", [{"partition_by": "day"}, {"grams": "g"}, {"partition_version": "loaded"}]
)
def test_options_that_belong_together(options: Any) -> None:
    with pytest.raises(UsageError, match="partition_by"):
        Options(**options)


def test_a_partitions_sum_is_not_taken_for_the_tables(rng: np.random.Generator) -> None:
    """As many ids are shared as the partition that was summed last has rows."""
    tables = Partitioned(rng)
    tables.load("2026-11-01", 50)
    first = tables.run(grams="grams")
    first = stabilize(
        EmbeddingTable("users", vector="v"),
        EmbeddingTable("items", vector="v"),
        engine=tables.connection,
        users_out="su",
        items_out="si",
    )
    tables.load("2026-11-02", 50)
    residuals = [
        stabilize(
            EmbeddingTable("users", vector="v"),
            EmbeddingTable("items", vector="v"),
            first,
            engine=tables.connection,
            options=Options(strategy="sql", **extra),
        ).figures["alignment"]["relative_residual"]
        for extra in ({}, {"partition_by": "day", "grams": "grams"})
    ]
    assert residuals[0] == pytest.approx(residuals[1], rel=1e-10)
