"""The registry: which runs there were, which one is in place, and where the others' outputs are.

It is a log. What happens to a run is added as an event and nothing is ever changed: an INSERT is
all that every engine has, and whoever reads the log sees what was done, by whom and when. The state
of the runs is what the events add up to, one after the other.
"""

from __future__ import annotations

import getpass
import json
import logging
import re
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlstab import checks, saved
from sqlstab.errors import DataError, EngineError, UsageError
from sqlstab.maths.maps import Transform
from sqlstab.runs import Run, check_figures, file_name, is_run_id, new_run_id, replaced_files
from sqlstab.space.folders import locked
from sqlstab.staged import KEPT, check_creatable, check_no_dependents, dependents, scratch_name
from sqlstab.statements import build, ddl, quoting
from sqlstab.statements.dialect import DIALECTS
from sqlstab.statements.table import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlstab.config import Options
    from sqlstab.engines import Engine
    from sqlstab.statements.dialect import Dialect

logger = logging.getLogger("sqlstab")

FORMAT = 1
ENDING = ".jsonl"
POLICIES = ("previous", "first", "consensus")

_EVENT = {"event_id": str, "event": str, "run_id": str, "body": {"format": int}}
_RUN = {"who": str, "places": {...: str}, "figures": {"outputs": dict, "options": dict}}
_PLACE = {"places": {...: str}, "kept": {...: {...: str}}, "rollback": bool}
"""What must be in events, by their kinds."""

Kind = Literal["run", "transform", "place", "drop"]
Status = Literal["current", "kept", "rolled back", "replaced", "not in place"]
Places = dict[Side, str]


class Event(NamedTuple):
    """Something that has happened to a run.

    `run` has its figures, `transform` its transform; `place` puts it in place, and says where that
    is and where the runs that were there are kept; `drop` takes its kept outputs away.

    Attributes:
        event_id: Sorts in the order of recording.
        event: What has happened.
        run_id: To which run.
        body: The rest, by its kind.
    """

    event_id: str
    event: str
    run_id: str
    body: dict[str, Any]


@dataclass
class Entry:
    """What a registry knows of a run.

    Attributes:
        run_id: The run.
        who: Who ran it, and on which machine.
        figures: What `run.json` holds.
        targets: Where its stable tables were to be: tables by their whole names, or files.
        in_files: Whether they are files in a run directory.
        space: The run that began its space; it may be recorded elsewhere.
        before: The run that was in place when it first was; None where there was none.
        places: Where its stable tables are now, tables or files; None where they are nowhere.
        was_placed: Whether it has ever been in place.
        rolled_back: Whether it was in place until an earlier run took its place again.
    """

    run_id: str
    who: str
    figures: dict[str, Any]
    targets: Places
    in_files: bool
    space: str
    before: str | None = None
    places: Places | None = None
    was_placed: bool = False
    rolled_back: bool = False

    @property
    def created(self) -> str:
        """When it was run."""
        return str(self.figures["created"])

    @property
    def reference(self) -> str | None:
        """The run whose space it is in; None for a new space."""
        reference = self.figures["reference"]
        return reference["run_id"] if reference else None

    @property
    def options(self) -> dict[str, Any]:
        """How it was done, by the names of `Options`."""
        return dict(self.figures["options"])

    @property
    def occupied(self) -> set[tuple[str, ...]]:
        """What tells its places from those of other runs, however their names are spelled."""
        return {self.normal(name) for name in (self.places or {}).values()}

    def normal(self, place: str) -> tuple[str, ...]:
        """What is equal for two names of one table of the run's engine, or of one file."""
        if self.in_files:
            return (place,)
        engine = str(self.figures["engine"])
        return (engine, *quoting.normal_parts(place, DIALECTS[engine]))

    @property
    def is_aside(self) -> bool:
        """Whether its tables are kept under names of ours."""
        return bool(self.aside)

    @property
    def aside(self) -> list[str]:
        """Its tables that are kept under names of ours."""
        if self.places is None:
            return []
        return [name for side, name in self.places.items() if name != self.targets[side]]


