"""The paper on numpy arrays, by another route than the package: QR of the data, no Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import orthogonal_procrustes


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
