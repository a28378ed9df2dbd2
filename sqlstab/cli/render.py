"""`sqlstab render`: the statements, for whoever runs them; nothing is connected to."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from sqlstab.cli import options
from sqlstab.config import Options
from sqlstab.errors import UsageError
from sqlstab.maths.maps import SCORE_ERROR, Transform
from sqlstab.places import Place, check_outputs
from sqlstab.runs import FIGURES_FILE, Run, file_name
from sqlstab.script import Reference, Script
from sqlstab.staged import scratch_name
from sqlstab.statements import build, ddl, quoting
from sqlstab.statements.declared import declared, declared_reference
from sqlstab.statements.dialect import DIALECTS, dialect
from sqlstab.statements.table import OTHER, SIDES, EmbeddingTable, stable_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import Side, StableTable, VectorTable


@click.group(short_help="Print the SQL of a step; connects to nothing.")
def render() -> None:
    """Print the SQL of a step, for any client of the database; nothing is connected to.

    Since nobody looks at the tables, their columns are named by options. Each statement ends in a
    semicolon. The whole job, a first run and then the next ones:

    \b
      sqlstab render gram ...       | a client of the database > gram.csv
      sqlstab render cross-gram ... | a client of the database > cross.csv
      sqlstab solve --gram gram.csv --cross cross.csv --reference monday.json --out tuesday.json
      sqlstab render apply --transform tuesday.json ... | a client of the database
    """  # noqa: D301 - click reads the backspace


def _dialect_among(names: Sequence[str]) -> Callable[[options.Command], options.Command]:
    return click.option(
        "--dialect",
        "dialect_name",
        required=True,
        type=click.Choice(names),
        help="The SQL to write.",
    )


_dialect = _dialect_among(list(DIALECTS))

_raw_dimension = options.dimension(
    "Components of a vector. Needed, unless --vector names a column for each."
)
_reference_columns = options.all_of(
    options.for_tables(options.REFERENCE_COLUMNS),
    options.dimension(
        "Components of a stable vector of the reference. Default: E.", "--reference-dimension"
    ),
)
_OF_REFERENCE_TABLES = tuple(
    f"{prefix}{name}".replace("-", "_")
    for name in options.REFERENCE_COLUMNS
    for prefix in ("", *(f"{side}-" for side in SIDES))
)
_reference_options = options.all_of(options.for_tables(options.REFERENCE), _reference_columns)


@dataclass(frozen=True)
class _Source:
    """A table that is named by options, and how many components its vectors have."""

    table: VectorTable
    dimension: int


def _source(given: dict[str, Any], side: Side, dimension: int | None) -> _Source:
    """The table of a side.

    Args:
        given: The options.
        side: The side.
        dimension: Components of a vector, if they are known from elsewhere.
    """
    dialect_ = dialect(given["dialect_name"])
    table = declared(
        options.embedding_table(given, side),
        side,
        dimension,
        dialect_,
        element=options.of_side(given, side, "element") or "float",
        native=bool(options.of_side(given, side, "native")),
        first=options.of_side(given, side, "first") or 0,
    )
    if dimension is None and table.layout != "wide":
        raise UsageError(
            f"{side} table {table.relation}: how many components has a vector? Say it with "
            "--dimension."
        )
    return _Source(table, dimension or len(table.vector))


def _sources(given: dict[str, Any]) -> list[_Source]:
    return [_source(given, side, given["dimension"]) for side in options.given_sides(given)]


def _reference(given: dict[str, Any], source: _Source) -> _Source:
    """The reference's stable table of a side."""
    side = source.table.side
    relation = options.of_side(given, side, "reference")
    if relation is None:
        raise UsageError(f"Name the reference's stable {side} table with --{side}-reference.")
    dimension = given["reference_dimension"] or source.dimension
    stable = EmbeddingTable(
        relation,
        id=options.of_side(given, side, "reference_id"),
        vector=options.of_side(given, side, "reference_vector"),
        layout=options.of_side(given, side, "reference_layout"),
    )
    element = options.of_side(given, side, "reference_element") or source.table.element
    table = declared_reference(
        source.table, stable, dimension, element, dialect(given["dialect_name"])
    )
    return _Source(table, dimension)


