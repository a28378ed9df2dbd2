{#- Made from sql/check.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_check(dialect, t) -%}
-- What can be wrong with the ids of the {{ t.side }}{{ " and with their weights" if t.weight }}.
SELECT
    count(*) AS n_rows,
    count(*) - count(id) AS null_ids,
    count(id) - count(DISTINCT id) AS duplicate_ids
    {%- if t.weight %},
    count(CASE WHEN w IS NULL OR w < 0 OR w - w <> 0 THEN 1 END) AS bad_weights
    {%- endif %}
FROM (
    {{ sqlstab.part_ids(t, dialect, weight=true) | indent(4) }}
) AS r
{%- endmacro -%}
