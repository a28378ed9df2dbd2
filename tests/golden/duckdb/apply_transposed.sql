-- The raw vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(s.x AS FLOAT[]) AS "embedding"
FROM (
    SELECT
        id,
        list_transform((
            SELECT list(c ORDER BY j)
            FROM (
                SELECT
                    j,
                    list(value ORDER BY i) AS c
                FROM (SELECT t.side AS side, t.j AS i, t.i AS j, t.value AS value FROM "sqlstab_transform" AS t WHERE side = 'users') AS transposed
                WHERE 1 = 1
                GROUP BY j
            ) AS matrix_columns
        ), lambda c: list_dot_product(c, x)) AS x
    FROM (
        SELECT
            t."id" AS id,
            CAST(t."embedding" AS DOUBLE[]) AS x
        FROM "items" AS t
    ) AS m
) AS s
