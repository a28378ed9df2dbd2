"""The dbt package: a project gets the maps and vectors of the core, or an error."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from dbt_movies import ROOT, SIDES, Core, E, Project, again, date
from sqlalchemy.engine import make_url

from sqlstab.session import connect

if TYPE_CHECKING:
    from pathlib import Path

    from engines import Running


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory, running: Running) -> dict[str, Project]:
    """One project on each engine, so that dbt parses each once."""

    class Projects(dict[str, Project]):
        def __missing__(self, engine: str) -> Project:
            root = tmp_path_factory.mktemp(engine)
            self[engine] = Project(root, self.postgres() if engine == "postgres" else None)
            return self[engine]

        def postgres(self) -> str:
            """A database of its own: models stay there, in schemas that other tests make, too."""
            with connect(running["postgres"]) as engine:
                engine.execute("CREATE DATABASE dbt")
            url = make_url(running["postgres"]).set(database="dbt")
            return url.render_as_string(hide_password=False)

    return Projects()


@pytest.fixture
def movies(projects: dict[str, Project], monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project of the example on DuckDB."""
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    return projects["duckdb"].begin()


@pytest.fixture(params=["duckdb", "postgres"])
def anywhere(
    request: pytest.FixtureRequest, projects: dict[str, Project], monkeypatch: pytest.MonkeyPatch
) -> Project:
    """The same on each engine."""
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    return projects[request.param].begin()


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return Core(tmp_path / "core")


# --- days -----------------------------------------------------------------------------------------


def test_days(anywhere: Project, core: Core) -> None:
    """As they come, three at once, late, and again: what `Space.run` gives in the same order."""
    movies = anywhere
    for day in (2, 3, 5):
        movies.load(day)
        movies.dbt("build")
        core.run(day)
        movies.check(core)
    movies.load(7, 6, 8)
    movies.dbt("build")
    core.run(6, 7, 8)
    movies.check(core)
    # A late day changes no map but its own.
    before = movies.maps()
    movies.load(4)
    movies.dbt("build")
    core.run(4)
    movies.check(core)
    for key, matrix in before.items():
        np.testing.assert_array_equal(movies.maps()[key], matrix)
    # A day that was trained again.
    movies.load(6, seed=1)
    movies.dbt("build", *again(6))
    core.run(6, seed=1)
    movies.check(core)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("align='previous'", {"align": "previous"}),
        ("align='first', unit_rows=false", {"align": "first", "plain_rows": True}),
        ("memory=0.5, anchor='both'", {"memory": 0.5, "anchor": "both"}),
        ("anchor='users'", {"anchor": "users"}),
    ],
)
def test_options(
    movies: Project, tmp_path: Path, arguments: str, options: dict[str, object]
) -> None:
    movies.write("models/embedding_maps.sql", maps(arguments))
    movies.load(1, 2, 3, 4)
    movies.dbt("run")
    core = Core(tmp_path / "core", **options)
    core.run(1, 2, 3, 4)
    movies.check(core)


def maps(
    arguments: str = "", config: str = "", users: str = "source('raw', 'user_embeddings')"
) -> str:
    """The model of maps."""
    return (
        f"{{{{ config(materialized='incremental', unique_key='ds'{config}) }}}}\n"
        f"{{{{ sqlstab.fit_maps(users={users}, items=source('raw', 'item_embeddings'), run='ds', "
        f"user_id='id', item_id='id', vector='embedding', dimension={E}"
        f"{', ' + arguments if arguments else ''}) }}}}\n"
    )


def test_weights(movies: Project) -> None:
    """Ids of no weight do not count: the map is that of a project without them."""
    movies.load(1, 2)
    movies.sql("ALTER TABLE raw.item_embeddings ADD COLUMN w double precision DEFAULT 1")
    movies.sql("UPDATE raw.item_embeddings SET w = 0 WHERE id > 'i3'")
    movies.write("models/embedding_maps.sql", maps("weight='w'"))
    movies.dbt("run", "--select", "embedding_maps")
    found = movies.maps()
    # By numpy: Omega from the items that count, of length one.
    first, second = (movies.raw[day] for day in (1, 2))
    kept = sorted(range(SIDES["items"]), key=lambda k: f"i{k}")
    kept = [k for k in kept if f"i{k}" <= "i3"]
    reference = first["items"][kept] @ found[date(1), "items"]
    stable = second["items"][kept] @ found[date(2), "items"]
    reference, stable = (x / np.linalg.norm(x, axis=1)[:, None] for x in (reference, stable))
    left, _, right = np.linalg.svd(stable.T @ reference)
    np.testing.assert_allclose(left @ right, np.eye(E), atol=1e-9)


