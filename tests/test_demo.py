"""The demo shows what a newcomer must see, computed there and then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import expected
from rich.table import Table
from test_cli import sqlstab

from sqlstab import Run
from sqlstab.demo import RUNS, run_demo
from sqlstab.progress import Silent

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlstab.progress import Step


def test_demo(tmp_path: Path) -> None:
    done = sqlstab("demo", "--json", "--quiet", "--out", tmp_path / "demo", cwd=tmp_path)
    figures = json.loads(done.stdout)
    assert [run["run"] for run in figures] == ["run0", "run1", "run2", "run3"]
    for run, want in zip(figures[1:], expected()["time_als_e32"]["chain"][:3], strict=True):
        cosine = run["cosine"]["items"]
        assert cosine["after"]["mean"] == pytest.approx(want["cos_items"]["mean"], abs=1e-5)
        assert cosine["before"]["mean"] < 0.1
        assert run["genre_auc"]["raw"] < 0.62
        assert run["genre_auc"]["stable"] > 0.75
    assert figures[0]["genre_auc"]["raw"] == pytest.approx(
        figures[0]["genre_auc"]["stable"], abs=0.01
    )
    assert max(run["max_score_error"] for run in figures) < 1e-6
    assert Run.load(tmp_path / "demo" / "stable" / "run3").figures["reference"]
    assert (tmp_path / "demo" / "raw" / "run3" / "users.parquet").exists()


def test_what_a_person_sees(tmp_path: Path) -> None:
    titles: list[str] = []

    class Heard(Silent):
        def step(self, title: str) -> AbstractContextManager[Step]:
            titles.append(title)
            return super().step(title)

    table, text = run_demo(str(tmp_path), Heard()).report()
    assert isinstance(table, Table)
    assert table.columns[-1].header == "AUC, stable"
    assert "No score changed" in str(text)
    # Four times the same steps: which training each is of.
    assert [title for title in titles if "Writing items" in title] == [
        f"{day}: Writing items" for day in RUNS.values()
    ]
