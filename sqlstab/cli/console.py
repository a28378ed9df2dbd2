"""What the terminal shows: progress and warnings on stderr, results on stdout."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from sqlstab.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from sqlstab.progress import Progress


# Characters in a line: more than a line of a statement or a table has.
_ENDLESS = 10_000_000
# Seconds after which a log hears of a step.
_LONG = 5.0


class _Plain(Console):
    """For a log or a pipe: whole lines, however long, with no blanks behind them and no colours."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(
            stderr=stderr, highlight=False, markup=False, force_terminal=False, width=_ENDLESS
        )

    def print(self, *objects: Any, **options: Any) -> None:
        """As every console does it, but for the blanks that fill up the last column of a table."""
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write(re.sub(r" +$", "", captured.get(), flags=re.MULTILINE))
        self.file.flush()


def new_console(*, stderr: bool = False) -> Console:
    """A console for results, or for what is said beside them.

    It takes no markup, which names of tables and files may look like; style is for `Text`.
    """
    stream = sys.stderr if stderr else sys.stdout
    # What CI systems set to have colours (FORCE_COLOR) makes no terminal of a log.
    if not stream.isatty():
        return _Plain(stderr=stderr)
    return Console(stderr=stderr, highlight=False, markup=False)


def log_to(console: Console, given: dict[str, Any]) -> None:
    """Show what is logged, as much of it as --quiet, --verbose and --show-sql ask for."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            style = {"WARNING": "yellow", "DEBUG": "dim"}.get(record.levelname, "")
            prefix = "Warning: " if record.levelno == logging.WARNING else ""
            console.print(Text(prefix + record.getMessage(), style=style))

    # Drivers log what their exceptions say, and Python prints it where nobody listens.
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())
    logger = logging.getLogger("sqlstab")
    logger.handlers = [Handler()]
    logger.propagate = False
    level = logging.ERROR if given.get("quiet") else logging.WARNING
    logger.setLevel(logging.INFO if given.get("verbose") else level)
    logging.getLogger("sqlstab.sql").setLevel(logging.DEBUG if given.get("show_sql") else level)


def progress_on(console: Console, quiet: bool) -> Progress:
    """Bars on a terminal, elsewhere lines for what takes long, nothing where it shall be quiet."""
    if quiet:
        return Silent()
    return _Lines(console) if isinstance(console, _Plain) else _Bars(console)


class _Lines:
    """A plain line for a step that takes long, while it does: for logs. --verbose has them all."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[_Lines]:
        late = Timer(_LONG, self._console.print, [Text(f"{title} ...")])
        late.daemon = True
        late.start()
        try:
            yield self
        finally:
            late.cancel()

    def done(self, fraction: float) -> None:
        pass


class _Bars:
    """A bar for the step under way; it goes when the step is done."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[_Bar]:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with RichProgress(*columns, console=self._console, transient=True) as bars:
            yield _Bar(bars, bars.add_task(title, total=1.0))


class _Bar:
    def __init__(self, bars: RichProgress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def done(self, fraction: float) -> None:
        self._bars.update(self._task, completed=min(fraction, 1.0))
