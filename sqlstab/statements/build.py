"""The statements that compute, rendered from the templates in `sql/`.

Templates hold our own text. Whatever a user supplies goes through `quoting` before it gets there.
Whole statements are not transpiled at run time: at e = 64 sqlglot takes half a second for one, and
its time grows with e squared. Statements about tables as such are in `ddl`.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import sys
import textwrap
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from sqlstab.errors import UsageError
from sqlstab.statements import files, ids, relations
from sqlstab.statements.conditions import condition
from sqlstab.statements.quoting import identifier, string
from sqlstab.statements.sides import SIDES, VECTORS
from sqlstab.statements.types import Column, is_enum, is_small
from sqlstab.statements.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlstab.maths.quality import Band
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.dialect import Dialect, Solving
    from sqlstab.statements.sides import Side
    from sqlstab.statements.table import StableTable, VectorTable


@cache
def _templates() -> Path:
    here = Path(__file__).resolve().parents[1]
    # In a wheel the templates are part of the package; a checkout keeps them at the top level.
    folder = next((d for d in (here / "templates", here.parent / "sql") if d.is_dir()), None)
    if folder is None:
        raise FileNotFoundError("The SQL templates are missing from this installation of sqlstab.")
    return folder


class _Compiled(jinja2.FileSystemBytecodeCache):
    """Compiled templates; to compile those of a run takes 0.1 s, a sixth of a small run."""

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        with suppress(OSError):  # in an installation that cannot be written to
            super().dump_bytecode(bucket)


@cache
def _environment() -> jinja2.Environment:
    templates = _templates()
    # Where Python would keep them, if it keeps any.
    compiled = templates / "__pycache__"
    if not sys.dont_write_bytecode:
        with suppress(OSError):
            compiled.mkdir(exist_ok=True)
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        bytecode_cache=_Compiled(str(compiled)) if compiled.is_dir() else None,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is SQL, not HTML
    )


def _render(template: str, dialect: Dialect, **context: Any) -> str:
    text = _environment().get_template(f"{template}.sql.jinja").render(dialect=dialect, **context)
    return f"{text}\n"


def _part(macro: str, *arguments: Any) -> str:
    """Return the text of one macro."""
    module = _environment().get_template("macros.sql.jinja").module
    text: str = getattr(module, macro)(*arguments)
    return text


@dataclass(frozen=True)
class _Source:
    """A `VectorTable` in the words of a statement; see `sql/macros.sql.jinja`.

    An id is one expression; where that is not a column itself, the id's columns are `parts`.
    """

    side: str
    layout: str
    element: str
    relation: str
    id: str
    id_text: str
    parts: tuple[str, ...]
    vector: str
    columns: tuple[str, ...]
    dimension: str
    first: int
    filter: str | None
    weight: str | None
    anchor_filter: str | None
    keep: tuple[str, ...]
    keep_names: tuple[str, ...]
    below: str | None
    half: str | None
    only_valid: int | None
    is_made: bool


def _source(table: VectorTable, dialect: Dialect) -> _Source:
    def column(name: str) -> str:
        return f"t.{identifier(name, dialect)}"

    columns = tuple(column(name) for name in table.vector)
    if table.layout == "wide":
        array = dialect.array if len(columns) > 1 else dialect.array_of_one or dialect.array
        vector = array.format(", ".join(columns))
        if table.element == "float" and is_small(table.vector_type, dialect):
            vector = dialect.as_reals.format(vector)
    else:
        vector = array_of(table, columns[-1], dialect)
    id_columns = tuple(column(c.name) for c in table.ids)
    # An ENUM and its text are equal, but not their hashes.
    alone = len(table.ids) == 1 and not is_enum(table.ids[0].type, dialect)
    id_text = ids.text(table.ids, dialect)
    return _Source(
        side=table.side,
        layout=table.layout,
        element=table.element,
        relation=files.exact(table.files)
        if table.files
        else relations.named(table.relation, dialect),
        id=id_columns[0] if alone else id_text,
        id_text=id_text,
        parts=() if alone else id_columns,
        vector=vector,
        columns=columns,
        dimension=columns[0] if table.layout == "long" else "",
        first=table.first,
        filter=_row_condition(table, table.filter, dialect),
        weight=_weight(table, dialect),
        anchor_filter=_row_condition(table, table.anchor_filter, dialect),
        keep=tuple(column(c.name) for c in table.keep),
        keep_names=tuple(identifier(c.name, dialect) for c in table.keep),
        below=_below(table.share),
        half=None if table.half is None else str(table.half),
        only_valid=table.only_valid,
        is_made=table.layout == "array" and vector != columns[-1],
    )


def array_of(table: VectorTable, column: str, dialect: Dialect) -> str:
    """Write the vectors of an array column as arrays; other columns as they stand."""
    known = table.reading(dialect, column)
    return known.array if known else column


def _weight(table: VectorTable, dialect: Dialect) -> str | None:
    """Return the weight of a row as an expression; None where all count the same."""
    if table.weight_expression:
        return _row_condition(table, table.weight_expression, dialect)
    return f"t.{identifier(table.weight, dialect)}" if table.weight else None


def _below(share: float) -> str | None:
    """Return the hexadecimal text below which this share of all MD5 digests is; None for all."""
    return f"{round(share * 16**8):08x}" if share < 1 else None


def _row_condition(table: VectorTable, text: str | None, dialect: Dialect) -> str | None:
    """Write a condition on a table; in the long layout, refuse one that takes components away."""
    if not text:
        return None
    read = condition(text, dialect)
    if table.layout == "long":
        names = {column.name.lower() for _, column in read.columns}
        parts = names & {name.lower() for name in table.vector}
        if parts:
            raise UsageError(
                f"{table.about}: the condition {text!r} is about "
                f"{', '.join(sorted(parts))}, so it would take vectors apart; in the long layout a "
                "condition must hold for all rows of an id or for none."
            )
    return read.qualified("t")


def _columns(matrix: Matrix | None, dialect: Dialect) -> list[list[str]] | None:
    """Write a matrix as statements spell it: its columns, as lists of literals."""
    if matrix is None:
        return None
    return [[dialect.number(value) for value in column] for column in matrix.T]


def check(table: VectorTable, dialect: Dialect) -> str:
    """Write a query of one row that counts what can be wrong with ids and weights."""
    return _render("check", dialect, t=_source(table, dialect))


def count(table: VectorTable, dialect: Dialect) -> str:
    """Write a query of one row, `n_rows`: the rows; in the long layout, the components."""
    return _render("count", dialect, t=_source(table, dialect))


def lengths(table: VectorTable, dialect: Dialect) -> str:
    """Write a query of rows (n, n_rows): how many vectors have how many components."""
    return _render("lengths", dialect, t=_source(table, dialect))


def check_vectors(table: VectorTable, dimension: int, dialect: Dialect) -> str:
    """Write a query of one row that counts what can be wrong with vectors of this dimension."""
    return _render("check_vectors", dialect, t=_source(table, dialect), dimension=dimension)


def labelled(statement: str, side: Side, what: str, dialect: Dialect) -> str:
    """Put two columns, (side, what), before the rows of a query, for people who read several."""
    return _render("labelled", dialect, statement=statement.strip(), side=side, what=what)


def first_dimension(table: VectorTable, dialect: Dialect) -> str:
    """Write a query of `first_dimension`: the number of the first one in the long layout."""
    return _render("first_dimension", dialect, t=_source(table, dialect))


def example(
    table: VectorTable, problem: str | None, dimension: int | None, dialect: Dialect
) -> str:
    """Write a query of an id with a problem, named as a count of the checks; any id for None."""
    return _render(
        "example", dialect, t=_source(table, dialect), problem=problem, dimension=dimension
    )


def shared_ids(
    table: VectorTable, reference: VectorTable, dialect: Dialect, *, anchor: bool
) -> str:
    """Write a query of one row: how many ids both tables have (shared).

    With `anchor` only those that may align; where these have weights, also how many weights are
    above 0 (weighted), their sum (weight), and that of their squares (squares).
    """
    return _render(
        "shared_ids",
        dialect,
        t=_source(table, dialect),
        reference=_source(reference, dialect),
        anchor=anchor,
    )


def rows(table: VectorTable, dialect: Dialect) -> str:
    """Return rows (x): the vectors as they stand, for an engine that streams them."""
    return _render("rows", dialect, t=_source(table, dialect))


def shared_rows(
    table: VectorTable, reference: VectorTable, dialect: Dialect, *, anchor: bool = False
) -> str:
    """Return rows (x, y) of this run and the reference as they stand, one for each shared pair.

    Args:
        table: The run's table.
        reference: The reference's table.
        dialect: The dialect to write.
        anchor: Only the rows that may align, with weights and halves: rows (x, y, w, half).
    """
    return _render(
        "shared_rows",
        dialect,
        t=_source(table, dialect),
        reference=_source(reference, dialect),
        anchor=anchor,
    )


def tiles(
    rows: int, columns: int, most_sums: int | None, *, triangular: bool
) -> list[tuple[range, range]]:
    """Split a matrix into tiles (rows, columns), 1-based: one, or squares of about one size.

    A statement computes the components of its rows and of its columns alone, and a square has the
    fewest of them for its number of entries.

    Args:
        rows: Rows of the matrix.
        columns: Columns of the matrix.
        most_sums: Entries of a tile; None for all.
        triangular: Only the entries j >= i are wanted.
    """
    entries = rows * (rows + 1) // 2 if triangular else rows * columns
    if most_sums is None or entries <= most_sums:
        return [(range(1, rows + 1), range(1, columns + 1))]
    side = math.isqrt(most_sums)

    def cut(size: int) -> list[range]:
        count = -(-size // side)
        bounds = [1 + size * k // count for k in range(count + 1)]
        return [range(*pair) for pair in itertools.pairwise(bounds)]

    return [
        (across, down)
        for across in cut(rows)
        for down in cut(columns)
        if not triangular or down.start >= across.start
    ]


def gram(
    table: VectorTable,
    dimension: int,
    dialect: Dialect,
    *,
    matrix: Matrix | None = None,
    other: VectorTable | None = None,
    unit_rows: bool = False,
) -> list[str]:
    """Return rows (side, i, j, value, n_rows) of the Gram matrix, 1-based, i <= j.

    Args:
        table: The table.
        dimension: Components of a row: after the matrix, if there is one.
        dialect: The dialect to write.
        matrix: (e, dimension): the Gram matrix of the rows times this instead.
        other: Only rows whose id this table has too, once for each row there, times the weights of
            both: rows (side, half, i, j, value, n_rows), one matrix for each half of the ids.
        unit_rows: Give the rows length one first.

    Returns:
        Statements, each of which scans the table for a part of the matrix.
    """
    context: dict[str, Any] = {
        "t": _source(table, dialect),
        "dimension": dimension,
        "matrix": _columns(matrix, dialect),
        "other": _source(other, dialect) if other else None,
        "unit_rows": unit_rows,
    }
    return [
        _render("gram", dialect, rows=rows, columns=columns, **context)
        for rows, columns in tiles(dimension, dimension, dialect.most_sums, triangular=True)
    ]


def fingerprint(table: VectorTable, dialect: Dialect, *, matrix: Matrix | None = None) -> str:
    """Write a query of rows (bucket, n_rows, total, squares) of one number of each row.

    Args:
        table: The table.
        dialect: The dialect to write.
        matrix: (e, 1): what makes a number of a vector; None if the vectors have one component.
    """
    context: dict[str, Any] = {"matrix": _columns(matrix, dialect)}
    return _render("fingerprint", dialect, t=_source(table, dialect), **context)


def cross_gram(
    table: VectorTable,
    reference: VectorTable,
    dimension: int,
    reference_dimension: int,
    dialect: Dialect,
    *,
    matrix: Matrix | None = None,
    reference_matrix: Matrix | None = None,
    unit_rows: bool = False,
) -> list[str]:
    """Return rows (side, half, i, j, value, n_rows) of the cross Gram matrix, 1-based.

    Both vectors end with a further component, 1: so the last column holds the sums of x, the last
    row those of y, and their corner the sum of the weights.

    Args:
        table: The run's table (x, index i).
        reference: The reference's stable table (y, index j).
        dimension: Components of x: after the matrix, if there is one.
        reference_dimension: Components of y, after its matrix.
        dialect: The dialect to write.
        matrix: (e, dimension): use the run's rows times this.
        reference_matrix: The same for the reference's rows.
        unit_rows: Give both rows of a pair length one first.

    Returns:
        Statements, each of which scans both tables for a part of the matrix.
    """
    context: dict[str, Any] = {
        "t": _source(table, dialect),
        "reference": _source(reference, dialect),
        "dimension": dimension,
        "reference_dimension": reference_dimension,
        "matrix": _columns(matrix, dialect),
        "reference_matrix": _columns(reference_matrix, dialect),
        "unit_rows": unit_rows,
    }

    def own(part: range, size: int) -> range:
        """Return the components of a part that a table has itself; one at least."""
        return range(part.start, min(part.stop, size + 1)) or range(1, 2)

    return [
        _render(
            "cross_gram",
            dialect,
            rows=rows,
            columns=columns,
            own_rows=own(rows, dimension),
            own_columns=own(columns, reference_dimension),
            **context,
        )
        for rows, columns in tiles(
            dimension + 1, reference_dimension + 1, dialect.most_sums, triangular=False
        )
    ]


def union(statements: Sequence[str], dialect: Dialect) -> str:
    """Unite the rows of several queries of sums (side, i, j, value, n_rows) in one statement."""
    return _render("union", dialect, statements=[text.strip() for text in statements])


# What a solution has besides the maps and the singular values.
_SIDE_FIGURES = ("rows", "columns", "live", "rank", "condition", "accuracy", "gram_error")
_FIGURES = (
    *(f"{side}_{name}" for side in ("users", "items") for name in _SIDE_FIGURES),
    "rank",
    "score_error",
)
_ALIGNMENT_FIGURES = ("anchors", "aligned", "omega_error")
_SHARED_FIGURES = ("relative_residual", "cka", "bound")


def solution_figures(*, aligned: bool, shared: bool) -> tuple[str, ...]:
    """List the names of the figures of a solution."""
    return _FIGURES + (_ALIGNMENT_FIGURES if aligned else ()) + (_SHARED_FIGURES if shared else ())


@dataclass(frozen=True)
class Solve:
    """What solves the small problem: a query, and tables that are to be made before.

    Attributes:
        tables: Queries of tables, by their names, in their order; empty where one statement does
            it all.
        query: Its rows are the solution.
        function: What makes the function that the query calls; empty where it calls none.
    """

    tables: Mapping[str, str]
    query: str
    function: str = ""


def solve(
    dialect: Dialect,
    dimension: int,
    grams: str,
    *,
    crosses: str | None = None,
    reference_dimension: int | None = None,
    anchors: Mapping[Side, float] | None = None,
    shared: tuple[str, str] | None = None,
    table: Callable[[str], str] = "sqlstab_solve_{}".format,
) -> Solve:
    """Write the solver: the two maps from sums, as rows (name, i, j, value), 1-based.

    `name` is `users` or `items` for the maps, `omega` for the alignment, `singular_values` (j = 1),
    or that of a figure (i = j = 1). Where the figures show that the result cannot be trusted, the
    statement fails with an explanation.

    Args:
        dialect: The dialect to write.
        dimension: e.
        grams: A relation (side, i, j, value, n_rows): the Gram matrices of both sides, i <= j.
        crosses: The same of the cross Gram matrices; None for a first run.
        reference_dimension: d, components of a stable vector of the reference; by default e.
        anchors: The sides in `crosses`, and how much each counts.
        shared: The same of the Gram matrices of the shared anchors, this run's and the
            reference's: adds how well they fit.
        table: The name of the table for a step of this name.

    Raises:
        UsageError: The dialect has no such solver, or the reference too few dimensions.
    """
    solving = check_solver(dialect)
    stable_dimension = reference_dimension or dimension
    _check_dimensions(dimension, stable_dimension)
    if solving.way == "javascript":
        kinds = {"gram": grams, "cross": crosses}
        kinds |= dict(zip(("shared_run", "shared_reference"), shared or (), strict=False))
        settings = {"dimension": dimension, "reference_dimension": stable_dimension}
        text = _render(
            "solve_javascript",
            dialect,
            sums={kind: sums for kind, sums in kinds.items() if sums},
            settings=string(
                json.dumps(settings | ({"anchors": anchors} if anchors else {})), dialect
            ),
        )
        code = (_templates() / "solver.js").read_text(encoding="utf-8").strip()
        return Solve({}, text, solving.function.format("sqlstab_solve", code))
    figures = solution_figures(aligned=crosses is not None, shared=shared is not None)
    text = _render(
        "solve",
        dialect,
        dimension=dimension,
        reference_dimension=stable_dimension,
        grams=grams,
        crosses=crosses,
        anchors=[
            {"side": side, "weight": dialect.number(weight)}
            for side, weight in (anchors or {}).items()
        ],
        shared={"run": shared[0], "reference": shared[1]} if shared else None,
        figure_names=figures,
    )
    return Solve({}, text) if solving.way == "recursive" else _in_tables(text, table, dialect)


def check_solver(dialect: Dialect) -> Solving:
    """Return how a dialect can solve the small problem.

    Raises:
        UsageError: It cannot.
    """
    if dialect.solving is None:
        raise UsageError(
            f"There is no SQL solver for {dialect.name}; use sqlstab run, or sqlstab solve."
        )
    return dialect.solving


def _check_dimensions(dimension: int, stable_dimension: int) -> None:
    if stable_dimension < dimension:
        raise UsageError(
            f"The vectors have {dimension} components, the reference's {stable_dimension}: the SQL "
            "solver adds no axes to a space; use sqlstab run, or sqlstab solve."
        )


def align(dialect: Dialect, rank: int, dimension: int, cross: str) -> str:
    """Write a query of Omega, the orthogonal polar factor of a cross Gram matrix: (k, j, value).

    Args:
        dialect: The dialect to write.
        rank: Rows of C.
        dimension: Columns of C.
        cross: A relation (i, j, value) with all entries of C.

    Raises:
        UsageError: The dialect has no such solver, or C fewer columns than rows.
    """
    way = check_solver(dialect).way
    if way == "javascript":
        raise UsageError(f"{dialect.name} aligns in JavaScript, together with the maps.")
    _check_dimensions(rank, dimension)
    text = _render("align", dialect, reference_dimension=dimension, cross=cross)
    return wrapped(text) if way == "fold" else text


def cholesky(dialect: Dialect, dimension: int, matrices: str) -> str:
    """Write a query of rows (side, i, r, p): G = R'R and R P = I, column i of R and row i of P.

    Args:
        dialect: The dialect to write.
        dimension: Rows of a matrix.
        matrices: A relation (side, i, x): rows of positive definite matrices G, whose traces are
            near e.

    Raises:
        UsageError: The dialect has no such solver.
    """
    check_solver(dialect)
    return _render("cholesky", dialect, dimension=dimension, matrices=matrices)


_EXPRESSION = re.compile(r"((?:^--[^\n]*\n)*)^(\w+) AS MATERIALIZED \(\n(.*?)^\),?\n", re.M | re.S)
# The steps of a solution that take long, or that several others read.
_KEPT = ("unit_factors", "triangles", "singular", "balanced", "omega_rows", "figures")


def _in_tables(text: str, table: Callable[[str], str], dialect: Dialect) -> Solve:
    """Write a solution as several statements: not every engine keeps the rows of a WITH.

    What is cheap, or read once, stays an expression of the statement that reads it.
    """
    head, _, rest = text.partition("WITH\n")
    steps = {found[2]: found for found in _EXPRESSION.finditer(rest)}
    reads = re.compile(rf"\b(FROM|JOIN) ({'|'.join(steps)})\b")

    def statement(comment: str, query: str) -> str:
        needed: set[str] = set()
        wanted = [query]
        while wanted:
            new = {name for _, name in reads.findall(wanted.pop())} - needed - {*_KEPT}
            needed |= new
            wanted += [steps[name][3] for name in new]
        parts = [
            f"{found[1]}{name} AS (\n{found[3]})" for name, found in steps.items() if name in needed
        ]
        whole = comment + ("WITH\n" + ",\n".join(parts) + "\n" if parts else "") + query
        return wrapped(reads.sub(qualified, whole))

    def qualified(read: re.Match[str]) -> str:
        name = read[2]
        return f"{read[1]} {relations.named(table(name), dialect)}" if name in _KEPT else read[0]

    tables = {
        table(name): statement(steps[name][1], textwrap.dedent(steps[name][3]))
        for name in _KEPT
        if name in steps
    }
    return Solve(tables, statement(head, _EXPRESSION.sub("", rest)))


def guard(table: VectorTable, dimension: int, dialect: Dialect) -> str:
    """Write a query of one row that fails, and says why, if something is wrong with a table."""
    where = f" with {table.filter}" if table.filter else ""
    return _render(
        "guard",
        dialect,
        empty=string(f"{table.side}: {table.relation} has no rows{where}.", dialect),
        side=table.side,
        weighted=table.weight is not None,
        dimension=dimension,
        first=table.first if table.layout == "long" else None,
        check=check(table, dialect).strip(),
        lengths=None if table.layout == "wide" else lengths(table, dialect).strip(),
        check_vectors=check_vectors(table, dimension, dialect).strip(),
    )


def written(table: VectorTable, checked: str, advice: str, dialect: Dialect) -> str:
    """Write a query of one row that fails unless a stable table has as many ids as were checked.

    Args:
        table: The rows that were written.
        checked: The table of the row of `guard`.
        advice: Ends the message.
        dialect: The dialect to write.
    """
    return _render(
        "written",
        dialect,
        side=table.side,
        check=check(table, dialect).strip(),
        checked=relations.named(checked, dialect),
        advice=string(advice, dialect),
    )


def none(
    name: str,
    relation: str,
    where: str,
    message: str,
    dialect: Dialect,
    shown: tuple[str, str] = ("Rows", "count(*)"),
) -> str:
    """Write a query of one row that fails with a message if there are rows, and says how many.

    Args:
        name: What the row is called.
        relation: Where they would be, as it stands after FROM.
        where: The condition that they would meet, as it stands in the statement.
        message: Says what is wrong and what to do.
        dialect: The dialect to write.
        shown: What ends the message: a name, and an aggregate of those rows.
    """
    return _render(
        "none",
        dialect,
        name=name,
        relation=relation,
        condition=where,
        what=message.partition(":")[0],
        message=string(f"{message} {shown[0]}: ", dialect),
        shown=shown[1],
    )


def maps(solution: str, dialect: Dialect) -> str:
    """Return rows (side, i, j, value): the maps of a solution."""
    return _render("maps", dialect, solution=relations.named(solution, dialect))


def whole(sums: str, rows: int, columns: int, dialect: Dialect) -> str:
    """Return sums over the shared ids (side, i, j, value, n_rows) with both halves added up.

    Args:
        sums: Rows of one or both halves, with the constant component or without it.
        rows: Rows of the matrix, without the constant component.
        columns: Its columns, likewise.
        dialect: The dialect to write.
    """
    return _render("whole", dialect, sums=sums.strip(), rows=rows, columns=columns)


def run_figures(
    solution: str,
    names: Sequence[str],
    drifts: Mapping[Side, str],
    shared: Mapping[Side, str],
    scores: str,
    dialect: Dialect,
) -> str:
    """Return rows (name, value): the figures of a run.

    Args:
        solution: The table of the solution.
        names: Figures to take from it.
        drifts: Statements of `drift` by side.
        shared: Statements of `shared_ids` by side.
        scores: A statement of `scores`.
        dialect: The dialect to write.
    """

    def listed(statements: Mapping[Side, str]) -> list[dict[str, str]]:
        return [{"side": side, "statement": text.strip()} for side, text in statements.items()]

    return _render(
        "run_figures",
        dialect,
        solution=relations.named(solution, dialect),
        names=names,
        drifts=listed(drifts),
        shared=listed(shared),
        scores=scores.strip(),
    )


def run_text(
    parts: Sequence[str],
    figures: str,
    names: Sequence[str],
    reference: str | None,
    dialect: Dialect,
) -> str:
    """Return one row (figures, created): parts of a text, one behind the other.

    Args:
        parts: SQL expressions; `f` has a column for each figure, `r` the reference's row.
        figures: The table (name, value) of the figures.
        names: The figures that are used.
        reference: The table with one row of the reference, if there is any.
        dialect: The dialect to write.
    """
    return _render(
        "run_text",
        dialect,
        parts=parts,
        names=names,
        figures=relations.named(figures, dialect),
        reference=relations.named(reference, dialect) if reference else None,
    )


# Components whose products are summed as 4-byte numbers; these sums are added as doubles, so that
# the error does not grow with e. Parts of 64, or of all, take 0.7 or 0.5 of the time at e = 128,
# with 1.1 or 1.3 times the error.
_SINGLE_PART = 32


@dataclass(frozen=True)
class _SingleProduct:
    """A matrix as 4-byte numbers, for the engine's own product.

    Attributes:
        part, dot: See `NativeVector.product`.
        ranges: The first and the last component of each part.
        columns: A factor for each column, and the parts of the column divided by it.
    """

    part: str
    dot: str
    ranges: list[tuple[int, int]]
    columns: list[tuple[str, list[str]]]


def _single_product(
    table: VectorTable, matrix: Matrix | None, dialect: Dialect
) -> _SingleProduct | None:
    """Write a matrix for the engine's own product; None where it has none for the table."""
    product = table.product(dialect)
    if matrix is None or product is None:
        return None
    size = len(matrix)
    ranges = [(k + 1, min(k + _SINGLE_PART, size)) for k in range(0, size, _SINGLE_PART)]

    def column(values: Matrix) -> tuple[str, list[str]]:
        # A power of two, by which nothing is rounded. What is divided by it has sizes that add up
        # to 1 at most, so that no sum of products overflows where no component of a vector does.
        exponent = int(np.frexp(np.abs(values).sum())[1])
        numbers = [f"{x:.9g}" for x in np.ldexp(values, -exponent).astype(np.float32)]
        parts = [", ".join(numbers[first - 1 : last]) for first, last in ranges]
        return dialect.number(2.0**exponent), parts

    return _SingleProduct(*product, ranges, [column(values) for values in matrix.T])


