{#- Made from sql/first_dimension.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_first_dimension(dialect, t) -%}
-- The number that the vectors of the {{ t.side }} begin with, mostly 0 or 1: the commonest, in case a row has strayed.
SELECT first_dimension
FROM (
    SELECT min({{ t.dimension }}) AS first_dimension
    FROM {{ t.relation }} AS t
    {{- sqlstab.part_where(t, dialect) | indent(4) }}
    {{- sqlstab.part_by_id(t) | indent(4) }}
) AS firsts
GROUP BY first_dimension
ORDER BY count(*) DESC, first_dimension
LIMIT 1
{%- endmacro -%}
