"""A run on generated tables, against numpy, both ways of computing."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import paper
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import conditioned, write_vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlstab import (
    DataError,
    EmbeddingTable,
    EngineError,
    GateError,
    Options,
    Run,
    Space,
    UsageError,
    stabilize,
)
from sqlstab.engines import duckdb as duckdb_engine
from sqlstab.engines.duckdb import DUCKDB, DuckDBEngine
from sqlstab.flow import drive, sums
from sqlstab.flow.check import Checked
from sqlstab.flow.job import Job
from sqlstab.flow.reference import Member
from sqlstab.maths import quality
from sqlstab.progress import Log
from sqlstab.space.target import MemoryTarget
from sqlstab.statements import relations
from sqlstab.statements.sides import LAYOUTS
from sqlstab.statements.table import Column, VectorTable

STRATEGIES = ("arrow", "sql")


def write(path: Path, vectors: np.ndarray, layout: str, **columns: Any) -> Path:
    """A table of vectors in any layout, with ids 0, 1, 2, ..."""
    rows, dimension = vectors.shape
    ids = np.arange(rows)
    if layout == "array":
        return write_vectors(path, vectors, ids, **columns)
    if layout == "wide":
        wide = {f"e{k}": vectors[:, k] for k in range(dimension)}
        pq.write_table(pa.table({"id": ids, **wide, **columns}), path)
    else:
        long = {
            "id": np.repeat(ids, dimension),
            "dim": np.tile(np.arange(dimension), rows),
            "value": vectors.ravel(),
            **{name: np.repeat(column, dimension) for name, column in columns.items()},
        }
        pq.write_table(
            pa.table(long).take(np.random.default_rng(0).permutation(vectors.size)), path
        )
    return path


def read(given: Any, layout: str = "array") -> np.ndarray:
    """The vectors of such a table, a run's as a rule, by id."""
    table = given.arrow() if hasattr(given, "arrow") else given
    if layout == "array":
        return np.array(table.sort_by("id")["embedding"].to_pylist(), dtype=np.float64)
    if layout == "wide":
        table = table.sort_by("id")
        names = [name for name in table.schema.names if name.startswith("e")]
        return np.stack([table.column(name).to_numpy() for name in names], axis=1).astype(float)
    table = table.sort_by([("id", "ascending"), ("dim", "ascending")])
    rows = len(set(table.column("id").to_pylist()))
    return table.column("value").to_numpy().reshape(rows, -1).astype(float)


def worst_score(raw: tuple[np.ndarray, np.ndarray], stable: tuple[np.ndarray, np.ndarray]) -> float:
    before, after = raw[1] @ raw[0].T, stable[1] @ stable[0].T
    return float(np.abs(after - before).max() / np.abs(before).max())


def both(run: Run, layout: str = "array") -> tuple[np.ndarray, np.ndarray]:
    """The stable users and items of a run, by id."""
    return read(run.users, layout), read(run.items, layout)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("condition", [1, 1e2, 1e6, 1e10])
@pytest.mark.parametrize("refine", ["auto", "always", "never"])
def test_scores_and_gram_matrices(
    tmp_path: Path, refine: Any, condition: float, strategy: Any, rng: np.random.Generator
) -> None:
    users, items = conditioned(120, 7, condition, rng), conditioned(90, 7, condition, rng)
    run = stabilize(
        write(tmp_path / "u.parquet", users, "array"),
        write(tmp_path / "i.parquet", items, "array"),
        options=Options(strategy=strategy, refine=refine),
    )
    stable = both(run)
    assert worst_score((users, items), stable) <= 1e-12
    assert run.figures["scores"]["max_relative_error"] <= 1e-12
    values = np.array(run.figures["singular_values"])
    root = np.sqrt(values)
    for side, vectors in zip(("users", "items"), stable, strict=True):
        live = vectors[:, : len(values)]
        error = np.abs((live.T @ live - np.diag(values)) / root / root[:, None]).max()
        assert error <= run.figures["tables"][side]["accuracy"]
        if condition <= 1e2:
            assert error <= 1e-10
        if refine == "always":
            assert error <= 1e-13 * max(condition, 100)
        assert np.all(vectors[:, len(values) :] == 0)
    # With a reference, as without: the rotation must not spread the rounding of small directions.
    turn = np.linalg.qr(rng.standard_normal((7, 7)))[0]
    users, items = (users + 0.1 * rng.permutation(users)) @ turn, items @ turn
    tables = (
        write(tmp_path / "u2.parquet", users, "array"),
        write(tmp_path / "i2.parquet", items, "array"),
    )
    for element, promise in (("double", 1e-12), ("float", 1e-6)):
        again = stabilize(
            *tables,
            run,
            options=Options(strategy=strategy, refine=refine, output_type=element, force=True),
        )
        assert worst_score((users, items), both(again)) <= promise
    warned = any("nearly dependent" in warning for warning in run.figures["warnings"])
    assert warned == (refine == "never" and condition >= 1e6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_first_run_has_principal_axes(
    tmp_path: Path, strategy: Any, rng: np.random.Generator
) -> None:
    """In the order of the singular values, as a QR of the data gives them, up to signs."""
    users, items = rng.standard_normal((80, 6)), rng.standard_normal((50, 6))
    run = Space(tmp_path / "space").run(
        write(tmp_path / "u.parquet", users, "array"),
        write(tmp_path / "i.parquet", items, "array"),
        options=Options(strategy=strategy),
    )
    want = paper.stabilize(users, items)
    np.testing.assert_allclose(run.figures["singular_values"], want.singular_values, rtol=1e-12)
    stable = both(run)
    signs = np.sign(np.sum(stable[1] * want.items, axis=0))
    np.testing.assert_allclose(stable[0], want.users * signs, atol=1e-11)
    np.testing.assert_allclose(stable[1], want.items * signs, atol=1e-11)
    assert run.figures["reference"] is None
    assert run.figures["alignment"] is None


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    users=st.integers(1, 40),
    items=st.integers(1, 40),
    dimension=st.integers(1, 9),
    rank=st.integers(1, 9),
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    output=st.sampled_from([None, *LAYOUTS]),
    dtype=st.sampled_from([np.float32, np.float64]),
    output_type=st.sampled_from([None, "float", "double"]),
    strategy=st.sampled_from(STRATEGIES),
)
def test_scores_are_kept_for_any_shape_layout_rank_and_type(
    seed: int,
    users: int,
    items: int,
    dimension: int,
    rank: int,
    layouts: tuple[Any, Any],
    output: Any,
    dtype: Any,
    output_type: Any,
    strategy: Any,
) -> None:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((min(rank, dimension), dimension))
    raw = tuple(
        (rng.standard_normal((rows, len(mixing))) @ mixing).astype(dtype) for rows in (users, items)
    )
    # A wide table needs two columns to be recognised by itself.
    vector = [("e0",) if name == "wide" and dimension == 1 else None for name in layouts]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        run = stabilize(
            EmbeddingTable(
                str(write(path / "u.parquet", raw[0], layouts[0])),
                vector=vector[0],
                layout=layouts[0],
            ),
            EmbeddingTable(
                str(write(path / "i.parquet", raw[1], layouts[1])),
                vector=vector[1],
                layout=layouts[1],
            ),
            options=Options(strategy=strategy, output_layout=output, output_type=output_type),
        )
        stable = tuple(
            read(run.table(side), output or layout)
            for side, layout in zip(("users", "items"), layouts, strict=True)
        )
    raw64 = tuple(vectors.astype(float) for vectors in raw)
    assert stable[0].shape == (users, dimension)
    single = (output_type or ("float" if dtype == np.float32 else "double")) == "float"
    assert worst_score(raw64, stable) <= (1e-6 if single else 1e-12)
    want = np.linalg.matrix_rank(raw64[1] @ raw64[0].T)
    if dtype == np.float64:
        assert run.figures["rank"] == want
    else:  # rounding to FLOAT gives a table of lower rank a little of every direction
        assert run.figures["rank"] >= want


