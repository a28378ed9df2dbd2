{#- Made from sql/example.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_example(dialect, t, problem, dimension) -%}
-- An id of the {{ t.side }}{% if problem %} with this problem: {{ problem | replace("_", " ") }}{% endif %}.
SELECT min({{ sqlstab.filled(dialect.as_text, ["id"]) }}) AS example
FROM (
    {%- if problem == "duplicate_ids" %}
    {{ sqlstab.part_duplicate_ids(t, dialect) | indent(4) }}
    {%- elif problem in ("null_vectors", "wrong_length") %}
    {{ sqlstab.part_lengths(t, dialect) | indent(4) }}
    {%- elif problem not in ("null_components", "non_finite", "zeros") %}
    {{ sqlstab.part_ids(t, dialect, weight=true) | indent(4) }}
    {%- elif dialect.style == "arrays" %}
    {{ sqlstab.part_arrays(t, dialect, t.element) | indent(4) }}
    {%- else %}
    {{ sqlstab.part_components(t, dialect, dimension, complete_only=true) | indent(4) }}
    {%- endif %}
) AS r
{%- if problem == "null_vectors" %}
WHERE n IS NULL
{%- elif problem == "wrong_length" %}
WHERE n <> {{ dimension }}
{%- elif problem == "null_components" %}
WHERE {{ sqlstab.part_has_null(dialect, "x", dimension) }}
{%- elif problem == "non_finite" %}
WHERE NOT ({{ sqlstab.part_finite(t, dialect, "x", dimension) }})
{%- elif problem == "zeros" %}
WHERE {{ sqlstab.part_is_zero(dialect, "x", dimension) }}
{%- elif problem == "bad_weights" %}
WHERE w IS NULL OR w < 0 OR w - w <> 0
{%- endif %}
{%- endmacro -%}
