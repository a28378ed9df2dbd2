-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(s.x AS array(real)) AS "embedding"
FROM (
    SELECT
        id,
        transform(ARRAY[
            ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
            ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
            ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
        ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x
    FROM (
        SELECT
            t."id" AS id,
            CAST(t."embedding" AS array(double)) AS x
        FROM "items" AS t
    ) AS m
) AS s
