"""`sqlstab solve`: maps from sums that a client printed; what cannot be is refused."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from invoke import invoke

from sqlstab import DataError, Maps, Options, Space
from sqlstab.flow.saved import Source, load, solved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Row = dict[str, Any]
SIZE = 3


def products(side: str, x: np.ndarray) -> list[Row]:
    """The rows that a database gives for x'x."""
    return [
        {"side": side, "i": i + 1, "j": j + 1, "value": float(value), "n_rows": len(x)}
        for (i, j), value in np.ndenumerate(x.T @ x)
        if i <= j
    ]


def shared(side: str, x: np.ndarray, y: np.ndarray) -> list[Row]:
    """The rows that a database gives for shared ids, of which each other one is in a half."""
    found = []
    for half in (0, 1):
        a, b = x[half::2], y[half::2]
        ones = np.ones((len(a), 1))
        sums = {
            "cross": np.hstack([a, ones]).T @ np.hstack([b, ones]),
            "run": a.T @ a,
            "reference": b.T @ b,
        }
        for kind, matrix in sums.items():
            found += [
                {
                    "kind": kind,
                    "side": side,
                    "half": half,
                    "i": i + 1,
                    "j": j + 1,
                    "value": float(value),
                    "n_rows": len(a),
                }
                for (i, j), value in np.ndenumerate(matrix)
                if i <= j or kind == "cross"
            ]
    return found


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


