"""How a message names an option: as whoever reads it typed it.

Messages are written with the names of the command line, as in `--on-invalid`, since these cannot be
taken for other words. Where options come from Python or from a project file, they are spelled anew:
as `on_invalid`, or as `[run] on_invalid`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Face = Literal["python", "command line", "project file"]

# Names without a side. The keys of a project file are the same, but for those of [engine].
_TABLE = ("id", "vector", "layout", "filter", "weight", "anchor-filter", "keep")
_RUN = (
    *("reference", "out", "transform-table", "anchor", "cosine", "rank", "refine", "strategy"),
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
    if _face.get() == "command line":
        return message
    rewrite = _in_python if _face.get() == "python" else _in_a_file
    return re.sub(r"(?<!\S)--(?:(users|items)-)?([a-z]+(?:-[a-z]+)*)", rewrite, message)


def _in_python(match: re.Match[str]) -> str:
    side, name = match[1], match[2]
    if side:
        return f"{side}_out" if name == "out" else f"{_key(name)} of the {side}' EmbeddingTable"
    return _key(name) if name in (*_TABLE, *_RUN, *_ENGINE) else match[0]


def _in_a_file(match: re.Match[str]) -> str:
    side, name = match[1], match[2]
    if side and name in (*_TABLE, "out"):
        return f"[{side}] {_key(name)}"
    if name in _ENGINE:
        return f"[engine] {_ENGINE[name]}"
    return f"[run] {_key(name)}" if name in _RUN else match[0]


def _key(name: str) -> str:
    return name.replace("-", "_")
