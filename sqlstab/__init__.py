"""Keep recommender embeddings in one lasting space across retrainings.

An implementation of Zielnicki & Hsiao, *Orthogonal Low Rank Embedding Stabilization* (RecSys 2025),
that computes where the vectors are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0.dev0"

if TYPE_CHECKING:
    from sqlstab.api import Run, Space, stabilize
    from sqlstab.comparison import Comparison, compare
    from sqlstab.errors import DataError, EngineError, GateError, SqlstabError, UsageError
    from sqlstab.maths.maps import Maps
    from sqlstab.options import Options
    from sqlstab.report import Report
    from sqlstab.statements.given import EmbeddingTable, FurtherTable

__all__ = [
    "Comparison",
    "DataError",
    "EmbeddingTable",
    "EngineError",
    "FurtherTable",
    "GateError",
    "Maps",
    "Options",
    "Report",
    "Run",
    "Space",
    "SqlstabError",
    "UsageError",
    "__version__",
    "compare",
    "stabilize",
]

# What a program does not ask for is not loaded: DuckDB, numpy, sqlglot and scipy take a second.
_HOMES = {
    "sqlstab.api": ("Run", "Space", "stabilize"),
    "sqlstab.comparison": ("Comparison", "compare"),
    "sqlstab.errors": ("DataError", "EngineError", "GateError", "SqlstabError", "UsageError"),
    "sqlstab.maths.maps": ("Maps",),
    "sqlstab.options": ("Options",),
    "sqlstab.report": ("Report",),
    "sqlstab.statements.given": ("EmbeddingTable", "FurtherTable"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__]
