"""DuckDB in this process: on files, on a database file, or on a connection that the user has."""

from __future__ import annotations

import logging
import re
import secrets
import tempfile
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlstab import folders
from sqlstab.engines.base import (
    KIND_IN_INFORMATION_SCHEMA,
    REQUIRED_IN_INFORMATION_SCHEMA,
    UnusableVectorsError,
    begins,
    ends,
    out_of_range,
    qualified,
    reason,
)
from sqlstab.errors import DataError, EngineError, SqlstabError, UsageError
from sqlstab.folders import LockedFolder
from sqlstab.statements import ddl, files, quoting, relations
from sqlstab.statements.dialect import Dialect, Solving, Tables
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import duckdb
    import pyarrow as pa

    from sqlstab.engines.base import Frames
    from sqlstab.progress import Step
    from sqlstab.statements.statement import Call, Fold, Rows

logger = logging.getLogger("sqlstab.sql")

T = TypeVar("T")

DUCKDB = Dialect(
    name="duckdb",
    sqlglot="duckdb",
    style="arrays",
    ignores_case=True,
    real="FLOAT",
    double="DOUBLE",
    text="VARCHAR",
    integer="INTEGER",
    bigint="BIGINT",
    reads_files=True,
    as_doubles="CAST({0} AS DOUBLE[])",
    as_reals="CAST({0} AS FLOAT[])",
    array="[{0}]",
    # DuckDB 2.0 takes a list of one Parquet column for a list with NULL in dot products.
    array_of_one="array_value({0})",
    element="{0}[{1}]",
    length="len({0})",
    collect="list({0} ORDER BY {1})",
    unnest=("", "unnest(range({1}))", "unnest({0})"),
    # FLOAT[64] is another type than FLOAT[].
    stored_reals="CAST({0} AS FLOAT[])",
    # What is no number within a list becomes NULL; 1_0 would be 10.
    from_text=(
        "CASE WHEN NOT contains(CAST({0} AS VARCHAR), '_') "
        "THEN TRY_CAST(CAST({0} AS VARCHAR) AS DOUBLE[]) END"
    ),
    sparse=(
        "CASE WHEN len(list_intersect(range({size}), {indices})) = len({values}) "
        "AND len({indices}) = len({values}) "
        "THEN list_transform(range({size}), lambda sqlstab_k: "
        "CASE WHEN list_contains({indices}, sqlstab_k) "
        "THEN {values}[list_position({indices}, sqlstab_k)] ELSE 0 END) END"
    ),
    dense="list_transform({0}, lambda v: coalesce(v, 0))",
    has_null="list_count({0}) <> len({0})",
    # In DuckDB's order NaN is the largest number. A sum tells it faster, but only sums of single
    # numbers cannot overflow by themselves.
    is_finite="isfinite(list_max({0})) AND isfinite(list_min({0}))",
    is_finite_single="isfinite(list_sum({0}))",
    dot="list_dot_product({0}, {1})",
    times="list_transform({1}, lambda c: list_dot_product(c, {0}))",
    scaled="list_transform({0}, lambda v: v / {1})",
    transform="list_transform({0}, lambda {1}: {2})",
    largest="list_max({0})",
    concat="list_concat({0}, {1})",
    quantile="quantile_cont({0}, {1})",
    digest="md5({0})",
    divide="{0} // {1}",
    # It holds a vector of 2,048 products for each sum and thread, and planning time grows faster
    # than their number. Cross sums at e = 64 are 65 x 65: vectors end with a 1 there.
    most_sums=65 * 65,
    longest_statement=None,
    most_columns=100_000,
    transactions=True,
    temporary=True,
    solving=Solving(
        slice="{0}[{1}:{2}]",
        no_doubles="CAST([] AS DOUBLE[])",
        append="list_append({0}, {1})",
        combined="list_transform(list_zip({0}, {1}), lambda p: {2} * p[1] + {3} * p[2])",
        recursion_key=" USING KEY ({0})",
        way="recursive",
        now="strftime(get_current_timestamp() AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f+00:00')",
        refuse="error({0})",
        is_text="(typeof({0}) SIMILAR TO 'VARCHAR|ENUM.*')",
    ),
    tables=Tables(
        fixed_array="{1}[{0}]",
        current_schema="SELECT current_database() AS d, current_schema() AS s",
        kind=(
            KIND_IN_INFORMATION_SCHEMA + "information_schema.tables "
            "WHERE lower(table_catalog) = lower({2}) AND lower(table_schema) = lower({1}) "
            "AND lower(table_name) = lower({0})"
        ),
        definition=(
            "SELECT sql AS definition FROM duckdb_views() "
            "WHERE lower({2}) IN ('', lower(database_name)) AND lower(schema_name) = lower({1}) "
            "AND lower(view_name) = lower({0})"
        ),
        begin="BEGIN TRANSACTION",
        commit="COMMIT",
        unique="PRIMARY KEY ({0})",
        required=(
            REQUIRED_IN_INFORMATION_SCHEMA
            + "WHERE {2} IN ('', table_catalog) AND lower(table_schema) = lower({1}) "
            "AND lower(table_name) = lower({0}) AND is_nullable = 'NO' AND column_default IS NULL"
        ),
        overtaken=("Conflict on ", "write-write conflict"),
    ),
)

