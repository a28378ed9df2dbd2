"""Faults and terminals: what is another's stays, and what is printed is whole, safe and of use."""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_vectors
from invoke import invoke, whole

import sqlstab
from sqlstab import EngineError, Options, Space, UsageError
from sqlstab.cli import cli
from sqlstab.cli.options import typed_for
from sqlstab.declaration import declarations
from sqlstab.engines.base import reason
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.errors import SqlstabError, in_python, printable, spelled, typed_in
from sqlstab.options import DECLARING
from sqlstab.progress import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIDES = ("users", "items")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small tables and two runs of the space `movies`, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    rng = np.random.default_rng(5)
    for side in SIDES:
        write_vectors(tmp_path / f"{side}.parquet", rng.standard_normal((30, 3)))
    for key in "12":
        run("--run", key)
    return tmp_path


TABLES = ("--users", "users.parquet", "--items", "items.parquet")
RUN = ("run", *TABLES, "--space", "movies", "-q")


def run(*arguments: str, **options: Any) -> str:
    return invoke(*RUN, *arguments, **options).stderr


# ---- What the run did not make -------------------------------------------------------------------


def make(path: Path, kind: str) -> None:
    """Put something of a user's there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_text("mine")
    elif kind == "link":
        target = path.parent / "elsewhere"
        target.mkdir(exist_ok=True)
        (target / "notes").write_text("mine")
        path.symlink_to(target)
    elif kind == "dangling link":
        path.symlink_to(path.parent / "nothing")
    else:
        path.mkdir()
        (path / "notes.txt").write_text("mine")


def seen(path: Path) -> object:
    """What is there, whatever it is."""
    if path.is_symlink():
        return (str(path.readlink()), seen(path.resolve()) if path.exists() else None)
    if path.is_dir():
        return {one.name: seen(one) for one in path.iterdir()}
    return path.read_bytes() if path.exists() else None


KINDS = ("file", "directory", "link", "dangling link")
# Names that are like those of what a run, a session or an apply leaves when it is killed.
LIKE_OURS = (
    "movies/.run=1.sqlstab-0123abcd",
    "movies/.run=3.sqlstab-0123abcd.aside",
    "movies/.run=1.sqlstab-0123abcd.aside",
    "movies/.run=1.sqlstab-mine",
    "movies/.stable.previous",
    "movies/run=0",
    "tmp/sqlstab-spill-0123abcd",
    ".out.parquet.partial",
    "report.html.tmp",
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_only_looks_like_ours_stays(world: Path, kind: str) -> None:
    paths = [world / name for name in LIKE_OURS]
    for path in paths:
        make(path, kind)
    before = [seen(path) for path in paths]
    for key in "345":
        run("--run", key)
    invoke("apply", "movies", "--users", "users.parquet", "--out", "out.parquet", "-q")
    invoke("runs", "movies", "drop", "4", "-q")
    invoke("runs", "movies", "keep", "2", "-q")
    assert [run.key for run in Space("movies").entries] == ["3", "5"]
    assert [seen(path) for path in paths] == before


def test_a_run_with_something_of_a_user_in_it_is_not_replaced(world: Path) -> None:
    """A directory or a link in the place of a file of the run is not the run's."""
    folder = world / "movies" / "run=2"
    for kind in ("directory", "link", "dangling link"):
        path = folder / "users.parquet"
        path.unlink()
        make(path, kind)
        before = seen(folder)
        for command in ((*RUN, "--run", "2"), ("runs", "movies", "drop", "2")):
            assert "run=2 holds files that are not a run's" in invoke(*command, code=2).stderr
        assert seen(folder) == before
        shutil.rmtree(path) if kind == "directory" else path.unlink()
        path.write_bytes(b"")


