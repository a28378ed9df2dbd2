{#- Made from sql/product.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_product(dialect, t, anchor, m) -%}
-- The {{ t.side }} times a matrix that a table holds{{ "; only those that may align" if anchor }}.
{%- if dialect.style == "arrays" %}
{{ sqlstab.part_multiplied(dialect, sqlstab.part_vectors(t, dialect, m.rows, anchor=anchor), sqlstab.part_matrix_columns(m, dialect), sqlstab.part_carried(t, anchor and t.weight, false)) }}
{%- else %}
{{ sqlstab.part_all_joined(t, dialect, [m], anchor) }}
{%- endif %}
{%- endmacro -%}