def test_rotations(anywhere: Project, tmp_path: Path) -> None:
    """One orthogonal map of both sides, the core's; the first day's vectors stay as they are."""
    movies = anywhere
    movies.write("models/embedding_maps.sql", maps("map='rotation'"))
    core = Core(tmp_path / "core", map="rotation")
    for days in ((1,), (2, 3)):
        movies.load(*days)
        movies.dbt("run")
        core.run(*days)
        movies.check(core)
    for side in SIDES:
        # As they stand there: an engine need not read digits as Python does.
        raw = movies.stable(side, f"raw.{side[:-1]}_embeddings")[date(1)]
        assert movies.stable(side)[date(1)].tobytes() == raw.tobytes()
    found = movies.maps()
    for day in movies.raw:
        np.testing.assert_array_equal(found[date(day), "users"], found[date(day), "items"])
    # A space takes no balanced maps after rotations, nor the other way round.
    movies.load(4)
    movies.write("models/embedding_maps.sql", maps())
    said = movies.dbt("run", "--select", "embedding_maps", fails=True)["embedding_maps"]
    assert "map is balanced, but the maps so far are rotation" in said
    assert movies.maps().keys() == found.keys()
    movies.sql("UPDATE ml.embedding_maps SET value = 2 * value WHERE side = 'users'")
    movies.write("models/embedding_maps.sql", maps("map='rotation'"))
    said = movies.dbt("run", "--select", "embedding_maps", fails=True)["embedding_maps"]
    assert "map is rotation, but the maps so far are balanced" in said


@pytest.mark.parametrize("given", ['"2026-11-02"', "2026-11-02", '["2026-11-02"]'])
def test_one_day_again(movies: Project, given: str) -> None:
    """As a list, as text, or as the date that YAML makes of it without quotes."""
    movies.load(1, 2)
    movies.dbt("run", "--select", "embedding_maps")
    kept = movies.maps()
    movies.load(2, seed=1)
    movies.dbt("run", "--select", "embedding_maps", "--vars", f"{{again: {given}}}")
    for (ds, side), matrix in movies.maps().items():
        assert np.array_equal(matrix, kept[ds, side]) == (ds == date(1))


def test_the_first_day_again(movies: Project, tmp_path: Path) -> None:
    """It would get other axes than later days have; alone, or with all of them, it may."""
    movies.load(1)
    movies.dbt("run")
    for later in ((), (2, 3)):
        movies.load(*later)
        movies.dbt("run")
        kept = movies.maps()
        movies.load(1, seed=1 + len(later))
        for days in ((1,), (1, 3)) if later else ():
            said = movies.dbt("run", *again(*days), fails=True)["embedding_maps"]
            assert f"run {date(1)} is the first: it defines the axes" in said
            for key, matrix in movies.maps().items():
                np.testing.assert_array_equal(matrix, kept[key])
        movies.dbt("run", *again(1, *later))
        core = Core(tmp_path / f"core{len(later)}")
        core.run(1, seed=1 + len(later))
        core.run(*later)
        movies.check(core)


def test_full_refresh(movies: Project, core: Core) -> None:
    """It leaves the maps where the config says so, else it makes all of them anew, in order."""
    movies.load(1, 2, 3)
    movies.dbt("build")
    core.run(1, 2, 3)
    movies.sql("UPDATE ml.embedding_maps SET value = -value WHERE j = 2")
    kept = movies.maps()
    movies.dbt("build", "--full-refresh")
    for key, matrix in movies.maps().items():
        np.testing.assert_array_equal(matrix, kept[key])
    movies.write("models/embedding_maps.sql", maps())
    movies.dbt("build", "--full-refresh")
    movies.check(core)


# --- what went wrong before -----------------------------------------------------------------------


def test_no_map_no_rows(movies: Project, core: Core) -> None:
    """Stable models without their map: no rows of that day, those of others, and a test says so."""
    movies.load(1, 2)
    movies.dbt("build")
    movies.load(3)
    movies.dbt("build", "--select", "stable_items", "stable_users")
    assert set(movies.stable("items")) == set(movies.stable("users")) == {date(1), date(2)}
    said = movies.dbt("test", fails=True)
    failed = [name for name, status in said.items() if status.startswith("fail")]
    assert len(failed) == 1
    assert "every_run_has_a_map" in failed[0]
    movies.dbt("build")
    core.run(1, 2, 3)
    movies.check(core)


def test_changed_vectors_are_noticed(movies: Project) -> None:
    """The map of a day is not for vectors that came later under its key."""
    movies.load(1, 2)
    movies.dbt("build")
    movies.load(2, seed=1)
    said = movies.dbt("build", fails=True)
    failed = [name for name, status in said.items() if status.startswith("fail")]
    assert any("maps_are_current" in name for name in failed)
    movies.dbt("build", *again(2))


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("item", "SET embedding = NULL WHERE id = 'i7'", "1 rows with not 6 finite components"),
        ("user", "SET embedding[2] = NULL WHERE id = 'u7'", "such as id u7"),
        ("item", "SET embedding[2] = 'NaN' WHERE id = 'i7'", "such as id i7"),
        ("user", "SET embedding[7] = 1 WHERE id < 'u12'", "4 rows with not 6 finite components"),
        ("item", "SET id = 'i8' WHERE id = 'i7'", "2 rows with an id that stands twice"),
        ("user", "SET id = NULL WHERE id = 'u7'", "1 rows with no id"),
    ],
)
def test_bad_vectors_are_refused(
    projects: dict[str, Project], table: str, change: str, message: str
) -> None:
    # On Postgres, where one component can be changed.
    movies = projects["postgres"].begin()
    movies.load(1)
    movies.sql(f"UPDATE raw.{table}_embeddings {change}")
    said = movies.dbt("run", "--select", "embedding_maps", fails=True)["embedding_maps"]
    assert message in said
    assert f"run {date(1)}" in said
    assert f"{table}_embeddings" in said


