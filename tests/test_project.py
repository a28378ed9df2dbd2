"""The project file: what it may say, where it is wrong, and what it never shows."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sqlstab.errors import UsageError
from sqlstab.options import EngineSettings, Options, Place
from sqlstab.project import Project, sections
from sqlstab.secret import SecretUrl, redacted
from sqlstab.statements.given import EmbeddingTable, FurtherTable

DOCS = (Path(__file__).parent.parent / "docs" / "project-file.md").read_text()
KEYS = sections()
NAME = "sqlstab.toml"
SECRET = "S3CRET"
ENVIRONMENT = {"DATABASE_URL": f"postgresql://etl:{SECRET}@db/warehouse", "PGPASSWORD": SECRET}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(
    text: str | bytes, environment: dict[str, str] = ENVIRONMENT, /, **variables: str
) -> Project:
    data = text.encode() if isinstance(text, str) else text
    Path(NAME).write_bytes(data)
    return Project.load(NAME, variables, environment)


def document(engine: str = "", users: str = "", items: str = "", run: str = "") -> str:
    """A project of files that has these lines too."""
    return (
        f"[engine]\n{engine}\n[users]\ntable = 'u.parquet'\n{users}\n"
        f"[items]\ntable = 'i.parquet'\n{items}\n[space]\nname = 's'\n[run]\n{run}\n"
    )


EXAMPLE = """
[engine]
url = "${DATABASE_URL}"

[users]
table = "ml.user_embeddings"
id = "user_id"
vector = "embedding"
layout = "array"
weight = "confidence"
anchor_filter = "n_sessions > 20"
keep = ["country"]

[items]
table = "ml.item_embeddings"
dated = false

[also.queries]
table = "ml.query_embeddings"
like = "users"

[space]
name = "ml.movies"
queries = "ml.stable_queries"

