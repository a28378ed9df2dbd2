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
                    sumForEach(w * x[p] * z),
                    sumForEach(w * x[p + 1] * z),
                    sumForEach(w * x[p + 2] * z),
                    sumForEach(w * x[p + 3] * z)
                ]) AS sums
            FROM (
                SELECT
                    p,
                    x,
                    y AS z,
                    w
                FROM (
                    SELECT
                        run.x AS x,
                        reference.x AS y,
                        run.w AS w
                    FROM (
                        SELECT
                            id,
                            arrayMap((v, w) -> v - w, c.x, [0.5E0, -1.0E0, 1E-20]) AS x,
                            w
                        FROM (
                            SELECT
                                t."id" AS id,
                                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x,
                                toFloat64(t."n_ratings") AS w
                            FROM "items" AS t
                            WHERE
                                (t.year > 1990)
                                AND (t.n_ratings >= 20)
                        ) AS c
                    ) AS run
                    JOIN (
                        SELECT
                            t."id" AS id,
                            arrayMap(v -> assumeNotNull(v), t."embedding") AS x
                        FROM "yesterday"."items" AS t
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
