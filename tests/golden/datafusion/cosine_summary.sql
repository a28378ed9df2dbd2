-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for all items that both runs have.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    array_element(array_agg(cosine ORDER BY cosine) FILTER (WHERE cosine IS NOT NULL), 1 + CAST(floor(0.05 * (count(cosine) - 1)) AS BIGINT)) * (1 + floor(0.05 * (count(cosine) - 1)) - 0.05 * (count(cosine) - 1)) + array_element(array_agg(cosine ORDER BY cosine) FILTER (WHERE cosine IS NOT NULL), 1 + CAST(ceil(0.05 * (count(cosine) - 1)) AS BIGINT)) * (0.05 * (count(cosine) - 1) - floor(0.05 * (count(cosine) - 1))) AS cosine_p05,
    array_element(array_agg(cosine ORDER BY cosine) FILTER (WHERE cosine IS NOT NULL), 1 + CAST(floor(0.5 * (count(cosine) - 1)) AS BIGINT)) * (1 + floor(0.5 * (count(cosine) - 1)) - 0.5 * (count(cosine) - 1)) + array_element(array_agg(cosine ORDER BY cosine) FILTER (WHERE cosine IS NOT NULL), 1 + CAST(ceil(0.5 * (count(cosine) - 1)) AS BIGINT)) * (0.5 * (count(cosine) - 1) - floor(0.5 * (count(cosine) - 1))) AS cosine_p50,
    array_element(array_agg(norm_ratio ORDER BY norm_ratio) FILTER (WHERE norm_ratio IS NOT NULL), 1 + CAST(floor(0.05 * (count(norm_ratio) - 1)) AS BIGINT)) * (1 + floor(0.05 * (count(norm_ratio) - 1)) - 0.05 * (count(norm_ratio) - 1)) + array_element(array_agg(norm_ratio ORDER BY norm_ratio) FILTER (WHERE norm_ratio IS NOT NULL), 1 + CAST(ceil(0.05 * (count(norm_ratio) - 1)) AS BIGINT)) * (0.05 * (count(norm_ratio) - 1) - floor(0.05 * (count(norm_ratio) - 1))) AS norm_ratio_p05,
    array_element(array_agg(norm_ratio ORDER BY norm_ratio) FILTER (WHERE norm_ratio IS NOT NULL), 1 + CAST(floor(0.5 * (count(norm_ratio) - 1)) AS BIGINT)) * (1 + floor(0.5 * (count(norm_ratio) - 1)) - 0.5 * (count(norm_ratio) - 1)) + array_element(array_agg(norm_ratio ORDER BY norm_ratio) FILTER (WHERE norm_ratio IS NOT NULL), 1 + CAST(ceil(0.5 * (count(norm_ratio) - 1)) AS BIGINT)) * (0.5 * (count(norm_ratio) - 1) - floor(0.5 * (count(norm_ratio) - 1))) AS norm_ratio_p50
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
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3
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
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2
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