@pytest.fixture
def sums(world: Path) -> bytes:
    """What a client prints of `sqlstab sql gram`."""
    asked = ("--dialect", "duckdb", *TABLES, "--dimension", 3)
    rows = [
        dict(zip(result.columns, row, strict=True))
        for text in invoke("sql", "gram", *asked).stdout.split(";\n")
        if text.strip()
        for result in [duckdb.sql(text)]
        for row in result.fetchall()
    ]
    return json.dumps(rows, default=str).encode()


OUTPUTS = {
    "stable.parquet": ("apply", "movies", "--users", "users.parquet", "--out", "stable.parquet"),
    "maps.csv": ("solve", "--run", "3", "--out", "maps.csv"),
    "report.json": ("report", "movies", "--format", "json", "--out", "report.json"),
    "report.html": ("report", "movies"),
    "demo/raw": ("demo", "--out", "demo"),
    "demo/movies": ("demo", "--out", "demo"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_there_is_not_overwritten(world: Path, sums: bytes, name: str, kind: str) -> None:
    make(world / name, kind)
    before = seen(world)
    said = invoke(*OUTPUTS[name], code=(2, 3), stdin=sums).stderr
    assert name in said
    after = seen(world)
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after | {"tmp": None} == before | {"tmp": None}


def test_a_report_on_a_run_has_its_key_in_its_name(world: Path) -> None:
    """So the page of the space stays; and the key is the name of no other place."""
    key = "2/../é 5%:30"
    run("--run", key)
    for words in ((), (key,)):
        invoke("report", "movies", *words)
    pages = {page.name: page.read_text() for page in world.glob("report*")}
    assert set(pages) == {"report.html", "report-2%2F..%2Fé 5%25%3A30.html"}
    assert len(set(pages.values())) == 2


def test_a_report_takes_the_place_of_a_report(world: Path) -> None:
    page = world / "report-2.html"
    invoke("report", "movies", "1", "--out", str(page), "-q")
    first = page.read_text()
    invoke("report", "movies", "2", "-q")
    assert page.read_text() != first
    # A pipe, or a terminal, is no file.
    invoke("report", "movies", "--out", "/dev/null", "-q")


def test_an_output_that_comes_meanwhile(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two outputs none is there then."""
    arguments = {"users": "users.parquet", "items": "items.parquet"}
    outputs = {side: world / f"stable_{side}.parquet" for side in SIDES}
    execute = DuckDBEngine.call

    def late(engine: DuckDBEngine, *given: Any) -> None:
        outputs["items"].write_text("mine")
        execute(engine, *given)

    monkeypatch.setattr(DuckDBEngine, "call", late)
    with pytest.raises(EngineError, match=r"stable_items.parquet has been made meanwhile"):
        Space("movies").apply(arguments, outputs)  # type: ignore[arg-type]
    assert outputs["items"].read_text() == "mine"
    assert not list(world.glob("*stable_users*")) + list(world.glob(".*partial"))


def test_tables_whose_names_are_like_ours(world: Path) -> None:
    """Tables and views of the user's stay, a view that cannot be read too."""
    mine = ("movies_users_sqlstab_0123abcd", "sqlstab_maps", "sqlstab_run", "movies_old")
    with duckdb.connect("w.duckdb") as connection:
        for side in SIDES:
            connection.execute(f"CREATE TABLE {side[0]} AS FROM '{side}.parquet'")
        for name in mine:
            connection.execute(f"CREATE TABLE {name} AS SELECT 'mine' AS note")
        connection.execute("CREATE TABLE gone (id INTEGER)")
        connection.execute("CREATE VIEW movies_items_newest AS SELECT id AS mine FROM gone")
        connection.execute("DROP TABLE gone")
    place = ("--database", "w.duckdb", "--space", "movies")
    found = invoke("run", "--users", "u", "--items", "i", *place, "--run", "1", code=3)
    assert "movies_items_newest" in found.stderr
    with duckdb.connect("w.duckdb") as connection:
        # With its table it can be read again.
        connection.execute("CREATE TABLE gone AS SELECT 7 AS id")
        assert connection.sql("FROM movies_items_newest").fetchall() == [(7,)]
        for name in mine:
            assert connection.sql(f"FROM {name}").fetchall() == [("mine",)]


@pytest.mark.parametrize("prefix", ["sqlstab", "sqlstab_solve", "movies"])
def test_a_script_drops_no_table_of_another(world: Path, prefix: str) -> None:
    """A space may be called as the script's own tables begin."""
    asked = ("--dialect", "duckdb", "--database", "w", "--dimension", 3, "--space", prefix)
    with duckdb.connect() as connection:
        for side in SIDES:
            connection.execute(f"CREATE TABLE {side[0]} AS FROM '{side}.parquet'")
        connection.execute("CREATE TABLE sqlstab_grams AS SELECT 'mine' AS note")
        for key, first in (("1", ["--first-run"]), ("2", [])):
            tables = ("--users", "u", "--items", "i", "--vector", "embedding")
            text = invoke("sql", "script", *asked, *tables, "--run", key, *first).stdout
            connection.execute(text)
        assert connection.sql("FROM sqlstab_grams").fetchall() == [("mine",)]
        assert connection.sql(f"SELECT run FROM {prefix}_runs").fetchall() == [("1",), ("2",)]
        assert connection.sql(f"SELECT count(*) FROM {prefix}_maps").fetchall() == [(36,)]


def test_clickhouse_drops_what_has_our_comment(warehouses: Callable[[str], Any]) -> None:
    """Its tables for `REPLACE PARTITION`: those that a run has made, by their comment."""
    engine = warehouses("clickhouse").engine
    for number, ending in enumerate((" COMMENT 'sqlstab'", " COMMENT 'mine'", "")):
        name = f"left_users_sqlstab_0123abc{number}"
        engine.execute(f"DROP TABLE IF EXISTS {name}")
        engine.execute(f"CREATE TABLE {name} (id Int64) ENGINE = MergeTree ORDER BY id{ending}")
    from sqlstab.engines.base import qualified  # noqa: PLC0415
    from sqlstab.statements import ddl  # noqa: PLC0415

    pattern = engine.dialect.tables.leftovers
    text = ddl.about(pattern, qualified("left_users", engine), engine.dialect)
    young = engine.query(text)
    old = engine.query(text.replace("now() - INTERVAL 1 DAY", "now() + INTERVAL 1 DAY"))
    assert (young, old) == ([], [{"name": "left_users_sqlstab_0123abc0"}])


# ---- Streams -------------------------------------------------------------------------------------


def shell(script: str, *words: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run `sqlstab` with these words in a shell, where `"$@"` is the command."""
    command = [sys.executable, "-m", "sqlstab", *(os.fsencode(str(word)) for word in words)]
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(sqlstab.__file__).parents[1]), **environment},
    )
    assert b"Traceback" not in done.stderr + done.stdout, done.stderr
    assert b"Exception ignored" not in done.stderr, done.stderr
    return done


# Where the streams of a run go -> its exit code; 3 says that the run is there.
STREAMS = {
    ">&-": 0,
    "<&- >&- 2>&-": 0,
    ">/dev/full": 3,
    "2>/dev/full": 0,
    ">/dev/full 2>/dev/full": 0,
    "| (exec <&-; sleep 0.1)": 3,
    "2>&1 | (exec <&-; sleep 0.1)": 0,
    "--json | (exec <&-; sleep 0.1)": 3,
}


@pytest.mark.parametrize("streams", STREAMS)
def test_a_run_that_is_there_says_so(world: Path, streams: str) -> None:
    words = [word for word in RUN if word != "-q"]
    # The reader is gone before the run ends.
    done = shell(f'set -o pipefail; "$@" {streams}', *words, "-v", "--run", "3")
    assert done.returncode == STREAMS[streams], done.stderr
    assert (world / "movies" / "run=3" / "run.json").exists()
    if done.returncode == 3:
        assert done.stderr.decode().endswith("; the run 3 had been written by then.\n")


def test_a_closed_stream_does_not_end_up_in_a_database(world: Path) -> None:
    """A file that is opened next would have the number of a stream that is closed."""
    with duckdb.connect("w.duckdb") as connection:
        for side in SIDES:
            connection.execute(f"CREATE TABLE {side[0]} AS FROM '{side}.parquet'")
    words = ("run", "--database", "w.duckdb", "--users", "u", "--items", "i", "--space", "s", "-v")
    assert shell('"$@" <&- >&- 2>&-', *words, "--run", "1").returncode == 0
    assert [
        run["key"]
        for run in json.loads(invoke("runs", "s", "--database", "w.duckdb", "--json").stdout)
    ] == ["1"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1:strict"])
def test_text_that_an_encoding_lacks(world: Path, encoding: str) -> None:
    """People see escapes; programs get UTF-8."""
    key, table = "día→", "ñ→.parquet"
    (world / "users.parquet").rename(world / table)
    words = ("run", "--users", table, "--items", "items.parquet", "--space", "movies", "--run", key)
    there = {"PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}
    assert shell('"$@"', *words, **there).returncode == 0
    assert shell('"$@"', "runs", "movies", f"{key}é", **there).returncode == 4
    found = json.loads(shell('"$@"', "runs", "movies", "--json", **there).stdout.decode())
    assert found[-1]["key"] == key
    sql = ("sql", "gram", "--dialect", "duckdb", "--users", table, "--dimension", 3)
    assert table in shell('"$@"', *sql, **there).stdout.decode()


def test_arguments_that_are_not_utf_8(world: Path) -> None:
    odd = b"movies\xff"
    for words in (["runs", odd], ["report", "movies", "--out", b"\xff.html"], [odd]):
        done = shell('"$@"', *(os.fsdecode(word) for word in words))
        assert done.returncode == 2
        assert b"is not UTF-8" in done.stderr or b"No such command" in done.stderr
        assert b"\\udcff" in done.stderr


def test_a_working_directory_that_is_not_utf_8(world: Path) -> None:
    Path(os.fsdecode(os.fsencode(world) + b"/\xff")).mkdir()
    tables = [word if word.startswith("-") else world / word for word in TABLES]
    done = shell(f'cd "$(printf "%b" "{world}/\\\\377")"; "$@"', "run", *tables, "--space", "s")
    assert done.returncode == 2
    assert b"is not UTF-8" in done.stderr


def test_a_working_directory_that_is_gone(world: Path) -> None:
    done = shell('mkdir gone; cd gone; rmdir ../gone; "$@"', "runs", "movies")
    assert done.returncode == 2
    assert b"Error: movies is not a valid path of a directory: " in done.stderr
    done = shell('mkdir gone; cd gone; rmdir ../gone; "$@"', "runs", world / "movies")
    assert done.returncode == 0


@pytest.mark.parametrize("space", ["~no_such_user/movies", "loop/movies"])
def test_paths_that_lead_nowhere(world: Path, space: str) -> None:
    (world / "loop").symlink_to("loop")
    assert "is not a valid path of a directory" in invoke("runs", space, code=(2, 3)).stderr


def test_without_home_or_user(world: Path) -> None:
    script = 'env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH" TMPDIR="$TMPDIR" "$@"'
    assert shell(script, *RUN, "--run", "3").returncode == 0


def on_a_terminal(*words: str, **environment: str) -> str:
    """Return what a command prints on a terminal."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "sqlstab", *words],
        stdout=child,
        stderr=child,
        env={**os.environ, **environment, "PYTHONPATH": str(Path(sqlstab.__file__).parents[1])},
    ) as process:
        os.close(child)
        said = b""
        while True:
            try:
                part = os.read(parent, 65536)
            except OSError:
                break
            if not part:
                break
            said += part
    os.close(parent)
    assert process.returncode == 0, said
    assert b"Traceback" not in said
    return said.decode()


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"COLUMNS": "20"}])
def test_odd_terminals(world: Path, environment: dict[str, str]) -> None:
    """All figures are there, if on more lines."""
    assert "took" in on_a_terminal(*RUN[:-1], "--run", "3", **environment)


