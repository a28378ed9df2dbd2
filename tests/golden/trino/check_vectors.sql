-- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN any_match(x, v -> v IS NULL) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (none_match(x, v -> NOT is_finite(v))) THEN 1 END) AS non_finite,
    count(CASE WHEN element_at(x, 1) = 0 AND array_max(transform(x, v -> abs(v))) = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t."id" AS id,
        t."embedding" AS x
    FROM "items" AS t
) AS r
WHERE cardinality(x) = 3
