"""Wrong input over every entry: one message, the exit code, no traceback, and nothing is changed.

The rows are command lines in a directory with a space of two runs, a database, a project file, and
a broken copy of each. What is wrong with single rows of a table of vectors is in `test_checks`,
with the values of a project file in `test_project`, with sums in `test_solve_files`.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from conftest import write_vectors
from invoke import invoke

from sqlstab import EmbeddingTable, Options, Space, SqlstabError, compare, stabilize
from sqlstab.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLES = "--users users.parquet --items items.parquet"
RUN = f"run {TABLES} --space out"
NEXT = f"run {TABLES} --run 3 --space"

PROJECT = """\
[users]
table = "users.parquet"
[items]
table = "items.parquet"
[space]
name = "stable/{day}"
"""


def damaged(document: Any, *keys: Any, value: Any = None) -> Any:
    """A copy of a JSON document with one value replaced; without `value` the key is gone."""
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in keys[:-1]:
        inner = inner[key]
    if value is None:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return copy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory of inputs, good and bad; the tests of this module work there."""
    folder = tmp_path_factory.mktemp("world")
    before = Path.cwd()
    os.chdir(folder)
    try:
        fill()
        yield folder
    finally:
        os.chdir(before)


def fill() -> None:
    rng = np.random.default_rng(5)
    write_vectors(Path("users.parquet"), rng.standard_normal((40, 3)).astype(np.float32))
    write_vectors(Path("items.parquet"), rng.standard_normal((30, 3)).astype(np.float32))
    write_vectors(Path("short.parquet"), rng.standard_normal((30, 2)).astype(np.float32))
    tables = ("users.parquet", "items.parquet")
    space = Space("days")
    for key in ("1", "2"):
        space.run(*tables, key=key)
    Space("alone").run(vectors="users.parquet", key="1")
    with duckdb.connect("w.duckdb") as connection:
        for name in ("users", "items"):
            connection.execute(f"CREATE TABLE {name} AS FROM '{name}.parquet'")
        connection.execute("CREATE VIEW s_users AS FROM users")
        connection.execute("CREATE TABLE t_users (run TEXT, id BIGINT)")
        connection.execute("CREATE TABLE u_users AS SELECT 'x' AS run, * FROM users")
        connection.execute("ALTER TABLE u_users ALTER embedding TYPE TEXT")
    Path("sqlstab.toml").write_text(PROJECT)
    Path("url.toml").write_text(PROJECT.replace("stable/{day}", "gs://b/m"))
    Path("named.toml").write_text(PROJECT.replace("{day}", "x") + 'items = "other"\n')
    Path("text.parquet").write_text("hello")
    whole = Path("users.parquet").read_bytes()
    Path("cut.parquet").write_bytes(whole[: len(whole) // 2])
    Path("empty.parquet").write_bytes(b"")
    Path("empty.csv").write_bytes(b"")
    Path("empty").mkdir()
    Path("foreign/run=3").mkdir(parents=True)
    Path("foreign/run=3/notes.txt").write_text("mine")
    Path("sums.txt").write_text("hello")
    Path("not_utf8.toml").write_bytes(b"# \xff\n")
    bad_runs()


def bad_runs() -> None:
    """Spaces whose newest run is damaged."""
    good = json.loads(Path("days/run=2/run.json").read_text())
    for name, text in {
        "format": json.dumps(damaged(good, "format", value=7)),
        "outputs": json.dumps(damaged(good, "outputs")),
        "no_side": json.dumps(damaged(good, "inputs", "users")),
        "relation": json.dumps(damaged(good, "inputs", "users", "relation", value=3)),
        "cosine": json.dumps(damaged(good, "cosine", value="high")),
        "rows": json.dumps(damaged(good, "tables", "users", "rows", value="many")),
        "list": json.dumps([good]),
        "deep": "[" * 100_000,
        "cut": json.dumps(good)[:-9],
        "nan": json.dumps(damaged(good, "alignment", "cka", value=float("nan"))),
        "twice": json.dumps(good).replace('"rank"', '"rank": 2, "rank"', 1),
    }.items():
        shutil.copytree("days", f"s_{name}")
        Path(f"s_{name}/run=2/run.json").write_text(text)
    Path("s_latin").mkdir()
    shutil.copytree("days", "s_latin", dirs_exist_ok=True)
    latin = json.dumps(damaged(good, "created_by", value="\u00e9"), ensure_ascii=False)
    Path("s_latin/run=2/run.json").write_bytes(latin.encode("latin1"))
    for name, file in (("no_maps", "maps"), ("lacks", "items")):
        shutil.copytree("days", f"s_{name}")
        Path(f"s_{name}/run=2/{file}.parquet").unlink()
    for name, file, other in (
        ("bad_maps", "maps", "users"),
        ("cut_maps", "maps", "cut"),
        ("broken", "items", "cut"),
        ("short", "items", "short"),
    ):
        shutil.copytree("days", f"s_{name}")
        shutil.copy(f"{other}.parquet", f"s_{name}/run=2/{file}.parquet")
    shutil.copytree("days", "s_mixed")
    shutil.copytree("days/run=2", "s_mixed/ds=2")


def snapshot() -> dict[str, tuple[int, bytes]]:
    """Every file, with its time and content."""
    return {
        str(path): (0, b"") if path.is_dir() else (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(Path().rglob("*"))
        # A space is made where nothing is known to be wrong yet.
        if path.name != "out"
    }


# A command line, its exit code, and what the message must say.
COMMANDS: list[tuple[str, int, str]] = [
    ("walk", 2, "No such command"),
    # The options of a run.
    ("run", 2, "Name the tables with --users and --items, or one with --vectors"),
    ("run --items i --space o", 2, "Name two tables, --users and --items, or one"),
    ("run --users u --items i", 2, "--space"),
    (f"{RUN} --rank 0", 2, "--rank is"),
    (f"{RUN} --rank 1.5", 2, "1.5"),
    (f"{RUN} --anchor movies", 2, "'movies' is not one of"),
    (f"{RUN} --align tomorrow", 2, "--align tomorrow: there is no such run before"),
    (f"{RUN} --memory 0", 2, "--memory is"),
    (f"{RUN} --memory 1.5", 2, "--memory is"),
    (f"{RUN} --memory nan", 2, "--memory is"),
    (f"{RUN} --layout tall", 2, "No such option '--layout'"),
    (f"{RUN} --output-layout tall", 2, "'tall' is not one of"),
    (f"{RUN} --sample 0", 2, "--sample is '0'; it must be a share of the rows, as in 5%"),
    (f"{RUN} --sample 101%", 2, "--sample is '101%'"),
    (f"{RUN} --sample nan", 2, "--sample is 'nan'"),
    (f"{RUN} --min-agreement 2", 2, "--min-agreement is"),
    (f"{RUN} --min-agreement nan", 2, "--min-agreement is"),
    (f"{RUN} --memory-limit lots", 2, "'lots' is not a valid memory limit"),
    (f"{RUN} --threads 0", 2, "--threads is"),
    (f"{RUN} --threads 100000", 2, "--threads is"),
    # Keys.
    (f"{RUN} --run ''", 2, "--run is empty"),
    (f"{RUN} --run ds=", 2, "cannot name a run"),
    (f"{RUN} --run =1", 2, "cannot be the name of a column"),
    (f"{RUN} --run {'x' * 300}", 2, "Take a shorter one"),
    (f"{RUN} --run ds=2026-11-30", 4, "there is no column ds, which --run ds=2026-11-30 takes"),
    (f"{NEXT.replace(' --run 3', '')} days --run ds=1", 4, "there is no column ds"),
    (f"{NEXT} space --run 4", 2, "--run is given twice"),
    # An option without a value, as of a variable that is not set in a script.
    (f"{RUN} --filter ''", 2, "--filter is empty"),
    (f"{RUN} --keep ' '", 2, "--keep is empty"),
    (f"run {TABLES} --space ''", 2, "--space is empty"),
    ("run --users '' --items i --space out", 2, "it is empty"),
    ("compare '' days/1", 2, "it is empty"),
    # Columns and conditions.
    (f"{RUN} --filter '1; DROP TABLE x'", 2, "is not one SQL expression, such as year > 1990"),
    (f"{RUN} --filter '1 ='", 2, "The condition '1 =' is not one SQL expression"),
    (f"{RUN} --filter 'nothing = 1'", 4, "no column nothing for the filter nothing = 1; it has id"),
    # Perhaps a field of a struct: DuckDB's word.
    (f"{RUN} --filter 'nothing.n = 1'", 4, 'Referenced table "nothing" not found'),
    (f"{RUN} --filter 'id > DATE 0'", 4, "users table users.parquet: the filter id > DATE 0 can"),
    (f"{RUN} --filter 'id > 99'", 4, "users table users.parquet has no rows that meet the filter"),
    (f"{RUN} --id key", 4, "users.parquet: there is no column key for the id; it has id, embe"),
    (f"{RUN} --id embedding", 4, "the id column embedding has type FLOAT[], which cannot serve"),
    (f"{RUN} --vector id", 2, "id is named twice as id, vector or column to keep"),
    (f"{RUN} --vector 'e*'", 4, "no numbered column begins with e; it has id, embedding"),
    (f"{RUN} --keep nothing", 4, "no column nothing for the column to keep"),
    (f"{RUN} --keep id", 2, "id is named twice"),
    (f"{RUN} --keep embedding", 2, "embedding is the vector, which is written in any case"),
    (f"{RUN} --filter 'now() > id'", 2, "now does not, so each scan would see other rows: write a"),
    (f"{RUN} --vector e0..e4096", 2, "e0..e4096 are 4,097 columns; a vector has at most 4,096"),
    # Tables.
    ("run --users a --items b --space out", 4, "There is no table or view a to read"),
    ("run --users 'a b' --items b --space out", 4, "There is no table or view a b"),
    ("run --users 'x; DROP TABLE y' --items b --space out", 4, "no table or view x; DROP TABLE y"),
    ("run --users no.parquet --items b --space out", 4, "There is no file no.parquet to read."),
    ("run --users 'no*.parquet' --items b --space out", 4, "There is no file no*.parquet"),
    ("run --users ./empty --items items.parquet --space out", 4, "./empty has no files to read"),
    ("run --users https://me:pw@h/u.parquet --items b --space out", 2, "at https:// has a secret"),
    (
        "run --users 's3://b/u.parquet?s3_secret_access_key=pw' --items b --space out",
        2,
        "The name of a file at s3:// has a secret in it, which would stand in statements, errors",
    ),
    ("run --users empty --items items.parquet --space out", 4, "of that name is ./empty"),
    ("run --users text.parquet --items items.parquet --space out", 4, "text.parquet cannot be"),
    ("run --users cut.parquet --items items.parquet --space out", 4, "cut.parquet cannot be read"),
    ("run --users empty.parquet --items items.parquet --space out", 4, "empty.parquet cannot be"),
    ("run --users empty.csv --items items.parquet --space out", 2, "empty.csv: which column is"),
    (
        "run --users users.parquet --items short.parquet --space out",
        4,
        "vectors of 3 components (embedding), but items table short.parquet has 2",
    ),
    ("run --users u --items i --vectors v --space out", 2, "--users cannot be given with --vect"),
    (f"{RUN} --also queries=users.parquet", 2, "--also"),
    (f"{RUN} --also queries=users.parquet:movies", 2, "movies"),
    (f"{RUN} --also users=users.parquet:items", 2, "users"),
    # Where to write.
    (f"run {TABLES} --space /proc/run", 2, "/proc/run cannot be made"),
    (f"run {TABLES} --space sums.txt", 2, "sums.txt is not a directory"),
    (f"{NEXT} foreign", 2, "holds files that are not a run's (notes.txt)"),
    (f"{RUN} --database empty", 3, "The database empty cannot be opened"),
    (f"{RUN} --database sums.txt", 3, "The database sums.txt cannot be opened"),
    ("runs s --database none", 3, "The database none cannot be opened: there is no such file."),
    ("run --users a --items b --space s --database none", 4, "read: there is no database none"),
    ("run --users users --items items --database w.duckdb --space s", 2, "s_users"),
    ("run --users users --items items --database w.duckdb --space t", 4, "t_users"),
    ("run --users users --items items --database w.duckdb --space u", 4, "u_users"),
    ("run --users users --items items --database w.duckdb --space 'a; b'", 2, "a; b"),
    # Engines.
    (f"{RUN} --engine w.duckdb", 2, "for a DuckDB database file there is --database"),
    (f"{RUN} --engine x://y --database w", 2, "each name an engine; leave one out"),
    (f"{RUN} --engine x://y --threads 2", 2, "--threads is for DuckDB only"),
    (f"{RUN} --engine mystery://y", 2, "no driver for mystery"),
    # Earlier runs.
    (f"{NEXT} s_format", 4, "run 2 have format 7; this version of sqlstab reads format 2"),
    (f"{NEXT} s_list", 4, "run.json"),
    (f"{NEXT} s_deep", 4, "nested too deeply"),
    (f"{NEXT} s_cut", 4, "run.json"),
    (f"{NEXT} s_latin", 4, "UTF-8"),
    (f"{NEXT} s_outputs", 4, "run 2 are damaged: outputs is missing"),
    (f"{NEXT} s_no_side", 4, "damaged: inputs.users is missing"),
    (f"{NEXT} s_relation", 4, "inputs.users.relation is 3, not a text"),
    (f"{NEXT} s_rows", 4, "tables.users.rows is 'many', not a whole number"),
    (f"{NEXT} s_cosine", 4, "cosine is 'high', not an object"),
    (f"{NEXT} s_nan", 4, "alignment.cka is nan"),
    (f"{NEXT} s_no_maps", 4, "maps.parquet"),
    (f"{NEXT} s_bad_maps", 4, "maps.parquet"),
    (f"{NEXT} s_cut_maps", 4, "maps.parquet"),
    (f"{NEXT} s_lacks", 4, "has no stable items"),
    (f"{NEXT} s_broken", 4, "s_broken/run=2/items.parquet"),
    (f"{NEXT} s_short", 4, "items.parquet"),
    (f"{NEXT} s_mixed", 4, "has runs with several columns as their key"),
    (f"{NEXT} alone", 2, "of this space has vectors, this run users and items: name another"),
    ("run --vectors users.parquet --run 3 --space days", 2, "this run vectors: name another"),
    *(
        (f"{command}", 4, message)
        for name, message in (
            ("format", "have format 7"),
            ("deep", "nested too deeply"),
            ("cosine", "cosine is 'high'"),
            ("no_side", "inputs.users is missing"),
        )
        for command in (
            f"runs s_{name}",
            f"runs s_{name} 2",
            f"report s_{name} -o x.html",
            f"apply s_{name} --users users.parquet --out x.parquet",
            f"compare {TABLES.split()[1]},items.parquet s_{name}/2",
        )
    ),
    # A project file.
    ("run -c no.toml", 2, "no.toml: there is no such file"),
    ("run -c empty", 2, "empty cannot be read: Is a directory"),
    ("run -c not_utf8.toml", 2, "not_utf8.toml, line 1: this is not UTF-8 text"),
    ("run -c sums.txt", 2, "sums.txt: not valid TOML: Expected '=' after a key"),
    ("run -c sqlstab.toml", 2, "line 6: [space] name: the variable {day} is not given; add --var"),
    ("run -c sqlstab.toml --var day", 2, "--var day: write a name and a value"),
    ("run -c sqlstab.toml --var day=a --var day=b", 2, "--var day is given twice"),
    ("run -c sqlstab.toml --var day=a --var month=may", 2, "month"),
    ("run -c sqlstab.toml --var day=", 2, "line 6: [space] name: the variable {day} is empty"),
    ("run --var a=b", 2, "--var needs --config"),
    # Runs of a space.
    ("runs days 9", 4, "no run 9; its newest are 1, 2"),
    ("runs days 1 2", 2, "write K, drop K"),
    ("runs days drop 9", 4, "no run 9"),
    ("runs days drop", 2, "drop"),
    ("runs days keep 0", 2, "or keep N, with N from 1 on"),
    ("runs days keep many", 2, "many"),
    ("runs days burn 1", 2, "burn"),
    ("runs sums.txt", 2, "sums.txt is not a directory"),
    ("runs", 2, "space"),
    # Two models.
    ("compare days/1", 2, "Missing argument 'REFERENCE'"),
    ("compare days/1 nothing", 2, "nothing is no model to compare"),
    ("compare empty days/1", 2, "empty"),
    ("compare users.parquet days/1", 2, "The model has vectors, the reference has users and"),
    ("compare a,b,c days/1", 2, "a,b,c: write two tables as USERS,ITEMS"),
    ("compare users.parquet,text.parquet days/1", 4, "text.parquet cannot be read"),
    ("compare days/1 days/9", 4, "no run 9"),
    # Reports.
    ("report", 2, "space"),
    ("report empty", 4, "empty has no runs"),
    ("report days 9", 4, "no run 9"),
    ("report days -o nowhere/x.html", 2, "nowhere/x.html: there is no directory nowhere; make it"),
    ("report days -o empty", 3, "empty cannot be written: Is a directory"),
    # Applying maps.
    ("apply days", 2, "--users"),
    ("apply empty --users users.parquet --out x.parquet", 4, "has no runs"),
    ("apply days 9 --users users.parquet --out x.parquet", 4, "no run 9"),
    ("apply days --users users.parquet", 2, "--out"),
    ("apply days --users users.parquet --out t", 2, "t: vectors are written to a file that ends"),
    ("apply days --users users.parquet --out users.parquet", 2, "users.parquet"),
    ("apply days --users users.parquet --out items=a --out users=b", 2, "--out items=a: no table"),
    ("apply days --vectors users.parquet --out x.parquet", 2, "no map for vectors"),
    ("apply days --users short.parquet --out x.parquet", 4, "short.parquet"),
    ("apply days --users users.parquet --out nowhere/x.parquet", 2, "no directory nowhere"),
    ("apply days --users users.parquet --out sums.txt/x.parquet", 2, "no directory sums.txt"),
    # Places that are URLs.
    (f"run {TABLES} --space s3://b/m", 2, "s3://b/m is a URL, and sqlstab writes to local paths"),
    (f"run {TABLES} --space file:///m", 2, "file://m is a URL"),
    ("run -c url.toml", 2, "gs://b/m is a URL"),
    ("runs s3://b/m", 2, "s3://b/m is a URL"),
    ("features days --as-of 1 --out items=gs://b/f.parquet", 2, "gs://b/f.parquet is a URL"),
    ("apply days --users users.parquet --out s3://b/x.parquet", 2, "s3://b/x.parquet is a URL"),
    ("report days -o s3://b/r.html", 2, "s3://b/r.html is a URL"),
    ("demo --out s3://b/demo", 2, "s3://b/demo is a URL"),
    (f"sql {TABLES} --dimension 3 --dialect duckdb --space s3://b/m", 2, "s3://b/m is a URL"),
    # Tables that have no names of their own.
    ("run -c named.toml", 2, "called as its tables are: leave out the names of items, or name a"),
    # Statements.
    ("sql gram --dialect oracle --users u", 2, "'oracle' is not one of"),
    ("sql gram --dialect duckdb", 2, "--users"),
    ("sql gram --dialect duckdb --users u --items i", 2, "--dimension"),
    ("sql gram --dialect duckdb --users u --items i --dimension 0", 2, "--dimension"),
    ("sql gram --dialect duckdb --users u --items i --dimension 100000", 2, "from 1 to 4,096"),
    ("sql nothing --dialect duckdb", 2, "nothing"),
    ("sql gram --dialect duckdb --users u --items i --vector e5..e2", 2, "no range"),
    (
        "sql gram --dialect duckdb --users u --items i --dimension 3 --filter '1; DROP TABLE x'",
        2,
        "condition",
    ),
]


@pytest.mark.parametrize(("line", "code", "message"), COMMANDS)
def test_command(world: Path, line: str, code: int, message: str) -> None:
    before = snapshot()
    done = invoke(*shlex.split(line), code=code)
    said = " ".join(done.stderr.split())
    assert message in said
    assert len(said) < 1000
    assert snapshot() == before


def test_commands_are_told_apart() -> None:
    assert len({line for line, _, _ in COMMANDS}) == len(COMMANDS) >= 150


FILES = ("users.parquet", "items.parquet")
CALLS: list[tuple[Callable[[], Any], int, str]] = [
    (lambda: stabilize(*FILES, options={"rank": 1}), 2, "not dict; of a dict, Options("),  # type: ignore[arg-type]
    (lambda: Space("out").run(*FILES, options={"rank": 1}), 2, "not dict"),  # type: ignore[arg-type]
    (
        lambda: stabilize(3, FILES[1]),
        2,
        "must be the name of a table, a path, a list of paths, or data",
    ),
    (lambda: stabilize(FILES[0], None), 2, "Name two tables"),
    (lambda: stabilize("a\0.parquet", FILES[1]), 2, "names no table and no file"),
    (lambda: stabilize(*FILES, engine=3), 2, "int"),  # type: ignore[arg-type]
    (lambda: stabilize(*FILES, engine="postgres"), 2, "says which SQL, not which database"),
    (lambda: stabilize(EmbeddingTable(FILES[0], id="key"), FILES[1]), 4, "no column key"),
    (lambda: stabilize(EmbeddingTable(FILES[0], vector=()), FILES[1]), 2, "empty"),
    (lambda: Options(rank=True), 2, "rank is True; it must be a whole number"),
    (lambda: Options(anchor={"movies": 1.0}), 2, "anchor"),  # type: ignore[arg-type]
    (lambda: Options(sample="many"), 2, "sample is 'many'"),
    (lambda: Options(refine="sometimes"), 2, "refine is 'sometimes'; it can be auto, alw"),  # type: ignore[arg-type]
    (lambda: Space("s_format").runs, 4, "have format 7"),
    (lambda: Space("s_no_maps")["2"], 4, "maps.parquet"),
    (lambda: Space("s_bad_maps").newest, 4, "maps.parquet"),
    (lambda: list(Space("s_lacks")["2"].items.arrow()), 4, "has no stable items"),
    (lambda: Space("days")["9"], 4, "no run 9; its newest are 1, 2"),
    (lambda: Space("users.parquet").runs, 2, "is not a directory"),
    (lambda: Space("s3://b/m").runs, 2, "s3://b/m is a URL"),
    (lambda: Space("days", tables={"items": "i"}).runs, 2, "leave out the names of items, or"),
    (lambda: Space("days")["1"].vectors, 4, "no table vectors"),
    (lambda: Space("days")["1"].maps["users"].apply(np.ones(4)), 4, "takes raw vectors of 3 comp"),
    (lambda: Space("days")["1"].maps["users"].inverse(np.ones((2, 2))), 4, "stable vectors of 3"),
    (lambda: Space("days").keep(0), 2, "at least one run must stay"),
    (lambda: Space("days").drop("1", "9"), 4, "no run 9"),
    (
        lambda: Space("days").apply({"users": "no.parquet"}, {"users": "x.parquet"}),
        4,
        "There is no file no.parquet",
    ),
    (lambda: Space("empty").apply({"users": FILES[0]}, {"users": "x.parquet"}), 4, "has no runs"),
    (lambda: compare("empty", "days/1"), 2, "empty"),
    (lambda: Project.load("not_utf8.toml", {}), 2, "line 1: this is not UTF-8 text"),
]


@pytest.mark.parametrize(("call", "code", "message"), CALLS)
def test_call(world: Path, call: Callable[[], Any], code: int, message: str) -> None:
    before = snapshot()
    with pytest.raises(SqlstabError) as caught:
        call()
    assert message in str(caught.value)
    assert caught.value.exit_code == code
    assert snapshot() == before
