-- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
SELECT
    count(CASE WHEN any_match(x, v -> v IS NULL) THEN 1 END) AS null_components,
    count(CASE WHEN NOT (none_match(x, v -> NOT is_finite(v))) THEN 1 END) AS non_finite,
    count(CASE WHEN element_at(x, 1) = 0 AND array_max(transform(x, v -> abs(v))) = 0 THEN 1 END) AS zeros
FROM (
    SELECT
        t."id" AS id,
        -- NULL where a dimension is missing or stands twice.
        CASE
            WHEN count(DISTINCT t."dim") = count(*)
                AND max(t."dim") - min(t."dim") + 1 = count(*)
                AND min(t."dim") = 0
            THEN array_agg(CAST(t."value" AS double) ORDER BY t."dim")
        END AS x
    FROM "lake"."users" AS t
    GROUP BY t."id"
) AS r
WHERE cardinality(x) = 3
