-- The raw vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    arrayMap(v -> toFloat32(v), s.x) AS "embedding"
FROM (
    SELECT
        id,
        [
            arrayDotProduct(x, matrix[1]),
            arrayDotProduct(x, matrix[2]),
            arrayDotProduct(x, matrix[3])
        ] AS x
    FROM (
        SELECT
            q.*,
            (
                SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, c))))
                FROM (
                    SELECT
                        j,
                        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS c
                    FROM (SELECT t.side AS side, t.j AS i, t.i AS j, t.value AS value FROM "sqlstab_transform" AS t WHERE side = 'users') AS transposed
                    WHERE 1 = 1
                    GROUP BY j
                ) AS matrix_columns
            ) AS matrix
        FROM (
            SELECT
                t."id" AS id,
                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
            FROM "items" AS t
        ) AS q
    ) AS m
) AS s
