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
                    sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                    0E0, sum(x2 * x2), sum(x2 * x3),
                    0E0, 0E0, sum(x3 * x3)
                ] AS sums
            FROM (
                SELECT
                    t."item_id" AS id,
                    toFloat64(t."e0") AS x1,
                    toFloat64(t."e1") AS x2,
                    toFloat64(t."e2") AS x3
                FROM "lake"."items" AS t
            ) AS r
        ) AS g
        ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY i, j
