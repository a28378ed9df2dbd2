"""What `run.json` says of a run."""

from __future__ import annotations

import datetime as dt
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from sqlstab import __version__
from sqlstab.runs import FORMAT
from sqlstab.statements.table import VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.checks import CheckedTable
    from sqlstab.config import Options
    from sqlstab.engines import Engine
    from sqlstab.maths.axes import Axes
    from sqlstab.maths.maps import Transform
    from sqlstab.statements.table import FurtherTable, Side, VectorTable


def figures_of(
    engine: Engine,
    options: Options,
    strategy: str,
    tables: Mapping[Side, CheckedTable],
    also: Mapping[Side, FurtherTable],
    axes: Axes,
    transform: Transform,
) -> dict[str, Any]:
    """All figures that are known once a run is solved; those of what comes later are None.

    Args:
        engine: Where the vectors are.
        options: How the run is done.
        strategy: The way to compute.
        tables: The raw tables.
        also: The further tables among them.
        axes: The run's own axes.
        transform: The transform.
    """
    sides: dict[str, Any] = {
        side: {**_counts(tables[side]), **known} for side, known in axes.figures.items()
    }
    if also:
        sides["also"] = {
            name: {"like": one.like, "scores": one.scores, **_counts(tables[name])}
            for name, one in also.items()
        }
    values = axes.singular_values
    return {
        "format": FORMAT,
        "sqlstab": __version__,
        "run_id": transform.run_id,
        "created": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "inputs": {side: described(checked.table) for side, checked in tables.items()},
        "options": options.to_dict(),
        **sides,
        "dimension": transform.dimension,
        "rank": transform.rank,
        "singular_values": None if values is None else values.tolist(),
        "reference": None,
        "alignment": None,
        "cosine": None,
        "gates": None,
        "dot_products" if VECTORS in tables else "scores": {
            "identity_error": axes.identity_error,
            "max_relative_error": None,
        },
        "engine": engine.dialect.name,
        "strategy": strategy,
        "solver": options.solver,
        "versions": _versions(engine),
        "outputs": None,
    }


def described(table: VectorTable) -> dict[str, Any]:
    """A table and its columns."""
    return {
        "relation": table.relation,
        "id": table.id.name,
        "id_type": table.id.type,
        "layout": table.layout,
        "vector": list(table.vector),
        "element": table.element,
        "filter": table.filter,
        "weight": table.weight,
        "anchor_filter": table.anchor_filter,
        "keep": [column.name for column in table.keep],
    }


def _counts(checked: CheckedTable) -> dict[str, Any]:
    return {
        "rows": checked.rows,
        "dimension": checked.dimension,
        "summed": checked.summed,
        "left_out": checked.left_out,
        "problems": checked.problems,
    }


def _versions(engine: Engine) -> dict[str, str | None]:
    """What else decides about the last digits of a result."""
    libraries = {name: metadata.version(name) for name in ("numpy", "scipy", "pyarrow", "sqlglot")}
    return {"engine": engine.version, "python": platform.python_version(), **libraries}
