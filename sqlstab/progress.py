"""How a long run tells what it is doing; what shows it in a terminal is in `cli/console.py`."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from sqlstab.spelling import spelled

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


class Diary:
    """What a run notes of itself while it is under way.

    Args:
        progress: Shows its steps.

    Attributes:
        progress: As given.
        warnings: What it has warned of.
        timings: Seconds, by the names of steps.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.warnings: list[str] = []
        self.timings: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        """Show a step and time it.

        Args:
            name: What its time is added to.
            title: What is shown.
        """
        started = time.perf_counter()
        with self.progress.step(title) as step:
            yield step
        spent = time.perf_counter() - started
        logger.info("%s: %.2f s", title, spent)
        self.timings[name] = self.timings.get(name, 0.0) + spent

    def tell(self, message: str) -> None:
        """Tell whoever runs this what follows from what they have asked for."""
        logger.warning("%s", spelled(message))

    def warn(self, message: str) -> None:
        """Tell whoever runs this, and whoever reads of it later."""
        self.warnings.append(spelled(message))
        self.tell(message)
