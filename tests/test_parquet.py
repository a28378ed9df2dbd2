"""Reading a Parquet file starts no threads: one still at work aborts a process that ends."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """
import os, sys
from pathlib import Path
from sqlstab.errors import DataError
import pyarrow.parquet
from sqlstab.flow import saved as sums
data = Path(sys.argv[1]).read_bytes()
before = len(os.listdir("/proc/self/task"))
try:
    sums.load([sums.Source("x.parquet", data, "gram")])
except DataError as error:
    assert "no column side" in str(error), error
    print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_no_thread_is_left(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3], "embedding": [[1.0, 2.0]] * 3}), path)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
