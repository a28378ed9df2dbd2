{#- Made from sql/product.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_product(dialect, t, anchor, held, matrix, normalize, dimension) -%}
{%- set others = sqlstab.part_carried(t, anchor and t.weight, false) -%}
-- The {{ t.side }}
{%- if held %} times a matrix that a table holds{% elif matrix %} times a matrix{% endif %}
{%- if normalize %}, made unit vectors{% endif %}
{%- if anchor %}; only those that may align{% endif %}.
{%- if dialect.style == "arrays" %}
{%- if held %}
{%- set query = sqlstab.part_multiplied(dialect, sqlstab.part_vectors(t, dialect, held.rows, anchor=anchor), sqlstab.part_matrix_columns(held, dialect), others) %}
{{ sqlstab.part_unit(dialect, query, dimension, others) if normalize else query }}
{%- else %}
{{ sqlstab.part_transformed(t, dialect, dimension, matrix, normalize, anchor) }}
{%- endif %}
{%- elif held %}
{{ sqlstab.part_all_joined(t, dialect, [held], anchor) }}
{%- else %}
{%- set parts %}
{%- for k in range(1, dimension + 1) %}x{{ k }}{{ ", " if not loop.last }}{% endfor %}
{%- endset %}
SELECT
    id,
    {{ sqlstab.filled(dialect.array, [parts]) }} AS x
    {{- others }}
FROM (
    {{ sqlstab.part_transformed(t, dialect, dimension, matrix, normalize, anchor) | indent(4) }}
) AS products
{%- endif %}
{%- endmacro -%}
