"""The command line, as a person or a scheduler meets it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import pytest
from invoke import invoke

from sqlstab import Run
from sqlstab.cli import cli, console

if TYPE_CHECKING:
    from pathlib import Path


def sqlstab(*arguments: Any, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "sqlstab", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def tables(model: Any) -> list[Any]:
    source = model()
    return ["--users", source / "users.parquet", "--items", source / "items.parquet"]


def test_two_runs(tmp_path: Path, tables: list[Any]) -> None:
    first = sqlstab("run", *tables, "--out", tmp_path / "monday")
    assert "new, 6 principal axes" in first.stdout
    # A log is not told of what is done in a moment.
    assert first.stderr == ""
    second = sqlstab(
        "run", *tables, "--reference", tmp_path / "monday", "--out", tmp_path / "tuesday"
    )
    assert "90 x 6, 90 shared with the reference" in second.stdout
    assert "1.000 before -> 1.000 after" in second.stdout
    assert "kept, to" in second.stdout
    assert str(tmp_path / "tuesday") in second.stdout


def test_a_log_has_whole_plain_lines(tmp_path: Path, tables: list[Any]) -> None:
    """Whatever a CI system says of colours and columns: no terminal, so nothing to fit into."""
    deep = tmp_path / ("d" * 200)
    asked = {"FORCE_COLOR": "1", "COLUMNS": "40"}
    done = invoke("run", *tables, "--anchor", "both", "--out", deep, **asked)
    assert f"written  {deep} in " in done.stdout
    assert not re.search(r" $|\x1b", done.stdout, re.MULTILINE)


def test_a_log_hears_of_what_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = console.progress_on(console.new_console(stderr=True), quiet=False)
    monkeypatch.setattr(console, "_LONG", 0.0)
    with progress.step("Summing [users]") as step:
        step.done(0.5)
        for _ in range(500):
            time.sleep(0.01)
            said = capsys.readouterr().err
            if said:
                break
    assert said == "Summing [users] ...\n"
    monkeypatch.setattr(console, "_LONG", 0.1)
    with progress.step("Summing items"):
        pass
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_json_is_run_json(tmp_path: Path, tables: list[Any]) -> None:
    done = sqlstab("run", *tables, "--out", tmp_path / "run", "--json", "-q")
    assert done.stderr == ""
    assert json.loads(done.stdout) == Run.load(tmp_path / "run").figures


def test_quiet_and_verbose_and_sql(tmp_path: Path, tables: list[Any]) -> None:
    quiet = sqlstab("run", *tables, "--out", tmp_path / "run", "-q")
    assert quiet.stdout == quiet.stderr == ""
    verbose = sqlstab("run", *tables, "--out", tmp_path / "run", "-v")
    assert re.search(r"^Summing users: \d+\.\d\d s$", verbose.stderr, re.MULTILINE)
    shown = sqlstab("run", *tables, "--out", tmp_path / "run", "-q", "--show-sql")
    assert "SELECT" in shown.stderr
    assert "read_parquet" in shown.stderr
    assert shown.stdout == ""


def test_table_options(tmp_path: Path, tables: list[Any]) -> None:
    options = ["--id", "id", "--vector", "embedding", "--users-layout", "array"]
    options += ["--users-filter", "id < 100", "--items-filter", "id >= 0", "--keep", "id"]
    sqlstab("run", *tables, "--out", tmp_path / "a", *options, code=2)  # id cannot be kept twice
    done = sqlstab("run", *tables, "--out", tmp_path / "a", *options[:-2], "--json")
    assert json.loads(done.stdout)["users"]["rows"] == 100


def test_interrupted(tmp_path: Path, tables: list[Any]) -> None:
    script = (
        "import signal, sys; from sqlstab import cli, stabilize; from sqlstab.compute.arrow import "
        "ArrowCompute; ArrowCompute.apply = lambda *a: signal.raise_signal(signal.SIGINT); "
        f"sys.argv = ['sqlstab', 'run', *{list(map(str, tables))}, '--out', '{tmp_path}/run']; "
        "cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert "Interrupted; nothing was replaced." in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_interrupted_half_way(tmp_path: Path, tables: list[Any]) -> None:
    script = (
        "import sys; from sqlstab import cli; from sqlstab.job import Job; "
        "from sqlstab.errors import HalfWayInterrupt\n"
        "def late(*a): raise HalfWayInterrupt('su had been written by then.')\n"
        "Job.run = late; "
        f"sys.argv = ['sqlstab', 'run', *{list(map(str, tables))}, '--out', '{tmp_path}/run']; "
        "cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "Interrupted; su had been written by then."


def test_interrupted_in_the_middle_of_a_statement(tmp_path: Path, model: Any) -> None:
    source = model(users=300_000, dimension=16)
    command = [sys.executable, "-m", "sqlstab", "run", "-q", "--strategy", "sql"]
    command += ["--users", f"{source}/users.parquet", "--items", f"{source}/items.parquet"]
    process = subprocess.Popen(
        [*command, "--out", tmp_path / "run"], stderr=subprocess.PIPE, text=True
    )
    while not list(tmp_path.glob(".run.sqlstab-*")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_every_command_and_option_has_help() -> None:
    commands = dict(cli.commands)
    for group in [command for command in commands.values() if isinstance(command, click.Group)]:
        commands |= {f"{group.name} {name}": one for name, one in group.commands.items()}
    assert len(commands) > len(cli.commands)
    for name, command in commands.items():
        assert command.short_help, name
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                # click has no help of its own for these: the command's own text has it.
                assert parameter.metavar
                assert parameter.metavar.strip("[].") in command.help
                continue
            assert isinstance(parameter, click.Option)
            assert parameter.help, f"{name} {parameter.name}"


def test_help_and_version() -> None:
    assert "retrained recommender" in sqlstab("--help").stdout
    assert "--reference" in sqlstab("run", "-h").stdout
    assert sqlstab("--version").stdout.startswith("sqlstab, version 0.")


def test_nothing_is_said_at_exit(tmp_path: Path, tables: list[Any]) -> None:
    """DuckDB's bindings complain at exit about whatever still refers to a connection."""
    for strategy in ("arrow", "sql"):
        done = sqlstab("run", *tables, "--out", tmp_path / "run", "-q", "--strategy", strategy)
        assert done.stderr == ""