def _both_references(given: dict[str, Any]) -> None:
    if given["users"] and given["items"] and given["reference"]:
        raise UsageError(
            "--reference names one table; for both sides there are --users-reference and "
            "--items-reference."
        )


def _show(statements: list[str], dialect_: Dialect, remedy: str) -> None:
    """Print statements, if the engine takes them.

    Args:
        statements: The statements.
        dialect_: Their dialect.
        remedy: What helps where one is too long.
    """
    for statement in statements:
        if not dialect_.takes(statement):
            raise UsageError(
                f"This statement has {len(statement.encode()):,} bytes; {dialect_.name} takes "
                f"{dialect_.longest_statement:,}. {remedy}"
            )
    for setting in dialect_.before:
        click.echo(f"-- Faster in a transaction that begins with: {setting};")
    for statement in statements:
        click.echo(f"{statement.strip()};\n")


def _show_sums(statements: list[str], dialect_: Dialect) -> None:
    """Print statements of sums: one, if the engine takes it."""
    if len(statements) > 1:
        united = build.union(statements, dialect_)
        if dialect_.takes(united):
            statements = [united]
    _show(
        statements,
        dialect_,
        "Split the vector's columns over several views, or compute with sqlstab run.",
    )


@render.command(short_help="The sums of products of each table's components.")
@_dialect
@options.tables()
@_raw_dimension
@options.for_tables(options.NAMED)
def gram(**given: Any) -> None:
    """The Gram matrices: all sums of products of two components over the rows of each table.

    The result has rows (side, i, j, value, n_rows) for i <= j. One statement has all of it, if the
    engine takes one so long; else there are several, whose results belong together. Give it to
    sqlstab solve as CSV or JSON.

    \b
      sqlstab render gram --dialect postgres --users u --items i --dimension 64 |
        psql -q --csv | sqlstab solve
    """  # noqa: D301 - click reads the backspace
    dialect_ = dialect(given["dialect_name"])
    _show_sums(
        [
            statement
            for source in _sources(given)
            for statement in build.gram(source.table, source.dimension, dialect_)
        ],
        dialect_,
    )


@render.command("cross-gram", short_help="The sums of products with the reference's components.")
@_dialect
@options.tables()
@_raw_dimension
@options.for_tables(options.NAMED_ANCHORS)
@_reference_options
def cross_gram(**given: Any) -> None:
    """The cross Gram matrices: sums of products of this run's and the reference's components.

    Over the ids that both have. The result has rows (side, i, j, value, n_rows): i counts this
    run's raw components, j the stable ones of the reference. Name the side that holds the space in
    place: --items and --items-reference, or users, or both.
    """
    _both_references(given)
    dialect_ = dialect(given["dialect_name"])
    statements = []
    for source in _sources(given):
        reference = _reference(given, source)
        statements += build.cross_gram(
            source.table, reference.table, source.dimension, reference.dimension, dialect_
        )
    _show_sums(statements, dialect_)


@render.command(short_help="What can be wrong with the tables.")
@_dialect
@options.tables()
@_raw_dimension
@options.for_tables(options.NAMED_ANCHORS)
@_reference_options
def check(**given: Any) -> None:
    """What can be wrong with the tables: a statement for each question, with a comment.

    The first two columns of a result say which side it is about, and what was looked at. Sums go
    wrong without a word where an id stands twice, a vector is NULL or of another length, or a
    component is NaN. All counts but n_rows should be zero, and there should be one length n. With a
    reference: how many ids it shares.
    """
    _both_references(given)
    dialect_ = dialect(given["dialect_name"])
    statements = []
    for source in _sources(given):
        table = source.table
        found = {"ids": build.check(table, dialect_)}
        if table.layout != "wide":
            found["lengths"] = build.lengths(table, dialect_)
        found["vectors"] = build.check_vectors(table, source.dimension, dialect_)
        if options.of_side(given, table.side, "reference"):
            reference = _reference(given, source).table
            found["shared ids"] = build.shared_ids(table, reference, dialect_, anchor=True)
        statements += [
            build.labelled(statement, table.side, what, dialect_)
            for what, statement in found.items()
        ]
    _show(statements, dialect_, "Check each table by itself.")


