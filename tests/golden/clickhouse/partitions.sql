-- The partitions of the items, with what tells whether one has changed.
SELECT
    toString(t."day") AS partition_key,
    toString(max(t."loaded_at")) AS version,
    count(*) AS n_rows
FROM "items" AS t
WHERE
    (t.year > 1990)
GROUP BY t."day"
ORDER BY partition_key
