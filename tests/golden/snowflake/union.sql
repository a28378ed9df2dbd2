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
                1 + FLOOR(k / 3) AS i,
                1 + mod(k, 3) AS j,
                value,
                n_rows
            FROM (
                SELECT
                    n_rows,
                    u.index AS k,
                    CAST(u.value AS FLOAT) AS value
                FROM (
                    SELECT
                        count(*) AS n_rows,
                        ARRAY_CONSTRUCT(
                            sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                            0E0, sum(x2 * x2), sum(x2 * x3),
                            0E0, 0E0, sum(x3 * x3)
                        ) AS sums
                    FROM (
                        SELECT
                            t."id" AS id,
                            max(CASE WHEN t."dim" = 0 THEN CAST(t."value" AS FLOAT) END) AS x1,
                            max(CASE WHEN t."dim" = 1 THEN CAST(t."value" AS FLOAT) END) AS x2,
                            max(CASE WHEN t."dim" = 2 THEN CAST(t."value" AS FLOAT) END) AS x3
                        FROM "LAKE"."USERS" AS t
                        GROUP BY t."id"
                    ) AS r
                ) AS g
                CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
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
                1 + FLOOR(k / 3) AS i,
                1 + mod(k, 3) AS j,
                value,
                n_rows
            FROM (
                SELECT
                    n_rows,
                    u.index AS k,
                    CAST(u.value AS FLOAT) AS value
                FROM (
                    SELECT
                        count(*) AS n_rows,
                        ARRAY_CONSTRUCT(
                            sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                            0E0, sum(x2 * x2), sum(x2 * x3),
                            0E0, 0E0, sum(x3 * x3)
                        ) AS sums
                    FROM (
                        SELECT
                            id,
                            CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                            CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                            CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                        FROM (
                            SELECT
                                t."id" AS id,
                                t."embedding" AS x
                            FROM "ITEMS" AS t
                        ) AS v
                    ) AS r
                ) AS g
                CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
            ) AS entries
        ) AS gram
        WHERE i <= j
        ORDER BY
            i,
            j
    ) AS part2
) AS parts
ORDER BY side, i, j
