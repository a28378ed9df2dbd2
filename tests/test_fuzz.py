"""Damaged files of every format: each is read, or refused by an error of ours; nothing is executed.

`make test` takes a few hundred of each. `make fuzz` goes on for FUZZ_MINUTES with each format.
"""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import time
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
from sqlstab.sums import Source, load, transform

from sqlstab import Run, SqlstabError, Transform, stabilize
from sqlstab.maths.solve import EPS
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
out = "su"
[items]
table = "i"
keep = ["n"]
out = "si"
[run]
out = "stable/{day}"
anchor = { items = 1.0, users = 0.1 }
rank = 3
min_cka = 0.5
"""

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
    """The files of a run with a reference, and its registry."""
    rng = np.random.default_rng(3)
    for name, rows in (("users", 30), ("items", 20)):
        write_vectors(Path(f"{name}.parquet"), rng.standard_normal((rows, 3)).astype(np.float32))
    tables = ("users.parquet", "items.parquet")
    stabilize(*tables, out="first", registry="runs.jsonl")
    stabilize(*tables, "first", out="second", registry="runs.jsonl")
    form = ["gram", "--users", tables[0], "--items", tables[1], "-q", "--format"]
    return {
        "transform": json.loads(Path("second/transform.json").read_text()),
        "run": json.loads(Path("second/run.json").read_text()),
        "registry": [json.loads(line) for line in Path("runs.jsonl").read_text().splitlines()],
        **{name: invoke(*form, name).data for name in ("csv", "json", "parquet")},
    }


@pytest.fixture
def files(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    return saved()


def test_transform(files: dict[str, Any]) -> None:
    path = Path("fuzzed.json")

    def check(data: bytes) -> None:
        path.write_bytes(data)
        found = Transform.load(path)
        Transform.from_json(found.to_json(), "again")
        for side in ("users", "items"):
            found.steps(side, EPS)  # type: ignore[arg-type]
            with np.errstate(over="ignore", invalid="ignore"):
                getattr(found, side).apply(np.ones(found.raw_dimension))

    fuzz(texts(files["transform"]), check)


def test_run(files: dict[str, Any]) -> None:
    path = Path("second/run.json")

    def check(data: bytes) -> None:
        path.write_bytes(data)
        run = Run.load("second")
        for side in ("users", "items"):
            run.table(side)  # type: ignore[arg-type]
            run.fingerprint(side)  # type: ignore[arg-type]

    fuzz(texts(files["run"]), check)


def test_registry(files: dict[str, Any]) -> None:
    path = Path("fuzzed.jsonl")
    first = files["registry"][0]["run_id"]

    def check(data: bytes) -> None:
        path.write_bytes(data)
        for command in (["list"], ["list", "--json"], ["show", first], ["current"]):
            invoke("runs", *command, "--registry", path, code=(0, 2, 4))

    def lines(events: Any) -> bytes:
        rows = events if isinstance(events, list) else [events]
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    strategy = documents(files["registry"]).map(lines)
    fuzz(strategy | damaged(lines(files["registry"])) | st.binary(), check, EXAMPLES // 3)


def test_project(files: dict[str, Any]) -> None:
    path = Path("fuzzed.toml")

    def check(data: bytes) -> None:
        path.write_bytes(data)
        Project.load(path, {"day": "a"}, {})

    fuzz(damaged(PROJECT.encode()) | st.binary(), check)


def solved(data: bytes) -> None:
    loaded = load([Source("sums", data, "gram")], None)
    transform(loaded, None, weights=None, rank=None, run_id="x")


@pytest.mark.parametrize("name", ["csv", "json", "parquet"])
def test_sums(files: dict[str, Any], name: str) -> None:
    whole = files[name]
    strategy = damaged(whole) | st.binary()
    if name == "json":
        strategy |= texts(json.loads(whole)) | texts({"meta": [{"name": "i"}], "data": [[1]]})
    if name == "parquet":
        # Cut off where the footer's own length says that it is whole.
        strategy |= damaged(whole).map(lambda data: b"PAR1" + data[4:-4] + b"PAR1")
    fuzz(strategy, solved)


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


def test_columns_of_other_types(files: dict[str, Any]) -> None:
    kinds = st.sampled_from(list(COLUMNS))
    names = ("side", "i", "j", "value", "n_rows", "kind")

    def check(chosen: dict[str, str]) -> None:
        rows = pq.read_table(io.BytesIO(files["parquet"]))
        for name, kind in chosen.items():
            column = pa.array([VALUES[kind]] * len(rows), COLUMNS[kind])
            rows = rows.drop_columns(name) if name in rows.column_names else rows
            rows = rows.append_column(name, column)
        buffer = io.BytesIO()
        pq.write_table(rows, buffer)
        solved(buffer.getvalue())

    fuzz(st.dictionaries(st.sampled_from(names), kinds, min_size=1), check)


class Bomb:
    """What unpickling would execute."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


# pyarrow before 21 says that it does not execute it.
@pytest.mark.filterwarnings("ignore:pickle-based deserialization:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:pyarrow.PyExtensionType is deprecated:FutureWarning")
def test_nothing_is_executed(files: dict[str, Any]) -> None:
    """Neither a pickle in the place of a file, nor one in the metadata of a Parquet file."""
    bomb = pickle.dumps(Bomb())
    rows = pq.read_table(io.BytesIO(files["parquet"]))
    extension = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": bomb,
    }
    fields = [field.with_metadata(extension) for field in rows.schema]
    buffer = io.BytesIO()
    pq.write_table(rows.cast(pa.schema(fields, {b"pandas": bomb})), buffer)
    solved(buffer.getvalue())
    code = '__import__("pathlib").Path("executed").touch()'
    for data in (bomb, code.encode(), json.dumps({"__reduce__": code}).encode()):
        Path("fuzzed.json").write_bytes(data)
        for read in (solved, lambda _: Transform.load("fuzzed.json")):
            with pytest.raises(SqlstabError):
                read(data)
    assert not Path("executed").exists()
    pickle.loads(bomb)
    assert Path("executed").exists(), "the bomb is one"
    Path("executed").unlink()
