"""BigQuery, reached through SQLAlchemy."""

from __future__ import annotations

from sqlstab.engines.base import KIND_IN_INFORMATION_SCHEMA
from sqlstab.statements.dialect import Dialect, Solving, Tables

# A function in JavaScript takes no INT64. Its body may have 32,768 bytes.
_SOLVER = '''\
CREATE TEMP FUNCTION {0}(
    sums ARRAY<STRUCT<
        kind STRING, side STRING, i FLOAT64, j FLOAT64, value FLOAT64, n_rows FLOAT64
    >>,
    settings STRING
)
RETURNS ARRAY<STRUCT<name STRING, i FLOAT64, x ARRAY<FLOAT64>>>
LANGUAGE js
AS r"""
{1}
return solve(sums, settings);
"""'''

_SORTED = "ARRAY_AGG({0} IGNORE NULLS ORDER BY {0})"
_PLACE = "{1} * (COUNT({0}) - 1)"

BIGQUERY = Dialect(
    name="bigquery",
    sqlglot="bigquery",
    sqlalchemy=("bigquery",),
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
    from_text=(
        "ARRAY(SELECT SAFE_CAST(v AS FLOAT64) FROM UNNEST(JSON_VALUE_ARRAY({0})) AS v "
        "WITH OFFSET AS k ORDER BY k)"
    ),
    transform="ARRAY(SELECT {2} FROM UNNEST({0}) AS {1} WITH OFFSET AS k ORDER BY k)",
    # PERCENTILE_CONT is a window function only.
    quantile=(
        f"{_SORTED}[SAFE_OFFSET(CAST(FLOOR({_PLACE}) AS INT64))] * (1 - {_PLACE} + FLOOR({_PLACE}))"
        f" + {_SORTED}[SAFE_OFFSET(CAST(CEIL({_PLACE}) AS INT64))] * ({_PLACE} - FLOOR({_PLACE}))"
    ),
    digest="TO_HEX(MD5({0}))",
    divide="DIV({0}, {1})",
    most_sums=4096,
    longest_statement=2**20,
    most_columns=10_000,
    transactions=False,
    solving=Solving(
        way="javascript",
        now="FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%E6S+00:00', CURRENT_TIMESTAMP(), 'UTC')",
        refuse="ERROR({0})",
        function=_SOLVER,
        gathered=(
            "ARRAY_AGG(STRUCT(s.kind, s.side, CAST(s.i AS FLOAT64) AS i, "
            "CAST(s.j AS FLOAT64) AS j, s.value, CAST(s.n_rows AS FLOAT64) AS n_rows))"
        ),
        records=("CROSS JOIN UNNEST({0}) AS r", "r"),
        begin="BEGIN TRANSACTION",
        commit="COMMIT TRANSACTION",
    ),
    tables=Tables(
        describe=(
            "SELECT column_name, data_type FROM {3}INFORMATION_SCHEMA.COLUMNS "
            "WHERE table_name = {2} ORDER BY ordinal_position"
        ),
        missing=("Not found: ",),
        kind=KIND_IN_INFORMATION_SCHEMA + "{4}INFORMATION_SCHEMA.TABLES WHERE table_name = {0}",
        # Transactions over several requests want a session, which the driver does not keep.
        partitioned=" CLUSTER BY {0}",
        by_day=" PARTITION BY {0}",
        overtaken=("due to concurrent update",),
        array="ARRAY<{0}>",
    ),
)
