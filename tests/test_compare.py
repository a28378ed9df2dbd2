"""Whether two models can be aligned: right on real retrainings and on constructed cases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import paper
import pytest
from conftest import movietweetings, read_vectors, with_key, write_vectors
from invoke import invoke
from test_movietweetings import GROUPS

import sqlstab
from sqlstab import (
    Comparison,
    DataError,
    EmbeddingTable,
    Options,
    Space,
    UsageError,
    compare,
    stabilize,
)
from sqlstab.maths.quality import SharedSums, chance

if TYPE_CHECKING:
    from pathlib import Path

SIDES = ("users", "items")
RETRAININGS = [
    (group, first, second)
    for group, runs in GROUPS.items()
    for first in range(runs)
    for second in range(first + 1, runs)
]


def written(folder: Path, users: tuple[Any, Any], items: tuple[Any, Any]) -> Path:
    """A model: (ids, vectors) of each side."""
    folder.mkdir()
    for side, (ids, vectors) in zip(SIDES, (users, items), strict=True):
        write_vectors(folder / f"{side}.parquet", vectors, ids)
    return folder


def vectors_of(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {side: read_vectors(folder / f"{side}.parquet") for side in SIDES}


@pytest.mark.parametrize(("group", "first", "second"), RETRAININGS)
def test_retrainings(group: str, first: int, second: int) -> None:
    found = compare(movietweetings(group, second), movietweetings(group, first))
    # Two trainings of this two-tower model agree to a cosine of 0.4 only, and shuffled ids to 0.2.
    assert found.verdict == ("doubtful" if group == "seeds_twotower_e32" else "alignable")
    for side in SIDES:
        figures = found.figures[side]
        assert figures["chance"] < figures["held_out"] < figures["cosine"]
        assert figures["linear_residual"] < figures["relative_residual"] < figures["bound"]
        assert figures["ambiguous"] == 0


def unit(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
@pytest.mark.parametrize("plain", [False, True])
def test_figures_are_those_of_the_rows(plain: bool, strategy: str) -> None:
    folders = movietweetings("time_als_e32", 1), movietweetings("time_als_e32", 0)
    options = Options(plain_rows=plain, strategy=strategy)  # type: ignore[arg-type]
    found = compare(*folders, options=options).figures
    assert found["unit_rows"] is not plain
    models = [vectors_of(folder) for folder in folders]
    stable = [paper.stabilize(model["users"][1], model["items"][1]) for model in models]
    shared = {}
    for side in SIDES:
        ids = [model[side][0] for model in models]
        common, *places = np.intersect1d(ids[0], ids[1], return_indices=True)
        x, y = (getattr(s, side)[where] for s, where in zip(stable, places, strict=True))
        if not plain:
            x, y = unit(x), unit(y)
        shared[side] = x, y
        figures = found[side]
        assert figures["shared"] == len(x)
        assert figures["new"] == len(ids[0]) - len(x)
        assert figures["gone"] == len(ids[1]) - len(x)
        lengths = np.linalg.norm(x) * np.linalg.norm(y)
        turned = x @ paper.align(x, y)
        assert figures["cosine"] == pytest.approx(np.sum(turned * y) / lengths, rel=1e-10)
        residual = np.linalg.norm(turned - y) / np.linalg.norm(y)
        assert figures["relative_residual"] == pytest.approx(residual, rel=1e-10)
        linear = np.linalg.norm(x @ np.linalg.lstsq(x, y, rcond=None)[0] - y) / np.linalg.norm(y)
        assert figures["linear_residual"] == pytest.approx(linear, rel=1e-10)
        dots = x @ x.T, y @ y.T
        eps = np.linalg.norm(dots[0] - dots[1])
        difference = figures["dot_product_difference"]
        assert difference == pytest.approx(eps / np.linalg.norm(dots[1]), rel=1e-10)
        cka = np.sum(dots[0] * dots[1]) / np.linalg.norm(dots[0]) / np.linalg.norm(dots[1])
        assert figures["cka"] == pytest.approx(cka, rel=1e-10)
        bound = (2 * x.shape[1]) ** 0.25 * np.sqrt(eps) / np.linalg.norm(y)
        assert figures["bound"] == pytest.approx(bound, rel=1e-10)
        held_out = np.mean([held_out_cosine(x, y, half) for half in halves(common)])
        assert figures["held_out"] == pytest.approx(held_out, rel=1e-9)
        level = figures["chance"]
        assert figures["agreement"] == pytest.approx((held_out - level) / (1 - level), rel=1e-9)
    if not plain:
        assert found["score_drift"] is None  # rows of unit length have no scores
        return
    (users, old_users), (items, old_items) = shared["users"], shared["items"]
    scores, old_scores = items @ users.T, old_items @ old_users.T
    drift = np.linalg.norm(scores - old_scores) / np.linalg.norm(old_scores)
    assert found["score_drift"] == pytest.approx(drift, rel=1e-10)


def halves(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which ids are in each half."""
    with duckdb.connect() as connection:
        connection.register("ids", {"id": ids, "k": np.arange(len(ids))})
        rows = "SELECT k FROM ids WHERE substr(md5(id::VARCHAR), 9, 1) < '8'"
        chosen = connection.execute(rows).fetchnumpy()["k"]
    first = np.isin(np.arange(len(ids)), chosen)
    return first, ~first


