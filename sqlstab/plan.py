"""What a run would do: its statements and scans, without running one.

The run itself is planned, not a description of it: the same `Job` takes the same steps, on an
engine that writes statements down and answers each with the least that lets the run go on. What
depends on the data is planned as for clean tables of which not all ids are shared; matrices stand
in the statements with as many digits as they can have.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sqlstab import gates
from sqlstab.compute import Gram, InvalidVectorsError, choice
from sqlstab.compute.arrow import ArrowCompute
from sqlstab.compute.sql import SqlCompute
from sqlstab.errors import DataError, UsageError
from sqlstab.fingerprint import fingerprint
from sqlstab.inspection import Inspector
from sqlstab.job import Job
from sqlstab.maths.quality import BeforeAfter, SharedSums
from sqlstab.outputs import Outputs
from sqlstab.progress import Diary
from sqlstab.references import forgotten_tables, loaded_runs
from sqlstab.runs import new_run_id
from sqlstab.solver import PythonSolver
from sqlstab.spelling import spelled
from sqlstab.sql_solver import SqlSolver
from sqlstab.staged import TRIAL, StagedTables
from sqlstab.statements import build, ddl, quoting
from sqlstab.statements.dialect import DUCKDB, SPARK
from sqlstab.statements.table import VECTORS, Column, VectorTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlstab.checks import CheckedTable
    from sqlstab.compute import Compute, Pair
    from sqlstab.config import Options, Strategy
    from sqlstab.engines import Engine, Expected
    from sqlstab.maths.solve import Balance, Factor, Matrix
    from sqlstab.progress import Step
    from sqlstab.references import AnyRun
    from sqlstab.runs import Run
    from sqlstab.solver import Solver
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import EmbeddingTable, FurtherTable, Side, StableTable

# Rows of each table, as far as a plan needs a number: enough that figures come from a sample.
_ROWS = 1_000_000
# What the engine is taken to answer, by the names of columns in a result.
_ANSWERS: dict[str, Any] = {
    "n_rows": _ROWS,
    "null_ids": 0,
    "duplicate_ids": 0,
    "bad_weights": 0,
    "null_components": 0,
    "non_finite": 0,
    # Not all: else the sums over the shared ids are known.
    "shared": _ROWS - 1,
    "first_dimension": 0,
    "name": "",
    "dependents": None,
    "view": None,
    "i": 1,
    "j": 1,
    "k": 1,
    "value": 1.0,
    "summed": 1,
    "total": 1.0,
    "squares": 1.0,
    "largest": 1.0,
    "largest_error": 0.0,
}
# How the tables of the SQL solver begin.
_SOLVING = "sqlstab_solve_"
# A number whose text is as long as that of any: below 1e-4, Python writes an exponent.
_LONG_NUMBER = -0.00012345678901234567


@dataclass
class PlannedStep:
    """One step of a run.

    Attributes:
        title: What a run says when it takes it.
        statements: The statements, in order.
    """

    title: str
    statements: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PlannedTable:
    """A table that a run makes.

    Attributes:
        name: Its name, or what stands for the names of several.
        role: What it is for.
        temporary: Whether it is gone when the run is over.
    """

    name: str
    role: str
    temporary: bool


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        dialect: The dialect of its statements.
        strategy: `sql` or `arrow`.
        steps: Its steps, in order.
        inputs: The tables that it reads: what they are called, and how each stands in statements.
        tables: The tables that it makes.
        notes: What depends on the data.
    """

    dialect: Dialect
    strategy: str
    steps: list[PlannedStep]
    inputs: dict[str, list[str]]
    tables: list[PlannedTable]
    notes: list[str]

    def scans(self, statements: Sequence[str]) -> dict[str, int]:
        """How often statements read each table."""
        found: Counter[str] = Counter()
        for name, relations in self.inputs.items():
            either = "|".join(map(re.escape, relations))
            pattern = re.compile(rf"(?:FROM|JOIN) (?:{either}) AS t\b")
            found[name] = sum(len(pattern.findall(statement)) for statement in statements)
        return {name: count for name, count in found.items() if count}

    @property
    def statements(self) -> list[str]:
        """All statements, in order."""
        return [statement for step in self.steps for statement in step.statements]

    @property
    def longest(self) -> int:
        """Bytes of the longest statement."""
        return max(len(statement.encode()) for statement in self.statements)

    def to_dict(self) -> dict[str, Any]:
        """The plan in numbers."""
        return {
            "dialect": self.dialect.name,
            "strategy": self.strategy,
            "statements": len(self.statements),
            "scans": self.scans(self.statements),
            "longest_statement": self.longest,
            "longest_statement_allowed": self.dialect.longest_statement,
            "steps": [
                {
                    "step": step.title,
                    "statements": len(step.statements),
                    "scans": self.scans(step.statements),
                    "longest_statement": max(len(text.encode()) for text in step.statements),
                }
                for step in self.steps
            ],
            "tables": [
                {"name": table.name, "role": table.role, "temporary": table.temporary}
                for table in self.tables
            ],
            "notes": self.notes,
        }


