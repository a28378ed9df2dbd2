-- What tells whether the items are the same rows as before: sums of one number of each row, by a hash of its id.
SELECT
    bucket,
    count(*) AS n_rows,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    SELECT
        SUBSTR(md5(CAST(v.id AS text)), 9, 2) AS bucket,
        v.x1 AS x1
    FROM (
        SELECT
            id,
            m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1
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
                        t."embedding" AS x
                    FROM "items" AS t
                ) AS whole
                OFFSET 0
            ) AS v
            OFFSET 0
        ) AS m
        OFFSET 0
    ) AS v
) AS r
GROUP BY bucket
