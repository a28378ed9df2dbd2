"""Small Parquet files, read in this thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


def read(source: Path | pa.BufferReader) -> pa.Table:
    """Read all rows of a file.

    Not `pyarrow.parquet.read_table`: it scans with threads of its own, and where the process ends
    soon after, their pool may still be at work and abort it (2 of 60 times;
    https://github.com/apache/arrow/issues/34314).

    Raises:
        pyarrow.ArrowException: It is no whole Parquet file.
        OSError: It cannot be read.
    """
    with pq.ParquetFile(source) as file:
        return file.read(use_threads=False)
