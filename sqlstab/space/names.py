"""The tables of a space: their names and columns, and the statements that make them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlstab.errors import UsageError
from sqlstab.statements import quoting
from sqlstab.statements.files import is_path
from sqlstab.statements.table import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlstab.space.key import Key
    from sqlstab.statements.dialect import Dialect

MAPS, RUNS = "maps", "runs"
SIDES = ("users", "items", "vectors")
MAPS_COLUMNS = {
    "side": "text",
    "i": "integer",
    "j": "integer",
    "value": "double",
    "feature_of": "text",
}
_NULLABLE = {"feature_of"}
RUNS_COLUMNS = {
    "created": "text",
    "created_by": "text",
    "part": "integer",
    "parts": "integer",
    "figures": "long_text",
}


class Names:
    """The names of the tables of a space.

    Args:
        given: A prefix, as in `ml.movies`; or names by what they hold: `users`, `items`, `vectors`,
            further tables, `maps` and `runs`.
        dialect: How names are folded and quoted.
    """

    def __init__(self, given: str | Mapping[str, str], dialect: Dialect) -> None:
        self._dialect = dialect
        self.prefix = given if isinstance(given, str) else None
        self.given = {} if isinstance(given, str) else dict(given)
        missing = [name for name in (MAPS, RUNS) if self.prefix is None and name not in self.given]
        if missing:
            raise UsageError(
                f"The tables of a space are named one by one, but {' and '.join(missing)} is not: "
                "name it too, or give a prefix."
            )
        if self.prefix is not None:
            self.table(RUNS)

    def __str__(self) -> str:
        """Return what messages call the space."""
        return self.prefix or self.given[RUNS]

    def table(self, what: str) -> str:
        """Return the name of the table of a side, of the maps or of the runs.

        Raises:
            UsageError: It is not named, or the name cannot be used.
        """
        if self.prefix is not None:
            return self._behind(self.prefix, f"_{what}")
        if what not in self.given:
            raise UsageError(
                f"The space {self} has no table for the {what}: name one, too, as for "
                f"{', '.join(self.given)}."
            )
        return self.given[what]

    def newest(self, side: str) -> str:
        """Return the name of the view of the newest run."""
        view = f"{side}_newest"
        return self.given[view] if view in self.given else self._behind(self.table(side), "_newest")

    def sides(self) -> list[str]:
        """Return the tables of stable vectors that there may be."""
        if self.prefix is not None:
            return list(SIDES)
        return [
            name for name in self.given if name not in (MAPS, RUNS) and not name.endswith("_newest")
        ]

    def check_inputs(self, inputs: Mapping[str, Sequence[str]]) -> None:
        """Check that no input is a table of the space, whose rows a run replaces.

        Args:
            inputs: By side, the name of its table, and behind it what that reads as a view.

        Raises:
            UsageError: One is.
        """
        sides = dict.fromkeys([*inputs, *self.sides(), MAPS, RUNS])
        names = {what: self.table(what) for what in sides}
        names |= {f"newest {side}": self.newest(side) for side in self.sides()}
        own = {what: quoting.folded_parts(name, self._dialect) for what, name in names.items()}
        for side, (relation, *read) in inputs.items():
            if is_path(relation) and self._dialect.reads_files:
                continue
            for name in [relation, *read]:
                found = quoting.folded_parts(name, self._dialect)
                for what, other in own.items():
                    if not quoting.same_end(found, other):
                        continue
                    how = "is" if name == relation else "is a view of"
                    raise UsageError(
                        f"{side} table {relation} {how} the table of the space {self} for its "
                        f"{what}: name that of raw vectors, or another space."
                    )

    def _behind(self, name: str, ending: str) -> str:
        *schema, bare = quoting.table_parts(name, self._dialect)
        return quoting.table_name([*schema, bare + self._dialect.folded(ending)], self._dialect)


def quoted(name: str, dialect: Dialect) -> str:
    """Return a table's name as it stands in a statement."""
    return ".".join(
        quoting.identifier(part, dialect) for part in quoting.table_parts(name, dialect)
    )


def created(
    name: str, what: str, columns: Sequence[Column], key: Key, dialect: Dialect
) -> list[str]:
    """Return the statements that make a table, if there is none.

    Args:
        name: Its name.
        what: What it holds: a side, `maps` or `runs`.
        columns: Its columns without the key.
        key: The key has the first column.
        dialect: Of the engine.
    """
    tables = dialect.tables
    key_name = quoting.identifier(key.name(dialect), dialect)
    # A key is never NULL, and ClickHouse partitions by no column that may be.
    key_type = re.sub(r"Nullable\((.*?)\)", r"\1", key.type or dialect.text)
    lines = [f"{key_name} {key_type}"]
    for column in columns:
        kind = column.type
        if what == MAPS and column.name.lower() in _NULLABLE:
            kind = tables.nullable.format(kind)
        lines.append(f"{quoting.identifier(column.name, dialect)} {kind}")
    if what in (MAPS, RUNS):
        storage = tables.keyed or tables.storage
        if what == RUNS and tables.unique:
            part = quoting.identifier(dialect.folded("part"), dialect)
            lines.append(tables.unique.format(f"{key_name}, {part}"))
    elif tables.by_day and key_type.upper() == "DATE":
        storage = tables.by_day
    else:
        storage = tables.partitioned or tables.storage
    listed = ",\n".join(f"    {line}" for line in lines)
    ending = storage.format(key_name)
    statements = [f"CREATE TABLE IF NOT EXISTS {quoted(name, dialect)} (\n{listed}\n){ending}"]
    if tables.index and what not in (MAPS, RUNS):
        bare = quoting.table_parts(name, dialect)[-1]
        index = quoting.identifier(bare + dialect.folded("_key"), dialect)
        statements.append(tables.index.format(quoted(name, dialect), key_name, index))
    return statements


def view(
    names: Names,
    side: str,
    columns: Sequence[Column],
    key: Key,
    dialect: Dialect,
    *,
    create: str = "CREATE OR REPLACE VIEW",
) -> str:
    """Return the statement that makes the view of the newest run, without the key."""
    name = quoting.identifier(key.name(dialect), dialect)
    part, parts = (quoting.identifier(dialect.folded(n), dialect) for n in ("part", "parts"))
    listed = ", ".join(quoting.identifier(column.name, dialect) for column in columns)
    return (
        f"{create} {quoted(names.newest(side), dialect)} AS\n"
        f"SELECT {listed}\n"
        f"FROM {quoted(names.table(side), dialect)}\n"
        # The last part is written last.
        f"WHERE {name} = (\n    SELECT max({name})\n"
        f"    FROM {quoted(names.table(RUNS), dialect)}\n    WHERE {part} = {parts}\n)"
    )


def creations(
    names: Names, outputs: Mapping[str, Sequence[Column]], key: Key, dialect: Dialect
) -> tuple[list[str], list[str]]:
    """Return the statements that make what is missing of a space: tables; indexes and views."""
    fixed = {
        what: [Column(dialect.folded(n), getattr(dialect, kind)) for n, kind in kinds.items()]
        for what, kinds in {MAPS: MAPS_COLUMNS, RUNS: RUNS_COLUMNS}.items()
    }
    tables, others = [], []
    for what, columns in {**outputs, **fixed}.items():
        table, *index = created(names.table(what), what, columns, key, dialect)
        tables.append(table)
        others += index
    others += [view(names, side, columns, key, dialect) for side, columns in outputs.items()]
    return tables, others