@pytest.mark.parametrize(
    ("command", "last"),
    [
        ("compare movies/2 movies/1", "lengths and neighbours, too."),
        ("demo --out demo", "GROUP BY run"),
        ("features movies --as-of 1", "vectors become shorter"),
        ("report movies", "report.html"),
        ("report movies 2", "report-2.html"),
        ("runs movies", "2026"),
        ("runs movies 2", "took"),
    ],
)
def test_lines_of_80_columns(world: Path, command: str, last: str) -> None:
    """Whole words, too: where a terminal breaks a line, it may be within one."""
    said = on_a_terminal(*command.split(), COLUMNS="80", TERM="dumb")
    assert [line for line in said.splitlines() if len(line.rstrip()) > 80] == []
    assert last in " ".join(said.split())


# ---- Control characters --------------------------------------------------------------------------

NAUGHTY = "a\x1b[2J\r\x07\x7f\x9b\u202e\u2066\u061c\u200b\ufeffb"
# Names and keys are one line.
LINE = NAUGHTY.replace("\r", "")
SHOWN = "a\\x1b[2J\\x0d\\x07\\x7f\\x9b\\u202e\\u2066\\u061c\\u200b\\ufeffb"
RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def test_what_is_shown_is_escaped() -> None:
    assert printable(NAUGHTY) == SHOWN
    assert printable(SHOWN) == SHOWN
    assert printable("ein Tag\n→ 日本\tعربى e\u0301 👩‍👧") == "ein Tag\n→ 日本\tعربى e\u0301 👩‍👧"
    for error in (SqlstabError, UsageError, EngineError):
        assert str(error(f"{NAUGHTY}\nError: none")) == f"{SHOWN}\\nError: none"
    log = Log()
    log.warn(f"{NAUGHTY}\nWarning: none")
    assert log.warnings == [f"{SHOWN}\\nWarning: none"]


