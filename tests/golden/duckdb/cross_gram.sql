-- Cross Gram matrix of the items: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j.
SELECT
    'items' AS side,
    i,
    j,
    sums[i][j] AS value,
    n_rows
FROM (
    SELECT
        count(*) AS n_rows,
        [
            [sum(w * x1 * y1), sum(w * x1 * y2), sum(w * x1 * y3)],
            [sum(w * x2 * y1), sum(w * x2 * y2), sum(w * x2 * y3)],
            [sum(w * x3 * y1), sum(w * x3 * y2), sum(w * x3 * y3)]
        ] AS sums
    FROM (
        SELECT
            CAST(x.x[1] AS DOUBLE) AS x1,
            CAST(x.x[2] AS DOUBLE) AS x2,
            CAST(x.x[3] AS DOUBLE) AS x3,
            CAST(y.x[1] AS DOUBLE) AS y1,
            CAST(y.x[2] AS DOUBLE) AS y2,
            CAST(y.x[3] AS DOUBLE) AS y3,
            CAST(x.w AS DOUBLE) AS w
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."embedding" AS FLOAT[]) AS x,
                t."n_ratings" AS w
            FROM "items" AS t
            WHERE
                (year > 1990)
                AND (n_ratings >= 20)
        ) AS x
        JOIN (
            SELECT
                t."id" AS id,
                CAST(t."embedding" AS FLOAT[]) AS x
            FROM read_parquet('yesterday/items.parquet') AS t
        ) AS y USING (id)
    ) AS components
) AS gram
CROSS JOIN range(1, 4) AS r(i)
CROSS JOIN range(1, 4) AS c(j)
ORDER BY i, j
