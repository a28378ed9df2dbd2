"""A user's condition on the rows of a table, as it stands in a statement: as it was written.

sqlglot says whether a text is one condition on the columns of one row, and where the columns are.
It does not write the condition: it takes functions of one engine for those of another, so of
`to_char(day, 'DD') > '05'` in DuckDB it would make a cast, which holds for other rows.

A condition is SQL that runs with the rights of the session, functions such as `pg_read_file`
included. The checks here are against mistakes: the author of a condition may run SQL.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import sqlglot
from sqlglot import exp

from sqlstab.errors import UsageError
from sqlstab.statements import quoting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlglot.parser import Parser
    from sqlglot.tokenizer_core import Token

    from sqlstab.statements.dialect import Dialect

_NOT_OF_ONE_ROW = (
    exp.Query,
    exp.Table,
    exp.Command,
    exp.Placeholder,
    exp.Parameter,
    exp.Columns,
    exp.PositionalColumn,
    exp.Star,
    exp.AggFunc,
    exp.Window,
)
# Functions that give another answer each time, look into another table, or run a text as SQL. What
# has one answer for a session, such as current_user, current_setting and version, is none of them.
_VOLATILE = {
    "blocknumber",
    "clock_timestamp",
    "currval",
    "fuzzbits",
    "gen_random_uuid",
    "generate_uuid",
    "generatesnowflakeid",
    "generateulid",
    "joinget",
    "lastval",
    "monotonically_increasing_id",
    "nextval",
    "pg_backend_pid",
    "query_to_xml",
    "rownumberinallblocks",
    "rownumberinblock",
    "seq1",
    "seq2",
    "seq4",
    "seq8",
    "setval",
    "shuffle",
    "spark_partition_id",
    "statement_timestamp",
    "timeofday",
    "transaction_timestamp",
    "uniform",
    *("uuid", "uuid_string", "uuidv4", "uuidv7"),
    # The time, by all its names. It is tempting: `seen > now() - INTERVAL '30 days'`. But a run
    # scans a table to check it, to sum it, to write it and to compare, and Gram matrices are kept
    # for later runs: each would be of other rows, and the run could not be repeated. That goes for
    # the date as well, at midnight, or where a run of yesterday is repeated.
    *("now", "now64", "nowinblock", "nowinblock64", "today", "yesterday", "tomorrow"),
    *("curdate", "curtime", "getdate", "localtime", "localtimestamp", "sysdate", "sysdatetime"),
    *("systimestamp", "utc_date", "utc_time", "utc_timestamp", "utctimestamp"),
}
_VOLATILE_PREFIXES = (
    *("rand", "generateuuid", "uuid_generate", "dblink", "dictget"),
    *("txid_current", "pg_current_xact", "current_time", "current_date", "current_local"),
    "get_current_time",
)
# Texts that are the time where they become one: CAST('now' AS timestamp).
_TIMES = {"now", "today", "tomorrow", "yesterday"}
# Begins like one of these.
_CONSTANT = {"current_timezone"}
# Columns that tables have although they do not list them; so has whatever begins with _ or has a $.
_HIDDEN = {
    *("rowid", "filename", "file_row_number", "file_index"),
    *("ctid", "tableoid", "oid", "xmin", "xmax", "cmin", "cmax"),
}
# Words that are a function in some engines, and a column's name in others.
_SESSION = {
    *("user", "session_user", "system_user", "current_user", "current_role"),
    *("current_catalog", "current_database", "current_schema"),
}
# Words that stand for themselves where they say how a time is to be cut.
_UNITS = {
    *sqlglot.Dialect.DATE_PART_MAPPING,
    *sqlglot.Dialect.DATE_PART_MAPPING.values(),
    *("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"),
    *("ISOWEEK", "ISOYEAR"),
}
# Functions whose arguments are no plain expressions.
_OF_OWN_SYNTAX = {
    *("CAST", "SAFE_CAST", "TRY_CAST", "CONVERT", "TRY_CONVERT", "EXTRACT", "DATE_PART"),
    *("SUBSTR", "SUBSTRING", "TRIM", "OVERLAY", "POSITION", "NORMALIZE"),
    *("JSON_OBJECT", "JSON_QUERY", "JSON_VALUE"),
}
_SPACE = " \t\r\n\f"
# A string with something in front, as in E'a' and x'1f', that ends at the same place for whoever
# knows what that is and for whoever does not; and 0x1F.
_PLAIN_STRING = re.compile(r"""(?:\w|&)*(['"])(?:[^'"`\\]|\\[^'"`\\])*\1|\w+""")
# What would end the condition, or begin a comment or a string, although sqlglot sees none of them.
_BREAKS_OUT = re.compile(r"--|/\*|\*/|;|\$\$|\\")
_BEFORE = "SELECT 1 WHERE ("


@dataclass(frozen=True)
class Condition:
    """A condition that has been found to be one.

    Attributes:
        text: As it was written, but in one line and without comments.
        columns: The columns that it is about, each with the place in `text` where its name begins.
    """

    text: str
    columns: tuple[tuple[int, exp.Column], ...]

    def qualified(self, alias: str) -> str:
        """Return the text with `alias.` before each column that is named without a table.

        Without it, ClickHouse takes `id` for what SELECT calls so.
        """
        places = {
            place
            for place, column in self.columns
            if not column.table and not _is_of_session(column.this)
        }
        return "".join(
            f"{alias}.{letter}" if place in places else letter
            for place, letter in enumerate(self.text)
        )

    def missing(self, columns: Sequence[str], dialect: Dialect) -> list[str]:
        """List the columns that it is about, but a table certainly has not.

        What may be a field of a struct, or a column that is hidden, is for the engine to find.

        Args:
            columns: The columns of the table.
            dialect: Folds names without quotes. Whether it tells `n` from `N` in quotes is left
                open.
        """
        names = {column.this for _, column in self.columns if not column.table}
        return sorted(
            name.name
            for name in names
            if not (name.name.lower() in _HIDDEN or name.name.startswith("_") or "$" in name.name)
            and not _is_of_session(name)
            and not _is_among(name, columns, dialect)
        )


def condition(text: str, dialect: Dialect) -> Condition:
    """Read a user's condition.

    Raises:
        UsageError: It is no single condition on the columns of one row.
    """
    try:
        tokens = sqlglot.tokenize(text, dialect.sqlglot)
        tree = sqlglot.parse_one(text, into=exp.Condition, dialect=dialect.sqlglot)
        written, places = _written(text, tokens, dialect)
        # As it will stand: sqlglot accepts some beginnings of expressions by themselves.
        again = _parsed(f"{_BEFORE}{written})", dialect)
    # sqlglot itself fails on some texts: `{:}` and date_add(day) in BigQuery.
    except (sqlglot.errors.SqlglotError, AttributeError, LookupError) as error:
        raise UsageError(
            f"The condition {text!r} is not one SQL expression, such as year > 1990."
        ) from error
    where = again.args["where"].this if isinstance(again, exp.Select) else None
    # In ClickHouse `id IN name` looks into another table.
    in_table = any(found.args.get("field") is not None for found in tree.find_all(exp.In))
    if (
        not isinstance(where, exp.Paren)
        or in_table
        or any(token.token_type.name == "SELECT" for token in tokens)
        or tree.find(*_NOT_OF_ONE_ROW)
        or where.find(*_NOT_OF_ONE_ROW)
    ):
        raise UsageError(
            f"The condition {text!r} must be about the columns of one row; "
            "subqueries, aggregates and parameters are not allowed."
        )
    called = {*_called(tree), *_called(where)}
    # A tree has not all: sqlglot drops arguments that it does not know of.
    called |= {
        name.text.lower()
        for name, following in itertools.pairwise(tokens)
        if following.token_type.name == "L_PAREN"
    }
    volatile = sorted(filter(_is_volatile, called))
    volatile += [
        cast.this.sql()
        for cast in tree.find_all(exp.Cast)
        if cast.this.is_string
        and cast.this.name.strip().lower() in _TIMES
        and cast.to.is_type(*exp.DataType.TEMPORAL_TYPES)
    ]
    if volatile:
        raise UsageError(
            f"The condition {text!r} must give the same answer each time, which {volatile[0]} does "
            "not, so each scan would see other rows: write a time out, as in day > DATE "
            "'2026-11-24'; for a random share of the rows there is --sample."
        )
    known = {places.get(name.meta.get("start", -1)) for name in tree.find_all(exp.Identifier)}
    return Condition(
        written,
        tuple(
            (place, column)
            for column in where.find_all(exp.Column)
            for place in (column.this.meta["start"] - len(_BEFORE),)
            if not (place not in known and _is_unit(column.this)) and not _is_bound(column)
        ),
    )


def both(text: str | None, further: str, dialect: Dialect) -> str:
    """Return a condition that holds where a user's, if there is one, and another one do.

    Raises:
        UsageError: The user's is none.
    """
    return f"({condition(text, dialect).text}) AND {further}" if text else further


def _written(text: str, tokens: Sequence[Token], dialect: Dialect) -> tuple[str, dict[int, int]]:
    """Return a text from its tokens, and the place there of each token by that in the text.

    Raises:
        UsageError: It has something of which engines could make something else than sqlglot.
    """
    written, bare, end = "", "", 0
    places: dict[int, int] = {}
    before = None
    for token in tokens:
        # Spark's 10L is three tokens, all of which are in the same place.
        if token.start < end:
            continue
        between = text[end : token.start]
        if any(letter.isspace() and letter not in _SPACE for letter in between):
            raise UsageError(
                f"The condition {text!r} has an odd space, which is none for every engine: "
                "write plain ones."
            )
        end = token.end + 1
        piece = text[token.start : end]
        name = token.token_type.name
        if name == "IDENTIFIER" and not piece[0].isalnum():
            piece, plain = quoting.identifier(token.text, dialect), "x"
        elif name.endswith("STRING"):
            # A prefix that sqlglot does not know for one, as Snowflake's and Redshift's E'a'.
            follows = before is not None and not between and bool(re.search(r"[\w&]\Z", before))
            if (name != "STRING" or follows) and not _PLAIN_STRING.fullmatch(piece):
                raise UsageError(
                    f"The condition {text!r} has the string {piece}, of which not every engine "
                    "finds the same end: write it between plain single quotes."
                )
            plain = "'x'"
        else:
            # IS NOT NULL may be one token.
            piece = plain = " ".join(piece.split())
        space = " " if between and written else ""
        places[token.start] = len(written) + len(space)
        written += space + piece
        bare += space + plain
        before = piece
    if len(written.splitlines()) > 1 or "\0" in written:
        raise UsageError(f"The condition {text!r} must be one line of text.")
    if _BREAKS_OUT.search(bare) or not bare.isprintable():
        raise UsageError(
            f"The condition {text!r} is not one SQL expression, such as year > 1990: it has a "
            "comment, a string or an end in it that only some engines see."
        )
    return written, places


@cache
def _parser(dialect: str) -> type[Parser]:
    """Return the parser of a dialect that takes every function as it stands, with all arguments.

    sqlglot makes of many functions what it knows them by, and drops arguments that do not fit.
    """
    known = sqlglot.Dialect.get_or_raise(dialect).parser_class
    parsers = {k: v for k, v in known.FUNCTION_PARSERS.items() if k in _OF_OWN_SYNTAX}

    class AsWritten(known):  # type: ignore[misc,valid-type]
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS = parsers

    return AsWritten


def _parsed(text: str, dialect: Dialect) -> exp.Expr | None:
    known = sqlglot.Dialect.get_or_raise(dialect.sqlglot)
    found = _parser(dialect.sqlglot)(dialect=known).parse(known.tokenize(text), text)
    return found[0] if len(found) == 1 else None


def _called(tree: exp.Expr) -> Iterator[str]:
    """List the names of functions, in lower case."""
    for function in tree.find_all(exp.Func):
        if not isinstance(function, exp.Anonymous):
            yield function.sql_name().lower()
            continue
        name = function.name.lower()
        # From one time on until now.
        yield "now" if name == "age" and len(function.expressions) == 1 else name


def _is_volatile(name: str) -> bool:
    return name not in _CONSTANT and (name in _VOLATILE or name.startswith(_VOLATILE_PREFIXES))


def _is_unit(name: exp.Identifier) -> bool:
    """Return whether a word may be no column, but the day of date_diff(day, a, b)."""
    return not name.args.get("quoted") and name.name.upper() in _UNITS


def _is_bound(column: exp.Column) -> bool:
    """Return whether a column is the variable of DuckDB's [v for v in tags]."""
    around = column.find_ancestor(exp.Comprehension)
    while around and around.args["expression"].name != column.name:
        around = around.find_ancestor(exp.Comprehension)
    return around is not None


def _is_of_session(name: exp.Identifier) -> bool:
    """Return whether a word may be no column, but a function such as Postgres' `user`."""
    return not name.args.get("quoted") and name.name.lower() in _SESSION


def _is_among(name: exp.Identifier, columns: Sequence[str], dialect: Dialect) -> bool:
    if dialect.fold and not name.args.get("quoted"):
        return dialect.folded(name.name) in columns
    return name.name.casefold() in {column.casefold() for column in columns}
