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
        1 + k / 3 AS i,
        1 + k % 3 AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            unnest(range(0, 9)) AS k,
            unnest(g.sums) AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                [
                    sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                    0E0, sum(x2 * x2), sum(x2 * x3),
                    0E0, 0E0, sum(x3 * x3)
                ] AS sums
            FROM (
                SELECT *
                FROM (
                    SELECT
                        id,
                        CAST(x[1] AS DOUBLE) AS x1,
                        CAST(x[2] AS DOUBLE) AS x2,
                        CAST(x[3] AS DOUBLE) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            CAST(t."v" AS DOUBLE[]) AS x
                        FROM "users" AS t
                    ) AS v
                    WHERE cardinality(x) = 3
                ) AS r
                WHERE
                    id IS NOT NULL
                    AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
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
            ) AS r
        ) AS g
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