def the_job(strategy: str, **options: Any) -> Job:
    return Job(
        tables={},
        like={},
        options=Options(**options),
        dialect=DUCKDB,
        streams=strategy == "arrow",
        reference=None,
        target=MemoryTarget("unused", DUCKDB),
        about={},
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("unit_rows", [False, True])
def test_both_ways_give_the_same_sums(
    tmp_path: Path,
    layout: Any,
    weighted: bool,
    unit_rows: bool,
    strategy: Any,
    rng: np.random.Generator,
) -> None:
    """To 1e-12 of the largest entry, and equal to numpy's; an id may stand in y several times."""
    x = rng.standard_normal((500, 5)).astype(np.float32)
    y = rng.standard_normal((600, 4)).astype(np.float32)
    weight, of_run = rng.random(500), np.repeat([1.0, 0.25], 300)
    columns = {"w": weight} if weighted else {}
    path = write(tmp_path / "x.parquet", x, layout, **columns)
    # Two earlier runs, one after the other in one table.
    earlier = write_vectors(tmp_path / "y.parquet", y, np.tile(np.arange(300), 2), run=of_run)
    names = {"wide": [f"e{k}" for k in range(5)], "array": ["embedding"], "long": ["dim", "value"]}
    table = VectorTable(
        "items",
        str(path),
        (Column("id", "BIGINT"),),
        layout,
        tuple(names[layout]),
        "float",
        weight="w" if weighted else None,
    )
    reference = VectorTable(
        "items",
        str(earlier),
        (Column("id", "BIGINT"),),
        "array",
        ("embedding",),
        "float",
        weight_expression="CASE WHEN run = 1 THEN 1E0 ELSE run END",
    )
    matrix = rng.standard_normal((5, 5))
    x64, y64 = x.astype(float), y.astype(float)
    mapped = np.tile(x64[:300] @ matrix, (2, 1))
    if unit_rows:
        mapped, y64 = paper.unit(mapped), paper.unit(y64)
    w = of_run * np.tile(weight[:300] if weighted else np.ones(300), 2)
    second = np.tile([paper.is_second(key) for key in range(300)], 2)
    job, engine = the_job(strategy, plain_rows=not unit_rows), DuckDBEngine()
    checked = Checked(table, 500, 5)

    def close(got: Any, want: Any) -> None:
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12 * np.abs(want).max())

    _, gram = drive.execute(sums.gram(job, checked), engine, Log())
    assert gram.rows == 500
    close(gram.matrix, x64.T @ x64)
    member = Member(reference, 4, weight=0.5)
    halves = drive.execute(sums.cross(job, checked, member, matrix), engine, Log())
    engine.close()
    found = {tuple(np.round(half.run_total, 6)): half for half in halves}
    assert len(found) == 2
    for chosen in (second, ~second):
        a, b, v = mapped[chosen], y64[chosen], 0.5 * w[chosen, None]
        half = found[tuple(np.round((v * a).sum(axis=0), 6))]
        close(half.cross, (v * a).T @ b)
        close(half.run, (v * a).T @ a)
        close(half.reference, (v * b).T @ b)
        close(half.run_total, (v * a).sum(axis=0))
        close(half.reference_total, (v * b).sum(axis=0))
        close(half.weight, v.sum())


