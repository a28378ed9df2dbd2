-- The stable vectors of the items: each row times a matrix that a table holds, then times another.
SELECT
    stable.*,
    t."genre" AS "genre"
FROM (
    SELECT
        id AS "item_id",
        max(CASE WHEN j = 1 THEN CAST(value AS real) END) AS "e0",
        max(CASE WHEN j = 2 THEN CAST(value AS real) END) AS "e1",
        max(CASE WHEN j = 3 THEN CAST(value AS real) END) AS "e2"
    FROM (
        SELECT
            r.id AS id,
            m.j AS j,
            sum(CAST(r.value AS double precision) * m.value) AS value
        FROM (
            SELECT
                id,
                j AS i,
                value
            FROM (
                SELECT
                    r.id AS id,
                    m.j AS j,
                    sum(CAST(r.value AS double precision) * m.value) AS value
                FROM (
                    SELECT
                        r.id AS id,
                        u.k - 1 + 1 AS i,
                        u.v AS value
                    FROM (
                        SELECT
                            t."item_id" AS id,
                            ARRAY[t."e0", t."e1", t."e2"] AS x
                        FROM "lake"."items" AS t
                    ) AS r
                    CROSS JOIN LATERAL unnest(r.x) WITH ORDINALITY AS u(v, k)
                ) AS r
                JOIN (
                    SELECT
                        i,
                        j,
                        value
                    FROM "sqlstab_transform"
                    WHERE side = 'items'
                ) AS m ON m.i = r.i
                GROUP BY
                    r.id,
                    m.j
            ) AS p
        ) AS r
        JOIN (
            SELECT
                i,
                j,
                value
            FROM "sqlstab_transform"
            WHERE side = 'items'
        ) AS m ON m.i = r.i
        GROUP BY
            r.id,
            m.j
    ) AS products
    GROUP BY id
) AS stable
JOIN "lake"."items" AS t ON t."item_id" = stable."item_id"
