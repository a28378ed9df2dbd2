"""From what a user names to what a run is given: tables, the reference, and where to write.

Here the metadata of tables and the list of a space's runs are read, and no row of vectors.
"""

from __future__ import annotations

import datetime as dt
import getpass
import platform
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from sqlstab import __version__, saved
from sqlstab.errors import DataError, EngineError, UsageError
from sqlstab.flow import check as checking
from sqlstab.flow import drive
from sqlstab.flow import figures as known_figures
from sqlstab.flow import reference as referring
from sqlstab.flow.job import Job
from sqlstab.flow.reference import Made, Member, Reference
from sqlstab.maths.maps import Maps
from sqlstab.progress import Log
from sqlstab.space.entry import edited
from sqlstab.space.key import shape
from sqlstab.statements import build, files, quoting, relations
from sqlstab.statements.conditions import both, condition
from sqlstab.statements.sides import VECTORS
from sqlstab.statements.table import (
    Column,
    EmbeddingTable,
    VectorTable,
    check_further,
    resolve,
    shown,
    stable_columns,
    stable_table,
)
from sqlstab.statements.types import same_in_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlstab.engines.base import Engine
    from sqlstab.maths.solve import Matrix
    from sqlstab.options import Options
    from sqlstab.space.entry import Around, Entry, Rows
    from sqlstab.space.key import Key
    from sqlstab.space.target import Target
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.sides import Side
    from sqlstab.statements.table import FurtherTable

# Of so many runs one tells the axes: what a script has written does not.
_TELLING = 16


class AnySpace(Protocol):
    """What a run needs of a space."""

    def entries(self) -> list[Entry]:
        """List the runs, oldest first."""

    def around(self, key: Key) -> Around:
        """List the runs before a key, with it, and after it."""

    def maps(self, key: str) -> dict[str, Matrix]:
        """Read the maps of a run."""

    def reference(self, side: str, weights: Mapping[str, float]) -> Rows:
        """Return the stable rows of runs."""

    def check_inputs(self, relations: Mapping[str, str]) -> None:
        """Check that no input is a part of the space."""

    def check(
        self, outputs: Mapping[str, Sequence[Column]], key: Key, *, make: bool = True
    ) -> None:
        """Check that a run can be written, and make what is missing."""

    def target(self, key: Key) -> Target:
        """Return where a run is written, as text."""

    def keep_features(self, key: str, as_of: str, maps: Mapping[str, Matrix]) -> None:
        """Keep the feature maps of a run for models that were trained on another one."""

    def staging(self, key: Key) -> AbstractContextManager[Target]:
        """Make room for a run that is about to be written."""

    def finish(self, target: Any, maps: Mapping[str, Matrix], figures: dict[str, Any]) -> Any:
        """Put a run in place whose rows have been written."""

    def drop(self, keys: Sequence[str]) -> None:
        """Remove runs."""


@dataclass(frozen=True)
class Tables:
    """The tables of a run, with all that their columns tell.

    Attributes:
        tables: By name.
        like: The side whose map each further table takes.
        types: The types of the columns of each, by name.
        key: The run's key, as the tables' column has it.
        dated: Those that have the key's column.
        versions: Of their local files, by path.
    """

    tables: dict[Side, VectorTable]
    like: dict[Side, Side]
    types: dict[Side, dict[str, str]]
    key: Key
    dated: set[Side]
    versions: dict[str, files.Version]


