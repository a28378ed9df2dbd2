-- Gram matrix of the users:
-- the sum of x[i] * x[j] over the rows, for i <= j.
SELECT
    'users' AS side,
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
                        id,
                        -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
                        arrayMap(v -> assumeNotNull(v), r.x) AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            arrayMap(v -> toFloat64(v), t."v") AS x
                        FROM "users" AS t
                    ) AS r
                    WHERE
                        id IS NOT NULL
                        AND length(r.x) = 3
                        AND NOT (arrayExists(v -> v IS NULL, r.x))
                        AND arrayAll(v -> coalesce(isFinite(v), 1), r.x)
                        AND id NOT IN (
                            SELECT id
                            FROM (
                                SELECT t."id" AS id
                                FROM "users" AS t
                            ) AS d
                            WHERE id IS NOT NULL
                            GROUP BY id
                            HAVING count(*) > 1
                        )
                ) AS v
            ) AS r
        ) AS g
        ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY i, j
