-- The items times a matrix, made unit vectors; only those that may align.
SELECT
    id,
    ARRAY[x1, x2, x3] AS x,
    w
FROM (
    SELECT
        id,
        x1 / divisor AS x1,
        x2 / divisor AS x2,
        x3 / divisor AS x3,
        w
    FROM (
        SELECT
            q.*,
            coalesce(nullif(sqrt(q.x1 * q.x1 + q.x2 * q.x2 + q.x3 * q.x3), 0), 1) AS divisor
        FROM (
            SELECT
                id,
                x1 / divisor AS x1,
                x2 / divisor AS x2,
                x3 / divisor AS x3,
                w
            FROM (
                SELECT
                    q.*,
                    coalesce(nullif(greatest(abs(q.x1), abs(q.x2), abs(q.x3)), 0), 1) AS divisor
                FROM (
                    SELECT
                        id,
                        m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
                        m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
                        m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3,
                        w
                    FROM (
                        SELECT
                            id,
                            CAST(x[1] AS double precision) AS x1,
                            CAST(x[2] AS double precision) AS x2,
                            CAST(x[3] AS double precision) AS x3,
                            w
                        FROM (
                            SELECT
                                id,
                                (x)[1:3] AS x,
                                w
                            FROM (
                                SELECT
                                    t."id" AS id,
                                    t."embedding" AS x,
                                    CAST(t."n_ratings" AS double precision) AS w
                                FROM "items" AS t
                                WHERE
                                    (t.year > 1990)
                                    AND (t.n_ratings >= 20)
                            ) AS whole
                            OFFSET 0
                        ) AS v
                        OFFSET 0
                    ) AS m
                    OFFSET 0
                ) AS q
                OFFSET 0
            ) AS n
            OFFSET 0
        ) AS q
        OFFSET 0
    ) AS n
    OFFSET 0
) AS products
