-- Gram matrix of the items that this run and the reference share:
-- the sum of x[i] * x[j] over the rows, for i <= j.
SELECT
    'items' AS side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
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
                    sum(w * x1 * x1), sum(w * x1 * x2), sum(w * x1 * x3),
                    0E0, sum(w * x2 * x2), sum(w * x2 * x3),
                    0E0, 0E0, sum(w * x3 * x3)
                ] AS sums
            FROM (
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
            ) AS r
            JOIN (
                SELECT
                    t."id" AS id,
                    toFloat64(t."n_ratings") AS w
                FROM "items" AS t
                WHERE
                    (t.year > 1990)
                    AND (t.n_ratings >= 20)
            ) AS other USING (id)
        ) AS g
        ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY i, j
