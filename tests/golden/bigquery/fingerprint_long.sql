-- What tells whether the users are the same rows as before: sums of one number of each row, by a hash of its id.
SELECT
    bucket,
    count(*) AS n_rows,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    SELECT
        SUBSTR(TO_HEX(MD5(CAST(v.id AS STRING))), 9, 2) AS bucket,
        v.x1 AS x1
    FROM (
        SELECT
            id,
            m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1
        FROM (
            SELECT
                t.`id` AS id,
                max(CASE WHEN t.`dim` = 0 THEN CAST(t.`value` AS FLOAT64) END) AS x1,
                max(CASE WHEN t.`dim` = 1 THEN CAST(t.`value` AS FLOAT64) END) AS x2,
                max(CASE WHEN t.`dim` = 2 THEN CAST(t.`value` AS FLOAT64) END) AS x3
            FROM `lake`.`users` AS t
            GROUP BY t.`id`
        ) AS m
    ) AS v
) AS r
GROUP BY bucket
