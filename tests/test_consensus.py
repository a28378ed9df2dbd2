"""Runs that are aligned with the sum of the vectors of several earlier runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import read_vectors, write_vectors
from engines import QUICK
from invoke import invoke
from warehouse import store_vectors

from sqlstab import DataError, EmbeddingTable, Options, Run, UsageError, stabilize
from sqlstab.engines import connect
from sqlstab.maths import quality
from sqlstab.project import Project
from sqlstab.registry import Registry
from sqlstab.stabilize import collect_sums
from sqlstab.statements import ddl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from engines import Running

    from sqlstab.engines import Engine
    from sqlstab.statements.table import Side

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

SIDES: tuple[Side, Side] = ("users", "items")
Vectors = dict[int, np.ndarray]


def raw_vectors(day: int, dimension: int, *, ids: int = 40) -> dict[Side, Vectors]:
    """A model that is trained anew each day, on ids of which four in five stay."""
    noise = np.random.default_rng(day)
    turned = np.linalg.qr(noise.standard_normal((dimension, dimension)))[0]
    found: dict[Side, Vectors] = {}
    for seed, side in enumerate(SIDES):
        lasting = np.random.default_rng(100 + seed).standard_normal((ids, 4))[:, :dimension]
        vectors = (lasting + 0.3 * noise.standard_normal(lasting.shape)) @ turned
        there = sorted(noise.permutation(ids)[: 4 * ids // 5].tolist())
        found[side] = {key: vectors[key] for key in there}
    return found


@dataclass
class Days:
    """The runs of some days on one engine, and the vectors that went in and came out."""

    session: Any
    engine: Engine
    runs: list[Run] = field(default_factory=list)
    stable: dict[str, dict[Side, Vectors]] = field(default_factory=dict)

    def run(
        self, day: int, reference: Any, dimension: int = 3, options: Any = None, **given: Any
    ) -> Run:
        """The run of a day."""
        raw = raw_vectors(day, dimension)
        named = {side: EmbeddingTable(f"c_{side}", vector="v") for side in SIDES}
        for side in SIDES:
            store_vectors(self.engine, f"c_{side}", raw[side])
            if "anchor_filter" in given:
                named[side] = replace(named[side], anchor_filter=given["anchor_filter"])
        given.pop("anchor_filter", None)
        outputs = {"users_out": "c_su", "items_out": "c_si"} | given
        finished = stabilize(
            named["users"],
            named["items"],
            reference,
            engine=self.session,
            registry="c_runs",
            options=options or Options(keep_runs=9),
            **outputs,
        )
        written = {"users": outputs["users_out"], "items": outputs["items_out"]}
        self.runs.append(finished)
        self.stable[finished.run_id] = {
            side: {
                int(row["id"]): np.array(row["v"], dtype=float)
                for row in self.engine.query(f"SELECT id, v FROM {written[side]}")
            }
            for side in SIDES
        }
        expected = finished.figures["reference"] and finished.figures["reference"]["runs"]
        if expected and options is None:
            check(finished, raw, [self.stable[name] for name in expected])
        return finished

    def ids(self, *numbers: int) -> list[str]:
        return [self.runs[number].run_id for number in numbers]

    def used(self) -> list[str]:
        """The runs that the last one was aligned with."""
        found = self.runs[-1].figures["reference"]["runs"]
        assert found[-1] == self.runs[-1].transform.reference
        return list(found)


def check(
    run: Run,
    raw: dict[Side, Vectors],
    earlier: Sequence[dict[Side, Vectors]],
    *,
    sides: Sequence[Side] = ("items",),
    unit: bool = False,
    among: Any = lambda key: True,
) -> None:
    """The run is aligned with the sum of the earlier runs' vectors, and its figures say how well.

    The sum is over the runs that have an id, of vectors with zeros behind them where the space was
    smaller then.
    """
    dimension = run.transform.dimension
    cross = np.zeros((run.transform.rank, dimension))
    stacked: list[tuple[np.ndarray, np.ndarray]] = []
    for side in sides:
        balanced = getattr(run.transform, side).balanced
        sums: Vectors = {}
        for stable in earlier:
            for key in sorted(set(raw[side]) & set(stable[side])):
                if not among(key):
                    continue
                y = np.pad(stable[side][key], (0, dimension - len(stable[side][key])))
                x = raw[side][key] @ balanced
                if unit:
                    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
                sums[key] = sums.get(key, 0) + y
                stacked.append((x, y))
        keys = sorted(sums)
        rows = np.array([raw[side][key] @ balanced for key in keys])
        if unit:
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        cross += rows.T @ np.array([sums[key] for key in keys])
    # Where the space has just grown, the new axes are none of the sum's business.
    known = max(len(y) for stable in earlier for y in stable["items"].values())
    left, _, right = np.linalg.svd(cross[:, :known], full_matrices=False)
    omega = run.transform.items.omega
    np.testing.assert_allclose(omega[:, :known], left @ right, rtol=0, atol=1e-10)
    x, y = (np.array(rows) for rows in zip(*stacked, strict=True))
    alignment = run.figures["alignment"]
    residual = np.linalg.norm(x @ omega - y) / np.linalg.norm(y)
    assert alignment["relative_residual"] == pytest.approx(residual, abs=1e-10)
    cka = np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert alignment["cka"] == pytest.approx(cka, abs=1e-10)
    newest = earlier[-1]
    assert alignment["shared_users"] == len(set(raw["users"]) & set(newest["users"]))


@pytest.fixture(params=QUICK)
def days(request: pytest.FixtureRequest, running: Running) -> Iterator[Days]:
    yield from _days(running[request.param])


@pytest.fixture
def duck_days(running: Running) -> Iterator[Days]:
    yield from _days(running["duckdb"])


def _days(session: Any) -> Iterator[Days]:
    with connect(session, writes_tables=True) as engine:
        found = Days(session, engine)
        yield found
        entries = Registry("c_runs", engine).log().entries.values()
        placed = [name for entry in entries if entry.places for name in entry.places.values()]
        for name in [*placed, "c_runs", "c_users", "c_items"]:
            engine.execute([ddl.drop_table(name, engine.dialect)])


def test_a_run_is_aligned_with_the_sum_of_all_before_it(days: Days) -> None:
    """Where the space has grown, too."""
    for day, dimension in enumerate((3, 3, 4, 4)):
        days.run(day, "consensus", dimension)
    assert [run.transform.dimension for run in days.runs] == [3, 3, 4, 4]
    assert days.used() == days.ids(0, 1, 2)
    figures = days.runs[-1].figures
    assert figures["reference"] == {
        "run_id": days.runs[2].run_id,
        "dimension": 4,
        "policy": "consensus",
        "runs": days.ids(0, 1, 2),
    }
    # Cosines are those with the run in place.
    raw = raw_vectors(3, 4)["items"]
    stable, newest = (days.stable[days.runs[n].run_id]["items"] for n in (3, 2))
    cosines = [
        stable[key] @ newest[key] / np.linalg.norm(stable[key]) / np.linalg.norm(newest[key])
        for key in sorted(set(raw) & set(newest))
    ]
    found = figures["cosine"]["items"]
    assert found["rows"] == len(cosines) == figures["alignment"]["shared_items"]
    assert found["after"]["mean"] == pytest.approx(np.mean(cosines), abs=1e-10)
    log = Registry("c_runs", days.engine).log()
    assert {entry.space for entry in log.entries.values()} == {days.runs[0].run_id}
    assert log.entries[days.runs[3].run_id].reference == days.runs[2].run_id


def test_runs_that_were_rolled_back_do_not_count(days: Days) -> None:
    for day in range(4):
        days.run(day, "consensus")
    registry = Registry("c_runs", days.engine)
    registry.rollback(days.runs[1].run_id)
    days.run(4, "consensus")
    assert days.used() == days.ids(0, 1)
    days.run(5, "consensus:2")
    assert days.used() == days.ids(1, 4)
    # One that is put back counts again, with those before it.
    registry.rollback(days.runs[3].run_id)
    days.run(6, "consensus")
    assert days.used() == days.ids(0, 1, 2, 3)


def test_runs_whose_tables_are_gone_do_not_count(
    duck_days: Days, caplog: pytest.LogCaptureFixture
) -> None:
    for day in range(4):
        duck_days.run(day, "consensus", options=Options(keep_runs=2))
    assert duck_days.used() == duck_days.ids(0, 1, 2)
    duck_days.run(4, "consensus", options=Options(keep_runs=2))
    assert duck_days.used() == duck_days.ids(1, 2, 3)
    duck_days.run(5, "consensus:2", options=Options(keep_runs=2))
    assert duck_days.used() == duck_days.ids(3, 4)
    registry = Registry("c_runs", duck_days.engine)
    registry.prune(0)
    assert not caplog.records
    duck_days.run(6, "consensus")
    # Its reference is left by `prune`.
    assert duck_days.used() == duck_days.ids(4, 5)
    # A kept table that is missing without a word is a mistake, whoever made it.
    kept = registry.log().entries[duck_days.runs[5].run_id].aside
    duck_days.engine.execute([ddl.drop_table(kept[1], duck_days.engine.dialect)])
    says = rf"{duck_days.runs[5].run_id} belongs to the consensus, .* consensus:1\.$"
    with pytest.raises(DataError, match=says):
        duck_days.run(7, "consensus")
    duck_days.run(7, "consensus:1")
    assert duck_days.used() == duck_days.ids(6)
    assert not caplog.records


def test_tables_that_a_user_has_named_are_the_users_to_remove(duck_days: Days) -> None:
    for day in range(4):
        duck_days.run(day, "consensus", users_out=f"c_su{day}", items_out=f"c_si{day}")
    duck_days.engine.execute(["DROP TABLE c_su1"])
    with pytest.raises(DataError, match=r"c_su1\S* cannot be found, .* take the 2 newer runs"):
        duck_days.run(4, "consensus", users_out="c_su4", items_out="c_si4")
    duck_days.engine.execute(["DROP TABLE c_si1"])
    duck_days.run(4, "consensus", users_out="c_su4", items_out="c_si4")
    assert duck_days.used() == duck_days.ids(0, 2, 3)
    # Nobody can look for the tables of another engine.
    registry = Registry("c_runs", duck_days.engine)
    entry = registry.log().entries[duck_days.runs[0].run_id]
    entry.figures["engine"] = "postgres"
    assert registry._missing(entry) == []
    # A table that is there must be the one that its run wrote.
    duck_days.engine.execute(["CREATE OR REPLACE TABLE c_si0 AS FROM c_si2"])
    with pytest.raises(DataError, match=r"c_si0\S* is no longer the table"):
        duck_days.run(5, "consensus", users_out="c_su5", items_out="c_si5")


def test_a_consensus_of_one_run_is_said_to_be_one(
    duck_days: Days, caplog: pytest.LogCaptureFixture
) -> None:
    for day in range(2):
        duck_days.run(day, "consensus", options=Options())
    assert not caplog.records
    run = duck_days.run(2, "consensus", options=Options())
    assert duck_days.used() == duck_days.ids(1)
    (record,) = caplog.records
    assert f"is of run {duck_days.runs[1].run_id} alone" in record.message
    assert run.figures["warnings"] == [record.message]


def test_other_spaces_do_not_count(duck_days: Days) -> None:
    for day, reference in enumerate(("consensus", "consensus", None, "consensus", "consensus")):
        duck_days.run(day, reference)
    assert duck_days.used() == duck_days.ids(2, 3)


OPTIONS = {
    "unit": ({"cosine": True}, {"unit": True}, {}),
    "both": ({"anchor": "both"}, {"sides": SIDES}, {}),
    "filter": ({}, {"among": lambda key: key < 30}, {"anchor_filter": "id < 30"}),
    "sql": ({"strategy": "sql", "cosine": True}, {"unit": True}, {}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_apply_to_each_run(duck_days: Days, name: str) -> None:
    options, checked, given = OPTIONS[name]
    for day in range(3):
        run = duck_days.run(day, "consensus", options=Options(keep_runs=9, **options), **given)
    earlier = [duck_days.stable[found] for found in duck_days.used()]
    assert len(earlier) == 2
    check(run, raw_vectors(2, 3), earlier, **checked)


@pytest.fixture
def directories(tmp_path: Path) -> list[Path]:
    """Three runs of one space, and the files of a fourth model in `model3`."""
    runs: list[Path] = []
    for day in range(4):
        folder = tmp_path / f"model{day}"
        folder.mkdir()
        for side, vectors in raw_vectors(day, 3).items():
            write_vectors(folder / f"{side}.parquet", np.array(list(vectors.values())), vectors)
        if day < 3:
            files = [folder / f"{side}.parquet" for side in SIDES]
            out = tmp_path / f"day{day}"
            stabilize(*files, runs[-1] if runs else None, out, registry=tmp_path / "runs.jsonl")
            runs.append(out)
    return runs


def command(folder: Path, *further: Any, code: int = 0) -> str:
    """What `sqlstab run` says about the fourth model."""
    files = [a for side in SIDES for a in (f"--{side}", folder / f"model3/{side}.parquet")]
    done = invoke("run", *files, "--out", folder / "out", *further, code=code)
    return done.stdout + done.stderr


def stable_of(directory: Path) -> dict[Side, Vectors]:
    return {
        side: dict(zip(*(part.tolist() for part in found), strict=True))
        for side in SIDES
        for found in [read_vectors(directory / f"{side}.parquet")]
    }


def test_directories(tmp_path: Path, directories: list[Path]) -> None:
    files = [tmp_path / "model3" / f"{side}.parquet" for side in SIDES]
    # In whatever order they are given, figures compare with the newest.
    run = stabilize(*files, [directories[2], Run.load(directories[0]), str(directories[1])])
    names = [Run.load(directory).run_id for directory in directories]
    assert run.figures["reference"]["runs"] == names
    assert run.figures["reference"]["policy"] is None
    assert run.transform.reference == names[2]
    earlier = [
        {side: {key: np.array(v) for key, v in rows.items()} for side, rows in stable.items()}
        for stable in map(stable_of, directories)
    ]
    check(run, raw_vectors(3, 3), earlier)

    says = command(tmp_path, *(a for d in directories for a in ("--reference", d)))
    assert f"run {names[2]} and 2 before it" in " ".join(says.split())
    kept = Run.load(tmp_path / "out")
    np.testing.assert_array_equal(kept.transform.items.matrix, run.transform.items.matrix)
    registry = ["--registry", tmp_path / "runs.jsonl"]
    command(tmp_path, "--reference", "consensus", *registry)
    kept = Run.load(tmp_path / "out")
    np.testing.assert_array_equal(kept.transform.items.matrix, run.transform.items.matrix)

    (tmp_path / "sqlstab.toml").write_text(
        "[users]\ntable = 'model3/users.parquet'\n[items]\ntable = 'model3/items.parquet'\n"
        "[run]\nreference = ['day0', 'day{second}']\nout = 'out'\n"
    )
    project = Project.load(tmp_path / "sqlstab.toml", {"second": "2"})
    assert project.reference == (directories[0], directories[2])
    project_file = ["-c", tmp_path / "sqlstab.toml", "--var", "second=2"]
    planned = invoke("plan", *project_file, "--json").stdout
    scans = json.loads(planned)["scans"]
    # Checked, counted, joined; of the newest the cosines come from a join of their own.
    assert (scans["earlier items"], scans["reference items"]) == (3, 4)
    assert "earlier users" not in scans
    invoke("run", *project_file)
    assert Run.load(tmp_path / "out").figures["reference"]["runs"] == [names[0], names[2]]


def test_directories_that_are_gone(tmp_path: Path, directories: list[Path]) -> None:
    registry = ["--registry", tmp_path / "runs.jsonl", "--reference"]
    (directories[0] / "users.parquet").unlink()
    says = command(tmp_path, *registry, "consensus", code=4)
    assert f"{directories[0] / 'users.parquet'} cannot be found, where the registry" in says
    assert "--reference consensus:2." in says
    (directories[0] / "items.parquet").unlink()
    command(tmp_path, *registry, "consensus")
    names = [Run.load(directory).run_id for directory in directories[1:]]
    assert Run.load(tmp_path / "out").figures["reference"]["runs"] == names


def test_an_earlier_run_without_shared_ids_adds_nothing(
    tmp_path: Path, directories: list[Path]
) -> None:
    """The newest one must share some."""
    model2, model3 = (
        [tmp_path / f"model{day}" / f"{side}.parquet" for side in SIDES] for day in (2, 3)
    )
    shifted = []
    for side, vectors in raw_vectors(0, 3).items():
        keys = [key + 1000 for key in vectors]
        rows = np.array(list(vectors.values()))
        shifted.append(write_vectors(tmp_path / f"{side}.parquet", rows, keys))
    stabilize(*shifted, out=tmp_path / "other")
    later = stabilize(*model2, directories[1], tmp_path / "later")
    alone = stabilize(*model3, later)
    both = stabilize(*model3, [later, tmp_path / "other"])
    np.testing.assert_array_equal(both.transform.items.omega, alone.transform.items.omega)
    assert both.figures["alignment"] == alone.figures["alignment"]
    with pytest.raises(DataError, match="shares no ids with the reference"):
        stabilize(*model3, [directories[2], tmp_path / "other"])


def test_sums_add_up(tmp_path: Path, directories: list[Path]) -> None:
    files = [tmp_path / "model3" / f"{side}.parquet" for side in SIDES]
    parts = [collect_sums(*files, directory) for directory in directories]
    whole = collect_sums(*files, directories)
    expected = sum(part.crosses["items"].matrix for part in parts)
    np.testing.assert_allclose(whole.crosses["items"].matrix, expected, rtol=1e-14)
    assert whole.crosses["items"].rows == parts[-1].crosses["items"].rows


def test_wider_sums() -> None:
    sums = quality.SharedSums(np.ones((2, 1)), np.eye(2), np.ones((1, 1)))
    wide = sums.widened(3)
    np.testing.assert_array_equal(wide.cross, [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(wide.reference, np.diag([1, 0, 0]))


@pytest.mark.parametrize(
    ("reference", "code", "message"),
    [
        (["consensus:0"], 2, "--reference is consensus:0; what follows consensus: is the number"),
        (["consensus:"], 2, "--reference is consensus:; what follows"),
        (["consensus:x"], 2, "--reference is consensus:x; what follows"),
        (["{0}", "{0}"], 2, "names one run twice"),
        (["{0}", "{other}"], 2, "have each begun a space"),
        (["{0}", "{missing}"], 4, "is not a run directory"),
    ],
)
def test_what_cannot_be_meant(
    tmp_path: Path, directories: list[Path], reference: list[str], code: int, message: str
) -> None:
    files = [tmp_path / "model3" / f"{side}.parquet" for side in SIDES]
    stabilize(*files, out=tmp_path / "other")
    places = {"other": tmp_path / "other", "missing": tmp_path / "missing"}
    named = [text.format(*directories, **places) for text in reference]
    further = [a for name in named for a in ("--reference", name)]
    says = command(tmp_path, *further, "--registry", tmp_path / "runs.jsonl", code=code)
    assert message in says
    assert not (tmp_path / "out").exists()


def test_nothing_to_be_a_consensus_of(tmp_path: Path, directories: list[Path]) -> None:
    files = [tmp_path / "model3" / f"{side}.parquet" for side in SIDES]
    with pytest.raises(UsageError, match=r"^reference names no run"):
        stabilize(*files, [])
    with pytest.raises(UsageError, match=r"^reference consensus is looked up in a registry"):
        stabilize(*files, "consensus")
    run = stabilize(*files, "consensus", tmp_path / "out", registry=tmp_path / "new.jsonl")
    assert run.figures["reference"] is None
