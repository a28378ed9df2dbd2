-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "item_id",
    CAST(s.x[1] AS FLOAT) AS "e0",
    CAST(s.x[2] AS FLOAT) AS "e1",
    CAST(s.x[3] AS FLOAT) AS "e2",
    s.k1 AS "genre"
FROM (
    SELECT
        id,
        list_transform([
            [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
            [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
            [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
        ], lambda c: list_dot_product(c, x)) AS x,
        k1
    FROM (
        SELECT
            t."item_id" AS id,
            CAST([t."e0", t."e1", t."e2"] AS DOUBLE[]) AS x,
            t."genre" AS k1
        FROM "lake"."items" AS t
    ) AS m
) AS s
