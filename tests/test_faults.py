"""Nothing is lost and nothing left half done, whatever ends a run and whenever."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faulty
import numpy as np
import pytest
from conftest import read_vectors, write_vectors
from engines import missing

from sqlstab import Space
from sqlstab.session import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines import Running

    from sqlstab.engines.base import Engine

# Of random moments in each place; `make bench-faults` asks for 100.
KILLS = int(os.environ.get("SQLSTAB_KILLS", "6"))
# Of named points in each place, at most.
POINTS = int(os.environ.get("SQLSTAB_POINTS", "8"))
DIMENSION = 8
SIDES = ("users", "items")
# Two runs that stay, and the one that is done and ended by two models in turn.
EARLIER = {"2026-11-28": "saturday", "2026-11-29": "sunday"}
KEY = "2026-11-30"
MODELS = ("monday", "again")


class Place:
    """Somewhere with a space of two runs, and the models of a third one.

    Attributes:
        folder: For files, and for what commands print.
        scores: Of each model, by its name: all products of its raw vectors.
        known: The stable rows of each model as a run that was not disturbed has written them.
    """

    name = ""
    # What the space is called on the command line.
    space = "faults.movies"
    # Whether a run that is done again is there until the new one is.
    transactions = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scores: dict[str, np.ndarray] = {}
        self.known: dict[str, tuple[np.ndarray, ...]] = {}
        rng = np.random.default_rng(20261124)
        users, items = (rng.standard_normal((rows, DIMENSION)) for rows in (2_000, 300))
        for model in (*EARLIER.values(), *MODELS):
            turned = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0]
            x, y = ((v + 0.1 * rng.standard_normal(v.shape)) @ turned for v in (users, items))
            self.scores[model] = x @ y.T
            for side, vectors in (("users", x), ("items", y)):
                write_vectors(folder / f"{model}_{side}.parquet", vectors)

    def begin(self) -> None:
        """Do the earlier runs, and learn what the models give."""
        for key, model in EARLIER.items():
            self.run(model, key)
        self.stood = {key: self.stored(key) for key in EARLIER}
        for model in MODELS:
            self.run(model)
            self.known[model] = self.read(KEY)
        faulty.run("runs", *self.command_of_space(), "drop", KEY, "-q", folder=self.folder)
        assert self.kept() is None

    def command_of_space(self) -> list[Any]:
        """The arguments of `runs`."""
        raise NotImplementedError

    def command(self, model: str, key: str = KEY, space: str | None = None) -> list[Any]:
        """The arguments of a run."""
        raise NotImplementedError

    def opened(self) -> AbstractContextManager[Space]:
        """The space, in this process."""
        raise NotImplementedError

    def read(self, key: str | None) -> tuple[np.ndarray, ...]:
        """The stable rows of a run, or of the newest one as a reader sees it, by id."""
        raise NotImplementedError

    def stored(self, key: str) -> Any:
        """All that a run has stored, to the byte."""
        raise NotImplementedError

    def left_behind(self) -> set[str]:
        """Return what is there except inputs and the space."""
        raise NotImplementedError

    def polled(self) -> str | None:
        """Return what a reader sees during a run: the model, or None where it must read again."""
        raise NotImplementedError

    def start(self, model: str, key: str = KEY, **given: Any) -> faulty.Command:
        return faulty.Command(*self.command(model, key), folder=self.folder, **given)

    def run(self, model: str, key: str = KEY) -> faulty.Ended:
        return faulty.run(*self.command(model, key), folder=self.folder)

    def whose(self, vectors: tuple[np.ndarray, ...]) -> str:
        """The model whose stable vectors these are: both of one run, since scores are kept."""
        scores = vectors[0] @ vectors[1].T
        found = [
            name
            for name, raw in self.scores.items()
            if raw.shape == scores.shape and np.allclose(scores, raw, atol=1e-9)
        ]
        assert len(found) == 1, "users and items are not of one run"
        return found[0]

    def kept(self) -> str | None:
        """Check the whole space; return the model of the last run, None where it is not there."""
        with self.opened() as space:
            keys = [entry.key for entry in space.entries]
            runs = space.runs  # with maps and figures
            assert [run.key for run in runs] == keys
            for run in runs:
                assert run.maps["users"].matrix.shape == (DIMENSION, DIMENSION)
        assert keys in ([*EARLIER], [*EARLIER, KEY])
        for key, stood in self.stood.items():
            assert self.stored(key) == stood, f"{key} has changed"
        newest = self.read(None)
        if KEY not in keys:
            assert self.whose(newest) == EARLIER[keys[-1]]
            return None
        model = self.whose(newest)
        assert f"{model}_users" in runs[-1].figures["inputs"]["users"]["relation"]
        for rows in (newest, self.read(KEY)):
            for found, known in zip(rows, self.known[model], strict=True):
                # The order of summation, which threads change, changes a sum by about eps.
                np.testing.assert_allclose(found, known, rtol=0, atol=1e-12)
        return model


def spilled() -> set[str]:
    """Return what is in the temporary folder, without multiprocessing's files."""
    folder = Path(tempfile.gettempdir())
    return {
        path.name
        for path in folder.iterdir()
        if not path.name.startswith("pymp-") and not _is_pythons_trial(path)
    }


