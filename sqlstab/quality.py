"""The figures that say whether an alignment can be trusted.

Most come from e x e matrices alone.
X (n x r) are the balanced vectors of the shared ids in this run, Y (n x d) the reference's stable
ones; C = X'Y, G_X = X'X, G_Y = Y'Y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import sql

if TYPE_CHECKING:
    from sqlstab.engines.duckdb import DuckDBEngine
    from sqlstab.progress import Step
    from sqlstab.solve import Matrix
    from sqlstab.sql import LinearMap
    from sqlstab.tables import Side, VectorTable


@dataclass(frozen=True)
class SharedSums:
    """Sums over the shared ids; two of them add up as if their rows were stacked.

    Attributes:
        cross: C, (r, d).
        run: G_X, (r, r).
        reference: G_Y, (d, d).
    """

    cross: Matrix
    run: Matrix
    reference: Matrix

    def __add__(self, other: SharedSums) -> SharedSums:
        return SharedSums(
            self.cross + other.cross, self.run + other.run, self.reference + other.reference
        )

    def __mul__(self, weight: float) -> SharedSums:
        return SharedSums(self.cross * weight, self.run * weight, self.reference * weight)


def relative_residual(sums: SharedSums) -> float:
    """|X Omega - Y| / |Y| (Frobenius) for the best orthogonal Omega: 0 is perfect."""
    nuclear = float(np.linalg.svd(sums.cross, compute_uv=False).sum())
    squared = np.trace(sums.run) + np.trace(sums.reference) - 2 * nuclear
    return float(np.sqrt(max(squared, 0.0) / np.trace(sums.reference)))


def linear_cka(sums: SharedSums) -> float:
    """Linear centred-kernel-alignment similarity, uncentred: 1 when all dot products agree."""
    norms = np.linalg.norm(sums.run) * np.linalg.norm(sums.reference)
    return float(np.linalg.norm(sums.cross) ** 2 / norms)


def residual_bound(sums: SharedSums) -> float:
    """The largest `relative_residual` that the difference of all dot products allows.

    Residual <= (2 e)^(1/4) sqrt(eps) with eps = |X X' - Y Y'| (Maystre et al. 2025, arXiv
    2510.13406), here relative to |Y| as the residual is.
    """
    squared = (
        np.linalg.norm(sums.run) ** 2
        + np.linalg.norm(sums.reference) ** 2
        - 2 * np.linalg.norm(sums.cross) ** 2
    )
    difference = np.sqrt(max(float(squared), 0.0))
    dimension = max(sums.cross.shape)
    return float((2 * dimension) ** 0.25 * np.sqrt(difference) / np.sqrt(np.trace(sums.reference)))


def row_cosines(
    engine: DuckDBEngine,
    table: VectorTable,
    reference: VectorTable,
    dimension: int,
    linear_map: LinearMap,
    raw_map: LinearMap | None,
    one_in: int,
    step: Step,
) -> dict[str, Any] | None:
    """Cosines of the same id in the run and in the reference, before and after; see `sql.cosine`.

    Returns:
        `rows`, `before` and `after`, each of the latter with `mean`, `p10` and `median`; `before`
        is None without a `raw_map`. None if no pair of vectors has a cosine.
    """
    statement = sql.cosine(
        table,
        reference,
        dimension,
        engine.dialect,
        linear_map=linear_map,
        raw_map=raw_map,
        one_in=one_in,
    )
    row = engine.query(statement, step)[0]
    if not row["n_rows"]:
        return None

    def figures(name: str) -> dict[str, float] | None:
        if row.get(f"{name}_mean") is None:
            return None
        return {figure: row[f"{name}_{figure}"] for figure in ("mean", "p10", "median")}

    return {"rows": row["n_rows"], "before": figures("before"), "after": figures("after")}


def score_error(
    engine: DuckDBEngine,
    raw: dict[Side, VectorTable],
    stable: dict[Side, VectorTable],
    one_in: dict[Side, int],
    step: Step,
) -> float | None:
    """Largest difference between raw and written scores of a sample, relative to the largest score.

    None if the sample has no pair, or no score but zero.
    """
    row = engine.query(sql.scores(raw, stable, one_in, engine.dialect), step)[0]
    return float(row["largest_error"] / row["largest"]) if row["largest"] else None
