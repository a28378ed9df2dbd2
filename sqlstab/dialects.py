"""How the SQL text differs from one engine to the next: one frozen record per dialect.

Idioms are patterns with numbered places, as in `CAST({0} AS DOUBLE)`; the templates in `sql/` put
them together and know no engine by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sqlstab.errors import UsageError


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
        as_real, as_double, as_text, as_doubles, as_reals: Casts: of a number, or of an array.
        not_in_names: Characters that no name can have, however it is quoted.
        reads_files: Whether a relation may be a file.
        fold: What becomes of a name without quotes: `lower`, `upper`, or nothing.
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
        pin: What to add to FROM for a column x that is array {0}, computed once for a row.
        json_matrix: A matrix from its JSON text {0}, where that is read faster than arrays.
        scaled: Array {0} divided by number {1}.
        concat: Arrays {0} and {1}, one behind the other.
        append: Array {0} and one more element, {1}.
        combined: The sum of {2} times array {0} and {3} times array {1}.
        recursion_key: What lets a recursive query keep the newest row of each {0} only, where there
            is such a thing.
        solver: How it can solve the small problem: with arrays in a recursive query; not at all.
        refuse: A number that cannot be had: an error with the text {0}.
        quantile: Quantile {1} of {0} in a group, interpolated where the engine can.
        digest: MD5 of a text as 32 lower-case hexadecimal digits.
        divide: Whole quotient of integers {0} and {1}.
        fence: What ends a subquery whose columns must be computed once, not at each use.
        native_vectors: Names of the engine's own vector types.
        from_native: A native vector as an array.
        as_native: An array as a native vector of {1} components.
        steps: What to add to FROM for rows {3} from {0} on to {1} in steps of {2}.
        gram: `pairs` has one sum for each pair of components; `blocks` groups by blocks of them.
        most_sums: Sums of one statement; beyond it, several statements with a scan each.
        longest_statement: Bytes of a statement, by the engine's default settings; None: no limit
            that matters.
        most_columns: Columns of a table or a result.
        transactions: Whether DDL takes part in transactions.
        before: Statements to run before each other one, in its transaction.
        describe: Lists a relation's columns: a name and a type in the first two columns; {0} is
            the quoted relation, {1} its name as a string, {2} the name without a schema, {3} the
            schema with a point, as strings.
        storage: How a new table is stored, where that must be said.
        replace: Puts table {0} in the place of the existing table {1}, whose bare name is {2}; {3}
            is a name for the old one meanwhile.
        rename: Gives table {0} the name {1}, which is free, with bare name {2}.
    """

    name: str
    sqlglot: str
    style: Literal["arrays", "components"]
    real: str
    double: str
    text: str
    integer: str = "integer"
    bigint: str = "bigint"
    not_in_names: str = ""
    reads_files: bool = False
    fold: Literal["", "lower", "upper"] = ""
    as_real: str = ""
    as_double: str = ""
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
    concat: str = ""
    append: str = ""
    combined: str = ""
    recursion_key: str = ""
    solver: Literal["", "recursive"] = ""
    refuse: str = ""
    quantile: str
    digest: str
    divide: str
    fence: str = ""
    native_vectors: frozenset[str] = frozenset()
    from_native: str = "{0}"
    as_native: str = "{0}"
    steps: str = ""
    gram: Literal["pairs", "blocks"] = "pairs"
    most_sums: int
    longest_statement: int | None
    most_columns: int
    transactions: bool
    before: tuple[str, ...] = ()
    describe: str = "DESCRIBE {0}"
    storage: str = ""
    replace: tuple[str, ...] = ("DROP TABLE {1}", "ALTER TABLE {0} RENAME TO {2}")
    rename: str = "ALTER TABLE {0} RENAME TO {2}"

    def __post_init__(self) -> None:
        for name in ("real", "double", "text"):
            if not getattr(self, f"as_{name}"):
                cast = f"CAST({{0}} AS {getattr(self, name)})"
                object.__setattr__(self, f"as_{name}", cast)

    def __str__(self) -> str:
        return self.name

    def number(self, value: float) -> str:
        """A literal of type double; a bare `0.94` would be a DECIMAL in several engines."""
        text = repr(float(value)).upper()
        return text if "E" in text else text + "E0"

    def takes(self, statement: str) -> bool:
        """Whether a statement is no longer than the engine takes."""
        return self.longest_statement is None or len(statement.encode()) <= self.longest_statement


_MIB = 2**20
# The old table stays, under another name, until the new one is in its place.
_BY_RENAMING = (
    "ALTER TABLE {1} RENAME TO {3}",
    "ALTER TABLE {0} RENAME TO {1}",
    "DROP TABLE {3}",
)
# Redshift has Postgres's catalogue.
_PG_COLUMNS = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = CAST({1} AS regclass) AND attnum > 0 AND NOT attisdropped "
    "ORDER BY attnum"
)

DUCKDB = Dialect(
    name="duckdb",
    sqlglot="duckdb",
    style="arrays",
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
    concat="list_concat({0}, {1})",
    append="list_append({0}, {1})",
    combined="list_transform(list_zip({0}, {1}), lambda p: {2} * p[1] + {3} * p[2])",
    recursion_key=" USING KEY ({0})",
    solver="recursive",
    refuse="error({0})",
    quantile="quantile_cont({0}, {1})",
    digest="md5({0})",
    divide="{0} // {1}",
    # It holds a vector of 2,048 products for each sum and thread, and planning time grows faster
    # than their number.
    most_sums=4096,
    longest_statement=None,
    most_columns=100_000,
    transactions=True,
)

