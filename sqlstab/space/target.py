"""Where one run is written, as text alone: to be run, printed or explained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from sqlstab.statements import quoting
from sqlstab.statements.table import VectorTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.statement import Statement
    from sqlstab.statements.table import StableTable

# See `row_group`.
_ROW_GROUP_BYTES = 8 * 2**20


class Target(Protocol):
    """Where the rows of one run go."""

    def begin(self) -> list[str]:
        """Return the statements that come before the rows.

        They begin a transaction, where the engine has those, and remove what there is of this key.
        """

    def store(
        self, side: str, query: str, output: StableTable, keep: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return the statements that store the rows of a query.

        Args:
            side: The table that they belong to.
            query: Its columns are those of the id, the vector and `keep`, in this order.
            output: How the vectors stand in it.
            keep: The names of the further columns.
        """

    def place(self, side: str) -> str:
        """Return what messages call the place: a table or a path."""

    def written(self, side: str, output: StableTable) -> VectorTable:
        """Return the rows of this run, and no other, as a table to read."""

    def conflict_check(self, *, first: bool) -> Statement[None] | None:
        """Return what raises ConflictError where another run with this key came in between.

        It comes right before `commit`; None where `commit` or the end of the staging finds out.

        Args:
            first: This is the first run of its space, so any other one came in between.
        """

    def commit(self, maps: Mapping[str, Matrix], figures: str) -> list[str]:
        """Return the statements that add the maps, then the run itself, and end the transaction.

        Args:
            maps: (e, d) by side.
            figures: As JSON.
        """


def stable_rows(
    side: str, output: StableTable, relation: str, condition: str | None = None
) -> VectorTable:
    """Return stable vectors as a table to read."""
    return VectorTable(
        side=side,
        relation=relation,
        ids=output.ids,
        layout=output.layout,
        vector=output.vector,
        element=output.element,
        filter=condition,
        first=output.first,
        vector_type=output.type,
    )


def row_group(output: StableTable) -> int:
    """Return the rows of a row group of about 8 MiB, a multiple of DuckDB's vector size.

    A writer holds a row group in memory, and fresh memory is page faults: at 8 MiB (32,768 rows of
    e = 64) DuckDB writes in two thirds of the time that it takes at its default of 122,880 rows.
    """
    row = (4 if output.element == "float" else 8) * output.dimension
    return min(max(_ROW_GROUP_BYTES // row // 2048, 1) * 2048, 122_880)


def copy(path: Path, query: str, output: StableTable, dialect: Dialect) -> tuple[str]:
    """Return the statement that writes the rows of a query to a Parquet file.

    Vectors seldom compress: on 1,000,000 x 64 FLOAT, snappy saves 4% of the bytes and costs a fifth
    of the time.
    """
    options = f"FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE {row_group(output)}"
    target = quoting.string(str(path), dialect)
    return (f"COPY (\n{query.rstrip()}\n) TO {target} ({options})",)


@dataclass(frozen=True)
class DirectoryTarget:
    """A folder of Parquet files.

    Attributes:
        folder: Where they are written; the run's own folder where nothing is run.
        final: The folder of the run.
        dialect: Of the engine that writes them.
    """

    folder: Path
    final: Path
    dialect: Dialect

    def begin(self) -> list[str]:
        """Return no statements: the folder is there, and new."""
        return []

    def store(
        self, side: str, query: str, output: StableTable, keep: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return the statement that writes a file."""
        return copy(self._file(side), query, output, self.dialect)

    def place(self, side: str) -> str:
        """Return the path that the file has in the end."""
        return str(self.final / file_name(side))

    def written(self, side: str, output: StableTable) -> VectorTable:
        """Return the file as a table to read."""
        path = str(self._file(side))
        return replace(stable_rows(side, output, path), files=(path,))

    def conflict_check(self, *, first: bool) -> None:
        """Return None: putting the folder in place finds out."""

    def commit(self, maps: Mapping[str, Matrix], figures: str) -> list[str]:
        """Return no statements: see `DirectorySpace.finish`."""
        return []

    def _file(self, side: str) -> Path:
        return self.folder / file_name(side)


def file_name(side: str) -> str:
    """Return the name of the file of a side, in the folder of a run."""
    return f"{side}.parquet"


@dataclass(frozen=True)
class MemoryTarget:
    """Temporary tables, or on Spark views, which are gone with the session.

    Attributes:
        prefix: What their names begin with; each run of a session has another one.
        dialect: Of the engine that holds them.
    """

    prefix: str
    dialect: Dialect

    def begin(self) -> list[str]:
        """Return no statements."""
        return []

    def store(
        self, side: str, query: str, output: StableTable, keep: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return the statement that makes a table."""
        name = quoting.identifier(self.place(side), self.dialect)
        return (self.dialect.tables.held.format(name, query),)

    def place(self, side: str) -> str:
        """Return the name of a table."""
        return self.dialect.folded(f"{self.prefix}_{side}")

    def written(self, side: str, output: StableTable) -> VectorTable:
        """Return a table to read."""
        return stable_rows(side, output, self.place(side))

    def conflict_check(self, *, first: bool) -> None:
        """Return None: a session has its own tables."""

    def commit(self, maps: Mapping[str, Matrix], figures: str) -> list[str]:
        """Return no statements: the caller keeps both."""
        return []
