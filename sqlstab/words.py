"""Numbers in words."""

from __future__ import annotations


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
