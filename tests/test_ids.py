"""Ids: of every type, and of several columns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import paper
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from engines import QUICK
from invoke import invoke

from sqlstab import DataError, EmbeddingTable, Options, Space, UsageError, compare, stabilize
from sqlstab.engines import dialects
from sqlstab.statements import build
from sqlstab.statements.build import MatrixTable, Vectors
from sqlstab.statements.table import Column, StableTable, VectorTable, stable_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from warehouse import Warehouse

    from sqlstab.statements.dialect import Dialect

STRATEGIES = ("arrow", "sql")
LAYOUTS = ("wide", "array", "long")
SIZE = 4

# Texts that come apart in the wrong place, if they are only put together.
TEXTS = [
    "",
    " ",
    "a",
    "A",
    "ab",
    "bc",
    "/",
    "//",
    "a/",
    "/a",
    "/.",
    ".",
    "NULL",
    "a,b",
    "é",
    "e\u0301",
]
PAIRS = [(first, second) for first in TEXTS for second in TEXTS]


def arrow(
    ids: Sequence[tuple[Any, ...]],
    vectors: np.ndarray,
    layout: str = "array",
    names: Sequence[str] = ("doc", "chunk"),
    types: Sequence[pa.DataType | None] = (None, None),
    **further: Any,
) -> pa.Table:
    """A table of vectors whose id has several columns."""
    columns = zip(*ids, strict=True)
    keys = {n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)}
    if layout == "array":
        return pa.table({**keys, "embedding": vectors.tolist(), **further})
    if layout == "wide":
        return pa.table({**keys, **{f"e{k}": c for k, c in enumerate(vectors.T)}, **further})
    rows, size = vectors.shape
    numbers = np.repeat(np.arange(rows), size)
    long = {name: column.take(pa.array(numbers)) for name, column in keys.items()}
    return pa.table({**long, "dim": np.tile(np.arange(size), rows), "value": vectors.ravel()})


def by_id(table: pa.Table, layout: str = "array", ids: int = 2) -> dict[Any, np.ndarray]:
    """The vectors of a table by id, whose columns come first."""
    if layout == "long":
        parts: dict[Any, dict[int, float]] = {}
        for *key, number, value in zip(*(c.to_pylist() for c in table.columns), strict=True):
            parts.setdefault(tuple(key), {})[number] = value
        return {key: np.array([v[k] for k in sorted(v)]) for key, v in parts.items()}
    rows = list(zip(*(c.to_pylist() for c in table.columns), strict=True))
    found = {
        row[:ids]: np.array(row[ids] if layout == "array" else row[ids : ids + SIZE])
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def text_of(key: tuple[Any, ...]) -> str:
    """What is hashed of an id (doc, chunk): in the order of the names, chunk is the first."""
    doc, chunk = (str(part).replace("/", "/.") for part in key)
    return f"{chunk}//{doc}"


KINDS = {
    "texts": PAIRS,
    "integers": [(k // 7, 2**63 - 5 + k % 7) for k in range(90)],
    "text and integer": [(f"d/{k // 5}", k % 5) for k in range(90)],
    "date and text": [(np.datetime64("2026-11-01") + k // 5, f"{k % 5}/") for k in range(90)],
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("kind", "layout"),
    [*((kind, "array") for kind in KINDS), ("texts", "wide"), ("date and text", "long")],
)
def test_values(
    tmp_path: Path, rng: np.random.Generator, kind: str, layout: str, strategy: Any
) -> None:
    """Of a run with other rows, in another order, and with its columns named in another order."""
    ids = [tuple(getattr(v, "item", lambda v=v: v)() for v in key) for key in KINDS[kind]]
    types = (None, pa.uint64()) if kind == "integers" else (None, None)
    first = rng.standard_normal((len(ids), SIZE))
    space = Space(tmp_path / "space")
    data = arrow(ids, first, layout, types=types)
    run = space.run(
        vectors=EmbeddingTable(data, id=("doc", "chunk")),
        key="1",
        options=Options(strategy=strategy),
    )
    stored = run.vectors.arrow()
    assert stored.column_names == data.column_names
    assert [stored[name].type for name in ("doc", "chunk")] == [
        data[name].type for name in ("doc", "chunk")
    ]
    before = by_id(stored, layout)
    assert before.keys() == set(ids)
    for key, vector in zip(ids, first, strict=True):
        np.testing.assert_array_equal(before[key], vector)

    order = rng.permutation(len(ids))[: len(ids) * 2 // 3]
    new = [(ids[0][0], ids[-1][1])] if kind != "texts" else [("new", "")]
    keys = [*(ids[k] for k in order), *(key for key in new if key not in ids)]
    raw = np.concatenate([first[order], rng.standard_normal((len(keys) - len(order), SIZE))])
    raw = (raw + 0.3 * rng.standard_normal(raw.shape)) @ np.linalg.qr(
        rng.standard_normal((SIZE, SIZE))
    )[0]
    run = space.run(
        vectors=EmbeddingTable(arrow(keys, raw, layout, types=types), id="CHUNK, doc"),
        key="2",
        options=Options(strategy=strategy, plain_rows=True),
    )
    turn = paper.align(raw[: len(order)], first[order])
    after = by_id(run.vectors.arrow(), layout)
    assert after.keys() == {key[::-1] for key in keys}
    for key, vector in zip(keys, raw @ turn, strict=True):
        np.testing.assert_allclose(after[key[::-1]], vector, atol=1e-12)
    figures = run.figures
    assert figures["shared"] == {"vectors": len(order)}
    assert figures["outputs"]["vectors"]["id"] == ["chunk", "doc"]
    # The halves are by a hash of both columns.
    texts = [text_of(key) for key in keys[: len(order)]]
    run_rows, earlier = (
        dict(zip(texts, m, strict=True)) for m in (raw[: len(order)], first[order])
    )
    held_out, _ = paper.held_out(run_rows, [(earlier, 1.0)], unit_rows=False)
    assert figures["alignment"]["held_out"] == pytest.approx(held_out, abs=1e-9)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_sample(tmp_path: Path, rng: np.random.Generator, strategy: Any) -> None:
    vectors = rng.standard_normal((len(PAIRS), SIZE))
    table = EmbeddingTable(arrow(PAIRS, vectors), id=("doc", "chunk"))
    space = Space(tmp_path / "space")
    for key in ("1", "2"):
        run = space.run(
            vectors=table, key=key, options=Options(sample=0.5, strategy=strategy, force=True)
        )
    hashes = [hashlib.md5(text_of(key).encode()).hexdigest() for key in PAIRS]
    assert run.figures["alignment"]["anchors"] == sum(digest < "8" for digest in hashes)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_sides(tmp_path: Path, rng: np.random.Generator, strategy: str) -> None:
    """Of which one has ids of two columns; every command, from a project file."""
    users, items = rng.standard_normal((60, SIZE)), rng.standard_normal((len(PAIRS), SIZE))
    kinds = np.arange(len(PAIRS))
    for day in (1, 2):
        noisy = [m + 0.1 * rng.standard_normal(m.shape) for m in (users, items)]
        user_rows = pa.table({"id": np.arange(60), "embedding": noisy[0].tolist()})
        pq.write_table(user_rows, tmp_path / f"users{day}.parquet")
        rows = arrow(PAIRS, noisy[1], kind=kinds)
        pq.write_table(rows, tmp_path / f"items{day}.parquet")
    config = tmp_path / "sqlstab.toml"
    config.write_text(
        '[space]\nname = "movies"\n[users]\ntable = "users{day}.parquet"\n[items]\n'
        'table = "items{day}.parquet"\nid = ["doc", "chunk"]\nkeep = ["kind"]\n'
        f'[run]\nstrategy = "{strategy}"\n'
    )
    for day in (1, 2):
        invoke("run", "-q", "-c", config, "--var", f"day={day}", "--run", day)
    space = Space(tmp_path / "movies")
    run = space["2"]
    stored = run.items.arrow()
    assert stored.column_names == ["doc", "chunk", "embedding", "kind"]
    place = {key: k for k, key in enumerate(PAIRS)}
    written = by_id(stored)
    for key, kind in zip(written, stored["kind"].to_pylist(), strict=True):
        assert kind == place[key]
    by_user = by_id(run.users.arrow(), ids=1)
    scores = (
        np.array([written[key] for key in PAIRS]) @ np.array([by_user[k,] for k in range(60)]).T
    )
    np.testing.assert_allclose(scores, noisy[1] @ noisy[0].T, atol=1e-5)

    # Fresh vectors, with the map of the run.
    stable = tmp_path / "stable.parquet"
    invoke(
        *("apply", "-q", tmp_path / "movies", "2", "--items", tmp_path / "items2.parquet"),
        *("--id", "doc,chunk", "--strategy", strategy, "--out", stable),
    )
    applied = by_id(pq.read_table(stable))
    assert applied.keys() == written.keys()
    for key, vector in applied.items():
        np.testing.assert_allclose(vector, written[key], atol=1e-6)

    # A report names ids as people write them.
    report = json.loads(space.report("2").text("json"))
    for row in report["sides"]["items"]["moved"]:
        assert row["moved_id"] in {repr(key) for key in PAIRS}
    assert report["sides"]["items"]["shared"] == len(PAIRS)
    assert set(report["sides"]["items"]["drawn"]["ids"]) <= {repr(key) for key in PAIRS}
    assert report["neighbours"]["stable"]["dot"]["listed"] > 0
    shown = invoke("runs", tmp_path / "movies", "2", "--json").stdout
    assert json.loads(shown)["inputs"]["items"]["id"] == ["doc", "chunk"]

    # The same run against raw tables of the day before.
    found = compare(
        run,
        (
            tmp_path / "users1.parquet",
            EmbeddingTable(tmp_path / "items1.parquet", id=["chunk", "doc"]),
        ),
        options=Options(strategy=strategy),
    )
    assert found.figures["items"]["shared"] == len(PAIRS)
    assert found.verdict == "alignable"


def test_in_memory(rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((len(PAIRS), SIZE))
    table = EmbeddingTable(arrow(PAIRS, vectors), id=("doc", "chunk"))
    first = stabilize(vectors=table)
    second = stabilize(vectors=table, reference=first)
    assert second.figures["shared"] == {"vectors": len(PAIRS)}
    assert by_id(second.vectors.arrow()).keys() == set(PAIRS)


# What is wrong.


def rows(
    ids: Sequence[tuple[Any, ...]],
    names: Sequence[str] = ("doc", "chunk"),
    types: Sequence[pa.DataType | None] = (None, None),
) -> pa.Table:
    vectors = np.random.default_rng(1).standard_normal((len(ids), SIZE))
    return arrow(ids, vectors, names=names, types=types)


GOOD = [(f"d{k // 4}", k % 4) for k in range(60)]
BOTH = ("doc", "chunk")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bad_rows(tmp_path: Path, layout: str, strategy: Any) -> None:
    """NULL in any part is a NULL id; the others are the same as they were."""
    ids: list[Any] = [*GOOD, (None, 1), ("d1", None), ("d/3", 77), ("d/3", 77)]
    vectors = np.random.default_rng(1).standard_normal((len(ids), SIZE))
    table = EmbeddingTable(arrow(ids, vectors, layout), id=BOTH)
    space = Space(tmp_path)
    duplicate = "1 row whose id has occurred before (for example id ('d/3', 77)"
    if layout == "long":
        duplicate = "1 vector that lacks a dimension, or has one twice or too many (for example id"
    with pytest.raises(DataError) as error:
        space.run(vectors=table, key="1", options=Options(strategy=strategy))
    assert "(id doc, chunk, vector" in str(error.value)
    assert "2 NULL ids" in str(error.value)
    assert duplicate in str(error.value)
    assert not space.runs
    run = space.run(vectors=table, key="1", options=Options(strategy=strategy, on_invalid="drop"))
    left = by_id(run.vectors.arrow(), layout)
    assert left.keys() == set(GOOD)
    np.testing.assert_array_equal([left[key] for key in GOOD], vectors[: len(GOOD)])


TIMES = [(np.datetime64("2026-11-01T00:00:00", "us").item(), k) for k in range(9)]
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "a time": (rows(TIMES), BOTH, "doc has type TIMESTAMP, which cannot serve as a part of an id"),
    "a number": (rows([(0.5, k) for k in range(9)]), BOTH, "doc has type DOUBLE"),
    "bytes": (rows([(b"a", k) for k in range(9)]), BOTH, "doc has type BLOB"),
    "missing": (rows(GOOD), ("doc", "part"), "there is no column part for the id; it has doc"),
    "twice": (rows(GOOD), "doc,DOC", "doc is named twice as id, vector or column to keep"),
    "a vector": (rows(GOOD), ("doc", "embedding"), "embedding has type DOUBLE"),
    "none": (rows(GOOD), (), "the id is an empty list of columns"),
    "a gap": (rows(GOOD), "doc,,chunk", "there is no column  for the id"),
    "a number of a column": (rows(GOOD), 1, "must be a column or a sequence of columns"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    data, id_columns, message = REFUSED[case]
    with pytest.raises((DataError, UsageError)) as error:
        Space(tmp_path).run(vectors=EmbeddingTable(data, id=id_columns), key="1")
    assert message in str(error.value)


def test_a_comma_in_a_name(tmp_path: Path) -> None:
    """A column may be called so; as a sequence, names are what they are."""
    data = rows(GOOD, names=("doc", "a,b"))
    with pytest.raises(DataError, match="whose id has occurred before"):
        Space(tmp_path).run(vectors=EmbeddingTable(data, id="a,b"), key="1")
    run = Space(tmp_path).run(vectors=EmbeddingTable(data, id=("a,b", "doc")), key="1")
    assert run.vectors.arrow().column_names[:2] == ["a,b", "doc"]


NUMBERED = [(k, k) for k in range(60)]
OTHERS: dict[str, tuple[Any, Any, Any, Any, str]] = {
    "one and two": (
        rows(NUMBERED),
        "doc",
        rows(NUMBERED),
        BOTH,
        "has ids doc, chunk of type BIGINT, BIGINT, but doc in the reference {} is BIGINT",
    ),
    "two and one": (
        rows(NUMBERED),
        BOTH,
        rows(NUMBERED),
        "chunk",
        "has ids chunk of type BIGINT, but doc, chunk in the reference {} are BIGINT, BIGINT",
    ),
    "other names": (
        rows(GOOD),
        BOTH,
        rows(GOOD, names=("doc", "part")),
        ("doc", "part"),
        "has ids doc, part of type VARCHAR, BIGINT, but doc, chunk in the reference {} are",
    ),
    "other types": (
        rows(GOOD),
        BOTH,
        rows([(doc, str(chunk)) for doc, chunk in GOOD]),
        BOTH,
        "has ids doc, chunk of type VARCHAR, VARCHAR, but doc, chunk in the reference {} are "
        "VARCHAR, BIGINT: an id has the same columns in both, with the same names",
    ),
    "others": (
        rows(GOOD),
        BOTH,
        rows([(f"x/{k}", k) for k in range(60)]),
        BOTH,
        "its doc, chunk is VARCHAR, BIGINT, for example ('x/0', 0); the reference's doc, chunk is "
        "VARCHAR, BIGINT, for example ('d0', 0).",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_reference(tmp_path: Path, case: str) -> None:
    first, first_id, second, second_id, message = OTHERS[case]
    space = Space(tmp_path / "s")
    space.run(vectors=EmbeddingTable(first, id=first_id), key="1")
    with pytest.raises(DataError) as error:
        space.run(vectors=EmbeddingTable(second, id=second_id), key="2")
    place = str(tmp_path / "s" / "run=1" / "vectors.parquet")
    assert message.format(place) in str(error.value)
    assert [run.key for run in space.runs] == ["1"]


def test_types_that_compare(tmp_path: Path) -> None:
    """Integers of any width are equal, and so are an ENUM and its text."""
    space = Space(tmp_path)
    enum = pa.dictionary(pa.int8(), pa.string())
    for key, types in enumerate([(pa.string(), pa.int8()), (enum, pa.uint64())]):
        run = space.run(vectors=EmbeddingTable(rows(GOOD, types=types), id=BOTH), key=str(key))
    assert run.figures["shared"] == {"vectors": len(GOOD)}


@pytest.mark.parametrize(
    ("name", "value"), [("id", []), ("id", ["doc"]), ("id_type", "BIGINT"), ("id_type", [1, 2])]
)
def test_a_damaged_description(tmp_path: Path, name: str, value: Any) -> None:
    space = Space(tmp_path)
    run = space.run(vectors=EmbeddingTable(rows(GOOD), id=BOTH), key="1")
    figures = json.loads(json.dumps(run.figures))
    figures["outputs"]["vectors"][name] = value
    (tmp_path / "run=1" / "run.json").write_text(json.dumps(figures))
    with pytest.raises(DataError, match="damaged"):
        _ = space.runs


# On other engines.


@pytest.mark.parametrize("name", [name for name in QUICK if name != "duckdb"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_on_an_engine(
    warehouses: Callable[[str], Warehouse], rng: np.random.Generator, name: str, layout: str
) -> None:
    """Two runs; and the rows times a matrix that a table holds."""
    warehouse = warehouses(name)
    dialect, engine = warehouse.dialect, warehouse.engine
    real = dialect.tables.array.format(dialect.double) if layout == "array" else dialect.double
    vector = {
        "array": {"embedding": real},
        "wide": {f"e{k}": real for k in range(SIZE)},
        "long": {"dim": dialect.integer, "value": real},
    }[layout]
    columns = {"id": dialect.text, "chunk": dialect.integer, **vector}
    ids = [(text, k) for k in range(3) for text in TEXTS]
    first = rng.standard_normal((len(ids), SIZE))
    turn = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    prefix = f"ids_{layout}"
    space = Space(prefix, engine)
    for day, matrix in enumerate([first, (first + 0.01) @ turn]):
        found = arrow(ids, matrix, layout).to_pydict()
        warehouse.create(f"{prefix}_raw", columns, zip(*found.values(), strict=True))
        table = EmbeddingTable(f"{prefix}_raw", id=("id", "chunk"))
        run = space.run(vectors=table, key=str(day), options=Options(plain_rows=True))
    raw = (first + 0.01) @ turn
    stable = raw @ paper.align(raw, first)
    after = by_id(run.vectors.arrow(), layout)
    np.testing.assert_allclose([after[key] for key in ids], stable, atol=1e-12)
    assert run.figures["shared"] == {"vectors": len(ids)}
    types = {column.name: column.type for column in engine.describe(f"{prefix}_vectors")}
    given = {column.name: column.type for column in engine.describe(f"{prefix}_raw")}
    assert [types[n] for n in ("id", "chunk")] == [given[n] for n in ("id", "chunk")]

    entries = [("items", i + 1, j + 1, v) for (i, j), v in np.ndenumerate(turn)]
    kinds = (dialect.text, dialect.integer, dialect.integer, dialect.double)
    warehouse.create(
        f"{prefix}_map", dict(zip(("side", "i", "j", "value"), kinds, strict=True)), entries
    )
    source = VectorTable(
        "items",
        f"{prefix}_raw",
        (Column("id", given["id"]), Column("chunk", given["chunk"])),
        layout,  # type: ignore[arg-type]
        tuple(vector),
        "double",
    )
    held = MatrixTable(f"{prefix}_map", "items", SIZE, SIZE)
    output = stable_table(source, SIZE, None, None, dialect)
    query = build.apply_from_table(source, [held, held], output, dialect)
    back = by_id(pa.Table.from_pylist(engine.query(query)), layout)
    np.testing.assert_allclose([back[key] for key in ids], raw @ turn @ turn, atol=1e-12)


def statements(dialect: Dialect, layout: str) -> dict[str, str]:
    """Statements on ids of two columns, of which one is text."""
    ids = (Column("doc", dialect.text), Column("chunk", dialect.bigint))
    vector = {"array": ("v",), "wide": ("e0", "e1"), "long": ("dim", "value")}[layout]
    kept = () if layout == "long" else (Column("kind", dialect.text),)
    table = VectorTable("items", "items", ids, layout, vector, "double", keep=kept)  # type: ignore[arg-type]
    other = replace(table, relation="earlier", keep=(), weight_expression="1 + chunk")
    output = StableTable(layout, ids, vector, "double", 2)  # type: ignore[arg-type]
    held = MatrixTable("maps", "items", 2, 2)
    pair = Vectors(table, 2), Vectors(other, 2)
    valid = replace(table, only_valid=2, share=0.5)
    found = {
        "check": build.check(table, dialect),
        "check_valid": build.check(valid, dialect),
        "example": build.example(table, "duplicate_ids", 2, dialect),
        "shared": build.shared_ids(valid, other, dialect, anchor=True),
        "gram": build.gram(valid, 2, dialect, other=other)[0],
        "apply": build.apply(valid, [np.eye(2)], output, dialect),
        "apply_held": build.apply_from_table(table, [held], output, dialect),
        "apply_held_twice": build.apply_from_table(valid, [held, held], output, dialect),
    }
    if layout == "long":
        return {
            **found,
            "lengths": build.lengths(table, dialect),
            "first_dimension": build.first_dimension(table, dialect),
        }
    if layout == "wide":
        return found
    return {
        **found,
        "cross": build.cross_gram(table, other, 2, 2, dialect)[0],
        "product": build.product(table, 2, held, dialect),
        "scores": build.scores({"vectors": table}, {"vectors": other}, (2, 2), 10, dialect),
        "moved": build.moved_most(pair, None, 3, dialect),
        "longest": build.longest(*pair, pair[0], 3, dialect),
    }


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", dialects())
def test_text(name: str, layout: str) -> None:
    """Every engine has one expression for an id; what is written has its columns."""
    dialect = dialects()[name]
    for step, text in statements(dialect, layout).items():
        (tree,) = sqlglot.parse(text, dialect=dialect.sqlglot)
        assert tree is not None
        if step.startswith("apply"):
            names = tree.named_selects
            if names[0] == "*":  # what the join with kept columns selects from
                names = next(tree.find_all(sqlglot.exp.Subquery)).this.named_selects
            assert names[:2] == ["doc", "chunk"], step
            if layout != "long":
                assert tree.named_selects[-1] == "kind"


# The texts of `sqlstab sql`.


@pytest.mark.parametrize("files", [False, True])
def test_script(tmp_path: Path, rng: np.random.Generator, files: bool) -> None:
    """The whole method in SQL, on tables and on files."""
    with duckdb.connect() as connection:
        place = str(tmp_path / "movies") if files else "main.movies"
        same = {side: rng.standard_normal((60, SIZE)) for side in ("users", "items")}
        for day in (1, 2):
            (tmp_path / "movies" / f"run={day}").mkdir(parents=True)
            turn = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
            raw = {
                side: (rows + 0.1 * rng.standard_normal(rows.shape)) @ turn
                for side, rows in same.items()
            }
            for side, vectors in raw.items():
                given = connection.from_arrow(arrow(PAIRS[-60:], vectors))
                given.to_table(f"{side}{day}")
            text = invoke(
                *("sql", "script", "--dialect", "duckdb", "--dimension", SIZE, "--space", place),
                *("--id", "doc,chunk", "--id-type", "VARCHAR,VARCHAR", "--element", "double"),
                *("--users", f"users{day}", "--items", f"items{day}", "--run", day),
                *(("--first-run",) if day == 1 else ()),
                *(() if files else ("--database", tmp_path / "not-opened.duckdb")),
            ).stdout
            connection.execute(text)
        run = Space(place, None if files else connection)["2"]
        stored = {side: by_id(run.table(side).arrow()) for side in raw}
    stable = {side: np.array([at[key] for key in PAIRS[-60:]]) for side, at in stored.items()}
    np.testing.assert_allclose(
        stable["items"] @ stable["users"].T, raw["items"] @ raw["users"].T, atol=1e-9
    )
    assert run.figures["outputs"]["items"]["id_type"] == ["VARCHAR", "VARCHAR"]
    assert run.figures["shared"] == {"users": 60, "items": 60}


SQL = ("sql", "--dialect", "postgres", "--vectors", "v", "--dimension", 2, "--space", "s")


def test_declared() -> None:
    """The types of an id's columns are named: how a text is put together depends on them."""
    given = (*SQL, "--id", "doc,chunk")
    said = invoke(*given, code=2).stderr
    assert "the id has 2 columns, doc, chunk; name the type of each with --id-type" in said
    assert "not none" in said
    said = invoke(*given, "--id-type", "text", code=2).stderr
    assert "as in --id-type text,bigint, not text" in said
    text = invoke(*given, "--id-type", "numeric(9, 0), text").stdout
    assert """CAST(t."chunk" AS text)""" not in text
    assert """replace(t."chunk", '/', '/.') || '//' || CAST(t."doc" AS text)""" in text
    assert '"doc" numeric(9, 0)' in text


