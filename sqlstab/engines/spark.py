"""Spark: tables of the session's catalogue, and files; numpy where Spark's partitions are."""

from __future__ import annotations

import logging
import os
import re
import secrets
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from sqlstab.engines import dialect
from sqlstab.engines.base import (
    UnusableVectorsError,
    no_relation,
    out_of_range,
    qualified,
    reason,
)
from sqlstab.errors import EngineError, UsageError
from sqlstab.statements import relations
from sqlstab.statements.dialect import Dialect, NativeVector, Solving, Tables
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from sqlstab.engines.base import Frames
    from sqlstab.progress import Step
    from sqlstab.statements.statement import Call, Fold, Rows

logger = logging.getLogger("sqlstab.sql")

T = TypeVar("T")

_SPARSE = (
    "CASE WHEN size(array_intersect(sequence(0, {size} - 1), {indices})) = size({values}) "
    "AND size({indices}) = size({values}) AND {indices} IS NOT NULL "
    "THEN transform(sequence(0, {size} - 1), k -> CASE WHEN array_contains({indices}, k) "
    "THEN {values}[array_position({indices}, k) - 1] ELSE 0E0 END) END"
)
# A vector of pyspark.ml: SQL has no function that reads one, but writes it as JSON.
_FROM_UDT = (
    "get(transform(array(from_json(to_json(struct({0} AS v)), 'v struct<type: tinyint, size: int, "
    "indices: array<int>, values: array<double>>').v), "
    "u -> CASE WHEN u.type = 1 THEN u.values ELSE "
    + _SPARSE.format(size="u.size", indices="u.indices", values="u.values")
    + " END), 0)"
)

SPARK = Dialect(
    name="spark",
    sqlglot="spark",
    style="arrays",
    ignores_case=True,
    real="float",
    double="double",
    text="string",
    integer="int",
    as_doubles="CAST({0} AS array<double>)",
    as_reals="CAST({0} AS array<float>)",
    array="array({0})",
    # Unlike element_at, NULL past the end.
    element="get({0}, {1} - 1)",
    # size(NULL) is -1 where ANSI mode is off.
    length="array_size({0})",
    # collect_list skips NULL, but no struct that has one in it.
    collect="transform(array_sort(collect_list(struct({1} AS d, {0} AS v))), s -> s.v)",
    unnest=("LATERAL VIEW posexplode({0}) u AS k, v", "u.k", "u.v"),
    native_vectors=(NativeVector("vector", _FROM_UDT, element="double"),),
    # Of a text in which more follows, Spark would read what comes first.
    from_text=(
        "CASE WHEN trim({0}) LIKE '[%]' AND {0} NOT LIKE '%]%]%' "
        "THEN from_json({0}, 'array<double>') END"
    ),
    sparse=_SPARSE,
    has_null="exists({0}, v -> v IS NULL)",
    is_finite="NOT exists({0}, v -> v - v <> 0)",
    dot="aggregate(zip_with({0}, {1}, (a, b) -> a * b), 0E0, (s, v) -> s + v)",
    times=(
        "transform({1}, c -> aggregate(zip_with(c, {0}, (a, b) -> a * b), 0E0, (s, v) -> s + v))"
    ),
    subquery_column=True,
    # A column made in a subquery moves into the expressions that use it, is made anew in each and,
    # in a lambda, for each element; the optimizer does not look through this.
    pin="LATERAL VIEW inline(array(struct({0}))) pinned AS {1}",
    # One token for the parser: at e = 256 planning takes 0.2 s instead of 4 s.
    json_matrix="from_json('{0}', 'array<array<double>>')",
    scaled="transform({0}, v -> v / {1})",
    concat="concat({0}, {1})",
    transform="transform({0}, {1} -> {2})",
    largest="array_max({0})",
    # count(DISTINCT) sends each value through the shuffle once more, and takes 3 to 5 times as long
    # in groups of 64; collect_list skips NULL too.
    distinct="array_size(array_distinct(collect_list({0})))",
    quantile="percentile({0}, {1})",
    digest="md5({0})",
    divide="{0} DIV {1}",
    steps="LATERAL VIEW explode(sequence({0}, {1}, {2})) AS {3}",
    # Code generation gives up on thousands of sums in one statement, which then takes minutes.
    gram="blocks",
    # Else two small samples are joined as the product of all their partitions.
    broadcast=" /*+ BROADCAST({0}) */",
    longest_statement=None,
    most_columns=100_000,
    transactions=False,
    solving=Solving(
        slice="slice({0}, {1}, {2} - {1} + 1)",
        no_doubles="CAST(array() AS array<double>)",
        append="concat({0}, array({1}))",
        way="fold",
        zip_with="zip_with({0}, {1}, ({2}, {3}) -> {4})",
        reduce="aggregate({0}, {1}, ({2}, {3}) -> {4})",
        struct="struct({0})",
        member="{0} AS col{1}",
        field="{0}.col{1}",
        counting="sequence(1, {0})",
        reverse="reverse({0})",
        position="array_position({0}, {1})",
        now=(
            "replace(date_format(to_utc_timestamp(current_timestamp(), current_timezone()), "
            "'yyyy-MM-dd HH:mm:ss.SSSSSS'), ' ', 'T') || '+00:00'"
        ),
        refuse="CAST(raise_error({0}) AS double)",
    ),
    tables=Tables(
        storage=" USING parquet",
        held="CREATE TEMPORARY VIEW {0} AS\n{1}",
        missing=(
            "TABLE_OR_VIEW_NOT_FOUND",
            "SCHEMA_NOT_FOUND",
            "CATALOG_NOT_FOUND",
            # Of a catalogue that there is not.
            "REQUIRES_SINGLE_PART_NAMESPACE",
        ),
        # Spark 4.3 casts each catalogue to one with views.
        viewless=("MISSING_CATALOG_ABILITY.VIEWS", "connector.catalog.ViewCatalog"),
        current_schema="SELECT current_catalog() AS c, current_database() AS s",
        store="overwrite",
        partitioned=" USING parquet PARTITIONED BY ({0})",
        keyed=" USING parquet PARTITIONED BY ({0})",
        array="array<{0}>",
        layout="DESCRIBE TABLE EXTENDED {4}{5}",
    ),
)

