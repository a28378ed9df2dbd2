"""Checks before work: what is wrong with a table is said once, with count, example and remedy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from sqlstab.errors import DataError, EngineError
from sqlstab.fingerprint import fingerprint
from sqlstab.statements import build
from sqlstab.statements.table import resolve
from sqlstab.statements.types import comparable
from sqlstab.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlstab.engines import Engine
    from sqlstab.errors import SqlstabError
    from sqlstab.runs import Run
    from sqlstab.statements.table import Side, VectorTable

# count in the result of `check` -> what one is called, what several are, what to do about it
_PROBLEMS = {
    "null_ids": ("NULL id", "NULL ids", "give every row an id"),
    "duplicate_ids": (
        "row whose id has occurred before",
        "rows whose id has occurred before",
        "keep one row for an id",
    ),
    "null_vectors": (
        "vector that is NULL or lacks a dimension",
        "vectors that are NULL or lack a dimension",
        "fill or remove {them}",
    ),
    "wrong_length": (
        "vector of another length than {dimension}",
        "vectors of another length than {dimension}",
        "give all the same length",
    ),
    "null_components": (
        "vector with a NULL in it",
        "vectors with a NULL in them",
        "fill or remove {them}",
    ),
    "non_finite": (
        "vector with a NaN or infinite component",
        "vectors with a NaN or infinite component",
        "mend or remove {them}",
    ),
    "bad_weights": (
        "weight that is NULL, negative, not finite or ambiguous",
        "weights that are NULL, negative, not finite or ambiguous",
        "mend {them}",
    ),
}


class ChangedTableError(DataError):
    """A stable table is no longer what its run wrote."""


@dataclass(frozen=True)
class CheckedTable:
    """A table that can be worked with.

    Attributes:
        table: The table; with `only_valid` set where bad rows are left out.
        rows: How many rows take part.
        dimension: e, where it is known already.
        summed: How many rows the Gram matrix is of; fewer than `rows` for a sample.
        left_out: How many bad vectors do not take part.
        problems: What is wrong with them, and with how many; one vector can have several.
    """

    table: VectorTable
    rows: int
    dimension: int | None
    left_out: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    summed: int = 0


def numbered(engine: Engine, table: VectorTable) -> VectorTable:
    """A table in the long layout with the number of its first dimension; any other as it is."""
    if table.layout != "long":
        return table
    found = engine.query(build.first_dimension(table, engine.dialect))
    first = found[0]["first_dimension"] if found else None
    return replace(table, first=int(first or 0))


def stable_table(engine: Engine, run: Run, side: Side) -> VectorTable:
    """A stable table of a run, with its columns as they are now.

    Raises:
        DataError: It is gone, or has other columns.
    """
    named = run.table(side)
    try:
        columns = engine.describe(named.relation)
        return resolve(named, side, columns, engine.dialect)
    except DataError as error:
        raise DataError(f"The stable {side} of run {run.run_id}: {error}") from error


def check_unchanged(engine: Engine, run: Run, table: VectorTable, rows: int) -> None:
    """A stable table must still be the one that its run wrote: names are used again.

    Args:
        engine: Where the table is.
        run: The run.
        table: Its stable table.
        rows: How many rows that has.

    Raises:
        ChangedTableError: It is another one.
    """
    written = run.fingerprint(table.side)
    if written is None:
        return
    now = fingerprint(engine, table, rows, written.share)
    if written.agrees(now):
        return
    raise ChangedTableError(
        f"{table.relation} is no longer the table of stable {table.side} that run {run.run_id} "
        f"wrote: that had {written.rows:,} rows, and in {written.summed:,} of them, chosen by "
        f"a hash of the id, first components whose sum was {written.total:.9g}; now there are "
        f"{now.rows:,} rows, and {now.summed:,} of them have the sum {now.total:.9g}. A later "
        "run has replaced it, or its rows were changed. Take the run that wrote it last as the "
        "--reference; to refer to earlier runs, write each to tables with names of their own."
    )


def check_table(
    engine: Engine, table: VectorTable, *, values: bool, drop: bool | None
) -> CheckedTable:
    """Count what can be wrong, in one scan: of the id column, or with `values` of the vectors too.

    Args:
        engine: Runs the statements.
        table: The table.
        values: Look at the vectors as well. A caller that streams them itself sees most problems
            for nothing, and looks closer only then.
        drop: Leave bad rows out instead of raising; None where that is no choice.

    Raises:
        DataError: The table is empty, or has bad rows and `drop` is not set.
    """
    row = {name: int(n) for name, n in engine.query(build.check(table, engine.dialect))[0].items()}
    dimension = len(table.vector) if table.layout == "wide" else None
    if row["n_rows"] == 0:
        raise DataError(_about(table) + f" has no rows{_with_filter(table)}.")
    found = {name: row[name] for name in _PROBLEMS if row.get(name)}
    if values:
        dimension, of_vectors = _check_vectors(engine, table, dimension)
        found |= {name: count for name, count in of_vectors.items() if count}
    if not found:
        return CheckedTable(table, row["n_rows"], dimension)
    if not values:
        # The ids alone are wrong so far; name everything that is, once.
        return check_table(engine, table, values=True, drop=drop)
    if not drop or "bad_weights" in found:
        raise _error(engine, table, found, row["n_rows"], dimension, droppable=drop is not None)
    valid = replace(table, only_valid=dimension)
    rows = int(engine.query(build.check(valid, engine.dialect))[0]["n_rows"])
    if rows == 0:
        raise DataError(_about(table) + f" has no valid row among its {row['n_rows']:,}.")
    return CheckedTable(valid, rows, dimension, row["n_rows"] - rows, found)


def _check_vectors(
    engine: Engine, table: VectorTable, dimension: int | None
) -> tuple[int, dict[str, int]]:
    """The dimension (the commonest one), and how many vectors have what problem."""
    found: dict[str, int] = {}
    if dimension is None:
        lengths = {
            None if row["n"] is None else int(row["n"]): int(row["n_rows"])
            for row in engine.query(build.lengths(table, engine.dialect))
        }
        found["null_vectors"] = lengths.pop(None, 0)
        if not any(lengths):
            raise DataError(_about(table) + " has no vector in any row.")
        dimension = max((count, length) for length, count in lengths.items() if length)[1]
        found["wrong_length"] = sum(lengths.values()) - lengths[dimension]
    counts = engine.query(build.check_vectors(table, dimension, engine.dialect))[0]
    return dimension, found | {name: int(count) for name, count in counts.items()}


def left_out_text(checked: CheckedTable) -> str:
    """How many vectors of a table are left out, and what is wrong with them."""
    problems = [
        _counted(name, checked.problems[name], checked.dimension)
        for name in _PROBLEMS
        if name in checked.problems
    ]
    text = f"left out {counted(checked.left_out, 'vector')}: {', '.join(problems)}"
    # None of them is the right one; so more go than there are too many.
    return f"{text}; every row of such an id goes" if "duplicate_ids" in checked.problems else text


def _counted(problem: str, count: int, dimension: int | None) -> str:
    one, several, _ = _PROBLEMS[problem]
    return counted(count, one, several).format(dimension=dimension)


def _error(
    engine: Engine,
    table: VectorTable,
    found: dict[str, int],
    rows: int,
    dimension: int | None,
    *,
    droppable: bool,
) -> DataError:
    lines = []
    for name, (_, _, remedy) in _PROBLEMS.items():
        if name not in found:
            continue
        line = _counted(name, found[name], dimension)
        if name != "null_ids":
            statement = build.example(table, name, dimension, engine.dialect)
            example: Any = engine.query(statement)[0]["example"]
            line += f" (for example id {example})"
        lines.append(f"{line}: {remedy.format(them='it' if found[name] == 1 else 'them')}")
    droppable = droppable and "bad_weights" not in found
    drop = ", or leave such rows out with --on-invalid drop" if droppable else ""
    columns = f"id {table.id.name}, vector {table.vector_names()}"
    if table.weight:
        columns += f", weight {table.weight}"
    return DataError(
        f"{_about(table)} ({columns}) has, among {counted(rows, 'row')}, "
        + "; ".join(lines)
        + drop
        + "."
    )


def overflow_error(table: VectorTable) -> DataError:
    """All components are finite, but their squares are not."""
    return DataError(
        f"{_about(table)}, vector {table.vector_names()}: the sums of squares overflow although "
        "every component is finite; divide the vectors of all tables by a constant."
    )


def range_error(table: VectorTable) -> DataError:
    """The engine refuses components or squares that others make infinite, or zero."""
    return DataError(
        f"{_about(table)}, vector {table.vector_names()}: a component, or the square of one, is no "
        "number of 64 bits, which has from 1e-308 to 1e308, and the engine stops there. Set "
        "components below 1e-154 to zero; where there are any from 1e150 on, divide the vectors of "
        "all tables by a constant."
    )


def check_dimensions(users: CheckedTable, items: CheckedTable) -> None:
    """Users and items must have vectors of one dimension.

    Raises:
        DataError: They do not.
    """
    if users.dimension != items.dimension:
        raise DataError(
            f"{_about(users.table)} has vectors of {users.dimension} components "
            f"({users.table.vector_names()}), but {_about(items.table)} has "
            f"{items.dimension} ({items.table.vector_names()}): scores are dot products, so "
            "both need the same number."
        )


def check_alike(further: CheckedTable, side: CheckedTable) -> None:
    """A table must have vectors of the dimension of the side whose space it shares.

    Raises:
        DataError: It does not.
    """
    if further.dimension != side.dimension:
        raise DataError(
            f"{_about(further.table)} has vectors of {further.dimension} components "
            f"({further.table.vector_names()}), but {_about(side.table)}, whose space it is to "
            f"share, has {side.dimension} ({side.table.vector_names()})."
        )


def check_joinable(engine: Engine, table: VectorTable, reference: VectorTable) -> None:
    """The ids of the run and of the reference must be comparable.

    Raises:
        DataError: Their types are not.
    """
    if comparable(table.id.type, reference.id.type, engine.dialect):
        return
    raise DataError(
        f"{_about(table)} has ids {table.id.name} of type {table.id.type}, but the reference's "
        f"{reference.id.name} in {reference.relation} is {reference.id.type}: cast one of them "
        "so that the same id is equal in both."
    )


def count_shared(engine: Engine, table: VectorTable, reference: VectorTable) -> int:
    """How many ids the run and the reference share."""
    statement = build.shared_ids(table, reference, engine.dialect, anchor=False)
    return int(engine.query(statement)[0]["shared"])


def cause(
    engine: Engine,
    condition: Literal["filter", "anchor_filter"],
    table: VectorTable,
    statement: Callable[[VectorTable], str],
    error: EngineError,
) -> SqlstabError:
    """What to say of a query that failed: whether it was for a condition, which is a user's.

    Args:
        engine: Where it failed.
        condition: Which condition there was in it.
        table: The table that it was about.
        statement: Makes the query for a table.
        error: What the engine said.
    """
    written = getattr(table, condition)
    if written is None:
        return error
    is_filter = condition == "filter"
    plain = replace(table, filter=None) if is_filter else replace(table, anchor_filter=None)
    try:
        engine.query(statement(plain))
    except EngineError:
        return error
    said = str(error).partition("\n")[0].rstrip(".")
    return DataError(
        f"{_about(table)}: the {condition.replace('_', ' ')} {written} cannot be evaluated: {said}."
    )


def count_anchors(engine: Engine, table: VectorTable, reference: VectorTable, shared: int) -> int:
    """How many shared ids take part in the alignment.

    Raises:
        DataError: There is not one.
    """
    anchors = shared
    if shared and (table.anchor_filter or table.share < 1):

        def statement(taken: VectorTable) -> str:
            return build.shared_ids(taken, reference, engine.dialect, anchor=True)

        try:
            anchors = int(engine.query(statement(table))[0]["shared"])
        except EngineError as error:
            raise cause(engine, "anchor_filter", table, statement, error) from error
    if anchors:
        return anchors
    examples = [
        str(engine.query(build.example(side, None, None, engine.dialect))[0]["example"])
        for side in (replace(table, share=1.0), reference)
    ]
    which = f" that meet the anchor filter {table.anchor_filter}" if table.anchor_filter else ""
    remedy = "Align on the other side with --anchor, or give another --reference."
    if shared and table.share < 1:
        which += f" in a sample of {table.share * 100:.3g}% of its rows"
        remedy = "Take a larger --sample, or none."
    if not shared:
        which = ""
    raise DataError(
        f"{_about(table)} shares no ids{which} with the reference {reference.relation}: its "
        f"{table.id.name} is {table.id.type}, for example {examples[0]}; the reference's "
        f"{reference.id.name} is {reference.id.type}, for example {examples[1]}. {remedy}"
    )


def _about(table: VectorTable) -> str:
    return f"{table.side} table {table.relation}"


def _with_filter(table: VectorTable) -> str:
    return f" that meet the filter {table.filter}" if table.filter else ""
