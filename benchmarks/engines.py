"""`make bench-engines`: the Gram matrix by sqlstab, and by what each engine offers itself.

One table (id, embedding) of 4-byte numbers in the array layout on each engine, one core, and every
result compared with numpy's in float64. The ways of an engine take turns, so a ratio is of times
that are seconds apart: each is the median of the ratios within a round. What runs on fewer rows,
since it is slow, or on more, since a job of Spark takes a while to start, is scaled. Prints a
Markdown table.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

# One core for this process and all that it starts, before the first library counts the cores.
CORE = max(os.sched_getaffinity(0))
os.sched_setaffinity(0, {CORE})

import numpy as np  # noqa: E402
import ours  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from sqlstab.statements import build  # noqa: E402
from sqlstab.statements.table import Column, VectorTable  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession
    from sqlalchemy import Engine as Database

    from sqlstab.engines.base import Engine
    from sqlstab.engines.sqlalchemy import SqlAlchemyEngine
    from sqlstab.maths.solve import Matrix

    Way = Callable[[], Matrix]

# Rows of a block whose columns are gathered as arrays: of 1,024, 4,096 and 16,384 the best or near
# it on DuckDB and ClickHouse.
BLOCK = 16_384


@dataclass
class Contest:
    """Ways to compute one Gram matrix on one engine.

    Attributes:
        engine: The engine and its version.
        ours: Those of sqlstab; the first is the statement that the others are compared with.
        others: The others.
        on_few: Those of the others that run on `few` rows, since they are so slow.
        on_many: Ways that run on `many` rows, since a start is most of their time: also sqlstab's.
    """

    engine: str
    ours: dict[str, Way]
    others: dict[str, Way]
    on_few: dict[str, Way] = field(default_factory=dict)
    on_many: dict[str, Way] = field(default_factory=dict)


@dataclass
class Data:
    """The vectors, and where they are saved as Parquet.

    Attributes:
        vectors: Those that most ways get, (n, e), float32.
        few: How many of the first of them the slowest ways get.
        many: How many, the same ones again and again, those get that take a while to start.
        folder: A folder with a Parquet file for each of the three.
    """

    vectors: NDArray[np.float32]
    few: int
    many: int
    folder: Path

    @property
    def dimension(self) -> int:
        """Components of a vector."""
        return int(self.vectors.shape[1])

    def path(self, table: str) -> Path:
        """The file of a table."""
        return self.folder / f"{table}.parquet"

    def tables(self) -> dict[str, NDArray[np.float32]]:
        """The vectors of each table."""
        repeated = np.resize(self.vectors, (self.many, self.dimension))
        return {"vectors": self.vectors, "few": self.vectors[: self.few], "many": repeated}


def generate(rows: int, few: int, many: int, dimension: int, folder: Path) -> Data:
    """Vectors of about the shape of a trained model's: directions of very different length."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((dimension, dimension)) * np.geomspace(1, 0.2, dimension)[:, None]
    vectors = (rng.standard_normal((rows, dimension)) @ mixing).astype(np.float32)
    data = Data(vectors, few, many, folder)
    for name, part in data.tables().items():
        offsets = np.arange(0, part.size + 1, dimension, dtype=np.int32)
        arrays = pa.ListArray.from_arrays(pa.array(offsets), pa.array(part.ravel()))
        pq.write_table(pa.table({"id": np.arange(len(part)), "embedding": arrays}), data.path(name))
    return data


# sqlstab


def statement(engine: Engine, relation: str, dimension: int, id_type: str) -> Way:
    """What `sqlstab sql gram` prints, run as it is."""
    table = VectorTable(
        "items", relation, (Column("id", id_type),), "array", ("embedding",), "float"
    )
    statements = build.gram(table, dimension, engine.dialect)
    return lambda: by_entry(dimension, [row for text in statements for row in engine.query(text)])


def blas(engine: Engine, relation: str, data: Data, id_type: str) -> Way:
    """Rows streamed to numpy."""
    table = VectorTable(
        "items", relation, (Column("id", id_type),), "array", ("embedding",), "float"
    )
    return lambda: ours.gram(engine, table, data.dimension, len(data.vectors), streams=True)


# Results as matrices