_transform_options = options.all_of(
    click.option(
        "--transform",
        metavar="FILE|DIR",
        help="The transform: a run directory, what sqlstab solve wrote, or - for standard input. "
        "Its numbers stand in the statement.",
    ),
    click.option(
        "--transform-table",
        metavar="TABLE",
        help="A table (run_id, side, i, j, value) that holds transforms, instead. The text of the "
        "statement is then the same for each run: the newest one counts, whose run_id sorts last.",
    ),
    click.option(
        "--run-id", metavar="ID", help="The run to take from --transform-table. Default: the last."
    ),
)
_into_options = options.all_of(
    options.for_tables(
        {
            "into": {
                "metavar": "TABLE",
                "help": "Make a table of the result; for DuckDB also a Parquet file. Default: a "
                "query.",
            }
        }
    ),
    click.option(
        "--replace",
        is_flag=True,
        help="Replace an existing table: the new one is written beside it, and then takes its "
        "name.",
    ),
)
_product_options = options.all_of(
    _transform_options,
    options.dimension("Components of a raw vector; with --transform-table only."),
    options.dimension(
        "Components of a stable vector. Default: as a raw one.", "--stable-dimension"
    ),
    _into_options,
    options.for_tables(options.NAMED_KEEP),
    options.output_layout,
    options.output_type,
)


@dataclass(frozen=True)
class _Maps:
    """The maps to write into statements: constants, or entries of a table."""

    transform: Transform | None
    table: str | None
    run_id: str | None
    raw_dimension: int
    stable_dimension: int

    @classmethod
    def of(cls, given: dict[str, Any]) -> _Maps:
        """What the options name.

        Raises:
            UsageError: Both or none are named, or dimensions are missing or wrong.
            DataError: The file is no transform.
        """
        file, table = given["transform"], given["transform_table"]
        if bool(file) == bool(table):
            raise UsageError("Name the maps with --transform or --transform-table: one of them.")
        raw, stable = given["dimension"], given["stable_dimension"]
        if table:
            if raw is None:
                raise UsageError(
                    "How many components has a raw vector? Say it with --dimension: nobody looks "
                    f"into {table}."
                )
            return cls(None, table, given["run_id"], raw, stable or raw)
        if given["run_id"]:
            raise UsageError("--run-id is of use with --transform-table only.")
        transform = read_transform(file)
        for name, wanted, found in (
            ("--dimension", raw, transform.raw_dimension),
            ("--stable-dimension", stable, transform.dimension),
        ):
            if wanted not in (None, found):
                raise UsageError(
                    f"{name} is {wanted}, but that of the transform {file} is {found}."
                )
        return cls(transform, None, None, transform.raw_dimension, transform.dimension)

    def forward(self, source: _Source, output: StableTable, dialect_: Dialect) -> str:
        """Raw vectors to stable ones."""
        side = source.table.side
        if self.transform:
            steps = self.transform.steps(side, SCORE_ERROR[output.element])
            return build.apply(source.table, steps, output, dialect_)
        held = build.MatrixTable(
            self.table or "", side, self.raw_dimension, self.stable_dimension, self.run_id
        )
        return build.apply_from_table(source.table, [held], output, dialect_)

    def backward(self, source: _Source, output: StableTable, dialect_: Dialect) -> str:
        """Stable vectors to raw ones."""
        side = source.table.side
        if self.transform:
            if not self.transform[side].invertible:
                click.echo(
                    f"Warning: {side}: this transform gives raw vectors back approximately only: "
                    "some directions get no score from the other side, or a rank was requested.",
                    err=True,
                )
            steps = self.transform.inverse_steps(side, SCORE_ERROR[output.element])
            return build.apply(source.table, steps, output, dialect_)
        # T M_T Omega (M_W Omega)' = T: the inverse is the transpose of the other side's map.
        held = build.MatrixTable(
            self.table or "",
            OTHER[side],
            self.stable_dimension,
            self.raw_dimension,
            self.run_id,
            transposed=True,
        )
        return build.apply_from_table(source.table, [held], output, dialect_)


