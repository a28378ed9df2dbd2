"""`sqlstab solve`: whatever a client printed, read or refused."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from invoke import invoke

from sqlstab import Options, Transform, stabilize
from sqlstab.sums import Source, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Row = dict[str, Any]
SIZE = 3


def products(side: str, x: np.ndarray, y: np.ndarray | None = None) -> list[Row]:
    """The rows that a database gives for x'x, or for x'y."""
    matrix = x.T @ (x if y is None else y)
    return [
        {"side": side, "i": i + 1, "j": j + 1, "value": float(value), "n_rows": len(x)}
        for (i, j), value in np.ndenumerate(matrix)
        if y is not None or i <= j
    ]


@pytest.fixture
def gram(rng: np.random.Generator) -> list[Row]:
    return [
        *products("users", rng.standard_normal((50, SIZE))),
        *products("items", rng.standard_normal((20, SIZE))),
    ]


def csv_of(rows: list[Row], **options: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", **options)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def upper(rows: list[Row]) -> list[Row]:
    return [{name.upper(): value for name, value in row.items()} for row in rows]


def strings(rows: list[Row]) -> list[Row]:
    return [{name: str(value) for name, value in row.items()} for row in rows]


def without_header(text: str) -> str:
    return text.split("\n", 1)[1]


CLIENTS: dict[str, Callable[[list[Row]], str]] = {
    "duckdb -json": lambda rows: "[" + ",\n".join(map(json.dumps, rows)) + "]\n",
    "duckdb -json, two statements": lambda rows: json.dumps(rows[:6]) + "\n" + json.dumps(rows[6:]),
    "duckdb -jsonlines": lambda rows: "\n".join(map(json.dumps, rows)),
    "duckdb -csv": csv_of,
    "psql --csv, two statements": lambda rows: csv_of(rows[:6]) + csv_of(rows[6:]),
    "bq --format=csv": lambda rows: "\n" + csv_of(rows),
    "bq --format=prettyjson": lambda rows: json.dumps(strings(rows), indent=2),
    "snowsql csv": lambda rows: csv_of(upper(rows), quoting=csv.QUOTE_ALL),
    "snowsql json": lambda rows: json.dumps(upper(strings(rows))),
    "clickhouse JSON": lambda rows: json.dumps(
        {
            "meta": [{"name": name, "type": "Float64"} for name in rows[0]],
            "data": [{**row, "n_rows": str(row["n_rows"])} for row in rows],
            "rows": len(rows),
            "statistics": {"elapsed": 0.1},
        },
        indent="\t",
    ),
    "clickhouse JSONCompact": lambda rows: json.dumps(
        {
            "meta": [{"name": name} for name in rows[0]],
            "data": [list(row.values()) for row in rows],
        }
    ),
    "clickhouse JSONEachRow": lambda rows: "\n".join(map(json.dumps, rows)) + "\n",
    "clickhouse CSVWithNames": lambda rows: csv_of(rows, quoting=csv.QUOTE_NONNUMERIC),
    "trino CSV_HEADER": lambda rows: csv_of(rows, quoting=csv.QUOTE_ALL),
    "trino CSV": lambda rows: without_header(csv_of(rows, quoting=csv.QUOTE_ALL)),
    "spark-sql": lambda rows: csv_of(rows, delimiter="\t"),
    "Windows": lambda rows: "\ufeff" + csv_of(rows).replace("\n", "\r\n"),
    "Europe": lambda rows: csv_of(rows, delimiter=";"),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_clients_print(gram: list[Row], client: str) -> None:
    """The same matrices to the last digit, whoever printed them."""
    found = load([Source("sums", CLIENTS[client](gram).encode(), "gram")], None)
    for row in gram:
        i, j = row["i"] - 1, row["j"] - 1
        matrix = found.grams[row["side"]]
        assert matrix.matrix[i, j] == matrix.matrix[j, i] == row["value"]
        assert matrix.rows == row["n_rows"]


def test_parquet_and_utf16(gram: list[Row]) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(gram), buffer)
    want = load([Source("sums", csv_of(gram).encode(), "gram")], None)
    for data in (buffer.getvalue(), csv_of(gram).encode("utf-16")):
        found = load([Source("sums", data, "gram")], None)
        assert (found.grams["users"].matrix == want.grams["users"].matrix).all()
    with pytest.raises(Exception, match="no whole Parquet file"):
        load([Source("sums", buffer.getvalue()[:200], "gram")], None)


def changed(rows: list[Row], at: int, **values: Any) -> list[Row]:
    return [{**row, **values} if n == at else row for n, row in enumerate(rows)]


BAD: dict[str, tuple[Callable[[list[Row]], str | list[Row]], str]] = {
    "nothing": (lambda rows: "", "there are no rows; give it the output of sqlstab render gram"),
    "a table with frames": (lambda rows: "+---+\n| 1 |", "line 1: .*neither JSON nor a header"),
    "a footer": (lambda rows: csv_of(rows) + "(12 rows)\n", "line 14: '\\(12 rows\\)' has 1 col"),
    "cut JSON": (lambda rows: json.dumps(rows)[:-9], "line 1: this is no JSON"),
    "numbers in JSON": (lambda rows: "[1, 2]", "row 1: 1 is no object"),
    "no n_rows": (
        lambda rows: [{k: v for k, v in row.items() if k != "n_rows"} for row in rows],
        "no column n_rows among side, i, j, value",
    ),
    "a side": (
        lambda rows: changed(rows, 2, side="movies"),
        "row 3: the side is 'movies'; it can be users or items",
    ),
    "an index": (lambda rows: changed(rows, 3, i=0), "row 4: i is 0, not a whole number from 1"),
    "half an index": (lambda rows: changed(rows, 3, j=1.5), "row 4: j is 1.5, not a whole"),
    "NULL": (lambda rows: changed(rows, 4, value=None), "row 5: the value is NULL"),
    "text": (lambda rows: changed(rows, 4, value="1,5"), "row 5: the value is '1,5', which is no"),
    "NaN": (lambda rows: changed(rows, 4, value=float("nan")), "row 5: the value is nan, not fin"),
    "infinite": (lambda rows: changed(rows, 4, value="Infinity"), "row 5: .*not finite"),
    "huge": (
        lambda rows: changed(rows, 4, value="9" * 5000),
        r"row 5: the value is '9{59}\.\.\., not finite",
    ),
    "one missing": (
        lambda rows: rows[:4] + rows[5:],
        "the users has 5 of 6 entries; i = 2, j = 3 is the first that is missing",
    ),
    "a side missing": (lambda rows: rows[:6], "no Gram matrix of the items"),
    "twice": (
        lambda rows: [*rows, rows[3], rows[4]],
        r"row 13: .* i = 2, j = 2 a second time \(after row 4\); 2 entries",
    ),
    "other rows": (
        lambda rows: changed(rows, 5, n_rows=49),
        "row 6: .*a sum over 49 rows here, and over 50 in row 1",
    ),
    "no rows summed": (
        lambda rows: [{**row, "n_rows": 0} for row in rows],
        "row 1: .*a sum over no rows",
    ),
    "a cross Gram": (
        lambda rows: [*rows, {**rows[1], "i": 3, "j": 1}],
        r"row 13: .* 1 entries with i > j, .*were --gram and --cross mixed up",
    ),
    "dimensions": (
        lambda rows: rows[:3] + rows[3:4] + [rows[4]] + [rows[5]] + products("items", np.eye(2)),
        "users has 3 dimensions, that of the items 2",
    ),
    "a negative square": (
        lambda rows: changed(rows, 0, value=-1.0),
        "the users is not positive semidefinite",
    ),
    "too large a product": (
        lambda rows: changed(rows, 1, value=1e6),
        "the users is not positive semidefinite .*Print all 17 digits",
    ),
}


@pytest.mark.parametrize("problem", BAD)
def test_what_is_refused(tmp_path: Path, gram: list[Row], problem: str) -> None:
    """One error, with the file, the place, the count, and what to do."""
    make, message = BAD[problem]
    made = make(gram)
    path = tmp_path / "sums.json"
    path.write_text(made if isinstance(made, str) else json.dumps(made))
    done = invoke("solve", "--gram", path, "--out", tmp_path / "t.json", code=4)
    assert "sums.json" in done.stderr
    assert re.search(message, done.stderr, re.DOTALL), done.stderr
    assert not (tmp_path / "t.json").exists()


@pytest.fixture
def sums(tmp_path: Path, model: Any) -> dict[str, Any]:
    """Two runs, the second aligned with the first, and their sums as a client prints them."""
    monday = model("monday", dtype=np.float64)
    tuesday = model("tuesday", dtype=np.float64, rotate=monday)
    first = stabilize(
        monday / "users.parquet", monday / "items.parquet", out=tmp_path / "stable_monday"
    )
    found: dict[str, Any] = {"first": first, "tuesday": tuesday, "monday": monday}
    with duckdb.connect() as connection:
        for name, folder in (("gram_monday", monday), ("gram_tuesday", tuesday)):
            tables = ["--users", folder / "users.parquet", "--items", folder / "items.parquet"]
            text = invoke(
                "render", "gram", "--dialect", "duckdb", *tables, "--dimension", 6,
                "--element", "double",
            ).stdout  # fmt: skip
            found[name] = tmp_path / f"{name}.csv"
            pa.csv.write_csv(connection.sql(text).to_arrow_table(), found[name])
        for side in ("users", "items"):
            stable = tmp_path / "stable_monday" / f"{side}.parquet"
            tables = [f"--{side}", tuesday / f"{side}.parquet", f"--{side}-reference", stable]
            text = invoke(
                "render", "cross-gram", "--dialect", "duckdb", *tables, "--dimension", 6,
                "--element", "double",
            ).stdout  # fmt: skip
            found[side] = tmp_path / f"cross_{side}.csv"
            pa.csv.write_csv(connection.sql(text).to_arrow_table(), found[side])
    return found


def same(found: Transform, want: Transform, tolerance: float = 1e-11) -> None:
    for side in ("users", "items"):
        x, y = getattr(found, side).matrix, getattr(want, side).matrix
        assert np.abs(x - y).max() < tolerance * np.abs(y).max()
        assert getattr(found, side).invertible == getattr(want, side).invertible
    assert np.allclose(found.singular_values, want.singular_values, rtol=1e-11)


def test_a_first_run(sums: dict[str, Any]) -> None:
    done = invoke("solve", stdin=sums["gram_monday"].read_bytes())
    same(Transform.from_json(done.stdout, "stdout"), sums["first"].transform)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("files", "given", "anchor"),
    [
        (["items"], None, "items"),
        (["users"], None, "users"),
        (["items", "users"], None, "both"),
        (["items", "users"], "items", "items"),
        (["items", "users"], "items=1,users=0.1", "items=1,users=0.1"),
    ],
)
def test_with_a_reference(
    tmp_path: Path, sums: dict[str, Any], files: list[str], given: str | None, anchor: str
) -> None:
    """The same maps as those of `stabilize`, whichever side holds the space in place."""
    tuesday, monday = sums["tuesday"], tmp_path / "stable_monday"
    want = stabilize(
        tuesday / "users.parquet",
        tuesday / "items.parquet",
        monday,
        options=Options(anchor=anchor),
    )
    arguments = [part for name in files for part in ("--cross", sums[name])]
    arguments += ["--anchor", given] if given else []
    out = tmp_path / "tuesday.json"
    done = invoke(
        "solve", "--gram", sums["gram_tuesday"], *arguments, "--reference", monday, "--out", out
    )
    assert done.stdout == ""
    found = Transform.load(out)
    same(found, want.transform)
    assert found.reference == sums["first"].run_id
    # A saved transform is as good a reference as a run directory.
    again = invoke(
        "solve", "--gram", sums["gram_tuesday"], *arguments,
        "--reference", monday / "transform.json", "--run-id", found.run_id,
    )  # fmt: skip
    assert again.stdout == out.read_text()


def test_rank(tmp_path: Path, sums: dict[str, Any]) -> None:
    done = invoke("solve", "--gram", sums["gram_monday"], "--rank", 2)
    monday = sums["monday"]
    want = stabilize(monday / "users.parquet", monday / "items.parquet", options=Options(rank=2))
    same(Transform.from_json(done.stdout, "stdout"), want.transform)


def test_rows_in_every_format(tmp_path: Path, sums: dict[str, Any]) -> None:
    arguments = ["solve", "--gram", sums["gram_monday"], "--run-id", "it's"]
    want = Transform.from_json(invoke(*arguments).stdout, "stdout")
    tables = {
        "csv": pa.csv.read_csv(io.BytesIO(invoke(*arguments, "--format", "csv").data)),
        "parquet": pq.read_table(io.BytesIO(invoke(*arguments, "--format", "parquet").data)),
    }
    sql = ["--format", "sql", "--dialect", "duckdb", "--transform-table", "transforms"]
    with duckdb.connect() as connection:
        connection.execute(invoke(*arguments, *sql, "--create").stdout)
        tables["sql"] = connection.sql("FROM transforms").to_arrow_table()
        connection.execute(invoke(*arguments, *sql, "--quiet").stdout)
        assert connection.execute("SELECT count(*) FROM transforms").fetchone() == (144,)
    for table in tables.values():
        assert table.column_names == ["run_id", "side", "i", "j", "value"]
        assert table.num_rows == 72
        for row in table.to_pylist():
            assert row["run_id"] == "it's"
            assert row["value"] == getattr(want, row["side"]).matrix[row["i"] - 1, row["j"] - 1]


def test_rows_beside_the_file(tmp_path: Path, sums: dict[str, Any]) -> None:
    out = tmp_path / "t.json"
    done = invoke("solve", "--gram", sums["gram_monday"], "--out", out, "--format", "csv")
    assert done.stdout.startswith("run_id,side,i,j,value\n")
    assert Transform.load(out).run_id in done.stdout


def test_what_does_not_belong_together(tmp_path: Path, sums: dict[str, Any]) -> None:
    monday = tmp_path / "stable_monday"
    gram, items = ["--gram", sums["gram_tuesday"]], ["--cross", sums["items"]]
    reference = ["--reference", monday]

    def refused(message: str, *arguments: Any, code: int = 4, stdin: Any = "") -> None:
        assert message in invoke("solve", *arguments, code=code, stdin=stdin).stderr

    refused("no Gram matrix of the users beside the cross", "--cross", "-", *reference,
            stdin=sums["items"].read_bytes())  # fmt: skip
    refused("standard input: there are no rows", *items, *reference)
    refused("no reference: name the run", *gram, *items)
    refused("no cross Gram matrix to stay in the space", *gram, *reference)
    refused("--cross mixed up", "--gram", sums["items"], "--cross", sums["gram_tuesday"],
            *reference)  # fmt: skip
    refused("--anchor items", *gram, *items, *reference, "--anchor", "both")
    refused("cannot be read", "--gram", tmp_path / "none.csv")
    refused("--format sql needs", *gram, "--format", "sql", code=2)
    refused("are of --format sql", *gram, "--dialect", "duckdb", code=2)
    refused("--anchor is of use", *gram, "--anchor", "both", code=2)
    refused("can be one of", "--gram", "-", "--cross", "-", *reference, code=2)
    text = sums["items"].read_text()
    twice = tmp_path / "twice.csv"
    twice.write_text(text.replace(",90", ",900"))
    refused("ids stand twice", *gram, "--cross", twice, *reference)
    taller = tmp_path / "taller.csv"
    taller.write_text(text + text.splitlines()[1].replace("1,1,", "1,9,", 1) + "\n")
    refused("has 6 x 9 entries", *gram, "--cross", taller, *reference)
    zero = tmp_path / "zero.csv"
    rows = [{**row, "value": 0.0} for row in csv.DictReader(text.splitlines())]
    zero.write_text(csv_of(rows))
    refused("nothing to align", *gram, "--cross", zero, *reference)
    assert (
        "cannot be written"
        in invoke("solve", *gram, "--out", tmp_path / "no" / "t.json", code=3).stderr
    )


def test_warnings_go_to_stderr(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.standard_normal((50, SIZE))
    flat = products("users", x) + products("items", x @ np.diag([1.0, 1.0, 0.0]))
    assert "dimensions carry none" in invoke("solve", stdin=csv_of(flat)).stderr
    near = products("users", x @ np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1e-8]])) + products(
        "items", x
    )
    done = invoke("solve", stdin=csv_of(near))
    assert "nearly dependent" in done.stderr
    assert Transform.from_json(done.stdout, "stdout")
    assert invoke("solve", "-q", stdin=csv_of(near)).stderr == ""


def test_rounded_numbers_are_noticed(rng: np.random.Generator) -> None:
    x = rng.standard_normal((50, SIZE)) @ np.array([[1, 1, 1], [0, 1e-5, 0], [0, 0, 1e-5]])
    rows = products("users", x) + products("items", x)
    load([Source("sums", csv_of(rows).encode(), "gram")], None)
    rounded = [{**row, "value": float(f"{row['value']:.9g}")} for row in rows]
    with pytest.raises(Exception, match="not positive semidefinite"):
        load([Source("sums", csv_of(rounded).encode(), "gram")], None)
