-- How many items this run and the reference share and may align.
SELECT count(*) AS shared
FROM (
    SELECT
        t."id" AS id
    FROM "items" AS t
    WHERE
        (year > 1990)
        AND (n_ratings >= 20)
) AS run
SEMI JOIN (
    SELECT
        t."id" AS id
    FROM read_parquet('yesterday/items.parquet') AS t
) AS reference USING (id)