def tables_of(
    named: Mapping[Side, EmbeddingTable],
    also: Mapping[str, FurtherTable],
    key: Key,
    engine: Engine,
    maps: Maps | None = None,
) -> Tables:
    """Look up the columns of a run's tables.

    Args:
        named: The tables of the sides.
        also: Further tables.
        key: The run's key; if it names a column, the inputs' rows with it are the run's.
        engine: Where they are.
        maps: The maps that the tables are to be multiplied with, where that is all that is done.

    Raises:
        DataError: A table or a column is missing, or has a type that cannot be used.
        UsageError: Something can be read in more than one way.
    """
    like = {name: one.like for name, one in also.items()}
    if maps is None:
        check_further(like, named)
    else:
        for side in named:
            if side not in maps:
                raise UsageError(
                    f"The run has no map for {side}; it has one for {' and '.join(maps)}."
                )
    every = {**named, **{name: one.table for name, one in also.items()}}
    found: dict[Side, VectorTable] = {}
    types: dict[Side, dict[str, str]] = {}
    typed, dated = key, set()
    versions: dict[str, files.Version] = {}
    for side, table in every.items():
        if not isinstance(table, EmbeddingTable):
            raise UsageError(f"--also {side}: give its table as an EmbeddingTable.")
        if engine.dialect.reads_files:
            versions |= files.versions(table.relation)
        columns = engine.describe(table.relation)
        types[side] = {column.name: column.type for column in columns}
        if key.named and table.dated:
            dated.add(side)
            column = _key_column(side, table, columns, key)
            own = key.typed(column, engine.dialect)
            literals = {one.literal(engine.dialect) for one in (own, typed)}
            if dated != {side} and len(literals) > 1:
                raise UsageError(
                    f"{relations.about(side, table.relation)}: its column {column.name} has type "
                    f"{column.type}, that of another table of the run {typed.type}: the key "
                    f"{key.value} would not mean the same rows in both. Cast one in a view."
                )
            typed = own
            of_run = both(table.filter, own.condition(engine.dialect), engine.dialect)
            table = replace(table, filter=of_run)  # noqa: PLW2901
            columns = [other for other in columns if other.name != column.name]
            known = resolve(table, side, columns, engine.dialect, hidden=(column,))
        else:
            known = resolve(table, side, columns, engine.dialect)
        if side in like and (known.weight or known.anchor_filter):
            raise UsageError(
                f"--also {side}: nothing is aligned on it, so it takes no weight and no anchor "
                "filter."
            )
        found[side] = known
    _check_numbers(found, like)
    return Tables(found, like, types, typed, dated, versions)


def _check_numbers(tables: Mapping[Side, VectorTable], like: Mapping[Side, Side]) -> None:
    """Check that numbered columns of vectors that are multiplied have the same numbers.

    They are multiplied by position: with a column missing in the middle of one table, e5 would be
    multiplied with e4.

    Raises:
        DataError: They have as many columns, in another order or with other gaps between their
            numbers.
    """
    numbers: dict[Side, list[int]] = {}
    for side, table in tables.items():
        found = [re.search(r"\d+$", name) for name in table.vector]
        if table.layout == "wide" and all(found):
            numbers[side] = [int(match[0]) for match in found if match]
    pairs = [("users", "items"), *like.items()]
    for one, other in pairs:
        first, second = numbers.get(one), numbers.get(other)
        if not first or not second or len(first) != len(second):
            continue
        # Counted from 0 in one table and from 1 in the other they are the same.
        shifts = {a - b for a, b in zip(first, second, strict=True)}
        if len(shifts) > 1:
            raise DataError(
                f"{tables[one].about} has the columns "
                f"{', '.join(tables[one].vector[:12])}, and "
                f"{tables[other].about} {', '.join(tables[other].vector[:12])}: their numbers "
                "have another order or other gaps, and vectors are multiplied column by column. "
                "Name the same columns of both, in the same order, or add those that are missing."
            )


def _key_column(side: Side, table: EmbeddingTable, columns: Sequence[Column], key: Key) -> Column:
    """Find the column of a run's key in a table.

    Raises:
        DataError: The table has no such column.
    """
    same = [column for column in columns if column.name == key.column] or [
        column for column in columns if column.name.lower() == key.column.lower()
    ]
    if same:
        return same[0]
    raise DataError(
        f"{relations.about(side, table.relation)}: there is no column {key.column}, which --run "
        f"{key.column}={key.value} takes the rows of the run by; it has "
        f"{', '.join(column.name for column in columns[:12])}. Name its column of days, or write "
        f"--run {key.value} for tables that hold one run; in a project file or in Python, a table "
        "without days has dated = false."
    )


