-- Cross Gram matrix of the items: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j.
SELECT
    'items' AS side,
    k // 3 + 1 AS i,
    mod(k, 3) + 1 AS j,
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
                sum(x.w * x.x1 * y.x1), sum(x.w * x.x1 * y.x2), sum(x.w * x.x1 * y.x3),
                sum(x.w * x.x2 * y.x1), sum(x.w * x.x2 * y.x2), sum(x.w * x.x2 * y.x3),
                sum(x.w * x.x3 * y.x1), sum(x.w * x.x3 * y.x2), sum(x.w * x.x3 * y.x3)
            ] AS sums
        FROM (
            SELECT
                id,
                CAST(x[1] AS DOUBLE) AS x1,
                CAST(x[2] AS DOUBLE) AS x2,
                CAST(x[3] AS DOUBLE) AS x3,
                w
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."embedding" AS FLOAT[]) AS x,
                    CAST(t."n_ratings" AS DOUBLE) AS w
                FROM "items" AS t
                WHERE
                    (t.year > 1990)
                    AND (t.n_ratings >= 20)
            ) AS v
        ) AS x
        JOIN (
            SELECT
                id,
                CAST(x[1] AS DOUBLE) AS x1,
                CAST(x[2] AS DOUBLE) AS x2,
                CAST(x[3] AS DOUBLE) AS x3
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."embedding" AS FLOAT[]) AS x
                FROM "yesterday"."items" AS t
            ) AS v
        ) AS y USING (id)
    ) AS g
) AS entries
ORDER BY i, j
