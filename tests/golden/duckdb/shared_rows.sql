-- The vectors of the items that this run (x) and the reference (y) share.
SELECT
    run.x AS x,
    reference.x AS y,
    CAST(run.w AS DOUBLE) AS w
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS FLOAT[]) AS x,
        t."n_ratings" AS w
    FROM "items" AS t
    WHERE
        (year > 1990)
        AND (n_ratings >= 20)
) AS run
JOIN (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS FLOAT[]) AS x
    FROM read_parquet('yesterday/items.parquet') AS t
) AS reference USING (id)
