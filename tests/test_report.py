"""Reports: their figures are those of the rows, their verdicts are right, their pages are safe."""

from __future__ import annotations

import builtins
import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import paper
import pytest
from browser import Seen, chromium, opened
from conftest import movietweetings, read_vectors, with_key, write_vectors
from invoke import invoke

import sqlstab
from sqlstab import DataError, GateError, Options, Report, Space, UsageError
from sqlstab.report.page import figure, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIDES = ("users", "items")
LEVELS = {"p01": 0.01, "p10": 0.1, "p50": 0.5, "p99": 0.99}


KEYS = ["2026-11-01", "2026-11-02", "2026-11-03"]


def retrained(space: Space, number: int, **options: Any) -> None:
    source = movietweetings("time_als_e32", number)
    files = (source / f"{side}.parquet" for side in SIDES)
    space.run(*files, key=KEYS[number], options=Options(**options))


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """Three trainings."""
    found = Space(tmp_path_factory.mktemp("report") / "movies")
    for number in range(3):
        retrained(found, number)
    return found


@pytest.fixture
def copy(space: Space, tmp_path: Path) -> Space:
    """The same, for tests that change it."""
    shutil.copytree(space.name, tmp_path / "movies")
    return Space(tmp_path / "movies")


def last(space: Space) -> Report:
    """The report on the newest run."""
    return space.report(space.entries[-1].key)


@pytest.fixture(scope="module")
def made(space: Space) -> Report:
    """On the third of them."""
    return last(space)


@pytest.fixture(scope="module")
def whole(space: Space) -> Report:
    """On all of them."""
    return space.report()


@dataclass(frozen=True)
class Shared:
    """The vectors that two runs share, by side and kind: ids, and the rows of each."""

    ids: np.ndarray
    x: np.ndarray
    y: np.ndarray

    @property
    def cosines(self) -> np.ndarray:
        lengths = np.linalg.norm(self.x, axis=1) * np.linalg.norm(self.y, axis=1)
        found: np.ndarray = (self.x * self.y).sum(axis=1) / lengths
        return found


def shared(run: Path, reference: Path, side: str) -> Shared:
    tables = [read_vectors(folder / f"{side}.parquet") for folder in (run, reference)]
    ids, *places = np.intersect1d(tables[0][0], tables[1][0], return_indices=True)
    x, y = (table[1][where] for table, where in zip(tables, places, strict=True))
    return Shared(ids, x, y)


def both_kinds(space: Space, numbers: tuple[int, int], side: str) -> dict[str, Shared]:
    """Stable vectors as they were written, raw ones as the training left them."""
    stable, earlier = (Path(space.name) / f"run={KEYS[number]}" for number in numbers)
    first, second = (movietweetings("time_als_e32", number) for number in numbers)
    return {"after": shared(stable, earlier, side), "before": shared(first, second, side)}


@pytest.mark.parametrize("side", SIDES)
def test_figures_are_those_of_the_rows(space: Space, made: Report, side: str) -> None:
    """The raw vectors that the report has from the stable ones are those of the training."""
    found = made.figures["sides"][side]
    for kind, rows in both_kinds(space, (2, 1), side).items():
        figures, cosines = found[kind], rows.cosines
        assert figures["rows"] == figures["cosines"] == len(cosines)
        # FLOAT vectors have seven digits.
        assert figures["mean"] == pytest.approx(cosines.mean(), abs=1e-6)
        ratio = np.linalg.norm(rows.x, axis=1) / np.linalg.norm(rows.y, axis=1)
        for name, level in LEVELS.items():
            assert figures["cosine"][name] == pytest.approx(np.quantile(cosines, level), abs=1e-5)
            wanted = np.quantile(ratio, level)
            assert figures["norm_ratio"][name] == pytest.approx(wanted, rel=1e-5)
        counts, _ = np.histogram(cosines, bins=40, range=(-1, 1))
        # A cosine at an edge may be on either side of it.
        assert np.abs(counts - figures["histogram"]).sum() <= 2
        assert sum(figures["histogram"]) == len(cosines)
        own = made.figures["run"]["cosine"][side][kind]
        assert own["mean"] == pytest.approx(figures["mean"], abs=1e-6)
    after = both_kinds(space, (2, 1), side)["after"]
    moved = after.ids[np.argsort(after.cosines)[:15]]
    assert [row["moved_id"] for row in found["moved"]] == [str(i) for i in moved.tolist()]
    assert found["run"] == made.figures["run"]["tables"][side]["rows"]
    assert found["shared"] == len(after.ids)
    assert found["new"] == found["run"] - found["shared"]
    assert found["gone"] == found["reference"] - found["shared"]


