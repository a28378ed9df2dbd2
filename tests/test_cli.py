"""The command line, as a person or a scheduler meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import write_vectors
from invoke import invoke, whole

from sqlstab.cli import cli, console

if TYPE_CHECKING:
    from pathlib import Path

    from engines import Running

SECRET = "hunter2/@:"


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


@pytest.fixture
def space(tmp_path: Path) -> Path:
    return tmp_path / "movies"


@pytest.fixture
def database(tmp_path: Path, model: Any) -> Path:
    """A DuckDB database with tables u and i, which have two days."""
    source = model(dtype=np.float64)
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        for side, name in (("users", "u"), ("items", "i")):
            connection.execute(
                f"CREATE TABLE {name} AS SELECT DATE '2026-11-01' + day::INTEGER AS ds, v.* "
                f"FROM range(2) AS days (day), '{source}/{side}.parquet' AS v"
            )
    return path


@pytest.fixture
def project(tmp_path: Path, model: Any) -> Path:
    """A project file next to its data."""
    model("monday")
    path = tmp_path / "sqlstab.toml"
    path.write_text(
        "users.table = '{day}/users.parquet'\nitems.table = '{day}/items.parquet'\n"
        "space.name = 'movies'\nrun.key = '{day}'\n"
    )
    return path


# A run.


def test_two_runs(space: Path, tables: list[Any]) -> None:
    first = sqlstab("run", *tables, "--space", space, "--run", "monday")
    assert "no earlier run: this one defines the space" in first.stdout
    # A log is not told of what is done in a moment.
    assert first.stderr == ""
    second = sqlstab("run", *tables, "--space", space, "--run", "tuesday")
    assert "90 x 6, 90 shared with the reference" in second.stdout
    assert "monday (1), on items" in second.stdout
    assert "1.000 before -> 1.000 after" in second.stdout
    assert "kept, to" in second.stdout
    assert max(map(len, second.stdout.replace(str(space), "movies").splitlines())) <= 80


def test_a_run_done_again(space: Path, tables: list[Any]) -> None:
    for _ in range(2):
        invoke("run", *tables, "--space", space, "--run", "monday", "-q")
    shown = invoke("runs", space).stdout
    assert shown.count("monday") == 1


def test_a_key_is_the_time_by_default(space: Path, tables: list[Any]) -> None:
    figures = json.loads(invoke("run", *tables, "--space", space, "--json", "-q").stdout)
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z", figures["key"])


def test_a_day_of_tables(database: Path) -> None:
    """The same command for each day; the outputs have the days."""
    command = ["run", "--database", database, "--users", "u", "--items", "i", "--space", "movies"]
    for day in ("2026-11-01", "2026-11-02"):
        invoke(*command, "--run", f"ds={day}", "-q")
    with duckdb.connect(str(database)) as connection:
        counts = "SELECT ds::VARCHAR, count(*) FROM movies_items GROUP BY ALL ORDER BY 1"
        assert connection.execute(counts).fetchall() == [("2026-11-01", 90), ("2026-11-02", 90)]
        newest = "SELECT count(*) FROM movies_items_newest"
        assert connection.execute(newest).fetchone() == (90,)
    shown = invoke("runs", "--database", database, "movies").stdout
    assert shown.index("2026-11-01") < shown.index("2026-11-02")


def test_a_log_has_whole_plain_lines(tmp_path: Path, tables: list[Any]) -> None:
    """Whatever a CI system says of colours and columns: no terminal, so nothing to fit into."""
    deep = tmp_path / ("d" * 200)
    asked = {"FORCE_COLOR": "1", "COLUMNS": "40"}
    done = invoke("run", *tables, "--anchor", "both", "--space", deep, "--run", "k", **asked)
    assert f"{deep}/" in done.stdout
    assert not re.search(r" $|\x1b", done.stdout, re.MULTILINE)


def test_a_log_hears_of_what_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = console.progress({})
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


def test_json_is_run_json(space: Path, tables: list[Any]) -> None:
    done = sqlstab("run", *tables, "--space", space, "--run", "k", "--json", "-q")
    assert done.stderr == ""
    saved = json.loads((space / "run=k" / "run.json").read_text())
    printed = json.loads(done.stdout)
    assert {name: saved[name] for name in printed} == printed
    assert json.loads(invoke("runs", space, "k", "--json").stdout)["key"] == "k"


def test_warnings_without_the_results(space: Path, tables: list[Any]) -> None:
    """A cron job that discards standard output still sees them; one that is quiet does not."""
    command = ["run", *tables, "--space", space, "--run", "k", "--min-agreement", 0.5]
    done = sqlstab(*command)
    assert done.stderr.startswith("Warning: There is no run before it to align with")
    assert "Warning" not in done.stdout
    assert done.stdout
    invoke("runs", space, "drop", "k")
    quiet = sqlstab(*command, "-q")
    assert quiet.stdout == quiet.stderr == ""


def test_quiet_and_verbose_and_sql(space: Path, tables: list[Any]) -> None:
    quiet = sqlstab("run", *tables, "--space", space, "-q")
    assert quiet.stdout == quiet.stderr == ""
    verbose = sqlstab("run", *tables, "--space", space, "-v")
    assert re.search(r"^Summing users: \d+\.\d\d s$", verbose.stderr, re.MULTILINE)
    shown = sqlstab("run", *tables, "--space", space, "-q", "--show-sql")
    assert "SELECT" in shown.stderr
    assert "read_parquet" in shown.stderr
    assert shown.stdout == ""


def test_table_options(space: Path, tables: list[Any]) -> None:
    options = ["--id", "id", "--vector", "embedding", "--filter", "id < 50", "--keep", "id"]
    invoke("run", *tables, "--space", space, *options, code=2)  # id cannot be kept twice
    done = invoke("run", *tables, "--space", space, *options[:-2], "--json")
    assert json.loads(done.stdout)["tables"]["users"]["rows"] == 50


def test_keep_accumulates(space: Path, tmp_path: Path, model: Any) -> None:
    source = model()
    for side in ("users", "items"):
        with duckdb.connect() as connection:
            path = source / f"{side}.parquet"
            copied = f"SELECT *, 1 AS a, 2 AS b, 3 AS c FROM '{path}'"
            connection.execute(f"COPY ({copied}) TO '{tmp_path}/{side}.parquet'")
    tables = ["--users", tmp_path / "users.parquet", "--items", tmp_path / "items.parquet"]
    invoke("run", *tables, "--space", space, "--run", "k", "--keep", "a, b", "--keep", "c", "-q")
    names = pq.read_schema(space / "run=k" / "users.parquet").names
    assert names == ["id", "embedding", "a", "b", "c"]


def test_a_further_table(space: Path, tables: list[Any]) -> None:
    queries = f"queries={tables[1]}:users"
    done = invoke("run", *tables, "--also", queries, "--space", space, "--run", "k", "--json")
    assert json.loads(done.stdout)["like"] == {"queries": "users"}
    assert (space / "run=k" / "queries.parquet").exists()


def test_a_gate(space: Path, tables: list[Any]) -> None:
    invoke("run", *tables, "--space", space, "--run", "a", "-q")
    command = ["run", *tables, "--space", space, "--run", "b", "--min-agreement"]
    assert "--min-agreement" in invoke(*command, 1, "--rank", 2, code=5).stderr
    assert "b" not in invoke("runs", space, "--json").stdout.split('"key": ')[-1][:4]


# Runs of a space.


@pytest.fixture
def four(space: Path, tables: list[Any]) -> Path:
    for key in ("a", "b", "d", "c"):
        invoke("run", *tables, "--space", space, "--run", key, "-q")
    return space


def test_runs(four: Path, tables: list[Any]) -> None:
    shown = invoke("runs", four).stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["run", "a", "b", "c", "d"]
    # Its successor did not see it; that of a repeated run did.
    assert shown[3].endswith("made after d")
    invoke("run", *tables, "--space", four, "--run", "b", "-q")
    marked = [line for line in invoke("runs", four).stdout.splitlines() if "made after" in line]
    assert [line.split()[0] for line in marked] == ["c"]
    assert [run["key"] for run in json.loads(invoke("runs", four, "--json").stdout)] == list("abcd")
    assert "aligned with" in invoke("runs", four, "b").stdout
    assert invoke("runs", four, "drop", "a", "b").stdout.split() == ["dropped", "a", "dropped", "b"]
    assert invoke("runs", four, "keep", "1").stdout.split() == ["dropped", "c"]
    assert invoke("runs", four, "keep", "1").stdout.split() == ["dropped", "0", "runs"]
    assert "no run x" in invoke("runs", four, "drop", "x", code=4).stderr
    assert [path.name for path in four.glob("run=*")] == ["run=d"]


def test_an_empty_space(space: Path) -> None:
    assert "no run in the space" in invoke("runs", space, code=4).stderr
    assert json.loads(invoke("runs", space, "--json").stdout) == []


@pytest.mark.parametrize(
    "words", [["a", "b"], ["drop"], ["keep"], ["keep", "0"], ["keep", "x"], ["list", "a"]]
)
def test_runs_misspelt(space: Path, words: list[str]) -> None:
    assert "write K, drop K..., or keep N" in invoke("runs", space, *words, code=2).stderr


def test_apply(four: Path, tables: list[Any], tmp_path: Path) -> None:
    out = tmp_path / "fresh.parquet"
    invoke("apply", four, "a", "--items", tables[3], "--out", out, "-q")
    assert pq.read_table(out).equals(pq.read_table(four / "run=a" / "items.parquet"))
    both = ["--out", f"users={tmp_path}/u.parquet", "--out", f"items={tmp_path}/i.parquet"]
    assert "u.parquet" in invoke("apply", four, *tables, *both).stdout
    missing = invoke("apply", four, *tables, *both[:2], code=2).stderr
    assert missing.endswith("Name the place for the stable items with --out items=PLACE.")


# A project file.


def test_apply_takes_the_space_from_a_project_file(
    project: Path, tables: list[Any], tmp_path: Path
) -> None:
    command = ["apply", "-c", project, "--var", "day=monday"]
    invoke("run", *command[1:], "-q")
    written = [tmp_path / "stable.parquet", tmp_path / "same.parquet"]
    invoke(*command, *tables[2:], "--id", "id", "--out", written[0], "-q")
    invoke("apply", tmp_path / "movies", *tables[2:], "--out", written[1], "-q")
    assert pq.read_table(written[0]).equals(pq.read_table(written[1]))
    said = invoke(*command, "--out", tmp_path / "x.parquet", code=2).stderr
    assert "Name the tables with --users and --items" in said
    said = invoke(*command, *tables, "--database", "x.duckdb", code=2).stderr
    assert "--database cannot be given with --config" in said


# What is asked, its exit code, and what is said. The space has runs with the keys 9 and 10.
ADVICE: dict[str, tuple[list[str], int, str]] = {
    "a word among numbers": (
        ["run", "{tables}", "--space", "{space}", "--run", "final"],
        2,
        r"9 and 10 are numbers, but final is not: as text they would sort otherwise\. Take a",
    ),
    "no such file": (
        ["compare", "nope.parquet", "{users},{items}"],
        2,
        r"^nope\.parquet is no model to compare",
    ),
    "no such run": (["compare", "{space}/11", "{space}/9"], 4, r"has no run 11"),
    "a run by its folder": (["compare", "{space}/9/", "{space}/run=10/", "-q"], 0, ""),
    "to be written into a run": (
        ["apply", "{space}", "--items", "{items}", "--out", "{space}/run=10/x.parquet"],
        2,
        r"run=10/x\.parquet is in the folder of a run",
    ),
    "features into a run": (
        ["features", "{space}", "--as-of", "9", "--out", "items={space}/run=9/x.parquet"],
        2,
        r"run=9/x\.parquet is in the folder of a run",
    ),
    "rows of the space through a link": (
        [
            *("run", "--users", "{link}/run=10/users.parquet", "--items", "{items}"),
            *("--space", "{space}", "--run", "11"),
        ],
        2,
        r"^users table .*/link/run=10/users\.parquet is in the space",
    ),
    "one file twice": (
        [
            *("run", "--users", "{items}", "--items", "{items}"),
            *("--space", "{space}2", "--run", "1"),
        ],
        0,
        r"Users and items are the same vectors, those of .*/items\.parquet: is that meant",
    ),
}


@pytest.mark.parametrize("case", ADVICE)
def test_advice(case: str, space: Path, tables: list[Any], tmp_path: Path) -> None:
    for key in ("9", "10"):
        invoke("run", *tables, "--space", space, "--run", key, "-q")
    link = tmp_path / "link"
    link.symlink_to(space)
    names = {"space": space, "link": link, "users": tables[1], "items": tables[3]}
    words, code, said = ADVICE[case]
    arguments: list[Any] = []
    for word in words:
        arguments += tables if word == "{tables}" else [word.format(**names)]
    assert re.search(said, invoke(*arguments, code=code).stderr)


def test_a_project_file(project: Path) -> None:
    done = invoke("run", "-c", project, "--var", "day=monday", "-q", "--json")
    assert json.loads(done.stdout)["key"] == "monday"
    # The file's engine counts, not that of the environment.
    invoke("run", "-c", project, "--var", "day=monday", "-q", SQLSTAB_ENGINE="x://y")
    # An option on the command line counts more.
    command = ["run", "-c", project, "--var", "day=monday", "--run", "tuesday", "--json", "-q"]
    figures = json.loads(invoke(*command, "--align", "first").stdout)
    assert (figures["key"], figures["reference"]["align"]) == ("tuesday", "first")
    shown = invoke("runs", "-c", project).stdout
    assert "monday" in shown
    assert "tuesday" in shown
    assert "aligned with" in invoke("runs", "-c", project, "tuesday").stdout


def test_what_cannot_stand_beside_a_file(project: Path) -> None:
    for option in ("--users", "--id", "--database", "--engine"):
        done = invoke("run", "-c", project, "--var", "day=monday", option, "x://x", code=2)
        assert f"{option} cannot be given with --config" in done.stderr
    assert "--var needs --config" in invoke("run", "--var", "a=b", code=2).stderr
    for text in ("day", "=x"):
        assert (
            "write a name and a value" in invoke("run", "-c", project, "--var", text, code=2).stderr
        )
    twice = ["--var", "day=a", "--var", "day=b"]
    assert "is given twice" in invoke("run", "-c", project, *twice, code=2).stderr


def test_an_error_names_the_key_of_the_file(project: Path) -> None:
    invoke("run", "-c", project, "--var", "day=monday", "--run", "first", "-q")
    project.write_text(project.read_text() + "run.min_shared_ids = 1_000\n")
    done = invoke("run", "-c", project, "--var", "day=monday", code=5)
    assert "[run] min_shared_ids" in done.stderr


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name the tables with --users and --items, or one with --vectors."),
        (["--users", "u", "--items", "i"], "Name the space with --space"),
        (["--users", "u", "--items", "i", "--vectors", "v"], "no second side"),
        (["--users", ""], "it is empty"),
        (["--users", "u", "--items", "i", "--filter", " "], "--filter is empty"),
        (["--users", "u", "--items", "i", "--keep", "a,,b"], "--keep is empty"),
        (["--memory", "0"], "--memory is 0.0; it must be a number above 0 and at most 1."),
        (["--rank", "0"], "--rank is 0; it must be a whole number from 1 on."),
        (["--sample", "150%"], "--sample is '150%'; it must be a share of the rows"),
        (["--anchor", "x"], "'x' is not one of 'items', 'users', 'both'"),
        (["--vectors", "v", "--also", "q=t"], "write NAME=TABLE:SIDE"),
        (["--vectors", "v", "--also", "q=t:vectors", "--also", "q=t:vectors"], "given twice"),
        (["--vectors", "v", "--engine", "x"], "--engine is a SQLAlchemy URL"),
        (["--vectors", "v", "--engine", "a://b", "--database", "x"], "leave one out"),
        (["--vectors", "v", "--engine", "a://b", "--threads", "2"], "is for DuckDB only."),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    assert message in invoke("run", *arguments, code=2).stderr


def test_a_secret_is_not_shown() -> None:
    command = ["run", "--users", "u", "--items", "i", "--space", "s", "-v", "--show-sql"]
    urls = {
        2: f"not a url {SECRET}",
        3: "postgresql+psycopg://user:hunter2@localhost:1/none",
    }
    for code, url in urls.items():
        done = invoke(*command, code=code, SQLSTAB_ENGINE=url)
        assert "hunter2" not in done.stderr
        assert code == 3 or "SQLSTAB_ENGINE" in done.stderr


def test_an_option_is_stronger_than_the_environment(database: Path) -> None:
    command = ["run", "--database", database, "--users", "u", "--items", "i", "--space", "s", "-q"]
    invoke(*command, "--run", "ds=2026-11-01", SQLSTAB_ENGINE="postgresql://nowhere/x")


def test_spark_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pyspark"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    command = ["run", "--users", "u", "--items", "i", "--space", "s", "--engine", "spark"]
    assert "sqlstab[spark]" in invoke(*command, code=2).stderr


def test_postgres(model: Any, running: Running) -> None:
    """The URL comes from the environment and is shown nowhere."""
    url = running["postgres"]
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    source = model(dtype=np.float64)
    engine = create_engine(url)
    with engine.begin() as connection:
        for side in ("users", "items"):
            table = pq.read_table(source / f"{side}.parquet")
            connection.execute(text(f"DROP TABLE IF EXISTS cli_{side}"))
            connection.execute(text(f"CREATE TABLE cli_{side} (id int, embedding float8[])"))
            connection.execute(
                text(f"INSERT INTO cli_{side} VALUES (:id, :embedding)"), table.to_pylist()
            )
    command = ["run", "--users", "cli_users", "--items", "cli_items", "-v", "--show-sql"]
    done = invoke(*command, "--space", "cli_s", "--run", "k", SQLSTAB_ENGINE=url)
    assert url not in done.stderr + done.stdout
    with engine.begin() as connection:
        found = connection.execute(text("SELECT count(*) FROM cli_s_items_newest")).scalar()
    engine.dispose()
    assert found == 90
    invoke("runs", "cli_s", "drop", "k", "-q", SQLSTAB_ENGINE=url)


# What a terminal and a scheduler do to it.

NAUGHTY = "a\x1b[31mred\x9b0m\x07\u202eevil\u2028"


def test_control_characters_are_shown_as_escapes(space: Path, tmp_path: Path) -> None:
    """Ids and names may have them; a terminal would do as they say."""
    vectors = np.random.default_rng(0).standard_normal((20, 3))
    ids = [f"{NAUGHTY}{k}" for k in range(19)]
    folder = tmp_path / "a\x1b[31m"
    folder.mkdir()
    tables = []
    for side in ("users", "items"):
        path = write_vectors(folder / f"{side}.parquet", vectors, [*ids, ids[0]])
        tables += [f"--{side}", path]
    bad = whole("run", *tables, "--space", space, code=4)
    assert "\\x1b[31mred\\x9b0m\\x07\\u202eevil\\u2028" in bad.stderr
    unprintable = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]"
    for arguments in (
        ["run", *tables, "--space", space, "--run", "k", "--on-invalid", "drop", "-v"],
        ["run", *tables, "--space", space, "--run", "l", "--on-invalid", "drop", "--json"],
        ["runs", space, "k"],
        ["run", "--users", NAUGHTY, "--items", NAUGHTY, "--space", space],
        ["runs", space, NAUGHTY],
    ):
        done = whole(*arguments, code=(0, 2, 4))
        assert not re.search(unprintable, done.stdout + done.stderr)


def test_control_characters_in_json_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"name": NAUGHTY})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"name": NAUGHTY}
    assert console.printable(printed) == printed


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("how", ["closed", "full", "broken"])
@pytest.mark.parametrize("command", [["--help"], ["run", "-v"]])
def test_closed_streams(
    space: Path, tables: list[Any], stream: str, how: str, command: list[str]
) -> None:
    """A stream that cannot be written is an error without a traceback, or none at all."""
    arguments = [*tables, "--space", space] if command[0] == "run" else []
    words = [sys.executable, "-m", "sqlstab", *command, *map(str, arguments)]
    ends = {"closed": "{}>&-", "full": "{}>/dev/full", "broken": None}
    number = {"stdout": 1, "stderr": 2}[stream]
    if how == "broken":
        read, write = os.pipe()
        os.close(read)
        other = "stderr" if stream == "stdout" else "stdout"
        done = subprocess.run(
            words, check=False, text=True, **{stream: write, other: subprocess.PIPE}
        )
        os.close(write)
        said = done.stderr if other == "stderr" else done.stdout
    else:
        script = f'"$@" {ends[how].format(number)}'  # type: ignore[union-attr]
        shell = subprocess.run(
            ["sh", "-c", script, "sh", *words], check=False, text=True, capture_output=True
        )
        done, said = shell, shell.stdout + shell.stderr
    assert done.returncode in (0, 3), said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    if how != "closed" and stream == "stdout":
        assert done.returncode == 3


def interrupted(signals: str, tables: list[Any], space: Path) -> subprocess.CompletedProcess[str]:
    """A run that is sent a signal when it is about to write."""
    script = (
        "import signal, sys; from sqlstab import cli; from sqlstab.flow import write\n"
        f"def late(*a): signal.raise_signal(signal.{signals}); yield\n"
        "write.stable = late\n"
        f"sys.argv = ['sqlstab', 'run', *{list(map(str, tables))}, '--space', {str(space)!r}]\n"
        "cli.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("signals", "code", "word"), [("SIGINT", 130, "Interrupted"), ("SIGTERM", 143, "Terminated")]
)
def test_interrupted(space: Path, tables: list[Any], signals: str, code: int, word: str) -> None:
    done = interrupted(signals, tables, space)
    assert done.returncode == code, done.stderr
    assert done.stderr.strip() == f"{word}; no run was changed."
    assert not [path for path in space.glob("*") if path.is_dir()]


def test_interrupted_half_way(space: Path, tables: list[Any]) -> None:
    script = (
        "import sys; from sqlstab import api, cli; from sqlstab.errors import HalfWayInterrupt\n"
        "def late(*a, **b): raise HalfWayInterrupt('run a had been dropped by then.')\n"
        "api.Space.drop = late\n"
        f"sys.argv = ['sqlstab', 'runs', {str(space)!r}, 'drop', 'a', 'b']; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "Interrupted; run a had been dropped by then."


def test_interrupted_in_the_middle_of_a_statement(space: Path, model: Any) -> None:
    source = model(users=300_000, dimension=16)
    command = [sys.executable, "-m", "sqlstab", "run", "-q", "--strategy", "sql"]
    command += ["--users", f"{source}/users.parquet", "--items", f"{source}/items.parquet"]
    process = subprocess.Popen([*command, "--space", space], stderr=subprocess.PIPE, text=True)
    while not list(space.glob(".run=*")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert not [path for path in space.glob("*") if path.is_dir()]


def test_nothing_is_said_at_exit(space: Path, tables: list[Any]) -> None:
    """DuckDB's bindings complain at exit about whatever still refers to a connection."""
    for strategy in ("arrow", "sql"):
        done = sqlstab("run", *tables, "--space", space, "-q", "--strategy", strategy)
        assert done.stderr == ""


