-- Gram matrix of the items:
-- the sum of x[i] * x[j] over the rows, for i <= j.
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
                    sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                    0E0, sum(x2 * x2), sum(x2 * x3),
                    0E0, 0E0, sum(x3 * x3)
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
                                        list_transform(list_zip(c.x, [0.5E0, -1.0E0, 1E-20]), lambda p: p[1] - p[2]) AS x
                                    FROM (
                                        SELECT
                                            t."item_id" AS id,
                                            CAST([t."e0", t."e1", t."e2"] AS DOUBLE[]) AS x
                                        FROM "lake"."items" AS t
                                    ) AS c
                                ) AS q
                            ) AS n
                        ) AS q
                    ) AS n
                ) AS v
            ) AS r
        ) AS g
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
