{#- Made from sql/partitions.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_partitions(dialect, t, by, version) -%}
-- The partitions of the {{ t.side }}, with what tells whether one has changed.
SELECT
    {{ sqlstab.filled(dialect.as_text, [by]) }} AS partition_key,
    {% if version %}{{ sqlstab.filled(dialect.as_text, ["max(" ~ version ~ ")"]) }}{% else %}''{% endif %} AS version,
    count(*) AS n_rows
FROM {{ t.relation }} AS t
{{- sqlstab.part_where(t, dialect) }}
GROUP BY {{ by }}
ORDER BY partition_key
{%- endmacro -%}
