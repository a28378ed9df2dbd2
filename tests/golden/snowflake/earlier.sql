-- Fails where there is no run to align with.
SELECT CASE WHEN n = 0 THEN CAST(message AS FLOAT) ELSE n END AS earlier_runs
FROM (
    SELECT
        count(run_key) AS n,
        'Runs before b: ' || CAST(count(run_key) AS VARCHAR) AS message
    FROM "REFERENCE" AS r
) AS counts
