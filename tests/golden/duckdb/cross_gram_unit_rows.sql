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
        1 + k // 4 AS i,
        1 + mod(k, 4) AS j,
        value,
        n_rows
    FROM (
        SELECT
            half,
            n_rows,
            unnest(range(16)) AS k,
            unnest(g.sums) AS value
        FROM (
            SELECT
                CASE WHEN SUBSTR(md5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                count(*) AS n_rows,
                [
                    sum(run.x1 * reference.x1), sum(run.x1 * reference.x2), sum(run.x1 * reference.x3), sum(run.x1 * reference.x4),
                    sum(run.x2 * reference.x1), sum(run.x2 * reference.x2), sum(run.x2 * reference.x3), sum(run.x2 * reference.x4),
                    sum(run.x3 * reference.x1), sum(run.x3 * reference.x2), sum(run.x3 * reference.x3), sum(run.x3 * reference.x4),
                    sum(run.x4 * reference.x1), sum(run.x4 * reference.x2), sum(run.x4 * reference.x3), sum(run.x4 * reference.x4)
                ] AS sums
            FROM (
                SELECT
                    c.*,
                    1E0 AS x4
                FROM (
                    SELECT
                        id,
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3
                    FROM (
                        SELECT
                            id,
                            list_transform(x, lambda v: v / divisor) AS x
                        FROM (
                            SELECT
                                q.*,
                                coalesce(nullif(sqrt(list_dot_product(q.x, q.x)), 0), 1) AS divisor
                            FROM (
                                SELECT
                                    id,
                                    list_transform(x, lambda v: v / divisor) AS x
                                FROM (
                                    SELECT
                                        q.*,
                                        coalesce(nullif(list_max(list_transform(q.x, lambda v: abs(v))), 0), 1) AS divisor
                                    FROM (
                                        SELECT
                                            id,
                                            list_transform([
                                                [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                                                [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                                                [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                                            ], lambda c: list_dot_product(c, x)) AS x
                                        FROM (
                                            SELECT
                                                t."id" AS id,
                                                CAST(t."embedding" AS DOUBLE[]) AS x
                                            FROM "items" AS t
                                        ) AS m
                                    ) AS q
                                ) AS n
                            ) AS q
                        ) AS n
                    ) AS v
                ) AS c
            ) AS run
            JOIN (
                SELECT
                    c.*,
                    1E0 AS x4
                FROM (
                    SELECT
                        id,
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3
                    FROM (
                        SELECT
                            id,
                            list_transform(x, lambda v: v / divisor) AS x
                        FROM (
                            SELECT
                                q.*,
                                coalesce(nullif(sqrt(list_dot_product(q.x, q.x)), 0), 1) AS divisor
                            FROM (
                                SELECT
                                    id,
                                    list_transform(x, lambda v: v / divisor) AS x
                                FROM (
                                    SELECT
                                        q.*,
                                        coalesce(nullif(list_max(list_transform(q.x, lambda v: abs(v))), 0), 1) AS divisor
                                    FROM (
                                        SELECT
                                            t."id" AS id,
                                            CAST(t."embedding" AS DOUBLE[]) AS x
                                        FROM "yesterday"."items" AS t
                                    ) AS q
                                ) AS n
                            ) AS q
                        ) AS n
                    ) AS v
                ) AS c
            ) AS reference USING (id)
            GROUP BY CASE WHEN SUBSTR(md5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
        ) AS g
    ) AS entries
) AS gram
ORDER BY
    half,
    i,
    j
