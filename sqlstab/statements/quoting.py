"""What a user names or writes, as it stands in a statement.

Relations, columns and conditions go through sqlglot: names are quoted, conditions are parsed and
written anew, so nothing can break out of its place.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from sqlstab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstab.statements.dialect import Dialect

_FILE_READERS = {
    "read_parquet": (".parquet", ".parq", ".pq"),
    "read_csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst"),
}


def _one_line(text: str, what: str) -> str:
    """Return a text that can stand in a statement.

    The templates indent line by line, which would change a text with line breaks.

    Raises:
        UsageError: It has line breaks, or is not UTF-8.
    """
    if text.splitlines() != [text]:
        raise UsageError(f"The {what} {text!r} must be one line of text.")
    try:
        text.encode()
    except UnicodeEncodeError:
        # How Python writes the bytes of a path that is not UTF-8.
        raise UsageError(f"The {what} {text!r} is not UTF-8, as SQL is; rename it.") from None
    return text


def identifier(name: str, dialect: Dialect) -> str:
    """A quoted column name."""
    one_line = _whole(_one_line(name, "name"), dialect)
    if any(character in dialect.not_in_names for character in one_line):
        raise UsageError(
            f"The name {name!r} has a character that no name of {dialect.name} can have."
        )
    return exp.to_identifier(one_line, quoted=True).sql(dialect=dialect.sqlglot)


def _whole(name: str, dialect: Dialect) -> str:
    """Refuse what an engine would cut: the rest may be the name of another table, an input even."""
    size = len(name.encode())
    if dialect.longest_name is not None and size > dialect.longest_name:
        raise UsageError(
            f"The name {name!r} has {size} bytes; {dialect.name} cuts a name after "
            f"{dialect.longest_name} of them, and would mean another one. Take a shorter name."
        )
    return name


def string(text: str, dialect: Dialect) -> str:
    """A quoted string, of one line."""
    one_line = text and _one_line(text, "text")
    return exp.Literal.string(one_line).sql(dialect=dialect.sqlglot)


def file_reader(relation: str) -> str | None:
    """The function that reads this relation, if it is a file, a glob or a URL; None for a table."""
    if relation.startswith('"'):
        return None
    path = relation.split("?", maxsplit=1)[0] if "://" in relation else relation
    for reader, endings in _FILE_READERS.items():
        if path.lower().endswith(endings):
            return reader
    return "read_parquet" if "/" in relation or "*" in relation else None


# A password, or the parameters by which DuckDB takes the keys of S3.
_SECRET = re.compile(r"://[^/?#]*:[^/?#]*@|[?&]s3_(?:secret_access_key|session_token)=", re.I)


def relation(name: str, dialect: Dialect) -> str:
    """A relation as it stands after FROM: a call that reads files, or a quoted table name.

    Args:
        name: `vectors.parquet`, `day=*/part-*.parquet`, `s3://bucket/x.csv`, `users`,
            `schema.users`, `"odd name"`. A directory, as in `./users`, stands for the Parquet files
            in it.
        dialect: The dialect to write.

    Raises:
        UsageError: It is none of these, or has a secret in it.
    """
    if not name.strip() or "\0" in name:
        raise UsageError(f"{name!r} names no table and no file.")
    if _SECRET.search(name):
        raise UsageError(
            f"The name of a file at {name.partition('://')[0]}:// has a secret in it, which would "
            "stand in statements, errors and run.json: give it to the engine (in DuckDB, CREATE "
            "PERSISTENT SECRET), and name the file without it."
        )
    reader, path = _file(name, dialect)
    if reader:
        # One file has its own columns only; of several, `day=2026-11-24/` in a path is a column.
        own = ", hive_partitioning = false" if _is_one_file(name) else ""
        return f"{reader}({string(path, dialect)}{own})"
    return ".".join(identifier(part, dialect) for part in table_parts(name, dialect))


def parquet_files(name: str, dialect: Dialect) -> str | None:
    """The path or the glob of the Parquet files that a relation's name stands for, if it does."""
    reader, path = _file(name, dialect)
    return path if reader == "read_parquet" else None


def exact_files(files: Sequence[str], dialect: Dialect) -> str:
    """Return a call that reads these Parquet files; `key=value` in their paths is a column of text.

    Args:
        files: Paths, which are not patterns.
        dialect: The dialect to write.
    """
    listed = ", ".join(string(no_pattern(name), dialect) for name in files)
    return f"read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false)"


def _file(name: str, dialect: Dialect) -> tuple[str | None, str]:
    """What reads a relation, if that is files, and their path; a directory is a glob then.

    The name alone says which: a directory that happens to lie about must not take the place of the
    table `users`.
    """
    reader = file_reader(name) if dialect.reads_files else None
    if reader and "://" not in name and Path(name).is_dir():
        return "read_parquet", str(Path(no_pattern(name)) / "*.parquet")
    if reader and _is_one_file(name):
        return reader, no_pattern(name)
    return reader, name


def _is_one_file(name: str) -> bool:
    return "://" not in name and Path(name).is_file()


def no_pattern(path: str) -> str:
    """The pattern that this path alone matches: DuckDB takes `x[1]` for `x1` where that is, too."""
    return re.sub(r"[\[*?]", r"[\g<0>]", path)


