-- Gram matrix of the items that this run and the reference share, for each half of the ids:
-- the sum of x[i] * x[j] over the rows, each times its weight, for i <= j. In strips of 4 rows of the matrix, which begin at p.
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
        p + intDiv(k, (4 - p)) AS i,
        p + mod(k, (4 - p)) AS j,
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
                    arraySlice(x, p) AS z,
                    w
                FROM (
                    SELECT
                        r.x AS x,
                        r.w * other.w AS w,
                        CASE WHEN SUBSTR(lower(hex(MD5(toString(r.id)))), 9, 1) < '8' THEN 0 ELSE 1 END AS half
                    FROM (
                        SELECT
                            id,
                            arrayMap(v -> v / divisor, x) AS x,
                            w
                        FROM (
                            SELECT
                                q.*,
                                coalesce(nullif(sqrt(arrayDotProduct(q.x, q.x)), 0), 1) AS divisor
                            FROM (
                                SELECT
                                    id,
                                    arrayMap(v -> v / divisor, x) AS x,
                                    w
                                FROM (
                                    SELECT
                                        q.*,
                                        coalesce(nullif(arrayMax(arrayMap(v -> abs(v), q.x)), 0), 1) AS divisor
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
                                    ) AS q
                                ) AS n
                            ) AS q
                        ) AS n
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
                ) AS v
                ARRAY JOIN range(1, 3 + 1, 4) AS p
            ) AS pieces
            GROUP BY half, p
            SETTINGS max_block_size = 2048
        ) AS g
        ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    half,
    i,
    j
