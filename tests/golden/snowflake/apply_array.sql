-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    ARRAY_CONSTRUCT(CAST(s.x1 AS FLOAT), CAST(s.x2 AS FLOAT), CAST(s.x3 AS FLOAT)) AS "embedding"
FROM (
    SELECT
        id,
        m.x1 * 0.5E0 + m.x2 * 0.25E0 + m.x3 * 0.0E0 AS x1,
        m.x1 * 0.0E0 + m.x2 * -1.0E0 + m.x3 * 2.0E0 AS x2,
        m.x1 * 1.0E0 + m.x2 * 0.0E0 + m.x3 * 1E-20 AS x3
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
    ) AS m
) AS s
