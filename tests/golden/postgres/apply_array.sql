-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    ARRAY[CAST(s.x1 AS real), CAST(s.x2 AS real), CAST(s.x3 AS real)] AS "embedding"
FROM (
    SELECT
        id,
        m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
        m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
        m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
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
            OFFSET 0
        ) AS v
        OFFSET 0
    ) AS m
    OFFSET 0
) AS s
