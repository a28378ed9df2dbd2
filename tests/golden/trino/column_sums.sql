-- Sums of the components of the items, over a share of the ids that both tables have.
SELECT
    i,
    sum(CAST(value AS double)) AS value,
    count(*) AS n_rows
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
        WHERE
            (lower(to_hex(md5(to_utf8(CAST(t."id" AS varchar))))) < '80000000')
    ) AS r
    CROSS JOIN UNNEST(r.x) WITH ORDINALITY AS u(v, k)
) AS components
JOIN (
    SELECT
        t."id" AS id
    FROM "yesterday"."items" AS t
) AS other USING (id)
GROUP BY i
ORDER BY i
