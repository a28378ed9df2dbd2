-- Cosine of the same item in this run and in the reference: of the stable vectors (after) and
-- of the raw ones (before), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    PERCENTILE_CONT(0.1) WITHIN GROUP (ORDER BY after) AS after_p10,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY after) AS after_median,
    avg(before) AS before_mean,
    PERCENTILE_CONT(0.1) WITHIN GROUP (ORDER BY before) AS before_p10,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY before) AS before_median,
    -- How many are in two ranges, which tell ids that mean something else and raw vectors that stayed.
    count(CASE WHEN after < 1.0000000000000001e-01 THEN 1 END) AS after_below,
    count(CASE WHEN after >= 1.0000000000000001e-01 AND after < 3.2500000000000001e-01 THEN 1 END) AS after_near,
    count(CASE WHEN before < 9.9999899999999997e-01 THEN 1 END) AS before_below,
    count(CASE WHEN before >= 9.9999899999999997e-01 AND before < 2.0000000000000000e+00 THEN 1 END) AS before_near
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (x1 * z1 + x2 * z2 + x3 * z3)
            / nullif(sqrt(x1 * x1 + x2 * x2 + x3 * x3) * sqrt(z1 * z1 + z2 * z2 + z3 * z3), 0) AS before,
        (s1 * y1 + s2 * y2)
            / nullif(sqrt(s1 * s1 + s2 * s2 + s3 * s3) * sqrt(y1 * y1 + y2 * y2), 0) AS after
    FROM (
        SELECT
            x1,
            x2,
            x3,
            y1 * 5.0000000000000000e-01 + y2 * 2.5000000000000000e-01 AS z1,
            y1 * 0.0000000000000000e+00 + y2 * -1.0000000000000000e+00 AS z2,
            y1 * 1.0000000000000000e+00 + y2 * 0.0000000000000000e+00 AS z3,
            x1 * 5.0000000000000000e-01 + x2 * 2.5000000000000000e-01 + x3 * 0.0000000000000000e+00 AS s1,
            x1 * 0.0000000000000000e+00 + x2 * -1.0000000000000000e+00 + x3 * 2.0000000000000000e+00 AS s2,
            x1 * 1.0000000000000000e+00 + x2 * 0.0000000000000000e+00 + x3 * 9.9999999999999995e-21 AS s3,
            y1,
            y2
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
                    CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                    CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                FROM (
                    SELECT
                        t."id" AS id,
                        t."embedding" AS x
                    FROM "ITEMS" AS t
                ) AS v
            ) AS run
            JOIN (
                SELECT
                    id,
                    CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2
                FROM (
                    SELECT
                        t."id" AS id,
                        t."embedding" AS x
                    FROM "YESTERDAY"."ITEMS" AS t
                ) AS v
            ) AS reference USING (id)
        ) AS pairs
    ) AS vectors
) AS cosines