[run]
key = "ds={day}"
align = "previous"
sample = "5%"
on_invalid = "drop"
"""


def test_the_example() -> None:
    project = load(EXAMPLE, day="2026-11-24")
    assert project == Project(
        engine=EngineSettings(url=SecretUrl(ENVIRONMENT["DATABASE_URL"], "")),
        tables={
            "users": EmbeddingTable(
                "ml.user_embeddings",
                id="user_id",
                vector="embedding",
                layout="array",
                weight="confidence",
                anchor_filter="n_sessions > 20",
                keep=("country",),
            ),
            "items": EmbeddingTable("ml.item_embeddings", dated=False),
        },
        also={"queries": FurtherTable(EmbeddingTable("ml.query_embeddings"), "users")},
        place=Place("ml.movies", "ds=2026-11-24"),
        space_tables={"queries": "ml.stable_queries"},
        options=Options(align="previous", sample=0.05, on_invalid="drop"),
    )


def test_engine_and_space_alone() -> None:
    """For commands about a space: variables of other keys need no value."""
    Path(NAME).write_text(EXAMPLE)
    project = Project.load(NAME, {}, ENVIRONMENT, run=False)
    assert project.place == Place("ml.movies")
    assert (project.tables, project.also, project.options) == ({}, {}, Options())


def test_the_smallest_file() -> None:
    assert load("users.table = 'u.parquet'\nitems.table = 'i.parquet'") == Project(
        engine=EngineSettings(),
        tables={"users": EmbeddingTable("u.parquet"), "items": EmbeddingTable("i.parquet")},
        also={},
        place=Place(),
        space_tables={},
        options=Options(),
    )
    assert load("vectors.table = 'v'").tables == {"vectors": EmbeddingTable("v")}


@pytest.mark.parametrize("key", ["'2026-11-30'", "2026-11-30", "'ds=2026-11-30'"])
def test_a_day_is_a_key(key: str) -> None:
    assert load(document(run=f"key = {key}")).place.key == key.strip("'")


@pytest.mark.parametrize(
    "text",
    [
        "users = {table = 'u.parquet'}\nitems.table = 'i.parquet'\nspace.name = 's'",
        "'users'.\"table\" = 'u.parquet'\n[items]\ntable = '''i.parquet'''\n[space]\nname = 's'",
        document().replace("\n", "\r\n"),
        "\ufeff" + document(),
    ],
    ids=["inline and dotted", "quoted", "Windows", "byte order mark"],
)
def test_other_ways_to_write_it(text: str) -> None:
    assert load(text) == load(document())


# The line that the error must name ends in the comment `# here`; without one it names none.
WRONG: list[tuple[str, str]] = [
    # Unknown keys and sections.
    (document(users="vektor = 'v' # here"), "[users] vektor: there is no such key; did you mean "),
    (document(users="vektor = 'v' # here"), "did you mean vector?"),
    (document(items="anchor-filter = 'x > 1' # here"), "did you mean anchor_filter?"),
    (document(items="Layout = 'wide' # here"), "[items] Layout: there is no such key; did you "),
    (document(run="xyz = 1 # here"), "[run] xyz: there is no such key; there are key, align, "),
    (document(run="anchor_weights = {} # here"), "[run] anchor_weights: there is no such key"),
    (
        document(run="url = 'x://y' # here"),
        "[run] url: there is no such key here; it belongs below",
    ),
    (document(run="id = 'x' # here"), "below [users] or [items] or [vectors] or [also.NAME]."),
    (document(users="'a b' = 1 # here"), '[users] "a b": there is no such key; there are table, '),
    (document(users="'a\\b' = 1 # here"), '[users] "a\\\\b": there is no such key'),
    (document(run="x.y.z = 1 # here"), "[run] x: there is no such key"),
    ("memory = 1 # here\n" + document(), "memory: this key belongs below [run]."),
    ("typo = 'x' # here\n" + document(), "typo: there is no such key; there are [engine], [users]"),
    (
        document() + "[usres] # here\nid = 'x'",
        "usres: there is no such section; did you mean [users]",
    ),
    (document() + "[a.b.c] # here", "a: there is no such section; there are [engine], [users], "),
    ("users.nope = 1 # here\nitems.table = 'x'", "[users] nope: there is no such key"),
    ("users = {table = 'x', nope = 1} # here", "[users] nope: there is no such key"),
    ("space.itms = 'x' # here", "[space] itms: there is no such key; did you mean items?"),
    ("space.queries = 'x' # here", "[space] queries: there is no such key"),
    # Sections that do not exist.
    (
        "users = 'u.parquet' # here",
        "[users]: this must be a table, not a string; write [users] once",
    ),
    ("[[items]] # here\ntable = 'x'", "[items]: this must be a table, not an array with a table"),
    ("run = 1979-05-27 # here", "[run]: this must be a table, not a date"),
    ("also.queries = 1 # here", "[also.queries]: a further table has a section of its own"),
    # Keys that are required.
    ("[users]\ntable = 'u'", "[items] table: this key is required."),
    ("[users] # here\nid = 'x'\n[items]\ntable = 'i'", "[users] table: this key is required."),
    ("", "[users] table: this key is required."),
    (document() + "[also.q] # here\ntable = 'q'", "[also.q] like: this key is required."),
    (document() + "[also.q] # here\nlike = 'users'", "[also.q] table: this key is required."),
    # Wrong types.
    (
        document("threads = '4' # here"),
        "[engine] threads: this is a string; it must be a whole number from 1 to 1,024.",
    ),
    (document("threads = true # here"), "[engine] threads: this is a boolean; it must be a whole"),
    (document("threads = 4.0 # here"), "[engine] threads: this is 4.0; it must be a whole number"),
    (document("memory_limit = 4 # here"), "[engine] memory_limit: this is 4; it must be text."),
    (document("url = ['postgresql://a:b@c'] # here"), "[engine] url: this is an array with a str"),
    (document("kind = 'sparc' # here"), '[engine] kind: this is "sparc"; it can be spark.'),
    (
        document(users="id = 1 # here"),
        "[users] id: this is 1; it must be a column or a sequence of columns.",
    ),
    (
        document(users="keep = 'a' # here"),
        "keep: this is a string; it must be a sequence of names.",
    ),
    (document(users="keep = ['a', 1] # here"), "this is an array with a string and an integer; it"),
    (document(users="keep = [['a']] # here"), "this is an array; it must be a sequence of names."),
    (
        document(users="keep = [ # here\n 'a',\n 1979-05-27T07:32:00Z\n]"),
        "with a string and a date;",
    ),
    (document(users="vector = {} # here"), "this is a table; it must be a column, a range of col"),
    (document(users="layout = 'tall' # here"), 'this is "tall"; it can be wide, array, long.'),
    (
        document(users="layout = ['wide'] # here"),
        "array with a string; it can be wide, array, long",
    ),
    (document(users="dated = 'no' # here"), "this is a string; it must be true or false."),
    (
        document(run="force = 'yes' # here"),
        "[run] force: this is a string; it must be true or false",
    ),
    (
        document(run="rank = 1.5 # here"),
        "[run] rank: this is 1.5; it must be a whole number from 1",
    ),
    (
        document(run="rank = 9223372036854775808 # here"),
        "this is 9223372036854775808; it must be a",
    ),
    (
        document(run="key = 07:32:00 # here"),
        "[run] key: this is a time; it must be text or a date.",
    ),
    (document(run="refine = '' # here"), "[run] refine: this is empty or has a NUL character."),
    (document(run="anchor = ['items'] # here"), "[run] anchor: this is an array with a string; it"),
    # Values that are out of range.
    (document("threads = 0 # here"), "[engine] threads: this is 0; it must be a whole number"),
    (document(run="force = true\nrank = 0 # here"), "[run] rank: this is 0; it must be a whole"),
    (document(run="anchor = 'sideways' # here"), '[run] anchor: this is "sideways"; it can be it'),
    (document(run="memory = nan # here"), "[run] memory: this is NaN; it must be a number above 0"),
    (document(run="min_agreement = 2 # here"), "this is 2; it must be a number from -1 to 1."),
    (document(run="sample = '300%' # here"), "[run] sample: this is a string; it must be a share "),
    # Empty strings.
    (
        document(users="filter = ' ' # here"),
        "[users] filter: this is empty or has a NUL character.",
    ),
    (document(users="keep = [''] # here"), "[users] keep: this is empty or has a NUL character."),
    (document(users='id = "a\\u0000" # here'), "[users] id: this is empty or has a NUL character."),
    # Keys that contradict each other: the section is named.
    (
        document("url = 'a://b'\ndatabase = 'x'"),
        "[engine]: [engine] url and [engine] database each",
    ),
    (
        document("kind = 'spark'\nurl = 'a://b'"),
        "[engine]: [engine] url and [engine] database each",
    ),
    (document("url = 'a://b'\nthreads = 1"), "[engine]: [engine] threads is for DuckDB only."),
    (document("memory_limit = '1GB'\nkind = 'spark'"), "[engine] memory_limit is for DuckDB only."),
    (
        document() + "[vectors] # here\ntable = 'v'",
        "[vectors]: vectors without a second side stand alone; leave out [users].",
    ),
    (
        document() + "[also.maps]\ntable = 'v'\nlike = 'users'",
        "[also] maps: name a further table by",
    ),
    (document() + "[also.q]\ntable = 'v'\nlike = 'vectors'", "it is to be like 'vectors', but "),
    # Variables and braces.
    (
        document(users="filter = 'd = {day}' # here"),
        "[users] filter: the variable {day} is not given",
    ),
    (document(users="filter = 'd = {day}' # here"), "add --var day=VALUE."),
    (
        document(users="keep = [ # here\n 'a',\n '{day}']"),
        "[users] keep: the variable {day} is not",
    ),
    (
        document(users="filter = '''\nd =\n {day}''' # "),
        "[users] filter: the variable {day} is not",
    ),
    (
        document(users="filter = 'a{2}' # here"),
        "a brace is no part of a variable {name}; write {{ or",
    ),
    (document(users="filter = 'a{' # here"), "[users] filter: a brace is no part of a variable"),
    (document(users="filter = '{a}}' # here"), "[users] filter: the variable {a} is not given"),
    (document(users="filter = '{}' # here"), "[users] filter: a brace is no part of a variable"),
    (document(users="filter = '{{a}' # here"), "[users] filter: a brace is no part of a variable"),
    # Environment variables.
    (document("url = '${NOPE}' # here"), "[engine] url: the environment variable NOPE is not set."),
    (document("url = 'a://b:${NOPE}@c' # here"), "the environment variable NOPE is not set."),
    (document("database = '${PGPASSWORD}' # here"), "${PGPASSWORD} may stand in [engine] url only"),
    (
        document(users="filter = 'a = ${PGPASSWORD}' # here"),
        "may stand in [engine] url only, since",
    ),
    (
        document(users="keep = ['${NOPE}'] # here"),
        "[users] keep: ${NOPE} may stand in [engine] url",
    ),
    # URLs.
    (document("url = 'warehouse' # here"), "[engine] url: this is no SQLAlchemy URL, such as "),
    (document("url = '' # here"), "[engine] url: this is no SQLAlchemy URL"),
    (document("url = '${PGPASSWORD}' # here"), "[engine] url: this is no SQLAlchemy URL"),
    (document("url = 'jdbc:postgresql://a' # here"), "[engine] url: this is no SQLAlchemy URL"),
    (
        document("database = 'postgresql://a:b@c/d' # here"),
        "a password may stand in [engine] url onl",
    ),
    (
        document(users="weight = 'x'\n").replace("'u.p", "'https://a:b@u.p"),
        "[users] table: a password",
    ),
    # Syntax: the parser's own line and column.
    (
        "[users\ntable = 'x'",
        "not valid TOML: Expected ']' at the end of a table declaration (at li",
    ),
    ("[users]\ntable = x", "not valid TOML: Invalid value (at line 2, column 9)"),
    ("[users]\ntable = 'x'\ntable = 'y'", "not valid TOML: Cannot overwrite a value (at "),
    ("[users]\ntable = '''x\n\n", "not valid TOML: "),
    ("[run]\nrank = 1" + 5000 * "0", "not valid TOML: Exceeds the limit"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(text)
    error = str(caught.value)
    assert caught.value.exit_code == 2
    assert message in error
    assert error.startswith(NAME)
    lines = [k for k, line in enumerate(text.split("\n"), start=1) if line.endswith("# here")]
    if lines:
        assert error.startswith(f"{NAME}, line {lines[0]}: ")
    assert "\n" not in error


def test_enough_wrong_inputs_name_a_line() -> None:
    assert sum("# here" in text for text, _ in WRONG) >= 40


# What is looked at before.
_TABLES = "users.table = 'u'\nitems.table = 'i'\n"
OTHERS = {
    "items": "users.table = 'u'",
    "run": _TABLES,
    "also": _TABLES,
}


@pytest.mark.parametrize(("section", "key"), [(s, k) for s, keys in KEYS.items() for k in keys])
def test_every_key_has_a_type(section: str, key: str) -> None:
    section = "also.queries" if section == "also" else section
    message = rf"{NAME}, line 1: \[{re.escape(section)}\] {key}: this is a time; it (must|can) be "
    required = {"table": "'t'", "like": "'users'"} if "." in section else {"table": "'t'"}
    keys = {**(required if "table" in KEYS[section.split(".")[0]] else {}), key: "07:32:00"}
    text = ", ".join(f"{name} = {value}" for name, value in keys.items())
    with pytest.raises(UsageError, match=message):
        load(f"{section} = {{ {text} }}\n" + OTHERS.get(section.split(".")[0], ""))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^nowhere/x\.toml: there is no such file\.$"):
        Project.load("nowhere/x.toml", {})
    with pytest.raises(UsageError, match=r"cannot be read: Is a directory\.$"):
        Project.load(tmp_path, {})
    with pytest.raises(UsageError, match=rf"^{NAME}, line 2: this is not UTF-8 text\.$"):
        load(b"# fine\n# \xff\n")
    with pytest.raises(UsageError, match=r"nested too deeply"):
        load(f"a = {100_000 * '['}")


# Statements of several lines, and texts that look like other statements.
NOISE = [
    "filter = '''\nvektor = 1\n[users]\n# '''''",
    'filter = """\nvektor = 1\\\n  \\"""\n""""',
    "keep = [ # ]\n  ']', # [\n\n  'a',\n]",
    'vector = [\n\'\'\'\n]\n\'\'\', """\\"""]\n"""]',
    "id = '#' # = '''",
    'weight = "\\"#"',
    "",
    "# vektor = '''",
    "  \t",
    "layout = 'array'",
]