def test_a_wrong_dimension(anywhere: Project) -> None:
    """The number of components that all vectors have is named, and no row to leave out."""
    movies = anywhere
    movies.load(1)
    for dimension in (E - 2, E + 2):
        movies.write(
            "models/embedding_maps.sql",
            maps().replace(f"dimension={E}", f"dimension={dimension}"),
        )
        said = movies.dbt("run", "--select", "embedding_maps", fails=True)["embedding_maps"]
        assert f"run {date(1)}" in said
        assert f"dimension is {dimension}, but all vectors have {E} components" in said
        assert f"Should dimension be {E}?" in said
        assert "Leave such rows out" not in said


def test_other_refusals(movies: Project) -> None:
    movies.load(3, 4)
    movies.dbt("build")
    kept = movies.maps()
    # A day before the first.
    movies.load(1)
    said = movies.dbt("run", fails=True)["embedding_maps"]
    assert f"no run before run {date(1)}" in said
    movies.sql(f"DELETE FROM raw.item_embeddings WHERE ds = '{date(1)}'")
    # Ids that mean something else.
    movies.load(5)
    movies.sql(
        f"UPDATE raw.item_embeddings SET id = 'i' || ((substr(id, 2)::int * 7 + 3) % 60) "
        f"WHERE ds = '{date(5)}'"
    )
    assert "is unrelated" in movies.dbt("run", fails=True)["embedding_maps"]
    # No id in common.
    movies.load(5)
    movies.sql(f"UPDATE raw.item_embeddings SET id = 'n' || id WHERE ds = '{date(5)}'")
    assert "nothing to align with" in movies.dbt("run", fails=True)["embedding_maps"]
    movies.load(5)
    said = movies.dbt("run", *again(9), fails=True)["embedding_maps"]
    assert f"again names {date(9)}, which is not in both raw tables" in said
    for key, matrix in movies.maps().items():
        np.testing.assert_array_equal(matrix, kept[key])


def test_too_few_shared_ids(anywhere: Project) -> None:
    """What they say nothing about would not be turned, and scores would change."""
    movies = anywhere
    movies.load(1)
    movies.dbt("build")
    kept = movies.maps()
    for shared, fails in ((E - 1, True), (E, False)):
        movies.load(2)
        movies.sql(
            f"UPDATE raw.item_embeddings SET id = 'n' || id WHERE ds = '{date(2)}' "
            f"AND CAST(substr(id, 2) AS int) >= {shared}"
        )
        said = movies.dbt("run", "--select", "embedding_maps", fails=fails)["embedding_maps"]
        if fails:
            assert f"determine {E - 1} of {E} directions" in said
            assert movies.maps().keys() == kept.keys()
    found = movies.maps()
    identity = found[date(2), "items"] @ found[date(2), "users"].T
    np.testing.assert_allclose(identity, np.eye(E), atol=1e-9)


def test_dead_dimension(movies: Project) -> None:
    """A column of zeros on both sides is fine: scores stay."""
    movies.load(1, 2)
    for side in SIDES:
        movies.sql(
            f"UPDATE raw.{side[:-1]}_embeddings SET embedding = list_concat(embedding[1:5], [0.0])"
        )
    movies.dbt("build")
    stable = {side: movies.stable(side) for side in SIDES}
    for day, raw in movies.raw.items():
        items, users = (raw[side][:, :5] for side in ("items", "users"))
        found = stable["items"][date(day)] @ stable["users"][date(day)].T
        np.testing.assert_allclose(found, items @ users.T, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("view", "is incremental (or a table), not view"),
        ("ephemeral", "users are an ephemeral model; make it a view"),
        # dbt does not say why a batch fails; test_dbt_macros.py has the message.
        ("microbatch", "error"),
    ],
)
def test_models_that_cannot_be(movies: Project, kind: str, message: str) -> None:
    movies.load(1)
    text = maps(users="ref('staged')")
    if kind == "view":
        text = text.replace("'incremental'", "'view'")
    if kind == "microbatch":
        batches = "incremental_strategy='microbatch', event_time='ds', batch_size='day', "
        text = text.replace("unique_key='ds'", batches + f"begin='{date(1)}'")
    movies.write("models/embedding_maps.sql", text)
    of_users = "ephemeral" if kind == "ephemeral" else "view"
    movies.write(
        "models/staged.sql",
        f"{{{{ config(materialized='{of_users}') }}}} select * from raw.user_embeddings",
    )
    said = movies.dbt("run", "--select", "+embedding_maps", fails=True)
    assert message in said["embedding_maps"]