def test_sums_in_tiles(tmp_path: Path, rng: np.random.Generator) -> None:
    """The SQL of a large dimension is several statements; together they give the same."""
    x, y = rng.standard_normal((2, 150, 100))
    tables = [
        VectorTable(
            "items",
            str(write_vectors(tmp_path / f"{name}.parquet", vectors)),
            (Column("id", "BIGINT"),),
            "array",
            ("embedding",),
            "double",
        )
        for name, vectors in (("x", x), ("y", y))
    ]
    engine, job = DuckDBEngine(), the_job("sql", plain_rows=True)
    checked = Checked(tables[0], 150, 100)
    _, gram = drive.execute(sums.gram(job, checked), engine, Log())
    first, second = drive.execute(
        sums.cross(job, checked, Member(tables[1], 100), np.eye(100)), engine, Log()
    )
    engine.close()
    np.testing.assert_allclose(gram.matrix, x.T @ x, atol=1e-10)
    np.testing.assert_allclose((first + second).cross, x.T @ y, atol=1e-10)


def test_there_is_room_for_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB writes the vectors of a row group as one page, however long, and reads it whole."""
    monkeypatch.setattr(duckdb_engine, "_MEMORY_LIMIT", 64 * 10**6)
    for name, rows in (("users", 20_000), ("items", 600)):
        with duckdb.connect() as session:
            session.execute(
                f"COPY (SELECT i AS id, list_transform(range(600), lambda k: "
                f"hash(i * 600 + k)::DOUBLE::FLOAT) AS embedding FROM range({rows}) AS r(i)) "
                f"TO '{tmp_path}/{name}.parquet'"
            )
    tables = tmp_path / "users.parquet", tmp_path / "items.parquet"
    with (
        duckdb.connect(config={"memory_limit": "64MB"}) as session,
        pytest.raises(EngineError, match=r"Out of Memory.* more with memory_limit, or fewer"),
    ):
        stabilize(*tables, engine=session)
    assert stabilize(*tables).figures["tables"]["users"]["rows"] == 20_000
    # Of several files, the one that needs most, whatever it is called; but no more than there is.
    folder = tmp_path / "several"
    folder.mkdir()
    tables[1].rename(folder / "1.parquet")
    tables[0].rename(folder / "[2].parquet")

    def limit(text: str = "") -> str:
        engine = DuckDBEngine(threads=2)
        try:
            engine.describe(str(folder))
            engine.make_room_for_sums(text)
            return str(engine.query("SELECT current_setting('memory_limit') AS it")[0]["it"])
        finally:
            engine.close()

    monkeypatch.setattr(duckdb_engine, "_MOST_FOOTERS", 1)
    group = 20_000 * 600 * 4 / 2**20
    assert 3 * group < float(limit().removesuffix(" MiB")) < 20 * group
    # A statement of sums has a vector of products for each, in each thread.
    more = float(limit(4096 * "sum(x),").removesuffix(" MiB")) - float(limit().removesuffix(" MiB"))
    assert more == pytest.approx(2 * 128)
    monkeypatch.setattr(duckdb_engine, "_most_memory", lambda _: 80 * 2**20)
    assert limit() == "80.0 MiB"


def test_a_file_is_no_pattern(tmp_path: Path) -> None:
    """DuckDB takes `[1].parquet` for `1.parquet` where that is, too."""
    for name, rows in (("1", 3), ("[1]", 7)):
        write_vectors(tmp_path / f"x{name}.parquet", np.eye(rows))
    path = tmp_path / "x[1].parquet"
    done = Space(tmp_path / "out[1]").run(path, path, key="1")
    assert done.figures["tables"]["users"]["rows"] == 7
    again = Space(tmp_path / "out[1]").run(path, path, key="2")
    assert again.figures["alignment"]["anchors"] == 7
    folder = tmp_path / "out1" / "run=1"
    folder.mkdir(parents=True)
    write_vectors(folder / "users.parquet", np.eye(3))
    with duckdb.connect() as session:
        stable = relations.named(f"{tmp_path}/out[1]/run=1/users.parquet", DUCKDB)
        assert session.sql(f"SELECT count(*) FROM {stable}").fetchall() == [(7,)]


@pytest.fixture
def two_models(tmp_path: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A model and its retraining: rotated, with noise, with other ids at either end."""
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    tables = {}
    for side, rows in (("users", 300), ("items", 120)):
        tables[f"old_{side}"] = rng.standard_normal((rows, 5))
        tables[f"new_{side}"] = (
            tables[f"old_{side}"] + 0.2 * rng.standard_normal((rows, 5))
        ) @ turn
    for name, vectors in tables.items():
        ids = np.arange(len(vectors)) + (20 if name.startswith("new") else 0)
        weight = 1.0 + (ids % 3)
        write_vectors(tmp_path / f"{name}.parquet", vectors, ids, weight=pa.array(weight))
    return tables


@pytest.fixture
def first(tmp_path: Path, two_models: dict[str, np.ndarray]) -> Space:
    """A space with the older of two models, as run 1."""
    space = Space(tmp_path / "space")
    space.run(tmp_path / "old_users.parquet", tmp_path / "old_items.parquet", key="1")
    return space


def newer(space: Space, folder: Path, *, weight: Any = None, **given: Any) -> Run:
    """The newer one, as run 2, by force: with other ids, the models are unrelated."""
    known = {name: given.pop(name) for name in ("anchor_filter", "filter") if name in given}
    return space.run(
        EmbeddingTable(str(folder / "new_users.parquet"), weight=weight, **known),
        EmbeddingTable(str(folder / "new_items.parquet"), weight=weight, **known),
        key="2",
        options=Options(force=True, **given),
    )


