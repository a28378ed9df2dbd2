{#- Made from sql/union.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_union(dialect, statements) -%}
-- All sums in one statement, from {{ statements | length }} scans.
SELECT
    side,
    i,
    j,
    value,
    n_rows
FROM (
    {%- for statement in statements %}
    SELECT
        side,
        i,
        j,
        value,
        n_rows
    FROM (
        {{ statement | indent(8) }}
    ) AS part{{ loop.index }}
    {%- if not loop.last %}
    UNION ALL
    {%- endif %}
    {%- endfor %}
) AS parts
ORDER BY side, i, j
{%- endmacro -%}
