-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS `id`,
    k + 0 AS `dim`,
    CAST(v AS FLOAT64) AS `value`
FROM (
    SELECT
        s.*,
        [CAST(s.x1 AS FLOAT64), CAST(s.x2 AS FLOAT64), CAST(s.x3 AS FLOAT64)] AS x
    FROM (
        SELECT
            id,
            m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
            m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
            m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
        FROM (
            SELECT
                t.`id` AS id,
                max(CASE WHEN t.`dim` = 0 THEN CAST(t.`value` AS FLOAT64) END) AS x1,
                max(CASE WHEN t.`dim` = 1 THEN CAST(t.`value` AS FLOAT64) END) AS x2,
                max(CASE WHEN t.`dim` = 2 THEN CAST(t.`value` AS FLOAT64) END) AS x3
            FROM `lake`.`users` AS t
            GROUP BY t.`id`
        ) AS m
    ) AS s
) AS s
CROSS JOIN UNNEST(s.x) AS v WITH OFFSET AS k