def shared(tables: dict[str, np.ndarray], side: str) -> tuple[np.ndarray, np.ndarray]:
    """The balanced rows of the shared ids, new and old; the new ids are 20 further on."""
    new = paper.stabilize(tables["new_users"], tables["new_items"])
    old = paper.stabilize(tables["old_users"], tables["old_items"])
    return getattr(new, side)[:-20], getattr(old, side)[20:]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("plain_rows", [True, False])
@pytest.mark.parametrize(
    ("options", "sides"),
    [
        ({"anchor": "items"}, ["items"]),
        ({"anchor": "users"}, ["users"]),
        ({"anchor": "both"}, ["users", "items"]),
        ({"weight": "weight"}, ["items"]),
        ({"anchor_filter": "id % 2 = 0"}, ["items"]),
        ({"weight": "weight", "anchor_filter": "id > 50", "anchor": "both"}, ["users", "items"]),
    ],
)
def test_anchors(
    tmp_path: Path,
    two_models: dict[str, np.ndarray],
    first: Space,
    options: dict[str, Any],
    sides: list[str],
    plain_rows: bool,
    strategy: Any,
) -> None:
    """The written vectors are those that Procrustes on just these rows and weights gives."""
    run = newer(first, tmp_path, strategy=strategy, plain_rows=plain_rows, **options)
    cross = np.zeros((5, 5))
    for side in sides:
        x, y = shared(two_models, side)
        ids = np.arange(20, 20 + len(x))
        if not plain_rows:
            x, y = paper.unit(x), paper.unit(y)
        if "weight" in options:
            x = x * (1.0 + ids % 3)[:, None]
        chosen = {"id % 2 = 0": ids % 2 == 0, "id > 50": ids > 50}.get(
            options.get("anchor_filter", ""), ids >= 0
        )
        cross += x[chosen].T @ y[chosen]
    left, _, right_t = np.linalg.svd(cross)
    for side in ("items", "users"):
        x, y = shared(two_models, side)
        new, old = read(run.table(side))[:-20], read(first["1"].table(side))[20:]  # type: ignore[arg-type]
        np.testing.assert_allclose(
            paper.cosines(new, old), paper.cosines(x @ left @ right_t, y), atol=1e-9
        )
    assert run.figures["alignment"]["sides"] == sides
    assert run.figures["alignment"]["unit_rows"] is not plain_rows


def test_before_is_recovered_through_the_references_map(
    tmp_path: Path, two_models: dict[str, np.ndarray], first: Space
) -> None:
    run = newer(first, tmp_path)
    for side in ("users", "items"):
        raw = paper.cosines(two_models[f"new_{side}"][:-20], two_models[f"old_{side}"][20:])
        assert run.figures["cosine"][side]["before"]["mean"] == pytest.approx(raw.mean(), abs=1e-9)
        assert run.figures["cosine"][side]["before"]["p10"] == pytest.approx(
            np.quantile(raw, 0.1), abs=1e-9
        )


def test_a_filter(tmp_path: Path, two_models: dict[str, np.ndarray], first: Space) -> None:
    """Rows that do not meet it take no part in anything, and are not written."""
    run = newer(first, tmp_path, filter="id < 100")
    users, items = two_models["new_users"][:80], two_models["new_items"][:80]
    want = paper.stabilize(users, items).singular_values
    np.testing.assert_allclose(run.figures["singular_values"], want, rtol=1e-12)
    assert worst_score((users, items), both(run)) <= 1e-12
    assert len(read(run.users)) == run.figures["tables"]["users"]["rows"] == 80
    assert run.figures["shared"] == {"users": 80, "items": 80}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_sample_is_enough_to_fit(
    tmp_path: Path, two_models: dict[str, np.ndarray], first: Space, strategy: Any
) -> None:
    """All rows are written, and scores are exact."""
    run = newer(first, tmp_path, strategy=strategy, sample="50%")
    known = run.figures["tables"]["users"]
    assert 100 < known["summed"] < 200
    assert known["rows"] == len(read(run.users)) == 300
    assert 30 < run.figures["alignment"]["anchors"] < 70
    raw = two_models["new_users"], two_models["new_items"]
    assert worst_score(raw, both(run)) <= 1e-12


# --- several runs ---------------------------------------------------------------------------------


@pytest.fixture
def days(tmp_path: Path) -> list[dict[str, paper.Rows]]:
    """Five retrainings of one model, each with other axes, some noise, and ids that come and go."""
    rng = np.random.default_rng(4)
    truth = {"users": rng.standard_normal((260, 5)), "items": rng.standard_normal((140, 5))}
    found = []
    for day in range(5):
        turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        tables = {}
        for side, vectors in truth.items():
            noisy = (vectors + 0.3 * rng.standard_normal(vectors.shape)) @ turn
            chosen = rng.random(len(vectors)) < 0.8
            ids = np.flatnonzero(chosen)
            write_vectors(
                tmp_path / f"{side}{day}.parquet", noisy[chosen], ids, ds=[str(day)] * len(ids)
            )
            tables[side] = paper.by_id(ids, noisy[chosen])
        found.append(tables)
    return found


def rows_of(run: Run, side: Any) -> paper.Rows:
    table = run.table(side).arrow()
    return paper.by_id(table["id"].to_pylist(), np.array(table["embedding"].to_pylist()))


