"""What can go wrong, and the exit code that each kind has on the command line.

Messages name options as `--on-invalid`, with a value as `--on-invalid=drop` or `--force=true`, and
those of one table as `--items.vector`. Each way to set them (the command line, a project file,
Python) spells them its own way: see `typed_in`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator


# What moves the cursor, changes colours, turns the direction of text or hides in it; and halves of
# a character, which no stream takes. Ids, names and what drivers say may have them.
UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return a text with control characters written as escapes; line breaks and tabs stay."""
    return UNPRINTABLE.sub(_escaped, text)


def one_line(text: str) -> str:
    """Return a printable text whose line breaks and tabs are escapes, too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class SqlstabError(Exception):
    """Base of all errors that sqlstab raises on purpose.

    Args:
        message: The message; options in it are spelled as its reader types them, and control
            characters, which names and ids may have, as escapes.

    Attributes:
        exit_code: What `sqlstab` returns to the shell.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(spelled(message))


class UsageError(SqlstabError):
    """An invalid option, name or combination of options."""

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


class OutputError(EngineError):
    """What was asked for is done, but cannot be printed; the message says both."""


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


Face: TypeAlias = Callable[["str | None", str, "str | None"], str]
"""Spells an option: takes the table it is about, if it is about one, its name, and its value."""

# A whole command is spelled the same everywhere.
_OPTION = re.compile(
    r"\bsqlstab [a-z]+(?:(?: [a-z-]+)?(?: --[a-z-]+)+)"
    r"|(?<!\S)--(?:(?P<side>(?:also\.)?\w+)\.)?(?P<name>[a-z]+(?:-[a-z]+)*)"
    r"(?:=(?P<value>\S*[^\s.,;:)]))?"
)


def in_python(side: str | None, name: str, value: str | None) -> str:
    """Spell an option as an argument of a function, or a field of a table."""
    # A function that is called run has no argument of that name.
    keyword = "key" if name == "run" else key(name)
    if value:
        keyword += f"={'True' if value == 'true' else literal(value)}"
    if side:
        return f"EmbeddingTable({side.removeprefix('also.')}, {keyword}{'' if value else '=...'})"
    return keyword


def on_the_command_line(side: str | None, name: str, value: str | None) -> str:
    """Spell an option as the shell has it: each once, for all tables."""
    return f"--{name}" if value in (None, "true") else f"--{name} {value}"


_face: ContextVar[Face] = ContextVar("sqlstab_face", default=in_python)


@contextmanager
def typed_in(face: Face) -> Iterator[None]:
    """Spell options this way for as long as the context lasts."""
    token = _face.set(face)
    try:
        yield
    finally:
        _face.reset(token)


def spelled(message: str) -> str:
    """Return a message as its reader knows options, on one line, with nothing that acts."""
    face = _face.get()
    text = one_line(message)
    return _OPTION.sub(
        lambda m: face(m["side"], m["name"], m["value"]) if m["name"] else m[0], text
    )


def literal(value: str) -> str:
    """Return a value as Python and TOML write it: numbers and true as they are, words in quotes."""
    return value if value.isdecimal() or value == "true" else f'"{value}"'


def key(name: str) -> str:
    """Return an option's name as a variable of Python or a key of TOML."""
    return name.replace("-", "_")
