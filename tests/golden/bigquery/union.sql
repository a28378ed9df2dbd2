-- All sums in one statement, from 2 scans.
SELECT
    side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        side,
        i,
        j,
        value,
        n_rows
    FROM (
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
                            t.`id` AS id,
                            max(CASE WHEN t.`dim` = 0 THEN CAST(t.`value` AS FLOAT64) END) AS x1,
                            max(CASE WHEN t.`dim` = 1 THEN CAST(t.`value` AS FLOAT64) END) AS x2,
                            max(CASE WHEN t.`dim` = 2 THEN CAST(t.`value` AS FLOAT64) END) AS x3
                        FROM `lake`.`users` AS t
                        GROUP BY t.`id`
                    ) AS r
                ) AS g
                CROSS JOIN UNNEST(g.sums) AS v WITH OFFSET AS k
            ) AS entries
        ) AS gram
        WHERE i <= j
        ORDER BY
            i,
            j
    ) AS part1
    UNION ALL
    SELECT
        side,
        i,
        j,
        value,
        n_rows
    FROM (
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
                            CAST(x[SAFE_ORDINAL(1)] AS FLOAT64) AS x1,
                            CAST(x[SAFE_ORDINAL(2)] AS FLOAT64) AS x2,
                            CAST(x[SAFE_ORDINAL(3)] AS FLOAT64) AS x3
                        FROM (
                            SELECT
                                t.`id` AS id,
                                t.`embedding` AS x
                            FROM `items` AS t
                        ) AS v
                    ) AS r
                ) AS g
                CROSS JOIN UNNEST(g.sums) AS v WITH OFFSET AS k
            ) AS entries
        ) AS gram
        WHERE i <= j
        ORDER BY
            i,
            j
    ) AS part2
) AS parts
ORDER BY side, i, j
