-- An id of the items with this problem: non finite.
SELECT min(CAST(id AS text)) AS example
FROM (
    SELECT
        id,
        CAST(x[1] AS double precision) AS x1,
        CAST(x[2] AS double precision) AS x2,
        CAST(x[3] AS double precision) AS x3
    FROM (
        SELECT
            id,
            (x)[1:3] AS x
        FROM (
            SELECT
                t."id" AS id,
                t."embedding" AS x
            FROM "items" AS t
        ) AS whole
        WHERE cardinality(x) = 3
        OFFSET 0
    ) AS v
    OFFSET 0
) AS r
WHERE NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0)
