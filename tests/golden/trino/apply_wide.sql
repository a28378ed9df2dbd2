-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "item_id",
    CAST(element_at(s.x, 1) AS real) AS "e0",
    CAST(element_at(s.x, 2) AS real) AS "e1",
    CAST(element_at(s.x, 3) AS real) AS "e2",
    s.k1 AS "genre"
FROM (
    SELECT
        id,
        transform(ARRAY[
            ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
            ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
            ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
        ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x,
        k1
    FROM (
        SELECT
            t."item_id" AS id,
            CAST(ARRAY[t."e0", t."e1", t."e2"] AS array(double)) AS x,
            t."genre" AS k1
        FROM "lake"."items" AS t
    ) AS m
) AS s