def reference_of(
    space: AnySpace, around: Around, tables: Tables, options: Options, engine: Engine, log: Log
) -> Reference | None:
    """Choose the runs that a run is aligned with, and find their rows.

    Args:
        space: Its space.
        around: The runs of the space, seen from its key.
        tables: The tables of the run.
        options: How to align.
        engine: Where the tables are.
        log: Records warnings about the reference.

    Raises:
        UsageError: There is no such run, or the runs are of another kind.
        DataError: A run is damaged, or its rows are gone.
    """
    entries = {entry.key: entry for entry in around.before}
    wanted = _wanted_axes(around)
    try:
        weights = referring.weights(
            list(entries),
            options.align,
            options.memory,
            lambda key: wanted is None or _axes(entries[key]) in (wanted, None),
        )
    except KeyError:
        known = ", ".join(list(entries)[-5:]) or "none"
        raise UsageError(
            f"--align {options.align}: there is no such run before {tables.key.value}; it can be "
            f"recent, previous, first, or the key of a run before this one: {known}."
        ) from None
    if not weights:
        itself = _check_first(around, tables.key, options, log)
        if itself is None:
            return None
        # Later runs were aligned with it: done again it keeps its axes, whatever was trained.
        entries, weights = {itself.key: itself}, {itself.key: 1.0}
    for key in weights:
        check_entry(entries[key], log)
    newest = list(weights)[-1]
    figures = entries[newest].figures
    _check_kind(tables.tables, figures, newest)
    own = tables.key.value
    for other in [newest, *(entry.key for entry in around.after[-1:])]:
        days = shape(own), shape(other)
        odd = all(days) and days[0] != days[1] and not (own + other).isdecimal()
        if tables.key.type is None and odd:
            place = "before it" if other == newest else "that stays the newest"
            log.warn(
                f"The key {own} has another form than {other}, the one {place}. Keys sort as text: "
                "does it sort where you expect it?"
            )
    if options.map not in (None, figures["map"]):
        raise UsageError(
            f"--map {options.map}: the maps of this space are {figures['map']}, as its first run "
            "fixed; leave --map out, or begin another space."
        )
    if options.columns is not None and options.columns < figures["dimension"]:
        raise UsageError(
            f"--columns {options.columns}: the space has {figures['dimension']} columns already; "
            f"write --columns={figures['dimension']}, or begin another space."
        )
    maps = Maps.of(space.maps(newest), figures["like"], figures["invertible"])
    for name, side in figures["like"].items():
        if tables.like.get(name, side) != side:
            raise UsageError(
                f"--also {name}: it is to be like {tables.like[name]}, but run {newest} of this "
                f"space has it like {side}: its vectors would move to another place. Give it "
                "another name."
            )
        if name not in tables.tables:
            log.warn(
                f"{name}: run {newest} of the reference has this further table, and this run has "
                "not; its stable vectors stay in that run. Name it with --also."
            )
    axes = _first_axes(entries[key] for key in reversed(weights))
    _warn_of_axes(around, own, list(weights), axes, log)
    anchors = options.anchors([side for side in tables.tables if side not in tables.like])
    return Reference(
        align=options.align,
        weights=weights,
        members={side: _members(space, side, weights, entries, tables, engine) for side in anchors},
        newest={
            side: _members(space, side, {newest: 1.0}, entries, tables, engine)[0]
            for side in tables.tables
            if side in maps
        },
        maps=maps,
        map=figures["map"],
        lossless=figures["invertible"],
        rank=figures["rank"],
        axes=axes,
        rows={side: table["rows"] for side, table in figures["tables"].items()},
    )


def _axes(entry: Entry) -> str | None:
    """Return what tells the axes of a run from others: when the run was made that began them.

    Returns:
        None where the figures do not say: those of a script, and damaged ones.
    """
    with suppress(DataError):
        figures = entry.figures
        check_figures(figures, "")
        found: str | None = figures.get(
            "axes", None if figures["reference"] else figures["created"]
        )
        return found
    return None


def _first_axes(entries: Iterable[Entry]) -> str | None:
    return next(filter(None, map(_axes, entries)), None)


def _wanted_axes(around: Around) -> str | None:
    """Return the axes that a run is to have: those of the newest runs before it.

    Done again it keeps its own, as long as other runs have them.
    """
    if around.same is not None:
        own = _axes(around.same)
        if own and any(_axes(entry) == own for entry in (*around.after, *around.before[::-1])):
            return own
    return _first_axes(around.before[: -_TELLING - 1 : -1])


def _warn_of_axes(around: Around, own: str, keys: list[str], axes: str | None, log: Log) -> None:
    """Warn if a run done again has another reference, or a late one other axes than later runs."""
    after, same = around.after[:1], around.same
    if same is None:
        if axes and after and _axes(after[0]) not in (axes, None):
            log.warn(
                f"Run {after[0].key}, the one after {own}, has other axes than {keys[-1]}, the one "
                f"before it: {own} gets those of {keys[-1]}, and no comparison with "
                f"{after[0].key} means anything."
            )
        return
    with suppress(DataError):
        check_figures(same.figures, "")
        reference = same.figures["reference"]
        before = list(reference["runs"]) if reference else []
        moved = axes and _axes(same) not in (axes, None)
        if keys != [own] and (keys != before or moved):
            log.warn(
                f"Run {own} was aligned with {', '.join(before) or 'no run'} before, and is "
                f"aligned with {', '.join(keys)} {'as they are ' if keys == before else ''}now: "
                "its rows are not the same again."
            )


