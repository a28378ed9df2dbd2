{#- Made from sql/reference_maps.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_reference_maps(dialect, transform, dimension, reference_dimension) -%}
-- The two maps of the reference, from its transform.json: balanced coordinates times Omega.
SELECT
    run_id,
    side,
    i,
    j,
    list_dot_product(m[i], list_transform(omega, lambda w: w[j])) AS value
FROM (
    SELECT
        run_id,
        unnest(['users', 'items']) AS side,
        unnest([users.balanced, items.balanced]) AS m,
        omega
    FROM {{ transform }} AS t
) AS sides
CROSS JOIN unnest(range(1, {{ dimension + 1 }})) AS rows(i)
CROSS JOIN unnest(range(1, {{ reference_dimension + 1 }})) AS columns(j)
{%- endmacro -%}
