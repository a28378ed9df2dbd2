"""Gram matrices of a run's tables: of all rows or a sample, in one pass or as many as it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from sqlstab import checks
from sqlstab.compute import Gram, InvalidVectorsError
from sqlstab.errors import OutOfRangeError
from sqlstab.maths import solve
from sqlstab.maths.preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlstab.checks import CheckedTable
    from sqlstab.compute import Compute
    from sqlstab.config import Options
    from sqlstab.inspection import Inspector
    from sqlstab.maths.solve import Factor, Matrix
    from sqlstab.partitions import PartitionGrams
    from sqlstab.progress import Diary
    from sqlstab.statements.table import Side, VectorTable


@dataclass(frozen=True)
class Factored:
    """What one side of the scores is solved from.

    Attributes:
        tables: The tables that were summed, as they turned out to be.
        gram: The Gram matrix of all their rows.
        factor: Its factor.
    """

    tables: dict[Side, CheckedTable]
    gram: Gram
    factor: Factor


class Summing:
    """Sums the rows of tables.

    Args:
        options: How the run is done.
        compute: The way to compute.
        inspector: Looks closer at what cannot be summed.
        diary: Is told.
        partitions: Those whose Gram matrices are kept, if any are.
    """

    def __init__(
        self,
        options: Options,
        compute: Compute,
        inspector: Inspector,
        diary: Diary,
        partitions: PartitionGrams | None = None,
    ) -> None:
        self._options = options
        self._compute = compute
        self._inspector = inspector
        self._diary = diary
        self._partitions = partitions

    def prepare(self, tables: Iterable[VectorTable]) -> None:
        """Where the Gram matrices of partitions are kept must be fit for it, before any scan."""
        if self._partitions:
            self._partitions.prepare(tables)

    def preparation(self, checked: CheckedTable, *, center: bool, normalize: bool) -> Preparation:
        """What is done to the vectors of a table first.

        The mean comes from a scan of its own, and what is summed later are centred rows: to
        subtract n m m' from a Gram matrix of raw rows instead loses as many digits as the mean is
        longer than what is left.
        """
        if not center:
            return Preparation(normalize=normalize)
        mean = self._mean(checked, self._options.share)
        if not mean.size:  # the sample has no row
            mean = self._mean(checked, 1.0)
        if not np.isfinite(mean).all():
            raise checks.overflow_error(checked.table)
        return Preparation(tuple(mean.tolist()), normalize)

    def factor(
        self,
        side: Side,
        tables: Mapping[Side, CheckedTable],
        also: Mapping[Side, float] = MappingProxyType({}),
        kept: Mapping[Side, float] = MappingProxyType({}),
    ) -> Factored:
        """Step 1: R of a side from its Gram matrix.

        The scores of several tables with one side are those of one table with the rows of all: its
        Gram matrix is the sum of theirs.

        Args:
            side: The side.
            tables: The tables.
            also: How much the scores of further tables count beside its own, which count 1.
            kept: The share of its shared ids of which figures will be wanted, by table.
        """
        weights = {side: 1.0, **also}
        grams: dict[Side, Gram] = {}
        summed: dict[Side, CheckedTable] = {}
        for name in weights:
            checked, grams[name] = self.gram(tables[name], kept.get(name))
            summed[name] = replace(checked, dimension=len(grams[name].matrix))
            checks.check_alike(summed[name], summed[side])
        gram = _weighted(grams, weights)
        factor = self._refined(grams, summed, weights)
        if any(map(self._is_sample, summed.values(), grams.values())) and _lacks(gram, factor):
            # What a sample does not show, the other rows may have; scores must stay exact.
            grams = {name: self._all_rows(table, grams[name]) for name, table in summed.items()}
            gram = _weighted(grams, weights)
            factor = self._refined(grams, summed, weights)
        tables_summed = {
            name: replace(checked, summed=grams[name].rows) for name, checked in summed.items()
        }
        return Factored(tables_summed, gram, factor)

    def gram(
        self, checked: CheckedTable, kept_share: float | None = None
    ) -> tuple[CheckedTable, Gram]:
        """The Gram matrix of a table: of the sample that the options ask for, or of all rows.

        Args:
            checked: The table.
            kept_share: As in `Compute.gram`.

        Returns:
            The table, without its bad rows if they are to be left out, and its Gram matrix.

        Raises:
            DataError: Vectors cannot be summed.
        """
        share = self._options.share
        try:
            gram = self._first_pass(checked, share, kept_share)
        except (InvalidVectorsError, OutOfRangeError):
            # Say what is wrong, or leave it out.
            try:
                checked = self._inspector.checked(checked.table, values=True)
                gram = self._first_pass(checked, share, kept_share)
            except InvalidVectorsError as error:
                raise checks.overflow_error(checked.table) from error
            except OutOfRangeError as error:
                raise checks.range_error(checked.table) from error
        # A small table may have no row in a sample, or so few that each counts.
        if self._is_sample(checked, gram) and gram.rows < max(len(gram.matrix), 1):
            gram = self._all_rows(checked, gram)
        return checked, gram

    def filled_gram(
        self, checked: CheckedTable, wanted: int | None = None
    ) -> tuple[CheckedTable, Gram]:
        """The Gram matrix of a sample, or of all rows if that has fewer directions than wanted.

        Args:
            checked: The table.
            wanted: How many; None for all dimensions.

        Returns:
            As `gram`.
        """
        checked, gram = self.gram(checked)
        if self._is_sample(checked, gram):
            factor = solve.factor(gram.matrix, gram.rows)
            if _lacks(gram, factor, wanted):
                gram = self._all_rows(checked, gram)
        return checked, gram

    def _is_sample(self, checked: CheckedTable, gram: Gram) -> bool:
        return self._options.share < 1 and gram.rows < checked.rows

    def _all_rows(self, checked: CheckedTable, gram: Gram) -> Gram:
        """The Gram matrix of all rows, where a sample does not do."""
        if not self._is_sample(checked, gram):
            return gram
        whole = self._first_pass(checked, 1.0, None)
        self._diary.warn(
            f"{checked.table.side}: a sample of {gram.rows:,} rows does not fill the "
            f"{len(whole.matrix)} dimensions; all rows were summed instead."
        )
        return whole

    def _refined(
        self,
        grams: Mapping[Side, Gram],
        tables: Mapping[Side, CheckedTable],
        weights: Mapping[Side, float],
    ) -> Factor:
        """R from the weighted Gram matrices of tables, with as many passes as it needs."""
        total = _weighted(grams, weights)
        factor = solve.factor(total.matrix, total.rows)
        # The SQL solver takes Gram matrices, and refuses those that a second pass is for.
        refine = "never" if self._options.solver == "sql" else self._options.refine
        while solve.wants_refinement(factor, refine):
            white = {
                name: self._pass(
                    tables[name],
                    factor.whitener,
                    f"Summing {name} once more, to full accuracy",
                    # The same rows as before.
                    self._options.share if self._is_sample(tables[name], gram) else 1.0,
                )
                for name, gram in grams.items()
            }
            factor = solve.refine(factor, _weighted(white, weights).matrix)
        return factor

    def _first_pass(self, checked: CheckedTable, share: float, kept_share: float | None) -> Gram:
        title = f"Summing {checked.table.side}"
        if self._partitions is None:
            return self._pass(checked, None, title, share, kept_share)
        with self._diary.step("gram", f"{title}: partitions that are new or have changed") as step:
            sample = replace(checked.table, share=share)
            gram = self._partitions.total(sample, checked.dimension, step)
        return _scaled(gram, checked, share)

    def _pass(
        self,
        checked: CheckedTable,
        whitener: Matrix | None,
        title: str,
        share: float,
        kept_share: float | None = None,
    ) -> Gram:
        """The Gram matrix of a table; of a share of its rows, scaled up to all of them."""
        with self._diary.step("gram", title) as step:
            gram = self._compute.gram(
                replace(checked.table, share=share),
                checked.dimension,
                whitener,
                round(checked.rows * share),
                step,
                kept_share=kept_share,
            )
        return _scaled(gram, checked, share)

    def _mean(self, checked: CheckedTable, share: float) -> Matrix:
        with self._diary.step("mean", f"Averaging {checked.table.side}") as step:
            return self._compute.mean(
                replace(checked.table, share=share),
                checked.dimension or 0,
                round(checked.rows * share),
                step,
            )


def _lacks(gram: Gram, factor: Factor, wanted: int | None = None) -> bool:
    """Whether a Gram matrix has fewer directions than wanted; None wants all dimensions."""
    # Fewer rows than dimensions may look like more: rounding errors fill the other ones.
    return min(gram.rows, factor.rank) < (len(gram.matrix) if wanted is None else wanted)


def _weighted(grams: Mapping[Side, Gram], weights: Mapping[Side, float]) -> Gram:
    """The Gram matrix of the rows of several tables, each times the root of its weight."""
    parts = [gram.matrix * weights[name] for name, gram in grams.items()]
    return Gram(sum(parts[1:], parts[0]), sum(gram.rows for gram in grams.values()))


def _scaled(gram: Gram, checked: CheckedTable, share: float) -> Gram:
    """The Gram matrix of a sample as that of all rows."""
    if share == 1 or gram.rows == 0:
        return gram
    return replace(gram, matrix=gram.matrix * (checked.rows / gram.rows))