# All that the driver is sent at once. By default it refuses more than 1 GiB.
_COLLECTED_BYTES = 256 * 2**20
# Seconds for a Connect server to answer: by itself, its client tries for ten minutes.
_PATIENCE = 20
# What stands before an exception that PySpark has no class for.
_OF_JAVA = re.compile(r"An error occurred while calling \S+\n: ")
_VIEW = re.compile(r"CREATE TEMPORARY VIEW `(\w+)` AS\n")


class SparkEngine:
    """A Spark session, of this process or of a Connect server.

    The executors need numpy and pyarrow, but no sqlstab.

    Args:
        session: The session; its catalogue has the tables.
        owned: Whether it was started here and ends with this; one of the user's stays open.
    """

    def __init__(self, session: SparkSession, *, owned: bool = False) -> None:
        from pyspark.sql import functions  # noqa: PLC0415 - an extra

        self.session = session
        self._owned = owned
        with _failing(""):
            self.version: str | None = session.version
        self.dialect = dialect("databricks") if _is_databricks(session) else SPARK
        # Spark 4.0 has no Arrow functions that SQL calls.
        self.streams = hasattr(functions, "arrow_udf")

    @classmethod
    def start(cls, remote: str = "") -> SparkEngine:
        """Start a session of a Connect server, or of this installation of Spark.

        Args:
            remote: The server's URL, `sc://...`; empty for what the environment variable
                SPARK_REMOTE names, or else for a session as `spark-defaults.conf` sets it up.

        Raises:
            UsageError: A package is not installed, or the URL is not valid.
            EngineError: The server cannot be reached, or Spark does not start.
        """
        try:
            from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UsageError(
                "Spark is not installed here: pip install 'sqlstab[spark]'."
            ) from error
        remote = remote or os.environ.get("SPARK_REMOTE", "")
        builder = SparkSession.builder.appName("sqlstab")
        with _failing(""):
            if remote.startswith("sc://"):
                _reach(remote)
                return cls(builder.remote(remote).create(), owned=True)
            before = SparkSession.getActiveSession()
            if not remote:
                # The tables are those of the Hive metastore, which a session does not see by
                # itself.
                builder = builder.enableHiveSupport()
            return cls(builder.getOrCreate(), owned=before is None)

    def close(self) -> None:
        """See `Engine`; one of the user's stays open."""
        if self._owned:
            self.session.stop()

    def rollback(self) -> None:
        """See `Engine`; there are no transactions."""

    def describe(self, relation: str) -> list[Column]:
        """See `Engine`."""
        text = f"SELECT * FROM {relations.named(relation, self.dialect)}"
        try:
            frame = self._run(text)
            # Of a Connect server this is the first that is heard of it.
            with _failing(text):
                kinds = frame.dtypes
        except EngineError as error:
            if not any(mark in str(error) for mark in self.dialect.tables.missing):
                raise
            raise no_relation(relation, error) from error
        return [Column(name, kind) for name, kind in kinds]

    def kind(self, name: str) -> str | None:
        """See `Engine`."""
        whole = relations.named(qualified(name, self), self.dialect)
        try:
            with _failing(""):
                found = self.session.catalog.getTable(whole).tableType
        except EngineError as error:
            if any(mark in str(error) for mark in self.dialect.tables.missing):
                return None
            raise
        return "view" if found == "VIEW" else "table"

    def query(self, text: str, step: Step | None = None) -> Rows:
        """See `Engine`."""
        frame = self._run(text)
        with _failing(text):
            rows = frame.collect()
        return [{name.lower(): value for name, value in row.asDict().items()} for row in rows]

    def execute(self, text: str, step: Step | None = None) -> None:
        """See `Engine`."""
        view = _VIEW.match(text)
        if not view:
            self._run(text)
            return
        # A view that SQL makes looks up the names in its query whenever it is read, when the run's
        # function and views are gone; that of a frame has them in it.
        frame = self._run(text[view.end() :])
        with _failing(text):
            frame.createOrReplaceTempView(view[1])

    @property
    def frames(self) -> Frames:
        """See `Engine`."""
        return self

    def rows(self, text: str) -> DataFrame | pa.Table:
        """See `Frames`."""
        frame = self._run(text)
        return collected(frame) if self._owned else frame

    def fold(self, fold: Fold[T], step: Step | None = None) -> T:
        """See `Engine`; each partition gives a part.

        Parts are merged in the order of the partitions: rounding depends on the order of a sum, so
        it must not be that in which tasks end. Partitions are put together where all of their
        parts would be more than the driver takes.
        """
        from sqlstab.engines import workers  # noqa: PLC0415 - takes pyarrow with it

        frame = self._run(fold.query)
        if fold.numbers:
            frame = frame.coalesce(max(_COLLECTED_BYTES // (8 * fold.numbers), 1))
        function = partial(workers.one_row, part=workers.packed(fold.part))
        with _failing(fold.query):
            rows = frame.mapInArrow(_by_value(function), workers.PART_SCHEMA).collect()
        rows.sort(key=lambda row: int(row["partition"]))
        for row in rows:
            if row["unusable"] is not None:
                raise UnusableVectorsError(fold.columns[row["unusable"]])
        return fold.merge([(row["n_rows"], workers.arrays(row["arrays"])) for row in rows])

    def call(self, call: Call, step: Step | None = None) -> None:
        """See `Engine`."""
        from pyspark.sql import functions, types  # noqa: PLC0415 - an extra

        from sqlstab.engines import workers  # noqa: PLC0415 - takes pyarrow with it

        element = types.FloatType() if call.element == "float" else types.DoubleType()
        function = _by_value(workers.calling(call.function))
        with _failing(""):
            udf = functions.arrow_udf(function, types.ArrayType(element))  # type: ignore[attr-defined]
            self.session.udf.register(call.name, udf)
        try:
            for text in call.texts:
                self.execute(text)
        except EngineError as error:
            # A worker hands over the text of what it raises.
            said = str(error.__cause__)
            if re.search(r"\bUnusable\b", said):
                raise UnusableVectorsError(call.side) from error
            if re.search(r"\bOutOfRange\b", said):
                raise out_of_range() from error
            raise
        finally:
            with suppress(EngineError):
                self._run(f"DROP TEMPORARY FUNCTION IF EXISTS {call.name}")

    def register(self, rows: Any) -> str:
        """See `Frames`."""
        name = f"{relations.DATA}{secrets.token_hex(8)}"
        with _failing(""):
            frame = rows if hasattr(rows, "createOrReplaceTempView") else self._frame(rows)
            frame.createOrReplaceTempView(name)
        return name

    def _frame(self, rows: Any) -> DataFrame:
        return self.session.createDataFrame(rows)

    def unregister(self, name: str) -> None:
        """See `Frames`."""
        self.session.catalog.dropTempView(name)

    def _run(self, text: str) -> DataFrame:
        logger.debug("%s", text)
        with _failing(text):
            return self.session.sql(text)


def _is_databricks(session: SparkSession) -> bool:
    """Return whether a session has the function that tells the version of Databricks.

    Serverless compute hides the settings that tell it.

    Raises:
        EngineError: Spark refused or failed.
    """
    try:
        with _failing(""):
            return bool(session.sql("SELECT current_version().dbr_version").columns)
    except EngineError as error:
        if "UNRESOLVED_ROUTINE" in str(error):
            return False
        raise


def collected(frame: DataFrame) -> pa.Table:
    """Return the rows of a frame as an Arrow table.

    Raises:
        EngineError: Spark refused or failed.
    """
    with _failing(""):
        return frame.toArrow()


def _reach(remote: str) -> None:
    """Wait until a Connect server answers.

    Raises:
        UsageError: A package is not installed, or the URL is not valid.
        EngineError: The server does not answer.
    """
    try:
        import grpc  # noqa: PLC0415 - an extra
        from pyspark.errors import PySparkValueError  # noqa: PLC0415
        from pyspark.sql.connect.client import DefaultChannelBuilder  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            f"Spark Connect needs more packages here: pip install 'sqlstab[spark]'. ({error})"
        ) from error
    try:
        server = DefaultChannelBuilder(remote)
    except PySparkValueError:
        # It may hold a token: it is not repeated.
        raise UsageError(
            "The URL of the Spark Connect server is not valid: write sc://host:port, and what it "
            "needs behind it, as in sc://host:443/;use_ssl=true;token=..."
        ) from None
    with server.toChannel() as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_PATIENCE)
        except grpc.FutureTimeoutError:
            raise EngineError(
                f"spark: no Connect server answers at {server.endpoint} within {_PATIENCE} s."
            ) from None


