-- The vectors of the items that this run (x) and the reference (y) share, with their weights (w) and halves.
SELECT
    run.x AS x,
    reference.x AS y,
    run.w * reference.w AS w,
    CASE WHEN SUBSTR(md5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS FLOAT[]) AS x,
        CAST(t."n_ratings" AS DOUBLE) AS w
    FROM "items" AS t
    WHERE
        (t.year > 1990)
        AND (t.n_ratings >= 20)
) AS run
JOIN (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS FLOAT[]) AS x,
        CAST(CASE t.run WHEN 'a' THEN 0.8E0 ELSE 1E0 END AS DOUBLE) AS w
    FROM "yesterday"."items" AS t
    WHERE
        (t.run IN ('a', 'b'))
) AS reference USING (id)
