{#- Made from sql/rows.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_rows(dialect, t) -%}
-- The vectors of the {{ t.side }}.
SELECT r.x AS x
FROM (
    {{ sqlstab.part_vectors(t, dialect, none, t.element) | indent(4) }}
) AS r
{%- endmacro -%}
