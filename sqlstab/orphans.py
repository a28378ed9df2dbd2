"""What runs that were killed have left behind: found by its name, and removed when asked to."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlstab.errors import EngineError
from sqlstab.runs import staged_directories
from sqlstab.space import folders
from sqlstab.staged import KEPT, SCRATCH, TRIAL
from sqlstab.statements import ddl, quoting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlstab.engines import Engine
    from sqlstab.registry import Log

# Every table that a run makes for itself has this in its name: `runs.new_run_id`, as a name has it;
# those of the SQL solver say so.
_OWN = re.compile(
    r"sqlstab_(?P<solve>solve_)?(?P<run>(?P<time>\d{8}t\d{6})_\d{6}z_[0-9a-f]{4})_(?P<rest>\w+)"
)

What = Literal[
    "stable table, not in place",
    "kept table of a run that is gone",
    "replaced table",
    "intermediate table",
    "half way",
    "run directory, not in place",
]


@dataclass(frozen=True)
class Orphan:
    """Something that nobody will come back for.

    Attributes:
        name: The whole name of a table, or the path of a folder.
        what: What it was to be. What is `half way` may be the only copy, and is not removed.
        since: When it was made.
    """

    name: str
    what: What
    since: dt.datetime

    @property
    def removable(self) -> bool:
        """Whether nothing is lost with it."""
        return self.what != "half way"


def tables(
    engine: Engine, beside: Iterable[str], older_than: dt.timedelta, log: Log | None = None
) -> list[Orphan]:
    """The tables that runs have left in some schemas.

    Nobody can ask a database whether a run still lives, so its age decides. The names are those
    that runs give to tables of their own; no other table is looked at.

    Args:
        engine: The database.
        beside: Whole names of tables, one in each schema; the tables need not be there.
        older_than: What is younger may belong to a run at work.
        log: What a registry knows. Without it no kept table is an orphan.

    Raises:
        EngineError: The database failed.
    """
    earliest = dt.datetime.now(dt.timezone.utc) - older_than
    found: dict[str, Orphan] = {}
    for name in beside:
        *schema, _ = quoting.table_parts(name, engine.dialect)
        rows = engine.query(ddl.tables_beside(name, engine.dialect))
        listed = sorted(str(row.get("name") or row.get("tablename")) for row in rows)
        for own in listed:
            match = _OWN.fullmatch(own)
            if not match:
                continue
            since = _time(match["time"])
            what: What | None = "intermediate table"
            if not match["solve"]:
                what = _what(match["run"], match["rest"], set(listed), log, engine)
            if what and since and since < earliest:
                whole = quoting.table_name([*schema, own], engine.dialect)
                found[whole] = Orphan(whole, what, since)
    return list(found.values())


def _what(run: str, rest: str, listed: set[str], log: Log | None, engine: Engine) -> What | None:
    """What a table of a run was to be; None if somebody still wants it."""
    entries = {_as_in_names(entry.run_id): entry for entry in log.entries.values()} if log else {}
    entry = entries.get(run)
    if rest.endswith(KEPT):
        # Of a run that another registry may know, nothing is known.
        is_gone = entry is not None and entry.places is None
        return "kept table of a run that is gone" if is_gone else None
    if f"_{rest}" in (TRIAL, SCRATCH):
        return "intermediate table"
    if not engine.dialect.transactions:
        # Tables take their places one after the other. While both of these are there, nothing has
        # their place; and of a run that was recorded before, this may be the table it replaced.
        staged = rest.removesuffix(ddl.OLD)
        both = {f"sqlstab_{run}_{staged}", f"sqlstab_{run}_{staged}{ddl.OLD}"} <= listed
        if both or (entry and not entry.was_placed):
            return "half way"
    return "replaced table" if rest.endswith(ddl.OLD) else "stable table, not in place"


def _as_in_names(run_id: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", run_id.lower())


def _time(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text, "%Y%m%dt%H%M%S").replace(tzinfo=dt.timezone.utc)
    except ValueError:  # no name of ours
        return None


def directories(beside: Iterable[Path]) -> list[Orphan]:
    """The run directories that never took their places.

    Args:
        beside: Directories that hold run directories.
    """
    found = []
    for parent in sorted(set(beside)):
        for path in staged_directories(parent) if parent.is_dir() else ():
            if folders.state(path) == "abandoned":
                since = dt.datetime.fromtimestamp(path.stat().st_mtime, tz=dt.timezone.utc)
                found.append(Orphan(str(path), "run directory, not in place", since))
    return found


def remove(orphans: Iterable[Orphan], engine: Engine | None) -> None:
    """Remove those that are removable.

    Args:
        orphans: What was found.
        engine: The database that the tables are in, if there are any.

    Raises:
        EngineError: The database or the disk refused.
    """
    for orphan in orphans:
        if orphan.what == "run directory, not in place":
            folders.remove_abandoned(Path(orphan.name))
            if Path(orphan.name).exists():
                raise EngineError(f"{orphan.name} cannot be removed.")
        elif engine and orphan.removable:
            engine.execute([ddl.drop_table(orphan.name, engine.dialect)])