def plan(
    tables: Mapping[Side, EmbeddingTable],
    reference: AnyRun | Sequence[AnyRun] | None,
    options: Options,
    dialect: Dialect,
    engine: Engine | None = None,
    *,
    out: Path | None = None,
    targets: Mapping[Side, str] | None = None,
    transform_table: str | None = None,
    registry: str | None = None,
    dimension: int | None = None,
    known: Mapping[Side, VectorTable] | None = None,
    also: Mapping[Side, FurtherTable] = MappingProxyType({}),
) -> Plan:
    """Plan a run.

    Args:
        tables: The raw tables.
        reference: The run whose space to stay in, or its directory; several are a consensus.
        options: How the run is to be done.
        dialect: The dialect of the statements.
        engine: Describes the tables; None connects to nothing.
        out: The run directory; it is not touched.
        targets: The tables to write.
        transform_table: The table to add the maps to.
        registry: The table or file to record the run in.
        dimension: Components of a raw vector, where no columns tell. Default: those of the
            reference.
        known: The raw tables with all their columns; needed without an engine.
        also: The further tables among them.

    Raises:
        UsageError: The run cannot be meant, or the dimension is not known.
        DataError: A table is not there, or its columns do not fit.
        EngineError: The database failed.
    """
    targets = targets or {}
    runs = loaded_runs(reference)
    if dimension is None and runs:
        dimension = runs[-1].transform.raw_dimension
    recorder = _Recorder(dialect, engine, dimension)
    # The store of partitions may be a file, which must not be written to.
    whole = replace(
        options,
        partition_by=None,
        partition_version=None,
        grams=None,
        keep_runs=0,
        # Gates would judge figures that are made up.
        min_shared_ids=None,
        min_mean_cosine=None,
        min_cka=None,
        max_residual=None,
    )
    outputs = _PlannedOutputs(
        recorder,
        whole,
        _PlannedTables(recorder, targets, transform_table, new_run_id()),
        out,
        also=also,
    )
    compute = _compute(recorder, whole.strategy, outputs.beside)
    stand_in = _StandIn(compute)
    diary = _Quiet(recorder)
    inspector = _PlannedInspector(
        recorder,
        whole,
        diary,
        notices=compute.notices_bad_vectors,
        known=_known(known or {}, runs) if engine is None else None,
    )
    job = Job(
        recorder,
        whole,
        stand_in,
        inspector,
        _solver(recorder, whole, outputs),
        outputs,
        diary,
        also,
    )
    inputs = {side: [recorder.relation(table.relation)] for side, table in tables.items()}
    anchors = options.anchors_of(tables)
    for run in reversed(runs):
        is_newest = run is runs[-1]
        for side in (side for side in run.tables if side in (tables if is_newest else anchors)):
            stable = recorder.relation(run.table(side).relation)
            name = f"reference {side}" if is_newest else f"earlier {side}"
            inputs.setdefault(name, []).append(stable)
            recorder.stable_dimensions[stable] = run.transform.dimension
    job.run(dict(tables), runs or None)
    return Plan(
        dialect,
        compute.name,
        recorder.steps,
        inputs,
        _tables_made(recorder, outputs.tables, targets, transform_table),
        [
            *_notes(options, dialect),
            *_notes_on_record(registry, options),
            *(spelled(note) for run in runs[-1:] for note in forgotten_tables(run, tables)),
        ],
    )


def _known(
    raw: Mapping[Side, VectorTable], runs: Sequence[Run]
) -> dict[tuple[Side, str], VectorTable]:
    """The tables that need not be looked at, by side and name."""
    found = {(side, table.relation): table for side, table in raw.items()}
    for run, side in itertools.product(runs, raw):
        if side not in run.tables:
            continue
        stable = run.table(side)
        found[side, stable.relation] = VectorTable(
            side,
            stable.relation,
            # Nobody can say whether the types of the ids fit.
            Column(stable.id or "id", raw[side].id.type),
            stable.layout or "array",
            tuple(stable.vector or ()),
            run.figures["outputs"][side]["element"],
        )
    return found


