"""`sqlstab` commands in processes of their own that can be killed, at any moment or at a named one.

Each is forked from a server that has imported everything: a command takes 0.1 to 0.3 s instead of
a second or more, so that a test can afford many.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["preloaded"])

# What Python does to files: see https://docs.python.org/3/library/audit_events.html
_FILE_EVENTS = {
    *("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "fcntl.flock"),
    # Two folders change places by a function of libc.
    "ctypes.dlsym",
}


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code; of one that was killed, minus the signal.
        stderr: What it wrote there.
        names: The named points that it came to: statements, and what is done to files.
    """

    code: int
    stderr: str
    names: list[str]

    @property
    def points(self) -> int:
        """How many named points it came to."""
        return len(self.names)

    def first(self, text: str) -> int:
        """The number of the first named point that has a text in it."""
        return next(k for k, name in enumerate(self.names, start=1) if text in name)


class Command:
    """A command that has been started.

    Args:
        arguments: Those of `sqlstab`.
        folder: For what it prints.
        cwd: Its working directory.
        at: It sends itself a signal when it has come to so many named points: before it makes,
            moves or removes a file, and before a statement begins. SIGSTOP lets it wait there.
        stdout: Where its results go, if not where its messages go.
        file_size: No file of its can grow beyond so many bytes, as on a full disk.
        environment: Variables to set.
    """

    def __init__(
        self,
        *arguments: object,
        folder: Path,
        cwd: Path | None = None,
        at: tuple[int, int] | None = None,
        stdout: str = "",
        file_size: int | None = None,
        **environment: str,
    ) -> None:
        descriptor, said = tempfile.mkstemp(dir=folder, prefix="said-")
        os.close(descriptor)
        self._said = Path(said)
        self._at = at
        self._points = _CONTEXT.Value("i", 0, lock=False)
        # Which the server has not, if it was started by an earlier test.
        environment = {"TMPDIR": tempfile.gettempdir(), **environment}
        given = ([str(one) for one in arguments], str(self._said), stdout, str(cwd or folder))
        self.process = _CONTEXT.Process(
            target=_command, args=(*given, self._points, at, file_size, environment)
        )
        # Starts the server if need be, which does not know this process's `sys.path` (Python 3.11).
        with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))):
            self.process.start()

    def waits(self) -> None:
        """Return when it has come to its point."""
        assert self._at
        while self._points.value < self._at[0]:
            assert self.process.is_alive(), self._said.read_text()
            time.sleep(0.005)

    def signal(self, number: int) -> None:
        """Send it a signal, if it still lives."""
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, number)

    def end(self, timeout: float = 60) -> Ended:
        """Wait for its end."""
        self.process.join(timeout)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            raise AssertionError(f"{self._said.read_text()}\nIt has not ended.")
        said = self._said.read_text()
        # It may have been killed before it came to anything.
        names = self._names.read_text().splitlines() if self._names.exists() else []
        self._said.unlink()
        self._names.unlink(missing_ok=True)
        return Ended(code, said, names)

    @property
    def _names(self) -> Path:
        return self._said.with_name(f"{self._said.name}.points")


def run(*arguments: object, code: int = 0, **given: Any) -> Ended:
    """Run a command to its end; its exit code must be `code`."""
    ended = Command(*arguments, **given).end()
    assert ended.code == code, ended.stderr
    return ended


def duration(*arguments: object, **given: Any) -> float:
    """How long a command takes, in seconds."""
    started = time.monotonic()
    run(*arguments, **given)
    return time.monotonic() - started


def _command(
    arguments: list[str],
    said: str,
    stdout: str,
    cwd: str,
    points: Any,
    at: tuple[int, int] | None,
    file_size: int | None,
    environment: dict[str, str],
) -> None:
    with Path(said).open("w") as file, Path(stdout or said).open("a") as results:
        os.dup2(file.fileno(), 2)
        os.dup2(results.fileno(), 1)
    sys.stdout, sys.stderr = (os.fdopen(k, "w", buffering=1, closefd=False) for k in (1, 2))
    os.environ.update(environment)
    tempfile.tempdir = None
    os.chdir(cwd)
    # Under nohup the server has ignored Ctrl-C from its start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _count(points, at, os.open(f"{said}.points", os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    from sqlstab.cli import main  # noqa: PLC0415 - in the forked process only

    sys.argv = ["sqlstab", *arguments]
    main()


def _count(points: Any, at: tuple[int, int] | None, names: int) -> None:
    """Count the named points that the process comes to; send it a signal at one of them."""
    own = os.getpid()

    def reached(name: str) -> None:
        with suppress(OSError):  # where files must not grow
            os.write(names, name[:200].replace("\n", " ").encode(errors="replace") + b"\n")
        points.value += 1
        if at and points.value == at[0]:
            os.kill(own, at[1])

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        # Modules that are imported are read only.
        reads = event == "open" and arguments[1] in ("r", "rb", None)
        if event in _FILE_EVENTS and not reads and os.getpid() == own:
            reached(f"{event} {arguments[0]}")

    class Statements(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reached(record.getMessage())

    sys.addaudithook(audit)
    # DuckDB's are logged one by one.
    logger = logging.getLogger("sqlstab.sql")
    logger.addHandler(Statements())
    _each_statement_of_sqlalchemy(reached)


def _each_statement_of_sqlalchemy(reached: Any) -> None:
    try:
        from sqlalchemy import event  # noqa: PLC0415 - may not be installed
        from sqlalchemy.engine import Engine  # noqa: PLC0415
    except ImportError:
        return
    event.listen(Engine, "before_cursor_execute", lambda *given: reached(str(given[2])))
    event.listen(Engine, "commit", lambda *_: reached("sqlalchemy commits"))
