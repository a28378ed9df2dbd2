"""Engines: one file each, with its dialect record and its connection.

What is imported here is light; an engine's own packages are imported when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sqlstab.errors import UsageError

if TYPE_CHECKING:
    from sqlstab.statements.dialect import Dialect

NAMES: tuple[str, ...] = (
    "duckdb",
    "spark",
    "databricks",
    "postgres",
    "clickhouse",
    "snowflake",
    "bigquery",
    "redshift",
    "trino",
)


def dialect(name: str) -> Dialect:
    """Return the dialect of this name.

    Raises:
        UsageError: There is none.
    """
    if name not in NAMES:
        raise UsageError(f"There is no dialect {name!r}, only {', '.join(NAMES)}.")
    record: Dialect = getattr(import_module(f"sqlstab.engines.{name}"), name.upper())
    return record


def dialects() -> dict[str, Dialect]:
    """Return all dialects by name."""
    return {name: dialect(name) for name in NAMES}
