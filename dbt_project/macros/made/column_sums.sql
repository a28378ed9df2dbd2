{#- Made from sql/column_sums.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_column_sums(dialect, t, dimension, other) -%}
-- Sums of the components of the {{ t.side }}, over {% if t.below %}a share of {% endif %}the ids that both tables have.
SELECT
    i,
    sum({{ sqlstab.filled(dialect.as_double, ["value"]) }}) AS value,
    count(*) AS n_rows
FROM (
    {{ sqlstab.part_long_rows(t, dialect, dimension) | indent(4) }}
) AS components
JOIN (
    {{ sqlstab.part_ids(other, dialect) | indent(4) }}
) AS other USING (id)
GROUP BY i
ORDER BY i
{%- endmacro -%}
