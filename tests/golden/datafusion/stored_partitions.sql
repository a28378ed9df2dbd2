-- The Gram matrices that are kept for partitions of one table, the newest of each.
SELECT
    g.partition_key AS partition_key,
    g.run_id AS run_id,
    max(g.version) AS version,
    max(g.partition_rows) AS partition_rows,
    max(g.j) AS dimension,
    count(*) AS n_entries
FROM "lake"."grams" AS g
JOIN (
    SELECT
        partition_key,
        max(run_id) AS run_id
    FROM "lake"."grams"
    WHERE source = 's'
    GROUP BY partition_key
) AS newest ON g.partition_key = newest.partition_key AND g.run_id = newest.run_id
WHERE g.source = 's'
GROUP BY
    g.partition_key,
    g.run_id
