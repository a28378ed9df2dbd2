"""The paper on numpy arrays, by another route than the package: QR of the data, no Gram matrix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import orthogonal_procrustes

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Stable:
    users: np.ndarray
    items: np.ndarray
    singular_values: np.ndarray


def stabilize(users: np.ndarray, items: np.ndarray) -> Stable:
    q_users, r_users = np.linalg.qr(users)
    q_items, r_items = np.linalg.qr(items)
    left, values, right_t = np.linalg.svd(r_items @ r_users.T)
    root = np.sqrt(values)
    return Stable(q_users @ right_t.T * root, q_items @ left * root, values)


def align(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    omega: np.ndarray = orthogonal_procrustes(x, y)[0]
    return omega


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    values: np.ndarray = np.sum(x * y, axis=1) / norms
    return values


# --- beyond the paper: several earlier runs, and rows of unit length ------------------------------

Rows = dict[Any, np.ndarray]


def by_id(ids: Any, vectors: np.ndarray) -> Rows:
    return dict(zip(np.asarray(ids).tolist(), vectors, strict=True))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: np.ndarray = rows / np.where(lengths == 0, 1, lengths)
    return found


def stacked(
    run: Rows, reference: Sequence[tuple[Rows, float]], *, unit_rows: bool = True
) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """The ids, x and y that a run shares with each earlier one, times the root of its weight."""
    ids, xs, ys = [], [], []
    for earlier, weight in reference:
        common = sorted(run.keys() & earlier.keys())
        x, y = (np.array([rows[key] for key in common]) for rows in (run, earlier))
        if unit_rows:
            x, y = unit(x), unit(y)
        ids += common
        xs.append(np.sqrt(weight) * x)
        ys.append(np.sqrt(weight) * y)
    return ids, np.concatenate(xs), np.concatenate(ys)


def omega(run: Rows, reference: Sequence[tuple[Rows, float]], *, unit_rows: bool = True) -> Any:
    """A B' of C = A D B', the sum over runs j and shared ids of w_j x' y_j."""
    _, x, y = stacked(run, reference, unit_rows=unit_rows)
    left, _, right = np.linalg.svd(x.T @ y)
    return left @ right


def is_second(key: Any) -> bool:
    """Whether an id is in the second half: by other digits than those that choose a sample."""
    return hashlib.md5(str(key).encode()).hexdigest()[8] >= "8"


def held_out(
    run: Rows, reference: Sequence[tuple[Rows, float]], *, unit_rows: bool = True
) -> tuple[float, float]:
    """The mean cosine of ids that the fit did not see, and the same with shuffled ids."""
    ids, x, y = stacked(run, reference, unit_rows=unit_rows)
    half = np.array([is_second(key) for key in ids])

    def cosine(y: np.ndarray) -> float:
        found = []
        for fitted in (half, ~half):
            turn = orthogonal_procrustes(x[fitted], y[fitted])[0]
            a, b = x[~fitted] @ turn, y[~fitted]
            found.append(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b))
        return float(np.mean(found))

    random = np.random.default_rng(3)
    shuffled = [cosine(random.permutation(y)) for _ in range(200)]
    return cosine(y), float(np.mean(shuffled))
