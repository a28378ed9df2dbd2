{#- Made from sql/scores.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro part_scores_side_sample(dialect, dimension, rows, stable_dimension, t, stable) -%}
SELECT
    {%- if dialect.style == "arrays" %}
    r.x AS x,
    s.x AS s
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
{%- endmacro -%}

{%- macro statement_scores(dialect, rows, users, items, dimension, stable_dimension, stable_users, stable_items) -%}
-- Scores from the raw and from the written vectors, for all pairs of {{ rows }} users and {{ rows }} items.
SELECT
    count(*) AS n_pairs,
    max(abs(raw_score)) AS largest,
    max(abs(raw_score - stable_score)) AS largest_error
FROM (
    SELECT
        {{ sqlstab.part_dot(dialect, "u.x", "i.x", dimension) }} AS raw_score,
        {{ sqlstab.part_dot(dialect, "u.s", "i.s", stable_dimension) }} AS stable_score
    FROM (
        {{ sqlstab.part_scores_side_sample(dialect, dimension, rows, stable_dimension, users, stable_users) | indent(8) }}
    ) AS u
    CROSS JOIN (
        {{ sqlstab.part_scores_side_sample(dialect, dimension, rows, stable_dimension, items, stable_items) | indent(8) }}
    ) AS i
) AS scores
{%- endmacro -%}
