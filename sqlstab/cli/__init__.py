"""The command line: a thin layer on the Python API."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

import click

from sqlstab import __version__
from sqlstab.cli import apply as _apply
from sqlstab.cli import clean as _clean
from sqlstab.cli import compare as _compare
from sqlstab.cli import dbt as _dbt
from sqlstab.cli import options as _options
from sqlstab.cli import plan as _plan
from sqlstab.cli import render as _render
from sqlstab.cli import report as _report
from sqlstab.cli import run as _run
from sqlstab.cli import runs as _runs
from sqlstab.cli import sums as _sums
from sqlstab.errors import EngineError, HalfWayInterrupt, SqlstabError
from sqlstab.spelling import typed_in


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 2 usage, 3 the database or the disk failed, 4 bad data, 5 a gate "
    "failed, 130 Ctrl-C, 143 SIGTERM.",
)
@click.version_option(__version__, prog_name="sqlstab")
@click.pass_context
def cli(context: click.Context) -> None:
    """Keep the vectors of a retrained recommender where they were.

    Each training of a recommender model puts its user and item vectors into a new, rotated space.
    sqlstab turns today's vectors into yesterday's space, so that whatever uses them as features, or
    keeps them in an index, goes on working. No score changes: every user-item dot product stays
    what it was.

    Start with: sqlstab demo
    """
    context.with_resource(typed_in("command line"))


for _command in (
    _run.run,
    _run.demo,
    _runs.runs,
    _compare.compare,
    _report.report,
    _plan.plan,
    _sums.gram,
    _sums.solve,
    _apply.apply,
    _render.render,
    _clean.clean,
    _dbt.dbt,
):
    cli.add_command(_command)
_options.no_empty_values(cli)


def main() -> None:
    """The `sqlstab` command."""
    # What a scheduler stops a job with leaves no more behind than Ctrl-C.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(cli(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        # click turns the one into the other.
        known = [e for e in (error, error.__cause__) if isinstance(e, HalfWayInterrupt)]
        terminated = signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        click.echo(
            f"{'Terminated' if terminated else 'Interrupted'}; "
            f"{known[0] if known else 'nothing was replaced.'}",
            err=True,
        )
        sys.exit(128 + (signal.SIGTERM if terminated else signal.SIGINT))
    except SqlstabError as error:
        click.echo(f"Error: {error}", err=True)
        if isinstance(error, EngineError) and error.statement:
            click.echo(f"The statement was:\n{_shortened(error.statement)}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        # Such as a full disk that the result or the log goes to, or a pipe that nobody reads.
        with suppress(OSError):
            click.echo(f"Error: {error.filename or 'output'}: {error.strerror or error}", err=True)
        # What is still to be written there would fail once more when Python exits.
        for stream in (sys.stdout, sys.stderr):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
        sys.exit(EngineError.exit_code)


def _terminate(*_: object) -> NoReturn:
    """End as at Ctrl-C; once, so that nothing comes between while things are cleaned up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _shortened(statement: str, most: int = 2000) -> str:
    return statement if len(statement) <= most else statement[:most] + "\n... (cut)"