def apply(
    table: VectorTable,
    steps: list[Matrix],
    output: StableTable,
    dialect: Dialect,
    *,
    function: str | None = None,
    single: bool = False,
) -> str:
    """Return the table with each vector x multiplied by one matrix, or by two in turn.

    Args:
        table: The table.
        steps: The matrices; none leaves the vectors as they are.
        output: How the result is laid out.
        dialect: The dialect to write.
        function: A function of the session that does the multiplication instead.
        single: Whether one matrix may be multiplied as 4-byte numbers, where the engine has a
            product of its own for the table's vectors.
    """
    return _render(
        "apply",
        dialect,
        t=_source(table, dialect),
        raw_dimension=len(steps[0]) if steps else output.dimension,
        inner_dimension=len(steps[-1]) if steps else output.dimension,
        steps=[] if function else [_columns(matrix, dialect) for matrix in steps],
        single=_single_product(table, steps[0], dialect) if single and len(steps) == 1 else None,
        function=function,
        output=_quoted(output, dialect),
    )


def _quoted(output: StableTable, dialect: Dialect) -> StableTable:
    return replace(
        output,
        ids=tuple(Column(identifier(c.name, dialect), c.type) for c in output.ids),
        vector=tuple(identifier(name, dialect) for name in output.vector),
    )


