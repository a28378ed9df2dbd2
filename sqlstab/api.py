"""What Python calls: a space and its runs, a run in memory, a comparison."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlstab import data, prepare
from sqlstab.errors import ConflictError, DataError, UsageError
from sqlstab.flow import drive, write
from sqlstab.flow import run as flow
from sqlstab.flow.reference import Member
from sqlstab.maths.maps import Maps
from sqlstab.options import Options
from sqlstab.progress import Log
from sqlstab.session import connect
from sqlstab.space.directory import DirectorySpace
from sqlstab.space.entry import Rows
from sqlstab.space.key import Key
from sqlstab.space.target import MemoryTarget
from sqlstab.statements import ddl
from sqlstab.statements.sides import SIDES, VECTORS, Side
from sqlstab.statements.table import EmbeddingTable, FurtherTable, check_further

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from pathlib import Path

    import pyarrow as pa

    from sqlstab.engines.base import Engine
    from sqlstab.maths.features import FeatureMap
    from sqlstab.prepare import AnySpace
    from sqlstab.progress import Progress
    from sqlstab.report import Report
    from sqlstab.session import AnyEngine
    from sqlstab.space.entry import Entry
    from sqlstab.statements.statement import Statement


@dataclass(frozen=True)
class Relation:
    """The stable rows of a table in one run.

    Attributes:
        name: What they are called.
        read: Reads them: an Arrow table, or a DataFrame of Spark.
    """

    name: str
    read: Any = field(repr=False)

    def arrow(self) -> pa.Table:
        """Return them as an Arrow table."""
        found = self.read()
        if data.is_frame_of_spark(found):
            from sqlstab.engines.spark import collected  # noqa: PLC0415 - an extra

            return collected(found)
        table: pa.Table = found
        return table

    def spark(self) -> Any:
        """Return them as a DataFrame of Spark, which nothing has computed yet.

        Raises:
            UsageError: The run is in no Spark session of yours.
        """
        found = self.read()
        if data.is_frame_of_spark(found):
            return found
        raise UsageError(
            f"The {self.name} are not in a Spark session of yours: give DataFrames of Spark, or a "
            "space a SparkSession as its engine."
        )

    def df(self) -> Any:
        """Return them as a data frame of pandas."""
        return self.arrow().to_pandas()

    def pl(self) -> Any:
        """Return them as a data frame of polars.

        Raises:
            UsageError: polars is not installed.
        """
        try:
            import polars as pl  # noqa: PLC0415 - the user's own
        except ImportError as error:
            raise UsageError("polars is not installed here: pip install polars.") from error
        return pl.from_arrow(self.arrow())

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.arrow().__arrow_c_stream__(requested_schema)


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        key: Its key.
        figures: What `run.json` holds.
        maps: The maps of its tables.
    """

    key: str
    figures: dict[str, Any]
    maps: Maps
    _relations: Any = field(repr=False, compare=False)
    _space: Space | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        """Show what one asks of a run first."""
        cosine = self.figures["cosine"] or {}
        tables = []
        for side, known in self.figures["tables"].items():
            after = cosine.get(side, {}).get("after")
            agrees = f" (mean cosine {after['mean']:.3f})" if after else ""
            tables.append(f"{side} {known['rows']:,} x {known['dimension']}{agrees}")
        reference = self.figures["reference"]
        space = f"aligned with {reference['run']}" if reference else "the first of its space"
        return f"<Run {self.key}: {', '.join(tables)}; {space}>"

    def table(self, side: Side) -> Relation:
        """Return the stable rows of a table.

        Its rows are read when they are asked for, which fails if the run has been written again or
        dropped by then.

        Raises:
            DataError: The run has no such table, or wrote its maps only.
        """
        if side not in self.figures["tables"]:
            known = " and ".join(self.figures["tables"])
            raise DataError(f"Run {self.key} has no table {side}; it has {known}.")
        if self.figures["outputs"] is None:
            raise DataError(
                f"Run {self.key} wrote its maps only; its stable {side} are its raw ones times "
                f'maps["{side}"].'
            )
        return Relation(f"stable {side} of run {self.key}", lambda: self._relations(side))

    @property
    def users(self) -> Relation:
        """The users' stable vectors."""
        return self.table("users")

    @property
    def items(self) -> Relation:
        """The items' stable vectors."""
        return self.table("items")

    @property
    def vectors(self) -> Relation:
        """The stable vectors of a table without a second side."""
        return self.table(VECTORS)