def held_out_cosine(x: np.ndarray, y: np.ndarray, fitted: np.ndarray) -> float:
    turned, other = x[~fitted] @ paper.align(x[fitted], y[fitted]), y[~fitted]
    return float(np.sum(turned * other) / np.linalg.norm(turned) / np.linalg.norm(other))


@pytest.mark.parametrize("group", GROUPS)
def test_chance_is_what_shuffled_ids_show(group: str, rng: np.random.Generator) -> None:
    """The figures from e x e matrices against shuffles of the rows."""
    models = [vectors_of(movietweetings(group, run)) for run in (1, 0)]
    stable = [paper.stabilize(model["users"][1], model["items"][1]).items for model in models]
    ids = [model["items"][0] for model in models]
    _, *places = np.intersect1d(ids[0], ids[1], return_indices=True)
    x, y = (rows[where] for rows, where in zip(stable, places, strict=True))
    totals = x.sum(axis=0), y.sum(axis=0)
    found = chance(SharedSums(x.T @ y, x.T @ x, y.T @ y, *totals, len(x)), len(x), 0.5)
    cosines, held_out = [], []
    lengths = np.linalg.norm(x) * np.linalg.norm(y)
    for _ in range(20):
        shuffled = rng.permutation(y)
        half = rng.random(len(x)) < 0.5
        cosines.append(np.linalg.norm(x.T @ shuffled, "nuc") / lengths)
        turned = x[~half] @ paper.align(x[half], shuffled[half])
        other = shuffled[~half]
        score = np.sum(turned * other) / np.linalg.norm(turned) / np.linalg.norm(other)
        held_out.append(score)
    assert found.cosine == pytest.approx(np.mean(cosines), abs=0.01)
    assert found.held_out == pytest.approx(np.mean(held_out), abs=0.01)
    assert found.spread == pytest.approx(np.std(held_out), rel=0.6)


def test_unrelated_vectors(tmp_path: Path, rng: np.random.Generator) -> None:
    known = movietweetings("time_als_e32", 0)
    model = vectors_of(known)
    users, items = ((ids, rng.standard_normal(rows.shape)) for ids, rows in model.values())
    found = compare(written(tmp_path / "random", users, items), known)
    assert found.verdict == "unrelated"
    assert all(found.figures[side]["verdict"] == "unrelated" for side in SIDES)


@pytest.mark.parametrize("group", GROUPS)
def test_shuffled_ids(tmp_path: Path, rng: np.random.Generator, group: str) -> None:
    """Vectors with a large mean, as two-tower models have, agree with anything."""
    known = movietweetings(group, 0)
    model = vectors_of(movietweetings(group, 1))
    users, items = ((rng.permutation(ids), rows) for ids, rows in model.values())
    found = compare(written(tmp_path / "shuffled", users, items), known)
    assert found.verdict == "unrelated"


