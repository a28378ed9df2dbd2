-- The raw vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(s.x AS array(real)) AS "embedding"
FROM (
    SELECT
        id,
        transform((
            SELECT array_agg(c ORDER BY j)
            FROM (
                SELECT
                    j,
                    array_agg(value ORDER BY i) AS c
                FROM (SELECT t.side AS side, t.j AS i, t.i AS j, t.value AS value FROM "sqlstab_transform" AS t WHERE side = 'users') AS transposed
                WHERE 1 = 1
                GROUP BY j
            ) AS matrix_columns
        ), c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x
    FROM (
        SELECT
            t."id" AS id,
            CAST(t."embedding" AS array(double)) AS x
        FROM "items" AS t
    ) AS m
) AS s
