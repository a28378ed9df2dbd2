"""The command line: a thin layer on the Python API."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from sqlstab import __version__
from sqlstab.config import ON_INVALID, OUTPUT_TYPES, REFINE, STRATEGIES, Options
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.errors import EngineError, SqlstabError
from sqlstab.progress import Silent
from sqlstab.stabilize import stabilize
from sqlstab.tables import LAYOUTS, EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from sqlstab.progress import Progress
    from sqlstab.runs import Run
    from sqlstab.tables import Side

# FLOAT vectors keep scores to 1e-6; more than this is the doing of a requested rank.
_SCORES_KEPT = 1e-5


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 2 usage, 3 the database or the disk failed, 4 bad data.",
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


# Options that exist for both tables at once, for the users and for the items.
_TABLE_OPTIONS: dict[str, dict[str, Any]] = {
    "id": {
        "metavar": "COLUMN",
        "help": "The id column. Default: id, user_id or item_id, or the only column that ends in "
        "_id or _key.",
    },
    "vector": {
        "metavar": "COLUMNS",
        "help": "The vector: an array column (embedding), a range (e0..e63), a prefix (e*), a list "
        "(a,b,c), or dimension,value for one row per dimension. Default: found from the types.",
    },
    "layout": {
        "type": click.Choice(LAYOUTS),
        "help": "How vectors stand in the table: one column per dimension, one array column, or "
        "one row per dimension. Default: found from the columns.",
    },
    "filter": {
        "metavar": "CONDITION",
        "help": "Only rows that meet this SQL condition take part at all.",
    },
    "anchor-filter": {
        "metavar": "CONDITION",
        "help": "Only rows that meet this SQL condition take part in the alignment, as in "
        "'ratings > 20'; all are written.",
    },
    "weight": {
        "metavar": "COLUMN",
        "help": "How much a row counts in the alignment: a number from 0 on, never NULL.",
    },
    "keep": {
        "metavar": "COLUMNS",
        "help": "Further columns to copy into the stable table, with commas between.",
    },
}


def _table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, settings in reversed(_TABLE_OPTIONS.items()):
        for side in ("items", "users"):
            narrowed = {**settings, "help": f"--{name} of the {side} only."}
            command = click.option(f"--{side}-{name}", **narrowed)(command)
        command = click.option(f"--{name}", **settings)(command)
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
@_table_options
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
    help="Keep the N most important dimensions only. Scores are then approximate. With a "
    "reference the vectors have the columns of its space all the same.",
)
@click.option(
    "--refine",
    type=click.Choice(REFINE),
    default="auto",
    show_default=True,
    help="A second or third scan for full accuracy where vector columns are nearly dependent.",
)
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="auto",
    show_default=True,
    help="sql computes everything in SQL; arrow streams rows through BLAS, which is faster. The "
    "results agree. auto is arrow.",
)
@click.option(
    "--on-invalid",
    type=click.Choice(ON_INVALID),
    default="error",
    show_default=True,
    help="What to do about NULL or duplicate ids and broken vectors: stop, or leave them out (of a "
    "duplicate id all rows).",
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
    the two maps (to turn fresh vectors at serving time), and DIR/run.json with figures. DIR is
    what the next run takes as its --reference. Rows come in no particular order.

    \b
    The first time:
      sqlstab run --users u.parquet --items i.parquet --out monday/
    From then on:
      sqlstab run --users u.parquet --items i.parquet --reference monday/ --out tuesday/
    """  # noqa: D301 - click reads the backspace
    console = _console(stderr=True)
    _log_to(console, given)
    finished = _run(given, console)
    if given["as_json"]:
        click.echo(json.dumps(finished.figures, indent=2, ensure_ascii=False))
    elif not given["quiet"]:
        _console().print(_summary(finished))


def _run(given: dict[str, Any], console: Console) -> Run:
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
            # --verbose says the same after each step, with the time.
            progress=_progress(console, given["quiet"] or given["verbose"]),
        )
    finally:
        engine.close()


def _table(given: dict[str, Any], side: Side) -> EmbeddingTable:
    chosen = {
        name: given[name] if given[f"{side}_{name}"] is None else given[f"{side}_{name}"]
        for name in _option_names()
    }
    keep = chosen.pop("keep") or ""
    names = tuple(name.strip() for name in keep.split(",") if name.strip())
    return EmbeddingTable(given[side], keep=names, **chosen)


def _option_names() -> list[str]:
    return [name.replace("-", "_") for name in _TABLE_OPTIONS]


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
    # It needs scipy.stats, which takes half a second to import.
    from sqlstab.demo import run_demo  # noqa: PLC0415

    result = run_demo(out, _progress(_console(stderr=True), quiet))
    if as_json:
        click.echo(json.dumps(result.figures, indent=2))
        return
    for part in result.report():
        _console().print(part)


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        # Nothing to fit into: a log or a pipe gets whole lines.
        console.width = 160
    return console


def _log_to(console: Console, given: dict[str, Any]) -> None:
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


def _progress(console: Console, quiet: bool) -> Progress:
    if quiet:
        return Silent()
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
    """A bar for the step under way; it goes when the step is done."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[_Bar]:
        columns = (
            TextColumn("{task.description}"),
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


def _summary(finished: Run) -> Table:
    """One small table that answers: did it work?"""
    figures = finished.figures
    alignment, cosine, scores = figures["alignment"], figures["cosine"], figures["scores"]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for side in ("users", "items"):
        text = f"{figures[side]['rows']:,} x {figures[side]['dimension']}"
        if alignment:
            text += f", {alignment[f'shared_{side}']:,} shared with the reference"
        table.add_row(side, text)
    if not alignment:
        table.add_row("space", f"new, {figures['rank']} principal axes; later runs can stay in it")
    else:
        anchors = " and ".join(alignment["weights"])
        table.add_row("space", f"run {figures['reference']['run_id']}, aligned on {anchors}")
        table.add_row("cosine", "of the same id in both runs, mean")
        for side in ("items", "users"):
            table.add_row(f"  {side}", _cosine_text(cosine[side]))
    error = scores["max_relative_error"]
    if error is not None:
        kept = "[green]kept[/]" if error < _SCORES_KEPT else "[yellow]changed[/]"
        table.add_row("scores", f"{kept}, to {error:.0e} of the largest")
    table.add_row("written", f"{finished.directory} in {figures['timings']['total']:.1f} s")
    return table


def _cosine_text(figures: dict[str, Any]) -> str:
    before, after = figures["before"], figures["after"]
    if after is None:
        return "no shared ids"
    raw = f"{before['mean']:.3f}" if before else "unknown"
    return f"{raw} before -> [bold]{after['mean']:.3f}[/] after"


def main() -> None:
    """The `sqlstab` command."""
    try:
        sys.exit(cli(standalone_mode=False))
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
