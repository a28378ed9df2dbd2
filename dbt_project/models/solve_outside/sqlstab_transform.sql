{{ config(materialized='view') }}
-- depends_on: {{ sqlstab.own('gram') }}, {{ sqlstab.own('cross_gram') }}
-- What `sqlstab dbt solve` has written.
SELECT
    run_id,
    side,
    i,
    j,
    value
FROM {{ source('sqlstab', 'sqlstab_solved') }}