@pytest.mark.parametrize("kind", ["before", "after"])
def test_neighbours_are_those_of_the_rows(space: Space, made: Report, kind: str) -> None:
    rows = both_kinds(space, (2, 1), "items")[kind]
    below = f"{round(200 / len(rows.ids) * 16**8):08x}"
    asked = [i for i, n in enumerate(rows.ids) if hashlib.md5(n.encode()).hexdigest() < below]
    x, y = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (rows.x, rows.y))

    def nearest(queries: np.ndarray, among: np.ndarray) -> list[set[int]]:
        scores = queries[asked] @ among.T
        scores[np.arange(len(asked)), asked] = -np.inf
        return [set(row.tolist()) for row in np.argsort(-scores, axis=1)[:, :10]]

    own, earlier, looked_up = nearest(x, x), nearest(y, y), nearest(x, y)
    neighbours = made.figures["neighbours"]
    found = neighbours["raw" if kind == "before" else "stable"]["cosine"]
    assert neighbours["nearest"] == 10
    assert found["listed"] == 10 * len(asked) > 1000
    for name, lists in (("both", own), ("looked_up", looked_up)):
        agreed = sum(len(a & b) for a, b in zip(lists, earlier, strict=True))
        # Two neighbours may be as near as seven digits tell.
        assert found[name] * found["listed"] == pytest.approx(agreed, abs=2)


def test_neighbours_that_a_map_keeps(space: Space, made: Report) -> None:
    """Of the items of one run, raw against stable."""
    raw, stable = (
        read_vectors(folder / "items.parquet")
        for folder in (movietweetings("time_als_e32", 2), Path(space.name) / f"run={KEYS[2]}")
    )
    earlier = read_vectors(Path(space.name) / f"run={KEYS[1]}/items.parquet")[0]
    below = f"{round(200 / len(np.intersect1d(raw[0], earlier)) * 16**8):08x}"
    asked = [i for i, n in enumerate(raw[0]) if hashlib.md5(n.encode()).hexdigest() < below]
    lists = []
    for _, rows in (raw, stable):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        scores = unit[asked] @ unit.T
        scores[np.arange(len(asked)), asked] = -np.inf
        lists.append([set(row.tolist()) for row in np.argsort(-scores, axis=1)[:, :10]])
    kept = np.mean([len(one & other) / 10 for one, other in zip(*lists, strict=True)])
    assert made.figures["neighbours"]["kept"] == pytest.approx(kept, abs=0.002)
    assert 0.5 < kept < 0.95
    assert f"{kept * 10:.1f} are found among its stable ones, too" in made.text("html")


def test_any_two_runs(space: Space, whole: Report) -> None:
    assert whole.figures["compared"] == KEYS
    for side in SIDES:
        found = whole.figures["cosines"][side]
        assert [found["stable"][i][i] for i in range(3)] == [1.0] * 3
        for i in range(3):
            for j in range(i):
                kinds = both_kinds(space, (i, j), side)
                for name, kind in (("stable", "after"), ("raw", "before")):
                    wanted = pytest.approx(kinds[kind].cosines.mean(), abs=1e-6)
                    assert found[name][i][j] == found[name][j][i] == wanted
        (lag,) = whole.figures["lags"][side]
        assert (lag["lag"], lag["run"]) == (1, KEYS[1])
        assert (lag["stable"], lag["raw"]) == (found["stable"][2][1], found["raw"][2][1])


@pytest.mark.parametrize("side", SIDES)
def test_run_by_run(space: Space, whole: Report, side: str) -> None:
    ids = [read_vectors(Path(space.name) / f"run={key}/{side}.parquet")[0] for key in KEYS]
    runs = whole.figures["runs"]
    assert [run["name"] for run in runs] == KEYS
    assert runs[0]["tables"][side] == {
        "rows": len(ids[0]),
        **dict.fromkeys(("shared", "new", "gone", "stable", "raw")),
    }
    assert (runs[0]["agreement"], runs[0]["verdict"]) == (None, "first")
    for number in (1, 2):
        found = runs[number]["tables"][side]
        assert found["shared"] == len(np.intersect1d(ids[number], ids[number - 1]))
        assert found["new"] == len(np.setdiff1d(ids[number], ids[number - 1]))
        assert found["gone"] == len(np.setdiff1d(ids[number - 1], ids[number]))
        kinds = both_kinds(space, (number, number - 1), side)
        for name, kind in (("stable", "after"), ("raw", "before")):
            assert found[name] == pytest.approx(kinds[kind].cosines.mean(), abs=1e-6)
        assert 0.5 < runs[number]["agreement"] < found["stable"]
        assert 0 < runs[number]["score_error"] < 1e-6


@pytest.mark.parametrize("side", SIDES)
def test_ids_that_moved_since_the_oldest(space: Space, whole: Report, side: str) -> None:
    moved = whole.figures["moved"][side]
    assert (moved["run"], moved["reference"]) == (KEYS[2], KEYS[0])
    kinds = both_kinds(space, (2, 0), side)
    wanted = np.argsort(kinds["after"].cosines)[:15]
    assert [row["moved_id"] for row in moved["ids"]] == kinds["after"].ids[wanted].astype(
        str
    ).tolist()
    for name, kind in (("after", "after"), ("before", "before")):
        cosines = [row[name] for row in moved["ids"]]
        np.testing.assert_allclose(cosines, kinds[kind].cosines[wanted], atol=1e-5)


