"""Gates: a run whose alignment is not good enough is not written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import movietweetings

from sqlstab import GateError, Options, Space, UsageError, stabilize

if TYPE_CHECKING:
    from pathlib import Path

# Each alone stops run 1 of the group on run 0: agreement 0.72, 1,461 shared items.
FAILING: list[tuple[dict[str, Any], str]] = [
    ({"min_agreement": 0.8}, "agreement of held-out ids: 0.72"),
    ({"min_shared_ids": 1500}, "shared ids that take part: 1,461, but .*min.shared.ids is 1,500"),
]
PASSING = {"min_agreement": 0.7, "min_shared_ids": 1461}


def tables(run: int) -> tuple[Path, Path]:
    folder = movietweetings("time_als_e32", run)
    return folder / "users.parquet", folder / "items.parquet"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize(("options", "message"), FAILING)
def test_a_gate_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    space = Space(tmp_path / "space")
    space.run(*tables(0), key="1")
    space.run(*tables(2), key="2")
    before = content(tmp_path)
    # The run would take the place of another one.
    with pytest.raises(GateError, match=message):
        space.run(*tables(1), key="2", options=Options(**options))
    assert content(tmp_path) == before
    run = space.run(*tables(1), key="2", options=Options(**options, force=True))
    (name,) = options
    assert run.figures["gates"][name]["passed"] is False
    assert any("by force" in warning for warning in run.figures["warnings"])


def test_gates_that_are_passed_are_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first run of a space has nothing to be compared with, and is there all the same."""
    space = Space(tmp_path / "space")
    first = space.run(*tables(0), key="1", options=Options(**PASSING))
    assert first.figures["gates"] is None
    assert "no run before it" in caplog.text
    # It is no reason to doubt the run for ever.
    assert first.figures["warnings"] == []
    run = space.run(*tables(1), key="2", options=Options(**PASSING))
    assert {name: gate["wanted"] for name, gate in run.figures["gates"].items()} == PASSING
    assert all(gate["passed"] for gate in run.figures["gates"].values())
    assert run.figures["gates"]["min_agreement"]["found"] == run.figures["alignment"]["agreement"]
    assert run.figures["warnings"] == []


def test_gates_in_memory() -> None:
    first = stabilize(*tables(0))
    with pytest.raises(GateError, match="agreement"):
        stabilize(*tables(1), first, options=Options(min_agreement=0.9))


@pytest.mark.parametrize(
    "options",
    [
        {"min_agreement": 1.5},
        {"min_agreement": float("nan")},
        {"min_agreement": "high"},
        {"min_shared_ids": 0},
        {"min_shared_ids": True},
    ],
)
def test_thresholds_that_cannot_be_meant(options: dict[str, Any]) -> None:
    (name,) = options
    words = name.replace("_", ".")
    with pytest.raises(UsageError, match=rf"{words} is .*; it must be a"):
        Options(**options)
