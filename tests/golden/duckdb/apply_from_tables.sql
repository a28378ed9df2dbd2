-- The stable vectors of the items: each row times a matrix, then times another.
SELECT
    s.id AS "item_id",
    CAST(s.x[1] AS FLOAT) AS "e0",
    CAST(s.x[2] AS FLOAT) AS "e1",
    CAST(s.x[3] AS FLOAT) AS "e2",
    s.k1 AS "genre"
FROM (
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
        k1
    FROM (
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
            k1
        FROM (
            SELECT
                t."item_id" AS id,
                CAST([t."e0", t."e1", t."e2"] AS DOUBLE[]) AS x,
                t."genre" AS k1
            FROM "lake"."items" AS t
        ) AS m
    ) AS m
) AS s
