{#- Made from sql/drift.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- The vectors of a pair as columns of the query `pairs`. -#}
{%- macro part_drift_named(arrays_style, row, name, size) -%}
{%- if arrays_style -%}
{{ row }}.x AS {{ name }}
{%- else -%}
{%- for k in range(1, size + 1) %}{{ row }}.x{{ k }} AS {{ name }}{{ k }}{{ ", " if not loop.last }}{% endfor -%}
{%- endif -%}
{%- endmacro -%}

{%- macro statement_drift(dialect, raw_dimension, reference, reference_dimension, t, raw_matrix, matrix, padding, dimension, shared_dimension) -%}
{%- set arrays_style = dialect.style == "arrays" -%}

{#- The pairs (x, y) of a shared id. -#}
{%- set pairs -%}
SELECT
    {{ sqlstab.part_drift_named(arrays_style, "run", "x", raw_dimension) }},
    {{ sqlstab.part_drift_named(arrays_style, "reference", "y", reference_dimension) }}
FROM (
    {{ sqlstab.part_transformed(t, dialect, raw_dimension, element="double") | indent(4) }}
) AS run
JOIN (
    {{ sqlstab.part_transformed(reference, dialect, reference_dimension, element="double") | indent(4) }}
) AS reference USING (id)
{{- sqlstab.part_fenced(dialect) }}
{%- endset -%}
{#- With what becomes of them: s is x in the stable space, z is y in its own raw one, and p is y with as many
    components as s has. -#}
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
    {%- for k in range(1, raw_dimension + 1) if raw_matrix %}
    x{{ k }},
    {%- endfor %}
    {%- for column in raw_matrix or [] %}
    {{ sqlstab.part_combination("y", column) }} AS z{{ loop.index }},
    {%- endfor %}
    {%- for k in range(1, dimension + 1) %}
    {{ sqlstab.part_combination("x", matrix[k - 1]) if matrix else "x" ~ k }} AS s{{ k }},
    {%- endfor %}
    {%- for k in range(1, reference_dimension + 1) %}
    y{{ k }}{{ "," if not loop.last }}
    {%- endfor %}
    {%- endif %}
FROM (
    {{ sqlstab.part_once(dialect, pairs, ["x", "y"], id=false) | indent(4) }}
) AS pairs
{{- sqlstab.part_fenced(dialect) }}
{%- endset -%}
-- Cosine of the same {{ t.side[:-1] }} in this run and in the reference: of the stable vectors (after)
{%- if raw_matrix %} and
-- of the raw ones (before){% endif %}, for {% if t.below %}a share of the shared ids, chosen by a hash of the id{% else %}every shared id{% endif %}.
SELECT
    count(*) AS n_rows,
    {%- for figure in ["after", "before"] if figure == "after" or raw_matrix %}
    avg({{ figure }}) AS {{ figure }}_mean,
    {{ sqlstab.filled(dialect.quantile, [figure, 0.1]) }} AS {{ figure }}_p10,
    {{ sqlstab.filled(dialect.quantile, [figure, 0.5]) }} AS {{ figure }}_median
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        {%- if raw_matrix %}
        ({{ sqlstab.part_dot(dialect, "x", "z", raw_dimension) }})
            / nullif(sqrt({{ sqlstab.part_dot(dialect, "x", "x", raw_dimension) }}) * sqrt({{ sqlstab.part_dot(dialect, "z", "z", raw_dimension) }}), 0) AS before,
        {%- endif %}
        ({{ sqlstab.part_dot(dialect, "s", "p" if arrays_style else "y", shared_dimension) }})
            / nullif(sqrt({{ sqlstab.part_dot(dialect, "s", "s", dimension) }}) * sqrt({{ sqlstab.part_dot(dialect, "y", "y", reference_dimension) }}), 0) AS after
    FROM (
        {{ sqlstab.part_once(dialect, products, ["x", "z", "s", "y", "p"] if raw_matrix else ["s", "y", "p"], id=false) | indent(8) }}
    ) AS vectors
) AS cosines
{%- endmacro -%}
