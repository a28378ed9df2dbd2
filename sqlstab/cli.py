"""The command line: a thin layer on the Python API."""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from sqlstab import __version__
from sqlstab.config import ON_INVALID, OUTPUT_TYPES, REFINE, STRATEGIES
from sqlstab.errors import EngineError, SqlstabError
from sqlstab.tables import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console
    from rich.progress import TaskID

    from sqlstab.runs import Run
    from sqlstab.tables import EmbeddingTable, Side


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 2 usage, 3 the database failed, 4 bad data.",
)
@click.version_option(__version__, prog_name="sqlstab")
def cli() -> None:
    """Keep the vectors of a retrained recommender where they were.

    Each training of a recommender model puts its user and item vectors into a new, rotated space.
    sqlstab turns today's vectors into yesterday's space, so that whatever uses them as features, or
    keeps them in an index, goes on working. No score changes: every user-item dot product stays
    what it was.

    Start with: sqlstab demo
    """


def _side_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that exist once for the users and once for the items."""
    descriptions = {
        "id": ("COLUMN", "The id column. Default: id, {one}_id, or the only one that ends in id."),
        "vector": (
            "COLUMNS",
            "The vector: an array column (embedding), a range (e0..e63), a prefix (e*), or "
            "dimension,value for one row per dimension. Default: found from the types.",
        ),
        "filter": ("CONDITION", "Only rows that meet this SQL condition take part."),
        "anchor-filter": (
            "CONDITION",
            "Only {side} that meet this SQL condition take part in the alignment, as in "
            "'ratings > 20'; all are written.",
        ),
        "weight": ("COLUMN", "How much each of the {side} counts in the alignment."),
        "keep": ("COLUMNS", "Further columns to copy into the stable table, with commas between."),
    }
    for side, one in (("items", "item"), ("users", "user")):
        for name, (metavar, text) in reversed(descriptions.items()):
            command = click.option(
                f"--{side}-{name}", metavar=metavar, help=text.format(side=side, one=one)
            )(command)
    return command


@cli.command(short_help="Put a run's vectors into the space of an earlier run.")
@click.option(
    "--users",
    required=True,
    metavar="TABLE",
    help="The user vectors: a Parquet or CSV file, a glob, a URL, or a table of --database.",
)
@click.option("--items", required=True, metavar="TABLE", help="The item vectors, likewise.")
@click.option(
    "--reference",
    metavar="DIR",
    help="The run whose space to stay in: a directory that an earlier run wrote as its --out. "
    "Leave it out the first time; that run then defines the space.",
)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    help="Where to write. An earlier run there is replaced as a whole at the end, or not at all.",
)
@click.option(
    "--database",
    metavar="FILE",
    help="A DuckDB database file; --users and --items may then name tables or views in it. It is "
    "opened for reading only.",
)
@_side_options
@click.option(
    "--anchor",
    default="items",
    show_default=True,
    metavar="SIDE",
    help="Which ids hold the space in place: items, users, both, or weights such as "
    "items=1,users=0.1.",
)
@click.option(
    "--cosine", is_flag=True, help="Align directions only: each anchor counts as a unit vector."
)
@click.option(
    "--rank",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the N most important dimensions only. Scores then change a little.",
)
@click.option(
    "--refine",
    type=click.Choice(REFINE),
    default="auto",
    show_default=True,
    help="A second scan for full accuracy where vector columns are nearly dependent.",
)
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="auto",
    show_default=True,
    help="sql computes everything in SQL; arrow streams rows through BLAS, which is faster. The "
    "results agree.",
)
@click.option(
    "--on-invalid",
    type=click.Choice(ON_INVALID),
    default="error",
    show_default=True,
    help="What to do about NULL or duplicate ids and broken vectors: stop, or leave them out.",
)
@click.option(
    "--output-layout",
    type=click.Choice(LAYOUTS),
    help="One column per dimension, one array column, or one row per dimension. Default: as the "
    "input.",
)
@click.option(
    "--output-type",
    type=click.Choice(OUTPUT_TYPES),
    help="Type of a number. Default: as the input.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="DuckDB's threads. Default: all cores.",
)
@click.option(
    "--memory-limit",
    metavar="SIZE",
    help="How much memory DuckDB may take before it uses the disk, as in 4GB. Default: 512MB.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only (and --json).")
@click.option("-v", "--verbose", is_flag=True, help="Say what is being done, and how long it took.")
@click.option("--show-sql", is_flag=True, help="Print each SQL statement before it runs.")
def run(**given: Any) -> None:
    """Put the vectors of a retrained model into the space of an earlier run.

    Writes DIR/users.parquet and DIR/items.parquet with the stable vectors, DIR/transform.json with
    the two matrices (to turn fresh vectors at serving time), and DIR/run.json with figures. DIR is
    what the next run takes as its --reference. Rows come in no particular order.

    \b
    The first time:  sqlstab run --users u.parquet --items i.parquet --out monday/
    From then on:    sqlstab run --users u.parquet --items i.parquet --reference monday/ --out tuesday/
    """
    console = _console(stderr=True)
    _log_to(console, given)
    finished = _run(given, console)
    if given["as_json"]:
        click.echo(json.dumps(finished.figures, indent=2, ensure_ascii=False))
    elif not given["quiet"]:
        _console().print(_summary(finished))


def _run(given: dict[str, Any], console: Console) -> Run:
    # The numerical libraries take a third of a second to import: --help need not wait for them.
    from sqlstab.config import Options  # noqa: PLC0415
    from sqlstab.engines.duckdb import DuckDBEngine  # noqa: PLC0415
    from sqlstab.progress import Silent  # noqa: PLC0415
    from sqlstab.stabilize import stabilize  # noqa: PLC0415

    options = Options(
        anchor=given["anchor"],
        cosine=given["cosine"],
        rank=given["rank"],
        refine=given["refine"],
        strategy=given["strategy"],
        on_invalid=given["on_invalid"],
        output_layout=given["output_layout"],
        output_type=given["output_type"],
    )
    engine = DuckDBEngine(
        given["database"], threads=given["threads"], memory_limit=given["memory_limit"]
    )
    try:
        return stabilize(
            _table(given, "users"),
            _table(given, "items"),
            given["reference"],
            given["out"],
            engine,
            options=options,
            progress=Silent() if given["quiet"] else _progress(console),
        )
    finally:
        engine.close()


def _table(given: dict[str, Any], side: Side) -> EmbeddingTable:
    from sqlstab.tables import EmbeddingTable  # noqa: PLC0415

    keep = given[f"{side}_keep"]
    return EmbeddingTable(
        given[side],
        id=given[f"{side}_id"],
        vector=given[f"{side}_vector"],
        filter=given[f"{side}_filter"],
        anchor_filter=given[f"{side}_anchor_filter"],
        weight=given[f"{side}_weight"],
        keep=tuple(name.strip() for name in keep.split(",")) if keep else (),
    )


@cli.command(short_help="See on real data what it does.")
@click.option(
    "--out", metavar="DIR", help="Keep the runs here. Default: a temporary directory, removed."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print the result only.")
def demo(out: str | None, as_json: bool, quiet: bool) -> None:
    """Stabilize four real retrainings of a movie recommender, and show what that is good for.

    The vectors come with the package: implicit-feedback matrix factorisation on MovieTweetings, on
    data up to four dates in 2013, each training from a new random start. Takes a few seconds.
    """
    from sqlstab.demo import run_demo  # noqa: PLC0415
    from sqlstab.progress import Silent  # noqa: PLC0415

    console = _console(stderr=True)
    result = run_demo(out, Silent() if quiet else _progress(console))
    if as_json:
        click.echo(json.dumps(result.figures, indent=2))
        return
    for part in result.report():
        _console().print(part)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console  # noqa: PLC0415

    return Console(stderr=stderr, highlight=False, soft_wrap=not sys.stdout.isatty())


def _log_to(console: Console, given: dict[str, Any]) -> None:
    from rich.text import Text  # noqa: PLC0415

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            style = {"WARNING": "yellow", "DEBUG": "dim"}.get(record.levelname, "")
            prefix = "Warning: " if record.levelno == logging.WARNING else ""
            console.print(Text(prefix + record.getMessage(), style=style))

    logger = logging.getLogger("sqlstab")
    logger.handlers = [Handler()]
    logger.propagate = False
    level = logging.ERROR if given["quiet"] else logging.WARNING
    logger.setLevel(logging.INFO if given["verbose"] else level)
    logging.getLogger("sqlstab.sql").setLevel(logging.DEBUG if given["show_sql"] else level)


def _progress(console: Console) -> Any:
    return _Bars(console) if console.is_terminal else _Lines(console)


class _Lines:
    """One plain line for a step: for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[_Lines]:
        self._console.print(title)
        yield self

    def done(self, fraction: float) -> None:
        pass


