"""The demo shows what a newcomer must see, computed there and then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import expected
from test_cli import sqlstab

from sqlstab import Run

if TYPE_CHECKING:
    from pathlib import Path


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


def test_what_a_person_sees() -> None:
    done = sqlstab("demo")
    assert "AUC, stable" in done.stdout
    assert "No score changed" in done.stdout
    assert "Writing items" in done.stderr
