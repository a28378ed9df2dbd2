"""How the SQL text differs from one engine to the next: one frozen record per dialect.

Idioms are patterns with numbered places, as in `CAST({0} AS DOUBLE)`; the templates in `sql/` put
them together and know no engine by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from sqlglot import TokenType, exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.parsers.postgres import PostgresParser

from sqlstab.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Tables:
    """How an engine finds, stores and replaces tables.

    Attributes:
        describe: Lists a relation's columns: a name and a type in the first two columns; {0} is
            the quoted relation, {1} its name as a string, {2} the name without a schema, {3} the
            schema with a point, as strings.
        missing: What errors about a relation that is not there have in them: a code or a name.
        gave_way: The same of transactions that were rolled back in favour of another one.
        current_schema: One row with the parts, outermost first, of the name of the schema that a
            table with a bare name is made in; empty where there is none to ask for.
        kind: What a name stands for, as `kind`: `table`, or `view` and the like; no row for none.
            {0}, {1} and {2} are the name, its schema and its database as strings, {3} and {4} the
            quoted database and schema with a point behind. Empty where that cannot be asked.
        names: Lists the tables of a schema, as `name` or `tablename`, at least those whose names
            begin with `sqlstab_`; {1} to {4} as in `kind`, {5} is {4} without the point.
        identity: Tells the table that has a name from one that takes its place, in one row; no row
            for none. Places as in `kind`. Empty where nothing does.
        lock: Lets one transaction at a time go on that names the same table; places as in `kind`.
        dependents: Lists what is of the table that has a name, whatever table has it later, such as
            views, as `dependents` in one row; places as in `kind`. Empty where views are of names.
        view: The text of the views that may have a name, alone in its rows: of all schemas, where
            the name has none; places as in `kind`, {6} is the quoted name. What it says of a table
            has no query in it. Empty where that is not asked.
        storage: How a new table is stored, where that must be said.
        replace: Puts table {0} in the place of table {1}, whether that is there or not; its bare
            name is {2}, and {3} is a name for the old one meanwhile.
        left: What `replace` leaves to be dropped, {0} or {3}; empty for nothing. Not before all
            tables are in their places: it takes time, and may be refused, as ClickHouse does with
            more than 50 GB.
        keep: The same for a table {1} that is there, which is called {3} from then on; {4} is the
            bare name of that.
    """

    describe: str = "DESCRIBE {0}"
    missing: tuple[str, ...] = ()
    gave_way: tuple[str, ...] = ()
    current_schema: str = ""
    kind: str = ""
    names: str
    identity: str = ""
    lock: str = ""
    dependents: str = ""
    view: str = ""
    storage: str = ""
    replace: tuple[str, ...] = ("DROP TABLE IF EXISTS {1}", "ALTER TABLE {0} RENAME TO {2}")
    left: str = ""
    keep: tuple[str, ...] = ("ALTER TABLE {1} RENAME TO {4}", "ALTER TABLE {0} RENAME TO {2}")


@dataclass(frozen=True, kw_only=True)
class Solving:
    """How an engine can solve the small problem.

    Attributes:
        slice: Elements {1} to {2} of array {0}.
        no_doubles: An empty array of doubles.
        append: Array {0} and one more element, {1}.
        combined: The sum of {2} times array {0} and {3} times array {1}.
        recursion_key: What lets a recursive query keep the newest row of each {0} only, where there
            is such a thing.
        way: With arrays in a recursive query, all in one statement; or by folding arrays of arrays,
            each step a table.
        zip_with: As `transform`, for pairs: elements {2} of array {0} and {3} of array {1} make
            {4}.
        reduce: {4} for each element {3} of array {0}, where {2} is what that gave before, at first
            {1}.
        struct, member, field: Several values as one; value {0}, number {1} of them; number {1} of
            struct {0}.
        counting: The numbers from 1 to {0} as an array.
        reverse: Array {0} from its end on.
        position: Where in array {0} {1} stands first.
        now: The time in UTC as a text that sorts by time, to name a run.
        refuse: A number that cannot be had: an error with the text {0}.
    """

    way: Literal["recursive", "fold"]
    now: str
    refuse: str
    slice: str = ""
    no_doubles: str = ""
    append: str = ""
    combined: str = ""
    recursion_key: str = ""
    zip_with: str = ""
    reduce: str = ""
    struct: str = ""
    member: str = "{0}"
    field: str = ""
    counting: str = ""
    reverse: str = ""
    position: str = ""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What a template must know of an engine.

    Two styles of vectors: an engine with lambdas over arrays multiplies arrays (`arrays`); any
    other gets its vectors as columns of numbers x1, x2, ... (`components`).

    Attributes:
        name: What a user calls it.
        sqlglot: The name that sqlglot knows the dialect by.
        style: `arrays` or `components`.
        real, double, integer, bigint, text: Types of a 4-byte and an 8-byte number, of whole
            numbers of 4 and 8 bytes, and of a string of any length.
        as_real, as_double, as_integer, as_text: Casts of a number.
        as_doubles, as_reals: Casts of an array.
        long_text: The type of a string of 65,535 bytes, where `text` holds fewer.
        not_in_names: Characters that no name can have, however it is quoted.
        longest_name: Bytes of a name, where the engine cuts a longer one without an error.
        reads_files: Whether a relation may be a file.
        fold: What becomes of a name without quotes: `lower`, `upper`, or nothing.
        ignores_case: Whether names of tables that differ in case alone are one, in quotes too.
        array: An array of given elements.
        array_of_one: An array of a single element, where that is spelled otherwise.
        element: Element {1} of array {0}, counted from 1; past the end NULL, or an error.
        length: How many elements array {0} has.
        collect: Values {0} of a group as an array in the order of {1}, NULL included; None where
            there is no such thing.
        gather: The same where no value is NULL.
        unnest: Rows from array {0}: what to add to FROM, the element's position from 0 on, and
            the element. {1} is the array's length.
        stored_reals: An array column of 4-byte numbers as an array.
        dense: Array {0}, known to have no NULL, with a type that has none.
        typed_nulls: Whether functions refuse an array that may have NULL in it by its type.
        no_array: What stands for an array that is missing, where none can be NULL.
        has_null, is_finite: Whether array {0} has a NULL in it; whether its elements are finite
            (NULL does not matter).
        is_finite_single: The same of 4-byte numbers, where that is faster.
        dot: Dot product of arrays {0} and {1}, in double.
        times: Dot products of array {0} with each array in array {1}, as an array.
        subquery_column: Whether functions with a lambda take no subquery, but a column made of one.
        pin: What to add to FROM for columns {1} of `pinned` that are {0}, computed once for a row.
        json_matrix: A matrix from its JSON text {0}, where that is read faster than arrays.
        scaled: Array {0} divided by number {1}.
        difference: Array {0} less array {1}.
        concat: Arrays {0} and {1}, one behind the other.
        distinct: How many different values {0} has in a group, NULL apart.
        transform: Array {0} with each element {1} replaced by {2}.
        largest: The largest element of array {0}.
        quantile: Quantile {1} of {0} in a group, interpolated where the engine can.
        digest: MD5 of a text as 32 lower-case hexadecimal digits.
        divide, remainder: Whole quotient of integers {0} and {1}, and what it leaves.
        fence: What ends a subquery whose columns must be computed once, not at each use.
        native_vectors: Names of the engine's own vector types.
        from_native: A native vector as an array.
        as_native: An array as a native vector of {1} components.
        steps: What to add to FROM for rows {3} from {0} on to {1} in steps of {2}.
        stored_slice: Components {1} to {2} of array {0} as an array, where reading an element of a
            stored one is slow.
        gram: `pairs` has one sum for each pair of components; `blocks` groups by blocks of them;
            `strips` groups by a few rows of the matrix, and sums arrays.
        most_sums: Sums of one statement of pairs; beyond it, several statements with a scan each.
            None where one statement has all.
        sum_of_multiples: Sum of array {1} times number {0} in a group, element by element.
        flattened: An array of arrays as one array.
        tail: Array {0} from element {1} on.
        few_rows: What ends a query that is to work on few rows at a time.
        longest_statement: Bytes of a statement, by the engine's default settings; None: no limit
            that matters.
        most_columns: Columns of a table or a result.
        transactions: Whether DDL takes part in transactions.
        before: Statements to run before each other one, in its transaction.
        tables: How it finds, stores and replaces tables.
        solving: How it can solve the small problem; None where it cannot.
    """

    name: str
    sqlglot: str
    style: Literal["arrays", "components"]
    real: str
    double: str
    text: str
    long_text: str = ""
    integer: str = "integer"
    bigint: str = "bigint"
    not_in_names: str = ""
    longest_name: int | None = None
    reads_files: bool = False
    fold: Literal["", "lower", "upper"] = ""
    ignores_case: bool = False
    as_real: str = ""
    as_double: str = ""
    as_integer: str = ""
    as_text: str = ""
    as_doubles: str
    as_reals: str
    array: str
    array_of_one: str = ""
    element: str
    length: str
    collect: str | None
    gather: str = ""
    unnest: tuple[str, str, str]
    stored_reals: str = "{0}"
    dense: str = "{0}"
    typed_nulls: bool = False
    no_array: str = ""
    has_null: str = ""
    is_finite: str = ""
    is_finite_single: str = ""
    dot: str = ""
    times: str = ""
    subquery_column: bool = False
    pin: str = ""
    json_matrix: str = ""
    scaled: str = ""
    difference: str = ""
    concat: str = ""
    distinct: str = "count(DISTINCT {0})"
    transform: str = ""
    largest: str = ""
    quantile: str
    digest: str
    divide: str
    remainder: str = "mod({0}, {1})"
    fence: str = ""
    native_vectors: frozenset[str] = frozenset()
    from_native: str = "{0}"
    as_native: str = "{0}"
    steps: str = ""
    stored_slice: str = ""
    gram: Literal["pairs", "blocks", "strips"] = "pairs"
    most_sums: int | None = None
    sum_of_multiples: str = ""
    flattened: str = ""
    tail: str = ""
    few_rows: str = ""
    longest_statement: int | None
    most_columns: int
    transactions: bool
    before: tuple[str, ...] = ()
    tables: Tables
    solving: Solving | None = None

    def __post_init__(self) -> None:
        if not self.long_text:
            object.__setattr__(self, "long_text", self.text)
        for name in ("real", "double", "integer", "text"):
            if not getattr(self, f"as_{name}"):
                cast = f"CAST({{0}} AS {getattr(self, name)})"
                object.__setattr__(self, f"as_{name}", cast)

    def __str__(self) -> str:
        return self.name

    def number(self, value: float) -> str:
        """A literal of type double; a bare `0.94` would be a DECIMAL in several engines."""
        text = repr(float(value)).upper()
        return text if "E" in text else text + "E0"

    def folded(self, name: str) -> str:
        """What the engine makes of a name without quotes; a name of ours becomes the same."""
        # Letters outside ASCII stay as they are in Postgres (UTF-8) and DataFusion.
        lower = "".join(letter.lower() if letter.isascii() else letter for letter in name)
        return {"": name, "lower": lower, "upper": name.upper()}[self.fold]

    def takes(self, statement: str) -> bool:
        """Whether a statement is no longer than the engine takes."""
        return self.longest_statement is None or len(statement.encode()) <= self.longest_statement


