"""Features: stable vectors of a run for a model that was trained on another one."""

from __future__ import annotations

import errno
import shutil
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import movietweetings, read_vectors, write_vectors
from invoke import invoke
from test_compare import halves
from warehouse import store_vectors

import sqlstab
from sqlstab import DataError, EmbeddingTable, Options, Space, UsageError
from sqlstab.demo import genre_aucs, movies
from sqlstab.errors import ConflictError, EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse import Warehouse

    from sqlstab.maths.features import FeatureMap

E, ROWS = 5, 140
KEYS = ("a", "b", "c")
SIDES = ("users", "items")
Vectors = dict[Any, np.ndarray]


def trainings(seed: int = 3) -> list[dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Ids and vectors of each side, in three trainings: turned, with noise, and some new ids."""
    rng = np.random.default_rng(seed)
    lasting = {side: rng.standard_normal((ROWS + 40, E)) * (3, 2, 1.5, 1, 0.7) for side in SIDES}
    found = []
    for number in range(len(KEYS)):
        ids = np.arange(20 * number, 20 * number + ROWS)
        turn = np.linalg.qr(rng.standard_normal((E, E)))[0]
        found.append(
            {
                side: (ids, (lasting[side][ids] + 0.6 * rng.standard_normal((ROWS, E))) @ turn)
                for side in SIDES
            }
        )
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a space of three runs, and their raw tables."""
    folder = tmp_path_factory.mktemp("features")
    for key, training in zip(KEYS, trainings(), strict=True):
        paths = [
            write_vectors(folder / f"{side}_{key}.parquet", vectors, ids, title=ids.astype(str))
            for side, (ids, vectors) in training.items()
        ]
        Space(folder / "movies").run(
            *(EmbeddingTable(str(path), keep=["title"]) for path in paths), key=key
        )
    return folder


@pytest.fixture
def space(made: Path, tmp_path: Path) -> Space:
    """A copy of that space."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Space(tmp_path / "movies")


def stored(space: Space, key: str, side: str = "items") -> Vectors:
    return dict(
        zip(*read_vectors(Path(space.name) / f"run={key}" / f"{side}.parquet"), strict=True)
    )


def expected(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Solve the ridge regression with its rows written out, which pull to c times the identity."""
    e, n = x.shape[1], len(x)
    root = np.sqrt(e / n * np.sum(x**2) / e)
    c = np.sum(x[:, : y.shape[1]] * y[:, :e]) / np.sum(x**2)
    above = np.vstack([x, root * np.eye(e)]), np.vstack([y, root * c * np.eye(e, y.shape[1])])
    found: np.ndarray = np.linalg.lstsq(*above, rcond=None)[0]
    return found


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    """The mean of the rows' cosines."""
    return float(np.mean(np.sum(x * y, 1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)))


def check(found: FeatureMap, run: Vectors, model: Vectors) -> None:
    """Compare a feature map, and what is said of it, with one from the rows of both runs."""
    ids = np.array(sorted(run.keys() & model.keys()))
    x, y = (np.array([rows[key] for key in ids.tolist()]) for rows in (run, model))
    np.testing.assert_allclose(found.matrix, expected(x, y), atol=1e-10)
    assert found.shared == len(ids)
    after = [cosine(x[~half] @ expected(x[half], y[half]), y[~half]) for half in halves(ids)]
    assert found.before == pytest.approx(cosine(x, y), abs=1e-10)
    assert found.after == pytest.approx(np.mean(after), abs=1e-10)


def kept(space: Space, key: str) -> dict[tuple[str, str], np.ndarray]:
    """The feature maps in a directory, by side and run of the model."""
    rows = pq.read_table(Path(space.name) / f"run={key}" / "features.parquet").to_pylist()
    return matrices(rows)


def matrices(rows: list[dict[str, Any]]) -> dict[tuple[str, str], np.ndarray]:
    found: dict[tuple[str, str], np.ndarray] = {}
    for row in rows:
        matrix = found.setdefault((row["side"], row["feature_of"]), np.full((E, E), np.nan))
        assert np.isnan(matrix[row["i"] - 1, row["j"] - 1]), "an entry stands twice"
        matrix[row["i"] - 1, row["j"] - 1] = row["value"]
    assert not any(np.isnan(matrix).any() for matrix in found.values())
    return found


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("key", "as_of"), [("c", "a"), ("b", "a"), ("a", "c")])
def test_files(space: Space, key: str, as_of: str, side: str, strategy: Any) -> None:
    found = space.feature_map(as_of, key, side, options=Options(strategy=strategy))
    run = stored(space, key, side)
    check(found, run, stored(space, as_of, side))
    assert kept(space, key).keys() == {(side, as_of)}
    np.testing.assert_array_equal(kept(space, key)[side, as_of], found.matrix)
    out = Path(space.name).parent / "features.parquet"
    options = Options(strategy=strategy, output_type="double")
    again = space.features(as_of, {side: out}, key, options=options)
    np.testing.assert_array_equal(again[side].matrix, found.matrix)
    ids, features = read_vectors(out)
    np.testing.assert_allclose(features, np.array([*run.values()]) @ found.matrix, atol=1e-12)
    np.testing.assert_allclose(features, found.apply(np.array([*run.values()])), atol=1e-12)
    assert ids.tolist() == list(run)
    table = pq.read_table(out)
    assert table.column_names == ["id", "embedding", "title"]
    assert table["title"].to_pylist() == [str(key) for key in table["id"].to_pylist()]