# Help, and how soon it is there.


def commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


@pytest.mark.parametrize("name", list(commands()))
def test_every_command_and_option_has_help(name: str) -> None:
    command = commands()[name]
    assert command.short_help
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            # click has no help of its own for these: the command's own text has it.
            assert parameter.metavar
            for word in re.findall(r"[A-Z]+|[a-z]{3,}", parameter.metavar):
                assert re.search(rf"\b{word}\b", command.help), word
            continue
        assert isinstance(parameter, click.Option)
        assert parameter.help, parameter.name
    # What no option is called, no text says.
    options = {name for parameter in command.params for name in parameter.opts}
    assert set(re.findall(r"(?<!\S)--[a-z-]+", command.help)) <= options


@pytest.mark.parametrize("name", list(commands()))
def test_help_is_one_screen(name: str) -> None:
    """`--help` fits 40 lines of 80 columns; `--help-all` has every option in full."""
    command = commands()[name]
    short = invoke(name, "--help").stdout
    assert len(short.splitlines()) <= 40
    assert max(map(len, short.splitlines())) <= 80
    # Examples stand as they are: Markdown has them as a block, too.
    for example in re.findall(r"^        (.*)", command.help or "", re.MULTILINE):
        assert f"    {example}\n" in short
    assert "--help-all" in short
    everything = " ".join(invoke(name, "--help-all").stdout.split())
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.opts[-1] in everything
            assert " ".join((option.help or "").split()) in everything
    if name == "run":
        assert "--sample" in everything
        assert "--sample" not in short


