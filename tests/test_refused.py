"""What would go wrong without a word later is refused, or mended, now."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import write_vectors
from invoke import invoke

from sqlstab import (
    DataError,
    EmbeddingTable,
    EngineError,
    FurtherTable,
    Options,
    Space,
    UsageError,
    compare,
    prepare,
    stabilize,
)
from sqlstab.engines.duckdb import DUCKDB
from sqlstab.errors import ConflictError, GateError
from sqlstab.space.key import Key
from sqlstab.statements.types import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


IDS = np.arange(300)


@pytest.fixture
def model(rng: np.random.Generator) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    users, items = rng.standard_normal((2, 300, 8))
    return (IDS, users), (IDS, items)


def test_numbers_as_text_that_sort_otherwise(
    connection: duckdb.DuckDBPyConnection, model: tuple[object, object]
) -> None:
    """In a database a key without a column is text, and 10 comes before 9."""
    space = Space("movies", connection)
    space.run(*model, key="9")
    with pytest.raises(UsageError, match=r"keys of movies are text.*as in 09, or name a column"):
        space.run(*model, key="10")
    assert [entry.key for entry in space.entries] == ["9"]


@pytest.mark.parametrize("place", ["directory", "tables"])
@pytest.mark.parametrize(
    ("keys", "refused", "padded"),
    [
        (("v1", "v9"), "v10", "v01|v09"),
        (("2026-W9",), "2026-W10", "2026-W09"),
        (("1.9.0",), "1.10.0", "1.09.0"),
        (("day-10",), "day-9", "day-09"),
        (("v01", "v02", "final", "v2b"), "v3", "v03"),
    ],
)
def test_numbers_within_text_that_sort_otherwise(
    tmp_path: Path,
    connection: duckdb.DuckDBPyConnection,
    model: tuple[object, object],
    place: str,
    keys: tuple[str, ...],
    refused: str,
    padded: str,
) -> None:
    space = Space(tmp_path / "s") if place == "directory" else Space("movies", connection)
    for key in keys:
        space.run(*model, key=key, options=Options(force=True))
    with pytest.raises(UsageError, match=f"are text, in whose order .* as in ({padded}),"):
        space.run(*model, key=refused)
    assert {entry.key for entry in space.entries} == set(keys)


def test_a_run_that_is_not_the_newest_says_which_is(
    tmp_path: Path, model: tuple[tuple[np.ndarray, np.ndarray], ...]
) -> None:
    files = [
        str(write_vectors(tmp_path / f"{side}.parquet", vectors))
        for side, (_, vectors) in zip(("users", "items"), model, strict=True)
    ]
    for key, newest, warned in (
        ("2026-11-29", None, False),
        ("20261130T0655Z", None, True),
        ("2026-12-01", "20261130T0655Z", True),
        ("2026-12-02", "20261130T0655Z", True),
    ):
        done = invoke(
            *("run", "--users", files[0], "--items", files[1], "--space", tmp_path / "s"),
            *("--run", key),
        )
        assert (f"stays {newest}" in done.stdout) is (newest is not None), key
        assert ("has another form than" in done.stderr) is warned, key


def test_numbers_in_a_directory(tmp_path: Path, model: tuple[object, object]) -> None:
    space = Space(tmp_path / "space")
    for key in ("8", "9", "10"):
        run = space.run(*model, key=key, options=Options(align="previous"))
    assert run.figures["reference"]["run"] == "9"
    assert space.newest is not None
    assert space.newest.key == "10"


def test_maps_alone_of_a_table_without_days(tmp_path: Path, rng: np.random.Generator) -> None:
    """Its raw rows of yesterday are gone when a later run wants them."""
    write_vectors(tmp_path / "items.parquet", rng.standard_normal((300, 8)))
    write_vectors(
        tmp_path / "users.parquet", rng.standard_normal((300, 8)), ds=pa.array(["1"] * 300)
    )
    users = EmbeddingTable(tmp_path / "users.parquet")
    items = EmbeddingTable(tmp_path / "items.parquet", dated=False, filter="id >= 0")
    with pytest.raises(UsageError, match=r"maps_only keeps no stable rows.*and items have none"):
        Space(tmp_path / "s").run(users, items, key="ds=1", options=Options(maps_only=True))


def test_maps_alone_in_a_space_of_stable_vectors(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> None:
    """Its views show the newest run, which would have no rows."""
    for side in ("users", "items"):
        vectors = rng.standard_normal((300, 8))
        connection.register("v", pa.table({"id": IDS, "embedding": list(vectors)}))
        connection.execute(
            f"CREATE TABLE {side} AS SELECT d AS ds, v.* FROM v, (VALUES ('1'), ('2')) AS days(d)"
        )
    space = Space("movies", connection)
    space.run("users", "items", key="ds=1")
    with pytest.raises(UsageError, match=r"keeps stable vectors.*another space"):
        space.run("users", "items", key="ds=2", options=Options(maps_only=True))
    rows = connection.execute("SELECT count(*) FROM movies_items_newest").fetchone()
    assert rows == (300,)


def test_apply_in_a_database_file(tmp_path: Path, model: tuple[object, object]) -> None:
    file = tmp_path / "warehouse.duckdb"
    space = Space("main.movies", file)
    run = space.run(*model, key="1")
    space.apply({"items": model[1]}, {"items": "fresh"})
    with duckdb.connect(str(file)) as connection:
        rows = connection.execute("SELECT id, embedding FROM fresh ORDER BY id").fetchall()
    want = run.maps["items"].apply(model[1][1])  # type: ignore[index]
    np.testing.assert_allclose([vector for _, vector in rows], want, atol=1e-12)


def test_frames_are_two_tables(model: tuple[object, object]) -> None:
    """And (ids, matrix) is one: both are pairs."""
    frames = tuple(
        pa.table({"id": ids, "embedding": list(matrix)})
        for ids, matrix in model  # type: ignore[attr-defined]
    )
    for pair in (frames, tuple(frame.to_pandas() for frame in frames)):
        found = compare(pair, frames)
        assert found.verdict == "alignable"
        assert found.figures["users"]["shared"] == found.figures["items"]["shared"] == 300
    alone = compare(model[0], model[0])
    assert alone.figures["vectors"]["shared"] == 300


def test_explain_passes_gates(tmp_path: Path, model: tuple[object, object]) -> None:
    """What stands in for figures is no reason to stop."""
    space = Space(tmp_path / "space")
    space.run(*model, key="1")
    gates = Options(min_agreement=1.0, min_shared_ids=2_000_000)
    assert space.explain(*model, key="2", options=gates)[-1].step == "scores"


def test_an_error_leaves_no_table(
    connection: duckdb.DuckDBPyConnection,
    model: tuple[object, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a connection of the user's, when the end of a run fails."""

    def full(*_: object) -> None:
        raise DataError("full")

    monkeypatch.setattr("sqlstab.flow.write.compare", full)
    with pytest.raises(DataError, match=r"full"):
        stabilize(*model, engine=connection)
    assert connection.execute("SHOW ALL TABLES").fetchall() == []


