-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(s.x AS array(real)) AS "embedding"
FROM (
    SELECT
        id,
        transform(ARRAY[
            ARRAY[0.5E0, 0.25E0, 0.0E0],
            ARRAY[0.0E0, -1.0E0, 2.0E0],
            ARRAY[1.0E0, 0.0E0, 1E-20]
        ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x
    FROM (
        SELECT
            t."id" AS id,
            CAST(t."embedding" AS array(double)) AS x
        FROM "items" AS t
    ) AS m
) AS s
