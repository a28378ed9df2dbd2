"""DuckDB in this process: on files, on a database file, or on a connection that the user has."""

from __future__ import annotations

import logging
import secrets
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from sqlstab.engines import check_expected, qualified
from sqlstab.errors import DataError, EngineError, UsageError
from sqlstab.runs import FIGURES_FILE, file_name
from sqlstab.space import folders
from sqlstab.space.folders import LockedFolder
from sqlstab.statements import ddl, quoting
from sqlstab.statements.dialect import DUCKDB
from sqlstab.statements.table import SIDES, Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlstab.engines import Expected
    from sqlstab.progress import Step

logger = logging.getLogger("sqlstab.sql")

# Rows of vectors seldom compress: on 1,000,000 x 64 FLOAT, snappy saves 4% of the bytes and costs a
# fifth of the time.
_COPY_OPTIONS = "FORMAT parquet, COMPRESSION uncompressed"

# Joins and sorts beyond it go to disk. Enough for two threads that read or write row groups of
# e = 64; for what else takes more see `_allow`.
_MEMORY_LIMIT = 512 * 10**6
# What a thread takes for a statement of 4,096 sums: a vector of 2,048 products for each, and as
# much again beside a join.
_SUMS = 2 * 4096 * 2048 * 8

# The bytes of the largest row group of Parquet files, 0 if they have none.
_ROW_GROUP_BYTES = """\
SELECT coalesce(max(bytes), 0)::BIGINT AS bytes
FROM (
    SELECT sum(total_uncompressed_size) AS bytes
    FROM parquet_metadata([{0}])
    GROUP BY file_name, row_group_id
) AS g
"""
# Files to look at for it. A footer takes 0.2 ms where it tells of one vector column, 5 ms for 256
# columns, and a request where files are remote.
_MOST_FOOTERS = 16

# What a folder is called that a session spills to.
_SPILL = "sqlstab-spill-"

# Errors that say what is wrong with a relation; any other is a failure of the database or the disk.
_UNREADABLE = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.ParserException)
_OF_THE_DATA = (duckdb.CatalogException, duckdb.BinderException, *_UNREADABLE)


