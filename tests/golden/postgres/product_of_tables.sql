-- The items times a matrix that a table holds; only those that may align.
SELECT
    r.id AS id,
    m.j AS j,
    sum(CAST(r.value AS double precision) * m.value) AS value,
    max(r.w) AS w
FROM (
    SELECT
        r.id AS id,
        u.k - 1 + 1 AS i,
        u.v AS value,
        r.w AS w
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x,
            CAST(t."n_ratings" AS double precision) AS w
        FROM "items" AS t
        WHERE
            (t.year > 1990)
            AND (t.n_ratings >= 20)
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
