{% macro duckdb__collected(value, place) -%}
list({{ value }} ORDER BY {{ place }})
{%- endmacro %}

{% macro duckdb__times(x, matrix) -%}
list_transform({{ matrix }}, lambda c: list_dot_product(c, {{ x }}))
{%- endmacro %}

{% macro duckdb__height(matrix) -%}
len({{ matrix }}[1])
{%- endmacro %}

{% macro duckdb__dot(x, y) -%}
list_dot_product({{ x }}, {{ y }})
{%- endmacro %}

{% macro duckdb__doubles(x) -%}
CAST({{ x }} AS DOUBLE[])
{%- endmacro %}

{% macro duckdb__is_vector(x, dimension) -%}
coalesce(len({{ x }}) = {{ dimension }} AND list_count({{ x }}) = {{ dimension }} AND isfinite(list_max({{ x }})) AND isfinite(list_min({{ x }})), false)
{%- endmacro %}

{% macro duckdb__refused(x) -%}
{{ sqlstab.failed("'sqlstab: a vector does not fit the map of its run: ' || coalesce(CAST(" ~ x ~ " AS varchar), 'NULL')") }}
{%- endmacro %}

{% macro duckdb__failed(text) -%}
error({{ text }})
{%- endmacro %}

{% macro duckdb__most_sums() -%}
{{ return(4096) }}
{%- endmacro %}

{% macro duckdb__fence() -%}
{%- endmacro %}

{% macro duckdb__begin_maps() -%}
{%- endmacro %}
