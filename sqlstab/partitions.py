"""Gram matrices add up: one is kept for each partition, and only what has changed is summed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sqlstab import checks, parquet
from sqlstab.compute import Gram
from sqlstab.errors import DataError
from sqlstab.runs import replaced_files
from sqlstab.space.folders import locked
from sqlstab.staged import check_columns, check_creatable
from sqlstab.statements import build, ddl, quoting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlstab.compute import Compute
    from sqlstab.engines import Engine
    from sqlstab.progress import Step
    from sqlstab.statements.table import Column, VectorTable

# (name, Arrow type) of the columns of the table of Gram matrices.
_COLUMNS = {
    "run_id": pa.string(),
    "source": pa.string(),
    "partition_key": pa.string(),
    "version": pa.string(),
    "partition_rows": pa.int64(),
    "n_rows": pa.int64(),
    "i": pa.int32(),
    "j": pa.int32(),
    "value": pa.float64(),
}


@dataclass(frozen=True)
class _Partition:
    """One partition as the table has it now.

    Attributes:
        key: Its name in the store: the value's text, as JSON.
        condition: What its rows meet.
        version: The largest value of the version column.
        rows: How many rows it has.
    """

    key: str
    condition: str
    version: str
    rows: int


class PartitionGrams:
    """The Gram matrices of a table's partitions.

    A store only grows: the newest matrix of a partition counts, if it is complete. So a run that
    is killed leaves nothing wrong behind, and nothing need be deleted.

    Args:
        engine: Where the table is.
        compute: Sums what is not kept.
        run_id: Marks the matrices that are added.
        by: The column that the table is partitioned by.
        version: A column that grows when a partition changes, or None.
        store: The name of the table of Gram matrices; on files a Parquet file.
    """

    def __init__(
        self,
        engine: Engine,
        compute: Compute,
        run_id: str,
        by: str,
        version: str | None,
        store: str,
    ) -> None:
        self._engine = engine
        self._compute = compute
        self._run_id = run_id
        self._by = by
        self._version = version
        is_file = engine.dialect.reads_files and quoting.file_reader(store) is not None
        self._store = store if is_file else engine.qualified(store)
        self._is_file = is_file

    def total(self, table: VectorTable, dimension: int | None, step: Step) -> Gram:
        """The Gram matrix of a table; scans the partitions that are new or have changed.

        Raises:
            DataError: The vectors of two partitions differ in length.
            InvalidVectorsError: As `Compute.gram`.
        """
        source = self._source(table)
        kept = self._kept(source)
        total: Gram | None = None
        stored = []
        added: list[tuple[_Partition, Gram]] = []
        for partition in self._partitions(table):
            run_id, *known = kept.get(partition.key, (None, None, None))
            if run_id is not None and known == [partition.version, partition.rows]:
                stored.append((partition.key, run_id))
                continue
            gram = self._sum(table, partition, dimension, step)
            if gram.rows:
                added.append((partition, gram))
                total = _plus(total, gram, table)
        if stored:
            total = _plus(total, self._stored(source, stored), table)
        if added:
            self._add(source, added)
        return total or Gram(np.zeros((0, 0)), 0)

    def _source(self, table: VectorTable) -> str:
        """Names what a Gram matrix was taken of: the same text for the same rows and columns."""
        parts = (
            self._engine.identity,
            self._by,
            self._version,
            table.side,
            self._location(table.relation),
            table.id,
            table.layout,
            table.vector,
            table.filter,
            table.share,
            table.only_valid,
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def _location(self, relation: str) -> str:
        """The whole path of local files; the whole name of a table, which may be one of several."""
        if not (self._engine.dialect.reads_files and quoting.file_reader(relation)):
            return self._engine.qualified(relation)
        return relation if "://" in relation else str(Path(relation).absolute())

    def columns(self, table: VectorTable) -> list[Column]:
        """The column that a table is partitioned by, and the one of versions if there is one.

        Raises:
            DataError: There is no such column.
        """
        described = self._engine.describe(table.relation)
        known = {column.name.lower(): column for column in described}
        wanted = [(self._by, "to partition by")]
        if self._version:
            wanted.append((self._version, "that grows when a partition changes"))
        for name, purpose in wanted:
            if name.lower() not in known:
                raise DataError(
                    f"{table.side} table {table.relation}: there is no column {name} {purpose}; it "
                    f"has {', '.join(column.name for column in described)}."
                )
        return [known[name.lower()] for name, _ in wanted]

    def prepare(self, tables: Iterable[VectorTable]) -> None:
        """See that the tables have their columns and that a store can be made: before any scan.

        Raises:
            DataError: A column is missing, or the store is another kind of table.
            EngineError: There is no store, and none can be made.
        """
        for table in tables:
            self.columns(table)
        if self._is_file:
            return
        if self._exists():
            check_columns(self._engine, self._store, "table of Gram matrices", ddl.GRAM_COLUMNS)
        else:
            check_creatable(self._engine, {"the Gram matrices": self._store}, self._run_id)

    def _partitions(self, table: VectorTable) -> Iterator[_Partition]:
        dialect = self._engine.dialect
        by, *versions = self.columns(table)
        version = versions[0].name if versions else None
        column = quoting.identifier(by.name, dialect)
        for row in self._engine.query(build.partitions(table, by.name, version, dialect)):
            text = row["partition_key"]
            # Compared with the bare column, so that the engine can skip the other partitions.
            value = (
                f"CAST({quoting.string(text, dialect)} AS {by.type})" if text is not None else ""
            )
            condition = f"{column} = {value}" if text is not None else f"{column} IS NULL"
            yield _Partition(json.dumps(text), condition, str(row["version"]), int(row["n_rows"]))

    def _sum(
        self, table: VectorTable, partition: _Partition, dimension: int | None, step: Step
    ) -> Gram:
        condition = partition.condition
        if table.filter:
            condition = f"({table.filter}) AND {condition}"
        part = replace(table, filter=condition)
        noticed = self._compute.notices_bad_vectors and table.share == 1
        if not noticed and not table.only_valid:
            # All rows are written, whichever are summed.
            whole = replace(part, share=1.0)
            checked = checks.check_table(self._engine, whole, values=True, drop=None)
            dimension = checked.dimension
        return self._compute.gram(part, dimension, None, partition.rows, step)

    def _kept(self, source: str) -> dict[str, tuple[str, str, int]]:
        """Key -> run, version and rows of the partitions whose matrices are kept whole."""
        if not self._exists():
            return {}
        statement = build.stored_partitions(self._store, source, self._engine.dialect)
        found = {}
        for row in self._engine.query(statement):
            dimension = int(row["dimension"])
            if int(row["n_entries"]) == dimension * (dimension + 1) // 2:
                found[row["partition_key"]] = (
                    row["run_id"],
                    row["version"],
                    int(row["partition_rows"]),
                )
        return found

    def _stored(self, source: str, partitions: list[tuple[str, str]]) -> Gram:
        statement = build.stored_gram(self._store, source, partitions, self._engine.dialect)
        rows = self._engine.query(statement)
        matrix = np.zeros((max(int(row["j"]) for row in rows),) * 2)
        for row in rows:
            i, j = int(row["i"]) - 1, int(row["j"]) - 1
            matrix[i, j] = matrix[j, i] = row["value"]
        return Gram(matrix, int(rows[0]["n_rows"]))

    def _add(self, source: str, added: list[tuple[_Partition, Gram]]) -> None:
        entries = [
            (self._run_id, source, p.key, p.version, p.rows, gram.rows, i + 1, j + 1, value)
            for p, gram in added
            for (i, j), value in np.ndenumerate(gram.matrix)
            if i <= j
        ]
        dialect = self._engine.dialect
        if self._is_file:
            self._append(entries)
            return
        statements = [] if self._exists() else [ddl.create_gram_store(self._store, dialect)]
        self._engine.execute([*statements, *ddl.insert(self._store, entries, dialect)])

    def _append(self, entries: list[tuple[Any, ...]]) -> None:
        columns = zip(*entries, strict=True)
        arrays = [pa.array(c, t) for c, t in zip(columns, _COLUMNS.values(), strict=True)]
        table = pa.table(arrays, names=list(_COLUMNS))
        path = Path(self._store)
        # What another run adds at the same time must not get lost.
        with locked(path.parent), replaced_files(path) as [partial]:
            if path.exists():
                table = pa.concat_tables([parquet.read(path), table])
            pq.write_table(table, partial)

    def _exists(self) -> bool:
        if self._is_file:
            return Path(self._store).exists()
        return self._engine.kind(self._store) is not None


def _plus(total: Gram | None, gram: Gram, table: VectorTable) -> Gram:
    if total is None:
        return gram
    if total.matrix.shape != gram.matrix.shape:
        raise DataError(
            f"{table.side} table {table.relation}: partitions differ in the length of their "
            f"vectors, {len(total.matrix)} and {len(gram.matrix)}: give all the same length."
        )
    return Gram(total.matrix + gram.matrix, total.rows + gram.rows)