@dataclass(frozen=True)
class MatrixTable:
    """A matrix in a table (side, i, j, value), 1-based.

    Attributes:
        relation: The table.
        side: Which of the matrices there.
        rows, columns: The matrix's shape.
        filter: A condition that tells it from those of other runs, if there are any.
        transposed: Whether the table holds the transpose of it.
    """

    relation: str
    side: Side
    rows: int
    columns: int
    filter: str | None = None
    transposed: bool = False


@dataclass(frozen=True)
class _Matrix:
    """A `MatrixTable` in the words of a statement."""

    relation: str
    condition: str
    rows: int


def _matrix(matrix: MatrixTable, dialect: Dialect) -> _Matrix:
    name = relations.named(matrix.relation, dialect)
    wanted = f"side = '{matrix.side}'"
    if matrix.filter:
        wanted += f" AND ({condition(matrix.filter, dialect).text})"
    if matrix.transposed:
        # ClickHouse would take a bare `j AS i, i AS j` for a circle.
        swapped = "t.side AS side, t.j AS i, t.i AS j, t.value AS value"
        name = f"(SELECT {swapped} FROM {name} AS t WHERE {wanted}) AS transposed"
        wanted = "1 = 1"
    return _Matrix(name, wanted, matrix.rows)


def apply_from_table(
    table: VectorTable, matrices: list[MatrixTable], output: StableTable, dialect: Dialect
) -> str:
    """Write a query that multiplies each vector by one or two matrices that a table holds.

    The text does not change from run to run.
    """
    held = [_matrix(matrix, dialect) for matrix in matrices]
    context: dict[str, Any] = {
        "t": _source(table, dialect),
        "output": _quoted(output, dialect),
        "inverse": matrices[0].transposed,
    }
    if dialect.style == "components":
        return _render("apply_joined", dialect, matrices=held, **context)
    steps = [_part("matrix_columns", matrix, dialect) for matrix in held]
    context |= {"raw_dimension": matrices[0].rows, "inner_dimension": matrices[-1].rows}
    return _render("apply", dialect, steps=steps, single=None, function=None, **context)


