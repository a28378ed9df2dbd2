-- Cosine of the same id in two runs, and its length in the run relative to the reference,
-- for all items that both runs have.
SELECT
    count(*) AS n_rows,
    count(cosine) AS n_cosines,
    avg(cosine) AS cosine_mean,
    ARRAY_AGG(cosine IGNORE NULLS ORDER BY cosine)[SAFE_OFFSET(CAST(FLOOR(0.05 * (COUNT(cosine) - 1)) AS INT64))] * (1 - 0.05 * (COUNT(cosine) - 1) + FLOOR(0.05 * (COUNT(cosine) - 1))) + ARRAY_AGG(cosine IGNORE NULLS ORDER BY cosine)[SAFE_OFFSET(CAST(CEIL(0.05 * (COUNT(cosine) - 1)) AS INT64))] * (0.05 * (COUNT(cosine) - 1) - FLOOR(0.05 * (COUNT(cosine) - 1))) AS cosine_p05,
    ARRAY_AGG(cosine IGNORE NULLS ORDER BY cosine)[SAFE_OFFSET(CAST(FLOOR(0.5 * (COUNT(cosine) - 1)) AS INT64))] * (1 - 0.5 * (COUNT(cosine) - 1) + FLOOR(0.5 * (COUNT(cosine) - 1))) + ARRAY_AGG(cosine IGNORE NULLS ORDER BY cosine)[SAFE_OFFSET(CAST(CEIL(0.5 * (COUNT(cosine) - 1)) AS INT64))] * (0.5 * (COUNT(cosine) - 1) - FLOOR(0.5 * (COUNT(cosine) - 1))) AS cosine_p50,
    ARRAY_AGG(norm_ratio IGNORE NULLS ORDER BY norm_ratio)[SAFE_OFFSET(CAST(FLOOR(0.05 * (COUNT(norm_ratio) - 1)) AS INT64))] * (1 - 0.05 * (COUNT(norm_ratio) - 1) + FLOOR(0.05 * (COUNT(norm_ratio) - 1))) + ARRAY_AGG(norm_ratio IGNORE NULLS ORDER BY norm_ratio)[SAFE_OFFSET(CAST(CEIL(0.05 * (COUNT(norm_ratio) - 1)) AS INT64))] * (0.05 * (COUNT(norm_ratio) - 1) - FLOOR(0.05 * (COUNT(norm_ratio) - 1))) AS norm_ratio_p05,
    ARRAY_AGG(norm_ratio IGNORE NULLS ORDER BY norm_ratio)[SAFE_OFFSET(CAST(FLOOR(0.5 * (COUNT(norm_ratio) - 1)) AS INT64))] * (1 - 0.5 * (COUNT(norm_ratio) - 1) + FLOOR(0.5 * (COUNT(norm_ratio) - 1))) + ARRAY_AGG(norm_ratio IGNORE NULLS ORDER BY norm_ratio)[SAFE_OFFSET(CAST(CEIL(0.5 * (COUNT(norm_ratio) - 1)) AS INT64))] * (0.5 * (COUNT(norm_ratio) - 1) - FLOOR(0.5 * (COUNT(norm_ratio) - 1))) AS norm_ratio_p50
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
                        CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
                        CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
                        CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
                    FROM (
                        SELECT
                            t.`id` AS id,
                            t.`embedding` AS x
                        FROM `items` AS t
                    ) AS v
                ) AS run
                JOIN (
                    SELECT
                        id,
                        CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
                        CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2
                    FROM (
                        SELECT
                            t.`id` AS id,
                            t.`embedding` AS x
                        FROM `yesterday`.`items` AS t
                    ) AS v
                ) AS reference USING (id)
            ) AS pairs
        ) AS measured
    ) AS c
) AS figures
