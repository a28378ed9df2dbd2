"""What the terminal shows: progress and warnings on stderr, results on stdout."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import contextmanager, suppress
from threading import Timer
from typing import TYPE_CHECKING, Any

import click

from sqlstab.errors import OutputError, one_line, printable
from sqlstab.progress import Silent
from sqlstab.words import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from sqlstab.progress import Progress


# Characters in a line: more than a line of a statement or a table has.
_ENDLESS = 10_000_000
# Seconds after which a log hears of a step.
_LONG = 5.0
_NUMBER = re.compile(r"-?[\d,]*(\.\d+)?|-")


def print_json(value: Any) -> None:
    """Print figures as JSON."""
    print_exactly(f"{json_text(value)}\n")


def print_exactly(text: str) -> None:
    """Print what programs read: UTF-8 in any locale, and no control characters on a terminal."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    click.echo(printable(text) if is_terminal else text.encode(), nl=False)


@contextmanager
def results(done: str) -> Iterator[None]:
    """Print what is known of something that is done: where that fails, the error says that it is.

    Raises:
        OutputError: The stream failed.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"output: {error.strerror or error}; {done}.") from error


def print_rows(rows: Sequence[tuple[str, ...]], *, titles: tuple[str, ...] = ()) -> None:
    """Print rows of texts in columns, numbers to the right.

    On a terminal a text that is too long goes on in the next line.
    """
    if sys.stdout is None or not sys.stdout.isatty():
        click.echo("".join(f"{line}\n" for line in _lines(rows, titles)), nl=False)
        return
    from rich.table import Table  # noqa: PLC0415 - takes time that --help need not wait for

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=bool(titles), pad_edge=False)
    width = max(map(len, (*rows, titles)))
    for title, *column in zip(
        *((*row, *[""] * (width - len(row))) for row in (titles, *rows)), strict=True
    ):
        is_number = bool(title) and all(_NUMBER.fullmatch(text) for text in column)
        table.add_column(title, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(text) for text in row))
    show(table)


def print_text(text: str) -> None:
    """Print a sentence; on a terminal its words go on in the next line."""
    show(_cell(text))


def _cell(text: str) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    return Text(one_line(text))


def _lines(rows: Sequence[tuple[str, ...]], titles: tuple[str, ...]) -> list[str]:
    """Return the lines of a table for a log or a pipe: a thousand take rich half a second."""
    from rich.cells import cell_len  # noqa: PLC0415

    columns = max(map(len, (*rows, titles)))
    cells = [
        [one_line(text) for text in row] + [""] * (columns - len(row))
        for row in ([titles] if titles else []) + list(rows)
    ]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    right = [bool(number and number < len(titles) and titles[number]) for number in range(columns)]
    lines = []
    for row in cells:
        parts = []
        for text, width, to_the_right in zip(row, widths, right, strict=True):
            free = " " * (width - cell_len(text))
            parts.append(free + text if to_the_right else text + free)
        lines.append("  ".join(parts).rstrip(" "))
    return lines


def show(what: RenderableType) -> None:
    """Print a result."""
    new_console().print(what)


def new_console(*, stderr: bool = False) -> Console:
    """Return a console for results, or for messages.

    It takes no markup, which names of tables and files may look like; style is for `Text`.
    """
    from rich.console import Console  # noqa: PLC0415

    class Plain(Console):
        """For a log or a pipe: whole lines, with no blanks at their end and no colours."""

        def print(self, *objects: Any, **options: Any) -> None:
            with self.capture() as captured:
                super().print(*objects, **options)
            click.echo(re.sub(r" +$", "", captured.get(), flags=re.MULTILINE), nl=False, err=stderr)

    stream = sys.stderr if stderr else sys.stdout
    # What CI systems set to have colours (FORCE_COLOR) makes no terminal of a log. A stream that is
    # closed from the start is None.
    if stream is None or not stream.isatty():
        return Plain(
            stderr=stderr, highlight=False, markup=False, force_terminal=False, width=_ENDLESS
        )
    return Console(stderr=stderr, highlight=False, markup=False)


def log(given: dict[str, Any]) -> None:
    """Show what is logged, as much of it as --quiet, --verbose and --show-sql ask for."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            color = {"WARNING": "yellow"}.get(record.levelname)
            prefix = "Warning: " if record.levelno == logging.WARNING else ""
            text = printable(prefix + record.getMessage())
            # A run does not fail because its messages cannot be shown.
            with suppress(OSError):
                click.secho(text, err=True, fg=color, dim=record.levelno == logging.DEBUG)

    # Drivers log what their exceptions say, and Python prints it where there is no handler.
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())
    logger = logging.getLogger("sqlstab")
    logger.handlers = [Handler()]
    logger.propagate = False
    level = logging.ERROR if given.get("quiet") else logging.WARNING
    logger.setLevel(logging.INFO if given.get("verbose") else level)
    logging.getLogger("sqlstab.sql").setLevel(logging.DEBUG if given.get("show_sql") else level)


def progress(given: dict[str, Any]) -> Progress:
    """Return bars on a terminal, elsewhere lines for what takes long, nothing where it is quiet."""
    # --verbose says the same after each step, with the time.
    if given.get("quiet") or given.get("verbose") or sys.stderr is None:
        return Silent()
    return _Bars() if sys.stderr.isatty() else _Lines()


def _say(text: str) -> None:
    with suppress(OSError):
        click.echo(text, err=True)


class _Lines:
    """A plain line for a step that takes long, while it does: for logs. --verbose has them all."""

    @contextmanager
    def step(self, title: str) -> Iterator[_Lines]:
        late = Timer(_LONG, _say, [f"{printable(title)} ..."])
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

    @contextmanager
    def step(self, title: str) -> Iterator[_Bar]:
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=new_console(stderr=True), transient=True) as bars:
            yield _Bar(bars, bars.add_task(printable(title), total=1.0))


class _Bar:
    def __init__(self, bars: RichProgress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def done(self, fraction: float) -> None:
        self._bars.update(self._task, completed=min(fraction, 1.0))
