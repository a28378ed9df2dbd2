"""Gates: an alignment that is worse than demanded replaces nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from conftest import movietweetings
from invoke import invoke

from sqlstab import GateError, Options, Run, UsageError, stabilize

if TYPE_CHECKING:
    from pathlib import Path

# Each alone stops run 1 of the group on run 0: items 0.75, residual 0.64, CKA 0.74, 1,461 ids.
FAILING: list[tuple[dict[str, Any], str]] = [
    ({"min_mean_cosine": 0.8}, "mean cosine of the items: 0.74"),
    ({"min_shared_ids": 1500}, "shared ids that take part: 1,461, but min_shared_ids is 1,500"),
    ({"min_cka": 0.9}, "CKA: 0.7"),
    ({"max_residual": 0.5}, "relative residual: 0.6"),
]
PASSING = {"min_mean_cosine": 0.7, "min_shared_ids": 1461, "min_cka": 0.7, "max_residual": 0.7}


def tables(run: int) -> tuple[Path, Path]:
    folder = movietweetings("time_als_e32", run)
    return folder / "users.parquet", folder / "items.parquet"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize(("options", "message"), FAILING)
def test_a_gate_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    first = stabilize(*tables(0), out=tmp_path / "first")
    stabilize(*tables(2), first, tmp_path / "out")
    before = content(tmp_path)
    with pytest.raises(GateError, match=message):
        stabilize(*tables(1), first, tmp_path / "out", options=Options(**options))
    assert content(tmp_path) == before
    forced = Options(**options, force=True)
    run = stabilize(*tables(1), first, tmp_path / "out", options=forced)
    (name,) = options
    assert run.figures["gates"][name]["passed"] is False
    assert any("by force" in warning for warning in run.figures["warnings"])


def test_tables_are_left_as_they_were(tmp_path: Path) -> None:
    with duckdb.connect() as connection:

        def state() -> list[Any]:
            names = connection.execute("SHOW TABLES").fetchall()
            hashes = [
                connection.execute(f"SELECT bit_xor(hash(t)), count(*) FROM {name} AS t").fetchone()
                for (name,) in names
            ]
            return [names, hashes]

        outputs = {"users_out": "u", "items_out": "i", "transform_table": "transforms"}
        first = stabilize(*tables(0), None, tmp_path / "first", connection)
        stabilize(*tables(2), first, tmp_path / "run", connection, **outputs)
        before = state()
        with pytest.raises(GateError):
            stabilize(
                *tables(1),
                first,
                tmp_path / "run",
                connection,
                **outputs,
                options=Options(min_mean_cosine=0.9),
            )
        assert state() == before


def test_gates_that_are_passed_are_recorded(tmp_path: Path) -> None:
    forced = Options(**PASSING, force=True)
    first = stabilize(*tables(0), out=tmp_path / "first", options=forced)
    assert first.figures["gates"] is None
    run = stabilize(*tables(1), first, options=Options(**PASSING))
    assert {name: gate["wanted"] for name, gate in run.figures["gates"].items()} == PASSING
    assert all(gate["passed"] for gate in run.figures["gates"].values())
    cosine = run.figures["cosine"]["items"]["after"]["mean"]
    assert run.figures["gates"]["min_mean_cosine"]["found"] == cosine
    assert run.figures["warnings"] == []


def test_the_worst_anchor_counts(tmp_path: Path) -> None:
    first = stabilize(*tables(0), out=tmp_path / "first")
    run = stabilize(*tables(1), first, options=Options(anchor="both", min_mean_cosine=0.1))
    means = [run.figures["cosine"][side]["after"]["mean"] for side in ("users", "items")]
    assert run.figures["gates"]["min_mean_cosine"]["found"] == min(means)


def test_the_command_line_and_the_project_file(tmp_path: Path) -> None:
    users, items = tables(0)
    invoke("run", "--users", users, "--items", items, "--out", tmp_path / "first", "-q")
    users, items = tables(1)
    given = ["--users", users, "--items", items, "--reference", tmp_path / "first"]
    given += ["--out", tmp_path / "second", "-q"]
    message = invoke("run", *given, "--min-mean-cosine", 0.9, code=5).stderr
    assert "Nothing was written" in message
    assert not (tmp_path / "second").exists()
    (tmp_path / "sqlstab.toml").write_text(
        f"[users]\ntable = '{users}'\n[items]\ntable = '{items}'\n"
        "[run]\nreference = 'first'\nout = 'second'\nmin_cka = 0.99\n"
    )
    invoke("run", "-c", tmp_path / "sqlstab.toml", "-q", code=5)
    invoke("run", *given, "--min-mean-cosine", 0.9, "--force")
    figures = json.loads((tmp_path / "second" / "run.json").read_text())
    assert figures["gates"]["min_mean_cosine"]["passed"] is False


@pytest.mark.parametrize(
    "options",
    [
        {"min_mean_cosine": 1.5},
        {"min_mean_cosine": float("nan")},
        {"min_cka": "0.9"},
        {"min_cka": -0.1},
        {"max_residual": -1},
        {"min_shared_ids": 0},
        {"min_shared_ids": True},
    ],
)
def test_thresholds_that_cannot_be_meant(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=rf"^{name} is .*; it must be a number from"):
        Options(**options)


def test_a_forgotten_reference(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A gate is no gate without one: what is in place would go for a new space."""
    first = stabilize(*tables(0), out=tmp_path / "out")
    options = Options(min_cka=0.5, min_mean_cosine=0.5)
    with pytest.raises(UsageError, match="min_mean_cosine and min_cka can be checked with a ref"):
        stabilize(*tables(1), out=tmp_path / "out", options=options)
    assert Run.load(tmp_path / "out").run_id == first.run_id
    stabilize(*tables(1), out=tmp_path / "new", options=replace(options, force=True))
    # A registry has no run on the first day, and there is no other command for that.
    caplog.clear()
    registry = tmp_path / "runs.jsonl"
    stabilize(*tables(0), "previous", tmp_path / "0", registry=registry, options=options)
    assert "no run for reference previous yet" in caplog.text
    assert stabilize(
        *tables(1), "previous", tmp_path / "1", registry=registry, options=options
    ).figures["gates"]