@given(noise=st.permutations(NOISE), where=st.integers(0, len(NOISE)), nl=st.sampled_from("\n\r"))
@pytest.mark.parametrize("wrong", ["vektor = 1", ' "vektor" = 1', "vektor.x.y = [\n1]"])
def test_lines_among_statements_of_several_lines(
    wrong: str, noise: list[str], where: int, nl: str
) -> None:
    # The two filters are one key.
    names = [text.split(" =")[0] for text in noise]
    kept = [text for k, text in enumerate(noise) if names[k] not in names[:k]]
    before = ["[users]", "table = 'u'", *kept[:where]]
    text = "\n".join([*before, wrong, *kept[where:]])
    line = "\n".join(before).count("\n") + 2
    with pytest.raises(UsageError, match=rf"^{NAME}, line {line}: \[users\] vektor"):
        load(text.replace("\n", "\r\n") if nl == "\r" else text)


# Paths.


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "vectors").mkdir(parents=True)
    text = document("database = 'w.duckdb'")
    for written, meant in [
        ("u.parquet", "jobs/u.parquet"),
        ("./users", "jobs/./users"),
        ("day=*/u.csv.gz", "jobs/day=*/u.csv.gz"),
        ("./vectors", "jobs/./vectors"),
        ("vectors", "vectors"),
        ("ml.users", "ml.users"),
        ('"odd/name"', '"odd/name"'),
        ("/data/u.parquet", "/data/u.parquet"),
        ("s3://bucket/u.parquet", "s3://bucket/u.parquet"),
        ("https://host:8080/a@b.parquet", "https://host:8080/a@b.parquet"),
        ("~/u.parquet", os.path.expanduser("~/u.parquet")),  # noqa: PTH111
    ]:
        path = Path("jobs") / NAME
        path.write_text(text.replace("u.parquet", written, 1))
        project = Project.load(path, {})
        assert project.tables["users"].relation == meant
    assert project.engine.database == "jobs/w.duckdb"
    # In a database the space is a prefix of tables.
    assert project.place.space == "s"
    (Path("jobs") / NAME).write_text(document())
    assert Project.load(Path("jobs") / NAME, {}).place.space == "jobs/s"