def product(
    table: VectorTable,
    dimension: int,
    matrix: Matrix | MatrixTable | None,
    dialect: Dialect,
    *,
    anchor: bool = False,
    unit_rows: bool = False,
    single: bool = False,
) -> str:
    """Write a query of rows (id, x): a table times a matrix, x an array of doubles.

    Where the dialect has its vectors as columns and a table holds the matrix: rows (id, j, value),
    which are not normalized.

    Args:
        table: The table.
        dimension: Components of a row, after the matrix.
        matrix: (e, dimension): the matrix, or where it is; None for the rows as they are.
        dialect: The dialect to write.
        anchor: Only the rows that may align, with the weight w if the table has one.
        unit_rows: Give the rows length one.
        single: As in `apply`.
    """
    held = _matrix(matrix, dialect) if isinstance(matrix, MatrixTable) else None
    given = None if isinstance(matrix, MatrixTable) else matrix
    return _render(
        "product",
        dialect,
        t=_source(table, dialect),
        dimension=dimension,
        held=held,
        matrix=_columns(given, dialect),
        single=_single_product(table, given, dialect) if single else None,
        anchor=anchor,
        unit_rows=unit_rows,
    )


def drift(
    table: VectorTable,
    reference: VectorTable,
    dimensions: tuple[int, int],
    dialect: Dialect,
    *,
    matrix: Matrix | None = None,
    reference_matrix: Matrix | None = None,
    raw_matrix: Matrix | None = None,
    bands: Mapping[str, Band] | None = None,
) -> str:
    """Return one row of figures: cosines of the same id in two tables.

    Args:
        table: The run's table: its raw one, or its stable one.
        reference: The reference's stable table.
        dimensions: Components of a vector of each.
        dialect: The dialect to write.
        matrix: From the run's raw vectors to its stable ones, (e, d); None where the table has the
            stable ones.
        reference_matrix: The same for the reference's table.
        raw_matrix: From the reference's stable vectors back to its raw ones; None leaves out
            `before`.
        bands: Which cosines to count, of `before` and of `after`.
    """
    raw, reference_dimension = dimensions
    dimension = raw if matrix is None else matrix.shape[1]
    missing = dimension - reference_dimension
    return _render(
        "drift",
        dialect,
        run=_vectors(Vectors(table, raw), dialect),
        reference=_vectors(Vectors(reference, reference_dimension, reference_matrix), dialect),
        dimension=dimension,
        # Components that one of them lacks are zero.
        shared_dimension=min(dimension, reference_dimension),
        padding=dialect.array.format(", ".join(["0E0"] * missing)) if missing > 0 else None,
        matrix=_columns(matrix, dialect),
        raw_matrix=_columns(raw_matrix, dialect),
        bands={
            figure: {name: dialect.number(value) for name, value in asdict(band).items()}
            for figure, band in (bands or {}).items()
        },
    )


