-- Cross Gram matrix of the items: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j.
SELECT
    'items' AS side,
    intDiv(k, 3) + 1 AS i,
    mod(k, 3) + 1 AS j,
    value,
    n_rows
FROM (
    SELECT
        n_rows,
        sqlstab_k - 1 AS k,
        sqlstab_v AS value
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
                toFloat64(x[1]) AS x1,
                toFloat64(x[2]) AS x2,
                toFloat64(x[3]) AS x3,
                w
            FROM (
                SELECT
                    t."id" AS id,
                    arrayMap(v -> assumeNotNull(v), t."embedding") AS x,
                    toFloat64(t."n_ratings") AS w
                FROM "items" AS t
                WHERE
                    (t.year > 1990)
                    AND (t.n_ratings >= 20)
            ) AS v
        ) AS x
        JOIN (
            SELECT
                id,
                toFloat64(x[1]) AS x1,
                toFloat64(x[2]) AS x2,
                toFloat64(x[3]) AS x3
            FROM (
                SELECT
                    t."id" AS id,
                    arrayMap(v -> assumeNotNull(v), t."embedding") AS x
                FROM "yesterday"."items" AS t
            ) AS v
        ) AS y USING (id)
    ) AS g
    ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
) AS entries
ORDER BY i, j
