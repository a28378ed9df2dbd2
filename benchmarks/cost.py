"""What a run costs for 300 million users, from the slope of time over rows: `make bench-cost`.

On each engine, on one core, a run of few users and one of four times as many; the difference is
what the further users cost, without what a start costs. Time is that of the processor, in this
process and in those of the engine: other work on the machine hardly changes it. Runs begin a space
(first), stay in one (next), or stay in one and are fitted to a hash sample of the rows. Tables are
scanned and written as they stand there, 300 million / (users more) times: nothing else grows faster
than the rows. How often the users' vectors are read is counted in the statements of a run. Writes
the table of docs/performance.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from engines import load_clickhouse, load_postgres, load_targets, spark_session  # noqa: E402
from measure import DOCS, read_block, write_block  # noqa: E402

from sqlstab import Options, Space  # noqa: E402
from sqlstab.engines.sqlalchemy import SqlAlchemyEngine  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

PAGE = DOCS / "performance.md"
USERS = 300_000_000
# A sample of them must fill all dimensions.
ITEMS = 20_000
# Few users of each engine: more than the 25,000 whose cosines are taken, and so few that a run of
# four times as many takes seconds.
FEW = {
    "duckdb": 250_000,
    "spark": 100_000,
    "clickhouse": 50_000,
    "pgvector": 25_000,
    "postgres": 25_000,
}
SAMPLE = "1%"


class Place(NamedTuple):
    """An engine with the tables `users_few`, `users_many` and `items` of two trainings.

    Attributes:
        name: Engine and version.
        engine: What `stabilize` takes; None is DuckDB on files.
        relation: How a run names a table of the first or the second training.
        server: The engine's process, where that is no descendant of this one.
    """

    name: str
    engine: Any
    relation: Callable[[str, int], str]
    server: psutil.Process | None = None

    def seconds(self) -> float:
        """Processor time so far, of descendants too, whether they have ended or not."""
        time.sleep(1)  # else a session that ends may be neither there nor among its parent's times
        total = 0.0
        for root in filter(None, (psutil.Process(), self.server)):
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    total += sum(process.cpu_times()[:4])
        return total


def generate(folder: Path, few: int, dimension: int) -> None:
    """Two trainings: the second is the first, turned, and changed by a tenth."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0].astype(np.float32)
    for name, rows in (("users_few", few), ("users_many", 4 * few), ("items", ITEMS)):
        vectors = rng.standard_normal((rows, dimension), dtype=np.float32)
        for number in range(2):
            offsets = np.arange(0, vectors.size + 1, dimension, dtype=np.int32)
            arrays = pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.ravel()))
            table = pa.table({"id": np.arange(rows), "embedding": arrays})
            pq.write_table(table, folder / f"{name}_{number}.parquet", row_group_size=122_880)
            vectors = vectors @ turn
            vectors += 0.1 * rng.standard_normal(vectors.shape, dtype=np.float32)


def duckdb_place(folder: Path, targets: ModuleType) -> Iterator[Place]:
    yield Place(
        f"DuckDB {duckdb.__version__}",
        None,
        lambda name, number: str(folder / f"{name}_{number}.parquet"),
    )


def spark_place(folder: Path, targets: ModuleType) -> Iterator[Place]:
    with spark_session(folder, targets) as session:
        for path in folder.glob("*.parquet"):
            session.read.parquet(str(path)).write.saveAsTable(path.stem)
        yield Place(f"Spark {session.version}", session, "{}_{}".format)


def postgres_place(folder: Path, targets: ModuleType) -> Iterator[Place]:
    return _postgres(folder, targets, "Postgres {version}, `real[]`", "real[]")


def pgvector_place(folder: Path, targets: ModuleType) -> Iterator[Place]:
    return _postgres(folder, targets, "pgvector on Postgres {version}, `vector`", "vector")


def _postgres(folder: Path, targets: ModuleType, name: str, kind: str) -> Iterator[Place]:
    from sqlalchemy import create_engine  # noqa: PLC0415

    with targets.TARGETS["postgres"].start() as url:
        database = create_engine(
            url, connect_args={"options": "-c jit=off -c max_parallel_workers_per_gather=0"}
        )
        engine = SqlAlchemyEngine(database)
        engine.execute("CREATE EXTENSION vector")
        for path in folder.glob("*.parquet"):
            column = pq.read_table(path)["embedding"].combine_chunks()
            vectors = np.stack(column.to_numpy(zero_copy_only=False))
            load_postgres(database, path.stem, vectors)
            size = f"({vectors.shape[1]})" if kind == "vector" else ""
            engine.execute(f"ALTER TABLE {path.stem} ALTER embedding TYPE {kind}{size}")
        found = engine.query(
            "SELECT current_setting('server_version') AS version, pg_backend_pid() AS process"
        )[0]
        server = psutil.Process(found["process"]).parent()
        yield Place(name.format(**found), database, "{}_{}".format, server)
        database.dispose()


