{#- Made from sql/scores.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro part_scores_packed(dialect, x, size) -%}
{%- set parts -%}
{%- for k in range(1, size + 1) %}{{ x }}{{ k }}{{ ", " if not loop.last }}{% endfor -%}
{%- endset -%}
{{ sqlstab.filled(dialect.array, [parts]) }}
{%- endmacro -%}

{%- macro part_scores_product(as_arrays, dialect, a, b, size) -%}
{%- if as_arrays -%}
{%- for k in range(1, size + 1) %}{{ sqlstab.filled(dialect.as_double, [sqlstab.filled(dialect.element, [a, k])]) }} * {{ sqlstab.filled(dialect.as_double, [sqlstab.filled(dialect.element, [b, k])]) }}{{ " + " if not loop.last }}{% endfor -%}
{%- else -%}
{{ sqlstab.part_dot(dialect, a, b, size) }}
{%- endif -%}
{%- endmacro -%}

{%- macro part_scores_side_sample(as_arrays, dialect, dimension, rows, stable_dimension, t, stable) -%}
SELECT
    {%- if dialect.style == "arrays" %}
    r.x AS x,
    s.x AS s
    {%- elif as_arrays %}
    {{ sqlstab.part_scores_packed(dialect, "r.x", dimension) }} AS x,
    {{ sqlstab.part_scores_packed(dialect, "s.x", stable_dimension) }} AS s
    {%- else %}
    {%- for k in range(1, dimension + 1) %}
    r.x{{ k }} AS x{{ k }},
    {%- endfor %}
    {%- for k in range(1, stable_dimension + 1) %}
    s.x{{ k }} AS s{{ k }}{{ "," if not loop.last }}
    {%- endfor %}
    {%- endif %}
FROM (
    {{ sqlstab.part_vectors(t, dialect, dimension) | indent(4) }}
) AS r
JOIN (
    -- Whichever rows come first: they are found without reading the whole table.
    SELECT *
    FROM (
        {{ sqlstab.part_vectors(stable, dialect, stable_dimension) | indent(8) }}
    ) AS some_rows
    LIMIT {{ rows }}
) AS s USING (id)
{%- if as_arrays and dialect.fence %}
{{ dialect.fence }}
{%- endif -%}
{%- endmacro -%}

{%- macro statement_scores(dialect, dimension, stable_dimension, users, stable_users, items, stable_items, rows) -%}
{#- Where the columns of both sides are too many for one query, their vectors meet as arrays. -#}
{%- set as_arrays = dialect.style == "components" and 2 * (dimension + stable_dimension) > dialect.most_columns -%}



{%- set scores -%}
SELECT
    {{ sqlstab.part_scores_product(as_arrays, dialect, "u.x", "i.x", dimension) }} AS raw_score,
    {{ sqlstab.part_scores_product(as_arrays, dialect, "u.s", "i.s", stable_dimension) }} AS stable_score
FROM (
    {{ sqlstab.part_scores_side_sample(as_arrays, dialect, dimension, rows, stable_dimension, users, stable_users) | indent(4) }}
) AS u
CROSS JOIN (
    {{ sqlstab.part_scores_side_sample(as_arrays, dialect, dimension, rows, stable_dimension, items, stable_items) | indent(4) }}
) AS i
{%- endset -%}
-- Dot products of the raw and of the written vectors, for all pairs of {{ rows }} {{ users.side }} and {{ rows }} {{ items.side }}.
SELECT
    count(*) AS n_pairs,
    max(abs(raw_score)) AS largest,
    max(abs(raw_score - stable_score)) AS largest_error
FROM (
    {{ sqlstab.part_once(dialect, scores, ["raw_score", "stable_score"], id=false) | indent(4) }}
) AS scores
{%- endmacro -%}
