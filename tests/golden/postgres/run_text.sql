-- What there is to know of this run, as JSON.
SELECT
    '{"rank": '
    || CAST(f.rank AS text)
    || '}' AS figures,
    to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS created
FROM (
    SELECT
        max(CASE WHEN name = 'rank' THEN value END) AS rank
    FROM "figures" AS n
) AS f
CROSS JOIN "reference" AS r
