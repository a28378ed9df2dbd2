"""Files that commands write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlstab.errors import EngineError, UsageError
from sqlstab.statements.files import local_file

if TYPE_CHECKING:
    from pathlib import Path

# Of a file, what is looked at to find out what it is.
_HEAD = 1_000


def write(out: str, data: bytes, ours: bytes | None = None) -> None:
    """Write a new file; what is there and is no file, such as a pipe, takes it too.

    Args:
        out: Its path.
        data: What it holds.
        ours: What stands near the beginning of a file that may be replaced.

    Raises:
        UsageError: There is another file of that name, or it is in no directory.
        EngineError: The disk refused.
    """
    path = local_file(out)
    try:
        is_new = not path.exists() or (path.is_file() and not _has(path, ours))
        with path.open("xb" if is_new else "wb") as file:
            try:
                file.write(data)
                file.flush()
            except OSError:
                if is_new:
                    path.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise UsageError(f"{out} exists already and is not replaced: name another.") from None
    except OSError as error:
        raise EngineError(f"{out} cannot be written: {error.strerror or error}.") from error


def _has(path: Path, mark: bytes | None) -> bool:
    if mark is None:
        return False
    with path.open("rb") as file:
        return mark in file.read(_HEAD)
