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
                            arrayMap(v -> v / divisor, x) AS x
                        FROM (
                            SELECT
                                q.*,
                                coalesce(nullif(sqrt(arrayDotProduct(q.x, q.x)), 0), 1) AS divisor
                            FROM (
                                SELECT
                                    id,
                                    arrayMap(v -> v / divisor, x) AS x
                                FROM (
                                    SELECT
                                        q.*,
                                        coalesce(nullif(arrayMax(arrayMap(v -> abs(v), q.x)), 0), 1) AS divisor
                                    FROM (
                                        SELECT
                                            id,
                                            arrayMap((v, w) -> v - w, c.x, [0.5E0, -1.0E0, 1E-20]) AS x
                                        FROM (
                                            SELECT
                                                t."item_id" AS id,
                                                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), [t."e0", t."e1", t."e2"])) AS x
                                            FROM "lake"."items" AS t
                                        ) AS c
                                    ) AS q
                                ) AS n
                            ) AS q
                        ) AS n
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
