-- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN arrayExists(v -> v IS NULL, x) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (arrayAll(v -> coalesce(isFinite(v), 1), x)) THEN 1 END) AS non_finite,
    count(CASE WHEN x[1] = 0 AND arrayMax(arrayMap(v -> abs(v), x)) = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t."id" AS id,
        t."embedding" AS x
    FROM "items" AS t
) AS r
WHERE length(x) = 3
