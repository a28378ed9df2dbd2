-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(s.x AS FLOAT[]) AS "embedding"
FROM (
    SELECT
        id,
        list_transform([
            [0.5E0, 0.25E0, 0.0E0],
            [0.0E0, -1.0E0, 2.0E0],
            [1.0E0, 0.0E0, 1E-20]
        ], lambda c: list_dot_product(c, x)) AS x
    FROM (
        SELECT
            t."id" AS id,
            CAST(t."embedding" AS DOUBLE[]) AS x
        FROM "items" AS t
    ) AS m
) AS s
