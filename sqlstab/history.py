"""How runs of a registry differ, and how far each is from each other one."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import checks, sql
from sqlstab.quality import SAMPLED_ROWS
from sqlstab.sql import Vectors
from sqlstab.tables import SIDES, Side, VectorTable, resolve

if TYPE_CHECKING:
    from sqlstab.engines import Engine
    from sqlstab.registry import Entry, Log, Registry
    from sqlstab.transform import Transform


def diff(registry: Registry, first: Entry, second: Entry) -> dict[str, Any]:
    """What has changed from one run to another, from what is recorded: no table is read.

    Args:
        registry: Where they are recorded.
        first: The earlier run.
        second: The later one.

    Returns:
        `changed`, inputs, options, versions, counts and figures by their names, as pairs where they
        differ; `singular_values`, the relative change of each; `space`, the run that began each
        run's space, and, where that is the same, the cosine between the Gram matrices of their
        stable vectors (1: the vectors spread alike over the space, whatever their ids).

    Raises:
        DataError: A transform is damaged.
    """
    pair = first, second
    before, after = (_flat(_summary(entry)) for entry in pair)
    transforms = [registry.transform(entry.run_id) for entry in pair]
    roots = [entry.space for entry in pair]
    same = roots[0] == roots[1]
    return {
        "first": first.run_id,
        "second": second.run_id,
        "changed": {
            name: [before.get(name), after.get(name)]
            for name in dict.fromkeys([*before, *after])
            if before.get(name) != after.get(name)
        },
        "singular_values": _relative_change(*transforms),
        "space": {
            "first": roots[0],
            "second": roots[1],
            "same": same,
            "gram_cosine": _gram_cosine(*transforms) if same else None,
        },
    }


def _summary(entry: Entry) -> dict[str, Any]:
    figures = entry.figures
    alignment, cosine = figures["alignment"] or {}, figures["cosine"] or {}
    means = {side: (cosine.get(side) or {}).get("after") for side in SIDES}
    return {
        "inputs": figures["inputs"],
        "options": entry.options,
        "sqlstab": figures["sqlstab"],
        "engine": figures["engine"],
        "strategy": figures["strategy"],
        "who": entry.who,
        "reference": entry.reference,
        "rows": {side: figures[side]["rows"] for side in SIDES},
        "left_out": {side: figures[side]["left_out"] for side in SIDES},
        "raw_dimension": figures["items"]["dimension"],
        "dimension": figures["dimension"],
        "rank": figures["rank"],
        "shared": {side: alignment.get(f"shared_{side}") for side in SIDES},
        "mean_cosine": {side: mean["mean"] if mean else None for side, mean in means.items()},
        "relative_residual": alignment.get("relative_residual"),
        "cka": alignment.get("cka"),
    }


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _relative_change(first: Transform, second: Transform) -> list[float]:
    common = min(first.rank, second.rank)
    values = first.singular_values[:common]
    changes: list[float] = (second.singular_values[:common] / values - 1).tolist()
    return changes


def _gram_cosine(first: Transform, second: Transform) -> float:
    """tr(G H) / (|G| |H|) of the stable vectors' Gram matrices, G = Omega' S Omega.

    Those of users and of items are the same. One space may have grown: what a run lacks is zero.
    """
    size = max(first.dimension, second.dimension)
    grams = []
    for transform in (first, second):
        omega = transform.items.omega
        gram = np.zeros((size, size))
        gram[: transform.dimension, : transform.dimension] = (
            omega.T * transform.singular_values
        ) @ omega
        grams.append(gram / np.linalg.norm(gram))
    return float(np.sum(grams[0] * grams[1]))


def skew(registry: Registry, log: Log, engine: Engine, last: int | None = None) -> dict[str, Any]:
    """Mean cosine of the same id in each two runs, of those whose stable tables are still there.

    Args:
        registry: Where they are recorded.
        log: Its state.
        engine: Where their tables are.
        last: Of the newest runs only, so many.

    Returns:
        `runs`; `spaces`, the run that began the space of each; for each side a matrix, in the order
        of `runs`, with None where two runs share no id.

    Raises:
        DataError: A table is not what a run wrote.
        EngineError: The database failed.
    """
    entries = [entry for entry in log.entries.values() if entry.places]
    entries = entries[-last:] if last else entries
    found: dict[str, Any] = {
        "runs": [entry.run_id for entry in entries],
        "spaces": [entry.space for entry in entries],
    }
    for entry in entries:
        registry.check_there(entry)
    for side in SIDES:
        tables = [_stable_table(registry, engine, entry, side) for entry in entries]
        matrix: list[list[float | None]] = [
            [1.0 if i == j else None for j in range(len(entries))] for i in range(len(entries))
        ]
        for i, j in combinations(range(len(entries)), 2):
            rows = min(entries[k].figures[side]["rows"] for k in (i, j))
            share = min(1.0, SAMPLED_ROWS / rows)
            one, other = (
                Vectors(replace(tables[k], share=share), int(entries[k].figures["dimension"]))
                for k in (i, j)
            )
            statement = sql.cosine_summary(one, other, (), engine.dialect)
            mean = engine.query(statement)[0]["cosine_mean"]
            # The mean of no rows is NULL, or NaN.
            if mean is not None and np.isfinite(mean):
                matrix[i][j] = matrix[j][i] = float(mean)
        found[side] = matrix
    return found


def _stable_table(registry: Registry, engine: Engine, entry: Entry, side: Side) -> VectorTable:
    named = registry.run(entry).table(side)
    table = resolve(named, side, engine.describe(named.relation), engine.dialect)
    return checks.numbered(engine, table)