def _notes(options: Options, dialect: Dialect) -> list[str]:
    notes = []
    if options.solver == "sql":
        notes.append("Where vector columns are nearly dependent, the SQL solver ends the run.")
    elif options.refine == "auto":
        notes.append(
            "Where vector columns are nearly dependent, each table is summed once or twice more."
        )
    if names := gates.wanted(options):
        checked = f"{' and '.join(names)}: checked on the run's own figures, before it writes."
        notes.append(spelled(checked))
    if options.on_invalid == "drop":
        notes.append("Where bad vectors are left out, each scan looks for them again.")
    if options.partition_by:
        notes.append(
            "Of the partitions only those that are new or have changed are summed, each by a "
            "statement of its own; the plan is for all rows at once."
        )
    if dialect is SPARK and options.strategy != "sql":
        notes.append("The vectors are multiplied by numpy in Spark's tasks, not by these queries.")
    return notes


def _tables_made(
    recorder: _Recorder,
    staged: StagedTables,
    targets: Mapping[Side, str],
    transform_table: str | None,
) -> list[PlannedTable]:
    created = [
        match[1]
        for statement in recorder.executed
        if (match := re.match(r"CREATE TABLE (?:IF NOT EXISTS )?(\S+)", statement))
        and TRIAL not in match[1]
    ]
    made = []
    maps = "the map" if VECTORS in targets else "the two maps"
    for side, target in targets.items():
        written = recorder.relation(staged.name(side))
        if written in created:
            created.remove(written)
            made.append(PlannedTable(target, f"stable {side}, replaced at the end", False))
    if transform_table and staged.transform_table:
        made_now = recorder.relation(staged.transform_table)
        is_new = made_now in created
        if is_new:
            created.remove(made_now)
        made.append(PlannedTable(transform_table, f"{maps}{'' if is_new else ', added'}", False))
    solving = sum(_SOLVING in name for name in created)
    if solving:
        role = "sums, and steps of the SQL solver, each for the time of a solution"
        made.append(PlannedTable(f"{solving} x {_SOLVING}...", role, True))
    if len(created) > solving:
        made.append(
            PlannedTable(
                f"{len(created) - solving} x sqlstab_...",
                "matrices and products, where statements with constants would be too long or many",
                True,
            )
        )
    return made


def _notes_on_record(registry: str | None, options: Options) -> list[str]:
    if registry is None:
        return []
    kept = options.keep_runs
    last = f"; the tables of the last {kept:,} runs are kept, and those of older ones dropped"
    return [f"The run is recorded in {registry}{last if kept else ''}."]


