"""ClickHouse, reached through SQLAlchemy."""

from __future__ import annotations

from sqlstab.statements.dialect import Dialect, Solving, Tables

CLICKHOUSE = Dialect(
    name="clickhouse",
    sqlglot="clickhouse",
    sqlalchemy=("clickhousedb", "clickhouse"),
    driver="clickhousedb",
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
    # An alias of SELECT comes first, and no table's name can precede these columns.
    unnest=(
        "ARRAY JOIN {0} AS sqlstab_v, arrayEnumerate({0}) AS sqlstab_k",
        "sqlstab_k - 1",
        "sqlstab_v",
    ),
    from_text="JSONExtract(ifNull({0}, ''), 'Array(Nullable(Float64))')",
    dense="arrayMap(v -> assumeNotNull(v), {0})",
    typed_nulls=True,
    no_array="[]",
    has_null="arrayExists(v -> v IS NULL, {0})",
    is_finite="arrayAll(v -> coalesce(isFinite(v), 1), {0})",
    dot="arrayDotProduct({0}, {1})",
    # A lambda copies {0} for each column: that takes eight times as long at e = 128.
    times="arrayMap(c -> arrayDotProduct({0}, c), {1})",
    written_out=True,
    subquery_column=True,
    scaled="arrayMap(v -> v / {1}, {0})",
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
        now="formatDateTime(now64(6), '%Y-%m-%dT%H:%i:%S.%f+00:00', 'UTC')",
        # No function raises an error whose text is not constant, but this one repeats the text; of
        # what can be NULL it makes NULL.
        refuse="toFloat64(coalesce({0}, '0'))",
    ),
    tables=Tables(
        describe="DESCRIBE TABLE {0}",
        missing=("(UNKNOWN_TABLE)", "(UNKNOWN_DATABASE)"),
        current_schema="SELECT currentDatabase() AS s",
        kind=(
            "SELECT CASE WHEN engine LIKE '%View' THEN 'view' WHEN engine = 'Dictionary' "
            "THEN 'dictionary' ELSE 'table' END AS kind "
            "FROM system.tables WHERE database = {1} AND name = {0}"
        ),
        definition=(
            "SELECT as_select AS definition FROM system.tables "
            "WHERE database = {1} AND name = {0} AND as_select <> ''"
        ),
        storage=" ENGINE = MergeTree ORDER BY tuple()",
        store="exchange",
        partitioned=" ENGINE = MergeTree PARTITION BY {0} ORDER BY tuple()",
        keyed=" ENGINE = MergeTree ORDER BY {0}",
        array="Array({0})",
        nullable="Nullable({0})",
        layout=(
            "SELECT partition_key AS partitioned, engine AS provider FROM system.tables "
            "WHERE database = {1} AND name = {0}"
        ),
        leftovers=(
            "SELECT name FROM system.tables WHERE database = {1} "
            "AND startsWith(name, concat({0}, '_sqlstab_')) AND comment = 'sqlstab' "
            "AND metadata_modification_time < now() - INTERVAL 1 DAY"
        ),
    ),
)
