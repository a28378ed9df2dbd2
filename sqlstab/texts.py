"""The statements of a run, or of one step, as text for any client of a database.

Nothing is connected to: what tables look like is declared, and earlier runs are named.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import __version__, prepare
from sqlstab.engines import dialect as dialect_named
from sqlstab.errors import DataError, UsageError
from sqlstab.flow import drive
from sqlstab.flow import reference as referring
from sqlstab.flow import run as flow
from sqlstab.flow import saved as saved_sums
from sqlstab.flow.job import Job
from sqlstab.flow.reference import Member, Reference
from sqlstab.flow.script import Script
from sqlstab.maths.maps import Maps
from sqlstab.space.directory import MAPS_FILE, DirectorySpace
from sqlstab.space.entry import Rows, case
from sqlstab.space.insert import TablesTarget
from sqlstab.space.key import Key
from sqlstab.space.names import MAPS, MAPS_COLUMNS, Names
from sqlstab.space.target import DirectoryTarget, file_name, stable_rows
from sqlstab.statements import build, ddl, quoting, relations
from sqlstab.statements.conditions import both
from sqlstab.statements.declared import declared
from sqlstab.statements.files import local
from sqlstab.statements.sides import OTHER, SIDES, VECTORS
from sqlstab.statements.table import stable_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlstab.flow.saved import Solved
    from sqlstab.options import Columns, Options, Place
    from sqlstab.statements.build import MatrixTable
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.sides import Side
    from sqlstab.statements.statement import Statement
    from sqlstab.statements.table import EmbeddingTable, FurtherTable, StableTable, VectorTable

STEPS = ("gram", "cross-gram", "check", "apply", "inverse", "drift")

_HEADER = """\
-- The statements of a run, in order. Matrices and figures that a run computes between them are
-- stand-ins here: identity matrices. To run the method without sqlstab there is `sqlstab sql
-- script`; or take sums with `sqlstab sql gram` and `cross-gram`, and solve them with `sqlstab
-- solve`.