def _is_pythons_trial(path: Path) -> bool:
    """A file with which Python tries whether it can write there: it lives for a few calls."""
    return bool(
        re.fullmatch(r"[a-z0-9_]{8}", path.name) and path.is_file() and path.stat().st_size <= 4
    )


class Files(Place):
    name = "files"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.space = str(folder / "movies")

    def command_of_space(self) -> list[Any]:
        return [self.space]

    def command(self, model: str, key: str = KEY, space: str | None = None) -> list[Any]:
        sides = [f"--{side}={self.folder}/{model}_{side}.parquet" for side in SIDES]
        return ["run", "-q", "--show-sql", *sides, "--space", space or self.space, "--run", key]

    @contextmanager
    def opened(self) -> Iterator[Space]:
        yield Space(self.space)

    def read(self, key: str | None) -> tuple[np.ndarray, ...]:
        if key is None:
            newest = Space(self.space).newest
            assert newest is not None
            key = newest.key
        folder = Path(self.space) / f"run={key}"
        return tuple(read_vectors(folder / f"{side}.parquet")[1] for side in SIDES)

    def stored(self, key: str) -> Any:
        folder = Path(self.space) / f"run={key}"
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def left_behind(self) -> set[str]:
        names = {path.name for path in Path(self.space).iterdir()}
        return {name for name in names if not re.fullmatch(r"run=[\d-]+", name)} | spilled()

    def polled(self) -> str | None:
        # What it opens is of one folder, even if that is replaced and removed meanwhile.
        directory = os.open(f"{self.space}/run={KEY}", os.O_RDONLY)
        with ExitStack() as stack:
            stack.callback(os.close, directory)
            opened = []
            for side in SIDES:
                try:
                    file = os.open(f"{side}.parquet", os.O_RDONLY, dir_fd=directory)
                except FileNotFoundError:
                    return None
                opened.append(stack.enter_context(os.fdopen(file, "rb")))
            return self.whose(tuple(read_vectors(file)[1] for file in opened))  # type: ignore[arg-type]


class Tables(Place):
    """Tables in a schema `faults`."""

    engine_option: str

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with self.session() as engine:
            engine.execute(f"CREATE {'SCHEMA' if self.transactions else 'DATABASE'} faults")
            self.load(engine)

    def session(self) -> AbstractContextManager[Engine]:
        raise NotImplementedError

    def load(self, engine: Engine) -> None:
        """Make tables of the models, as in `faults.monday_users`."""
        raise NotImplementedError

    def command_of_space(self) -> list[Any]:
        return [self.space, self.engine_option]

    def command(self, model: str, key: str = KEY, space: str | None = None) -> list[Any]:
        sides = [f"--{side}=faults.{model}_{side}" for side in SIDES]
        space = space or self.space
        shown = ("-q", "--show-sql")
        return ["run", *shown, self.engine_option, *sides, "--space", space, "--run", key]

    @contextmanager
    def opened(self) -> Iterator[Space]:
        with self.session() as engine:
            yield Space(self.space, engine)

    def read(self, key: str | None) -> tuple[np.ndarray, ...]:
        which = "{}_newest" if key is None else "{} WHERE run = '" + key + "'"
        with self.session() as engine:
            return tuple(
                np.array(
                    [
                        row["embedding"]
                        for row in engine.query(
                            f"SELECT id, embedding FROM {self.space}_{which.format(side)} "
                            "ORDER BY id"
                        )
                    ]
                )
                for side in SIDES
            )

    def stored(self, key: str) -> Any:
        orders = {"users": "id", "items": "id", "maps": "side, i, j", "runs": "part"}
        with self.session() as engine:
            return {
                what: engine.query(
                    f"SELECT * FROM {self.space}_{what} WHERE run = '{key}' ORDER BY {order}"
                )
                for what, order in orders.items()
            }

    def left_behind(self) -> set[str]:
        with self.session() as engine:
            rows = engine.query(
                "SELECT table_name AS name FROM information_schema.tables "
                "WHERE table_schema = 'faults'"
            )
            keys = [
                {row["run"] for row in engine.query(f"SELECT run FROM {self.space}_{what}")}
                for what in (*SIDES, "maps", "runs")
            ]
        assert all(found == keys[0] for found in keys), "rows of a run that is not there"
        ours = {"users", "items", "maps", "runs", "users_newest", "items_newest"}
        inputs = {f"{model}_{side}" for model in self.scores for side in SIDES}
        return {row["name"] for row in rows} - {f"movies_{n}" for n in ours} - inputs | spilled()


