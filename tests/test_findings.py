"""What a run says of vectors that look right in some figures and are not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from sqlstab import EmbeddingTable, EngineError, GateError, Options, Space, compare, stabilize
from sqlstab.errors import spelled
from sqlstab.flow.findings import findings
from sqlstab.maths import solve

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Model = tuple[tuple[Any, Floats], tuple[Any, Floats]]

ROWS, DIMENSION = {"users": 600, "items": 500}, 16


def trainings(seed: int = 0, skew: float = 0.5) -> list[Model]:
    """Two trainings of one model: each with noise of its own, and in another basis."""
    random = np.random.default_rng(seed)
    scale = np.linspace(2, 0.5, DIMENSION)
    users, items = (random.standard_normal((n, DIMENSION)) * scale for n in ROWS.values())
    items *= np.exp(skew * random.standard_normal((len(items), 1)))
    found: list[Model] = []
    for _ in range(2):
        left, right = (
            np.linalg.qr(random.standard_normal((DIMENSION, DIMENSION)))[0] for _ in range(2)
        )
        basis = left * np.exp(0.3 * random.standard_normal(DIMENSION)) @ right
        noise = [0.15 * scale * random.standard_normal(m.shape) for m in (users, items)]
        found.append(
            (
                (np.arange(len(users)), (users + noise[0]) @ basis),
                (np.arange(len(items)), (items + noise[1]) @ np.linalg.inv(basis).T),
            )
        )
    return found


def changed(model: Model, side: str, rows: Floats | None = None, ids: Any = None) -> Model:
    """The model with other vectors or ids of a side."""
    tables = dict(zip(ROWS, model, strict=True))
    old_ids, old_rows = tables[side]
    tables[side] = (old_ids if ids is None else ids, old_rows if rows is None else rows)
    return tables["users"], tables["items"]


def without_first(model: Model, count: int) -> Model:
    """The model of a catalogue that many users have left."""
    ids, rows = model[0]
    return (ids[count:], rows[count:]), model[1]


def with_zeros(model: Model, side: str, share: float) -> Model:
    rows = model[list(ROWS).index(side)][1].copy()
    rows[: round(share * len(rows))] = 0
    return changed(model, side, rows)


def with_common_component(model: Model, seed: int) -> Model:
    """Biases of users and items, as two columns: most of each vector."""
    random = np.random.default_rng(seed)

    def widened(rows: Floats, first: float, second: float) -> Floats:
        rows = rows / np.linalg.norm(rows, axis=1).mean()
        noise = 0.3 * random.standard_normal((2, len(rows)))
        return np.column_stack([rows, first + noise[0], second + noise[1]])

    users, items = model
    return (users[0], widened(users[1], -3, 1)), (items[0], widened(items[1], 1, -4))


def with_zero_columns(model: Model, *, further: bool = False) -> Model:
    """The model with two components that are zero: two of its own, or two further ones."""
    (user_ids, users), (item_ids, items) = model
    kept = DIMENSION if further else DIMENSION - 2
    users, items = (np.pad(rows[:, :kept], ((0, 0), (0, 2))) for rows in (users, items))
    return (user_ids, users), (item_ids, items)


def turned(model: Model) -> Model:
    """The model in another orthogonal basis, with a little noise."""
    random = np.random.default_rng(6)
    turn = np.linalg.qr(random.standard_normal((DIMENSION, DIMENSION)))[0]
    (user_ids, users), (item_ids, items) = model
    users, items = (
        rows @ turn + 0.05 * rows.std() * random.standard_normal(rows.shape)
        for rows in (users, items)
    )
    return (user_ids, users), (item_ids, items)


def shuffled(model: Model) -> Model:
    random = np.random.default_rng(2)
    (user_ids, users), (item_ids, items) = model
    return (user_ids, random.permutation(users)), (item_ids, random.permutation(items))


def with_long_strangers(model: Model, seed: int) -> Model:
    """Two in a hundred items are ten times as long, and elsewhere in each training."""
    rows = model[1][1].copy()
    few = len(rows) // 50
    directions = np.random.default_rng(seed).standard_normal((few, DIMENSION))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rows[:few] = 10 * np.linalg.norm(rows, axis=1).mean() * directions
    return changed(model, "items", rows)


def refreshed_in_part(before: Model, after: Model, side: str, share: float) -> Model:
    """The second training, where a share of a side still has the rows of the first."""
    old, new = (dict(zip(ROWS, model, strict=True))[side][1] for model in (before, after))
    rows = new.copy()
    rows[: round(share * len(rows))] = old[: round(share * len(rows))]
    return changed(after, side, rows)


def warm_started(model: Model) -> Model:
    """A training that begins with the rows of the one before: all of them move a little."""
    random = np.random.default_rng(4)
    (user_ids, users), (item_ids, items) = model
    users, items = (
        rows + 0.3 * rows.std() * random.standard_normal(rows.shape) for rows in (users, items)
    )
    return (user_ids, users), (item_ids, items)


def users_retrained(model: Model) -> Model:
    """Other users' tastes: some directions weigh more, and others less."""
    rows = model[0][1]
    random = np.random.default_rng(3)
    left, values, right = np.linalg.svd(rows, full_matrices=False)
    stretched = left * values * np.exp(0.8 * random.standard_normal(DIMENSION)) @ right
    return changed(
        model, "users", stretched + 0.1 * rows.std() * random.standard_normal(rows.shape)
    )