"""


class Texts:
    """A run in the words of a user: what is asked of it are statements.

    Args:
        named: The tables, by side.
        also: Further tables.
        place: The space and the run's key.
        options: How the run is done.
        dialect: The name of the dialect to write.
        columns: What the tables' columns look like.
        earlier: The keys of earlier runs of the space, oldest first; None for one whose key is not
            known.
        names: The tables of the space, if they are named one by one.
        directory: Whether the space is a directory.

    Raises:
        UsageError: Something does not fit together.
    """

    def __init__(
        self,
        named: Mapping[Side, EmbeddingTable],
        also: Mapping[Side, FurtherTable],
        place: Place,
        options: Options,
        dialect: str,
        columns: Columns,
        *,
        earlier: Sequence[str] | None = None,
        names: Mapping[str, str] | None = None,
        directory: bool = False,
    ) -> None:
        self.dialect: Dialect = dialect_named(dialect)
        self.options = options
        self.columns = columns
        self.key = Key.parse(place.key)
        self.run = self.key.value if place.key else None
        self.like: dict[Side, Side] = {name: one.like for name, one in also.items()}
        tables = {**named, **{name: one.table for name, one in also.items()}}
        self.tables = {side: self._declared(side, table) for side, table in tables.items()}
        first = next(iter(self.tables.values()))
        size = columns.dimension or (len(first.vector) if first.layout == "wide" else None)
        if size is None:
            raise UsageError(
                f"{first.side} table {first.relation}: how many components has a vector? Say it "
                "with --dimension: no table is looked at."
            )
        self.dimension = size
        fewest = min(filter(None, (options.rank, options.columns, size)))
        self.stable = columns.stable or fewest
        self.directory = local(place.space).expanduser() if directory and place.space else None
        self._names = names or place.space
        if earlier is None and self._names:
            earlier = [f"the run before {self.key.value}"]
        self.earlier = tuple(earlier or ())

    # ---- The whole run ---------------------------------------------------------------------------

    def statements(self) -> list[Statement[Any]]:
        """List the statements of a run, in order.

        Raises:
            UsageError: The tables are not those of a run, or there is no space.
        """
        sides = set(self.tables) - set(self.like)
        if sides not in ({*SIDES}, {VECTORS}):
            raise UsageError(
                "Name two tables, --users and --items, or one without a second side, --vectors."
            )
        streams = self.options.strategy == "arrow"
        if streams and self.dialect.name not in ("duckdb", "spark"):
            raise UsageError(
                f"{self.dialect.name} hands no rows to BLAS; leave out --strategy=arrow."
            )
        job = Job(
            tables=self.tables,
            like=self.like,
            options=self.options,
            dialect=self.dialect,
            streams=streams,
            map=self.options.map_of(sides),
            reference=self._reference() if self.earlier else None,
            target=self._target(),
            about={
                "sqlstab": __version__,
                "key": self.key.value,
                "column": self.key.column,
                "created": "",
                "created_by": None,
                "engine": self.dialect.name,
                "versions": {},
            },
            dimension=self.dimension,
        )
        return drive.explain(flow.run(job))

    def script(self) -> str:
        """Return the whole run as one text, with the solver in SQL.

        Raises:
            UsageError: A script cannot do this, or an input is a table or a file of the space.
        """
        inputs = {side: table.relation for side, table in self.tables.items()}
        space: Path | Names
        if self.directory:
            space = self.directory
            DirectorySpace(space).check_inputs(inputs)
        else:
            space = Names(self._space(), self.dialect)
            space.check_inputs({side: [name] for side, name in inputs.items()})
        return Script(
            self.dialect.of_a_script(),
            self.tables,
            self.like,
            self.dimension,
            {side: self._output(side) for side in self.tables},
            self.options,
            self.key,
            space,
            aligned=bool(self.earlier),
        ).render()

    # ---- One step --------------------------------------------------------------------------------

    def step(self, name: str) -> list[str]:
        """Return the statements of one step.

        Args:
            name: `gram`, `cross-gram`, `check`, `apply`, `inverse` or `drift`.

        Raises:
            UsageError: A statement is longer than the engine takes, or something is not named.
        """
        texts: list[str] = getattr(self, f"_{name.replace('-', '_')}")()
        for text in texts:
            if not self.dialect.takes(text):
                raise UsageError(
                    f"This statement has {len(text.encode()):,} bytes; {self.dialect.name} takes "
                    f"{self.dialect.longest_statement:,}. sqlstab run computes with several."
                )
        return texts

    def _gram(self) -> list[str]:
        """Sum the Gram matrix of each table."""
        texts = [
            text
            for side, table in self.tables.items()
            if side not in self.like
            for text in build.gram(table, self.dimension, self.dialect)
        ]
        united = build.union(texts, self.dialect)
        one = len(texts) > 1 and self.dialect.takes(united)
        return [self._told(text) for text in ([united] if one else texts)]

    def _cross_gram(self) -> list[str]:
        """Sum the products of raw rows with those of earlier runs, and both with themselves."""
        found = []
        for side in self._anchors():
            table, other = self.tables[side], self._stable_rows(side)
            e, d, dialect = self.dimension, self.stable, self.dialect
            sums = {
                "cross": build.cross_gram(table, other, e, d, dialect),
                "run": build.gram(table, e, dialect, other=other),
                "reference": build.gram(other, d, dialect, other=table),
            }
            found += [self._told(text, kind) for kind, texts in sums.items() for text in texts]
        return found

    def _told(self, text: str, kind: str | None = None) -> str:
        """Say in columns of their own what is summed, and of which run, for who saves results."""
        columns = {"kind": kind, "run": self.run}
        told = "".join(
            f"    {quoting.string(value, self.dialect)} AS {name},\n"
            for name, value in columns.items()
            if value is not None
        )
        if not told:
            return text
        comment, _, query = text.partition("SELECT\n")
        inner = f"SELECT\n{query.rstrip()}".replace("\n", "\n    ")
        return f"{comment}SELECT\n{told}    sums.*\nFROM (\n    {inner}\n) AS sums\n"

    def _check(self) -> list[str]:
        """Count what can be wrong with the tables."""
        found = []
        for side, table in self.tables.items():
            questions = {"ids": build.check(table, self.dialect)}
            if table.layout != "wide":
                questions["lengths"] = build.lengths(table, self.dialect)
            questions["vectors"] = build.check_vectors(table, self.dimension, self.dialect)
            if self.earlier and side in self._anchors():
                other = self._stable_rows(side)
                questions["shared ids"] = build.shared_ids(table, other, self.dialect, anchor=True)
            found += [
                build.labelled(text, side, what, self.dialect) for what, text in questions.items()
            ]
        return found

    def _apply(self) -> list[str]:
        """Multiply raw vectors with the maps of a run, which a table holds."""
        return [
            build.apply_from_table(
                table,
                [self._map(self.like.get(side, side), self.dimension, self.stable)],
                self._output(side),
                self.dialect,
            )
            for side, table in self.tables.items()
        ]

    def _inverse(self) -> list[str]:
        """Multiply stable vectors back to raw ones, by the other side's map, transposed."""
        found = []
        for side, table in self.tables.items():
            stable = replace(self._rows_of(side, [self.key.value]), keep=table.keep)
            other = OTHER[self.like.get(side, side)]
            back = replace(
                self._map(other, self.stable, self.dimension),
                transposed=True,
            )
            output = stable_table(table, self.dimension, None, None, self.dialect)
            found.append(build.apply_from_table(stable, [back], output, self.dialect))
        return found

    def _drift(self) -> list[str]:
        """Take the cosines of the same id in this run and the newest earlier one."""
        if not self.earlier:
            raise UsageError("--earlier names no run, so there is none to compare with.")
        size = (self.stable, self.stable)
        return [
            build.drift(
                self._rows_of(side, [self.key.value]),
                self._rows_of(side, self.earlier[-1:]),
                size,
                self.dialect,
            )
            for side in self.tables
        ]

    # ---- Within ----------------------------------------------------------------------------------

    def _declared(self, side: Side, table: EmbeddingTable) -> VectorTable:
        if self.key.named and table.dated:
            of_run = both(table.filter, self.key.condition(self.dialect), self.dialect)
            table = replace(table, filter=of_run)
        return declared(table, side, self.columns.dimension, self.dialect)

    def _output(self, side: Side) -> StableTable:
        layout, element = self.options.output_layout, self.options.output_type
        return stable_table(self.tables[side], self.stable, layout, element, self.dialect)

    def _anchors(self) -> tuple[Side, ...]:
        sides = [side for side in self.tables if side not in self.like]
        return tuple(s for s in self.options.anchors(sides) if s in sides) or tuple(sides)

    def _space(self) -> str | Mapping[str, str]:
        if not self._names:
            raise UsageError("Name the space with --space: a directory, or a prefix of tables.")
        return self._names

    def _target(self) -> TablesTarget | DirectoryTarget:
        self._space()
        if self.directory:
            folder = self.directory / self.key.folder
            return DirectoryTarget(folder, folder, self.dialect)
        outputs = prepare.outputs_of(
            prepare.Tables(self.tables, self.like, {}, self.key, set(self.tables), {}),
            self.options,
            self.stable,
            None,
            self.dialect,
        )
        names = Names(self._space(), self.dialect)
        return TablesTarget(names, self.key, self.dialect, {}, outputs, creates=True)

    def _map(self, side: Side, rows: int, columns: int) -> MatrixTable:
        """Return where the map of a side in this run is."""
        self._space()
        if self.directory:
            relation = str(self.directory / self.key.folder / MAPS_FILE)
            return build.MatrixTable(relation, side, rows, columns)
        relation = Names(self._space(), self.dialect).table(MAPS)
        feature = quoting.identifier(self.dialect.folded("feature_of"), self.dialect)
        condition = f"{self.key.condition(self.dialect)} AND {feature} IS NULL"
        return build.MatrixTable(relation, side, rows, columns, condition)

    def _weights(self) -> dict[str, float]:
        try:
            return referring.weights(self.earlier, self.options.align, self.options.memory)
        except KeyError:
            raise UsageError(
                f"--align {self.options.align}: --earlier has no such run, but "
                f"{', '.join(self.earlier)}."
            ) from None

    def _stable_rows(self, side: Side) -> VectorTable:
        """Return the rows that a side is aligned with."""
        if not self.earlier:
            raise UsageError("--earlier names no run, so there is nothing to align with.")
        weights = self._weights()
        return replace(
            self._rows_of(side, list(weights)),
            weight_expression=self._rows(side, weights).weight,
        )

    def _rows_of(self, side: Side, keys: Sequence[str]) -> VectorTable:
        rows = self._rows(side, dict.fromkeys(keys, 1.0))
        stable = stable_rows(side, self._output(side), rows.relation, rows.filter)
        return replace(stable, files=rows.files)

    def _rows(self, side: Side, weights: Mapping[str, float]) -> Rows:
        """Return the stable rows of runs as one relation."""
        self._space()
        column = quoting.identifier(self.key.name(self.dialect), self.dialect)
        literals = {
            replace(self.key, value=key).literal(self.dialect): weight
            for key, weight in weights.items()
        }
        weight = case(column, literals, self.dialect.number)
        if self.directory:
            files = tuple(
                str(self.directory / replace(self.key, value=key).folder / file_name(side))
                for key in weights
            )
            return Rows(f"{self.directory}/*/{file_name(side)}", files, None, weight)
        is_one = (
            f"= {next(iter(literals))}" if len(literals) == 1 else f"IN ({', '.join(literals)})"
        )
        name = Names(self._space(), self.dialect).table(side)
        return Rows(name, filter=f"{column} {is_one}", weight=weight)

    def _reference(self) -> Reference:
        weights = self._weights()
        sides = [side for side in self.tables if side not in self.like]
        maps = {side: np.eye(self.dimension, self.stable) for side in sides}
        return Reference(
            align=self.options.align,
            weights=weights,
            members={
                side: [Member(self._stable_rows(side), self.stable)]
                for side in self.options.anchors(sides)
            },
            newest={
                side: Member(self._rows_of(side, list(weights)[-1:]), self.stable)
                for side in self.tables
            },
            maps=Maps.of(maps, self.like),
            map=self.options.map_of(sides),
            lossless=dict.fromkeys(sides, True),
            rank=self.dimension,
        )


