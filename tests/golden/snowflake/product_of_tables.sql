-- The items times a matrix that a table holds; only those that may align.
SELECT
    r.id AS id,
    m.j AS j,
    sum(CAST(r.value AS FLOAT) * m.value) AS value,
    max(r.w) AS w
FROM (
    SELECT
        r.id AS id,
        u.index + 1 AS i,
        CAST(u.value AS FLOAT) AS value,
        r.w AS w
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x,
            CAST(t."n_ratings" AS FLOAT) AS w
        FROM "ITEMS" AS t
        WHERE
            (t.year > 1990)
            AND (t.n_ratings >= 20)
    ) AS r
    CROSS JOIN LATERAL FLATTEN(input => r.x) AS u
) AS r
JOIN (
    SELECT
        i,
        j,
        value
    FROM "SQLSTAB_TRANSFORM"
    WHERE side = 'items'
) AS m ON m.i = r.i
GROUP BY
    r.id,
    m.j