class DuckDB(Tables):
    name = "duckdb"

    def __init__(self, folder: Path) -> None:
        self.engine_option = f"--database={folder}/warehouse.duckdb"
        super().__init__(folder)

    def session(self) -> AbstractContextManager[Engine]:
        return connect(self.folder / "warehouse.duckdb", writes=True)

    def load(self, engine: Engine) -> None:
        for path in self.folder.glob("*.parquet"):
            engine.execute(f"CREATE TABLE faults.{path.stem} AS FROM '{path}'")


class Postgres(Tables):
    name = "postgres"

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        # This tells its connections from those of other tests.
        self.engine_option = f"--engine={url}{'&' if '?' in url else '?'}application_name=faults"
        super().__init__(folder)

    @contextmanager
    def session(self) -> Iterator[Engine]:
        with connect(self.url) as engine:
            # What a killed process has sent is still run.
            others = (
                "SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'client backend' "
                "AND pid <> pg_backend_pid() AND application_name = 'faults'"
            )
            while engine.query(others)[0]["n"]:
                time.sleep(0.01)
            yield engine

    def load(self, engine: Engine) -> None:
        for path in self.folder.glob("*.parquet"):
            ids, vectors = read_vectors(path)
            rows = ", ".join(
                f"({key}, ARRAY{vector.tolist()})" for key, vector in zip(ids, vectors, strict=True)
            )
            engine.execute(f"CREATE TABLE faults.{path.stem} (id int, embedding float8[])")
            engine.execute(f"INSERT INTO faults.{path.stem} VALUES {rows}")

    def polled(self) -> str | None:
        """One transaction sees one state of the database, without a lock."""
        import psycopg  # noqa: PLC0415 - where there is a server

        statement = "SELECT embedding FROM faults.movies_{}_newest ORDER BY id"
        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            read = (connection.execute(statement.format(side)).fetchall() for side in SIDES)
            return self.whose(tuple(np.array(rows)[:, 0] for rows in read))


class ClickHouse(Tables):
    """Without transactions: a run that is done again is not there until it is whole."""

    name = "clickhouse"
    transactions = False

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.engine_option = f"--engine={url}"
        super().__init__(folder)

    def session(self) -> AbstractContextManager[Engine]:
        return connect(self.url)

    def load(self, engine: Engine) -> None:
        for path in self.folder.glob("*.parquet"):
            ids, vectors = read_vectors(path)
            rows = ", ".join(
                f"({key}, {vector.tolist()})" for key, vector in zip(ids, vectors, strict=True)
            )
            engine.execute(
                f"CREATE TABLE faults.{path.stem} (id Int64, embedding Array(Float64)) "
                "ENGINE = MergeTree ORDER BY id"
            )
            engine.execute(f"INSERT INTO faults.{path.stem} VALUES {rows}")

    def left_behind(self) -> set[str]:
        """A table that a killed run was about to fill is dropped by a run of the next day."""
        staged = re.compile(r"movies_\w+_sqlstab_[0-9a-f]{8}")
        return {name for name in super().left_behind() if not staged.fullmatch(name)}