class _Recorder:
    """An engine, and the display of a run's progress, that writes statements down.

    Args:
        dialect: The dialect of the statements.
        engine: Describes relations; None connects to nothing.
        dimension: Components of a raw vector, as far as it is known.

    Attributes:
        steps: The steps, with their statements.
        executed: The statements that have no result.
        stable_dimensions: Components of a vector in tables of the reference, by these tables.
    """

    identity = "plan"
    version: str | None = None

    def __init__(self, dialect: Dialect, engine: Engine | None, dimension: int | None) -> None:
        self.dialect = dialect
        self._engine = engine
        self._dimension = dimension
        self.stable_dimensions: dict[str, int] = {}
        self.steps: list[PlannedStep] = []
        self.executed: list[str] = []
        self._title = ""

    def relation(self, name: str) -> str:
        """A relation as it stands in statements."""
        return quoting.relation(name, self.dialect)

    @contextmanager
    def step(self, title: str) -> Iterator[_Recorder]:
        """See `Progress`."""
        self._title, before = title, self._title
        try:
            yield self
        finally:
            self._title = before

    def done(self, fraction: float) -> None:
        """See `Step`."""

    def record(self, statement: str, title: str = "") -> None:
        """Write a statement down under the step that is under way."""
        title = title or self._title or "Tidying up"
        if not self.steps or self.steps[-1].title != title:
            self.steps.append(PlannedStep(title))
        self.steps[-1].statements.append(statement)

    def describe(self, relation: str) -> list[Column]:
        """See `Engine`."""
        self.record(ddl.describe(relation, self.dialect), "Looking at the columns")
        if self._engine is None:
            raise DataError(f"{relation} is not looked at.")
        return self._engine.describe(relation)

    def qualified(self, name: str) -> str:
        """See `Engine`; a bare name stays one where there is nobody to ask."""
        if self._is_bare(name) and self.dialect.tables.current_schema:
            self.record(self.dialect.tables.current_schema, "Looking at the outputs")
        return self._engine.qualified(name) if self._engine else name

    def kind(self, name: str) -> str | None:
        """See `Engine`; nothing is there where nobody looks."""
        if self.dialect.tables.kind and not self._is_bare(name):
            self.record(ddl.table_kind(name, self.dialect), "Looking at the outputs")
        return self._engine.kind(name) if self._engine else None

    def _is_bare(self, name: str) -> bool:
        return len(quoting.table_parts(name, self.dialect)) == 1

    def query(self, statement: str, step: Step | None = None) -> list[dict[str, Any]]:
        """See `Engine`."""
        self.record(statement)
        answer = {
            name: value
            for name, value in _ANSWERS.items()
            if re.search(rf"\bAS {name}\b", statement)
        }
        answer |= dict.fromkeys(re.findall(r"\bAS (m\d+)\b", statement), 0.0)
        if re.search(r"\bAS n\b", statement):
            stable = (n for name, n in self.stable_dimensions.items() if name in statement)
            answer["n"] = next(stable, None) or self.known_dimension()
        return [answer]

    def known_dimension(self) -> int:
        if self._dimension is None:
            raise UsageError(
                "How many components has a vector? Neither columns e0, e1, ... nor a --reference "
                "tell, and a plan looks at no row: say it with --dimension."
            )
        return self._dimension

    def execute(
        self, statements: Sequence[str], step: Step | None = None, *, expected: Expected = ()
    ) -> None:
        """See `Engine`."""
        for query, _ in expected:
            self.record(query)
        for statement in statements:
            self.record(statement)
            self.executed.append(statement)

    def write(self, statement: str, path: Path, row_group: int, step: Step | None = None) -> None:
        """See `Engine`."""
        self.record(statement)

    @contextmanager
    def table(self, rows: pa.Table) -> Iterator[str]:
        """See `DuckDBEngine`."""
        yield "sqlstab_kept"

    def close(self) -> None:
        """See `Engine`."""


