-- Cosine of the same item in this run and in the reference: of the stable vectors (after) and
-- of the raw ones (before), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    array_element(array_agg(after ORDER BY after) FILTER (WHERE after IS NOT NULL), 1 + CAST(floor(0.1 * (count(after) - 1)) AS BIGINT)) * (1 + floor(0.1 * (count(after) - 1)) - 0.1 * (count(after) - 1)) + array_element(array_agg(after ORDER BY after) FILTER (WHERE after IS NOT NULL), 1 + CAST(ceil(0.1 * (count(after) - 1)) AS BIGINT)) * (0.1 * (count(after) - 1) - floor(0.1 * (count(after) - 1))) AS after_p10,
    array_element(array_agg(after ORDER BY after) FILTER (WHERE after IS NOT NULL), 1 + CAST(floor(0.5 * (count(after) - 1)) AS BIGINT)) * (1 + floor(0.5 * (count(after) - 1)) - 0.5 * (count(after) - 1)) + array_element(array_agg(after ORDER BY after) FILTER (WHERE after IS NOT NULL), 1 + CAST(ceil(0.5 * (count(after) - 1)) AS BIGINT)) * (0.5 * (count(after) - 1) - floor(0.5 * (count(after) - 1))) AS after_median,
    avg(before) AS before_mean,
    array_element(array_agg(before ORDER BY before) FILTER (WHERE before IS NOT NULL), 1 + CAST(floor(0.1 * (count(before) - 1)) AS BIGINT)) * (1 + floor(0.1 * (count(before) - 1)) - 0.1 * (count(before) - 1)) + array_element(array_agg(before ORDER BY before) FILTER (WHERE before IS NOT NULL), 1 + CAST(ceil(0.1 * (count(before) - 1)) AS BIGINT)) * (0.1 * (count(before) - 1) - floor(0.1 * (count(before) - 1))) AS before_p10,
    array_element(array_agg(before ORDER BY before) FILTER (WHERE before IS NOT NULL), 1 + CAST(floor(0.5 * (count(before) - 1)) AS BIGINT)) * (1 + floor(0.5 * (count(before) - 1)) - 0.5 * (count(before) - 1)) + array_element(array_agg(before ORDER BY before) FILTER (WHERE before IS NOT NULL), 1 + CAST(ceil(0.5 * (count(before) - 1)) AS BIGINT)) * (0.5 * (count(before) - 1) - floor(0.5 * (count(before) - 1))) AS before_median
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
            y1 * 0.5E0 + y2 * 0.25E0 AS z1,
            y1 * 0.0E0 + y2 * -1.0E0 AS z2,
            y1 * 1.0E0 + y2 * 0.0E0 AS z3,
            x1 * 0.5E0 + x2 * 0.25E0 + x3 * 0.0E0 AS s1,
            x1 * 0.0E0 + x2 * -1.0E0 + x3 * 2.0E0 AS s2,
            x1 * 1.0E0 + x2 * 0.0E0 + x3 * 1E-20 AS s3,
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
    ) AS vectors
) AS cosines
