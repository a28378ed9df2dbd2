{#- Made from sql/stored_gram.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_stored_gram(dialect, partitions, grams, source) -%}
-- The sum of the Gram matrices of partitions.
SELECT
    i,
    j,
    sum(value) AS value,
    sum(n_rows) AS n_rows
FROM {{ grams }} AS g
WHERE
    source = {{ source }}
    AND (
        {%- for key, run_id in partitions %}
        {{ "OR " if not loop.first }}(partition_key = {{ key }} AND run_id = {{ run_id }})
        {%- endfor %}
    )
GROUP BY
    i,
    j
ORDER BY
    i,
    j
{%- endmacro -%}
