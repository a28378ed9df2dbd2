"""How runs of a registry differ, and how far each is from each other one."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import checks
from sqlstab.maths.quality import SAMPLED_ROWS
from sqlstab.runs import table_figures
from sqlstab.statements import build
from sqlstab.statements.build import Vectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlstab.engines import Engine
    from sqlstab.maths.maps import Transform
    from sqlstab.registry import Entry, Log, Registry
    from sqlstab.statements.table import Side


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
        stable vectors (1: the vectors spread alike over the space, whatever their ids). Of vectors
        without a second side no Gram matrix is known.

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
    sides = list(figures["inputs"])
    means = {side: (cosine.get(side) or {}).get("after") for side in sides}
    return {
        "inputs": figures["inputs"],
        "options": entry.options,
        "sqlstab": figures["sqlstab"],
        "engine": figures["engine"],
        "versions": figures.get("versions") or {},
        "strategy": figures["strategy"],
        "scores": {name: one["scores"] for name, one in figures.get("also", {}).items()},
        "who": entry.who,
        "reference": entry.reference,
        "rows": {side: table_figures(figures, side)["rows"] for side in sides},
        "left_out": {side: table_figures(figures, side)["left_out"] for side in sides},
        "raw_dimension": figures[sides[0]]["dimension"],
        "dimension": figures["dimension"],
        "rank": figures["rank"],
        "shared": {side: alignment.get(f"shared_{side}") for side in sides},
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
    before, after = first.singular_values, second.singular_values
    if before is None or after is None:
        return []
    common = min(first.rank, second.rank)
    changes: list[float] = (after[:common] / before[:common] - 1).tolist()
    return changes


def _gram_cosine(first: Transform, second: Transform) -> float | None:
    """tr(G H) / (|G| |H|) of the stable vectors' Gram matrices, G = Omega' S Omega.

    Those of users and of items are the same. One space may have grown: what a run lacks is zero.
    """
    size = max(first.dimension, second.dimension)
    grams = []
    for transform in (first, second):
        if transform.singular_values is None:
            return None
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
        `runs`; `spaces`, the run that began the space of each; `sides`, for each table a matrix, in
        the order of `runs`, with None where two runs share no id or one has no such table.

    Raises:
        DataError: A table is not what a run wrote.
        EngineError: The database failed.
    """
    entries = [entry for entry in log.entries.values() if entry.places]
    entries = entries[-last:] if last else entries
    found: dict[str, Any] = {
        "runs": [entry.run_id for entry in entries],
        "spaces": [entry.space for entry in entries],
        "sides": {},
    }
    for entry in entries:
        registry.check_there(entry)
    for side in sides_of(entries):
        tables = {
            k: checks.numbered(engine, checks.stable_table(engine, registry.run(entry), side))
            for k, entry in enumerate(entries)
            if side in entry.targets
        }
        matrix: list[list[float | None]] = [
            [1.0 if i == j and i in tables else None for j in range(len(entries))]
            for i in range(len(entries))
        ]
        for i, j in combinations(tables, 2):
            rows = min(table_figures(entries[k].figures, side)["rows"] for k in (i, j))
            share = min(1.0, SAMPLED_ROWS / rows)
            one, other = (
                Vectors(replace(tables[k], share=share), int(entries[k].figures["dimension"]))
                for k in (i, j)
            )
            statement = build.cosine_summary(one, other, (), engine.dialect)
            mean = engine.query(statement)[0]["cosine_mean"]
            # The mean of no rows is NULL, or NaN.
            if mean is not None and np.isfinite(mean):
                matrix[i][j] = matrix[j][i] = float(mean)
        found["sides"][side] = matrix
    return found


def sides_of(entries: Iterable[Entry]) -> list[Side]:
    """The tables that any of some runs has, each once."""
    return list(dict.fromkeys(side for entry in entries for side in entry.targets))
