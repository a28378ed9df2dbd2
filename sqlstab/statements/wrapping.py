"""Long expressions over several lines.

Folds and lambdas nest deeply, and the templates put such an expression together from parts, on one
line. sqlglot would lay it out, but write other functions than the templates chose.
"""

from __future__ import annotations

import re
from itertools import pairwise

_WIDTH = 110
_OPENING, _CLOSING = "([", ")]"
# Where a CASE is broken, unless it is within parentheses.
_BRANCH = re.compile(r" (?=(?:WHEN|ELSE|END)\b)")


def wrapped(text: str) -> str:
    """Break the long lines of a statement where its parentheses are."""
    return "".join(f"{part}\n" for line in text.splitlines() for part in _broken(line))


def _broken(line: str) -> list[str]:
    stripped = line.lstrip()
    if len(line) <= _WIDTH or stripped.startswith("--"):
        return [line]
    indent = line[: len(line) - len(stripped)]
    groups = _groups(stripped)
    branches = [
        m.start()
        for m in _BRANCH.finditer(stripped)
        if not any(start < m.start() < end for start, end in groups)
    ]
    if stripped.startswith("CASE ") and branches:
        ends = [*branches, len(stripped)]
        parts = [stripped[: ends[0]]]
        for start, end in pairwise(ends):
            # What follows END is outside.
            deeper = "" if stripped.startswith("END", start + 1) else "    "
            parts.append(deeper + stripped[start + 1 : end])
        return [part for one in parts for part in _broken(indent + one)]
    if not groups:
        return [line]
    start, end = max(groups, key=lambda group: group[1] - group[0])
    inner = _split(stripped[start + 1 : end])
    lines = [indent + stripped[: start + 1]]
    for part in inner:
        lines += _broken(f"{indent}    {part}")
    return [*lines, *_broken(indent + stripped[end:])]


def _groups(text: str) -> list[tuple[int, int]]:
    """Find where the outermost parentheses and brackets open and close."""
    found, depth, start, quoted = [], 0, 0, False
    for place, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character in _OPENING:
            start = start if depth else place
            depth += 1
        elif character in _CLOSING:
            depth -= 1
            if depth == 0:
                found.append((start, place))
    return found


def _split(text: str) -> list[str]:
    """Split arguments, each with the comma behind it."""
    groups = _groups(text)
    parts, last = [], 0
    for place, character in enumerate(text):
        if character == "," and not any(start < place < end for start, end in groups):
            parts.append(text[last : place + 1].strip())
            last = place + 1
    return [*parts, text[last:].strip()]