POSTGRES = Dialect(
    name="postgres",
    sqlglot="postgres",
    style="components",
    real="real",
    double="double precision",
    text="text",
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
    concat="{0} || {1}",
    append="array_append({0}, {1})",
    combined="(SELECT array_agg({2} * v + {3} * w) FROM unnest({0}, {1}) AS pairs(v, w))",
    solver="recursive",
    # No expression raises an error of its own, but this one repeats the text.
    refuse="CAST({0} AS double precision)",
    quantile="percentile_cont({1}) WITHIN GROUP (ORDER BY {0})",
    digest="md5({0})",
    divide="{0} / {1}",
    # Else the planner merges the subqueries and casts a component anew for each of its products.
    fence="OFFSET 0",
    native_vectors=frozenset({"vector", "halfvec"}),
    from_native="CAST({0} AS real[])",
    as_native="CAST({0} AS vector({1}))",
    # Of 256 to 8,192, the fastest at e = 64, 128 and 256.
    most_sums=512,
    longest_statement=None,
    most_columns=1600,
    transactions=True,
    # Compiling thousands of expressions takes longer than running them.
    before=("SET LOCAL jit = off",),
    describe=_PG_COLUMNS,
)

SPARK = Dialect(
    name="spark",
    sqlglot="spark",
    style="arrays",
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
    # A column made in a subquery moves into the lambda that uses it, and is made anew there for
    # each element; the optimizer does not look through this.
    pin="LATERAL VIEW explode(array({0})) pinned AS x",
    # One token for the parser: at e = 256 planning takes 0.2 s instead of 4 s.
    json_matrix="from_json('{0}', 'array<array<double>>')",
    scaled="transform({0}, v -> v / {1})",
    concat="concat({0}, {1})",
    quantile="percentile({0}, {1})",
    digest="md5({0})",
    divide="{0} DIV {1}",
    steps="LATERAL VIEW explode(sequence({0}, {1}, {2})) AS {3}",
    # Code generation gives up on thousands of sums in one statement, which then takes minutes.
    gram="blocks",
    most_sums=2**31,
    longest_statement=None,
    most_columns=100_000,
    transactions=False,
    replace=_BY_RENAMING,
    rename="ALTER TABLE {0} RENAME TO {1}",
    storage=" USING parquet",
)

DATABRICKS = replace(
    SPARK,
    name="databricks",
    sqlglot="databricks",
    storage="",
    replace=("CREATE OR REPLACE TABLE {1} AS SELECT * FROM {0}", "DROP TABLE {0}"),
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
    concat="arrayConcat({0}, {1})",
    quantile="quantileExactInclusive({1})({0})",
    digest="lower(hex(MD5({0})))",
    divide="intDiv({0}, {1})",
    # Of 256 to 4,096 sums a statement, within 15% of the fastest at e = 64, 128 and 256.
    most_sums=1024,
    longest_statement=256 * 1024,
    most_columns=100_000,
    transactions=False,
    describe="DESCRIBE TABLE {0}",
    storage=" ENGINE = MergeTree ORDER BY tuple()",
    replace=("EXCHANGE TABLES {0} AND {1}", "DROP TABLE {0}"),
    rename="RENAME TABLE {0} TO {1}",
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
    describe="DESCRIBE TABLE {0}",
    replace=("ALTER TABLE {1} SWAP WITH {0}", "DROP TABLE {0}"),
    rename="ALTER TABLE {0} RENAME TO {1}",
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
    describe=(
        "SELECT column_name, data_type FROM {3}INFORMATION_SCHEMA.COLUMNS "
        "WHERE table_name = {2} ORDER BY ordinal_position"
    ),
    replace=("CREATE OR REPLACE TABLE {1} COPY {0}", "DROP TABLE {0}"),
)

REDSHIFT = Dialect(
    name="redshift",
    sqlglot="redshift",
    style="components",
    real="REAL",
    double="DOUBLE PRECISION",
    text="VARCHAR",
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
    describe=_PG_COLUMNS,
)

TRINO = Dialect(
    name="trino",
    sqlglot="trino",
    style="arrays",
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
    concat="{0} || {1}",
    # Exact quantiles need the whole group as an array; the value below, not interpolated.
    quantile=(
        "element_at(array_sort(array_agg({0}) FILTER (WHERE {0} IS NOT NULL)), "
        "1 + CAST(floor({1} * (count({0}) - 1)) AS integer))"
    ),
    digest="lower(to_hex(md5(to_utf8({0}))))",
    divide="{0} / {1}",
    steps="CROSS JOIN UNNEST(sequence({0}, {1}, {2})) AS steps_{3}({3})",
    gram="blocks",
    most_sums=2**31,
    # query.max-length is a million characters.
    longest_statement=1_000_000,
    most_columns=100_000,
    transactions=False,
    replace=_BY_RENAMING,
    rename="ALTER TABLE {0} RENAME TO {1}",
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
