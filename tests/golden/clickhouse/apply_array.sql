-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    arrayMap(v -> toFloat32(v), s.x) AS "embedding"
FROM (
    SELECT
        id,
        [
            arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
            arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
            arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
        ] AS x
    FROM (
        SELECT
            t."id" AS id,
            arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
        FROM "items" AS t
    ) AS m
) AS s
