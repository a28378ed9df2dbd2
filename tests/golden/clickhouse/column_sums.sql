-- Sums of the components of the items, over a share of the ids that both tables have.
SELECT
    i,
    sum(toFloat64(value)) AS value,
    count(*) AS n_rows
FROM (
    SELECT
        r.id AS id,
        sqlstab_k - 1 + 1 AS i,
        sqlstab_v AS value
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x
        FROM "items" AS t
        WHERE
            (lower(hex(MD5(toString(t."id")))) < '80000000')
    ) AS r
    ARRAY JOIN r.x AS sqlstab_v, arrayEnumerate(r.x) AS sqlstab_k
) AS components
JOIN (
    SELECT
        t."id" AS id
    FROM "yesterday"."items" AS t
) AS other USING (id)
GROUP BY i
ORDER BY i
