-- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN list_count(x) <> len(x) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (isfinite(list_sum(x))) THEN 1 END) AS non_finite,
    count(CASE WHEN x[1] = 0 AND list_max(list_transform(x, lambda v: abs(v))) = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS FLOAT[]) AS x
    FROM "items" AS t
) AS r
WHERE len(x) = 3
