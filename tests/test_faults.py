"""Nothing is lost and nothing left half done, whatever ends a run and whenever."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faulty
import numpy as np
import pytest
from conftest import read_vectors, write_vectors
from engines import missing
from test_outputs import load

from sqlstab import EmbeddingTable, Run, stabilize
from sqlstab.engines import connect
from sqlstab.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines import Running

    from sqlstab.engines import Engine

# Of random moments in each place; `make bench-faults` asks for 100.
KILLS = int(os.environ.get("SQLSTAB_KILLS", "6"))
# Of named points in each place, at most.
POINTS = int(os.environ.get("SQLSTAB_POINTS", "8"))
DIMENSION = 8


class Place:
    """Somewhere that runs write to, of two models in turn.

    Attributes:
        folder: For files, and for what commands print.
        scores: Of each model, by its name: all products of its raw vectors.
    """

    name = ""
    says_busy = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scores: dict[str, np.ndarray] = {}
        rng = np.random.default_rng(20261124)
        for model in ("monday", "tuesday"):
            users, items = (rng.standard_normal((rows, DIMENSION)) for rows in (2_000, 300))
            self.scores[model] = users @ items.T
            for side, vectors in (("users", users), ("items", items)):
                write_vectors(folder / f"{model}_{side}.parquet", vectors)

    def command(self, model: str) -> list[Any]:
        """The arguments of a run."""
        raise NotImplementedError

    def kept(self) -> str:
        """Whose stable tables are in place; they and the registry must be whole.

        Returns:
            The model.
        """
        raise NotImplementedError

    def left_behind(self) -> set[str]:
        """What is there beside inputs, outputs and registry."""
        raise NotImplementedError

    def clean(self) -> None:
        """Remove what killed runs have left."""
        raise NotImplementedError

    def polled(self) -> str | None:
        """What a reader sees beside a run at work: the model, or None where it must read again."""
        raise NotImplementedError

    def sizes_of_full_disks(self) -> list[int]:
        """Sizes of a file that are too small for a run, but not for its messages."""
        raise NotImplementedError

    def start(self, model: str, **given: Any) -> faulty.Command:
        return faulty.Command(*self.command(model), folder=self.folder, **given)

    def run(self, model: str) -> faulty.Ended:
        return faulty.run(*self.command(model), folder=self.folder)

    def whose(self, users: np.ndarray, items: np.ndarray) -> str:
        """The model whose stable vectors these are: both of one run, since scores are kept."""
        scores = users @ items.T
        found = [name for name, raw in self.scores.items() if np.allclose(scores, raw, atol=1e-9)]
        assert len(found) == 1, "users and items are not of one run"
        return found[0]


def spilled() -> set[str]:
    """What is in the temporary folder, beside what multiprocessing has there."""
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
    says_busy = "Another run is writing"

    def polled(self) -> str | None:
        # What it opens is of one directory, even if that is replaced and removed meanwhile.
        directory = os.open(self.folder / "out", os.O_RDONLY)
        with ExitStack() as stack:
            stack.callback(os.close, directory)
            opened = []
            for side in ("users", "items"):
                try:
                    file = os.open(f"{side}.parquet", os.O_RDONLY, dir_fd=directory)
                except FileNotFoundError:
                    return None
                opened.append(stack.enter_context(os.fdopen(file, "rb")))
            return self.whose(*(read_vectors(file)[1] for file in opened))  # type: ignore[arg-type]

    def sizes_of_full_disks(self) -> list[int]:
        largest = (self.folder / "out" / "users.parquet").stat().st_size
        return [4096, largest // 2, largest - 1]

    def clean(self) -> None:
        """The next run has."""

    def command(self, model: str) -> list[Any]:
        sides = [f"--{side}={self.folder}/{model}_{side}.parquet" for side in ("users", "items")]
        registry = ["--registry", self.folder / "runs.jsonl", "--reference", "previous"]
        return ["run", "-q", "--show-sql", *sides, "--out", self.folder / "out", *registry]

    def kept(self) -> str:
        run = Run.load(self.folder / "out")
        vectors = [
            read_vectors(self.folder / "out" / f"{s}.parquet")[1] for s in ("users", "items")
        ]
        model = self.whose(*vectors)
        assert f"{model}_users" in run.figures["inputs"]["users"]["relation"]
        with connect(None, writes_tables=False) as engine:
            log = Registry(self.folder / "runs.jsonl", engine).log()
        assert log.current in log.entries
        return model

    def left_behind(self) -> set[str]:
        names = {path.name for path in self.folder.iterdir()}
        inputs = {f"{model}_{side}.parquet" for model in self.scores for side in ("users", "items")}
        return names - inputs - {"out", "runs.jsonl"} | spilled()


class Tables(Place):
    """Tables and a registry among them, in a schema `faults`."""

    engine_option: str

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with self.opened() as engine:
            engine.execute(["CREATE SCHEMA faults"])
            self.load(engine)

    def opened(self) -> AbstractContextManager[Engine]:
        raise NotImplementedError

    def load(self, engine: Engine) -> None:
        """Make tables of the models, as in `faults.monday_users`."""
        raise NotImplementedError

    def command(self, model: str) -> list[Any]:
        sides = [f"--{side}=faults.{model}_{side}" for side in ("users", "items")]
        outputs = [f"--{side}-out=faults.stable_{side}" for side in ("users", "items")]
        more = "--transform-table faults.maps --registry faults.runs --reference previous"
        return [
            *("run", "-q", "--show-sql", self.engine_option, *sides, *outputs, *more.split()),
            *("--keep-runs", "1"),
        ]

    def kept(self) -> str:
        with self.opened() as engine:
            log = Registry("faults.runs", engine).log()
            current = log.entries[log.current or ""]
            statement = "SELECT id, embedding FROM faults.stable_{} ORDER BY id"
            model = self.whose(
                *(
                    np.array([row["embedding"] for row in engine.query(statement.format(side))])
                    for side in ("users", "items")
                )
            )
            # The registry names the very run: one transaction has both.
            assert f"{model}_users" in current.figures["inputs"]["users"]["relation"]
            rows = engine.query(
                "SELECT count(*) AS n FROM faults.maps GROUP BY run_id HAVING count(*) <> "
                f"{2 * DIMENSION**2}"
            )
            assert rows == [], "half a transform"
            runs = engine.query("SELECT count(DISTINCT run_id) AS n FROM faults.maps")
            assert runs[0]["n"] == len(log.entries)
            for entry in log.entries.values():
                for place in (entry.places or {}).values():
                    assert engine.kind(place) == "table", place
        return model

    def left_behind(self) -> set[str]:
        with self.opened() as engine:
            log = Registry("faults.runs", engine).log()
            kept = {name.rsplit(".")[-1] for e in log.entries.values() for name in e.aside}
            rows = engine.query(
                "SELECT table_name AS name FROM information_schema.tables "
                "WHERE table_schema = 'faults'"
            )
        ours = {"maps", "runs", "stable_users", "stable_items"}
        inputs = {f"{model}_{side}" for model in self.scores for side in ("users", "items")}
        kept = {name.strip('"') for name in kept}
        return {row["name"] for row in rows} - ours - inputs - kept | spilled()

    def clean(self) -> None:
        older = ("--older-than", "0", "--yes", "--registry", "faults.runs")
        faulty.run("clean", self.engine_option, *older, folder=self.folder)


class DuckDB(Tables):
    name = "duckdb"
    says_busy = "Conflicting lock"

    def sizes_of_full_disks(self) -> list[int]:
        # Enough for the blocks that are free in the database file, but not for its log.
        return [4096, 100_000]

    def __init__(self, folder: Path) -> None:
        self.engine_option = f"--database={folder}/warehouse.duckdb"
        super().__init__(folder)

    def opened(self) -> AbstractContextManager[Engine]:
        return connect(self.folder / "warehouse.duckdb", writes_tables=True)

    def load(self, engine: Engine) -> None:
        engine.execute(
            [
                f"CREATE TABLE faults.{path.stem} AS FROM '{path}'"
                for path in self.folder.glob("*.parquet")
            ]
        )


class Postgres(Tables):
    name = "postgres"
    says_busy = "was replaced by another run while this one was at work"

    @contextmanager
    def reader(self) -> Iterator[Any]:
        """A connection that sees one state of the database in each transaction."""
        import psycopg  # noqa: PLC0415 - where there is a server

        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield connection

    def polled(self) -> str | None:
        statement = "SELECT embedding FROM faults.stable_{} ORDER BY id"
        with self.reader() as connection:
            read = (
                np.array(connection.execute(statement.format(side)).fetchall())[:, 0]
                for side in ("users", "items")
            )
            return self.whose(*read)

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        # Its connections are told from those of other tests by this.
        self.engine_option = f"--engine={url}{'&' if '?' in url else '?'}application_name=faults"
        super().__init__(folder)

    @contextmanager
    def opened(self) -> Iterator[Engine]:
        with connect(self.url, writes_tables=True) as engine:
            # What a killed process has sent is still run.
            others = (
                "SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'client backend' "
                "AND pid <> pg_backend_pid() AND query LIKE '%faults%'"
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
            engine.execute(
                [
                    f"CREATE TABLE faults.{path.stem} (id int, embedding float8[])",
                    f"INSERT INTO faults.{path.stem} VALUES {rows}",
                ]
            )


@pytest.fixture(params=["files", "duckdb", "postgres"])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    running: Running,
    monkeypatch: Any,
) -> Iterator[Place]:
    """A place with a run in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    # Of a short name: a socket is made in it, whose path has 107 characters at most.
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("t")))
    monkeypatch.setattr("tempfile.tempdir", None)
    made: Place
    if request.param == "files":
        made = Files(folder)
    elif request.param == "duckdb":
        made = DuckDB(folder)
    else:
        made = Postgres(folder, running["postgres"])
    made.run("monday")
    assert made.kept() == "monday"
    yield made
    if isinstance(made, Postgres):
        with made.opened() as engine:
            engine.execute(["DROP SCHEMA faults CASCADE"])


