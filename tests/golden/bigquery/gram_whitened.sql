-- Gram matrix of the items:
-- the sum of x[i] * x[j] over the rows, for i <= j.
SELECT
    'items' AS side,
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
                SELECT
                    id,
                    m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
                    m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
                    m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
                FROM (
                    SELECT
                        id,
                        CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
                        CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
                        CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
                    FROM (
                        SELECT
                            t.`id` AS id,
                            t.`embedding` AS x
                        FROM `items` AS t
                    ) AS v
                ) AS m
            ) AS r
        ) AS g
        CROSS JOIN UNNEST(g.sums) AS v WITH OFFSET AS k
    ) AS entries
) AS gram
WHERE i <= j
ORDER BY
    i,
    j