def parquet_of(rows: list[Row]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def upper(rows: list[Row]) -> list[Row]:
    return [{name.upper(): value for name, value in row.items()} for row in rows]


def strings(rows: list[Row]) -> list[Row]:
    return [{name: str(value) for name, value in row.items()} for row in rows]


FORMATS: dict[str, Callable[[list[Row]], str | bytes]] = {
    "one array": lambda rows: "[" + ",\n".join(map(json.dumps, rows)) + "]\n",
    "arrays": lambda rows: json.dumps(rows[:6]) + "\n" + json.dumps(rows[6:]),
    "lines": lambda rows: "\n".join(map(json.dumps, rows)) + "\n",
    "strings": lambda rows: json.dumps(upper(strings(rows)), indent=2),
    "csv": csv_of,
    "csv twice": lambda rows: csv_of(rows[:6]) + "\n" + csv_of(rows[6:]),
    "quoted csv": lambda rows: csv_of(upper(rows), quoting=csv.QUOTE_ALL),
    "Windows": lambda rows: "\ufeff" + csv_of(rows).replace("\n", "\r\n"),
    "parquet": parquet_of,
}


def source(data: str | bytes, kind: Any = "gram") -> Source:
    return Source("sums", data.encode() if isinstance(data, str) else data, kind)


@pytest.mark.parametrize("form", FORMATS)
def test_formats(gram: list[Row], form: str) -> None:
    """The same matrices to the last digit."""
    found = load([source(FORMATS[form](gram))])
    for row in gram:
        i, j = row["i"] - 1, row["j"] - 1
        matrix = found.grams[row["side"]]
        assert matrix.matrix[i, j] == matrix.matrix[j, i] == row["value"]
        assert matrix.rows == row["n_rows"]


def changed(rows: list[Row], at: int, **values: Any) -> list[Row]:
    return [{**row, **values} if n == at else row for n, row in enumerate(rows)]


BAD: dict[str, tuple[Callable[[list[Row]], str | list[Row]], str]] = {
    "nothing": (lambda rows: "", "there are no rows; give it the output of sqlstab sql gram"),
    "a table with frames": (lambda rows: "+---+\n| 1 |", "line 1: .*neither JSON nor a header"),
    "no header": (
        lambda rows: csv_of(rows).split("\n", 1)[1],
        "line 1: 'users, 1, 1, .* is neither JSON nor a header",
    ),
    "a footer": (lambda rows: csv_of(rows) + "(12 rows)\n", "line 14: '\\(12 rows\\)' has 1 col"),
    "cut JSON": (lambda rows: json.dumps(rows)[:-9], "line 1: this is not JSON"),
    "numbers in JSON": (lambda rows: "[1, 2]", "row 1: 1 is not an object"),
    "a key twice": (lambda rows: '{"side": 1, "side": 2}', "row 1 on: the key 'side' stands"),
    "no n_rows": (
        lambda rows: [{k: v for k, v in row.items() if k != "n_rows"} for row in rows],
        "no column n_rows among side, i, j, value",
    ),
    "a side": (lambda rows: changed(rows, 2, side="movies"), "row 3: the side is 'movies'"),
    "a kind": (lambda rows: changed(rows, 2, kind="sum"), "row 3: the kind is 'sum'"),
    "an index": (lambda rows: changed(rows, 3, i=0), "row 4: i is 0, not a whole number from 1"),
    "half an index": (lambda rows: changed(rows, 3, j=1.5), "row 4: j is 1.5, not a whole"),
    "NULL": (lambda rows: changed(rows, 4, value=None), "row 5: the value is NULL"),
    "text": (lambda rows: changed(rows, 4, value="1,5"), "row 5: the value is '1,5', which is not"),
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
        lambda rows: [*rows, rows[3]],
        r"row 13: .* i = 2, j = 2 a second time \(after sums.json, row 4\)",
    ),
    "other rows": (
        lambda rows: changed(rows, 5, n_rows=49),
        "row 6: .*a sum over 49 rows here, and over 50 in sums.json, row 1",
    ),
    "no rows summed": (
        lambda rows: [{**row, "n_rows": 0} for row in rows],
        "row 1: .*a sum over no rows",
    ),
    "a cross Gram": (
        lambda rows: [*rows, {**rows[1], "i": 3, "j": 1}],
        r"row 13: .* an entry with i > j, .*were --gram and --cross mixed up",
    ),
    "dimensions": (
        lambda rows: rows[:6] + products("items", np.eye(2)),
        "users has 3 dimensions, that of the items 2",
    ),
    "a negative square": (
        lambda rows: changed(rows, 0, value=-1.0),
        "the users is not positive semidefinite",
    ),
    "two runs": (
        lambda rows: [{**row, "run": row["side"]} for row in rows],
        "sums of several runs, sums.json, row 1 of run users and sums.json, row 7 of run items",
    ),
    "a run that is not named": (
        lambda rows: [{**row, "run": "b"} if n else row for n, row in enumerate(rows)],
        "row 1 of a run without a key and sums.json, row 2 of run b: .* with the same --run",
    ),
    "another run": (
        lambda rows: [{**row, "run": "b"} for row in rows],
        "the sums of run b, but --run names a",
    ),
    "too large a product": (
        lambda rows: changed(rows, 1, value=1e6),
        "the users is not positive semidefinite .*Print all 17 digits",
    ),
}


@pytest.mark.parametrize("problem", BAD)
def test_what_is_refused(tmp_path: Path, gram: list[Row], problem: str) -> None:
    """One error, with the file, the place, and what to do."""
    make, message = BAD[problem]
    made = make(gram)
    path = tmp_path / "sums.json"
    path.write_text(made if isinstance(made, str) else json.dumps(made))
    out = tmp_path / "t.json"
    done = invoke("solve", "--gram", path, "--run", "a", "--out", out, code=4)
    assert "sums.json" in done.stderr or problem == "another run"
    assert re.search(message, done.stderr.replace(str(tmp_path) + "/", ""), re.DOTALL), done.stderr
    assert not out.exists()


