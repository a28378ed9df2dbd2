-- An id of the items with this problem: non finite.
SELECT min(CAST(id AS VARCHAR)) AS example
FROM (
    SELECT
        id,
        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x
        FROM "ITEMS" AS t
    ) AS v
    WHERE ARRAY_SIZE(x) = 3
) AS r
WHERE NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0)
