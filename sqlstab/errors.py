"""What can go wrong, and the exit code that each kind has on the command line."""

from __future__ import annotations

from sqlstab.spelling import spelled


class SqlstabError(Exception):
    """Base of all errors that sqlstab raises on purpose.

    Args:
        message: The message; options in it are spelled as its reader types them.

    Attributes:
        exit_code: What `sqlstab` returns to the shell.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(spelled(message))


class UsageError(SqlstabError):
    """An option, a name or a combination of them that cannot be meant."""

    exit_code = 2


class EngineError(SqlstabError):
    """The database or the disk refused or failed.

    Attributes:
        statement: The SQL that failed, or an empty string when there was none.
    """

    exit_code = 3

    def __init__(self, message: str, statement: str = "") -> None:
        super().__init__(message)
        self.statement = statement


class OutOfRangeError(EngineError):
    """A number is too large or too small for its type."""


class ConflictError(EngineError):
    """Something else has changed what was about to be changed, which stays as it is now."""


class HalfWayInterrupt(KeyboardInterrupt):
    """Ctrl-C when something had been replaced already; the message says what."""


class DataError(SqlstabError):
    """The vectors or ids cannot be worked with; the message names count, example and remedy."""

    exit_code = 4


class GateError(SqlstabError):
    """The alignment is not as good as was demanded; nothing was written."""

    exit_code = 5