def _check_first(around: Around, key: Key, options: Options, log: Log) -> Entry | None:
    """Check that a run without an earlier one is the first of its space.

    Returns:
        The run that it takes the place of, if later ones have been aligned with that.

    Raises:
        UsageError: Later runs are in the space that another first run defined.
    """
    others = [*around.before, *around.after]
    if not others or around.same is not None:
        return around.same if others else None
    said = (
        f"There is no run before {key.value} to align with, but the space has others, such as "
        f"{others[0].key}: this run would get axes of its own, which theirs are not"
    )
    if not options.force:
        raise UsageError(
            f"{said}. Take a key that sorts after theirs, or another space; --force=true writes it "
            "all the same."
        )
    log.warn(f"{said}; written by force.")
    return None


def _members(
    space: AnySpace,
    side: Side,
    weights: Mapping[str, float],
    entries: Mapping[str, Entry],
    tables: Tables,
    engine: Engine,
) -> list[Member]:
    """Find the rows of some runs: those that stand alike in one relation are one member."""
    groups: dict[Any, dict[str, float]] = {}
    raw: list[Member] = []
    for key, weight in weights.items():
        figures = entries[key].figures
        stored = (figures["outputs"] or {}).get(side)
        if stored is None:
            raw.append(_raw_member(space, side, key, weight, figures, tables, engine))
            continue
        alike = tuple(
            tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
            if name in ("id", "id_type", "layout", "vector", "element", "first")
        )
        array = build.array_of(stored_table(side, stored), "", engine.dialect)
        # In the long layout the rows of an id are one vector, and must be those of one run.
        apart = key if stored["layout"] == "long" else None
        groups.setdefault((figures["dimension"], apart, array, *alike), {})[key] = weight
    found = []
    for (dimension, *_), keys in groups.items():
        stored = entries[next(iter(keys))].figures["outputs"][side]
        rows = space.reference(side, keys)
        table = placed(stored_table(side, stored), rows)
        alone = next(iter(keys.values())) if len(keys) == 1 else 1.0
        found.append(Member(table, dimension, weight=alone))
    return found + raw


def _raw_member(
    space: AnySpace,
    side: Side,
    key: str,
    weight: float,
    figures: Mapping[str, Any],
    tables: Tables,
    engine: Engine,
) -> Member:
    """Take the raw rows of a run that wrote its maps only, times its map.

    Raises:
        DataError: Nothing tells its raw rows from those of other runs.
    """
    here = tables.key.condition(engine.dialect)
    there = replace(tables.key, value=key).condition(engine.dialect)
    table = tables.tables[side]
    rest = (table.filter or "").removesuffix(here)
    if rest == (table.filter or ""):
        raise DataError(
            f"Run {key} has no stable {side}, only maps, and its raw rows cannot be told from "
            "those of other runs: name the column of the inputs that holds the key, as in "
            "--run=ds=2026-11-30."
        )
    matrix = space.maps(key)[figures["like"].get(side, side)]
    then = figures["tables"][side]
    # The table holds all runs; its filter has this run's key in it.
    table = replace(
        table,
        filter=f"{rest}{there}",
        weight=None,
        anchor_filter=None,
        keep=(),
        only_valid=len(matrix) if then["left_out"] else None,
    )
    known = then.get("fingerprint")
    made = Made(key, then["rows"], known) if known else None
    return Member(table, matrix.shape[1], matrix, weight, made)


def placed(table: VectorTable, rows: Rows) -> VectorTable:
    """Return a table of stable rows, of the runs that a space has found."""
    return replace(
        table,
        relation=rows.relation,
        files=rows.files,
        filter=rows.filter,
        weight_expression=rows.weight,
    )


