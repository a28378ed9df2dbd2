-- The sum of the Gram matrices of partitions.
SELECT
    i,
    j,
    sum(value) AS value,
    sum(n_rows) AS n_rows
FROM "lake"."grams" AS g
WHERE
    source = 's'
    AND (
        (partition_key = 'a' AND run_id = '1')
        OR (partition_key = 'b' AND run_id = '2')
    )
GROUP BY
    i,
    j
ORDER BY
    i,
    j