def _by_value(function: T) -> T:
    """Return a function that takes what it uses of this package along to the executors."""
    from pyspark import cloudpickle  # noqa: PLC0415 - an extra

    import sqlstab  # noqa: PLC0415

    cloudpickle.register_pickle_by_value(sqlstab)  # type: ignore[no-untyped-call]
    return function


@contextmanager
def _failing(statement: str) -> Iterator[None]:
    """Raise EngineError for what Spark raises; PySpark prints each error with pages of Java."""
    printers = [logging.getLogger(f"{name}QueryContextLogger") for name in ("SQL", "DataFrame")]
    before = [printer.disabled for printer in printers]
    for printer in printers:
        printer.disabled = True
    try:
        yield
    except _raised() as error:
        raise EngineError(f"spark: {_reason(error)}", statement) from error
    finally:
        for printer, disabled in zip(printers, before, strict=True):
            printer.disabled = disabled


def _raised() -> tuple[type[Exception], ...]:
    """Return what PySpark raises; of Java's exceptions, those that it has no class for, too."""
    from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra

    try:
        java: type[Exception] = import_module("py4j.protocol").Py4JError
    except ImportError:  # a client of Spark Connect alone
        return (PySparkException,)
    return PySparkException, java


def _reason(error: Exception) -> str:
    """Return what an error says before the plan or the trace, and its last cause within.

    Of a Python worker's that is what stands after the traceback.
    """
    text = _OF_JAVA.sub("", str(error).strip())
    first, *lines = text.splitlines() or [""]
    tracebacks = [k for k, line in enumerate(lines) if line.startswith("Traceback")]
    if tracebacks:
        said = (line for line in lines[tracebacks[-1] + 1 :] if line.strip() and line[0] != " ")
        return f"on a worker: {reason(next(said, first))}"
    # `line 1 pos 7;` ends what an analysis says: its plan follows.
    whole = reason(first if first.endswith(";") else text)
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return whole if not causes or causes[-1] in whole else f"{whole} Cause: {reason(causes[-1])}"
