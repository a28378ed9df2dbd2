-- The stable vectors of the items: each row times a matrix.
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
                WHERE side = 'items' AND run_id = (SELECT max(run_id) FROM "sqlstab_transform")
                GROUP BY j
            ) AS matrix_columns
        ), lambda c: list_dot_product(c, x)) AS x,
        k1
    FROM (
        SELECT
            id,
            list_transform(x, lambda v: v / divisor) AS x,
            k1
        FROM (
            SELECT
                q.*,
                coalesce(nullif(sqrt(list_dot_product(q.x, q.x)), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    list_transform(x, lambda v: v / divisor) AS x,
                    k1
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(list_max(list_transform(q.x, lambda v: abs(v))), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            list_transform(list_zip(c.x, [0.5E0, -1.0E0, 1E-20]), lambda p: p[1] - p[2]) AS x,
                            k1
                        FROM (
                            SELECT
                                t."item_id" AS id,
                                CAST([t."e0", t."e1", t."e2"] AS DOUBLE[]) AS x,
                                t."genre" AS k1
                            FROM "lake"."items" AS t
                        ) AS c
                    ) AS q
                ) AS n
            ) AS q
        ) AS n
    ) AS m
) AS s
