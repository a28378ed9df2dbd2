-- The vectors of the items.
SELECT r.x AS x
FROM (
    SELECT
        t."item_id" AS id,
        CAST([t."e0", t."e1", t."e2"] AS FLOAT[]) AS x
    FROM "lake"."items" AS t
    WHERE
        (md5(CAST(t."item_id" AS VARCHAR)) < '80000000')
) AS r
