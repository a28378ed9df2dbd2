"""Redshift, reached through SQLAlchemy."""

from __future__ import annotations

from sqlstab.engines.base import REQUIRED_IN_INFORMATION_SCHEMA
from sqlstab.engines.postgres import KIND_IN_PG_CLASS, PG_COLUMNS
from sqlstab.statements.dialect import Dialect, Tables

REDSHIFT = Dialect(
    name="redshift",
    sqlglot="redshift",
    sqlalchemy=("redshift",),
    driver="redshift+redshift_connector",
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
    from_text="CASE WHEN CAN_JSON_PARSE({0}) THEN JSON_PARSE({0}) END",
    quantile="PERCENTILE_CONT({1}) WITHIN GROUP (ORDER BY {0})",
    digest="MD5({0})",
    divide="{0} / {1}",
    # Of aggregates in one array; more have not been heard to work.
    most_sums=1024,
    longest_statement=2**24,
    # The Data API.
    longest_by_http=100 * 2**10,
    most_columns=1600,
    transactions=True,
    temporary=True,
    tables=Tables(
        describe=PG_COLUMNS,
        missing=("42P01", "3F000"),
        current_schema="SELECT current_schema() AS s",
        kind=(
            "SELECT CASE "
            + KIND_IN_PG_CLASS
            + "WHERE lower(n.nspname) = lower({1}) AND lower(c.relname) = lower({0})"
        ),
        begin="BEGIN",
        commit="COMMIT",
        partitioned=" SORTKEY ({0})",
        overtaken=("Serializable isolation violation",),
        array="SUPER",
        required=(
            REQUIRED_IN_INFORMATION_SCHEMA
            + "WHERE table_schema = lower({1}) AND table_name = lower({0}) AND is_nullable = 'NO' "
            "AND column_default IS NULL"
        ),
    ),
)
