-- The mean of the users, of a share of the rows, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    avg(x1) AS m1,
    avg(x2) AS m2,
    avg(x3) AS m3
FROM (
    SELECT *
    FROM (
        SELECT
            id,
            CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
            CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
            CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
        FROM (
            SELECT
                t.`id` AS id,
                t.`v` AS x
            FROM `users` AS t
            WHERE
                (TO_HEX(MD5(CAST(t.`id` AS STRING))) < '80000000')
        ) AS v
        WHERE ARRAY_LENGTH(x) = 3
    ) AS r
    WHERE
        id IS NOT NULL
        AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
        AND id NOT IN (
            SELECT id
            FROM (
                SELECT t.`id` AS id
                FROM `users` AS t
                WHERE
                    (TO_HEX(MD5(CAST(t.`id` AS STRING))) < '80000000')
            ) AS d
            WHERE id IS NOT NULL
            GROUP BY id
            HAVING count(*) > 1
        )
) AS r
