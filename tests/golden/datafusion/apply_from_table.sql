-- The stable vectors of the items: each row times a matrix that a table holds.
SELECT
    id AS "id",
    array_agg(CAST(value AS REAL) ORDER BY j) AS "embedding"
FROM (
    SELECT
        r.id AS id,
        m.j AS j,
        sum(CAST(r.value AS DOUBLE) * m.value) AS value
    FROM (
        SELECT
            r.id AS id,
            unnest(range(0, 3)) + 1 AS i,
            unnest(r.x) AS value
        FROM (
            SELECT
                t."id" AS id,
                t."embedding" AS x
            FROM "items" AS t
        ) AS r
    ) AS r
    JOIN (
        SELECT
            i,
            j,
            value
        FROM "sqlstab_transform"
        WHERE side = 'items' AND run_id = (SELECT max(run_id) FROM "sqlstab_transform")
    ) AS m ON m.i = r.i
    GROUP BY
        r.id,
        m.j
) AS products
GROUP BY id
