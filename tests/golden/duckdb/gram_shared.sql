-- Gram matrix of the items that this run and the reference share:
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
            [sum(w * x1 * x1), sum(w * x1 * x2), sum(w * x1 * x3)],
            [sum(w * x2 * x2), sum(w * x2 * x3)],
            [sum(w * x3 * x3)]
        ] AS sums
    FROM (
        SELECT
            CAST(x[1] AS DOUBLE) AS x1,
            CAST(x[2] AS DOUBLE) AS x2,
            CAST(x[3] AS DOUBLE) AS x3,
            CAST(w AS DOUBLE) AS w
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."embedding" AS FLOAT[]) AS x
            FROM read_parquet('yesterday/items.parquet') AS t
        ) AS r
        JOIN (
            SELECT
                t."id" AS id,
                t."n_ratings" AS w
            FROM "items" AS t
            WHERE
                (year > 1990)
                AND (n_ratings >= 20)
        ) AS other USING (id)
    ) AS components
) AS gram
CROSS JOIN range(1, 4) AS r(i)
CROSS JOIN range(1, 4) AS c(j)
WHERE i <= j
ORDER BY i, j
