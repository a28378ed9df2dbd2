{#- Made from sql/pairs.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- Rows (id, x, y) of the ids that both have: x of the run, y of the reference. With `padded`, what the shorter of
    two arrays lacks in components is zero. -#}
{%- macro part_pairs_vector_pairs(run, reference, dialect, padded=true) -%}
{%- set rows = [["run", "x", run, reference], ["reference", "y", reference, run]] -%}
SELECT
    id,
    {%- for name, letter, one, other in rows %}
    {%- set last = loop.last %}
    {%- if dialect.style == "arrays" %}
    {%- set missing = other.size - one.size if padded else 0 %}
    {%- set zeros = sqlstab.filled(dialect.array, [(["0E0"] * missing) | join(", ")]) %}
    {{ sqlstab.filled(dialect.concat, [name ~ ".x", zeros]) if missing > 0 else name ~ ".x" }} AS {{ letter }}{{ "," if not last }}
    {%- else %}
    {%- for k in range(1, one.size + 1) %}
    {{ name }}.x{{ k }} AS {{ letter }}{{ k }}{{ "," if not (loop.last and last) }}
    {%- endfor %}
    {%- endif %}
    {%- endfor %}
FROM (
    {{ sqlstab.part_transformed(run.source, dialect, run.size, run.matrix, element="double") | indent(4) }}
) AS run
JOIN (
    {{ sqlstab.part_transformed(reference.source, dialect, reference.size, reference.matrix, element="double") | indent(4) }}
) AS reference USING (id)
{%- if dialect.fence %}
{{ dialect.fence }}
{%- endif %}
{%- endmacro -%}

{#- The same rows with their lengths, norm and reference_norm. -#}
{%- macro part_pairs_measured_pairs(run, reference, dialect) -%}
SELECT
    pairs.*,
    sqrt({{ sqlstab.part_dot(dialect, "pairs.x", "pairs.x", run.size) }}) AS norm,
    sqrt({{ sqlstab.part_dot(dialect, "pairs.y", "pairs.y", reference.size) }}) AS reference_norm
FROM (
    {{ sqlstab.part_pairs_vector_pairs(run, reference, dialect) | indent(4) }}
) AS pairs
{%- if dialect.fence %}
{{ dialect.fence }}
{%- endif %}
{%- endmacro -%}

{#- Rows (id, cosine, norm, reference_norm). The cosine of a zero vector is undefined: NULL. -#}
{%- macro part_pairs_cosines(run, reference, dialect) -%}
SELECT
    id,
    ({{ sqlstab.part_dot(dialect, "x", "y", [run.size, reference.size] | min) }}) / nullif(norm * reference_norm, 0) AS cosine,
    norm,
    reference_norm
FROM (
    {{ sqlstab.part_pairs_measured_pairs(run, reference, dialect) | indent(4) }}
) AS measured
{%- if dialect.fence %}
{{ dialect.fence }}
{%- endif %}
{%- endmacro -%}

{#- What a statement is about, for its first line. -#}
{%- macro part_pairs_ids_of(run) -%}
{% if run.source.below %}a share of the {{ run.source.side }} that both runs have, chosen by a hash of the id{% else %}all {{ run.source.side }} that both runs have{% endif %}
{%- endmacro -%}
