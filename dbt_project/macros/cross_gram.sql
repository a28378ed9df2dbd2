{#- The cross Gram matrix of two tables of vectors: see macros/_macros.yml. Thousands of sums are written only when they will be run, not
    while a project is parsed. -#}
{%- macro cross_gram(relation, reference, side, reference_filter=none) -%}
{%- if execute -%}
{%- set t = sqlstab.table(relation, side, sqlstab.settings(side)) -%}
{%- set other = sqlstab.table(reference, side, sqlstab.stable_settings(side), reference_filter) -%}
{{- sqlstab.one_statement(sqlstab.cross_gram_statements(t, other)) -}}
{%- endif -%}
{%- endmacro -%}

{#- As gram_statements. -#}
{%- macro cross_gram_statements(t, reference) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set statements = [] -%}
{%- for tile in sqlstab.tiles(sqlstab.dimension(), sqlstab.stable_dimension(), dialect.most_sums, false) -%}
{%- do statements.append(sqlstab.statement_cross_gram(
    dialect=dialect, t=t, reference=reference, rows=tile[0], columns=tile[1], dimension=sqlstab.dimension(),
    reference_dimension=sqlstab.stable_dimension(), matrix=none, normalize=false
)) -%}
{%- endfor -%}
{{ return(statements) }}
{%- endmacro -%}
