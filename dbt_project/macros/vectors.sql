{#- Vectors are arrays of doubles here, and a matrix is an array of its columns. What an engine calls these things is
    in adapters/. -#}

{#- A relation that can be given a name: with --empty, and in a test with `where`, it has one. -#}
{% macro rows_of(relation) -%}
(SELECT * FROM {{ relation }})
{%- endmacro %}

{#- Rows (columns, vector, others): each x of rows (run_key, columns, x, others) times the matrix of its run. A run
    without a matrix has no rows; a vector that does not fit its matrix is an error.
      rows       a query
      entries    a query of the matrices: rows (run_key, i, j, value)
      dimension  components of a vector, where the engine is faster by it -#}
{% macro multiplied(rows, entries, columns, vector, dimension=none, others=[]) -%}
{{ adapter.dispatch('multiplied', 'sqlstab')(rows, entries, columns, vector, dimension, others) }}
{%- endmacro %}

{% macro default__multiplied(rows, entries, columns, vector, dimension, others) -%}
SELECT
    {%- for column in columns %}
    p.{{ column }} AS {{ column }},
    {%- endfor %}
    CASE
        WHEN {{ sqlstab.is_vector('p.x', sqlstab.height('p.matrix')) }}
        THEN {{ sqlstab.times('p.x', 'p.matrix') }}
        ELSE {{ sqlstab.refused('p.x') }}
    END AS {{ vector }}
    {%- for column in others %},
    p.{{ column }} AS {{ column }}
    {%- endfor %}
FROM (
    SELECT
        r.*,
        m.matrix AS matrix
    FROM (
        {{ rows | indent(8) }}
    ) AS r
    JOIN (
        {{ sqlstab.matrices(entries) | indent(8) }}
    ) AS m ON m.matrix_key = r.run_key
) AS p
{%- endmacro %}

{#- Rows (matrix_key, matrix). -#}
{% macro matrices(entries) -%}
SELECT
    c.run_key AS matrix_key,
    {{ sqlstab.collected('c.x', 'c.j') }} AS matrix
FROM (
    {{ sqlstab.matrix_columns(entries) | indent(4) }}
) AS c
GROUP BY c.run_key
{%- endmacro %}

{#- Rows (run_key, j, x). -#}
{% macro matrix_columns(entries) -%}
SELECT
    e.run_key AS run_key,
    e.j AS j,
    {{ sqlstab.collected('e.value', 'e.i') }} AS x
FROM (
    {{ entries | indent(4) }}
) AS e
GROUP BY e.run_key, e.j
{%- endmacro %}

{#- Values as an array, in an order. -#}
{% macro collected(value, place) -%}
{{ adapter.dispatch('collected', 'sqlstab')(value, place) }}
{%- endmacro %}

{#- A vector times a matrix. -#}
{% macro times(x, matrix) -%}
{{ adapter.dispatch('times', 'sqlstab')(x, matrix) }}
{%- endmacro %}

{#- Rows of a matrix. -#}
{% macro height(matrix) -%}
{{ adapter.dispatch('height', 'sqlstab')(matrix) }}
{%- endmacro %}

{#- The dot product of two vectors. -#}
{% macro dot(x, y) -%}
{{ adapter.dispatch('dot', 'sqlstab')(x, y) }}
{%- endmacro %}

{% macro default__dot(x, y) -%}
{{ exceptions.raise_compiler_error("sqlstab: this is for DuckDB and Postgres, not for " ~ target.type ~ ".") }}
{%- endmacro %}

{#- A vector as an array of doubles. -#}
{% macro doubles(x) -%}
{{ adapter.dispatch('doubles', 'sqlstab')(x) }}
{%- endmacro %}

{#- Whether x has so many components, all of them finite numbers. -#}
{% macro is_vector(x, dimension) -%}
{{ adapter.dispatch('is_vector', 'sqlstab')(x, dimension) }}
{%- endmacro %}

{% macro default__is_vector(x, dimension) -%}
{{ exceptions.raise_compiler_error("sqlstab: this is for DuckDB and Postgres, not for " ~ target.type ~ ".") }}
{%- endmacro %}

{#- An error in place of a vector times its matrix. -#}
{% macro refused(x) -%}
{{ adapter.dispatch('refused', 'sqlstab')(x) }}
{%- endmacro %}
