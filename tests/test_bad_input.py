"""Wrong input over every entry: one message, the exit code, no traceback, and nothing is changed.

The rows are command lines in a directory with two runs, their sums, a registry, a database, a
project file, and a broken copy of each. What is wrong with single rows of a table of vectors is in
`test_checks`, with the values of a project file in `test_project`, with sums in `test_cli_solve`.
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
import pyarrow as pa
import pytest
from conftest import write_vectors
from invoke import invoke

from sqlstab import EmbeddingTable, Options, Run, SqlstabError, Transform, stabilize
from sqlstab.compare import compare
from sqlstab.project import Project
from sqlstab.stabilize import apply_transform, collect_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLES = "--users users.parquet --items items.parquet"
RUN = f"run {TABLES} --out out"
SCRIPT = "render script --users u --items i --dimension 4 --dialect"
INTO = "--users-into a --items-into b --transform-table t"

PROJECT = """\
[users]
table = "users.parquet"
[items]
table = "items.parquet"
[run]
out = "stable/{day}"
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
    stabilize(*tables, out="monday", registry="runs.jsonl")
    stabilize(*tables, "monday", out="tuesday", registry="runs.jsonl")
    Path("sums.csv").write_text(invoke("gram", *shlex.split(TABLES), "-q").stdout)
    with duckdb.connect("w.duckdb") as connection:
        for name in ("users", "items"):
            connection.execute(f"CREATE TABLE {name} AS FROM '{name}.parquet'")
        connection.execute("CREATE VIEW looked AS FROM users")
    Path("sqlstab.toml").write_text(PROJECT)
    Path("text.parquet").write_text("hello")
    whole = Path("users.parquet").read_bytes()
    Path("cut.parquet").write_bytes(whole[: len(whole) // 2])
    Path("empty.parquet").write_bytes(b"")
    Path("empty.csv").write_bytes(b"")
    Path("empty").mkdir()
    Path("r_file").mkdir()
    Path("r_file/notes.txt").write_text("mine")
    Path("sums.txt").write_text("hello")
    Path("binary.csv").write_bytes(b"\x80\x81\x82")
    Path("not_utf8.toml").write_bytes(b"# \xff\n")
    bad_transforms()
    bad_runs()
    bad_registries()


def bad_transforms() -> None:
    good = json.loads(Path("monday/transform.json").read_text())
    for name, document in {
        "format": damaged(good, "format", value=7),
        "no_omega": damaged(good, "omega"),
        "no_users": damaged(good, "users"),
        "shape": damaged(good, "omega", value=[[1.0, 0.0], [0.0, 1.0]]),
        "text": damaged(good, "singular_values", value="many"),
        "nan": damaged(good, "omega", 0, 0, value=float("nan")),
        "infinite_value": damaged(good, "singular_values", 0, value=float("inf")),
        "negative_value": damaged(good, "singular_values", 2, value=-1.0),
        "infinite_dimension": damaged(good, "raw_dimension", value=float("inf")),
        "huge": damaged(good, "omega", 0, 0, value=10**400),
        "name": damaged(good, "run_id", value=["a"]),
        "empty": {},
        "not_orthonormal": damaged(good, "omega", 0, 0, value=1.01),
        "dimension": damaged(good, "raw_dimension", value=5),
        "list": [good],
        "number": 3,
    }.items():
        Path(f"t_{name}.json").write_text(json.dumps(document))
    Path("t_twice.json").write_text(json.dumps(good).replace('"omega"', '"rank": 2, "omega"'))
    Path("t_deep.json").write_text("[" * 100_000)
    Path("t_cut.json").write_text(json.dumps(good)[:-9])
    Path("t_latin.json").write_bytes(json.dumps(good).replace(good["run_id"], "é").encode("latin1"))
    digits = json.dumps(good).replace('"rank": 3', '"rank": ' + 5000 * "9")
    Path("t_digits.json").write_text(digits)


def bad_runs() -> None:
    good = json.loads(Path("tuesday/run.json").read_text())
    for name, document in {
        "format": damaged(good, "format", value=7),
        "outputs": damaged(good, "outputs"),
        "no_side": damaged(good, "outputs", "users"),
        "no_relation": damaged(good, "outputs", "users", "relation"),
        "odd_relation": damaged(good, "outputs", "users", "relation", value=3),
        "figures": {key: good[key] for key in ("format", "run_id", "outputs", "engine")},
        "cosine": damaged(good, "cosine", value="high"),
        "rows": damaged(good, "users", "rows", value="many"),
        "list": [good],
        "long_name": damaged(good, "run_id", value="x" * 5000),
    }.items():
        shutil.copytree("tuesday", f"run_{name}")
        Path(f"run_{name}/run.json").write_text(json.dumps(document))
    shutil.copytree("tuesday", "run_deep")
    Path("run_deep/run.json").write_text("[" * 100_000)
    shutil.copytree("tuesday", "run_mixed")
    shutil.copy("monday/transform.json", "run_mixed")
    shutil.copytree("tuesday", "run_lacks")
    Path("run_lacks/items.parquet").unlink()
    shutil.copytree("tuesday", "run_broken")
    shutil.copy("cut.parquet", "run_broken/items.parquet")
    shutil.copytree("tuesday", "run_short")
    shutil.copy("short.parquet", "run_short/items.parquet")


def bad_registries() -> None:
    lines = Path("runs.jsonl").read_text().splitlines()
    good = json.loads(lines[0])
    for name, event in {
        "list": [],
        "number_id": {**good, "event_id": 3},
        "list_id": {**good, "event_id": ["a"]},
        "list_run": {**good, "run_id": ["a"]},
        "body": {**good, "body": "text"},
        "figures": damaged(good, "body", "figures", value={}),
        "rows": damaged(good, "body", "figures", "users", value=3),
        "created": damaged(good, "body", "figures", "created"),
    }.items():
        Path(f"r_{name}.jsonl").write_text("\n".join([json.dumps(event), *lines[1:]]) + "\n")
    Path("r_deep.jsonl").write_text("[" * 100_000 + "\n")
    Path("r_binary.jsonl").write_bytes(b"\xff\n")
    Path("r_empty.jsonl").write_text("")


def snapshot() -> dict[str, tuple[int, bytes]]:
    """Every file, with its time and content."""
    return {
        str(path): (path.stat().st_mtime_ns, b"" if path.is_dir() else path.read_bytes())
        for path in sorted(Path().rglob("*"))
    }


# A command line, its exit code, and what the message must say.
COMMANDS: list[tuple[str, int, str]] = [
    ("walk", 2, "No such command"),
    # The options of a run.
    ("run", 2, "Missing option '--users'"),
    ("run --items i --out o", 2, "Missing option '--users'"),
    ("run --users u --items i", 2, "Missing option '--out'"),
    (f"{RUN} --rank 0", 2, "0 is not in the range"),
    (f"{RUN} --rank 1.5", 2, "'1.5' is not a valid integer"),
    (f"{RUN} --anchor movies", 2, "--anchor must be items, users, both, or a weight"),
    (f"{RUN} --anchor items=-1", 2, "with no negative weight"),
    (f"{RUN} --anchor items=nan", 2, "--anchor must be"),
    (f"{RUN} --anchor items=1,users=inf", 2, "--anchor must be"),
    (f"{RUN} --layout tall", 2, "'tall' is not one of 'wide', 'array', 'long'"),
    (f"{RUN} --output-type half", 2, "'half' is not one of"),
    (f"{RUN} --sample 0", 2, "--sample is '0'; it must be a share of the rows, as 5%"),
    (f"{RUN} --sample 101%", 2, "--sample is '101%'"),
    (f"{RUN} --sample nan", 2, "--sample is 'nan'"),
    (f"{RUN} --min-mean-cosine 2", 2, "--min-mean-cosine is 2.0; it must be a number from -1 to 1"),
    (f"{RUN} --min-cka nan", 2, "--min-cka is nan"),
    (f"{RUN} --min-shared-ids 0", 2, "it must be a number from 1 on"),
    (f"{RUN} --max-residual -1", 2, "--max-residual is -1.0"),
    (f"{RUN} --memory-limit lots", 2, "'lots' is no memory limit"),
    (f"{RUN} --threads 0", 2, "0 is not in the range"),
    (f"{RUN} --threads 100000", 2, "100000 is not in the range"),
    (f"{RUN} --partition-by day", 2, "--partition-by and --grams belong together"),
    (f"{RUN} --keep-runs -1", 2, "-1 is not in the range"),
    (f"{RUN} --keep-runs 2", 2, "--keep-runs is of use with --registry only"),
    # An option without a value, as of a variable that is not set in a script.
    (f"{RUN} --filter ''", 2, "'--filter': it is empty"),
    (f"{RUN} --reference ''", 2, "'--reference': it is empty"),
    (f"{RUN} --keep a --keep ' '", 2, "'--keep': it is empty"),
    (f"run {TABLES} --out ''", 2, "'--out': it is empty"),
    ("run --users '' --items i --out out", 2, "'--users': it is empty"),
    ("solve --gram sums.csv --run-id ''", 2, "'--run-id': it is empty"),
    ("compare '' monday", 2, "it is empty"),
    ("runs list --registry ''", 2, "'--registry': it is empty"),
    # Columns and conditions.
    (f"{RUN} --filter '1; DROP TABLE x'", 2, "is not one SQL expression, such as year > 1990"),
    (f"{RUN} --filter '1 ='", 2, "The condition '1 =' is not one SQL expression"),
    (f"{RUN} --filter 'nothing = 1'", 4, "no column nothing for the filter nothing = 1; it has id"),
    (
        f"{RUN} --anchor-filter 'n > 1'",
        4,
        "users table users.parquet: there is no column n for the",
    ),
    # Perhaps a field of a struct: DuckDB's word.
    (f"{RUN} --filter 'nothing.n = 1'", 4, 'Referenced table "nothing" not found'),
    (
        f"{RUN} --filter 'id > DATE 0'",
        4,
        "users table users.parquet: the filter id > DATE 0 cannot",
    ),
    (
        f"{RUN} --items-filter \"id = 'abc'\"",
        4,
        "items table items.parquet: the filter id = 'abc' cannot be evaluated: DuckDB: Conversion",
    ),
    (
        f"{RUN} --reference monday --items-anchor-filter \"id = 'abc'\"",
        4,
        "items table items.parquet: the anchor filter id = 'abc' cannot be evaluated: DuckDB: Con",
    ),
    (f"{RUN} --filter 'id > 99'", 4, "users table users.parquet has no rows that meet the filter"),
    (f"{RUN} --id key", 4, "users.parquet: there is no column key for the id; it has id, embe"),
    (f"{RUN} --id embedding", 4, "the id column embedding has type FLOAT[], which cannot serve"),
    (f"{RUN} --vector id", 2, "id is named twice as id, vector or column to keep"),
    (f"{RUN} --vector 'e*'", 4, "no numbered column begins with e; it has id, embedding"),
    (f"{RUN} --keep nothing", 4, "no column nothing for the column to keep"),
    (f"{RUN} --keep id", 2, "id is named twice"),
    (f"{RUN} --weight embedding", 4, "the weight column embedding has type FLOAT[]; name a num"),
    (f"{RUN} --weight nothing", 4, "no column nothing for the row weight"),
    (f"{RUN} --partition-by day --grams g.parquet", 4, "no column day to partition by"),
    # Tables.
    ("run --users a --items b --out out", 4, "There is no table or view a to read"),
    ("run --users 'a b' --items b --out out", 4, "There is no table or view a b"),
    ("run --users 'x; DROP TABLE y' --items b --out out", 4, "no table or view x; DROP TABLE y"),
    ("run --users no.parquet --items b --out out", 4, "There is no file no.parquet to read"),
    ("run --users 'no*.parquet' --items b --out out", 4, "There is no file no*.parquet"),
    ("run --users ./empty --items items.parquet --out out", 4, "No files found"),
    ("run --users https://me:pw@h/u.parquet --items b --out out", 2, "at https:// has a secret"),
    (
        "plan --users 's3://b/u.parquet?s3_secret_access_key=pw' --items b",
        2,
        "The name of a file at s3:// has a secret in it, which would stand in statements, errors",
    ),
    ("run --users empty --items items.parquet --out out", 4, "of that name is ./empty"),
    ("run --users text.parquet --items items.parquet --out out", 4, "text.parquet cannot be read"),
    ("run --users cut.parquet --items items.parquet --out out", 4, "cut.parquet cannot be read"),
    ("run --users empty.parquet --items items.parquet --out out", 4, "empty.parquet cannot be"),
    ("run --users empty.csv --items items.parquet --out out", 2, "empty.csv: which column is"),
    (
        "run --users users.parquet --items short.parquet --out out",
        4,
        "vectors of 3 components (embedding), but items table short.parquet has 2",
    ),
    # Where to write.
    (f"run {TABLES} --out /proc/run", 2, "/proc/run cannot be written"),
    (f"run {TABLES} --out users.parquet", 2, "users.parquet would be overwritten by the run dir"),
    (f"run {TABLES} --out .", 2, "users.parquet would be overwritten by the run directory"),
    (f"run {TABLES} --out sums.csv", 2, "sums.csv is not a directory"),
    (f"run {TABLES} --out r_file", 2, "r_file holds files that are not a run's (notes.txt)"),
    (f"{RUN} --database out", 3, "The database out cannot be opened"),
    (f"{RUN} --database sums.csv", 3, "The database sums.csv cannot be opened"),
    (f"{RUN} --users-out su --items-out si", 2, "A table needs a database"),
    (f"{RUN} --transform-table t", 2, "A table needs a database"),
    (f"{RUN} --partition-by day --grams g", 2, "A table needs a database"),
    (f"plan {TABLES} --users-out su --items-out si", 2, "A table needs a database"),
    (f"plan {TABLES} --transform-table t", 2, "A table needs a database"),
    ("plan --database w.duckdb --users users --items items --strategy sql", 2, "--dimension"),
    (
        f"{RUN} --database w.duckdb --users-out u",
        2,
        "for all that are read: --users-out and --items-out",
    ),
    (
        f"{RUN} --database w.duckdb --users-out a --items-out A",
        2,
        "the stable users and the stable items would overwrite each other: a and A are one place",
    ),
    (
        f"{RUN} --database w.duckdb --users-out looked --items-out si",
        2,
        "looked, where the stable users are to go, is a view",
    ),
    # Engines.
    (f"{RUN} --engine w.duckdb", 2, "for a DuckDB database file there is --database"),
    (f"{RUN} --engine x://y --database w", 2, "each name an engine; leave one out"),
    (f"{RUN} --engine x://y --threads 2", 2, "--threads is for DuckDB only"),
    (f"{RUN} --engine mystery://y", 2, "no driver for mystery"),
    # The run to align with.
    (f"{RUN} --reference out", 4, "out is not a run directory: run.json cannot be read (No such"),
    (f"{RUN} --reference empty", 4, "empty is not a run directory"),
    (f"{RUN} --reference previous", 2, "looked up in a registry of runs: name that with --reg"),
    (f"{RUN} --reference run_format", 4, "run_format/run.json has format 7; this version of"),
    (f"{RUN} --reference run_list", 4, "run_list/run.json is damaged: it is [{"),
    (f"{RUN} --reference run_deep", 4, "run_deep/run.json is damaged: nested too deeply"),
    (f"{RUN} --reference run_outputs", 4, "run_outputs/run.json is damaged: outputs is missing"),
    (f"{RUN} --reference run_no_side", 4, "damaged: outputs.users is missing"),
    (f"{RUN} --reference run_no_relation", 4, "damaged: outputs.users.relation is missing"),
    (f"{RUN} --reference run_odd_relation", 4, "outputs.users.relation is 3, not a text"),
    (f"{RUN} --reference run_rows", 4, "users.rows is 'many', not a whole number"),
    (f"{RUN} --reference run_cosine", 4, "cosine is 'high', not an object"),
    (f"{RUN} --reference run_figures", 4, "damaged: sqlstab is missing"),
    (f"{RUN} --reference run_mixed", 4, "run_mixed mixes two runs: run.json is of"),
    (f"{RUN} --reference run_long_name", 4, "run_long_name mixes two runs: run.json is of 'xxx"),
    (f"{RUN} --reference run_lacks", 4, "The run directory run_lacks lacks items.parquet"),
    (f"{RUN} --reference run_broken", 4, "run_broken/items.parquet cannot be read"),
    (f"{RUN} --reference run_short", 4, "run_short/items.parquet has vectors (embedding) that"),
    (f"gram {TABLES} --reference run_deep", 4, "damaged: nested too deeply"),
    (f"plan {TABLES} --reference run_odd_relation", 4, "outputs.users.relation is 3"),
    ("compare run_deep monday", 4, "damaged: nested too deeply"),
    ("compare monday run_odd_relation", 4, "outputs.users.relation is 3"),
    ("report run_deep", 4, "damaged: nested too deeply"),
    ("report run_no_side -o -", 4, "damaged: outputs.users is missing"),
    ("report run_figures -o -", 4, "run_figures/run.json is damaged: sqlstab is missing"),
    ("report run_cosine -o -", 4, "cosine is 'high'"),
    # A project file.
    ("run -c no.toml", 2, "no.toml: there is no such file"),
    ("run -c empty", 2, "empty cannot be read: Is a directory"),
    ("run -c not_utf8.toml", 2, "not_utf8.toml, line 1: this is not UTF-8 text"),
    ("run -c sums.txt", 2, "sums.txt, line 1, column 6: not valid TOML"),
    ("run -c sqlstab.toml", 2, "line 6: [run] out: the variable {day} is not given; add --var"),
    ("run -c sqlstab.toml --var day=a --rank 2", 2, "--rank cannot be given with --config"),
    ("run -c sqlstab.toml --var day=a --out x", 2, "--out cannot be given with --config"),
    ("run -c sqlstab.toml --var day=a --users-id x", 2, "--users-id cannot be given"),
    ("plan -c sqlstab.toml --var day=a --rank 2", 2, "--rank cannot be given"),
    ("run -c sqlstab.toml --var day", 2, "--var day: write a name and a value"),
    ("run -c sqlstab.toml --var day=a --var day=b", 2, "--var day is given twice"),
    ("run -c sqlstab.toml --var day=a --var month=may", 2, "month"),
    ("run -c sqlstab.toml --var day=../..", 2, "users.parquet would be overwritten"),
    ("run -c sqlstab.toml --var day=", 2, "line 6: [run] out: the variable {day} is empty; give"),
    ("plan -c sqlstab.toml --var 'day= '", 2, "[run] out: the variable {day} is empty"),
    ("run --var a=b", 2, "--var is of use with --config only"),
    # Plans.
    (f"plan {TABLES}", 2, "say it with --dimension"),
    (f"plan {TABLES} --dialect oracle", 2, "'oracle' is not one of"),
    (f"plan {TABLES} --dialect bigquery --dimension 3", 2, "writes tables, not files"),
    (f"plan {TABLES} --dialect trino --dimension 3 --strategy arrow", 2, "trino hands no rows to"),
    ("plan --users no --items no", 4, "There is no table or view no"),
    # Two models.
    ("compare monday", 2, "Missing argument 'REFERENCE'"),
    ("compare monday nothing", 2, "nothing is no model to compare"),
    ("compare empty monday", 2, "empty is no model to compare: it is no directory with users.pa"),
    ("compare users.parquet monday", 2, "The model has vectors, the reference has users and"),
    ("compare a,b,c monday", 2, "a,b,c: write two tables as USERS,ITEMS"),
    ("compare users.parquet,text.parquet monday", 4, "text.parquet cannot be read"),
    # Reports.
    ("report", 2, "Missing argument 'RUN'"),
    ("report empty", 4, "empty is not a run directory"),
    ("report tuesday --reference tuesday", 2, "cannot be its own reference"),
    ("report tuesday -o nowhere/x.html", 3, "nowhere/x.html cannot be written: No such file"),
    ("report tuesday -o empty", 3, "empty cannot be written: Is a directory"),
    # Sums.
    ("gram --users users.parquet", 2, "Missing option '--items'"),
    (f"gram {TABLES} --out x.txt", 2, "--format says how to write x.txt: json, csv, parquet"),
    (f"gram {TABLES} --out nowhere/x.csv", 3, "nowhere/x.csv cannot be written: No such file"),
    ("solve", 4, "standard input: there are no rows"),
    ("solve --gram none.csv", 4, "none.csv cannot be read: No such file"),
    ("solve --gram empty", 4, "empty cannot be read: Is a directory"),
    ("solve --gram empty.csv", 4, "empty.csv: there are no rows; give it the output of sqlstab"),
    ("solve --gram binary.csv", 4, "binary.csv, line 1: this is no text in UTF-8"),
    ("solve --gram cut.parquet", 4, "cut.parquet is no whole Parquet file"),
    ("solve --gram users.parquet", 4, "users.parquet, row 1: there is no column side and no col"),
    ("solve --gram t_deep.json", 4, "t_deep.json, row 1 on: nested too deeply"),
    ("solve --gram monday/transform.json", 4, "monday/transform.json, row 1: there is no column"),
    ("solve --gram sums.csv --reference monday", 4, "no cross Gram matrix to stay in the space"),
    ("solve --gram sums.csv --reference t_deep.json", 4, "t_deep.json is not a transform"),
    ("solve --gram sums.csv --anchor both", 2, "--anchor is of use with --reference only"),
    ("solve --gram sums.csv --rank 0", 2, "0 is not in the range"),
    ("solve --gram sums.csv --out nowhere/t.json", 3, "nowhere/t.json cannot be written"),
    ("solve --gram sums.csv --format sql", 2, "needs --dialect and --transform-table"),
    (
        "solve --gram sums.csv --format sql --dialect duckdb --transform-table 'a; b'",
        2,
        "'a; b' is not the name of a table",
    ),
    # Applying a transform.
    ("apply --transform monday", 2, "Name a table with --users or --items"),
    ("apply --transform monday --users users.parquet", 2, "--users-out"),
    ("apply --transform monday --users users.parquet --out x", 2, "--items-out or --vectors-out"),
    ("apply --transform monday --users users.parquet --users-out t", 2, "A table needs a database"),
    ("apply --transform monday --users users.parquet --users-out t.csv", 2, "written as Parquet"),
    (
        "apply --transform monday --users users.parquet --users-out users.parquet",
        2,
        "users table users.parquet would be overwritten by the stable users",
    ),
    (
        "apply --transform monday --users users.parquet --users-out a.parquet "
        "--items-out b.parquet",
        2,
        "--items-out is of use with --items",
    ),
    (
        "apply --transform monday --users short.parquet --users-out x.parquet",
        4,
        "users table short.parquet has vectors (embedding) that are not 3 long",
    ),
    (
        "apply --transform monday --users users.parquet --users-out nowhere/x.parquet",
        3,
        "nowhere/x.parquet cannot be written",
    ),
    (
        "apply --transform monday --users users.parquet --users-out sums.csv/x.parquet",
        3,
        "sums.csv/x.parquet cannot be written",
    ),
    # Statements.
    ("render gram --dialect oracle --users u", 2, "'oracle' is not one of"),
    ("render gram --dialect duckdb", 2, "Name a table with --users or --items"),
    ("render gram --dialect duckdb --users u", 2, "Say it with --dimension"),
    ("render gram --dialect duckdb --users u --dimension 0", 2, "0 is not in the range"),
    ("render gram --dialect duckdb --users u --dimension 100000", 2, "range 1<=x<=4096"),
    ("render drift --dialect duckdb --users u --dimension 4097", 2, "range 1<=x<=4096"),
    ("render gram --dialect duckdb --users u --vector e0..e99999999", 2, "are 100,000,000 columns"),
    (f"render gram --dialect duckdb --users u --vector e0..e{'9' * 30}", 2, "no range"),
    (f"{SCRIPT} duckdb --out o --reference-dimension 5000", 2, "range 1<=x<=4096"),
    (f"plan {TABLES} --dimension 4097", 2, "4097 is not in the range 1<=x<=4096"),
    (f"{RUN} --vector e0..e4096", 2, "e0..e4096 are 4,097 columns; a vector has at most 4,096"),
    ("render gram --dialect duckdb --users u --layout wide", 2, "--dimension"),
    (
        "render gram --dialect duckdb --users u --vector e0..e2 --dimension 4",
        2,
        "3 columns, but 4",
    ),
    ("render gram --dialect duckdb --users u --vector e5..e2", 2, "no range"),
    ("render gram --dialect duckdb --users u --vector a,b --layout array", 2, "wants one column"),
    (
        "render gram --dialect duckdb --users u --dimension 3 --filter '1; DROP TABLE x'",
        2,
        "condition",
    ),
    ("render gram --dialect duckdb --users u --dimension 3 --native", 2, "which duckdb has not"),
    ("render cross-gram --dialect duckdb --users u --dimension 3", 2, "--users-reference"),
    ("render apply --dialect duckdb --users u", 2, "one of them"),
    ("render apply --dialect duckdb --users u --transform-table t", 2, "--dimension"),
    ("render apply --dialect duckdb --users u --transform monday --run-id x", 2, "--run-id"),
    (
        "render apply --dialect duckdb --users u --transform monday --dimension 7",
        2,
        "--dimension is 7, but that of the transform monday is 3",
    ),
    ("render apply --dialect duckdb --users u --transform monday --replace", 2, "--replace"),
    (
        "render apply --dialect duckdb --users u --items i --transform monday --into x",
        2,
        "--users-into",
    ),
    ("render apply --dialect duckdb --users u --transform t_deep.json", 4, "nested too deeply"),
    (f"{SCRIPT} redshift {INTO}", 2, "'redshift' is not one of 'duckdb', 'spark', 'databricks', "),
    (f"{SCRIPT} duckdb", 2, "or a directory with --out"),
    (f"{SCRIPT} postgres --out x", 2, "postgres writes tables, not files"),
    (f"{SCRIPT} duckdb --out x {INTO}", 2, "--out is a directory for all"),
    (f"{SCRIPT} postgres {INTO} --reference x", 2, "--users-reference and"),
    (f"{SCRIPT} duckdb --out x --items-reference y", 2, "--reference: a run directory"),
    (f"{SCRIPT} spark {INTO} --anchor items", 2, "--anchor is of use with a reference"),
    (
        f"{SCRIPT} postgres {INTO} --figures-share 1",
        2,
        "--figures-share is of use with a reference",
    ),
    (f"{SCRIPT} spark {INTO} --users-reference-id u", 2, "--users-reference-id is of use with a"),
    (
        f"{SCRIPT} duckdb --out out --reference ref --reference-layout wide",
        2,
        "--reference-layout is about --users-reference and --items-reference; a run directory",
    ),
    (
        f"{SCRIPT} duckdb --out x --reference-dimension 4",
        2,
        "--reference-dimension is of use with a reference",
    ),
    # Registries.
    (f"{RUN} --registry nowhere/r.jsonl", 2, "there is no directory nowhere"),
    (f"{RUN} --registry r.txt", 2, "A table needs a database"),
    (f"run {TABLES} --registry r.jsonl", 2, "Missing option '--out'"),
    (
        f"{RUN} --reference 20260101T000000.000000Z-abcd --registry runs.jsonl",
        4,
        "runs.jsonl has no runs whose id begins with 2026",
    ),
    ("runs list", 2, "Name the registry with --registry"),
    ("runs list --registry none.jsonl", 4, "none.jsonl has no runs: is its name right?"),
    ("runs list --registry r_empty.jsonl", 4, "r_empty.jsonl has no runs"),
    ("runs list --registry runs", 2, "A table needs a database"),
    ("runs list --registry users --database w.duckdb", 4, "lacks the columns body, event, event"),
    ("runs list --registry none --database w.duckdb", 4, "has no runs: is its name right?"),
    ("runs list --registry r --var a=b", 2, "--var is of use with --config"),
    ("runs list -c x.toml --registry r", 2, "cannot be given with --config"),
    ("runs list -c sqlstab.toml", 2, "line 5: [run] registry: this key is required for this"),
    ("runs show nothing --registry runs.jsonl", 4, "has no runs whose id begins with nothing"),
    ("runs show 2 --registry runs.jsonl", 4, "has 2 runs whose id begins with 2"),
    ("runs diff a b --registry runs.jsonl", 4, "has no runs whose id begins with a"),
    ("runs rollback nothing --registry runs.jsonl", 4, "has no runs whose id begins with noth"),
    ("runs prune --registry r", 2, "Missing option '--keep'"),
    ("runs prune --keep -1 --registry runs.jsonl", 2, "-1 is not in the range"),
    ("runs skew --last 0 --registry runs.jsonl", 2, "0 is not in the range"),
]

TRANSFORMS = {
    "format": "has format 7; this version of sqlstab reads format 1",
    "empty": "not a transform that sqlstab saved: format is missing",
    "no_omega": "omega is missing",
    "no_users": "users is missing",
    "shape": "a matrix has shape (2, 2), not (3, 3)",
    "dimension": "a matrix has shape (3, 3), not (5, 3)",
    "text": "singular_values is 'many', not a list",
    "nan": "is damaged: a matrix has a component that is not finite",
    "not_orthonormal": "is damaged: the rows of omega are not orthonormal",
    "infinite_value": "is damaged: a singular value is not above zero",
    "negative_value": "is damaged: a singular value is not above zero",
    "infinite_dimension": "raw_dimension is inf, not a whole number",
    "huge": "too large to convert to float",
    "name": "run_id is ['a'], not a text",
    "list": "it is [{",
    "number": "it is 3, not an object",
    "deep": "nested too deeply",
    "cut": "Expecting ",
    "latin": "it is no text in UTF-8",
    "digits": "Exceeds the limit",
    "twice": "the key 'rank' stands twice",
}
REGISTRIES = {
    "list": "line 1: it is [], not an object",
    "number_id": "line 1: event_id is 3, not a text",
    "list_id": "line 1: event_id is ['a'], not a text",
    "list_run": "line 1: run_id is ['a'], not a text",
    "body": "line 1: body is 'text', not an object",
    "figures": "figures.outputs is missing",
    "rows": "users is 3, not an object",
    "created": "created is missing",
    "deep": "line 1: nested too deeply",
    "binary": "it is no text in UTF-8",
}
COMMANDS += [
    (f"apply --transform t_{name}.json --users users.parquet --users-out x.parquet", 4, message)
    for name, message in TRANSFORMS.items()
]
COMMANDS += [
    (command.format(f"r_{name}.jsonl"), 4, message)
    for name, message in REGISTRIES.items()
    for command in ("runs list --registry {}", f"{RUN} --registry {{}}")
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
    assert len({line for line, _, _ in COMMANDS}) == len(COMMANDS) >= 200


ROWS = pa.table({"id": [1], "embedding": [[1.0]]})
FILES = ("users.parquet", "items.parquet")
CALLS: list[tuple[Callable[[], Any], int, str]] = [
    (lambda: stabilize(*FILES, options={"rank": 1}), 2, "not dict; of a dict, Options("),  # type: ignore[arg-type]
    (lambda: stabilize(ROWS, FILES[1]), 2, "not as Table: write it"),  # type: ignore[arg-type]
    (lambda: collect_sums(FILES[0], None), 2, "not as NoneType"),  # type: ignore[arg-type]
    (lambda: stabilize(*FILES, engine=3), 2, "int"),  # type: ignore[arg-type]
    (lambda: stabilize(*FILES, engine="postgres"), 2, "says which SQL, not which database"),
    (lambda: stabilize(*FILES, reference="run_deep"), 4, "nested too deeply"),
    (lambda: stabilize(*FILES, users_out="u"), 2, "for all that are read"),
    (lambda: stabilize(EmbeddingTable(FILES[0], id="key"), FILES[1]), 4, "no column key"),
    (lambda: stabilize(EmbeddingTable(FILES[0], vector=()), FILES[1]), 2, "empty list of columns"),
    (lambda: Options(rank=True), 2, "--rank is True; it must be a whole number"),
    (lambda: Options(anchor={"movies": 1.0}), 2, "--anchor must be"),
    (lambda: Options(sample="many"), 2, "--sample is 'many'"),
    (lambda: Options(refine="sometimes"), 2, "--refine is 'sometimes'; it can be auto, alw"),  # type: ignore[arg-type]
    (lambda: Run.load("run_format"), 4, "has format 7"),
    (lambda: Run.load("users.parquet"), 4, "is not a run directory"),
    (lambda: Transform.load("empty"), 4, "There is no transform at empty/transform.json"),
    (lambda: Transform.load("monday").users.apply(np.ones(4)), 4, "takes raw vectors of 3 comp"),
    (lambda: Transform.load("monday").users.inverse(np.ones((2, 2))), 4, "stable vectors of 3"),
    (
        lambda: apply_transform(
            Transform.load("monday"), {"users": "no.parquet"}, {"users": "x.parquet"}
        ),
        4,
        "There is no file no.parquet",
    ),
    (lambda: compare("empty", "monday"), 2, "is no model"),
    (lambda: Project.load("not_utf8.toml", {}), 2, "line 1: this is not UTF-8 text"),
]


@pytest.mark.parametrize(("call", "code", "message"), CALLS)
def test_call(world: Path, call: Callable[[], Any], code: int, message: str) -> None:
    before = snapshot()
    with pytest.raises(SqlstabError) as caught:
        call()
    assert message.replace("--", "") in str(caught.value).replace("--", "")
    assert caught.value.exit_code == code
    assert snapshot() == before
