-- An id of the items with this problem: wrong length.
SELECT min(CAST(id AS string)) AS example
FROM (
    SELECT
        t.`id` AS id,
        array_size(t.`embedding`) AS n
    FROM `items` AS t
) AS r
WHERE n <> 3
