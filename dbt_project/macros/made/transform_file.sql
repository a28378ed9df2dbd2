{#- Made from sql/transform_file.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_transform_file(dialect, maps, reference, dimension, stable_dimension, figures, solution) -%}
-- What transform.json holds: both maps as balanced coordinates times Omega.
SELECT
    1 AS format,
    run_id,
    {% if reference %}(SELECT run_id FROM {{ reference }} AS t){% else %}NULL{% endif %} AS reference,
    {{ dimension }} AS raw_dimension,
    {{ stable_dimension }} AS stable_dimension,
    len(singular_values) AS rank,
    singular_values,
    omega,
    {%- for side in ["users", "items"] %}
    {
        'invertible': len(singular_values) = (SELECT value FROM {{ figures }} WHERE name = '{{ side }}_rank'),
        'balanced': list_transform({{ side }}, lambda m: list_transform(omega, lambda w: list_dot_product(m, w)))
    } AS {{ side }}{{ "," if not loop.last }}
    {%- endfor %}
FROM (
    SELECT
        (SELECT any_value(run_id) FROM {{ maps }}) AS run_id,
        (SELECT list(value ORDER BY i) FROM {{ solution }} WHERE name = 'singular_values' AND value > 0) AS singular_values,
        {%- for name in ["users", "items"] %}
        (
            SELECT list(x ORDER BY i)
            FROM (SELECT i, list(value ORDER BY j) AS x FROM {{ solution }} WHERE name = '{{ name }}' GROUP BY i) AS rows
        ) AS {{ name }},
        {%- endfor %}
        {%- if reference %}
        (
            SELECT list(x ORDER BY i)
            FROM (SELECT i, list(value ORDER BY j) AS x FROM {{ solution }} WHERE name = 'omega' GROUP BY i) AS rows
        ) AS omega
        {%- else %}
        (
            SELECT list(x ORDER BY i)
            FROM (
                SELECT a.i, list(CASE WHEN a.i = b.i THEN 1E0 ELSE 0E0 END ORDER BY b.i) AS x
                FROM {{ solution }} AS a
                JOIN {{ solution }} AS b ON b.name = a.name
                WHERE a.name = 'singular_values' AND a.value > 0
                GROUP BY a.i
            ) AS rows
        ) AS omega
        {%- endif %}
) AS parts
{%- endmacro -%}
