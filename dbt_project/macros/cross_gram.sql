{#- The cross Gram matrix of two tables of vectors: see macros/_macros.yml. Thousands of sums are written only when they will be run, not
    while a project is parsed. -#}
{%- macro cross_gram(relation, reference, side, reference_filter=none) -%}
{%- if execute -%}
{%- set t = sqlstab.table(relation, side, sqlstab.settings(side)) -%}
{%- set other = sqlstab.table(reference, side, sqlstab.stable_settings(side), reference_filter) -%}
{{- sqlstab.one_statement(adapter.dispatch("cross_gram_statements", "sqlstab")(t, other)) -}}
{%- endif -%}
{%- endmacro -%}

{#- One sum for each pair of components, as in default__gram_statements. -#}
{%- macro default__cross_gram_statements(t, reference) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set statements = [] -%}
{%- for tile in sqlstab.tiles(sqlstab.dimension(), sqlstab.stable_dimension(), dialect.most_sums, false) -%}
{%- do statements.append(sqlstab.statement_cross_gram(
    dialect=dialect, t=t, reference=reference, first=tile[0], last=tile[1], dimension=sqlstab.dimension(),
    reference_dimension=sqlstab.stable_dimension(), matrix=none, normalize=false
)) -%}
{%- endfor -%}
{{ return(statements) }}
{%- endmacro -%}

{#- By blocks, for the reason of spark__gram_statements. -#}
{%- macro spark__cross_gram_statements(t, reference) -%}
{{ return([sqlstab.statement_cross_gram_blocks(
    dialect=sqlstab.dialect(), t=t, reference=reference, dimension=sqlstab.dimension(),
    reference_dimension=sqlstab.stable_dimension(), matrix=none, normalize=false
)]) }}
{%- endmacro -%}

{%- macro databricks__cross_gram_statements(t, reference) -%}
{{ return(sqlstab.spark__cross_gram_statements(t, reference)) }}
{%- endmacro -%}

{#- By blocks, for the reason of trino__gram_statements. -#}
{%- macro trino__cross_gram_statements(t, reference) -%}
{{ return(sqlstab.spark__cross_gram_statements(t, reference)) }}
{%- endmacro -%}