NAUGHTY_TABLES = (*TABLES, "--id", LINE)


@pytest.fixture
def naughty(world: Path) -> Path:
    """A space of two runs where ids, columns, files and keys have control characters."""
    rng = np.random.default_rng(6)
    (world / LINE).mkdir()
    ids = [f"{LINE}\n{k}" for k in range(30)]
    for side in SIDES:
        write_vectors(world / LINE / f"{side}.parquet", rng.standard_normal((30, 3)), ids)
        column = f'CREATE TABLE t AS SELECT id AS "{LINE}", embedding FROM read_parquet(?)'
        with duckdb.connect() as connection:
            connection.execute(column, [f"{LINE}/{side}.parquet"])
            connection.execute(f"COPY t TO '{side}.parquet'")
    for key in "12":
        invoke("run", *NAUGHTY_TABLES, "--space", LINE, "--run", f"{LINE}{key}", "-q")
    return world


def test_nothing_printed_controls_a_terminal(naughty: Path) -> None:
    key = f"{LINE}2"
    for arguments in (
        ("runs", LINE),
        ("runs", LINE, key),
        ("runs", LINE, f"{key}0"),
        ("run", *NAUGHTY_TABLES, "--space", LINE, "--run", key, "-v", "--show-sql"),
        ("run", *NAUGHTY_TABLES, "--space", LINE, "--run", f"{key}\n"),
        ("run", *TABLES, "--space", "x", "--id", f"{LINE}?"),
        ("run", "--database", LINE, "--users", LINE, "--items", "i", "--space", "s"),
        ("compare", f"{LINE}/{key}", f"{LINE}/{LINE}1"),
        ("report", LINE, key, "--out", "-", "--format", "md"),
        ("report", LINE, key, "--out", "-"),
        ("apply", LINE, key, "--users", "users.parquet", "--id", LINE, "--out", f"{LINE}.parquet"),
        ("sql", "--explain", *NAUGHTY_TABLES, "--space", LINE, "--run", key),
        ("runs", LINE, "drop", key),
    ):
        done = whole(*arguments, code=(0, 2, 3, 4))
        assert not RAW.search(done.stdout + done.stderr), arguments


