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
        1 + FLOOR(k / 3) AS i,
        1 + mod(k, 3) AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            u.index AS k,
            CAST(u.value AS FLOAT) AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                ARRAY_CONSTRUCT(
                    sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                    0E0, sum(x2 * x2), sum(x2 * x3),
                    0E0, 0E0, sum(x3 * x3)
                ) AS sums
            FROM (
                SELECT *
                FROM (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."id" AS id,
                            t."v" AS x
                        FROM "USERS" AS t
                    ) AS v
                    WHERE ARRAY_SIZE(x) = 3
                ) AS r
                WHERE
                    id IS NOT NULL
                    AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
                    AND id NOT IN (
                        SELECT id
                        FROM (
                            SELECT t."id" AS id
                            FROM "USERS" AS t
                        ) AS d
                        WHERE id IS NOT NULL
                        GROUP BY id
                        HAVING count(*) > 1
                    )
            ) AS r
        ) AS g
        CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
