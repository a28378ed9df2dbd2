-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for a share of the items that both runs have, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    quantile_cont(cosine, 0.5) AS cosine_p50,
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
                    reference.x AS y
                FROM (
                    SELECT
                        id,
                        list_transform([
                            [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                            [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                            [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                        ], lambda c: list_dot_product(c, x)) AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            CAST(t."embedding" AS DOUBLE[]) AS x
                        FROM "items" AS t
                        WHERE
                            (md5(CAST(t."id" AS VARCHAR)) < '80000000')
                    ) AS m
                ) AS run
                JOIN (
                    SELECT
                        id,
                        list_transform([
                            [5.0000000000000000e-01, 2.5000000000000000e-01],
                            [0.0000000000000000e+00, -1.0000000000000000e+00],
                            [1.0000000000000000e+00, 0.0000000000000000e+00]
                        ], lambda c: list_dot_product(c, x)) AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            CAST(t."embedding" AS DOUBLE[]) AS x
                        FROM "yesterday"."items" AS t
                    ) AS m
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
) AS figures
