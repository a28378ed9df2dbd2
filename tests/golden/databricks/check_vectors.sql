-- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN exists(x, v -> v IS NULL) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (NOT exists(x, v -> v - v <> 0)) THEN 1 END) AS non_finite,
    count(CASE WHEN get(x, 1 - 1) = 0 AND array_max(transform(x, v -> abs(v))) = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t.`id` AS id,
        t.`embedding` AS x
    FROM `items` AS t
) AS r
WHERE array_size(x) = 3