class _Bars:
    """A bar for the step under way; finished steps stay as a line with their time."""

    def __init__(self, console: Console) -> None:
        self._console = console

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
            TextColumn("{task.description}", table_column=None),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield _Bar(progress, progress.add_task(title, total=1.0))


class _Bar:
    def __init__(self, progress: Any, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._lock = threading.Lock()

    def done(self, fraction: float) -> None:
        with self._lock:
            self._progress.update(self._task, completed=min(fraction, 1.0))


def _summary(finished: Run) -> Any:
    """One small table that answers: did it work?"""
    from rich.table import Table  # noqa: PLC0415

    figures = finished.figures
    alignment, cosine, scores = figures["alignment"], figures["cosine"], figures["scores"]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for side in ("users", "items"):
        counts = figures[side]
        text = f"{counts['rows']:,} vectors of {counts['dimension']} components"
        if alignment:
            text += f", {alignment[f'shared_{side}']:,} of them in the reference"
        table.add_row(side, text)
    if not alignment:
        table.add_row("space", f"new: {figures['rank']} principal axes; the next run stays in it")
    else:
        table.add_row(
            "space", f"that of run {figures['reference']}, aligned on {_sides(alignment)}"
        )
        for side in ("items", "users"):
            table.add_row(f"cosine of the same {side[:-1]}", _cosine_text(cosine[side]))
    error = scores["max_relative_error"]
    if error is not None:
        kept = "kept" if error < 1e-5 else "[yellow]changed[/]"
        table.add_row("scores", f"{kept}: largest difference {error:.1e} of the largest score")
    table.add_row("time", f"{figures['timings']['total']:.1f} s")
    table.add_row("written to", str(finished.directory))
    return table


def _sides(alignment: dict[str, Any]) -> str:
    return " and ".join(alignment["weights"])


def _cosine_text(figures: dict[str, Any] | None) -> str:
    before, after = figures["before"], figures["after"]
    if after is None:
        return "no shared ids"
    raw = f"{before['mean']:.3f} before" if before else "unknown before"
    return f"{raw} -> [bold]{after['mean']:.3f}[/] after (mean; a tenth below {after['p10']:.3f})"


def main() -> None:
    """The `sqlstab` command."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; nothing was replaced.", err=True)
        sys.exit(130)
    except SqlstabError as error:
        click.echo(f"Error: {error}", err=True)
        if isinstance(error, EngineError) and error.statement:
            click.echo(f"The statement was:\n{_shortened(error.statement)}", err=True)
        sys.exit(error.exit_code)


def _shortened(statement: str, most: int = 2000) -> str:
    return statement if len(statement) <= most else statement[:most] + "\n... (cut)"


if __name__ == "__main__":
    main()
