-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS `id`,
    [CAST(s.x1 AS FLOAT64), CAST(s.x2 AS FLOAT64), CAST(s.x3 AS FLOAT64)] AS `embedding`
FROM (
    SELECT
        id,
        m.x1 * 0.5E0 + m.x2 * 0.25E0 + m.x3 * 0.0E0 AS x1,
        m.x1 * 0.0E0 + m.x2 * -1.0E0 + m.x3 * 2.0E0 AS x2,
        m.x1 * 1.0E0 + m.x2 * 0.0E0 + m.x3 * 1E-20 AS x3
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