def test_another_number_of_dimensions(tmp_path: Path, rng: np.random.Generator) -> None:
    """The same model with dimensions more, which carry little, and with fewer."""
    known = movietweetings("time_als_e32", 0)
    model = vectors_of(movietweetings("time_als_e32", 1))
    grown, cut = {}, {}
    stable = paper.stabilize(model["users"][1], model["items"][1])
    for side, (ids, rows) in model.items():
        noise = 0.1 * rows.std() * rng.standard_normal((len(rows), 8))
        grown[side] = ids, np.hstack([rows, noise])
        cut[side] = ids, getattr(stable, side)[:, :24]
    for name, changed in (("grown", grown), ("cut", cut)):
        folder = written(tmp_path / name, changed["users"], changed["items"])
        assert compare(folder, known).verdict == "alignable"
        assert compare(known, folder).verdict == "alignable"
        assert compare(folder, known).figures["items"]["ambiguous"] == 0


@pytest.mark.parametrize(
    ("shared", "verdict"), [(0, "unrelated"), (1, "doubtful"), (60, "doubtful")]
)
def test_too_few_shared_ids(tmp_path: Path, shared: int, verdict: str) -> None:
    """32 dimensions: on few ids the fit looks perfect, and says nothing."""
    known = movietweetings("time_als_e32", 0)
    model = vectors_of(movietweetings("time_als_e32", 1))
    ids, rows = model["items"]
    strange = np.array([f"other {k}" for k in range(len(ids))])
    common = np.isin(ids, read_vectors(known / "items.parquet")[0])
    kept = np.flatnonzero(common)[:shared]
    strange[kept] = ids[kept]
    found = compare(written(tmp_path / "few", model["users"], (strange, rows)), known)
    assert found.verdict == found.figures["items"]["verdict"] == verdict
    assert found.figures["items"]["shared"] == shared
    # The users are all there.
    by_users = compare(tmp_path / "few", known, options=Options(anchor="users"))
    assert by_users.verdict == "alignable"
    both = compare(tmp_path / "few", known, options=Options(anchor="both"))
    assert both.verdict == "alignable"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """Two trainings, as DOUBLE."""
    found = Space(tmp_path_factory.mktemp("compared") / "movies")
    for number in (0, 1):
        folder = movietweetings("time_als_e32", number)
        tables = (folder / "users.parquet", folder / "items.parquet")
        found.run(*tables, key=f"run{number}", options=Options(output_type="double"))
    return found


def test_raw_and_stable_vectors_give_the_same(space: Space) -> None:
    """A run is named in several ways."""
    folders = [movietweetings("time_als_e32", run) for run in (0, 1)]
    tables = [(folder / "users.parquet", folder / "items.parquet") for folder in folders]
    raw = compare(*folders)
    memory = stabilize(*tables[1], options=Options(output_type="double"))
    ways = [
        (space["run0"], memory),
        (f"{space.name}/run0", f"{space.name}/run=run1"),
        (",".join(map(str, tables[0])), space["run1"]),
    ]
    for model, reference in ways:
        stable = compare(model, reference).figures
        for side in SIDES:
            for name in ("cosine", "held_out", "cka", "relative_residual", "bound"):
                assert stable[side][name] == pytest.approx(raw.figures[side][name], rel=1e-6)


