-- The items times a matrix that a table holds; only those that may align.
SELECT
    id,
    transform((
        SELECT array_agg(c ORDER BY j)
        FROM (
            SELECT
                j,
                array_agg(value ORDER BY i) AS c
            FROM "sqlstab_transform"
            WHERE side = 'items'
            GROUP BY j
        ) AS matrix_columns
    ), c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x,
    w
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS array(double)) AS x,
        CAST(t."n_ratings" AS double) AS w
    FROM "items" AS t
    WHERE
        (t.year > 1990)
        AND (t.n_ratings >= 20)
) AS m
