{#- What a solver needs of an engine. -#}

{#- Rows (name, i, j, value): M_T and M_W from sqlstab_grams. -#}
{% macro solve(dimension) -%}
{{ adapter.dispatch('solve', 'sqlstab')(dimension) }}
{%- endmacro %}

{% macro default__solve(dimension) -%}
{{ exceptions.raise_compiler_error(
    "sqlstab.fit_maps solves on DuckDB and Postgres. On " ~ target.type ~ " run `sqlstab run --maps-only` before dbt, and "
    ~ "declare the table of maps as a source.") }}
{%- endmacro %}

{#- Rows (k, j, value): the orthogonal polar factor of sqlstab_cross. -#}
{% macro polar(dimension) -%}
{{ adapter.dispatch('polar', 'sqlstab')(dimension) }}
{%- endmacro %}

{#- Rows (side, i, r, p): the Cholesky factors of sqlstab_matrices, rows (side, i, x), and their inverses. -#}
{% macro cholesky(dimension) -%}
{{ adapter.dispatch('cholesky', 'sqlstab')(dimension) }}
{%- endmacro %}

{% macro default__cholesky(dimension) -%}
{{ exceptions.raise_compiler_error(
    "sqlstab.features is for DuckDB and Postgres. On " ~ target.type ~ " run `sqlstab features --out` before dbt, and "
    ~ "declare its table as a source.") }}
{%- endmacro %}

{#- An error with this text, in place of a number. -#}
{% macro failed(text) -%}
{{ adapter.dispatch('failed', 'sqlstab')(text) }}
{%- endmacro %}

{#- The numbers k from 0 to n - 1. -#}
{% macro numbers(n) -%}
(SELECT g.k AS k FROM generate_series(0, {{ n - 1 }}) AS g(k))
{%- endmacro %}

{#- So many sums of one statement are fast to plan. -#}
{% macro most_sums() -%}
{{ return(adapter.dispatch('most_sums', 'sqlstab')()) }}
{%- endmacro %}

{#- What ends a subquery whose columns are to be computed once. -#}
{% macro fence() -%}
{{ adapter.dispatch('fence', 'sqlstab')() }}
{%- endmacro %}

{#- Settings of a session. -#}
{% macro begin_maps() -%}
{{ return(adapter.dispatch('begin_maps', 'sqlstab')()) }}
{%- endmacro %}
