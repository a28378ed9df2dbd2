-- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    PERCENTILE_CONT(0.1) WITHIN GROUP (ORDER BY after) AS after_p10,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY after) AS after_median
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
                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                    CAST(GET(x, 3 - 1) AS FLOAT) AS x3
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
