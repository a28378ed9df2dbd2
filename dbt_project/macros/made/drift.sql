{#- Made from sql/drift.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_drift(dialect, raw_matrix, matrix, padding, run, dimension, reference, band, shared_dimension) -%}
{%- set arrays_style = dialect.style == "arrays" -%}
{#- The pairs (x, y) of a shared id, with what becomes of them: s is x in the stable space, z is y in its own raw
    one, and p is y with as many components as s has. -#}
{%- set products -%}
SELECT
    {%- if arrays_style %}
    {%- if raw_matrix %}
    x,
    {{ sqlstab.part_times(dialect, "y", raw_matrix) | indent(4) }} AS z,
    {%- endif %}
    {{ sqlstab.part_times(dialect, "x", matrix) | indent(4) if matrix else "x" }} AS s,
    y,
    {{ sqlstab.filled(dialect.concat, ["y", padding]) if padding else "y" }} AS p
    {%- else %}
    {%- for k in range(1, run.size + 1) if raw_matrix %}
    x{{ k }},
    {%- endfor %}
    {%- for column in raw_matrix or [] %}
    {{ sqlstab.part_combination("y", column) }} AS z{{ loop.index }},
    {%- endfor %}
    {%- for k in range(1, dimension + 1) %}
    {{ sqlstab.part_combination("x", matrix[k - 1]) if matrix else "x" ~ k }} AS s{{ k }},
    {%- endfor %}
    {%- for k in range(1, reference.size + 1) %}
    y{{ k }}{{ "," if not loop.last }}
    {%- endfor %}
    {%- endif %}
FROM (
    {{ sqlstab.part_once(dialect, sqlstab.part_pairs_vector_pairs(run, reference, dialect, padded=false), ["x", "y"], id=false) | indent(4) }}
) AS pairs
{{- sqlstab.part_fenced(dialect) }}
{%- endset -%}
-- Cosine of the same {{ run.source.side[:-1] }} in this run and in the reference: of the stable vectors (after)
{%- if raw_matrix %} and
-- of the raw ones (before){% endif %}, for {{ sqlstab.part_pairs_ids_of(run) }}.
SELECT
    count(*) AS n_rows,
    {%- for figure in ["after", "before"] if figure == "after" or raw_matrix %}
    avg({{ figure }}) AS {{ figure }}_mean,
    {{ sqlstab.filled(dialect.quantile, [figure, 0.1]) }} AS {{ figure }}_p10,
    {{ sqlstab.filled(dialect.quantile, [figure, 0.5]) }} AS {{ figure }}_median
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
    {%- if band %},
    -- Cosines below chance, and a little above it: of ids that mean something else in the reference.
    count(CASE WHEN after < {{ band.level }} THEN 1 END) AS below_chance,
    count(CASE WHEN after >= {{ band.level }} AND after < {{ band.near }} THEN 1 END) AS near_chance
    {%- endif %}
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        {%- if raw_matrix %}
        ({{ sqlstab.part_dot(dialect, "x", "z", run.size) }})
            / nullif(sqrt({{ sqlstab.part_dot(dialect, "x", "x", run.size) }}) * sqrt({{ sqlstab.part_dot(dialect, "z", "z", run.size) }}), 0) AS before,
        {%- endif %}
        ({{ sqlstab.part_dot(dialect, "s", "p" if arrays_style else "y", shared_dimension) }})
            / nullif(sqrt({{ sqlstab.part_dot(dialect, "s", "s", dimension) }}) * sqrt({{ sqlstab.part_dot(dialect, "y", "y", reference.size) }}), 0) AS after
    FROM (
        {{ sqlstab.part_once(dialect, products, ["x", "z", "s", "y", "p"] if raw_matrix else ["s", "y", "p"], id=false) | indent(8) }}
    ) AS vectors
) AS cosines
{%- endmacro -%}
