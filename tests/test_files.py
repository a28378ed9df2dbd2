"""Files are read as they stand, or refused: one, several, a directory, a table of a lake."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_vectors
from invoke import invoke

from sqlstab import EmbeddingTable, Space, stabilize
from sqlstab.engines import duckdb as duckdb_engine
from sqlstab.engines.duckdb import DUCKDB, DuckDBEngine
from sqlstab.errors import DataError, EngineError, SqlstabError, UsageError
from sqlstab.project import Project
from sqlstab.session import connect
from sqlstab.statements import files, relations

if TYPE_CHECKING:
    from collections.abc import Iterator

Content = bytes | str | dict[str, Any] | None


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    session = DuckDBEngine()
    yield session
    session.close()


def write(content: dict[str, Content]) -> None:
    """Write files: columns are Parquet, whatever the file is called; None is a directory."""
    for name, what in content.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if what is None:
            path.mkdir()
        elif isinstance(what, dict):
            pq.write_table(pa.table(what), path)
        else:
            path.write_bytes(what.encode() if isinstance(what, str) else what)


def singles(*values: float) -> pa.Array:
    return pa.array(values, pa.float32())


def lists(kind: pa.DataType, *values: list[float]) -> pa.Array:
    return pa.array(values, pa.list_(kind))


def twice(*names: str) -> bytes:
    """A Parquet file in which a name may stand more than once."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays([pa.array([1])] * len(names), list(names)), sink)
    return sink.getvalue().to_pybytes()


