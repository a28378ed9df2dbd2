"""How a message names an option: as whoever reads it typed it.

Messages are written with the names of the command line, as in `--on-invalid`, since these cannot be
taken for other words. Where options come from Python or from a project file, they are spelled anew:
as `on_invalid`, or as `[run] on_invalid`. Two tables of one model, `USERS,ITEMS` on the command
line, are a pair there.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Face = Literal["python", "command line", "project file"]

_SIDES = ("users", "items", "vectors")
# Names without a side. The keys of a project file are the same, but for those of [engine].
_TABLE = ("id", "vector", "layout", "filter", "weight", "anchor-filter", "keep")
_RUN = (
    *("reference", "out", "transform-table", "anchor", "cosine", "center", "normalize", "rank"),
    *("refine", "strategy"),
    *("solver", "on-invalid", "output-layout", "output-type", "sample"),
    *("partition-by", "partition-version", "grams"),
    *("registry", "keep-runs"),
    *("min-shared-ids", "min-mean-cosine", "min-cka", "max-residual", "force"),
)
_ENGINE = {
    "engine": "url",
    "database": "database",
    "threads": "threads",
    "memory-limit": "memory_limit",
}

_PAIR = "a pair (users, items)"

_face: ContextVar[Face] = ContextVar("sqlstab_face", default="python")


@contextmanager
def typed_in(face: Face) -> Iterator[None]:
    """Spell options as they are typed there, for as long as the context lasts."""
    token = _face.set(face)
    try:
        yield
    finally:
        _face.reset(token)


def spelled(message: str) -> str:
    """A message with the names of options as its reader knows them."""
    rewrite = {"python": _in_python, "project file": _in_a_file}.get(_face.get(), _on_a_line)
    # A whole command is typed as it stands, by whoever reads of it.
    command = r"\bsqlstab [a-z]+(?: [a-z-]+)?(?: --[a-z]+(?:-[a-z]+)*)+"
    option = r"(?<!\S)--(?:(?P<side>users|items|vectors|also\.\w+)-)?(?P<name>[a-z]+(?:-[a-z]+)*)"
    message = re.sub(
        f"(?P<command>{command})|{option}",
        lambda match: match[0] if match["command"] else rewrite(match),
        message,
    )
    return message.replace("USERS,ITEMS", _PAIR) if _face.get() == "python" else message


def _on_a_line(match: re.Match[str]) -> str:
    # A table alone is the only one that an option can be about; further tables have none.
    plain = match["side"] and match["side"] not in ("users", "items") and match["name"] in _TABLE
    return f"--{match['name']}" if plain else match[0]


def _in_python(match: re.Match[str]) -> str:
    side, name = match["side"], match["name"]
    if name == "also-scores":
        return "scores of its FurtherTable"
    if side:
        word = side.removeprefix("also.")
        return f"{side}_out" if name == "out" else f"{_key(name)} of the {word}' EmbeddingTable"
    return _key(name) if name in (*_TABLE, *_RUN, *_ENGINE, *_SIDES, "also") else match[0]


def _in_a_file(match: re.Match[str]) -> str:
    side, name = match["side"], match["name"]
    if name == "also-scores":
        return "scores in its section"
    if side and name in (*_TABLE, "out"):
        return f"[{side}] {_key(name)}"
    if name in (*_SIDES, "also"):
        return f"[{name}]"
    if name in _ENGINE:
        return f"[engine] {_ENGINE[name]}"
    return f"[run] {_key(name)}" if name in _RUN else match[0]


def _key(name: str) -> str:
    return name.replace("-", "_")
