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
        1 + DIV(k, 3) AS i,
        1 + mod(k, 3) AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            k AS k,
            v AS value
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
                        CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
                        CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
                        CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
                    FROM (
                        SELECT
                            t.`id` AS id,
                            t.`v` AS x
                        FROM `users` AS t
                    ) AS v
                    WHERE ARRAY_LENGTH(x) = 3
                ) AS r
                WHERE
                    id IS NOT NULL
                    AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
                    AND id NOT IN (
                        SELECT id
                        FROM (
                            SELECT t.`id` AS id
                            FROM `users` AS t
                        ) AS d
                        WHERE id IS NOT NULL
                        GROUP BY id
                        HAVING count(*) > 1
                    )
            ) AS r
        ) AS g
        CROSS JOIN UNNEST(g.sums) AS v WITH OFFSET AS k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
