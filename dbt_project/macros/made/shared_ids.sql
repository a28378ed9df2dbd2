{#- Made from sql/shared_ids.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_shared_ids(dialect, t, reference, anchor) -%}
-- How many {{ t.side }} this run and the reference share{{ " and may align" if anchor }}.
SELECT count(*) AS shared
FROM (
    {{ sqlstab.part_ids(t, dialect, anchor) | indent(4) }}
) AS run
WHERE id IN (
    {{ sqlstab.part_ids(reference, dialect) | indent(4) }}
)
{%- endmacro -%}
