{#- Made from sql/apply_joined.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_apply_joined(dialect, output, t, matrices) -%}
{%- set cast = dialect.as_real if output.element == "float" else dialect.as_double -%}
{%- set products = sqlstab.part_all_joined(t, dialect, matrices, named=true) -%}
{%- set ids -%}
{%- for column in output.ids %}
    id{{ loop.index if t.parts }} AS {{ column.name }},
{%- endfor -%}
{%- endset -%}
{%- set stable -%}
{%- if output.layout == "long" -%}
SELECT
    {{- ids }}
    j + {{ output.first - 1 }} AS {{ output.vector[0] }},
    {{ sqlstab.filled(cast, ["value"]) }} AS {{ output.vector[1] }}
FROM (
    {{ products | indent(4) }}
) AS products
{%- else -%}
SELECT
    {{- ids }}
    {%- if output.layout == "array" %}
    {%- set array = sqlstab.filled(dialect.gather, [sqlstab.filled(cast, ["value"]), "j"]) %}
    {{ sqlstab.filled("CAST({0} AS {1})", [array, output.type]) if output.type else array }} AS {{ output.vector[0] }}
    {%- else %}
    {%- for name in output.vector %}
    max(CASE WHEN j = {{ loop.index }} THEN {{ sqlstab.filled(cast, ["value"]) }} END) AS {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
    {%- endif %}
FROM (
    {{ products | indent(4) }}
) AS products
GROUP BY id{% for column in t.parts %}, id{{ loop.index }}{% endfor %}
{%- endif -%}
{%- endset -%}
-- The stable vectors of the {{ t.side }}: each row times a matrix that a table holds{{ ", then times another" if matrices | length == 2 }}.
{%- if t.keep %}
SELECT
    stable.*
    {%- for name in t.keep_names %},
    {{ t.keep[loop.index0] }} AS {{ name }}
    {%- endfor %}
FROM (
    {{ stable | indent(4) }}
) AS stable
JOIN {{ t.relation }} AS t ON {% for column in output.ids %}{{ " AND " if not loop.first }}{{ (t.parts or [t.id])[loop.index0] }} = stable.{{ column.name }}{% endfor %}
{{- sqlstab.part_where(t, dialect) }}
{%- else %}
{{ stable }}
{%- endif %}
{%- endmacro -%}
