{#- Made from sql/gram.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- The rows, on request those alone that are in `other` too, and with its weights. -#}
{%- macro part_gram_taking_part(dialect, other, weighted, query) -%}
FROM (
    {{ query | indent(4) }}
) AS r
{%- if other %}
JOIN (
    {{ sqlstab.part_ids(other, dialect, anchor=true, weight=weighted) | indent(4) }}
) AS other USING (id)
{%- endif %}
{%- endmacro -%}

{%- macro statement_gram(dialect, matrix, t, other, rows, dimension, columns, weighted, normalize) -%}
{%- set b = 4 -%}

-- Gram matrix of the {{ t.side }}{% if other %} that this run and the reference share{% endif %}:
-- the sum of x[i] * x[j] over the rows, for i <= j
{%- if dialect.gram == "blocks" %}. Row by row, in blocks of {{ b }} by {{ b }} that begin at (p, q).
{%- elif dialect.gram == "strips" %}. In strips of {{ b }} rows of the matrix, which begin at p.
{%- elif rows | length < dimension %}; i from {{ rows[0] }} to {{ rows[-1] }}, j from {{ columns[0] }} to {{ columns[-1] }}.
{%- else %}.
{%- endif %}
{% if dialect.gram == "pairs" -%}
{%- set query -%}
{{ sqlstab.part_sums_pairs(dialect, rows, columns, weight="w * " if weighted else "", triangular=true) }}
{{ sqlstab.part_gram_taking_part(dialect, other, weighted, sqlstab.part_as_columns(t, dialect, dimension, matrix, normalize, anchor=other is not none, parts=[rows, columns])) }}
{%- endset -%}
{{ sqlstab.part_sums_entries(t, dialect, query, columns | length, rows[0], columns[0], rows | length * columns | length, condition="i <= j") }}
{%- else -%}
{%- set arrays -%}
SELECT
    {{ sqlstab.filled(dialect.as_doubles, ["r.x"]) if dialect.gram == "blocks" else "r.x" }} AS x
    {%- if weighted %},
    w
    {%- endif %}
{{ sqlstab.part_gram_taking_part(dialect, other, weighted, sqlstab.part_transformed(t, dialect, dimension, matrix, normalize, other is not none)) }}
{%- endset -%}
{%- set p = sqlstab.filled(dialect.steps, [1, dimension, b, "p"]) -%}
{%- if dialect.gram == "blocks" -%}
{%- set steps = p ~ "\n" ~ sqlstab.filled(dialect.steps, ["p", dimension, b, "q"]) -%}
{%- set query = sqlstab.part_sums_blocks(dialect, arrays, b, steps, weighted=weighted) -%}
{{ sqlstab.part_sums_entries(t, dialect, query, b, "p", "q", b * b, keys=["p", "q"], condition="i <= j AND j <= " ~ dimension) }}
{%- else -%}
{%- set query = sqlstab.part_sums_strips(dialect, arrays, b, p, weighted=weighted) -%}
{{ sqlstab.part_sums_entries(t, dialect, query, "(" ~ (dimension + 1) ~ " - p)", "p", "p", keys=["p"], condition="i <= j") }}
{%- endif -%}
{%- endif %}
{%- endmacro -%}
