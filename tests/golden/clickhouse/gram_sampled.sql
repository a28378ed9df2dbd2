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
                    id,
                    toFloat64(x[1]) AS x1,
                    toFloat64(x[2]) AS x2,
                    toFloat64(x[3]) AS x3
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), t."embedding") AS x
                    FROM "items" AS t
                    WHERE
                        (lower(hex(MD5(toString(t."id")))) < '0ccccccd')
                ) AS v
            ) AS r
        ) AS g
        ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY i, j
