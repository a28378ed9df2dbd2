-- Cross Gram matrix of the items, for each half of the ids: the sum of x[i] * y[j] over the ids that this run (x)
-- and the reference (y) share, each times its weight, for all i and j; both vectors end with a 1. In strips of 4 rows of the matrix, which begin at p.
SELECT
    'items' AS side,
    half,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        half,
        p + intDiv(k, 4) AS i,
        1 + mod(k, 4) AS j,
        value,
        n_rows
    FROM (
        SELECT
            half,
            p,
            n_rows,
            sqlstab_k - 1 AS k,
            sqlstab_v AS value
        FROM (
            SELECT
                half,
                p,
                count(*) AS n_rows,
                arrayFlatten([
                    sumForEach(w * x[p] * z),
                    sumForEach(w * x[p + 1] * z),
                    sumForEach(w * x[p + 2] * z),
                    sumForEach(w * x[p + 3] * z)
                ]) AS sums
            FROM (
                SELECT
                    half,
                    p,
                    x,
                    y AS z,
                    w
                FROM (
                    SELECT
                        run.x AS x,
                        reference.x AS y,
                        CASE WHEN SUBSTR(lower(hex(MD5(toString(run.id)))), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                        reference.w AS w
                    FROM (
                        SELECT
                            id,
                            arrayConcat(c.x, [1E0]) AS x
                        FROM (
                            SELECT
                                t."item_id" AS id,
                                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), [t."e0", t."e1", t."e2"])) AS x
                            FROM "lake"."items" AS t
                        ) AS c
                    ) AS run
                    JOIN (
                        SELECT
                            id,
                            arrayConcat(c.x, [1E0]) AS x,
                            w
                        FROM (
                            SELECT
                                id,
                                [
                                    arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
                                    arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
                                    arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
                                ] AS x,
                                w
                            FROM (
                                SELECT
                                    t."id" AS id,
                                    arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x,
                                    toFloat64(CASE t.run WHEN 'a' THEN 0.8E0 ELSE 1E0 END) AS w
                                FROM "yesterday"."items" AS t
                                WHERE
                                    (t.run IN ('a', 'b'))
                            ) AS m
                        ) AS c
                    ) AS reference USING (id)
                ) AS v
                ARRAY JOIN range(1, 4 + 1, 4) AS p
            ) AS pieces
            GROUP BY half, p
            SETTINGS max_block_size = 2048
        ) AS g
        ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
    ) AS entries
) AS gram
WHERE i <= 4
ORDER BY
    half,
    i,
    j