@pytest.mark.parametrize("engine", ["url = 'a://b'", "kind = 'spark'"])
def test_other_engines_read_no_files(engine: str, tmp_path: Path) -> None:
    (tmp_path / "jobs" / "users").mkdir(parents=True)
    (tmp_path / "jobs" / NAME).write_text(
        document(engine).replace("u.parquet", "users").replace("i.parquet", "ml.csv")
    )
    project = Project.load(tmp_path / "jobs" / NAME, {})
    assert (project.tables["users"].relation, project.tables["items"].relation) == (
        "users",
        "ml.csv",
    )


def test_the_catalogue_of_a_ducklake_is_a_file(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(document("database = 'ducklake:meta.ducklake'"))
    project = Project.load(tmp_path / NAME, {})
    assert project.engine.database == f"ducklake:{tmp_path}/meta.ducklake"


@pytest.mark.parametrize(
    "database",
    [":memory:", "md:warehouse", "s3://bucket/w.duckdb", "ducklake:postgres:dbname=lake"],
)
def test_databases_that_are_no_path(database: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(document(f"database = '{database}'"))
    assert Project.load(tmp_path / NAME, {}).engine.database == database


# Variables.


def test_braces() -> None:
    project = load(document(users="filter = '{{{a}}} = {{a}} = {b}{a} $ ${{a}}'"), a="x", b="{a}")
    assert project.tables["users"].filter == "{x} = {a} = {a}x $ ${a}"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
@example("'\nid = 'x")
@example('"""')
@example("\\u0041{{}}${HOME}")
def test_a_value_is_a_value(value: str) -> None:
    written = document(users="filter = \"'{a}'\"\nkeep = ['x', '{a}']", run="anchor = 'users'")
    if not value.strip() or ":" in value:
        value = f"x{value}".replace(":", "")
    project = load(written, a=value)
    assert project.tables["users"] == EmbeddingTable(
        "u.parquet", filter=f"'{value}'", keep=("x", value)
    )
    assert project.options == Options(anchor="users")


def test_a_variable_for_a_choice() -> None:
    assert load(document(run="refine = '{r}'"), r="never").options.refine == "never"
    with pytest.raises(UsageError, match=r'line \d+: \[run\] refine: this is "nevre"'):
        load(document(run="refine = '{r}'"), r="nevre")


def test_variables_that_are_wrong() -> None:
    with pytest.raises(
        UsageError,
        match=rf"^{NAME}: the variable dya is given, but no value in the file has \{{dya",
    ):
        load(document(users="filter = 'day = 1' # {dya}"), dya="1")
    with pytest.raises(
        UsageError, match=r"\{day\} is not given; add --var day=VALUE. days is given"
    ):
        load(document(users="filter = '{day}'"), days="1")


# Secrets.


def shows(project: Project) -> str:
    """All that could be printed of a project."""
    url = project.engine.url
    return "\n".join(
        [
            *(str(project), repr(project), str(project.engine), f"{url}", "%s %r" % (url, url)),  # noqa: UP031
            json.dumps(dataclasses.asdict(project), default=str),
            json.dumps(dataclasses.asdict(project), default=repr),
        ]
    )


@pytest.mark.parametrize(
    ("written", "revealed", "shown"),
    [
        ("${DATABASE_URL}", f"postgresql://etl:{SECRET}@db/warehouse", "${DATABASE_URL}"),
        (
            "${DATABASE_URL}?password=S3CRET",
            f"postgresql://etl:{SECRET}@db/warehouse?password=S3CRET",
            "${DATABASE_URL}***",
        ),
        (
            "postgresql+psycopg://etl:${PGPASSWORD}@{host}:5432/w?sslmode=require",
            f"postgresql+psycopg://etl:{SECRET}@db.internal:5432/w?sslmode=require",
            "postgresql+psycopg://***@db.internal:5432/w?***",
        ),
        (
            "a://u:{{S3CRET}}@{host}",
            "a://u:{S3CRET}@db.internal",
            "a://***@db.internal",
        ),
    ],
)
def test_a_url(written: str, revealed: str, shown: str) -> None:
    variables = {"host": "db.internal"} if "{host}" in written else {}
    project = load(document(f"url = '{written}'"), **variables)
    url = project.engine.url
    assert url is not None
    assert (url.reveal(), str(url)) == (revealed, shown)
    assert SECRET not in shows(project)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://db", "postgresql://db"),
        ("postgresql://db:5432/w", "postgresql://db:5432/w"),
        ("postgresql://etl@db/w", "postgresql://***@db/w"),
        ("postgresql://etl:S3CRET@[::1]:5432/w", "postgresql://***@[::1]:5432/w"),
        ("postgresql://etl:S3CRET@/w?host=/run", "postgresql://***@/w?***"),
        ("postgresql://etl:S3@CRET@db/w", "postgresql://***@db/w"),
        ("postgresql://etl:S3/C#R:E[T@db/w", "postgresql://***@db/w"),
        ("postgresql://etl:S3?CRET@db/w", "postgresql://***"),
        ("postgresql://db/w?password=S3@CRET", "postgresql://***"),
        ("postgresql://etl:S3CRET", "postgresql://***"),
        ("postgresql://etl:S3CRET/w", "postgresql://***"),
        ("postgresql://etl:x@db/w#S3CRET", "postgresql://***"),
        ("postgresql://db/w;password=S3CRET", "postgresql://***"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3DS3CRET", "mssql+pyodbc:///?***"),
        ("snowflake://etl:S3CRET@org-acct/w/ml?role=x", "snowflake://***@org-acct/w/ml?***"),
        ("databricks://token:S3CRET@x.azure.com?http_path=/a", "databricks://***@x.azure.com?***"),
        ("bigquery://project/dataset", "bigquery://project/dataset"),
        ("sqlite:////data/my w.db", "sqlite:////data/my w.db"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown
    written = json.dumps(url)
    project = load(document(f"url = {written}"))
    assert project.engine.url is not None
    assert (project.engine.url.reveal(), str(project.engine.url)) == (url, shown)


ODD = st.text(st.sampled_from("@:/?#[]%&=;,.$!'\"\\ +ü"), max_size=6)


@given(ODD, ODD, ODD)
def test_a_literal_password_is_never_shown(before: str, between: str, after: str) -> None:
    password = f"{before}{SECRET}{between}{SECRET}{after}"
    # Without a host, what follows an @ is one.
    without_host = [] if "@" in password else [""]
    for end in ("@db.internal:5432/w", "@db/w?sslmode=require", "@", *without_host):
        url = f"postgresql://etl:{password}{end}"
        project = load(document(f"url = {json.dumps(url, ensure_ascii=False)}"))
        assert project.engine.url is not None
        assert project.engine.url.reveal() == url
        assert SECRET not in shows(project)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_password_in_the_environment_may_have_any_characters(password: str) -> None:
    text = document("url = 'postgresql://etl:${PGPASSWORD}@db/w'")
    url = load(text, {"PGPASSWORD": password}).engine.url
    assert url is not None
    found = re.fullmatch(r"postgresql://etl:([^@:/?#]*)@db/w", url.reveal())
    assert found
    assert unquote(found[1]) == password
    assert str(url) == "postgresql://***@db/w"


def test_an_environment_that_is_no_text() -> None:
    # As os.environ gives bytes that are not UTF-8.
    url = load(document("url = 'a://b:${P}@c'"), {"P": os.fsdecode(b"\xff")}).engine.url
    assert url is not None
    assert url.reveal() == "a://b:%FF@c"


@pytest.mark.parametrize(
    "text",
    [
        document("url = '${DATABASE_URL}'\ndatabase = 'x'"),
        document("url = '${DATABASE_URL}'\nthreads = 1"),
        document("url = '${DATABASE_URL}'", users="vektor = 1"),
        document("url = '${DATABASE_URL}'", run="rank = 0"),
        document("url = '${PGPASSWORD}'"),
        document("url = 'a://b:S3CRET@${NOPE}'"),
        document("url = 'a://b:S3CRET@{nope}'"),
        document("url = 'a://b:S3CRET{!}@c'"),
        document("url = 'S3CRET'"),
        document("url = ['a://b:S3CRET@c']"),
        document("url = {x = 'a://b:S3CRET@c'}"),
        document("kind = ['S3CRET']"),
        document("database = 'a://b:S3CRET@c'"),
        document("url = 'a://b:S3CRET@c"),
        document("url = a://b:S3CRET@c"),
        document("a://b:S3CRET@c"),
        document("url = 'a://b:S3CRET@c'\nurl = 'a://b:S3CRET@c'"),
        document(users="filter = '${PGPASSWORD}'"),
        document("memory_limit = '${PGPASSWORD}'"),
        "[users]\ntable = 'a://b:S3CRET@c/x.parquet'",
    ],
)
def test_errors_show_no_secret(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(text)
    error = caught.value
    shown = [str(error), repr(error), *traceback.format_exception(type(error), error, None)]
    assert SECRET not in "\n".join(shown)


def test_secret_urls() -> None:
    one, same, other = SecretUrl("a://b", "x"), SecretUrl("a://b", "y"), SecretUrl("a://c", "x")
    assert one == same != other
    assert len({one, same, other}) == 2
    assert one != "a://b"


# Anything at all.


def anything(text: str | bytes, variables: dict[str, str] | None = None) -> None:
    """Whatever is in the file, it is a project or a usage error, and no secret shows."""
    try:
        shown = shows(load(text, **(variables or {})))
    except UsageError as error:
        shown = "".join(traceback.format_exception(type(error), error, None))
    assert SECRET not in shown


@given(st.text())
def test_any_text(text: str) -> None:
    anything(text.encode("utf-8", "surrogatepass"))


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    anything(data)


PIECES = [
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "'''",
    '"""',
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\r",
    "\\",
    "$",
    " ",
]


@given(st.data())
def test_a_damaged_file(data: st.DataObject) -> None:
    text = EXAMPLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 20)))
        text = text[:start] + data.draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
    variables = {"day": "2026-11-24"}
    anything(text.encode("utf-8", "replace"), variables)


NAMES = st.sampled_from([*KEYS, *(key for keys in KEYS.values() for key in keys)]) | st.text()
STRINGS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "{day}",
        "${PGPASSWORD}",
        "${DATABASE_URL}",
        "a://b",
        "items",
        "wide",
        "t",
        "x.parquet",
        "/" * 5000,
    ]
)
VALUES = st.recursive(
    STRINGS | st.integers() | st.floats() | st.booleans() | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(k)} = {toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


GOOD = st.sampled_from(["t", "ml.t", "x.parquet", "both", "a://b", "${DATABASE_URL}"]) | STRINGS
SECTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "engine": {"url": GOOD, "database": GOOD, "threads": st.integers(), "kind": st.just("spark")},
    "users": {"keep": st.lists(GOOD, max_size=2), "layout": st.just("wide")},
    "items": {"vector": GOOD, "filter": GOOD, "id": GOOD},
    "also": {"layout": st.just("wide"), "keep": st.lists(GOOD, max_size=2)},
    "space": {"items": GOOD, "maps": GOOD},
    "run": {"anchor": GOOD, "rank": st.integers(), "key": GOOD | st.dates()},
}


