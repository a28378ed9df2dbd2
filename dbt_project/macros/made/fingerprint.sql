{#- Made from sql/fingerprint.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_fingerprint(dialect, t) -%}
-- What tells this table of {{ t.side }} from another one of its name: sums of the first component, over a
-- share of the rows, chosen by a hash of the id.
SELECT
    count(*) AS summed,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    {{ sqlstab.part_as_columns(t, dialect, 1, parts=[range(1, 2)]) | indent(4) }}
) AS r
{%- endmacro -%}