# Ids of one column.

ODD_TEXTS = ["''", "' '", "'a'", "'A'", "'a '", "' a'", "'é'", "'e' || chr(769)", "'ß'", "'ss'"]
SINGLE: dict[str, list[str]] = {
    "ENUM('a', 'b', 'A', '')": ["'a'", "'b'", "'A'", "''"],
    "VARCHAR": ODD_TEXTS,
    "UUID": [f"'0000000{k}-0000-0000-0000-00000000000{k}'" for k in range(8)],
    "BLOB": [r"'\x00'", r"'\x00\x00'", "''", "'a'", r"'\xFF'", r"'\x5C\x78'", "'A'"],
    "DECIMAL(38,4)": ["1", "1.0001", "-1", "0", "9999999999999999999999999999999999.9999"],
    "DATE": ["'0001-01-01'", "'2026-11-30'", "'9999-12-31'", "'1969-12-31'"],
    "TIMESTAMP": ["'2026-11-30 00:00:00'", "'2026-11-30 00:00:00.000001'", "'1900-01-01'"],
    "TIMESTAMP WITH TIME ZONE": [
        "'2026-10-25 02:30:00+02'",
        "'2026-10-25 02:30:00+01'",
        "'2026-10-25 02:30:00.000001+01'",
    ],
    "UBIGINT": ["0", "18446744073709551615", "9223372036854775808", "9223372036854775807"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807", "0"],
    "TINYINT": ["-128", "127", "0"],
}


def made(connection: duckdb.DuckDBPyConnection, kind: str, values: Sequence[str]) -> None:
    """A table `t` of vectors whose ids are these values, each cast to a type."""
    listed = ", ".join(
        f"({value}, [sin({k}), cos({3 * k}), {k % 3}])" for k, value in enumerate(values)
    )
    connection.execute(
        f"CREATE TABLE t AS SELECT CAST(id AS {kind}) AS id, v FROM (VALUES {listed}) AS r(id, v)"
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", SINGLE)
def test_every_type(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str, strategy: Any
) -> None:
    """Ids are written as they came, in tables, in files and in memory, and are found again."""
    made(connection, kind, SINGLE[kind])
    count = len(SINGLE[kind])
    options = Options(strategy=strategy, force=True)
    space = Space("space", connection)
    first = space.run(vectors="t", key="1", options=options)
    again = space.run(vectors="t", key="2", options=options)
    assert again.figures["shared"] == {"vectors": count}
    kinds = "SELECT DISTINCT typeof(id) FROM {}"
    stored, given = (connection.sql(kinds.format(n)).fetchall() for n in ("space_vectors", "t"))
    assert stored == given
    joined = (
        "SELECT count(*) FROM t JOIN space_vectors AS s ON s.id = t.id AND s.v = t.v "
        "WHERE run = '1'"
    )
    assert connection.sql(joined).fetchall() == [(count,)]
    data = connection.sql("SELECT * FROM t").to_arrow_table()
    memory = stabilize(vectors="t", engine=connection, options=options).vectors.arrow()
    assert memory.schema.field("id").type == data.schema.field("id").type
    files = Space(tmp_path / "space")
    for key in ("1", "2"):
        run = files.run(vectors=data, key=key, options=options)
    assert run.figures["shared"] == {"vectors": count}
    for table in (first.vectors.arrow(), memory, files["1"].vectors.arrow()):
        assert sorted(map(str, table["id"].to_pylist())) == sorted(map(str, data["id"].to_pylist()))


SAME: dict[str, tuple[str, str]] = {
    "case": ("VARCHAR", "'a', 'A'"),
    "a blank": ("VARCHAR", "'a', 'a '"),
    "normalization": ("VARCHAR", "'é', 'e' || chr(769)"),
    "collated case": ("VARCHAR COLLATE NOCASE", "'a', 'A'"),
    "collated accent": ("VARCHAR COLLATE NOACCENT", "'e', 'é'"),
    "a decimal": ("DECIMAL(9,4)", "1.0, 1.0000"),
    "an instant": ("TIMESTAMPTZ", "'2026-11-30 01:00+01', '2026-11-30 00:00+00'"),
    "a UUID": (
        "UUID",
        "'0000000A-0000-0000-0000-000000000000', '0000000a-0000-0000-0000-000000000000'",
    ),
}


@pytest.mark.parametrize(
    ("case", "several"),
    [
        *((case, False) for case in SAME),
        *((case, True) for case in SAME if case not in ("a decimal", "an instant")),
    ],
)
def test_the_same_id(connection: duckdb.DuckDBPyConnection, case: str, several: bool) -> None:
    """What the engine's join takes for one id, the check calls a duplicate, and nothing else."""
    kind, values = SAME[case]
    connection.execute(f"CREATE TABLE t (id {kind}, n INTEGER, v FLOAT[])")
    for value in values.split(", "):
        connection.execute(f"INSERT INTO t VALUES ({value}, 7, [1, random()])")
    pairs = "SELECT count(*) FROM t AS a JOIN t AS b ON a.id = b.id"
    ((joined,),) = connection.sql(pairs).fetchall()
    table = EmbeddingTable("t", id=("id", "n") if several else "id", vector="v")
    if joined == 2:
        assert stabilize(vectors=table, engine=connection).vectors.arrow().num_rows == 2
        return
    assert joined == 4
    with pytest.raises(DataError, match="1 row whose id has occurred before"):
        stabilize(vectors=table, engine=connection)
