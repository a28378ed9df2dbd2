-- The partitions of the items, with what tells whether one has changed.
SELECT
    CAST(t."day" AS VARCHAR) AS partition_key,
    CAST(max(t."loaded_at") AS VARCHAR) AS version,
    count(*) AS n_rows
FROM "items" AS t
WHERE
    (t.year > 1990)
GROUP BY t."day"
ORDER BY partition_key
