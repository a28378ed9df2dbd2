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
            [sum(x1 * y1), sum(x1 * y2), sum(x1 * y3)],
            [sum(x2 * y1), sum(x2 * y2), sum(x2 * y3)],
            [sum(x3 * y1), sum(x3 * y2), sum(x3 * y3)]
        ] AS sums
    FROM (
        SELECT
            CAST(x.x[1] AS DOUBLE) AS x1,
            CAST(x.x[2] AS DOUBLE) AS x2,
            CAST(x.x[3] AS DOUBLE) AS x3,
            CAST(y.x[1] AS DOUBLE) AS y1,
            CAST(y.x[2] AS DOUBLE) AS y2,
            CAST(y.x[3] AS DOUBLE) AS y3
        FROM (
            SELECT
                * EXCLUDE (x, norm),
                list_transform(x, lambda v: v / nullif(norm, 0)) AS x
            FROM (
                SELECT
                    *,
                    sqrt(list_dot_product(CAST(x AS DOUBLE[]), CAST(x AS DOUBLE[]))) AS norm
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
                ) AS rows
            ) AS norms
        ) AS x
        JOIN (
            SELECT
                * EXCLUDE (x, norm),
                list_transform(x, lambda v: v / nullif(norm, 0)) AS x
            FROM (
                SELECT
                    *,
                    sqrt(list_dot_product(CAST(x AS DOUBLE[]), CAST(x AS DOUBLE[]))) AS norm
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS FLOAT[]) AS x
                    FROM read_parquet('yesterday/items.parquet') AS t
                ) AS rows
            ) AS norms
        ) AS y USING (id)
    ) AS components
) AS gram
CROSS JOIN range(1, 4) AS r(i)
CROSS JOIN range(1, 4) AS c(j)
ORDER BY i, j
