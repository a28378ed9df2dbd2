"""The whole flow on generated tables, against numpy, both ways of computing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import paper
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import conditioned, read_vectors, write_vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlstab import DataError, EmbeddingTable, EngineError, Options, Run, UsageError, stabilize
from sqlstab.compute import Pair
from sqlstab.compute.arrow import ArrowCompute
from sqlstab.compute.choice import choose
from sqlstab.compute.sql import SqlCompute
from sqlstab.engines import duckdb as duckdb_engine
from sqlstab.engines.duckdb import DuckDBEngine
from sqlstab.errors import ConflictError
from sqlstab.maths import quality
from sqlstab.progress import Silent
from sqlstab.references import References
from sqlstab.stabilize import collect_sums
from sqlstab.statements import quoting
from sqlstab.statements.dialect import DUCKDB
from sqlstab.statements.table import LAYOUTS, Column, VectorTable

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


def read(path: Path, layout: str) -> np.ndarray:
    """The vectors of such a table, by id."""
    if layout == "array":
        return read_vectors(path)[1]
    if layout == "wide":
        table = pq.read_table(path).sort_by("id")
        names = [name for name in table.schema.names if name.startswith("e")]
        return np.stack([table.column(name).to_numpy() for name in names], axis=1).astype(float)
    table = pq.read_table(path).sort_by([("id", "ascending"), ("dim", "ascending")])
    rows = len(set(table.column("id").to_pylist()))
    return table.column("value").to_numpy().reshape(rows, -1).astype(float)


def worst_score(raw: tuple[np.ndarray, np.ndarray], stable: tuple[np.ndarray, np.ndarray]) -> float:
    before, after = raw[1] @ raw[0].T, stable[1] @ stable[0].T
    return float(np.abs(after - before).max() / np.abs(before).max())


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
        out=tmp_path / "run",
        options=Options(strategy=strategy, refine=refine),
    )
    stable = (
        read_vectors(tmp_path / "run/users.parquet")[1],
        read_vectors(tmp_path / "run/items.parquet")[1],
    )
    assert worst_score((users, items), stable) <= 1e-12
    assert run.figures["scores"]["max_relative_error"] <= 1e-12
    values = np.array(run.figures["singular_values"])
    root = np.sqrt(values)
    for side, vectors in zip(("users", "items"), stable, strict=True):
        live = vectors[:, : len(values)]
        error = np.abs((live.T @ live - np.diag(values)) / root / root[:, None]).max()
        assert error <= run.figures[side]["accuracy"]
        if condition <= 1e2:
            assert error <= 1e-10
        if refine == "always":
            assert error <= 1e-13 * max(condition, 100)
        assert np.all(vectors[:, len(values) :] == 0)
    # With a reference, as without: the rotation must not spread the rounding of small directions.
    turn = np.linalg.qr(rng.standard_normal((7, 7)))[0]
    users, items = (users + 0.1 * rng.permutation(users)) @ turn, items @ turn
    stabilize(
        write(tmp_path / "u2.parquet", users, "array"),
        write(tmp_path / "i2.parquet", items, "array"),
        run,
        tmp_path / "run2",
        options=Options(strategy=strategy, refine=refine),
    )
    again = [read_vectors(tmp_path / f"run2/{side}.parquet")[1] for side in ("users", "items")]
    assert worst_score((users, items), (again[0], again[1])) <= 1e-12
    stabilize(
        tmp_path / "u2.parquet",
        tmp_path / "i2.parquet",
        run,
        tmp_path / "run3",
        options=Options(strategy=strategy, refine=refine, output_type="float"),
    )
    single = [read_vectors(tmp_path / f"run3/{side}.parquet")[1] for side in ("users", "items")]
    assert worst_score((users, items), (single[0], single[1])) <= 1e-6
    warned = any("Use refine auto" in warning for warning in run.figures["warnings"])
    assert warned == (refine == "never" and condition >= 1e6)


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
            out=path / "run",
            options=Options(strategy=strategy, output_layout=output, output_type=output_type),
        )
        stable = tuple(
            read(path / f"run/{side}.parquet", output or layout)
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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_both_ways_give_the_same_sums(
    tmp_path: Path, layout: Any, weighted: bool, normalize: bool, rng: np.random.Generator
) -> None:
    """To 1e-12 of the largest entry, and equal to numpy's."""
    x = rng.standard_normal((500, 5)).astype(np.float32)
    y = rng.standard_normal((300, 4)).astype(np.float32)
    weight = rng.random(500)
    columns = {"w": weight} if weighted else {}
    paths = (
        write(tmp_path / "x.parquet", x, layout, **columns),
        write(tmp_path / "y.parquet", y, "array"),
    )
    names = {"wide": [f"e{k}" for k in range(5)], "array": ["embedding"], "long": ["dim", "value"]}
    table = VectorTable(
        "items",
        str(paths[0]),
        Column("id", "BIGINT"),
        layout,
        tuple(names[layout]),
        "float",
        weight="w" if weighted else None,
    )
    reference = VectorTable(
        "items", str(paths[1]), Column("id", "BIGINT"), "array", ("embedding",), "float"
    )
    matrix = rng.standard_normal((5, 5))
    x64, y64 = x.astype(float), y.astype(float)
    mapped = x64[:300] @ matrix
    if normalize:
        mapped = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
        y64 = y64 / np.linalg.norm(y64, axis=1, keepdims=True)
    w = weight[:300, None] if weighted else 1.0
    want = quality.SharedSums((mapped * w).T @ y64, (mapped * w).T @ mapped, (y64 * w).T @ y64)
    engine = DuckDBEngine()
    with Silent().step("") as step:
        for compute in (ArrowCompute(engine), SqlCompute(engine)):
            gram = compute.gram(table, 5, None, 500, step)
            assert gram.rows == 500
            np.testing.assert_allclose(
                gram.matrix, x64.T @ x64, atol=1e-12 * np.abs(gram.matrix).max()
            )
            whitened = compute.gram(table, 5, matrix[:, :3], 500, step).matrix
            np.testing.assert_allclose(
                whitened, (x64 @ matrix[:, :3]).T @ (x64 @ matrix[:, :3]), rtol=1e-12, atol=1e-11
            )
            sums = compute.shared_sums(
                Pair(table, reference, 4, 300), matrix, normalize=normalize, step=step
            )
            for got, expected in (
                (sums.cross, want.cross),
                (sums.run, want.run),
                (sums.reference, want.reference),
            ):
                np.testing.assert_allclose(
                    got, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max()
                )
    engine.close()


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
    assert stabilize(*tables).figures["users"]["rows"] == 20_000
    # Of several files, the one that needs most, whatever it is called; but no more than there is.
    folder = tmp_path / "several"
    folder.mkdir()
    tables[1].rename(folder / "1.parquet")
    tables[0].rename(folder / "[2].parquet")

    def limit(strategy: Any = "auto") -> str:
        engine = DuckDBEngine(threads=2)
        try:
            choose(engine, strategy, "")
            engine.describe(str(folder))
            return str(engine.query("SELECT current_setting('memory_limit') AS it")[0]["it"])
        finally:
            engine.close()

    monkeypatch.setattr(duckdb_engine, "_MOST_FOOTERS", 1)
    group = 20_000 * 600 * 4 / 2**20
    assert 3 * group < float(limit().removesuffix(" MiB")) < 20 * group
    # A statement of sums has a vector of products for each, in each thread.
    more = float(limit("sql").removesuffix(" MiB")) - float(limit().removesuffix(" MiB"))
    assert more == pytest.approx(2 * 128)
    monkeypatch.setattr(duckdb_engine, "_most_memory", lambda _: 80 * 2**20)
    assert limit() == "80.0 MiB"