def read_transform(name: str) -> Transform:
    """A transform from a file, a run directory, or standard input.

    Raises:
        DataError: It is none.
    """
    if name == "-":
        return Transform.from_json(sys.stdin.read(), "standard input")
    return Transform.load(name)


def _products(
    given: dict[str, Any],
    dimensions: tuple[int, int],
    statement: Callable[[_Source, StableTable, Dialect], str],
) -> None:
    """Print the statements that multiply vectors.

    Args:
        given: The options.
        dimensions: Components of a vector before and after.
        statement: Makes one.
    """
    sides = options.given_sides(given)
    if given["into"] and len(sides) > 1:
        raise UsageError("--into names one table; for two there are --users-into and --items-into.")
    dialect_ = dialect(given["dialect_name"])
    _check_into(given, sides, dialect_)
    statements, replacements, left = [], [], []
    for side in sides:
        source = _source(given, side, dimensions[0])
        output = stable_table(
            source.table, dimensions[1], given["output_layout"], given["output_type"], dialect_
        )
        query = statement(source, output, dialect_)
        into = options.of_side(given, side, "into")
        if given["replace"] and not into:
            raise UsageError("--replace is of use with --into only.")
        if not into:
            statements.append(query)
        elif given["replace"] and not _is_file(into, dialect_):
            staged = _staged_name(into, dialect_)
            statements += [
                ddl.drop_table(staged, dialect_),
                ddl.create_table(staged, query, dialect_),
            ]
            replacements += ddl.replace_table(staged, into, dialect_)
            left += ddl.left_over(staged, into, dialect_)
        else:
            statements.append(_written(query, into, dialect_))
    statements += replacements + left
    if replacements and dialect_.transactions:
        statements = ["BEGIN", *statements, "COMMIT"]
    _show(
        statements,
        dialect_,
        "Keep the maps in a table and render with --transform-table: the text is then short.",
    )


def _check_into(given: dict[str, Any], sides: Sequence[Side], dialect_: Dialect) -> None:
    inputs = [Place(f"{side} table", given[side]) for side in sides]
    if given["transform_table"]:
        inputs.append(Place("transform table", given["transform_table"]))
    outputs = [
        Place(f"the result for the {side}", into)
        for side in sides
        if (into := options.of_side(given, side, "into"))
    ]
    check_outputs(inputs, outputs, dialect_)


def _is_file(into: str, dialect_: Dialect) -> bool:
    return dialect_.reads_files and quoting.file_reader(into) is not None


def _staged_name(into: str, dialect_: Dialect) -> str:
    """A name of ours for each table: two of one schema are staged beside each other."""
    return scratch_name(into, f"staged_{quoting.table_parts(into, dialect_)[-1]}", dialect_)


def _written(query: str, into: str, dialect_: Dialect) -> str:
    """A statement that makes a table, or a file, of a query's rows."""
    if _is_file(into, dialect_):
        return f"COPY (\n{query}) TO {quoting.string(into, dialect_)} (FORMAT parquet)"
    return ddl.create_table(into, query, dialect_)


@render.command(short_help="The stable vectors.")
@_dialect
@options.tables()
@_product_options
def apply(**given: Any) -> None:
    """The stable vectors of a table: each raw vector times the transform.

    With --transform-table the text does not change from run to run, so that it can be a scheduled
    query or a view: each time it takes the newest transform.

    \b
      sqlstab render apply --dialect postgres --transform tuesday.json \\
        --items items --into stable_items --replace | psql -q
    """  # noqa: D301 - click reads the backspace
    maps = _Maps.of(given)
    _products(given, (maps.raw_dimension, maps.stable_dimension), maps.forward)


@render.command(short_help="The raw vectors again, from the stable ones.")
@_dialect
@options.tables()
@_product_options
def inverse(**given: Any) -> None:
    """The raw vectors of a stable table: the way back of apply.

    --users and --items name stable tables here; the other options of tables are about these.
    """
    maps = _Maps.of(given)
    _products(given, (maps.stable_dimension, maps.raw_dimension), maps.backward)


