"""The statements: reviewed text for e = 3, parsed by sqlglot, and proof against hostile input."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
import sqlglot
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlglot import exp

from sqlstab import UsageError
from sqlstab.engines import dialects
from sqlstab.maths import quality
from sqlstab.statements import build, ddl, quoting, relations
from sqlstab.statements.table import Column, StableTable, VectorTable

if TYPE_CHECKING:
    from sqlstab.statements.dialect import Dialect

GOLDEN = Path(__file__).parent / "golden"
DIALECTS = dialects()
DUCKDB = DIALECTS["duckdb"]
MATRIX = np.array([[0.5, 0.0, 1.0], [0.25, -1.0, 0.0], [0.0, 2.0, 1e-20]])

ITEMS = VectorTable("items", "items", (Column("id", "BIGINT"),), "array", ("embedding",), "float")
WIDE = VectorTable(
    "items",
    "lake.items",
    (Column("item_id", "VARCHAR"),),
    "wide",
    ("e0", "e1", "e2"),
    "float",
    keep=(Column("genre", "VARCHAR"),),
)
LONG = VectorTable(
    "users", "lake.users", (Column("id", "UUID"),), "long", ("dim", "value"), "double"
)
ANCHORED = VectorTable(
    "items",
    "items",
    (Column("id", "BIGINT"),),
    "array",
    ("embedding",),
    "float",
    filter="year > 1990",
    weight="n_ratings",
    anchor_filter="n_ratings >= 20",
)
VALID = VectorTable(
    "users", "users", (Column("id", "BIGINT"),), "array", ("v",), "double", only_valid=3
)
REFERENCE = VectorTable(
    "items", "yesterday.items", (Column("id", "BIGINT"),), "array", ("embedding",), "float"
)
# Earlier runs of a space: rows of one table, and files, each run with its weight.
RECENT = replace(
    REFERENCE,
    filter="run IN ('a', 'b')",
    weight_expression="CASE run WHEN 'a' THEN 0.8E0 ELSE 1E0 END",
)
ARRAY_OUT = StableTable("array", (Column("id", "BIGINT"),), ("embedding",), "float", 3)
WIDE_OUT = StableTable("wide", (Column("item_id", "BIGINT"),), ("e0", "e1", "e2"), "float", 3)
LONG_OUT = StableTable("long", (Column("id", "BIGINT"),), ("dim", "value"), "double", 3)
HELD = build.MatrixTable("sqlstab_transform", "items", 3, 3)


def solve_text(dialect: Dialect, solution: build.Solve) -> str:
    """All of a solution, as a script has it."""
    created = [ddl.create_table(name, text, dialect) for name, text in solution.tables.items()]
    return ";\n\n".join([*(text.strip() for text in created), solution.query])


@cache
def statements(dialect: Dialect) -> dict[str, str]:
    """Every statement that there is, each at least once."""
    found = {
        "check": build.check(ITEMS, dialect),
        "check_weights": build.check(ANCHORED, dialect),
        "check_vectors": build.check_vectors(ITEMS, 3, dialect),
        "check_vectors_long": build.check_vectors(LONG, 3, dialect),
        "lengths": build.lengths(ITEMS, dialect),
        "labelled": build.labelled(build.lengths(ITEMS, dialect), "items", "lengths", dialect),
        "lengths_long": build.lengths(LONG, dialect),
        "first_dimension": build.first_dimension(LONG, dialect),
        "example_duplicate_ids": build.example(ITEMS, "duplicate_ids", 3, dialect),
        "example_wrong_length": build.example(ITEMS, "wrong_length", 3, dialect),
        "example_non_finite": build.example(ITEMS, "non_finite", 3, dialect),
        "shared_ids": build.shared_ids(ANCHORED, REFERENCE, dialect, anchor=True),
        "gram_array": build.gram(ITEMS, 3, dialect)[0],
        "gram_wide": build.gram(WIDE, 3, dialect)[0],
        "gram_long": build.gram(LONG, 3, dialect)[0],
        "gram_valid": build.gram(VALID, 3, dialect)[0],
        "gram_sampled": build.gram(replace(ITEMS, share=0.05), 3, dialect)[0],
        "gram_whitened": build.gram(ITEMS, 3, dialect, matrix=MATRIX)[0],
        "gram_shared": build.gram(REFERENCE, 3, dialect, other=ANCHORED)[0],
        "gram_shared_unit_rows": build.gram(
            RECENT, 3, dialect, matrix=MATRIX, other=ANCHORED, unit_rows=True
        )[0],
        "fingerprint": build.fingerprint(ITEMS, dialect, matrix=MATRIX[:, :1]),
        "fingerprint_long": build.fingerprint(LONG, dialect, matrix=MATRIX[:, :1]),
        "cross_gram": build.cross_gram(ANCHORED, RECENT, 3, 3, dialect)[0],
        "cross_gram_unit_rows": build.cross_gram(
            ITEMS, REFERENCE, 3, 3, dialect, matrix=MATRIX, unit_rows=True
        )[0],
        "cross_gram_of_maps": build.cross_gram(
            WIDE, RECENT, 3, 3, dialect, reference_matrix=MATRIX
        )[0],
        "apply_array": build.apply(ITEMS, [MATRIX], ARRAY_OUT, dialect),
        "apply_in_two_steps": build.apply(WIDE, [MATRIX, MATRIX], WIDE_OUT, dialect),
        "apply_wide": build.apply(WIDE, [MATRIX], WIDE_OUT, dialect),
        "apply_long": build.apply(LONG, [MATRIX], LONG_OUT, dialect),
        "apply_from_table": build.apply_from_table(ITEMS, [HELD], ARRAY_OUT, dialect),
        "apply_from_tables": build.apply_from_table(WIDE, [HELD, HELD], WIDE_OUT, dialect),
        "apply_transposed": build.apply_from_table(
            ITEMS, [replace(HELD, side="users", transposed=True)], ARRAY_OUT, dialect
        ),
        "union": build.union(build.gram(LONG, 3, dialect) + build.gram(ITEMS, 3, dialect), dialect),
        "product": build.product(ANCHORED, 3, MATRIX, dialect, anchor=True, unit_rows=True),
        "product_of_tables": build.product(ANCHORED, 3, HELD, dialect, anchor=True),
        "drift": build.drift(ITEMS, REFERENCE, (3, 3), dialect),
        "drift_of_a_run": build.drift(
            ITEMS,
            REFERENCE,
            (3, 2),
            dialect,
            matrix=MATRIX,
            raw_matrix=MATRIX[:2],
            bands={"after": quality.Band.of(0.1, 64), "before": quality.SAME},
        ),
        "scores": build.scores(
            {"users": VALID, "items": ITEMS},
            {"users": VALID, "items": REFERENCE},
            (3, 3),
            300,
            dialect,
        ),
        "cosine_summary": build.cosine_summary(
            build.Vectors(ITEMS, 3), build.Vectors(REFERENCE, 2), (0.05, 0.5), dialect
        ),
        "cosine_summary_raw": build.cosine_summary(
            build.Vectors(replace(ITEMS, share=0.5), 3, MATRIX),
            build.Vectors(REFERENCE, 2, MATRIX[:2]),
            (0.5,),
            dialect,
        ),
        "cosine_histogram": build.cosine_histogram(
            build.Vectors(LONG, 3), build.Vectors(VALID, 3), 40, dialect
        ),
        "moved_most": build.moved_most(
            (build.Vectors(ITEMS, 3), build.Vectors(REFERENCE, 3)),
            (build.Vectors(ITEMS, 3, MATRIX), build.Vectors(REFERENCE, 3, MATRIX)),
            10,
            dialect,
        ),
        "neighbours": build.neighbours(
            build.Vectors(WIDE, 3), build.Vectors(REFERENCE, 3), 0.01, 10, dialect, cosine=False
        ),
        "neighbours_cosine": build.neighbours(
            build.Vectors(ITEMS, 3), build.Vectors(REFERENCE, 3), 0.01, 10, dialect, cosine=True
        ),
        "longest": build.longest(
            build.Vectors(ITEMS, 3),
            build.Vectors(REFERENCE, 3),
            build.Vectors(REFERENCE, 3),
            60,
            dialect,
        ),
        "matrix_table": ";\n".join(ddl.insert_matrix("t", "items", MATRIX, dialect)),
    }
    if dialect.solving:
        found |= {
            "solve_first_run": solve_text(dialect, build.solve(dialect, 3, "grams")),
            "solve": solve_text(
                dialect,
                build.solve(
                    dialect,
                    3,
                    "grams",
                    crosses="crosses",
                    anchors={"items": 1.0, "users": 0.1},
                    shared=("shared_run", "shared_reference"),
                ),
            ),
            "guard": build.guard(ANCHORED, 3, dialect),
            "written": build.written(ITEMS, "checked", ". Look at it.", dialect),
            "maps": build.maps("solution", dialect),
            "whole": build.whole(build.gram(ITEMS, 3, dialect, other=REFERENCE)[0], 3, 3, dialect),
            "run_text": build.run_text(
                ["'{\"rank\": '", dialect.as_text.format("f.rank"), "'}'"],
                "figures",
                ["rank"],
                "reference",
                dialect,
            ),
            "run_figures": build.run_figures(
                "solution",
                ("rank",),
                {"items": build.drift(ITEMS, REFERENCE, (3, 3), dialect)},
                {"items": build.shared_ids(ITEMS, REFERENCE, dialect, anchor=False)},
                build.scores(
                    {"users": VALID, "items": ITEMS},
                    {"users": VALID, "items": REFERENCE},
                    (3, 3),
                    300,
                    dialect,
                ),
                dialect,
            ),
        }
        if dialect.solving.way != "javascript":
            found["align"] = build.align(dialect, 3, 4, "crosses")
        if dialect.solving.way == "recursive":
            found["cholesky"] = build.cholesky(dialect, 3, "matrices")
    if dialect.name == "postgres":
        known = {"vector_type": "public.vector(3)", "keep": (Column("title", "text"),)}
        table = replace(ITEMS, filter="year > 1990", **known)
        output = replace(ARRAY_OUT, type="public.vector(3)")
        found["apply_single"] = build.apply(table, [MATRIX], output, dialect, single=True)
    if dialect.name in ("duckdb", "spark"):
        found |= {
            "rows": build.rows(replace(WIDE, share=0.5), dialect),
            "shared_rows": build.shared_rows(ITEMS, REFERENCE, dialect),
            "shared_rows_weighted": build.shared_rows(ANCHORED, RECENT, dialect, anchor=True),
            "apply_function": build.apply(WIDE, [MATRIX], WIDE_OUT, dialect, function="stable"),
        }
    if dialect.reads_files:
        files = ("s/run=a/items.parquet", "s/run=b/items.parquet")
        found["files"] = build.cross_gram(ITEMS, replace(RECENT, files=files), 3, 3, dialect)[0]
    return found


CASES = [(name, key) for name, dialect in DIALECTS.items() for key in statements(dialect)]


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_golden(dialect: str, name: str) -> None:
    """The text is what was reviewed; `make golden` rewrites it."""
    path = GOLDEN / dialect / f"{name}.sql"
    text = statements(DIALECTS[dialect])[name]
    if "UPDATE_GOLDEN" in os.environ:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_no_golden_file_is_left_over() -> None:
    found = {(path.parent.name, path.stem) for path in GOLDEN.glob("*/*.sql")}
    assert found == set(CASES)


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_sqlglot_parses_it(dialect: str, name: str) -> None:
    text = statements(DIALECTS[dialect])[name]
    trees = sqlglot.parse(text, dialect=DIALECTS[dialect].sqlglot)
    solving = DIALECTS[dialect].solving
    in_steps = name.startswith("solve") and solving is not None and solving.way == "fold"
    if name != "matrix_table" and not in_steps:
        assert len(trees) == 1
        assert isinstance(trees[0], exp.Query)
    assert not any(isinstance(tree, exp.Command) for tree in trees)
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("name", statements(DUCKDB))
def test_duckdb_parses_it(name: str, connection: duckdb.DuckDBPyConnection) -> None:
    assert connection.extract_statements(statements(DUCKDB)[name])


@pytest.mark.parametrize("triangular", [True, False])
@pytest.mark.parametrize("size", [1, 2, 64, 90, 91, 128, 300, 1024])
def test_tiles_cover_the_matrix_once(size: int, triangular: bool) -> None:
    tiles = build.tiles(size, size, 4096, triangular=triangular)
    entries = [(i, j) for rows, columns in tiles for i in rows for j in columns]
    wanted = {(i, j) for i in range(1, size + 1) for j in range(i if triangular else 1, size + 1)}
    assert wanted <= set(entries)
    assert len(entries) == len(set(entries))
    for rows, columns in tiles:
        assert sum(not triangular or j >= i for i in rows for j in columns) <= 4096
        # A tile below the diagonal would be of no use.
        assert not triangular or columns[-1] >= rows[0]
    # As few as the whole matrix, or squares of 64, make.
    blocks = -(-size // 64)
    squares = blocks * (blocks + 1) // 2 if triangular else blocks**2
    assert len(tiles) == (1 if len(wanted) <= 4096 else squares)
    assert build.tiles(size, size, None, triangular=triangular) == [(range(1, size + 1),) * 2]


def test_numbers_are_doubles_and_come_back_exactly(connection: duckdb.DuckDBPyConnection) -> None:
    for value in (0.94, -1e-300, 1e300, 5e-324, 1 / 3, 1.0, 123456789.0, 1e22):
        got = connection.execute(f"SELECT {DUCKDB.number(value)} AS v, typeof(v)").fetchone()
        assert got == (value, "DOUBLE")


# Names as hostile as they come; NUL cannot be part of any name in DuckDB.
names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20)
hostile = st.sampled_from(
    [
        '"',
        '""',
        "'",
        "a; DROP TABLE t",
        "--",
        "/*",
        "*/",
        "select",
        "id",
        "x",
        "t",
        "é",
        "日本",
        "a b",
        "a.b",
        "{{x}}",
        "%s",
        "$1",
        "\\",
        "\n",
    ]
)


@given(id_name=names | hostile, vector=names | hostile, table=names | hostile)
def test_any_name_is_a_name(id_name: str, vector: str, table: str) -> None:
    assume(id_name.lower() != vector.lower())
    assume(all(text.splitlines() == [text] for text in (id_name, vector, table)))
    with duckdb.connect() as connection:
        quoted = {name: '"' + name.replace('"', '""') + '"' for name in (id_name, vector, table)}
        connection.execute(
            f"CREATE TABLE {quoted[table]} AS SELECT 1 AS {quoted[id_name]}, "
            f"[1.0, 2.0] AS {quoted[vector]}"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS bystander AS SELECT 1 AS x")
        source = VectorTable(
            "items", quoted[table], (Column(id_name, "INTEGER"),), "array", (vector,), "double"
        )
        for statement in (
            build.check(source, DUCKDB),
            build.check_vectors(source, 2, DUCKDB),
            *build.gram(source, 2, DUCKDB),
            build.apply(
                source,
                [np.eye(2)],
                StableTable("array", (Column(id_name, "BIGINT"),), (vector,), "double", 2),
                DUCKDB,
            ),
        ):
            assert len(connection.extract_statements(statement)) == 1
            rows = connection.execute(statement).fetchall()
            assert rows
        assert rows == [(1, [1.0, 2.0])]
        assert connection.execute("SELECT count(*) FROM bystander").fetchone()


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
@given(id_name=names | hostile, vector=names | hostile, table=names | hostile)
def test_any_name_stays_a_name_in_every_dialect(
    dialect: Dialect, id_name: str, vector: str, table: str
) -> None:
    assume(all(text.splitlines() == [text] for text in (id_name, vector, table)))
    assume(not any(c in dialect.not_in_names for c in id_name + vector + table))
    quoted = quoting.identifier(table, dialect)
    source = VectorTable(
        "items", quoted, (Column(id_name, "INTEGER"),), "array", (vector,), "double"
    )
    trees = sqlglot.parse(build.check(source, dialect), dialect=dialect.sqlglot)
    assert len(trees) == 1
    assert [found.name for found in trees[0].find_all(exp.Table)] == [table]
    own = {column.name for column in trees[0].find_all(exp.Column) if column.table == "t"}
    assert own == {id_name}


@pytest.mark.parametrize("name", ["../users.parquet", ".", ""])
def test_names_that_are_no_tables(name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        relations.named(name, DIALECTS["postgres"])


def test_names_that_bigquery_cannot_have() -> None:
    for name in ("a`b", "a\\", "a.b"):
        with pytest.raises(UsageError, match="no name of bigquery can have"):
            quoting.identifier(name, DIALECTS["bigquery"])


@given(path=names | hostile)
def test_any_path_is_a_string(path: str) -> None:
    # A comma may stand between paths, and `~` for a directory.
    assume(path.splitlines() == [path] and not path.startswith(('"', "~")) and "," not in path)
    text = relations.named(f"{path}.parquet", DUCKDB)
    tree = sqlglot.parse_one(f"SELECT * FROM {text}", dialect="duckdb")
    literals = list(tree.find_all(exp.Literal))
    assert [literal.this for literal in literals] == [f"{path}.parquet"]
    assert len(list(tree.find_all(exp.Table))) == 1


@pytest.mark.parametrize("name", ["a\nb", "a\r", "a\u2028b", "\n"])
def test_names_of_several_lines_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="one line"):
        quoting.identifier(name, DUCKDB)
    with pytest.raises(UsageError, match="one line"):
        relations.named(f"{name}.parquet", DUCKDB)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("users", '"users"'),
        ("main.users", '"main"."users"'),
        ("db.main.users", '"db"."main"."users"'),
        ('"users.parquet"', '"users.parquet"'),
        ('"a""b".c', '"a""b"."c"'),
        ("a b", '"a b"'),
        ("a; DROP TABLE b", '"a; DROP TABLE b"'),
        ("U.PARQUET", "read_parquet('U.PARQUET')"),
        ("day=*/x", "read_parquet('day=*/x', union_by_name = true)"),
        ("s3://b/u.parquet?versionId=1", "read_parquet('s3://b/u.parquet?versionId=1')"),
        ("s3://b/*.parquet", "read_parquet('s3://b/*.parquet', union_by_name = true)"),
    ],
)
def test_relations(name: str, want: str) -> None:
    assert relations.named(name, DUCKDB) == want


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("./users", "read_parquet('users/*.parquet', union_by_name = true)"),
        ("users/", "read_parquet('users/*.parquet', union_by_name = true)"),
        ("users.csv", "read_parquet('users.csv/*.parquet', union_by_name = true)"),
        # A table's name stays one, whatever lies about.
        ("users", '"users"'),
        ('"./users"', '"./users"'),
    ],
)
def test_a_directory_is_the_files_in_it(
    name: str, want: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("users", "users.csv"):
        Path(folder).mkdir()
        (Path(folder) / "a.parquet").touch()
    assert relations.named(name, DUCKDB) == want


@pytest.mark.parametrize("name", ["", " ", "f(1)", "a\0b", "read_csv('x')", "a.b.c.d.e(1)"])
def test_relations_that_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="table"):
        relations.named(name, DUCKDB)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=str)
def test_inserts_are_as_long_as_the_engine_takes(dialect: Dialect) -> None:
    rows = [("run", "items", i, 1, float(i)) for i in range(1, 20_001)]
    statements = ddl.insert("maps", rows, dialect)
    assert all(dialect.takes(statement) for statement in statements)
    assert len(statements) < 8
    lines = [line for statement in statements for line in statement.splitlines()[1:]]
    assert [int(line.split(", ")[2]) for line in lines] == list(range(1, 20_001))
    assert ddl.insert("maps", [], dialect) == []
