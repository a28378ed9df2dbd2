"""Can the vectors of two models be aligned at all? Nothing is written."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlstab import __version__, data, prepare
from sqlstab.api import Run, Space, checked_options, embedding_table
from sqlstab.errors import DataError, EngineError, UsageError
from sqlstab.flow import compare as comparing
from sqlstab.flow import drive
from sqlstab.flow.job import Job
from sqlstab.options import Options
from sqlstab.progress import Log
from sqlstab.session import connect
from sqlstab.space.key import Key, unescaped
from sqlstab.space.target import MemoryTarget, file_name
from sqlstab.statements.files import check_unchanged, is_path
from sqlstab.statements.sides import SIDES, VECTORS, Side
from sqlstab.statements.table import EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlstab.engines.base import Engine
    from sqlstab.maths.quality import Verdict
    from sqlstab.maths.solve import Matrix
    from sqlstab.progress import Progress
    from sqlstab.session import AnyEngine


@dataclass(frozen=True)
class Comparison:
    """What is known of two models.

    Attributes:
        figures: All figures, as `sqlstab compare --json` prints them.
    """

    figures: dict[str, Any]

    def __repr__(self) -> str:
        """Show the verdict and why; all figures would fill a page."""
        return f"<Comparison: {self.verdict}. {self.figures['reason']}>"

    @property
    def verdict(self) -> Verdict:
        """Whether the one can be aligned with the other."""
        verdict: Verdict = self.figures["verdict"]
        return verdict


# The options that count in a comparison.
_COMPARED = ("anchor", "plain_rows", "sample", "strategy", "on_invalid", "refine")


def compare(
    model: Any,
    reference: Any,
    engine: AnyEngine = None,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Find out how well a model can be aligned with another one, the reference; write nothing.

    Args:
        model: The model to align: a `Run`, or its name as `SPACE/KEY`; a directory with
            `users.parquet` and `items.parquet`, or with `vectors.parquet`; a pair (users, items) of
            tables, as for `Space.run`, or `"USERS,ITEMS"`; or one table of vectors that have no
            second side. Raw vectors and stable ones give the same figures.
        reference: The model to align with, likewise. Residuals and differences are relative to it.
        engine: Where the vectors are; None is the engine of a run's space, or DuckDB on files.
        options: Of these `anchor`, `plain_rows`, `sample`, `strategy`, `on_invalid` and `refine`
            count; the verdict is about the sides that `anchor` names. `score_drift` is known with
            `plain_rows` only.
        progress: Shows each step.

    Raises:
        UsageError: An option is not valid, or a name is not that of a model.
        DataError: The vectors or ids cannot be worked with.
        EngineError: The database failed.

    Example:
        >>> compare("retrained/", "movies/2026-11-29").verdict  # doctest: +SKIP
        'alignable'
    """
    given = checked_options(options)
    counting = Options(**{name: getattr(given, name) for name in _COMPARED})
    log = Log(progress)
    if engine is None:
        spaces = [each._space for each in (model, reference) if isinstance(each, Run)]
        engine = next((space._engine for space in spaces if space and space._engine), None)
    with ExitStack() as stack:
        session = stack.enter_context(connect(engine, writes=False))
        opened = [_model(each, session) for each in (model, reference)]
        _check_same_kind(*opened)
        models = [stack.enter_context(_compared(each, session)) for each in opened]
        job = Job(
            tables={},
            like={},
            options=counting,
            dialect=session.dialect,
            streams=session.streams and counting.strategy != "sql",
            reference=None,
            target=MemoryTarget("", session.dialect),
            about={},
            token=secrets.token_hex(4),
            log=log,
        )
        found = drive.execute(comparing.compare(job, *models), session, log)
    return Comparison(
        {
            "sqlstab": __version__,
            "engine": session.dialect.name,
            **found,
            "warnings": log.warnings,
        }
    )


def _model(model: Any, engine: Engine) -> Run | dict[Side, EmbeddingTable]:
    """Find out what a model is: a run, or the tables of one.

    Raises:
        UsageError: It is neither.
        DataError: The space has no such run.
    """
    if isinstance(model, Run):
        return model
    # Of (ids, matrix) the second has two dimensions, and the first is no frame.
    is_array = isinstance(model, tuple) and getattr(model[-1], "ndim", 0) == 2
    if isinstance(model, tuple) and not (is_array and not hasattr(model[0], "columns")):
        return dict(zip(SIDES, map(embedding_table, model), strict=True))
    if not isinstance(model, str | Path):
        return {VECTORS: embedding_table(model)}
    return named_model(str(model), engine)


