-- What can be wrong with the items.
SELECT
    count(*) AS n_rows,
    count(*) - count(id) AS null_ids,
    count(id) - count(DISTINCT id) AS duplicate_ids,
    count(*) FILTER (x IS NULL) AS null_vectors,
    histogram(len(x)) AS lengths,
    count(*) FILTER (list_count(x) <> len(x)) AS null_components,
    count(*) FILTER (NOT (isfinite(list_sum(x)))) AS non_finite,
    count(*) FILTER (w IS NULL OR w < 0 OR NOT isfinite(w)) AS bad_weights
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS DOUBLE[]) AS x,
        t."n_ratings" AS w
    FROM "items" AS t
    WHERE
        (year > 1990)
) AS r