def printed(statements: list[Statement[Any]]) -> str:
    """Return the text of a run's statements, each step under its name."""
    return _HEADER + drive.printed(statements)


def explained(statements: list[Statement[Any]]) -> dict[str, Any]:
    """Return what a run's statements scan and make, and how long they are."""
    steps = [
        {
            "step": statement.step,
            "reads": list(statement.reads),
            "statements": len(statement.texts),
            "longest": max(len(text.encode()) for text in statement.texts),
            "makes": statement.makes,
            "streamed": statement.fold is not None or statement.call is not None,
        }
        for statement in statements
    ]
    scans: dict[str, int] = {}
    for statement in statements:
        for name in statement.reads:
            scans[name] = scans.get(name, 0) + 1
    longest = max(len(text.encode()) for statement in statements for text in statement.texts)
    return {"steps": steps, "scans": scans, "longest": longest}


def over_http(dialect: str, longest: int) -> str:
    """Return a note where a statement is longer than an engine takes over HTTP."""
    most = dialect_named(dialect).longest_by_http
    if most is None or longest <= most:
        return ""
    return (
        f"note: over HTTP (Data API), {dialect} takes {most:,} bytes of a statement; use a driver"
    )


def solve(
    grams: Sequence[tuple[str, bytes]],
    crosses: Sequence[tuple[str, bytes]],
    anchor: str | None,
    rank: int | None,
    key: str | None = None,
) -> Solved:
    """Solve for the maps from sums that a client printed.

    Args:
        grams: Names and contents of files with the output of `sqlstab sql gram`.
        crosses: The same of `sqlstab sql cross-gram`; none for the first run of a space.
        anchor: `items`, `users` or `both`; None for all that there are sums of.
        rank: Keep at most so many dimensions.
        key: The key of the run.

    Raises:
        DataError: The sums cannot be worked with, or are of another run.
        UsageError: There are no sums of an anchor.
    """
    sources = [saved_sums.Source(name, data, "gram") for name, data in grams]
    sources += [saved_sums.Source(name, data, "cross") for name, data in crosses]
    anchors = None if anchor is None else [s for s in SIDES if anchor in (s, "both")]
    sums = saved_sums.load(sources)
    wanted = Key.parse(key).value if key else sums.run
    if sums.run not in (wanted, None):
        raise DataError(f"These are the sums of run {sums.run}, but --run names {wanted}.")
    return saved_sums.solved(sums, anchors, rank)


