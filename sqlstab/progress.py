"""What a run says while it is under way; what shows it in a terminal is in `cli/console.py`."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from sqlstab.errors import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("sqlstab")


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


class Log:
    """Record the steps, timings and warnings of a run.

    Args:
        progress: Shows the steps; None shows nothing.

    Attributes:
        warnings: The warnings, in order.
        timings: Seconds, by the first word of the steps' names.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress: Progress = progress or Silent()
        self.warnings: list[str] = []
        self.timings: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        """Show a step and time it.

        Args:
            name: Its name; its time is added to that of its first word.
            title: What is shown.
        """
        started = time.perf_counter()
        with self.progress.step(title) as step:
            yield step
        spent = time.perf_counter() - started
        logger.info("%s: %.2f s", title, spent)
        name = name.partition(" ")[0]
        self.timings[name] = self.timings.get(name, 0.0) + spent

    def seconds(self) -> dict[str, float]:
        """Return all timings, and the total so far, rounded for a file."""
        total = time.perf_counter() - self._started
        return {name: round(t, 3) for name, t in {**self.timings, "total": total}.items()}

    def tell(self, message: str) -> None:
        """Tell the user something that is no warning about this run."""
        logger.warning("%s", spelled(message))

    def warn(self, message: str) -> None:
        """Warn the user now, and keep the warning in the figures."""
        if spelled(message) not in self.warnings:
            self.warnings.append(spelled(message))
            self.tell(message)