def other(model: str) -> str:
    return {"monday": "tuesday", "tuesday": "monday"}[model]


def points(total: int, most: int) -> list[int]:
    """Named points from the first to the last one, at most so many of them."""
    step = max(1, total // most)
    return list(range(1 + random.Random(total).randrange(step), total + 1, step))


def test_killed_at_random_moments(place: Place) -> None:
    """The tables and the registry are those of a run, and the next run needs no cleaning."""
    before = "tuesday"
    took = faulty.duration(*place.command(before), folder=place.folder)
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
        before = place.kept()
    assert killed
    print(f"{place.name}: {killed} of {KILLS} were killed before they ended")
    place.run(other(before))
    assert place.kept() == other(before)
    place.clean()
    assert place.left_behind() == set()


def test_killed_at_named_points(place: Place) -> None:
    """Before each statement, and before a file is made, moved or removed."""
    before = "tuesday"
    total = place.run(before).points
    assert total > 30
    for point in points(total, POINTS):
        ended = place.start(other(before), at=(point, signal.SIGKILL)).end()
        assert ended.code == -signal.SIGKILL, ended.stderr
        before = place.kept()
    place.run(other(before))
    assert place.kept() == other(before)
    place.clean()
    assert place.left_behind() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_at_named_points(place: Place, number: signal.Signals) -> None:
    """It says what it has done, which is so, and leaves nothing behind."""
    before = "tuesday"
    total = place.run(before).points
    word = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}[number]
    for point in points(total, POINTS // 2):
        ended = place.start(other(before), at=(point, number)).end()
        now = place.kept()
        assert ended.code in (0, 128 + number), ended.stderr
        assert "Traceback" not in ended.stderr, ended.stderr
        if ended.code:
            last = ended.stderr.splitlines()[-1]
            assert last.startswith(f"{word}; "), last
            assert ("nothing was replaced" in last) == (now == before), (last, now, before, point)
        assert place.left_behind() == set(), (point, ended.stderr)
        before = now


def test_two_runs_onto_one_output(place: Place) -> None:
    """One is in place as a whole, and the other says why it is not."""
    before = place.kept()
    half = place.run(before).points // 2
    first = place.start(other(before), at=(half, signal.SIGSTOP))
    first.waits()
    second = place.start(before).end()
    first.signal(signal.SIGCONT)
    ended = {"first": first.end(), "second": second}
    won, lost = ("second", "first") if place.name == "postgres" else ("first", "second")
    assert ended[won].code == 0, ended[won].stderr
    assert ended[lost].code == 3, ended[lost].stderr
    assert place.says_busy in ended[lost].stderr
    assert "Traceback" not in ended[lost].stderr
    assert place.kept() == (before if won == "second" else other(before))
    assert place.left_behind() == set()
    place.run(other(before))


def test_two_runs_at_once(place: Place) -> None:
    """However they meet, what is in place is of one run."""
    for _ in range(2):
        before = place.kept()
        commands = [place.start(model) for model in place.scores]
        codes = {command.end().code for command in commands}
        assert 0 in codes
        assert codes <= {0, 3}
        place.kept()
        assert place.left_behind() == set(), before


def check_failed(place: Place, ended: faulty.Ended, before: str) -> None:
    """One message, exit code 3, and all is as it was."""
    assert ended.code == 3, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, ended.stderr
    assert place.kept() == before
    assert place.left_behind() == set(), ended.stderr


@pytest.mark.parametrize("place", ["files", "duckdb"], indirect=True)
def test_a_full_disk(place: Place) -> None:
    """A limit on the size of a file stands in for it, so that no rights are asked for."""
    before = place.kept()
    sizes = place.sizes_of_full_disks()
    for size in sizes:
        # The statements would be cut off, too, where they are printed to a file.
        arguments = [one for one in place.command(other(before)) if one != "--show-sql"]
        ended = faulty.run(*arguments, code=3, folder=place.folder, file_size=size)
        check_failed(place, ended, before)
    place.run(other(before))
    assert place.kept() == other(before)


@pytest.mark.parametrize("place", ["files"], indirect=True)
@pytest.mark.parametrize("option", [["--json"], []])
def test_results_that_cannot_be_written(place: Place, option: list[str]) -> None:
    """The run itself is done by then."""
    quiet = ("-q", "--show-sql")
    arguments = [one for one in place.command("tuesday") if one not in quiet]
    ended = faulty.run(*arguments, *option, code=3, folder=place.folder, stdout="/dev/full")
    assert ended.stderr.splitlines()[-1] == "Error: output: No space left on device"
    assert "Traceback" not in ended.stderr
    assert place.kept() == "tuesday"


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_connections_that_are_lost(place: Postgres) -> None:
    """As on a restart of the server: at named points, all connections are closed from outside."""
    before = place.kept()
    total = place.run(before).points
    kinds = set()
    for point in points(total, POINTS):
        command = place.start(other(before), at=(point, signal.SIGSTOP))
        command.waits()
        with connect(place.url, writes_tables=False) as engine:
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
    place.run(other(before))


def test_a_clickhouse_server_that_is_killed(tmp_path: Path) -> None:
    """It says so once, and also which tables it could not drop."""
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
            with connect(url, writes_tables=True) as engine:
                for name in ("users", "items"):
                    load(engine, name)
            command = ["run", "-q", "--engine", url, "--users", "users", "--items", "items"]
            command += ["--users-out", "su", "--items-out", "si", "--registry", "runs"]
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


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
@pytest.mark.parametrize("sides", [("users", "items"), ("items", "users")])
def test_a_reader_in_one_transaction(place: Postgres, sides: tuple[str, str]) -> None:
    """It sees users and items of one run, whichever it reads first; the run waits for it."""
    model = place.kept()
    # Whoever waits so long looks for a deadlock, and gives way: the run, not the reader.
    place.engine_option += "&options=-cdeadlock_timeout%3D3s"
    statement = "SELECT embedding FROM faults.stable_{} ORDER BY id"
    with place.reader() as connection:
        connection.execute("SET deadlock_timeout = '60s'")
        connection.commit()
        for _ in range(2):
            with connection.transaction():
                first = connection.execute(statement.format(sides[0])).fetchall()
                command = place.start(other(model))
                waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                with connect(place.url, writes_tables=False) as engine:
                    while not engine.query(waiting):
                        assert command.process.is_alive()
                        time.sleep(0.01)
                second = connection.execute(statement.format(sides[1])).fetchall()
            read = {sides[0]: np.array(first)[:, 0], sides[1]: np.array(second)[:, 0]}
            assert place.whose(read["users"], read["items"]) == model
            assert command.end().code == 0
            model = other(model)
            assert place.kept() == model


@pytest.mark.parametrize("place", ["files", "postgres"], indirect=True)
def test_a_reader_that_polls(place: Place) -> None:
    """Whatever it sees is a whole run, the old one or the new one."""
    model = place.kept()
    seen = []
    for _ in range(2):
        command = place.start(other(model))
        while command.process.is_alive():
            seen.append(place.polled())
        assert command.end().code == 0
        model = other(model)
        assert place.polled() == model
    assert set(seen) - {None} == set(place.scores)
    assert len(seen) > 10


def test_a_reader_in_the_same_process(connection: Any) -> None:
    """DuckDB lets no other process read a database that one writes."""
    for name in ("users", "items"):
        connection.execute(f"CREATE TABLE {name} (id INTEGER, v DOUBLE[])")
        connection.execute(f"INSERT INTO {name} SELECT k, [k, 1, random()] FROM range(50) r(k)")

    def run() -> Any:
        tables = [EmbeddingTable(name, vector="v") for name in ("users", "items")]
        return stabilize(*tables, engine=connection, users_out="su", items_out="si")

    run()
    scores = "SELECT sum(list_dot_product(u.v, i.v)) FROM {} AS u CROSS JOIN {} AS i"
    done = threading.Event()
    seen: list[float] = []
    known = []

    def poll(reader: Any) -> None:
        while not done.is_set():
            seen.append(reader.execute(scores.format("su", "si")).fetchone()[0])

    thread = threading.Thread(target=poll, args=(connection.cursor(),))
    thread.start()
    try:
        for _ in range(5):
            known.append(connection.execute(scores.format("users", "items")).fetchone()[0])
            run()
            connection.execute("UPDATE users SET v = [id, random(), 2]")
            connection.execute("UPDATE items SET v = [1, random(), id]")
    finally:
        done.set()
        thread.join()
    assert len(seen) > 5
    for value in seen:
        assert min(abs(value - one) for one in known) < 1e-6 * abs(value)