def test_a_file_is_no_pattern(tmp_path: Path) -> None:
    """DuckDB takes `[1].parquet` for `1.parquet` where that is, too."""
    for name, rows in (("1", 3), ("[1]", 7)):
        write_vectors(tmp_path / f"x{name}.parquet", np.eye(rows))
    path = tmp_path / "x[1].parquet"
    done = stabilize(path, path, out=tmp_path / "out[1]")
    assert done.figures["users"]["rows"] == 7
    (tmp_path / "out1").mkdir()
    write_vectors(tmp_path / "out1" / "users.parquet", np.eye(3))
    with duckdb.connect() as session:
        stable = quoting.relation(f"{tmp_path}/out[1]", DUCKDB)
        assert session.sql(f"SELECT count(*) FROM {stable}").fetchall() == [(14,)]


def test_sums_in_tiles(tmp_path: Path, rng: np.random.Generator) -> None:
    """The SQL of a large dimension is several statements; together they give the same."""
    x, y = rng.standard_normal((2, 150, 100))
    tables = [
        VectorTable(
            "items",
            str(write_vectors(tmp_path / f"{name}.parquet", vectors)),
            Column("id", "BIGINT"),
            "array",
            ("embedding",),
            "double",
        )
        for name, vectors in (("x", x), ("y", y))
    ]
    engine = DuckDBEngine()
    compute = SqlCompute(engine)
    with Silent().step("") as step:
        gram = compute.gram(tables[0], 100, None, 150, step).matrix
        sums = compute.shared_sums(
            Pair(tables[0], tables[1], 100, 150), np.eye(100), normalize=False, step=step
        )
    engine.close()
    np.testing.assert_allclose(gram, x.T @ x, atol=1e-10)
    np.testing.assert_allclose(sums.cross, x.T @ y, atol=1e-10)


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


