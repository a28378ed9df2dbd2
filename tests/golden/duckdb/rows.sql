-- The vectors of the items, and the id of one row in 40.
SELECT
    x,
    CASE WHEN hash(id) % 40 = 0 THEN id END AS kept
FROM (
    SELECT
        t."item_id" AS id,
        CAST([t."e0", t."e1", t."e2"] AS FLOAT[]) AS x
    FROM read_parquet('data/items-*.parquet') AS t
) AS r
