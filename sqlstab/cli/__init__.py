"""The command line: a thin layer on the Python API."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import click

from sqlstab import __version__
from sqlstab.cli.options import no_empty_values, typed_for
from sqlstab.errors import (
    EngineError,
    HalfWayInterrupt,
    OutputError,
    SqlstabError,
    UsageError,
    on_the_command_line,
    printable,
    typed_in,
)

_COMMANDS = ("run", "compare", "report", "runs", "apply", "features", "sql", "solve", "demo")


class _Commands(click.Group):
    """Each command is a module of this package, and is in a help text in this order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"sqlstab.cli.{cmd_name}"), cmd_name)
        no_empty_values(command)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 2 usage, 3 the database or the disk failed, 4 bad data, 5 a gate "
    "failed, 130 Ctrl-C, 143 SIGTERM.",
)
@click.version_option(__version__, prog_name="sqlstab")
@click.pass_context
def cli(context: click.Context) -> None:
    """Keep the vectors of a retrained recommender where they were.

    Each training of a recommender model puts its user and item vectors into a new, rotated space.
    sqlstab turns today's vectors into the space of earlier days, so that models and indexes built
    on them keep working. No score changes: every user-item dot product stays the same.

    Start with: sqlstab demo
    """
    command = cli.get_command(context, context.invoked_subcommand or "")
    context.with_resource(typed_in(typed_for(command) if command else on_the_command_line))


def main() -> None:
    """Run the `sqlstab` command."""
    _prepare_streams()
    # What a scheduler stops a job with leaves no more behind than Ctrl-C.
    signal.signal(signal.SIGTERM, _stop)
    # A shell that runs a command in the background lets it ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)
    try:
        try:
            code = _run()
        except Exception as error:
            if _stopped_by and not isinstance(error, click.Abort):
                # A library has made an error of its own of it.
                raise KeyboardInterrupt from None
            raise
        if sys.stdout is not None:
            # A full disk, or a pipe that is not read, is an error like any other.
            sys.stdout.flush()
        sys.exit(code)
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx:
            _say(f"{error.ctx.get_usage()}\n")
        _say(f"Error: {error.format_message()}\n")
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        # click turns the one into the other.
        known = [e for e in (error, error.__cause__) if isinstance(e, HalfWayInterrupt)]
        terminated = signal.SIGTERM in _stopped_by
        how = "Terminated" if terminated else "Interrupted"
        _say(f"{how}; {known[0] if known else 'no run was changed.'}\n")
        sys.exit(128 + (signal.SIGTERM if terminated else signal.SIGINT))
    except SqlstabError as error:
        said = _say(f"Error: {error}\n")
        if isinstance(error, EngineError) and error.statement:
            _say(f"The statement was:\n{_shortened(error.statement)}\n")
        # Where nothing can be said, the exit code alone tells that it is done.
        sys.exit(error.exit_code if said or not isinstance(error, OutputError) else 0)
    except OSError as error:
        _say(f"Error: {_where(error)}: {error.strerror or error}\n")
        sys.exit(EngineError.exit_code)
    finally:
        _give_up_on_closed_streams()


def _run() -> int | None:
    """Run the command; return its exit code where it is not 0."""
    for argument in sys.argv[1:]:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{argument} is not UTF-8; rename what it names.") from None
    try:
        code: int | None = cli(standalone_mode=False)
    except SystemExit:
        # How click ends where a pipe is not read any more.
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
    return code


def _say(text: str) -> bool:
    """Say something on stderr; whether that was possible."""
    try:
        click.echo(printable(text), err=True, nl=False)
    except (OSError, ValueError):
        return False
    return sys.stderr is not None


def _where(error: OSError) -> str:
    """Return what an error of the disk is about: a path, or else the results."""
    name = error.filename
    return os.fsdecode(name) if isinstance(name, str | bytes) else "output"


def _prepare_streams() -> None:
    """Keep the numbers of closed streams from files, and show what an encoding lacks as escapes."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # A database would be opened by that number, and what is printed would end up in it.
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_on_closed_streams() -> None:
    """Send what is still to be written nowhere where it cannot be written.

    It would fail once more, with a traceback, when Python exits.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


# The signals that have stopped the command.
_stopped_by: list[int] = []


def _stop(number: int, _: object) -> NoReturn:
    """End as at Ctrl-C; SIGTERM once, so that nothing comes between while things are cleaned up."""
    _stopped_by.append(number)
    if number == signal.SIGTERM:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _shortened(statement: str, most: int = 2000) -> str:
    return statement if len(statement) <= most else statement[:most] + "\n... (cut)"
