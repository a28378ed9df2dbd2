{#- Made from sql/means.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_means(dialect, t, components, dimension) -%}
-- The mean of the {{ t.side }}
{%- if t.below %}, of a share of the rows, chosen by a hash of the id{% endif %}
{%- if components | length < dimension %}; components {{ components[0] }} to {{ components[-1] }}{% endif %}.
SELECT
    count(*) AS n_rows
    {%- for k in components %},
    avg(x{{ k }}) AS m{{ k }}
    {%- endfor %}
FROM (
    {{ sqlstab.part_as_columns(t, dialect, dimension, parts=[components]) | indent(4) }}
) AS r
{%- endmacro -%}
