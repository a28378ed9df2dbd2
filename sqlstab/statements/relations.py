"""What stands after FROM: the files that a name means, or the table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlstab.errors import UsageError
from sqlstab.statements import files, quoting

if TYPE_CHECKING:
    from sqlstab.statements.dialect import Dialect

# A password, or the parameters by which DuckDB takes the keys of S3.
_SECRET = re.compile(r"://[^/?#]*:[^/?#]*@|[?&]s3_(?:secret_access_key|session_token)=", re.I)

DATA = "sqlstab_data_"
"""Begins the names by which statements read data of this process, such as a frame."""


def place(name: str) -> str:
    """Say where a relation is, for a message: its name, or `data` where a user handed it over."""
    return "data" if name.startswith(DATA) else name


def about(side: str, name: str) -> str:
    """Name a side's relation for a message: `users table u.parquet`, or `users data`."""
    return f"{side} data" if name.startswith(DATA) else f"{side} table {name}"


def named(name: str, dialect: Dialect) -> str:
    """Write a relation as it stands after FROM: a call that reads files, or a quoted name.

    Args:
        name: `vectors.parquet`, `day=*/part-*.parquet`, `s3://bucket/x.csv`, `users`,
            `schema.users`, `"odd name"`. A directory, as in `./users`, stands for the files in it
            and below it; several paths have commas between.
        dialect: The dialect to write.

    Raises:
        UsageError: It is none of these, or has a secret in it.
        UsageError, DataError: Its files cannot be read as one table; see `files.call`.
    """
    if not name.strip() or "\0" in name:
        raise UsageError(f"{name!r} names no table and no file.")
    if _SECRET.search(name):
        raise UsageError(
            f"The name of a file at {name.partition('://')[0]}:// has a secret in it, which would "
            "stand in statements, errors and run.json: give it to the engine (in DuckDB, CREATE "
            "PERSISTENT SECRET), and name the file without it."
        )
    if dialect.reads_files and files.is_path(name):
        return files.call(name)
    return ".".join(
        quoting.identifier(part, dialect) for part in quoting.table_parts(name, dialect)
    )
