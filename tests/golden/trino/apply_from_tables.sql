-- The stable vectors of the items: each row times a matrix, then times another.
SELECT
    s.id AS "item_id",
    CAST(element_at(s.x, 1) AS real) AS "e0",
    CAST(element_at(s.x, 2) AS real) AS "e1",
    CAST(element_at(s.x, 3) AS real) AS "e2",
    s.k1 AS "genre"
FROM (
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
        k1
    FROM (
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
            k1
        FROM (
            SELECT
                t."item_id" AS id,
                CAST(ARRAY[t."e0", t."e1", t."e2"] AS array(double)) AS x,
                t."genre" AS k1
            FROM "lake"."items" AS t
        ) AS m
    ) AS m
) AS s
