"""The key of a run: what names it among the runs of its space, and sorts them."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from functools import total_ordering
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from sqlstab.errors import UsageError
from sqlstab.statements import quoting
from sqlstab.statements.table import Column
from sqlstab.statements.types import is_integer, is_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlstab.statements.dialect import Dialect

COLUMN = "run"
# Room in the name of a folder (255 bytes) for what stands around a key while a run is written.
_MOST_BYTES = 200
# What cannot stand in a path, or in a folder `key=value` of hive partitioning, as Hive has it.
_ESCAPED = re.compile(r"[\x01-\x1f\x7f\"#%'*/:=?\\{\[\]^]")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
# A day without zeros in front: 2026-9-1.
_LOOSE_DATE = re.compile(r"\d{4}-(?:\d-\d{1,2}|\d{2}-\d)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
# A time in a zone other than UTC.
_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}[T ].*:\d\d.*[+-](?!00:?(00)?$)\d\d:?(\d\d)?")
# The year at the end: 30.11.2026.
_YEAR_LAST = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{4}")
_NULL = "__HIVE_DEFAULT_PARTITION__"
_T = exp.DataType.Type
_DATES = {_T.DATE, _T.DATE32}
_ZONED = {_T.TIMESTAMPTZ, _T.TIMESTAMPLTZ}
_TIMES = {*exp.DataType.TEMPORAL_TYPES} - {*_DATES, _T.TIME, _T.TIMETZ}


@dataclass(frozen=True)
class Key:
    """The key of a run.

    Attributes:
        value: As text: `2026-11-30`.
        column: The column that holds it, in inputs and outputs.
        type: Its type, as the engine spells it; None where the inputs have no such column: text.
        named: Whether the user has named the column, which the inputs then have.
    """

    value: str
    column: str = COLUMN
    type: str | None = None
    named: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot name a run.

        Raises:
            UsageError: The value or the column cannot be used.
        """
        value = self.value
        if not value.strip() or value in (".", "..", _NULL):
            raise UsageError(f"The key {value!r} cannot name a run; write one such as 2026-11-30.")
        if "\0" in value or value.splitlines() != [value]:
            raise UsageError(f"The key {value!r} must be one line of text.")
        if not self.column.strip() or self.column.startswith("."):
            raise UsageError(f"The key's column {self.column!r} cannot be the name of a column.")
        if _LOOSE_DATE.fullmatch(value):
            padded = "-".join(part.zfill(2) for part in value.split("-"))
            raise UsageError(
                f"The key {value!r} sorts as text, in which {value} does not stand among days: "
                f"write {padded}."
            )
        day = _DAY.match(value)
        try:
            dt.date.fromisoformat(day[0] if day else "2026-11-30")
        except ValueError:
            raise UsageError(f"The key {value!r} is no day of the calendar.") from None
        if _YEAR_LAST.fullmatch(value):
            raise UsageError(
                f"The key {value!r} sorts as text, by what stands first, and not by its year: "
                "write the year first, as in 2026-11-30."
            )
        size = len(escaped(self.column).encode()) + len(escaped(value).encode())
        if size > _MOST_BYTES:
            raise UsageError(
                f"The key {value[:40]!r}... takes {size} bytes in the name of a folder; "
                f"{_MOST_BYTES} are the most. Take a shorter one."
            )

    @classmethod
    def parse(cls, text: str | dt.date | None) -> Key:
        """Read `K` or `COLUMN=K`, or a date; None stands for the time in UTC, which sorts as text.

        Raises:
            UsageError: It cannot be a key.
        """
        if text is None:
            return cls(f"{dt.datetime.now(dt.timezone.utc):%Y%m%dT%H%M%S.%fZ}")
        if not isinstance(text, (str, dt.date)):
            raise UsageError(f"The key {text!r} must be text, such as '2026-11-30', or a date.")
        column, equals, value = str(text).partition("=")
        if not equals:
            if _ZONE.fullmatch(column.strip()):
                raise UsageError(
                    f"The key {column.strip()!r} sorts as text, which knows of no zones: write the "
                    "time in UTC, as in 2026-11-30T06:55:00Z."
                )
            return cls(column.strip())
        return cls(value.strip(), quoting.unquoted(column.strip()), named=True)

    def typed(self, column: Column, dialect: Dialect) -> Key:
        """Return the key as a value of a column of the inputs.

        Args:
            column: Its name and type, as the engine spells them.
            dialect: Of that engine.

        Raises:
            UsageError: The column's type cannot be a key's, or the value is none of this type.
        """
        return replace(
            self,
            value=_normal(self.value, column, dialect),
            column=column.name,
            type=column.type,
        )

    def name(self, dialect: Dialect) -> str:
        """Return the column's name as the engine has it.

        One that no input has is called as if it stood without quotes.
        """
        return dialect.folded(self.column) if self.type is None else self.column

    def literal(self, dialect: Dialect) -> str:
        """Return the value as an SQL literal: `DATE '2026-11-30'`, `'K'`, `5`."""
        if self.type is not None and is_integer(self.type, dialect):
            # The key of an existing run is the name of a folder, which may be any text.
            return _normal(self.value, Column(self.column, self.type), dialect)
        text = quoting.string(self.value, dialect)
        kind = _kind(self.type, dialect)
        if kind in _DATES:
            # Spark takes constants only where it names a partition, and a cast is none.
            return f"DATE {text}"
        if kind in _TIMES and dialect.sqlglot in ("spark", "databricks", "hive"):
            return f"TIMESTAMP {text}"
        if kind is None or (self.type is not None and is_text(self.type, dialect)):
            return text
        return exp.cast(
            exp.Literal.string(self.value), self.type or "", dialect=dialect.sqlglot
        ).sql(dialect=dialect.sqlglot)

    def condition(self, dialect: Dialect) -> str:
        """Return the condition that holds for the rows of this run."""
        return f"{quoting.identifier(self.name(dialect), dialect)} = {self.literal(dialect)}"

    def check_beside(self, columns: Iterable[str]) -> None:
        """Check that no other column of an output has the name of the key's.

        Raises:
            UsageError: One has.
        """
        if self.column.lower() in {column.lower() for column in columns}:
            raise UsageError(
                f"The column {self.column} of the stable tables is the key of their run: leave it "
                "out of --keep, or take another column for the key with --run=COLUMN=K."
            )

    def in_column(self, column: str) -> str:
        """Return the option for a space whose keys have this column."""
        named = f"--run {column}={self.value}"
        if column.lower() != COLUMN:
            return named
        return f"--run {self.value} (or {named} where the tables have this column)"

    @property
    def folder(self) -> str:
        """The name of a folder of this key, as hive partitioning has it: `ds=2026-11-30`."""
        return f"{escaped(self.column)}={escaped(self.value)}"