def test_same_run(space: Space) -> None:
    """The ridge pulls to where the map is anyway."""
    found = space.feature_map("b", "b")
    np.testing.assert_allclose(found.matrix, np.eye(E), atol=1e-12)
    assert found.before == pytest.approx(1)
    assert found.after == pytest.approx(1)


def test_real_retrainings(tmp_path: Path) -> None:
    """Ids that a map was not fitted to are closer with it; so a model has more of its skill."""
    space, paths = Space(tmp_path / "movies"), []
    for run in range(4):
        model = movietweetings("time_als_e32", run)
        space.run(model / "users.parquet", model / "items.parquet", key=str(run))
    for key in ("1", "2", "3"):
        paths.append(tmp_path / key / "items.parquet")
        paths[-1].parent.mkdir()
        found = space.features("0", {"items": paths[-1]}, key)["items"]
        assert found.before is not None
        assert found.after is not None
        assert found.after > found.before + 0.01
    without, with_map = (
        genre_aucs([movies(folder) for folder in [tmp_path / "movies" / "run=0", *folders]])
        for folders in (
            [tmp_path / "movies" / f"run={key}" for key in ("1", "2", "3")],
            [path.parent for path in paths],
        )
    )
    assert np.mean(with_map[1:]) > np.mean(without[1:])


@pytest.mark.parametrize("name", ["duckdb", "duckdb sql", "postgres", "clickhouse", "spark"])
def test_tables(warehouses: Callable[[str], Warehouse], name: str) -> None:
    engine_name, _, strategy = name.partition(" ")
    warehouse = warehouses(engine_name)
    engine, prefix = warehouse.engine, f"feature_{strategy or 'best'}"
    space = Space(prefix, engine)
    for key, training in zip(KEYS[:2], trainings(), strict=False):
        for side, (ids, vectors) in training.items():
            rows = dict(zip(ids.tolist(), vectors, strict=True))
            store_vectors(engine, f"{prefix}_raw_{side}", rows)
        space.run(*(EmbeddingTable(f"{prefix}_raw_{side}", vector="v") for side in SIDES), key=key)
    run, model = (
        warehouse.vectors(f"SELECT id, v FROM {prefix}_items WHERE run = '{key}'", "array", E)
        for key in KEYS[1::-1]
    )
    options = Options(strategy=strategy or "auto")  # type: ignore[arg-type]
    before = space["b"].maps
    for out in ("first", "again"):
        engine.execute(f"DROP TABLE IF EXISTS {prefix}_{out}")
        found = space.features("a", {"items": f"{prefix}_{out}"}, options=options)["items"]
        check(found, run, model)
        written = warehouse.vectors(f"SELECT id, v FROM {prefix}_{out}", "array", E)
        assert written.keys() == run.keys()
        for key, vector in written.items():
            np.testing.assert_allclose(vector, found.apply(run[key]), atol=1e-12)
    space.feature_map("b", table="users", options=options)
    rows = engine.query(f"SELECT * FROM {prefix}_maps WHERE feature_of IS NOT NULL")
    assert {row["run"] for row in rows} == {"b"}
    maps = matrices(rows)
    assert maps.keys() == {("items", "a"), ("users", "b")}
    np.testing.assert_array_equal(maps["items", "a"], found.matrix)
    for side in SIDES:
        np.testing.assert_array_equal(space["b"].maps[side].matrix, before[side].matrix)
    # A run that is done again has other vectors.
    space.run(*(EmbeddingTable(f"{prefix}_raw_{side}", vector="v") for side in SIDES), key="b")
    assert not engine.query(f"SELECT * FROM {prefix}_maps WHERE feature_of IS NOT NULL")


