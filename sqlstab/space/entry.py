"""What a space says of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Entry:
    """An existing run.

    Attributes:
        key: Its key, as text.
        load: Reads its figures.
        changed: Lists what of it is not as the run wrote it, as far as the space can tell.
    """

    key: str
    load: Callable[[], dict[str, Any]] = field(repr=False, compare=False)
    changed: Callable[[], list[str]] = field(default=list, repr=False, compare=False)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What `run.json` holds, read when it is first asked for.

        Raises:
            DataError: It cannot be read.
            EngineError: The database refused or failed.
        """
        return self.load()


@dataclass(frozen=True)
class Around:
    """The runs of a space, seen from a key.

    Attributes:
        before: Those strictly before it, oldest first.
        same: The one that has it.
        after: Those strictly after it, oldest first.
    """

    before: list[Entry]
    same: Entry | None
    after: list[Entry]

    @property
    def newest_after(self) -> str | None:
        """The key of the newest run, if it is after the key."""
        return self.after[-1].key if self.after else None


def edited(key: str, files: Sequence[str]) -> str:
    """Say what of a run is not as the run wrote it; `files` is what `Entry.changed` lists."""
    return (
        f"Run {key} is not as it was written: {' and '.join(files)} "
        f"{'has' if len(files) == 1 else 'have'} been replaced or edited since. Run it again, or "
        "drop it, unless that was meant."
    )


def late(runs: Sequence[Entry]) -> list[str | None]:
    """Return for each run the first later one that was there before it, and did not see it.

    A later run saw a repeated one: it was aligned with an earlier attempt.

    Args:
        runs: All of them, oldest first.
    """
    made = [str(run.figures["created"]) for run in runs]
    places = {run.key: n for n, run in enumerate(runs)}

    def missed(k: int, n: int) -> bool:
        """Tell whether the run `k` was there before `n`, and would have been aligned with it."""
        if made[k] >= made[n]:
            return False
        reference = runs[k].figures["reference"] or {"align": "recent", "runs": {}}
        # A first run that is done again is aligned with itself.
        known = [key for key in reference["runs"] if key != runs[k].key]
        if not known:
            return True
        # It looks back from the newest run on: no further than to the oldest that it has.
        back = reference["align"] in ("recent", "previous") and places.get(known[0], -1) < n
        return back and runs[n].key not in known

    every = range(len(runs))
    return [next((runs[k].key for k in every[n + 1 :] if missed(k, n)), None) for n in every]


@dataclass(frozen=True)
class Rows:
    """Stable rows of several runs as one relation; the fields are as in `VectorTable`.

    Attributes:
        relation: A table; or what to call the files in a message.
        files: Exact Parquet files that are read in its place.
        filter: A condition on the rows.
        weight: An SQL expression for the weight of a row; None where there is one run only.
    """

    relation: str
    files: tuple[str, ...] = ()
    filter: str | None = None
    weight: str | None = None


def case(column: str, weights: dict[str, float], number: Callable[[float], str]) -> str | None:
    """Return the weight of a row as an expression; None for a single run.

    Args:
        column: The key's column, quoted.
        weights: The weight of each run, by the literal of its key.
        number: Spells a double.
    """
    if len(weights) < 2:
        return None
    cases = " ".join(f"WHEN {key} THEN {number(weight)}" for key, weight in weights.items())
    return f"CASE {column} {cases} END"
