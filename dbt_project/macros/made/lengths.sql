{#- Made from sql/lengths.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_lengths(dialect, t) -%}
-- How many vectors of the {{ t.side }} have so many components (n); NULL for a vector that is NULL or, in the
-- long layout, lacks a dimension or has one twice.
SELECT
    n,
    count(*) AS n_rows
FROM (
    {{ sqlstab.part_lengths(t, dialect) | indent(4) }}
) AS r
GROUP BY n
ORDER BY n
{%- endmacro -%}
