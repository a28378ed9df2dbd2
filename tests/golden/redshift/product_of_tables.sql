-- The items times a matrix that a table holds; only those that may align.
SELECT
    r.id AS id,
    m.j AS j,
    sum(CAST(r.value AS DOUBLE PRECISION) * m.value) AS value,
    max(r.w) AS w
FROM (
    SELECT
        r.id AS id,
        k + 1 AS i,
        CAST(v AS DOUBLE PRECISION) AS value,
        r.w AS w
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x,
            CAST(t."n_ratings" AS DOUBLE PRECISION) AS w
        FROM "items" AS t
        WHERE
            (t.year > 1990)
            AND (t.n_ratings >= 20)
    ) AS r
    CROSS JOIN r.x AS v AT k
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
