-- What can be wrong with the users.
SELECT
    count(*) AS n_rows,
    count(*) - count(id) AS null_ids,
    count(id) - count(DISTINCT id) AS duplicate_ids,
    count(*) FILTER (x IS NULL) AS null_vectors,
    histogram(len(x)) AS lengths,
    count(*) FILTER (list_count(x) <> len(x)) AS null_components,
    count(*) FILTER (NOT (isfinite(list_max(x)) AND isfinite(list_min(x)))) AS non_finite
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
