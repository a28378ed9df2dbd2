-- The stable vectors of the items: each row times a matrix that a table holds.
SELECT
    stable.*,
    t."genre" AS "genre"
FROM (
    SELECT
        id AS "item_id",
        max(CASE WHEN j = 1 THEN CAST(value AS FLOAT) END) AS "e0",
        max(CASE WHEN j = 2 THEN CAST(value AS FLOAT) END) AS "e1",
        max(CASE WHEN j = 3 THEN CAST(value AS FLOAT) END) AS "e2"
    FROM (
        SELECT
            r.id AS id,
            m.j AS j,
            sum(CAST(r.value AS FLOAT) * m.value) AS value
        FROM (
            SELECT
                r.id AS id,
                u.index + 1 AS i,
                CAST(u.value AS FLOAT) AS value
            FROM (
                SELECT
                    id,
                    ARRAY_CONSTRUCT(x1, x2, x3) AS x
                FROM (
                    SELECT
                        id,
                        x1 / divisor AS x1,
                        x2 / divisor AS x2,
                        x3 / divisor AS x3
                    FROM (
                        SELECT
                            q.*,
                            coalesce(nullif(sqrt(q.x1 * q.x1 + q.x2 * q.x2 + q.x3 * q.x3), 0), 1) AS divisor
                        FROM (
                            SELECT
                                id,
                                x1 / divisor AS x1,
                                x2 / divisor AS x2,
                                x3 / divisor AS x3
                            FROM (
                                SELECT
                                    q.*,
                                    coalesce(nullif(greatest(abs(q.x1), abs(q.x2), abs(q.x3)), 0), 1) AS divisor
                                FROM (
                                    SELECT
                                        id,
                                        c.x1 - 0.5E0 AS x1,
                                        c.x2 - -1.0E0 AS x2,
                                        c.x3 - 1E-20 AS x3
                                    FROM (
                                        SELECT
                                            t."item_id" AS id,
                                            CAST(t."e0" AS FLOAT) AS x1,
                                            CAST(t."e1" AS FLOAT) AS x2,
                                            CAST(t."e2" AS FLOAT) AS x3
                                        FROM "LAKE"."ITEMS" AS t
                                    ) AS c
                                ) AS q
                            ) AS n
                        ) AS q
                    ) AS n
                ) AS products
            ) AS r
            CROSS JOIN LATERAL FLATTEN(input => r.x) AS u
        ) AS r
        JOIN (
            SELECT
                i,
                j,
                value
            FROM "SQLSTAB_TRANSFORM"
            WHERE side = 'items' AND run_id = (SELECT max(run_id) FROM "SQLSTAB_TRANSFORM")
        ) AS m ON m.i = r.i
        GROUP BY
            r.id,
            m.j
    ) AS products
    GROUP BY id
) AS stable
JOIN "LAKE"."ITEMS" AS t ON t."item_id" = stable."item_id"
