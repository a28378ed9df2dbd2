-- An id of the items with this problem: non finite.
SELECT min(CAST(id AS VARCHAR)) AS example
FROM (
    SELECT
        id,
        CAST(x[1] AS DOUBLE) AS x1,
        CAST(x[2] AS DOUBLE) AS x2,
        CAST(x[3] AS DOUBLE) AS x3
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x
        FROM "items" AS t
    ) AS v
    WHERE cardinality(x) = 3
) AS r
WHERE NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0)
