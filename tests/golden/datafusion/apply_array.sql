-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    [CAST(s.x1 AS REAL), CAST(s.x2 AS REAL), CAST(s.x3 AS REAL)] AS "embedding"
FROM (
    SELECT
        id,
        m.x1 * 0.5E0 + m.x2 * 0.25E0 + m.x3 * 0.0E0 AS x1,
        m.x1 * 0.0E0 + m.x2 * -1.0E0 + m.x3 * 2.0E0 AS x2,
        m.x1 * 1.0E0 + m.x2 * 0.0E0 + m.x3 * 1E-20 AS x3
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
    ) AS m
) AS s
