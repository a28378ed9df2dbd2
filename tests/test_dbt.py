"""A fresh dbt project with the package: what a run does, and what it does when things go wrong."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb
import numpy as np
import pytest
from conftest import write_vectors

import sqlstab
from sqlstab import Run, stabilize
from sqlstab.cli import cli
from sqlstab.demo import DATA, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engines import Running

if importlib.util.find_spec("dbt") is None and "CI" not in os.environ:
    pytest.skip("dbt-core is not installed", allow_module_level=True)

ROOT = Path(__file__).parent.parent
# dbt leaves sockets, files and an event loop to the garbage collector: see `collected`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def load_demo() -> Any:
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "dbt" / "demo.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


demo = load_demo()
DAYS = dict(list(RUNS.items())[:3])
FIGURES = ("mean", "p10", "median")


class Project:
    """A copy of the project in examples/dbt, on a database of its own."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self.folder = demo.copy_project(folder)
        self.database = folder / "movies.duckdb"
        self.url = url
        self.manifests: dict[str, Any] = {}

    def train(self, training: Path) -> None:
        if self.url:
            demo.load_postgres(self.url, training)
        else:
            demo.load_duckdb(self.database, training)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement, and fetch its rows if it has any."""
        if self.url:
            import psycopg  # noqa: PLC0415

            with psycopg.connect(self.url, options="-c search_path=movies") as session:
                cursor = session.execute(statement)
                return cursor.fetchall() if cursor.description else []
        with duckdb.connect(self.database) as connection:
            return connection.execute(statement).fetchall()

    def vectors(self, table: str) -> tuple[list[Any], np.ndarray]:
        rows = self.execute(f"SELECT id, embedding FROM {table} ORDER BY id")
        return [row[0] for row in rows], np.array([row[1] for row in rows], dtype=np.float64)

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that a run leaves behind."""
        names = ("stable_users", "stable_items", "sqlstab_transform", "sqlstab_run_quality")
        names += ("sqlstab_gram", "sqlstab_cross_gram", "sqlstab_run")
        names += ("sqlstab_reference_users", "sqlstab_reference_items")
        return {name: sorted(self.execute(f"SELECT * FROM {name}"), key=repr) for name in names}

    def dbt(self, command: str, *arguments: str, fails: bool = False, **variables: Any) -> Any:
        """Run dbt, and parse the project only if no earlier command did with such variables.

        The name of a run changes nothing that parsing sees.
        """
        key = json.dumps({k: v for k, v in variables.items() if k != "sqlstab_run_id"})
        if key not in self.manifests:
            self.manifests[key] = demo.dbt(self.folder, "parse", "--vars", json.dumps(variables))
        options = ["--vars", json.dumps(variables), *arguments]
        return demo.dbt(self.folder, command, *options, manifest=self.manifests[key], fails=fails)

    def build(self, day: str, *arguments: str, **variables: Any) -> None:
        """One run of a scheduler, after a training."""
        variables = {"sqlstab_run_id": day, **variables}
        if variables.get("sqlstab_solver") == "external":
            options = ["--project-dir", str(self.folder), "--profiles-dir", str(self.folder)]
            named = json.dumps(variables)
            cli(["dbt", "build", "--vars", named, *options, *arguments], standalone_mode=False)
        else:
            self.dbt("build", *arguments, **variables)

    def fails(self, day: str, **variables: Any) -> dict[str, list[str]]:
        """Build, and return what came of it: names by status."""
        result = self.dbt("build", fails=True, sqlstab_run_id=day, **variables)
        found: dict[str, list[str]] = {}
        for one in result.results:
            found.setdefault(str(one.status), []).append(one.node.name)
        return found


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What dbt leaves behind goes here, and not in the middle of some other test."""
    yield
    gc.collect()


@pytest.fixture
def start(tmp_path: Path, running: Running) -> Iterator[Callable[[str], Project]]:
    """Starts a project on an engine; other tests look at what is on these engines, too."""
    environment = dict(os.environ)
    on_postgres: list[Project] = []

    def project(name: str) -> Project:
        url = None
        if name == "postgres":
            from sqlalchemy.engine import make_url  # noqa: PLC0415

            found = make_url(running["postgres"])
            os.environ |= {
                "PGHOST": str(found.query["host"]),
                "PGUSER": str(found.username),
                "PGDATABASE": str(found.database),
            }
            url = ""
        made = Project(tmp_path, url)
        os.environ |= {"MOVIES_TARGET": name, "MOVIES_DUCKDB": str(made.database)}
        if url is not None:
            made.url = f"dbname={os.environ['PGDATABASE']}"
            on_postgres.append(made)
        demo.dbt(made.folder, "deps")
        return made

    yield project
    for made in on_postgres:
        for schema in ("movies", "recommender"):
            made.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """What `sqlstab run` makes of the same trainings."""
    folder = tmp_path_factory.mktemp("wanted")
    runs: dict[str, Run] = {}
    previous = None
    for run, day in DAYS.items():
        users, items = DATA / run / "users.parquet", DATA / run / "items.parquet"
        previous = runs[day] = stabilize(users, items, previous, folder / run)
    return runs


def check_figures(project: Project, wanted: dict[str, Run]) -> None:
    rows = project.execute(
        "SELECT run_id, side, reference_run_id, n_rows, n_compared, before_mean, before_p10, "
        "before_median, after_mean, after_p10, after_median FROM sqlstab_run_quality "
        "ORDER BY run_id, side"
    )
    assert len(rows) == 2 * len(wanted)
    reference = None
    for number, (day, run) in enumerate(wanted.items()):
        for row in rows[2 * number : 2 * number + 2]:
            _, side, named, n_rows, n_compared, *cosines = row
            assert (row[0], named) == (day, reference)
            assert n_rows == run.figures[side]["rows"]
            if reference is None:
                assert (n_compared, set(cosines)) == (0, {None})
                continue
            known = run.figures["cosine"][side]
            assert n_compared == known["rows"]
            figures = [known[kind][name] for kind in ("before", "after") for name in FIGURES]
            assert np.abs(np.array(cosines) - figures).max() < 1e-6
        reference = day


@pytest.mark.parametrize(
    ("engine", "solver"),
    [
        ("duckdb", None),
        ("duckdb", "python"),
        ("postgres", None),
        ("postgres", "external"),
    ],
)
def test_three_trainings(
    start: Callable[[str], Project],
    wanted: dict[str, Run],
    capsys: pytest.CaptureFixture[str],
    engine: str,
    solver: str | None,
) -> None:
    """Each build is green, and gives the figures that `sqlstab run` gives."""
    project = start(engine)
    chosen = {"sqlstab_solver": solver} if solver else {}
    for run, day in DAYS.items():
        project.train(DATA / run)
        capsys.readouterr()
        project.build(day, **chosen)
        # In whichever of its steps the stable models are built.
        said = capsys.readouterr().out
        assert said.count(f"sqlstab: run {day} ") == 1
        assert UNTESTED not in said
    check_figures(project, wanted)
    shown = ["--quiet", "--limit", "-1", "--inline", demo.FIGURES]
    project.dbt("show", *shown, **chosen)
    said = capsys.readouterr().out
    head, _, *rows = [line for line in said.splitlines() if line.startswith("|")]
    assert head.replace(" ", "") == "|run_id|side|before_mean|after_mean|"
    assert len(rows) == 2 * len(DAYS)
    # Dot products do not depend on the axes that a first run happens to get.
    run = wanted[day]
    assert run.directory
    (_, users), (_, items) = project.vectors("stable_users"), project.vectors("stable_items")
    (_, raw_users), (_, raw_items) = (
        project.vectors("user_embeddings"),
        project.vectors("item_embeddings"),
    )
    scores = raw_users[:200] @ raw_items.T
    assert np.abs(users[:200] @ items.T - scores).max() < 1e-6 * np.abs(scores).max()
    own = items @ items.T
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pq.read_table(run.directory / "items.parquet").sort_by("id")
    other = np.array(table["embedding"].to_pylist())
    assert np.abs(own - other @ other.T).max() < 1e-6 * np.abs(own).max()


def test_spark(start: Callable[[str], Project], running: Running, wanted: dict[str, Run]) -> None:
    """Two trainings in a session of Spark, whose tables of Parquet files know no DELETE."""
    session = running["spark"]
    project = start("spark")
    profiles = project.folder / "profiles.yml"
    profiles.write_text(
        f"{profiles.read_text()}    spark:\n      type: spark\n      method: session\n"
        "      host: none\n      schema: movies\n      threads: 1\n"
    )
    for schema in ("recommender", "movies"):
        session.sql(f"CREATE DATABASE IF NOT EXISTS {schema}")
    try:
        for run, day in list(DAYS.items())[:2]:
            for side in ("users", "items"):
                rows = session.read.parquet(str(DATA / run / f"{side}.parquet"))
                rows.write.mode("overwrite").saveAsTable(f"recommender.{side}")
            # The tests of single columns take a second each there.
            chosen = ["--exclude", "test_type:generic"]
            project.build(day, *chosen, sqlstab_solver="external")
        found = {
            row["side"]: row["after_mean"]
            for row in session.table("movies.sqlstab_run_quality").collect()
            if row["run_id"] == day
        }
        for side, mean in found.items():
            assert abs(mean - wanted[day].figures["cosine"][side]["after"]["mean"]) < 1e-6
        assert len(found) == 2
        runs = session.sql("SELECT DISTINCT run_id FROM movies.sqlstab_transform").collect()
        assert {row[0] for row in runs} == set(list(DAYS.values())[:2])
    finally:
        for schema in ("recommender", "movies"):
            session.sql(f"DROP DATABASE {schema} CASCADE")
        for view in session.catalog.listTables():
            if view.isTemporary and view.name.endswith("__dbt_tmp"):
                session.catalog.dropTempView(view.name)


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_the_same_day_again_and_a_full_refresh_change_nothing(
    start: Callable[[str], Project], engine: str
) -> None:
    project = start(engine)
    for run, day in list(DAYS.items())[:2]:
        project.train(DATA / run)
        project.build(day)
    once = project.everything()
    assert len({row[0] for row in once["sqlstab_transform"]}) == 2
    project.build(day)
    assert project.everything() == once
    project.build(day, "--full-refresh")
    assert project.everything() == once


def test_references(start: Callable[[str], Project], tmp_path: Path) -> None:
    """The first run as reference for good, a run by its name, and a new space."""
    project = start("duckdb")
    for run, day in DAYS.items():
        project.train(DATA / run)
        project.build(day, sqlstab_reference="first")
    assert project.execute("SELECT reference_run_id FROM sqlstab_run") == [("2013-06-15",)]
    run = stabilize(
        DATA / "run2" / "users.parquet",
        DATA / "run2" / "items.parquet",
        stabilize(
            DATA / "run0" / "users.parquet", DATA / "run0" / "items.parquet", out=tmp_path / "0"
        ),
    )
    figures = "SELECT after_mean FROM sqlstab_run_quality WHERE side = 'items' ORDER BY run_id"
    found = project.execute(figures)[-1][0]
    assert abs(found - run.figures["cosine"]["items"]["after"]["mean"]) < 1e-6

    project.build(day, sqlstab_reference="2013-07-01")
    assert project.execute("SELECT reference_run_id FROM sqlstab_run") == [("2013-07-01",)]

    project.build(day, sqlstab_reference="none")
    assert project.execute("SELECT reference_run_id FROM sqlstab_run") == [(None,)]
    _, items = project.vectors("stable_items")
    gram = items.T @ items
    # A run of its own: principal axes.
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-5 * gram.max()


BROKEN = {
    "nan": (
        "UPDATE recommender.items SET embedding = list_transform(embedding, lambda v: v / 0 * 0)"
        " WHERE id = (SELECT min(id) FROM recommender.items)",
        "sqlstab_raw_items_are_valid",
        "1 vectors with a component that is NULL, NaN or infinite in item_embeddings "
        "(for example tt0020629)",
    ),
    "duplicate": (
        "INSERT INTO recommender.users FROM recommender.users WHERE id = 8",
        "sqlstab_raw_users_are_valid",
        "1 ids that stand more than once in user_embeddings (for example 8)",
    ),
    "length": (
        "UPDATE recommender.users SET embedding = embedding[:31] WHERE id = 8",
        "sqlstab_raw_users_are_valid",
        "1 vectors that are NULL or have not 32 components in user_embeddings (for example 8)",
    ),
    "null id": (
        "UPDATE recommender.items SET id = NULL WHERE id = (SELECT min(id) FROM recommender.items)",
        "sqlstab_raw_items_are_valid",
        "1 rows without an id in item_embeddings",
    ),
    "another model": (
        # Vectors change places: each movie gets another one's.
        "CREATE OR REPLACE TABLE recommender.items AS SELECT a.id, b.embedding FROM "
        "(SELECT id, row_number() OVER (ORDER BY id) AS n FROM recommender.items) AS a JOIN "
        "(SELECT embedding, row_number() OVER (ORDER BY md5(id)) AS n FROM recommender.items) AS b "
        "USING (n)",
        "sqlstab_run_is_aligned",
        "by a mean cosine below 0.3, even when aligned: 0.158. Are these",
    ),
    "other ids": (
        "UPDATE recommender.items SET id = 'new-' || id",
        "sqlstab_ids_are_shared",
        "0 ids are shared with the reference run, fewer than there are dimensions",
    ),
}


NOT_WRITTEN = "run 2013-07-01 was not written; the stable tables are as they were."
UNTESTED = "replaced without the test sqlstab_run_is_aligned"


def test_what_is_broken_stops_at_its_test(
    start: Callable[[str], Project], capsys: pytest.CaptureFixture[str]
) -> None:
    """The test says what to do, and the stable tables are those of the run before."""
    project = start("duckdb")
    project.train(DATA / "run0")
    project.build("2013-06-15")
    before = {
        name: project.execute(f"SELECT * FROM {name}") for name in ("stable_users", "stable_items")
    }
    for statement, test, message in BROKEN.values():
        project.train(DATA / "run1")
        project.execute(statement)
        capsys.readouterr()
        found = project.fails("2013-07-01")
        assert found["fail"] == [test]
        assert "error" not in found
        assert {"stable_users", "stable_items"} <= set(found["skipped"])
        said = capsys.readouterr().out
        assert f"sqlstab: {test}: " in said
        assert message in said
        assert NOT_WRITTEN in said
        assert "space of" not in said
        assert "begins a new space" not in said
        for name, rows in before.items():
            assert project.execute(f"SELECT * FROM {name}") == rows
    project.train(DATA / "run1")
    # A name that sorts before that of the run there is, and a reference that nobody knows.
    for day, reference in (("2013-01-01", "previous"), ("2013-07-01", "2013-06-1")):
        found = project.fails(day, sqlstab_reference=reference)
        assert found["fail"] == ["sqlstab_run_has_its_reference"]
        assert {"stable_users", "stable_items"} <= set(found["skipped"])
        said = capsys.readouterr().out
        assert "but none of a run that this one can refer to" in said
        assert f"run {day} was not written" in said
        assert "begins a new space" not in said
        for name, rows in before.items():
            assert project.execute(f"SELECT * FROM {name}") == rows
    project.build("2013-07-01")
    said = capsys.readouterr().out
    assert "run 2013-07-01 stays in the space of run 2013-06-15." in said
    assert UNTESTED not in said
    assert project.execute("SELECT DISTINCT run_id FROM stable_items") == [("2013-07-01",)]
    # Nothing is tested then.
    project.dbt("run", "--select", "stable_items", sqlstab_run_id="2013-07-01")
    assert f"sqlstab: stable_items {UNTESTED}" in " ".join(capsys.readouterr().out.split())


def test_a_failure_in_the_middle_leaves_the_stable_tables(
    start: Callable[[str], Project], capsys: pytest.CaptureFixture[str]
) -> None:
    """And building again carries on from there."""
    project = start("duckdb")
    project.train(DATA / "run0")
    project.build("2013-06-15")
    before = project.execute("SELECT * FROM stable_items")
    project.train(DATA / "run1")
    model = project.folder / "dbt_packages" / "sqlstab"
    assert model.is_symlink()
    broken = project.folder / "models" / "stable_users.sql"
    text = broken.read_text()
    broken.write_text("SELECT 1 / no_such_column")
    project.manifests.clear()
    found = project.fails("2013-07-01")
    assert found["error"] == ["stable_users"]
    said = capsys.readouterr().out
    assert "run 2013-07-01 was written in part: stable_items is of this run, stable_users" in said
    # The other one is whole, and of this run; the next build mends both.
    broken.write_text(text)
    project.manifests.clear()
    project.build("2013-07-01")
    assert project.execute("SELECT DISTINCT run_id FROM stable_users") == [("2013-07-01",)]
    assert project.execute("SELECT * FROM stable_items") != before


SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"sqlstab_users": None}, "the var sqlstab_users is not set. Name the model"),
    ({"sqlstab_users": {"model": "m", "vectors": "v"}}, 'has no key "vectors"; it can have'),
    ({"sqlstab_items": {"model": "m", "type": "half"}}, "it can be float (4 bytes) or double"),
    ({"sqlstab_items": {"model": "m", "vector": "e0..e3"}}, "is 32 column(s), but 4 are named"),
    ({"sqlstab_items": {"model": "m", "vector": "e5..x9"}}, "no range of columns such as e0"),
    ({"sqlstab_dimension": "many"}, "it must be a whole number from 1 on"),
    ({"sqlstab_stable_dimension": 16}, "less than sqlstab_dimension (32)"),
    ({"sqlstab_anchor": "movies"}, "it can be items, users or both"),
    ({"sqlstab_solver": "magic"}, "it can be sql, python or external"),
]


def test_another_solver_is_refused_first(start: Callable[[str], Project]) -> None:
    project = start("duckdb")
    options = ["--project-dir", str(project.folder), "--profiles-dir", str(project.folder)]
    wanted = r"Set vars: \{sqlstab_solver: external\}.* or use plain dbt build"
    for command in ("build", "solve"):
        with pytest.raises(sqlstab.UsageError, match=wanted):
            cli(["dbt", command, *options], standalone_mode=False)
    # There was not even a connection.
    assert not project.database.exists()
    (project.folder / "models" / "movies.yml").unlink()
    for model in (project.folder / "models").glob("*.sql"):
        model.write_text("SELECT 1 AS id")
    (project.folder / "dbt_packages" / "sqlstab").unlink()
    (project.folder / "packages.yml").write_text("packages: []\n")
    with pytest.raises(sqlstab.UsageError, match="no model sqlstab_transform: add the"):
        cli(["dbt", "build", *options], standalone_mode=False)


def test_settings_are_checked(start: Callable[[str], Project]) -> None:
    from dbt_common.exceptions import DbtBaseException  # noqa: PLC0415

    project = start("duckdb")
    for variables, message in SETTINGS:
        with pytest.raises(DbtBaseException) as raised:
            project.dbt("parse", **variables)
        assert "sqlstab: " in str(raised.value)
        assert message in str(raised.value)
    model = project.folder / "models" / "stable_users.sql"
    model.write_text("{{ config(materialized='view') }}\n" + model.read_text())
    project.train(DATA / "run0")
    with pytest.raises(DbtBaseException, match="is a view: give it materialized='table'"):
        project.dbt("compile")


def test_partitions_are_summed_once(start: Callable[[str], Project]) -> None:
    """Only partitions that are new or have changed are scanned; what is gone is forgotten."""
    project = start("duckdb")
    (project.folder / "models" / "item_embeddings.sql").write_text(
        "SELECT id, embedding, substr(md5(id), 1, 1) AS part "
        "FROM {{ source('recommender', 'items') }}"
    )
    variables = {"sqlstab_items": {"model": "item_embeddings", "partition_by": "part"}}
    project.train(DATA / "run0")
    project.build("2013-06-15", **variables)

    def check(change: float = 0.0) -> None:
        _, vectors = project.vectors("item_embeddings")
        found = np.zeros((32, 32))
        rows = project.execute(
            "SELECT i, j, sum(value), sum(n_rows) FROM sqlstab_gram "
            "WHERE side = 'items' GROUP BY i, j"
        )
        for i, j, value, n_rows in rows:
            assert n_rows == len(vectors)
            found[i - 1, j - 1] = value
        wanted = np.triu(vectors.T @ vectors)
        wanted[0, 0] += change
        assert np.abs(found - wanted).max() < 1e-12 * wanted.max()

    check()
    assert project.execute(
        "SELECT count(DISTINCT partition_key) FROM sqlstab_gram WHERE side = 'items'"
    ) == [(16,)]
    # What was not scanned again is as it was, even if that is wrong.
    project.execute(
        "UPDATE sqlstab_gram SET value = value + 1 WHERE partition_key = 'c' AND i = 1 AND j = 1"
    )
    project.execute("DELETE FROM recommender.items WHERE substr(md5(id), 1, 1) = 'a'")
    project.execute(
        "DELETE FROM recommender.items WHERE id = "
        "(SELECT min(id) FROM recommender.items WHERE substr(md5(id), 1, 1) = 'b')"
    )
    project.build("2013-06-16", **variables)
    check(1.0)
    assert project.execute("SELECT count(*) FROM sqlstab_gram WHERE partition_key = 'a'") == [(0,)]


@pytest.mark.parametrize(("engine", "solver"), [("duckdb", "sql"), ("postgres", "external")])
def test_128_dimensions(
    start: Callable[[str], Project],
    tmp_path: Path,
    rng: np.random.Generator,
    engine: str,
    solver: str,
) -> None:
    project = start(engine)
    raw = {"users": rng.standard_normal((200, 128)), "items": rng.standard_normal((150, 128))}
    (tmp_path / "training").mkdir()
    for side, vectors in raw.items():
        ids = [str(k) for k in range(len(vectors))] if side == "items" else None
        write_vectors(tmp_path / "training" / f"{side}.parquet", vectors.astype(np.float32), ids)
    project.train(tmp_path / "training")
    project.build("1", sqlstab_dimension=128, sqlstab_solver=solver)
    (_, users), (_, items) = project.vectors("stable_users"), project.vectors("stable_items")
    diagonals = [np.diag(x.T @ x) for x in (users, items)]
    singular = np.linalg.svd(
        np.linalg.qr(raw["items"])[1] @ np.linalg.qr(raw["users"])[1].T, compute_uv=False
    )
    for diagonal in diagonals:
        # Vectors are written as FLOAT.
        assert np.abs(diagonal - singular).max() < 1e-5 * singular[0]


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_layouts(start: Callable[[str], Project], layout: str) -> None:
    """The stable models have the layout of the raw ones, and the name of their ids."""
    project = start("duckdb")
    columns = ", ".join(f"embedding[{k + 1}] AS e{k}" for k in range(32))
    raw = {
        "wide": f"SELECT id AS own_id, {columns} FROM {{{{ source('recommender', '%s') }}}}",
        "long": "SELECT id AS own_id, unnest(range(32)) AS dim, unnest(embedding) AS value "
        "FROM {{ source('recommender', '%s') }}",
    }[layout]
    variables: dict[str, Any] = {}
    for side in ("users", "items"):
        name = f"{side[:-1]}_embeddings"
        (project.folder / "models" / f"{name}.sql").write_text(raw % side)
        described: dict[str, Any] = {"model": name, "id": "own_id", "layout": layout}
        described["vector"] = "e0..e31" if layout == "wide" else ["dim", "value"]
        variables[f"sqlstab_{side}"] = described
    # In the long layout an id stands in many rows.
    properties = project.folder / "models" / "movies.yml"
    text = properties.read_text().replace("[unique, not_null]", "[not_null]")
    properties.write_text(text.replace("- name: id\n", "- name: own_id\n"))
    figures = []
    for run, day in list(DAYS.items())[:2]:
        project.train(DATA / run)
        project.build(day, **variables)
        figures = project.execute(
            "SELECT after_mean, before_mean FROM sqlstab_run_quality "
            "WHERE side = 'items' ORDER BY run_id DESC LIMIT 1"
        )
    # As in test_three_trainings.
    assert np.abs(np.array(figures[0]) - [0.7492067, 0.0647466]).max() < 1e-6
    names = {row[0] for row in project.execute("DESCRIBE stable_items")}
    vector = {f"e{k}" for k in range(32)} if layout == "wide" else {"dim", "value"}
    assert names == {"own_id", "run_id", *vector}


def test_a_lock_says_what_to_do(
    start: Callable[[str], Project], capsys: pytest.CaptureFixture[str]
) -> None:
    """A DuckDB file that another process has open."""
    project = start("duckdb")
    project.train(DATA / "run0")
    path = str(project.database)
    code = f"import duckdb; c = duckdb.connect({path!r}); print(1, flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(sqlstab.SqlstabError) as raised:
            project.build("2013-06-15", sqlstab_solver="external")
        assert "one process at a time" in str(raised.value)
        assert raised.value.exit_code == 3
    finally:
        other.communicate(b"\n")
    capsys.readouterr()


def test_without_dbt_the_error_names_the_extra() -> None:
    with (
        mock.patch.dict(sys.modules, {"dbt.cli.main": None}),
        pytest.raises(sqlstab.UsageError, match=r"pip install 'sqlstab\[dbt\]'"),
    ):
        cli(["dbt", "solve"], standalone_mode=False)
