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
                SELECT
                    id,
                    CAST(x[1] AS DOUBLE) AS x1,
                    CAST(x[2] AS DOUBLE) AS x2,
                    CAST(x[3] AS DOUBLE) AS x3
                FROM (
                    SELECT
                        t."id" AS id,
                        -- NULL where a dimension is missing or stands twice.
                        CASE
                            WHEN count(DISTINCT t."dim") = count(*)
                                AND max(t."dim") - min(t."dim") + 1 = count(*)
                                AND min(t."dim") = 0
                            THEN array_agg(CAST(t."value" AS DOUBLE) ORDER BY t."dim")
                        END AS x
                    FROM "lake"."users" AS t
                    GROUP BY t."id"
                ) AS v
            ) AS r
        ) AS g
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