def shifted(ids: Any) -> Any:
    """Positions, of which the second half has moved by one."""
    return np.where(ids >= len(ids) // 2, ids + 1, ids)


FIRST, SECOND = trainings()
TEXTS = [f"u{k}" for k in range(ROWS["users"])]
NO_WARNINGS: dict[str, tuple[Model, Model, dict[str, Any]]] = {
    "retrained": (FIRST, SECOND, {}),
    "a common component": (with_common_component(FIRST, 1), with_common_component(SECOND, 2), {}),
    "a few zeros": (FIRST, with_zeros(SECOND, "users", 0.005), {}),
    "components that no run uses": (
        with_zero_columns(FIRST, further=True),
        with_zero_columns(SECOND, further=True),
        {},
    ),
    "components that no run uses, of a rotation": (
        with_zero_columns(FIRST, further=True),
        with_zero_columns(turned(FIRST), further=True),
        {"map": "rotation"},
    ),
    "a warm start": (FIRST, warm_started(FIRST), {"map": "rotation"}),
    "a warm start that leaves some items as they were": (
        FIRST,
        refreshed_in_part(FIRST, warm_started(FIRST), "items", 0.3),
        {"map": "rotation"},
    ),
    "plain rows of like lengths": (*trainings(skew=0.1), {"plain_rows": True}),
}
WARNINGS: dict[str, tuple[Model, Model, dict[str, Any], list[str]]] = {
    "items shifted by one from the middle on": (
        FIRST,
        changed(SECOND, "items", ids=shifted(np.arange(ROWS["items"]))),
        {},
        [
            r"About (?:19|2[0-7])\d of 499 shared items seem to mean something else "
            r".*\(the least alike: \d+, \d+, \d+\)"
        ],
    ),
    "a tenth of the users' ids swapped": (
        FIRST,
        changed(SECOND, "users", ids=np.r_[np.roll(np.arange(60), 7), np.arange(60, 600)]),
        {},
        [r"About [4-8]\d of 600 shared users seem to mean something else"],
    ),
    "all ids of users given anew": (
        FIRST,
        changed(SECOND, "users", ids=np.random.default_rng(5).permutation(ROWS["users"])),
        {},
        [r"The users hardly agree, though items do: are all tables of the same training"],
    ),
    "most items mean something else, and were left out of the fit": (
        FIRST,
        changed(SECOND, "items", ids=np.r_[np.arange(120), np.roll(np.arange(120, 500), 7)]),
        {"anchor_filter": "id < 120"},
        [r"doubtful\..* 0\.\d\d; .* But the items hardly agree with those of 1\."],
    ),
    "users of which most are missing": (
        FIRST,
        without_first(SECOND, 500),
        {},
        [r"^There are 100 users, where 1 has 600: is the table loaded in full"],
    ),
    "users that became zeros": (
        FIRST,
        with_zeros(SECOND, "users", 0.8),
        {},
        [r"480 of 600 users are vectors of zeros, for example of id 0"],
    ),
    "items that became zeros": (
        FIRST,
        with_zeros(SECOND, "items", 0.5),
        {},
        [r"250 of 500 items are vectors of zeros"],
    ),
    "zeros from the first run on": (
        with_zeros(FIRST, "users", 0.02),
        SECOND,
        {},
        [],
    ),
    "components that became zeros": (
        FIRST,
        with_zero_columns(SECOND),
        {},
        [r"The scores have rank 14; 2 of 16 dimensions carry none"],
    ),
    "components that became zeros, of a rotation": (
        FIRST,
        with_zero_columns(turned(FIRST)),
        {"map": "rotation"},
        [r"The shared ids say nothing about 2 of 16 dimensions"],
    ),
    "half of the items of yesterday": (
        FIRST,
        refreshed_in_part(FIRST, SECOND, "items", 0.5),
        {},
        [r"^50% of the shared items have the vectors of 1, unchanged.*refreshed in part"],
    ),
    "most users of yesterday": (
        FIRST,
        refreshed_in_part(FIRST, SECOND, "users", 0.9),
        {},
        [r"^90% of the shared users have the vectors of 1, unchanged"],
    ),
    "some items of yesterday, of a rotation": (
        FIRST,
        refreshed_in_part(FIRST, turned(FIRST), "items", 0.2),
        {"map": "rotation"},
        [r"^20% of the shared items have the vectors of 1, unchanged"],
    ),
    "item vectors that stayed": (
        FIRST,
        users_retrained(FIRST),
        {},
        [r"Raw items agree .*\(mean cosine 1\.00\) better than stable ones .*--map rotation"],
    ),
    "a few long items that mean nothing": (
        with_long_strangers(FIRST, 1),
        with_long_strangers(SECOND, 2),
        {"plain_rows": True},
        [r"rows of unit length the mean cosine .* would be 0\.\d\d higher"],
    ),
    "ids with a blank behind them": (
        changed(FIRST, "users", ids=TEXTS),
        changed(SECOND, "users", ids=[f"{text} " for text in TEXTS]),
        {},
        [r"No user of this run .* such as 'u0 ', those of the earlier run 'u0'"],
    ),
    "ids in another case": (
        changed(FIRST, "users", ids=TEXTS),
        changed(SECOND, "users", ids=[text.upper() for text in TEXTS]),
        {},
        [r"such as 'U0', those of the earlier run 'u0'"],
    ),
}


def run_twice(place: Any, first: Model, second: Model, **options: Any) -> Any:
    space, anchors = Space(*place), options.pop("anchor_filter", None)
    for key, (users, items) in (("1", first), ("2", second)):
        table = EmbeddingTable(items, anchor_filter=anchors)
        run = space.run(users, table, key=key, options=Options(**options))
    return run


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
@pytest.mark.parametrize("case", NO_WARNINGS)
def test_nothing_to_say(case: str, strategy: str, tmp_path: Path) -> None:
    first, second, options = NO_WARNINGS[case]
    run = run_twice((tmp_path / "s",), first, second, strategy=strategy, **options)
    assert run.figures["warnings"] == []
    assert {found.level for found in findings(run.figures)} == {"good"}


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
@pytest.mark.parametrize("case", WARNINGS)
def test_warnings(case: str, strategy: str, tmp_path: Path) -> None:
    first, second, options, wanted = WARNINGS[case]
    run = run_twice((tmp_path / "s",), first, second, strategy=strategy, **options)
    warnings = run.figures["warnings"]
    for pattern in wanted:
        assert any(re.search(pattern, text) for text in warnings), warnings
    # A report says the same of the same figures.
    said = [spelled(found.text) for found in findings(run.figures) if found.level == "doubtful"]
    assert [text for text in said if text not in warnings] == []
    assert len(said) >= sum("dimensions" not in text for text in wanted)


def test_zeros_from_the_first_run_on(tmp_path: Path) -> None:
    run = Space(tmp_path / "s").run(*with_zeros(FIRST, "users", 0.02), key="1")
    assert run.figures["tables"]["users"]["zeros"] == 12
    assert "12 of 600 users are vectors of zeros" in run.figures["warnings"][0]


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
def test_zeros_count_against_gates(strategy: str, tmp_path: Path) -> None:
    second = with_zeros(SECOND, "items", 0.5)
    options = {"strategy": strategy, "min_shared_ids": 300}
    with pytest.raises(GateError, match=r"shared ids that take part: 250, but min_shared_ids"):
        run_twice((tmp_path / "a",), FIRST, second, **options)
    run = run_twice((tmp_path / "b",), FIRST, SECOND, strategy=strategy)
    whole = run.figures["alignment"]["agreement"]
    with pytest.raises(GateError, match=r"agreement of held-out ids: 0\.\d+, but min_agreement"):
        run_twice((tmp_path / "c",), FIRST, second, strategy=strategy, min_agreement=whole - 0.1)


@pytest.mark.parametrize("strategy", ["arrow", "sql"])
@pytest.mark.parametrize("common", [False, True])
def test_an_unrelated_model(common: bool, strategy: str, tmp_path: Path) -> None:
    """Also where shuffled ids agree to a cosine of .9, since all vectors have one direction."""
    first, second = FIRST, shuffled(SECOND)
    if common:
        first, second = with_common_component(first, 1), with_common_component(second, 2)
    with pytest.raises(GateError, match=r"unrelated: ") as raised:
        run_twice((tmp_path / "s",), first, second, strategy=strategy)
    assert ("strong component in common" in str(raised.value)) == common
    assert [run.key for run in Space(tmp_path / "s").runs] == ["1"]
    space = Space(tmp_path / "s")
    run = space.run(*second, key="2", options=Options(force=True, strategy=strategy))
    assert run.figures["alignment"]["verdict"] == "unrelated"
    assert "Written by force" in run.figures["warnings"][-1]


NO_GRAM = {
    "a negative square": ((2, 2, -1.0),),
    "an entry beyond its diagonal": ((0, 1, 9.0), (1, 0, 9.0)),
    "an entry in a row whose diagonal is zero": ((1, 1, 0.0),),
    "two entries that differ": ((0, 1, 0.4),),
    "three that do not go together": tuple(
        (i, j, -0.9) for i in range(3) for j in range(3) if i != j
    ),
}


def no_gram(case: str) -> Floats:
    matrix = np.eye(4) + 0.1
    for i, j, value in NO_GRAM[case]:
        matrix[i, j] = value
    return matrix


@pytest.mark.parametrize("case", NO_GRAM)
def test_a_gram_matrix_that_is_none(case: str, tmp_path: Path, monkeypatch: Any) -> None:
    """The error of an engine that computes wrongly names the entry."""
    matrix = no_gram(case)
    entry = solve.indefinite_entry(matrix)
    assert entry is not None
    assert set(entry) & {i for i, _, _ in NO_GRAM[case]}
    monkeypatch.setattr("sqlstab.folds.unpacked", lambda _: matrix)
    rows = np.random.default_rng(0).standard_normal((50, 4))
    numbers = rf"entry \({entry[0] + 1}, {entry[1] + 1}\)"
    with pytest.raises(EngineError, match=rf"duckdb has computed .* semidefinite: {numbers}"):
        stabilize((np.arange(50), rows), (np.arange(50), rows))


@pytest.mark.parametrize("scale", [1e-140, 1.0, 1e140])
def test_gram_matrices_of_vectors(scale: float, rng: np.random.Generator) -> None:
    """Of any condition, and of fewer rows than dimensions."""
    for rows in (3, 8, 1000):
        vectors = scale * rng.standard_normal((rows, 8)) @ np.diag(10.0 ** -np.arange(8))
        assert solve.indefinite_entry(vectors.T @ vectors) is None


def test_in_a_database(tmp_path: Path) -> None:
    """Where everything is SQL, zeros and strangers are counted there."""
    second = changed(with_zeros(SECOND, "users", 0.3), "items", ids=shifted(np.arange(500)))
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        for key, model in (("1", FIRST), ("2", second)):
            for side, (ids, rows) in zip(ROWS, model, strict=True):
                table = pa.table({"id": ids, "embedding": list(rows)})
                connection.register("v", table)
                connection.execute(f"CREATE OR REPLACE TABLE {side} AS FROM v")
            run = Space("movies", connection).run(
                "users", "items", key=key, options=Options(strategy="sql")
            )
    assert run.figures["tables"]["users"]["zeros"] == 180
    strangers = run.figures["cosine"]["items"]["strangers"]
    assert 190 <= strangers <= 280
    assert len(run.figures["examples"]["strangers"]["items"]) == 3


def test_a_comparison_says_the_same() -> None:
    found = compare(with_zeros(SECOND, "users", 0.8), FIRST)
    (warning,) = found.figures["warnings"]
    assert warning.startswith("Of the model: 480 of 600 users are vectors of zeros")
    assert compare(SECOND, FIRST).figures["warnings"] == []


def test_rows_of_yesterday_in_several_statements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no statement can be as long as one that multiplies raw rows, these are in tables."""
    monkeypatch.setattr("sqlstab.statements.dialect.Dialect.takes", lambda *_: False)
    second = refreshed_in_part(FIRST, SECOND, "items", 0.5)
    run = run_twice((tmp_path / "s",), FIRST, second, strategy="sql")
    assert {side: c["stale"] for side, c in run.figures["cosine"].items()} == {
        "users": 0,
        "items": 250,
    }
