-- The stable vectors of the items: each row times a matrix, then times another.
SELECT
    s.id AS "item_id",
    toFloat32(s.x[1]) AS "e0",
    toFloat32(s.x[2]) AS "e1",
    toFloat32(s.x[3]) AS "e2",
    s.k1 AS "genre"
FROM (
    SELECT
        id,
        [
            arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
            arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
            arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
        ] AS x,
        k1
    FROM (
        SELECT
            id,
            [
                arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
                arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
                arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
            ] AS x,
            k1
        FROM (
            SELECT
                t."item_id" AS id,
                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), [t."e0", t."e1", t."e2"])) AS x,
                t."genre" AS k1
            FROM "lake"."items" AS t
        ) AS m
    ) AS m
) AS s