def test_incremental_vectors(movies: Project, core: Core) -> None:
    """A stable table that takes the days that it lacks, late ones too."""
    for side in SIDES:
        path = movies.root / "models" / f"stable_{side}.sql"
        text = path.read_text().replace("'table'", "'incremental'")
        text = text.replace("'view'", "'incremental'")
        text += "{% if is_incremental() %} where ds not in (select ds from {{ this }}) {% endif %}"
        path.write_text(text)
    for days in ((1, 3), (2,), (4, 5)):
        movies.load(*days)
        movies.dbt("build")
        core.run(*days)
        movies.check(core)
    movies.dbt("build", "--full-refresh")
    movies.check(core)


# --- what dbt has ---------------------------------------------------------------------------------


def test_empty(anywhere: Project, core: Core) -> None:
    """`--empty` makes tables without rows; the next build fills them."""
    movies = anywhere
    movies.load(1)
    movies.dbt("build", "--empty")
    assert movies.maps() == movies.stable("items") == movies.stable("users") == {}
    movies.dbt("build")
    core.run(1)
    movies.check(core)
    # There, it adds nothing.
    movies.load(2)
    movies.dbt("build", "--empty", "--select", "embedding_maps")
    assert {ds for ds, _ in movies.maps()} == {date(1)}


def test_compile_and_docs_do_nothing(anywhere: Project) -> None:
    """`compile` gives the query of the next run, and makes nothing."""
    movies = anywhere
    movies.load(1)
    movies.dbt("build")
    movies.load(2)
    before = movies.maps()
    movies.dbt("parse")
    movies.dbt("docs", "generate", writes=True)
    movies.dbt("compile", writes=True)
    assert movies.maps().keys() == before.keys()
    compiled = movies.root / "target/compiled/movies/models/embedding_maps.sql"
    rows = movies.sql(compiled.read_text())
    movies.dbt("run", "--select", "embedding_maps")
    made = movies.maps()
    assert len(rows) == 2 * E * E
    for ds, side, i, j, value, feature_of in rows:
        assert (str(ds), feature_of) == (date(2), None)
        assert value == pytest.approx(made[date(2), side][i - 1, j - 1], abs=1e-9)


def test_slim_ci(movies: Project, core: Core, tmp_path: Path) -> None:
    """A changed model is built in another schema, from production's maps."""
    movies.load(1, 2)
    movies.dbt("build", writes=True)
    core.run(1, 2)
    state = tmp_path / "state"
    shutil.copytree(movies.root / "target", state)
    slim = ("--select", "state:modified", "--defer", "--state", str(state), "--target", "dev")
    assert movies.dbt("build", *slim) == {}
    path = movies.root / "models" / "stable_items.sql"
    path.write_text(path.read_text() + "where ds >= '2026-11-02'\n")
    said = movies.dbt("build", *slim, "--exclude", "resource_type:test")
    assert said == {"stable_items": said["stable_items"]}
    found = movies.stable("items", "dev.stable_items")
    assert set(found) == {date(2)}
    want = movies.raw[2]["items"] @ core.space[date(2)].maps["items"].matrix
    np.testing.assert_allclose(found[date(2)], want, atol=1e-6 * np.abs(want).max())
    # Without --defer, on a clone of production's maps.
    movies.dbt("clone", "--select", "embedding_maps", "--state", str(state), "--target", "dev")
    movies.dbt("run", "--select", "stable_items", "--target", "dev")
    assert set(movies.stable("items", "dev.stable_items")) == {date(2)}
    # A changed model of maps makes its own, of all days.
    movies.write("models/embedding_maps.sql", maps("align='first'"))
    movies.dbt("build", *slim[:1], "state:modified+", *slim[2:])
    assert {ds for ds, _ in movies.maps("dev.embedding_maps")} == {date(1), date(2)}
    movies.dbt("build")
    movies.check(core, ())


def test_retry(movies: Project, core: Core) -> None:
    """What failed is done again, and what depends on it."""
    movies.load(1)
    movies.dbt("build")
    movies.load(2)
    movies.sql(f"UPDATE raw.user_embeddings SET id = 'twice' WHERE ds = '{date(2)}'")
    movies.dbt("build", fails=True, writes=True)
    assert set(movies.stable("items")) == {date(1)}
    movies.load(2)
    movies.dbt("retry")
    core.run(1, 2)
    movies.check(core)


def test_unused_or_disabled(movies: Project) -> None:
    """A project that has the package and does not use it parses, and nothing is made."""
    shutil.rmtree(movies.root / "models")
    movies.write("models/one.sql", "select 1 as a")
    movies.dbt("build", writes=True)
    nodes = json.loads((movies.root / "target/manifest.json").read_text())["nodes"]
    assert [name for name in nodes if "sqlstab" in name] == []
    project = (movies.root / "dbt_project.yml").read_text()
    movies.write("dbt_project.yml", project + "models:\n  sqlstab:\n    +enabled: false\n")
    movies.dbt("build")