def likely(section: str, **required: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The required keys, up to two of others that are often right, and rarely anything."""
    right = st.one_of(*(st.tuples(st.just(key), v) for key, v in SECTIONS[section].items()))
    wrong = st.tuples(st.sampled_from(list(KEYS[section])), VALUES)
    return st.builds(
        lambda keys, others: {**keys, **dict(others)},
        st.fixed_dictionaries(required),
        st.lists(right, max_size=2) | st.lists(right | wrong, max_size=2),
    )


PROJECTS = st.fixed_dictionaries(
    {
        "users": likely("users", table=GOOD),
        "items": likely("items", table=GOOD),
        "run": likely("run"),
        "space": likely("space", name=GOOD),
    },
    optional={
        "engine": likely("engine"),
        "also": st.dictionaries(
            NAMES | st.just("queries"),
            likely("also", table=GOOD, like=st.sampled_from(["users", "items", "x"])) | VALUES,
            max_size=2,
        ),
    },
)


@given(PROJECTS | st.dictionaries(NAMES, VALUES), st.booleans())
def test_any_content(content: dict[str, Any], given_day: bool) -> None:
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in content.items())
    anything(text, {"day": "2026-11-24"} if given_day else {})


# The page.


def test_the_examples_of_the_page() -> None:
    for text in re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL):
        anything(text, dict.fromkeys(re.findall(r"(?<!\$){(\w+)}", text), "2026-11-24"))