# For a session with a DuckLake, whose tables have neither primary keys nor arrays of a fixed size.
# Two transactions that add rows to one table both commit there, but not two that comment on it.
DUCKLAKE = replace(
    DUCKDB,
    tables=replace(
        DUCKDB.tables,
        unique="",
        fixed_array="",
        lock="COMMENT ON TABLE {4}{5} IS 'Runs of sqlstab'",
        overtaken=(*DUCKDB.tables.overtaken, "but another transaction has"),
    ),
)

# 4,096 rows of e = 64 in float64. Of 2,048 to 65,536 such rows, larger batches are slower: they
# fall out of the cache.
_BATCH_BYTES = 2 * 2**20

# Joins and sorts beyond it go to disk: 16 million ids are counted and joined as fast with it as
# with twice as much. A database takes that, since it gathers 122,880 rows before it writes them
# into a table. For what else takes more see `_needed`.
_MEMORY_LIMIT = 256 * 10**6
# What a thread takes for each of the sums of a statement: a vector of 2,048 products, and as much
# again in a join.
_SUM_BYTES = 2 * 2048 * 8
# Statements of fewer sums fit into the memory that there is in any case.
_MANY_SUMS = 512

# The bytes of one page of each column of Parquet files, 0 if they have none: a page is decoded
# whole. A column chunk counts as one page where its writer does not say how many it has; DuckDB
# writes only one, of 31 MB for the vectors of 122,880 rows at e = 64. Read over a network, all
# chunks of a row group are there at once ({1} is true).
_PAGE_BYTES = """\
SELECT coalesce(max(bytes), 0)::BIGINT AS bytes
FROM (
    SELECT sum(total_uncompressed_size / CASE WHEN {1} THEN 1 ELSE pages END) AS bytes
    FROM (
        SELECT
            *,
            greatest(1, coalesce(list_sum(list_transform(
                encoding_stats, lambda s: CASE WHEN s.page_type LIKE 'DATA%' THEN s.count ELSE 0 END
            )), 1)) AS pages
        FROM parquet_metadata({0})
    ) AS c
    GROUP BY file_name, row_group_id
) AS g
"""
# Columns that have several types in Parquet files, and a file with each; those of nested fields are
# of the column that they are in.
_DIFFERENT_TYPES = """\
SELECT name, list(types[1] ORDER BY file), list(file ORDER BY file)
FROM (
    SELECT lower(name) AS name, types, min(file_name) AS file
    FROM (
        SELECT file_name, name, list(duckdb_type ORDER BY column_id) AS types
        FROM parquet_schema({0})
        WHERE duckdb_type IS NOT NULL
        GROUP BY file_name, name
    ) AS f
    GROUP BY lower(name), types
) AS t
GROUP BY name
HAVING count(*) > 1
ORDER BY name
"""
# A name of two columns of one file, or of a column and a folder.
_NAMES_OF_TWO = """\
SELECT min(name), file_name, contains(file_name, '/' || min(name) || '=') AS in_folder
FROM (SELECT DISTINCT file_name, name FROM parquet_schema({0})) AS f
GROUP BY file_name, lower(name)
HAVING count(*) > 1 OR contains(file_name, '/' || min(name) || '=')
ORDER BY in_folder
LIMIT 1
"""
# How Python reads tables of a lake without DuckDB.
_FRAMES = {
    "Delta": "deltalake.DeltaTable({0!r}).to_pyarrow_table()",
    "Iceberg": "pyiceberg.table.StaticTable.from_metadata({0!r}).scan().to_arrow()",
}

