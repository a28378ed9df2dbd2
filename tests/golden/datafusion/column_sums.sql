-- Sums of the components of the items, over a share of the ids that both tables have.
SELECT
    i,
    sum(CAST(value AS DOUBLE)) AS value,
    count(*) AS n_rows
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
        WHERE
            (md5(CAST(t."id" AS VARCHAR)) < '80000000')
    ) AS r
) AS components
JOIN (
    SELECT
        t."id" AS id
    FROM "yesterday"."items" AS t
) AS other USING (id)
GROUP BY i
ORDER BY i
