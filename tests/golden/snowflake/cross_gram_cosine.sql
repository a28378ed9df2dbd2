-- Cross Gram matrix of the items: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j.
SELECT
    'items' AS side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        1 + FLOOR(k / 3) AS i,
        1 + mod(k, 3) AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            u.index AS k,
            CAST(u.value AS FLOAT) AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                ARRAY_CONSTRUCT(
                    sum(run.x1 * reference.x1), sum(run.x1 * reference.x2), sum(run.x1 * reference.x3),
                    sum(run.x2 * reference.x1), sum(run.x2 * reference.x2), sum(run.x2 * reference.x3),
                    sum(run.x3 * reference.x1), sum(run.x3 * reference.x2), sum(run.x3 * reference.x3)
                ) AS sums
            FROM (
                SELECT
                    id,
                    x1 / divisor AS x1,
                    x2 / divisor AS x2,
                    x3 / divisor AS x3
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(sqrt(q.x1 * q.x1 + q.x2 * q.x2 + q.x3 * q.x3), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            x1 / divisor AS x1,
                            x2 / divisor AS x2,
                            x3 / divisor AS x3
                        FROM (
                            SELECT
                                q.*,
                                coalesce(nullif(greatest(abs(q.x1), abs(q.x2), abs(q.x3)), 0), 1) AS divisor
                            FROM (
                                SELECT
                                    id,
                                    m.x1 * 0.5E0 + m.x2 * 0.25E0 + m.x3 * 0.0E0 AS x1,
                                    m.x1 * 0.0E0 + m.x2 * -1.0E0 + m.x3 * 2.0E0 AS x2,
                                    m.x1 * 1.0E0 + m.x2 * 0.0E0 + m.x3 * 1E-20 AS x3
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
                                ) AS m
                            ) AS q
                        ) AS n
                    ) AS q
                ) AS n
            ) AS run
            JOIN (
                SELECT
                    id,
                    x1 / divisor AS x1,
                    x2 / divisor AS x2,
                    x3 / divisor AS x3
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(sqrt(q.x1 * q.x1 + q.x2 * q.x2 + q.x3 * q.x3), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            x1 / divisor AS x1,
                            x2 / divisor AS x2,
                            x3 / divisor AS x3
                        FROM (
                            SELECT
                                q.*,
                                coalesce(nullif(greatest(abs(q.x1), abs(q.x2), abs(q.x3)), 0), 1) AS divisor
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
                            ) AS q
                        ) AS n
                    ) AS q
                ) AS n
            ) AS reference USING (id)
        ) AS g
        CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
    ) AS entries
) AS gram
ORDER BY
    i,
    j
