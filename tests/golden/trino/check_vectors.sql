-- What can be wrong with the vectors of the items that have 3 components.
SELECT
    count(CASE WHEN any_match(x, v -> v IS NULL) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (none_match(x, v -> NOT is_finite(v))) THEN 1 END) AS non_finite
FROM (
    SELECT
        t."id" AS id,
        t."embedding" AS x
    FROM "items" AS t
) AS r
WHERE cardinality(x) = 3
