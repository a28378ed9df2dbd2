-- Cross Gram matrix of the items, for each half of the ids: the sum of x[i] * y[j] over the ids that this run (x)
-- and the reference (y) share, for all i and j; both vectors end with a 1.
SELECT
    'items' AS side,
    half,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        half,
        1 + FLOOR(k / 4) AS i,
        1 + mod(k, 4) AS j,
        value,
        n_rows
    FROM (
        SELECT
            half,
            n_rows,
            u.index AS k,
            CAST(u.value AS FLOAT) AS value
        FROM (
            SELECT
                CASE WHEN SUBSTR(MD5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                count(*) AS n_rows,
                ARRAY_CONSTRUCT(
                    sum(run.x1 * reference.x1), sum(run.x1 * reference.x2), sum(run.x1 * reference.x3), sum(run.x1 * reference.x4),
                    sum(run.x2 * reference.x1), sum(run.x2 * reference.x2), sum(run.x2 * reference.x3), sum(run.x2 * reference.x4),
                    sum(run.x3 * reference.x1), sum(run.x3 * reference.x2), sum(run.x3 * reference.x3), sum(run.x3 * reference.x4),
                    sum(run.x4 * reference.x1), sum(run.x4 * reference.x2), sum(run.x4 * reference.x3), sum(run.x4 * reference.x4)
                ) AS sums
            FROM (
                SELECT
                    c.*,
                    1E0 AS x4
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
                                        m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
                                        m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
                                        m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
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
                ) AS c
            ) AS run
            JOIN (
                SELECT
                    c.*,
                    1E0 AS x4
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
                ) AS c
            ) AS reference USING (id)
            GROUP BY CASE WHEN SUBSTR(MD5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
        ) AS g
        CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
    ) AS entries
) AS gram
ORDER BY
    half,
    i,
    j
