-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    k + 0 AS "dim",
    CAST(CAST(v AS DOUBLE PRECISION) AS DOUBLE PRECISION) AS "value"
FROM (
    SELECT
        s.*,
        ARRAY(CAST(s.x1 AS DOUBLE PRECISION), CAST(s.x2 AS DOUBLE PRECISION), CAST(s.x3 AS DOUBLE PRECISION)) AS x
    FROM (
        SELECT
            id,
            m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
            m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
            m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
        FROM (
            SELECT
                t."id" AS id,
                max(CASE WHEN t."dim" = 0 THEN CAST(t."value" AS DOUBLE PRECISION) END) AS x1,
                max(CASE WHEN t."dim" = 1 THEN CAST(t."value" AS DOUBLE PRECISION) END) AS x2,
                max(CASE WHEN t."dim" = 2 THEN CAST(t."value" AS DOUBLE PRECISION) END) AS x3
            FROM "lake"."users" AS t
            GROUP BY t."id"
        ) AS m
    ) AS s
) AS s
CROSS JOIN s.x AS v AT k
