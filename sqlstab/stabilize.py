"""What Python calls: a run, its sums alone, a transform alone."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlstab import solver
from sqlstab.compute import choice
from sqlstab.config import Options
from sqlstab.engines import connect
from sqlstab.errors import UsageError
from sqlstab.inspection import Inspector
from sqlstab.job import Job
from sqlstab.outputs import Outputs, read_places
from sqlstab.places import Place, check_outputs, writes_tables
from sqlstab.progress import Diary, Progress, Silent
from sqlstab.registry import Registry
from sqlstab.runs import new_run_id
from sqlstab.staged import StagedTables
from sqlstab.statements.quoting import file_reader
from sqlstab.statements.table import (
    VECTORS,
    EmbeddingTable,
    FurtherTable,
    Side,
    check_further,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlstab.engines import AnyEngine, Engine
    from sqlstab.maths.maps import Transform
    from sqlstab.references import AnyRun
    from sqlstab.runs import Run
    from sqlstab.sums import Sums


def stabilize(
    users: str | Path | EmbeddingTable | None = None,
    items: str | Path | EmbeddingTable | None = None,
    reference: AnyRun | Sequence[AnyRun] | None = None,
    out: str | Path | None = None,
    engine: AnyEngine = None,
    *,
    vectors: str | Path | EmbeddingTable | None = None,
    also: Mapping[str, FurtherTable] = MappingProxyType({}),
    users_out: str | None = None,
    items_out: str | None = None,
    vectors_out: str | None = None,
    transform_table: str | None = None,
    registry: str | Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Run:
    """Put a retrained model's vectors into the space of an earlier run; no score changes.

    Args:
        users: The user vectors: the name of a table, on DuckDB also a Parquet or CSV file, a glob
            or a URL; or an `EmbeddingTable` that says more.
        items: The item vectors.
        vectors: Vectors that have no second side, such as those of texts, instead of users and
            items: their dot products with each other do not change.
        also: Further tables by name, such as `queries`, each in the space of one of the sides.
        reference: An earlier run, or its directory; with a `registry` also the id of a run or a
            policy: `previous`, the run in place, `first`, the one that began its space, or
            `consensus`, that and all runs of the space before it whose stable tables are still
            there (`consensus:7` the newest seven of them). Several runs of one space are a
            consensus too: the run is aligned with the sum of their vectors, and figures compare
            it with the newest. None starts a new space, the principal axes of this run's scores,
            or the vectors' own, and so does a policy in an empty registry.
        out: Directory for the transform and the figures, and for the stable tables unless
            tables are named for them. It is replaced as a whole at the end, or not at all. None
            writes no directory.
        engine: Where the vectors are: a DuckDB connection or the path of a database file, a
            SparkSession, a DataFusion SessionContext, or a SQLAlchemy engine or URL. None is DuckDB
            on files.
        users_out: A table to write the users' stable vectors to; an existing one is replaced at
            the end.
        items_out: The same for the items.
        vectors_out: The same for vectors without a second side.
        transform_table: A table (run_id, side, i, j, value) to add the matrices to.
        registry: Where the run is recorded: a table, or a file that ends in `.jsonl`.
        options: How to align, what to keep, how to write.
        progress: Is told what is going on.

    Returns:
        The run: its figures, its transform, its directory.

    Raises:
        UsageError: An option or a name cannot be meant.
        DataError: The vectors or ids cannot be worked with.
        EngineError: The database failed.
        GateError: The alignment is not as good as the options demand.

    Examples:
        >>> run = stabilize("u.parquet", "i.parquet", reference="yesterday", out="today")
        >>> run.figures["cosine"]["items"]["after"]["mean"]  # doctest: +SKIP
        0.904
    """
    tables = named_tables(users, items, vectors)
    like = {name: one.like for name, one in also.items()}
    scores = {name: one.scores for name, one in also.items()}
    check_further(like, tables, scores)
    tables |= {name: embedding_table(one.table) for name, one in also.items()}
    given = {"users": users_out, "items": items_out, VECTORS: vectors_out}
    given |= {name: one.out for name, one in also.items()}
    targets = {side: name for side, name in given.items() if name is not None}
    options = checked_options(options)
    written = writes_tables([*targets.values(), transform_table], registry, options)
    # The SQL solver finds its sums in a table.
    with connect(engine, writes_tables=written or options.solver == "sql") as session:
        outputs = Outputs(
            session,
            options,
            StagedTables(session, targets, transform_table, new_run_id()),
            Path(out) if out is not None else None,
            Registry(registry, session) if registry else None,
            also,
        )
        return _job(session, options, progress, outputs, also).run(tables, reference)


def collect_sums(
    users: str | Path | EmbeddingTable,
    items: str | Path | EmbeddingTable,
    reference: AnyRun | Sequence[AnyRun] | None = None,
    engine: AnyEngine = None,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Sums:
    """The sums that `sums.transform` solves for a transform: the first half of `stabilize`.

    Args:
        users: The user vectors, as for `stabilize`.
        items: The item vectors.
        reference: An earlier run, or its directory: adds cross Gram matrices of the anchors. Those
            of several runs add up.
        engine: Where the vectors are.
        options: Of these `anchor`, `strategy`, `on_invalid`, `sample` and those about partitions
            count.
        progress: Is told what is going on.

    Raises:
        UsageError: An option or a name cannot be meant.
        DataError: The vectors or ids cannot be worked with.
        EngineError: The database failed.
    """
    named: dict[Side, EmbeddingTable] = {
        "users": embedding_table(users),
        "items": embedding_table(items),
    }
    options = checked_options(options)
    with connect(engine, writes_tables=options.grams is not None) as session:
        outputs = Outputs(session, options, StagedTables(session, {}, None, new_run_id()))
        return _job(session, options, progress, outputs).sums(named, reference)


def apply_transform(
    transform: Transform,
    tables: Mapping[Side, str | Path | EmbeddingTable],
    outputs: Mapping[Side, str | Path],
    engine: AnyEngine = None,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> None:
    """Write the stable vectors of tables with a transform that is there already.

    Args:
        transform: The transform.
        tables: The raw vectors of one side or of both.
        outputs: Where each side's stable vectors go: on DuckDB a Parquet file or a table,
            elsewhere a table. What is there is replaced at the end.
        engine: Where the vectors are.
        options: Of these `strategy`, `on_invalid`, `output_layout` and `output_type` count.
        progress: Is told what is going on.

    Raises:
        UsageError: An option or a name cannot be meant.
        DataError: The vectors or ids cannot be worked with.
        EngineError: The database or the disk failed.
    """
    named = {side: embedding_table(table) for side, table in tables.items()}
    options = checked_options(options)
    with connect(engine, writes_tables=True) as session:
        files = {
            side: Path(output)
            for side, output in outputs.items()
            if session.dialect.reads_files and (isinstance(output, Path) or file_reader(output))
        }
        targets = {side: str(output) for side, output in outputs.items() if side not in files}
        written = [
            Place(f"the stable {side}", str(output), "file" if side in files else "relation")
            for side, output in outputs.items()
        ]
        check_outputs(read_places(named, session), written, session.dialect)
        tables_made = StagedTables(session, targets, None, new_run_id())
        job = _job(session, options, progress, Outputs(session, options, tables_made))
        job.apply(named, transform, files)


def _job(
    engine: Engine,
    options: Options,
    progress: Progress | None,
    outputs: Outputs,
    also: Mapping[Side, FurtherTable] = MappingProxyType({}),
) -> Job:
    """A job whose parts are those that the engine and the options ask for."""
    diary = Diary(progress or Silent())
    compute = choice.choose(engine, options.strategy, outputs.beside)
    return Job(
        engine,
        options,
        compute,
        Inspector(engine, options, diary, notices=compute.notices_bad_vectors),
        solver.choose(engine, options, outputs.beside, outputs.run_id),
        outputs,
        diary,
        also,
    )


def named_tables(
    users: str | Path | EmbeddingTable | None,
    items: str | Path | EmbeddingTable | None,
    vectors: str | Path | EmbeddingTable | None,
) -> dict[Side, EmbeddingTable]:
    """The tables of a run, by name.

    Raises:
        UsageError: They are neither users and items nor vectors alone.
    """
    if vectors is not None and users is None and items is None:
        return {VECTORS: embedding_table(vectors)}
    if vectors is not None or users is None or items is None:
        raise UsageError(
            "Name two tables, --users and --items, or one without a second side, --vectors."
        )
    return {"users": embedding_table(users), "items": embedding_table(items)}


def checked_options(options: Options | None) -> Options:
    """The options of a run; a dict is none.

    Raises:
        UsageError: It is something else.
    """
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise UsageError(
            f"options is a sqlstab.Options, as in Options(anchor='users'), not "
            f"{type(options).__name__}; of a dict, Options(**it)."
        )
    return options


def embedding_table(table: str | Path | EmbeddingTable) -> EmbeddingTable:
    """A table as it may be given, as an `EmbeddingTable`."""
    if isinstance(table, EmbeddingTable):
        return table
    if not isinstance(table, (str, Path)):
        raise UsageError(
            f"A table of vectors is given by its name or file, or as an EmbeddingTable, not as "
            f"{type(table).__name__}: write it to a Parquet file, or register it on a DuckDB "
            "connection (connection.register('vectors', table)), and give that as the engine with "
            "the name."
        )
    return EmbeddingTable(table)  # type: ignore[arg-type]  # a path too
