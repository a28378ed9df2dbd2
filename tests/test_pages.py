"""What README and docs say to do works as it stands there, one block after the other."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
from typing import TYPE_CHECKING

import click
import duckdb
import pytest
import test_engines
import test_googlesql
import test_javascript_scripts
import test_script
from conftest import movietweetings
from engines import RUNNABLE, TARGETS, psql_environment
from invoke import invoke
from pages import PAGES, ROOT, Block, blocks, shell
from warehouse import VARIANTS, store_vectors

import sqlstab
from sqlstab import DataError, EngineError, GateError, Space, UsageError
from sqlstab.cli import cli
from sqlstab.engines import NAMES
from sqlstab.options import options_table
from sqlstab.session import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from engines import Running

    from sqlstab.engines.base import Engine

# Run by tests of their own: what a role may do below, the project file in tests/test_project.py.
ELSEWHERE = {("docs/faults.md", "sql"), ("docs/project-file.md", "sh")}
DAYS = ("2026-11-29", "2026-11-30", "2026-12-01")


def of_pages(engine: str) -> list[str]:
    """The pages with blocks that run on an engine."""
    return [
        page
        for page in PAGES
        if any(
            block.engine == engine
            and block.language in ("sh", "python", "sql")
            and (page, block.language) not in ELSEWHERE
            for block in blocks(page)
        )
    ]


def prepare(folder: Path) -> None:
    """Write the files and the database that pages speak of."""
    first, second = (movietweetings("time_als_e32", number) for number in (0, 1))
    for side in ("users", "items"):
        shutil.copy(first / f"{side}.parquet", folder)
    shutil.copy(first / "users.parquet", folder / "queries.parquet")
    shutil.copy(first / "items.parquet", folder / "docs-1.parquet")
    shutil.copy(second / "items.parquet", folder / "docs-2.parquet")
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("CREATE SCHEMA ml")
        for side in ("user", "item"):
            rows = " UNION ALL ".join(
                f"SELECT DATE '{day}' AS ds, id AS {side}_id, embedding "
                f"FROM '{model}/{side}s.parquet'"
                for day, model in zip(DAYS, (first, second, first), strict=True)
            )
            connection.execute(f"CREATE TABLE ml.{side}_vectors AS {rows}")


def store_days(engine: Engine, rng: np.random.Generator, dimension: int = 4) -> None:
    """Write ml.user_vectors and ml.item_vectors, with a day; the same as ml.users and ml.items."""
    for side in ("user", "item"):
        store_vectors(engine, f"ml.{side}_raw", rng.standard_normal((80, dimension)), "embedding")
        rows = " UNION ALL ".join(
            f"SELECT DATE '{day}' AS ds, id AS {side}_id, embedding FROM ml.{side}_raw"
            for day in DAYS
        )
        engine.execute(f"CREATE TABLE ml.{side}_vectors AS {rows}")
        same = f"SELECT ds, {side}_id AS id, embedding FROM ml.{side}_vectors"
        engine.execute(f"CREATE TABLE ml.{side}s AS {same}")


def without_pip(script: str) -> str:
    return "".join(
        line for line in script.splitlines(keepends=True) if not line.startswith("pip install ")
    )


def run(block: Block, folder: Path, environment: dict[str, str]) -> str:
    """Run a block in a folder; what it printed."""
    if block.language == "python":
        exec(compile(block.text, "page.md", "exec"), {"__name__": "page"})
        return ""
    if block.language == "sql":
        with duckdb.connect() as connection:
            assert connection.execute(block.text).fetchall()
        return ""
    return shell(without_pip(block.text), folder, **environment)


def words(text: str) -> list[list[str]]:
    """Lines of words, without what differs from one run to the next."""
    return [line.split() for line in text.splitlines() if not re.search(r"made|took|/tmp", line)]


@pytest.mark.parametrize("page", of_pages(""))
def test_blocks(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On files and DuckDB. What a page shows as printed has been printed."""
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    if page == "docs/report.md":
        for day, training in zip(DAYS, (0, 1), strict=False):
            model = movietweetings("time_als_e32", training)
            Space("movies").run(model / "users.parquet", model / "items.parquet", key=day)
    printed = ""
    for block in blocks(page):
        if block.engine or (page, block.language) in ELSEWHERE:
            continue
        if block.language in ("sh", "python", "sql"):
            printed += run(block, tmp_path, {})
        if block.language == "text" and re.search(r"^(run|alignable|agreement) ", block.text):
            shown = words(block.text)
            assert [line for line in shown if line not in words(printed)] == []


@pytest.mark.parametrize("page", of_pages("postgres"))
def test_blocks_on_postgres(
    page: str, running: Running, tmp_path: Path, rng: np.random.Generator
) -> None:
    url = running["postgres"]
    environment = {"DATABASE_URL": url, **psql_environment(url)}
    with connect(url) as engine:
        engine.execute("CREATE SCHEMA ml")
        try:
            store_days(engine, rng, 32 if "sql" in page else 4)
            for block in blocks(page):
                if block.engine == "postgres" and block.language == "sh":
                    shell(without_pip(block.text), tmp_path, **environment)
            runs = list(engine.query("SELECT * FROM ml.movies_runs"))
        finally:
            engine.execute("DROP SCHEMA ml CASCADE")
    assert runs


