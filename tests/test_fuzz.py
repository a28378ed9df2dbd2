"""Damaged files of every format: each is read or refused with a clear error; nothing is executed.

`make test` takes a few hundred of each. `make fuzz` goes on for FUZZ_MINUTES with each format.
"""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_vectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invoke import invoke
from test_solve_files import csv_of, parquet_of, products, shared

from sqlstab import FurtherTable, Space, SqlstabError
from sqlstab.flow.saved import Source, load, map_rows, printed, solved
from sqlstab.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
EXAMPLES = 2000 if MINUTES else 150

PROJECT = """\
[engine]
database = "w.duckdb"
threads = 2
[users]
table = "u_{day}"
vector = ["a", "b"]
filter = "n > 3"
[items]
table = "i"
keep = ["n"]
dated = false
[also.queries]
table = "q"
like = "users"
[space]
name = "stable"
queries = "sq"
[run]
key = "ds={day}"
align = "previous"
sample = "5%"
min_agreement = 0.5
rank = 3
"""

ALSO = {"queries": FurtherTable("users.parquet", "users")}

# Values that stand where others belong.
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 1.5, -0.0, 1e308, -1e-320, 10**19, 10**400, float("nan"),
    float("inf"), "", " ", "users", "1", "nan", "\0", "\ud800", "é" * 50, "a.b", "'; DROP TABLE x",
    [], [[]], [1, "a"], {}, {"a": 1}, [None] * 3, [[[[[[1]]]]]], {"format": 1},
]  # fmt: skip


def paths(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places in a document but the outermost."""
    found: list[tuple[Any, ...]] = []
    if isinstance(document, (dict, list)):
        keys = document if isinstance(document, dict) else range(len(document))
        for key in keys:
            found += [(*at, key), *paths(document[key], (*at, key))]
    return found


@st.composite
def documents(draw: st.DrawFn, document: Any) -> Any:
    """A document with some of its parts dropped, replaced, exchanged or said twice."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 3))):
        places = paths(document)
        if not places:
            break
        place = draw(st.sampled_from(places))
        inner = document
        for key in place[:-1]:
            inner = inner[key]
        key, how = place[-1], draw(st.sampled_from(("drop", "odd", "other", "more")))
        if how == "drop":
            del inner[key]
        elif how == "odd":
            # A copy: the next change may be within it.
            inner[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif how == "other":
            other: Any = document
            for part in draw(st.sampled_from(places)):
                other = other[part]
            inner[key] = copy.deepcopy(other)
        elif isinstance(inner, list):
            inner.append(inner[key])
        else:
            inner[draw(st.text(max_size=3))] = inner[key]
    return document


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with some lost, others in their place, twice, cut off, or in another encoding."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        how = draw(st.sampled_from(("cut", "bytes", "piece", "twice", "deep", "flip")))
        if how == "cut":
            data = data[:start]
        elif how == "bytes":
            data = data[:start] + draw(st.binary(max_size=8)) + data[end:]
        elif how == "piece":
            piece = draw(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b",", b":", b"\n", b"-",
                                          b"9" * 5000, b"e999", b"NaN", b"null", b"\xff", b"\0",
                                          b"\\ud800", b"\xef\xbb\xbf"]))  # fmt: skip
            data = data[:start] + piece + data[end:]
        elif how == "twice":
            data = data[:end] + data[start:]
        elif how == "deep":
            data = data[:start] + draw(st.sampled_from((b"[", b'{"a":'))) * 20_000 + data[end:]
        elif start < len(data):
            flipped = data[start] ^ (1 << draw(st.integers(0, 7)))
            data = data[:start] + bytes([flipped]) + data[start + 1 :]
    encoding = draw(st.sampled_from(("", "", "", "", "utf-16", "utf-16-be", "utf-32")))
    return data.decode("latin-1").encode(encoding) if encoding else data


def texts(document: Any) -> st.SearchStrategy[bytes]:
    """JSON of a damaged document, and damaged JSON of the document."""
    whole = json.dumps(document).encode()
    twice = whole.replace(b'": ', b'": 1, "format": ', 1)
    return (
        documents(document).map(lambda changed: json.dumps(changed).encode())
        | damaged(whole)
        | st.just(twice)
        | st.binary()
    )


