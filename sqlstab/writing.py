"""Step 5: stable tables are written, and compared with the raw ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sqlstab import checks
from sqlstab.fingerprint import default_share, fingerprint
from sqlstab.maths import quality
from sqlstab.maths.maps import SCORE_ERROR
from sqlstab.statements.table import VECTORS, VectorTable, stable_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlstab.checks import CheckedTable
    from sqlstab.compute import Compute
    from sqlstab.config import Options
    from sqlstab.engines import Engine
    from sqlstab.maths.maps import Transform
    from sqlstab.progress import Diary
    from sqlstab.statements.table import FurtherTable, Side

# What writing may do to a score, relative to the largest: components of 24 or 53 bits, summed.
_FLOAT_PROMISE, _DOUBLE_PROMISE = 1e-6, 1e-11


class Writer:
    """Writes stable tables.

    Args:
        engine: Where the tables are.
        options: How the run is done.
        compute: The way to compute.
        diary: Is told.
    """

    def __init__(self, engine: Engine, options: Options, compute: Compute, diary: Diary) -> None:
        self._engine = engine
        self._options = options
        self._compute = compute
        self._diary = diary

    def write(self, checked: CheckedTable, transform: Transform, target: Path | str) -> VectorTable:
        """Write a stable table.

        Args:
            checked: The raw table.
            transform: The transform.
            target: A file, or the name of a table.

        Returns:
            What was written.
        """
        table = checked.table
        side = table.side
        output = stable_table(
            table,
            transform.dimension,
            self._options.output_layout,
            self._options.output_type,
            self._engine.dialect,
        )
        steps = transform.steps(side, SCORE_ERROR[output.element])
        with self._diary.step("apply", f"Writing {side}") as step:
            self._compute.apply(table, steps, output, target, checked.rows, step)
        return VectorTable(
            side,
            str(target),
            table.id,
            output.layout,
            output.vector,
            output.element,
            first=output.first,
            native=output.native,
        )

    def fingerprint(self, table: VectorTable, rows: int) -> dict[str, Any]:
        """Of a table that was written, with so many rows; see `fingerprint`."""
        with self._diary.step("fingerprint", f"Taking the fingerprint of {table.side}"):
            return fingerprint(self._engine, table, rows, default_share(rows)).to_dict()

    def score_errors(
        self,
        tables: dict[Side, CheckedTable],
        written: dict[Side, VectorTable],
        transform: Transform,
        also: Mapping[Side, FurtherTable],
    ) -> dict[str, Any]:
        """How much the scores have changed, and those of further tables with the other side.

        Args:
            tables: The raw tables.
            written: The stable tables.
            transform: The transform.
            also: The further tables among them.
        """
        found = {"max_relative_error": self._score_error(tables, written, transform)}
        if not also or VECTORS in tables:
            return found
        errors = {
            name: self._score_error(tables, written, transform, (name, one))
            for name, one in also.items()
        }
        return {**found, "also": errors}

    def _score_error(
        self,
        tables: dict[Side, CheckedTable],
        written: dict[Side, VectorTable],
        transform: Transform,
        instead: tuple[Side, FurtherTable] | None = None,
    ) -> float | None:
        """How much scores have changed, relative to the largest.

        Args:
            tables: The raw tables.
            written: The stable tables.
            transform: The transform.
            instead: Those of this further table, in the place of the side that it is like.
        """
        compared = "dot products" if VECTORS in tables else "scores"
        names = {side: side for side in transform.maps}
        if instead:
            name, one = instead
            compared = f"scores of {name}"
            names[one.like] = name
        written = {side: written[name] for side, name in names.items()}
        with self._diary.step("scores", f"Comparing {compared}") as step:
            error = quality.score_error(
                self._engine,
                {side: tables[name].table for side, name in names.items()},
                written,
                (transform.raw_dimension, transform.dimension),
                quality.SCORE_ROWS,
                step,
            )
        if error is not None and not np.isfinite(error):
            compared_tables = [tables[name].table for name in names.values()]
            for table in compared_tables:
                # What was not summed may not have been looked at.
                checks.check_table(self._engine, table, values=True, drop=None)
            raise checks.overflow_error(compared_tables[0])
        single = any(table.element == "float" for table in written.values())
        promise = _FLOAT_PROMISE if single else _DOUBLE_PROMISE
        if error is None or error <= promise or self._options.rank:
            return error
        if instead and not one.scores and error > quality.SCORES_KEPT:
            self._diary.warn(
                f"{name}: scores differ by up to {error:.0e} of the largest: these vectors have "
                f"directions in which the {one.like} have nothing, and which are left "
                "out. Let them count in the scores, with --also-scores."
            )
        else:
            self._diary.warn(
                f"{compared.capitalize()} of the written vectors differ by up to {error:.0e} of "
                f"the largest; {promise:.0e} was to be expected. Vectors far smaller than 1 lose "
                "digits as FLOAT: multiply them by a constant, or write --output-type double."
            )
        return error