BAD_CROSS: dict[str, tuple[Callable[[list[Row]], list[Row]], str]] = {
    "no half": (
        lambda rows: [{k: v for k, v in row.items() if k != "half"} for row in rows],
        "no column half",
    ),
    "a half": (lambda rows: changed(rows, 1, half=2), "half is 2, not a whole number from 0 to 1"),
    "one missing": (lambda rows: rows[1:], "half 0, has 15 of 16 entries; i = 1, j = 1"),
    "no sums of the run": (
        lambda rows: [row for row in rows if (row["kind"], row["half"]) != ("run", 1)],
        "no Gram matrix of the shared ids",
    ),
    "no cross": (
        lambda rows: [row for row in rows if row["kind"] != "cross"],
        "Gram matrix of the shared ids of the items, but no cross Gram matrix",
    ),
    "half 0 missing": (
        lambda rows: [row for row in rows if row["half"]],
        "there is one half only, over 40 rows, of which some are in the other half",
    ),
    "half 1 missing": (
        lambda rows: [row for row in rows if not row["half"]],
        "there is one half only, over 40 rows, of which some are in the other half",
    ),
    "another run": (
        lambda rows: [{**row, "run": "a"} for row in rows],
        "of a run without a key and sums, row 1 of run a",
    ),
    "another dimension": (
        lambda rows: shared("items", np.eye(4), np.eye(4)),
        "has 5 rows, but 3 components and the constant 1 make 4",
    ),
    "zero": (
        lambda rows: [{**row, "value": 0.0} for row in rows if row["kind"] == "cross"],
        "its entries are zero",
    ),
}


@pytest.mark.parametrize("problem", BAD_CROSS)
def test_what_is_refused_of_shared_sums(
    gram: list[Row], problem: str, rng: np.random.Generator
) -> None:
    make, message = BAD_CROSS[problem]
    x, y = rng.standard_normal((2, 80, SIZE))
    rows = make(shared("items", x, y))
    with pytest.raises(DataError, match=message):
        solved(load([source(csv_of(gram)), source(json.dumps(rows), "cross")]))