@pytest.mark.usefixtures("days")
def test_a_sample_gives_nearly_the_axes_of_all_rows(tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    retrain(space, tmp_path, 0)
    whole = rows_of(retrain(space, tmp_path, 1), "items")
    some = rows_of(retrain(space, tmp_path, 1, sample="50%"), "items")
    cosines = paper.cosines(*(np.array([rows[key] for key in whole]) for rows in (some, whole)))
    assert 0.95 < cosines.mean() < 1 - 1e-6


def balanced(day: dict[str, paper.Rows]) -> dict[str, paper.Rows]:
    users, items = (np.array(list(day[side].values())) for side in ("users", "items"))
    found = paper.stabilize(users, items)
    return {side: paper.by_id(list(day[side]), getattr(found, side)) for side in day}


def retrain(space: Space, folder: Path, day: int, key: str | None = None, **options: Any) -> Run:
    return space.run(
        folder / f"users{day}.parquet",
        folder / f"items{day}.parquet",
        key=key or str(day),
        options=Options(**options),
    )


def check_aligned(
    run: Run, day: dict[str, paper.Rows], reference: list[tuple[paper.Rows, float]], **how: Any
) -> None:
    """Its vectors are the balanced ones times the Omega of the formula; figures are of the same."""
    own = balanced(day)
    turn = paper.omega(own["items"], reference, **how)
    for side, vectors in own.items():
        got = rows_of(run, side)
        want = np.array([vectors[key] for key in got]) @ turn
        np.testing.assert_allclose(np.array(list(got.values())), want, atol=1e-10)
    alignment = run.figures["alignment"]
    _, x, y = paper.stacked(own["items"], reference, **how)
    residual = np.linalg.norm(x @ turn - y) / np.linalg.norm(y)
    assert alignment["relative_residual"] == pytest.approx(residual, abs=1e-9)
    held_out, chance = paper.held_out(own["items"], reference, **how)
    assert alignment["held_out"] == pytest.approx(held_out, abs=1e-9)
    above = (alignment["held_out"] - alignment["chance"]) / (1 - alignment["chance"])
    assert alignment["agreement"] == pytest.approx(above, abs=1e-12)
    # Drawn from sums there, shuffled here.
    assert alignment["chance"] == pytest.approx(chance, abs=0.05)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("plain_rows", [False, True])
def test_recent_runs_are_the_reference_with_weights_that_fade(
    tmp_path: Path, days: list[dict[str, paper.Rows]], strategy: Any, plain_rows: bool
) -> None:
    """C is the sum of w_j x' y_j over the earlier runs j and the ids shared with each."""
    space = Space(tmp_path / "space")
    options: dict[str, Any] = {"strategy": strategy, "plain_rows": plain_rows, "memory": 0.3}
    runs = [retrain(space, tmp_path, day, **options) for day in range(5)]
    weights = runs[4].figures["reference"]["runs"]
    # 0.3^3 is less than 0.05.
    assert weights == pytest.approx({"1": 0.09, "2": 0.3, "3": 1.0})
    reference = [(rows_of(space[key], "items"), weight) for key, weight in weights.items()]
    check_aligned(runs[4], days[4], reference, unit_rows=not plain_rows)
    assert runs[4].figures["reference"]["run"] == "3"


@pytest.mark.parametrize(
    ("align", "runs"),
    [("previous", {"3": 1.0}), ("first", {"0": 1.0}), ("1", {"1": 1.0})],
)
def test_one_run_is_the_reference(
    tmp_path: Path, days: list[dict[str, paper.Rows]], align: str, runs: dict[str, float]
) -> None:
    space = Space(tmp_path / "space")
    done = [retrain(space, tmp_path, day, align=align if day > 3 else "recent") for day in range(5)]
    newest = next(iter(runs))
    assert done[4].figures["reference"] == {
        "align": align, "run": newest, "runs": runs, "dimension": 5,
        "rows": {side: len(rows) for side, rows in days[int(newest)].items()},
    }  # fmt: skip
    check_aligned(done[4], days[4], [(rows_of(space[key], "items"), 1.0) for key in runs])


def test_a_run_that_is_not_before_is_no_reference(
    tmp_path: Path, days: list[dict[str, paper.Rows]]
) -> None:
    space = Space(tmp_path / "space")
    for day in (0, 2):
        retrain(space, tmp_path, day)
    for align in ("2", "9"):
        with pytest.raises(
            UsageError, match=f"align {align}: there is no such run before 1; .*: 0"
        ):
            retrain(space, tmp_path, 1, align=align)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("plain_rows", [False, True])
def test_maps_alone_and_raw_rows_are_a_reference_too(
    tmp_path: Path, days: list[dict[str, paper.Rows]], strategy: Any, plain_rows: bool
) -> None:
    """Runs that write no vectors come out as if they had: raw rows times maps stand in."""
    whole, bare = Space(tmp_path / "whole"), Space(tmp_path / "bare")
    # One table with a column of days, as a warehouse has it.
    tables = [str(tmp_path / f"{side}?.parquet") for side in ("users", "items")]
    for day in range(5):
        options: dict[str, Any] = {"strategy": strategy, "plain_rows": plain_rows}
        written = whole.run(*tables, key=f"ds={day}", options=Options(**options))
        alone = bare.run(
            *tables,
            key=f"ds={day}",
            # A run with vectors among those without.
            options=Options(maps_only=day != 2, **options),
        )
        assert (alone.figures["outputs"] is None) == (day != 2)
        for side in ("users", "items"):
            np.testing.assert_allclose(
                alone.maps[side].matrix, written.maps[side].matrix, atol=1e-11
            )
    for name in ("held_out", "relative_residual", "linear_residual", "bound", "cka"):
        assert alone.figures["alignment"][name] == pytest.approx(
            written.figures["alignment"][name], abs=1e-10
        )
    # Where rows stand apart, the ids of the newest run alone are counted.
    assert alone.figures["alignment"]["agreement"] == pytest.approx(
        written.figures["alignment"]["agreement"], abs=1e-3
    )
    assert alone.figures["cosine"]["items"]["after"] == pytest.approx(
        written.figures["cosine"]["items"]["after"], abs=1e-10
    )
    assert sorted(path.name for path in (tmp_path / "bare" / "ds=4").iterdir()) == [
        "maps.parquet",
        "run.json",
    ]
    with pytest.raises(DataError, match=r"Run 4 wrote its maps only.*times maps\[\"items\"\]"):
        _ = alone.items


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["balanced", "rotation"])
def test_raw_rows_that_changed_after_their_maps_are_no_reference(
    tmp_path: Path, days: list[dict[str, paper.Rows]], strategy: Any, kind: Any
) -> None:
    space = Space(tmp_path / "space")
    tables = [str(tmp_path / f"{side}?.parquet") for side in ("users", "items")]
    options = Options(maps_only=True, strategy=strategy, map=kind)

    def run(day: int) -> Run:
        return space.run(*tables, key=f"ds={day}", options=options)

    for day in (0, 1):
        run(day)
    rows = days[1]["items"]
    ids, vectors = np.array(list(rows)), np.array(list(rows.values()))
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((5, 5)))[0]
    two = np.arange(len(ids))
    two[:2] = 1, 0
    changes = {
        "trained anew": (ids, vectors @ turn),
        "signs of columns": (ids, vectors * [1, -1, 1, -1, 1]),
        "all signs": (ids, -vectors),
        "columns": (ids, vectors[:, ::-1]),
        "two ids": (ids[two], vectors),
        "all ids": (np.roll(ids, 1), vectors),
    }
    for new_ids, new in changes.values():
        write_vectors(tmp_path / "items1.parquet", new, new_ids, ds=["1"] * len(ids))
        with pytest.raises(DataError, match=r"Run 1, .* its raw rows in items .* have changed"):
            run(2)
        assert [each.key for each in space.runs] == ["0", "1"]
    # In another order they are the same rows.
    order = np.random.default_rng(6).permutation(len(ids))
    write_vectors(tmp_path / "items1.parquet", vectors[order], ids[order], ds=["1"] * len(ids))
    run(2)
    space.drop("2")
    write_vectors(tmp_path / "items1.parquet", vectors @ turn, ids, ds=["1"] * len(ids))
    run(1)
    # The users of day 1 were not trained with these items.
    assert run(2).figures["alignment"]["agreement"] > 0.5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_maps_alone_and_rows_that_were_left_out(
    tmp_path: Path, days: list[dict[str, paper.Rows]], strategy: Any
) -> None:
    """They are no reference either."""
    rows = days[0]["items"]
    twice = list(rows)[:30]
    write_vectors(
        tmp_path / "items0.parquet",
        np.vstack([*rows.values(), np.full((30, 5), 9.0)]),
        np.array([*rows, *twice]),
        ds=["0"] * (len(rows) + 30),
    )
    tables = [str(tmp_path / f"{side}?.parquet") for side in ("users", "items")]
    maps = []
    for maps_only in (False, True):
        space = Space(tmp_path / f"space{maps_only}")
        options = Options(maps_only=maps_only, strategy=strategy, on_invalid="drop")
        for day in (0, 1):
            run = space.run(*tables, key=f"ds={day}", options=options)
        assert space["0"].figures["tables"]["items"]["left_out"] == 60
        maps.append(run.maps["items"].matrix)
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-11)