def by_entry(dimension: int, rows: list[dict[str, Any]], first: int = 1) -> Matrix:
    """The matrix of rows (i, j, value), at least those with i <= j."""
    matrix = np.zeros((dimension, dimension))
    for row in rows:
        i, j = row["i"] - first, row["j"] - first
        matrix[i, j] = matrix[j, i] = row["value"]
    return matrix


def by_triangle(dimension: int, values: Any) -> Matrix:
    """The matrix of its entries i <= j, row by row."""
    matrix = np.zeros((dimension, dimension))
    rows, columns = np.triu_indices(dimension)
    matrix[rows, columns] = matrix[columns, rows] = values
    return matrix


def query_entries(engine: Engine, text: str, dimension: int, first: int = 1) -> Way:
    return lambda: by_entry(dimension, engine.query(text), first)


def query_triangle(engine: Engine, text: str, dimension: int) -> Way:
    return lambda: by_triangle(dimension, engine.query(text)[0]["sums"])


# Texts of several engines


def listed(pattern: str, dimension: int) -> str:
    """`a[{0}]` as `a[1], a[2], ...`."""
    return ", ".join(pattern.format(k) for k in range(1, dimension + 1))


def pairs(pattern: str, dimension: int) -> str:
    """`a{0} * a{1}` as `a1 * a1, a1 * a2, ...`."""
    upper = itertools.combinations_with_replacement(range(1, dimension + 1), 2)
    return ", ".join(pattern.format(i, j) for i, j in upper)


def self_join(long: str) -> str:
    """The textbook: a row per component, joined with itself."""
    return (
        f"WITH components AS ({long}) SELECT a.i AS i, b.i AS j, sum(a.v * b.v) AS value "
        "FROM components AS a JOIN components AS b ON a.id = b.id GROUP BY a.i, b.i"
    )


# Engines


def duckdb_contest(data: Data, targets: ModuleType) -> Iterator[Contest]:
    """DuckDB on a Parquet file."""
    from sqlstab.engines.duckdb import DuckDBEngine  # noqa: PLC0415

    e, path = data.dimension, str(data.path("vectors"))
    engine = DuckDBEngine(threads=1, memory_limit="4GB")
    try:
        gathered = listed("list(CAST(embedding[{0}] AS DOUBLE)) AS c{0}", e)
        dots = pairs("sum(list_dot_product(c{0}, c{1}))", e)

        def numpy() -> Matrix:
            column = pq.read_table(path, columns=["embedding"]).column(0).combine_chunks()
            vectors = column.flatten().to_numpy().reshape(-1, e).astype(np.float64)
            matrix: Matrix = vectors.T @ vectors
            return matrix

        yield Contest(
            f"DuckDB {engine.query('SELECT version() AS v')[0]['v']}",
            {
                "sums of products": statement(engine, path, e, "BIGINT"),
                "Arrow batches and BLAS": blas(engine, path, data, "BIGINT"),
            },
            {
                "numpy, all rows in memory": numpy,
                "columns as lists in memory, `list_dot_product`": query_triangle(
                    engine,
                    f"SELECT [{dots}] AS sums FROM (SELECT {gathered} FROM '{path}' "
                    f"GROUP BY id // {BLOCK})",
                    e,
                ),
                "long self-join": query_entries(
                    engine,
                    self_join(
                        "SELECT id, generate_subscripts(embedding, 1) AS i, "
                        f"CAST(unnest(embedding) AS DOUBLE) AS v FROM '{path}'"
                    ),
                    e,
                ),
            },
        )
    finally:
        engine.close()


