-- An id of the items with this problem: non finite.
SELECT min(CAST(id AS VARCHAR)) AS example
FROM (
    SELECT
        id,
        CAST(x[1 - 1] AS DOUBLE PRECISION) AS x1,
        CAST(x[2 - 1] AS DOUBLE PRECISION) AS x2,
        CAST(x[3 - 1] AS DOUBLE PRECISION) AS x3
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x
        FROM "items" AS t
    ) AS v
    WHERE GET_ARRAY_LENGTH(x) = 3
) AS r
WHERE NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0)
