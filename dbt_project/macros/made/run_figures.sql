{#- Made from sql/run_figures.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_run_figures(dialect, solution, names, drifts, shared, scores) -%}
-- The figures of this run.
SELECT
    name,
    value
FROM {{ solution }} AS s
WHERE name IN ('{{ names | join("', '") }}')
UNION ALL
SELECT
    'singular_value_' || {{ sqlstab.filled(dialect.as_text, ["s.i"]) }} AS name,
    s.value AS value
FROM {{ solution }} AS s
WHERE s.name = 'singular_values'
{%- for drift in drifts %}
UNION ALL
SELECT
    'cosine_{{ drift.side }}_' || figure AS name,
    CASE figure WHEN 'rows' THEN {{ sqlstab.filled(dialect.as_double, ["n_rows"]) }} WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    {{ drift.statement | indent(4) }}
) AS drift
CROSS JOIN (
    SELECT 'rows' AS figure UNION ALL SELECT 'mean' UNION ALL SELECT 'p10' UNION ALL SELECT 'median'
) AS figures
{%- endfor %}
{%- for part in shared %}
UNION ALL
SELECT
    'shared_{{ part.side }}' AS name,
    {{ sqlstab.filled(dialect.as_double, ["shared"]) }} AS value
FROM (
    {{ part.statement | indent(4) }}
) AS shared_ids
{%- endfor %}
UNION ALL
SELECT
    'max_relative_error' AS name,
    largest_error / nullif(largest, 0) AS value
FROM (
    {{ scores | indent(4) }}
) AS scores
{%- endmacro -%}
