{#- Tiles [rows, columns] of a matrix: all of it, or squares of about one size, as `tiles` in `sqlstab/statements/build.py`. -#}
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
