"""Where the results of a run go: tables, a run directory, a registry.

They are written beside what is there, and take its place together at the end.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlstab.errors import ConflictError, EngineError, HalfWayInterrupt, UsageError
from sqlstab.places import Place, check_outputs
from sqlstab.registry import Placement, Registry, mending
from sqlstab.runs import Run, file_name, staging
from sqlstab.statements import ddl
from sqlstab.statements.quoting import file_reader, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from sqlstab.config import Options
    from sqlstab.engines import Engine
    from sqlstab.maths.maps import Transform
    from sqlstab.maths.solve import Matrix
    from sqlstab.staged import StagedTables
    from sqlstab.statements.table import EmbeddingTable, Side


def read_places(named: Mapping[Side, EmbeddingTable], engine: Engine) -> list[Place]:
    """What a run reads, which no output may overwrite: tables, and what is behind a view."""
    places = []
    for side, table in named.items():
        places.append(Place(f"{side} table", table.relation))
        shown = _sources(table.relation, engine)
        places += [Place(f"{side} table {table.relation}, a view of", name) for name in shown]
    return places


def _sources(relation: str, engine: Engine) -> list[str]:
    """What a view reads, by itself and by the views that it reads; nothing for a table or files."""
    dialect = engine.dialect
    if not dialect.tables.view:
        return []
    found = [relation]
    for name in found:  # which grows meanwhile
        if dialect.reads_files and file_reader(name):
            continue
        try:
            rows = engine.query(ddl.view(name, dialect))
        except EngineError:
            # As of Spark's temporary views, and of names that are not there: others say so.
            continue
        for row in rows:
            text = next(iter(row.values()), None)
            shown = sources(text, dialect) if text else []
            found += [each for each in shown if each not in found]
    return found[1:]


class Outputs:
    """The outputs of one run.

    Args:
        engine: Runs the statements.
        options: How the run is done.
        tables: The stable tables and the transform table, if there are any.
        directory: The run directory.
        registry: Where the run is recorded.
        also: The further tables among those of the run.

    Attributes:
        tables, directory, registry: As given.
        run_id: The run.
    """

    def __init__(
        self,
        engine: Engine,
        options: Options,
        tables: StagedTables,
        directory: Path | None = None,
        registry: Registry | None = None,
        also: Collection[Side] = (),
    ) -> None:
        self._engine = engine
        self._options = options
        self.tables = tables
        self.directory = directory
        self.registry = registry
        self._also = also
        self.run_id = tables.run_id

    @property
    def beside(self) -> str:
        """A table in whose schema a run may make tables of its own; empty if there is none."""
        return next(iter(self.tables.targets.values()), "")

    def check(self, named: Mapping[Side, EmbeddingTable]) -> None:
        """They can be meant, and can be made where they are to be: before anything is read.

        Raises:
            UsageError: They cannot be meant, or an output would overwrite an input.
            EngineError: A table cannot be made there.
        """
        targets, dialect = self.tables.targets, self._engine.dialect
        names = " and ".join(
            f"the out of --also {side}" if side in self._also else f"--{side}-out" for side in named
        )
        if targets and set(targets) != set(named):
            raise UsageError(f"Name the tables to write for all that are read: {names}.")
        if dialect.reads_files and any(map(file_reader, targets.values())):
            raise UsageError(
                f"{names} name{'s' * (len(named) == 1)} tables; for files there is --out."
            )
        if self.tables.transform_table and self._options.prepares:
            raise UsageError(
                "--transform-table holds matrices, and to center or normalize is more than to "
                "multiply by one: leave it out. transform.json and a --registry have all of it, "
                "and sqlstab apply takes it."
            )
        self.check_overwritten(named)
        self.tables.prepare()
        if self.registry:
            if self.directory is None and not targets:
                raise UsageError(
                    f"--registry records where a run's outputs are: name --out, or {names}."
                )
            if self._options.keep_runs and not targets:
                raise UsageError(
                    "--keep-runs keeps tables that a run replaces; on files, give each run a "
                    "directory of its own."
                )
            self.registry.prepare(self.run_id)
        elif self._options.keep_runs:
            raise UsageError("--keep-runs is of use with --registry only.")
        if self.directory is not None and not self.tables.targets and not dialect.reads_files:
            raise UsageError(f"{dialect.name} writes tables, not files: name them with {names}.")

    def check_overwritten(self, named: Mapping[Side, EmbeddingTable]) -> None:
        """No output may overwrite an input, or another output."""
        targets, transform_table = self.tables.targets, self.tables.transform_table
        outputs = [Place(f"the stable {side}", target) for side, target in targets.items()]
        if transform_table:
            outputs.append(Place("the transform", transform_table))
        if self._options.grams:
            outputs.append(Place("the Gram matrices", self._options.grams))
        if self.registry:
            kind: Literal["relation", "file"] = "relation" if self.registry.in_table else "file"
            outputs.append(Place("the registry", self.registry.name, kind))
        if self.directory is not None:
            further = tuple(map(file_name, self._also))
            outputs.append(Place("the run directory", str(self.directory), "run", further))
        check_outputs(read_places(named, self._engine), outputs, self._engine.dialect)

    @contextmanager
    def staged(self) -> Iterator[Path | None]:
        """Where the files of the run directory are written first, if there is one.

        What is staged and not put in place by the end of the context is gone.
        """
        with self.tables.dropped_afterwards():
            if self.directory is None:
                yield None
                return
            with staging(self.directory) as directory:
                yield directory

    def target(self, side: Side, directory: Path | None) -> Path | str:
        """Where a stable table is written first: a table, or a file in the staged directory."""
        if directory is None or self.tables.targets:
            return self.tables.name(side)
        return directory / file_name(side)

    def place(self, side: Side) -> str:
        """Where a stable table is in the end: its name, or its file in the run directory."""
        return self.tables.targets.get(side) or file_name(side)

    def save(self, directory: Path, figures: dict[str, Any], transform: Transform) -> None:
        """Write the files of the run directory."""
        transform.save(directory)
        Run(figures, transform, directory).save_figures(directory)

    def save_figures(
        self,
        directory: Path,
        figures: dict[str, Any],
        transform: Transform,
        warn: Callable[[str], None],
    ) -> None:
        """`run.json` again, with the time that replacing took; it is no reason to fail now."""
        try:
            Run(figures, transform, directory).save_figures(directory)
        except OSError as error:
            warn(f"run.json lacks the time of the last step: {error.strerror}.")

    @property
    def _is_recorded_with_tables(self) -> bool:
        """Whether the run is recorded by the statements that put its tables in place."""
        return bool(self.registry and self.registry.in_table and self.tables.targets)

    def placement(self, run: Run, *, refers_to_first: bool) -> Placement | None:
        """What becomes of the runs that are there; None without a registry."""
        if self.registry is None:
            return None
        if self.tables.targets:
            places = dict(self.tables.targets)
        else:
            directory = Path(self.directory or "").absolute()
            places = {side: str(directory / file_name(side)) for side in run.figures["inputs"]}
        return self.registry.placement(run, self._options, places, refers_to_first=refers_to_first)

    def announce(self, placement: Placement | None) -> None:
        """Say in the registry what is about to be replaced.

        If the rest fails, it is known whose outputs are in place.
        """
        if self.registry and placement and not self._is_recorded_with_tables:
            self.registry.append(placement.before)

    def put_in_place(self, matrices: Mapping[Side, Matrix], placement: Placement | None) -> None:
        """Let the staged tables take their places; see `StagedTables`."""
        before: list[str] = []
        after: list[str] = []
        if placement and self.registry and self._is_recorded_with_tables:
            dialect = self._engine.dialect
            before = self.registry.statements(placement.before)
            after = self.registry.insertions(placement.after)
            after += [ddl.drop_table(name, dialect) for name in placement.dropped]
        # Where there are no transactions, half of it may be done.
        unsure = placement is not None and not self._engine.dialect.transactions
        remedy = f"Once all tables are in place, {mending(self.run_id)} records that."
        try:
            self.tables.put_in_place(
                matrices,
                kept=placement.kept if placement else {},
                before=before,
                after=after,
                beside=[self.registry.name] if before and self.registry else [],
            )
        except EngineError as error:
            if not unsure or isinstance(error, ConflictError):
                raise
            raise EngineError(f"{error} {remedy}", error.statement) from error
        except KeyboardInterrupt as error:
            if not unsure:
                raise
            raise KeyboardInterrupt(f"{error} {remedy}".strip()) from error

    def record(self, placement: Placement | None, warn: Callable[[str], None]) -> None:
        """Say in the registry that the outputs are in place, and drop what is not kept on."""
        registry = self.registry
        if registry is None or placement is None or self._is_recorded_with_tables:
            return
        try:
            registry.append(placement.after)
        except (EngineError, KeyboardInterrupt) as error:
            happened = (
                f"The outputs of run {self.run_id} are in place, but the registry "
                f"{registry.name} does not say so; {mending(self.run_id)} mends that"
            )
            if isinstance(error, EngineError):
                raise EngineError(f"{happened}: {error}", error.statement) from error
            raise HalfWayInterrupt(f"{happened}.") from error
        for name in placement.dropped:
            try:
                self._engine.execute([ddl.drop_table(name, self._engine.dialect)])
            except EngineError as error:
                warn(f"{name}, of a run that is not kept on, may be left behind: {error}")