def test_json_is_exact(naughty: Path) -> None:
    key = f"{LINE}2"
    shown = whole("runs", LINE, key, "--json").stdout
    report = whole("report", LINE, key, "--out", "-", "--format", "json").stdout
    assert json.loads(shown)["key"] == json.loads(report)["run"]["key"] == key
    assert not RAW.search(shown + report)


def test_a_report_shows_what_it_is_about(naughty: Path) -> None:
    made = Space(LINE).report()
    for form in ("html", "md"):
        text = made.text(form)  # type: ignore[arg-type]
        assert not RAW.search(text)
        assert "202e" in text


def test_saved_files_are_shown(world: Path) -> None:
    """Whoever can write a space must not have a say in the terminal of those who read it."""
    path = world / "movies" / "run=2" / "run.json"
    figures = json.loads(path.read_text())
    figures |= {"created_by": NAUGHTY, "created": f"{NAUGHTY}2026", "warnings": [f"x\n{NAUGHTY}"]}
    path.write_text(json.dumps(figures))
    for arguments in (("runs", "movies"), ("runs", "movies", "2"), ("report", "movies")):
        done = whole(*arguments, code=(0, 4))
        assert not RAW.search(done.stdout + done.stderr)
    figures["format"] = NAUGHTY
    path.write_text(json.dumps(figures))
    assert not RAW.search(whole("runs", "movies", code=4).stderr)