def spark_contest(data: Data, targets: ModuleType) -> Iterator[Contest]:
    """Spark on a Parquet file."""
    from sqlstab.engines.spark import SparkEngine  # noqa: PLC0415

    e = data.dimension
    with spark_session(data.folder, targets) as session:
        for name in data.tables():
            session.read.parquet(str(data.path(name))).createOrReplaceTempView(name)
        engine = SparkEngine(session)
        frame = session.table("vectors").select("embedding")
        many = session.table("many").select("embedding")
        exploded = "LATERAL VIEW posexplode(embedding) {0} AS {1}, {2}"
        yield Contest(
            f"Spark {session.version}",
            {
                "sums of products by blocks": statement(engine, "vectors", e, "bigint"),
                "`mapInArrow` and BLAS": blas(engine, "vectors", data, "bigint"),
            },
            {
                "MLlib `computeGramianMatrix`": lambda: mllib(frame),
                "RDD, `np.outer` row by row": lambda: rdd(frame, row_by_row),
                "RDD, each partition as one array": lambda: rdd(frame, at_once),
                "`posexplode` twice, i <= j": query_entries(
                    engine,
                    "SELECT i, j, sum(CAST(v AS DOUBLE) * w) AS value FROM vectors "
                    f"{exploded.format('a', 'i', 'v')} {exploded.format('b', 'j', 'w')} "
                    "WHERE i <= j GROUP BY i, j",
                    e,
                    first=0,
                ),
                "long self-join": query_entries(
                    engine,
                    self_join(
                        "SELECT id, i, CAST(v AS DOUBLE) AS v FROM vectors "
                        + exploded.format("a", "i", "v")
                    ),
                    e,
                    first=0,
                ),
            },
            on_many={
                "`mapInArrow` and BLAS": blas(engine, "many", data, "bigint"),
                "RDD, `np.outer` row by row": lambda: rdd(many, row_by_row),
            },
        )


