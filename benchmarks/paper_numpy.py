"""The paper as one writes it with numpy and scipy: everything in memory, QR of the data.

What `sqlstab run` replaces; it reads and writes the same files. Takes the directory of the new
model, that of the reference, and one to write to.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.linalg import orthogonal_procrustes


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(path)
    flat = table.column("embedding").combine_chunks().flatten().to_numpy()
    return table.column("id").to_numpy(), flat.reshape(len(table), -1).astype(np.float64)


def write(path: Path, ids: np.ndarray, vectors: np.ndarray) -> None:
    flat = pa.array(vectors.astype(np.float32).ravel())
    array = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    pq.write_table(pa.table({"id": ids, "embedding": array}), path)


def main(model: Path, reference: Path, out: Path) -> None:
    user_ids, users = read(model / "users.parquet")
    item_ids, items = read(model / "items.parquet")
    q_users, r_users = np.linalg.qr(users)
    q_items, r_items = np.linalg.qr(items)
    left, values, right_t = np.linalg.svd(r_items @ r_users.T)
    users = q_users @ right_t.T * np.sqrt(values)
    items = q_items @ left * np.sqrt(values)

    old_ids, old_items = read(reference / "items.parquet")
    _, new, old = np.intersect1d(item_ids, old_ids, return_indices=True)
    omega, _ = orthogonal_procrustes(items[new], old_items[old])
    out.mkdir()
    write(out / "users.parquet", user_ids, users @ omega)
    write(out / "items.parquet", item_ids, items @ omega)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
