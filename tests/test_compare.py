"""Whether two models can be aligned: right on real retrainings and on constructed cases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import paper
import pytest
from conftest import movietweetings, read_vectors, write_vectors
from invoke import invoke
from test_movietweetings import GROUPS

from sqlstab import Comparison, DataError, Options, UsageError, compare, stabilize
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
        assert figures["held_out"] < figures["cosine"]
        assert figures["chance"]["held_out"] < figures["chance"]["cosine"] < figures["cosine"]
        assert figures["linear_residual"] < figures["relative_residual"] < figures["bound"]
        assert figures["ambiguous"] == 0


def test_figures_are_those_of_the_rows() -> None:
    folders = movietweetings("time_als_e32", 1), movietweetings("time_als_e32", 0)
    found = compare(*folders).figures
    models = [vectors_of(folder) for folder in folders]
    stable = [paper.stabilize(model["users"][1], model["items"][1]) for model in models]
    shared = {}
    for side in SIDES:
        ids = [model[side][0] for model in models]
        _, *places = np.intersect1d(*ids, return_indices=True)
        x, y = (getattr(s, side)[where] for s, where in zip(stable, places, strict=True))
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
        eps = np.linalg.norm(x @ x.T - y @ y.T)
        difference = figures["dot_product_difference"]
        assert difference == pytest.approx(eps / np.linalg.norm(y @ y.T), rel=1e-10)
        bound = (2 * x.shape[1]) ** 0.25 * np.sqrt(eps) / np.linalg.norm(y)
        assert figures["bound"] == pytest.approx(bound, rel=1e-10)
    (users, old_users), (items, old_items) = shared["users"], shared["items"]
    scores, old_scores = items @ users.T, old_items @ old_users.T
    drift = np.linalg.norm(scores - old_scores) / np.linalg.norm(old_scores)
    assert found["score_drift"] == pytest.approx(drift, rel=1e-10)


def test_held_out_ids_take_no_part_in_the_fit() -> None:
    folders = movietweetings("seeds_bpr_e32", 1), movietweetings("seeds_bpr_e32", 0)
    models = [vectors_of(folder) for folder in folders]
    stable = [paper.stabilize(model["users"][1], model["items"][1]).items for model in models]
    ids = models[0]["items"][0]
    x, y = stable
    with duckdb.connect() as connection:
        connection.register("ids", {"id": ids, "k": np.arange(len(ids))})
        rows = "SELECT k FROM ids WHERE md5(id::VARCHAR) < '8'"
        fitted = np.isin(np.arange(len(ids)), connection.execute(rows).fetchnumpy()["k"])
    omega = paper.align(x[fitted], y[fitted])
    x, y = x[~fitted] @ omega, y[~fitted]
    wanted = np.sum(x * y) / np.linalg.norm(x) / np.linalg.norm(y)
    assert compare(*folders).figures["items"]["held_out"] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("group", GROUPS)
def test_chance_is_what_shuffled_ids_show(group: str, rng: np.random.Generator) -> None:
    """The figures from e x e matrices against shuffles of the rows."""
    models = [vectors_of(movietweetings(group, run)) for run in (1, 0)]
    stable = [paper.stabilize(model["users"][1], model["items"][1]).items for model in models]
    ids = [model["items"][0] for model in models]
    _, *places = np.intersect1d(*ids, return_indices=True)
    x, y = (rows[where] for rows, where in zip(stable, places, strict=True))
    sums = SharedSums(x.T @ y, x.T @ x, y.T @ y)
    found = chance(sums, (x.mean(0), y.mean(0)), len(x), 0.5)
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


def test_raw_and_stable_vectors_give_the_same(tmp_path: Path) -> None:
    folders = [movietweetings("time_als_e32", run) for run in (0, 1)]
    tables = [(folder / "users.parquet", folder / "items.parquet") for folder in folders]
    double = Options(output_type="double")
    first = stabilize(*tables[0], out=tmp_path / "first", options=double)
    stabilize(*tables[1], first, tmp_path / "second", options=double)
    raw = compare(*folders)
    for stable in (compare(tmp_path / "first", tmp_path / "second"), compare(first, tables[1])):
        for side in SIDES:
            for name in ("cosine", "held_out", "cka", "relative_residual", "bound"):
                assert stable.figures[side][name] == pytest.approx(
                    raw.figures[side][name], rel=1e-6
                )


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
    # The cosines of a run are not; one who compares the two must know.
    assert shown.count("weighted by length") == 2
    # A figure is a line of a terminal.
    assert max(map(len, shown.splitlines()[1:])) <= 80
    tables = [",".join(str(f / f"{side}.parquet") for side in SIDES) for f in folders]
    figures = json.loads(invoke("compare", *tables, "--json", "-q").stdout)
    assert figures["verdict"] == "alignable"
    assert figures == compare(*folders).figures


def test_no_model(tmp_path: Path, model: Any) -> None:
    known = model()
    message = invoke("compare", tmp_path / "nothing", known, code=2).stderr
    assert "no directory with users.parquet and items.parquet" in message
    assert "USERS,ITEMS" in invoke("compare", "a,b,c", known, code=2).stderr
    with pytest.raises(UsageError, match="is no model"):
        compare(tmp_path, known)
    # Python has no text for two tables.
    with pytest.raises(UsageError, match=r"two tables as a pair \(users, items\), or a table"):
        compare("u1,i1", known)


def test_one_shared_id(tmp_path: Path, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((50, 4))
    models = [
        written(tmp_path / name, (ids, vectors), (ids, vectors))
        for name, ids in (("a", np.arange(50)), ("b", np.arange(49, 99)))
    ]
    reason = compare(*models).figures["reason"]
    assert reason.startswith("Only 1 item is in both; to align 4 dimensions takes 16")


def test_items_that_were_forgotten(tmp_path: Path, model: Any) -> None:
    known = model()
    users = known / "users.parquet"
    said = "The model has vectors, the reference has users and items: they cannot be compared."
    message = invoke("compare", users, known, code=2).stderr
    assert message == f"{said} Name the model as USERS,ITEMS."
    with pytest.raises(UsageError, match=r"Name the reference as a pair \(users, items\)\.$"):
        compare(known, users)
    # A run of vectors alone has no items to name.
    run = stabilize(vectors=users, out=tmp_path / "run")
    with pytest.raises(UsageError, match=r"they cannot be compared\.$"):
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


def test_a_run_whose_tables_another_has_replaced(tmp_path: Path) -> None:
    outputs = {"users_out": "su", "items_out": "si"}
    with duckdb.connect() as connection:
        for number in (0, 1):
            folder = movietweetings("time_als_e32", number)
            tables = (folder / "users.parquet", folder / "items.parquet")
            stabilize(*tables, None, tmp_path / str(number), connection, **outputs)
        with pytest.raises(DataError, match="is no longer"):
            compare(tmp_path / "0", tmp_path / "1", connection)


def test_verdict_is_a_property() -> None:
    found = Comparison({"verdict": "doubtful", "reason": "Only 3 items are in both."})
    assert found.verdict == "doubtful"
    assert repr(found) == "<Comparison: doubtful. Only 3 items are in both.>"


def test_options_that_do_not_count(tmp_path: Path, rng: np.random.Generator) -> None:
    """A comparison writes nothing, whatever a run with these options would."""
    tables = []
    for name in "abcd":
        tables.append(write_vectors(tmp_path / f"{name}.parquet", rng.standard_normal((60, 3))))
    store = tmp_path / "grams.parquet"
    options = Options(partition_by="nope", grams=str(store), sample="1%", solver="sql")
    pairs = (tables[0], tables[1]), (tables[2], tables[3])
    assert compare(*pairs, options=options).figures == compare(*pairs).figures
    assert not store.exists()
