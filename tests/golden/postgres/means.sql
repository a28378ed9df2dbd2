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
            CAST(x[1] AS double precision) AS x1,
            CAST(x[2] AS double precision) AS x2,
            CAST(x[3] AS double precision) AS x3
        FROM (
            SELECT
                id,
                (x)[1:3] AS x
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."v" AS double precision[]) AS x
                FROM "users" AS t
                WHERE
                    (md5(CAST(t."id" AS text)) < '80000000')
            ) AS whole
            WHERE cardinality(x) = 3
            OFFSET 0
        ) AS v
        OFFSET 0
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
                    (md5(CAST(t."id" AS text)) < '80000000')
            ) AS d
            WHERE id IS NOT NULL
            GROUP BY id
            HAVING count(*) > 1
        )
) AS r
