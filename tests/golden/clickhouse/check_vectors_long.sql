-- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN arrayExists(v -> v IS NULL, x) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (arrayAll(v -> coalesce(isFinite(v), 1), x)) THEN 1 END) AS non_finite,
    count(CASE WHEN x[1] = 0 AND arrayMax(arrayMap(v -> abs(v), x)) = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t."id" AS id,
        -- Empty where a dimension is missing or stands twice.
        CASE
            WHEN count(DISTINCT t."dim") = count(*)
                AND max(t."dim") - min(t."dim") + 1 = count(*)
                AND min(t."dim") = 0
            THEN arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((t."dim", toFloat64(t."value")))))
            ELSE []
        END AS x
    FROM "lake"."users" AS t
    GROUP BY t."id"
) AS r
WHERE length(x) = 3
