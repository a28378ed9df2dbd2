-- What there is to know of this run, as JSON.
SELECT
    '{"rank": '
    || toString(f.rank)
    || '}' AS figures,
    formatDateTime(now64(6), '%Y-%m-%dT%H:%i:%S.%f+00:00', 'UTC') AS created
FROM (
    SELECT
        max(CASE WHEN name = 'rank' THEN value END) AS rank
    FROM "figures" AS n
) AS f
CROSS JOIN "reference" AS r
