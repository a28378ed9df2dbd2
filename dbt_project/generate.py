"""Make the package's solver from `sql/` and `sqlstab/engines/`: `make dbt-macros`.

The text of a solver depends on one thing only, the number of dimensions. So each is rendered here,
with a hole wherever that number goes, and becomes the macro `ADAPTER__solve`, `ADAPTER__polar` or
`ADAPTER__cholesky`: plain text that dbt parses in no time. Where odd numbers of dimensions have
other lines than even ones, both are there.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlstab import engines
from sqlstab.statements import build

if TYPE_CHECKING:
    from sqlstab.statements.dialect import Dialect

MADE = Path(__file__).resolve().parent / "macros" / "made"
DIALECTS = {
    name: dialect
    for name, dialect in engines.dialects().items()
    # A fold takes several statements, with a table for each.
    if dialect.solving and dialect.solving.way == "recursive"
}
# The relations that a solver reads, as the package calls them.
GRAMS, CROSS, MATRICES = "sqlstab_grams", "sqlstab_cross", "sqlstab_matrices"


@dataclass(frozen=True)
class Hole:
    """A number that is not known yet, but whether it is odd.

    Attributes:
        text: How Jinja computes it.
        odd: Whether it is odd.
    """

    text: str
    odd: bool

    def __str__(self) -> str:
        return f"{{{{ {self.text} }}}}"

    def __add__(self, other: int) -> Hole:
        return Hole(f"({self.text} + {other})", self.odd ^ other % 2)

    def __sub__(self, other: int) -> Hole:
        return Hole(f"({self.text} - {other})", self.odd ^ other % 2)

    def __rmul__(self, other: int) -> Hole:
        return Hole(f"{other} * {self.text}", self.odd and other % 2 == 1)

    def __mul__(self, other: float) -> Hole:
        return Hole(f"{self.text} * {other}", odd=False)

    def __floordiv__(self, other: int) -> Hole:
        return Hole(f"{self.text} // {other}", odd=False)

    def __mod__(self, other: int) -> int:
        if other != 2:
            raise NotImplementedError
        return int(self.odd)

    def __lt__(self, other: Hole) -> bool:
        # Both are the same number.
        return False


def made() -> dict[str, str]:
    """Return the files of `macros/made`, by name."""
    note = "{#- Made from sql/ by `make dbt-macros`: change that, not this. -#}\n\n"
    return {f"{name}.sql": note + _solver(dialect) for name, dialect in DIALECTS.items()}


def rendered(dialect: Dialect, dimension: Any) -> dict[str, str]:
    """Return the query of each macro of an adapter, for a number of dimensions or a hole."""
    return {
        "solve": build.solve(dialect, dimension, GRAMS).query,
        "polar": build.align(dialect, dimension, dimension, CROSS),
        "cholesky": build.cholesky(dialect, dimension, MATRICES),
    }


def _solver(dialect: Dialect) -> str:
    even, odd = (rendered(dialect, Hole("dimension", odd)) for odd in (False, True))
    return "".join(_macro(f"{dialect}__{name}", even[name], odd[name]) for name in even)


def _macro(name: str, *texts: str) -> str:
    even, odd = (text.strip().splitlines(keepends=True) for text in texts)
    lines = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(a=even, b=odd, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += even[i1:i2]
        else:
            lines += ["{%- if dimension % 2 %}\n", *odd[j1:j2]]
            lines += ["{%- else %}\n", *even[i1:i2]] if i1 < i2 else []
            lines.append("{%- endif %}\n")
    return f"{{% macro {name}(dimension) -%}}\n{''.join(lines)}\n{{%- endmacro %}}\n"


def main() -> None:
    """Write them."""
    MADE.mkdir(exist_ok=True)
    for path in MADE.iterdir():
        path.unlink()
    for name, text in made().items():
        (MADE / name).write_text(text)


if __name__ == "__main__":
    main()