def scores(
    raw: Mapping[Side, VectorTable],
    stable: Mapping[Side, VectorTable],
    dimensions: tuple[int, int],
    rows: int,
    dialect: Dialect,
) -> str:
    """Write a query of one row (n_pairs, largest, largest_error): scores of a few users and items.

    Of pairs without one of both scores `n_pairs` counts none.

    Args:
        raw: The raw tables, `users` and `items`; or `vectors`, whose dot products with each other
            are taken.
        stable: The stable tables.
        dimensions: Components of a raw and of a stable vector.
        rows: Users, and items, to take.
        dialect: The dialect to write.
    """
    users, items = (VECTORS, VECTORS) if VECTORS in raw else SIDES
    return _render(
        "scores",
        dialect,
        users=_source(raw[users], dialect),
        stable_users=_source(stable[users], dialect),
        items=_source(raw[items], dialect),
        stable_items=_source(stable[items], dialect),
        dimension=dimensions[0],
        stable_dimension=dimensions[1],
        rows=rows,
    )


@dataclass(frozen=True)
class Vectors:
    """The vectors of a table, times a matrix if there is one.

    Attributes:
        table: The table.
        dimension: Components of a vector there.
        matrix: (dimension, k), or None.
    """

    table: VectorTable
    dimension: int
    matrix: Matrix | None = None


