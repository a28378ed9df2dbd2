{#- Made from sql/product.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_product(dialect, t, anchor, held, matrix, unit_rows, dimension) -%}
{%- set others = sqlstab.part_carried(t, anchor and t.weight, false) -%}
-- The {{ t.side }}
{%- if held %} times a matrix that a table holds{% elif matrix %} times a matrix{% endif %}
{%- if unit_rows %}, made unit vectors{% endif %}
{%- if anchor %}; only those that may align{% endif %}.
{%- if held and dialect.style == "arrays" %}
{%- set query = sqlstab.part_multiplied(dialect, sqlstab.part_vectors(t, dialect, held.rows, anchor=anchor), sqlstab.part_matrix_columns(held, dialect), others) %}
{{ sqlstab.part_unit(dialect, query, dimension, others) if unit_rows else query }}
{%- elif held %}
{{ sqlstab.part_all_joined(t, dialect, [held], anchor) }}
{%- else %}
{{ sqlstab.part_packed(dialect, sqlstab.part_transformed(t, dialect, dimension, matrix, unit_rows, anchor), dimension, others) }}
{%- endif %}
{%- endmacro -%}