def test_replaced(space: Space) -> None:
    """The rows of the same two runs and table, and no others."""
    for table, as_of in (("items", "a"), ("users", "a"), ("items", "b"), ("items", "a")):
        space.feature_map(as_of, table=table)
    assert kept(space, "c").keys() == {("items", "a"), ("users", "a"), ("items", "b")}
    assert sorted(path.name for path in Path(space.name).iterdir()) == [f"run={k}" for k in KEYS]


def test_full_disk(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """The maps that were kept stay as they are."""
    before = space.feature_map("a").matrix

    def full(table: Any, path: Path) -> None:
        path.write_bytes(b"PAR1")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        with pytest.raises(EngineError, match=r"features.parquet cannot be written: No space left"):
            space.feature_map("b")
    np.testing.assert_array_equal(kept(space, "c")["items", "a"], before)
    assert sorted(path.name for path in Path(space.name).iterdir()) == [f"run={k}" for k in KEYS]


def test_damaged_maps(space: Space) -> None:
    path = Path(space.name) / "run=c" / "features.parquet"
    path.write_text("no")
    with pytest.raises(DataError, match=r"features.parquet is damaged: .* Remove it"):
        space.feature_map("a")
    path.unlink()
    space.feature_map("a")


def test_another_size(tmp_path: Path, rng: np.random.Generator) -> None:
    """A model that has grown gives features of the size that the other model reads."""
    space = Space(tmp_path / "space")
    lasting = rng.standard_normal((80, E + 2))
    for key, size in (("a", E), ("b", E + 2)):
        noise = rng.standard_normal((80, size))
        space.run(vectors=(np.arange(80), lasting[:, :size] + 0.3 * noise), key=key)
    run, model = (stored(space, key, "vectors") for key in ("b", "a"))
    found = space.feature_map("a", table="vectors")
    assert found.matrix.shape == (E + 2, E)
    np.testing.assert_allclose(
        found.matrix, expected(np.array([*run.values()]), np.array([*model.values()])), atol=1e-10
    )
    back = space.feature_map("b", "a", "vectors")
    assert back.matrix.shape == (E, E + 2)
    np.testing.assert_allclose(
        back.matrix, expected(np.array([*model.values()]), np.array([*run.values()])), atol=1e-10
    )


def test_fewer_ids_than_dimensions(space: Space, caplog: pytest.LogCaptureFixture) -> None:
    """The ridge fills what they do not say; with one id none can be held out."""
    path = Path(space.name) / "run=a" / "items.parquet"
    run, model = stored(space, "c"), stored(space, "a")
    common = sorted(run.keys() & model.keys())
    for count in (3, 1):
        keys = common[:count]
        table = pq.read_table(path)
        pq.write_table(table.filter(pa.compute.is_in(table["id"], pa.array(keys))), path)
        caplog.clear()
        found = space.feature_map("a")
        assert found.shared == count
        x, y = (np.array([rows[key] for key in keys]) for rows in (run, model))
        np.testing.assert_allclose(found.matrix, expected(x, y), atol=1e-10)
        assert f"only {count} shared ids fit a feature map of 5 dimensions" in caplog.text
    assert found.before == pytest.approx(cosine(x, y))
    assert found.after is None


def test_the_cosine_is_that_of_the_run(space: Space) -> None:
    """Before a map, of the two runs that the later one compared itself."""
    for side in SIDES:
        known = space["b"].figures["cosine"][side]["after"]["mean"]
        assert space.feature_map("a", "b", side).before == pytest.approx(known, abs=1e-6)


def without_shared_ids(space: Space) -> None:
    path = Path(space.name) / "run=a" / "items.parquet"
    table = pq.read_table(path)
    ids = pa.compute.add(table["id"], 10_000)
    pq.write_table(table.set_column(0, "id", ids), path)


def with_zeros(space: Space) -> None:
    ids, vectors = read_vectors(path := Path(space.name) / "run=a" / "items.parquet")
    write_vectors(path, 0 * vectors, ids)


def with_nan(key: str) -> Callable[[Space], None]:
    def change(space: Space) -> None:
        ids, vectors = read_vectors(path := Path(space.name) / f"run={key}" / "items.parquet")
        vectors[100, 1] = np.nan
        write_vectors(path, vectors, ids, title=ids.astype(str))

    return change


def with_short_vectors(space: Space) -> None:
    ids, vectors = read_vectors(path := Path(space.name) / "run=c" / "items.parquet")
    write_vectors(path, vectors[:, :3], ids)


def gone(space: Space) -> None:
    (Path(space.name) / "run=c" / "items.parquet").unlink()


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_shared_ids, "Run c and run a share no items.*name another run"),
        (with_zeros, "Run c and run a share items with zero vectors only"),
        (with_nan("a"), "run=a/items.parquet .*1 vector with a NaN"),
        (with_nan("c"), "run=c/items.parquet .*1 vector with a NaN"),
        (with_short_vectors, "run=c/items.parquet has vectors of 3 components.* wrote 5"),
        (gone, "The run c of .* has no stable items"),
    ],
)
def test_damaged(
    space: Space, change: Callable[[Space], None], message: str, strategy: Any
) -> None:
    """What cannot be right is refused, and nothing is kept or written."""
    space.feature_map("b", "c", "users")
    before, out = kept(space, "c"), Path(space.name).parent / "x.parquet"
    change(space)
    with pytest.raises(DataError, match=message):
        space.features("a", {"items": out}, options=Options(strategy=strategy))
    assert kept(space, "c").keys() == before.keys()
    assert not out.exists()


