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
        1 + mod(k, 3) AS j,
        value,
        n_rows
    FROM (
        SELECT
            n_rows,
            u.k - 1 AS k,
            u.v AS value
        FROM (
            SELECT
                count(*) AS n_rows,
                ARRAY[
                    sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                    0E0, sum(x2 * x2), sum(x2 * x3),
                    0E0, 0E0, sum(x3 * x3)
                ] AS sums
            FROM (
                SELECT
                    id,
                    CAST(x[1] AS double precision) AS x1,
                    CAST(x[2] AS double precision) AS x2,
                    CAST(x[3] AS double precision) AS x3
                FROM (
                    SELECT
                        id,
                        (x)[1:3] AS x
                    FROM (
                        SELECT
                            t."id" AS id,
                            -- NULL where a dimension is missing or stands twice.
                            CASE
                                WHEN count(DISTINCT t."dim") = count(*)
                                    AND max(t."dim") - min(t."dim") + 1 = count(*)
                                    AND min(t."dim") = 0
                                THEN array_agg(CAST(t."value" AS double precision) ORDER BY t."dim")
                            END AS x
                        FROM "lake"."users" AS t
                        GROUP BY t."id"
                    ) AS whole
                    OFFSET 0
                ) AS v
                OFFSET 0
            ) AS r
        ) AS g
        CROSS JOIN LATERAL unnest(g.sums) WITH ORDINALITY AS u(v, k)
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