def written(space: AnySpace, entry: Entry, side: Side) -> VectorTable:
    """Return the stable rows of one run, with the columns that it kept.

    Raises:
        DataError: The run wrote no such table, or its maps only.
    """
    outputs = entry.figures["outputs"]
    if outputs is None:
        raise DataError(
            f"Run {entry.key} wrote its maps only, and a feature map is fitted to stable rows: "
            "write the run again without --maps-only, or name a run that has them."
        )
    if side not in outputs:
        raise DataError(f"Run {entry.key} has no table {side}; it has {' and '.join(outputs)}.")
    table = placed(stored_table(side, outputs[side]), space.reference(side, {entry.key: 1.0}))
    return replace(table, keep=tuple(Column(name, "") for name in outputs[side]["keep"]))


def stored_table(side: Side, known: Mapping[str, Any]) -> VectorTable:
    """Return a table as `run.json` describes it."""
    return VectorTable(
        side=side,
        relation=known["relation"],
        ids=tuple(map(Column, *(known_figures.several(known[n]) for n in ("id", "id_type")))),
        layout=known["layout"],
        vector=tuple(known["vector"]),
        element=known["element"],
        first=known.get("first", 0),
        vector_type=known["vector_type"],
        fields=tuple(known["fields"]),
    )


def check_entry(entry: Entry, log: Log) -> None:
    """Raise unless a run can be read; warn where it is not as it was written.

    Raises:
        DataError: Its figures are damaged.
    """
    check_figures(entry.figures, f"run {entry.key}")
    if changed := entry.changed():
        log.warn(edited(entry.key, changed))


def check_figures(figures: Mapping[str, Any], where: str) -> None:
    """Raise unless the figures of a run are what `run.json` must hold.

    Raises:
        DataError: Something is missing, or is something else.
    """
    found = figures.get("format")
    if found != known_figures.FORMAT:
        raise DataError(
            f"The figures of {where} have format {saved.shown(found)}; this version of sqlstab "
            f"reads format {known_figures.FORMAT}."
        )
    try:
        known_figures.check(figures)
    except ValueError as error:
        raise DataError(f"The figures of {where} are damaged: {error}.") from error


def _check_kind(tables: Collection[Side], figures: Mapping[str, Any], key: str) -> None:
    """Raise unless a run is of the same kind as its space: users and items, or vectors alone.

    Raises:
        UsageError: It is not.
    """
    sides = known_figures.sides_of(figures)
    if (VECTORS in tables) != (VECTORS in sides):
        here = (VECTORS,) if VECTORS in tables else ("users", "items")
        raise UsageError(
            f"Run {key} of this space has {' and '.join(sides)}, this run {' and '.join(here)}: "
            "name another space."
        )


def check_maps_only(tables: Tables, options: Options) -> None:
    """Check that later runs will find the raw rows of a run that keeps no stable ones.

    Raises:
        UsageError: They will not.
    """
    if not options.maps_only:
        return
    undated = [side for side in tables.tables if side not in tables.dated]
    if undated:
        raise UsageError(
            "--maps-only keeps no stable rows, so later runs are aligned with the raw ones of this "
            f"one, which they find by its key, and {' and '.join(undated)} have none: name the "
            "column of the inputs that holds it, as in --run=ds=2026-11-30."
        )


def outputs_of(
    tables: Tables,
    options: Options,
    raw_dimension: int,
    reference: Reference | None,
    dialect: Dialect,
) -> dict[Side, list[Column]]:
    """Return the columns of the stable tables, in order, with types as the engine spells them.

    Args:
        tables: The tables of the run.
        options: The layout and the element, if they are not the tables' own; the rank.
        raw_dimension: Components of a raw vector.
        reference: What the run is aligned with.
        dialect: Of the engine.
    """
    if options.maps_only:
        return {}
    wanted = filter(None, (raw_dimension, options.rank, options.columns))
    dimension = min(wanted)
    if reference:
        dimension = max(dimension, reference.dimension)
    return {
        side: stable_columns(
            stable_table(table, dimension, options.output_layout, options.output_type, dialect),
            table,
            dialect,
        )
        for side, table in tables.tables.items()
    }


