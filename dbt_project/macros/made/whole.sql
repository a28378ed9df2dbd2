{#- Made from sql/whole.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_whole(dialect, sums, rows, columns) -%}
-- Both halves of the shared ids added up, without the constant component.
SELECT
    h.side AS side,
    h.i AS i,
    h.j AS j,
    sum(h.value) AS value,
    sum(h.n_rows) AS n_rows
FROM (
    {{ sums | indent(4) }}
) AS h
WHERE h.i <= {{ rows }} AND h.j <= {{ columns }}
GROUP BY
    h.side,
    h.i,
    h.j
{%- endmacro -%}
