{#- The Gram matrix of a table of vectors: see macros/_macros.yml. Thousands of sums are written only when they will be run, not
    while a project is parsed. -#}
{%- macro gram(relation, side, filter=none) -%}
{%- if execute -%}
{%- set t = sqlstab.table(relation, side, sqlstab.settings(side), filter) -%}
{{- sqlstab.one_statement(adapter.dispatch("gram_statements", "sqlstab")(t, sqlstab.dimension())) -}}
{%- endif -%}
{%- endmacro -%}

{#- One sum for each pair of components, a scan for so many of them as the engine compiles well. -#}
{%- macro default__gram_statements(t, dimension) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set statements = [] -%}
{%- for tile in sqlstab.tiles(dimension, dimension, dialect.most_sums, true) -%}
{%- do statements.append(sqlstab.statement_gram(
    dialect=dialect, t=t, other=none, first=tile[0], last=tile[1], dimension=dimension,
    weighted=false, matrix=none, normalize=false
)) -%}
{%- endfor -%}
{{ return(statements) }}
{%- endmacro -%}

{#- By blocks: code generation gives up on thousands of sums in one statement, which then takes minutes. -#}
{%- macro spark__gram_statements(t, dimension) -%}
{{ return([sqlstab.statement_gram_blocks(
    dialect=sqlstab.dialect(), t=t, other=none, dimension=dimension, weighted=false, matrix=none, normalize=false
)]) }}
{%- endmacro -%}

{#- Databricks is Spark. -#}
{%- macro databricks__gram_statements(t, dimension) -%}
{{ return(sqlstab.spark__gram_statements(t, dimension)) }}
{%- endmacro -%}

{#- By blocks: thousands of sums are longer than the million characters that a statement may have. -#}
{%- macro trino__gram_statements(t, dimension) -%}
{{ return(sqlstab.spark__gram_statements(t, dimension)) }}
{%- endmacro -%}

{#- Ranges of rows with at most so many entries each, as `tiles` in `sqlstab/sql.py`. -#}
{%- macro tiles(rows, columns, most_sums, triangular) -%}
{%- set ranges = [] -%}
{%- set tile = namespace(first=1, entries=0) -%}
{%- for row in range(1, rows + 1) -%}
{%- set more = columns - row + 1 if triangular else columns -%}
{%- if tile.entries + more > most_sums and row > tile.first -%}
{%- do ranges.append([tile.first, row - 1]) -%}
{%- set tile.first = row -%}
{%- set tile.entries = 0 -%}
{%- endif -%}
{%- set tile.entries = tile.entries + more -%}
{%- endfor -%}
{%- do ranges.append([tile.first, rows]) -%}
{{ return(ranges) }}
{%- endmacro -%}

{#- Statements of sums as one. -#}
{%- macro one_statement(statements) -%}
{%- set longest = sqlstab.dialect().longest_statement -%}
{%- set text = statements[0] if statements | length == 1 else sqlstab.statement_union(statements=statements) -%}
{%- if longest and text | length > longest -%}
{{ sqlstab.refuse(
    "the sums of " ~ sqlstab.dimension() ~ " dimensions are a statement of " ~ text | length ~ " bytes, but "
    ~ target.type ~ " takes " ~ longest ~ ": use `sqlstab run`, which sends several."
) }}
{%- endif -%}
{{ text }}
{%- endmacro -%}
