-- An id of the items with this problem: wrong length.
SELECT min(CAST(id AS STRING)) AS example
FROM (
    SELECT
        t.`id` AS id,
        ARRAY_LENGTH(t.`embedding`) AS n
    FROM `items` AS t
) AS r
WHERE n <> 3
