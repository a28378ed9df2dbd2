-- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    ARRAY_AGG(after IGNORE NULLS ORDER BY after)[SAFE_OFFSET(CAST(FLOOR(0.1 * (COUNT(after) - 1)) AS INT64))] * (1 - 0.1 * (COUNT(after) - 1) + FLOOR(0.1 * (COUNT(after) - 1))) + ARRAY_AGG(after IGNORE NULLS ORDER BY after)[SAFE_OFFSET(CAST(CEIL(0.1 * (COUNT(after) - 1)) AS INT64))] * (0.1 * (COUNT(after) - 1) - FLOOR(0.1 * (COUNT(after) - 1))) AS after_p10,
    ARRAY_AGG(after IGNORE NULLS ORDER BY after)[SAFE_OFFSET(CAST(FLOOR(0.5 * (COUNT(after) - 1)) AS INT64))] * (1 - 0.5 * (COUNT(after) - 1) + FLOOR(0.5 * (COUNT(after) - 1))) + ARRAY_AGG(after IGNORE NULLS ORDER BY after)[SAFE_OFFSET(CAST(CEIL(0.5 * (COUNT(after) - 1)) AS INT64))] * (0.5 * (COUNT(after) - 1) - FLOOR(0.5 * (COUNT(after) - 1))) AS after_median
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (s1 * y1 + s2 * y2 + s3 * y3)
            / nullif(sqrt(s1 * s1 + s2 * s2 + s3 * s3) * sqrt(y1 * y1 + y2 * y2 + y3 * y3), 0) AS after
    FROM (
        SELECT
            x1 AS s1,
            x2 AS s2,
            x3 AS s3,
            y1,
            y2,
            y3
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
                    CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
                    CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
                FROM (
                    SELECT
                        t.`id` AS id,
                        t.`embedding` AS x
                    FROM `yesterday`.`items` AS t
                ) AS v
            ) AS reference USING (id)
        ) AS pairs
    ) AS vectors
) AS cosines
