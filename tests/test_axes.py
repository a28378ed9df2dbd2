"""Runs by force have axes of their own: no reference mixes them with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sqlstab import Options, Run, Space

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

IDS = np.arange(300)


@pytest.fixture(params=["directory", "tables"])
def space(
    request: pytest.FixtureRequest, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> Space:
    return Space(tmp_path / "s") if request.param == "directory" else Space("s", connection)


def trained(key: str, seed: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """One model for a seed, in axes that each key has for its own."""
    users, items = np.random.default_rng(seed).standard_normal((2, 300, 8))
    turn = np.linalg.qr(np.random.default_rng(ord(key)).standard_normal((8, 8)))[0]
    return (IDS, users @ turn), (IDS, items @ turn)


def stable(run: Run) -> np.ndarray:
    return np.array(run.items.arrow().sort_by("id")["embedding"].to_pylist())


# Each run: its key, `u` for a model that is unrelated to the others and `!` for force; the runs
# that it is aligned with; what it warns of.
FORCED = "axes of its own"
UNRELATED = "by force"
MOVED = "not the same again"
APART = "no comparison with"
SEQUENCES = [
    # A run before all others, by force: those keep their axes when they are done again.
    [
        ("b", "", ""),
        ("c", "b", ""),
        ("a!", "", FORCED),
        ("b", "b", ""),
        ("c", "b", ""),
        ("d", "bc", ""),
        ("a!", "a", ""),
        ("d", "bc", ""),
        ("c", "b", ""),
    ],
    # A new model by force: later runs have its axes, and earlier ones keep theirs.
    [
        ("a", "", ""),
        ("b", "a", ""),
        ("du!", "ab", UNRELATED),
        ("eu", "d", ""),
        ("fu", "de", ""),
        ("b", "a", ""),
        ("c", "ab", APART),
        ("du", "d", ""),
        ("gu", "def", ""),
    ],
    # One that no other run is aligned with has none to keep.
    [("a", "", ""), ("bu!", "a", UNRELATED), ("b", "a", MOVED), ("c", "ab", "")],
    # In between, after later runs were made.
    [("a", "", ""), ("c", "a", ""), ("bu!", "a", UNRELATED), ("d", "ac", ""), ("c", "a", "")],
    # A late run is in the reference of a later one that is done again.
    [("a", "", ""), ("c", "a", ""), ("b", "a", ""), ("c", "ab", MOVED)],
]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_reference_has_one_set_of_axes(
    space: Space, sequence: list[tuple[str, str, str]]
) -> None:
    for what, aligned, warning in sequence:
        key, seed = what[0], 2 if "u" in what else 1
        run = space.run(*trained(key, seed), key=key, options=Options(force="!" in what))
        reference = run.figures["reference"]
        assert "".join(reference["runs"] if reference else "") == aligned, what
        warnings = " ".join(run.figures["warnings"])
        assert (warning in warnings) if warning else not warnings, (what, warnings)
    # Of one model and one set of axes, vectors are the same.
    runs = {run.key: run for run in space.runs}
    for run in runs.values():
        for earlier in run.figures["reference"]["runs"] if run.figures["reference"] else ():
            if run.figures["alignment"]["verdict"] != "unrelated":
                np.testing.assert_allclose(stable(run), stable(runs[earlier]), atol=1e-5)


@pytest.mark.parametrize("policy", ["previous", "first"])
def test_policies_choose_among_runs_of_one_set_of_axes(space: Space, policy: str) -> None:
    options = Options(align=policy)
    for key, seed, force in (("a", 1, False), ("b", 2, True), ("c", 2, False)):
        space.run(*trained(key, seed), key=key, options=Options(force=force))
    run = space.run(*trained("d", 2), key="d", options=options)
    assert list(run.figures["reference"]["runs"]) == ["c" if policy == "previous" else "b"]
