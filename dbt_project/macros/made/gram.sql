{#- Made from sql/gram.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- The rows, on request those alone that are in `other` too, once for each row there. -#}
{%- macro part_gram_taking_part(dialect, other, query) -%}
FROM (
    {{ query | indent(4) }}
) AS r
{%- if other %}
JOIN (
    {{ sqlstab.part_ids(other, dialect, anchor=true, weight=true) | indent(4) }}
) AS other USING (id)
{%- endif %}
{%- endmacro -%}

{%- macro statement_gram(dialect, other, t, matrix, rows, dimension, columns, unit_rows) -%}
{%- set b = 4 -%}
{%- set halved = other is not none -%}
{%- set half = sqlstab.part_half_of(dialect, "r.id") if halved else "" -%}
{%- set weights = (["r.w"] if halved and t.weight else []) + (["other.w"] if halved and other.weight else []) -%}

-- Gram matrix of the {{ t.side }}{% if other %} that this run and the reference share, for each half of the ids{% endif %}:
-- the sum of x[i] * x[j] over the rows{{ ", each times its weight" if weights }}, for i <= j
{%- if dialect.gram == "blocks" %}. Row by row, in blocks of {{ b }} by {{ b }} that begin at (p, q).
{%- elif dialect.gram == "strips" %}. In strips of {{ b }} rows of the matrix, which begin at p.
{%- elif rows | length < dimension %}; i from {{ rows[0] }} to {{ rows[-1] }}, j from {{ columns[0] }} to {{ columns[-1] }}.
{%- else %}.
{%- endif %}
{% if dialect.gram == "pairs" -%}
{%- set query -%}
{{ sqlstab.part_sums_pairs(dialect, rows, columns, weight=(weights | join(" * ") ~ " * ") if weights else "", triangular=true, half=half) }}
{{ sqlstab.part_gram_taking_part(dialect, other, sqlstab.part_as_columns(t, dialect, dimension, matrix, unit_rows, anchor=halved, parts=[rows, columns])) }}
{%- if halved %}
GROUP BY {{ half }}
{%- endif %}
{%- endset -%}
{{ sqlstab.part_sums_entries(t, dialect, query, columns | length, rows[0], columns[0], rows | length * columns | length, condition="i <= j", halved=halved) }}
{%- else -%}
{%- set arrays -%}
SELECT
    {{ sqlstab.filled(dialect.as_doubles, ["r.x"]) if dialect.gram == "blocks" else "r.x" }} AS x
    {%- if weights %},
    {{ weights | join(" * ") }} AS w
    {%- endif %}
    {%- if halved %},
    {{ half }} AS half
    {%- endif %}
{{ sqlstab.part_gram_taking_part(dialect, other, sqlstab.part_transformed(t, dialect, dimension, matrix, unit_rows, halved)) }}
{%- endset -%}
{%- set p = sqlstab.filled(dialect.steps, [1, dimension, b, "p"]) -%}
{%- if dialect.gram == "blocks" -%}
{%- set steps = p ~ "\n" ~ sqlstab.filled(dialect.steps, ["p", dimension, b, "q"]) -%}
{%- set query = sqlstab.part_sums_blocks(dialect, arrays, b, steps, weighted=weights, halved=halved) -%}
{{ sqlstab.part_sums_entries(t, dialect, query, b, "p", "q", b * b, keys=["p", "q"], condition="i <= j AND j <= " ~ dimension, halved=halved) }}
{%- else -%}
{%- set query = sqlstab.part_sums_strips(dialect, arrays, b, p, weighted=weights, halved=halved) -%}
{{ sqlstab.part_sums_entries(t, dialect, query, "(" ~ (dimension + 1) ~ " - p)", "p", "p", keys=["p"], condition="i <= j", halved=halved) }}
{%- endif -%}
{%- endif %}
{%- endmacro -%}