README = (ROOT / "dbt_project" / "README.md").read_text()
PACKAGES = re.findall(r"```yaml\n(packages:.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("packages", PACKAGES, ids=["local", "git"])
def test_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packages: str) -> None:
    """`dbt deps` with either file of the README, from a repository that has the package below."""
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("SQLSTAB_GIT", (tmp_path / "sqlstab").as_uri())
    shutil.copytree(ROOT / "dbt_project", tmp_path / "sqlstab" / "dbt_project")
    for command in ("init -q -b main", "add .", "-c user.name=a -c user.email=a commit -q -m a"):
        subprocess.run(["git", *command.split()], cwd=tmp_path / "sqlstab", check=True)
    movies = Project(tmp_path / "movies")
    movies.begin_models()
    package = movies.root / "dbt_packages" / "sqlstab"
    package.unlink()
    movies.write("packages.yml", packages)
    movies.dbt("deps")
    assert (package / "LICENSE").exists()
    assert package.is_symlink() == ("local" in packages)
    movies.dbt("parse")


def test_the_models_of_the_readme(movies: Project) -> None:
    """They are all that a project needs, as they stand; so are the ways to repeat or drop a day."""
    shutil.rmtree(movies.root / "models")
    for name, text in re.findall(
        r"```\w+\n(?:--|#) (models/\w+\.\w+).*?\n(.*?)```", README, re.DOTALL
    ):
        movies.write(name, re.sub(r"(dimension[=:] ?)32", rf"\g<1>{E}", text))
    for side in ("user", "item"):
        movies.sql(f"ALTER TABLE raw.{side}_embeddings RENAME id TO {side}_id")
    movies.load(1, 2)
    said = movies.dbt("build")
    assert {"embedding_maps", "stable_items", "stable_users"} < said.keys()
    kept = movies.maps()
    movies.load(2, seed=1)
    (given,) = re.findall(r"`dbt build --vars '(.*?)'`", README)
    movies.dbt("build", "--vars", given.replace("2026-11-30", date(2)))
    found = movies.maps()
    for (ds, side), matrix in found.items():
        assert np.array_equal(matrix, kept[ds, side]) == (ds == date(1))
    # The incremental table has the day anew, whether a list, a text or a date of YAML names it.
    for seed, day in enumerate((f"[{date(2)}]", f'"{date(2)}"', date(2)), start=2):
        movies.load(2, seed=seed)
        movies.dbt("build", "--vars", f"{{again: {day}}}")
        found = movies.maps()
        rows = movies.sql("SELECT ds, item_id, embedding FROM ml.stable_items")
        assert len(rows) == 2 * SIDES["items"]
        for ds, item, x in rows:
            raw = movies.raw[ds.day]["items"][int(item[1:])]
            np.testing.assert_allclose(x, raw @ found[str(ds), "items"], atol=1e-6)
    (statements,) = re.findall(r"```sql\n(delete.*?)```", README, re.DOTALL)
    movies.sql(statements.replace("2026-11-30", date(2)))
    movies.dbt("build")
    assert {ds for ds, _ in movies.maps()} == {date(1)}
    assert movies.sql("SELECT DISTINCT CAST(ds AS varchar) FROM ml.stable_items") == [(date(1),)]
    movies.load(2)
    movies.dbt("build")
    assert {ds for ds, _ in movies.maps()} == {date(1), date(2)}


def test_unit_tests(movies: Project) -> None:
    """dbt's own, with fixtures, of a model of vectors and of the model of maps."""
    rows = [
        {"ds": date(1), "side": "items", "i": i, "j": j, "value": 2.0 if i == j else 0.0}
        for i in (1, 2)
        for j in (1, 2)
    ]
    listed = "\n".join(f"        - {json.dumps({**row, 'feature_of': None})}" for row in rows)
    given = f"""
unit_tests:
  - name: a_vector_times_its_map
    model: stable_items
    given:
    - input: ref('embedding_maps')
      rows:
{listed}
    - input: source('raw', 'item_embeddings')
      format: sql
      rows: |
        select date '{date(1)}' as ds, 'a' as id, [1.0, 3.0]::double[] as embedding
        union all select date '{date(2)}', 'a', [2.0, 3.0]
    expect:
      format: sql
      rows: |
        select date '{date(1)}' as ds, 'a' as id, [2.0, 6.0]::double[] as embedding
"""
    # Powers of two, so that roots are exact; axes in order of the scores.
    given += f"""
  - name: the_first_run
    model: embedding_maps
    overrides:
      macros: {{is_incremental: false}}
    given:
    - input: source('raw', 'user_embeddings')
      format: sql
      rows: |
        select date '{date(1)}' as ds, 'u' || k as id,
          list_transform(range({E}), lambda i: if(i = k, 1.0, 0.0)) as embedding
        from range({E}) r(k)
    - input: source('raw', 'item_embeddings')
      format: sql
      rows: |
        select date '{date(1)}' as ds, 'i' || k as id,
          list_transform(range({E}), lambda i: if(i = k, power(4.0, i), 0.0)) as embedding
        from range({E}) r(k)
    expect:
      format: sql
      rows: |
        select date '{date(1)}' as ds, side, i::int as i, j::int as j,
          if(i + j = {E + 1}, power(2.0, if(side = 'items', 1 - i, i - 1)), 0)::double as value,
          null::varchar as feature_of
        from range(1, {E + 1}) a(i), range(1, {E + 1}) b(j), (values ('users'), ('items')) s(side)
"""
    movies.write("models/unit.yml", given)
    movies.load(1)
    movies.dbt("run", "--empty")
    said = movies.dbt("test", "--select", "test_type:unit")
    assert said == {"a_vector_times_its_map": "pass", "the_first_run": "pass"}
    movies.dbt("build")


