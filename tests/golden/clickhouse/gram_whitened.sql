-- Gram matrix of the items:
-- the sum of x[i] * x[j] over the rows, for i <= j. In strips of 4 rows of the matrix, which begin at p.
SELECT
    'items' AS side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        p + intDiv(k, (4 - p)) AS i,
        p + mod(k, (4 - p)) AS j,
        value,
        n_rows
    FROM (
        SELECT
            p,
            n_rows,
            sqlstab_k - 1 AS k,
            sqlstab_v AS value
        FROM (
            SELECT
                p,
                count(*) AS n_rows,
                arrayFlatten([
                    sumForEach(x[p] * z),
                    sumForEach(x[p + 1] * z),
                    sumForEach(x[p + 2] * z),
                    sumForEach(x[p + 3] * z)
                ]) AS sums
            FROM (
                SELECT
                    p,
                    x,
                    arraySlice(x, p) AS z
                FROM (
                    SELECT
                        r.x AS x
                    FROM (
                        SELECT
                            id,
                            [
                                arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
                                arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
                                arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
                            ] AS x
                        FROM (
                            SELECT
                                t."id" AS id,
                                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                            FROM "items" AS t
                        ) AS m
                    ) AS r
                ) AS v
                ARRAY JOIN range(1, 3 + 1, 4) AS p
            ) AS pieces
            GROUP BY p
            SETTINGS max_block_size = 2048
        ) AS g
        ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
