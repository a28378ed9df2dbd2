-- The vectors of the items that this run (x) and the reference (y) share.
SELECT
    run.x AS x,
    reference.x AS y
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS FLOAT[]) AS x
    FROM "items" AS t
) AS run
JOIN (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS FLOAT[]) AS x
    FROM "yesterday"."items" AS t
) AS reference USING (id)