def test_a_table_alone(tmp_path: Path, rng: np.random.Generator) -> None:
    """Raw vectors, and stable ones in a space that has grown."""
    vectors = rng.standard_normal((300, 6))
    wide = np.hstack([vectors, 0.1 * rng.standard_normal((300, 2))])
    turned = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    other = (vectors + 0.3 * rng.standard_normal(vectors.shape)) @ turned
    ids = np.arange(300)
    found = Space(tmp_path / "space")
    for key, rows in (("a", wide), ("b", other)):
        found.run(vectors=(ids, rows), key=key, options=Options(output_type="double"))
    x, y = unit(other), unit(wide)
    padded = np.pad(x, ((0, 0), (0, 2)))
    cosine = np.sum(padded @ paper.align(padded, y) * y) / len(ids)
    for model, reference in ((found["b"], found["a"]), ((ids, other), (ids, wide))):
        figures = compare(model, reference).figures
        assert figures["verdict"] == "alignable"
        assert figures["models"]["model"]["rank"] == 6
        assert figures["vectors"]["cosine"] == pytest.approx(cosine, rel=1e-9)
        assert figures["vectors"]["ambiguous"] == 0
        assert figures["score_drift"] is None


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
def test_tables_of_a_database(strategy: str) -> None:
    folders = [movietweetings("seeds_bpr_e32", run) for run in (0, 1)]
    with duckdb.connect() as connection:
        for number, folder in enumerate(folders):
            for side in SIDES:
                source = f"read_parquet('{folder}/{side}.parquet')"
                connection.execute(f"CREATE TABLE {side}{number} AS FROM {source}")
        found = compare(
            ("users0", "items0"),
            ("users1", "items1"),
            connection,
            options=Options(strategy=strategy),  # type: ignore[arg-type]
        )
    want = compare(*folders)
    for side in SIDES:
        assert found.figures[side]["held_out"] == pytest.approx(
            want.figures[side]["held_out"], rel=1e-10
        )


def test_command_line() -> None:
    folders = [movietweetings("time_als_e32", run) for run in (0, 1)]
    shown = invoke("compare", *folders, "-q").stdout
    assert shown.startswith("alignable: Items that took no part in the fit agree")
    # A figure is a line of a terminal; sentences wrap there.
    assert max(map(len, shown.splitlines()[1:-1])) <= 80
    tables = [",".join(str(f / f"{side}.parquet") for side in SIDES) for f in folders]
    figures = json.loads(invoke("compare", *tables, "--json", "-q").stdout)
    assert figures["sqlstab"] == sqlstab.__version__
    assert figures == compare(*folders).figures


def test_no_model(tmp_path: Path, model: Any, space: Space) -> None:
    known = model()
    for name in ("nothing", tmp_path / "nothing", tmp_path):
        with pytest.raises(UsageError, match="no directory with users"):
            compare(name, known)
    with pytest.raises(DataError, match="has no run run7; its newest are run0, run1"):
        compare(f"{space.name}/run7", known)


