-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    ARRAY_CONSTRUCT(CAST(s.x1 AS FLOAT), CAST(s.x2 AS FLOAT), CAST(s.x3 AS FLOAT)) AS "embedding"
FROM (
    SELECT
        id,
        m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
        m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
        m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
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
