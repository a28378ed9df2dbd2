"""Keep recommender embeddings in one lasting space across retrainings.

An implementation of Zielnicki & Hsiao, *Orthogonal Low Rank Embedding Stabilization* (RecSys 2025),
that computes where the vectors are.
"""

from __future__ import annotations

__version__ = "0.1.0"

from sqlstab.compare import Comparison, compare
from sqlstab.config import Options
from sqlstab.errors import DataError, EngineError, GateError, SqlstabError, UsageError
from sqlstab.maths.maps import Transform
from sqlstab.report import Report, report
from sqlstab.runs import Run
from sqlstab.stabilize import stabilize
from sqlstab.statements.table import EmbeddingTable, FurtherTable

__all__ = [
    "Comparison",
    "DataError",
    "EmbeddingTable",
    "EngineError",
    "FurtherTable",
    "GateError",
    "Options",
    "Report",
    "Run",
    "SqlstabError",
    "Transform",
    "UsageError",
    "__version__",
    "compare",
    "report",
    "stabilize",
]
