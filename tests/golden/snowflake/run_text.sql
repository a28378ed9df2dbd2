-- What there is to know of this run, as JSON.
SELECT
    '{"rank": '
    || CAST(f.rank AS VARCHAR)
    || '}' AS figures,
    TO_CHAR(CONVERT_TIMEZONE('UTC', CURRENT_TIMESTAMP()), 'YYYY-MM-DD"T"HH24:MI:SS.FF6') || '+00:00' AS created
FROM (
    SELECT
        max(CASE WHEN name = 'rank' THEN value END) AS rank
    FROM "FIGURES" AS n
) AS f
CROSS JOIN "REFERENCE" AS r
