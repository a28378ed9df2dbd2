"""Who solves the small matrices: numpy here, or statements that the engine runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlstab.maths import solve
from sqlstab.sql_solver import SqlSolver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstab.compute import Gram
    from sqlstab.config import Options
    from sqlstab.engines import Engine
    from sqlstab.maths.solve import Alignment, Balance, Factor, Matrix
    from sqlstab.statements.table import Side


class Solver(Protocol):
    """Steps 2 to 4 of a run, on e x e matrices.

    Attributes:
        where: For people: `in Python`, or `in SQL`.
    """

    where: str

    def balance(
        self, grams: Mapping[Side, Gram], factors: Mapping[Side, Factor], rank: int | None = None
    ) -> Balance:
        """See `solve.balance`.

        Args:
            grams: The Gram matrices of both sides.
            factors: Their factors.
            rank: Keep at most so many directions.
        """

    def align(self, cross: Matrix) -> Alignment:
        """See `solve.align`."""


class PythonSolver:
    """Solves here."""

    where = "in Python"

    def balance(
        self, grams: Mapping[Side, Gram], factors: Mapping[Side, Factor], rank: int | None = None
    ) -> Balance:
        """See `Solver`; factors know what a second pass has told, and Gram matrices do not."""
        return solve.balance(factors["users"], factors["items"], rank)

    def align(self, cross: Matrix) -> Alignment:
        """See `Solver`."""
        return solve.align(cross)


def choose(engine: Engine, options: Options, beside: str, run_id: str) -> Solver:
    """The solver that the options ask for.

    Args:
        engine: The engine.
        options: How the run is done.
        beside: As in `SqlSolver`.
        run_id: As in `SqlSolver`.

    Raises:
        UsageError: The engine cannot solve.
    """
    return SqlSolver(engine, beside, run_id) if options.solver == "sql" else PythonSolver()