def _kind(column_type: str | None, dialect: Dialect) -> exp.DType | None:
    if column_type is None:
        return None
    try:
        tree = exp.DataType.build(column_type, dialect=dialect.sqlglot, udt=True)
    except sqlglot.errors.SqlglotError:
        return None
    if tree.this == _T.LOWCARDINALITY and tree.expressions:
        tree = tree.expressions[0]
    kind: exp.DType = tree.this
    return kind


def calendar(column_type: str, dialect: Dialect) -> str:
    """Return `date` or `time` for a type of dates, or of dates with a time; else nothing."""
    kind = _kind(column_type, dialect)
    return "date" if kind in _DATES else "time" if kind in _TIMES else ""


def _normal(value: str, column: Column, dialect: Dialect) -> str:
    """Return a value as its type spells it.

    Raises:
        UsageError: It is none of this type.
    """
    kind = _kind(column.type, dialect)
    if is_integer(column.type, dialect):
        if _INTEGER.fullmatch(value):
            return str(int(value))
        wanted = "a whole number"
    elif kind in _DATES:
        try:
            return str(dt.date.fromisoformat(value))
        except ValueError:
            wanted = "a date such as 2026-11-30"
    elif kind in _TIMES:
        try:
            # Python 3.10 reads no Z.
            moment = dt.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value))
        except ValueError:
            wanted = "a time such as 2026-11-30 06:55:00"
        else:
            _check_time(value, moment, column, kind)
            # One moment has one key, whichever zone it is written in.
            return str(moment if moment.tzinfo is None else moment.astimezone(dt.timezone.utc))
    elif is_text(column.type, dialect) or kind in (_T.UUID, _T.ENUM, _T.ENUM8, _T.ENUM16):
        return value
    else:
        raise UsageError(
            f"The column {column.name} has type {column.type}, which cannot be a run's key; name "
            "a column of dates, times, whole numbers or text with --run=COLUMN=K."
        )
    raise UsageError(
        f"The key {value!r} is not {wanted}, but the column {column.name} has type {column.type}."
    )


