"""A report: its figures are those of the rows, its verdict is right, its page is safe."""

from __future__ import annotations

import builtins
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import paper
import pytest
from browser import chromium, opened
from conftest import movietweetings, read_vectors, write_vectors
from invoke import invoke

import sqlstab
from sqlstab import DataError, Options, Report, Run, UsageError, report, stabilize
from sqlstab.report.page import figure, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIDES = ("users", "items")
LEVELS = {"p01": 0.01, "p10": 0.1, "p50": 0.5, "p99": 0.99}


def retrained(folder: Path, number: int, reference: Run | None = None, **options: Any) -> Run:
    source = movietweetings("time_als_e32", number)
    files = (source / f"{side}.parquet" for side in SIDES)
    return stabilize(*files, reference, folder / f"run{number}", options=Options(**options))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Three trainings, each in the space of the one before."""
    folder = tmp_path_factory.mktemp("runs")
    found: list[Run] = []
    for number in range(3):
        found.append(retrained(folder, number, found[-1] if found else None))
    return found


@pytest.fixture(scope="module")
def made(runs: list[Run]) -> Report:
    """On the third of them."""
    return report(runs[2], earlier=runs[:2])


@dataclass(frozen=True)
class Shared:
    """The vectors that two runs share, by side and kind: ids, and the rows of each."""

    ids: np.ndarray
    x: np.ndarray
    y: np.ndarray

    @property
    def cosines(self) -> np.ndarray:
        lengths = np.linalg.norm(self.x, axis=1) * np.linalg.norm(self.y, axis=1)
        return (self.x * self.y).sum(axis=1) / lengths


def shared(run: Path, reference: Path, side: str) -> Shared:
    tables = [read_vectors(folder / f"{side}.parquet") for folder in (run, reference)]
    ids, *places = np.intersect1d(*(table[0] for table in tables), return_indices=True)
    x, y = (table[1][where] for table, where in zip(tables, places, strict=True))
    return Shared(ids, x, y)


def both_kinds(run: Run, reference: Run, numbers: tuple[int, int], side: str) -> dict[str, Shared]:
    """Stable vectors as they were written, raw ones as the training left them."""
    assert run.directory is not None
    assert reference.directory is not None
    first, second = (movietweetings("time_als_e32", number) for number in numbers)
    return {
        "after": shared(run.directory, reference.directory, side),
        "before": shared(first, second, side),
    }


@pytest.mark.parametrize("side", SIDES)
def test_figures_are_those_of_the_rows(runs: list[Run], made: Report, side: str) -> None:
    """The raw vectors that the report has from the stable ones are those of the training."""
    found = made.figures["sides"][side]
    for kind, rows in both_kinds(runs[2], runs[1], (2, 1), side).items():
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
        own = runs[2].figures["cosine"][side][kind]
        assert own["mean"] == pytest.approx(figures["mean"], abs=1e-6)
    after = both_kinds(runs[2], runs[1], (2, 1), side)["after"]
    moved = after.ids[np.argsort(after.cosines)[:15]]
    assert [row["moved_id"] for row in found["moved"]] == [str(i) for i in moved.tolist()]
    assert found["run"] == runs[2].figures[side]["rows"]
    assert found["shared"] == len(after.ids)
    assert found["new"] == found["run"] - found["shared"]
    assert found["gone"] == found["reference"] - found["shared"]


@pytest.mark.parametrize("kind", ["before", "after"])
def test_neighbours_are_those_of_the_rows(runs: list[Run], made: Report, kind: str) -> None:
    rows = both_kinds(runs[2], runs[1], (2, 1), "items")[kind]
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


def test_any_two_runs(runs: list[Run], made: Report) -> None:
    assert [run["run_id"] for run in made.figures["runs"]] == [run.run_id for run in runs]
    assert [run["name"] for run in made.figures["runs"]] == ["run0", "run1", "run2"]
    for side in SIDES:
        found = made.figures["cosines"][side]
        assert [found["stable"][i][i] for i in range(3)] == [1.0] * 3
        for i in range(3):
            for j in range(i):
                kinds = both_kinds(runs[i], runs[j], (i, j), side)
                for name, kind in (("stable", "after"), ("raw", "before")):
                    wanted = pytest.approx(kinds[kind].cosines.mean(), abs=1e-6)
                    assert found[name][i][j] == found[name][j][i] == wanted


def test_the_same_vectors_in_a_plane(runs: list[Run], made: Report) -> None:
    """Distances in a plane are at most those of the vectors; most of each is seen."""
    drawn = made.figures["sides"]["items"]["drawn"]
    rows = both_kinds(runs[2], runs[1], (2, 1), "items")["after"]
    longest = np.argsort(-np.linalg.norm(rows.y, axis=1))[:60]
    assert drawn["ids"] == rows.ids[longest].tolist()
    for kind, wanted in (
        ("stable", rows),
        ("raw", both_kinds(runs[2], runs[1], (2, 1), "items")["before"]),
    ):
        x, y = wanted.x[longest], wanted.y[longest]
        points = np.array(drawn[kind]["run"]), np.array(drawn[kind]["reference"])
        apart = np.linalg.norm(points[0] - points[1], axis=1)
        assert (apart <= np.linalg.norm(x - y, axis=1) + 1e-5).all()
        singular = np.linalg.svd(y - y.mean(axis=0), compute_uv=False)
        assert np.linalg.norm(points[1]) == pytest.approx(np.linalg.norm(singular[:2]), rel=1e-5)


def test_only_small_results_leave_the_engine(made: Report) -> None:
    statements = made.figures["statements"]
    assert len({statement["title"] for statement in statements}) == len(statements) == 16
    assert all(statement["sql"].startswith("--") for statement in statements)


def test_a_run_that_worked(made: Report) -> None:
    verdict = made.figures["verdict"]
    assert verdict["level"] == "good"
    assert verdict["headline"] == "It worked: the same items stay where they were."
    titles = [found["title"] for found in verdict["findings"]]
    assert titles == [
        *("Same users", "Same items", "Held-out ids", "Index", "Scores", "Known items"),
        "Warnings",
    ]


def levels(found: Report) -> dict[str, str]:
    return {f["title"]: f["level"] for f in found.figures["verdict"]["findings"]}


def test_no_minus_before_a_zero() -> None:
    assert (figure(-0.004), figure(-0.006), figure(None)) == (
        *("0.00", "-0.01"),
        "unknown",
    )


def test_a_new_space(runs: list[Run]) -> None:
    found = report(runs[0])
    assert found.figures["verdict"]["level"] == "good"
    assert found.figures["verdict"]["headline"].startswith("A new space")
    assert set(levels(found)) == {"Scores", "Warnings"}


def test_what_a_run_says_of_itself(runs: list[Run]) -> None:
    """Without its reference there is what the run has measured; no table is read."""
    found = report(runs[1])
    assert found.figures["sides"] is None
    assert found.figures["statements"] == []
    assert found.figures["verdict"]["headline"].startswith("It worked")
    assert "Cosine to the reference 0.75" in found.text("md")


def test_shuffled_ids_have_not_worked(runs: list[Run], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    source = movietweetings("time_als_e32", 1)
    for side in SIDES:
        ids, vectors = read_vectors(source / f"{side}.parquet")
        write_vectors(tmp_path / f"{side}.parquet", vectors, rng.permutation(ids))
    files = (tmp_path / f"{side}.parquet" for side in SIDES)
    run = stabilize(*files, runs[0], tmp_path / "out")
    found = report(run, runs[0])
    assert found.figures["verdict"]["level"] == "bad"
    assert found.figures["verdict"]["headline"].startswith("It did not work")
    assert levels(found)["Same items"] == levels(found)["Held-out ids"] == "bad"


def test_another_space(runs: list[Run], tmp_path: Path) -> None:
    """The verdict says first why nothing agrees, and what to do."""
    own = retrained(tmp_path, 1)
    found = report(own, runs[0])
    verdict = found.figures["verdict"]
    remedy = "run it again with reference run0."
    assert verdict["headline"] == (
        f"run1 began a space of its own and was not aligned with run0; {remedy}"
    )
    assert verdict["findings"][0]["text"] == verdict["headline"]
    assert levels(found)["Space"] == "bad"
    # Found are 0.2 of 10 neighbours: better than raw vectors, and of no use.
    assert levels(found)["Index"] == "doubtful"

    later = retrained(tmp_path, 2, own)
    found = report(later, runs[0], earlier=[own])
    assert found.figures["space"]["same"] is False
    headline = found.figures["verdict"]["headline"]
    assert headline == f"run2 is in another space than run0 and was not aligned with it; {remedy}"
    # The run between them is not at hand.
    found = report(later, runs[0])
    assert found.figures["space"]["same"] is None
    assert f"was aligned with run {own.run_id}, which need not be" in found.text("md")
    found = report(own, runs[2])
    assert found.figures["space"]["same"] is False  # it began after the other was made
    found = report(runs[0], runs[2])
    assert found.figures["space"]["same"] is None
    assert "Space" not in levels(found)  # for they agree
    assert report(runs[2], runs[0], earlier=[runs[1]]).figures["space"]["same"] is True
    assert report(runs[0], runs[1]).figures["space"]["same"] is True


def test_a_gate_that_was_forced(runs: list[Run], tmp_path: Path) -> None:
    run = retrained(tmp_path, 1, runs[0], min_mean_cosine=0.8, min_cka=0.1, force=True)
    found = report(run, runs[0])
    assert found.figures["verdict"]["level"] == levels(found)["Gates"] == "bad"
    assert levels(found)["Warnings"] == "doubtful"
    text = found.text("md")
    assert "| mean cosine, at least | 0.8 | 0.749 | ❌ |" in text
    assert "Failed: mean cosine, at least 0.8." in text
    # What run.json calls things is for programs.
    page = found.text("html")
    assert ">residual, upper bound</th>" in page
    assert not re.search(r'<th scope="row">[a-z]+_[a-z_]+</th>', page)
    # A path is broken at a slash, where it must be.
    assert "/<wbr>items.parquet</td>" in page


def test_scores_of_a_lower_rank(runs: list[Run], tmp_path: Path) -> None:
    """Raw vectors cannot be had back from such a run."""
    run = retrained(tmp_path, 1, runs[0], rank=8)
    found = report(run, runs[0])
    assert levels(found)["Scores"] == "doubtful"
    (text,) = (f["text"] for f in found.figures["verdict"]["findings"] if f["title"] == "Scores")
    assert re.fullmatch(r"Scores changed, by up to [1-9][\d.]+% of the largest\.", text)
    assert found.figures["sides"]["items"]["before"] is None
    assert found.figures["neighbours"]["raw"] is None
    assert "unknown" in found.text("md")
    assert ">unknown<" in found.text("html")


def test_no_id_is_shared(runs: list[Run], model: Callable[..., Path], tmp_path: Path) -> None:
    folder = model("strangers", dimension=32)
    run = stabilize(folder / "users.parquet", folder / "items.parquet", out=tmp_path / "out")
    with pytest.raises(DataError, match=r"items table .* has ids id of type BIGINT"):
        report(run, runs[0])


def test_few_ids_are_shared(model: Callable[..., Path], tmp_path: Path) -> None:
    first = model("first", items=40)
    second = model("second", users=200, items=300, rotate=first)
    earlier = stabilize(first / "users.parquet", first / "items.parquet", out=tmp_path / "a")
    run = stabilize(second / "users.parquet", second / "items.parquet", earlier, out=tmp_path / "b")
    found = report(run, earlier)
    assert levels(found)["Known items"] == "doubtful"
    assert "40 of 300 items are in the reference." in found.text("md")
    assert found.figures["verdict"]["headline"].startswith("It worked in part")


def test_what_cannot_be_meant(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be its own reference"):
        report(runs[0], runs[0])
    with pytest.raises(DataError, match="is not a run directory"):
        report(tmp_path)


def test_a_plain_statement_of_the_paper(runs: list[Run], made: Report) -> None:
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


# Ids and the name of a directory as hostile as they come.
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
def hostile(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Three runs in which the items with such ids move most."""
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(2)
    ids = [*HOSTILE, *(f"item {n}" for n in range(100))]
    users, items = rng.standard_normal((150, 6)), rng.standard_normal((len(ids), 6))
    found: list[Run] = []
    for number in range(3):
        source = folder / f"<b onclick=alert({number})>&amp;"
        source.mkdir()
        turned = np.linalg.qr(rng.standard_normal((6, 6)))[0]
        moved = items + 0.1 * rng.standard_normal(items.shape)
        moved[: len(HOSTILE)] *= (-1) ** number
        files = [
            write_vectors(source / "u.parquet", users @ turned),
            write_vectors(source / "i.parquet", moved @ turned, ids),
        ]
        out = folder / f"<i>{number}&"
        found.append(stabilize(*files, found[-1] if found else None, out))
    return found


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


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_in_a_browser(
    made: Report, tmp_path: Path, browser: Any, width: int, scheme: str
) -> None:
    """Nothing is loaded, nothing complains, every chart has marks, and all fits the width."""
    path = page_of(made, tmp_path)
    seen = opened(browser, path, width, scheme)
    page = seen.page
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [path.as_uri()]
    assert (
        page.locator("h1").inner_text().endswith("It worked: the same items stay where they were.")
    )
    charts = page.locator(".chart")
    # Two histograms, two planes, a spectrum; for each side a line of drift and two matrices.
    assert charts.count() == page.locator("figure").count() == 11
    for chart in charts.all():
        boxes = [mark.bounding_box() for mark in chart.locator(_MARKS).all()]
        assert any(box and box["width"] + box["height"] > 2 for box in boxes)
        frame = chart.locator("svg").bounding_box()
        assert frame["width"] >= 300  # letters keep their size
        assert len(chart.get_attribute("aria-label")) > 40
    # As many bars as bins that are not empty, as many dots as vectors.
    items = made.figures["sides"]["items"]
    bars = sum(count > 0 for kind in ("before", "after") for count in items[kind]["histogram"])
    assert charts.nth(1).locator(".mark-rect path").count() == bars
    assert charts.nth(2).locator(".mark-symbol path").count() == 2 * len(items["drawn"]["ids"])
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("script").count() == 0
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