def test_few_ids_may_all_be_in_one_half(gram: list[Row], rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((2, 16, SIZE))
    rows = [row for row in shared("items", x, y) if row["half"]]
    assert load([source(csv_of(gram)), source(json.dumps(rows), "cross")]).shared == {"items": 8}


@pytest.fixture
def sums(tmp_path: Path, model: Any) -> dict[str, Any]:
    """Two runs in a space, the second aligned with the first, and their sums by a client."""
    space = Space(tmp_path / "space")
    found: dict[str, Any] = {"space": space}
    for key in ("a", "b"):
        folder = model(key, dtype=np.float64, rotate=found.get("a"))
        found[key] = folder
        tables = folder / "users.parquet", folder / "items.parquet"
        options = (
            *("--dialect", "duckdb", "--users", tables[0], "--items", tables[1]),
            *("--dimension", 6, "--element", "double", "--space", tmp_path / "space"),
            *("--run", key, "--earlier", "a"),
        )
        if key == "a":
            space.run(*tables, key="a")
        found[f"gram {key}"] = saved(
            tmp_path, f"gram_{key}", invoke("sql", "gram", *options).stdout
        )
        for side in ("users", "items"):
            text = invoke("sql", "cross-gram", *options, "--anchor", side).stdout
            found[f"{side} {key}"] = saved(tmp_path, f"{side}_{key}", text)
    return found


def saved(folder: Path, name: str, text: str) -> Path:
    """What the DuckDB command line prints as CSV, of several statements."""
    path = folder / f"{name}.csv"
    parts = []
    with duckdb.connect() as connection:
        for statement in filter(str.strip, text.split(";\n")):
            parts.append(csv_of(connection.sql(statement).to_arrow_table().to_pylist()))
    path.write_text("".join(parts))
    return path


def maps_of(text: str) -> Maps:
    found: dict[str, dict[tuple[int, int], float]] = {}
    for line in text.splitlines():
        row = json.loads(line)
        found.setdefault(row["side"], {})[row["i"] - 1, row["j"] - 1] = row["value"]
    matrices = {}
    for side, entries in found.items():
        matrices[side] = np.zeros(np.max([*entries], axis=0) + 1)
        for place, value in entries.items():
            matrices[side][place] = value
    return Maps.of(matrices)


def same(found: Maps, want: Maps, tolerance: float = 1e-11) -> None:
    for side, matrix in want.matrices.items():
        assert np.abs(found[side].matrix - matrix).max() < tolerance * np.abs(matrix).max()


def test_a_first_run(sums: dict[str, Any]) -> None:
    done = invoke("solve", "--format", "json", stdin=sums["gram a"].read_bytes())
    same(maps_of(done.stdout), sums["space"]["a"].maps)


@pytest.mark.parametrize("anchor", ["items", "users", "both"])
@pytest.mark.parametrize("named", [True, False])
def test_with_a_reference(sums: dict[str, Any], anchor: Any, *, named: bool) -> None:
    """The same maps and the same agreement as those of a run with plain rows."""
    folder = sums["b"]
    run = sums["space"].run(
        folder / "users.parquet",
        folder / "items.parquet",
        key="b",
        options=Options(anchor=anchor, plain_rows=True),
    )
    sides = ("users", "items") if named or anchor == "both" else (anchor,)
    arguments = [part for side in sides for part in ("--cross", sums[f"{side} b"])]
    arguments += ["--anchor", anchor] if named else []
    done = invoke("solve", "--gram", sums["gram b"], *arguments, "--format", "json")
    same(maps_of(done.stdout), run.maps)
    grams = source(sums["gram b"].read_bytes())
    crosses = [source(sums[f"{side} b"].read_bytes(), "cross") for side in ("users", "items")]
    anchors = ("users", "items") if anchor == "both" else (anchor,)
    found = solved(load([grams, *crosses]), anchors).agreement
    assert found is not None
    assert found.value == pytest.approx(run.figures["alignment"]["agreement"], abs=1e-9)
    assert found.verdict == run.figures["alignment"]["verdict"]


def test_without_the_sums_of_each_run_nothing_is_judged(sums: dict[str, Any]) -> None:
    rows = [
        row
        for row in csv.DictReader(sums["items b"].read_text().splitlines())
        if row["kind"] == "cross"
    ]
    plain = [{k: v for k, v in row.items() if k != "kind"} for row in rows]
    every = load(
        [source(sums["gram b"].read_bytes()), source(sums["items b"].read_bytes(), "cross")]
    )
    found = load([source(sums["gram b"].read_bytes()), source(csv_of(plain), "cross")])
    assert solved(found).agreement is None
    same(solved(found).maps, solved(every).maps)


def test_vectors_without_a_second_side(rng: np.random.Generator) -> None:
    x = rng.standard_normal((60, SIZE))
    turn = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    found = solved(load([source(json.dumps(shared("vectors", x, x @ turn)), "cross")]))
    np.testing.assert_allclose(found.maps["vectors"].matrix, turn, atol=1e-12)
    assert found.agreement is not None
    assert found.agreement.verdict == "alignable"
    ranked = solved(load([source(json.dumps(products("vectors", x)))]), rank=2)
    assert ranked.maps.shape == (SIZE, 2)
    assert not ranked.maps["vectors"].invertible


def test_unrelated_vectors_are_told(gram: list[Row], rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((2, 400, SIZE))
    crosses = source(json.dumps(shared("items", x, y)), "cross")
    found = solved(load([source(csv_of(gram)), crosses]))
    assert any("unrelated" in warning for warning in found.warnings)


def test_rank(sums: dict[str, Any], tmp_path: Path) -> None:
    done = invoke("solve", "--gram", sums["gram a"], "--rank", 2, "--format", "json")
    folder = sums["a"]
    space = Space(tmp_path / "ranked")
    run = space.run(
        folder / "users.parquet", folder / "items.parquet", key="a", options=Options(rank=2)
    )
    same(maps_of(done.stdout), run.maps)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_files(sums: dict[str, Any], tmp_path: Path, form: str) -> None:
    out = tmp_path / f"maps.{form}"
    text = sums["gram a"].read_text().replace("\na,", "\nit's,")
    done = invoke("solve", "--run", "it's", "--out", out, stdin=text)
    assert done.stdout == ""
    reader = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}[form]
    with duckdb.connect() as connection:
        rows = connection.sql(f"FROM {reader}('{out}')").to_arrow_table().to_pylist()
    assert list(rows[0]) == ["run", "side", "i", "j", "value"]
    maps = sums["space"]["a"].maps
    assert len(rows) == 72
    for row in rows:
        assert row["run"] == "it's"
        want = maps[row["side"]].matrix[row["i"] - 1, row["j"] - 1]
        assert row["value"] == pytest.approx(want, abs=1e-11)


def test_statements_that_insert_the_maps(sums: dict[str, Any]) -> None:
    done = invoke(
        *("solve", "--gram", sums["gram a"], "--format", "sql", "--dialect", "duckdb"),
        *("--space", "s", "--run", "a"),
    )
    maps = sums["space"]["a"].maps
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE s_maps (run text, side text, i int, j int, value double, feature_of text)"
        )
        connection.execute(done.stdout)
        found = connection.execute("SELECT run, side, i, j, value FROM s_maps").fetchall()
    assert len(found) == 72
    for run, side, i, j, value in found:
        assert run == "a"
        assert value == pytest.approx(maps[side].matrix[i - 1, j - 1], abs=1e-11)