def test_weights_too_small_to_divide_by(tmp_path: Path, rng: np.random.Generator) -> None:
    space = Space(tmp_path / "space")
    tables = []
    for side in ("users", "items"):
        path = write_vectors(
            tmp_path / f"{side}.parquet", rng.standard_normal((300, 8)), w=np.full(300, 1e-312)
        )
        tables.append(EmbeddingTable(path, weight="w"))
    space.run(*tables, key="1")
    with pytest.raises(DataError, match=r"zero vectors or zero weights only"):
        space.run(*tables, key="2")


def test_an_input_that_is_a_table_of_the_space(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> None:
    """A run replaces rows there: they would be its own raw ones."""
    days(connection, rng)
    with pytest.raises(UsageError, match=r"users table raw_users is the table of the space raw"):
        Space("raw", connection).run("raw_users", "raw_items", key="ds=1")
    assert connection.execute("SELECT count(*) FROM raw_users").fetchone() == (600,)


def test_rows_that_no_run_wrote(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator
) -> None:
    days(connection, rng)
    connection.execute("CREATE TABLE seen AS SELECT * FROM raw_users")
    with pytest.raises(UsageError, match=r"raw_\w+ has 300 rows with .*sqlstab did not write them"):
        Space("raw", connection).run("seen", EmbeddingTable("elsewhere"), key="ds=1")
    assert connection.execute("SELECT count(*) FROM raw_users").fetchone() == (600,)


def days(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator) -> None:
    """Two days of raw_users, raw_items and elsewhere."""
    for name in ("raw_users", "raw_items", "elsewhere"):
        vectors = rng.standard_normal((300, 8))
        connection.register("v", pa.table({"id": IDS, "embedding": list(vectors)}))
        connection.execute(
            f"CREATE TABLE {name} AS SELECT d AS ds, v.* FROM v, (VALUES ('1'), ('2')) AS days(d)"
        )


def test_long_tables_of_several_runs(tmp_path: Path, model: tuple[object, object]) -> None:
    """An id has many rows in each run: runs are joined one by one."""
    agreements = []
    for layout in ("array", "long"):
        space = Space(tmp_path / layout)
        for key in ("1", "2", "3"):
            run = space.run(*model, key=key, options=Options(output_layout=layout))
        agreements.append(run.figures["alignment"]["agreement"])
        assert len(run.figures["reference"]["runs"]) == 2
    assert agreements[1] == pytest.approx(agreements[0], abs=1e-9)


def test_a_run_before_the_first(tmp_path: Path, model: tuple[object, object]) -> None:
    """It has nothing to be aligned with, while others have."""
    space = Space(tmp_path / "space")
    space.run(*model, key="2")
    space.run(*model, key="3")
    with pytest.raises(UsageError, match=r"no run before 1 .* such as 2.*--force|force"):
        space.run(*model, key="1")
    again = space.run(*model, key="2")
    assert again.figures["reference"]["run"] == "2"
    space.drop("2")
    with pytest.raises(UsageError, match="no run before 2"):
        space.run(*model, key="2")
    forced = space.run(*model, key="2", options=Options(force=True))
    assert any("axes of its own" in warning for warning in forced.figures["warnings"])


@pytest.mark.parametrize("key", ["2026-9-1", "2026-10-1", "2026-1-15"])
def test_days_without_zeros(tmp_path: Path, model: tuple[object, object], key: str) -> None:
    with pytest.raises(UsageError, match=r"sorts as text.*write 2026-"):
        Space(tmp_path / "space").run(*model, key=key)


def test_a_copied_folder_among_numbers(tmp_path: Path, model: tuple[object, object]) -> None:
    space = Space(tmp_path / "space")
    for key in ("9", "10"):
        space.run(*model, key=key)
    shutil.copytree(tmp_path / "space" / "run=9", tmp_path / "space" / "run=9.bak")
    with pytest.raises(UsageError, match=r"9 and 10 are numbers, but 9\.bak is not"):
        space.keep(1)


def test_one_file_for_two_tables(tmp_path: Path, model: tuple[object, object]) -> None:
    space = Space(tmp_path / "space")
    space.run(*model, key="1")
    places = dict.fromkeys(("users", "items"), tmp_path / "o.parquet")
    with pytest.raises(UsageError, match="Two tables would be written to"):
        space.apply(dict(zip(("users", "items"), model, strict=True)), places)


def test_one_side_whose_ids_mean_something_else(
    tmp_path: Path, model: tuple[tuple[np.ndarray, np.ndarray], ...], rng: np.random.Generator
) -> None:
    users, items = model
    space = Space(tmp_path / "space")
    space.run(users, items, key="1")
    run = space.run((rng.permutation(IDS), users[1]), items, key="2")
    assert run.figures["alignment"]["agreement"] > 0.99
    assert run.figures["alignment"]["verdict"] == "doubtful"
    apart, doubt = run.figures["warnings"]
    assert "The users hardly agree, though items do" in apart
    assert "The alignment is doubtful" in doubt
    # Who asks for an agreement does not want that, though it is the items that were aligned.
    with pytest.raises(GateError, match="the users hardly agree with those of 2"):
        space.run(users, items, key="3", options=Options(align="2", min_agreement=0.5))


@pytest.mark.parametrize("kind", ["balanced", "rotation"])
@pytest.mark.parametrize("place", ["directory", "tables"])
def test_the_first_run_done_again_keeps_its_axes(
    tmp_path: Path,
    connection: duckdb.DuckDBPyConnection,
    model: tuple[tuple[np.ndarray, np.ndarray], ...],
    rng: np.random.Generator,
    place: str,
    kind: str,
) -> None:
    """Later runs were aligned with it, so another training is aligned with what it was."""
    (_, users), (_, items) = model
    options = Options(map=kind, output_type="double")  # type: ignore[arg-type]
    space = Space(tmp_path / "s") if place == "directory" else Space("movies", connection)

    def stable() -> np.ndarray:
        return np.array(space["1"].items.arrow().sort_by("id")["embedding"].to_pylist())

    space.run(*model, key="1", options=options)
    before = stable()
    space.run(*model, key="2", options=options)
    space.run(*model, key="1", options=options)
    np.testing.assert_allclose(stable(), before, atol=1e-12)
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    space.run((IDS, users @ turn), (IDS, items @ turn), key="1", options=options)
    np.testing.assert_allclose(stable(), before, atol=1e-12)
    other = "rotation" if kind == "balanced" else "balanced"
    with pytest.raises(UsageError, match="as its first run fixed"):
        space.run(*model, key="1", options=Options(map=other))  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["directory", "tables"])
