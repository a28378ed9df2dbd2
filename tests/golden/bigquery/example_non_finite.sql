-- An id of the items with this problem: non finite.
SELECT min(CAST(id AS STRING)) AS example
FROM (
    SELECT
        id,
        CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
        CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
        CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
    FROM (
        SELECT
            t.`id` AS id,
            t.`embedding` AS x
        FROM `items` AS t
    ) AS v
    WHERE ARRAY_LENGTH(x) = 3
) AS r
WHERE NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0)