def test_the_same_vectors_in_a_plane(space: Space, made: Report) -> None:
    """Distances in a plane are at most those of the vectors; most of each is seen."""
    drawn = made.figures["sides"]["items"]["drawn"]
    rows = both_kinds(space, (2, 1), "items")["after"]
    longest = np.argsort(-np.linalg.norm(rows.y, axis=1))[:60]
    assert drawn["ids"] == rows.ids[longest].tolist()
    for kind, wanted in (
        ("stable", rows),
        ("raw", both_kinds(space, (2, 1), "items")["before"]),
    ):
        x, y = wanted.x[longest], wanted.y[longest]
        points = np.array(drawn[kind]["run"]), np.array(drawn[kind]["reference"])
        apart = np.linalg.norm(points[0] - points[1], axis=1)
        assert (apart <= np.linalg.norm(x - y, axis=1) + 1e-5).all()
        singular = np.linalg.svd(y - y.mean(axis=0), compute_uv=False)
        assert np.linalg.norm(points[1]) == pytest.approx(np.linalg.norm(singular[:2]), rel=1e-5)


def test_only_small_results_leave_the_engine(made: Report) -> None:
    statements = made.figures["statements"]
    assert len({statement["title"] for statement in statements}) == len(statements) == 17
    assert not any("users.parquet'" in one["sql"] for one in statements if "items" in one["title"])
    assert all(statement["sql"].startswith("--") for statement in statements)


def test_a_run_that_worked(made: Report) -> None:
    verdict = made.figures["verdict"]
    assert verdict["level"] == "good"
    assert verdict["headline"] == "It worked: the same items stay where they were."
    titles = [found["title"] for found in verdict["findings"]]
    assert titles == [
        *("Same users", "Same items", "Held-out ids", "Scores", "Known items", "Index"),
        "Warnings",
    ]


def test_a_space_that_holds(whole: Report) -> None:
    verdict = whole.figures["verdict"]
    assert (verdict["level"], verdict["headline"]) == (
        "good",
        "The space holds: the same items stay where they were.",
    )
    assert list(levels(whole)) == [
        *("Same users", "Same items", "Held-out ids", "Scores", "Known items", "Neighbours"),
        *("Drift of users", "Drift of items", "Warnings"),
    ]
    said = {found["title"]: found["text"] for found in verdict["findings"]}
    kept = whole.figures["runs"][2]["tables"]["items"]["stable"]
    assert f"Fine in 2 runs. The last of them, {KEYS[2]}: Mean cosine" in said["Same items"]
    assert f"earlier run: {kept:.2f};" in said["Same items"]
    assert f"in the newest run: {kept:.2f} with the run before; of raw" in said["Drift of items"]
    assert "rotations keep all" in said["Neighbours"]


def levels(found: Report) -> dict[str, str]:
    return {f["title"]: f["level"] for f in found.figures["verdict"]["findings"]}


def test_no_minus_before_a_zero() -> None:
    assert (figure(-0.004), figure(-0.006), figure(None)) == (
        *("0.00", "-0.01"),
        "unknown",
    )


def test_a_new_space(space: Space) -> None:
    found = space.report(KEYS[0])
    assert found.figures["verdict"]["level"] == "good"
    assert found.figures["verdict"]["headline"].startswith("A new space")
    assert set(levels(found)) == {"Neighbours", "Scores", "Warnings"}
    assert found.figures["sides"] is None


def test_one_run_and_two(copy: Space) -> None:
    copy.drop(KEYS[2])
    two = copy.report()
    assert two.figures["verdict"]["headline"].startswith("The space holds")
    assert [lag["run"] for lag in two.figures["lags"]["items"]] == [KEYS[0]]
    assert two.figures["moved"]["items"]["reference"] == KEYS[0]
    assert two.text("html").count("<figure") == 5  # no matrix of two runs
    copy.drop(KEYS[1])
    one = copy.report()
    assert one.figures["verdict"]["headline"].startswith("A new space: it has one run")
    assert one.figures["lags"] == one.figures["cosines"] == one.figures["moved"] == {}
    assert one.figures["statements"] == []
    assert "<figure" not in one.text("html")
    assert "1 run;" in one.text("html")
    assert "1 run" in one.text("md")


def test_a_reference_that_is_gone(copy: Space) -> None:
    """There is what the run has measured itself."""
    copy.drop(KEYS[1])
    found = last(copy)
    assert found.figures["reference"] is found.figures["sides"] is None
    assert found.figures["statements"] == []
    assert found.figures["verdict"]["headline"].startswith("It worked")
    mean = found.figures["run"]["cosine"]["items"]["after"]["mean"]
    assert f"Mean cosine of the same item in the earlier run: {mean:.2f};" in found.text("md")
    said = "The run that it was aligned with, 2026-11-02, is no longer in the space"
    assert said in found.text("html")