@render.command(short_help="How far vectors of the same id have moved.")
@_dialect
@options.tables()
@options.dimension(
    "Components of a stable vector. Needed, unless --vector names a column for each."
)
@options.for_tables(options.NAMED)
@_reference_options
def drift(**given: Any) -> None:
    """Cosines of the same id in two stable tables: their mean, tenth percentile and median.

    --users and --items name stable tables of one run, --users-reference and --items-reference those
    of another.
    """
    _both_references(given)
    dialect_ = dialect(given["dialect_name"])
    statements = []
    for source in _sources(given):
        reference = _reference(given, source)
        dimensions = source.dimension, reference.dimension
        statements.append(build.drift(source.table, reference.table, dimensions, dialect_))
    _show(statements, dialect_, "Compare tables in the array or the long layout.")


@render.command(short_help="The whole run as one file of SQL, with the mathematics.")
@_dialect_among([name for name, dialect_ in DIALECTS.items() if dialect_.solving])
@options.tables(required=True)
@_raw_dimension
@options.for_tables({**options.NAMED_ANCHORS, "keep": options.NAMED_KEEP["keep"]})
@click.option(
    "--reference",
    metavar="DIR",
    help="With --out: the run directory whose space to stay in. It may be one that such a script "
    "has yet to write.",
)
@click.option(
    "--users-reference",
    metavar="TABLE",
    help="With --users-into: the reference's stable users, which may be the same table. What is "
    "said of the reference's columns is about this table and that of --items-reference.",
)
@click.option("--items-reference", metavar="TABLE", help="The reference's stable items, likewise.")
@_reference_columns
@options.anchor
@click.option(
    "--out",
    metavar="DIR",
    help="The run directory to write, which must exist; for DuckDB. It is then a --reference.",
)
@click.option(
    "--users-into",
    metavar="TABLE",
    help="The table to write the users' stable vectors to, instead of a file in --out; an existing "
    "one is replaced at the end.",
)
@click.option("--items-into", metavar="TABLE", help="The same for the items.")
@click.option(
    "--transform-table",
    metavar="TABLE",
    help="A table (run_id, side, i, j, value) to add the two maps to; made if there is none. With "
    "a reference, the newest maps in it are that one's.",
)
@click.option(
    "--figures-share",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=1.0,
    metavar="SHARE",
    help="Take cosines from such a share of the ids, as 0.01, chosen by a hash. Default: all.",
)
@options.output_layout
@options.output_type
def script(**given: Any) -> None:
    """The whole run as one file of SQL: sums, solution, stable vectors, figures.

    Nothing but a client of the database runs it, one that stops at an error. It begins with checks
    of the tables, and ends with figures; what it finds wrong stops it before anything is replaced.
    The first one defines the space. Those with a reference stay in it:

    \b
      sqlstab render script --dialect duckdb --dimension 32 \\
        --users u.parquet --items i.parquet --out monday | duckdb -bail
      sqlstab render script --dialect duckdb --dimension 32 \\
        --users u.parquet --items i.parquet --reference monday --out tuesday \\
        | duckdb -bail

    In a database, name the tables to write, and the same ones as the reference: the text is then
    the same each day.
    """  # noqa: D301 - click reads the backspace
    dialect_ = dialect(given["dialect_name"])
    sources = {side: _source(given, side, given["dimension"]) for side in SIDES}
    folder = _script_folder(given, dialect_)
    chosen = Options(
        anchor=given["anchor"],
        refine="never",
        strategy="sql",
        solver="sql",
        output_layout=given["output_layout"],
        output_type=given["output_type"],
    )
    reference = _script_reference(given, sources, folder is not None)
    if reference is None:
        _refuse_given(
            "is of use with a reference only.",
            *("anchor", "figures_share", "reference_dimension"),
            *_OF_REFERENCE_TABLES,
        )
    elif folder is not None:
        _refuse_given(
            "is about --users-reference and --items-reference; a run directory says it itself.",
            *_OF_REFERENCE_TABLES,
        )
    dimension = sources["items"].dimension
    if sources["users"].dimension != dimension:
        raise UsageError(
            f"The users' vectors have {sources['users'].dimension} components, the items' "
            f"{dimension}; scores are dot products, so both need the same number."
        )
    width = reference.dimension if reference else dimension
    tables = {side: source.table for side, source in sources.items()}
    _check_script_outputs(given, reference, folder, dialect_)
    text = Script(
        dialect=dialect_,
        tables=tables,
        dimension=dimension,
        outputs={
            side: stable_table(table, width, given["output_layout"], given["output_type"], dialect_)
            for side, table in tables.items()
        },
        targets={
            side: str(folder / file_name(side)) if folder else given[f"{side}_into"]
            for side in SIDES
        },
        transform_table=given["transform_table"],
        folder=folder,
        reference=reference,
        options=chosen,
        figures_share=given["figures_share"],
    ).render()
    click.echo(text)


