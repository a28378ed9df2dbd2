-- The vectors of the items that this run (x) and the reference (y) share.
SELECT
    run.x AS x,
    reference.x AS y,
    run.w AS w
FROM (
    SELECT
        t."id" AS id,
        arrayMap(v -> assumeNotNull(v), t."embedding") AS x,
        toFloat64(t."n_ratings") AS w
    FROM "items" AS t
    WHERE
        (t.year > 1990)
        AND (t.n_ratings >= 20)
) AS run
JOIN (
    SELECT
        t."id" AS id,
        arrayMap(v -> assumeNotNull(v), t."embedding") AS x
    FROM "yesterday"."items" AS t
) AS reference USING (id)
