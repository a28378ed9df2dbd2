-- The raw vectors of the items: each row times a matrix that a table holds.
SELECT
    id AS "id",
    JSON_PARSE('[' || LISTAGG(CAST(value AS REAL), ',') WITHIN GROUP (ORDER BY j) || ']') AS "embedding"
FROM (
    SELECT
        r.id AS id,
        m.j AS j,
        sum(CAST(r.value AS DOUBLE PRECISION) * m.value) AS value
    FROM (
        SELECT
            r.id AS id,
            k + 1 AS i,
            CAST(v AS DOUBLE PRECISION) AS value
        FROM (
            SELECT
                t."id" AS id,
                t."embedding" AS x
            FROM "items" AS t
        ) AS r
        CROSS JOIN r.x AS v AT k
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
