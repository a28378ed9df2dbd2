-- The figures of this run.
SELECT
    name,
    value
FROM "SOLUTION" AS s
WHERE name IN ('rank')
UNION ALL
SELECT
    'singular_value_' || CAST(s.i AS VARCHAR) AS name,
    s.value AS value
FROM "SOLUTION" AS s
WHERE s.name = 'singular_values'
UNION ALL
SELECT
    'cosine_items_' || figure AS name,
    CASE figure WHEN 'rows' THEN CAST(n_rows AS FLOAT) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
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
) AS drift
CROSS JOIN (
    SELECT 'rows' AS figure UNION ALL SELECT 'mean' UNION ALL SELECT 'p10' UNION ALL SELECT 'median'
) AS figures
UNION ALL
SELECT
    'shared_items' AS name,
    CAST(shared AS FLOAT) AS value
FROM (
    -- How many items this run and the reference share.
    SELECT
        count(*) AS shared
    FROM (
        SELECT
            t."id" AS id
        FROM "ITEMS" AS t
    ) AS run
    WHERE id IN (
        SELECT
            t."id" AS id
        FROM "YESTERDAY"."ITEMS" AS t
    )
) AS shared_ids
UNION ALL
SELECT
    figure AS name,
    CASE figure WHEN 'score_pairs' THEN CAST(n_pairs AS FLOAT) ELSE largest_error / nullif(largest, 0) END AS value
FROM (
    -- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
    SELECT
        count(raw_score - stable_score) AS n_pairs,
        max(abs(raw_score)) AS largest,
        max(abs(raw_score - stable_score)) AS largest_error
    FROM (
        SELECT
            u.x1 * i.x1 + u.x2 * i.x2 + u.x3 * i.x3 AS raw_score,
            u.s1 * i.s1 + u.s2 * i.s2 + u.s3 * i.s3 AS stable_score
        FROM (
            SELECT
                r.x1 AS x1,
                r.x2 AS x2,
                r.x3 AS x3,
                s.x1 AS s1,
                s.x2 AS s2,
                s.x3 AS s3
            FROM (
                SELECT *
                FROM (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."v" AS x
                        FROM "USERS" AS t
                    ) AS v
                    WHERE ARRAY_SIZE(x) = 3
                ) AS r
                WHERE
                    id IS NOT NULL
                    AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
                    AND id NOT IN (
                        SELECT id
                        FROM (
                            SELECT t."id" AS id
                            FROM "USERS" AS t
                        ) AS d
                        WHERE id IS NOT NULL
                        GROUP BY id
                        HAVING count(*) > 1
                    )
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT *
                    FROM (
                        SELECT
                            id,
                            CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                            CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                            CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                        FROM (
                            SELECT
                                t."id" AS id,
                                t."v" AS x
                            FROM "USERS" AS t
                        ) AS v
                        WHERE ARRAY_SIZE(x) = 3
                    ) AS r
                    WHERE
                        id IS NOT NULL
                        AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
                        AND id NOT IN (
                            SELECT id
                            FROM (
                                SELECT t."id" AS id
                                FROM "USERS" AS t
                            ) AS d
                            WHERE id IS NOT NULL
                            GROUP BY id
                            HAVING count(*) > 1
                        )
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS u
        CROSS JOIN (
            SELECT
                r.x1 AS x1,
                r.x2 AS x2,
                r.x3 AS x3,
                s.x1 AS s1,
                s.x2 AS s2,
                s.x3 AS s3
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
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
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
                        FROM "YESTERDAY"."ITEMS" AS t
                    ) AS v
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS i
    ) AS scores
) AS scores
CROSS JOIN (
    SELECT 'score_pairs' AS figure UNION ALL SELECT 'max_relative_error'
) AS figures
