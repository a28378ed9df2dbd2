"""The command line in this process: quicker than a process for each command."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest
from click import ClickException
from click.testing import CliRunner

from sqlstab.cli import cli, main
from sqlstab.errors import SqlstabError


@dataclass(frozen=True)
class Done:
    """What a command printed, its exit code and its error message."""

    code: int
    stdout: str
    stderr: str
    data: bytes = b""


def invoke(
    *arguments: Any, code: int | tuple[int, ...] = 0, stdin: str | bytes = "", **environment: str
) -> Done:
    """Run a command; its exit code must be `code`, or one of them."""
    result = CliRunner().invoke(
        cli, [str(a) for a in arguments], input=stdin, env=environment, standalone_mode=False
    )
    error = result.exception
    message = result.stderr
    found = result.exit_code
    if isinstance(error, SqlstabError):
        message, found = message + str(error), error.exit_code
    elif isinstance(error, ClickException):
        message, found = message + error.format_message(), error.exit_code
    elif error is not None and not isinstance(error, SystemExit):
        raise error
    assert found in (code if isinstance(code, tuple) else (code,)), result.output + message
    if found:
        assert result.stdout == "", "an error and a result"
    return Done(found, result.stdout, message, result.stdout_bytes)


def whole(*arguments: Any, code: int | tuple[int, ...] = 0) -> Done:
    """Run `sqlstab` with what is around a command: how errors are shown."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in "oe")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["sqlstab", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    found = int(ended.value.code or 0)
    printed, said = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    assert found in (code if isinstance(code, tuple) else (code,)), printed + said
    return Done(found, printed, said)
