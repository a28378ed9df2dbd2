-- What can be wrong with the vectors of the items that have 3 components.
SELECT
    count(CASE WHEN arrayExists(v -> v IS NULL, x) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (arrayAll(v -> coalesce(isFinite(v), 1), x)) THEN 1 END) AS non_finite
FROM (
    SELECT
        t."id" AS id,
        t."embedding" AS x
    FROM "items" AS t
) AS r
WHERE length(x) = 3
