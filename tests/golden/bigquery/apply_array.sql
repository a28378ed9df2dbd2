-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS `id`,
    [CAST(s.x1 AS FLOAT64), CAST(s.x2 AS FLOAT64), CAST(s.x3 AS FLOAT64)] AS `embedding`
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
) AS s
