-- The items times a matrix that a table holds; only those that may align.
SELECT
    r.id AS id,
    m.j AS j,
    sum(CAST(r.value AS DOUBLE) * m.value) AS value,
    max(r.w) AS w
FROM (
    SELECT
        r.id AS id,
        unnest(range(0, 3)) + 1 AS i,
        unnest(r.x) AS value,
        r.w AS w
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x,
            CAST(t."n_ratings" AS DOUBLE) AS w
        FROM "items" AS t
        WHERE
            (t.year > 1990)
            AND (t.n_ratings >= 20)
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