def named_model(text: str, engine: Engine) -> Run | dict[Side, EmbeddingTable]:
    """Find out which model has a name.

    Raises:
        UsageError: None has.
        DataError: The space has no such run.
    """
    names = [name.strip() for name in text.split(",")]
    if len(names) == len(SIDES) and all(names) and not Path(text).exists():
        return dict(zip(SIDES, map(embedding_table, names), strict=True))
    in_tables = getattr(engine, "holds_tables", True)
    path = Path(text)
    found = _files_of_model(path) or (None if in_tables else _run_in_files(path))
    if found is not None:
        return found
    if _is_table(text, engine):
        return {VECTORS: EmbeddingTable(text)}
    space, _, key = text.rstrip("/").rpartition("/")
    if space and in_tables and not is_path(key):
        return Space(space, engine)[key]
    raise UsageError(
        f"{text} is no model to compare: it is no directory with "
        f"{' and '.join(map(file_name, SIDES))} or with {file_name(VECTORS)}, no run as SPACE/KEY, "
        "and no table. Name one of these, two tables as USERS,ITEMS, or a table of vectors that "
        "have no second side."
    )


def _files_of_model(path: Path) -> dict[Side, EmbeddingTable] | None:
    """Return the tables of a directory that is not a run's; None for anything else."""
    for sides in (SIDES, (VECTORS,)):
        files = {side: path / file_name(side) for side in sides}
        if "=" not in path.name and all(file.is_file() for file in files.values()):
            return {side: EmbeddingTable(str(file)) for side, file in files.items()}
    return None


def _run_in_files(path: Path) -> Run | None:
    """Return the run that `SPACE/KEY` or the path of its folder names; None for anything else."""
    if path.is_dir() and "=" in path.name:
        return Space(path.parent)[unescaped(path.name.partition("=")[2])]
    if not path.exists() and any(path.parent.glob("*=*")):
        return Space(path.parent)[path.name]
    return None


def _is_table(name: str, engine: Engine) -> bool:
    """Return whether a table has this name, or a file that the engine reads as one."""
    if engine.dialect.reads_files and (Path(name).is_file() or set("*?[:") & set(name)):
        return is_path(name)
    try:
        return engine.kind(name) is not None
    except (EngineError, UsageError):  # a path is no name of a table
        return False


def _check_same_kind(
    model: Run | dict[Side, EmbeddingTable], reference: Run | dict[Side, EmbeddingTable]
) -> None:
    """Raise unless both have two sides, or both are a table alone.

    Raises:
        UsageError: They differ.
    """
    both = {"model": model, "reference": reference}
    sides = {name: _sides(opened) for name, opened in both.items()}
    if sides["model"] == sides["reference"]:
        return
    alone = next(name for name, found in sides.items() if found == [VECTORS])
    remedy = "" if isinstance(both[alone], Run) else f" Name the {alone} as USERS,ITEMS."
    has = ", ".join(f"the {name} has {' and '.join(found)}" for name, found in sides.items())
    raise UsageError(f"{has.capitalize()}: they cannot be compared.{remedy}")


def _sides(opened: Run | dict[Side, EmbeddingTable]) -> list[Side]:
    found = opened.maps.sides if isinstance(opened, Run) else opened
    return [side for side in (*SIDES, VECTORS) if side in found]


@contextmanager
def _compared(
    opened: Run | dict[Side, EmbeddingTable], engine: Engine
) -> Iterator[comparing.Model]:
    """Let statements read the tables of a model.

    Raises:
        DataError: A run wrote no vectors; or a column is missing or cannot be used.
    """
    if not isinstance(opened, Run):
        with data.registered(opened, engine) as named:
            raw = prepare.tables_of(named, {}, Key.parse(None), engine)
            yield comparing.Model(raw.tables)
            check_unchanged(raw.versions)
        return
    outputs = opened.figures["outputs"]
    if outputs is None:
        raise DataError(
            f"Run {opened.key} wrote its maps only; compare its raw tables, as USERS,ITEMS."
        )
    sides = _sides(opened)
    tables = {side: prepare.stored_table(side, outputs[side]) for side in sides}
    with ExitStack() as stack:
        if opened._space is None:
            held = {side: EmbeddingTable(opened.table(side).arrow(), id=None) for side in sides}
            names = stack.enter_context(data.registered(held, engine))
            tables = {
                side: replace(table, relation=names[side].relation)
                for side, table in tables.items()
            }
        else:
            with opened._space._opened(writes=False) as (_, space):
                opened._space._check_same(space, opened.key, opened.figures)
                tables = {
                    side: prepare.placed(table, space.reference(side, {opened.key: 1.0}))
                    for side, table in tables.items()
                }
        back: dict[Side, Matrix | None] = {}
        for side in sides:
            known = opened.maps[side]
            back[side] = known.inverse_matrix if known.invertible else None
        yield comparing.Model(tables, back)
