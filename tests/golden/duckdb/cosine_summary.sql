-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for all items that both runs have.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    quantile_cont(cosine, 0.05) AS cosine_p05,
    quantile_cont(cosine, 0.5) AS cosine_p50,
    quantile_cont(norm_ratio, 0.05) AS norm_ratio_p05,
    quantile_cont(norm_ratio, 0.5) AS norm_ratio_p50
FROM (
    SELECT
        cosine,
        norm / nullif(reference_norm, 0) AS norm_ratio
    FROM (
        SELECT
            id,
            (list_dot_product(x, y)) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(list_dot_product(pairs.x, pairs.x)) AS norm,
                sqrt(list_dot_product(pairs.y, pairs.y)) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    list_concat(reference.x, [0E0]) AS y
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "items" AS t
                ) AS run
                JOIN (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "yesterday"."items" AS t
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
) AS figures
