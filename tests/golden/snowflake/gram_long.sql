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
                SELECT
                    t."id" AS id,
                    max(CASE WHEN t."dim" = 0 THEN CAST(t."value" AS FLOAT) END) AS x1,
                    max(CASE WHEN t."dim" = 1 THEN CAST(t."value" AS FLOAT) END) AS x2,
                    max(CASE WHEN t."dim" = 2 THEN CAST(t."value" AS FLOAT) END) AS x3
                FROM "LAKE"."USERS" AS t
                GROUP BY t."id"
            ) AS r
        ) AS g
        CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
