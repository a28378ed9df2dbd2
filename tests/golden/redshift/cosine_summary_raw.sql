-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for a share of the items that both runs have, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY cosine) AS cosine_p50,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY norm_ratio) AS norm_ratio_p50
FROM (
    SELECT
        cosine,
        norm / nullif(reference_norm, 0) AS norm_ratio
    FROM (
        SELECT
            id,
            (x1 * y1 + x2 * y2 + x3 * y3) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(pairs.x1 * pairs.x1 + pairs.x2 * pairs.x2 + pairs.x3 * pairs.x3) AS norm,
                sqrt(pairs.y1 * pairs.y1 + pairs.y2 * pairs.y2 + pairs.y3 * pairs.y3) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x1 AS x1,
                    run.x2 AS x2,
                    run.x3 AS x3,
                    reference.x1 AS y1,
                    reference.x2 AS y2,
                    reference.x3 AS y3
                FROM (
                    SELECT
                        id,
                        m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
                        m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
                        m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
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
                            WHERE
                                (MD5(CAST(t."id" AS VARCHAR)) < '80000000')
                        ) AS v
                    ) AS m
                ) AS run
                JOIN (
                    SELECT
                        id,
                        m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 AS x1,
                        m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 AS x2,
                        m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 AS x3
                    FROM (
                        SELECT
                            id,
                            CAST(x[1 - 1] AS DOUBLE PRECISION) AS x1,
                            CAST(x[2 - 1] AS DOUBLE PRECISION) AS x2
                        FROM (
                            SELECT
                                t."id" AS id,
                                t."embedding" AS x
                            FROM "yesterday"."items" AS t
                        ) AS v
                    ) AS m
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
) AS figures
