-- Gram matrix of the items:
-- the sum of x[i] * x[j] over the rows, for i <= j.
SELECT
    'items' AS side,
    i,
    j,
    sums[i][j - i + 1] AS value,
    n_rows
FROM (
    SELECT
        count(*) AS n_rows,
        [
            [sum(x1 * x1), sum(x1 * x2), sum(x1 * x3)],
            [sum(x2 * x2), sum(x2 * x3)],
            [sum(x3 * x3)]
        ] AS sums
    FROM (
        SELECT
            CAST(x[1] AS DOUBLE) AS x1,
            CAST(x[2] AS DOUBLE) AS x2,
            CAST(x[3] AS DOUBLE) AS x3
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
        ) AS r
    ) AS components
) AS gram
CROSS JOIN range(1, 4) AS r(i)
CROSS JOIN range(1, 4) AS c(j)
WHERE i <= j
ORDER BY i, j
