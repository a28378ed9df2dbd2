-- What tells whether the items are the same rows as before: sums of one number of each row, by a hash of its id.
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
    ) AS v
) AS r
GROUP BY bucket
