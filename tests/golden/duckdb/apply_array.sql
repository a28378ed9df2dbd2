-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(s.x AS FLOAT[]) AS "embedding"
FROM (
    SELECT
        id,
        list_transform([
            [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
            [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
            [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
        ], lambda c: list_dot_product(c, x)) AS x
    FROM (
        SELECT
            t."id" AS id,
            CAST(t."embedding" AS DOUBLE[]) AS x
        FROM "items" AS t
    ) AS m
) AS s
