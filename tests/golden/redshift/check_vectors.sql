-- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN x1 IS NULL OR x2 IS NULL OR x3 IS NULL THEN 1 END) AS null_components,
    count(CASE WHEN NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0) THEN 1 END) AS non_finite,
    count(CASE WHEN x1 = 0 AND x2 = 0 AND x3 = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        id,
        CAST(x[1 - 1] AS DOUBLE PRECISION) AS x1,
        CAST(x[2 - 1] AS DOUBLE PRECISION) AS x2,
        CAST(x[3 - 1] AS DOUBLE PRECISION) AS x3
    FROM (
        SELECT
            t."id" AS id,
            t."embedding" AS x
        FROM "items" AS t
    ) AS v
    WHERE GET_ARRAY_LENGTH(x) = 3
) AS r