class DataFusion(Postgres):
    """DataFusion's SQL for sqlglot, which has no such dialect: Postgres's, as DataFusion says.

    But functions are its own. They are written as they were read, while as Postgres's they would
    become Postgres's: `to_char(day, '%Y')`, `array_has(tags, 'a')`. Aggregates are known as such.
    """

    class Tokenizer(Postgres.Tokenizer):
        """A FLOAT has 4 bytes."""

        KEYWORDS: ClassVar = {**Postgres.Tokenizer.KEYWORDS, "FLOAT": TokenType.FLOAT}

    class Parser(PostgresParser):
        """Knows no function but aggregates."""

        FUNCTIONS: ClassVar = {
            name: build
            for name, build in PostgresParser.FUNCTIONS.items()
            if issubclass(exp.FUNCTION_BY_NAME.get(name, exp.Func), exp.AggFunc)
        }


_MIB = 2**20
# The old table stays, under another name, until the new one is in its place. Where there is none,
# an empty one stands in, so that the statements need not depend on what there is.
_BY_RENAMING = (
    "CREATE TABLE IF NOT EXISTS {1} LIKE {0}",
    "ALTER TABLE {1} RENAME TO {3}",
    "ALTER TABLE {0} RENAME TO {1}",
)
_KEPT_BY_RENAMING = _BY_RENAMING[1:]
# Copied, so that a reader always finds a table.
_BY_COPYING = (
    "CREATE TABLE {3} AS SELECT * FROM {1}",
    "CREATE OR REPLACE TABLE {1} AS SELECT * FROM {0}",
    "DROP TABLE {0}",
)
# Redshift has Postgres's catalogue.
_PG_COLUMNS = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = CAST({1} AS regclass) AND attnum > 0 AND NOT attisdropped "
    "ORDER BY attnum"
)

