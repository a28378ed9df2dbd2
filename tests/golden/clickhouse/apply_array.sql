-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    arrayMap(v -> toFloat32(v), s.x) AS "embedding"
FROM (
    SELECT
        id,
        arrayMap(c -> arrayDotProduct(x, c), [
            [0.5E0, 0.25E0, 0.0E0],
            [0.0E0, -1.0E0, 2.0E0],
            [1.0E0, 0.0E0, 1E-20]
        ]) AS x
    FROM (
        SELECT
            t."id" AS id,
            arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
        FROM "items" AS t
    ) AS m
) AS s