@pytest.mark.parametrize("page", of_pages("spark"))
def test_blocks_on_spark(page: str, running: Running, rng: np.random.Generator) -> None:
    with connect(running["spark"]) as engine:
        engine.execute("CREATE DATABASE ml")
        try:
            store_days(engine, rng)
            for block in blocks(page):
                if block.engine == "spark" and block.language == "python":
                    exec(compile(block.text, page, "exec"), {"__name__": "page"})
                elif block.engine == "spark":
                    command = shlex.split(block.text.replace("\\\n", " "), comments=True)
                    assert command[0] == "sqlstab"
                    invoke(*command[1:])
            found = engine.query("SELECT count(DISTINCT ds) AS n FROM ml.movies_items")
        finally:
            engine.execute("DROP DATABASE ml CASCADE")
    assert found[0]["n"] >= 1


def test_rights_on_postgres(running: Running, rng: np.random.Generator) -> None:
    """docs/faults.md: all that a role needs for a run."""
    (block,) = (b for b in blocks("docs/faults.md") if b.language == "sql")
    url = running["postgres"]
    with connect(url) as engine:
        engine.execute("CREATE SCHEMA ml")
        store_days(engine, rng)
        engine.execute("CREATE SCHEMA raw")
        for side in ("user", "item"):
            engine.execute(f"ALTER TABLE ml.{side}_vectors SET SCHEMA raw")
        engine.execute("CREATE ROLE stabilizer LOGIN")
        try:
            for statement in block.text.split(";"):
                if "GRANT" in statement:
                    engine.execute(statement.removeprefix("-- postgres\n"))
            for day in DAYS[:2]:
                invoke(
                    *("run", "--engine", url.replace("postgres:@", "stabilizer:@")),
                    *("--users", "raw.user_vectors", "--items", "raw.item_vectors"),
                    *("--space", "ml.movies", "--run", f"ds={day}"),
                )
        finally:
            engine.execute("DROP SCHEMA ml, raw CASCADE")
            engine.execute("DROP ROLE stabilizer")


def test_the_list_of_exit_codes() -> None:
    """One list, and the command's help; other pages refer to it."""
    errors = (UsageError, EngineError, DataError, GateError)
    wanted = {0, *(error.exit_code for error in errors)}
    wanted |= {128 + number for number in (signal.SIGINT, signal.SIGTERM)}
    text = (ROOT / "docs" / "faults.md").read_text().split("## Exit codes\n")[1].split("\n## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == wanted
    assert {int(code) for code in re.findall(r"(\d+) ", str(cli.epilog))} == wanted


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_a_page_says_what_its_reader_can_do(page: str) -> None:
    title, first = (ROOT / page).read_text().split("\n\n")[:2]
    assert title.startswith("# ")
    assert re.match(r"After this page you (can|know) ", first)


def test_the_public_names_are_documented() -> None:
    """In a table for who reads the checkout, and on the site."""
    text = (ROOT / "docs" / "reference" / "python.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(sqlstab.__all__)
    generated = set(re.findall(r"^::: sqlstab\.(\w+)$", text, re.MULTILINE))
    assert generated == set(sqlstab.__all__) - {"__version__"}


def table_of_tests() -> str:
    """How each engine is tested, by what the suites of statements, runs and scripts are run on."""
    lines = [
        "| `--dialect` | tested on | statements | with vectors as | runs | scripts |",
        "|---|---|---|---|---|---|",
    ]
    for name in NAMES:
        target, package, how, vectors = TARGETS.get(name), "", "", list[str]()
        if target:
            package = f"`{target.packages[0]}`"
            how = "emulated" if target.emulated else "run"
            impossible = {what for engine, what in test_engines.EXCEPTIONS if engine == name}
            vectors = [variant for variant in VARIANTS[name] if variant not in impossible]
        statements = ["parsed", "analysed" if name == test_googlesql.BIGQUERY.name else "", how]
        scripts = name in (*test_script.RUNNABLE, *test_javascript_scripts.EMULATED)
        cells = (
            *(f"`{name}`", package, ", ".join(filter(None, statements)), ", ".join(vectors)),
            *(how if name in RUNNABLE else "", how if scripts else ""),
        )
        lines.append(f"| {' | '.join(cells)} |".replace("  ", " "))
    return "\n".join(lines) + "\n"


COMMANDS = [
    (f"sqlstab {name}", cli.get_command(click.Context(cli), name))
    for name in cli.list_commands(click.Context(cli))
]


def table_of_commands() -> str:
    """The commands, for who reads the checkout; the site has their options, too."""
    rows = [f"| `{name}` | {command.short_help} |" for name, command in COMMANDS if command]
    return "\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n"


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("docs/project-file.md", options_table),
        ("docs/engines.md", table_of_tests),
        ("docs/reference/cli.md", table_of_commands),
    ],
)
def test_the_generated_tables(page: str, made: Callable[[], str]) -> None:
    """They are made from declarations, and from the tests: UPDATE_GOLDEN=1 writes them anew."""
    path, table = ROOT / page, made().strip()
    text, first_cell = path.read_text(), table.split("|")[1]
    (shown,) = re.findall(rf"^\|{first_cell}\|(?:.*\n\|)*.*\n", text, re.MULTILINE)
    if "UPDATE_GOLDEN" in os.environ:
        path.write_text(text.replace(shown.strip(), table))
    else:
        assert shown.strip() == table


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_has_help_and_is_documented(name: str, command: click.Command) -> None:
    assert command.short_help
    assert command.short_help.endswith(".")
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            continue  # tests/test_cli.py sees that the command's text has it
        assert isinstance(parameter, click.Option)
        assert parameter.help, f"{name} {parameter.name}"
        assert parameter.help.rstrip().endswith("."), f"{name} {parameter.name}: {parameter.help}"
    assert any(name in (ROOT / page).read_text() for page in PAGES), f"{name}: in no documentation"
