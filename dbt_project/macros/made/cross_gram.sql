{#- Made from sql/cross_gram.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- The run's rows and the reference's. -#}
{%- macro part_cross_gram_joined(run, reference) -%}
FROM (
    {{ run | indent(4) }}
) AS run
JOIN (
    {{ reference | indent(4) }}
) AS reference USING (id)
{%- endmacro -%}

{%- macro statement_cross_gram(dialect, t, reference, rows, reference_dimension, dimension, matrix, columns, unit_rows, own_rows, reference_matrix, own_columns) -%}
{%- set b = 4 -%}
{%- set half = sqlstab.part_half_of(dialect, "run.id") -%}
{%- set weights = (["run.w"] if t.weight else []) + (["reference.w"] if reference.weight else []) -%}
{#- Both rows end with a 1: so the last row and column are the sums of y and of x, and their corner that of weights. -#}
{%- set width, height = reference_dimension + 1, dimension + 1 -%}

-- Cross Gram matrix of the {{ t.side }}, for each half of the ids: the sum of x[i] * y[j] over the ids that this run (x)
-- and the reference (y) share{{ ", each times its weight" if weights }}, for all i and j; both vectors end with a 1
{%- if dialect.gram == "blocks" %}. Row by row, in blocks of {{ b }} by {{ b }} that begin at (p, q).
{%- elif dialect.gram == "strips" %}. In strips of {{ b }} rows of the matrix, which begin at p.
{%- elif rows | length < height or columns | length < width %};
-- i from {{ rows[0] }} to {{ rows[-1] }}, j from {{ columns[0] }} to {{ columns[-1] }}.
{%- else %}.
{%- endif %}
{% if dialect.gram == "pairs" -%}
{%- set query -%}
{{ sqlstab.part_sums_pairs(dialect, rows, columns, "run.x", "reference.x", (weights | join(" * ") ~ " * ") if weights else "", half=half) }}
{{ sqlstab.part_cross_gram_joined(
    sqlstab.part_as_columns(t, dialect, dimension, matrix, unit_rows, anchor=true, parts=[own_rows], constant=true),
    sqlstab.part_as_columns(reference, dialect, reference_dimension, reference_matrix, unit_rows, anchor=true, parts=[own_columns], constant=true)
) }}
GROUP BY {{ half }}
{%- endset -%}
{{ sqlstab.part_sums_entries(t, dialect, query, columns | length, rows[0], columns[0], rows | length * columns | length, halved=true) }}
{%- else -%}
{%- set cast = dialect.as_doubles if dialect.gram == "blocks" else "{0}" -%}
{%- set arrays -%}
SELECT
    {{ sqlstab.filled(cast, ["run.x"]) }} AS x,
    {{ sqlstab.filled(cast, ["reference.x"]) }} AS y,
    {{ half }} AS half
    {%- if weights %},
    {{ weights | join(" * ") }} AS w
    {%- endif %}
{{ sqlstab.part_cross_gram_joined(
    sqlstab.part_transformed(t, dialect, dimension, matrix, unit_rows, true, constant=true),
    sqlstab.part_transformed(reference, dialect, reference_dimension, reference_matrix, unit_rows, true, constant=true)
) }}
{%- endset -%}
{%- set p = sqlstab.filled(dialect.steps, [1, height, b, "p"]) -%}
{%- if dialect.gram == "blocks" -%}
{%- set steps = p ~ "\n" ~ sqlstab.filled(dialect.steps, [1, width, b, "q"]) -%}
{%- set query = sqlstab.part_sums_blocks(dialect, arrays, b, steps, "y", weights, halved=true) -%}
{{ sqlstab.part_sums_entries(t, dialect, query, b, "p", "q", b * b, keys=["p", "q"], condition="i <= " ~ height ~ " AND j <= " ~ width, halved=true) }}
{%- else -%}
{%- set query = sqlstab.part_sums_strips(dialect, arrays, b, p, "y", weights, halved=true) -%}
{{ sqlstab.part_sums_entries(t, dialect, query, width, "p", 1, keys=["p"], condition="i <= " ~ height, halved=true) }}
{%- endif -%}
{%- endif %}
{%- endmacro -%}
