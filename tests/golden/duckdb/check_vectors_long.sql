-- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN list_count(x) <> len(x) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (isfinite(list_max(x)) AND isfinite(list_min(x))) THEN 1 END) AS non_finite,
    count(CASE WHEN x[1] = 0 AND list_max(list_transform(x, lambda v: abs(v))) = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t."id" AS id,
        -- NULL where a dimension is missing or stands twice.
        CASE
            WHEN count(DISTINCT t."dim") = count(*)
                AND max(t."dim") - min(t."dim") + 1 = count(*)
                AND min(t."dim") = 0
            THEN list(CAST(t."value" AS DOUBLE) ORDER BY t."dim")
        END AS x
    FROM "lake"."users" AS t
    GROUP BY t."id"
) AS r
WHERE len(x) = 3