def warn_of_columns(
    outputs: Mapping[Side, Sequence[Column]], reference: Reference, engine: Engine, log: Log
) -> None:
    """Warn where a file will lack a column that the newest run's has, or have another type of it.

    A table of a database does not take such rows.
    """
    for side, member in reference.newest.items():
        if not member.table.files or side not in outputs:
            continue
        now = {column.name.lower(): column.type for column in outputs[side]}
        lost = []
        for column in engine.describe(member.table.files[0]):
            kind = now.get(column.name.lower())
            if kind is None or not same_in_files(kind, column.type, engine.dialect):
                lost.append(column)
        if lost:
            before, after = (shown(columns, 4) for columns in (lost, outputs[side]))
            log.warn(
                f"{side}: this run writes the columns {after}, and {reference.key} has {before}: "
                "runs that are read as one table have NULL there, or cannot be read. Give columns "
                "the names and types of before, set --output-layout or --output-type, or begin "
                "another space."
            )


def reference_in_memory(
    key: str,
    figures: Mapping[str, Any],
    maps: Maps,
    names: Mapping[Side, EmbeddingTable],
    tables: Tables,
    options: Options,
) -> Reference:
    """Return a run whose stable rows a session has, as what another run is aligned with.

    Raises:
        UsageError: It is of another kind.
    """
    _check_kind(tables.tables, figures, key)
    members = {
        side: Member(
            replace(stored_table(side, figures["outputs"][side]), relation=table.relation),
            figures["dimension"],
        )
        for side, table in names.items()
    }
    anchors = options.anchors([side for side in tables.tables if side not in tables.like])
    return Reference(
        align="previous",
        weights={key: 1.0},
        members={side: [members[side]] for side in anchors},
        newest=members,
        maps=maps,
        map=figures["map"],
        lossless=figures["invertible"],
        rank=figures["rank"],
        axes=figures.get("axes", figures["created"]),
    )


def about(key: Key, engine: Engine) -> dict[str, Any]:
    """Return what `run.json` says of when, where and by whom a run was made."""
    libraries: dict[str, str | None] = {}
    for name in ("numpy", "scipy", "pyarrow", "sqlglot"):
        with suppress(metadata.PackageNotFoundError):
            libraries[name] = metadata.version(name)
    who: str | None = None
    with suppress(OSError, KeyError, ImportError):  # no such user in a container
        who = getpass.getuser()
    return {
        "sqlstab": __version__,
        "key": key.value,
        "column": key.column,
        # It tells two runs of one key apart.
        "created": dt.datetime.now(dt.timezone.utc).isoformat(timespec="microseconds"),
        "created_by": who,
        "engine": engine.dialect.name,
        "versions": {
            "engine": engine.version,
            "python": platform.python_version(),
            **libraries,
        },
    }


def job_of(
    tables: Tables,
    reference: Reference | None,
    target: Target,
    options: Options,
    engine: Engine,
    log: Log,
    dimension: int,
    newest: str | None = None,
) -> Job:
    """Return what a run is given.

    Raises:
        UsageError: BLAS is asked for where rows are not streamed.
    """
    if options.strategy == "arrow" and not engine.streams:
        raise UsageError(
            f"{engine.dialect.name} hands no rows to BLAS; leave out --strategy=arrow."
        )
    return Job(
        tables=tables.tables,
        versions=tables.versions,
        like=tables.like,
        options=options,
        dialect=engine.dialect,
        streams=engine.streams and options.strategy != "sql",
        reference=reference,
        map=reference.map if reference else options.map_of(tables.tables),
        target=target,
        about={**about(tables.key, engine), "newest": newest},
        dimension=dimension,
        token=secrets.token_hex(4),
        log=log,
    )


def dimension_of(table: VectorTable, engine: Engine, assumed: int = 64) -> int:
    """Find how many components a vector has, without a scan: from its columns, or from one row."""
    if table.layout == "wide":
        return len(table.vector)
    if table.layout == "long":
        return assumed
    column = quoting.identifier(table.vector[0], engine.dialect)
    vector = build.array_of(table, column, engine.dialect)
    # The filter, too: some tables refuse to be read without their day.
    wanted = condition(both(table.filter, f"{column} IS NOT NULL", engine.dialect), engine.dialect)
    try:
        rows = engine.query(
            f"SELECT {engine.dialect.length.format(vector)} AS n\n"
            f"FROM {relations.named(table.relation, engine.dialect)} AS t\n"
            f"WHERE {wanted.qualified('t')}\nLIMIT 1\n"
        )
    except EngineError as error:

        def statement(plain: VectorTable) -> str:
            return build.check(plain, engine.dialect)

        why = checking.cause(table, "filter", statement, error)
        raise drive.execute(why, engine, Log()) from error
    return int(rows[0]["n"] or assumed) if rows else assumed
