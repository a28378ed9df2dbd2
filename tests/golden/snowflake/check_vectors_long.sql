-- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN x1 IS NULL OR x2 IS NULL OR x3 IS NULL THEN 1 END) AS null_components,
    count(CASE WHEN NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0) THEN 1 END) AS non_finite,
    count(CASE WHEN x1 = 0 AND x2 = 0 AND x3 = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t."id" AS id,
        max(CASE WHEN t."dim" = 0 THEN CAST(t."value" AS FLOAT) END) AS x1,
        max(CASE WHEN t."dim" = 1 THEN CAST(t."value" AS FLOAT) END) AS x2,
        max(CASE WHEN t."dim" = 2 THEN CAST(t."value" AS FLOAT) END) AS x3
    FROM "LAKE"."USERS" AS t
    GROUP BY t."id"
    HAVING
        count(DISTINCT t."dim") = count(*)
        AND max(t."dim") - min(t."dim") + 1 = count(*)
        AND min(t."dim") = 0
        AND count(*) = 3
) AS r