class _PlannedArrow(ArrowCompute):
    """Streams no rows; one row stands in for those that a Gram matrix keeps for later."""

    def __init__(self, recorder: _Recorder) -> None:
        # It has what is used here.
        super().__init__(recorder)  # type: ignore[arg-type]
        self._recorder = recorder

    def _batches(
        self, statement: str, components: int, rows: int, step: Step, size: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        self._recorder.record(statement)
        if re.search(r"\bAS kept\b", statement):
            vectors = pa.array([[1.0] * components])
            yield pa.RecordBatch.from_arrays([vectors, pa.array([1])], names=["x", "kept"])


class _StandIn:
    """Lets a way to compute make its statements, and answers with unit matrices.

    Args:
        compute: The way to compute.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self.name = compute.name
        self.notices_bad_vectors = compute.notices_bad_vectors

    def gram(
        self,
        table: VectorTable,
        dimension: int | None,
        whitener: Matrix | None,
        rows: int,
        step: Step,
        *,
        kept_share: float | None = None,
    ) -> Gram:
        """See `Compute`."""
        filled = None if whitener is None else _filled(whitener)
        with suppress(InvalidVectorsError):  # there was no row
            self._compute.gram(table, dimension, filled, rows, step, kept_share=kept_share)
        size = dimension if whitener is None else whitener.shape[1]
        return Gram(np.eye(size or 0), rows)

    def mean(self, table: VectorTable, dimension: int, rows: int, step: Step) -> Matrix:
        """See `Compute`."""
        self._compute.mean(table, dimension, rows, step)
        return _filled(np.empty(dimension))

    def shared_sums(self, pair: Pair, matrix: Matrix, *, normalize: bool, step: Step) -> SharedSums:
        """See `Compute`."""
        self._compute.shared_sums(pair, _filled(matrix), normalize=normalize, step=step)
        rank = matrix.shape[1]
        return SharedSums(np.eye(rank, pair.dimension), np.eye(rank), np.eye(pair.dimension))

    def cosines(
        self, pair: Pair, matrix: Matrix, raw_matrix: Matrix | None, share: float, step: Step
    ) -> BeforeAfter:
        """See `Compute`."""
        raw = None if raw_matrix is None else _filled(raw_matrix)
        return self._compute.cosines(pair, _filled(matrix), raw, share, step)

    def apply(
        self,
        table: VectorTable,
        steps: list[Matrix],
        output: StableTable,
        target: Path | str,
        rows: int,
        step: Step,
    ) -> None:
        """See `Compute`."""
        self._compute.apply(table, [_filled(m) for m in steps], output, target, rows, step)


def _filled(matrix: Matrix) -> Matrix:
    """A matrix of this shape whose text is as long as it gets."""
    return np.full(matrix.shape, _LONG_NUMBER)


class _PlannedSolver(SqlSolver):
    """Solves sums of long numbers, and finds unit matrices."""

    def balance(
        self,
        grams: Mapping[Side, Gram],
        factors: Mapping[Side, Factor],
        rank: int | None = None,
    ) -> Balance:
        """See `SqlSolver`."""
        filled = {side: Gram(_filled(gram.matrix), gram.rows) for side, gram in grams.items()}
        return super().balance(filled, factors, rank)

    def _solved(self, statements: build.Solve, size: int) -> dict[str, Matrix]:
        super()._solved(statements, size)
        return {
            "users": np.eye(size),
            "items": np.eye(size),
            "singular_values": np.ones((size, 1)),
        }

    def _omega(self, cross: Matrix) -> Matrix:
        super()._omega(_filled(cross))
        return np.eye(*cross.shape)


class _PlannedTables(StagedTables):
    """Inserts matrices of long numbers."""

    def put_in_place(self, matrices: Mapping[Side, Matrix], **_: Any) -> None:
        """See `StagedTables`."""
        super().put_in_place({side: _filled(matrix) for side, matrix in matrices.items()})


class _PlannedOutputs(Outputs):
    """Writes no files."""

    @contextmanager
    def staged(self) -> Iterator[Path | None]:
        """See `Outputs`."""
        # As long a name as a run takes.
        out = self.directory
        with self.tables.dropped_afterwards():
            yield out and out.absolute().with_name(f".{out.name}.sqlstab-xxxxxxxx")

    def save(self, *_: Any) -> None:
        """See `Outputs`."""

    def save_figures(self, *_: Any) -> None:
        """See `Outputs`."""


class _PlannedInspector(Inspector):
    """Looks at no row.

    Args:
        recorder: Writes statements down.
        options: As in `Inspector`.
        diary: As in `Inspector`.
        notices: As in `Inspector`.
        known: Tables that need not be looked at, by side and name; None if there is an engine.
    """

    def __init__(
        self,
        recorder: _Recorder,
        options: Options,
        diary: Diary,
        *,
        notices: bool,
        known: Mapping[tuple[Side, str], VectorTable] | None,
    ) -> None:
        super().__init__(recorder, options, diary, notices=notices)
        self._recorder = recorder
        self._known = known

    def resolved(self, table: EmbeddingTable, side: Side) -> VectorTable:
        """See `Inspector`."""
        if self._known is None:
            return super().resolved(table, side)
        with suppress(DataError):
            self._recorder.describe(table.relation)
        return self._known[side, table.relation]

    def stable_table(self, run: Run, side: Side) -> VectorTable:
        """See `Inspector`."""
        if self._known is None:
            return super().stable_table(run, side)
        return self.resolved(run.table(side), side)

    def checked(self, table: VectorTable, *, values: bool = False) -> CheckedTable:
        """See `Inspector`."""
        checked = super().checked(table, values=values)
        if checked.dimension is not None:
            return checked
        # A run learns it from the first rows.
        return replace(checked, dimension=self._recorder.known_dimension())

    def numbered(self, table: VectorTable) -> VectorTable:
        """See `Inspector`."""
        numbered = super().numbered(table)
        return numbered if self._known is None else table

    def check_unchanged(self, run: Run, table: VectorTable, rows: int) -> None:
        """See `Inspector`."""
        written = run.fingerprint(table.side)
        if written is not None:
            fingerprint(self._recorder, table, rows, written.share)


class _Quiet(Diary):
    """What a planned run would warn of is about answers that are made up."""

    def warn(self, message: str) -> None:
        """See `Diary`."""


def _compute(recorder: _Recorder, strategy: Strategy, beside: str) -> Compute:
    """The way to compute that a run would take, with nothing connected."""
    if strategy != "sql" and recorder.dialect in (DUCKDB, SPARK):
        return _PlannedArrow(recorder)
    if strategy == "arrow":
        raise choice.no_blas(recorder.dialect)
    return SqlCompute(recorder, beside)


def _solver(recorder: _Recorder, options: Options, outputs: Outputs) -> Solver:
    if options.solver == "sql":
        return _PlannedSolver(recorder, outputs.beside, outputs.run_id)
    return PythonSolver()
