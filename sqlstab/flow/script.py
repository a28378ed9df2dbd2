"""The whole method as one text of SQL: any client of the database runs it, without sqlstab.

The same statements as in `flow.run`, but small matrices are tables, and the solver is SQL. A run is
aligned with the newest one before its key, by plain rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlstab import __version__
from sqlstab.declaration import declarations
from sqlstab.errors import UsageError
from sqlstab.flow import figures
from sqlstab.flow.write import promise
from sqlstab.maths.quality import HARDLY_AGREES, SCORE_ROWS, SCORES_KEPT
from sqlstab.options import Options
from sqlstab.space.directory import FIGURES_FILE, FILES, MAPS_FILE
from sqlstab.space.insert import TablesTarget
from sqlstab.space.names import MAPS, RUNS, Names, creations
from sqlstab.space.target import DirectoryTarget, file_name, stable_rows
from sqlstab.statements import build, conditions, ddl, quoting, relations
from sqlstab.statements.build import MatrixTable
from sqlstab.statements.sides import SIDES
from sqlstab.statements.table import Column, StableTable, stable_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlstab.space.key import Key
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.sides import Side
    from sqlstab.statements.table import VectorTable

_AMBIGUOUS = (
    "The shared ids say nothing about some directions; those were placed in what is left of the "
    "space, near their own axes."
)
# The options that a script follows, and what it does about others.
_FOLLOWED = {"anchor", "output_layout", "output_type"}
_DONE = {
    "align": "previous",
    "plain_rows": True,
    "refine": "never",
    "strategy": "sql",
    "map": "balanced",
}
_OTHER_RUNS = (
    "the space has other runs, with axes that this first one would not have: print the script "
    "without --first-run."
)
_OTHER_ROWS = (
    ". The table has changed meanwhile, is a view that gives other rows each time or reads tables "
    "of this space, or the stable table has another type of ids."
)
_HOLE = re.compile(r'"@@(.*?)@@"')


@dataclass(frozen=True)
class Script:
    """What a script is to do.

    Attributes:
        dialect: The dialect to write.
        tables: The raw tables: users, items and further ones.
        like: The side whose map each further table takes.
        dimension: Components of a raw vector.
        outputs: How the stable tables are laid out.
        options: How the run is done: anchor and layout count.
        key: Of the run.
        space: The tables of the space, or on DuckDB its directory.
        aligned: Whether there are earlier runs.

    Raises:
        UsageError: A script cannot do this.
    """

    dialect: Dialect
    tables: Mapping[Side, VectorTable]
    like: Mapping[Side, Side]
    dimension: int
    outputs: Mapping[Side, StableTable]
    options: Options
    key: Key
    space: Names | Path
    aligned: bool = True

    def __post_init__(self) -> None:
        """Refuse what a script cannot do."""
        build.check_solver(self.dialect)
        if not {*SIDES} <= {*self.tables}:
            raise UsageError(
                "sql script: name --users and --items. Vectors without a second side need no "
                "solver but one polar factor: take sqlstab sql cross-gram and sqlstab solve."
            )
        for name, declared in declarations(Options).items():
            value = getattr(self.options, name)
            if name not in _FOLLOWED and value not in (declared.default, _DONE.get(name)):
                said = "" if value is True else f" {value}"
                raise UsageError(
                    f"sql script: --{declared.option}{said} is for sqlstab run only; leave it out."
                )
        if self._stable_dimension != self.dimension and not self.aligned:
            raise UsageError(
                f"sql script: the first run of a space has as many components as its raw vectors, "
                f"{self.dimension}: leave out --stable-dimension."
            )
        if isinstance(self.space, Path) and not self.dialect.reads_files:
            raise UsageError(f"{self.dialect.name} writes no directories: name a prefix of tables.")

    def render(self) -> str:
        """Return the text.

        Raises:
            UsageError: It is longer than the engine takes.
        """
        body: list[str] = []
        for title, statements in self._steps():
            rule = "-" * max(2, 96 - len(title))
            body.append(f"-- {title} {rule}\n")
            body += [f"{statement.strip()};\n" for statement in statements]
        text = "\n".join([self._header(), *body])
        if build.check_solver(self.dialect).begin and not self.dialect.takes(text):
            raise UsageError(
                f"The script for {self.dimension} dimensions has {len(text.encode()):,} bytes; "
                f"{self.dialect.name} takes {self.dialect.longest_statement:,} in one request. Use "
                "sqlstab run."
            )
        return text

    def _header(self) -> str:
        dialect = self.dialect
        lines = [
            f"Orthogonal low-rank embedding stabilization in SQL for {dialect.name}, by sqlstab "
            f"{__version__}.",
            "Zielnicki & Hsiao, RecSys 2025. Users W, items T, scores T W'; the maps M_W and M_T",
            "keep all scores.",
            "",
            *(f"reads   {table.relation}" for table in self.tables.values()),
            *(f"writes  {self._target.place(side)}" for side in self.tables),
            "",
            f"This is run {self.key.value}"
            + (
                ", aligned with the run before it." if self.aligned else ", the first of its space."
            ),
        ]
        if isinstance(self.space, Path):
            lines += [
                f"The directory {self._folder} must be there, and empty.",
                "Run it with `duckdb -bail` or `.read`, which stop at an error: the run is there",
                f"when its {FIGURES_FILE} is, which is written last.",
            ]
        elif dialect.transactions:
            lines.append("An error leaves everything as it was: all is one transaction.")
        elif self._begins_late:
            lines.append(
                "It must stop at an error: it makes missing tables, then writes in one transaction."
            )
        else:
            lines.append(
                "It must stop at an error: the run is there when its row is, written last."
            )
        return "".join(f"-- {line}".rstrip() + "\n" for line in lines)

    def _steps(self) -> Iterator[tuple[str, list[str]]]:
        """Give titles and statements, in the order of the paper."""
        dialect = self.dialect
        yield "Begin", self._begin()
        yield (
            "Are the tables fit for it?",
            [text for table in self.tables.values() for text in self._checks(table)],
        )
        if self.aligned:
            yield "The run before this one", self._reference()
        yield "1. Sums: the Gram matrices of both tables", [self._grams()]
        if self.aligned:
            yield "   Sums over the ids that are shared with the earlier run", self._shared()
        yield "2. The maps", [*self._solution()]
        stored = [statement for side in self.tables for statement in self._stable(side)]
        if not dialect.transactions:
            stored = [*self._empty_figures(), *self._target.begin(), *stored]
        yield "3. The stable vectors: each raw vector times its map", stored
        yield "4. Figures", self._figures()
        yield "5. The run is there", [*self._finished()]

    # ---- Tables of the script --------------------------------------------------------------------

    def _name(self, what: str) -> str:
        """Return the name of a table of the script's own, which it may drop.

        No other has it: not that of a space called `sqlstab`, nor a script's for another run.
        """
        run = f"{self.space} {self.key.column}={self.key.value}"
        token = hashlib.md5(run.encode(), usedforsecurity=False).hexdigest()[:8]
        own = self.dialect.folded(f"sqlstab_{what}_{token}")
        if self.dialect.temporary or isinstance(self.space, Path):
            return own
        schema = quoting.table_parts(self.space.table(RUNS), self.dialect)[:-1]
        return quoting.table_name([*schema, own], self.dialect)

    def _relation(self, what: str) -> str:
        return relations.named(self._name(what), self.dialect)

    def _create(self, what: str, query: str) -> str:
        return ddl.create_scratch(self._name(what), query, self.dialect)

    def _drops(self) -> list[str]:
        last = [f"checked_{side}" for side in self.tables]
        last += ["solution", "maps", "figures", "run"]
        views = []
        if self.aligned:
            last += ["crosses", "shared_run", "shared_reference", "reference"]
            views = [f"earlier_{side}" for side in self.tables]
        tables = [self._name("grams"), *self._solve.tables, *map(self._name, last)]
        return [
            *(f"DROP VIEW IF EXISTS {self._relation(name)}" for name in views),
            *(ddl.drop_table(name, self.dialect) for name in tables),
        ]

    @cached_property
    def _target(self) -> TablesTarget | DirectoryTarget:
        if isinstance(self.space, Path):
            folder = self.space / self.key.folder
            return DirectoryTarget(folder, folder, self.dialect)
        return TablesTarget(self.space, self.key, self.dialect, {}, self._columns)

    @property
    def _folder(self) -> Path:
        folder = self._target.place("users")
        return Path(folder).parent

    @property
    def _columns(self) -> dict[Side, list[Any]]:
        return {
            side: stable_columns(self.outputs[side], table, self.dialect)
            for side, table in self.tables.items()
        }

    def _begin(self) -> list[str]:
        dialect = self.dialect
        statements = [*dialect.before, *self._drops()]
        if isinstance(self.space, Path):
            return [*statements, *self._guards_of_files(self.space)]
        tables, others = self._creations(self.space)
        if not dialect.transactions:
            return [*statements, *tables, *others, *self._guards(self.space)]
        begin, *rest = self._target.begin()
        return [*statements, begin, *tables, *self._guards(self.space), *rest]

    def _creations(self, names: Names) -> tuple[list[str], list[str]]:
        return creations(names, self._columns, self.key, self.dialect)

    def _guards_of_files(self, space: Path) -> list[str]:
        """Fail where files would be mixed with those of another run, or a space begun anew."""

        def free(name: str, files: str, message: str) -> str:
            found = f"glob({quoting.string(files, self.dialect)})"
            return build.none(name, found, "true", message, self.dialect, ("Files", "count(*)"))

        own = "the folder of the run has files, with which this one's would be mixed: empty it."
        found = [free("own_files", f"{self._folder}/*", own)]
        if not self.aligned:
            found.append(free("other_runs", f"{space}/*=*/{FIGURES_FILE}", _OTHER_RUNS))
        return found

    def _guards(self, names: Names) -> list[str]:
        """Fail where the run would replace rows that no run wrote, or begin a space anew."""
        dialect = self.dialect
        runs, maps = (relations.named(names.table(what), dialect) for what in (RUNS, MAPS))
        key = quoting.identifier(self.key.name(dialect), dialect)
        literal = self.key.literal(dialect)
        # Where there are no transactions a script that was killed has left maps.
        ours = [runs] if dialect.tables.begin else [runs, maps]
        foreign = " AND ".join(
            f"(SELECT count(*) AS n FROM {table} AS r WHERE r.{key} = {literal}) = 0"
            for table in ours
        )
        found = [
            (
                f"foreign_{side}",
                relations.named(names.table(side), dialect),
                f"t.{key} = {literal} AND {foreign}",
                f"no run wrote the {side} with this key, which this run would replace: delete "
                "them, or take another key.",
            )
            for side in self.tables
        ]
        figures, part = (
            f"t.{quoting.identifier(dialect.folded(name), dialect)}" for name in ("figures", "part")
        )
        likes = dict.fromkeys(json.dumps(like) for like in ({}, dict(self.like)))
        texts = [quoting.string(f'%"like": {like}%', dialect) for like in likes]
        other = " AND ".join(f"{figures} NOT LIKE {text}" for text in texts)
        found.append(
            (
                "further_tables",
                runs,
                f"t.{key} = {literal} AND {part} = 1 AND {other}",
                "the run with this key has further tables, which this one would leave as they "
                "are: give the same --also, or drop that run with sqlstab runs.",
            )
        )
        if self.key.value.isdecimal():
            size, digits = f"length({dialect.as_text.format(f't.{key}')})", len(self.key.value)
            found.append(
                (
                    "key_order",
                    runs,
                    f"{size} <> {digits} AND (t.{key} < {literal}) <> ({size} < {digits})",
                    f"the keys of the space are text, in whose order {self.key.value} and others "
                    "do not stand as numbers do: write numbers of one length, or let sqlstab run "
                    "make the tables, with a column of whole numbers.",
                )
            )
        if not self.aligned:
            found.append(("other_runs", runs, f"t.{key} <> {literal}", _OTHER_RUNS))
        return [build.none(*one, dialect) for one in found]

    def _checks(self, table: VectorTable) -> Iterator[str]:
        """Fail where something is wrong with a table."""
        dialect = self.dialect
        is_text = build.check_solver(dialect).is_text
        known = table.reading(dialect)
        if (
            is_text
            and table.layout == "array"
            and not table.fields
            and not (known and known.is_text)
        ):
            vector = quoting.identifier(table.vector[0], dialect)
            yield build.none(
                f"text_{table.side}",
                relations.named(table.relation, dialect),
                conditions.both(table.filter, is_text.format(f"t.{vector}"), dialect),
                f"the vectors of the {table.side} are text: say so with --vector-type "
                f"{dialect.text}.",
                dialect,
            )
        yield self._create(f"checked_{table.side}", build.guard(table, self.dimension, dialect))
        if not isinstance(self.space, Path):
            yield from self._types(table)

    def _types(self, table: VectorTable) -> Iterator[str]:
        """Fail where an id is not of the type that it is said to be.

        The engine would store it as another id, or not compare both in the next run.
        """
        dialect = self.dialect
        is_text = build.check_solver(dialect).is_text
        for column in table.ids:
            name = f"t.{quoting.identifier(column.name, dialect)}"
            text = dialect.as_text.format(name)
            stored = dialect.as_text.format(f"CAST({name} AS {column.type})")
            differs = f"coalesce({stored}, '') <> {text}"
            if is_text:
                said = is_text.format(f"CAST(NULL AS {column.type})")
                differs = f"CASE WHEN {is_text.format(name)} <> {said} THEN true ELSE {differs} END"
            yield build.none(
                f"types_{table.side}",
                relations.named(table.relation, dialect),
                conditions.both(table.filter, differs, dialect),
                f"the id {column.name} of the {table.side} in {table.relation} is not of the type "
                f"{column.type}: name its own with --id-type, or in a project file with id_type of "
                "each table.",
                dialect,
            )

    # ---- The reference ---------------------------------------------------------------------------

    def _reference(self) -> list[str]:
        """Find the newest run before this one, and its rows."""
        dialect = self.dialect
        if isinstance(self.space, Path):
            return self._reference_files(self.space)
        key = quoting.identifier(self.key.name(dialect), dialect)
        part, parts = (quoting.identifier(dialect.folded(n), dialect) for n in ("part", "parts"))
        runs = relations.named(self.space.table(RUNS), dialect)
        newest = (
            f"SELECT max(t.{key}) AS run_key, count(*) AS n_runs\nFROM {runs} AS t\n"
            f"WHERE t.{part} = t.{parts} AND t.{key} < {self.key.literal(dialect)}\n"
        )
        reference = f"SELECT run_key FROM {self._relation('reference')} AS r"
        figures = quoting.identifier(dialect.folded("figures"), dialect)
        statements = [
            self._create("reference", newest),
            self._earlier(),
            self._no_rotation(runs, f"t.{key} = ({reference}) AND t.{figures}"),
        ]
        for side in self.tables:
            rows = relations.named(self.space.table(side), dialect)
            query = f"SELECT *\nFROM {rows} AS t\nWHERE t.{key} = ({reference})"
            statements.append(self._view(side, query))
        return statements

    def _reference_files(self, space: Path) -> list[str]:
        dialect = self.dialect
        column = self.key.folder.partition("=")[0]
        pattern = f"{space}/{column}=*/{FIGURES_FILE}"
        prefix, ending = f"{space}/{column}=", f"/{FIGURES_FILE}"
        # As a directory sorts its keys: whole numbers as numbers, all else as text.
        by, before = "run_key", quoting.string(self.key.value, dialect)
        if self.key.value.isdecimal():
            by, before = "try_cast(run_key AS BIGINT)", self.key.value
        newest = (
            f"SELECT arg_max(run_key, {by}) AS run_key, arg_max(file, {by}) AS file,\n"
            "    count(*) AS n_runs\nFROM (\n"
            f"    SELECT file, url_decode(file[{len(prefix) + 1}:-{len(ending) + 1}]) AS run_key\n"
            f"    FROM glob({quoting.string(pattern, dialect)})\n) AS runs\n"
            f"WHERE {by} < {before}\n"
        )
        statements = [
            self._create("reference", newest),
            self._earlier(),
            f"SET VARIABLE sqlstab_run = (SELECT file FROM {self._relation('reference')})",
            self._no_rotation("read_text(getvariable('sqlstab_run'))", "t.content"),
        ]
        for side in self.tables:
            name = quoting.string(file_name(side), dialect)
            end = quoting.string(FIGURES_FILE, dialect)
            statements += [
                f"SET VARIABLE sqlstab_{side} = (\n"
                f"    SELECT replace(file, {end}, {name}) FROM {self._relation('reference')}\n)",
                self._view(side, f"SELECT *\nFROM read_parquet(getvariable('sqlstab_{side}'))"),
            ]
        return statements

    def _earlier(self) -> str:
        """Fail where there is no run to align with."""
        message = (
            f"the space has no run before {self.key.value} to align with: print the script with "
            "--first-run if this is the first one, or else with a key that sorts after the first."
        )
        return build.none(
            "earlier_runs",
            self._relation("reference"),
            # ClickHouse gives no NULL for the largest of none.
            "t.n_runs = 0",
            message,
            self.dialect,
            ("Runs before it", "max(t.n_runs)"),
        )

    def _no_rotation(self, runs: str, figures: str) -> str:
        """Fail where the figures of the earlier run say that its maps are of the other kind."""
        message = (
            "the maps of this space are rotations, which a script does not make: use sqlstab run."
        )
        return build.none(
            "rotations", runs, f'{figures} LIKE \'%"map": "rotation"%\'', message, self.dialect
        )

    def _view(self, side: Side, query: str) -> str:
        temporary = "TEMPORARY " if self.dialect.temporary else ""
        name = self._relation(f"earlier_{side}")
        return f"CREATE OR REPLACE {temporary}VIEW {name} AS\n{query}"

    def _earlier_rows(self, side: Side) -> VectorTable:
        return stable_rows(side, self.outputs[side], self._name(f"earlier_{side}"))

    # ---- Sums and the solution -------------------------------------------------------------------

    def _grams(self) -> str:
        texts = [
            text
            for side in SIDES
            for text in build.gram(self.tables[side], self.dimension, self.dialect)
        ]
        return self._summed("grams", build.union(texts, self.dialect))

    def _shared(self) -> list[str]:
        """Sum over the shared anchors: the products of both runs, and of each with itself."""
        e, d, dialect = self.dimension, self._stable_dimension, self.dialect
        sums: dict[str, list[str]] = {"crosses": [], "shared_run": [], "shared_reference": []}
        for side in self._anchors:
            table, other = self.tables[side], self._earlier_rows(side)
            sums["crosses"] += build.cross_gram(table, other, e, d, dialect)
            sums["shared_run"] += build.gram(table, e, dialect, other=other)
            sums["shared_reference"] += build.gram(other, d, dialect, other=table)
        shapes = {"crosses": (e, d), "shared_run": (e, e), "shared_reference": (d, d)}
        return [
            self._summed(name, build.whole(build.union(texts, dialect), *shapes[name], dialect))
            for name, texts in sums.items()
        ]

    def _summed(self, name: str, query: str) -> str:
        if not self.dialect.takes(query):
            raise UsageError(
                f"The sums of {self.dimension} dimensions make a statement of "
                f"{len(query.encode()):,} bytes; {self.dialect.name} takes "
                f"{self.dialect.longest_statement:,}. Use sqlstab run."
            )
        return self._create(name, query)

    @property
    def _anchors(self) -> tuple[Side, ...]:
        return self.options.anchors(SIDES)

    @property
    def _stable_dimension(self) -> int:
        return self.outputs["items"].dimension

    @cached_property
    def _solve(self) -> build.Solve:
        shared = self._relation("shared_run"), self._relation("shared_reference")
        return build.solve(
            self.dialect,
            self.dimension,
            self._relation("grams"),
            crosses=self._relation("crosses") if self.aligned else None,
            reference_dimension=self._stable_dimension if self.aligned else None,
            anchors=dict.fromkeys(self._anchors, 1.0) if self.aligned else None,
            shared=shared if self.aligned else None,
            table=lambda name: self._name(f"solve_{name}"),
        )

    def _solution(self) -> Iterator[str]:
        if self._solve.function:
            yield self._solve.function
        for name, query in self._solve.tables.items():
            yield ddl.create_scratch(name, query, self.dialect)
        yield self._create("solution", self._solve.query)
        yield self._create("maps", build.maps(self._name("solution"), self.dialect))

    # ---- What is written -------------------------------------------------------------------------

    def _stable(self, side: Side) -> tuple[str, ...]:
        output = self.outputs[side]
        own = self.like.get(side, side)
        held = MatrixTable(self._name("maps"), own, self.dimension, self._stable_dimension)
        query = build.apply_from_table(self.tables[side], [held], output, self.dialect)
        keep = [column.name for column in self.tables[side].keep]
        return self._target.store(side, query, output, keep)

    def _written(self, side: Side) -> VectorTable:
        return self._target.written(side, self.outputs[side])

    @property
    def _begins_late(self) -> bool:
        """Whether a transaction takes no tables to be made: it begins once they are there."""
        return bool(self.dialect.tables.begin) and not self.dialect.transactions

    def _empty_figures(self) -> list[str]:
        if not self._begins_late:
            return []
        text, double = self.dialect.text, self.dialect.double
        columns = {
            "figures": f"name {text}, value {double}",
            "run": f"figures {text}, created {text}",
        }
        kind = "TEMPORARY TABLE" if self.dialect.temporary else "TABLE"
        return [
            f"CREATE {kind} {self._relation(name)} ({listed})" for name, listed in columns.items()
        ]

    def _figures(self) -> list[str]:
        dialect, d = self.dialect, self._stable_dimension
        earlier = {side: self._earlier_rows(side) for side in self.tables} if self.aligned else {}
        drifts = {
            side: build.drift(self._written(side), other, (d, d), dialect)
            for side, other in earlier.items()
        }
        shared = {
            side: build.shared_ids(self.tables[side], other, dialect, anchor=False)
            for side, other in earlier.items()
        }
        scores = build.scores(
            {side: self.tables[side] for side in SIDES},
            {side: self._written(side) for side in SIDES},
            (self.dimension, d),
            SCORE_ROWS,
            dialect,
        )
        names = build.solution_figures(aligned=self.aligned, shared=self.aligned)
        names += ("ambiguous",) if self.aligned and self._solve.function else ()
        solution = self._name("solution")
        query = build.run_figures(solution, names, drifts, shared, scores, dialect)
        kept = {"figures": query, "run": self._text()}
        if self._begins_late:
            made = [f"INSERT INTO {self._relation(name)}\n{text}" for name, text in kept.items()]
        else:
            made = [self._create(name, text) for name, text in kept.items()]
        return [*made, *self._proof()]

    def _proof(self) -> Iterator[str]:
        """Fail where what was written is not what was read, or not where the earlier run is."""
        dialect = self.dialect
        for side in self.tables:
            yield build.written(
                self._written(side), self._name(f"checked_{side}"), _OTHER_ROWS, dialect
            )
        figures = self._relation("figures")
        most = max(SCORES_KEPT, *(promise(self._written(side), dialect) for side in SIDES))
        yield build.none(
            "scores",
            figures,
            f"t.name = 'max_relative_error' AND NOT (t.value <= {dialect.number(most)})",
            f"scores of the written vectors differ by more than {most:.0e} of the largest: a "
            "stable table has a type that rounds them, or vectors are far smaller than 1, for "
            "which there is --output-type double.",
            dialect,
            ("Difference", "max(t.value)"),
        )
        yield build.none(
            "score_pairs",
            figures,
            "t.name = 'score_pairs' AND t.value = 0",
            "no vector was written that can be compared with a raw one: a stable table has another "
            "type of ids or of vectors.",
            dialect,
        )
        if self.aligned:
            anchors = self._anchors
            for side in (*anchors, *(side for side in self.tables if side not in anchors)):
                yield self._place(side)

    def _place(self, side: Side) -> str:
        """Fail where ids are not where they were; after that of the anchors for the others."""
        if side in self._anchors:
            message = (
                f"the {side} hardly agree with the earlier run: they are of another model, or "
                "their ids mean something else. Write them to another space, or with sqlstab run "
                "--force=true."
            )
        else:
            message = (
                f"the {side} hardly agree with the earlier run, though the "
                f"{' and '.join(self._anchors)} do: they are of another training, or their ids "
                "mean something else. Take tables of one training, or sqlstab run, which only "
                "warns."
            )
        return build.none(
            f"place_{side}",
            self._relation("figures"),
            f"t.name = 'cosine_{side}_mean' AND t.value < {self.dialect.number(HARDLY_AGREES)}",
            message,
            self.dialect,
            (f"Mean cosine, below {HARDLY_AGREES}", "max(t.value)"),
        )

    def _finished(self) -> Iterator[str]:
        dialect = self.dialect
        if isinstance(self.space, Path):
            maps = f"SELECT side, i, j, value FROM {self._relation('maps')} ORDER BY ALL"
            yield self._copy(MAPS_FILE, maps, "FORMAT parquet")
            # One row of one column, as it is.
            text = f"SELECT figures FROM {self._relation('run')}"
            plain = "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '|'"
            yield self._copy(FIGURES_FILE, text, plain)
        else:
            none = f"CAST(NULL AS {dialect.tables.nullable.format(dialect.text)})"
            rows = f"SELECT side, i, j, value, {none} AS feature_of\nFROM {self._relation('maps')}"
            yield from self._rows(MAPS, rows, "side", "i", "j", "value", "feature_of")
            run = (
                "SELECT created, '' AS created_by, 1 AS part, 1 AS parts, figures\n"
                f"FROM {self._relation('run')}"
            )
            yield from self._rows(RUNS, run, "created", "created_by", "part", "parts", "figures")
            if dialect.transactions:
                # Last, since others would wait for the locks that these take.
                yield from self._creations(self.space)[1]
            if dialect.tables.begin:
                yield dialect.tables.commit
        yield self._summary()
        yield from self._drops()

    def _summary(self) -> str:
        """Return a query of the few figures that tell whether the run worked."""
        names = [*(f"{side}_rows" for side in SIDES), "rank", "max_relative_error"]
        if self.aligned:
            names += [f"shared_{side}" for side in self.tables]
            names += [f"cosine_{side}_mean" for side in self.tables]
        listed = ", ".join(quoting.string(name, self.dialect) for name in names)
        figures = self._relation("figures")
        return f"SELECT name, value\nFROM {figures}\nWHERE name IN ({listed})\nORDER BY name"

    def _rows(self, what: str, query: str, first: str, *names: str) -> tuple[str, ...]:
        """Store rows in a table of the space that holds no vectors."""
        folded = [self.dialect.folded(name) for name in names]
        ids = (Column(self.dialect.folded(first), ""),)
        output = StableTable("wide", ids, tuple(folded), "double", 0)
        return self._target.store(what, query, output)

    def _copy(self, name: str, query: str, options: str) -> str:
        target = quoting.string(str(self._folder / name), self.dialect)
        return f"COPY (\n{query}\n) TO {target} ({options})"

    # ---- run.json --------------------------------------------------------------------------------

    def _text(self) -> str:
        """Return a query of the figures as JSON, as `figures.shape` describes it."""
        text = json.dumps(self._known(), ensure_ascii=False)
        used: dict[str, None] = {}
        parts = []
        for k, piece in enumerate(_HOLE.split(text)):
            if k % 2 == 0:
                parts.append(quoting.string(piece, self.dialect))
                continue
            kind, _, name = piece.partition(":")
            parts.append(self._expression(kind, name, used))
        reference = self._name("reference") if self.aligned else None
        return build.run_text(parts, self._name("figures"), list(used), reference, self.dialect)

    def _expression(self, kind: str, name: str, used: dict[str, None]) -> str:
        as_text = self.dialect.as_text
        if kind == "created":
            return f"'\"' || {build.check_solver(self.dialect).now} || '\"'"
        if kind == "key":
            backslash = quoting.string("\\", self.dialect)
            both = quoting.string("\\\\", self.dialect)
            mark = quoting.string('\\"', self.dialect)
            key = as_text.format("r.run_key")
            return f"'\"' || replace(replace({key}, {backslash}, {both}), '\"', {mark}) || '\"'"
        if kind == "type":
            # As the file has it: a script does not look at the inputs' columns.
            side, _, k = name.partition(".")
            column = quoting.identifier(self.outputs[side].ids[int(k)].name, self.dialect)
            path = relations.named(self._target.place(side), self.dialect)
            return f"'\"' || (SELECT typeof(t.{column}) FROM {path} AS t LIMIT 1) || '\"'"
        used.update(dict.fromkeys(name.split(",")))
        if kind == "bool":
            rank, live = name.split(",")
            return f"CASE WHEN f.{rank} >= f.{live} THEN 'true' ELSE 'false' END"
        value = f"f.{name}"
        if kind == "int":
            value = f"CAST({value} AS {self.dialect.bigint})"
            if self.dialect.name == "clickhouse":
                value = f"toInt64OrNull({as_text.format(f'f.{name}')})"
        if kind == "ambiguous":
            warning = quoting.string(json.dumps([_AMBIGUOUS]), self.dialect)
            return f"CASE WHEN {value} > 0 THEN {warning} ELSE '[]' END"
        return f"coalesce({as_text.format(value)}, 'null')"

    def _known(self) -> dict[str, Any]:
        """Return the figures; what is not known yet is a hole, `@@kind:name@@`."""
        sides = list(SIDES)
        options = replace(self.options, plain_rows=True, align="previous", strategy="sql")
        written = {side: self._written(side) for side in self.tables}
        if isinstance(self.space, Path):
            written = {
                side: replace(table, relation=str(self._folder / file_name(side)))
                for side, table in written.items()
            }
        found: dict[str, Any] = {
            "format": figures.FORMAT,
            "sqlstab": __version__,
            "key": self.key.value,
            "column": self.key.column,
            "created": "@@created:@@",
            "created_by": None,
            "engine": self.dialect.name,
            "versions": {},
            "options": replace(options, refine="never").to_dict(),
            "strategy": "sql",
            "inputs": {side: figures.described(table) for side, table in self.tables.items()},
            "tables": {
                side: {
                    "rows": f"@@int:{side}_rows@@",
                    "dimension": self.dimension,
                    "summed": f"@@int:{side}_rows@@",
                    "left_out": 0,
                    "problems": {},
                    "passes": 1,
                    "rank": f"@@int:{side}_rank@@",
                    "condition": f"@@float:{side}_condition@@",
                    "accuracy": f"@@float:{side}_accuracy@@",
                }
                for side in sides
            },
            "map": "balanced",
            "like": dict(self.like),
            "raw_dimension": self.dimension,
            "dimension": self._stable_dimension,
            "rank": "@@int:rank@@",
            "invertible": {side: f"@@bool:rank,{side}_live@@" for side in sides},
            "singular_values": [
                f"@@float:singular_value_{k}@@" for k in range(1, self.dimension + 1)
            ],
            "reference": None,
            "alignment": None,
            "shared": {},
            "cosine": None,
            "gates": None,
            "scores": {
                "identity_error": "@@float:score_error@@",
                "max_relative_error": "@@float:max_relative_error@@",
            },
            "outputs": {side: figures.described(table) for side, table in written.items()},
            "warnings": [],
            "timings": {},
        }
        if isinstance(self.space, Path):
            for side, output in found["outputs"].items():
                types = [f"@@type:{side}.{k}@@" for k in range(len(self.outputs[side].ids))]
                output["id_type"] = figures.one_or_several(types)
            found[FILES] = sorted([MAPS_FILE, *map(file_name, self.tables)])
        return {**found, **self._of_alignment()} if self.aligned else found

    def _of_alignment(self) -> dict[str, Any]:
        alignment: dict[str, Any] = {figure.name: None for figure in figures.ALIGNMENT}
        alignment |= {
            "sides": list(self._anchors),
            "verdict": "unknown",
            "reason": "A script of SQL fits all shared ids and keeps none to judge the fit by.",
            "anchors": "@@int:anchors@@",
            "unit_rows": False,
            "plain_rows_cost": None,
            "ambiguous": "@@int:ambiguous@@" if self._solve.function else 0,
            **{name: f"@@float:{name}@@" for name in ("relative_residual", "bound", "cka")},
        }
        return {
            "warnings": "@@ambiguous:ambiguous@@" if self._solve.function else [],
            "reference": {
                "align": "previous",
                "run": "@@key:@@",
                "runs": {"@@key:@@": 1.0},
                "dimension": self._stable_dimension,
            },
            "alignment": alignment,
            "shared": {side: f"@@int:shared_{side}@@" for side in self.tables},
            "cosine": {
                side: {
                    "rows": f"@@int:cosine_{side}_rows@@",
                    "before": None,
                    "after": {
                        name: f"@@float:cosine_{side}_{name}@@"
                        for name in ("mean", "p10", "median")
                    },
                }
                for side in self.tables
            },
        }