@dataclass(frozen=True)
class _Vectors:
    """`Vectors` in the words of a statement; see `sql/pairs.sql.jinja`."""

    source: _Source
    size: int
    matrix: list[list[str]] | None


def _vectors(vectors: Vectors, dialect: Dialect) -> _Vectors:
    matrix = vectors.matrix
    size = vectors.dimension if matrix is None else matrix.shape[1]
    return _Vectors(_source(vectors.table, dialect), size, _columns(matrix, dialect))


def quantile_name(level: float) -> str:
    """Return the part of a column's name that says which quantile it is: `p05` for 0.05."""
    return f"p{round(100 * level):02d}"


def cosine_summary(
    run: Vectors, reference: Vectors, levels: Sequence[float], dialect: Dialect
) -> str:
    """Write a query of one row: cosines of the same id in two tables, and ratios of its lengths.

    Args:
        run: The run's vectors.
        reference: The reference's. Components that one of them lacks are zero.
        levels: Which quantiles to give, as `cosine_p05` and `norm_ratio_p05` for 0.05.
        dialect: The dialect to write.

    Returns:
        A statement with the columns n_rows, n_cosines (of vectors other than zero), cosine_mean,
        and the quantiles.
    """
    return _render(
        "cosine_summary",
        dialect,
        run=_vectors(run, dialect),
        reference=_vectors(reference, dialect),
        levels=[(quantile_name(level), level) for level in levels],
    )