def table_parts(name: str, dialect: Dialect) -> list[str]:
    """The parts of a table's name: `lake.users` is `["lake", "users"]`.

    Raises:
        UsageError: It is no such name, or a part of it is too long.
    """
    try:
        table = exp.to_table(name, dialect=dialect.sqlglot)
    except (sqlglot.errors.SqlglotError, ValueError):
        table = None
    if not isinstance(table, exp.Table) or any(
        not isinstance(part, exp.Identifier) for part in table.parts
    ):
        raise UsageError(
            f"{name!r} is not the name of a table; write table, schema.table, or quote an odd "
            'name as in "odd name".'
        )
    return [
        _whole(part.name if part.args.get("quoted") else dialect.folded(part.name), dialect)
        for part in table.parts
    ]


_NOT_OF_ONE_ROW = (
    exp.Query,
    exp.Command,
    exp.Placeholder,
    exp.Parameter,
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
    # for later runs: each would be of other rows, and nobody could do the run again. That goes for
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


def condition(text: str, dialect: Dialect) -> str:
    """A user's condition, parsed and written anew.

    Raises:
        UsageError: It is no single condition on the columns of one row.
    """
    try:
        tree = sqlglot.parse_one(text, into=exp.Condition, dialect=dialect.sqlglot)
        accepted = tree.sql(dialect=dialect.sqlglot, comments=False)
        # As it will stand: sqlglot accepts some beginnings of expressions by themselves.
        again = sqlglot.parse_one(f"SELECT 1 WHERE ({accepted})", dialect=dialect.sqlglot)
    except (sqlglot.errors.SqlglotError, AttributeError) as error:  # of `{:}` in BigQuery
        raise UsageError(
            f"The condition {text!r} is not one SQL expression, such as year > 1990."
        ) from error
    alone = isinstance(again, exp.Select) and isinstance(again.args["where"].this, exp.Paren)
    # In ClickHouse `id IN name` looks into another table.
    in_table = any(found.args.get("field") is not None for found in tree.find_all(exp.In))
    if not alone or in_table or tree.find(*_NOT_OF_ONE_ROW):
        raise UsageError(
            f"The condition {text!r} must be about the columns of one row; "
            "subqueries, aggregates and parameters are not allowed."
        )
    # sqlglot reads an operator of two meanings as one of them.
    tildes = [t for t in sqlglot.tokenize(text, dialect.sqlglot) if t.token_type.name == "TILDE"]
    if tree.find(exp.RegexpFullMatch) and len(tildes) > len(list(tree.find_all(exp.BitwiseNot))):
        raise UsageError(
            f"The condition {text!r} has ~, by which {dialect.name} matches the whole of a text "
            "before 2.0, and any part of it from then on: write regexp_full_match(text, pattern) "
            "or regexp_matches(text, pattern)."
        )
    volatile = sorted(name for name in map(_called, tree.find_all(exp.Func)) if _is_volatile(name))
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
            "'2026-11-24', and take a share of the rows with --sample."
        )
    return _one_line(accepted, "condition")


# Columns that tables have although they do not list them; so has whatever begins with _ or has a $.
_HIDDEN = {
    *("rowid", "filename", "file_row_number", "file_index"),
    *("ctid", "tableoid", "oid", "xmin", "xmax", "cmin", "cmax"),
}


def missing_columns(text: str, columns: Sequence[str], dialect: Dialect) -> list[str]:
    """The columns that a condition is about, but a table certainly has not.

    What may be a field of a struct, or a column that is hidden, is for the engine to find.

    Args:
        text: The condition.
        columns: The columns of the table.
        dialect: Folds names without quotes. Whether it tells `n` from `N` in quotes is left open.

    Raises:
        UsageError: It is no condition; see `condition`.
    """
    accepted = condition(text, dialect)
    tree = sqlglot.parse_one(accepted, into=exp.Condition, dialect=dialect.sqlglot)
    names = {column.this for column in tree.find_all(exp.Column) if not column.table}
    return sorted(
        name.name
        for name in names
        if isinstance(name, exp.Identifier)
        and not (name.name.lower() in _HIDDEN or name.name.startswith("_") or "$" in name.name)
        and not _is_among(name, columns, dialect)
    )


def _is_among(name: exp.Identifier, columns: Sequence[str], dialect: Dialect) -> bool:
    if dialect.fold and not name.args.get("quoted"):
        return dialect.folded(name.name) in columns
    return name.name.casefold() in {column.casefold() for column in columns}


def _called(function: exp.Func) -> str:
    """The name of a function, in lower case."""
    if not isinstance(function, exp.Anonymous):
        return function.sql_name().lower()
    name = function.name.lower()
    # From one time on until now.
    return "now" if name == "age" and len(function.expressions) == 1 else name


def _is_volatile(name: str) -> bool:
    return name not in _CONSTANT and (name in _VOLATILE or name.startswith(_VOLATILE_PREFIXES))


def table_name(parts: Sequence[str], dialect: Dialect) -> str:
    """The name of a table from its parts, quoted where it must be."""
    plain = ".".join(parts)
    try:
        if all(parts) and table_parts(plain, dialect) == list(parts):
            return plain
    except UsageError:
        pass
    return ".".join(identifier(part, dialect) for part in parts)
