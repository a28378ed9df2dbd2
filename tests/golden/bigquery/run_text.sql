-- What there is to know of this run, as JSON.
SELECT
    '{"rank": '
    || CAST(f.rank AS STRING)
    || '}' AS figures,
    FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%E6S+00:00', CURRENT_TIMESTAMP(), 'UTC') AS created
FROM (
    SELECT
        max(CASE WHEN name = 'rank' THEN value END) AS rank
    FROM `figures` AS n
) AS f
CROSS JOIN `reference` AS r
