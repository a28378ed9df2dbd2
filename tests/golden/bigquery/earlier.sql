-- Fails where there is no run to align with.
SELECT CASE WHEN n = 0 THEN ERROR(message) ELSE n END AS earlier_runs
FROM (
    SELECT
        count(run_key) AS n,
        'Runs before b: ' || CAST(count(run_key) AS STRING) AS message
    FROM `reference` AS r
) AS counts
