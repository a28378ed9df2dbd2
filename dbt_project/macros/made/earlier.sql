{#- Made from sql/earlier.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_earlier(dialect, message, reference) -%}
-- Fails where there is no run to align with.
SELECT CASE WHEN n = 0 THEN {{ sqlstab.filled(dialect.solving.refuse, ["message"]) }} ELSE n END AS earlier_runs
FROM (
    SELECT
        count(run_key) AS n,
        {{ message }} || {{ sqlstab.filled(dialect.as_text, ["count(run_key)"]) }} AS message
    FROM {{ reference }} AS r
) AS counts
{%- endmacro -%}