_KIND_IN_PG_CLASS = (
    "WHEN c.relkind IN ('r', 'p') THEN 'table' WHEN c.relkind = 'v' THEN 'view' "
    "WHEN c.relkind = 'm' THEN 'materialized view' ELSE 'relation that is no table' END AS kind "
    "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
)
_TABLES_IN_PG_CLASS = (
    "SELECT c.relname AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND c.relname LIKE 'sqlstab%' AND "
)
_OID_IN_PG_CLASS = (
    "SELECT CAST(c.oid AS bigint) AS identity FROM pg_class AS c "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE "
)
_TABLES_IN_INFORMATION_SCHEMA = (
    "SELECT table_name AS name FROM {0} WHERE table_name LIKE 'sqlstab%' "
    "AND table_type = 'BASE TABLE'"
)
_KIND_IN_INFORMATION_SCHEMA = (
    "SELECT CASE WHEN table_type LIKE '%VIEW' THEN 'view' ELSE 'table' END AS kind FROM "
)

DUCKDB = Dialect(
    name="duckdb",
    sqlglot="duckdb",
    style="arrays",
    ignores_case=True,
    real="FLOAT",
    double="DOUBLE",
    text="VARCHAR",
    integer="INTEGER",
    bigint="BIGINT",
    reads_files=True,
    as_doubles="CAST({0} AS DOUBLE[])",
    as_reals="CAST({0} AS FLOAT[])",
    array="[{0}]",
    # DuckDB 2.0 takes a list of one Parquet column for a list with NULL in dot products.
    array_of_one="array_value({0})",
    element="{0}[{1}]",
    length="len({0})",
    collect="list({0} ORDER BY {1})",
    unnest=("", "unnest(range({1}))", "unnest({0})"),
    # FLOAT[64] is another type than FLOAT[].
    stored_reals="CAST({0} AS FLOAT[])",
    dense="list_transform({0}, lambda v: coalesce(v, 0))",
    has_null="list_count({0}) <> len({0})",
    # In DuckDB's order NaN is the largest number. A sum tells it faster, but only sums of single
    # numbers cannot overflow by themselves.
    is_finite="isfinite(list_max({0})) AND isfinite(list_min({0}))",
    is_finite_single="isfinite(list_sum({0}))",
    dot="list_dot_product({0}, {1})",
    times="list_transform({1}, lambda c: list_dot_product(c, {0}))",
    scaled="list_transform({0}, lambda v: v / {1})",
    transform="list_transform({0}, lambda {1}: {2})",
    largest="list_max({0})",
    difference="list_transform(list_zip({0}, {1}), lambda p: p[1] - p[2])",
    concat="list_concat({0}, {1})",
    quantile="quantile_cont({0}, {1})",
    digest="md5({0})",
    divide="{0} // {1}",
    # It holds a vector of 2,048 products for each sum and thread, and planning time grows faster
    # than their number.
    most_sums=4096,
    longest_statement=None,
    most_columns=100_000,
    transactions=True,
    solving=Solving(
        slice="{0}[{1}:{2}]",
        no_doubles="CAST([] AS DOUBLE[])",
        append="list_append({0}, {1})",
        combined="list_transform(list_zip({0}, {1}), lambda p: {2} * p[1] + {3} * p[2])",
        recursion_key=" USING KEY ({0})",
        way="recursive",
        now="strftime(get_current_timestamp() AT TIME ZONE 'UTC', '%Y%m%dT%H%M%S.%fZ')",
        refuse="error({0})",
    ),
    tables=Tables(
        current_schema="SELECT current_database() AS d, current_schema() AS s",
        names=(
            _TABLES_IN_INFORMATION_SCHEMA.format("information_schema.tables")
            + " AND lower(table_catalog) = lower({2}) AND lower(table_schema) = lower({1})"
        ),
        identity=(
            "SELECT table_oid AS identity FROM duckdb_tables() "
            "WHERE lower(database_name) = lower({2}) AND lower(schema_name) = lower({1}) "
            "AND lower(table_name) = lower({0})"
        ),
        kind=(
            _KIND_IN_INFORMATION_SCHEMA + "information_schema.tables "
            "WHERE lower(table_catalog) = lower({2}) AND lower(table_schema) = lower({1}) "
            "AND lower(table_name) = lower({0})"
        ),
        view=(
            "SELECT sql AS view FROM duckdb_views() WHERE NOT internal "
            "AND lower(view_name) = lower({0}) AND ({1} = '' OR lower(schema_name) = lower({1}))"
        ),
    ),
)

