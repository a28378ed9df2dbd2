-- What can be wrong with the vectors of the items that have 3 components.
SELECT
    count(CASE WHEN x1 IS NULL OR x2 IS NULL OR x3 IS NULL THEN 1 END) AS null_components,
    count(CASE WHEN NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0) THEN 1 END) AS non_finite
FROM (
    SELECT
        id,
        CAST(x[1] AS DOUBLE) AS x1,
        CAST(x[2] AS DOUBLE) AS x2,
        CAST(x[3] AS DOUBLE) AS x3
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x
        FROM "items" AS t
    ) AS v
    WHERE cardinality(x) = 3
) AS r
