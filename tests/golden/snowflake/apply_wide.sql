-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "item_id",
    CAST(s.x1 AS FLOAT) AS "e0",
    CAST(s.x2 AS FLOAT) AS "e1",
    CAST(s.x3 AS FLOAT) AS "e2",
    s.k1 AS "genre"
FROM (
    SELECT
        id,
        m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
        m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
        m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3,
        k1
    FROM (
        SELECT
            t."item_id" AS id,
            CAST(t."e0" AS FLOAT) AS x1,
            CAST(t."e1" AS FLOAT) AS x2,
            CAST(t."e2" AS FLOAT) AS x3,
            t."genre" AS k1
        FROM "LAKE"."ITEMS" AS t
    ) AS m
) AS s
