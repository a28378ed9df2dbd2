-- How many items this run and the reference share and may align.
SELECT count(*) AS shared
FROM (
    SELECT
        t."id" AS id
    FROM "items" AS t
    WHERE
        (t.year > 1990)
        AND (t.n_ratings >= 20)
) AS run
WHERE id IN (
    SELECT
        t."id" AS id
    FROM "yesterday"."items" AS t
)