def test_help_and_version() -> None:
    assert "retrained recommender" in sqlstab("--help").stdout
    assert "--space" in sqlstab("run", "-h").stdout
    assert sqlstab("--version").stdout.startswith("sqlstab, version 0.")
    assert "No such command" in sqlstab("rnu", code=2).stderr


HEAVY = ("duckdb", "jinja2", "numpy", "pandas", "pyarrow", "rich", "scipy", "sqlglot")


@pytest.mark.parametrize(
    ("program", "seconds"),
    [
        ("import sqlstab", 0.15),
        ("from sqlstab import Options, EmbeddingTable, UsageError; Options()", 0.15),
        ("from click.testing import CliRunner; from sqlstab.cli import cli; "
         "assert CliRunner().invoke(cli, ['--help']).exit_code == 0", 0.4),
        ("from click.testing import CliRunner; from sqlstab.cli import cli; "
         "assert CliRunner().invoke(cli, ['run', '--help']).exit_code == 0", 0.4),
    ],
)  # fmt: skip
def test_a_start_loads_little(program: str, seconds: float) -> None:
    """Processor time without the interpreter's own start, the best of three."""
    script = (
        f"import sys, time; start = time.process_time()\n{program}\n"
        f"print(time.process_time() - start, *{HEAVY} & sys.modules.keys())"
    ).replace(str(HEAVY), repr(set(HEAVY)))
    found = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        spent, *heavy = done.stdout.split()
        assert heavy == []
        found.append(float(spent))
    assert min(found) < seconds


def test_no_other_name_in_the_package() -> None:
    import sqlstab  # noqa: PLC0415

    assert sorted(dir(sqlstab)) == sorted(sqlstab.__all__)
    for name in sqlstab.__all__:
        assert getattr(sqlstab, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Project'"):
        _ = sqlstab.Project  # type: ignore[attr-defined]
