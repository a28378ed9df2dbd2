"""A dbt project on an engine, with trainings that the tests make up, and what the core gives."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import psycopg
import yaml
from conftest import write_vectors
from packaging.version import Version

from sqlstab import Options, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

ROOT = Path(__file__).parent.parent
E = 6
SIDES = {"users": 40, "items": 60}

# dbt takes `arguments` of a test from 1.10.5 on.
OLD = Version(version("dbt-core")) < Version("1.10.5")

# Ids and vectors of each side, of a day and a seed.
Training = dict[str, tuple[list[str], np.ndarray]]


def training(day: int, seed: int = 0) -> Training:
    """Vectors of one day: the same scores as on others but for noise, in axes of their own."""
    truth = np.random.default_rng(1)
    rng = np.random.default_rng((day, seed))
    vectors = {side: truth.normal(size=(n, E)) * np.arange(E, 0, -1) for side, n in SIDES.items()}
    axes = np.linalg.qr(rng.normal(size=(E, E)))[0] * rng.uniform(0.5, 2, E)
    turned = {"items": axes, "users": np.linalg.inv(axes).T}
    return {
        side: (
            [f"{side[0]}{k}" for k in range(len(x))],
            (x + 0.3 * rng.normal(size=x.shape)) @ turned[side],
        )
        for side, x in vectors.items()
    }


def date(day: int) -> str:
    """The key of a day."""
    return f"2026-11-{day:02d}"


def again(*days: int) -> tuple[str, str]:
    """Options that ask for maps to be made again."""
    return "--vars", json.dumps({"again": [date(day) for day in days]})


def _arguments_outside(text: str) -> str:
    """Models with tests in the words of an older dbt."""
    found = yaml.safe_load(text)
    for model in found["models"]:
        for (given,) in map(dict.values, model["data_tests"]):
            given.update(given.pop("arguments"))
    return yaml.safe_dump(found)


@dataclass
class Project:
    """The project of examples/dbt, on DuckDB or Postgres.

    Attributes:
        root: Its directory.
        url: Of Postgres; None for DuckDB.
        training: What a day's training gives.
        dimension: Components of a vector.
        raw: The vectors in the raw tables, by day and side.
        ids: Their ids.
    """

    root: Path
    url: str | None = None
    training: Callable[[int, int], Training] = training
    dimension: int = E
    raw: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    ids: dict[int, dict[str, list[str]]] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Its name among the profile's."""
        return "postgres" if self.url else "duckdb"

    def begin(self) -> Project:
        """Have no tables and the models of the example alone."""
        self.begin_models()
        for schema in ("raw", "ml", "dev"):
            self.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        self.sql("CREATE SCHEMA raw")
        vector = "double precision[]"
        for side in SIDES:
            self.sql(
                f"CREATE TABLE raw.{side[:-1]}_embeddings (ds date, id text, embedding {vector})"
            )
        self.raw = {}
        return self

    def begin_models(self) -> None:
        """Have the models of the example alone."""
        self.root.mkdir(exist_ok=True)
        shutil.rmtree(self.root / "models", ignore_errors=True)
        example = ROOT / "examples" / "dbt"
        (self.root / "dbt_project.yml").write_text((example / "dbt_project.yml").read_text())
        (self.root / "profiles.yml").write_text(yaml.safe_dump(self._profile()))
        self.write("packages.yml", f"packages: [{{local: {ROOT / 'dbt_project'}}}]\n")
        package = self.root / "dbt_packages" / "sqlstab"
        if not package.exists():
            package.parent.mkdir()
            package.symlink_to(ROOT / "dbt_project")
        for path in (example / "models").iterdir():
            text = path.read_text().replace("dimension=32", f"dimension={self.dimension}")
            self.write(
                f"models/{path.name}", text.replace("dimension: 32", f"dimension: {self.dimension}")
            )

    def _profile(self) -> dict[str, Any]:
        if self.url:
            known = psycopg.conninfo.conninfo_to_dict(self.url.replace("+psycopg", ""))
            place: dict[str, Any] = {
                "type": "postgres",
                "host": known["host"],
                "port": int(known.get("port", 5432)),
                "user": known["user"],
                "password": known.get("password", ""),
                "dbname": known["dbname"],
            }
        else:
            place = {"type": "duckdb", "path": str(self.root / "movies.duckdb")}
        outputs = {
            name: {**place, "schema": schema, "threads": 2}
            for name, schema in ((self.target, "ml"), ("dev", "dev"))
        }
        return {"movies": {"target": self.target, "outputs": outputs}}

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_arguments_outside(text) if "arguments:" in text and OLD else text)

    def dbt(self, *arguments: str, fails: bool = False, writes: bool = False) -> dict[str, str]:
        """Run a command.

        Args:
            arguments: The command and its options.
            fails: Whether it is to fail.
            writes: Whether another command reads what it leaves in target/, which takes time.

        Returns:
            The status of each node by its name, and its message if there is one; `exception` has
            what is not of a node.
        """
        from dbt.cli.main import dbtRunner  # noqa: PLC0415 - takes a second

        place = ["--project-dir", str(self.root), "--profiles-dir", str(self.root)]
        found = dbtRunner().invoke(
            [*arguments, *place, "--quiet", "--log-level-file=none"]
            + ([] if writes else ["--no-write-json"])
        )
        said = {"exception": str(found.exception)} if found.exception else {}
        for result in getattr(found.result, "results", []):
            message = f": {result.message}" if str(result.status) in ("error", "fail") else ""
            said[result.node.name] = f"{result.status}{message}"
        assert found.success != fails, said
        return said

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Run a statement."""
        if self.url:
            with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
                done = connection.execute(text)
                return done.fetchall() if done.description else []
        with duckdb.connect(str(self.root / "movies.duckdb")) as connection:
            return connection.execute(text).fetchall()

    def load(self, *days: int, seed: int = 0) -> None:
        """Put days into the raw tables, in place of what is there of them."""
        for day in days:
            found = self.training(day, seed)
            self.raw[day] = {side: x for side, (_, x) in found.items()}
            self.ids[day] = {side: ids for side, (ids, _) in found.items()}
            for side, (ids, vectors) in found.items():
                table = f"raw.{side[:-1]}_embeddings"
                self.sql(f"DELETE FROM {table} WHERE ds = '{date(day)}'")
                rows = ", ".join(
                    f"('{date(day)}', '{name}', ARRAY[{', '.join(f'{float(v)!r}' for v in x)}])"
                    for name, x in zip(ids, vectors, strict=True)
                )
                self.sql(f"INSERT INTO {table} VALUES {rows}")

    def maps(self, table: str = "ml.embedding_maps") -> dict[tuple[str, str], np.ndarray]:
        """The maps that are there, by day and side."""
        found: dict[tuple[str, str], np.ndarray] = {}
        for ds, side, i, j, value in self.sql(f"SELECT ds, side, i, j, value FROM {table}"):
            matrix = found.setdefault((str(ds), side), np.full((self.dimension,) * 2, np.nan))
            assert np.isnan(matrix[i - 1, j - 1]), "an entry twice"
            matrix[i - 1, j - 1] = value
        return found

    def stable(self, side: str, table: str | None = None) -> dict[str, np.ndarray]:
        """The stable vectors by day, in the order of the raw ones."""
        found: dict[str, dict[str, list[float]]] = {}
        for ds, id_, x in self.sql(f"SELECT ds, id, embedding FROM {table or f'ml.stable_{side}'}"):
            day = found.setdefault(str(ds), {})
            assert id_ not in day, "an id twice"
            day[id_] = x
        ids = {date(day): names[side] for day, names in self.ids.items()}
        assert all(day.keys() == {*ids[ds]} for ds, day in found.items())
        return {ds: np.array([day[name] for name in ids[ds]]) for ds, day in found.items()}

    def check(self, core: Core, sides: Collection[str] = ("items", "users")) -> None:
        """Maps and stable vectors are the core's, of all days there are."""
        maps, wanted = self.maps(), core.space
        assert {ds for ds, _ in maps} == {run.key for run in wanted.runs}
        for (ds, side), matrix in maps.items():
            want = wanted[ds].maps[side].matrix
            np.testing.assert_allclose(matrix, want, atol=1e-6 * np.abs(want).max())
        stable = {side: self.stable(side) for side in sides}
        for day, raw in self.raw.items():
            for side, vectors in stable.items():
                want = raw[side] @ wanted[date(day)].maps[side].matrix
                np.testing.assert_allclose(vectors[date(day)], want, atol=1e-6 * np.abs(want).max())
            if len(stable) == 2:
                scores = raw["items"] @ raw["users"].T
                found = stable["items"][date(day)] @ stable["users"][date(day)].T
                np.testing.assert_allclose(found, scores, atol=1e-6 * np.abs(scores).max())


class Core:
    """A space of the core, with the same trainings."""

    def __init__(
        self, folder: Path, training: Callable[[int, int], Training] = training, **options: Any
    ) -> None:
        self.folder = folder
        folder.mkdir()
        self.training = training
        self.space = Space(str(folder / "space"))
        # The reference's stable vectors in double, as a warehouse computes them from the maps.
        self.options = Options(output_type="double", **options)

    def run(self, *days: int, seed: int = 0) -> None:
        """Do days, in this order."""
        for day in days:
            paths = {
                side: write_vectors(self.folder / f"{side}.parquet", vectors, np.array(ids))
                for side, (ids, vectors) in self.training(day, seed).items()
            }
            self.space.run(paths["users"], paths["items"], key=date(day), options=self.options)