POSTGRES = Dialect(
    name="postgres",
    sqlglot="postgres",
    style="components",
    real="real",
    double="double precision",
    text="text",
    longest_name=63,
    fold="lower",
    as_doubles="CAST({0} AS double precision[])",
    as_reals="CAST({0} AS real[])",
    array="ARRAY[{0}]",
    element="{0}[{1}]",
    length="cardinality({0})",
    collect="array_agg({0} ORDER BY {1})",
    gather="array_agg({0} ORDER BY {1})",
    unnest=("CROSS JOIN LATERAL unnest({0}) WITH ORDINALITY AS u(v, k)", "u.k - 1", "u.v"),
    dot="(SELECT sum(v * w) FROM unnest({0}, {1}) AS pairs(v, w))",
    scaled="(SELECT array_agg(v / {1}) FROM unnest({0}) AS u(v))",
    concat="{0} || {1}",
    quantile="percentile_cont({1}) WITHIN GROUP (ORDER BY {0})",
    digest="md5({0})",
    divide="{0} / {1}",
    # Else the planner merges the subqueries and casts a component anew for each of its products.
    fence="OFFSET 0",
    native_vectors=frozenset({"vector", "halfvec"}),
    from_native="CAST({0} AS real[])",
    as_native="CAST({0} AS vector({1}))",
    # A long vector is stored out of line, and fetched anew for each element that is read; one of
    # pgvector's is cast anew, so that it takes a tenth of the time at e = 768; at e = 64 as long.
    stored_slice="({0})[{1}:{2}]",
    # Tiles of 32 x 32. Of 16 to 64 a side, within 12% of the fastest at e = 64, 128 and 256, with a
    # quarter of the scans that 16 x 16 takes; at e = 768 48 x 48 is as fast. Planning time grows
    # with the square of the number of sums.
    most_sums=1024,
    longest_statement=None,
    most_columns=1600,
    transactions=True,
    # Compiling thousands of expressions takes longer than running them.
    before=("SET LOCAL jit = off",),
    solving=Solving(
        slice="{0}[{1}:{2}]",
        no_doubles="CAST(ARRAY[] AS double precision[])",
        append="array_append({0}, {1})",
        combined="(SELECT array_agg({2} * v + {3} * w) FROM unnest({0}, {1}) AS pairs(v, w))",
        way="recursive",
        now="to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISS.US\"Z\"')",
        # No expression raises an error of its own, but this one repeats the text.
        refuse="CAST({0} AS double precision)",
    ),
    tables=Tables(
        describe=_PG_COLUMNS,
        missing=("42P01", "3F000"),
        # A reader that has read one of the two tables, and waits for the other, makes a deadlock.
        gave_way=("40P01",),
        current_schema="SELECT current_schema() AS s",
        names=_TABLES_IN_PG_CLASS + "n.nspname = {1}",
        identity=_OID_IN_PG_CLASS + "n.nspname = {1} AND c.relname = {0}",
        # No table need be there yet, and no right on it is asked for.
        lock="SELECT count(*) AS n FROM pg_advisory_xact_lock(hashtext({1} || '.' || {0}))",
        kind=(
            # To drop one of the first two takes its partitions along, or rows from its parent.
            "SELECT CASE WHEN c.relkind = 'p' THEN 'partitioned table' "
            "WHEN EXISTS (SELECT 1 FROM pg_inherits AS h WHERE h.inhrelid = c.oid) "
            "THEN 'part of another table' "
            + _KIND_IN_PG_CLASS
            + "WHERE n.nspname = {1} AND c.relname = {0}"
        ),
        dependents=(
            # What DROP TABLE would refuse, apart from what belongs to the table itself: views,
            # foreign keys, columns of its row type, functions. And what goes with it unseen.
            "SELECT string_agg(DISTINCT CASE "
            "WHEN d.classid = CAST('pg_rewrite' AS regclass) THEN ("
            "SELECT CAST(CAST(r.ev_class AS regclass) AS text) FROM pg_rewrite AS r "
            "WHERE r.oid = d.objid) "
            "WHEN d.classid IS NULL THEN 'its row-level security' "
            "ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END, ', ') AS dependents "
            "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            "JOIN LATERAL ("
            "SELECT d.classid, d.objid, d.objsubid FROM pg_depend AS d "
            "WHERE (d.refclassid = CAST('pg_class' AS regclass) AND d.refobjid = c.oid "
            "OR d.refclassid = CAST('pg_type' AS regclass) AND d.refobjid = c.reltype) "
            "AND (d.classid = CAST('pg_publication_rel' AS regclass) OR d.deptype = 'n' "
            "AND NOT EXISTS (SELECT 1 FROM pg_depend AS o WHERE o.classid = d.classid "
            "AND o.objid = d.objid AND o.refclassid = CAST('pg_class' AS regclass) "
            "AND o.refobjid = c.oid AND o.deptype IN ('a', 'i'))) "
            "UNION ALL SELECT NULL, NULL, NULL WHERE c.relrowsecurity"
            ") AS d ON TRUE "
            "WHERE n.nspname = {1} AND c.relname = {0}"
        ),
    ),
)

SPARK = Dialect(
    name="spark",
    sqlglot="spark",
    style="arrays",
    ignores_case=True,
    real="float",
    double="double",
    text="string",
    integer="int",
    as_doubles="CAST({0} AS array<double>)",
    as_reals="CAST({0} AS array<float>)",
    array="array({0})",
    # Unlike element_at, NULL past the end.
    element="get({0}, {1} - 1)",
    # size(NULL) is -1 where ANSI mode is off.
    length="array_size({0})",
    # collect_list skips NULL, but no struct that has one in it.
    collect="transform(array_sort(collect_list(struct({1} AS d, {0} AS v))), s -> s.v)",
    unnest=("LATERAL VIEW posexplode({0}) u AS k, v", "u.k", "u.v"),
    has_null="exists({0}, v -> v IS NULL)",
    is_finite="NOT exists({0}, v -> v - v <> 0)",
    dot="aggregate(zip_with({0}, {1}, (a, b) -> a * b), 0E0, (s, v) -> s + v)",
    times=(
        "transform({1}, c -> aggregate(zip_with(c, {0}, (a, b) -> a * b), 0E0, (s, v) -> s + v))"
    ),
    subquery_column=True,
    # A column made in a subquery moves into the expressions that use it, is made anew in each and,
    # in a lambda, for each element; the optimizer does not look through this.
    pin="LATERAL VIEW inline(array(struct({0}))) pinned AS {1}",
    # One token for the parser: at e = 256 planning takes 0.2 s instead of 4 s.
    json_matrix="from_json('{0}', 'array<array<double>>')",
    scaled="transform({0}, v -> v / {1})",
    difference="zip_with({0}, {1}, (v, w) -> v - w)",
    concat="concat({0}, {1})",
    transform="transform({0}, {1} -> {2})",
    largest="array_max({0})",
    # count(DISTINCT) sends each value through the shuffle once more, and takes 3 to 5 times as long
    # in groups of 64; collect_list skips NULL too.
    distinct="array_size(array_distinct(collect_list({0})))",
    quantile="percentile({0}, {1})",
    digest="md5({0})",
    divide="{0} DIV {1}",
    steps="LATERAL VIEW explode(sequence({0}, {1}, {2})) AS {3}",
    # Code generation gives up on thousands of sums in one statement, which then takes minutes.
    gram="blocks",
    longest_statement=None,
    most_columns=100_000,
    transactions=False,
    solving=Solving(
        slice="slice({0}, {1}, {2} - {1} + 1)",
        no_doubles="CAST(array() AS array<double>)",
        append="concat({0}, array({1}))",
        way="fold",
        zip_with="zip_with({0}, {1}, ({2}, {3}) -> {4})",
        reduce="aggregate({0}, {1}, ({2}, {3}) -> {4})",
        struct="struct({0})",
        member="{0} AS col{1}",
        field="{0}.col{1}",
        counting="sequence(1, {0})",
        reverse="reverse({0})",
        position="array_position({0}, {1})",
        now=(
            "replace(date_format(to_utc_timestamp(current_timestamp(), current_timezone()), "
            "'yyyyMMdd HHmmss.SSSSSS'), ' ', 'T') || 'Z'"
        ),
        refuse="CAST(raise_error({0}) AS double)",
    ),
    tables=Tables(
        replace=_BY_RENAMING,
        left="{3}",
        keep=_KEPT_BY_RENAMING,
        storage=" USING parquet",
        missing=("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND"),
        names="SHOW TABLES IN {5} LIKE 'sqlstab*'",
        view="SHOW CREATE TABLE {4}{6}",
        current_schema="SELECT current_database() AS s",
    ),
)

DATABRICKS = replace(
    SPARK,
    name="databricks",
    sqlglot="databricks",
    tables=replace(
        SPARK.tables,
        storage="",
        replace=_BY_COPYING[1:2],
        left="{0}",
        keep=_BY_COPYING,
    ),
)

CLICKHOUSE = Dialect(
    name="clickhouse",
    sqlglot="clickhouse",
    style="arrays",
    real="Float32",
    double="Float64",
    text="String",
    integer="Int32",
    bigint="Int64",
    # Unlike CAST, these leave NULL alone.
    as_real="toFloat32({0})",
    as_double="toFloat64({0})",
    as_text="toString({0})",
    as_doubles="arrayMap(v -> toFloat64(v), {0})",
    as_reals="arrayMap(v -> toFloat32(v), {0})",
    array="[{0}]",
    element="{0}[{1}]",
    length="length({0})",
    # groupArray skips NULL, but no tuple that has one in it.
    collect="arrayMap(p -> p.2, arraySort(p -> p.1, groupArray(({1}, {0}))))",
    # Unlike an alias of SELECT, which comes first, these have no table to be told apart by.
    unnest=(
        "ARRAY JOIN {0} AS sqlstab_v, arrayEnumerate({0}) AS sqlstab_k",
        "sqlstab_k - 1",
        "sqlstab_v",
    ),
    dense="arrayMap(v -> assumeNotNull(v), {0})",
    typed_nulls=True,
    no_array="[]",
    has_null="arrayExists(v -> v IS NULL, {0})",
    is_finite="arrayAll(v -> coalesce(isFinite(v), 1), {0})",
    dot="arrayDotProduct({0}, {1})",
    times="arrayMap(c -> arrayDotProduct({0}, c), {1})",
    scaled="arrayMap(v -> v / {1}, {0})",
    difference="arrayMap((v, w) -> v - w, {0}, {1})",
    concat="arrayConcat({0}, {1})",
    transform="arrayMap({1} -> {2}, {0})",
    largest="arrayMax({0})",
    quantile="quantileExactInclusive({1})({0})",
    digest="lower(hex(MD5({0})))",
    divide="intDiv({0}, {1})",
    steps="ARRAY JOIN range({0}, {1} + 1, {2}) AS {3}",
    # One scan, and a text that does not grow with e. Of the time of covarPopMatrix, the engine's
    # own, with e = 16: 1.3, 32: 1.0, 64: 0.9, 128: 0.8, 256: 0.8, 768: 0.5; columns gathered as
    # arrays take 0.7 of it at e = 64, but hold the whole table in memory, and 1.6 at e = 256.
    # Products of Float32 are Float64.
    gram="strips",
    sum_of_multiples="sumForEach({0} * {1})",
    flattened="arrayFlatten({0})",
    tail="arraySlice({0}, {1})",
    # Each row becomes e / 4 rows with an array each: in blocks of the usual 65,409 rows they leave
    # the cache, and take gigabytes. Of 512 to 4,096 the best or near it at e = 16 to 768.
    few_rows="SETTINGS max_block_size = 2048",
    longest_statement=256 * 1024,
    most_columns=100_000,
    transactions=False,
    solving=Solving(
        slice="arraySlice({0}, {1}, {2} - {1} + 1)",
        no_doubles="CAST([] AS Array(Float64))",
        append="arrayPushBack({0}, {1})",
        way="fold",
        zip_with="arrayMap(({2}, {3}) -> {4}, {0}, {1})",
        reduce="arrayFold(({2}, {3}) -> {4}, {0}, {1})",
        struct="({0})",
        field="{0}.{1}",
        counting="range(1, {0} + 1)",
        reverse="arrayReverse({0})",
        position="indexOf({0}, {1})",
        now="formatDateTime(now64(6), '%Y%m%dT%H%i%S.%fZ', 'UTC')",
        # No function raises an error whose text is not constant, but this one repeats the text; of
        # what can be NULL it makes NULL.
        refuse="toFloat64(coalesce({0}, '0'))",
    ),
    tables=Tables(
        describe="DESCRIBE TABLE {0}",
        missing=("(UNKNOWN_TABLE)", "(UNKNOWN_DATABASE)"),
        current_schema="SELECT currentDatabase() AS s",
        identity=(
            "SELECT toString(uuid) AS identity FROM system.tables "
            "WHERE database = {1} AND name = {0}"
        ),
        names="SELECT name FROM system.tables WHERE database = {1} AND engine LIKE '%MergeTree'",
        kind=(
            "SELECT CASE WHEN engine LIKE '%View' THEN 'view' WHEN engine = 'Dictionary' "
            "THEN 'dictionary' ELSE 'table' END AS kind "
            "FROM system.tables WHERE database = {1} AND name = {0}"
        ),
        view=(
            "SELECT create_table_query AS view FROM system.tables "
            "WHERE engine = 'View' AND name = {0} AND ({1} = '' OR database = {1})"
        ),
        storage=" ENGINE = MergeTree ORDER BY tuple()",
        replace=(
            "CREATE TABLE IF NOT EXISTS {1} AS {0}",
            "EXCHANGE TABLES {0} AND {1}",
        ),
        left="{0}",
        keep=("EXCHANGE TABLES {0} AND {1}", "RENAME TABLE {0} TO {3}"),
    ),
)

SNOWFLAKE = Dialect(
    name="snowflake",
    sqlglot="snowflake",
    style="components",
    # FLOAT is an 8-byte number there, whatever its name; there is no shorter one.
    real="FLOAT",
    double="FLOAT",
    text="VARCHAR",
    fold="upper",
    as_doubles="{0}",
    as_reals="{0}",
    array="ARRAY_CONSTRUCT({0})",
    element="GET({0}, {1} - 1)",
    length="ARRAY_SIZE({0})",
    collect=None,
    gather="ARRAY_AGG({0}) WITHIN GROUP (ORDER BY {1})",
    unnest=("CROSS JOIN LATERAL FLATTEN(input => {0}) AS u", "u.index", "CAST(u.value AS FLOAT)"),
    quantile="PERCENTILE_CONT({1}) WITHIN GROUP (ORDER BY {0})",
    digest="MD5({0})",
    divide="FLOOR({0} / {1})",
    native_vectors=frozenset({"vector"}),
    from_native="CAST({0} AS ARRAY)",
    as_native="CAST({0} AS VECTOR(FLOAT, {1}))",
    most_sums=4096,
    longest_statement=_MIB,
    most_columns=100_000,
    transactions=False,
    tables=Tables(
        describe="DESCRIBE TABLE {0}",
        # It does not say whether an object is not there or not to be seen.
        missing=("002003", "002043"),
        current_schema="SELECT current_database() AS d, current_schema() AS s",
        names=(
            _TABLES_IN_INFORMATION_SCHEMA.format("{3}information_schema.tables")
            + " AND table_schema = {1}"
        ),
        kind=(
            _KIND_IN_INFORMATION_SCHEMA
            + "{3}information_schema.tables WHERE table_schema = {1} AND table_name = {0}"
        ),
        replace=(
            "CREATE TABLE IF NOT EXISTS {1} LIKE {0}",
            "ALTER TABLE {1} SWAP WITH {0}",
        ),
        left="{0}",
        keep=("ALTER TABLE {1} SWAP WITH {0}", "ALTER TABLE {0} RENAME TO {3}"),
    ),
)

BIGQUERY = Dialect(
    name="bigquery",
    sqlglot="bigquery",
    # There is no way to write a backtick; a backslash begins an escape, a point another name.
    not_in_names="`\\.",
    style="components",
    real="FLOAT64",
    double="FLOAT64",
    text="STRING",
    integer="INT64",
    bigint="INT64",
    as_doubles="{0}",
    as_reals="{0}",
    array="[{0}]",
    element="{0}[SAFE_ORDINAL({1})]",
    length="ARRAY_LENGTH({0})",
    # ARRAY_AGG fails on a NULL instead of keeping it.
    collect=None,
    gather="ARRAY_AGG({0} ORDER BY {1})",
    unnest=("CROSS JOIN UNNEST({0}) AS v WITH OFFSET AS k", "k", "v"),
    # PERCENTILE_CONT is a window function only; this is the value below, not interpolated.
    quantile=(
        "ARRAY_AGG({0} IGNORE NULLS ORDER BY {0})"
        "[SAFE_OFFSET(CAST(FLOOR({1} * (COUNT({0}) - 1)) AS INT64))]"
    ),
    digest="TO_HEX(MD5({0}))",
    divide="DIV({0}, {1})",
    most_sums=4096,
    longest_statement=_MIB,
    most_columns=10_000,
    transactions=False,
    tables=Tables(
        describe=(
            "SELECT column_name, data_type FROM {3}INFORMATION_SCHEMA.COLUMNS "
            "WHERE table_name = {2} ORDER BY ordinal_position"
        ),
        missing=("Not found: ",),
        names=_TABLES_IN_INFORMATION_SCHEMA.format("{4}INFORMATION_SCHEMA.TABLES"),
        kind=_KIND_IN_INFORMATION_SCHEMA + "{4}INFORMATION_SCHEMA.TABLES WHERE table_name = {0}",
        replace=("CREATE OR REPLACE TABLE {1} COPY {0}",),
        left="{0}",
        keep=(
            "CREATE TABLE {3} COPY {1}",
            "CREATE OR REPLACE TABLE {1} COPY {0}",
            "DROP TABLE {0}",
        ),
    ),
)

REDSHIFT = Dialect(
    name="redshift",
    sqlglot="redshift",
    style="components",
    ignores_case=True,
    real="REAL",
    double="DOUBLE PRECISION",
    # Without a length, 256 bytes.
    text="VARCHAR",
    long_text="VARCHAR(65535)",
    longest_name=127,
    as_doubles="{0}",
    as_reals="{0}",
    array="ARRAY({0})",
    element="{0}[{1} - 1]",
    length="GET_ARRAY_LENGTH({0})",
    collect=None,
    gather="JSON_PARSE('[' || LISTAGG({0}, ',') WITHIN GROUP (ORDER BY {1}) || ']')",
    unnest=("CROSS JOIN {0} AS v AT k", "k", "CAST(v AS DOUBLE PRECISION)"),
    quantile="PERCENTILE_CONT({1}) WITHIN GROUP (ORDER BY {0})",
    digest="MD5({0})",
    divide="{0} / {1}",
    most_sums=4096,
    longest_statement=16 * _MIB,
    most_columns=1600,
    transactions=True,
    tables=Tables(
        describe=_PG_COLUMNS,
        missing=("42P01", "3F000"),
        current_schema="SELECT current_schema() AS s",
        # Names have lower-case letters there, however they are quoted, unless a setting says
        # otherwise.
        names=_TABLES_IN_PG_CLASS + "lower(n.nspname) = lower({1})",
        identity=(
            _OID_IN_PG_CLASS + "lower(n.nspname) = lower({1}) AND lower(c.relname) = lower({0})"
        ),
        kind=(
            "SELECT CASE "
            + _KIND_IN_PG_CLASS
            + "WHERE lower(n.nspname) = lower({1}) AND lower(c.relname) = lower({0})"
        ),
    ),
)

TRINO = Dialect(
    name="trino",
    sqlglot="trino",
    style="arrays",
    ignores_case=True,
    real="real",
    double="double",
    text="varchar",
    as_doubles="CAST({0} AS array(double))",
    as_reals="CAST({0} AS array(real))",
    array="ARRAY[{0}]",
    element="element_at({0}, {1})",
    length="cardinality({0})",
    collect="array_agg({0} ORDER BY {1})",
    unnest=("CROSS JOIN UNNEST({0}) WITH ORDINALITY AS u(v, k)", "u.k - 1", "u.v"),
    has_null="any_match({0}, v -> v IS NULL)",
    is_finite="none_match({0}, v -> NOT is_finite(v))",
    dot="reduce(zip_with({0}, {1}, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)",
    times=(
        "transform({1}, c -> "
        "reduce(zip_with(c, {0}, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s))"
    ),
    scaled="transform({0}, v -> v / {1})",
    difference="zip_with({0}, {1}, (v, w) -> v - w)",
    concat="{0} || {1}",
    transform="transform({0}, {1} -> {2})",
    largest="array_max({0})",
    # Exact quantiles need the whole group as an array; the value below, not interpolated.
    quantile=(
        "element_at(array_sort(array_agg({0}) FILTER (WHERE {0} IS NOT NULL)), "
        "1 + CAST(floor({1} * (count({0}) - 1)) AS integer))"
    ),
    digest="lower(to_hex(md5(to_utf8({0}))))",
    divide="{0} / {1}",
    steps="CROSS JOIN UNNEST(sequence({0}, {1}, {2})) AS steps_{3}({3})",
    gram="blocks",
    # query.max-length is a million characters.
    longest_statement=1_000_000,
    most_columns=100_000,
    transactions=False,
    tables=Tables(
        missing=("TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND"),
        current_schema="SELECT current_catalog AS d, current_schema AS s",
        # Names have lower-case letters there, however they are quoted.
        names=(
            _TABLES_IN_INFORMATION_SCHEMA.format("{3}information_schema.tables")
            + " AND table_schema = lower({1})"
        ),
        kind=(
            _KIND_IN_INFORMATION_SCHEMA
            + "{3}information_schema.tables "
            + "WHERE table_schema = lower({1}) AND table_name = lower({0})"
        ),
        replace=("CREATE TABLE IF NOT EXISTS {1} (LIKE {0})", *_BY_RENAMING[1:]),
        left="{3}",
        keep=_KEPT_BY_RENAMING,
    ),
)

# It lists the tables of all databases.
_DATAFUSION_SCHEMA = (
    "table_catalog = coalesce(nullif({2}, ''), (SELECT value FROM information_schema.df_settings "
    "WHERE name = 'datafusion.catalog.default_catalog')) AND table_schema = {1}"
)
DATAFUSION = Dialect(
    name="datafusion",
    sqlglot="datafusion",
    style="components",
    fold="lower",
    real="REAL",
    double="DOUBLE",
    text="VARCHAR",
    as_doubles="CAST({0} AS DOUBLE[])",
    as_reals="CAST({0} AS REAL[])",
    array="[{0}]",
    element="{0}[{1}]",
    length="cardinality({0})",
    collect="array_agg({0} ORDER BY {1})",
    gather="array_agg({0} ORDER BY {1})",
    unnest=("", "unnest(range(0, {1}))", "unnest({0})"),
    # percentile_cont interpolates with six digits.
    quantile=(
        "array_element(array_agg({0} ORDER BY {0}) FILTER (WHERE {0} IS NOT NULL), "
        "1 + CAST(floor({1} * (count({0}) - 1)) AS BIGINT)) "
        "* (1 + floor({1} * (count({0}) - 1)) - {1} * (count({0}) - 1)) "
        "+ array_element(array_agg({0} ORDER BY {0}) FILTER (WHERE {0} IS NOT NULL), "
        "1 + CAST(ceil({1} * (count({0}) - 1)) AS BIGINT)) "
        "* ({1} * (count({0}) - 1) - floor({1} * (count({0}) - 1)))"
    ),
    digest="md5({0})",
    divide="{0} / {1}",
    remainder="{0} % {1}",
    # Planning time grows with the square of the number of expressions: at e = 64 16 x 16 sums take
    # a quarter of the time of all 64 x 64.
    most_sums=256,
    # No limit of the engine's, but beyond it planning takes longer than a join with the matrix.
    longest_statement=256 * 1024,
    most_columns=100_000,
    transactions=False,
    tables=Tables(
        missing=("' not found",),
        current_schema=(
            "SELECT d.value AS d, s.value AS s FROM information_schema.df_settings AS d "
            "CROSS JOIN information_schema.df_settings AS s "
            "WHERE d.name = 'datafusion.catalog.default_catalog' "
            "AND s.name = 'datafusion.catalog.default_schema'"
        ),
        names=(
            _TABLES_IN_INFORMATION_SCHEMA.format("information_schema.tables")
            + f" AND {_DATAFUSION_SCHEMA}"
        ),
        kind=(
            _KIND_IN_INFORMATION_SCHEMA
            + f"information_schema.tables WHERE {_DATAFUSION_SCHEMA} AND table_name = {{0}}"
        ),
        # There is no RENAME.
        replace=_BY_COPYING[1:2],
        left="{0}",
        keep=_BY_COPYING,
    ),
)

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        DUCKDB,
        SPARK,
        DATABRICKS,
        POSTGRES,
        CLICKHOUSE,
        SNOWFLAKE,
        BIGQUERY,
        REDSHIFT,
        TRINO,
        DATAFUSION,
    )
}


def dialect(name: str) -> Dialect:
    """The dialect of this name.

    Raises:
        UsageError: There is none.
    """
    if name not in DIALECTS:
        raise UsageError(f"{name!r} is no dialect; it can be {', '.join(DIALECTS)}.")
    return DIALECTS[name]
