"""Words for people: numbers, and text that a terminal or a page can show."""

from __future__ import annotations

import json
from typing import Any

from sqlstab.errors import UNPRINTABLE, printable


def printable_within(value: Any) -> Any:
    """Return a value of JSON with all texts in it printable, keys too."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable_within(key): printable_within(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(printable_within, value))
    return value


def json_text(value: Any) -> str:
    """Return a value as JSON that a terminal can show: exact, as control characters are escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # JSON knows one escape only.
    return UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def counted(count: int, one: str, several: str = "") -> str:
    """Return so many of something: `1 row`, `1,200 rows`.

    Args:
        count: How many.
        one: What one is called.
        several: What several are called; an `s` is added where it is left out.
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def share(part: float) -> str:
    """Return a part of a whole as a percentage."""
    return f"{part * 100:.3g}%" if part < 1 else f"{part * 100:,.0f}%"
