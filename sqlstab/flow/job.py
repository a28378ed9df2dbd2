"""What a run is given: tables that are known, options, a reference, and where it is written."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlstab.progress import Log
from sqlstab.statements import ddl
from sqlstab.statements.build import MatrixTable
from sqlstab.statements.statement import done

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlstab.flow.reference import Reference
    from sqlstab.maths.solve import Matrix
    from sqlstab.options import MapKind, Options
    from sqlstab.space.target import Target
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.files import Version
    from sqlstab.statements.sides import Side
    from sqlstab.statements.statement import Flow
    from sqlstab.statements.table import VectorTable


@dataclass
class Job:
    """One run's givens. Nothing in it changes but the log and what is said of temporary tables.

    Attributes:
        tables: The raw tables by name: `users` and `items`, or `vectors`; and further ones.
        like: The side whose map each further table takes.
        options: How the run is done.
        dialect: The dialect to write.
        streams: Whether the engine streams rows to numpy; else everything is SQL.
        reference: The runs to align with; None for the first run of a space.
        map: `balanced` or `rotation`.
        target: Where the run is written.
        about: What `run.json` says of where and when: key, engine, versions.
        dimension: Stands in for the components of a vector where nothing is run.
        versions: Of the tables' local files, by path; a run reads them several times.
        token: Makes the names of temporary tables unique.
        log: Records warnings and timings.
        temporary: Temporary tables that are there now.
        numbers: Tells their names apart.
    """

    tables: Mapping[Side, VectorTable]
    like: Mapping[Side, Side]
    options: Options
    dialect: Dialect
    streams: bool
    reference: Reference | None
    target: Target
    about: Mapping[str, Any]
    map: MapKind = "balanced"
    dimension: int = 64
    versions: Mapping[str, Version] = field(default_factory=dict)
    token: str = "plan"  # noqa: S105 - no password
    log: Log = field(default_factory=Log)
    temporary: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def share(self) -> float:
        """The share of the rows that a fit looks at."""
        return self.options.share

    @property
    def rank(self) -> int | None:
        """How many directions are kept at most; None keeps all."""
        # There is nothing yet that the columns of a first run could agree with.
        columns = None if self.reference else self.options.columns
        return min(filter(None, (self.options.rank, columns)), default=None)

    def scratch(self, step: str, query: str) -> Flow[str]:
        """Keep the rows of a query in a temporary table; return its name."""
        name = f"sqlstab_{self.token}_{next(self.numbers)}"
        self.temporary.append(name)
        yield done(step, ddl.create_scratch(name, query, self.dialect), makes=name)
        return name

    def hold(self, matrix: Matrix, side: Side) -> Flow[MatrixTable]:
        """Keep a matrix in a temporary table."""
        name = yield from self.scratch(f"matrix {side}", ddl.matrix_query(self.dialect))
        fill = ddl.insert_matrix(name, side, matrix, self.dialect)
        yield done(f"matrix {side}", *fill, makes=name)
        return MatrixTable(name, side, matrix.shape[0], matrix.shape[1])

    def drop(self, keep: int = 0) -> Flow[None]:
        """Drop the temporary tables but the first ones."""
        while len(self.temporary) > keep:
            name = self.temporary.pop()
            yield done("drop", ddl.drop_table(name, self.dialect), makes=name)

    def clear(self) -> Flow[None]:
        """Drop all temporary tables after an error, which is the one to be raised."""
        while self.temporary:
            with suppress(Exception):
                yield from self.drop(len(self.temporary) - 1)