# Errors of the machine; any other of a statement that reads local files is of what is in them.
_OF_THE_MACHINE = re.compile(
    r"Out of Memory|Cannot open|Could not (read from|write)|Permission denied|No space|Input/output"
)
# What names a file and what is wrong in it; and DuckDB's advice about options that are not at hand.
_IN_A_FILE = re.compile(r'in file "|CSV Error')
_ADVICE = re.compile(r" Try (setting|increasing) .*$")

# What stands in the place of a name where a CSV file has no header: a component, or a whole vector.
# Whole numbers may be names, as pandas gives them.
_VALUE = re.compile(r"[-+]?\d*\.\d+(e[-+]?\d+)?|\[.*\]", re.I)

# Files to look at for it. A footer takes 0.2 ms where it tells of one vector column, 5 ms for 256
# columns, and a request where files are remote.
_MOST_FOOTERS = 16

# What a folder is called that a session spills to.
_SPILL = "sqlstab-spill-"
# What DuckDB makes in it.
_SPILLED = r"duckdb_temp_.+"


class DuckDBEngine:
    """A DuckDB session.

    Args:
        database: Path of a database file; None works on files alone.
        connection: A connection to use as it is, instead. Its settings are left alone; a result
            that is still being fetched from it is lost, as with any other statement.
        read_only: Open the file for reading only, as other readers may. A connection that is to
            be written to must have no transaction open: an error of one statement would end it.
        threads: How many threads DuckDB may use; default: one per core.
        memory_limit: How much memory DuckDB may use before it spills to disk, as in `4GB`.
            Default: 256 MB for files and 512 MB for a database, and what it takes to read large
            pages of Parquet files, or to sum in SQL, which grows with threads. For a DuckLake,
            whose files it is not told of, DuckDB's own: 80% of the memory that there is.

    Raises:
        UsageError: A setting that DuckDB does not take, or a connection with a transaction open.
        EngineError: The database cannot be opened.
    """

    streams = True
    session = None

    def __init__(
        self,
        database: str | Path | None = None,
        *,
        connection: duckdb.DuckDBPyConnection | None = None,
        read_only: bool = True,
        threads: int | None = None,
        memory_limit: str | None = None,
    ) -> None:
        import duckdb  # noqa: PLC0415 - takes 0.1 s, which statements as text need not wait for

        self.version: str | None = duckdb.__version__
        self._owned = connection is None
        self._in_memory = connection is None and database is None
        # The limit, as long as it is for this class to choose.
        least = _MEMORY_LIMIT * (1 if self._in_memory else 2)
        self._limit = least if self._owned and memory_limit is None else None
        self._pages = self._sums = 0
        # Whether a transaction is open that was begun here.
        self._begun = False
        # Functions that were not removed, because their transaction had failed.
        self._stuck: set[str] = set()
        # A database in which nothing was made, as of a name with a typo, is not left behind.
        file = Path(str(database or "").removeprefix("ducklake:"))
        self._new_file = file if database and not file.exists() else None
        if connection is not None:
            self._connection = connection
            if not read_only:
                self._check_no_transaction()
            return
        try:
            self._connection = duckdb.connect(
                str(database) if database else ":memory:",
                read_only=read_only and database is not None,
            )
        except duckdb.Error as error:
            missing = self._new_file and "does not exist" in str(error)
            said = "there is no such file." if missing else _said(error)
            raise EngineError(
                f"The database {database or 'in memory'} cannot be opened: {said}"
            ) from error
        self._most = _most_memory(self._connection)
        if self.dialect is DUCKLAKE:
            self._limit = None
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
            # Rows have ids, so their order means nothing, and keeping it costs time and memory.
            "preserve_insertion_order": False,
            # Counted, so that `query_progress` has something to say, but not drawn.
            "enable_progress_bar": True,
            "enable_progress_bar_print": False,
            "threads": threads,
            "memory_limit": memory_limit or (self._limit and f"{self._limit}B"),
            # A table name must not be taken for a variable of this program.
            "python_enable_replacements": False,
            # DuckDB's own choice is the working directory, which may not be writable.
            "temp_directory": str(self._spill.path),
            # It reads a column of a whole row group at once, 256 MB at 1,000,000 x 64 as pyarrow
            # writes it. Without, a run on such files takes 260 MB instead of 690, and no longer.
            "disable_parquet_prefetching": True,
        }
        for name, value in settings.items():
            if value is not None:
                try:
                    self._connection.execute(f"SET {name} = {_setting(value)}")
                except duckdb.Error as error:
                    self.close()
                    raise UsageError(
                        f"{value!r} is not a valid {name.replace('_', ' ')}: {_said(error)}"
                    ) from error

    @cached_property
    def dialect(self) -> Dialect:
        """See `Engine`."""
        lakes = "FROM duckdb_databases() WHERE type = 'ducklake'"
        with self._failing(lakes):
            return DUCKLAKE if self._connection.execute(lakes).fetchone() else DUCKDB

    @property
    def holds_tables(self) -> bool:
        """Whether tables outlast the session: not in a database in memory of our own."""
        return not self._in_memory

    @property
    def frames(self) -> Frames:
        """See `Engine`."""
        return self

    def rows(self, text: str) -> Any:
        """See `Frames`."""
        logger.debug("%s", text)
        with self._failing(text):
            return self._connection.sql(text).to_arrow_table()

    def close(self) -> None:
        """See `Engine`."""
        if self._owned:
            unused = self._new_file if self._new_file and self._is_empty() else None
            self._connection.close()
            if unused:
                unused.unlink(missing_ok=True)
            self._spill.remove()

    def _is_empty(self) -> bool:
        """Return whether the database has no table and no view; False where it cannot be asked."""
        import duckdb  # noqa: PLC0415

        try:
            self.rollback()
            # Of a DuckLake its own tables are in another one.
            tables = "FROM information_schema.tables WHERE table_catalog = current_database()"
            return not self._connection.execute(tables).fetchone()
        except duckdb.Error:
            return False

    def describe(self, relation: str) -> list[Column]:
        """List the columns of a file, a glob, a table or a view.

        Raises:
            DataError: There is no such relation, or it cannot be read.
        """
        import duckdb  # noqa: PLC0415

        lake = files.lake_table(relation)
        if lake:
            self._load(lake)
        statement = f"SELECT * FROM {relations.named(relation, self.dialect)}"
        logger.debug("%s", statement)
        # Errors that say what is wrong with a relation; any other is a failure of the database or
        # the disk.
        unreadable = (
            duckdb.InvalidInputException,
            duckdb.ConversionException,
            duckdb.ParserException,
        )
        of_the_data = (duckdb.CatalogException, duckdb.BinderException, *unreadable)
        try:
            # Unlike a statement that fails, this ends no transaction of the user's.
            found = self._connection.sql(statement)
        except duckdb.Error as error:
            is_path, missing = files.is_path(relation), "No files found" in str(error)
            in_it = is_path and "://" not in relation and not _OF_THE_MACHINE.search(str(error))
            if not (isinstance(error, of_the_data) or missing or in_it):
                raise EngineError(
                    f"DuckDB: {relation} cannot be read: {_said(error)}", statement
                ) from error
            if isinstance(error, unreadable) or (is_path and not missing):
                raise DataError(f"{relation} cannot be read: {_said(error)}") from error
            raise self._no_relation(relation, error) from error
        columns = [
            Column(*column) for column in zip(found.columns, map(str, found.types), strict=True)
        ]
        patterns = files.parquet(relation)
        if patterns:
            self._check_widened(relation, patterns, columns)
            self._check_names(relation, patterns)
            for name, base in _renamed(columns):
                known = f"FROM parquet_schema({patterns}) WHERE name = "
                if not self._finds(known + quoting.string(name, DUCKDB)):
                    raise _named_twice(relation, base)
            self._make_room(patterns)
        own = files.own_columns(relation)
        if own:
            self._check_own(relation, own, columns)
        return columns

    def _no_relation(self, relation: str, error: duckdb.Error) -> DataError:
        """Return the error of a table or a file that is not there."""
        if files.is_path(relation):
            # Of several files it names the one.
            pattern = re.search(r'match the pattern "(.*)"', str(error))
            return DataError(f"There is no file {pattern[1] if pattern else relation} to read.")
        if Path(relation).exists():
            what = "directory" if Path(relation).is_dir() else "file"
            hint = f"; the {what} of that name is ./{relation}"
        else:
            hint = "; the name of a file ends in .parquet, .csv, .jsonl or the like"
        if self._in_memory:
            said = ""
        elif self._new_file:
            said = f": there is no database {self._new_file}"
        else:
            said = f": {_said(error).rstrip('.')}"
        return DataError(f"There is no table or view {relation} to read{said}{hint}.")

    def _check_names(self, relation: str, patterns: str) -> None:
        """Check that the name of a column in Parquet files means one column.

        Raises:
            DataError: It is a folder's as well, whose value DuckDB would take; or it differs from
                another one in case alone.
        """
        found = self._rows(_NAMES_OF_TWO.format(patterns))
        if not found:
            return
        ((name, file, in_folder),) = found
        if in_folder and "hive_partitioning = false" not in relations.named(relation, DUCKDB):
            raise _column_and_folder(relation, name, file)
        if not in_folder:
            raise DataError(
                f"{relation}: {file} has several columns called {name} that differ in case alone, "
                "which DuckDB does not tell apart: write the file with other names."
            )

    def _check_own(self, relation: str, own: str, columns: list[Column]) -> None:
        """Check that columns of CSV and JSON files are what stands in the files.

        Args:
            relation: The files.
            own: Reads their own columns, of CSV as text.
            columns: With those of folders.

        Raises:
            DataError: A folder has the name of one, or another one has; a value is one; or DuckDB
                has made a whole number, which may be an id, of something else, as of 0x10.
        """
        names = [row[0] for row in self._rows(f"DESCRIBE SELECT * FROM {own}")]
        folders = files.folder_columns(relation)
        both = [name for name in names if name.lower() in folders]
        if both:
            raise _column_and_folder(relation, both[0])
        if not own.startswith("read_csv"):
            return
        values = [name for name in names if _VALUE.fullmatch(name)]
        if values:
            raise DataError(
                f"{relation}: a column is called {values[0]}, which is a value: the first row of a "
                "CSV file was read as its header. Write a header into each file."
            )
        # With the header as a row.
        cells = own.replace("header = true", "header = false")
        for _, base in _renamed(columns):
            name = quoting.string(base, DUCKDB)
            same = f"list_filter([*COLUMNS(*)], lambda cell: lower(cell) = lower({name}))"
            if self._finds(f"FROM {cells} WHERE len({same}) > 1"):
                raise _named_twice(relation, base)
        for column in columns:
            if column.type != "BIGINT" or column.name not in names:
                continue
            name = quoting.identifier(column.name, DUCKDB)
            statement = (
                f"SELECT {name}\nFROM {own}\n"
                f"WHERE NOT regexp_full_match({name}, '0|-?[1-9][0-9]*')\nLIMIT 1"
            )
            found = self._rows(statement)
            if found:
                raise DataError(
                    f"{relation}: the column {column.name} has {found[0][0]!r}, which DuckDB would "
                    "read as a number that it is not written as: write whole numbers in digits "
                    "alone, or Parquet."
                )

    def _finds(self, source: str) -> bool:
        """Return whether there is a row."""
        return bool(self._rows(f"{source} LIMIT 1"))

    def _rows(self, statement: str) -> list[Any]:
        with self._failing(statement):
            return self._connection.execute(statement).fetchall()

    def _load(self, table: files.LakeTable) -> None:
        """Load what reads a table of a lake, if it is installed: `LOAD` alone would download it.

        Raises:
            DataError: It is not.
        """
        extension = table.kind.lower()
        known = f"FROM duckdb_extensions() WHERE extension_name = '{extension}' AND installed"
        if not self.query(f"SELECT 1 AS n {known}"):
            raise DataError(
                f"{table.path} is a table of {table.kind}, whose files may hold rows that it has "
                f"no longer, and DuckDB's extension {extension}, which reads it, is not installed. "
                f"Run INSTALL {extension} in DuckDB {self.version}; or, in Python, pass its rows "
                f"as a frame: {_FRAMES[table.kind].format(table.path)}."
            )
        self.execute(f"LOAD {extension}")
        self._make_room(f"[{quoting.string(table.parquet, DUCKDB)}]")

    def _check_widened(self, relation: str, patterns: str, columns: list[Column]) -> None:
        """Check that one type for a column of several Parquet files changes none of its values.

        DuckDB makes text of 1 where another file has text, and a FLOAT of a BIGINT.

        Raises:
            DataError: It does.
        """
        different = self._rows(_DIFFERENT_TYPES.format(patterns))
        whole = {column.name.lower(): column.type.rstrip("[]") for column in columns}
        for name, types, names in different:
            kinds = {kind.rstrip("[]") for kind in types}
            if whole.get(name) in ("VARCHAR", "FLOAT") and kinds != {whole[name]}:
                raise DataError(
                    f"{relation}: the column {name} is {types[0]} in {names[0]}, but {types[1]} in "
                    f"{names[1]}, and {whole[name]} cannot hold both as they are: write the files "
                    "with one type, or cast it in a view."
                )

    def _make_room(self, patterns: str) -> None:
        """Raise the limit to what scanning these Parquet files takes.

        As measured, a scan needs twice the bytes of a page of each column for each thread, and a
        third time is room for what is made of it. Of many files the largest have the largest row
        groups, as a rule.
        """
        import duckdb  # noqa: PLC0415

        if not self._owned:
            return
        with suppress(duckdb.Error):  # what cannot be read is for the scan to say
            remote = "://" in patterns
            if remote:
                # A request for each page would take longer than all else.
                self._connection.execute("RESET disable_parquet_prefetching")
            found = self._connection.execute(
                f"SELECT file FROM glob({patterns}) ORDER BY file"
            ).fetchall()
            largest = sorted((row[0] for row in found), key=_file_size, reverse=True)
            exact = [files.no_pattern(name) for name in largest[:_MOST_FOOTERS]]
            names = ", ".join(quoting.string(name, DUCKDB) for name in exact)
            listed = f"[{names}]" if names else patterns
            statement = _PAGE_BYTES.format(listed, str(remote).lower())
            ((size,),) = self._connection.execute(statement).fetchall()
            self._pages = max(self._pages, size)
            self._allow()

    def make_room_for_sums(self, text: str) -> None:
        """Raise the limit for a statement of hundreds of sums to come."""
        sums = text.count("sum(")
        if sums >= _MANY_SUMS:
            self._sums = max(self._sums, sums)
            self._allow()

    def _allow(self) -> None:
        """Raise the limit to what is known to be needed, if there is as much."""
        if self._limit is None:
            return
        needed = min(self._needed(), self._most)
        if needed > self._limit:
            self._connection.execute(f"SET memory_limit = '{needed}B'")
            self._limit = needed

    def _needed(self) -> int:
        """Return the bytes that suffice for what is known of files and statements."""
        ((threads,),) = self._connection.execute("SELECT current_setting('threads')").fetchall()
        of_thread: int = threads * (3 * self._pages + self._sums * _SUM_BYTES)
        return _MEMORY_LIMIT + of_thread

    def qualified(self, name: str) -> str:
        """Return the whole name: with a database, since temporary tables come first in a schema."""
        parts = quoting.table_parts(name, self.dialect)
        if len(parts) != 2:
            return qualified(name, self)
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

    def query(self, text: str, step: Step | None = None) -> Rows:
        """See `Engine`."""
        self.make_room_for_sums(text)
        with self._failing(text):
            cursor = self._run(text, step)
            names = [column[0].lower() for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, text: str, step: Step | None = None) -> None:
        """See `Engine`."""
        if begins(text):
            self._check_no_transaction()
        self.make_room_for_sums(text)
        with self._failing(text):
            self._run(text, step)
        if begins(text):
            self._begun = True
        elif ends(text):
            self._begun = False

    def rollback(self) -> None:
        """See `Engine`."""
        if self._begun:
            with suppress(Exception):
                self._connection.execute("ROLLBACK")
            self._begun = False
        for name in list(self._stuck):
            with suppress(Exception):
                self._unstick(name)
                self._stuck.discard(name)

    def _check_no_transaction(self) -> None:
        """Check that no transaction is open; without one, each statement sees its own time.

        Raises:
            UsageError: One is.
        """
        now = "SELECT epoch_us(now())"
        with self._failing(now):
            times = [self._connection.execute(now).fetchall() for _ in "ab"]
        if times[0] == times[1]:
            raise UsageError(
                "The connection has a transaction open, and any error would roll back what is in "
                "it: commit it first."
            )

    def fold(self, fold: Fold[T], step: Step | None = None) -> T:
        """See `Engine`; BLAS gets one thread, since DuckDB's are busy on the other cores."""
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - takes numpy with it

        from sqlstab.folds import Unusable  # noqa: PLC0415

        with closing(self._batches(fold, step)) as batches, threadpool_limits(1, "blas"):
            try:
                part = fold.part(batches)
            except Unusable as error:
                raise UnusableVectorsError(fold.columns[error.column]) from error
        return fold.merge([part] if part[0] else [])

    def _batches(self, fold: Fold[Any], step: Step | None) -> Generator[pa.RecordBatch, None, None]:
        import pyarrow as pa  # noqa: PLC0415

        seen = 0
        logger.debug("%s", fold.query)
        with self._failing(fold.query):
            size = max(_BATCH_BYTES // (8 * max(fold.components, 1)), 256)
            try:
                with self._connection.sql(fold.query).to_arrow_reader(size) as reader:
                    for batch in reader:
                        yield batch
                        seen += len(batch)
                        if step:
                            step.done(min(seen / max(fold.rows, 1), 1.0))
            except (pa.ArrowException, OSError) as error:
                # What fails after the first batch comes by way of Arrow.
                raise _error(error, fold.query) from error

    def call(self, call: Call, step: Step | None = None) -> None:
        """See `Engine`.

        The function is called by DuckDB's threads, one after the other, with 2,048 rows at a time.
        """
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - takes numpy with it

        from sqlstab.folds import OutOfRange, Unusable  # noqa: PLC0415

        raised: list[Exception] = []

        def function(vectors: Any) -> Any:
            try:
                return call.function(vectors.combine_chunks())
            except Exception as error:
                # DuckDB would hand over its text alone.
                raised.append(error)
                raise

        self._register(call, function)
        try:
            with threadpool_limits(1, "blas"):
                for text in call.texts:
                    self.execute(text, step)
        except EngineError as error:
            cause = raised[0] if raised else error
            if isinstance(cause, Unusable):
                raise UnusableVectorsError(call.side) from cause
            if isinstance(cause, OutOfRange):
                raise out_of_range() from cause
            raise
        finally:
            try:
                self._connection.remove_function(call.name)
            except Exception:  # in a transaction that has failed
                self._stuck.add(call.name)

    def _register(self, call: Call, function: Callable[[Any], Any]) -> None:
        self._create(self._connection, call.name, function, call.takes, call.element)

    @staticmethod
    def _create(
        connection: duckdb.DuckDBPyConnection,
        name: str,
        function: Callable[[Any], Any],
        takes: str = "double",
        returns: str = "double",
    ) -> None:
        from duckdb.func import FunctionNullHandling, PythonUDFType  # noqa: PLC0415

        connection.create_function(
            name,
            function,
            [f"{takes}[]"],
            f"{returns}[]",
            type=PythonUDFType.ARROW,
            # Else NULL vectors would stay NULL unseen; they cannot be used.
            null_handling=FunctionNullHandling.SPECIAL,
        )

    def _unstick(self, name: str) -> None:
        """Remove a function that was made in a transaction that failed.

        The rollback has removed it from the catalogue, but not from what the connection knows,
        which forgets it only where it can remove it: so another connection makes it once more.
        """
        with self._connection.cursor() as other:
            self._create(other, name, lambda vectors: vectors)
            self._connection.remove_function(name)

    def register(self, rows: Any) -> str:
        """See `Frames`."""
        name = f"{relations.DATA}{secrets.token_hex(8)}"
        with self._failing(""):
            self._connection.register(name, rows)
        return name

    def unregister(self, name: str) -> None:
        """See `Frames`."""
        self._connection.unregister(name)

    def _run(self, text: str, step: Step | None) -> duckdb.DuckDBPyConnection:
        """Run a statement in a thread of its own, so that this one sees Ctrl-C and the progress.

        DuckDB looks for Ctrl-C between two tasks of the thread that it is called in, and a task
        may take minutes.
        """
        done: list[duckdb.DuckDBPyConnection] = []
        failed: list[BaseException] = []
        # Threads of Python 3.11 count as ended where Ctrl-C has broken off waiting for them.
        ended = threading.Event()
        # Taken by the thread, or by Ctrl-C that comes while it starts: then it does nothing.
        begun = threading.Lock()

        def run() -> None:
            if not begun.acquire(blocking=False):
                return
            try:
                done.append(self._connection.execute(text))
            except BaseException as error:
                failed.append(error)
            finally:
                ended.set()

        logger.debug("%s", text)
        try:
            threading.Thread(target=run, daemon=True).start()
            while not ended.wait(0.1):
                if step and (percentage := self._connection.query_progress()) >= 0:
                    step.done(min(percentage / 100, 1.0))
        except BaseException:
            # Python must not end while a thread is within DuckDB: it would abort.
            while not (begun.acquire(blocking=False) or ended.wait(0.1)):
                self._connection.interrupt()
            raise
        if failed:
            raise failed[0]
        return done[0]

    @contextmanager
    def _failing(self, text: str) -> Iterator[None]:
        import duckdb  # noqa: PLC0415

        try:
            yield
        except duckdb.OutOfMemoryException as error:
            wanted = ""
            if self._pages:
                with suppress(duckdb.Error):
                    wanted = f" ({self._needed() / 1e6:,.0f} MB suffice for these Parquet files)"
            raise EngineError(
                f"DuckDB: {_said(error).rstrip('.')}. Give it more with --memory-limit{wanted}, "
                "or fewer --threads.",
                text,
            ) from error
        except duckdb.Error as error:
            raise _error(error, text) from error
        except RuntimeError as error:
            # What DuckDB makes of Ctrl-C while rows are streamed.
            if "interrupted" in str(error):
                raise KeyboardInterrupt from error
            raise


def _renamed(columns: list[Column]) -> Iterator[tuple[str, str]]:
    """List columns that may have the name of another one: DuckDB calls the second e4 e4_1."""
    names = {column.name.lower(): column.name for column in columns}
    for column in columns:
        base = re.sub(r"_\d+$", "", column.name.lower())
        if base != column.name.lower() and base in names:
            yield column.name, names[base]


def _named_twice(relation: str, name: str) -> DataError:
    return DataError(
        f"{relation} has several columns called {name}: write the files with a name for each."
    )


def _column_and_folder(relation: str, name: str, file: str = "a file") -> DataError:
    return DataError(
        f"{relation}: {name} is a column of {file} and the name of its folder, of which "
        "the folder's value would be read: name the files so that no folder is a column, "
        "or write one of them under another name."
    )


def spill_folders() -> list[Path]:
    """List the folders for what does not fit into memory, of processes that run or have ended."""
    return folders.found(Path(tempfile.gettempdir()), _SPILL, _SPILLED)


def _most_memory(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the bytes that DuckDB would take by itself: 80% of the memory that it sees."""
    row = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    number, unit = row[0].split() if row else ("0", "bytes")  # as in `18.8 GiB`
    return int(float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit))


def _file_size(path: str) -> int:
    """Return the bytes of a file; 0 where only a server could tell them."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _setting(value: str | int | bool) -> str:
    return quoting.string(value, DUCKDB) if isinstance(value, str) else str(value).lower()


def _error(error: Exception, text: str) -> SqlstabError:
    """Return the error of a statement that failed: of a file that it reads, or of the engine."""
    said = _said(error)
    if _IN_A_FILE.search(said):
        return DataError(f"A file cannot be read. {said}")
    return EngineError(f"DuckDB: {said}", text)


def _said(error: Exception) -> str:
    """Return what DuckDB said; of a CSV file also which one, which stands behind its advice."""
    first, *more = str(error).strip().split("\n")
    files_named = [line.strip() for line in more if line.startswith("  file = ")]
    if "CSV Error" in first and files_named:
        why = next(line for line in more if not line.startswith("Original Line"))
        return f"{first}, {files_named[0]}: {why}"
    return _ADVICE.sub("", reason(error))
