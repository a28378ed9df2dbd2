"""All options, each declared once.

The command line, the project file, Python's `Options`, the checks, the words of errors and the
documentation's table are made from these fields. To add an option, add a field.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlstab.declaration import Declaration, check, declarations, declare
from sqlstab.errors import UsageError
from sqlstab.secret import SecretUrl
from sqlstab.statements.given import EmbeddingTable
from sqlstab.statements.sides import MOST_DIMENSIONS, SIDES, VECTORS, Element, Layout, Side

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Anchor = Literal["items", "users", "both"]
MapKind = Literal["balanced", "rotation"]
Refine = Literal["auto", "always", "never"]
Strategy = Literal["auto", "sql", "arrow"]
OnInvalid = Literal["error", "drop"]

ENGINE_VARIABLE = "SQLSTAB_ENGINE"
MOST_THREADS = 1024
"""DuckDB starts as many as it is asked for, and too many take minutes."""

# The least share of the rows: the hash of an id has 32 bits.
_LEAST_SHARE = 2**-32


def _url(value: Any) -> SecretUrl:
    if isinstance(value, SecretUrl):
        return value
    raise ValueError


def _key(value: Any) -> str:
    # Of a day, which TOML has as such.
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, str):
        return value
    raise ValueError


def _share(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    if not isinstance(value, str):
        return float(value)
    text = value.strip()
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


@dataclass(frozen=True)
class EngineSettings:
    """What runs the statements: DuckDB on files, if nothing else is set.

    Attributes:
        url: A SQLAlchemy URL, or that of a Spark Connect server.
        database: The path of a DuckDB database file.
        kind: `spark`: the session of this Spark installation.
        threads: DuckDB's threads.
        memory_limit: How much memory DuckDB may take before it uses the disk, as in `4GB`.
    """

    url: SecretUrl | None = declare(
        "The database of the tables: a SQLAlchemy URL, or spark for this installation's session. "
        "Examples are postgresql+psycopg://host/name, and sc://host:port for Spark Connect. Set "
        f"the environment variable {ENGINE_VARIABLE} instead if the URL has a password; sqlstab "
        "never shows it. Default: DuckDB, in this process.",
        common=True,
        metavar="URL",
        parse=_url,
        wanted="a SQLAlchemy URL",
        option="engine",
        variable=ENGINE_VARIABLE,
        section="engine",
        commands=("run", "runs", "report", "compare", "apply", "features", "sql"),
    )
    database: str | None = declare(
        "A DuckDB database file that has the tables.",
        common=True,
        metavar="FILE",
        section="engine",
        commands=("run", "runs", "report", "compare", "apply", "features", "sql"),
    )
    kind: Literal["spark"] | None = declare(
        "spark: the Spark session of this installation.", section="engine"
    )
    threads: int | None = declare(
        "DuckDB's threads. Default: all cores.",
        metavar="N",
        least=1,
        most=MOST_THREADS,
        section="engine",
        commands=("run", "report", "compare", "apply", "features"),
    )
    memory_limit: str | None = declare(
        "How much memory DuckDB may use before it spills to disk, as in 4GB. Default: 256MB for "
        "files, 512MB for a database, and what large pages of Parquet files take.",
        metavar="SIZE",
        section="engine",
        commands=("run", "report", "compare", "apply", "features"),
    )

    def __post_init__(self) -> None:
        check(self)
        ways = [self.url, self.database, self.kind]
        if sum(way is not None for way in ways) > 1:
            raise UsageError("--engine and --database each name an engine; leave one out.")
        if self.url is not None or self.kind is not None:
            for name in ("threads", "memory_limit"):
                if getattr(self, name) is not None:
                    option = declarations(EngineSettings)[name].option
                    raise UsageError(f"--{option} is for DuckDB only.")


@dataclass(frozen=True)
class Place:
    """Where a run goes: the space and the run's key.

    Attributes:
        space: A directory, or the prefix of tables in a database.
        key: The run's key, or `COLUMN=KEY`.
    """

    space: str | None = declare(
        "The space of the run: a directory, or in a database the prefix of its tables (ml.movies).",
        common=True,
        metavar="S",
        section="space",
        key="name",
        commands=("run", "sql", "solve"),
    )
    key: str | None = declare(
        "The run's key, usually its day; COLUMN=K reads and writes that day of the tables. "
        "ds=2026-11-30 reads the rows with that ds, and writes the column ds. Keys sort from old "
        "to new. Default: the time, UTC.",
        common=True,
        parse=_key,
        wanted="text or a date",
        metavar="K|COLUMN=K",
        option="run",
        section="run",
        commands=("run", "sql", "solve"),
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Options:
    """How a run is done.

    Attributes:
        align: The earlier runs to align with: `recent` (weights fade by `memory` with each run),
            `previous`, `first`, or a run's key.
        memory: The weight of each run relative to the one after it, where `align` is `recent`.
        anchor: The sides that are aligned with the reference: `items`, `users` or `both`.
        plain_rows: Fit to the rows as they are, as the paper does, and not to rows of unit length.
        maps_only: Write the maps and no stable vectors.
        map: `balanced` maps give users and items one spread of lengths; a `rotation` is the same
            for all tables. The first run fixes it for its space; None is the space's, or
            `balanced` for a new one.
        columns: Keep at most so many columns in the stable vectors: of a larger model what agrees
            best with the space. None lets the space grow.
        rank: Keep at most so many dimensions; scores are then approximate. None keeps all.
        sample: Fit on such a share of the rows only, as in `5%` or `0.05`, chosen by a hash of the
            id; all rows are written, and scores stay exact. None takes all.
        strategy: `sql` computes everything in SQL, `arrow` streams rows through BLAS in this
            process; `auto` takes the faster one.
        refine: A second scan that restores the accuracy which a Gram matrix loses where a table's
            columns are nearly dependent: `auto` where it matters, `always`, or `never`.
        on_invalid: What to do about NULL ids, duplicate ids and broken vectors: stop with an
            `error`, or `drop` those rows (of a duplicate id, all) and say how many.
        output_layout: `wide`, `array` or `long`; None keeps each table's own.
        output_type: `float` or `double`; None keeps each table's own.
        min_agreement: A gate: the agreement on held-out ids that the run must have at least.
        min_shared_ids: A gate: how many shared ids must take part in the alignment at least.
        force: Write although a gate fails; the run says so.
    """

    align: str = declare(
        "The earlier runs to align with: recent, previous, first, or a run's key. recent is all of "
        "them, with weights that fade.",
        common=True,
        default="recent",
        metavar="RUNS",
        section="run",
        commands=("run", "sql"),
    )
    memory: float = declare(
        "With --align recent: the weight of a run relative to the one after it.",
        default=0.8,
        above=0,
        most=1,
        metavar="X",
        section="run",
        commands=("run", "sql"),
    )
    anchor: Anchor = declare(
        "Which ids hold the space in place.",
        default="items",
        section="run",
        commands=("run", "compare", "sql", "solve"),
    )
    plain_rows: bool = declare(
        "Fit to the rows as they are, as the paper does. Default: to rows of unit length.",
        default=False,
        section="run",
        commands=("run", "compare", "sql"),
    )
    maps_only: bool = declare(
        "Write the maps and no stable vectors, for views or models that multiply.",
        default=False,
        section="run",
        commands=("run", "sql"),
    )
    map: MapKind | None = declare(
        "balanced, the paper's map, evens out the lengths of users and items; rotation keeps all "
        "lengths and cosines. Both keep scores. rotation also keeps vectors that were not "
        "retrained, and leaves the first run as it is. The first run fixes the map of its space. "
        "Default: the space's, or balanced.",
        common=True,
        section="run",
        commands=("run", "sql"),
    )
    columns: int | None = declare(
        "Write at most N columns of stable vectors: of a larger model, the part that agrees best "
        "with the space. Scores are then approximate. Default: the space grows.",
        least=1,
        metavar="N",
        section="run",
        commands=("run", "sql"),
    )
    rank: int | None = declare(
        "Keep only the N most important dimensions. Scores are then approximate. Default: all.",
        least=1,
        metavar="N",
        section="run",
        commands=("run", "sql", "solve"),
    )
    sample: float | str | None = declare(
        "Fit on a share of the rows, as in 5% or 0.05, chosen by a hash of the id. A run still "
        "writes all rows, and keeps scores exactly.",
        parse=_share,
        least=_LEAST_SHARE,
        most=1,
        wanted="a share of the rows, as in 5% or 0.05",
        metavar="SHARE",
        section="run",
        commands=("run", "compare", "sql"),
    )
    strategy: Strategy = declare(
        "sql computes everything in SQL; arrow streams rows through BLAS, on DuckDB and Spark. "
        "auto takes the faster one; the results agree.",
        default="auto",
        section="run",
        commands=("run", "compare", "apply", "features", "sql"),
    )
    refine: Refine = declare(
        "A second scan for full accuracy where vector columns are nearly dependent.",
        default="auto",
        section="run",
        commands=("sql",),
    )
    on_invalid: OnInvalid = declare(
        "Stop at NULL or duplicate ids and broken vectors, or drop them (all rows of a duplicate "
        "id).",
        default="error",
        section="run",
        commands=("run", "compare", "apply", "sql"),
    )
    output_layout: Layout | None = declare(
        "One column per dimension, one array column, or one row per dimension. Default: as the "
        "input.",
        section="run",
        commands=("run", "apply", "features", "sql"),
    )
    output_type: Element | None = declare(
        "The type of a number. Default: as the input.",
        section="run",
        commands=("apply", "features", "sql"),
    )
    min_agreement: float | None = declare(
        "Write nothing, and exit with 5, if held-out ids agree less than this.",
        common=True,
        least=-1,
        most=1,
        metavar="X",
        section="run",
        commands=("run",),
    )
    min_shared_ids: int | None = declare(
        "Write nothing, and exit with 5, if fewer shared ids than this take part.",
        least=1,
        metavar="N",
        section="run",
    )
    force: bool = declare(
        "Write even if a gate fails or the verdict is unrelated. The run records that.",
        default=False,
        section="run",
        commands=("run",),
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def share(self) -> float:
        """The share of the rows that a fit looks at, in (0, 1]."""
        return 1.0 if self.sample is None else float(self.sample)

    def to_dict(self) -> dict[str, Any]:
        """Return all of them by name, as `run.json` holds them."""
        return asdict(self)

    def map_of(self, sides: Collection[Side]) -> MapKind:
        """Return the kind of maps of a first run.

        Args:
            sides: `users` and `items`, or `vectors`.

        Raises:
            UsageError: Vectors without a second side have nothing to be balanced with.
        """
        if VECTORS not in sides:
            return self.map or "balanced"
        if self.map == "balanced":
            raise UsageError(
                "--map balanced: vectors without a second side have nothing to be balanced with; "
                "leave --map out."
            )
        return "rotation"

    def anchors(self, sides: Collection[Side]) -> tuple[Side, ...]:
        """Return the tables of a run that hold the space in place.

        Args:
            sides: `users` and `items`, or `vectors`.

        Raises:
            UsageError: An option is of no use for these.
        """
        if VECTORS not in sides:
            return tuple(side for side in SIDES if self.anchor in (side, "both"))
        if self.anchor != declarations(Options)["anchor"].default:
            raise UsageError(
                "--anchor chooses between users and items; vectors without a second side are "
                "aligned with themselves."
            )
        if self.refine == "always":
            raise UsageError(
                "--refine is about the accuracy of a Gram matrix, which vectors without a second "
                "side do not need; leave it out."
            )
        return (VECTORS,)


@dataclass(frozen=True)
class Columns:
    """What the columns of a table would tell, as do `given.UNSEEN`; about all tables.

    Attributes:
        dimension: Components of a raw vector; None where the vector names a column for each.
        stable: Components of a stable vector; None for as many.
    """

    dimension: int | None = declare(
        "Components of a raw vector. Needed, unless --vector names a column for each.",
        common=True,
        least=1,
        most=MOST_DIMENSIONS,
        metavar="E",
        commands=("sql",),
    )
    stable: int | None = declare(
        "Components of a stable vector. Default: as of a raw one.",
        least=1,
        most=MOST_DIMENSIONS,
        metavar="D",
        option="stable-dimension",
        commands=("sql",),
    )

    def __post_init__(self) -> None:
        check(self)


IN_FILES: tuple[type, ...] = (Place, EngineSettings, EmbeddingTable, Options)
"""The dataclasses whose options a project file has."""

DECLARING: tuple[type, ...] = (*IN_FILES, Columns)
"""The dataclasses that declare options, in the order of a help text."""


def options_of(command: str) -> list[Declaration]:
    """Return the options that a command has on the command line."""
    return [
        declared
        for settings in DECLARING
        for declared in declarations(settings).values()
        if command in declared.commands
    ]


def options_table(settings: Sequence[type] = DECLARING) -> str:
    """Return the documentation's table of all options, in Markdown."""
    lines = ["| option | project file | values | default | what it does |", "|---|---|---|---|---|"]
    for kind in settings:
        for declared in declarations(kind).values():
            section = declared.section or "table"
            option = f"`--{declared.option}`" if declared.commands else ""
            key = f"`[{section}] {declared.key}`" if declared.section else f"`{declared.key}`"
            key = key if kind in IN_FILES else ""
            lines.append(
                f"| {option} | {key} | {_values(declared)} | {_default(declared)} "
                f"| {declared.help} |".replace("  ", " ")
            )
    return "\n".join(lines) + "\n"


def _values(declared: Declaration) -> str:
    if declared.choices:
        return ", ".join(f"`{choice}`" for choice in declared.choices)
    if declared.type is bool:
        return "yes or no"
    return (
        declared.must_be.removeprefix("must be ")
        if declared.wanted or declared.range
        else (declared.metavar or "text").replace("|", "\\|")
    )


def _default(declared: Declaration) -> str:
    if declared.required:
        return "required"
    if declared.default in (None, (), False):
        return ""
    return f"`{declared.default}`".lower() if declared.type is bool else f"`{declared.default}`"