def test_contracts(movies: Project) -> None:
    columns = {
        "stable_items": {"ds": "date", "id": "varchar", "embedding": "double[]"},
        "embedding_maps": {
            "ds": "date",
            "side": "varchar",
            "i": "integer",
            "j": "integer",
            "value": "double",
            "feature_of": "varchar",
        },
    }
    text = "models:\n"
    for name, types in columns.items():
        text += f"  - name: {name}\n    config: {{contract: {{enforced: true}}"
        text += ", on_schema_change: append_new_columns" if name == "embedding_maps" else ""
        text += "}\n    columns:\n"
        text += "".join(f"      - {{name: {c}, data_type: '{t}'}}\n" for c, t in types.items())
    movies.write("models/schema.yml", text)
    movies.load(1)
    movies.dbt("build")
    movies.load(2)
    movies.dbt("build")
    assert {ds for ds, _ in movies.maps()} == {date(1), date(2)}


# --- families, and other macros -------------------------------------------------------------------


def test_two_families(anywhere: Project, core: Core) -> None:
    """Two in one project, of other tables and columns, one from a ref; each is its own space."""
    movies = anywhere
    movies.load(1, 2)
    movies.sql("DROP SCHEMA IF EXISTS other CASCADE")
    movies.sql("CREATE SCHEMA other")
    for side in ("user", "item"):
        movies.sql(
            f"CREATE TABLE other.{side}s AS SELECT ds AS day, id AS {side}_id, embedding AS v, "
            f"length(id) AS size FROM raw.{side}_embeddings"
        )
    movies.write("models/other.yml", "sources: [{name: other, tables: [{name: users}]}]\n")
    movies.write(
        "models/staged.sql", "{{ config(materialized='view') }} select * from other.items\n"
    )
    movies.write(
        "models/other_maps.sql",
        "{{ config(materialized='incremental', unique_key='day') }}\n"
        "{{ sqlstab.fit_maps(users=source('other', 'users'), items=ref('staged'), run='day', "
        f"user_id='user_id', item_id='item_id', vector='v', dimension={E}, align='first') }}}}\n",
    )
    movies.write(
        "models/other_items.sql",
        "{{ config(materialized='view') }}\nselect o.day as ds, o.item_id as id, o.v as embedding, "
        "o.size from {{ sqlstab.stable(ref('staged'), maps=ref('other_maps'), side='items', "
        f"run='day', id='item_id', vector='v', keep=['size'], dimension={E}, alias='o') }}}}\n"
        "where o.size > 0\n",
    )
    movies.dbt("build")
    core.run(1, 2)
    movies.check(core)
    found, same = movies.stable("items", "ml.other_items"), movies.stable("items")
    # With one earlier run, any alignment is the same.
    for day in (date(1), date(2)):
        np.testing.assert_allclose(found[day], same[day], atol=1e-9 * np.abs(same[day]).max())
    movies.sql("DROP SCHEMA other CASCADE")


def test_maps_of_the_core_as_a_source(anywhere: Project, core: Core) -> None:
    """`sqlstab run --maps-only` writes a table that `stable` takes as it is."""
    movies = anywhere
    movies.load(1, 2)
    core.run(1, 2)
    movies.sql(
        "CREATE TABLE raw.movies_maps (ds date, side text, i integer, j integer, "
        "value double precision, feature_of text)"
    )
    for day in (1, 2):
        for side, found in core.space[date(day)].maps.items():
            rows = ", ".join(
                f"('{date(day)}', '{side}', {i + 1}, {j + 1}, {value!r}, {of})"
                for (i, j), value in np.ndenumerate(found.matrix)
                # And a feature map of the same run.
                for value, of in ((float(value), "NULL"), (0.5, f"'{date(1)}'"))
            )
            movies.sql(f"INSERT INTO raw.movies_maps VALUES {rows}")
    (movies.root / "models" / "embedding_maps.sql").unlink()
    (movies.root / "models" / "schema.yml").unlink()
    movies.write(
        "models/maps.yml", "sources: [{name: core, schema: raw, tables: [{name: movies_maps}]}]"
    )
    for side in SIDES:
        path = movies.root / "models" / f"stable_{side}.sql"
        path.write_text(
            path.read_text().replace("ref('embedding_maps')", "source('core', 'movies_maps')")
        )
    movies.dbt("build")
    for day in (1, 2):
        for side in SIDES:
            want = movies.raw[day][side] @ core.space[date(day)].maps[side].matrix
            np.testing.assert_allclose(
                movies.stable(side)[date(day)], want, atol=1e-9 * np.abs(want).max()
            )


