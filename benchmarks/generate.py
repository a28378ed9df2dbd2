"""A model and its retraining: users.parquet and items.parquet of FLOAT vectors, in random order.

Takes a directory, the number of users, of items, and of dimensions.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# A row group of pyarrow's, which is its default.
CHUNK = 1_048_576


def write(path: Path, rows: int, dimension: int, seed: int) -> None:
    """Vectors around ten directions; ids 0 ... rows - 1, shuffled."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(rows)
    mixing = rng.standard_normal((dimension, dimension)) * np.geomspace(1, 0.2, dimension)[:, None]
    array = pa.list_(pa.float32(), dimension)
    schema = pa.schema([("id", pa.int64()), ("embedding", array)])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, CHUNK):
            part = ids[start : start + CHUNK]
            vectors = rng.standard_normal((len(part), dimension), dtype=np.float32) @ mixing
            flat = pa.array(vectors.astype(np.float32).ravel())
            column = pa.FixedSizeListArray.from_arrays(flat, dimension)
            writer.write_table(pa.table({"id": part, "embedding": column}, schema=schema))


def main(folder: Path, users: int, items: int, dimension: int) -> None:
    for number, name in enumerate(("yesterday", "today")):
        (folder / name).mkdir(parents=True)
        write(folder / name / "users.parquet", users, dimension, 2 * number)
        write(folder / name / "items.parquet", items, dimension, 2 * number + 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