class Space:
    """Runs whose stable vectors can be compared.

    Args:
        name: A directory; or with an engine the prefix of tables in a database, as in `ml.movies`.
        engine: Where the tables are: a DuckDB connection or the path of a database file, a
            SparkSession, a SQLAlchemy engine or URL. None is a directory, read by DuckDB.
        tables: Tables by name, instead of those with the prefix: `users`, `items`, `maps`, `runs`.

    Example:
        >>> space = Space("movies/")  # doctest: +SKIP
        >>> run = space.run("users.parquet", "items.parquet", key="2026-11-30")  # doctest: +SKIP
        >>> run.figures["alignment"]["agreement"]  # doctest: +SKIP
        0.81
    """

    def __init__(
        self,
        name: str | Path,
        engine: AnyEngine = None,
        *,
        tables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = str(name)
        self._engine = engine
        self._tables = dict(tables or {})

    def __repr__(self) -> str:
        """Show its name."""
        return f"Space({self.name!r})"

    def run(
        self,
        users: Any = None,
        items: Any = None,
        *,
        vectors: Any = None,
        also: Mapping[str, FurtherTable] | None = None,
        key: str | date | None = None,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> Run:
        """Put a retrained model's vectors into this space; no score changes.

        Args:
            users: The user vectors: a table's name, a path, an `EmbeddingTable`, a frame that
                speaks Arrow, or `(ids, matrix)`.
            items: The item vectors.
            vectors: Vectors that have no second side, instead of users and items.
            also: Further tables by name, such as `queries`, each with the map of one side.
            key: What names the run and sorts it among the others, as in `2026-11-30`, or a date;
                `ds=2026-11-30` takes the inputs' rows with that `ds`. None is the time in UTC.
            options: How to align, what to keep, how to write.
            progress: Shows each step.

        Returns:
            The run: its key, figures, maps and tables.

        Raises:
            UsageError: An option, a name or a combination of them is not valid.
            DataError: The vectors or ids cannot be worked with.
            EngineError: The database or the disk failed.
            GateError: The alignment is not as good as the options demand, or the vectors are
                unrelated to those of the space.
        """
        options, log = checked_options(options), Log(progress)
        given = named_tables(users, items, vectors)
        with (
            self._opened(writes=True) as (engine, space),
            data.registered(given, engine) as named,
            data.registered_further(embedded(also), engine) as more,
        ):
            tables = prepare.tables_of(named, more, Key.parse(key), engine)
            prepare.check_maps_only(tables, options)
            space.check_inputs({side: table.relation for side, table in tables.tables.items()})
            around = space.around(tables.key)
            reference = prepare.reference_of(space, around, tables, options, engine, log)
            size = prepare.dimension_of(next(iter(tables.tables.values())), engine)
            outputs = prepare.outputs_of(tables, options, size, reference, engine.dialect)
            space.check(outputs, tables.key)
            if reference:
                prepare.warn_of_columns(outputs, reference, engine, log)
            with space.staging(tables.key) as target:
                job = prepare.job_of(
                    tables, reference, target, options, engine, log, size, around.newest_after
                )
                done = drive.execute(flow.run(job), engine, log)
                space.finish(target, done.maps.matrices, done.figures)
        return self._made(tables.key.value, done.figures, done.maps)

    def explain(
        self,
        users: Any = None,
        items: Any = None,
        *,
        vectors: Any = None,
        also: Mapping[str, FurtherTable] | None = None,
        key: str | None = None,
        options: Options | None = None,
    ) -> list[Statement[Any]]:
        """List the statements of a run, in order, and run none of them; arguments as of `run`."""
        # What stands in for figures need not pass a gate.
        options = replace(checked_options(options), min_agreement=None, min_shared_ids=None)
        log, given = Log(), named_tables(users, items, vectors)
        with (
            self._opened(writes=False) as (engine, space),
            data.registered(given, engine) as named,
            data.registered_further(embedded(also), engine) as more,
        ):
            tables = prepare.tables_of(named, more, Key.parse(key), engine)
            prepare.check_maps_only(tables, options)
            around = space.around(tables.key)
            reference = prepare.reference_of(space, around, tables, options, engine, log)
            size = prepare.dimension_of(next(iter(tables.tables.values())), engine)
            outputs = prepare.outputs_of(tables, options, size, reference, engine.dialect)
            space.check(outputs, tables.key, make=False)
            target = space.target(tables.key)
            job = prepare.job_of(tables, reference, target, options, engine, log, size)
            return drive.explain(flow.run(job))

    @property
    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        with self._opened(writes=False) as (_, space):
            return [self._loaded(space, entry) for entry in space.entries()]

    @property
    def entries(self) -> list[Entry]:
        """The keys and figures of all runs, oldest first, without their maps."""
        with self._opened(writes=False) as (_, space):
            entries = space.entries()
            for entry in entries:
                prepare.check_figures(entry.figures, f"run {entry.key}")
            return entries

    @property
    def newest(self) -> Run | None:
        """The run whose key sorts last; None where there is none."""
        with self._opened(writes=False) as (_, space):
            entries = space.entries()
            return self._loaded(space, entries[-1]) if entries else None

    def __getitem__(self, key: str) -> Run:
        """Return the run with a key.

        Raises:
            DataError: There is none.
        """
        with self._opened(writes=False) as (_, space):
            return self._loaded(space, _entry(space, key, self.name))

    def drop(self, *keys: str) -> list[str]:
        """Remove runs: their stable rows, maps and figures.

        Returns:
            The keys.

        Raises:
            DataError: One of them is not there; none is removed then.
        """
        once = list(dict.fromkeys(keys))
        with self._opened(writes=True) as (_, space):
            for key in once:
                _entry(space, key, self.name)
            if once:
                space.drop(once)
        return once

    def keep(self, newest: int) -> list[str]:
        """Remove all runs but the newest ones.

        Args:
            newest: How many stay, at least one.

        Returns:
            The keys of those that were removed.
        """
        if newest < 1:
            raise UsageError("keep: at least one run must stay; drop removes runs by their keys.")
        with self._opened(writes=True) as (_, space):
            keys = [entry.key for entry in space.entries()[:-newest]]
            if keys:
                space.drop(keys)
        return keys

    def apply(
        self,
        tables: Mapping[Side, Any],
        outputs: Mapping[Side, str | Path],
        key: str | None = None,
        *,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Write the stable vectors of fresh rows with the maps of a run.

        Args:
            tables: The raw vectors, by the name of the table whose map they take; or a
                `FurtherTable` by a name of its own.
            outputs: The Parquet file or the table that each is written to; it must not be there.
            key: The run whose maps are used; None for the newest.
            options: Of these `strategy`, `on_invalid`, `output_layout` and `output_type` count.
            progress: Shows each step.

        Raises:
            UsageError: An output exists already, or a name is not valid.
            DataError: There is no such run, or the vectors cannot be worked with.
            EngineError: The database or the disk failed.
        """
        from sqlstab.space.output import OneTarget  # noqa: PLC0415

        options, log = checked_options(options), Log(progress)
        further = {name: one for name, one in tables.items() if isinstance(one, FurtherTable)}
        given = {
            side: embedding_table(further[side].table if side in further else table)
            for side, table in tables.items()
        }
        with self._opened(writes=True) as (engine, space), data.registered(given, engine) as named:
            entries = space.entries()
            if not entries:
                raise DataError(
                    f"The space {self.name} has no runs, so there are no maps to apply."
                )
            entry = entries[-1] if key is None else _entry(space, key, self.name)
            run = self._loaded(space, entry)
            target = OneTarget.of(outputs, engine)
            like = {name: one.like for name, one in further.items()}
            check_further(like, run.maps.sides)
            maps = replace(run.maps, like={**run.maps.like, **like})
            known = prepare.tables_of(named, {}, Key.parse(None), engine, maps)
            space.check_inputs({side: table.relation for side, table in known.tables.items()})
            for side in tables:
                if not maps[side].is_whole:
                    log.warn(
                        f"{side}: the maps of run {run.key} leave out directions, those in which "
                        "its tables had nothing or that were cut off; scores of vectors that have "
                        "something there are not kept."
                    )
            job = prepare.job_of(known, None, target, options, engine, log, run.maps.shape[0])
            with target.whole():
                drive.execute(write.apply(job, maps), engine, log)

    def feature_map(
        self,
        as_of: str,
        key: str | None = None,
        table: Side = "items",
        *,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> FeatureMap:
        """Fit what turns stable vectors of a run into features for a model trained on another.

        The space keeps the map with the maps of the run. It shortens vectors and does not
        keep scores, so it is for models that read vectors, not for serving.

        Args:
            as_of: The run J that the model was trained on.
            key: The run K whose vectors it is to read; None for the newest.
            table: Whose vectors.
            options: Of these `strategy` counts.
            progress: Shows each step.

        Raises:
            DataError: There is no such run or table, it has no stable rows, or no ids are shared.
            EngineError: The database or the disk failed.

        Example:
            >>> space.feature_map("2026-11-01").apply(vectors)  # doctest: +SKIP
        """
        return self._features(as_of, key, [table], {}, options, progress)[table]

    def features(
        self,
        as_of: str,
        outputs: Mapping[Side, str | Path],
        key: str | None = None,
        *,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> dict[Side, FeatureMap]:
        """Write the vectors of a run as features for a model that was trained on another run.

        Args:
            as_of: The run J that the model was trained on.
            outputs: The Parquet file or the table that the features of each table are written to;
                it must not be there. Without any, the maps of all tables are kept, and that is all.
            key: The run K whose vectors it is to read; None for the newest.
            options: Of these `strategy`, `output_layout` and `output_type` count.
            progress: Shows each step.

        Returns:
            The feature maps, as of `feature_map`.

        Raises:
            UsageError: An output exists already, or a name is not valid.
            DataError: There is no such run or table, it has no stable rows, or no ids are shared.
            EngineError: The database or the disk failed.
        """
        return self._features(as_of, key, list(outputs), outputs, options, progress)

    def _features(
        self,
        as_of: str,
        key: str | None,
        sides: list[Side],
        outputs: Mapping[Side, str | Path],
        options: Options | None,
        progress: Progress | None,
    ) -> dict[Side, FeatureMap]:
        """Fit, keep and use the feature maps of some tables; of all that both runs have for none.

        Raises:
            ConflictError: One of the runs was written again meanwhile.
        """
        from sqlstab.flow import features as flowing  # noqa: PLC0415 - few ask for them
        from sqlstab.space.output import OneTarget  # noqa: PLC0415

        log = Log(progress)
        options = replace(checked_options(options), plain_rows=True, sample=None)
        with self._opened(writes=True) as (engine, space):
            entries = space.entries()
            if not entries:
                raise DataError(f"The space {self.name} has no runs.")
            run = entries[-1] if key is None else _entry(space, key, self.name)
            model = _entry(space, as_of, self.name)
            for entry in (run, model):
                prepare.check_entry(entry, log)
            known = model.figures["tables"]
            sides = sides or [side for side in run.figures["tables"] if side in known]
            rows = {side: prepare.written(space, run, side) for side in sides}
            members = {
                side: Member(prepare.written(space, model, side), model.figures["dimension"])
                for side in sides
            }
            target = OneTarget.of(outputs, engine)
            tables = prepare.Tables(rows, {}, {}, Key(run.key), set(), {})
            size = run.figures["dimension"]
            job = prepare.job_of(tables, None, target, options, engine, log, size)
            maps = drive.execute(flowing.fit(job, members, as_of), engine, log)
            for entry in (run, model):
                self._check_same(space, entry.key, entry.figures)
            matrices = {side: found.matrix for side, found in maps.items()}
            space.keep_features(run.key, model.key, matrices)
            if outputs:
                with target.whole():
                    drive.execute(flowing.write(job, matrices), engine, log)
        return maps

    def report(self, key: str | None = None, *, progress: Progress | None = None) -> Report:
        """Measure whether this space holds, or whether one of its runs worked.

        Args:
            key: The run; None is the space, over all its runs.
            progress: Shows each step.

        Raises:
            DataError: There is no such run, or ids or vectors cannot be compared.
            EngineError: The database or the disk failed.

        Example:
            >>> page = space.report("2026-11-30").text("html")  # doctest: +SKIP
        """
        from sqlstab import report as reporting  # noqa: PLC0415 - few ask for one

        with self._opened(writes=False) as (engine, space):
            entries = space.entries()
            if not entries:
                raise DataError(f"The space {self.name} has no runs to report on.")
            if key is None:
                return reporting.on_space(space, self.name, engine, Log(progress))
            return reporting.on_run(space, _entry(space, key, self.name).key, engine, Log(progress))

    def _loaded(self, space: AnySpace, entry: Entry) -> Run:
        prepare.check_figures(entry.figures, f"run {entry.key}")
        figures = entry.figures
        maps = Maps.of(space.maps(entry.key), figures["like"], figures["invertible"])
        return self._made(entry.key, figures, maps)

    def _made(self, key: str, figures: dict[str, Any], maps: Maps) -> Run:
        def read(side: Side) -> pa.Table:
            with self._opened(writes=False) as (engine, space):
                rows = space.reference(side, {key: 1.0})
                found = data.stable_rows(rows, figures["outputs"][side], engine)
                self._check_same(space, key, figures)
                return found

        return Run(key, figures, maps, read, self)

    def _check_same(self, space: AnySpace, key: str, figures: Mapping[str, Any]) -> None:
        """Check that a run is still the one that figures are of.

        Raises:
            ConflictError: It has been written again.
            DataError: It is no longer there.
        """
        if _entry(space, key, self.name).figures.get("created") != figures["created"]:
            raise ConflictError(
                f"Run {key} has been written again meanwhile: take it anew from the space "
                f"{self.name}."
            )

    @contextmanager
    def _opened(self, *, writes: bool) -> Iterator[tuple[Engine, AnySpace]]:
        """Open the engine and the space for as long as the context lasts."""
        with connect(self._engine, writes=writes) as engine:
            if not getattr(engine, "holds_tables", True):
                if self._tables:
                    raise UsageError(
                        f"On files a space is a directory, whose files are called as its tables "
                        f"are: leave out the names of {' and '.join(self._tables)}, or name a "
                        "database."
                    )
                yield engine, DirectorySpace(self.name)
                return
            from sqlstab.space.tables import TablesSpace  # noqa: PLC0415

            if engine.dialect.reads_files and "/" in self.name and '"' not in self.name:
                raise UsageError(
                    f"{self.name} is a path; in a database a space is the prefix of its tables, as "
                    "in ml.movies. For a directory, name no engine."
                )
            yield engine, TablesSpace(engine, self._tables or self.name)


def stabilize(
    users: Any = None,
    items: Any = None,
    reference: Run | None = None,
    *,
    vectors: Any = None,
    also: Mapping[str, FurtherTable] | None = None,
    options: Options | None = None,
    engine: AnyEngine = None,
    progress: Progress | None = None,
) -> Run:
    """Put a retrained model's vectors into the space of an earlier run, in memory.

    DataFrames of Spark stay where they are, and so do the results, which Spark computes when they
    are used.

    Args:
        users: The user vectors, as for `Space.run`.
        items: The item vectors.
        reference: The run to align with; None begins a space.
        vectors: Vectors that have no second side, instead of users and items.
        also: Further tables by name.
        options: How to align; what is about several runs does not count.
        engine: A DuckDB connection or a Spark session that has the tables; None is the session of
            DataFrames of Spark, or else DuckDB of its own.
        progress: Shows each step.

    Returns:
        The run, whose tables are in memory; on Spark they are views of the session.

    Example:
        >>> monday = stabilize(users, items)  # doctest: +SKIP
        >>> tuesday = stabilize(users2, items2, reference=monday)  # doctest: +SKIP
        >>> tuesday.items.df()  # doctest: +SKIP
    """
    if not isinstance(reference, Run | None):
        raise UsageError(
            f"reference is a Run, as stabilize and Space.run return it, not "
            f"{type(reference).__name__}: for a run of a space, Space(name)[key]."
        )
    options, log = checked_options(options), Log(progress)
    given = named_tables(users, items, vectors)
    relations: list[Any] = [table.relation for table in given.values()]
    for relation in filter(data.is_frame_of_spark, relations):
        engine = engine or relation.sparkSession
    with ExitStack() as stack:
        session = stack.enter_context(connect(engine, writes=True))
        named = stack.enter_context(data.registered(given, session))
        more = stack.enter_context(data.registered_further(embedded(also), session))
        tables = prepare.tables_of(named, more, Key.parse(None), session)
        known = None
        if reference is not None:
            earlier = {
                side: EmbeddingTable(_within(session, reference.table(side)), id=None)
                for side in reference.figures["tables"]
                if side in tables.tables
            }
            names = stack.enter_context(data.registered(earlier, session))
            known = prepare.reference_in_memory(
                reference.key, reference.figures, reference.maps, names, tables, options
            )
        size = prepare.dimension_of(next(iter(tables.tables.values())), session)
        target = MemoryTarget(f"sqlstab_{Key.parse(None).value.replace('.', '')}", session.dialect)
        job = prepare.job_of(tables, known, target, options, session, log, size)
        for side in tables.tables if not data.spark_of(session) else ():
            stack.callback(session.execute, ddl.drop_table(target.place(side), session.dialect))
        done = drive.execute(flow.run(job), session, log)
        results = {
            side: data.stable_rows(Rows(target.place(side)), output, session)
            for side, output in (done.figures["outputs"] or {}).items()
        }
    return Run(tables.key.value, done.figures, done.maps, results.__getitem__)


def _within(session: Engine, relation: Relation) -> Any:
    """Return rows as a session takes them: a frame of its own as it is."""
    found = relation.read()
    own = data.is_frame_of_spark(found) and found.sparkSession is data.spark_of(session)
    return found if own else relation.arrow()


def _entry(space: AnySpace, key: str, name: str) -> Entry:
    """Find a run.

    Raises:
        DataError: There is none.
    """
    entries = space.entries()
    for entry in entries:
        if entry.key == key:
            return entry
    known = ", ".join(entry.key for entry in entries[-5:]) or "none"
    raise DataError(f"The space {name} has no run {key}; its newest are {known}.")


def named_tables(users: Any, items: Any, vectors: Any) -> dict[Side, EmbeddingTable]:
    """Return the tables of a run, by name.

    Raises:
        UsageError: They are neither users and items nor vectors alone.
    """
    if vectors is not None and users is None and items is None:
        return {VECTORS: embedding_table(vectors)}
    if vectors is not None or users is None or items is None:
        raise UsageError(
            "Name two tables, --users and --items, or one without a second side, --vectors."
        )
    return dict(zip(SIDES, map(embedding_table, (users, items)), strict=True))


def embedding_table(table: Any) -> EmbeddingTable:
    """Return a table as it may be given, as an `EmbeddingTable`."""
    return table if isinstance(table, EmbeddingTable) else EmbeddingTable(table)


def embedded(also: Mapping[str, FurtherTable] | None) -> dict[str, FurtherTable]:
    """Return further tables, each with an `EmbeddingTable`.

    Raises:
        UsageError: One is something else, such as a frame.
    """
    for name, one in (also or {}).items():
        if not isinstance(one, FurtherTable):
            raise UsageError(
                f"--also {name} is a FurtherTable, as in FurtherTable(table, like='users'), not "
                f"{type(one).__name__}."
            )
    return {
        name: replace(one, table=embedding_table(one.table)) for name, one in (also or {}).items()
    }


def checked_options(options: Options | None) -> Options:
    """Return the options of a run.

    Raises:
        UsageError: It is something else, such as a dict.
    """
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise UsageError(
            f"options is a sqlstab.Options, as in Options(anchor='users'), not "
            f"{type(options).__name__}; of a dict, Options(**it)."
        )
    return options
