{#- Made from sql/check_vectors.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_check_vectors(dialect, t, dimension) -%}
-- What can be wrong with the vectors of the {{ t.side }} that have {{ dimension }} components, and how many are zeros.
SELECT
    count(CASE WHEN {{ sqlstab.part_has_null(dialect, "x", dimension) }} THEN 1 END) AS null_components,
    count(CASE WHEN NOT ({{ sqlstab.part_finite(t, dialect, "x", dimension) }}) THEN 1 END) AS non_finite,
    count(CASE WHEN {{ sqlstab.part_is_zero(dialect, "x", dimension) }} THEN 1 END) AS zeros
FROM (
    {%- if dialect.style == "arrays" %}
    {{ sqlstab.part_arrays(t, dialect, t.element) | indent(4) }}
    {%- else %}
    {{ sqlstab.part_components(t, dialect, dimension, complete_only=true) | indent(4) }}
    {%- endif %}
) AS r
{%- if dialect.style == "arrays" %}
WHERE {{ sqlstab.filled(dialect.length, ["x"]) }} = {{ dimension }}
{%- endif %}
{%- endmacro -%}
