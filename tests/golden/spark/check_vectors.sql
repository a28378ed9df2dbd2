-- What can be wrong with the vectors of the items that have 3 components.
SELECT
    count(CASE WHEN exists(x, v -> v IS NULL) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (NOT exists(x, v -> v - v <> 0)) THEN 1 END) AS non_finite
FROM (
    SELECT
        t.`id` AS id,
        t.`embedding` AS x
    FROM `items` AS t
) AS r
WHERE array_size(x) = 3