def clickhouse_place(folder: Path, targets: ModuleType) -> Iterator[Place]:
    with targets.TARGETS["clickhouse"].start() as url:
        one_core = f"{url}?max_threads=1"
        engine = SqlAlchemyEngine(one_core)
        for path in folder.glob("*.parquet"):
            load_clickhouse(engine, path.stem, path)
        version = engine.query("SELECT version() AS v")[0]["v"]
        yield Place(f"ClickHouse {version}", one_core, "{}_{}".format)
        engine.close()


PLACES = {
    "duckdb": duckdb_place,
    "spark": spark_place,
    "clickhouse": clickhouse_place,
    "pgvector": pgvector_place,
    "postgres": postgres_place,
}


# One run is in the space before the next one.
KINDS = {
    "first": (0, Options()),
    "next": (1, Options()),
    f"next, fitted to {SAMPLE}": (1, Options(sample=SAMPLE)),
}


def measured(place: Place, folder: Path, few: int, rounds: int) -> dict[str, float]:
    """Seconds that a million users more take in each kind of run: least times of some rounds."""
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds + 1):
        for size, (kind, (number, options)) in itertools.product(("few", "many"), KINDS.items()):
            # In one space a first run, done again, would be aligned with its own earlier rows.
            name = f"bench_{size}_{turn}"
            space = Space(folder / name if place.engine is None else name, place.engine)
            started = place.seconds()
            space.run(
                place.relation(f"users_{size}", number),
                place.relation("items", number),
                key=str(number),
                options=options,
            )
            seconds = place.seconds() - started
            print(f"{place.name}: {size}, {kind}: {seconds:.1f} s", file=sys.stderr, flush=True)
            if turn:  # the first warms up
                times.setdefault((kind, size), []).append(seconds)
    millions = 3 * few / 1e6
    return {kind: (min(times[kind, "many"]) - min(times[kind, "few"])) / millions for kind in KINDS}


def scans(place: Place) -> list[int]:
    """How often each kind of run reads the users' vectors."""
    found = []
    for number, options in KINDS.values():
        space = Space("bench_few_0" if number else "bench_none", place.engine)
        statements = space.explain(
            place.relation("users_few", number),
            place.relation("items", number),
            key=str(number),
            options=options,
        )
        # Steps that look at ids alone cost little where columns are apart.
        reading = [s for s in statements if s.step.split()[0] not in ("check", "shared", "anchors")]
        found.append(sum(s.reads.count("users") for s in reading))
    return found


def replace_lines(engine: str, lines: list[str]) -> None:
    """Put an engine's lines into the table in place of those it has there."""
    heading, rule, *others = read_block(PAGE, "bench-cost").splitlines()
    of = {
        name: [line for line in others if line.lower().startswith(f"| {name} ")] for name in PLACES
    }
    of[engine] = lines
    write_block(PAGE, "bench-cost", "\n".join([heading, rule, *itertools.chain(*of.values())]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    e = given.dimension
    targets = load_targets()
    for name in given.engines:
        lines, counts = [], []
        with tempfile.TemporaryDirectory(prefix="sqlstab-bench-") as place_:
            folder = Path(place_)
            generate(folder, FEW[name], e)
            with contextmanager(PLACES[name])(folder, targets) as place:
                for kind, seconds in measured(place, folder, FEW[name], given.rounds).items():
                    hours = seconds * USERS / 1e6 / 3600
                    lines.append(f"| {place.name} | {kind} | {seconds:.1f} | {hours:.1f} |")
                    print(lines[-1], flush=True)
                if place.engine is not None:
                    read = scans(place)
                    terabytes = USERS * 4 * e / 1e12
                    counts = [f"{times}: {times * terabytes:.1f} TB" for times in read]
                    print(f"| {place.name} | {' | '.join(counts)} |", flush=True)
        replace_lines(name, lines)


if __name__ == "__main__":
    main()
