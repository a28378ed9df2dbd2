-- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN exists(x, v -> v IS NULL) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (NOT exists(x, v -> v - v <> 0)) THEN 1 END) AS non_finite,
    count(CASE WHEN get(x, 1 - 1) = 0 AND array_max(transform(x, v -> abs(v))) = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t.`id` AS id,
        -- NULL where a dimension is missing or stands twice.
        CASE
            WHEN array_size(array_distinct(collect_list(t.`dim`))) = count(*)
                AND max(t.`dim`) - min(t.`dim`) + 1 = count(*)
                AND min(t.`dim`) = 0
            THEN transform(array_sort(collect_list(struct(t.`dim` AS d, CAST(t.`value` AS double) AS v))), s -> s.v)
        END AS x
    FROM `lake`.`users` AS t
    GROUP BY t.`id`
) AS r
WHERE array_size(x) = 3
