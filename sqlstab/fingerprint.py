"""What tells the stable table that a run wrote from another one that has its name now."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlstab.maths.quality import SAMPLED_ROWS
from sqlstab.statements import build

if TYPE_CHECKING:
    from sqlstab.engines import Engine
    from sqlstab.statements.table import VectorTable

# Never of all rows, so that it also matters which row has which id.
_MOST = 0.5
# Of the largest that a sum can be. Doubles that are added in another order differ by up to
# 25,000 * 1e-16 of it; vectors of another training or in another space differ visibly.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Fingerprint:
    """Counts and sums of a stable table.

    A digest of the rows would need every component of every row as text, which no two engines
    spell alike and some spell differently from one version to the next. Sums need one component of
    some rows, so in columnar storage most of a wide table is not even read, and every engine adds
    doubles. They tell vectors of another training, axes that are turned or have another sign, and
    other ids; a single row that was changed by hand they may not.

    Attributes:
        rows: Rows of the table (in the long layout, ids).
        share: The share of them that the sums are over, chosen by a hash of the id.
        summed: How many rows that is.
        total: The sum of the first component.
        squares: The sum of its squares.
    """

    rows: int
    share: float
    summed: int
    total: float
    squares: float

    def agrees(self, other: Fingerprint) -> bool:
        """Whether two fingerprints of the same share can be of the same rows."""
        # By Cauchy and Schwarz.
        largest = math.sqrt(self.summed * self.squares)
        return (
            (self.rows, self.summed) == (other.rows, other.summed)
            and abs(self.total - other.total) <= _TOLERANCE * largest
            and abs(self.squares - other.squares) <= _TOLERANCE * self.squares
        )

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `run.json`."""
        return asdict(self)


def default_share(rows: int) -> float:
    """The share of so many rows that a new fingerprint sums.

    Two runs' vectors differ in any of them, so a few would do.
    """
    return min(_MOST, SAMPLED_ROWS / max(rows, 1))


def fingerprint(engine: Engine, table: VectorTable, rows: int, share: float) -> Fingerprint:
    """The fingerprint of a stable table, in one scan of its ids and a first component.

    Args:
        engine: Where the table is.
        table: The table.
        rows: How many rows it has.
        share: The share of them to sum.
    """
    vector = table.vector[:1] if table.layout == "wide" else table.vector
    sample = replace(table, vector=vector, share=share)
    row = engine.query(build.fingerprint(sample, engine.dialect))[0]
    # The sum of no rows is NULL.
    total, squares = (float(row[name] or 0.0) for name in ("total", "squares"))
    return Fingerprint(rows, share, int(row["summed"]), total, squares)