def test_a_run_with_maps_only(copy: Space, tmp_path: Path) -> None:
    source, key = movietweetings("time_als_e32", 2), f"run={KEYS[2]}"
    files = (
        with_key(source / f"{side}.parquet", tmp_path / f"{side}.parquet", key) for side in SIDES
    )
    copy.run(*files, key=key, options=Options(maps_only=True))
    found = last(copy)
    assert found.figures["sides"] is None
    assert found.figures["verdict"]["level"] == "good"
    assert "has maps only and no stable vectors" in found.text("html")
    # The others are compared.
    found = copy.report()
    assert found.figures["compared"] == KEYS[:2]
    assert [run["has_rows"] for run in found.figures["runs"]] == [True, True, False]
    assert found.figures["runs"][2]["tables"]["items"]["stable"] > 0.5
    assert f"1 of 3 runs have no stable vectors in the space, the last of them {KEYS[2]}" in (
        found.text("html")
    )
    copy.drop(*KEYS[:2])
    found = copy.report()
    assert found.figures["compared"] == []
    assert "No run has stable vectors in the space, but maps only" in found.text("html")


@pytest.mark.parametrize(
    ("edited", "reported", "named"),
    [(2, 2, "2"), (1, 2, "1"), (0, 2, ""), (0, 0, "0"), (1, None, "1")],
    ids=["the run", "its reference", "another run", "the first run", "a run of the space"],
)
def test_vectors_that_were_edited_since(
    edited: int, reported: int | None, named: str, copy: Space
) -> None:
    """The run's own figures do not show it."""
    file = Path(copy.name) / f"run={KEYS[edited]}" / "items.parquet"
    ids, vectors = read_vectors(file)
    write_vectors(file, 1.3 * vectors, ids)
    found = copy.report(None if reported is None else KEYS[reported])
    verdict = found.figures["verdict"]
    changed = {KEYS[int(named)]: ["items.parquet"]} if named else {}
    assert found.figures["changed"] == changed
    assert verdict["level"] == ("doubtful" if named else "good")
    assert ("in part: check" in verdict["headline"]) == bool(named)
    texts = [one["text"] for one in verdict["findings"] if one["title"] == "Changed files"]
    assert len(texts) == len(changed)
    for key, text in zip(changed, texts, strict=True):
        assert text.startswith(f"Run {key} is not as it was written: items.parquet has been")


def test_many_runs_that_were_edited_since(nine: Space, tmp_path: Path) -> None:
    shutil.copytree(nine.name, tmp_path / "texts")
    for key in "12345":
        file = tmp_path / f"texts/run={key}/vectors.parquet"
        ids, vectors = read_vectors(file)
        write_vectors(file, 1.3 * vectors, ids)
    found = Space(tmp_path / "texts").report().figures["verdict"]["findings"]
    (text,) = [one["text"] for one in found if one["title"] == "Changed files"]
    assert re.findall(r"Run (\d) is not", text) == ["3", "4", "5"]
    assert "The same is true of 2 further runs." in text