def test_maps_alone_need_a_column_of_days(
    tmp_path: Path, days: list[dict[str, paper.Rows]]
) -> None:
    space = Space(tmp_path / "space")
    with pytest.raises(UsageError, match=r"maps_only keeps no stable rows.*as in key=.ds="):
        retrain(space, tmp_path, 0, maps_only=True)
    assert space.runs == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_dimensions_may_change_and_change_back(
    tmp_path: Path, strategy: Any, rng: np.random.Generator
) -> None:
    """64 -> 96 -> 64, in small; the space grows and is not lost, scores are exact each time."""
    space = Space(tmp_path / "space")
    truth = rng.standard_normal((150, 4)), rng.standard_normal((100, 4))
    for number, dimension in enumerate((4, 6, 4)):
        turn = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
        raw = []
        for vectors in truth:
            extra = 0.05 * rng.standard_normal((len(vectors), dimension))
            extra[:, :4] += vectors
            raw.append(extra @ turn)
        run = space.run(
            write_vectors(tmp_path / f"u{number}.parquet", raw[0]),
            write_vectors(tmp_path / f"i{number}.parquet", raw[1]),
            key=str(number),
            options=Options(strategy=strategy),
        )
        stable = both(run)
        assert worst_score((raw[0], raw[1]), stable) < 1e-12
        assert stable[0].shape[1] == (4, 6, 6)[number]
        if number:
            cosine = run.figures["cosine"]["items"]
            assert cosine["after"]["mean"] > 0.95
            assert cosine["before"] is None  # raw vectors of another dimension have no cosine
    assert run.figures["reference"]["runs"] == pytest.approx({"0": 0.8, "1": 1.0})