def test_two_first_runs(
    tmp_path: Path,
    connection: duckdb.DuckDBPyConnection,
    model: tuple[object, object],
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two that began while the space was empty, one stays; the other one is to be run again."""
    name: tuple[object, ...] = (tmp_path / "s",) if place == "directory" else ("movies", connection)
    space = Space(*name)  # type: ignore[arg-type]
    real = prepare.reference_of

    def with_another(*arguments: object) -> object:
        found = real(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(prepare, "reference_of", real)
        Space(*name).run(*model, key="2")  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(prepare, "reference_of", with_another)
    with pytest.raises(ConflictError, match=r"[Rr]un it again"):
        space.run(*model, key="1")
    assert [run.key for run in space.runs] == ["2"]
    space.run(*model, key="3")


VIEWS = {
    "of the rows that the run replaces": (
        UsageError,
        "SELECT items.* FROM items WHERE EXISTS (FROM movies_runs WHERE run = '2')",
        r"items table changing is a view of the table of the space",
    ),
    "with other rows each time": (
        DataError,
        "SELECT * FROM items WHERE random() < 0.9",
        r"items table changing had [\d,]+ rows when .* written",
    ),
    "with other vectors each time": (
        DataError,
        "SELECT id, list_transform(e, lambda x: x * (0.5 + random())) AS e FROM items",
        r"differ by up to \de[-+]\d+ .* not right, .* Did .* items table changing change meanwhile",
    ),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_changes_while_it_is_read(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, view: str
) -> None:
    for side, rows in (("users", 400), ("items", 2000)):
        vectors = pa.table({"id": np.arange(rows), "e": list(rng.standard_normal((rows, 4)))})
        connection.register("v", vectors)
        connection.execute(f"CREATE TABLE {side} AS FROM v")
    space = Space("movies", connection)
    for key in ("1", "2"):
        space.run("users", "items", key=key)
    error, text, message = VIEWS[view]
    connection.execute(f"CREATE VIEW changing AS {text}")
    with pytest.raises(error, match=message):
        space.run("users", "changing", key="2")
    found = connection.execute("SELECT run, count(*) FROM movies_items GROUP BY run ORDER BY run")
    assert found.fetchall() == [("1", 2000), ("2", 2000)]


# The scale, the type, and a part of all users that no item has; what is warned of, or the error.
LOST: dict[str, tuple[float, str, float, str, str]] = {
    "nothing": (1.0, "float32", 0.0, "", ""),
    "nothing of DOUBLE": (1e-40, "float64", 0.0, "", ""),
    "a few digits": (1e-40, "float32", 0.0, "lose digits as FLOAT: multiply", ""),
    "all digits": (2e-44, "float32", 0.0, "", "not right, .* lose digits as FLOAT, too: multiply"),
    "digits that cancel": (
        1.0,
        "float32",
        1e4,
        "large parts that .* lose digits as FLOAT: mul",
        "",
    ),
    "digits that cancel, of DOUBLE": (1.0, "float64", 1e8, "lose digits[.]$", ""),
}


@pytest.mark.parametrize("case", LOST)
def test_digits_that_are_lost(tmp_path: Path, rng: np.random.Generator, case: str) -> None:
    scale, kind, part, warned, refused = LOST[case]
    space = Space(tmp_path / "s")
    users, items = rng.standard_normal((2, 300, 8))
    users[:, 0], items[:, 0] = part, 0

    def run(key: str) -> Any:
        turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
        tables = [(IDS, (scale * rows @ turn).astype(kind)) for rows in (users, items)]
        return space.run(*tables, key=key, options=Options(map="rotation"))

    run("1")
    if refused:
        with pytest.raises(DataError, match=refused):
            run("2")
        assert len(space.entries) == 1
        return
    said = [text for text in run("2").figures["warnings"] if text.startswith("Scores")]
    assert len(said) == bool(warned)
    assert all(re.search(warned, text) for text in said)


class Meddling:
    """Does something once, when a step begins."""

    def __init__(self, title: str, deed: Callable[[], Any]) -> None:
        self.title, self.deed = title, [deed]

    @contextmanager
    def step(self, title: str) -> Iterator[Any]:
        if title == self.title and self.deed:
            self.deed.pop()()
        yield self

    def done(self, fraction: float) -> None:
        pass


def in_place(path: Path) -> None:
    path.write_bytes(Path("other.parquet").read_bytes())


# When what is done to which file; all of them have as many rows as the one before.
CHANGED: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "replaced before its sums": ("Summing items", "i/a.parquet", in_place),
    "replaced before it is measured": (
        "Measuring items",
        "i/a.parquet",
        lambda path: Path(shutil.copy("other.parquet", "x")).replace(path),
    ),
    "replaced before it is written": ("Writing users", "users.parquet", in_place),
    "replaced by what cannot be aligned": ("Counting shared items", "i/a.parquet", in_place),
    "replaced by other rows": (
        "Writing items",
        "i/a.parquet",
        lambda path: shutil.copy("few.parquet", path),
    ),
    "removed at the end": ("Comparing scores", "i/a.parquet", Path.unlink),
    "a new name for the same rows": (
        "Writing items",
        "i/a.parquet",
        lambda path: path.rename("i/b.parquet"),
    ),
}


@pytest.mark.parametrize("way", ["directory", "database"])
@pytest.mark.parametrize("case", CHANGED)
def test_files_that_change_while_they_are_read(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, case: str, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("i").mkdir()
    write_vectors(Path("users.parquet"), rng.standard_normal((300, 8)))
    write_vectors(Path("i/a.parquet"), rng.standard_normal((300, 8)))
    write_vectors(Path("other.parquet"), rng.standard_normal((300, 8)))
    write_vectors(Path("few.parquet"), rng.standard_normal((30, 8)))
    space = Space("movies", None if way == "directory" else "w.duckdb")
    space.run("users.parquet", "./i", key="1")
    title, path, deed = CHANGED[case]
    with pytest.raises(EngineError, match=rf"{path} was (changed|removed) while .* run it again"):
        space.run(
            "users.parquet", "./i", key="2", progress=Meddling(title, lambda: deed(Path(path)))
        )
    assert [entry.key for entry in space.entries] == ["1"]


def test_a_file_that_changes_while_it_is_compared(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.parquet", "b.parquet", "other.parquet"):
        write_vectors(Path(name), rng.standard_normal((300, 8)))
    both = ("a.parquet", "b.parquet")
    meddling = Meddling("Comparing items with the reference", lambda: in_place(Path("b.parquet")))
    with pytest.raises(EngineError, match="changed while it was read"):
        compare(both, both, progress=meddling)


ROWS = np.random.default_rng(1).standard_normal((40, 5))


def array(name: str = "embedding", kind: str = "float64", size: int = 4) -> dict[str, Any]:
    return {name: list(ROWS[:, :size].astype(kind))}


def wide(first: int = 0, kind: str = "float64", size: int = 4) -> dict[str, Any]:
    return {f"e{first + k}": ROWS[:, k].astype(kind) for k in range(size)}


NAMED = {"n": np.arange(40)}
# Columns of two runs but the id, those to keep, and what of the first the second lacks.
COLUMNS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str], str]] = {
    "the same": (array(), array(), [], ""),
    "a further column": (array(), array() | NAMED, [], ""),
    "more dimensions": (array(), array(size=5), [], ""),
    "more dimensions, wide": (wide(), wide(size=5), [], ""),
    "fewer dimensions, wide": (wide(), wide(size=3), [], ""),
    "another vector": (array(), array("v"), [], r"embedding DOUBLE\[\]"),
    "another number": (wide(), wide(1), [], "e0 DOUBLE"),
    "another layout": (array(), wide(), [], r"embedding DOUBLE\[\]"),
    "another element": (array(), array(kind="float32"), [], r"embedding DOUBLE\[\]"),
    "another element, wide": (wide(), wide(kind="float32"), [], "e0 DOUBLE, e1 .* e3 DOUBLE"),
    "another kept type": (array() | NAMED, array() | {"n": ["a"] * 40}, ["n"], "n BIGINT"),
    "another id": (array(), {"vector_id": np.arange(40), **array()}, [], "id BIGINT"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_columns_that_a_reader_of_all_runs_lacks(tmp_path: Path, case: str) -> None:
    first, second, keep, lost = COLUMNS[case]
    space = Space(tmp_path / "s")
    for key, columns in (("1", first), ("2", second)):
        ids = "vector_id" if "vector_id" in columns else "id"
        table = EmbeddingTable(pa.table({ids: np.arange(40), **columns}), keep=keep)
        run = space.run(vectors=table, key=key)
    said = [text for text in run.figures["warnings"] if "writes the columns" in text]
    assert len(said) == bool(lost)
    if lost:
        assert re.search(rf"^vectors: .*, and 1 has {lost}: runs that are read as one", said[0])


def test_apply_of_directions_that_the_run_had_not(
    tmp_path: Path, model: tuple[tuple[np.ndarray, np.ndarray], ...], caplog: Any
) -> None:
    users, (ids, items) = model
    flat = items.copy()
    flat[:, 5] = 0
    space = Space(tmp_path / "s")
    space.run(users, (ids, flat), key="1")
    caplog.clear()
    space.apply({"items": (ids, items)}, {"items": tmp_path / "out.parquet"})
    assert "leave out directions" in caplog.text


def test_a_sample_that_shows_too_little(tmp_path: Path, rng: np.random.Generator) -> None:
    """A few rows have what the sample almost lacks: scores stay exact."""
    users, items = rng.standard_normal((3000, 6)), rng.standard_normal((300, 6))
    users[:, 5] = 1e-20
    users[::700, 5] = 5
    options = Options(sample="5%", output_type="double")
    run = stabilize((np.arange(3000), users), (np.arange(300), items), options=options)
    stable = [
        np.array(run.table(side).arrow().sort_by("id")["embedding"].to_pylist())
        for side in ("users", "items")
    ]
    np.testing.assert_allclose(stable[0] @ stable[1].T, users @ items.T, atol=1e-11)


def test_masked_arrays(model: tuple[tuple[np.ndarray, np.ndarray], ...]) -> None:
    (ids, users), items = model
    masked = np.ma.masked_array(users, mask=np.zeros(users.shape))
    stabilize((ids, masked), items)
    masked[3, 2] = np.ma.masked
    with pytest.raises(UsageError, match="masked entries"):
        stabilize((ids, masked), items)


VECTORS = np.random.default_rng(0).standard_normal((20, 4))
NUMBERS = list(range(20))
UNREADABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "a set of ids": (lambda: (set(NUMBERS), VECTORS), "not a set"),
    "a generator of ids": (lambda: (iter(NUMBERS), VECTORS), "not a list_iterator"),
    "keys of a dict": (lambda: (dict.fromkeys(NUMBERS).keys(), VECTORS), "not a dict_keys"),
    "a generator of vectors": (lambda: (NUMBERS, (row for row in VECTORS)), "not a generator"),
    "vectors by id": (
        lambda: (NUMBERS, dict(zip(NUMBERS, VECTORS, strict=True))),
        "not a dict",
    ),
    "one id": (lambda: (7, VECTORS), "not a int"),
    "large ids": (lambda: ([2**70 + k for k in NUMBERS], VECTORS), "too large .* 64 bits"),
    "ids of two types": (lambda: ([*NUMBERS[:-1], "x"], VECTORS), "users: the data cannot"),
    "ids that are rows": (lambda: (np.ones((20, 2)), VECTORS), "only handle 1-dimensional"),
    "vectors of two lengths": (lambda: (NUMBERS, [[1.0] * (k % 2 + 1) for k in NUMBERS]), "shape"),
    "names that stand twice": (
        lambda: pd.DataFrame(VECTORS, columns=["id", "e0", "e1", "e1"]),
        "Duplicate column names",
    ),
    "names that stand twice in Arrow": (
        lambda: pa.table([pa.array(NUMBERS), *map(pa.array, VECTORS.T[:2])], ["id", "v", "v"]),
        "Duplicate column names: id, v, v",
    ),
    "large ids in a frame": (
        lambda: pd.DataFrame({"id": [2**70 + k for k in NUMBERS], "embedding": list(VECTORS)}),
        "too large",
    ),
    "a sparse column": (
        lambda: pd.DataFrame({"id": NUMBERS, "e0": pd.arrays.SparseArray(VECTORS[:, 0])}),
        "Sparse pandas data",
    ),
    "labels in another order": (
        lambda: (pd.Series(NUMBERS), pd.DataFrame(VECTORS)[::-1]),
        "users: the labels of the ids are not those of the vectors",
    ),
    "labels that are ids of one part": (
        lambda: (pd.Series(NUMBERS), pd.DataFrame(VECTORS, index=[f"u{k}" for k in NUMBERS])),
        "with .to_numpy()",
    ),
    "complex numbers": (
        lambda: (NUMBERS, VECTORS * (1 + 1j)),
        "users: The array has components that are not real numbers, but complex128",
    ),
    "integers of 128 bits": (
        lambda: pl.DataFrame(
            {"id": pl.Series(NUMBERS, dtype=pl.Int128), "embedding": VECTORS.tolist()}
        ),
        "users: the data cannot be read: .*int",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_data_that_cannot_be_read(case: str) -> None:
    given, message = UNREADABLE[case]
    with pytest.raises(UsageError, match=message):
        stabilize(given(), (NUMBERS, VECTORS))


def test_labels_of_pandas_may_say_nothing() -> None:
    """They are the same, or one part alone has them."""
    frame = pd.DataFrame(VECTORS)[::-1]
    for ids in (NUMBERS[::-1], np.array(NUMBERS[::-1]), frame.index, frame.index.to_series()):
        rows = stabilize(vectors=(ids, frame)).vectors.arrow().sort_by("id")["embedding"]
        np.testing.assert_allclose(np.array(rows.to_pylist()), VECTORS, atol=1e-6)


def test_decimals_that_duckdb_does_not_have() -> None:
    ids = pa.array(NUMBERS, pa.decimal256(60, 0))
    table = pa.table({"id": ids, "embedding": list(VECTORS)})
    with pytest.raises(EngineError, match="Unsupported Internal Arrow Type"):
        stabilize(table, (NUMBERS, VECTORS))


def test_periods_of_pandas_are_what_they_say() -> None:
    """Not the number of months since 1970."""
    months = pd.period_range("2024-01", periods=20, freq="M")
    texts = [f"{2024 + k // 12}-{k % 12 + 1:02}" for k in NUMBERS]
    frame = pd.DataFrame({"id": months, "embedding": list(VECTORS)})
    for given in ((months, VECTORS), frame):
        run = stabilize(vectors=given)
        assert sorted(run.vectors.arrow()["id"].to_pylist()) == texts
    frame.loc[3, "id"] = pd.NaT
    with pytest.raises(DataError, match="1 NULL id"):
        stabilize(vectors=frame)


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    """A name with a typo leaves no empty database behind; what was there stays."""
    there, typo = tmp_path / "w.duckdb", tmp_path / "typo.duckdb"
    with duckdb.connect(str(there)):
        pass
    for path in (typo, there):
        invoke(
            *("run", "--database", path, "--users", "users", "--items", "items"),
            *("--space", "movies", "--run", "1"),
            code=4,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["w.duckdb"]
    write_vectors(tmp_path / "v.parquet", VECTORS)
    invoke(
        *("run", "--database", typo, "--vectors", tmp_path / "v.parquet"),
        *("--space", "movies", "--run", "1"),
    )
    assert typo.exists()


@pytest.mark.parametrize(
    "twice", [("--users", "a", "--users", "b"), ("--run", "1", "--run", "2"), ("--rank", 2) * 2]
)
def test_an_option_given_twice(twice: tuple[object, ...]) -> None:
    found = invoke("run", "--items", "i.parquet", *twice, code=2)
    assert f"{twice[0]} is given twice" in found.stderr


def test_columns_with_other_numbers(connection: duckdb.DuckDBPyConnection) -> None:
    """They are multiplied one by one: with gaps, e5 would be with e4."""
    connection.execute(
        "CREATE TABLE users AS SELECT i AS id, random() AS e0, random() AS e1, random() AS e3, "
        "random() AS e4 FROM range(50) AS r(i)"
    )
    for name, columns in (("gap", "e0, e2, e3, e4"), ("same", "e1, e2, e4, e5")):
        wanted = ", ".join(f"random() AS {column}" for column in columns.split(", "))
        connection.execute(f"CREATE TABLE {name} AS SELECT i AS id, {wanted} FROM range(50) r(i)")
    tables = {name: EmbeddingTable(name, vector="e*") for name in ("users", "gap", "same")}
    with pytest.raises(DataError, match=r"e0, e1, e3, e4, and items .* e0, e2, e3, e4: .* gaps"):
        stabilize(tables["users"], tables["gap"], engine=connection)
    backwards = EmbeddingTable("same", vector=["e5", "e4", "e2", "e1"])
    with pytest.raises(DataError, match="another order"):
        stabilize(tables["users"], backwards, engine=connection)
    stabilize(tables["users"], tables["same"], engine=connection)


@pytest.mark.parametrize(
    ("scale", "rank", "message"),
    [
        (1e300, None, "both have are vectors of zeros, or so long or short"),
        (1.0, 3, "directions that the users lack or the rank leaves out, and the map drops them"),
    ],
)
def test_what_is_said_of_a_further_table(
    tmp_path: Path, rng: np.random.Generator, scale: float, rank: int | None, message: str
) -> None:
    ids = np.arange(60)
    users, items = ((ids, rng.standard_normal((60, 6))) for _ in range(2))
    queries = FurtherTable((ids, rng.standard_normal((60, 6)) * scale), "users")
    space = Space(tmp_path / "s")
    for key in ("1", "2"):
        run = space.run(users, items, also={"q": queries}, key=key, options=Options(rank=rank))
    assert message in " ".join(run.figures["warnings"])


@pytest.mark.parametrize(
    "view", ["movies_items_newest", "main.movies_items_newest", "of_a_run", "of_that"]
)
def test_an_input_that_is_a_view_of_the_space(
    connection: duckdb.DuckDBPyConnection, model: tuple[object, object], view: str
) -> None:
    space = Space("movies", connection)
    space.run(*model, key="1")
    connection.execute("CREATE VIEW of_a_run AS FROM movies_items WHERE run = '1'")
    connection.execute("CREATE VIEW of_that AS WITH v AS (FROM of_a_run) SELECT * FROM v")
    with pytest.raises(UsageError, match=r"items table .* is .*the table of the space movies"):
        space.run(model[0], view, key="1")


def test_days_with_the_year_last(tmp_path: Path, model: tuple[object, object]) -> None:
    with pytest.raises(UsageError, match="year first, as in 2026-11-30"):
        Space(tmp_path / "s").run(*model, key="30.11.2026")


def test_keys_of_another_form(tmp_path: Path, model: tuple[object, object]) -> None:
    """A run without a key has the time, which does not sort among days."""
    space = Space(tmp_path / "s")
    assert space.run(*model, key="2026-11-29").figures["warnings"] == []
    (same,) = space.run(*model, key="2026-11-30").figures["warnings"]
    assert same == "The vectors are those of 2026-11-29, unchanged: are they the new ones?"
    warnings = space.run(*model, key="20261130T101500.000000Z").figures["warnings"]
    assert any("another form than 2026-11-30" in warning for warning in warnings)


def test_a_date_is_a_key() -> None:
    assert Key.parse(dt.date(2026, 11, 30)) == Key.parse("2026-11-30")
    with pytest.raises(UsageError, match=r"The key 5 must be text, .* or a date"):
        Key.parse(5)  # type: ignore[arg-type]


def test_one_moment_is_one_key() -> None:
    """In whichever zone it is written; a column without zones takes none."""
    zoned = Column("ds", "TIMESTAMP WITH TIME ZONE")
    texts = ("2026-11-29 00:00+02", "2026-11-28 22:00:00+00:00", "2026-11-28 22:00Z")
    keys = {Key(text, "ds").typed(zoned, DUCKDB).value for text in texts}
    assert keys == {"2026-11-28 22:00:00+00:00"}
    with pytest.raises(UsageError, match="without one: leave the offset out"):
        Key(texts[0], "ds").typed(Column("ds", "TIMESTAMP"), DUCKDB)
    with pytest.raises(UsageError, match="finer than a microsecond"):
        Key("2026-11-29 00:00:00.000000001", "ds").typed(Column("ds", "TIMESTAMP_NS"), DUCKDB)
