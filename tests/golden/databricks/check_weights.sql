-- What can be wrong with the ids of the items and with their weights.
SELECT
    count(*) AS n_rows,
    count(*) - count(id) AS null_ids,
    count(id) - count(DISTINCT id) AS duplicate_ids,
    count(CASE WHEN w IS NULL OR NOT (w >= 0 AND NOT exists(array(w), v -> v - v <> 0)) THEN 1 END) AS bad_weights
FROM (
    SELECT
        t.`id` AS id,
        CAST(t.`n_ratings` AS double) AS w
    FROM `items` AS t
    WHERE
        (t.year > 1990)
) AS r
