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
                ) AS v
            ) AS r
        ) AS g
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