def aligned(
    path: Path, anchor: Any = "items", cosine: bool = False, strategy: Any = "arrow", **table: Any
) -> Run:
    first = stabilize(path / "old_users.parquet", path / "old_items.parquet", out=path / "old")
    return stabilize(
        EmbeddingTable(str(path / "new_users.parquet"), **table),
        EmbeddingTable(str(path / "new_items.parquet"), **table),
        first,
        path / "new",
        options=Options(anchor=anchor, cosine=cosine, strategy=strategy),
    )


def shared(tables: dict[str, np.ndarray], side: str) -> tuple[np.ndarray, np.ndarray]:
    """The balanced rows of the shared ids, new and old; the new ids are 20 further on."""
    new = paper.stabilize(tables["new_users"], tables["new_items"])
    old = paper.stabilize(tables["old_users"], tables["old_items"])
    return getattr(new, side)[:-20], getattr(old, side)[20:]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({"anchor": "items"}, {"items": 1.0}),
        ({"anchor": "users"}, {"users": 1.0}),
        ({"anchor": "both"}, {"items": 1.0, "users": 1.0}),
        ({"anchor": "items=1,users=0.1"}, {"items": 1.0, "users": 0.1}),
        ({"anchor": {"items": 0.5, "users": 0.0}}, {"items": 0.5}),
        ({"cosine": True}, {"items": 1.0}),
        ({"weight": "weight"}, {"items": 1.0}),
        ({"anchor_filter": "id % 2 = 0"}, {"items": 1.0}),
        ({"weight": "weight", "anchor_filter": "id > 50", "cosine": True}, {"items": 1.0}),
    ],
)
def test_anchors(
    tmp_path: Path,
    two_models: dict[str, np.ndarray],
    options: dict[str, Any],
    weights: dict[str, float],
    strategy: Any,
) -> None:
    """The written vectors are those that Procrustes on just these rows and weights gives."""
    run = aligned(tmp_path, strategy=strategy, **options)
    cross = np.zeros((5, 5))
    for side, side_weight in weights.items():
        x, y = shared(two_models, side)
        ids = np.arange(20, 20 + len(x))
        if options.get("cosine"):
            x = x / np.linalg.norm(x, axis=1, keepdims=True)
            y = y / np.linalg.norm(y, axis=1, keepdims=True)
        if "weight" in options:
            x = x * (1.0 + ids % 3)[:, None]
        chosen = {"id % 2 = 0": ids % 2 == 0, "id > 50": ids > 50}.get(
            options.get("anchor_filter", ""), ids >= 0
        )
        cross += side_weight * x[chosen].T @ y[chosen]
    left, _, right_t = np.linalg.svd(cross)
    for side in ("items", "users"):
        x, y = shared(two_models, side)
        new = read_vectors(tmp_path / f"new/{side}.parquet")[1][:-20]
        old = read_vectors(tmp_path / f"old/{side}.parquet")[1][20:]
        np.testing.assert_allclose(
            paper.cosines(new, old), paper.cosines(x @ left @ right_t, y), atol=1e-9
        )
    assert run.figures["alignment"]["weights"] == weights


