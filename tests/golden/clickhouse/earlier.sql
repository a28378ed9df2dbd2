-- Fails where there is no run to align with.
SELECT CASE WHEN n = 0 THEN toFloat64(coalesce(message, '0')) ELSE n END AS earlier_runs
FROM (
    SELECT
        count(run_key) AS n,
        'Runs before b: ' || toString(count(run_key)) AS message
    FROM "reference" AS r
) AS counts