def test_a_lower_rank_is_padded_with_zeros(tmp_path: Path, rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((50, 5)), rng.standard_normal((40, 5))
    items[:, 3] = 0
    run = stabilize(
        write_vectors(tmp_path / "u.parquet", users), write_vectors(tmp_path / "i.parquet", items)
    )
    assert run.figures["rank"] == 4
    assert any("rank 4" in warning for warning in run.figures["warnings"])
    stable = read(run.users)
    assert stable.shape == (50, 5)
    assert np.all(stable[:, 4] == 0)
    assert not run.maps["users"].invertible
    assert run.maps["items"].invertible  # its zero column comes back as zeros


def test_a_rank_beyond_the_dimension(model: Any) -> None:
    source = model()
    run = stabilize(source / "users.parquet", source / "items.parquet", options=Options(rank=100))
    assert run.figures["dimension"] == 6


def test_a_requested_rank(model: Any) -> None:
    source = model()
    run = stabilize(source / "users.parquet", source / "items.parquet", options=Options(rank=3))
    assert read(run.users).shape == (200, 3)
    assert run.figures["scores"]["max_relative_error"] > 1e-3
    assert not run.maps["items"].invertible


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fewer_shared_ids_than_dimensions(strategy: Any, model: Any) -> None:
    source = model(dimension=8)
    first = stabilize(source / "users.parquet", source / "items.parquet")
    runs = [
        stabilize(
            source / "users.parquet",
            EmbeddingTable(str(source / "items.parquet"), anchor_filter="id < 3"),
            first,
            options=Options(strategy=strategy),
        )
        for k in range(2)
    ]
    assert runs[0].figures["alignment"]["ambiguous"] == 5
    assert runs[0].figures["alignment"]["anchors"] == 3
    assert runs[0].figures["alignment"]["verdict"] == "doubtful"
    assert any("Only 3 shared ids" in warning for warning in runs[0].figures["warnings"])
    np.testing.assert_allclose(
        runs[0].maps["items"].matrix, runs[1].maps["items"].matrix, atol=1e-9
    )
    # Even so, the same model ends up where it was: nothing says otherwise.
    assert runs[0].figures["cosine"]["items"]["after"]["mean"] > 0.999


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_zero_vectors_have_no_direction(
    tmp_path: Path, strategy: Any, rng: np.random.Generator
) -> None:
    """They stay zero, and neither pull at the others nor make a cosine of them."""
    users, items = rng.standard_normal((60, 3)), rng.standard_normal((40, 3))
    items[::4] = 0
    space = Space(tmp_path / "space")
    tables = (
        write_vectors(tmp_path / "u.parquet", users),
        write_vectors(tmp_path / "i.parquet", items),
    )
    for key in ("1", "2"):
        run = space.run(*tables, key=key, options=Options(strategy=strategy))
    stable = both(run)
    assert worst_score((users, items), stable) < 1e-12
    assert np.all(stable[1][::4] == 0)
    np.testing.assert_allclose(stable[1], read(space["1"].items), atol=1e-12)
    assert run.figures["cosine"]["items"]["rows"] == 40
    assert run.figures["cosine"]["items"]["after"]["p10"] == pytest.approx(1)


WEIGHTS: dict[str, tuple[Any, int, str | None]] = {
    "equal": (np.ones(100), 100, None),
    "equal, and nearly nothing": (np.full(100, 1e-200), 100, None),
    "half of them zero": (np.arange(100) % 2, 50, None),
    "zero but for three": (np.arange(100) < 3, 3, r"Only 3 shared items; to align 5 dimensions"),
    "hardly above zero but for three": (
        np.where(np.arange(100) < 3, 1, 1e-12),
        100,
        r"The weights of 100 shared ids are so unequal that they count as 3 .*"
        r"Only 3 shared ids align 5 dim.*Only 3 shared items; to align 5 dimensions takes 20",
    ),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_say_how_many_ids_there_are(
    case: str,
    strategy: Any,
    tmp_path: Path,
    two_models: dict[str, np.ndarray],
    first: Space,
) -> None:
    weights, taking_part, warning = WEIGHTS[case]
    # The shared items are those from 20 to 119.
    weights = np.r_[np.asarray(weights, np.float64), np.ones(20)]
    path = tmp_path / "new_items.parquet"
    ids = np.arange(120) + 20
    write_vectors(path, two_models["new_items"], ids, weight=pa.array(weights))
    run = newer(first, tmp_path, weight="weight", strategy=strategy)
    assert run.figures["alignment"]["anchors"] == taking_part
    said = " ".join(run.figures["warnings"])
    assert (re.search(warning, said) is not None) if warning else ("Only" not in said)
    with pytest.raises(GateError, match=rf"that take part: {taking_part}, but"):
        first.run(
            EmbeddingTable(str(tmp_path / "new_users.parquet"), weight="weight"),
            EmbeddingTable(str(path), weight="weight"),
            key="3",
            options=Options(strategy=strategy, align="1", min_shared_ids=taking_part + 1),
        )


def test_no_shared_ids(tmp_path: Path, rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((30, 3)), rng.standard_normal((20, 3))
    users_file = write_vectors(tmp_path / "u.parquet", users)
    space = Space(tmp_path / "space")
    space.run(users_file, write_vectors(tmp_path / "i.parquet", items), key="1")
    other = write_vectors(tmp_path / "j.parquet", items, np.arange(100, 120))
    with pytest.raises(DataError, match=r"shares no ids.*example 100.*example 0"):
        space.run(users_file, other, key="2")
    assert [run.key for run in space.runs] == ["1"]
    run = space.run(users_file, other, key="2", options=Options(anchor="users"))
    assert run.figures["cosine"]["items"]["after"] is None
    assert run.figures["cosine"]["users"]["after"]["mean"] == pytest.approx(1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_unrelated_vectors_are_refused(tmp_path: Path, model: Any, strategy: Any) -> None:
    space = Space(tmp_path / "space")
    tables = [(folder / "users.parquet", folder / "items.parquet") for folder in map(model, "ab")]
    space.run(*tables[0], key="1")
    with pytest.raises(GateError, match=r"unrelated: Items that took no part.*shuffled"):
        space.run(*tables[1], key="2", options=Options(strategy=strategy))
    assert [run.key for run in space.runs] == ["1"]
    run = space.run(*tables[1], key="2", options=Options(strategy=strategy, force=True))
    assert run.figures["alignment"]["verdict"] == "unrelated"
    assert any("by force" in warning for warning in run.figures["warnings"])


def test_a_run_in_memory_leaves_nothing_behind(
    model: Any, connection: duckdb.DuckDBPyConnection
) -> None:
    source = model()
    run = stabilize(source / "users.parquet", source / "items.parquet", engine=connection)
    assert read(run.users).shape == (200, 6)
    assert connection.execute("SELECT * FROM duckdb_tables()").fetchall() == []
    assert {path.name for path in source.iterdir()} == {"users.parquet", "items.parquet"}


def test_tables_of_a_connection_and_of_a_database_file(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection, model: Any
) -> None:
    source = model()
    database = tmp_path / "warehouse.duckdb"
    connection.execute(f"ATTACH '{database}' AS w")
    connection.execute(f"CREATE TABLE w.users AS FROM '{source}/users.parquet'")
    connection.execute(f"CREATE VIEW w.main.items AS FROM '{source}/items.parquet'")
    connection.execute("USE w")
    before = connection.execute("SELECT * FROM duckdb_settings()").fetchall()
    by_connection = stabilize("users", "items", engine=connection)
    assert connection.execute("SELECT * FROM duckdb_settings()").fetchall() == before
    connection.execute("USE memory")
    connection.execute("DETACH w")
    by_file = stabilize("users", "main.items", engine=database)
    by_path = stabilize(source / "users.parquet", source / "items.parquet")
    for run in (by_connection, by_file):
        np.testing.assert_allclose(
            run.maps["items"].matrix, by_path.maps["items"].matrix, atol=1e-12
        )


def test_a_directory_does_not_take_the_place_of_a_table(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`users` is the table, whatever lies about in the working directory; `./users` is not."""
    monkeypatch.chdir(tmp_path)
    files = model()
    for side in ("users", "items"):
        Path(side).mkdir()
        write_vectors(Path(side) / "x.parquet", np.eye(6))
    assert stabilize(Path("users"), "./items").figures["tables"]["users"]["rows"] == 6
    named = [EmbeddingTable(Path(side)) for side in ("users", "items")]
    assert stabilize(*named).figures["tables"]["users"]["rows"] == 6
    with duckdb.connect() as connection:
        with pytest.raises(
            DataError, match=r"no table or view users .*directory .* is \./users\.$"
        ):
            stabilize("users", "items", engine=connection)
        for side in ("users", "items"):
            connection.execute(f"CREATE TABLE {side} AS FROM '{files / side}.parquet'")
        done = stabilize("users", "items", engine=connection)
        assert done.figures["tables"]["users"]["rows"] == 200
        assert (
            stabilize("./users", "items", engine=connection).figures["tables"]["users"]["rows"] == 6
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_csv_globs_and_kept_columns(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection, model: Any, strategy: Any
) -> None:
    source = model(dimension=3)
    connection.execute(
        f"COPY (SELECT id, embedding[1] AS v_1, embedding[2] AS v_2, embedding[3] AS v_3, "
        f"'user ' || id AS name FROM '{source}/users.parquet') TO '{tmp_path}/u.csv'"
    )
    for part in range(2):
        connection.execute(
            f"COPY (SELECT id AS item_id, embedding FROM '{source}/items.parquet' "
            f"WHERE id % 2 = {part}) TO '{tmp_path}/part-{part}.parquet'"
        )
    run = Space(tmp_path / "space").run(
        EmbeddingTable(str(tmp_path / "u.csv"), keep=["name"]),
        tmp_path / "part-*.parquet",
        key="1",
        options=Options(strategy=strategy),
    )
    rows = connection.execute(
        f"SELECT id, name FROM '{tmp_path}/space/run=1/users.parquet' ORDER BY id LIMIT 2"
    ).fetchall()
    assert rows == [(0, "user 0"), (1, "user 1")]
    described = connection.execute(
        f"DESCRIBE FROM read_parquet("
        f"'{tmp_path}/space/run=1/users.parquet', hive_partitioning = false)"
    ).fetchall()
    assert [row[:2] for row in described] == [
        ("id", "BIGINT"),
        ("v_1", "DOUBLE"),
        ("v_2", "DOUBLE"),
        ("v_3", "DOUBLE"),
        ("name", "VARCHAR"),
    ]
    assert run.figures["tables"]["items"]["rows"] == 90
    assert run.figures["scores"]["max_relative_error"] < 1e-6


@pytest.mark.parametrize(
    "options",
    [
        {"anchor": "movies"},
        {"memory": 0},
        {"memory": 1.5},
        {"rank": 0},
        {"sample": "0%"},
        {"refine": "twice"},
        {"strategy": "fast"},
        {"on_invalid": "ignore"},
        {"output_layout": "tall"},
        {"output_type": "half"},
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Options(**options)


def test_the_largest_figures_come_from_a_sample(
    monkeypatch: pytest.MonkeyPatch, model: Any
) -> None:
    """The package stays the same when rows are sampled; both ways see the same rows."""
    monkeypatch.setattr(quality, "SAMPLED_ROWS", 50)
    source = model(users=2000)
    first = stabilize(source / "users.parquet", source / "items.parquet")
    later = model("later", users=2000, rotate=source)
    found = [
        stabilize(
            later / "users.parquet",
            later / "items.parquet",
            first,
            options=Options(strategy=strategy),
        ).figures["cosine"]["users"]
        for strategy in STRATEGIES
    ]
    assert 20 < found[0]["rows"] < 100
    assert found[0]["rows"] == found[1]["rows"]
    assert found[0]["after"] == pytest.approx(found[1]["after"], abs=1e-12)
    assert found[0]["before"] == pytest.approx(found[1]["before"], abs=1e-12)