def test_hostile_ids_are_text(hostile: list[Run], tmp_path: Path, browser: Any) -> None:
    found = report(hostile[2], hostile[1], earlier=hostile[:1])
    assert {row["moved_id"] for row in found.figures["sides"]["items"]["moved"]} >= set(HOSTILE)
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
    assert "<i>2&" in page.locator("header").inner_text()
    # The names of the runs are in the charts too.
    assert "<i>0&" in page.locator(".chart").nth(6).text_content()
    page.close()


def test_hostile_ids_in_markdown(hostile: list[Run]) -> None:
    text = report(hostile[2], hostile[1]).text("md")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    bare = [re.sub(r"\\.", "", row) for row in rows]
    assert not any(re.search(r"[<`*\[@]", row) for row in bare)
    # Each table keeps its number of columns.
    moved = [row for row in bare if row.count("|") == 4]
    assert len(moved) >= 6 + len(levels(report(hostile[2], hostile[1])))


def test_the_command(runs: list[Run], tmp_path: Path) -> None:
    """The page is part of the run's directory, and goes with it when it is replaced."""
    out = tmp_path / "run1"
    retrained(tmp_path, 1, runs[0])
    done = invoke("report", out, "--reference", runs[0].directory, "-q")
    assert done.stdout == ""
    page = (out / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    done = invoke("report", out, "--reference", runs[0].directory, "-o", tmp_path / "other.html")
    assert done.stdout.splitlines() == [
        "It worked: the same items stay where they were.",
        f"written  {tmp_path / 'other.html'}",
    ]
    retrained(tmp_path, 1, runs[0])
    assert sorted(path.name for path in out.iterdir()) == [
        *("items.parquet", "run.json", "transform.json", "users.parquet")
    ]


def test_formats_for_machines(runs: list[Run]) -> None:
    arguments = ["report", runs[1].directory, runs[0].directory, "-q", "--format"]
    figures = json.loads(invoke(*arguments, "json").stdout)
    assert figures["reference"]["run_id"] == runs[0].run_id  # it is among the earlier runs
    assert figures["sqlstab"] == sqlstab.__version__
    text = invoke(*arguments, "md").stdout
    assert text.startswith("## ✅ It worked: the same items stay where they were.\n")
    assert "| items | 0.06 | 0.75 |" in text
    page = invoke(*arguments, "html", "-o", "-").stdout
    assert page.startswith("<!DOCTYPE html>")


def test_without_the_extra(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "altair":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refused)
    found = report(runs[0])
    with pytest.raises(UsageError, match=r"pip install 'sqlstab\[report\]'"):
        found.text("html")
    assert found.text("md").startswith("## ✅ A new space")
    # A notebook falls back to the tables.
    assert found._repr_html_() is None
    assert found._repr_markdown_() == found.text("md")


def test_in_a_notebook(runs: list[Run], made: Report, tmp_path: Path, browser: Any) -> None:
    """A line where there is text alone, else the page in a frame whose style stays in it."""
    assert repr(made) == (
        f"<Report on run {runs[2].run_id} beside {runs[1].run_id}: "
        "It worked: the same items stay where they were.>"
    )
    frame = made._repr_html_()
    assert frame is not None
    file = tmp_path / "notebook.html"
    file.write_text(f"<!DOCTYPE html><meta charset=utf-8><p>cell</p>{frame}", encoding="utf-8")
    seen = opened(browser, file, 1280)
    inside = seen.page.frame_locator("iframe")
    assert "It worked" in inside.locator("h1").inner_text()
    assert inside.locator(".chart svg").count() == 11
    assert seen.page.locator("h1, style").count() == 0
    assert seen.complaints == []
    seen.page.close()