def test_no_such_run(space: Space, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no run 2027"):
        space.report("2027")
    with pytest.raises(DataError, match="no runs to report on"):
        Space(tmp_path / "none").report()


def turned(rng: np.random.Generator, vectors: np.ndarray, size: int | None = None) -> np.ndarray:
    """Vectors with noise, in a basis of their own."""
    moved = np.pad(vectors, ((0, 0), (0, (size or vectors.shape[1]) - vectors.shape[1])))
    moved = moved + 0.2 * rng.standard_normal(moved.shape)
    found: np.ndarray = moved @ np.linalg.qr(rng.standard_normal((moved.shape[1],) * 2))[0]
    return found


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """Nine runs of vectors alone."""
    rng = np.random.default_rng(5)
    vectors, space = rng.standard_normal((200, 5)), Space(tmp_path_factory.mktemp("n") / "texts")
    for number in range(9):
        space.run(vectors=(np.arange(200), turned(rng, vectors)), key=f"{number}")
    return space


def test_seven_runs_earlier(nine: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is none of the newest that are compared each with each, too."""
    monkeypatch.setattr("sqlstab.report._RUNS", 3)
    found = nine.report().figures
    assert found["compared"] == ["6", "7", "8"]
    lags = found["lags"]["vectors"]
    assert [(lag["lag"], lag["run"]) for lag in lags] == [(1, "7"), (7, "1")]
    for lag in lags:
        folders = (Path(nine.name) / f"run={key}" for key in ("8", lag["run"]))
        wanted = shared(*folders, "vectors").cosines.mean()
        assert lag["stable"] == pytest.approx(wanted, abs=1e-6)
        assert lag["raw"] < 0.5 < lag["stable"]
    assert found["moved"]["vectors"]["reference"] == "1"


def test_few_statements(
    nine: Space, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Three pairs of the newest runs and one earlier, raw and stable; the ids that moved."""
    monkeypatch.setattr("sqlstab.report._RUNS", 3)
    caplog.set_level("DEBUG", "sqlstab.sql")
    nine.report()
    measured = [text for text in caplog.messages if re.search("AS cosine_mean|AS moved_id", text)]
    assert len(measured) == 2 * (3 + 1) + 1


# In which order runs are made, with which options, and what was made after what.
LATE: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "in order": ("1234", {}, {}),
    "late": ("1243", {}, {"3": "4"}),
    "late by several": ("12453", {}, {"3": "4"}),
    "repeated": ("12342", {}, {}),
    "all repeated but the last": ("123451234", {}, {}),
    "all repeated but the last, with a short memory": ("123451234", {"memory": 0.1}, {}),
    "all repeated but the last, aligned with one": ("123451234", {"align": "previous"}, {}),
    "late, aligned with one": ("12453", {"align": "previous"}, {"3": "4"}),
    "late, then repeated": ("12433", {}, {"3": "4"}),
    "late, then seen": ("12434", {}, {}),
    "the first repeated": ("1231", {}, {}),
    "repeated, aligned with the first": ("12342", {"align": "first"}, {}),
    "before the first": ("230", {"force": True}, {"0": "2"}),
    "before the first, repeated": ("220", {"force": True}, {"0": "2"}),
}


@pytest.mark.parametrize("case", LATE)
def test_runs_that_were_made_late(case: str, tmp_path: Path) -> None:
    order, options, wanted = LATE[case]
    space, rng = Space(tmp_path / "texts"), np.random.default_rng(6)
    rows = rng.standard_normal((60, 3))
    for number, key in enumerate(order):
        given = Options(**options) if number else Options()
        space.run(vectors=(np.arange(60), turned(rng, rows)), key=key, options=given)
    found = space.report().figures
    after = {run["name"]: run["made_after"] for run in found["runs"] if run["made_after"]}
    assert after == wanted
    said = [one["text"] for one in found["verdict"]["findings"] if one["title"] == "Late runs"]
    assert len(said) == len(wanted)
    for (key, later), text in zip(wanted.items(), said, strict=True):
        assert text == (
            f"1 run was made after a later one, which did not see it: {key} after {later}."
        )


@pytest.mark.parametrize("kind", ["balanced", "rotation"])
def test_a_dimension_that_grew(kind: Any, tmp_path: Path) -> None:
    """Stable vectors are compared, raw ones cannot be."""
    rng = np.random.default_rng(7)
    users, items = rng.standard_normal((150, 4)), rng.standard_normal((120, 4))
    space = Space(tmp_path / "space")
    for number, size in enumerate((4, 4, 6)):
        basis = np.linalg.qr(rng.standard_normal((size, size)))[0]
        tables = []
        for rows in (users, items):
            wide = np.pad(rows, ((0, 0), (0, size - 4))) + 0.1 * rng.standard_normal(
                (len(rows), size)
            )
            tables.append((np.arange(len(rows)), wide @ basis))
        options = Options(map=kind) if not number else Options()
        space.run(*tables, key=f"{number}", options=options)
    found = space.report()
    figures = found.figures
    assert [run["dimension"] for run in figures["runs"]] == [4, 4, 6]
    for side in SIDES:
        rows = [read_vectors(Path(space.name) / f"run={key}/{side}.parquet")[1] for key in range(3)]
        x, y = rows[2][:, :4], rows[1]
        wanted = (x * y).sum(axis=1) / np.linalg.norm(rows[2], axis=1) / np.linalg.norm(y, axis=1)
        cosines = figures["cosines"][side]
        assert cosines["stable"][2][1] == pytest.approx(wanted.mean(), abs=1e-6)
        assert cosines["raw"][2][1] is None
        assert cosines["raw"][1][0] is not None
    assert figures["verdict"]["headline"].startswith("The space holds")
    said = {each["title"]: each["text"] for each in figures["verdict"]["findings"]}
    assert ("Rotations keep them" in said["Neighbours"]) == (kind == "rotation")
    assert found.text("html").count("<figure") == 9
    # The neighbours of a run of rotations are those of its raw vectors.
    kept = space.report("1").figures["neighbours"]["kept"]
    assert kept == 1.0 if kind == "rotation" else kept < 0.99


def test_a_space_of_tables(copy: Space, whole: Report, tmp_path: Path) -> None:
    """It says the same."""
    with duckdb.connect(tmp_path / "a.db") as connection:
        space = Space("ml.movies", connection)
        connection.execute("CREATE SCHEMA ml")
        for number in range(3):
            retrained(space, number)
        found = space.report()
    for name in ("compared", "verdict"):
        assert found.figures[name] == whole.figures[name]
    for side in SIDES:
        for kind in ("stable", "raw"):
            one, other = (each.figures["cosines"][side][kind] for each in (found, whole))
            np.testing.assert_allclose(one, other, atol=1e-9)
        moved = [each.figures["moved"][side]["ids"] for each in (found, whole)]
        assert len({json.dumps([row["moved_id"] for row in rows]) for rows in moved}) == 1


def test_vectors_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((200, 5))
    space = Space(tmp_path / "texts")
    for key in "abc":
        turned = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        moved = (vectors + 0.2 * rng.standard_normal(vectors.shape)) @ turned
        space.run(vectors=(np.arange(200), moved), key=key)
    found = last(space)
    assert set(levels(found)) == {
        *("Same vectors", "Held-out ids", "Index", "Dot products", "Known vectors", "Warnings")
    }
    assert found.figures["verdict"]["level"] == "good"
    assert "Index" in found.text("md")
    assert found.text("html").count("<figure") == 3  # no spectrum: no rank was asked for
    # On the space: agreement, cosines, ids, two matrices.
    found = space.report()
    assert found.text("html").count("<figure") == 5
    assert found.figures["verdict"]["level"] == "good"


def test_shuffled_ids_have_not_worked(copy: Space, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    source = movietweetings("time_als_e32", 1)
    for side in SIDES:
        ids, vectors = read_vectors(source / f"{side}.parquet")
        write_vectors(tmp_path / f"{side}.parquet", vectors, rng.permutation(ids))
    files = [tmp_path / f"{side}.parquet" for side in SIDES]
    with pytest.raises(GateError):
        copy.run(*files, key="2026-12-01")
    copy.run(*files, key="2026-12-01", options=Options(force=True))
    for found, headline in (last(copy), "It did not work"), (copy.report(), "The space does not"):
        assert found.figures["verdict"]["level"] == "bad"
        assert found.figures["verdict"]["headline"].startswith(headline)
        assert levels(found)["Same items"] == levels(found)["Held-out ids"] == "bad"
    # The last is the report on the space.
    assert "Marked in 1 of 3 runs, 2026-12-01: The alignment is unrelated." in found.text("md")
    assert "hardly agree with those of 2026-11-03" in found.text("md")
    assert "<strong>2026-12-01:</strong>" in found.text("html")


def test_a_gate_that_was_forced(copy: Space) -> None:
    retrained(copy, 2, min_agreement=0.9, min_shared_ids=100, force=True)
    assert levels(copy.report())["Gates"] == "bad"
    found = last(copy)
    assert found.figures["verdict"]["level"] == levels(found)["Gates"] == "bad"
    assert levels(found)["Warnings"] == "doubtful"
    text = found.text("md")
    assert re.search(r"\| agreement, at least \| 0\.9 \| 0\.\d+ \| ❌ \|", text)
    assert "Failed: agreement, at least 0.9." in text
    # What run.json calls things is for programs.
    page = found.text("html")
    assert ">residual, upper bound</th>" in page
    assert not re.search(r'<th scope="row">[a-z]+_[a-z_]+</th>', page)
    # A path is broken at a slash, where it must be.
    assert "/<wbr>items.parquet</td>" in page


def test_scores_of_a_lower_rank(copy: Space) -> None:
    """Raw vectors cannot be restored from such a run."""
    retrained(copy, 2, rank=8)
    assert copy.report().figures["cosines"]["items"]["raw"][2][1] is None
    found = last(copy)
    assert levels(found)["Scores"] == "doubtful"
    (text,) = (f["text"] for f in found.figures["verdict"]["findings"] if f["title"] == "Scores")
    assert re.fullmatch(r"Scores changed, by up to [1-9][\d.]+% of the largest\.", text)
    assert found.figures["sides"]["items"]["before"] is None
    assert found.figures["neighbours"]["raw"] is None
    assert "unknown" in found.text("md")
    assert ">unknown<" in found.text("html")


def test_few_ids_are_shared(model: Callable[..., Path], tmp_path: Path) -> None:
    first = model("first", items=40)
    second = model("second", users=200, items=300, rotate=first)
    space = Space(tmp_path / "space")
    for folder in (first, second):
        space.run(folder / "users.parquet", folder / "items.parquet", key=folder.name)
    found = last(space)
    assert levels(found)["Known items"] == "doubtful"
    assert "40 of 300 items are in the reference." in found.text("md")
    assert found.figures["verdict"]["headline"].startswith("It worked in part")


def test_a_plain_statement_of_the_paper(made: Report) -> None:
    """The spectrum is that of an independent implementation."""
    source = movietweetings("time_als_e32", 2)
    vectors = [read_vectors(source / f"{side}.parquet")[1] for side in SIDES]
    wanted = paper.stabilize(*vectors).singular_values
    np.testing.assert_allclose(made.figures["run"]["singular_values"], wanted, rtol=1e-10)


def test_long_lines_of_a_statement_are_cut() -> None:
    statement = "SELECT 1\n" + "[" + "1.5E0, " * 100 + "1.5E0]"
    text = shortened(statement)
    assert text.startswith("SELECT 1\n[1.5E0, ")
    assert text.endswith("1.5E0]")
    assert " characters ... " in text
    assert max(map(len, text.split("\n"))) < 160


# Ids and names of runs as hostile as they come.
HOSTILE = [
    "</td><script>alert(1)</script>",
    '"><img src=http://example.invalid/x onerror=alert(2)>',
    "'-alert(3)-'",
    "{{ 7 * 7 }}{% raw %}",
    "</style><style>body{display:none}",
    "</svg><svg onload=alert(4)>",
    "</code></pre><iframe src=javascript:alert(5)>",
    "a|b`c`\n**d** [e](http://example.invalid) @f &lt;",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Report]:
    """On the last of four runs in which the items with such ids move most, and on the space."""
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(2)
    ids = [*HOSTILE, *(f"item {n}" for n in range(100))]
    users, items = rng.standard_normal((150, 6)), rng.standard_normal((len(ids), 6))
    space = Space(folder / "a space")
    for number in range(4):
        source = folder / f"<b onclick=alert({number})>&amp;"
        source.mkdir()
        turned = np.linalg.qr(rng.standard_normal((6, 6)))[0]
        moved = items + 0.1 * rng.standard_normal(items.shape)
        moved[: len(HOSTILE)] *= (-1) ** number
        files = [
            write_vectors(source / "u.parquet", users @ turned),
            write_vectors(source / "i.parquet", moved @ turned, ids),
        ]
        space.run(*files, key=f"{number}<i>&", options=Options(align="previous"))
    return last(space), space.report()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


def page_of(found: Report, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(found.text("html"), encoding="utf-8")
    return path


# The marks of each chart: rectangles, dots, lines.
_MARKS = ".mark-rect path, .mark-symbol path, .mark-line path, .mark-rule line"


# The text of each cell of a table that is seen, and how many lines it takes.
_LINES = """() => [...document.querySelectorAll('td')].filter(one => one.offsetHeight).map(cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return [cell.innerText, new Set([...range.getClientRects()].map(line => line.top)).size];
})"""


def check_page(seen: Seen, path: Path, count: int) -> None:
    """Nothing is loaded, nothing complains, every chart has marks, and all fits the width."""
    page = seen.page
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [path.as_uri()]
    assert page.locator(".chart").count() == page.locator("figure").count() == count
    for chart in page.locator(".chart").all():
        boxes = [mark.bounding_box() for mark in chart.locator(_MARKS).all()]
        assert any(box and box["width"] + box["height"] > 2 for box in boxes)
        assert chart.locator("svg").bounding_box()["width"] >= 300  # letters keep their size
        assert len(chart.get_attribute("aria-label")) > 40
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert [text for text, lines in page.evaluate(_LINES) if len(text) <= 10 and lines > 1] == []
    assert page.locator("script").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_in_a_browser(
    made: Report, tmp_path: Path, browser: Any, width: int, scheme: str
) -> None:
    # Two histograms, two planes, a spectrum.
    path = page_of(made, tmp_path)
    seen = opened(browser, path, width, scheme)
    check_page(seen, path, 5)
    page = seen.page
    charts = page.locator(".chart")
    assert (
        page.locator("h1").inner_text().endswith("It worked: the same items stay where they were.")
    )
    # As many bars as bins that are not empty, as many dots as vectors.
    items = made.figures["sides"]["items"]
    bars = sum(count > 0 for kind in ("before", "after") for count in items[kind]["histogram"])
    assert charts.nth(1).locator(".mark-rect path").count() == bars
    assert charts.nth(2).locator(".mark-symbol path").count() == 2 * len(items["drawn"]["ids"])
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_of_a_space_in_a_browser(
    whole: Report, tmp_path: Path, browser: Any, width: int, scheme: str
) -> None:
    path = page_of(whole, tmp_path)
    seen = opened(browser, path, width, scheme)
    # Agreement; for each side cosines, two matrices and ids.
    check_page(seen, path, 9)
    page = seen.page
    assert (
        page.locator("h1")
        .inner_text()
        .endswith("The space holds: the same items stay where they were.")
    )
    days, matrices = page.locator(".days .chart"), page.locator(".runs .chart")
    assert days.nth(2).locator(".mark-symbol path").count() == 2 * 2  # stable, raw; of two runs
    assert matrices.nth(0).locator(".mark-rect path").count() == 9
    # No name of a run is cut.
    for chart in (*days.all(), *matrices.all()):
        frame = chart.locator("svg").bounding_box()
        for text in chart.locator("text").all():
            box = text.bounding_box()
            assert frame["x"] <= box["x"]
            assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
    page.close()


def test_the_style_sheet_follows_the_reader(made: Report, tmp_path: Path, browser: Any) -> None:
    path = page_of(made, tmp_path)
    found = {}
    for scheme in ("light", "dark"):
        page = opened(browser, path, 800, scheme).page
        bar = "getComputedStyle(document.querySelector('.mark-rect path')).fill"
        body = "getComputedStyle(document.body).backgroundColor"
        found[scheme] = page.evaluate(f"[{body}, {bar}]")
        page.close()
    assert found["light"][0] == "rgb(255, 255, 255)"
    assert all(a != b for a, b in zip(found["light"], found["dark"], strict=True))


@pytest.mark.parametrize("about", [0, 1])
def test_hostile_names_are_escaped(hostile: tuple[Report, Report], about: int) -> None:
    """Where there is no browser to see it."""
    page = hostile[about].text("html")
    assert not re.search(r"<(script|img|iframe|b|i)\b", page)
    assert page.count("<style>") == 1
    assert "&lt;script&gt;alert(1)&lt;/<wbr>script&gt;" in page
    assert "3&lt;i&gt;&amp;" in page


@pytest.mark.parametrize("about", [0, 1])
def test_hostile_ids_are_text(
    hostile: tuple[Report, Report], tmp_path: Path, browser: Any, about: int
) -> None:
    found = hostile[about]
    moved = found.figures["moved"]["items"]["ids"] if about else None
    moved = moved or found.figures["sides"]["items"]["moved"]
    assert {row["moved_id"] for row in moved} >= set(HOSTILE)
    path = page_of(found, tmp_path)
    seen = opened(browser, path, 1280)
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [path.as_uri()]
    page = seen.page
    assert page.locator("script, img, iframe, [onclick], [onload], [onerror]").count() == 0
    assert page.locator("style").count() == 1
    assert page.locator("b, i").count() == 0
    cells = page.locator("#moved ~ .halves th[scope=row]").all_text_contents()
    assert set(cells) >= set(HOSTILE)
    assert "3<i>&" in page.locator("header").inner_text()
    if about:  # the names of the runs are in the charts, too
        assert "0<i>&" in page.locator(".runs .chart").first.text_content()
    page.close()


@pytest.mark.parametrize("about", [0, 1])
def test_hostile_ids_in_markdown(hostile: tuple[Report, Report], about: int) -> None:
    text = hostile[about].text("md")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    bare = [re.sub(r"\\.", "", row) for row in rows]
    assert not any(re.search(r"[<`*\[@]", row) for row in bare)
    # Each table keeps its number of columns.
    moved = [row for row in bare if row.count("|") == 4]
    assert len(moved) >= 6 + len(levels(hostile[about]))


@pytest.mark.parametrize(
    ("words", "headline", "finding"),
    [
        ([], "The space holds: the same items stay where they were.", "Drift of items"),
        ([KEYS[2]], "It worked: the same items stay where they were.", "Index"),
    ],
)
def test_the_command(
    space: Space, tmp_path: Path, words: list[str], headline: str, finding: str
) -> None:
    out = tmp_path / "page.html"
    done = invoke("report", space.name, *words, "-o", out)
    assert done.stdout.startswith(f"{headline}\n\nSame users ")
    assert re.search(f"^{finding} +[A-Z].*[.]$", done.stdout, re.MULTILINE)
    assert out.read_text().startswith("<!DOCTYPE html>")


def test_the_command_says_what_is_marked(copy: Space, tmp_path: Path) -> None:
    retrained(copy, 2, rank=8)
    done = invoke("report", copy.name, "-o", tmp_path / "page.html")
    assert done.stdout.startswith("The space holds in part")
    assert re.search(r"^Scores +doubtful: +Marked in 1 of 3 runs, 2026", done.stdout, re.MULTILINE)


def test_formats_for_machines(space: Space) -> None:
    arguments = ["report", space.name, KEYS[1], "-q", "--format"]
    figures = json.loads(invoke(*arguments, "json").stdout)
    assert figures["run"]["key"] == KEYS[1]
    assert figures["reference"]["name"] == KEYS[0]
    assert figures["sqlstab"] == sqlstab.__version__
    text = invoke(*arguments, "md").stdout
    assert text.startswith("## ✅ It worked: the same items stay where they were.\n")
    assert re.search(r"\| items \| 0\.06 \| 0\.7\d \|", text)
    page = invoke(*arguments, "html", "-o", "-").stdout
    assert page.startswith("<!DOCTYPE html>")
    arguments = ["report", space.name, "-q", "--format"]
    figures = json.loads(invoke(*arguments, "json").stdout)
    assert figures["space"] == space.name
    assert [run["name"] for run in figures["runs"]] == KEYS
    text = invoke(*arguments, "md").stdout
    assert text.startswith("## ✅ The space holds: the same items stay where they were.\n")
    assert re.search(rf"\| items \| 1 run \| {KEYS[1]} \| 0\.0\d \| 0\.7\d \|", text)


def test_without_the_extra(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "altair":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refused)
    found = space.report(KEYS[0])
    with pytest.raises(UsageError, match=r"pip install 'sqlstab\[report\]'"):
        found.text("html")
    assert found.text("md").startswith("## ✅ A new space")
    # A notebook falls back to the tables.
    assert found._repr_html_() is None
    assert found._repr_markdown_() == found.text("md")


def test_in_a_notebook(made: Report, whole: Report, tmp_path: Path, browser: Any) -> None:
    """A line where there is text alone, else the page in a frame whose style stays in it."""
    assert repr(made) == (
        f"<Report on run {KEYS[2]} compared with {KEYS[1]}: "
        "It worked: the same items stay where they were.>"
    )
    assert repr(whole) == (
        f"<Report on space {whole.figures['space']}, 3 runs: "
        "The space holds: the same items stay where they were.>"
    )
    frame = made._repr_html_()
    assert frame is not None
    file = tmp_path / "notebook.html"
    file.write_text(f"<!DOCTYPE html><meta charset=utf-8><p>cell</p>{frame}", encoding="utf-8")
    seen = opened(browser, file, 1280)
    inside = seen.page.frame_locator("iframe")
    assert "It worked" in inside.locator("h1").inner_text()
    assert inside.locator(".chart svg").count() == 5
    assert seen.page.locator("h1, style").count() == 0
    assert seen.complaints == []
    seen.page.close()
