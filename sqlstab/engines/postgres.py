"""Postgres, with or without pgvector, reached through SQLAlchemy."""

from __future__ import annotations

from sqlstab.engines.base import REQUIRED_IN_INFORMATION_SCHEMA
from sqlstab.statements.dialect import Dialect, NativeVector, Solving, Tables

# Redshift has Postgres's catalogue, but no domains.
PG_COLUMNS = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = CAST({1} AS regclass) AND attnum > 0 AND NOT attisdropped "
    "ORDER BY attnum"
)
# The type of a domain is the one that it is made of.
_COLUMNS = (
    "WITH RECURSIVE found AS ("
    "SELECT attnum, attname, atttypid AS type, atttypmod AS modifier FROM pg_attribute "
    "WHERE attrelid = CAST({1} AS regclass) AND attnum > 0 AND NOT attisdropped UNION ALL "
    "SELECT attnum, attname, typbasetype, typtypmod FROM found JOIN pg_type ON oid = type "
    "WHERE typtype = 'd') "
    "SELECT attname, format_type(type, modifier) FROM found JOIN pg_type ON oid = type "
    "WHERE typtype <> 'd' ORDER BY attnum"
)
KIND_IN_PG_CLASS = (
    "WHEN c.relkind IN ('r', 'p') THEN 'table' WHEN c.relkind = 'v' THEN 'view' "
    "WHEN c.relkind = 'm' THEN 'materialized view' ELSE 'relation that is no table' END AS kind "
    "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
)

# Numbers in a text that is cast to an array; a cast cannot be tried.
_NUMBER = r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*"

# In a twelfth of the time that expressions of doubles take at e = 128.
_PRODUCT = (
    "CAST(x[{0}:{1}] AS {2}vector)",
    "{2}inner_product({0}, CAST('[{1}]' AS {2}vector))",
)

POSTGRES = Dialect(
    name="postgres",
    sqlglot="postgres",
    sqlalchemy=("postgresql",),
    driver="postgresql+psycopg",
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
    native_vectors=(
        NativeVector("vector", "CAST({0} AS real[])", "vector({0})", product=_PRODUCT),
        NativeVector("halfvec", "CAST({0} AS real[])", "halfvec({0})", "half", _PRODUCT),
        NativeVector(
            "sparsevec",
            "CAST(CAST({0} AS {1}vector) AS real[])",
            "vector({0})",
            product=_PRODUCT,
        ),
    ),
    from_text=(
        rf"CASE WHEN CAST({{0}} AS text) ~ '^\s*[\[{{{{]{_NUMBER}(,{_NUMBER})*[\]}}}}]\s*$' "
        "THEN CAST(translate(CAST({0} AS text), '[]', '{{}}') AS double precision[]) END"
    ),
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
    temporary=True,
    before=(
        # Compiling thousands of expressions takes longer than running them.
        "SET jit = off",
        # Rows just written are in no statistics: the planner expects one row of them, and would
        # read the whole other table anew for each that there is.
        "SET enable_nestloop = off",
    ),
    solving=Solving(
        slice="{0}[{1}:{2}]",
        no_doubles="CAST(ARRAY[] AS double precision[])",
        append="array_append({0}, {1})",
        combined="(SELECT array_agg({2} * v + {3} * w) FROM unnest({0}, {1}) AS pairs(v, w))",
        way="recursive",
        now="to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')",
        # No expression raises an error of its own, but this one repeats the text.
        refuse="CAST({0} AS double precision)",
        is_text="(SELECT y.typcategory = 'S' FROM pg_type AS y WHERE y.oid = pg_typeof({0}))",
    ),
    tables=Tables(
        describe=_COLUMNS,
        missing=("42P01", "3F000"),
        current_schema="SELECT current_schema() AS s",
        # No table need be there yet, and no right on it is asked for.
        lock="SELECT count(*) AS n FROM pg_advisory_xact_lock(hashtext({1} || '.' || {0}))",
        kind=(
            # To drop one of the first two takes its partitions along, or rows from its parent.
            "SELECT CASE WHEN c.relkind = 'p' THEN 'partitioned table' "
            "WHEN EXISTS (SELECT 1 FROM pg_inherits AS h WHERE h.inhrelid = c.oid) "
            "THEN 'part of another table' "
            + KIND_IN_PG_CLASS
            + "WHERE n.nspname = {1} AND c.relname = {0}"
        ),
        definition=("SELECT definition FROM pg_views WHERE schemaname = {1} AND viewname = {0}"),
        begin="BEGIN",
        commit="COMMIT",
        unique="PRIMARY KEY ({0})",
        # A run's rows lie together: 24 kB tell where, for 10 million rows.
        index="CREATE INDEX IF NOT EXISTS {2} ON {0} USING brin ({1})",
        required=(
            REQUIRED_IN_INFORMATION_SCHEMA
            + "WHERE table_schema = {1} AND table_name = {0} AND is_nullable = 'NO' "
            "AND column_default IS NULL AND is_identity = 'NO' AND is_generated = 'NEVER'"
        ),
    ),
)