def lines(*rows: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


# 0.1 and 1.1 are other numbers as FLOAT; 30,000 rows are more than DuckDB looks at by itself.
MANY = 30_000
P = {"id": [1], "v": [1.5]}
UUID = "550E8400-E29B-41D4-A716-446655440000"

# Files, the relation, its columns with their types, and the rows that are last by the first column.
READ: dict[str, tuple[dict[str, Content], str, str, list[tuple[Any, ...]]]] = {
    "BIGINT, then DOUBLE": (
        {"d/a.parquet": {"id": [1], "v": [1]}, "d/b.parquet": {"id": [2], "v": [1.1]}},
        "./d",
        "id BIGINT, v DOUBLE",
        [(1, 1.0), (2, 1.1)],
    ),
    "FLOAT, then DOUBLE": (
        {"d/a.parquet": {"id": [1], "v": singles(0.5)}, "d/b.parquet": {"id": [2], "v": [1.1]}},
        "d/*.parquet",
        "id BIGINT, v DOUBLE",
        [(1, 0.5), (2, 1.1)],
    ),
    "lists of both": (
        {
            "a.parquet": {"id": [1], "v": lists(pa.float32(), [0.5])},
            "b.parquet": {"id": [2], "v": lists(pa.float64(), [1.1])},
        },
        "a.parquet,b.parquet",
        "id BIGINT, v DOUBLE[]",
        [(1, [0.5]), (2, [1.1])],
    ),
    "narrow and wide ids": (
        {
            "a.parquet": {"id": pa.array([1], pa.int32()), "v": [1.1]},
            "b.parquet": {"id": [2**40], "v": [2.1]},
        },
        "?.parquet",
        "id BIGINT, v DOUBLE",
        [(1, 1.1), (2**40, 2.1)],
    ),
    "a column in one file only": (
        {"d/a.parquet": P, "d/b.parquet": {"id": [2], "v": [2.5], "n": ["x"]}},
        "./d",
        "id BIGINT, v DOUBLE, n VARCHAR",
        [(1, 1.5, None), (2, 2.5, "x")],
    ),
    "another order of columns": (
        {"d/a.parquet": P, "d/b.parquet": {"v": [2.5], "id": [2]}},
        "./d",
        "id BIGINT, v DOUBLE",
        [(1, 1.5), (2, 2.5)],
    ),
    "names that end in numbers, of columns and folders": (
        {
            "d/n=7/a.csv": "id,e,e_1,e_2\n1,e,e_1,2\n",
            "d/n=8/a.csv": "id,e,e_1\n2,x,y\n",
        },
        "./d",
        "id BIGINT, e VARCHAR, e_1 VARCHAR, e_2 BIGINT, n BIGINT",
        [(1, "e", "e_1", 2, 7), (2, "x", "y", None, 8)],
    ),
    "numbers as names of CSV": (
        {"a.csv": "id,0,1\n1,0.5,2\n"},
        "a.csv",
        "id BIGINT, 0 DOUBLE, 1 BIGINT",
        [(1, 0.5, 2)],
    ),
    "names that end in numbers, of Parquet": (
        {"a.parquet": {"id": [1], "e": [1], "e_1": [2]}},
        "a.parquet",
        "id BIGINT, e BIGINT, e_1 BIGINT",
        [(1, 1, 2)],
    ),
    "several CSV": (
        {"d/a.csv": "id,v\n1,1\n", "d/b.csv": "v,id\n1.1,2\n"},
        "./d",
        "id BIGINT, v DOUBLE",
        [(1, 1.0), (2, 1.1)],
    ),
    "several CSV, of which one has text": (
        {"a.csv": "id,v\n1,1.5\n", "b.csv": "id,v\n007,2.5\n"},
        "a.csv, b.csv",
        "id VARCHAR, v DOUBLE",
        [("007", 2.5), ("1", 1.5)],
    ),
    "several JSON": (
        {"d/a.jsonl": lines({"id": 1, "v": [1]}), "d/b.jsonl": lines({"id": 2, "v": [1.1]})},
        "./d",
        "id BIGINT, v DOUBLE[]",
        [(1, [1.0]), (2, [1.1])],
    ),
    # Text in JSON stays text.
    "JSON": (
        {
            "u.jsonl": lines(
                {"id": "2026-01-02", "t": "12:30", "u": UUID, "n": "12", "s": "2026-01-02 10:00"}
            )
        },
        "./u.jsonl",
        "id VARCHAR, t VARCHAR, u VARCHAR, n VARCHAR, s VARCHAR",
        [("2026-01-02", "12:30", UUID, "12", "2026-01-02 10:00")],
    ),
    "JSON without ./": (
        {"u.ndjson": lines({"id": "2026-01-02", "v": [1, None]})},
        "u.ndjson",
        "id VARCHAR, v DOUBLE[]",
        [("2026-01-02", [1.0, None])],
    ),
    "an array of JSON": (
        {"u.json": json.dumps([{"id": -1, "e0": 1}, {"id": 2, "e0": 1.1}])},
        "u.json",
        "id BIGINT, e0 DOUBLE",
        [(-1, 1.0), (2, 1.1)],
    ),
    "packed JSON": (
        {"./u.jsonl.gz": gzip.compress(lines({"id": "2026-01-02", "e0": 1}).encode())},
        "./u.jsonl.gz",
        "id VARCHAR, e0 BIGINT",
        [("2026-01-02", 1)],
    ),
    "JSON, with another number after many": (
        {"u.jsonl": lines({"id": 1, "v": 1}) * MANY + lines({"id": 2, "v": 1.5})},
        "u.jsonl",
        "id BIGINT, v DOUBLE",
        [(1, 1.0), (2, 1.5)],
    ),
    "JSON, with another id after many": (
        {"u.jsonl": lines({"id": "1", "v": 1}) * MANY + lines({"id": "x", "v": 2, "w": 3})},
        "u.jsonl",
        "id VARCHAR, v BIGINT, w BIGINT",
        [("1", 1, None), ("x", 2, 3)],
    ),
    # Text in CSV stays text.
    "CSV": (
        {"u.csv": "id,a,b,c,d,e\n2026-01-02,true,12:30,+5,0012,1_000\n"},
        "u.csv",
        "id VARCHAR, a VARCHAR, b VARCHAR, c VARCHAR, d VARCHAR, e VARCHAR",
        [("2026-01-02", "true", "12:30", "+5", "0012", "1_000")],
    ),
    "CSV, with a zero in front after many": (
        {"u.csv": "id,v\n" + "1,2.5\n" * MANY + "007,2.5\n"},
        "./u.csv",
        "id VARCHAR, v DOUBLE",
        [("007", 2.5), ("1", 2.5)],
    ),
    "CSV, with another number after many": (
        {"u.csv": "id,v\n" + "1,2\n" * MANY + "2,1.5\n"},
        "u.csv",
        "id BIGINT, v DOUBLE",
        [(1, 2.0), (2, 1.5)],
    ),
    "CSV, with text after many": (
        {"u.csv": "id,v\n" + "1,2\n" * MANY + "2,NA\n"},
        "u.csv",
        "id BIGINT, v VARCHAR",
        [(1, "2"), (2, "NA")],
    ),
    "CSV with decimal commas": (
        {"u.csv": "id;e0;e1\n1;1,5;-2,5\n2;1.234,5;0\n"},
        "u.csv",
        "id BIGINT, e0 VARCHAR, e1 VARCHAR",
        [(1, "1,5", "-2,5"), (2, "1.234,5", "0")],
    ),
    "CSV with thousands": (
        {"u.csv": 'id,e0\n"1,234","2,500"\n2,3\n'},
        "u.csv",
        "id VARCHAR, e0 VARCHAR",
        [("1,234", "2,500"), ("2", "3")],
    ),
    "CSV with quotes": (
        {"u.csv": 'id,v\n\'a\',1\n"b,""c""",2\n#d,3\n'},
        "u.csv",
        "id VARCHAR, v BIGINT",
        [("#d", 3), ("'a'", 1), ('b,"c"', 2)],
    ),
    "CSV with numbers in its header": (
        {"u.csv": "id,0,1\nx,2,3\ny,4,5\n"},
        "u.csv",
        "id VARCHAR, 0 BIGINT, 1 BIGINT",
        [("x", 2, 3), ("y", 4, 5)],
    ),
    "CSV with tabs": (
        {"u.tsv": "id\tv\n1\t\n2\t1.5\n"},
        "./u.tsv",
        "id BIGINT, v DOUBLE",
        [(1, None), (2, 1.5)],
    ),
    # Directories.
    "Hive": (
        {
            "d/ds=2026-11-30/000000_0": P,
            "d/ds=2026-12-01/000000_0": {"id": [2], "v": [2.5]},
            "d/ds=2026-12-01/.000000_0.crc": "crc",
            "d/ds=2026-12-01/_temporary/0/part-0.parquet": {"id": [9], "v": [9.5]},
            "d/_SUCCESS": "",
        },
        "./d",
        "id BIGINT, v DOUBLE, ds DATE",
        [(1, 1.5, dt.date(2026, 11, 30)), (2, 2.5, dt.date(2026, 12, 1))],
    ),
    "levels": (
        {
            "d/year=2026/month=01/a.parquet": P,
            "d/year=2026/month=11/b.snappy.parquet": {"id": [2], "v": [2.5]},
        },
        "d/",
        "id BIGINT, v DOUBLE, month VARCHAR, year BIGINT",
        [(1, 1.5, "01", 2026), (2, 2.5, "11", 2026)],
    ),
    "one day of Hive": (
        {"d/ds=2026-11-30/000000_0": P, "d/ds=2026-12-01/000000_0": P},
        "d/ds=2026-11-30",
        "id BIGINT, v DOUBLE, ds DATE",
        [(1, 1.5, dt.date(2026, 11, 30))],
    ),
    "odd names": (
        {"d[1]/*.parquet": P, "d1/x.parquet": {"id": [2], "v": [2.5]}},
        "./d[1]",
        "id BIGINT, v DOUBLE",
        [(1, 1.5)],
    ),
    "a file with a comma": (
        {"a.parquet,b.parquet": P},
        "a.parquet,b.parquet",
        "id BIGINT, v DOUBLE",
        [(1, 1.5)],
    ),
    "directories in a list": (
        {"a/x.parquet": P, "b/x.parquet": {"id": [2], "v": [2.5]}, "b/.x.parquet.crc": ""},
        "./a,./b",
        "id BIGINT, v DOUBLE",
        [(1, 1.5), (2, 2.5)],
    ),
}


@pytest.mark.parametrize("case", READ)
def test_files_as_they_stand(case: str, engine: DuckDBEngine) -> None:
    content, relation, columns, rows = READ[case]
    write(content)
    found = engine.describe(relation)
    assert ", ".join(f"{column.name} {column.type}" for column in found) == columns
    source = relations.named(relation, DUCKDB)
    query = f"SELECT DISTINCT * FROM {source} ORDER BY 1"
    assert [tuple(row.values()) for row in engine.query(query)] == rows


NO_FILE = "is no file that a table is read from"
# Files, the relation, and what an error says.
REFUSED: dict[str, tuple[dict[str, Content], str, str]] = {
    "ids of numbers and text": (
        {"d/a.parquet": P, "d/b.parquet": {"id": ["x"], "v": [1.5]}},
        "./d",
        r"column id is BIGINT in d/a.parquet, but VARCHAR in d/b.parquet",
    ),
    "whole numbers and FLOAT": (
        {"a.parquet": {"id": [1], "e0": [2**25 + 1]}, "b.parquet": {"id": [2], "e0": singles(1)}},
        "*.parquet",
        r"column e0 is BIGINT in a.parquet, but FLOAT in b.parquet, and FLOAT cannot hold both",
    ),
    "lists of whole numbers and FLOAT": (
        {
            "a.parquet": {"id": [1], "V": lists(pa.float32(), [1.5])},
            "b.parquet": {"id": [2], "v": lists(pa.int64(), [2**25 + 1])},
        },
        "a.parquet,b.parquet",
        r"column v is FLOAT\[\] in a.parquet, but BIGINT\[\] in b.parquet",
    ),
    "days and text": (
        {"a.parquet": {"id": [dt.date(2026, 1, 1)]}, "b.parquet": {"id": ["2026-1-1"]}},
        "*.parquet",
        "column id is DATE in a.parquet, but VARCHAR in b.parquet",
    ),
    "kinds in a directory": (
        {"d/a.parquet": P, "d/b.csv": "id,v\n1,2\n"},
        "./d",
        r"d has files of several kinds, such as d/a.parquet and d/b.csv: name those of one",
    ),
    "a note in a directory": (
        {"d/a.parquet": P, "d/README.md": "notes"},
        "./d",
        "several kinds, such as d/README.md and d/a.parquet",
    ),
    "kinds in a list": (
        {"a.parquet": P, "b.csv": "id,v\n1,2\n"},
        "a.parquet,b.csv",
        "has files for read_parquet and for read_csv",
    ),
    "an empty directory": ({"d": None}, "./d", "./d has no files to read, nor any below it.$"),
    "hidden files alone": (
        {"d/_SUCCESS": "", "d/.x.crc": ""},
        "./d",
        r"has no files to read, nor any below it; \.x\.crc is no data by its name",
    ),
    "a hidden file in a pattern": (
        {"d/a/x.parquet": P, "d/_temporary/y.parquet": P},
        "d/*/*.parquet",
        "is also d/_temporary/y.parquet, which by its name is no data",
    ),
    "folders that are no partitions": (
        {"d/monday/x.parquet": P},
        "./d",
        "d is not one table: monday/x.parquet is in a folder that is no partition",
    ),
    "files beside partitions": (
        {"d/ds=1/x.parquet": P, "d/x.parquet": P},
        "./d",
        "d is not one table: ds=1/x.parquet and x.parquet are in folders of different columns",
    ),
    "models in partitions": (
        {"d/ds=1/users.parquet": P, "d/ds=1/items.parquet": P},
        "./d",
        "d/ds=1 is the directory of a model",
    ),
    **{
        f"{prefix}x{ending}": (
            {f"x{ending}": "ARROW1"},
            f"{prefix}x{ending}",
            f"x{ending} {NO_FILE}",
        )
        for ending in (".feather", ".arrow", ".orc", ".avro", ".npy", ".XLSX", ".pkl")
        for prefix in ("", "./")
    },
    "no ending": ({"x": "ORC"}, "./x", f"./x {NO_FILE}"),
    "no ending and no path": ({"x": "ORC"}, "x", "the file of that name is ./x"),
    "no ending, below": ({"d/000000_0": "ORC"}, "./d", f"d/000000_0 {NO_FILE}"),
    "a URL": ({}, "s3://b/u.orc", "from a URL, tables are read as Parquet or CSV"),
    "a URL of JSON": ({}, "https://h/u.json?a=b", "from a URL, tables are read as Parquet or CSV"),
    "an id of JSON beyond 64 bits": (
        {"u.jsonl": lines({"id": 1}, {"id": 2**64 - 1})},
        "u.jsonl",
        r'in file "u.jsonl", in line 2: .*18446744073709551615',
    ),
    "a key of JSON twice": (
        {"u.jsonl": '{"id": 1, "v": [0.5]}\n{"id": 2, "id": 3, "v": [0.5]}\n'},
        "u.jsonl",
        r'in file "u.jsonl", in line 2: .* has duplicate key "id"',
    ),
    "junk between the marks of Parquet": (
        {"a.parquet": b"PAR1xxxxxxxxPAR1"},
        "a.parquet",
        "a.parquet cannot be read: Footer length error",
    ),
    "a footer of Parquet that is beyond the file": (
        {"a.parquet": b"PAR1" + b"x" * 500 + b"d\0\0\0PAR1"},
        "a.parquet",
        "a.parquet cannot be read: ",
    ),
    "CSV that ends within its packing": (
        {"u.csv.gz": gzip.compress(b"id,v\n" + b"1,2\n" * MANY)[:-20]},
        "u.csv.gz",
        "u.csv.gz cannot be read: .*end of GZIP stream",
    ),
    "CSV that is not packed": (
        {"u.csv.zst": "id,v\n1,2\n"},
        "u.csv.zst",
        "u.csv.zst cannot be read: .*frame descriptor",
    ),
    "broken JSON": (
        {"u.jsonl": '{"id": 1}\n{"id": '},
        "u.jsonl",
        r"u.jsonl cannot be read: .*Malformed JSON in file .u.jsonl.",
    ),
    "keys of JSON that differ in case": (
        {"u.jsonl": lines({"id": 1, "ID": 2})},
        "u.jsonl",
        "u.jsonl cannot be read: .*Duplicate",
    ),
    "a column of CSV that is a folder as well": (
        {"d/ds=2026-01-01/a.csv": "id,ds,v\n1,2026-01-02,0.5\n"},
        "./d",
        "ds is a column of a file and the name of its folder",
    ),
    "an id of CSV that is a folder as well": (
        {"d/ID=7/a.csv": "id,v\n1,0.5\n"},
        "d/*/a.csv",
        "id is a column of a file and the name of its folder",
    ),
    "a column of JSON that is a folder as well": (
        {"d/ds=1/a.jsonl": lines({"id": 1, "ds": 2})},
        "./d",
        "ds is a column of a file and the name of its folder",
    ),
    "a name twice in Parquet": (
        {"a.parquet": P, "b.parquet": twice("id", "e", "f", "e")},
        "*.parquet",
        "several columns called e: write",
    ),
    "a name twice in CSV": (
        {"u.csv": "id,e4,E4\n" + "1,2,3\n" * MANY},
        "u.csv",
        "several columns called e4: write",
    ),
    "a name twice in one CSV of several": (
        {"a.csv": "id,e,f\n1,2,3\n", "b.csv": "id,e,f,e\n1,2,3,4\n"},
        "*.csv",
        "several columns called e: write",
    ),
    "CSV without a header beside others": (
        {"d/a.csv": "id,e0,e1\n1,0.5,1\n", "d/b.csv": "2,1,-1.5e-05\n3,0.5,1.5\n"},
        "./d",
        "a column is called -1.5e-05, which is a value",
    ),
    "CSV without a header, of texts": (
        {"u.csv": 'u1,"[0.5, 1]"\nu2,"[0.5, 2]"\n'},
        "u.csv",
        r"a column is called \[0.5, 1\], which is a value",
    ),
    "CSV that is not UTF-8": (
        {"u.csv": "id,v\né,1\n".encode("latin-1")},
        "u.csv",
        r"CSV Error on Line: \d, file = u.csv: Invalid unicode",
    ),
    "CSV with a longer row": (
        {"u.csv": "id,v\n" + "1,2\n" * MANY + "2,3,4\n"},
        "u.csv",
        'sniffing file "u.csv"',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_are_refused(case: str, engine: DuckDBEngine) -> None:
    content, relation, message = REFUSED[case]
    write(content)

    def read() -> None:
        engine.describe(relation)
        engine.query(f"SELECT * FROM {relations.named(relation, DUCKDB)}")

    with pytest.raises(SqlstabError, match=message) as caught:
        read()
    assert caught.value.exit_code != EngineError.exit_code
    assert "Try setting" not in str(caught.value)


CSV = files._CSV
# Files, the relation, and its text.
TEXTS: dict[str, tuple[dict[str, Content], str, str]] = {
    "a file": (
        {"a.parquet": P},
        "a.parquet",
        "read_parquet('a.parquet', hive_partitioning = false)",
    ),
    "none yet": ({}, "./a.parquet", "read_parquet('./a.parquet')"),
    "CSV": ({"a.csv": "id\n"}, "a.csv", f"read_csv('a.csv', {CSV}, hive_partitioning = false)"),
    "JSON": (
        {"it's.jsonl": lines({"id": "x", "e'0": 1.5})},
        "it's.jsonl",
        "read_json('it''s.jsonl', columns = {'id': 'VARCHAR', 'e''0': 'DOUBLE'}, "
        "hive_partitioning = false)",
    ),
    "a pattern": ({}, "day=*/x.csv", f"read_csv('day=*/x.csv', {CSV}, union_by_name = true)"),
    "partitions": (
        {"d/ds=1/h=2/a.snappy.parquet": P, "d/ds=2/h=3/b.parquet": P},
        "./d",
        "read_parquet('d/ds=*/h=*/*.parquet', union_by_name = true)",
    ),
    "hidden files that the plain pattern would take": (
        {"d/ds=1/0_0": P, "d/ds=2/0_0": P, "d/ds=2/.0_0.crc": ""},
        "./d",
        "read_parquet('d/ds=*/[!._]*', union_by_name = true)",
    ),
    "hidden folders that a pattern would take": (
        {"d/ds=1/a.parquet": P, "d/ds=2/b.parquet": P, "d/ds=2/_x=.parquet/": None},
        "./d",
        "read_parquet('d/ds=*/*.parquet', union_by_name = true)",
    ),
    "several endings": (
        {"d/a.parquet": P, "d/b.pq": P, "d/_c": P},
        "./d",
        "read_parquet('d/[!._]*', union_by_name = true)",
    ),
    "a list": (
        {"a[1].parquet": P, "b.parquet": P},
        "a[1].parquet,b.parquet",
        "read_parquet(['a[[]1].parquet', 'b.parquet'], union_by_name = true)",
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_relations_as_text(case: str) -> None:
    content, relation, text = TEXTS[case]
    write(content)
    assert relations.named(relation, DUCKDB) == text


def test_scores_of_files_of_two_types(rng: np.random.Generator) -> None:
    """Of the first file's type, the second's fifth component would be rounded."""
    users, items = rng.standard_normal((60, 8)), rng.standard_normal((40, 8))
    users[:30, 5] = rng.integers(-2, 3, 30)
    for name, rows in (("a", slice(30)), ("b", slice(30, 60))):
        columns = {f"e{k}": users[rows, k] for k in range(8)}
        columns["e5"] = columns["e5"].astype(int) if name == "a" else columns["e5"]
        write({f"d/{name}.parquet": {"id": np.arange(60)[rows], **columns}})
    run = stabilize(Path("d"), (np.arange(40), items))
    stable = {
        side: getattr(run, side).arrow().sort_by("id").drop(["id"]) for side in ("users", "items")
    }
    left = np.column_stack([column.to_numpy() for column in stable["users"].columns])
    right = np.stack(stable["items"]["embedding"].to_numpy())
    np.testing.assert_allclose(left @ right.T, users @ items.T, atol=1e-5)


def delta(folder: str) -> None:
    """Write a Delta table by hand: two files, of which the second has been removed."""
    write({f"{folder}/ds=1/a.parquet": {"id": [1, 2]}, f"{folder}/ds=1/b.parquet": {"id": [3]}})
    field = {"name": "id", "type": "long", "nullable": True, "metadata": {}}
    schema = json.dumps({"type": "struct", "fields": [field, {**field, "name": "ds"}]})
    about = {"id": "0", "format": {"provider": "parquet", "options": {}}, "configuration": {}}
    file = {"partitionValues": {"ds": "1"}, "size": 400, "modificationTime": 0, "dataChange": True}
    first = lines(
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": {**about, "schemaString": schema, "partitionColumns": ["ds"]}},
        *({"add": {"path": f"ds=1/{name}.parquet", **file}} for name in "ab"),
    )
    removed = {"path": "ds=1/b.parquet", "deletionTimestamp": 1, "dataChange": True}
    for version, text in enumerate((first, lines({"remove": removed}))):
        write({f"{folder}/_delta_log/{version:020}.json": text})


@pytest.mark.parametrize(
    "relation",
    [
        "lake/u/ds=1",
        "lake/u/ds=1/",
        "lake/u/ds=1/a.parquet",
        "lake/u/*/*.parquet",
        "lake/u/**/*.parquet",
        "lake/*/*/?.parquet",
        "lake/u/ds=1/[ab].parquet",
        "./lake",
        "./lake/u,./lake/u/ds=1",
    ],
)
def test_a_part_of_a_delta_table_is_refused(relation: str, engine: DuckDBEngine) -> None:
    delta("lake/u")
    with pytest.raises(DataError, match=rf"{Path.cwd()}/lake/u, a table of Delta, .* by filter"):
        engine.describe(relation)


def iceberg(folder: str, *, hint: bool) -> None:
    """Write what a table of Iceberg is known by: three versions, the last one the oldest."""
    for age, version in enumerate(("2", "1", "9")):
        file = f"{folder}/metadata/v{version}.metadata.json"
        write({f"{folder}/data/a.parquet": P, file: "{}"})
        os.utime(file, (1e9 - age, 1e9 - age))
    if hint:
        write({f"{folder}/metadata/version-hint.text": "1"})


@pytest.mark.parametrize(
    ("relation", "kind", "call"),
    [
        ("./lake/u", "Delta", "delta_scan('{0}/lake/u')"),
        ("lake/u/", "Delta", "delta_scan('{0}/lake/u')"),
        ("./lake/i", "Iceberg", "iceberg_scan('{0}/lake/i')"),
        ("lake/i/", "Iceberg", "iceberg_scan('{0}/lake/i')"),
        *(
            (
                f"./lake/{table}/metadata/v1.metadata.json",
                "Iceberg",
                f"iceberg_scan('{{0}}/lake/{table}/metadata/v1.metadata.json')",
            )
            for table in ("i", "c")
        ),
    ],
)
def test_a_table_of_a_lake_is_read_by_duckdbs_extension(
    relation: str, kind: str, call: str, tmp_path: Path
) -> None:
    """`make test-lakes` reads them."""
    delta("lake/u")
    iceberg("lake/i", hint=True)
    iceberg("lake/c", hint=False)
    assert relations.named(relation, DUCKDB) == call.format(Path.cwd())
    (tmp_path / "extensions").mkdir()
    config = {"extension_directory": str(tmp_path / "extensions")}
    with duckdb.connect(config=config) as session:
        before = session.sql("SELECT * FROM duckdb_settings() ORDER BY name").fetchall()
        engine = DuckDBEngine(connection=session)
        name = kind.lower()
        message = (
            rf"/lake/.* is a table of {kind}, .* extension {name}, which reads it, is not "
            rf"installed\. Run INSTALL {name} in DuckDB .*to_(pyarrow_table|arrow)\(\)\."
        )
        with pytest.raises(DataError, match=message):
            engine.describe(relation)
        assert session.sql("SELECT * FROM duckdb_settings() ORDER BY name").fetchall() == before
    # Nothing was downloaded.
    assert not list((tmp_path / "extensions").rglob("*"))


def test_of_a_table_of_iceberg_the_version_is_to_be_known(engine: DuckDBEngine) -> None:
    iceberg("lake/c", hint=False)
    with pytest.raises(DataError, match=rf"its version: .* {Path.cwd()}/lake/c/metadata/v2\.meta"):
        engine.describe("./lake/c")


@pytest.mark.parametrize("hint", [True, False])
@pytest.mark.parametrize("relation", ["lake/i/data", "lake/i/*/*.parquet", "lake/i/data/a.parquet"])
def test_a_part_of_a_table_of_iceberg_is_refused(
    relation: str, engine: DuckDBEngine, *, hint: bool
) -> None:
    iceberg("lake/i", hint=hint)
    with pytest.raises(DataError, match=rf"{Path.cwd()}/lake/i, a table of Iceberg, .* by filter"):
        engine.describe(relation)


@pytest.mark.parametrize(
    ("marker", "kind"),
    [
        (".hoodie/hoodie.properties", "Hudi"),
        ("_spark_metadata/0", "Spark's streaming sink"),
    ],
)
@pytest.mark.parametrize("relation", ["./t", "t/data/a.parquet", "t/data/*", "./t/data", "*/*/a.*"])
def test_other_tables_of_a_lake_are_refused(
    marker: str, kind: str, relation: str, engine: DuckDBEngine
) -> None:
    write({"t/data/a.parquet": P, f"t/{marker}": "{}"})
    with pytest.raises(DataError, match=rf"has files of {Path.cwd()}/t, a table of {kind}"):
        engine.describe(relation)


def test_a_day_of_hive(rng: np.random.Generator) -> None:
    """The rows of the run are those below its folder, and the stable table has its column."""
    vectors = rng.standard_normal((50, 4))
    for day, count in (("2026-11-29", 50), ("2026-11-30", 40)):
        folder = Path(f"users/ds={day}")
        folder.mkdir(parents=True)
        write_vectors(folder / "000000_0", vectors[:count])
        (folder / ".000000_0.crc").touch()
    Path("users/_SUCCESS").touch()
    items = EmbeddingTable(write_vectors(Path("items.parquet"), vectors[:30]), dated=False)
    space = Space("space")
    for day, count in (("2026-11-29", 50), ("2026-11-30", 40)):
        run = space.run(Path("users"), items, key=f"ds={day}")
        assert run.figures["tables"]["users"]["rows"] == count
    newest = duckdb.sql(
        "SELECT ds, count(*) FROM read_parquet('space/*/users.parquet', hive_partitioning = true) "
        "GROUP BY ds ORDER BY ds"
    ).fetchall()
    assert newest == [(dt.date(2026, 11, 29), 50), (dt.date(2026, 11, 30), 40)]


def test_lists_of_files(rng: np.random.Generator, tmp_path: Path) -> None:
    vectors = rng.standard_normal((60, 4))
    for name, rows in (("a", slice(35)), ("b", slice(35, 60))):
        write_vectors(Path(f"{name}.parquet"), vectors[rows], np.arange(60)[rows])
    both = [Path("a.parquet"), "b.parquet"]
    for users in (both, EmbeddingTable(both), "a.parquet,b.parquet"):
        assert stabilize(users, "a.parquet").figures["tables"]["users"]["rows"] == 60
    options = "--users", "a.parquet,b.parquet", "--items", "b.parquet"
    invoke("run", *options, "--space", "s", "-q")
    assert len(next(Path("s").glob("*/users.parquet")).parents) == 3
    # What is printed reads what a run reads.
    done = invoke("sql", "gram", "--dialect", "duckdb", *options, "--dimension", 4)
    assert f"FROM {relations.named('a.parquet,b.parquet', DUCKDB)} AS t" in done.stdout
    (tmp_path / "jobs").mkdir()
    for written in ("'../a.parquet, ../b.parquet'", "['../a.parquet', '../b.parquet']"):
        text = f"[users]\ntable = {written}\n[items]\ntable = 'i.parquet'\n[space]\nname = 's'\n"
        Path("jobs/sqlstab.toml").write_text(text)
        relation = Project.load(Path("jobs/sqlstab.toml"), {}).tables["users"].relation
        assert files.split(relation) == ["jobs/../a.parquet", "jobs/../b.parquet"]
    for wrong in ([], ["a,b.parquet"], [1], [None]):
        with pytest.raises(UsageError, match=r"comma|must be the name of a table, a path"):
            EmbeddingTable(wrong)


@pytest.mark.parametrize("relation", ["./d", "d/ds=1/a.parquet,d/ds=2/b.parquet"])
def test_there_is_room_for_the_largest_of_several(
    relation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_engine, "_MEMORY_LIMIT", 12 * 10**6)
    vectors = np.random.default_rng(0).standard_normal((8000, 400))
    for name, rows in (("ds=1/a", 8000), ("ds=2/b", 10)):
        Path(f"d/{name}").parent.mkdir(parents=True)
        write_vectors(Path(f"d/{name}.parquet"), vectors[:rows])

    def limit() -> float:
        engine = DuckDBEngine(threads=1)
        engine.describe(relation)
        limit = engine.query("SELECT current_setting('memory_limit') AS it")[0]["it"]
        engine.close()
        return float(limit.removesuffix(" MiB")) * 2**20

    # Three times one page, of the 24 and more that pyarrow makes of 26 MB.
    assert 12 * 10**6 + 3 * 2**20 < limit() < vectors.nbytes
    rows = "read_parquet('d/ds=1/a.parquet', hive_partitioning = false)"
    duckdb.execute(f"COPY (FROM {rows}) TO 'd/ds=1/a.parquet' (COMPRESSION uncompressed)")
    # DuckDB makes one of them all; ids add a little.
    assert 3 * vectors.nbytes < limit() < 4 * vectors.nbytes


def test_a_space_in_the_directory_of_a_table() -> None:
    """A later run must not read what an earlier one wrote."""
    rng = np.random.default_rng(1)
    for side in ("users", "items"):
        Path(side).mkdir()
        write_vectors(Path(side) / "part-0.parquet", rng.standard_normal((30, 3)))
    Space("users/space").run(Path("users"), Path("items"), key="1")
    with pytest.raises(SqlstabError, match="users/space/run=1 is the directory of a model"):
        Space("users/space").run(Path("users"), Path("items"), key="2")


def parquet(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
    return path


def test_columns_that_differ_in_case(tmp_path: Path) -> None:
    """DuckDB takes the first one for both."""
    vectors = [[1.0, 2.0]] * 2
    path = parquet(tmp_path / "v.parquet", ID=[1, 2], id=[3, 4], embedding=vectors)
    with (
        connect(None) as engine,
        pytest.raises(DataError, match=r"several columns called .* in case"),
    ):
        engine.describe(str(path))


def test_a_column_that_is_a_folder_as_well(tmp_path: Path) -> None:
    """DuckDB takes the folder's value; of one file, the file's own."""
    path = parquet(tmp_path / "items" / "item_id=3" / "a.parquet", item_id=[103], e=[[1.0, 2.0]])
    with connect(None) as engine:
        with pytest.raises(DataError, match=r"item_id is a column .* and the name of its folder"):
            engine.describe(f"{tmp_path}/items")
        assert [column.name for column in engine.describe(str(path))] == ["item_id", "e"]


@pytest.mark.parametrize("written", ["0x10", "0b11", "-0", " 5", "7 "])
def test_numbers_of_csv_that_are_written_otherwise(tmp_path: Path, written: str) -> None:
    path = tmp_path / "ids.csv"
    path.write_text(f"id,e0,e1\n{written},0.5,1\n")
    with (
        connect(None) as engine,
        pytest.raises(DataError, match=r"the column id has .* digits alone"),
    ):
        engine.describe(str(path))
    path.write_text("id,e0,e1\n-12,0.5,1\n0,-0.5,2\n,1,1\n")
    with connect(None) as engine:
        assert [column.type for column in engine.describe(str(path))][:2] == ["BIGINT", "DOUBLE"]
