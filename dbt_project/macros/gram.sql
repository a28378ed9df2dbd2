{#- The Gram matrix of a table of vectors: see macros/_macros.yml. Thousands of sums are written only when they will be run, not
    while a project is parsed. -#}
{%- macro gram(relation, side, filter=none) -%}
{%- if execute -%}
{%- set t = sqlstab.table(relation, side, sqlstab.settings(side), filter) -%}
{{- sqlstab.one_statement(sqlstab.gram_statements(t, sqlstab.dimension())) -}}
{%- endif -%}
{%- endmacro -%}

{#- A statement for each tile of the matrix that the engine compiles well; how it sums is the dialect's. -#}
{%- macro gram_statements(t, dimension) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set statements = [] -%}
{%- for tile in sqlstab.tiles(dimension, dimension, dialect.most_sums, true) -%}
{%- do statements.append(sqlstab.statement_gram(
    dialect=dialect, t=t, other=none, rows=tile[0], columns=tile[1], dimension=dimension,
    weighted=false, matrix=none, normalize=false
)) -%}
{%- endfor -%}
{{ return(statements) }}
{%- endmacro -%}

{#- Tiles [rows, columns] of a matrix: all of it, or squares of about one size, as `tiles` in `sqlstab/sql.py`. -#}
{%- macro tiles(rows, columns, most_sums, triangular) -%}
{%- set entries = rows * (rows + 1) // 2 if triangular else rows * columns -%}
{%- if most_sums is none or entries <= most_sums -%}
{{ return([[range(1, rows + 1), range(1, columns + 1)]]) }}
{%- endif -%}
{%- set tiles = [] -%}
{%- for across in sqlstab.cut(rows, most_sums) -%}
{%- for down in sqlstab.cut(columns, most_sums) if not triangular or down[0] >= across[0] -%}
{%- do tiles.append([across, down]) -%}
{%- endfor -%}
{%- endfor -%}
{{ return(tiles) }}
{%- endmacro -%}

{#- The numbers from 1 to `size` in parts of about one length, none longer than the side of such a square. -#}
{%- macro cut(size, most_sums) -%}
{%- set side = most_sums ** 0.5 -%}
{%- set count = (size / (side | int)) | round(0, "ceil") | int -%}
{%- set parts = [] -%}
{%- for k in range(count) -%}
{%- do parts.append(range(1 + size * k // count, 1 + size * (k + 1) // count)) -%}
{%- endfor -%}
{{ return(parts) }}
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