def test_inverse_and_drift(anywhere: Project) -> None:
    movies = anywhere
    movies.load(1, 2, 3)
    call = "maps=ref('embedding_maps'), side='items', run='ds', id='id'"
    movies.write(
        "models/back.sql",
        f"select * from {{{{ sqlstab.inverse(ref('stable_items'), {call}) }}}}\n",
    )
    for name, of in (
        ("raw", "source('raw', 'item_embeddings')"),
        ("stable", "ref('stable_items')"),
    ):
        movies.write(
            f"models/drift_{name}.sql",
            f"select * from {{{{ sqlstab.drift({of}, run='ds', id='id') }}}}\n",
        )
    movies.dbt("run")
    stable, back = movies.stable("items"), movies.stable("items", "ml.back")
    for day, raw in movies.raw.items():
        np.testing.assert_allclose(back[date(day)], raw["items"], atol=1e-9)
    for name, vectors in (
        ("raw", {date(day): raw["items"] for day, raw in movies.raw.items()}),
        ("stable", stable),
    ):
        rows = movies.sql(
            "SELECT ds, earlier_run, n_ids, cosine_mean, cosine_p10, cosine_median "
            f"FROM ml.drift_{name} ORDER BY ds"
        )
        assert [(str(row[0]), str(row[1])) for row in rows] == [
            (date(2), date(1)),
            (date(3), date(2)),
        ]
        for row in rows:
            x, y = vectors[str(row[0])], vectors[str(row[1])]
            cosines = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
            wanted = [len(x), cosines.mean(), *np.quantile(cosines, [0.1, 0.5])]
            assert list(row[2:]) == pytest.approx(wanted, abs=1e-9)


def test_features(anywhere: Project, core: Core) -> None:
    """Those of the core; of some runs, from the ids that both have; none without such ids."""
    movies = anywhere
    movies.load(1, 2, 3)
    core.run(1, 2, 3)
    model = (
        "{{ config(materialized='table') }} "
        "select * from {{ sqlstab.features(ref('stable_items'), as_of='2026-11-01', run='ds', "
        f"id='id', dimension={E}{{}}) }}}}\n"
    )
    movies.write("models/features.sql", model.replace("{}", ""))
    movies.dbt("run")
    stable, found = movies.stable("items"), movies.stable("items", "ml.features")
    np.testing.assert_allclose(found[date(1)], stable[date(1)], atol=1e-9)
    for day in (2, 3):
        want = core.space.feature_map(date(1), date(day)).apply(stable[date(day)])
        np.testing.assert_allclose(found[date(day)], want, atol=1e-6 * np.abs(want).max())

    movies.sql(f"DELETE FROM ml.stable_items WHERE ds = '{date(1)}' AND id > 'i3'")
    movies.write("models/features.sql", model.replace("{}", f", runs=\"ds > '{date(2)}'\""))
    movies.dbt("run", "--select", "features")
    both = [f"i{k}" <= "i3" for k in range(SIDES["items"])]
    x, y = stable[date(3)][both], stable[date(1)][both]
    gram, cross, ridge = x.T @ x, x.T @ y, np.trace(x.T @ x) / len(x) * np.eye(E)
    matrix = np.linalg.inv(gram + ridge) @ (cross + ridge * np.trace(cross) / np.trace(gram))
    found = movies.stable("items", "ml.features")
    assert set(found) == {date(3)}
    np.testing.assert_allclose(found[date(3)], stable[date(3)] @ matrix, atol=1e-9)

    movies.sql(f"UPDATE ml.stable_items SET id = 'n' || id WHERE ds = '{date(1)}'")
    said = movies.dbt("run", "--select", "features", fails=True)["features"]
    assert f"run {date(3)} and run {date(1)} share no id with a vector other than zero" in said


def test_one_run_in_a_select(movies: Project) -> None:
    """`stable` is a relation like another: with conditions, joins and names of its own."""
    movies.load(1, 2)
    items, users = (
        f"{{{{ sqlstab.stable(source('raw', '{side[:-1]}_embeddings'), side='{side}', run='ds', "
        f"maps=ref('embedding_maps'), id='id', alias='{side}') }}}}"
        for side in ("items", "users")
    )
    movies.write(
        "models/scores.sql",
        "select items.id as item, users.id as user, "
        "list_dot_product(items.embedding, users.embedding) as score\n"
        f"from {items}\njoin {users} on users.ds = items.ds\n"
        f"where items.ds = '{date(2)}' and items.id = 'i7'\n",
    )
    movies.dbt("run")
    rows = movies.sql('SELECT item, "user", score FROM ml.scores')
    assert len(rows) == SIDES["users"]
    for item, user, score in rows:
        want = movies.raw[2]["items"][int(item[1:])] @ movies.raw[2]["users"][int(user[1:])]
        assert score == pytest.approx(want, abs=1e-9)


# --- generic tests --------------------------------------------------------------------------------

