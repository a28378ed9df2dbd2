{#- Where the dimension is known, components are columns: ten times as fast as arrays. -#}
{% macro postgres__multiplied(rows, entries, columns, vector, dimension, others) -%}
{%- if not dimension -%}
{{ sqlstab.default__multiplied(rows, entries, columns, vector, dimension, others) }}
{%- else -%}
SELECT
    {%- for column in columns %}
    p.{{ column }} AS {{ column }},
    {%- endfor %}
    CASE
        WHEN p.fits
        THEN ARRAY[
            {%- for j in range(1, dimension + 1) %}
            {% for i in range(1, dimension + 1) %}p.x{{ i }} * p.m{{ j }}[{{ i }}]{{ " + " if not loop.last }}{% endfor %}{{ "," if not loop.last }}
            {%- endfor %}
        ]
        ELSE {{ sqlstab.refused('p.x') }}
    END AS {{ vector }}
    {%- for column in others %},
    p.{{ column }} AS {{ column }}
    {%- endfor %}
FROM (
    SELECT
        r.*,
        {%- for k in range(1, dimension + 1) %}
        r.x[{{ k }}] AS x{{ k }},
        m.m{{ k }} AS m{{ k }},
        {%- endfor %}
        {{ sqlstab.is_vector('r.x', 'm.height') }} AND m.height = {{ dimension }} AND m.width = {{ dimension }} AS fits
    FROM (
        {{ rows | indent(8) }}
        OFFSET 0
    ) AS r
    JOIN (
        SELECT
            c.run_key AS matrix_key,
            count(*) AS width,
            min(cardinality(c.x)) AS height
            {%- for k in range(1, dimension + 1) %},
            max(c.x) FILTER (WHERE c.j = {{ k }}) AS m{{ k }}
            {%- endfor %}
        FROM (
            {{ sqlstab.matrix_columns(entries) | indent(12) }}
        ) AS c
        GROUP BY c.run_key
    ) AS m ON m.matrix_key = r.run_key
    OFFSET 0
) AS p
{%- endif -%}
{%- endmacro %}

{% macro postgres__collected(value, place) -%}
array_agg({{ value }} ORDER BY {{ place }})
{%- endmacro %}

{% macro postgres__times(x, matrix) -%}
(
            SELECT array_agg(s.value ORDER BY s.j)
            FROM (
                SELECT
                    (u.place - 1) / cardinality({{ x }}) AS j,
                    sum({{ x }}[CAST((u.place - 1) % cardinality({{ x }}) + 1 AS integer)] * u.value) AS value
                FROM unnest({{ matrix }}) WITH ORDINALITY AS u(value, place)
                GROUP BY (u.place - 1) / cardinality({{ x }})
            ) AS s
        )
{%- endmacro %}

{% macro postgres__height(matrix) -%}
array_length({{ matrix }}, 2)
{%- endmacro %}

{% macro postgres__dot(x, y) -%}
(SELECT sum(u.v * u.w) FROM unnest({{ x }}, {{ y }}) AS u(v, w))
{%- endmacro %}

{% macro postgres__doubles(x) -%}
CAST({{ x }} AS double precision[])
{%- endmacro %}

{% macro postgres__is_vector(x, dimension) -%}
coalesce(cardinality({{ x }}) = {{ dimension }} AND array_position({{ x }}, NULL) IS NULL AND NOT ({{ x }} && CAST('{NaN,Infinity,-Infinity}' AS double precision[])), false)
{%- endmacro %}

{% macro postgres__refused(x) -%}
ARRAY[{{ sqlstab.failed("'sqlstab: a vector does not fit the map of its run: ' || coalesce(CAST(" ~ x ~ " AS varchar), 'NULL')") }}]
{%- endmacro %}

{#- No expression raises an error of its own, but this one repeats the text. -#}
{% macro postgres__failed(text) -%}
CAST({{ text }} AS double precision)
{%- endmacro %}

{% macro postgres__most_sums() -%}
{{ return(1024) }}
{%- endmacro %}

{#- Else the planner computes a column anew wherever it is read. -#}
{% macro postgres__fence() -%}
OFFSET 0
{%- endmacro %}

{#- To compile thousands of expressions takes longer than to run them. -#}
{% macro postgres__begin_maps() -%}
{%- do run_query("SET jit = off") -%}
{%- endmacro %}
