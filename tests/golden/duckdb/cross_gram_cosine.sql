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
        1 + k // 3 AS i,
        1 + mod(k, 3) AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            unnest(range(9)) AS k,
            unnest(g.sums) AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                [
                    sum(run.x1 * reference.x1), sum(run.x1 * reference.x2), sum(run.x1 * reference.x3),
                    sum(run.x2 * reference.x1), sum(run.x2 * reference.x2), sum(run.x2 * reference.x3),
                    sum(run.x3 * reference.x1), sum(run.x3 * reference.x2), sum(run.x3 * reference.x3)
                ] AS sums
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
                                            [0.5E0, 0.25E0, 0.0E0],
                                            [0.0E0, -1.0E0, 2.0E0],
                                            [1.0E0, 0.0E0, 1E-20]
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
            ) AS run
            JOIN (
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
            ) AS reference USING (id)
        ) AS g
    ) AS entries
) AS gram
ORDER BY
    i,
    j
