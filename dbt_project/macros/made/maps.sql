{#- Made from sql/maps.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_maps(dialect, solution) -%}
-- The two maps of this run, as rows of a transform table.
SELECT
    r.run_id,
    s.name AS side,
    s.i,
    s.j,
    -- None is NULL, but figures in the same column may be, and some engines know columns by that.
    coalesce(s.value, 0) AS value
FROM {{ solution }} AS s
CROSS JOIN (SELECT {{ dialect.solving.now }} AS run_id) AS r
WHERE s.name IN ('users', 'items')
{%- endmacro -%}
