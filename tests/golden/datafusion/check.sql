-- What can be wrong with the ids of the items.
SELECT
    count(*) AS n_rows,
    count(*) - count(id) AS null_ids,
    count(id) - count(DISTINCT id) AS duplicate_ids
FROM (
    SELECT
        t."id" AS id
    FROM "items" AS t
) AS r
