"""The whole method as one file of SQL: nothing but a client of the database runs it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from sqlstab import __version__
from sqlstab.errors import UsageError
from sqlstab.maths.maps import FILE_NAME as TRANSFORM_FILE
from sqlstab.maths.quality import SCORE_ROWS
from sqlstab.runs import FIGURES_FILE, file_name
from sqlstab.staged import scratch_name
from sqlstab.statements import build, ddl, quoting
from sqlstab.statements.build import MatrixTable
from sqlstab.statements.table import OTHER, SIDES, Column, VectorTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlstab.config import Options
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import Side, StableTable


@dataclass(frozen=True)
class Reference:
    """The run whose space to stay in.

    Attributes:
        tables: Its stable tables.
        dimension: Components of its vectors.
        folder: Its run directory; None where its maps are the newest of the transform table.
    """

    tables: Mapping[Side, VectorTable]
    dimension: int
    folder: Path | None = None


@dataclass(frozen=True)
class Script:
    """What a script is to do.

    Attributes:
        dialect: The dialect to write.
        tables: The raw tables.
        dimension: Components of a raw vector.
        outputs: How the stable tables are laid out.
        targets: Where they go: tables; or files in `folder`.
        options: How it is done: the anchors, and what else a run says of itself.
        transform_table: A table (run_id, side, i, j, value) that gets the maps of each run; None
            where a folder does.
        folder: The run directory to write (DuckDB); None writes tables.
        reference: The run whose space to stay in; None for the first one.
        figures_share: Take cosines from such a share of the ids, chosen by a hash.
    """

    dialect: Dialect
    tables: Mapping[Side, VectorTable]
    dimension: int
    outputs: Mapping[Side, StableTable]
    targets: Mapping[Side, str]
    options: Options
    transform_table: str | None = None
    folder: Path | None = None
    reference: Reference | None = None
    figures_share: float = 1.0

    def render(self) -> str:
        """The text of the file."""
        body: list[str] = []
        for title, statements in self._steps():
            rule = "-" * max(2, 76 - len(title))
            body.append(f"-- {title} {rule}\n")
            body += [f"{statement.strip()};\n" for statement in statements]
        return "\n".join([self._header(), *body])

    def _header(self) -> str:
        lines = [
            f"Orthogonal low-rank embedding stabilization in SQL for {self.dialect.name}, by "
            f"sqlstab {__version__}.",
            "Zielnicki & Hsiao, RecSys 2025. Users W, items T, scores T W'; maps M_W, M_T that "
            "keep all scores.",
            "",
            *(f"reads   {table.relation}" for table in self.tables.values()),
        ]
        if self.reference:
            lines += [
                f"stays in the space of   {table.relation}"
                for table in self.reference.tables.values()
            ]
        lines += [f"writes  {target}" for target in self.targets.values()]
        if self.folder is None and self.dialect.transactions:
            lines.append("An error leaves everything as it was: all is one transaction.")
        elif self.folder is None:
            lines += [
                "",
                "What is wrong with the tables or with the solution stops it before a table of the",
                "last run is touched, where the client stops at an error.",
            ]
        else:
            lines += [
                "",
                f"The directory {self.folder} must exist.",
                "Run it with `duckdb -bail` or `.read`: what is wrong with the tables or with the",
                "solution then stops it before a file is written.",
            ]
        return "".join(f"-- {line}".rstrip() + "\n" for line in lines)

    def _steps(self) -> Iterator[tuple[str, list[str]]]:
        """Titles and statements, in the order of the paper."""
        dialect = self.dialect
        settings = list(dialect.before)
        yield (
            "Begin",
            [
                *(["BEGIN"] if dialect.transactions else []),
                *settings,
                *(ddl.drop_table(name, dialect) for name in self._scratch().values()),
                *(ddl.drop_table(name, dialect) for name in self._solve.tables),
                *(
                    [ddl.create_matrix_table(self.transform_table, dialect)]
                    if self.transform_table
                    else []
                ),
            ],
        )
        yield (
            "Are the tables fit for it?",
            [build.guard(table, self.dimension, dialect) for table in self.tables.values()],
        )
        yield "1. Sums: the Gram matrices of both tables", [self._grams()]
        if self.reference:
            yield (
                "   Sums over the ids that are shared with the reference",
                self._shared(self.reference),
            )
        yield "2. The maps", [*self._solution()]
        yield (
            "3. The stable vectors: each raw vector times its map",
            [self._stable(side) for side in SIDES],
        )
        yield "4. Figures", self._figures()
        yield "5. Put in place", list(self._in_place())

    def _scratch(self) -> dict[str, str]:
        """Tables of our own, by what they hold."""
        names = ["grams", "solution", "maps", "figures"]
        if self.reference:
            names += ["crosses", "shared_run", "shared_reference", "reference_maps"]
            names += [
                f"{kind}_{side}"
                for side in self.reference.tables
                for kind in ("stable", "reference")
            ]
        if self.folder is None:
            names += [f"written_{side}" for side in SIDES]
        return {name: self._scratch_name(name) for name in names}

    def _scratch_name(self, name: str) -> str:
        beside = next(iter(self.targets.values())) if self.folder is None else "x"
        return scratch_name(beside, name, self.dialect)

    def _create(self, name: str, query: str) -> str:
        return ddl.create_table(self._scratch()[name], query, self.dialect)

    def _relation(self, name: str) -> str:
        return quoting.relation(self._scratch()[name], self.dialect)

    def _united(self, name: str, statements: list[str]) -> str:
        united = build.union(statements, self.dialect)
        if not self.dialect.takes(united):
            raise UsageError(
                f"The sums of {self.dimension} dimensions make a statement of "
                f"{len(united.encode()):,} bytes; {self.dialect.name} takes "
                f"{self.dialect.longest_statement:,}. Use sqlstab run."
            )
        return self._create(name, united)

    def _grams(self) -> str:
        return self._united(
            "grams",
            [
                statement
                for table in self.tables.values()
                for statement in build.gram(table, self.dimension, self.dialect)
            ],
        )

    def _shared(self, reference: Reference) -> list[str]:
        """The cross Gram matrices and the Gram matrices of the shared anchors."""
        crosses, run, stable = [], [], []
        for side in self.options.anchor_weights:
            table, other = self.tables[side], reference.tables[side]
            weighted = table.weight is not None
            width = reference.dimension
            crosses += build.cross_gram(table, other, self.dimension, width, self.dialect)
            run += build.gram(table, self.dimension, self.dialect, other=other, weighted=weighted)
            stable += build.gram(other, width, self.dialect, other=table, weighted=weighted)
        return [
            self._united("crosses", crosses),
            self._united("shared_run", run),
            self._united("shared_reference", stable),
        ]

    @cached_property
    def _solve(self) -> build.Solve:
        aligned = self.reference is not None
        return build.solve(
            self.dialect,
            self.dimension,
            self._relation("grams"),
            crosses=self._relation("crosses") if aligned else None,
            reference_dimension=self.reference.dimension if self.reference else None,
            anchors=self.options.anchor_weights if aligned else None,
            shared=(
                (self._relation("shared_run"), self._relation("shared_reference"))
                if aligned
                else None
            ),
            table=lambda name: self._scratch_name(f"solve_{name}"),
        )

    def _solution(self) -> Iterator[str]:
        for name, query in self._solve.tables.items():
            yield ddl.create_table(name, query, self.dialect)
        yield self._create("solution", self._solve.query)
        yield self._create("maps", build.maps(self._scratch()["solution"], self.dialect))

    @property
    def _stable_dimension(self) -> int:
        return self.reference.dimension if self.reference else self.dimension

    def _map(self, side: Side) -> MatrixTable:
        return MatrixTable(self._scratch()["maps"], side, self.dimension, self._stable_dimension)

    def _stable(self, side: Side) -> str:
        query = build.apply_from_table(
            self.tables[side], [self._map(side)], self.outputs[side], self.dialect
        )
        if self.folder is None:
            return self._create(f"written_{side}", query)
        target = quoting.string(self.targets[side], self.dialect)
        return f"COPY (\n{query}) TO {target} (FORMAT parquet)"

    def _written(self, side: Side) -> VectorTable:
        """The stable table of a side, as a table to read."""
        output = self.outputs[side]
        name = self.targets[side] if self.folder else self._scratch()[f"written_{side}"]
        return VectorTable(
            side,
            name,
            Column(output.id, self.tables[side].id.type),
            output.layout,
            output.vector,
            output.element,
            first=output.first,
            native=output.native,
        )

    def _figures(self) -> list[str]:
        statements: list[str] = []
        drifts: dict[tuple[Side, str], str] = {}
        if self.reference:
            statements += self._reference_maps(self.reference)
            for side in self.reference.tables:
                table = replace(self.tables[side], share=self.figures_share, keep=())
                other = replace(self.reference.tables[side], share=self.figures_share)
                width = self.reference.dimension
                # T M_T Omega (M_W Omega)' = T: back by the transpose of the other side's map.
                back = MatrixTable(
                    self._reference_table(self.reference),
                    OTHER[side],
                    width,
                    self.dimension,
                    transposed=True,
                )
                for kind, source, matrix in (
                    ("stable", table, self._map(side)),
                    ("reference", other, back),
                ):
                    query = build.product(source, matrix.columns, matrix, self.dialect)
                    statements.append(self._create(f"{kind}_{side}", query))
                stable, raw = self._product(f"stable_{side}"), self._product(f"reference_{side}")
                drifts[side, "before"] = build.drift(
                    table, raw, (self.dimension, self.dimension), self.dialect
                )
                drifts[side, "after"] = build.drift(stable, other, (width, width), self.dialect)
        scores = build.scores(
            dict(self.tables),
            {side: self._written(side) for side in SIDES},
            (self.dimension, self._stable_dimension),
            SCORE_ROWS,
            self.dialect,
        )
        aligned = self.reference is not None
        names = build.solution_figures(aligned=aligned, shared=aligned)
        solution = self._scratch()["solution"]
        shared = {
            side: build.shared_ids(self.tables[side], other, self.dialect, anchor=False)
            for side, other in (self.reference.tables.items() if self.reference else ())
        }
        figures = build.run_figures(solution, names, drifts, shared, scores, self.dialect)
        return [*statements, self._create("figures", figures)]

    def _reference_table(self, reference: Reference) -> str:
        """The table that holds the reference's maps."""
        if reference.folder is not None:
            return self._scratch()["reference_maps"]
        return self.transform_table or ""

    def _reference_maps(self, reference: Reference) -> list[str]:
        if reference.folder is None:
            return []
        query = build.reference_maps(
            reference.folder, self.dimension, reference.dimension, self.dialect
        )
        return [self._create("reference_maps", query)]

    def _product(self, name: str) -> VectorTable:
        """A table that `sql.product` made."""
        side: Side = "users" if name.endswith("users") else "items"
        key = Column("id", self.tables[side].id.type)
        table = self._scratch()[name]
        if self.dialect.style == "arrays":
            return VectorTable(side, table, key, "array", ("x",), "double")
        return VectorTable(side, table, key, "long", ("j", "value"), "double", first=1)

    def _in_place(self) -> Iterator[str]:
        dialect = self.dialect
        if self.folder is None:
            for staged, target in self._moves():
                yield from ddl.replace_table(staged, target, dialect)
        else:
            yield from self._run_files(self.folder)
        if self.transform_table:
            name = quoting.relation(self.transform_table, dialect)
            columns = "run_id, side, i, j, value"
            yield f"INSERT INTO {name}\nSELECT {columns}\nFROM {self._relation('maps')}"
        for staged, target in self._moves():
            yield from ddl.left_over(staged, target, dialect)
        if dialect.transactions:
            yield "COMMIT"
        yield f"SELECT name, value FROM {self._relation('figures')} ORDER BY name"

    def _moves(self) -> list[tuple[str, str]]:
        """Tables that take the places of others, and these; none where files are written."""
        sides = SIDES if self.folder is None else ()
        return [(self._scratch()[f"written_{side}"], self.targets[side]) for side in sides]

    def _run_files(self, folder: Path) -> Iterator[str]:
        """What makes the directory a run directory, which `sqlstab run --reference` takes."""
        written = {side: replace(self._written(side), relation=file_name(side)) for side in SIDES}
        names = {name: self._relation(name) for name in ("solution", "maps", "figures")}
        reference = self.reference.folder if self.reference else None
        queries = {
            TRANSFORM_FILE: build.transform_file(
                names, (self.dimension, self._stable_dimension), reference, self.dialect
            ),
            FIGURES_FILE: build.run_file(
                names,
                (self.dimension, self._stable_dimension),
                reference,
                self.dialect,
                options=self.options,
                tables=self.tables,
                written=written,
                version=__version__,
            ),
        }
        for name, query in queries.items():
            target = quoting.string(str(folder / name), self.dialect)
            yield f"COPY (\n{query}) TO {target} (FORMAT json)"
