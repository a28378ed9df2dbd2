-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for all items that both runs have.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    PERCENTILE_CONT(0.05) WITHIN GROUP (ORDER BY cosine) AS cosine_p05,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY cosine) AS cosine_p50,
    PERCENTILE_CONT(0.05) WITHIN GROUP (ORDER BY norm_ratio) AS norm_ratio_p05,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY norm_ratio) AS norm_ratio_p50
FROM (
    SELECT
        cosine,
        norm / nullif(reference_norm, 0) AS norm_ratio
    FROM (
        SELECT
            id,
            (x1 * y1 + x2 * y2) / nullif(norm * reference_norm, 0) AS cosine,
            norm,
            reference_norm
        FROM (
            SELECT
                pairs.*,
                sqrt(pairs.x1 * pairs.x1 + pairs.x2 * pairs.x2 + pairs.x3 * pairs.x3) AS norm,
                sqrt(pairs.y1 * pairs.y1 + pairs.y2 * pairs.y2) AS reference_norm
            FROM (
                SELECT
                    id,
                    run.x1 AS x1,
                    run.x2 AS x2,
                    run.x3 AS x3,
                    reference.x1 AS y1,
                    reference.x2 AS y2
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
                ) AS run
                JOIN (
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
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
) AS figures