def test_warnings_go_to_stderr(rng: np.random.Generator) -> None:
    x = rng.standard_normal((50, SIZE))
    flat = products("users", x) + products("items", x @ np.diag([1.0, 1.0, 0.0]))
    assert "dimensions carry none" in invoke("solve", stdin=csv_of(flat)).stderr
    skewed = x @ np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1e-8]])
    done = invoke("solve", stdin=csv_of(products("users", skewed) + products("items", x)))
    assert "nearly dependent" in done.stderr
    assert done.stdout


def test_rounded_numbers_are_noticed(rng: np.random.Generator) -> None:
    x = rng.standard_normal((50, SIZE)) @ np.array([[1, 1, 1], [0, 1e-5, 0], [0, 0, 1e-5]])
    rows = products("users", x) + products("items", x)
    load([source(csv_of(rows))])
    rounded = [{**row, "value": float(f"{row['value']:.9g}")} for row in rows]
    with pytest.raises(DataError, match="not positive semidefinite"):
        load([source(csv_of(rounded))])


@pytest.mark.parametrize(
    ("form", "digits"), [("r", 0), (".17g", 0), (".14g", 0), (".9g", 9), (".3g", 3), (".2f", 4)]
)
def test_rounded_numbers_are_told(rng: np.random.Generator, form: str, digits: int) -> None:
    x = rng.standard_normal((50, SIZE))
    rows = products("users", x) + products("items", x)
    spelled = repr if form == "r" else f"{{:{form}}}".format
    said = [{**row, "value": spelled(row["value"])} for row in rows]
    warnings = solved(load([source(csv_of(said))])).warnings
    told = [f"No value in sums has more than {digits} digits" in warning for warning in warnings]
    assert told == ([True] if digits else [])


def test_numbers_that_are_short_are_not_rounded(rng: np.random.Generator) -> None:
    x = rng.integers(-8, 8, (50, SIZE)) / 4
    assert (
        solved(load([source(csv_of(products("users", x) + products("items", x)))])).warnings == []
    )


def test_what_does_not_belong_together(sums: dict[str, Any], tmp_path: Path) -> None:
    gram, items = ["--gram", sums["gram b"]], ["--cross", sums["items b"]]

    def refused(message: str, *arguments: Any, code: int = 4) -> None:
        assert message in invoke("solve", *arguments, code=code).stderr

    refused("there is no Gram matrix", "--gram", sums["items b"])
    refused("the users are to be aligned", *gram, *items, "--anchor", "both", code=2)
    refused("cannot be read", "--gram", tmp_path / "none.csv")
    refused("tandard input", "--gram", "-", "--cross", "-", code=2)
    refused("there is no directory", *gram, "--out", tmp_path / "no" / "t.json", code=2)
    twice = tmp_path / "twice.csv"
    twice.write_text(sums["gram b"].read_text() * 2)
    refused("a second time", "--gram", twice)