DAMAGE = {
    "valid_vectors": "UPDATE {0} SET embedding[2] = NULL WHERE id = 'i3' AND ds = '{1}'",
    "one_vector_per_id": "UPDATE {0} SET id = 'i4' WHERE id = 'i3' AND ds = '{1}'",
    # Another vector than the map's.
    "scores_preserved": "UPDATE {0} SET embedding[2] = embedding[2] + 0.1 WHERE ds = '{1}'",
    # Another map, which keeps the scores.
    "maps_are_current": (
        "UPDATE {0} SET embedding[2] = 2 * embedding[2] WHERE ds = '{1}'; "
        "UPDATE ml.stable_users SET embedding[2] = embedding[2] / 2 WHERE ds = '{1}'"
    ),
    # The same vectors for other ids.
    "aligned": (
        "UPDATE {0} SET id = 'i' || mod(CAST(substr(id, 2) AS int) * 7 + 3, 60) WHERE ds = '{1}'; "
        "UPDATE ml.stable_users SET id = 'u' || mod(CAST(substr(id, 2) AS int) * 7 + 3, 40) "
        "WHERE ds = '{1}'"
    ),
    "every_run_has_a_map": "DELETE FROM ml.embedding_maps WHERE ds = '{1}'",
}


def test_generic_tests(projects: dict[str, Project]) -> None:
    """Each fails for what it is for, and looks only at what its `where` leaves."""
    movies = projects["postgres"].begin()
    movies.load(1, 2, 3)
    users = movies.root / "models" / "stable_users.sql"
    users.write_text(users.read_text().replace("'view'", "'table'"))
    schema = movies.root / "models" / "schema.yml"
    movies.dbt("build")
    movies.sql("CREATE SCHEMA IF NOT EXISTS dev")
    tables = ("embedding_maps", "stable_items", "stable_users")
    for name in tables:
        movies.sql(f"CREATE TABLE dev.{name} AS TABLE ml.{name}")
    plain = schema.read_text()
    for test, damage in DAMAGE.items():
        for name in tables:
            movies.sql(f"TRUNCATE ml.{name}")
            movies.sql(f"INSERT INTO ml.{name} SELECT * FROM dev.{name}")
        for statement in damage.format("ml.stable_items", date(3)).split("; "):
            movies.sql(statement)
        schema.write_text(plain)
        said = movies.dbt("test", "--select", f"test_name:{test}", fails=True)
        assert {status[:4] for status in said.values()} == {"fail"}, said
        found = yaml.safe_load(plain)
        for model in found["models"]:
            for (given,) in map(dict.values, model["data_tests"]):
                given["config"] = {"where": f"ds < '{date(3)}'"}
        schema.write_text(yaml.safe_dump(found))
        said = movies.dbt("test", "--select", f"test_name:{test}")
        assert {*said.values()} == {"pass"}, said


def test_aligned_takes_vectors_as_they_stand(anywhere: Project) -> None:
    """Raw vectors fail, those of one direction too; the limit is the agreement that numpy finds."""
    movies = anywhere
    movies.load(1, 2, 3)
    movies.dbt("build")
    # near_items: raw ones, moved so far that any two have a large cosine, of whatever id and run.
    movies.write(
        "models/raw_items.sql",
        "{{ config(materialized='view') }} select * from {{ source('raw', 'item_embeddings') }}\n",
    )
    movies.write(
        "models/near_items.sql",
        "{{ config(materialized='table') }} select * from {{ ref('raw_items') }}\n",
    )
    movies.dbt("run", "--select", "raw_items", "near_items")
    shifted = ", ".join(f"embedding[{k}] + 40" for k in range(1, E + 1))
    movies.sql(f"UPDATE ml.near_items SET embedding = ARRAY[{shifted}]")

    limits, passing = {}, {"raw_items": False, "near_items": False}
    passing |= {"stable_items": True, "stable_users": True}
    for name, passes in passing.items():
        vectors = movies.stable(name.split("_")[1], f"ml.{name}")
        x, y = (v / np.linalg.norm(v, axis=1)[:, None] for v in map(vectors.get, map(date, (3, 2))))
        chance = x.mean(0) @ y.mean(0)
        if name == "near_items":
            assert (x * y).sum(1).mean() > 0.9
        agreement = ((x * y).sum(1).mean() - chance) / (1 - chance)
        assert (agreement >= 0.5) == passes
        limits[name] = {"default": 0.5, "below": agreement - 1e-6, "above": agreement + 1e-6}

    text = "models:\n"
    for name, by_name in limits.items():
        text += f"  - name: {name}\n    data_tests:\n"
        for what, limit in by_name.items():
            given = f", at_least: {limit:.9f}" if what != "default" else ""
            text += f"      - sqlstab.aligned:\n          name: {name}_{what}\n"
            text += f"          arguments: {{by: ds, id: id{given}}}\n"
    movies.write("models/schema.yml", text)
    said = movies.dbt("test", "--store-failures", fails=True)
    (days,) = movies.sql(
        "SELECT CAST(run_key AS varchar), CAST(earlier_run AS varchar) "
        "FROM ml_dbt_test__audit.raw_items_default"
    )
    assert days == (date(3), date(2))
    wanted = {
        f"{name}_{what}": what == "below" or (what == "default" and passing[name])
        for name in limits
        for what in limits[name]
    }
    assert {name: status == "pass" for name, status in said.items()} == wanted
    assert all(status[:4] in ("pass", "fail") for status in said.values()), said