def test_one_shared_id(tmp_path: Path, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((50, 4))
    models = [
        written(tmp_path / name, (ids, vectors), (ids, vectors))
        for name, ids in (("a", np.arange(50)), ("b", np.arange(49, 99)))
    ]
    reason = compare(*models).figures["reason"]
    assert reason.startswith("Only 1 shared items; to align 4 dimensions takes 16")


def test_items_that_were_forgotten(tmp_path: Path, model: Any) -> None:
    known = model()
    users = known / "users.parquet"
    said = "The model has vectors, the reference has users and items: they cannot be compared."
    with pytest.raises(UsageError) as caught:
        compare(users, known)
    assert str(caught.value).startswith(f"{said} Name the model as ")
    # A run of vectors alone has no items to name.
    with pytest.raises(UsageError, match=r"they cannot be compared\.$"):
        compare(stabilize(vectors=users), known)


def test_a_run_that_wrote_its_maps_only(tmp_path: Path, model: Any) -> None:
    known = model()
    tables = (
        with_key(known / f"{side}.parquet", tmp_path / f"{side}.parquet", "ds=1")
        for side in ("users", "items")
    )
    run = Space(tmp_path / "space").run(*tables, key="ds=1", options=Options(maps_only=True))
    with pytest.raises(DataError, match="wrote its maps only"):
        compare(run, known)


def test_ids_that_cannot_be_compared(model: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    texts = np.array([f"u{k}" for k in range(50)])
    vectors = rng.standard_normal((50, 6))
    other = written(tmp_path / "other", (texts, vectors), (texts, vectors))
    with pytest.raises(DataError, match="cast one of them"):
        compare(other, model())


def test_vectors_that_say_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    """At right angles, and all in one direction: no figure is divided by zero."""
    ids = np.arange(40)
    users = ids, rng.standard_normal((40, 1))
    signs = ids, np.where(ids % 2, 1.0, -1.0)[:, None]
    ones = ids, np.ones((40, 1))
    folders = [
        written(tmp_path / name, users, items)
        for name, items in (("signs", signs), ("ones", ones), ("ones again", ones))
    ]
    assert compare(folders[0], folders[1]).figures["items"]["cosine"] == pytest.approx(0, abs=1e-12)
    same = compare(folders[1], folders[2])
    assert same.verdict == "doubtful"
    assert "one direction" in same.figures["reason"]


def test_verdict_is_a_property() -> None:
    found = Comparison({"verdict": "doubtful", "reason": "Only 3 items are in both."})
    assert found.verdict == "doubtful"
    assert repr(found) == "<Comparison: doubtful. Only 3 items are in both.>"


def test_options_that_do_not_count(tmp_path: Path, rng: np.random.Generator) -> None:
    tables = []
    for name in "abcd":
        tables.append(write_vectors(tmp_path / f"{name}.parquet", rng.standard_normal((60, 3))))
    options = Options(maps_only=True, min_agreement=1.0, rank=2, align="first")
    pairs = (tables[0], tables[1]), (tables[2], tables[3])
    assert compare(*pairs, options=options).figures == compare(*pairs).figures
    with pytest.raises(UsageError, match="vectors without a second side"):
        compare(tables[0], tables[1], options=Options(anchor="users"))


def test_a_sample_and_an_anchor_filter(rng: np.random.Generator) -> None:
    """Both leave ids out of the fit, and none out of the counts."""
    ids = np.arange(2_000)
    users, items = rng.standard_normal((2_000, 4)), rng.standard_normal((2_000, 4))
    models = []
    for _ in range(2):
        turned = np.linalg.qr(rng.standard_normal((4, 4)))[0]
        noise = 0.3 * rng.standard_normal(items.shape)
        models.append(((ids, users @ turned), (ids, (items + noise) @ turned)))
    whole = compare(models[0], models[1]).figures["items"]
    part = compare(models[0], models[1], options=Options(sample="25%")).figures["items"]
    assert part["shared"] == whole["shared"] == 2_000
    assert part["held_out"] == pytest.approx(whole["held_out"], abs=0.05)
    assert part["held_out"] != whole["held_out"]
    (some_users, some_items), reference = models
    chosen = EmbeddingTable(some_items, anchor_filter="id < 10")  # type: ignore[arg-type]
    few = compare((some_users, chosen), reference).figures["items"]
    assert few["shared"] == 2_000
    assert few["reason"].startswith("Only 10 shared items")


def test_a_space_of_tables() -> None:
    """A run is named by the prefix of the tables and its key."""
    folders = [movietweetings("time_als_e32", run) for run in (0, 1)]
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA ml")
        space = Space("ml.movies", connection)
        for folder in folders:
            tables = (folder / "users.parquet", folder / "items.parquet")
            space.run(*tables, key=folder.name, options=Options(output_type="double"))
        found = compare("ml.movies/run1", space["run0"], connection).figures
        assert found["models"]["model"]["items"] == "ml.movies_items"
        alone = compare(space["run1"], space["run0"]).figures  # on the engine of the space
        report = space.report("run1")
    raw = compare(folders[1], folders[0]).figures
    for side in SIDES:
        assert found[side] == alone[side]
        assert found[side]["held_out"] == pytest.approx(raw[side]["held_out"], rel=1e-6)
    assert report.figures["verdict"]["level"] == "good"
    assert report.figures["sides"]["items"]["shared"] == raw["items"]["shared"]
