"""How a long run tells what it is doing; the terminal's version is in `cli/console.py`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Step(Protocol):
    """One step under way."""

    def done(self, fraction: float) -> None:
        """Say how much of the step is done, from 0 to 1; may be called from another thread."""


class Progress(Protocol):
    """Something that shows steps."""

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step for as long as the context lasts."""


class _SilentStep:
    def done(self, fraction: float) -> None:
        pass


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """See `Progress`."""
        yield _SilentStep()
