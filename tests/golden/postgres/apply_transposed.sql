-- The raw vectors of the items: each row times a matrix that a table holds.
SELECT
    id AS "id",
    array_agg(CAST(value AS real) ORDER BY j) AS "embedding"
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
                t."id" AS id,
                t."embedding" AS x
            FROM "items" AS t
        ) AS r
        CROSS JOIN LATERAL unnest(r.x) WITH ORDINALITY AS u(v, k)
    ) AS r
    JOIN (
        SELECT
            i,
            j,
            value
        FROM (SELECT t.side AS side, t.j AS i, t.i AS j, t.value AS value FROM "sqlstab_transform" AS t WHERE side = 'users') AS transposed
        WHERE 1 = 1
    ) AS m ON m.i = r.i
    GROUP BY
        r.id,
        m.j
) AS products
GROUP BY id
