{#- Engines that multiply arrays by lambdas. -#}

{% macro spark__collected(value, place) -%}
transform(array_sort(collect_list(struct({{ place }} AS d, {{ value }} AS v))), s -> s.v)
{%- endmacro %}

{% macro spark__times(x, matrix) -%}
transform({{ matrix }}, c -> aggregate(zip_with(c, {{ x }}, (a, b) -> a * b), 0E0, (s, v) -> s + v))
{%- endmacro %}

{% macro spark__height(matrix) -%}
size({{ matrix }}[0])
{%- endmacro %}

{% macro spark__doubles(x) -%}
CAST({{ x }} AS array<double>)
{%- endmacro %}

{% macro spark__is_vector(x, dimension) -%}
coalesce(size({{ x }}) = {{ dimension }} AND forall({{ x }}, v -> coalesce(v - v = 0, false)), false)
{%- endmacro %}

{% macro spark__refused(x) -%}
raise_error(concat('sqlstab: a vector does not fit the map of its run: ', coalesce(CAST({{ x }} AS string), 'NULL')))
{%- endmacro %}

{% macro trino__collected(value, place) -%}
array_agg({{ value }} ORDER BY {{ place }})
{%- endmacro %}

{% macro trino__times(x, matrix) -%}
transform({{ matrix }}, c -> reduce(zip_with(c, {{ x }}, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s))
{%- endmacro %}

{% macro trino__height(matrix) -%}
cardinality({{ matrix }}[1])
{%- endmacro %}

{% macro trino__doubles(x) -%}
CAST({{ x }} AS array(double))
{%- endmacro %}

{% macro trino__is_vector(x, dimension) -%}
coalesce(cardinality({{ x }}) = {{ dimension }} AND all_match({{ x }}, v -> coalesce(is_finite(v), false)), false)
{%- endmacro %}

{% macro trino__refused(x) -%}
CAST(fail('sqlstab: a vector does not fit the map of its run: ' || coalesce(json_format(CAST({{ x }} AS json)), 'NULL')) AS array(double))
{%- endmacro %}

{% macro clickhouse__collected(value, place) -%}
arrayMap(p -> p.2, arraySort(p -> p.1, groupArray(({{ place }}, {{ value }}))))
{%- endmacro %}

{% macro clickhouse__times(x, matrix) -%}
arrayMap(c -> arrayDotProduct({{ x }}, c), {{ matrix }})
{%- endmacro %}

{% macro clickhouse__height(matrix) -%}
length({{ matrix }}[1])
{%- endmacro %}

{% macro clickhouse__doubles(x) -%}
arrayMap(v -> toFloat64(v), {{ x }})
{%- endmacro %}

{#- It may compute all branches of a CASE, so that the error is in the condition. -#}
{% macro clickhouse__is_vector(x, dimension) -%}
throwIf(length({{ x }}) <> {{ dimension }} OR NOT arrayAll(v -> isFinite(v), {{ x }}), 'sqlstab: a vector does not fit the map of its run') = 0
{%- endmacro %}

{% macro clickhouse__refused(x) -%}
{{ x }}
{%- endmacro %}
