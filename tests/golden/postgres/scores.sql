-- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
SELECT
    count(raw_score - stable_score) AS n_pairs,
    max(abs(raw_score)) AS largest,
    max(abs(raw_score - stable_score)) AS largest_error
FROM (
    -- The planner knows nothing of rows just written: it would make those of the items anew for each user.
    WITH
        u AS MATERIALIZED (
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
                        CAST(x[1] AS double precision) AS x1,
                        CAST(x[2] AS double precision) AS x2,
                        CAST(x[3] AS double precision) AS x3
                    FROM (
                        SELECT
                            id,
                            (x)[1:3] AS x
                        FROM (
                            SELECT
                                t."id" AS id,
                                CAST(t."v" AS double precision[]) AS x
                            FROM "users" AS t
                        ) AS whole
                        WHERE cardinality(x) = 3
                        OFFSET 0
                    ) AS v
                    OFFSET 0
                ) AS r
                WHERE
                    id IS NOT NULL
                    AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
                    AND id NOT IN (
                        SELECT id
                        FROM (
                            SELECT t."id" AS id
                            FROM "users" AS t
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
                            CAST(x[1] AS double precision) AS x1,
                            CAST(x[2] AS double precision) AS x2,
                            CAST(x[3] AS double precision) AS x3
                        FROM (
                            SELECT
                                id,
                                (x)[1:3] AS x
                            FROM (
                                SELECT
                                    t."id" AS id,
                                    CAST(t."v" AS double precision[]) AS x
                                FROM "users" AS t
                            ) AS whole
                            WHERE cardinality(x) = 3
                            OFFSET 0
                        ) AS v
                        OFFSET 0
                    ) AS r
                    WHERE
                        id IS NOT NULL
                        AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
                        AND id NOT IN (
                            SELECT id
                            FROM (
                                SELECT t."id" AS id
                                FROM "users" AS t
                            ) AS d
                            WHERE id IS NOT NULL
                            GROUP BY id
                            HAVING count(*) > 1
                        )
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ),
        i AS MATERIALIZED (
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
                    CAST(x[1] AS double precision) AS x1,
                    CAST(x[2] AS double precision) AS x2,
                    CAST(x[3] AS double precision) AS x3
                FROM (
                    SELECT
                        id,
                        (x)[1:3] AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."embedding" AS x
                        FROM "items" AS t
                    ) AS whole
                    OFFSET 0
                ) AS v
                OFFSET 0
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        id,
                        CAST(x[1] AS double precision) AS x1,
                        CAST(x[2] AS double precision) AS x2,
                        CAST(x[3] AS double precision) AS x3
                    FROM (
                        SELECT
                            id,
                            (x)[1:3] AS x
                        FROM (
                            SELECT
                                t."id" AS id,
                                t."embedding" AS x
                            FROM "yesterday"."items" AS t
                        ) AS whole
                        OFFSET 0
                    ) AS v
                    OFFSET 0
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        )
    SELECT
        u.x1 * i.x1 + u.x2 * i.x2 + u.x3 * i.x3 AS raw_score,
        u.s1 * i.s1 + u.s2 * i.s2 + u.s3 * i.s3 AS stable_score
    FROM u
    CROSS JOIN i
    OFFSET 0
) AS scores
