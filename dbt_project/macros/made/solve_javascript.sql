{#- Made from sql/solve_javascript.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_solve_javascript(dialect, sums, settings) -%}
-- The two maps, from sums, by a function in JavaScript. Rows (name, i, j, value): name is users or items for the maps,
-- omega for the alignment, singular_values (j = 1), or that of a figure (i = j = 1).
{%- set record = dialect.solving.records[1] %}
SELECT
    {{ sqlstab.filled(dialect.as_text, [sqlstab.filled(dialect.member, [record, "name"])]) }} AS name,
    {{ sqlstab.filled(dialect.as_integer, [sqlstab.filled(dialect.member, [record, "i"])]) }} AS i,
    {{ sqlstab.filled(dialect.as_integer, [dialect.unnest[1] ~ " + 1"]) }} AS j,
    {{ dialect.unnest[2] }} AS value
FROM (
    SELECT sqlstab_solve({{ dialect.solving.gathered }}, {{ settings }}) AS solution
    FROM (
        {%- for kind, sums in sums.items() %}
        {{ "UNION ALL " if not loop.first }}SELECT '{{ kind }}' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM {{ sums }} AS t
        {%- endfor %}
    ) AS s
) AS solved
{{ sqlstab.filled(dialect.solving.records[0], ["solved.solution"]) }}
{{ sqlstab.filled(dialect.unnest[0], [sqlstab.filled(dialect.member, [record, "x"])]) }}
{%- endmacro -%}
