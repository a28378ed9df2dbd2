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
            arrayDotProduct(x, matrix[1]),
            arrayDotProduct(x, matrix[2]),
            arrayDotProduct(x, matrix[3])
        ] AS x,
        k1
    FROM (
        SELECT
            q.*,
            (
                SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, c))))
                FROM (
                    SELECT
                        j,
                        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS c
                    FROM "sqlstab_transform"
                    WHERE side = 'items'
                    GROUP BY j
                ) AS matrix_columns
            ) AS matrix
        FROM (
            SELECT
                id,
                [
                    arrayDotProduct(x, matrix[1]),
                    arrayDotProduct(x, matrix[2]),
                    arrayDotProduct(x, matrix[3])
                ] AS x,
                k1
            FROM (
                SELECT
                    q.*,
                    (
                        SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, c))))
                        FROM (
                            SELECT
                                j,
                                arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS c
                            FROM "sqlstab_transform"
                            WHERE side = 'items'
                            GROUP BY j
                        ) AS matrix_columns
                    ) AS matrix
                FROM (
                    SELECT
                        t."item_id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), [t."e0", t."e1", t."e2"])) AS x,
                        t."genre" AS k1
                    FROM "lake"."items" AS t
                ) AS q
            ) AS m
        ) AS q
    ) AS m
) AS s