@contextmanager
def spark_session(folder: Path, targets: ModuleType) -> Iterator[SparkSession]:
    """Spark on one core; the tests' own session saves start-up time and gives up speed."""
    os.environ.update(targets.spark_environment(folder))
    from pyspark.sql import SparkSession  # noqa: PLC0415

    flags: dict[str, Any] = {
        "spark.master": "local[1]",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.driver.memory": "3g",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    session = SparkSession.builder.config(map=flags).getOrCreate()
    context: Any = session.sparkContext
    java = context._gateway.proc
    try:
        yield session
    finally:
        session.stop()
        java.communicate()


def mllib(frame: DataFrame) -> Matrix:
    from pyspark.ml.functions import array_to_vector  # noqa: PLC0415
    from pyspark.mllib.linalg.distributed import RowMatrix  # noqa: PLC0415
    from pyspark.mllib.util import MLUtils  # noqa: PLC0415

    # All in the JVM; from an RDD of Python's vectors it takes three to four times as long.
    vectors = frame.select(array_to_vector(frame["embedding"]).alias("v"))
    matrix = RowMatrix(MLUtils.convertVectorColumnsFromML(vectors, "v")).computeGramianMatrix()
    result: Matrix = matrix.toArray()
    return result


def rdd(frame: DataFrame, of_partition: Callable[[Iterable[Any]], Iterable[Matrix]]) -> Matrix:
    matrix: Matrix = frame.rdd.mapPartitions(of_partition).sum()
    return matrix


def row_by_row(rows: Iterable[Any]) -> Iterator[Matrix]:
    total: Any = 0.0
    for row in rows:
        vector = np.array(row.embedding)
        total += np.outer(vector, vector)
    yield total


def at_once(rows: Iterable[Any]) -> Iterator[Matrix]:
    vectors = np.array([row.embedding for row in rows])
    yield vectors.T @ vectors


def postgres_contest(data: Data, targets: ModuleType) -> Iterator[Contest]:
    """Postgres with pgvector, on real[]."""
    from sqlalchemy import create_engine  # noqa: PLC0415

    from sqlstab.engines.sqlalchemy import SqlAlchemyEngine  # noqa: PLC0415

    e = data.dimension
    with targets.TARGETS["postgres"].start() as url:
        # For both sides.
        options = {"options": "-c jit=off -c max_parallel_workers_per_gather=0"}
        database = create_engine(url, connect_args=options)
        engine = SqlAlchemyEngine(database)
        engine.execute("CREATE EXTENSION vector")
        for name in ("vectors", "few"):
            load_postgres(database, name, data.tables()[name])
        gathered = listed("CAST(array_agg(embedding[{0}]) AS vector) AS c{0}", e)
        # Blocks of 1,024 rows are as fast, and their sums three times as far off.
        blocks = f"SELECT {gathered} FROM vectors GROUP BY id / 256"
        scaled = (
            f"CAST(sum(CAST(array_fill(embedding[{{0}}], ARRAY[{e}]) AS vector) * v) AS real[])"
        )
        unnested = "unnest(embedding) WITH ORDINALITY AS {0}({1}, {2})"

        def by_column() -> Matrix:
            rows = engine.query(
                f"SELECT ARRAY[{listed(scaled, e)}] AS sums FROM "
                "(SELECT embedding, CAST(embedding AS vector) AS v FROM vectors OFFSET 0) AS s"
            )
            return np.array(rows[0]["sums"], dtype=np.float64)

        version = engine.query("SELECT current_setting('server_version') AS v")[0]["v"]
        yield Contest(
            f"Postgres {version}",
            {"sums of products by tiles": statement(engine, "vectors", e, "bigint")},
            {
                "pgvector blocks of columns, `<#>`, float32": query_triangle(
                    engine,
                    f"SELECT ARRAY[{pairs('sum(-(c{0} <#> c{1}))', e)}] AS sums "
                    f"FROM ({blocks}) AS s",
                    e,
                ),
                "pgvector `sum(x[i] * x)`, float32": by_column,
            },
            {
                "`unnest` twice": query_entries(
                    engine,
                    "SELECT i, j, sum(CAST(v AS float8) * w) AS value FROM few, "
                    f"{unnested.format('a', 'v', 'i')}, {unnested.format('b', 'w', 'j')} "
                    "GROUP BY i, j",
                    e,
                ),
                "long self-join": query_entries(
                    engine,
                    self_join(
                        "SELECT id, i, CAST(u AS float8) AS v FROM few, "
                        + unnested.format("a", "u", "i")
                    ),
                    e,
                ),
            },
        )
        database.dispose()


def load_postgres(database: Database, table: str, vectors: NDArray[np.float32]) -> None:
    """Make a table of them."""
    connection = database.raw_connection()
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE {table} (id bigint, embedding real[])")
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for number, vector in enumerate(vectors.tolist()):
            copy.write_row((number, f"{{{','.join(map(repr, vector))}}}"))
    cursor.execute(f"ANALYZE {table}")
    connection.commit()
    connection.close()


def clickhouse_contest(data: Data, targets: ModuleType) -> Iterator[Contest]:
    """ClickHouse's engine on a MergeTree."""
    from sqlstab.engines.sqlalchemy import SqlAlchemyEngine  # noqa: PLC0415

    e = data.dimension
    with targets.TARGETS["clickhouse"].start() as url:
        # It counts the machine's cores, not those that it may use.
        engine = SqlAlchemyEngine(f"{url}?max_threads=1")
        assert engine.query("SELECT getSetting('max_threads') AS n") == [{"n": 1}]
        for name in ("vectors", "few"):
            load_clickhouse(engine, name, data.path(name))

        def covariance() -> Matrix:
            row = engine.query(
                f"SELECT covarPopMatrix({listed('embedding[{0}]', e)}) AS covariance, "
                "sumForEach(embedding) AS sums, count() AS n FROM vectors"
            )[0]
            sums = np.array(row["sums"])
            matrix: Matrix = (
                row["n"] * np.array(row["covariance"]) + np.outer(sums, sums) / row["n"]
            )
            return matrix

        def outer() -> Matrix:
            rows = engine.query(
                "SELECT sumForEach(arrayFlatten(arrayMap(v -> arrayMap(w -> v * w, embedding), "
                "embedding))) AS sums FROM vectors"
            )
            matrix: Matrix = np.array(rows[0]["sums"]).reshape(e, e)
            return matrix

        gathered = listed("groupArray(toFloat64(embedding[{0}])) AS c{0}", e)
        slices = listed("sumForEach(embedding[{0}] * arraySlice(embedding, {0}))", e)
        joined = "ARRAY JOIN arrayEnumerate(embedding) AS {0}, embedding AS {1}"
        version = engine.query("SELECT version() AS v")[0]["v"]
        yield Contest(
            f"ClickHouse {version}",
            {"sums of arrays by strips": statement(engine, "vectors", e, "Int64")},
            {
                "columns as arrays in memory, `arrayDotProduct`": query_triangle(
                    engine,
                    f"SELECT sumForEach([{pairs('arrayDotProduct(c{0}, c{1})', e)}]) AS sums "
                    f"FROM (SELECT {gathered} FROM vectors GROUP BY intDiv(id, {BLOCK}))",
                    e,
                ),
                "`covarPopMatrix`": covariance,
                "`sumForEach(x[i] * x)`": query_triangle(
                    engine, f"SELECT arrayFlatten([{slices}]) AS sums FROM vectors", e
                ),
                "`sumForEach` of the outer product": outer,
                "`ARRAY JOIN` twice": query_entries(
                    engine,
                    "SELECT i, j, sum(v * w) AS value FROM (SELECT embedding, i, v FROM vectors "
                    f"{joined.format('i', 'v')}) {joined.format('j', 'w')} GROUP BY i, j",
                    e,
                ),
                "long self-join": query_entries(
                    engine,
                    self_join(
                        "SELECT id, i, toFloat64(v) AS v FROM "
                        f"(SELECT id, i, u AS v FROM vectors {joined.format('i', 'u')})"
                    ),
                    e,
                ),
            },
        )
        engine.close()


def load_clickhouse(engine: SqlAlchemyEngine, table: str, path: Path) -> None:
    """Make a table of a Parquet file."""
    types = "id Int64, embedding Array(Float32)"
    for text in (
        f"CREATE TABLE {table} ({types}) ENGINE = MergeTree ORDER BY id",
        f"INSERT INTO {table} SELECT id, embedding FROM file('{path}', Parquet, '{types}')",
        f"OPTIMIZE TABLE {table} FINAL",
    ):
        engine.execute(text)


CONTESTS = {
    "duckdb": duckdb_contest,
    "spark": spark_contest,
    "postgres": postgres_contest,
    "clickhouse": clickhouse_contest,
}


# The race


@dataclass
class Result:
    """A line of the table; times in seconds, one for a round."""

    label: str
    is_ours: bool
    times: list[float]
    error: float


def race(contest: Contest, data: Data, rounds: int) -> list[Result]:
    """Run all ways in turns; the first round warms caches and the JVM."""
    parts = data.tables()
    references = {name: gram(part) for name, part in parts.items()}
    entrants = []
    for table, ways in (
        ("vectors", contest.ours | contest.others),
        ("few", contest.on_few),
        ("many", contest.on_many),
    ):
        scale = len(data.vectors) / len(parts[table])
        note = "" if scale == 1 else f" ({len(parts[table]):,} rows, scaled)"
        for name, way in ways.items():
            result = Result(f"{name}{note}", name in contest.ours, [], 0.0)
            entrants.append((way, table, scale, result))
    for number in range(rounds + 1):
        for way, table, factor, result in entrants:
            started = time.perf_counter()
            matrix = way()
            seconds = time.perf_counter() - started
            print(f"{contest.engine}: {result.label}: {seconds:.2f} s", file=sys.stderr)
            if number:
                result.times.append(seconds * factor)
            reference = references[table]
            error = np.abs(matrix - reference).max() / np.abs(reference).max()
            result.error = max(result.error, float(error))
    return [result for *_, result in entrants]


def gram(vectors: NDArray[np.float32]) -> Matrix:
    doubles = vectors.astype(np.float64)
    return doubles.T @ doubles


def report(engine: str, results: list[Result]) -> None:
    base = results[0].times
    for result in results:
        ratios = [mine / ours for mine, ours in zip(result.times, base, strict=True)]
        what = f"**sqlstab: {result.label}**" if result.is_ours else result.label
        print(
            f"| {engine} | {what} | {statistics.median(result.times):.2f} s "
            f"| {statistics.median(ratios):.2f} | {result.error:.0e} |",
            flush=True,
        )


def load_targets() -> ModuleType:
    """How the tests start engines; a file of the same name as this one."""
    path = Path(__file__).resolve().parents[1] / "tests" / "engines.py"
    spec = importlib.util.spec_from_file_location("targets", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", choices=CONTESTS, default=list(CONTESTS))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=10_000, help="rows for the slowest ways")
    parser.add_argument(
        "--many", type=int, default=1_000_000, help="rows for what takes a while to start"
    )
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    targets = load_targets()
    absent = {name: reason for name in given.engines if (reason := targets.missing(name))}
    for reason in absent.values():
        print(f"left out: {reason}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="sqlstab-bench-") as folder:
        few = min(given.few, given.rows)
        data = generate(given.rows, few, given.many, given.dimension, Path(folder))
        print("| engine | what | time | of our statement | error |")
        print("|---|---|---|---|---|")
        for name in given.engines:
            if name not in absent:
                with contextmanager(CONTESTS[name])(data, targets) as contest:
                    results = race(contest, data, given.rounds)
                report(contest.engine, results)


if __name__ == "__main__":
    main()