def fuzz(
    strategy: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int = EXAMPLES
) -> None:
    """Check examples; for as long as `make fuzz` was told."""

    @settings(
        max_examples=examples,
        derandomize=not MINUTES,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(strategy)
    def checked(example: Any) -> None:
        refused = None
        try:
            check(example)
        except SqlstabError as error:
            refused = error
        if refused:
            assert refused.exit_code in (2, 3, 4)
            assert len(str(refused)) < 2000

    started = time.monotonic()
    checked()
    while time.monotonic() - started < 60 * MINUTES:
        checked()


@cache
def saved() -> dict[str, Any]:
    """The files of a space of two runs, and sums that a client printed."""
    rng = np.random.default_rng(3)
    for name, rows in (("users", 30), ("items", 20)):
        write_vectors(Path(f"{name}.parquet"), rng.standard_normal((rows, 3)).astype(np.float32))
    for key in ("a", "b"):
        Space("space").run("users.parquet", "items.parquet", also=ALSO, key=key)
    users, items = rng.standard_normal((30, 3)), rng.standard_normal((20, 3))
    turned = items @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
    rows = [
        {"kind": "gram", "half": 0, **row}
        for row in (*products("users", users), *products("items", items))
    ]
    rows += shared("items", items, turned)
    run = json.loads(Path("space/run=b/run.json").read_text())
    # With these, other maps are refused before they are read.
    del run["digests"]
    return {
        "run": run,
        "maps": Path("space/run=b/maps.parquet").read_bytes(),
        "csv": csv_of(rows).encode(),
        "json": json.dumps(rows).encode(),
        "lines": "".join(f"{json.dumps(row)}\n" for row in rows).encode(),
        "parquet": parquet_of(rows),
    }


@pytest.fixture
def files(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    found = saved()
    restored(found)
    return found


def restored(files: dict[str, Any]) -> None:
    """Put back what a check has damaged."""
    Path("space/run=b/run.json").write_text(json.dumps(files["run"]))
    Path("space/run=b/maps.parquet").write_bytes(files["maps"])


def read_all() -> None:
    """Read the runs, and of the damaged one each part."""
    run = Space("space").runs[-1]
    assert repr(run)
    assert run.maps.shape == run.maps["users"].matrix.shape
    for side in ("users", "items", "queries"):
        with np.errstate(over="ignore", invalid="ignore"):
            run.maps[side].inverse(run.maps[side].apply(np.ones(3)))
        run.table(side).arrow()


def listed() -> None:
    """Read them on the command line."""
    for words in ([], ["b"]):
        invoke("runs", "space", *words, code=(0, 2, 3, 4))
        invoke("runs", "space", *words, "--json", code=(0, 2, 3, 4))


def aligned() -> None:
    """Align a run with them, and one in the damaged one's place."""
    space, tables = Space("space"), ("users.parquet", "items.parquet")
    try:
        space.run(*tables, also=ALSO, key="c")
        space.report("c")
        space.report()
        space.drop("c")
    finally:
        space.run(*tables, also=ALSO, key="b")


def test_figures(files: dict[str, Any]) -> None:
    path = Path("space/run=b/run.json")

    def check(data: bytes) -> None:
        path.write_bytes(data)
        read_all()

    def check_command(data: bytes) -> None:
        path.write_bytes(data)
        listed()

    fuzz(texts(files["run"]), check)
    fuzz(texts(files["run"]), check_command, EXAMPLES // 3)


def test_maps(files: dict[str, Any]) -> None:
    path = Path("space/run=b/maps.parquet")

    def check(data: bytes) -> None:
        path.write_bytes(data)
        read_all()

    fuzz(parquets(files["maps"]), check)


def test_a_run_after_a_damaged_one(files: dict[str, Any]) -> None:
    """Its figures say which columns are read, and which files are its own."""

    def check(damage: tuple[str, bytes]) -> None:
        restored(files)
        (Path("space/run=b") / damage[0]).write_bytes(damage[1])
        aligned()

    strategy = st.tuples(st.just("run.json"), texts(files["run"]))
    strategy |= st.tuples(st.just("maps.parquet"), parquets(files["maps"]))
    fuzz(strategy, check, EXAMPLES // 10)


def test_project(files: dict[str, Any]) -> None:
    path = Path("fuzzed.toml")

    def check(data: bytes) -> None:
        path.write_bytes(data)
        Project.load(path, {"day": "a"}, {})

    fuzz(damaged(PROJECT.encode()) | st.binary(), check)


def solve(data: bytes) -> None:
    found = solved(load([Source("sums", data, "gram")]))
    for form in ("csv", "json", "parquet"):
        printed(map_rows(found.maps, "x"), form)


def parquets(whole: bytes) -> st.SearchStrategy[bytes]:
    """Damaged Parquet."""
    # Cut off where the footer's own length says that it is whole.
    ends = damaged(whole).map(lambda data: b"PAR1" + data[4:-4] + b"PAR1")
    return damaged(whole) | ends | st.binary()


@pytest.mark.parametrize("name", ["csv", "json", "lines", "parquet"])
def test_sums(files: dict[str, Any], name: str) -> None:
    whole = files[name]
    strategy = damaged(whole) | st.binary()
    if name == "json":
        strategy |= texts(json.loads(whole)) | texts({"meta": [{"name": "i"}], "data": [[1]]})
    fuzz(parquets(whole) if name == "parquet" else strategy, solve)


COLUMNS: dict[str, pa.DataType] = {
    "text": pa.string(), "integer": pa.int8(), "large": pa.uint64(), "half": pa.float16(),
    "decimal": pa.decimal128(38, 10), "bytes": pa.binary(), "list": pa.list_(pa.int64()),
    "struct": pa.struct({"a": pa.int64()}), "time": pa.timestamp("ns", "UTC"), "null": pa.null(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()), "bool": pa.bool_(), "day": pa.date32(),
}  # fmt: skip
VALUES: dict[str, Any] = {
    "text": "users", "integer": 1, "large": 2**63, "half": np.float16(1), "decimal": 1,
    "bytes": b"\xff", "list": [1], "struct": {"a": 1}, "time": 2**62, "null": None,
    "dictionary": "items", "bool": True, "day": 2**30,
}  # fmt: skip


def replaced(data: bytes, chosen: dict[str, str]) -> bytes:
    """A Parquet file whose columns are of these types instead."""
    rows = pq.read_table(io.BytesIO(data))
    for name, kind in chosen.items():
        column = pa.array([VALUES[kind]] * len(rows), COLUMNS[kind])
        rows = rows.drop_columns(name) if name in rows.column_names else rows
        rows = rows.append_column(name, column)
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    return buffer.getvalue()


def columns(*names: str) -> st.SearchStrategy[dict[str, str]]:
    kinds = st.sampled_from(list(COLUMNS))
    return st.dictionaries(st.sampled_from(names), kinds, min_size=1)


def test_columns_of_other_types(files: dict[str, Any]) -> None:
    def check_sums(chosen: dict[str, str]) -> None:
        solve(replaced(files["parquet"], chosen))

    def check_maps(chosen: dict[str, str]) -> None:
        Path("space/run=b/maps.parquet").write_bytes(replaced(files["maps"], chosen))
        read_all()

    def check_inputs(chosen: dict[str, str]) -> None:
        data = Path("users.parquet").read_bytes()
        Path("odd.parquet").write_bytes(replaced(data, chosen))
        Space("odd").run("odd.parquet", "items.parquet", key="a")

    fuzz(columns("side", "i", "j", "value", "n_rows", "kind", "half"), check_sums)
    fuzz(columns("side", "i", "j", "value"), check_maps)
    fuzz(columns("id", "embedding", "more"), check_inputs, EXAMPLES // 10)


class Bomb:
    """What unpickling would execute."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


# pyarrow before 21 says that it does not execute it.
@pytest.mark.filterwarnings("ignore:pickle-based deserialization:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:pyarrow.PyExtensionType is deprecated:FutureWarning")
def test_nothing_is_executed(files: dict[str, Any]) -> None:
    """No pickle in the place of a file or in the metadata of Parquet, and no SQL in figures."""
    bomb = pickle.dumps(Bomb())
    figures, maps = Path("space/run=b/run.json"), Path("space/run=b/maps.parquet")
    extension = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": bomb,
    }

    def armed(data: bytes) -> bytes:
        rows = pq.read_table(io.BytesIO(data))
        fields = [field.with_metadata(extension) for field in rows.schema]
        buffer = io.BytesIO()
        pq.write_table(rows.cast(pa.schema(fields, {b"pandas": bomb})), buffer)
        return buffer.getvalue()

    solve(armed(files["parquet"]))
    maps.write_bytes(armed(files["maps"]))
    read_all()
    code = '__import__("pathlib").Path("executed").touch()'
    for data in (bomb, code.encode(), json.dumps({"__reduce__": code}).encode()):
        with pytest.raises(SqlstabError):
            solve(data)
        for path in (figures, maps):
            restored(files)
            path.write_bytes(data)
            with pytest.raises(SqlstabError):
                read_all()
    sql = "id\" FROM (SELECT 1); COPY (SELECT 1) TO 'executed'; --"
    names = ("relation", "id", "id_type", "vector", "layout", "element", "keep", "filter", "weight")
    for name in names:
        found = copy.deepcopy(files["run"])
        for output in found["outputs"].values():
            output[name] = [sql] if isinstance(output[name], list) else sql
        for read in (read_all, aligned):
            restored(files)
            figures.write_text(json.dumps(found))
            with suppress(SqlstabError):
                read()
    assert not Path("executed").exists()
    pickle.loads(bomb)
    assert Path("executed").exists(), "the bomb is one"
    Path("executed").unlink()
