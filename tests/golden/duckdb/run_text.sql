-- What there is to know of this run, as JSON.
SELECT
    '{"rank": '
    || CAST(f.rank AS VARCHAR)
    || '}' AS figures,
    strftime(get_current_timestamp() AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f+00:00') AS created
FROM (
    SELECT
        max(CASE WHEN name = 'rank' THEN value END) AS rank
    FROM "figures" AS n
) AS f
CROSS JOIN "reference" AS r
