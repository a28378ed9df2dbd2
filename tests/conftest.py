"""What the tests share: the real data, generated data, and ways to write and read tables."""

from __future__ import annotations

import json
import logging
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engines import Running
from hypothesis import HealthCheck, settings
from warehouse import Warehouse
from xdist.scheduler import LoadScopeScheduling

import sqlstab
from sqlstab.session import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
# The demo ships the first runs of one group; the tests add the others.
DATA = (HERE / "data", Path(sqlstab.__file__).parent / "demo_data")

settings.register_profile(
    "all",
    deadline=None,  # the first example pays for imports and for DuckDB's start
    derandomize=True,  # a result depends on the change alone
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("all")


def movietweetings(group: str, run: int) -> Path:
    """The directory of one retrained model."""
    candidates = [DATA[0] / group / f"run{run}"]
    if group == "time_als_e32":
        candidates.append(DATA[1] / f"run{run}")
    return next(path for path in candidates if path.is_dir())


def expected() -> dict[str, Any]:
    """Figures of an independent implementation on the same files."""
    found: dict[str, Any] = json.loads((HERE / "data" / "expected.json").read_text())["groups"]
    return found


def read_vectors(path: Path, column: str = "embedding") -> tuple[np.ndarray, np.ndarray]:
    """Ids and vectors of an array-layout Parquet file, sorted by id."""
    table = pq.read_table(path)
    ids = np.array(table.column("id").to_pylist())
    vectors = np.array(table.column(column).to_pylist(), dtype=np.float64)
    order = np.argsort(ids)
    return ids[order], vectors[order]


def write_vectors(path: Path, vectors: np.ndarray, ids: Any = None, **columns: Any) -> Path:
    """An array-layout Parquet file (id, embedding, ...) of the vectors' dtype."""
    ids = np.arange(len(vectors)) if ids is None else ids
    array = pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(vectors).ravel()), vectors.shape[1]
    )
    pq.write_table(pa.table({"id": ids, "embedding": array, **columns}), path)
    return path


def with_key(path: Path, target: Path, key: str) -> Path:
    """The same vectors with the key of a run in a column."""
    column, _, value = key.partition("=")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT *, '{value}' AS {column} FROM '{path}') TO '{target}' (FORMAT parquet)"
        )
    return target


def conditioned(
    rows: int, dimension: int, condition: float, rng: np.random.Generator
) -> np.ndarray:
    """A random float64 matrix with singular values from 1 to 1/condition, in geometric steps."""
    left = np.linalg.qr(rng.standard_normal((rows, dimension)))[0]
    right = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
    return left * np.geomspace(1, 1 / condition, dimension) @ right.T


class _ByFile(LoadScopeScheduling):
    """Of two processes that share the tests, one has all of Spark's, which is slow to start.

    The others stay together by file, whose fixtures are made once.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "spark" if "spark" in nodeid else nodeid.split("::", maxsplit=1)[0]


def pytest_configure(config: pytest.Config) -> None:
    # A shell lets what it starts in the background ignore Ctrl-C, which tests send.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    # Marks of `xdist_group` are without effect on pytest 9.2 (pytest-xdist 3.8).
    return _ByFile(config, log)


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """Every engine that a test asks for, started once."""
    with Running() as engines:
        yield engines


@pytest.fixture(scope="session")
def warehouses(running: Running) -> Iterator[Callable[[str], Warehouse]]:
    """A `Warehouse` of an engine, which starts when a test first asks for it."""
    with ExitStack() as stack:
        started: dict[str, Warehouse] = {}

        def get(name: str) -> Warehouse:
            if name not in started:
                engine = stack.enter_context(connect(running[name]))
                if name == "postgres":
                    engine.execute("CREATE EXTENSION IF NOT EXISTS vector")
                started[name] = Warehouse(name, engine)
            return started[name]

        yield get


@pytest.fixture(autouse=True)
def logs() -> None:
    """A command in this process takes our loggers for itself; each test has them as they are made.

    Not as they were before the test: fixtures of a module run commands, too, and come first.
    """
    for name in ("sqlstab", "sqlstab.sql"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20250922)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as session:
        yield session


@pytest.fixture
def model(tmp_path: Path, rng: np.random.Generator) -> Callable[..., Path]:
    """Write users.parquet and items.parquet of a small random model; returns their directory."""

    def write(
        name: str = "model",
        users: int = 200,
        items: int = 90,
        dimension: int = 6,
        dtype: Any = np.float32,
        rotate: Path | None = None,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for side, rows in (("users", users), ("items", items)):
            vectors = rng.standard_normal((rows, dimension))
            if rotate is not None:
                _, earlier = read_vectors(rotate / f"{side}.parquet")
                common = min(rows, len(earlier))
                turned = np.linalg.qr(np.random.default_rng(7).standard_normal((dimension,) * 2))[0]
                vectors[:common] = (earlier[:common] + 0.1 * vectors[:common]) @ turned
            write_vectors(folder / f"{side}.parquet", vectors.astype(dtype))
        return folder

    return write
