"""Real retrainings give the figures of an independent implementation, whichever way they run."""

from __future__ import annotations

from typing import Any

import numpy as np
import paper
import pytest
from conftest import expected, movietweetings, read_vectors

from sqlstab import Options, Run, Space, stabilize

GROUPS = {"time_als_e32": 6, "seeds_bpr_e32": 3, "seeds_twotower_e32": 2}
STRATEGIES = ("arrow", "sql")
# expected.json -> the ids that it is aligned on, and the run
POLICIES = {
    "anchor_run0": ("items", "first"),
    "chain": ("items", "previous"),
    "anchor_run0_on_users": ("users", "first"),
    "anchor_run0_on_both": ("both", "first"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs by (group, policy, strategy, number), each done once, in a space for each policy."""
    folder = tmp_path_factory.mktemp("runs")
    done: dict[tuple[str, str, str, int], Run] = {}

    def get(group: str, policy: str, strategy: str, number: int) -> Run:
        anchor, align = POLICIES[policy]
        space = Space(folder / f"{group}-{policy}-{strategy}")
        for earlier in range(number + 1):
            key = (group, policy, strategy, earlier)
            if key not in done:
                source = movietweetings(group, earlier)
                done[key] = space.run(
                    source / "users.parquet",
                    source / "items.parquet",
                    key=f"day-{earlier}",
                    options=Options(anchor=anchor, strategy=strategy, align=align, plain_rows=True),
                )
        return done[key]

    return get


def stable(run: Run, side: str) -> dict[Any, np.ndarray]:
    table = run.table(side).arrow()
    return dict(zip(table["id"].to_pylist(), np.array(table["embedding"].to_pylist()), strict=True))


def shared_rows(run: Run, other: Run, side: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = stable(run, side), stable(other, side)
    common = sorted(x.keys() & y.keys())
    return np.array([x[i] for i in common]), np.array([y[i] for i in common])


def figures_of(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    values = paper.cosines(x, y)
    return {
        "mean": values.mean(),
        "median": np.median(values),
        "p10": np.quantile(values, 0.1),
        "min": values.min(),
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("group", GROUPS)
def test_singular_values_and_scores(runs: Any, group: str, strategy: str) -> None:
    for number, want in enumerate(expected()[group]["runs"]):
        run = runs(group, "anchor_run0", strategy, number)
        assert run.figures["tables"]["users"]["rows"] == want["n_users"]
        assert run.figures["tables"]["items"]["rows"] == want["n_items"]
        np.testing.assert_allclose(run.figures["singular_values"], want["sigma"], rtol=1e-8)
        users, items = stable(run, "users"), stable(run, "items")
        squares = sum(float(v @ v) for v in items.values())
        assert squares == pytest.approx(want["sum_sq_stabilized_items"], rel=1e-8)
        for spot in want["spot_dots"]:
            dot = users[spot["user"]] @ items[spot["item"]]
            assert dot == pytest.approx(spot["dot"], abs=1e-6)
        assert run.figures["scores"]["max_relative_error"] < 1e-6
        assert run.figures["scores"]["identity_error"] < 1e-13


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("group", GROUPS)
def test_alignment(runs: Any, group: str, policy: str, strategy: str) -> None:
    for want in expected()[group][policy]:
        number = want["run"]
        run = runs(group, policy, strategy, number)
        reference = runs(
            group, policy, strategy, 0 if POLICIES[policy][1] == "first" else number - 1
        )
        assert run.figures["shared"]["items"] == want["shared_items"]
        assert run.figures["shared"]["users"] == want["shared_users"]
        squares = []
        for side in ("items", "users"):
            x, y = shared_rows(run, reference, side)
            measured, reported = figures_of(x, y), run.figures["cosine"][side]["after"]
            for name, value in want[f"cos_{side}"].items():
                assert measured[name] == pytest.approx(value, abs=1e-5), name
                if name in reported:
                    assert reported[name] == pytest.approx(value, abs=1e-5), name
            residual = np.linalg.norm(x - y) / np.linalg.norm(y)
            assert residual == pytest.approx(want[f"rel_residual_{side}"], abs=1e-5)
            squares.append((np.linalg.norm(x - y) ** 2, np.linalg.norm(y) ** 2))
        anchor = POLICIES[policy][0]
        parts = {"items": squares[:1], "users": squares[1:], "both": squares}[anchor]
        residual = np.sqrt(sum(p[0] for p in parts) / sum(p[1] for p in parts))
        figure = run.figures["alignment"]["relative_residual"]
        assert figure == pytest.approx(residual, abs=1e-6)
        if anchor != "both":
            assert figure == pytest.approx(want[f"rel_residual_{anchor}"], abs=1e-5)
        x, y = stable(run, "items"), stable(reference, "items")
        for item, value in want["spot_item_cos"].items():
            cosine = paper.cosines(x[item][None], y[item][None])[0]
            assert cosine == pytest.approx(value, abs=1e-4)
        # Its sign depends on the signs of the principal axes, which expected.json leaves open.
        assert abs(run.figures["alignment"]["determinant"]) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("group", GROUPS)
def test_consecutive_runs(runs: Any, group: str, strategy: str) -> None:
    """Raw (from the figures) and in the space of the first run (from the files)."""
    for want in expected()[group]["raw_consecutive"]:
        run = runs(group, "chain", strategy, want["run"])
        for side in ("items", "users"):
            for name, value in run.figures["cosine"][side]["before"].items():
                assert value == pytest.approx(want[f"cos_{side}"][name], abs=1e-5)
    for want in expected()[group]["anchor_consecutive"]:
        run, before = (
            runs(group, "anchor_run0", strategy, number)
            for number in (want["run"], want["run"] - 1)
        )
        for side in ("items", "users"):
            measured = figures_of(*shared_rows(run, before, side))
            for name, value in want[f"cos_{side}"].items():
                assert measured[name] == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("group", GROUPS)
def test_a_second_independent_check(runs: Any, group: str) -> None:
    """Against QR of the data and scipy's Procrustes solution, computed here."""
    loaded = {}
    for number in (0, 1):
        source = movietweetings(group, number)
        user_ids, users = read_vectors(source / "users.parquet")
        item_ids, items = read_vectors(source / "items.parquet")
        loaded[number] = (user_ids, item_ids, paper.stabilize(users, items))
    _, ids0, first = loaded[0]
    _, ids1, second = loaded[1]
    _, in0, in1 = np.intersect1d(ids0, ids1, return_indices=True)
    omega = paper.align(second.items[in1], first.items[in0])
    want = paper.cosines(second.items[in1] @ omega, first.items[in0])
    run = runs(group, "anchor_run0", "arrow", 1)
    x, y = shared_rows(run, runs(group, "anchor_run0", "arrow", 0), "items")
    np.testing.assert_allclose(np.sort(paper.cosines(x, y)), np.sort(want), atol=2e-6)
    np.testing.assert_allclose(run.figures["singular_values"], second.singular_values, rtol=1e-12)


def test_a_run_done_in_memory_is_the_same(runs: Any) -> None:
    """Without a space: the runs are handed on as they are."""
    before = None
    for number in range(2):
        source = movietweetings("seeds_bpr_e32", number)
        before = stabilize(
            source / "users.parquet",
            source / "items.parquet",
            before,
            options=Options(plain_rows=True),
        )
        kept = runs("seeds_bpr_e32", "chain", "arrow", number)
        for side in ("users", "items"):
            np.testing.assert_allclose(before.maps[side].matrix, kept.maps[side].matrix, atol=1e-12)
        assert before.figures["cosine"] == kept.figures["cosine"]
