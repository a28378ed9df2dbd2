{#- Made from sql/labelled.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_labelled(dialect, side, what, statement) -%}
SELECT
    '{{ side }}' AS side,
    '{{ what }}' AS what,
    found.*
FROM (
    {{ statement | indent(4) }}
) AS found
{%- endmacro -%}
