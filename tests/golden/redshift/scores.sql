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
                    CAST(x[1 - 1] AS DOUBLE PRECISION) AS x1,
                    CAST(x[2 - 1] AS DOUBLE PRECISION) AS x2,
                    CAST(x[3 - 1] AS DOUBLE PRECISION) AS x3
                FROM (
                    SELECT
                        t."id" AS id,
                        t."v" AS x
                    FROM "users" AS t
                ) AS v
                WHERE GET_ARRAY_LENGTH(x) = 3
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
                        CAST(x[1 - 1] AS DOUBLE PRECISION) AS x1,
                        CAST(x[2 - 1] AS DOUBLE PRECISION) AS x2,
                        CAST(x[3 - 1] AS DOUBLE PRECISION) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."v" AS x
                        FROM "users" AS t
                    ) AS v
                    WHERE GET_ARRAY_LENGTH(x) = 3
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
                CAST(x[1 - 1] AS DOUBLE PRECISION) AS x1,
                CAST(x[2 - 1] AS DOUBLE PRECISION) AS x2,
                CAST(x[3 - 1] AS DOUBLE PRECISION) AS x3
            FROM (
                SELECT
                    t."id" AS id,
                    t."embedding" AS x
                FROM "items" AS t
            ) AS v
        ) AS r
        JOIN (
            -- Whichever rows come first: they are found without reading the whole table.
            SELECT *
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
                    FROM "yesterday"."items" AS t
                ) AS v
            ) AS some_rows
            LIMIT 300
        ) AS s USING (id)
    ) AS i
) AS scores