@dataclass
class Log:
    """The state of all runs.

    Attributes:
        entries: The runs by their ids, the oldest first.
        current: The run that is in place.
        last: The id of the last event.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    current: str | None = None
    last: str = ""

    def apply(self, event: Event) -> None:
        """Let something happen.

        Raises:
            ValueError: The event is none of those there are, or about an unknown run.
        """
        run_id, body = event.run_id, event.body
        self.last = event.event_id
        if body["format"] != FORMAT:
            raise ValueError(f"format {body['format']}, not {FORMAT}")
        if event.event == "run":
            saved.check(body, _RUN)
            check_figures(body["figures"])
            if body["figures"]["engine"] not in DIALECTS:
                raise ValueError(f"the engine {body['figures']['engine']!r} is not known")
            outputs, reference = body["figures"]["outputs"], body["figures"]["reference"]
            _check_same_tables(body["places"], outputs)
            began = reference["run_id"] if reference else run_id
            self.entries[run_id] = Entry(
                run_id,
                body["who"],
                body["figures"],
                body["places"],
                all(output["relation"] == file_name(side) for side, output in outputs.items()),
                self.entries[began].space if began in self.entries else began,
            )
            return
        if run_id not in self.entries:
            raise ValueError(f"no run {run_id} has been recorded")
        entry = self.entries[run_id]
        if event.event == "drop":
            entry.places = None
            return
        if event.event != "place":
            raise ValueError(f"{event.event!r} is no event")
        saved.check(body, _PLACE)
        _check_same_tables(body["places"], entry.targets)
        for other in self.holders(entry, body["places"]):
            if other is not entry:
                moved = body["kept"].get(other.run_id)
                other.places = {**(other.places or {}), **moved} if moved else None
        if self.current and body["rollback"] and run_id < self.current:
            self.entries[self.current].rolled_back = True
        if not entry.was_placed:
            entry.before = self.current
        entry.places, entry.was_placed, entry.rolled_back = body["places"], True, False
        self.current = run_id

    def holders(self, entry: Entry, places: Places) -> list[Entry]:
        """The runs that have a table in one of these places of a run."""
        wanted = {entry.normal(name) for name in places.values()}
        return [other for other in self.entries.values() if other.occupied & wanted]

    def status(self, entry: Entry) -> Status:
        """What has become of a run."""
        if entry.run_id == self.current:
            return "current"
        if not entry.was_placed:
            return "not in place"
        if entry.places is None:
            return "replaced"
        return "rolled back" if entry.rolled_back else "kept"

    def first(self) -> Entry | None:
        """The run that began the space of the one in place, or the earliest that is known."""
        current = self.entries.get(self.current or "")
        same = (e for e in self.entries.values() if current and e.space == current.space)
        return next(same, None)

    def _line(self) -> list[Entry]:
        """The run in place and those before it, the newest first.

        Each was in place when the next one came: so a run that had been rolled back is not among
        them, unless it was put back.
        """
        found: list[Entry] = []
        entry = self.entries.get(self.current or "")
        while entry:
            found.append(entry)
            entry = self.entries.get(entry.before or "")
        return found

    def before(self) -> Entry | None:
        """The run before the one in place, the nearest whose outputs are still there."""
        return next((entry for entry in self._line()[1:] if entry.places), None)

    def history(self) -> list[Entry]:
        """The run in place and those of its space before it, the newest first."""
        line = self._line()
        return [entry for entry in line if entry.space == line[0].space]

    def surplus(self, keep: int) -> list[Entry]:
        """The runs whose kept tables are too many, the oldest first.

        Never the one whose space the run in place is in: the next run may well refer to it.

        Args:
            keep: So many are not.
        """
        current = self.entries.get(self.current or "")
        needed = current.reference if current else None
        aside = [entry for entry in self.entries.values() if entry.is_aside]
        old = aside[:-keep] if keep else aside
        return [entry for entry in old if entry.run_id != needed]


def _check_same_tables(places: Mapping[Side, str], tables: Mapping[Side, Any]) -> None:
    if set(places) != set(tables):
        raise ValueError(f"places of {', '.join(places)} for tables {', '.join(tables)}")


class Found(NamedTuple):
    """What a registry has for a reference.

    Attributes:
        runs: The runs to align with, the newest last; none where there is none yet.
        gone: How many runs belonged to a consensus with them, if their tables were still there.
    """

    runs: list[Run]
    gone: int = 0


@dataclass(frozen=True)
class Placement:
    """What putting a run in place means for the runs that are there.

    Attributes:
        before: What is recorded first: the run itself.
        after: What is recorded when it is in place.
        kept: What tables that are replaced are to be called from then on, by their names now.
        dropped: Kept tables that are one too many.
    """

    before: list[Event]
    after: list[Event]
    kept: Mapping[str, str]
    dropped: list[str]


class Registry:
    """A registry of runs.

    Args:
        name: A table, or a file that ends in `.jsonl`.
        engine: The database that the table is in, and the stable tables of the runs.
    """

    def __init__(self, name: str | Path, engine: Engine) -> None:
        self._engine = engine
        self._file = Path(name) if is_file(name) else None
        self.name = str(name) if self._file else engine.qualified(str(name))

    @property
    def in_table(self) -> bool:
        """Whether it is a table."""
        return self._file is None

    def prepare(self, run_id: str) -> None:
        """See that it can be read and added to: before any work is done.

        Raises:
            DataError: It is damaged, or something else.
            UsageError: Something else has its name.
            EngineError: It cannot be made.
        """
        if self._file is None:
            if self._engine.kind(self.name) is None:
                check_creatable(self._engine, {"the registry": self.name}, run_id)
        elif not self._file.parent.is_dir():
            raise UsageError(f"--registry {self.name}: there is no directory {self._file.parent}.")
        self._record_unrecorded()

    def _record_unrecorded(self) -> None:
        """Record that a run is in place which was ended between that and saying so.

        Only where what is there is what it wrote. Where half of it is, a person must look:
        `remedy` says what to do.
        """
        log = self.log()
        for entry in reversed(log.entries.values()):
            if entry.was_placed:
                return
            kept = self._kept_unrecorded(log, entry)
            try:
                self.check_there(entry)
            except (DataError, UsageError):
                # Its outputs never came, are half there, or are elsewhere.
                entry.places = None
                continue
            placed = {"places": entry.targets, "kept": kept, "rollback": False}
            self._record([], _events(log.last, ("place", entry.run_id, placed)))
            logger.warning(
                "Run %s was in place without a record of it; now there is.", entry.run_id
            )
            return

    def log(self) -> Log:
        """The state of the runs; an empty one where there is no registry yet.

        Raises:
            DataError: It is damaged, or something else.
        """
        log = Log()
        for event in sorted(self._events(), key=lambda event: event.event_id):
            try:
                log.apply(event)
            except ValueError as error:
                raise self._damaged(f"event {event.event_id}: {error}") from error
        return log

    def entry(self, log: Log, run_id: str) -> Entry:
        """A run by its id, or by a beginning of it that no other has.

        Raises:
            DataError: There is none.
        """
        found = [entry for name, entry in log.entries.items() if name.startswith(run_id)]
        if run_id in log.entries:
            return log.entries[run_id]
        if len(found) != 1:
            raise DataError(
                f"The registry {self.name} has {len(found) or 'no'} runs whose id begins with "
                f"{run_id}; sqlstab runs list shows those that there are."
            )
        return found[0]

    def run(self, entry: Entry) -> Run:
        """A run, with its stable tables where they are now.

        Raises:
            DataError: They are nowhere, or not those of the run.
        """
        if entry.places is None:
            raise DataError(
                f"The outputs of run {entry.run_id} have been replaced or dropped; --keep-runs "
                "keeps the tables of so many runs, and a directory of its own a run on files."
            )
        if entry.in_files:
            directory = Path(next(iter(entry.places.values()))).parent
            run = Run.load(directory)
            if run.run_id != entry.run_id:
                raise DataError(
                    f"{directory} has run {run.run_id}, not {entry.run_id}, which the registry "
                    f"{self.name} says is there.{self.remedy(entry.places)}"
                )
            return run
        outputs = entry.figures["outputs"]
        placed = {
            side: {**output, "relation": entry.places[side]} for side, output in outputs.items()
        }
        return Run({**entry.figures, "outputs": placed}, self.transform(entry.run_id), None)

    def remedy(self, places: Places) -> str:
        """What to do if a run has replaced these and was ended before it recorded that."""
        log = self.log()
        announced = [
            entry
            for entry in log.entries.values()
            if {entry.normal(name) for name in entry.targets.values()}
            & {entry.normal(name) for name in places.values()}
            and (not entry.was_placed or self._returned(log, entry))
        ]
        if not announced:
            return ""
        run_id = announced[-1].run_id
        return (
            f" Run {run_id} was to replace it, and did not record that it has: if it has, "
            f"{mending(run_id)} does."
        )

    def transform(self, run_id: str) -> Transform:
        """The transform of a run.

        Raises:
            DataError: It is not there, or damaged.
        """
        for event in self._events(transform_of=run_id):
            return Transform.from_json(json.dumps(event.body.get("transform")), self.name)
        raise self._damaged(f"run {run_id} has no transform")

    def reference(self, named: str) -> Found:
        """The runs that a policy or an id names.

        Raises:
            UsageError: No number of runs is meant by what stands after `consensus:`.
            DataError: There is no such run, or its outputs are gone.
        """
        log = self.log()
        policy, most = _policy(named)
        if policy is None:
            return Found([self.run(self.entry(log, named))])
        if policy == "consensus":
            return self._consensus(log, most)
        current = log.entries.get(log.current or "")
        entry = current if policy == "previous" else log.first()
        return Found([self.run(entry)] if entry else [])

    def _consensus(self, log: Log, most: int | None) -> Found:
        """The run in place and so many of its space at most, or all, whose tables are there."""
        runs: list[Run] = []
        gone = 0
        for entry in log.history():
            if len(runs) == most:
                break
            missing = self._missing(entry) if runs else []
            # Directories, and tables with names that a user gave, are the user's to remove.
            removed = len(missing) == len(entry.targets) and not entry.is_aside
            if runs and (entry.places is None or removed):
                gone += 1
            elif missing:
                raise DataError(
                    f"Run {entry.run_id} belongs to the consensus, but of its stable tables "
                    f"{' and '.join(missing)} cannot be found, where the registry {self.name} says "
                    f"that they are. Bring them back, or take the {len(runs)} newer runs alone "
                    f"with --reference consensus:{len(runs)}."
                )
            else:
                runs.append(self.run(entry))
        return Found(runs[::-1], gone)

    def _missing(self, entry: Entry) -> list[str]:
        """Those of a run's stable tables that are not where they should be."""
        places = (entry.places or {}).values()
        if entry.in_files:
            return [name for name in places if not Path(name).is_file()]
        if entry.figures["engine"] != self._engine.dialect.name:
            return []  # nobody can look from here
        return [name for name in places if self._engine.kind(name) is None]

    def placement(
        self,
        run: Run,
        options: Options,
        places: Places,
        *,
        refers_to_first: bool,
    ) -> Placement:
        """What is to be done and recorded when a run is put in place.

        Args:
            run: The run.
            options: How it was done; `keep_runs` says what to keep.
            places: Where its stable tables will be.
            refers_to_first: Whether later runs will want the run that this one refers to, so that
                it must be kept in any case.
        """
        log = self.log()
        recorded = _events(
            log.last,
            (
                "run",
                run.run_id,
                {"figures": run.figures, "who": _who(), "places": places},
            ),
            ("transform", run.run_id, {"transform": json.loads(run.transform.to_json())}),
        )
        log.apply(recorded[0])
        entry = log.entries[run.run_id]
        kept: dict[str, Places] = {}
        renamed: dict[str, str] = {}
        for holder in log.holders(entry, places):
            needed = refers_to_first and holder.run_id == run.transform.reference
            if (options.keep_runs or needed) and not holder.in_files:
                moved = self._aside(holder, entry)
                if moved:
                    kept[holder.run_id] = moved
                    renamed |= {
                        target: name
                        for side, name in moved.items()
                        for target in places.values()
                        if holder.normal(target) == holder.normal((holder.places or {})[side])
                    }
        placed = {"places": places, "kept": kept, "rollback": False}
        after = _events(recorded[-1].event_id, ("place", run.run_id, placed))
        log.apply(after[0])
        surplus = self._unused(log.surplus(options.keep_runs)) if options.keep_runs else []
        return Placement(
            recorded,
            [*after, *_events(log.last, *(("drop", entry.run_id, {}) for entry in surplus))],
            renamed,
            [name for entry in surplus for name in entry.aside],
        )

    def _aside(self, holder: Entry, entry: Entry) -> Places:
        """Names for those of a run's tables that are there and that another run replaces."""
        return {
            side: name
            for side, name in self._kept_names(holder, entry).items()
            if self._engine.kind((holder.places or {})[side]) == "table"
        }

    def _kept_names(self, holder: Entry, entry: Entry) -> Places:
        """Names of ours for those of a run's tables that are in places which another run takes."""
        taken = {entry.normal(name) for name in entry.targets.values()}
        return {
            side: _kept_name(name, holder.run_id, side, self._engine.dialect)
            for side, name in (holder.places or {}).items()
            if holder.normal(name) in taken
        }

    def rollback(self, run_id: str | None = None) -> Entry:
        """Put an earlier run in place again.

        Tables that are kept under names of ours change places with those that are there, whose run
        is kept under such names then, so that a rollback can be undone. Directories, and tables
        with names of their own, stay where they are: the registry says which run is in place.

        Args:
            run_id: The run; None for the one before the one in place.

        Returns:
            The run that is in place now.

        Raises:
            DataError: There is no such run, its outputs are gone, or a table is not what a run
                wrote.
            EngineError: The database failed.
        """
        log = self.log()
        entry = self.entry(log, run_id) if run_id else log.before()
        if entry is None:
            raise DataError(
                f"The registry {self.name} knows of no run before the one in place whose outputs "
                "are still there. From now on, keep the tables of some runs with --keep-runs; on "
                "files, give each run a directory of its own. A run that was rolled back is put "
                "in place again by its id."
            )
        if entry.run_id == log.current:
            raise UsageError(f"Run {entry.run_id} is in place already.")
        statements: list[str] = []
        kept: dict[str, Places] = {}
        if not entry.was_placed or self._returned(log, entry):
            kept = self._kept_unrecorded(log, entry)
        self.check_there(entry)
        places = entry.places or {}
        if entry.is_aside:
            statements, kept = self._exchange(log, entry)
            places = entry.targets
        events = _events(
            log.last, ("place", entry.run_id, {"places": places, "kept": kept, "rollback": True})
        )
        self._record(statements, events)
        log.apply(events[0])
        return entry

    def _returned(self, log: Log, entry: Entry) -> bool:
        """Whether kept tables have changed places with others, and nobody recorded that.

        A rollback may be killed between the two, where no transaction holds both.
        """
        if not entry.is_aside or any(self._engine.kind(name) for name in entry.aside):
            return False
        return bool(self._kept_unrecorded(log, replace(entry)))

    def _kept_unrecorded(self, log: Log, entry: Entry) -> dict[str, Places]:
        """Where the tables are kept that a run has replaced without recording it.

        With a directory, and where there are no transactions, a run may be killed between the two.
        If its tables are in place, there is nothing to be done but to record that.
        """
        kept: dict[str, Places] = {}
        for holder in [] if entry.in_files else log.holders(entry, entry.targets):
            names = self._kept_names(holder, entry)
            there = {s: name for s, name in names.items() if self._engine.kind(name) == "table"}
            if there:
                kept[holder.run_id] = there
        entry.places = entry.targets
        return kept

    def _exchange(self, log: Log, entry: Entry) -> tuple[list[str], dict[str, Places]]:
        """Statements that put kept tables in place, and where those that are there will be."""
        dialect = self._engine.dialect
        there: dict[Side, Entry] = {}
        for holder in log.holders(entry, entry.targets):
            if holder is entry:
                continue
            self.check_there(holder)
            there |= {
                side: holder
                for side, target in entry.targets.items()
                if entry.normal(target) in holder.occupied
            }
        statements: list[str] = []
        kept: dict[str, Places] = {}
        for side, name in (entry.places or {}).items():
            target = entry.targets[side]
            if name == target:
                continue
            check_no_dependents(self._engine, target)
            if side in there:
                run_id = there[side].run_id
                aside = _kept_name(target, run_id, side, dialect)
                kept.setdefault(run_id, {})[side] = aside
                statements += ddl.keep_table(name, target, aside, dialect)
            elif self._engine.kind(target) is None:
                statements += ddl.replace_table(name, target, dialect)
                statements += ddl.left_over(name, target, dialect)
            else:
                raise DataError(
                    f"{target} is no table of a run in the registry {self.name}, and would be "
                    "lost; rename or drop it first."
                )
        return statements, kept

    def prune(self, keep: int, *, dry_run: bool = False) -> list[Entry]:
        """Drop the kept tables of all but the newest runs.

        Never what is in place, nor the run whose space that is in, nor what has a name that a user
        gave: directories, and tables of their own. The records stay.

        Args:
            keep: How many of the runs whose tables are kept under names of ours stay.
            dry_run: Only find out.

        Returns:
            The runs, with the places of what is dropped.

        Raises:
            EngineError: The database failed.
        """
        log = self.log()
        surplus = [replace(entry) for entry in self._unused(log.surplus(keep))]
        if surplus and not dry_run:
            dialect = self._engine.dialect
            names = [name for entry in surplus for name in entry.aside]
            drops = [ddl.drop_table(name, dialect) for name in names]
            # In this order: a table that nobody knows of does no harm, one that is gone does.
            events = _events(log.last, *(("drop", entry.run_id, {}) for entry in surplus))
            self._record([], events, drops)
        return surplus

    def _unused(self, surplus: Iterable[Entry]) -> list[Entry]:
        """Those of some runs whose kept tables can be dropped.

        An engine refuses to drop what a view is of: that is no reason for a run to fail each day.
        """
        found = []
        for entry in surplus:
            used = {name: dependents(self._engine, name) for name in entry.aside}
            for name, by in used.items():
                if by:
                    logger.warning(
                        "%s, of run %s, would be dropped now, but %s would go with it: drop that, "
                        "or read another table; until then it is kept on.",
                        name,
                        entry.run_id,
                        by,
                    )
            if not any(used.values()):
                found.append(entry)
        return found

    def check_there(self, entry: Entry) -> None:
        """See that a run's stable tables are those that it wrote.

        Raises:
            DataError: They are not.
        """
        run = self.run(entry)
        here, there = self._engine.dialect, entry.figures["engine"]
        if not entry.in_files and there != here.name:
            raise UsageError(
                f"The stable vectors of run {entry.run_id} are tables of {there}, but this is "
                f"{here.name}: name the engine with --engine or --database."
            )
        places = entry.places or {}
        if entry.in_files:
            for side in places:
                run.table(side)
            return
        for side in places:
            stable = checks.stable_table(self._engine, run, side)
            table = checks.numbered(self._engine, stable)
            checked = checks.check_table(self._engine, table, values=False, drop=None)
            checks.check_unchanged(self._engine, run, table, checked.rows)

    def _record(
        self, before: Sequence[str], events: Sequence[Event], after: Sequence[str] = ()
    ) -> None:
        """Run statements, add events, run others: in one transaction, where that can be."""
        if self.in_table:
            self._engine.execute([*before, *self.statements(events), *after])
            return
        if before:
            self._engine.execute(before)
        self.append(events)
        if after:
            self._engine.execute(after)

    def append(self, events: Sequence[Event]) -> None:
        """Add events.

        Raises:
            EngineError: The database or the disk failed.
        """
        if self._file is None:
            self._engine.execute(self.statements(events))
            return
        with locked(self._file.parent), replaced_files(self._file) as [partial]:
            before = self._file.read_text(encoding="utf-8") if self._file.exists() else ""
            lines = [json.dumps(event._asdict()) + "\n" for event in events]
            partial.write_text(before + "".join(lines), encoding="utf-8")

    def statements(self, events: Sequence[Event]) -> list[str]:
        """Statements that add events to a table, which they create if need be."""
        made = self._engine.kind(self.name) is not None
        create = [] if made else [ddl.create_registry(self.name, self._engine.dialect)]
        return [*create, *self.insertions(events)]

    def insertions(self, events: Sequence[Event]) -> list[str]:
        """Statements that add events to a table that is there."""
        rows = [(e.event_id, e.event, e.run_id, json.dumps(e.body)) for e in events]
        return ddl.insert_events(self.name, rows, self._engine.dialect)

    def _events(self, *, transform_of: str | None = None) -> Iterable[Event]:
        if self._file is None:
            yield from self._events_of_table(transform_of)
            return
        if not self._file.exists():
            return
        try:
            text = self._file.read_text(encoding="utf-8")
        except OSError as error:
            raise EngineError(f"{self._file} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise self._damaged("it is no text in UTF-8") from error
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                event = _event(saved.loads(line))
            except ValueError as error:
                raise self._damaged(f"line {number}: {error}") from error
            if (event.event == "transform") == (transform_of is not None) and (
                transform_of in (None, event.run_id)
            ):
                yield event

    def _events_of_table(self, transform_of: str | None) -> Iterable[Event]:
        if self._engine.kind(self.name) is None:
            return
        dialect = self._engine.dialect
        names = {column.name.lower() for column in self._engine.describe(self.name)}
        if not names >= set(ddl.REGISTRY_COLUMNS):
            raise DataError(
                f"{self.name} is no registry of runs: it lacks the columns "
                f"{', '.join(sorted(set(ddl.REGISTRY_COLUMNS) - names))}. Name a table of its own."
            )
        parts: dict[str, list[dict[str, Any]]] = {}
        statement = build.registry(self.name, dialect, transform_of=transform_of)
        for row in self._engine.query(statement):
            parts.setdefault(row["event_id"], []).append(row)
        for event_id, rows in parts.items():
            # Where there are no transactions, a run that is killed may leave a beginning behind:
            # it did not put anything in place.
            if len(rows) != int(rows[0]["parts"]):
                if rows[0]["event"] in ("run", "transform") and not dialect.transactions:
                    continue
                raise self._damaged(f"event {event_id} has {len(rows)} of {rows[0]['parts']} parts")
            try:
                row = {name: rows[0][name] for name in ("event_id", "event", "run_id")}
                body = saved.loads("".join(str(part["body"]) for part in rows))
                yield _event({**row, "body": body})
            except ValueError as error:
                raise self._damaged(f"event {event_id}: {error}") from error

    def _damaged(self, why: str) -> DataError:
        return DataError(
            f"The registry {self.name} is damaged: {why}. Take it from a backup, or begin another."
        )


def _event(document: Any) -> Event:
    """An event from what was recorded.

    Raises:
        ValueError: It is none.
    """
    saved.check(document, _EVENT)
    return Event(**{name: document[name] for name in Event._fields})


def is_file(name: str | Path) -> bool:
    """Whether a registry of this name is a file."""
    return isinstance(name, Path) or (name.endswith(ENDING) and not name.startswith('"'))


def mending(run_id: str) -> str:
    """The command that records that a run's outputs are in place."""
    return f"`sqlstab runs rollback {run_id}`"


def is_looked_up(reference: object) -> bool:
    """Whether a reference is looked up in a registry: a policy, or the id of a run."""
    return is_policy(reference) or (isinstance(reference, str) and is_run_id(reference))


def is_policy(reference: object) -> bool:
    """Whether a reference is a policy: `previous`, `first`, `consensus`, or `consensus:7`."""
    return isinstance(reference, str) and _POLICY.fullmatch(reference) is not None


_POLICY = re.compile(rf"({'|'.join(POLICIES)})|consensus:(.*)")


def _policy(reference: str) -> tuple[str | None, int | None]:
    """The policy that a reference names, if it names one, and the number of runs in it."""
    match = _POLICY.fullmatch(reference)
    if match is None:
        return None, None
    if match[1]:
        return match[1], None
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", match[2]):
        raise UsageError(
            f"--reference is {reference}; what follows consensus: is the number of runs, from 1 on."
        )
    return "consensus", int(match[2])


def _kept_name(beside: str, run_id: str, side: Side, dialect: Dialect) -> str:
    """What a stable table of a run is called when another one has its name."""
    return scratch_name(beside, f"{run_id}_{side}{KEPT}", dialect)


def _events(after: str, *happened: tuple[Kind, str, dict[str, Any]]) -> list[Event]:
    """Events, one after the other, and after the one of this id, whatever the clock says."""
    now = new_run_id(after)
    return [
        Event(f"{now}.{number:04d}", kind, run_id, {"format": FORMAT, **body})
        for number, (kind, run_id, body) in enumerate(happened)
    ]


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
