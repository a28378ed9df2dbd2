-- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    array_element(array_agg(after ORDER BY after) FILTER (WHERE after IS NOT NULL), 1 + CAST(floor(0.1 * (count(after) - 1)) AS BIGINT)) * (1 + floor(0.1 * (count(after) - 1)) - 0.1 * (count(after) - 1)) + array_element(array_agg(after ORDER BY after) FILTER (WHERE after IS NOT NULL), 1 + CAST(ceil(0.1 * (count(after) - 1)) AS BIGINT)) * (0.1 * (count(after) - 1) - floor(0.1 * (count(after) - 1))) AS after_p10,
    array_element(array_agg(after ORDER BY after) FILTER (WHERE after IS NOT NULL), 1 + CAST(floor(0.5 * (count(after) - 1)) AS BIGINT)) * (1 + floor(0.5 * (count(after) - 1)) - 0.5 * (count(after) - 1)) + array_element(array_agg(after ORDER BY after) FILTER (WHERE after IS NOT NULL), 1 + CAST(ceil(0.5 * (count(after) - 1)) AS BIGINT)) * (0.5 * (count(after) - 1) - floor(0.5 * (count(after) - 1))) AS after_median
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
                    CAST(x[2] AS DOUBLE) AS x2,
                    CAST(x[3] AS DOUBLE) AS x3
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