def _refuse_given(why: str, *names: str) -> None:
    """Refuse options that would say something about what there is not.

    Args:
        why: The rest of a sentence that begins with an option.
        names: The options, as parameters.

    Raises:
        UsageError: One of them was given.
    """
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name.replace('_', '-')} {why}")


def _check_script_outputs(
    given: dict[str, Any], reference: Reference | None, folder: Path | None, dialect_: Dialect
) -> None:
    """The script must write over nothing that it reads; its tables may be the reference's."""
    inputs = [Place(f"{side} table", given[side]) for side in SIDES]
    if folder is None:
        outputs = [Place(f"the stable {side}", given[f"{side}_into"]) for side in SIDES]
        outputs.append(Place("the transform", given["transform_table"]))
    else:
        outputs = [Place("the run", str(folder), "run")]
        if reference and reference.folder:
            # Its figures are taken after the new files are there.
            inputs += [
                Place(f"{side} of the reference", str(reference.folder / file_name(side)))
                for side in SIDES
            ]
    check_outputs(inputs, outputs, dialect_)


def _script_folder(given: dict[str, Any], dialect_: Dialect) -> Path | None:
    """The run directory to write; None for tables.

    Raises:
        UsageError: Neither is named, or both, or not all of them.
    """
    named = [given[name] for name in ("users_into", "items_into", "transform_table")]
    if given["out"]:
        if not dialect_.reads_files:
            raise UsageError(
                f"{dialect_.name} writes tables, not files: name them with --users-into, "
                "--items-into and --transform-table."
            )
        if any(named):
            raise UsageError("--out is a directory for all; leave it out to write tables.")
        return Path(given["out"])
    if not all(named):
        raise UsageError(
            "Name the tables to write with --users-into, --items-into and --transform-table"
            + (", or a directory with --out." if dialect_.reads_files else ".")
        )
    return None


def _script_reference(
    given: dict[str, Any], sources: dict[Side, _Source], files: bool
) -> Reference | None:
    """The run whose space to stay in, if one is named.

    Raises:
        UsageError: It does not fit to what is written.
        DataError: The run directory is damaged.
    """
    tables = [given[f"{side}_reference"] for side in SIDES]
    if not given["reference"] and not any(tables):
        return None
    if not files:
        if given["reference"] or not all(tables):
            raise UsageError(
                "Name the reference's stable tables with --users-reference and --items-reference."
            )
        found = {side: _reference(given, source) for side, source in sources.items()}
        return Reference(
            {side: source.table for side, source in found.items()}, found["items"].dimension
        )
    if any(tables) or not given["reference"]:
        raise UsageError("Beside --out, name the reference with --reference: a run directory.")
    folder = Path(given["reference"])
    if (folder / FIGURES_FILE).is_file():
        run = Run.load(folder)
        dimension = given["reference_dimension"] or run.transform.dimension
        stable = {side: run.table(side) for side in SIDES}
        elements = {side: run.figures["outputs"][side]["element"] for side in SIDES}
    else:
        # Not there yet: as such a script writes it.
        dimension = given["reference_dimension"] or sources["items"].dimension
        stable = {side: EmbeddingTable(str(folder / file_name(side))) for side in SIDES}
        elements = {
            side: given["output_type"] or source.table.element for side, source in sources.items()
        }
        layout = given["output_layout"]
        stable = {side: replace(table, layout=layout) for side, table in stable.items()}
    return Reference(
        {
            side: declared_reference(
                source.table,
                stable[side],
                dimension,
                elements[side],
                dialect(given["dialect_name"]),
            )
            for side, source in sources.items()
        },
        dimension,
        folder,
    )
