{#- Made from sql/run_text.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_run_text(dialect, parts, figures, names, reference) -%}
-- What there is to know of this run, as JSON.
SELECT
    {%- for part in parts %}
    {{ "|| " if not loop.first }}{{ part }}
    {%- endfor %} AS figures,
    {{ dialect.solving.now }} AS created
FROM (
    SELECT
        {%- for name in names %}
        max(CASE WHEN name = '{{ name }}' THEN value END) AS {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    FROM {{ figures }} AS n
) AS f
{%- if reference %}
CROSS JOIN {{ reference }} AS r
{%- endif %}
{%- endmacro -%}
