"""Folders that a process holds a lock on for as long as it lives.

A killed process removes no folder, but loses its locks. So the lock of a folder tells whether its
process still runs. A file with a process id could be stale, or name another process by now.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlstab.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What stands behind a prefix: 8 hexadecimal digits.
_RANDOM = r"[0-9a-f]{8}"


class LockedFolder:
    """A new folder of this process, locked until it is removed.

    Args:
        parent: Where it is made.
        prefix: What its name begins with.

    Attributes:
        path: The folder.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        descriptor = None
        made = False
        while not made:
            self.path = parent / f"{prefix}{secrets.token_hex(4)}"
            with suppress(FileExistsError):
                made, descriptor = self._make()
        # At the latest when Python exits.
        self._finalizer = weakref.finalize(self, _remove, self.path, descriptor)

    def _make(self) -> tuple[bool, int | None]:
        """Make and lock the folder; return whether this process has it, and the lock."""
        try:
            self.path.mkdir(mode=0o700)
            try:
                return True, lock(self.path)
            except (BlockingIOError, FileNotFoundError):
                # A process that removes abandoned folders came between the two calls.
                return False, None
        except KeyboardInterrupt:
            # No other process has seen it yet.
            with suppress(OSError):
                self.path.rmdir()
            raise

    def remove(self) -> None:
        """Remove it with all that is in it, and let go of the lock."""
        self._finalizer()


def _remove(folder: Path, descriptor: int | None) -> None:
    try:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except KeyboardInterrupt:
            # The rest must not stay behind; another Ctrl-C ends this too.
            shutil.rmtree(folder, ignore_errors=True)
            raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def lock(folder: Path) -> int | None:
    """Lock a folder; None where the system or its file system has no such lock.

    Returns:
        A descriptor: closing it ends the lock, and so does the end of the process.

    Raises:
        BlockingIOError: Another process holds the lock.
        FileNotFoundError: The folder is gone.
    """
    try:
        import fcntl  # noqa: PLC0415 - POSIX only
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        raise
    except OSError:  # some network file systems
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(folder: Path, wait: float = 30.0) -> Iterator[None]:
    """Hold the lock on an existing folder for as long as the context lasts.

    Args:
        folder: The folder.
        wait: So many seconds for another process that has it.

    Raises:
        EngineError: The other process did not let go of it, or the folder is gone.
    """
    give_up = time.monotonic() + wait
    while True:
        try:
            held = lock(folder)
            break
        except BlockingIOError as error:
            if time.monotonic() > give_up:
                raise EngineError(f"{folder} is locked by another process.") from error
            time.sleep(0.05)
        except OSError as error:
            raise EngineError(f"{folder} cannot be read: {error.strerror}.") from error
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def found(parent: Path, prefix: str, holds: str, ending: str = "") -> list[Path]:
    """List folders of `LockedFolder` by this user, whether or not their process still runs.

    Leaves out folders of such a name that hold anything else.

    Args:
        parent: Where they are.
        prefix: What their names begin with: a regular expression.
        holds: The names of what may be in them: a regular expression.
        ending: What their names end with.
    """
    name, within = re.compile(prefix + _RANDOM + re.escape(ending)), re.compile(holds)
    with os.scandir(parent) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if name.fullmatch(entry.name) and _is_our_folder(entry, within)
        )


def _is_our_folder(entry: os.DirEntry[str], holds: re.Pattern[str]) -> bool:
    try:
        owner = entry.stat(follow_symlinks=False).st_uid
        if not entry.is_dir(follow_symlinks=False):
            return False
        # Its owner may be at work in it.
        names = [name for _, *both in os.walk(entry.path) for some in both for name in some]
    except OSError:  # it has gone by now
        return False
    is_ours = not hasattr(os, "getuid") or owner == os.getuid()
    return is_ours and all(map(holds.fullmatch, names))


def remove_abandoned(folder: Path) -> None:
    """Remove a folder whose process no longer lives; leave any other alone."""
    with suppress(OSError):
        descriptor = lock(folder)
        if descriptor is not None:
            _remove(folder, descriptor)
