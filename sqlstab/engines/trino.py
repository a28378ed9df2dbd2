"""Trino, reached through SQLAlchemy."""

from __future__ import annotations

from sqlstab.engines.base import KIND_IN_INFORMATION_SCHEMA
from sqlstab.statements.dialect import Dialect, Tables

TRINO = Dialect(
    name="trino",
    sqlglot="trino",
    sqlalchemy=("trino",),
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
    from_text="TRY(CAST(json_parse({0}) AS array(double)))",
    from_json="TRY(CAST({0} AS array(double)))",
    sparse=(
        "CASE WHEN cardinality(array_intersect(sequence(0, {size} - 1), {indices})) "
        "= cardinality({values}) AND cardinality({indices}) = cardinality({values}) "
        "THEN transform(sequence(0, {size} - 1), "
        "k -> CASE WHEN contains({indices}, k) "
        "THEN element_at({values}, array_position({indices}, k)) ELSE 0E0 END) END"
    ),
    has_null="any_match({0}, v -> v IS NULL)",
    is_finite="none_match({0}, v -> NOT is_finite(v))",
    dot="reduce(zip_with({0}, {1}, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)",
    times=(
        "transform({1}, c -> "
        "reduce(zip_with(c, {0}, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s))"
    ),
    scaled="transform({0}, v -> v / {1})",
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
        kind=(
            KIND_IN_INFORMATION_SCHEMA
            + "{3}information_schema.tables "
            + "WHERE table_schema = lower({1}) AND table_name = lower({0})"
        ),
        # How a new table is partitioned differs between its connectors.
        array="array({0})",
    ),
)
