-- The mean of the users, of a share of the rows, chosen by a hash of the id.
SELECT
    count(*) AS n_rows,
    avg(x1) AS m1,
    avg(x2) AS m2,
    avg(x3) AS m3
FROM (
    SELECT
        id,
        CAST(get(x, 1 - 1) AS double) AS x1,
        CAST(get(x, 2 - 1) AS double) AS x2,
        CAST(get(x, 3 - 1) AS double) AS x3
    FROM (
        SELECT
            id,
            -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
            r.x AS x
        FROM (
            SELECT
                t.`id` AS id,
                CAST(t.`v` AS array<double>) AS x
            FROM `users` AS t
            WHERE
                (md5(CAST(t.`id` AS string)) < '80000000')
        ) AS r
        WHERE
            id IS NOT NULL
            AND array_size(r.x) = 3
            AND NOT (exists(r.x, v -> v IS NULL))
            AND NOT exists(r.x, v -> v - v <> 0)
            AND id NOT IN (
                SELECT id
                FROM (
                    SELECT t.`id` AS id
                    FROM `users` AS t
                    WHERE
                        (md5(CAST(t.`id` AS string)) < '80000000')
                ) AS d
                WHERE id IS NOT NULL
                GROUP BY id
                HAVING count(*) > 1
            )
    ) AS v
) AS r
