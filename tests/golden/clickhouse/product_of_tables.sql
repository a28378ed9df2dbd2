-- The items times a matrix that a table holds; only those that may align.
SELECT
    id,
    [
        arrayDotProduct(x, matrix[1]),
        arrayDotProduct(x, matrix[2]),
        arrayDotProduct(x, matrix[3])
    ] AS x,
    w
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
            t."id" AS id,
            arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x,
            toFloat64(t."n_ratings") AS w
        FROM "items" AS t
        WHERE
            (t.year > 1990)
            AND (t.n_ratings >= 20)
    ) AS q
) AS m