def test_before_is_recovered_through_the_references_transform(
    tmp_path: Path, two_models: dict[str, np.ndarray]
) -> None:
    run = aligned(tmp_path)
    for side in ("users", "items"):
        raw = paper.cosines(two_models[f"new_{side}"][:-20], two_models[f"old_{side}"][20:])
        assert run.figures["cosine"][side]["before"]["mean"] == pytest.approx(raw.mean(), abs=1e-9)
        assert run.figures["cosine"][side]["before"]["p10"] == pytest.approx(
            np.quantile(raw, 0.1), abs=1e-9
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_dimensions_may_change_and_change_back(
    tmp_path: Path, strategy: Any, rng: np.random.Generator
) -> None:
    """64 -> 96 -> 64, in small; the space grows and is not lost, scores are exact each time."""
    previous: Run | None = None
    truth = rng.standard_normal((150, 4)), rng.standard_normal((100, 4))
    for number, dimension in enumerate((4, 6, 4)):
        turn = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
        raw = []
        for vectors in truth:
            extra = 0.05 * rng.standard_normal((len(vectors), dimension))
            extra[:, :4] += vectors
            raw.append(extra @ turn)
        previous = stabilize(
            write_vectors(tmp_path / f"u{number}.parquet", raw[0]),
            write_vectors(tmp_path / f"i{number}.parquet", raw[1]),
            previous,
            tmp_path / f"run{number}",
            options=Options(strategy=strategy),
        )
        stable = [
            read_vectors(tmp_path / f"run{number}/{s}.parquet")[1] for s in ("users", "items")
        ]
        assert worst_score((raw[0], raw[1]), (stable[0], stable[1])) < 1e-12
        assert stable[0].shape[1] == (4, 6, 6)[number]
        if number:
            cosine = previous.figures["cosine"]["items"]
            assert cosine["after"]["mean"] > 0.95
            assert cosine["before"] is None  # raw vectors of another dimension have no cosine


def test_a_lower_rank_is_padded_with_zeros(tmp_path: Path, rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((50, 5)), rng.standard_normal((40, 5))
    items[:, 3] = 0
    run = stabilize(
        write_vectors(tmp_path / "u.parquet", users),
        write_vectors(tmp_path / "i.parquet", items),
        out=tmp_path / "run",
    )
    assert run.figures["rank"] == 4
    assert any("rank 4" in warning for warning in run.figures["warnings"])
    stable = read_vectors(tmp_path / "run/users.parquet")[1]
    assert stable.shape == (50, 5)
    assert np.all(stable[:, 4] == 0)
    assert not run.transform.users.invertible
    assert run.transform.items.invertible  # its zero column comes back as zeros


def test_a_rank_beyond_the_dimension(model: Any) -> None:
    source = model()
    run = stabilize(source / "users.parquet", source / "items.parquet", options=Options(rank=100))
    assert run.figures["dimension"] == 6


def test_a_requested_rank(tmp_path: Path, model: Any) -> None:
    source = model()
    run = stabilize(
        source / "users.parquet",
        source / "items.parquet",
        out=tmp_path / "run",
        options=Options(rank=3),
    )
    assert read_vectors(tmp_path / "run/users.parquet")[1].shape == (200, 3)
    assert run.figures["scores"]["max_relative_error"] > 1e-3
    assert not run.transform.items.invertible


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fewer_shared_ids_than_dimensions(tmp_path: Path, strategy: Any, model: Any) -> None:
    source = model(dimension=8)
    first = stabilize(source / "users.parquet", source / "items.parquet", out=tmp_path / "first")
    runs = [
        stabilize(
            source / "users.parquet",
            EmbeddingTable(str(source / "items.parquet"), anchor_filter="id < 3"),
            first,
            tmp_path / f"run{k}",
            options=Options(strategy=strategy),
        )
        for k in range(2)
    ]
    assert runs[0].figures["alignment"]["ambiguous"] == 5
    assert runs[0].figures["alignment"]["anchors"] == 3
    assert any("Only 3 shared ids" in warning for warning in runs[0].figures["warnings"])
    np.testing.assert_allclose(
        runs[0].transform.items.matrix, runs[1].transform.items.matrix, atol=1e-9
    )
    # Even so, the same model ends up where it was: nothing says otherwise.
    assert runs[0].figures["cosine"]["items"]["after"]["mean"] > 0.999


def test_no_shared_ids(tmp_path: Path, rng: np.random.Generator) -> None:
    users, items = rng.standard_normal((30, 3)), rng.standard_normal((20, 3))
    write_vectors(tmp_path / "u.parquet", users)
    first = stabilize(
        tmp_path / "u.parquet", write_vectors(tmp_path / "i.parquet", items), out=tmp_path / "a"
    )
    other = write_vectors(tmp_path / "j.parquet", items, np.arange(100, 120))
    with pytest.raises(DataError, match=r"shares no ids.*example 100.*example 0"):
        stabilize(tmp_path / "u.parquet", other, first, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    run = stabilize(
        tmp_path / "u.parquet", other, first, tmp_path / "b", options=Options(anchor="users")
    )
    assert run.figures["cosine"]["items"] == {"rows": 0, "before": None, "after": None}
    assert run.figures["cosine"]["users"]["after"]["mean"] == pytest.approx(1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_unrelated_vectors_get_a_warning(tmp_path: Path, model: Any, strategy: Any) -> None:
    tables = [model("a"), model("b")]
    runs = []
    for source in tables:
        runs.append(
            stabilize(
                source / "users.parquet",
                source / "items.parquet",
                runs[0] if runs else None,
                tmp_path / f"run-{source.name}",
                options=Options(strategy=strategy),
            )
        )
    assert any("hardly agree" in warning for warning in runs[1].figures["warnings"])


def test_a_reference_that_is_replaced_meanwhile(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are opened anew for each scan, and would be those of another space."""
    raw = [(f / "users.parquet", f / "items.parquet") for f in map(model, "abc")]
    first = stabilize(*raw[0], out=tmp_path / "prod")
    counted = References.counted

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.undo()
        stabilize(*raw[1], out=tmp_path / "prod")
        return counted(*arguments)

    monkeypatch.setattr(References, "counted", meanwhile)
    says = rf"prod has run \S+ by now, not {first.run_id}, which is the reference"
    with pytest.raises(ConflictError, match=says):
        stabilize(*raw[2], tmp_path / "prod", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for function in (stabilize, collect_sums):
        with pytest.raises(ConflictError, match=says):
            function(*raw[2], first)


def test_nothing_is_written_without_out(model: Any) -> None:
    source = model()
    run = stabilize(source / "users.parquet", source / "items.parquet")
    assert run.directory is None
    assert run.figures["scores"]["max_relative_error"] is None
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
            run.transform.items.matrix, by_path.transform.items.matrix, atol=1e-12
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
    assert stabilize(Path("users"), "./items").figures["users"]["rows"] == 6
    named = [EmbeddingTable(Path(side)) for side in ("users", "items")]
    assert stabilize(*named).figures["users"]["rows"] == 6
    with duckdb.connect() as connection:
        with pytest.raises(DataError, match=r"no table or view users .*directory .* is \./users$"):
            stabilize("users", "items", engine=connection)
        for side in ("users", "items"):
            connection.execute(f"CREATE TABLE {side} AS FROM '{files / side}.parquet'")
        done = stabilize("users", "items", engine=connection)
        assert done.figures["users"]["rows"] == 200
        assert stabilize("./users", "items", engine=connection).figures["users"]["rows"] == 6


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
    run = stabilize(
        EmbeddingTable(str(tmp_path / "u.csv"), keep=["name"]),
        tmp_path / "part-*.parquet",
        out=tmp_path / "run",
        options=Options(strategy=strategy),
    )
    rows = connection.execute(
        f"SELECT id, name FROM '{tmp_path}/run/users.parquet' ORDER BY id LIMIT 2"
    ).fetchall()
    assert rows == [(0, "user 0"), (1, "user 1")]
    described = connection.execute(f"DESCRIBE FROM '{tmp_path}/run/users.parquet'").fetchall()
    assert [row[:2] for row in described] == [
        ("id", "BIGINT"),
        ("v_1", "DOUBLE"),
        ("v_2", "DOUBLE"),
        ("v_3", "DOUBLE"),
        ("name", "VARCHAR"),
    ]
    assert run.figures["items"]["rows"] == 90
    assert run.figures["scores"]["max_relative_error"] < 1e-6


@pytest.mark.parametrize(
    "options",
    [
        {"anchor": "movies"},
        {"anchor": "items=-1"},
        {"anchor": {"items": float("nan")}},
        {"anchor": {"items": 0}},
        {"rank": 0},
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Any
) -> None:
    """The package stays the same when rows are sampled; both ways see the same rows."""
    monkeypatch.setattr(quality, "SAMPLED_ROWS", 50)
    source = model(users=2000)
    first = stabilize(source / "users.parquet", source / "items.parquet", out=tmp_path / "first")
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
