-- Cross Gram matrix of the items: the sum of x[i] * y[j] over the ids that this run (x) and the
-- reference (y) share, for all i and j. In strips of 4 rows of the matrix, which begin at p.
SELECT
    'items' AS side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        p + intDiv(k, 3) AS i,
        1 + mod(k, 3) AS j,
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
                    y AS z
                FROM (
                    SELECT
                        run.x AS x,
                        reference.x AS y
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
                                            arrayMap(c -> arrayDotProduct(x, c), [
                                                [0.5E0, 0.25E0, 0.0E0],
                                                [0.0E0, -1.0E0, 2.0E0],
                                                [1.0E0, 0.0E0, 1E-20]
                                            ]) AS x
                                        FROM (
                                            SELECT
                                                t."id" AS id,
                                                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                                            FROM "items" AS t
                                        ) AS m
                                    ) AS q
                                ) AS n
                            ) AS q
                        ) AS n
                    ) AS run
                    JOIN (
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
                                            t."id" AS id,
                                            arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                                        FROM "yesterday"."items" AS t
                                    ) AS q
                                ) AS n
                            ) AS q
                        ) AS n
                    ) AS reference USING (id)
                ) AS v
                ARRAY JOIN range(1, 3 + 1, 4) AS p
            ) AS pieces
            GROUP BY p
            SETTINGS max_block_size = 2048
        ) AS g
        ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
    ) AS entries
) AS gram
WHERE i <= 3
ORDER BY
    i,
    j
