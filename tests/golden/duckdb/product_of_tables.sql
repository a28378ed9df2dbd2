-- The items times a matrix that a table holds; only those that may align.
SELECT
    id,
    list_transform((
        SELECT list(c ORDER BY j)
        FROM (
            SELECT
                j,
                list(value ORDER BY i) AS c
            FROM "sqlstab_transform"
            WHERE side = 'items'
            GROUP BY j
        ) AS matrix_columns
    ), lambda c: list_dot_product(c, x)) AS x,
    w
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS DOUBLE[]) AS x,
        CAST(t."n_ratings" AS DOUBLE) AS w
    FROM "items" AS t
    WHERE
        (t.year > 1990)
        AND (t.n_ratings >= 20)
) AS m
