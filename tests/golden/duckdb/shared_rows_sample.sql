-- The vectors of the items that this run (x) and the reference (y) share:
-- one shared id in 40, chosen by a hash of the id.
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
    FROM read_parquet('yesterday/items.parquet') AS t
) AS reference USING (id)
WHERE hash(run.id) % 40 = 0 AND hash(reference.id) % 40 = 0