def solved_json(solved: Solved) -> dict[str, Any]:
    """Return what is known of a solution, without its maps."""
    return {
        "dimension": solved.maps.shape[1],
        "raw_dimension": solved.maps.shape[0],
        "singular_values": (
            None if solved.singular_values is None else solved.singular_values.tolist()
        ),
        "agreement": None if solved.agreement is None else asdict(solved.agreement),
        "warnings": solved.warnings,
    }


def rows(solved: Solved, place: Place, form: str) -> bytes:
    """Return the maps as rows (run, side, i, j, value).

    Args:
        solved: The maps.
        place: Names the run.
        form: `csv`, `json` or `parquet`.
    """
    return saved_sums.printed(saved_sums.map_rows(solved.maps, Key.parse(place.key).value), form)


def inserts(solved: Solved, place: Place, dialect: str) -> str:
    """Return statements that insert the maps into a space."""
    known = dialect_named(dialect)
    key = Key.parse(place.key)
    table = relations.named(Names(place.space or "", known).table(MAPS), known)
    columns = [key.name(known), *map(known.folded, MAPS_COLUMNS)]
    listed = ", ".join(quoting.identifier(column, known) for column in columns)
    header = f"INSERT INTO {table} ({listed}) VALUES\n"
    entries = [
        (side, i + 1, j + 1, float(value), None)
        for side, matrix in solved.maps.matrices.items()
        for (i, j), value in np.ndenumerate(matrix)
    ]
    found = ddl.values(entries, header, header, known, (key.literal(known),))
    return "".join(f"{text};\n\n" for text in found)
