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
            CAST(x[1] AS DOUBLE) AS x1,
            CAST(x[2] AS DOUBLE) AS x2,
            CAST(x[3] AS DOUBLE) AS x3
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."v" AS DOUBLE[]) AS x
            FROM "users" AS t
            WHERE
                (md5(CAST(t."id" AS VARCHAR)) < '80000000')
        ) AS v
        WHERE cardinality(x) = 3
    ) AS r
    WHERE
        id IS NOT NULL
        AND (r.x1 - r.x1) + (r.x2 - r.x2) + (r.x3 - r.x3) = 0
        AND id NOT IN (
            SELECT id
            FROM (
                SELECT t."id" AS id
                FROM "users" AS t
                WHERE
                    (md5(CAST(t."id" AS VARCHAR)) < '80000000')
            ) AS d
            WHERE id IS NOT NULL
            GROUP BY id
            HAVING count(*) > 1
        )
) AS r
