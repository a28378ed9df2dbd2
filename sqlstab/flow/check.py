"""Checks before work: what is wrong with a table is said once, with count, example and remedy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlstab.errors import DataError, EngineError, OutOfRangeError, SqlstabError
from sqlstab.statements import build, ids
from sqlstab.statements.sides import VECTORS
from sqlstab.statements.statement import Statement
from sqlstab.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlstab.flow.job import Job
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.statement import Flow, Rows
    from sqlstab.statements.table import VectorTable

# Count in the result of `check` -> one, several, remedy.
_PROBLEMS = {
    "null_ids": ("NULL id", "NULL ids", "give every row an id"),
    "duplicate_ids": (
        "row whose id has occurred before",
        "rows whose id has occurred before",
        "keep one row for an id",
    ),
    "null_vectors": ("vector that is NULL", "vectors that are NULL", "fill or remove {them}"),
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

# The same where the vectors are texts.
_NO_TEXT = (
    "text that is no vector such as [0.1, 0.2]",
    "texts that are no vectors such as [0.1, 0.2]",
    "mend or remove {them}",
)
_NOTHING = "nothing"
_NO_TEXTS = {
    **_PROBLEMS,
    **dict.fromkeys(("null_vectors", "null_components", _NOTHING), _NO_TEXT),
}

# The same where they may be sparse ones.
_NO_SPARSE = {
    **_PROBLEMS,
    "null_vectors": (
        "vector that is NULL, or whose indices are not numbers of its components, each once",
        "vectors that are NULL, or whose indices are not numbers of their components, each once",
        "mend or remove {them}",
    ),
}

# The same where each component is a row.
_NOT_WHOLE = {
    **_PROBLEMS,
    "null_vectors": (
        "vector that lacks a dimension, or has one twice or too many",
        "vectors that lack a dimension, or have one twice or too many",
        "write each dimension of an id in one row, or remove {them}",
    ),
}

# What stands in for the counts of a table that is not looked at.
_ROWS = 1_000_000


@dataclass(frozen=True)
class Checked:
    """A table that can be worked with.

    Attributes:
        table: The table; with `only_valid` set where bad rows are left out.
        rows: How many rows take part.
        dimension: e, where it is known already.
        left_out: How many bad rows do not take part.
        problems: What is wrong with them, and with how many; one row can have several.
        summed: How many rows the Gram matrix is of; fewer than `rows` for a sample, 0 for none.
        zeros: How many vectors are zeros, where they have been looked at.
    """

    table: VectorTable
    rows: int
    dimension: int | None
    left_out: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    summed: int = 0
    zeros: int = 0


def numbered(table: VectorTable, dialect: Dialect) -> Flow[VectorTable]:
    """Find the number of the first dimension of a table in the long layout; others stay."""
    if table.layout != "long":
        return table
    found = yield Statement(
        f"first dimension {table.side}",
        (build.first_dimension(table, dialect),),
        _first,
        None,
        reads=(table.side,),
    )
    return replace(table, first=int((found or {}).get("first_dimension") or 0))


def table(
    table: VectorTable, dialect: Dialect, *, values: bool, drop: bool | None, dimension: int
) -> Flow[Checked]:
    """Count what can be wrong, in one scan of the id column, or with `values` of the vectors too.

    Args:
        table: The table.
        dialect: The dialect to write.
        values: Look at the vectors as well. Where vectors are streamed, the sums notice what is
            wrong with them, and this is done only then.
        drop: Leave bad rows out instead of raising; None where that is no choice.
        dimension: Stands in for the length of the vectors where nothing is run.

    Raises:
        DataError: The table is empty, or has bad rows and `drop` is not set.
    """
    table = yield from numbered(table, dialect)
    found = yield from _counts(table, dialect)
    size = len(table.vector) if table.layout == "wide" else None
    if found["n_rows"] == 0:
        where = f" that meet the filter {table.filter}" if table.filter else ""
        raise DataError(f"{table.about} has no rows{where}.")
    problems = {name: found[name] for name in _PROBLEMS if found.get(name)}
    zeros = 0
    if values or problems:
        # Where the ids are wrong, the vectors are looked at too: what is wrong is said once.
        size, of_vectors = yield from _vectors(table, size, dialect, dimension)
        zeros = of_vectors.pop("zeros", 0)
        problems |= {name: count for name, count in of_vectors.items() if count}
    if not problems:
        return Checked(table, found["n_rows"], size, zeros=zeros)
    if not drop or "bad_weights" in problems:
        raise (yield from _error(table, problems, found["n_rows"], size, dialect, drop=drop))
    valid = replace(table, only_valid=size)
    rows = (yield from _counts(valid, dialect))["n_rows"]
    if rows == 0:
        raise DataError(f"{table.about} has no valid row among its {found['n_rows']:,}.")
    return Checked(valid, rows, size, found["n_rows"] - rows, problems, zeros=zeros)


def _counts(table: VectorTable, dialect: Dialect) -> Flow[dict[str, int]]:
    """Count what can be wrong with ids and weights."""
    try:
        found: dict[str, int] = yield Statement(
            f"check {table.side}",
            (build.check(table, dialect),),
            _integers,
            {"n_rows": _ROWS},
            reads=(table.side,),
            title=f"Checking {table.side}",
        )
    except EngineError as error:
        raise (
            yield from cause(table, "filter", lambda plain: build.check(plain, dialect), error)
        ) from error
    return found


def _vectors(
    table: VectorTable, size: int | None, dialect: Dialect, stand_in: int
) -> Flow[tuple[int, dict[str, int]]]:
    """Find the dimension (the commonest one), and how many vectors have what problem."""
    found: dict[str, int] = {}
    if size is None:
        lengths: dict[int | None, int] = yield Statement(
            f"lengths {table.side}",
            (build.lengths(table, dialect),),
            _lengths,
            {stand_in: _ROWS},
            reads=(table.side,),
            title=f"Checking {table.side}",
        )
        lengths = dict(lengths)
        rows = sum(lengths.values())
        found["null_vectors"] = lengths.pop(None, 0)
        if not any(lengths) and _words(table, dialect) is _NO_TEXTS:
            raise (yield from _error(table, {_NOTHING: rows}, rows, None, dialect, drop=None))
        if not any(lengths):
            if table.layout == "long":
                raise DataError(
                    f"{table.about} has no id with a value for each dimension from {table.first} "
                    f"on, without a gap ({table.vector_names()}): add rows for what is zero."
                )
            raise DataError(f"{table.about} has no vector in any row.")
        size = max((count, length) for length, count in lengths.items() if length)[1]
        found["wrong_length"] = sum(lengths.values()) - lengths[size]
    counts: dict[str, int] = yield Statement(
        f"vectors {table.side}",
        (build.check_vectors(table, size, dialect),),
        _integers,
        {},
        reads=(table.side,),
        title=f"Checking {table.side}",
    )
    return size, found | counts


def _error(
    table: VectorTable,
    found: dict[str, int],
    rows: int,
    dimension: int | None,
    dialect: Dialect,
    *,
    drop: bool | None,
) -> Flow[DataError]:
    """Make the error that names every problem with a count, an example and a remedy."""
    lines = []
    for name, (one, several, remedy) in _words(table, dialect).items():
        if name not in found:
            continue
        line = counted(found[name], one, several).format(dimension=dimension)
        if name != "null_ids":
            found_id = yield from example(table, name, dimension, dialect)
            line += f" (for example id {found_id})"
        lines.append(f"{line}: {remedy.format(them='it' if found[name] == 1 else 'them')}")
    droppable = drop is not None and "bad_weights" not in found
    columns = f"id {table.id_names()}, vector {table.vector_names()}"
    if table.weight:
        columns += f", weight {table.weight}"
    return DataError(
        f"{table.about} ({columns}) has, among {counted(rows, 'row')}, {'; '.join(lines)}"
        f"{', or leave such rows out with --on-invalid=drop' if droppable else ''}."
    )


def _words(table: VectorTable, dialect: Dialect) -> dict[str, tuple[str, str, str]]:
    """Return what problems are called: texts and sparse vectors may be something else."""
    known = table.reading(dialect)
    if known is None:
        return _NOT_WHOLE if table.layout == "long" else _PROBLEMS
    return _NO_TEXTS if known.is_text else _NO_SPARSE if known.is_sparse else _PROBLEMS


def example(
    table: VectorTable, problem: str | None, dimension: int | None, dialect: Dialect
) -> Flow[str | None]:
    """Find an id with a problem; any id for None. Return None where there is none."""
    found = yield Statement(
        f"example {table.side}",
        (build.example(table, problem, dimension, dialect),),
        _first,
        None,
        reads=(table.side,),
    )
    example = (found or {}).get("example")
    return None if example is None else ids.shown(str(example), table.ids, dialect)


def damage(
    reference: VectorTable, dimension: int, dialect: Dialect, error: SqlstabError
) -> Flow[SqlstabError]:
    """Say of sums with a reference that failed whether its vectors are the reason.

    Args:
        reference: Rows of earlier runs.
        dimension: Components that their vectors must have.
        dialect: The dialect to write.
        error: What was raised.
    """
    known = len(reference.vector) if reference.layout == "wide" else None
    try:
        size, found = yield from _vectors(reference, known, dialect, dimension)
        problems = {name: found[name] for name in _PROBLEMS if found.get(name)}
        if problems:
            rows = (yield from _counts(reference, dialect))["n_rows"]
            return (yield from _error(reference, problems, rows, size, dialect, drop=None))
    except EngineError:
        return error
    return error if size == dimension else size_error(reference, size, dimension)


def size_error(stored: VectorTable, size: int | None, dimension: int) -> DataError:
    """Make the error of stable vectors that have another size than their run wrote."""
    return DataError(
        f"{stored.about} has vectors of {size} components ({stored.vector_names()}), where "
        f"its run wrote {dimension}: it is damaged."
    )


def left_out_text(checked: Checked, dialect: Dialect) -> str:
    """Say how many rows of a table are left out, and what is wrong with them."""
    words = _words(checked.table, dialect)
    problems = [
        counted(count, *words[name][:2]).format(dimension=checked.dimension)
        for name, count in checked.problems.items()
    ]
    text = f"left out {counted(checked.left_out, 'vector')}: {', '.join(problems)}"
    # None of them is the right one; so more go than there are too many.
    return f"{text}; every row of such an id goes" if "duplicate_ids" in checked.problems else text


def warn_left_out(job: Job, checked: Checked) -> None:
    """Warn of rows that do not take part."""
    if checked.left_out:
        job.log.warn(f"{checked.table.side}: {left_out_text(checked, job.dialect)}.")


def cause(
    table: VectorTable,
    condition: str,
    statement: Callable[[VectorTable], str],
    error: EngineError,
) -> Flow[SqlstabError]:
    """Say of a query that failed whether a condition is the reason, which is the user's.

    Args:
        table: The table that it was about.
        condition: `filter` or `anchor_filter`.
        statement: Makes the query for a table.
        error: What the engine said.
    """
    written = getattr(table, condition)
    if isinstance(error, OutOfRangeError):
        return range_error(table)
    if written is None:
        return error
    plain = (
        replace(table, filter=None) if condition == "filter" else replace(table, anchor_filter=None)
    )
    try:
        yield Statement(f"check {table.side}", (statement(plain),), len, 0, reads=(table.side,))
    except EngineError:
        return error
    said = str(error).rstrip(".")
    return DataError(
        f"{table.about}: the {condition.replace('_', ' ')} {written} cannot be evaluated: {said}."
    )


def overflow_error(table: VectorTable) -> DataError:
    """Make the error of components that are finite while their squares are not."""
    return DataError(
        f"{table.about}, vector {table.vector_names()}: the sums of squares overflow although "
        f"every component is finite; {_scaling(table)}."
    )


def range_error(table: VectorTable) -> DataError:
    """Make the error of an engine that refuses components or squares out of range."""
    return DataError(
        f"{table.about}, vector {table.vector_names()}: a component, or the square of one, is no "
        "number of 64 bits, which has from 1e-308 to 1e308, and the engine stops there. Set "
        f"components below 1e-154 to zero; where there are any from 1e150 on, {_scaling(table)}."
    )


def _scaling(table: VectorTable) -> str:
    """Return what helps where components are too large to be squared."""
    alone = table.side == VECTORS
    which = "all vectors" if alone else "its vectors, and those of further tables with its map,"
    apart = (
        "divide each component by a constant of its own and multiply that of the other table by "
        "it, which changes no score, or "
    )
    return (
        f"divide {which} by a constant. None helps where components of less than 1e-150 times the "
        f"largest matter: then {'' if alone else apart}leave out the rows that are so long"
    )


def indefinite_error(
    table: VectorTable, gram: Matrix, entry: tuple[int, int], dialect: Dialect
) -> EngineError:
    """Make the error of an engine whose sums are those of no vectors.

    Args:
        table: The table.
        gram: The sums, (e, e).
        entry: The entry that cannot be, counted from 0.
        dialect: Of the engine.
    """
    i, j = entry
    return EngineError(
        f"{table.about}: {dialect.name} has computed a Gram matrix that is not positive "
        f"semidefinite: entry ({i + 1}, {j + 1}) is {gram[i, j]:.6g} and ({j + 1}, {i + 1}) is "
        f"{gram[j, i]:.6g}, with {gram[i, i]:.6g} and {gram[j, j]:.6g} on the diagonal. No vectors "
        "have such sums: rows changed meanwhile, or the engine computes wrongly."
    )


def dimensions(users: Checked, items: Checked) -> None:
    """Raise unless users and items have vectors of one dimension.

    Raises:
        DataError: They do not.
    """
    if users.dimension != items.dimension:
        raise DataError(
            f"{users.table.about} has vectors of {users.dimension} components "
            f"({users.table.vector_names()}), but {items.table.about} has "
            f"{items.dimension} ({items.table.vector_names()}): scores are dot products, so "
            "both need the same number."
        )


def alike(further: Checked, side: Checked) -> None:
    """Raise unless a table has vectors of the dimension of the side whose map it takes.

    Raises:
        DataError: It does not.
    """
    if further.dimension != side.dimension:
        raise DataError(
            f"{further.table.about} has vectors of {further.dimension} components "
            f"({further.table.vector_names()}), but {side.table.about}, whose map it takes, has "
            f"{side.dimension} ({side.table.vector_names()})."
        )


def joinable(table: VectorTable, reference: VectorTable, dialect: Dialect) -> None:
    """Raise unless the ids of this run and of the reference can be compared.

    Raises:
        DataError: Their types differ, or their columns do.
    """
    if ids.joinable(table, reference, dialect):
        return
    if len(table.ids) == len(reference.ids) == 1:
        remedy = (
            "are users and items swapped? If not, cast one of them so that the same id is equal in "
            "both"
        )
    else:
        remedy = "an id has the same columns in both, with the same names, and types that compare"
    verb = "is" if len(reference.ids) == 1 else "are"
    raise DataError(
        f"{table.about} has ids {table.id_names()} of type {table.id_types()}, but "
        f"{reference.id_names()} in the reference {reference.place} {verb} {reference.id_types()}: "
        f"{remedy}."
    )


def shared(table: VectorTable, reference: VectorTable, dialect: Dialect) -> Flow[int]:
    """Count the ids that this run and the reference share."""
    found: int = yield Statement(
        f"shared {table.side}",
        (build.shared_ids(table, reference, dialect, anchor=False),),
        _shared,
        _ROWS - 1,
        reads=(table.side, f"reference {table.side}"),
        title=f"Counting shared {table.side}",
    )
    return found


@dataclass(frozen=True)
class Anchors:
    """Shared ids that take part in an alignment.

    Attributes:
        ids: How many there are.
        effective: How many ids of one weight would count as much: (sum of w)^2 / sum of w^2.
    """

    ids: int
    effective: float


def anchors(table: VectorTable, reference: VectorTable, dialect: Dialect) -> Flow[Anchors]:
    """Count the shared ids that take part in the alignment; a weight of 0 takes none.

    Raises:
        DataError: There are none, or the anchor filter cannot be evaluated.
    """

    def statement(taken: VectorTable) -> str:
        return build.shared_ids(taken, reference, dialect, anchor=True)

    shared: int
    found: Anchors
    try:
        shared, found = yield Statement(
            f"anchors {table.side}",
            (statement(table),),
            _anchors,
            (_ROWS - 1, Anchors(_ROWS - 1, _ROWS - 1)),
            reads=(table.side, f"reference {table.side}"),
            title=f"Counting shared {table.side}",
        )
    except EngineError as error:
        raise (yield from cause(table, "anchor_filter", statement, error)) from error
    if shared:
        return found
    examples = []
    for side in (replace(table, share=1.0), reference):
        examples.append((yield from example(side, None, None, dialect)))
    if examples[1] is None:
        where = f" where {reference.filter}" if reference.filter else ""
        raise DataError(
            f"{reference.about} has no rows{where}: those of the reference are gone. Write its "
            "runs again, or drop them."
        )
    which = f" that meet the anchor filter {table.anchor_filter}" if table.anchor_filter else ""
    if table.share < 1:
        which += f" in a sample of {table.share * 100:.3g}% of its rows"
        remedy = "Take a larger --sample, or none."
    elif table.anchor_filter:
        remedy = "Widen the filter."
    elif table.side == VECTORS:
        remedy = "Give the same ids as before, or begin another space."
    else:
        remedy = "Give the same ids as before, or align on the other side with --anchor."
    raise DataError(
        f"{table.about} shares no ids{which} with the reference {reference.place}: its "
        f"{table.id_names()} is {table.id_types()}, for example {examples[0]}; the reference's "
        f"{reference.id_names()} is {reference.id_types()}, for example {examples[1]}. {remedy}"
    )


def _first(rows: Rows) -> dict[str, Any] | None:
    return rows[0] if rows else None


def _integers(rows: Rows) -> dict[str, int]:
    return {name: int(count) for name, count in rows[0].items()}


def _lengths(rows: Rows) -> dict[int | None, int]:
    return {None if row["n"] is None else int(row["n"]): int(row["n_rows"]) for row in rows}


def _shared(rows: Rows) -> int:
    return int(rows[0]["shared"])


def _anchors(rows: Rows) -> tuple[int, Anchors]:
    """Return how many ids are shared, and how many take part."""
    shared, row = _shared(rows), rows[0]
    if "weighted" not in row:
        return shared, Anchors(shared, shared)
    count = int(row["weighted"])
    weight, squares = (float(row[name] or 0) for name in ("weight", "squares"))
    effective = weight * (weight / squares) if squares else float(count)
    return shared, Anchors(count, min(effective, float(count)))