def cosine_histogram(run: Vectors, reference: Vectors, bins: int, dialect: Dialect) -> str:
    """Write a query of rows (bin, n_rows): cosines of the same id, in bins from -1 to 1.

    Empty bins have no row.
    """
    return _render(
        "cosine_histogram",
        dialect,
        run=_vectors(run, dialect),
        reference=_vectors(reference, dialect),
        bins=bins,
        bins_per_unit=dialect.number(bins / 2),
    )


def moved_most(
    stable: tuple[Vectors, Vectors],
    raw: tuple[Vectors, Vectors] | None,
    most: int,
    dialect: Dialect,
) -> str:
    """Write a query of the ids whose stable vectors agree least in two runs, the least first.

    Args:
        stable: The stable vectors of the run and of the reference.
        raw: The raw ones, if they are known.
        most: How many ids.
        dialect: The dialect to write.

    Returns:
        A statement with the columns moved_id (as text), after, norm, reference_norm, and where
        there are raw vectors before, raw_norm, raw_reference_norm.
    """
    return _render(
        "moved_most",
        dialect,
        stable=[_vectors(vectors, dialect) for vectors in stable],
        raw=[_vectors(vectors, dialect) for vectors in raw] if raw else None,
        most=most,
    )


def neighbours(
    run: Vectors,
    reference: Vectors,
    share: float,
    nearest: int,
    dialect: Dialect,
    *,
    cosine: bool,
) -> str:
    """Write a query (n_neighbours, n_both, n_found): has an id the same neighbours in both?

    Args:
        run: The run's vectors: neighbours are looked for among the ids that both have.
        reference: The reference's.
        share: Look for the neighbours of such a share of the ids, chosen by a hash of the id.
        nearest: How many neighbours of each.
        dialect: The dialect to write.
        cosine: By cosine, not by dot product.
    """
    queries = [
        _vectors(replace(vectors, table=replace(vectors.table, share=share)), dialect)
        for vectors in (run, reference)
    ]
    return _render(
        "neighbours",
        dialect,
        run=_vectors(run, dialect),
        reference=_vectors(reference, dialect),
        queries=queries,
        nearest=nearest,
        cosine=cosine,
    )


def longest(run: Vectors, reference: Vectors, wanted: Vectors, most: int, dialect: Dialect) -> str:
    """Write a query of rows (vector_id, x1, x2, ...): the longest vectors of the reference.

    Args:
        run: The run's vectors.
        reference: The reference's.
        wanted: Whose vectors to give; of one of the two tables.
        most: How many ids, of those that both have.
        dialect: The dialect to write.
    """
    return _render(
        "longest",
        dialect,
        run=_vectors(run, dialect),
        reference=_vectors(reference, dialect),
        wanted=_vectors(wanted, dialect),
        most=most,
    )
