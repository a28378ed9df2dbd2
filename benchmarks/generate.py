"""A model and its retraining: users.parquet and items.parquet of FLOAT vectors, in random order.

The retraining is the model in a rotated space, with noise. Takes a directory, the number of users,
of items, and of dimensions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# A row group of pyarrow's, which is its default.
CHUNK = 1_048_576
NOISE = 0.3


def write(path: Path, rows: int, dimension: int, side: int, day: int) -> None:
    """Vectors around ten directions; ids 0 ... rows - 1, shuffled within a chunk."""
    rng = np.random.default_rng(side)
    mixing = rng.standard_normal((dimension, dimension)) * np.geomspace(1, 0.2, dimension)[:, None]
    rotation, _ = np.linalg.qr(np.random.default_rng(day).standard_normal((dimension, dimension)))
    schema = pa.schema([("id", pa.int64()), ("embedding", pa.list_(pa.float32(), dimension))])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            # What stays the same of an id, and what each training adds.
            same, new = (
                np.random.default_rng([side, start]),
                np.random.default_rng([side, start, day]),
            )
            vectors = same.standard_normal((count, dimension), dtype=np.float32)
            vectors += NOISE * new.standard_normal((count, dimension), dtype=np.float32)
            order = new.permutation(count)
            turned = vectors[order] @ (mixing @ rotation).astype(np.float32)
            column = pa.FixedSizeListArray.from_arrays(pa.array(turned.ravel()), dimension)
            writer.write_table(pa.table({"id": start + order, "embedding": column}, schema=schema))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("users", "items", "dimension"):
        parser.add_argument(name, type=int)
    given = parser.parse_args()
    for day, name in enumerate(("yesterday", "today")):
        (given.folder / name).mkdir(parents=True)
        for side, rows in enumerate((given.users, given.items)):
            path = given.folder / name / ("users.parquet", "items.parquet")[side]
            write(path, rows, given.dimension, side, day)


if __name__ == "__main__":
    main()
