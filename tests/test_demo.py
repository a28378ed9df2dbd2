"""The demo shows what a newcomer must see, computed there and then."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import duckdb
import pytest
from test_cli import sqlstab

from sqlstab import Space
from sqlstab.demo import RUNS, run_demo
from sqlstab.progress import Silent

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlstab.progress import Step


def test_demo(tmp_path: Path) -> None:
    done = sqlstab("demo", "--json", "--quiet", "--out", tmp_path / "demo", cwd=tmp_path)
    figures = json.loads(done.stdout)
    assert [run["run"] for run in figures] == list(RUNS.values())
    for run in figures[1:]:
        cosine = run["cosine"]["items"]
        assert cosine["after"]["mean"] > 0.7
        assert cosine["before"]["mean"] < 0.1
        assert run["genre_auc"]["raw"] < 0.62
        assert run["genre_auc"]["stable"] > 0.75
    assert figures[0]["genre_auc"]["raw"] == pytest.approx(
        figures[0]["genre_auc"]["stable"], abs=0.01
    )
    assert max(run["max_score_error"] for run in figures) < 1e-6
    assert (tmp_path / "demo" / "raw" / "run3" / "users.parquet").exists()
    assert len(Space(tmp_path / "demo" / "movies").entries) == 4


def test_what_a_person_sees(tmp_path: Path) -> None:
    """It ends with the lines that read the history, and they are right."""
    titles: list[str] = []

    class Heard(Silent):
        def step(self, title: str) -> AbstractContextManager[Step]:
            titles.append(title)
            return super().step(title)

    result = run_demo(str(tmp_path), Heard())
    assert result.titles[-1] == "AUC, stable"
    assert [row[0] for row in result.rows] == list(RUNS.values())
    assert "No score changed" in result.text
    # Four times the same steps: which training each is of.
    assert [title for title in titles if "Writing items" in title] == [
        f"{day}: Writing items" for day in RUNS.values()
    ]
    queries = re.findall(r'duckdb -c "(.*)"', result.text)
    counts = [len(duckdb.sql(query).fetchall()) for query in queries]
    assert counts[1] == 4
    assert counts[0] > 1000


def test_a_demo_that_is_not_kept_says_how_to_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it prints works when it is done as it says."""
    monkeypatch.chdir(tmp_path)
    said = sqlstab("demo", "--quiet", cwd=tmp_path).stdout
    assert not list(tmp_path.iterdir())
    found = re.search(r"After sqlstab (.*):\n", said)
    assert found
    sqlstab(*found[1].split(), "--quiet", cwd=tmp_path)
    queries = re.findall(r'duckdb -c "(.*)"', said)
    assert len(duckdb.sql(queries[1]).fetchall()) == 4