# ---- Messages ------------------------------------------------------------------------------------

SAID = {
    "duckdb": (
        'Binder Error: Referenced column "x" not found in FROM clause!\n'
        'Candidate bindings: "a", "b"\n\nLINE 1: SELECT x FROM t\n               ^',
        'Binder Error: Referenced column "x" not found in FROM clause! Candidate bindings: "a", '
        '"b"',
    ),
    "httpfs": (
        'IO Error: Failed to download extension "httpfs" at URL "http://x"\n\n'
        'Extension "httpfs" is an existing extension.\n(ERROR Could not establish connection)',
        'IO Error: Failed to download extension "httpfs" at URL "http://x" Extension "httpfs" is '
        "an existing extension. (ERROR Could not establish connection)",
    ),
    "duckdb's advice about its own settings": (
        "Out of Memory Error: failed to allocate (60/61 MiB used)\n\nPossible solutions:\n* SET x",
        "Out of Memory Error: failed to allocate (60/61 MiB used)",
    ),
    "psycopg": (
        'relation "x" does not exist\nLINE 2: FROM x\n             ^\nDETAIL:  Why.\nHINT:  Do.',
        'relation "x" does not exist DETAIL: Why. HINT: Do.',
    ),
    "snowflake": (
        "000904 (42000): SQL compilation error: error line 1 at position 7\ninvalid identifier 'X'",
        "000904 (42000): SQL compilation error: error line 1 at position 7 invalid identifier 'X'",
    ),
    "clickhouse": (
        ":HTTPDriver for http://x returned response code 404)\n Code: 60. DB::Exception: No table.",
        ":HTTPDriver for http://x returned response code 404) Code: 60. DB::Exception: No table.",
    ),
    "sqlalchemy": (
        "(x.Error) no\n[SQL: SELECT 1]\n(Background on this error at: https://x)",
        "(x.Error) no",
    ),
    "bigquery": (
        "400 No at [1:8]\n\n-----Query Job SQL Follows-----\n 1:SELECT",
        "400 No at [1:8]",
    ),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("name", SAID)
def test_causes_are_kept(name: str) -> None:
    said, wanted = SAID[name]
    assert reason(said) == wanted


def test_a_long_reason_keeps_both_ends() -> None:
    found = reason("Syntax error: " + "x, " * 100_000 + "(SYNTAX_ERROR)")
    assert found.startswith("Syntax error: x, ")
    assert found.endswith("(SYNTAX_ERROR)")
    assert len(found) < 3_000


def test_a_reason_of_spark() -> None:
    pytest.importorskip("pyspark")
    from sqlstab.engines.spark import _reason  # noqa: PLC0415

    def said(text: str) -> str:
        return _reason(Exception(text))

    assert said("[X] No column. SQLSTATE: 42703; line 1 pos 7;\n'Project ['x]\n+- Y") == (
        "[X] No column. SQLSTATE: 42703; line 1 pos 7;"
    )
    assert said("[PARSE] At 'x'. (line 1, pos 3)\n\n== SQL ==\nSELECT\n---^^^") == (
        "[PARSE] At 'x'. (line 1, pos 3)"
    )
    trace = "\tat org.x.Y.z(Y.scala:1)\n"
    assert said(
        f"Job aborted: lost.\n{trace}Caused by: java.A: a\n{trace}Caused by: B: b\n{trace}"
    ) == ("Job aborted: lost. Cause: B: b")
    assert said(f"An error occurred while calling o51.sql.\n: java.A: a\n{trace}") == "java.A: a"
    assert (
        said("[E] x:\nTraceback (most recent call last):\n  File\nValueError: no")
        == "on a worker: ValueError: no"
    )


def test_duckdb_says_why(world: Path) -> None:
    """From the engine itself: candidates, which stand in later lines."""
    done = invoke(*RUN, "--filter", "embeddin IS NOT NULL", "--run", "3", code=4)
    assert "embedding" in done.stderr
    assert "LINE 1" not in done.stderr


def test_a_database_in_memory_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise duckdb.IOException("no")

    monkeypatch.setattr(duckdb, "connect", fails)
    with pytest.raises(EngineError, match=r"^The database in memory cannot be opened: no$"):
        DuckDBEngine()


def test_a_row_group_larger_than_the_memory(tmp_path: Path) -> None:
    """As pyarrow writes a file: a row group of a million rows, or of all there are."""
    rows, path = 200_000, tmp_path / "v.parquet"
    vectors = np.random.default_rng(9).standard_normal((rows, 64), dtype=np.float32)
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 64)
    pq.write_table(pa.table({"id": np.arange(rows), "embedding": values}), path)
    scan = f"SELECT sum(list_sum(embedding)) AS total FROM '{path}'"
    engine = DuckDBEngine(threads=2, memory_limit="40MB")
    engine.describe(str(path))
    total = engine.query(scan)[0]["total"]
    assert total == pytest.approx(vectors.sum(dtype=np.float64), abs=1e-2)
    engine.execute("SET memory_limit = '2MB'")
    with pytest.raises(
        EngineError, match=r"memory_limit \(\d+ MB suffice for these Parquet files"
    ) as no:
        engine.query(f"{scan} GROUP BY id % 100000")
    size = int(re.findall(r"\((\d+) MB suffice", str(no.value))[0])
    engine.execute(f"SET memory_limit = '{size}MB'")
    assert len(engine.query(f"{scan} GROUP BY id % 100000")) == 100_000
    engine.close()


