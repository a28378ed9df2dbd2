"""The small mathematics in the engine: the Python solver's answers from the SQL solver."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab.errors import DataError, EngineError
from sqlstab.maths.solve import Alignment, balanced, singular_values
from sqlstab.staged import scratch_name
from sqlstab.statements import build, ddl, quoting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlstab.compute import Gram
    from sqlstab.engines import Engine
    from sqlstab.maths.solve import Balance, Factor, Matrix
    from sqlstab.statements.table import Side

# From where a refusal of the statement begins to where it ends.
_REFUSAL = re.compile(r"The SQL solver refuses: .*?solver python[^.]*\.", re.DOTALL)
# Rows of Omega that are not orthonormal to this are no solution.
_ORTHONORMAL = 1e-9


class SqlSolver:
    """`solve.balance` and `solve.align`, computed by the engine.

    Sums go into a table of ours for the time of a statement.

    Args:
        engine: Runs the statements.
        beside: A table in whose schema tables of ours are made; the engine's default schema
            without one.
        run_id: Names the tables, so that two runs do not meet.
    """

    where = "in SQL"

    def __init__(self, engine: Engine, beside: str, run_id: str) -> None:
        build.check_solver(engine.dialect)
        self._engine = engine
        self._beside = beside or "x"
        self._run_id = run_id

    def balance(
        self,
        grams: Mapping[Side, Gram],
        factors: Mapping[Side, Factor],
        rank: int | None = None,
    ) -> Balance:
        """See `solve.balance`.

        Args:
            grams: Gram matrices, of one pass each: what is solved.
            factors: Their factors: what the result is measured by.
            rank: Keep at most so many directions.

        Raises:
            DataError: The statement refuses: the sums do not tell enough, or nothing.
            EngineError: The database failed.
        """
        size = len(grams["items"].matrix)
        entries = [
            (side, i + 1, j + 1, float(value), gram.rows)
            for side, gram in grams.items()
            for (i, j), value in np.ndenumerate(gram.matrix)
            if i <= j
        ]
        with self._table("grams", entries) as name:
            relation = quoting.relation(name, self._engine.dialect)
            statements = build.solve(self._engine.dialect, size, relation, table=self._name)
            found = self._solved(statements, size)
        values = found["singular_values"][:, 0]
        kept = slice(min(np.count_nonzero(values), rank or size))
        return balanced(
            factors["users"],
            factors["items"],
            found["users"][:, kept],
            found["items"][:, kept],
            values[kept],
        )

    def align(self, cross: Matrix) -> Alignment:
        """See `solve.align`; the shared ids must determine all directions.

        Raises:
            UsageError: The reference has fewer dimensions.
            DataError: They do not.
            EngineError: The database failed.
        """
        rank, dimension = cross.shape
        omega = self._omega(cross)
        determined = int(np.sum(omega**2) + 1e-3)
        if determined < rank:
            raise DataError(
                f"The SQL solver refuses: the shared ids say nothing about {rank - determined} of "
                f"{rank} directions. Use --solver python, which places them in what is left of the "
                "space."
            )
        error = float(np.max(np.abs(omega @ omega.T - np.eye(rank))))
        if not error <= _ORTHONORMAL:
            raise DataError(
                f"The SQL solver refuses: Omega is not orthogonal by {error:.0e}. Use --solver "
                "python."
            )
        return Alignment(
            omega=omega,
            singular_values=singular_values(cross),
            ambiguous=0,
            determinant=float(np.sign(np.linalg.det(omega))) if rank == dimension else None,
        )

    def _omega(self, cross: Matrix) -> Matrix:
        """The orthogonal polar factor of C, as far as C determines it."""
        rank, dimension = cross.shape
        entries = [
            ("items", k + 1, j + 1, float(value), 1) for (k, j), value in np.ndenumerate(cross)
        ]
        omega = np.zeros(cross.shape)
        with self._table("cross", entries) as name:
            relation = quoting.relation(name, self._engine.dialect)
            statement = build.align(self._engine.dialect, rank, dimension, relation)
            for row in self._engine.query(statement):
                omega[int(row["k"]) - 1, int(row["j"]) - 1] = row["value"]
        return omega

    def _solved(self, statements: build.Solve, size: int) -> dict[str, Matrix]:
        """The maps and the singular values of a solution."""
        dialect = self._engine.dialect
        drops = [ddl.drop_table(name, dialect) for name in statements.tables]
        matrices: dict[str, Matrix] = {
            "users": np.zeros((size, size)),
            "items": np.zeros((size, size)),
            "singular_values": np.zeros((size, 1)),
        }
        try:
            for name, query in statements.tables.items():
                self._engine.execute([ddl.create_table(name, query, dialect)])
            for row in self._engine.query(statements.query):
                if row["name"] in matrices:
                    matrices[row["name"]][int(row["i"]) - 1, int(row["j"]) - 1] = row["value"]
        except EngineError as error:
            if refusal := _REFUSAL.search(str(error)):
                raise DataError(refusal[0]) from error
            raise
        finally:
            if drops:
                self._engine.execute(drops)
        return matrices

    def _name(self, what: str) -> str:
        return scratch_name(self._beside, f"solve_{self._run_id}_{what}", self._engine.dialect)

    @contextmanager
    def _table(self, what: str, entries: Sequence[tuple[Any, ...]]) -> Iterator[str]:
        """A table of sums (side, i, j, value, n_rows) that is there for a while."""
        dialect = self._engine.dialect
        name = self._name(what)
        try:
            self._engine.execute(
                [ddl.create_sums_table(name, dialect), *ddl.insert(name, entries, dialect)]
            )
            yield name
        finally:
            self._engine.execute([ddl.drop_table(name, dialect)])