def test_not_there(space: Space, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no run z; its newest are a, b, c"):
        space.feature_map("z")
    with pytest.raises(DataError, match="has no run z"):
        space.feature_map("a", "z")
    with pytest.raises(DataError, match="Run c has no table queries; it has users and items"):
        space.feature_map("a", table="queries")
    with pytest.raises(DataError, match="has no runs"):
        Space(tmp_path / "nothing").feature_map("a")
    out = tmp_path / "users_a.parquet"
    with pytest.raises(UsageError, match="exists already"):
        space.features("a", {"users": out})
    assert not list(Path(space.name).rglob("features.parquet"))


def test_maps_only(connection: duckdb.DuckDBPyConnection) -> None:
    days = {}
    for day, training in zip(("1", "2"), trainings(), strict=False):
        for side, (ids, vectors) in training.items():
            rows = pa.table({"ds": [day] * len(ids), "id": ids, "embedding": list(vectors)})
            days.setdefault(side, []).append(rows)
    for side, tables in days.items():
        connection.register("rows", pa.concat_tables(tables))
        connection.execute(f"CREATE TABLE {side} AS SELECT * FROM rows")
    space = Space("movies", connection)
    for day in ("1", "2"):
        options = Options(maps_only=day == "1")
        space.run("users", "items", key=f"ds={day}", options=options)
    with pytest.raises(DataError, match=r"Run 1 wrote its maps only.*again without maps_only"):
        space.feature_map("1")
    # The remedy.
    space.run("users", "items", key="ds=1")
    assert space.feature_map("1").shared == ROWS - 20


def test_done_again_meanwhile(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map of vectors that are no longer there is not kept."""
    from sqlstab.flow import features  # noqa: PLC0415

    fit = features.fit

    def slow(*arguments: Any) -> Any:
        found = yield from fit(*arguments)
        folder = Path(space.name).parent
        Space(space.name).run(folder / "users_c.parquet", folder / "items_c.parquet", key="c")
        return found

    monkeypatch.setattr(features, "fit", slow)
    with pytest.raises(ConflictError, match="Run c has been written again meanwhile"):
        space.feature_map("a")
    assert not list(Path(space.name).rglob("features.parquet"))


def test_space_goes_on(space: Space) -> None:
    """A space with feature maps is one like any other."""
    folder, name = Path(space.name).parent, space.name
    plain = Space(folder / "plain")
    shutil.copytree(name, plain.name)
    for key, as_of in pairwise(reversed(KEYS)):
        space.features(as_of, {}, key)
    assert kept(space, "c").keys() == {("users", "b"), ("items", "b")}
    raw = [folder / f"{side}_b.parquet" for side in SIDES]
    found = [each.run(*raw, key="d") for each in (space, plain)]
    for side in SIDES:
        np.testing.assert_allclose(*(run.maps[side].matrix for run in found), atol=1e-12)
        np.testing.assert_array_equal(*(e["c"].maps[side].matrix for e in (space, plain)))
    figures = [sqlstab.compare(each["c"], each["a"]).figures for each in (space, plain)]
    for side in SIDES:
        assert figures[0][side]["held_out"] == pytest.approx(figures[1][side]["held_out"])
    space.report("c")
    space.apply({"items": raw[1]}, {"items": folder / "applied.parquet"}, "c")
    np.testing.assert_allclose(
        read_vectors(folder / "applied.parquet")[1],
        space["c"].maps["items"].apply(read_vectors(raw[1])[1]),
    )
    # A map for a run that is done again is fitted again, and none can be for one that is dropped;
    # what is kept stays right for models that were trained on the run as it was.
    before = space.feature_map("a").matrix
    space.run(*(folder / f"{side}_c.parquet" for side in SIDES), key="a")
    np.testing.assert_array_equal(kept(space, "d")["items", "a"], before)
    after = space.feature_map("a").matrix
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_array_equal(kept(space, "d")["items", "a"], after)
    space.drop("a")
    with pytest.raises(DataError, match="has no run a"):
        space.feature_map("a")
    assert ("items", "a") in kept(space, "d")
    # Done again, its vectors may be others; dropped, it is gone as a whole.
    space.run(*raw, key="c")
    assert not (Path(name) / "run=c" / "features.parquet").exists()
    assert space.drop("b") == ["b"]
    assert sorted(path.name for path in Path(name).iterdir()) == ["run=c", "run=d"]


def test_command(space: Space) -> None:
    folder = Path(space.name).parent
    out = folder / "features.parquet"
    said = invoke("features", space.name, "b", "--as-of", "a", "--out", f"items={out}").stdout
    found = space.feature_map("a", "b")
    check(found, stored(space, "b"), stored(space, "a"))
    lines = said.splitlines()
    assert lines[0].split() == [
        *("table", "ids", "shared", "cosine", "with", "the", "map", "features")
    ]
    figures = [f"{ROWS - 20}", f"{found.before:.3f}", f"{found.after:.3f}"]
    assert lines[1].split() == ["items", *figures, str(out)]
    assert "not for serving: scores are not kept, and vectors become shorter" in lines[2]
    before = out.read_bytes()
    again = ["features", space.name, "b", "--as-of", "a", "--out", f"items={out}"]
    assert "exists already and is not replaced" in invoke(*again, code=2).stderr
    assert out.read_bytes() == before
    np.testing.assert_allclose(
        read_vectors(out)[1], found.apply([*stored(space, "b").values()]), atol=1e-6
    )
    said = invoke("features", space.name, "--as-of", "a").stdout
    assert [line.split()[0] for line in said.splitlines()[1:3]] == ["users", "items"]
    assert kept(space, "c").keys() == {("users", "a"), ("items", "a")}
    assert invoke("features", space.name, "--as-of", "a", "-q").stdout == ""


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ((), 2, "--as-of"),
        (("--as-of", "z"), 4, "has no run z"),
        (("--as-of", "a", "--out", "x.parquet"), 2, "write TABLE=PLACE"),
        (("--as-of", "a", "--out", "tags=x.parquet"), 4, "no table tags; it has users and items"),
        (("--as-of", "a", "--out", "items=x.csv"), 2, "ends in .parquet"),
    ],
)
def test_mistakes(made: Path, more: tuple[str, ...], code: int, message: str) -> None:
    assert message in invoke("features", made / "movies", *more, code=code).stderr


def test_a_database_file(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    space = Space("movies", file)
    for key, training in zip(KEYS, trainings(), strict=True):
        space.run(training["users"], training["items"], key=key)
    said = invoke(
        *("features", "--database", file, "movies", "--as-of", "a"), *("--out", "users=for_a")
    ).stdout
    assert said.splitlines()[1].split()[-1] == "for_a"
    with duckdb.connect(str(file)) as connection:
        run, features = (
            dict(connection.execute(f"SELECT id, embedding FROM {table}").fetchall())
            for table in ("movies_users_newest", "for_a")
        )
    found = space.feature_map("a", table="users")
    assert run.keys() == features.keys()
    for key, vector in features.items():
        np.testing.assert_allclose(vector, found.apply(run[key]), atol=1e-12)
