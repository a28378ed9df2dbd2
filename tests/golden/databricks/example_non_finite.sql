-- An id of the items with this problem: non finite.
SELECT min(CAST(id AS string)) AS example
FROM (
    SELECT
        t.`id` AS id,
        t.`embedding` AS x
    FROM `items` AS t
) AS r
WHERE NOT (NOT exists(x, v -> v - v <> 0))