# The options that messages name, by file.
_NAMED = re.compile(r"--(?:\w+\.)?([a-z]+(?:-[a-z]+)*)")


def messages() -> Iterator[tuple[str, str]]:
    """Find the texts in sqlstab that are no docstrings and name options."""
    for path in sorted(Path(sqlstab.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and id(node) not in docs and _NAMED.search(node.value):  # type: ignore[attr-defined]
                yield path.name, node.value  # type: ignore[attr-defined]


def options_of_commands() -> dict[str, set[str]]:
    context = cli.make_context("sqlstab", ["demo"], resilient_parsing=True)
    found = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command
        found[name] = {one for parameter in command.params for one in parameter.opts}
    return found


def test_options_that_messages_name_are_there() -> None:
    typed = {name.lstrip("-") for names in options_of_commands().values() for name in names}
    declared = {one.option for kind in DECLARING for one in declarations(kind).values()}
    known = typed | declared | {"help", "version"}
    found = {(file, name) for file, text in messages() for name in _NAMED.findall(text)}
    # Colours of a page, and other programs' options.
    others = {("charts.py", name) for name in ("raw", "stable", "run", "soft", "line", "text")}
    assert {(file, name) for file, name in found - others if name not in known} == set()
    assert len(found) > 50


def test_python_has_no_hyphens() -> None:
    """Whatever a message names is spelled for who calls a function."""
    for file, text in messages():
        if file in ("charts.py", "demo.py") or Path(file).parent.name == "cli":
            continue
        rest = re.sub(r"sqlstab [a-z]+(?: [a-z-]+)*(?: --[a-z-]+)+", "", text)
        for name in _NAMED.findall(rest):
            assert f"--{name}" not in spelled(f"x --{name} y")
    assert in_python(None, "output-type", None) == "output_type"


@pytest.mark.parametrize(
    ("command", "message", "shown"),
    [
        ("run", "--output-type", "[run] output_type in a project file"),
        ("run", "--min-shared-ids", "[run] min_shared_ids in a project file"),
        ("apply", "--output-type", "--output-type"),
        ("apply", "--anchor", "[run] anchor in a project file"),
        ("compare", "--sample", "--sample"),
        ("runs", "--memory-limit", "[engine] memory_limit in a project file"),
        ("report", "--memory-limit", "--memory-limit"),
        ("sql", "--force", "[run] force in a project file"),
        ("sql", "--force=true", "[run] force = true in a project file"),
        ("apply", "--on-invalid=drop", "--on-invalid drop"),
        ("solve", "--anchor", "--anchor"),
        ("solve", "--gram", "--gram"),
    ],
)
def test_advice_that_a_command_can_take(command: str, message: str, shown: str) -> None:
    context = cli.make_context("sqlstab", ["demo"], resilient_parsing=True)
    found = cli.get_command(context, command)
    assert found
    with typed_in(typed_for(found)):
        assert spelled(f"x {message} y") == f"x {shown} y"


def test_vectors_are_given_no_advice_about_sides(world: Path) -> None:
    first = ("run", "--vectors", "users.parquet", "--space", "alone")
    invoke(*first, "--run", "1", "-q")
    rng = np.random.default_rng(7)
    write_vectors(world / "users.parquet", rng.standard_normal((30, 3)), list(range(1000, 1030)))
    done = invoke(*first, "--run", "2", code=4)
    assert "--anchor" not in done.stderr
    assert "Give the same ids as before, or begin another space." in done.stderr
    done = invoke(*first, "--run", "2", "--sample", "50%", code=4)
    assert "Take a larger --sample, or none." in done.stderr


@pytest.mark.parametrize("sides", [SIDES, ("vectors",)])
def test_a_range_that_no_constant_helps(sides: tuple[str, ...]) -> None:
    """The message says so, and what it says instead does help."""
    rng = np.random.default_rng(8)
    raw = {side: rng.standard_normal((30, 2)) for side in sides}
    scale = np.array([1e160, 1e-160])
    bad = {side: raw[side] * scale for side in sides[:1]} | {s: raw[s] / scale for s in sides[1:]}
    ids = np.arange(30)
    with pytest.raises(sqlstab.DataError, match="None helps where") as caught:
        sqlstab.stabilize(**{side: (ids, bad[side]) for side in sides}, options=Options())
    if len(sides) == 1:
        assert "other table" not in str(caught.value)
        return
    # Each component by a constant of its own, that of the other table by its inverse.
    mended = {"users": bad["users"] / scale, "items": bad["items"] * scale}
    done = sqlstab.stabilize(**{side: (ids, mended[side]) for side in sides})
    assert done.figures["scores"]["max_relative_error"] < 1e-12
