{#- Engines that have no lambdas: a row for each component is joined with the map and summed. -#}

{% macro bigquery__multiplied(rows, entries, columns, vector, dimension, others) -%}
{{ sqlstab.joined(rows, entries, columns, vector, others, {
    'size': 'ARRAY_LENGTH(r.x)',
    'each': 'CROSS JOIN UNNEST(r.x) AS v WITH OFFSET AS k', 'place': 'k', 'value': 'v',
    'gathered': 'ARRAY_AGG(s.value ORDER BY s.j)',
    'refused': "ERROR(CONCAT('sqlstab: a vector does not fit the map of its run; its components: ', CAST(p.n AS STRING)))"
}) }}
{%- endmacro %}

{% macro bigquery__doubles(x) -%}
{{ x }}
{%- endmacro %}

{% macro snowflake__multiplied(rows, entries, columns, vector, dimension, others) -%}
{{ sqlstab.joined(rows, entries, columns, vector, others, {
    'size': 'ARRAY_SIZE(r.x)',
    'each': 'CROSS JOIN LATERAL FLATTEN(input => r.x) AS u', 'place': 'u.index', 'value': 'CAST(u.value AS FLOAT)',
    'gathered': 'ARRAY_AGG(s.value) WITHIN GROUP (ORDER BY s.j)',
    'refused': "CAST('sqlstab: a vector does not fit the map of its run; its components: ' || p.n AS FLOAT)"
}) }}
{%- endmacro %}

{% macro snowflake__doubles(x) -%}
CAST({{ x }} AS ARRAY)
{%- endmacro %}

{% macro redshift__multiplied(rows, entries, columns, vector, dimension, others) -%}
{{ sqlstab.joined(rows, entries, columns, vector, others, {
    'size': 'GET_ARRAY_LENGTH(r.x)',
    'each': 'CROSS JOIN r.x AS v AT k', 'place': 'k', 'value': 'CAST(v AS DOUBLE PRECISION)',
    'gathered': "JSON_PARSE('[' || LISTAGG(s.value, ',') WITHIN GROUP (ORDER BY s.j) || ']')",
    'refused': "CAST('sqlstab: a vector does not fit the map of its run; its components: ' || p.n AS DOUBLE PRECISION)"
}) }}
{%- endmacro %}

{% macro redshift__doubles(x) -%}
{{ x }}
{%- endmacro %}

{#- Or dbt would take that of Postgres. -#}
{% macro redshift__solve(dimension) -%}
{{ sqlstab.default__solve(dimension) }}
{%- endmacro %}

{% macro redshift__cholesky(dimension) -%}
{{ sqlstab.default__cholesky(dimension) }}
{%- endmacro %}

{#- As `multiplied`. Of a vector that is longer or shorter than its map, or has a component that is no finite number,
    all is refused. -#}
{% macro joined(rows, entries, columns, vector, others, engine) -%}
SELECT
    {%- for column in columns %}
    s.{{ column }} AS {{ column }},
    {%- endfor %}
    {{ engine.gathered }} AS {{ vector }}
    {%- for column in others %},
    s.{{ column }} AS {{ column }}
    {%- endfor %}
FROM (
    SELECT
        {%- for column in columns + others %}
        p.{{ column }} AS {{ column }},
        {%- endfor %}
        m.j AS j,
        SUM(CASE WHEN p.n = m.height AND p.value - p.value = 0 THEN p.value * m.value ELSE {{ engine.refused }} END) AS value
    FROM (
        SELECT
            {%- for column in columns + others %}
            r.{{ column }} AS {{ column }},
            {%- endfor %}
            r.run_key AS run_key,
            {{ engine.size }} AS n,
            {{ engine.place }} + 1 AS i,
            {{ engine.value }} AS value
        FROM (
            {{ rows | indent(12) }}
        ) AS r
        {{ engine.each }}
    ) AS p
    JOIN (
        SELECT
            e.run_key AS run_key,
            e.i AS i,
            e.j AS j,
            e.value AS value,
            MAX(e.i) OVER (PARTITION BY e.run_key) AS height
        FROM (
            {{ entries | indent(12) }}
        ) AS e
    ) AS m ON m.run_key = p.run_key AND m.i = p.i
    GROUP BY
        {%- for column in columns + others %}
        p.{{ column }},
        {%- endfor %}
        m.j
) AS s
GROUP BY
    {%- for column in columns + others %}
    s.{{ column }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}