class DuckDBEngine:
    """A DuckDB session.

    Args:
        database: Path of a database file; None works on files alone.
        connection: A connection to use as it is, instead. Its settings are left alone; a result
            that is still being fetched from it is lost, as with any other statement.
        read_only: Open the file for reading only, beside other readers.
        threads: How many threads DuckDB may use; default: one per core.
        memory_limit: How much memory DuckDB may use before it spills to disk, as in `4GB`.
            Default: 512 MB, or what it takes to read the Parquet files, which grows with threads
            and with row groups, and to sum in SQL, which grows with threads.

    Raises:
        UsageError: A setting that DuckDB does not take.
        EngineError: The database cannot be opened.
    """

    dialect = DUCKDB
    version: str | None = duckdb.__version__

    def __init__(
        self,
        database: str | Path | None = None,
        *,
        connection: duckdb.DuckDBPyConnection | None = None,
        read_only: bool = True,
        threads: int | None = None,
        memory_limit: str | None = None,
    ) -> None:
        self._owned = connection is None
        # The limit, as long as it is for this class to choose.
        self._limit = _MEMORY_LIMIT if self._owned and memory_limit is None else None
        self._row_group = self._sums = 0
        if connection is not None:
            self._connection = connection
            return
        try:
            self._connection = duckdb.connect(
                str(database) if database else ":memory:",
                read_only=read_only and database is not None,
            )
        except duckdb.Error as error:
            raise EngineError(
                f"The database {database} cannot be opened: {_first_line(error)}"
            ) from error
        self._most = _most_memory(self._connection)
        try:
            # What killed sessions have left; they may have spilled more than memory holds.
            for folder in spill_folders():
                folders.remove_abandoned(folder)
            self._spill = LockedFolder(Path(tempfile.gettempdir()), _SPILL)
        except OSError as error:
            self._connection.close()
            raise EngineError(
                "There is no folder for what does not fit into memory: "
                f"{error.strerror or error}. Set TMPDIR to one that can be written to."
            ) from error
        settings: dict[str, str | int | bool | None] = {
            # Row order carries no meaning beside an id, and keeping it costs time and memory.
            "preserve_insertion_order": False,
            # Counted, so that `query_progress` has something to say, but not drawn.
            "enable_progress_bar": True,
            "enable_progress_bar_print": False,
            "threads": threads,
            "memory_limit": memory_limit or f"{_MEMORY_LIMIT}B",
            # A table name must not be taken for a variable of this program.
            "python_enable_replacements": False,
            # DuckDB's own choice is the working directory, which may not be ours to write to.
            "temp_directory": str(self._spill.path),
        }
        for name, value in settings.items():
            if value is not None:
                try:
                    self._connection.execute(f"SET {name} = {_setting(value)}")
                except duckdb.Error as error:
                    self.close()
                    raise UsageError(
                        f"{value!r} is no {name.replace('_', ' ')}: {_first_line(error)}"
                    ) from error

    @property
    def identity(self) -> str:
        """The whole path of the database that bare names are of; empty for one in memory."""
        (found,) = self.query(
            "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
        )
        return str(Path(found["path"]).absolute()) if found["path"] else ""

    def close(self) -> None:
        """Close the session, unless it is the user's own."""
        if self._owned:
            self._connection.close()
            self._spill.remove()

    def describe(self, relation: str) -> list[Column]:
        """The columns of a file, a glob, a table or a view.

        Raises:
            DataError: There is no such relation, or it cannot be read.
        """
        _check_no_model(relation)
        statement = f"DESCRIBE SELECT * FROM {quoting.relation(relation, self.dialect)}"
        logger.debug("%s", statement)
        try:
            rows = self._connection.execute(statement).fetchall()
        except duckdb.Error as error:
            if not isinstance(error, _OF_THE_DATA) and "No files found" not in str(error):
                raise EngineError(
                    f"DuckDB: {relation} cannot be read: {_first_line(error)}", statement
                ) from error
            if isinstance(error, _UNREADABLE):
                raise DataError(f"{relation} cannot be read: {_first_line(error)}") from error
            reader = quoting.file_reader(relation)
            kind = "file" if reader else "table or view"
            if reader:
                hint = ""
            elif Path(relation).is_dir():
                hint = f"; the directory of that name is ./{relation}"
            else:
                hint = "; a file name ends in .parquet or .csv"
            raise DataError(
                f"There is no {kind} {relation} to read: {_first_line(error)}{hint}"
            ) from error
        self._make_room(relation)
        return [Column(row[0], row[1]) for row in rows]

    def _make_room(self, relation: str) -> None:
        """Raise the limit to what scanning these Parquet files takes.

        A page is decoded whole, and DuckDB writes the vectors of a row group, 122,880 rows, as one
        page: 126 MB at e = 256. As measured, a scan needs twice that for each thread, and a third
        time is room for what is made of it. Of many files the largest have the largest row groups,
        as a rule.
        """
        files = quoting.parquet_files(relation, self.dialect)
        if self._limit is None or files is None:
            return
        with suppress(duckdb.Error):  # what cannot be read is for the scan to say
            found = self._connection.execute(
                f"SELECT file FROM glob({quoting.string(files, DUCKDB)}) ORDER BY file"
            ).fetchall()
            largest = sorted((row[0] for row in found), key=_file_size, reverse=True)
            exact = [quoting.no_pattern(name) for name in largest[:_MOST_FOOTERS]] or [files]
            names = ", ".join(quoting.string(name, DUCKDB) for name in exact)
            ((size,),) = self._connection.execute(_ROW_GROUP_BYTES.format(names)).fetchall()
            self._row_group = max(self._row_group, size)
            self._allow()

    def make_room_for_sums(self) -> None:
        """Thousands of sums in a statement are to come."""
        self._sums = _SUMS
        self._allow()

    def _allow(self) -> None:
        """Raise the limit to what is known to be needed, if there is as much."""
        if self._limit is None:
            return
        ((threads,),) = self._connection.execute("SELECT current_setting('threads')").fetchall()
        needed = _MEMORY_LIMIT // 2 + threads * (3 * self._row_group + self._sums)
        needed = min(needed, self._most)
        if needed > self._limit:
            self._connection.execute(f"SET memory_limit = '{needed}B'")
            self._limit = needed

    def qualified(self, name: str) -> str:
        """See `Engine`; always with a database, since temporary tables come first in a schema."""
        parts = quoting.table_parts(name, self.dialect)
        if len(parts) != 2:
            return qualified(self, name)
        # What stands before the point may be a schema, or a database, whose schema is `main` then.
        before = quoting.string(parts[0], self.dialect)
        found = self.query(
            "SELECT current_database() AS database, EXISTS (FROM duckdb_schemas() WHERE "
            f"database_name = current_database() AND lower(schema_name) = lower({before})) "
            "OR NOT EXISTS (FROM duckdb_databases() WHERE "
            f"lower(database_name) = lower({before})) AS is_schema"
        )[0]
        whole = [found["database"], *parts] if found["is_schema"] else [parts[0], "main", parts[1]]
        return quoting.table_name(whole, self.dialect)

    def kind(self, name: str) -> str | None:
        """See `Engine`."""
        rows = self.query(ddl.table_kind(self.qualified(name), self.dialect))
        return rows[0]["kind"] if rows else None

    def query(self, statement: str, step: Step | None = None) -> list[dict[str, Any]]:
        """Run a statement whose result is small: rows as dicts."""
        with self._running(statement, step):
            cursor = self._connection.execute(statement)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(
        self, statements: Sequence[str], step: Step | None = None, *, expected: Expected = ()
    ) -> None:
        """See `Engine`."""
        if self._in_transaction():
            raise UsageError(
                "The connection has a transaction open; end it before tables are written."
            )
        try:
            self._execute("BEGIN", step)
            check_expected(self.query, expected)
            for statement in (*statements, "COMMIT"):
                self._execute(statement, step)
        except BaseException:
            with suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _execute(self, statement: str, step: Step | None) -> None:
        with self._running(statement, step):
            self._connection.execute(statement)

    def _in_transaction(self) -> bool:
        """Whether a transaction is open: else each statement has one of its own."""
        numbers = [self._connection.execute("SELECT txid_current()").fetchone() for _ in "ab"]
        return numbers[0] == numbers[1]

    def batches(self, statement: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Run a statement whose result is large: a stream of Arrow batches."""
        with self._running(statement, None):
            try:
                yield from self._connection.sql(statement).to_arrow_reader(rows)
            except (pa.ArrowException, OSError) as error:
                # What fails after the first batch comes by way of Arrow.
                raise EngineError(f"DuckDB: {_first_line(error)}", statement) from error

    def write(self, statement: str, path: Path, row_group: int, step: Step | None = None) -> None:
        """Run a query and write its rows to a Parquet file, in groups of so many rows."""
        target = quoting.string(str(path), self.dialect)
        copy = f"COPY (\n{statement}) TO {target} ({_COPY_OPTIONS}, ROW_GROUP_SIZE {row_group})\n"
        with self._running(copy, step):
            self._connection.execute(copy)

    @contextmanager
    def table(self, rows: pa.Table) -> Iterator[str]:
        """Let statements read an Arrow table for as long as the context lasts.

        Yields:
            The name that statements read it by.
        """
        # On a connection of the user's, no name of theirs may be hidden.
        name = f"sqlstab_{secrets.token_hex(8)}"
        self._connection.register(name, rows)
        try:
            yield name
        finally:
            self._connection.unregister(name)

    @contextmanager
    def _running(self, statement: str, step: Step | None) -> Iterator[None]:
        logger.debug("%s", statement)
        finished = threading.Event()
        watch = threading.Thread(target=self._watch, args=(step, finished), daemon=True)
        if step:
            watch.start()
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise EngineError(
                f"DuckDB: {_first_line(error)}. Give it more with --memory-limit, or fewer "
                "--threads.",
                statement,
            ) from error
        except duckdb.Error as error:
            raise EngineError(f"DuckDB: {_first_line(error)}", statement) from error
        except RuntimeError as error:
            # What DuckDB makes of Ctrl-C.
            if "interrupted" in str(error):
                raise KeyboardInterrupt from error
            raise
        finally:
            finished.set()
            if step:
                watch.join()

    def _watch(self, step: Step, finished: threading.Event) -> None:
        while not finished.wait(0.1):
            percentage = self._connection.query_progress()
            if percentage >= 0:
                step.done(percentage / 100)


def _check_no_model(relation: str) -> None:
    """A directory is read as one table, which the tables of a model are not.

    Raises:
        UsageError: It is a run directory, or has the files of users and items.
    """
    if "://" in relation or not quoting.file_reader(relation) or not Path(relation).is_dir():
        return
    names = sorted(path.name for path in Path(relation).glob("*.parquet"))
    of_sides = [file_name(side) for side in SIDES]
    if (Path(relation) / FIGURES_FILE).is_file() or set(of_sides) <= set(names):
        raise UsageError(
            f"{relation} is the directory of a model, in which each file is a table of its own: "
            f"name one, as in {Path(relation) / (names or of_sides)[-1]}."
        )


def spill_folders() -> list[Path]:
    """The folders for what does not fit into memory, whether their processes live or not."""
    return folders.found(Path(tempfile.gettempdir()), _SPILL)


def _most_memory(connection: duckdb.DuckDBPyConnection) -> int:
    """The bytes that DuckDB would take by itself: 80% of the memory that it sees."""
    row = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    number, unit = row[0].split() if row else ("0", "bytes")  # as in `18.8 GiB`
    return int(float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit))


def _file_size(path: str) -> int:
    """The bytes of a file; 0 where they cannot be told without asking some server."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _setting(value: str | int | bool) -> str:
    return quoting.string(value, DUCKDB) if isinstance(value, str) else str(value).lower()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
