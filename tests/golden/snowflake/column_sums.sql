-- Sums of the components of the items, over a share of the ids that both tables have.
SELECT
    i,
    sum(CAST(value AS FLOAT)) AS value,
    count(*) AS n_rows
FROM (
    SELECT
        r.id AS id,
        u.index + 1 AS i,
        CAST(u.value AS FLOAT) AS value
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x
        FROM "ITEMS" AS t
        WHERE
            (MD5(CAST(t."id" AS VARCHAR)) < '80000000')
    ) AS r
    CROSS JOIN LATERAL FLATTEN(input => r.x) AS u
) AS components
JOIN (
    SELECT
        t."id" AS id
    FROM "YESTERDAY"."ITEMS" AS t
) AS other USING (id)
GROUP BY i
ORDER BY i