def _check_time(value: str, moment: dt.datetime, column: Column, kind: exp.DType | None) -> None:
    """Raise where a column of times would not have a key as it is written.

    Raises:
        UsageError: It has no zones, or the key is finer than a microsecond.
    """
    if re.search(r"\.\d{7}", value):
        raise UsageError(
            f"The key {value!r} is finer than a microsecond; {column.name} is read so."
        )
    if moment.tzinfo is not None and kind not in _ZONED:
        raise UsageError(
            f"The key {value!r} has an offset, but the column {column.name} has type "
            f"{column.type}, without one: leave the offset out."
        )


def shape(text: str) -> str:
    """Return what days have in common that sort as meant: `9999-99-99` of `2026-11-30`.

    Of a name it is empty.
    """
    return re.sub(r"\d", "9", text) if text[:1].isdigit() else ""


def check_lengths(key: str, others: Iterable[str], space: object) -> None:
    """Refuse a key that sorts as text and has numbers of other lengths: `v10` comes before `v9`.

    Args:
        key: The key of a run.
        others: Those of the other runs.
        space: What messages call the space.

    Raises:
        UsageError: Another key differs in its numbers alone, and is shorter or longer.
    """
    words = re.sub(r"\d+", "0", key)
    other = [k for k in others if len(k) != len(key) and re.sub(r"\d+", "0", k) == words]
    if other:
        short, *_, long = sorted([*other, key], key=len)
        sizes = map(len, re.findall(r"\d+", long))
        padded = re.sub(r"\d+", lambda match: match[0].zfill(next(sizes)), short)
        raise UsageError(
            f"The keys of {space} are text, in whose order {short} and {long} do not stand as "
            f"numbers do: write numbers of one length, as in {padded}, or name a column of whole "
            "numbers with --run=COLUMN=K."
        )


def escaped(text: str) -> str:
    """Return a text as the name of a folder `key=value` has it, escaped as Hive does it."""
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", text)


def unescaped(text: str) -> str:
    """Return what `escaped` was given."""
    return re.sub("%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)


@total_ordering
@dataclass(frozen=True)
class Order:
    """How keys without a type sort: as numbers where all of them are, else as text."""

    number: int | None
    text: str

    def __lt__(self, other: Order) -> bool:
        """Compare two orders made by one `order`."""
        if self.number is None or other.number is None:
            return self.text < other.text
        return (self.number, self.text) < (other.number, other.text)


def order(keys: Iterable[str], new: str | None = None) -> dict[str, Order]:
    """Return what to sort each of these keys by.

    Dates and times in ISO form sort as text.

    Args:
        keys: The keys of runs.
        new: That of a run to be, which sorts among them.

    Raises:
        UsageError: Some are numbers of several lengths, and others are not.
    """
    found = {*keys} if new is None else {*keys, new}
    whole = sorted((key for key in found if _INTEGER.fullmatch(key)), key=len)
    numbers = len(whole) == len(found)
    if whole and not numbers and len(whole[0]) < len(whole[-1]):
        odd = new if new in found - set(whole) else min(found - set(whole))
        remedy = "Take a number" if odd == new else f"Move the run {odd} out of the space"
        raise UsageError(
            f"The keys {whole[0]} and {whole[-1]} are numbers, but {odd} is not: as text they "
            f"would sort otherwise. {remedy}."
        )
    return {key: Order(int(key) if numbers else None, key) for key in found}