@pytest.fixture(params=["files", "duckdb", "postgres"])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    running: Running,
    monkeypatch: Any,
) -> Iterator[Place]:
    """A place with a space of two runs."""
    folder = tmp_path / "work"
    folder.mkdir()
    # A server that starts now has its folder elsewhere.
    url = running[request.param] if request.param in ("postgres", "clickhouse") else ""
    # Of a short name: a socket is made in it, whose path has 107 characters at most.
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("t")))
    monkeypatch.setattr("tempfile.tempdir", None)
    made: Place
    if request.param == "files":
        made = Files(folder)
    elif request.param == "duckdb":
        made = DuckDB(folder)
    else:
        kind = {"postgres": Postgres, "clickhouse": ClickHouse}[request.param]
        made = kind(folder, url)
    try:
        made.begin()
        yield made
    finally:
        if isinstance(made, (Postgres, ClickHouse)):
            with made.session() as engine:
                engine.execute(
                    "DROP SCHEMA faults CASCADE" if made.transactions else "DROP DATABASE faults"
                )


def other(model: str | None) -> str:
    return MODELS[0] if model is None else {MODELS[0]: MODELS[1], MODELS[1]: MODELS[0]}[model]


def points(total: int, most: int) -> list[int]:
    """Named points from the first to the last one, at most so many of them."""
    step = max(1, total // most)
    return list(range(1 + random.Random(total).randrange(step), total + 1, step))


def repaired(place: Place, before: str | None) -> None:
    """Doing the run again repairs it, and leaves nothing else."""
    place.run(other(before))
    assert place.kept() == other(before)
    assert place.left_behind() == set()


everywhere = pytest.mark.parametrize(
    "place", ["files", "duckdb", "postgres", "clickhouse"], indirect=True
)


def check_is(place: Place, now: str | None, before: str | None, point: Any) -> None:
    """The last run is there as it was or as it is to be; without transactions, it may be gone."""
    allowed = {before, other(before)} | (set() if place.transactions else {None})
    assert now in allowed, point


@everywhere
def test_killed_at_random_moments(place: Place) -> None:
    """Earlier runs are whole, and this one is there as it was or as it is to be."""
    before = None
    started = time.monotonic()
    place.run(MODELS[1])
    before = place.kept()
    took = time.monotonic() - started
    chance = random.Random(20261124)
    killed = 0
    for _ in range(KILLS):
        started = time.monotonic()
        command = place.start(other(before))
        time.sleep(chance.uniform(0.05, 1) * took)
        command.signal(signal.SIGKILL)
        ended = command.end()
        assert ended.code in (0, -signal.SIGKILL), ended.stderr
        killed += ended.code != 0
        if ended.code == 0:  # the machine has become faster
            took = time.monotonic() - started
        now = place.kept()
        check_is(place, now, before, ended.names[-3:])
        before = now
    assert killed
    print(f"{place.name}: {killed} of {KILLS} were killed before they ended")
    repaired(place, before)


@everywhere
@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
def test_killed_at_named_points(place: Place, again: bool) -> None:
    """Before each statement, and before a file is made, moved or removed."""
    drop = partial(faulty.run, "runs", *place.command_of_space(), "drop", KEY, "-q")
    before: str | None = MODELS[1]
    place.run(before)
    if not again:
        drop(folder=place.folder)
    # The very first run makes tables, and has other points.
    total = place.run(before).points
    if not again:
        drop(folder=place.folder)
        before = None
    assert total > 20
    there = 0
    for point in points(total, POINTS):
        ended = place.start(other(before), at=(point, signal.SIGKILL)).end()
        assert ended.code == -signal.SIGKILL, (point, ended.stderr)
        now = place.kept()
        check_is(place, now, before, ended.names[-3:])
        there += now != before
        before = now
        if not again and before:
            drop(folder=place.folder)
            before = None
    print(f"{place.name}: {len(points(total, POINTS))} of {total} points, in place after {there}")
    repaired(place, before)


@everywhere
def test_a_drop_that_is_killed(place: Place) -> None:
    """The run is there as before, or not at all."""
    arguments = ("runs", *place.command_of_space(), "drop", KEY, "-q", "--show-sql")
    place.run(MODELS[0])
    total = faulty.run(*arguments, folder=place.folder).points
    place.run(MODELS[0])
    for point in points(total, POINTS):
        ended = faulty.Command(*arguments, folder=place.folder, at=(point, signal.SIGKILL)).end()
        assert ended.code == -signal.SIGKILL, ended.stderr
        now = place.kept()
        assert now in (None, MODELS[0])
        if now is None:
            place.run(MODELS[0])
    repaired(place, MODELS[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_at_named_points(place: Place, number: signal.Signals) -> None:
    """It says what it has done, which is so, and leaves nothing behind."""
    total = place.run(MODELS[1]).points
    before = place.kept()
    word = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}[number]
    for point in points(total, POINTS // 2):
        ended = place.start(other(before), at=(point, number)).end()
        now = place.kept()
        assert ended.code in (0, 128 + number), ended.stderr
        assert "Traceback" not in ended.stderr, ended.stderr
        if ended.code:
            last = ended.stderr.splitlines()[-1]
            assert last.startswith(f"{word}; "), last
            assert ("no run was changed" in last) == (now == before), (
                last,
                point,
                ended.names[-3:],
            )
        assert place.left_behind() == set(), (point, ended.stderr)
        before = now


# What a run of each place does once it has looked at what is there, and without any lock.
STAGED = {"files": "COPY", "postgres": "BEGIN"}


@pytest.mark.parametrize("place", ["files", "postgres"], indirect=True)
@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
def test_two_runs_of_one_key(place: Place, again: bool) -> None:
    """One wins, and the other says why it does not."""
    names = place.run(MODELS[0])
    before = place.kept()
    assert before == MODELS[0]
    if again:
        # Other statements lead to it than where there is no such run.
        names = place.run(MODELS[0])
    else:
        faulty.run("runs", *place.command_of_space(), "drop", KEY, "-q", folder=place.folder)
    first = place.start(MODELS[0], at=(names.first(STAGED[place.name]), signal.SIGSTOP))
    first.waits()
    second = place.start(MODELS[1]).end()
    first.signal(signal.SIGCONT)
    ended = first.end()
    assert second.code == 0, second.stderr
    assert ended.code == 3, ended.stderr
    said = ended.stderr.splitlines()[-1]
    assert "Another run" in said, ended.stderr
    assert "meanwhile" in said, ended.stderr
    assert "this run is discarded" in said, ended.stderr
    assert "Traceback" not in ended.stderr
    assert place.kept() == MODELS[1]
    assert place.left_behind() == set()


@pytest.mark.parametrize("place", ["files", "postgres"], indirect=True)
def test_two_runs_of_one_key_at_once(place: Place) -> None:
    """However they meet, what is in place is of one run."""
    for _ in range(3):
        ended = [command.end() for command in [place.start(model) for model in MODELS]]
        assert 0 in [one.code for one in ended]
        for one in ended:
            assert one.code == 0 or (one.code == 3 and "this run is discarded" in one.stderr), one
        assert place.kept() in MODELS
        assert place.left_behind() == set()


@pytest.mark.parametrize("place", ["files", "postgres"], indirect=True)
def test_two_keys_at_once(place: Place) -> None:
    """Both are whole; also in a space that neither has found."""
    spaces = [place.space, f"{place.space}_new1", f"{place.space}_new2"]
    keys = {"2026-12-01": "monday", "2026-12-02": "again"}
    for space in spaces:
        commands = [
            faulty.Command(*place.command(model, key, space), folder=place.folder)
            for key, model in keys.items()
        ]
        done = dict(zip(keys, [command.end() for command in commands], strict=True))
        refused = [key for key, ended in done.items() if ended.code]
        if space != place.space and refused:
            # Both would have defined the space: one is to be run again. Or the later one was there
            # already when the earlier one looked.
            (key,) = refused
            wanted = ("Run it again", "There is no run before 2026-12-01")
            assert any(text in done[key].stderr for text in wanted), done[key].stderr
        else:
            assert refused == [], [ended.stderr for ended in done.values()]
        for key, model in keys.items():
            if key in refused:
                continue
            at, place.space = place.space, space
            try:
                assert place.whose(place.read(key)) == model
                with place.opened() as opened:
                    assert set(keys) - set(refused) <= {run.key for run in opened.runs}
            finally:
                place.space = at


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
@pytest.mark.parametrize("text", ["CREATE TABLE", "CREATE VIEW"])
def test_two_runs_that_make_the_tables(place: Postgres, text: str) -> None:
    """The one that comes late to it goes on with those of the other."""
    seen = faulty.run(*place.command("monday", "1", "faults.one"), folder=place.folder)
    at = seen.first(text)
    first = faulty.Command(
        *place.command("monday", "1", "faults.two"), folder=place.folder, at=(at, signal.SIGSTOP)
    )
    first.waits()
    second = faulty.run(*place.command("again", "2", "faults.two"), folder=place.folder)
    assert second.code == 0
    first.signal(signal.SIGCONT)
    ended = first.end()
    # It found the tables; but the space has been begun by the other one.
    assert ended.code == 3, ended.stderr
    assert ended.stderr.splitlines()[-1].endswith("this run is discarded. Run it again.")
    place.space = "faults.two"
    assert place.whose(place.read("2")) == "again"
    assert place.whose(place.read(None)) == "again"
    third = faulty.run(*place.command("monday", "3", "faults.two"), folder=place.folder)
    assert third.code == 0


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
@pytest.mark.parametrize("what", ["runs", "users_newest"])
def test_a_table_that_another_run_commits(place: Postgres, what: str) -> None:
    """Whoever waits for it finds that it is there, which Postgres says as an error."""
    import psycopg  # noqa: PLC0415 - where there is a server

    begun = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    with psycopg.connect(place.url.replace("+psycopg", ""), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pg_get_viewdef('faults.movies_users_newest'::regclass)"
        ).fetchone()
        assert rows is not None
        made = {
            "runs": "CREATE TABLE faults.two_runs (LIKE faults.movies_runs INCLUDING ALL)",
            "users_newest": f"CREATE VIEW faults.two_users_newest AS {rows[0]}".replace(
                "movies_", "two_"
            ),
        }
        if what == "users_newest":
            faulty.run(*place.command("monday", "1", "faults.two"), folder=place.folder)
            connection.execute("DROP VIEW faults.two_users_newest")
        connection.execute("BEGIN")
        connection.execute(made[what])
        second = faulty.Command(*place.command("again", "2", "faults.two"), folder=place.folder)
        with psycopg.connect(place.url.replace("+psycopg", ""), autocommit=True) as watch:
            late = time.monotonic() + 60
            while watch.execute(begun).fetchone() == (0,):
                assert time.monotonic() < late, "it does not wait"
                time.sleep(0.01)
        connection.execute("COMMIT")
    ended = second.end()
    assert ended.code == 0, ended.stderr
    place.space = "faults.two"
    assert place.whose(place.read("2")) == "again"
    assert place.whose(place.read(None)) == "again"


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_two_processes_on_one_duckdb_file(place: DuckDB) -> None:
    """DuckDB lets one process at a time write: the other says so."""
    half = place.run(MODELS[1]).points // 2
    for key in (KEY, "2026-12-01"):
        first = place.start(MODELS[0], at=(half, signal.SIGSTOP))
        first.waits()
        second = place.start(MODELS[1], key).end()
        first.signal(signal.SIGCONT)
        assert second.code == 3, second.stderr
        assert "Conflicting lock" in second.stderr
        assert "Traceback" not in second.stderr
        assert first.end().code == 0
        assert place.kept() == MODELS[0]
        assert place.left_behind() == set()


def check_failed(place: Place, ended: faulty.Ended, before: str | None) -> None:
    """One message, exit code 3, and all is as it was."""
    assert ended.code == 3, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, ended.stderr
    assert place.kept() == before
    assert place.left_behind() == set(), ended.stderr


@pytest.mark.parametrize("place", ["files", "duckdb"], indirect=True)
@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
def test_a_full_disk(place: Place, again: bool) -> None:
    """A limit on the size of a file stands in for it, so that no rights are asked for."""
    if again:
        place.run(MODELS[1])
    before = place.kept()
    if isinstance(place, Files):
        largest = (Path(place.space) / "run=2026-11-29" / "users.parquet").stat().st_size
        sizes = [400, 4096, largest // 2, largest - 1]
    else:
        # Enough for the blocks that are free in the database file, but not for its log.
        sizes = [4096, 100_000]
    for size in sizes:
        # The statements would be cut off, too, where they are printed to a file.
        arguments = [one for one in place.command(other(before)) if one != "--show-sql"]
        ended = faulty.run(*arguments, code=3, folder=place.folder, file_size=size)
        check_failed(place, ended, before)
    repaired(place, before)


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk of 64 MB, in memory; who may not mount one has the tests above."""
    # pytest's own folder is closed to the user that a Postgres server runs as.
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="sqlstab-tests-"))
    folder.chmod(0o755)
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", "size=64m", "sqlstab-tests", str(folder)]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("a disk of its own can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def filled(disk: Path, but: int) -> Iterator[None]:
    """Leave so many bytes of a disk free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    os.truncate(filler, filler.stat().st_size - but)
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.parametrize("name", ["files", "duckdb", "postgres"])
def test_a_disk_without_room(
    name: str, disk: Path, tmp_path: Path, running: Running, monkeypatch: Any
) -> None:
    """Runs fail, all is as it was, and with room again they are done."""
    url = running[name] if name == "postgres" else ""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    work = disk / "work"
    work.mkdir()
    place = Files(work) if name == "files" else DuckDB(work) if name == "duckdb" else None
    if place is None:
        place = Postgres(work, url)
    try:
        place.begin()
        if isinstance(place, Postgres):
            with place.session() as engine:
                # The server runs as somebody else.
                (disk / "tables").mkdir()
                owner = engine.query("SELECT current_setting('data_directory') AS d")[0]["d"]
                stat = Path(owner).stat()
                os.chown(disk / "tables", stat.st_uid, stat.st_gid)
                engine.execute(f"CREATE TABLESPACE tiny LOCATION '{disk}/tables'")
                for what in (*SIDES, "maps", "runs"):
                    engine.execute(f"ALTER TABLE {place.space}_{what} SET TABLESPACE tiny")
        before = None
        for free in (20_000, 100_000):
            said = tmp_path / "said"
            said.mkdir(exist_ok=True)
            with filled(disk, free):
                arguments = [one for one in place.command(other(before)) if one != "--show-sql"]
                ended = faulty.run(*arguments, code=3, folder=said)
                assert "o space left on device" in ended.stderr, ended.stderr
                assert "Traceback" not in ended.stderr, ended.stderr
                errors = [one for one in ended.stderr.splitlines() if one.startswith("Error: ")]
                assert len(errors) == 1, ended.stderr
            assert place.kept() == before
        place.run(other(before))
        assert place.kept() == other(before)
    finally:
        if isinstance(place, Postgres):
            with place.session() as engine:
                engine.execute("DROP SCHEMA faults CASCADE")
                engine.execute("DROP TABLESPACE IF EXISTS tiny")


@pytest.mark.parametrize("size", [1_200, 3_000], ids=["maps", "run.json"])
def test_a_disk_that_is_full_at_the_end(tmp_path: Path, size: int) -> None:
    """There is room for the rows, and not for the maps or the figures."""
    rng = np.random.default_rng(3)
    for side in SIDES:
        write_vectors(tmp_path / f"{side}.parquet", rng.standard_normal((12, 4)))
    sides = [f"--{side}={tmp_path}/{side}.parquet" for side in SIDES]
    command = ["run", "-q", *sides, "--space", tmp_path / "movies", "--run", KEY]
    ended = faulty.run(*command, code=3, folder=tmp_path, file_size=size)
    assert ended.stderr.startswith(f"Error: {tmp_path}/movies/run={KEY} cannot be written: ")
    assert ended.stderr.endswith("File too large; it is as it was.\n")
    assert list((tmp_path / "movies").iterdir()) == []
    faulty.run(*command, folder=tmp_path)
    sizes = {p.name: p.stat().st_size for p in (tmp_path / "movies" / f"run={KEY}").iterdir()}
    rows = max(sizes["users.parquet"], sizes["items.parquet"])
    assert rows < size < sizes["run.json"], sizes
    assert (size < sizes["maps.parquet"]) == (size == 1_200), sizes


@pytest.mark.parametrize("place", ["files"], indirect=True)
@pytest.mark.parametrize("option", [["--json"], []])
def test_results_that_cannot_be_written(place: Place, option: list[str]) -> None:
    """The run itself is done by then."""
    quiet = ("-q", "--show-sql")
    arguments = [one for one in place.command(MODELS[0]) if one not in quiet]
    ended = faulty.run(*arguments, *option, code=3, folder=place.folder, stdout="/dev/full")
    said = f"No space left on device; the run {KEY} had been written by then."
    assert ended.stderr.splitlines()[-1] == f"Error: output: {said}"
    assert "Traceback" not in ended.stderr
    assert place.kept() == MODELS[0]


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_connections_that_are_lost(place: Postgres) -> None:
    """As on a restart of the server: at named points, all connections are closed from outside."""
    place.run(MODELS[1])
    # The very first run makes tables, and has other points.
    total = place.run(MODELS[1]).points
    before = place.kept()
    kinds = set()
    for point in points(total, POINTS):
        command = place.start(other(before), at=(point, signal.SIGSTOP))
        command.waits()
        with connect(place.url, writes=False) as engine:
            engine.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'faults'"
            )
        command.signal(signal.SIGCONT)
        ended = command.end()
        kinds.add(ended.code)
        if ended.code:
            check_failed(place, ended, before)
        else:
            before = place.kept()
    assert 3 in kinds
    repaired(place, before)


def test_a_clickhouse_server_that_is_killed(tmp_path: Path) -> None:
    """It says so once."""
    if reason := missing("clickhouse"):
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    half: int | None = None
    for _ in "ab":
        folder = tmp_path / f"server-{half}"
        folder.mkdir()
        server = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("clickhouse_server.py"), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert server.stdout is not None
        url = f"clickhousedb://default:@127.0.0.1:{int(server.stdout.readline())}/default"
        try:
            with connect(url) as engine:
                for name in SIDES:
                    engine.execute(
                        f"CREATE TABLE {name} (id Int64, v Array(Float64)) "
                        "ENGINE = MergeTree ORDER BY id"
                    )
                    engine.execute(
                        f"INSERT INTO {name} SELECT number, [cos(number), sin(number * 2), 1.5] "
                        "FROM numbers(100)"
                    )
            command = ["run", "-q", "--engine", url, "--users", "users", "--items", "items"]
            command += ["--space", "movies", "--run", KEY]
            if half is None:
                half = faulty.run(*command, folder=tmp_path).points // 2
                continue
            started = faulty.Command(*command, folder=tmp_path, at=(half, signal.SIGSTOP))
            started.waits()
            server.kill()
            started.signal(signal.SIGCONT)
            ended = started.end()
        finally:
            server.kill()
            server.communicate()
    assert ended.code == 3, ended.stderr
    assert ended.stderr.count("Error: ") == 1, ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("place", ["files", "postgres"], indirect=True)
def test_a_reader_that_polls(place: Place) -> None:
    """Whatever it sees is a whole run, the old one or the new one."""
    place.run(MODELS[0])
    model = place.kept()
    seen = []
    for _ in range(2):
        command = place.start(other(model))
        while command.process.is_alive():
            seen.append(place.polled())
        assert command.end().code == 0
        model = other(model)
        assert place.polled() == model
    assert set(seen) - {None} == set(MODELS)
    assert len(seen) > 10


def test_a_reader_in_the_same_process(connection: Any) -> None:
    """DuckDB lets no other process read a database that one writes."""
    for name in SIDES:
        connection.execute(f"CREATE TABLE {name} (id INTEGER, v DOUBLE[])")
        connection.execute(f"INSERT INTO {name} SELECT k, [k, 1, random()] FROM range(50) r(k)")

    def run() -> Any:
        return Space("movies", connection).run(*SIDES, key=KEY)

    run()
    scores = "SELECT sum(list_dot_product(u.v, i.v)) FROM {} AS u CROSS JOIN {} AS i"
    done = threading.Event()
    seen: list[float] = []
    known = []

    def poll(reader: Any) -> None:
        while not done.is_set():
            read = scores.format("movies_users_newest", "movies_items_newest")
            seen.append(reader.execute(read).fetchone()[0])

    thread = threading.Thread(target=poll, args=(connection.cursor(),))
    thread.start()
    try:
        for _ in range(5):
            known.append(connection.execute(scores.format(*SIDES)).fetchone()[0])
            run()
            connection.execute("UPDATE users SET v = [id, random(), 2]")
            connection.execute("UPDATE items SET v = [1, random(), id]")
    finally:
        done.set()
        thread.join()
    assert len(seen) > 5
    for value in seen:
        assert min(abs(value - one) for one in known) < 1e-6 * abs(value)
