"""Snowflake, reached through SQLAlchemy."""

from __future__ import annotations

from sqlstab.engines.base import KIND_IN_INFORMATION_SCHEMA
from sqlstab.statements.dialect import Dialect, NativeVector, Solving, Tables

# The body knows its arguments by their folded names.
_SOLVER = """\
CREATE OR REPLACE TEMPORARY FUNCTION {0}(sums ARRAY, settings VARCHAR)
RETURNS ARRAY
LANGUAGE JAVASCRIPT
AS $$
{1}
return solve(SUMS, SETTINGS);
$$"""

SNOWFLAKE = Dialect(
    name="snowflake",
    sqlglot="snowflake",
    sqlalchemy=("snowflake",),
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
    native_vectors=(NativeVector("vector", "CAST({0} AS ARRAY)", "VECTOR(FLOAT, {0})"),),
    from_text="TRY_PARSE_JSON({0})",
    member="{0}:{1}",
    most_sums=4096,
    longest_statement=2**20,
    most_columns=100_000,
    transactions=False,
    temporary=True,
    solving=Solving(
        way="javascript",
        now=(
            "TO_CHAR(CONVERT_TIMEZONE('UTC', CURRENT_TIMESTAMP()), "
            "'YYYY-MM-DD\"T\"HH24:MI:SS.FF6') || '+00:00'"
        ),
        # No expression raises an error of its own, but this one repeats the text.
        refuse="CAST({0} AS FLOAT)",
        function=_SOLVER,
        gathered=(
            "ARRAY_AGG(OBJECT_CONSTRUCT('kind', s.kind, 'side', s.side, 'i', s.i, 'j', s.j, "
            "'value', s.value, 'n_rows', s.n_rows))"
        ),
        records=("CROSS JOIN LATERAL FLATTEN(input => {0}) AS r", "r.value"),
    ),
    tables=Tables(
        describe="DESCRIBE TABLE {0}",
        # It does not say whether an object is not there or not to be seen.
        missing=("002003", "002043"),
        current_schema="SELECT current_database() AS d, current_schema() AS s",
        kind=(
            KIND_IN_INFORMATION_SCHEMA
            + "{3}information_schema.tables WHERE table_schema = {1} AND table_name = {0}"
        ),
        begin="BEGIN TRANSACTION",
        commit="COMMIT",
        partitioned=" CLUSTER BY ({0})",
        array="ARRAY",
    ),
)
