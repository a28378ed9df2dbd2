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

{%- macro statement_cross_gram(dialect, matrix, t, reference, rows, dimension, columns, reference_dimension, normalize) -%}
{%- set b = 4 -%}

-- Cross Gram matrix of the {{ t.side }}: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j
{%- if dialect.gram == "blocks" %}. Row by row, in blocks of {{ b }} by {{ b }} that begin at (p, q).
{%- elif dialect.gram == "strips" %}. In strips of {{ b }} rows of the matrix, which begin at p.
{%- elif rows | length < dimension or columns | length < reference_dimension %};
-- i from {{ rows[0] }} to {{ rows[-1] }}, j from {{ columns[0] }} to {{ columns[-1] }}.
{%- else %}.
{%- endif %}
{% if dialect.gram == "pairs" -%}
{%- set query -%}
{{ sqlstab.part_sums_pairs(dialect, rows, columns, "run.x", "reference.x", "run.w * " if t.weight else "") }}
{{ sqlstab.part_cross_gram_joined(
    sqlstab.part_as_columns(t, dialect, dimension, matrix, normalize, anchor=true, parts=[rows]),
    sqlstab.part_as_columns(reference, dialect, reference_dimension, none, normalize, parts=[columns])
) }}
{%- endset -%}
{{ sqlstab.part_sums_entries(t, dialect, query, columns | length, rows[0], columns[0], rows | length * columns | length) }}
{%- else -%}
{%- set cast = dialect.as_doubles if dialect.gram == "blocks" else "{0}" -%}
{%- set arrays -%}
SELECT
    {{ sqlstab.filled(cast, ["run.x"]) }} AS x,
    {{ sqlstab.filled(cast, ["reference.x"]) }} AS y
    {%- if t.weight %},
    run.w AS w
    {%- endif %}
{{ sqlstab.part_cross_gram_joined(
    sqlstab.part_transformed(t, dialect, dimension, matrix, normalize, true),
    sqlstab.part_transformed(reference, dialect, reference_dimension, none, normalize)
) }}
{%- endset -%}
{%- set p = sqlstab.filled(dialect.steps, [1, dimension, b, "p"]) -%}
{%- if dialect.gram == "blocks" -%}
{%- set steps = p ~ "\n" ~ sqlstab.filled(dialect.steps, [1, reference_dimension, b, "q"]) -%}
{%- set query = sqlstab.part_sums_blocks(dialect, arrays, b, steps, "y", t.weight) -%}
{{ sqlstab.part_sums_entries(t, dialect, query, b, "p", "q", b * b, keys=["p", "q"], condition="i <= " ~ dimension ~ " AND j <= " ~ reference_dimension) }}
{%- else -%}
{%- set query = sqlstab.part_sums_strips(dialect, arrays, b, p, "y", t.weight) -%}
{{ sqlstab.part_sums_entries(t, dialect, query, reference_dimension, "p", 1, keys=["p"], condition="i <= " ~ dimension) }}
{%- endif -%}
{%- endif %}
{%- endmacro -%}
