-- What tells whether the users are the same rows as before: sums of one number of each row, by a hash of its id.
SELECT
    bucket,
    count(*) AS n_rows,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    SELECT
        SUBSTR(md5(CAST(v.id AS VARCHAR)), 9, 2) AS bucket,
        v.x1 AS x1
    FROM (
        SELECT
            id,
            CAST(x[1] AS DOUBLE) AS x1
        FROM (
            SELECT
                id,
                list_transform([
                    [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]
                ], lambda c: list_dot_product(c, x)) AS x
            FROM (
                SELECT
                    t."id" AS id,
                    -- NULL where a dimension is missing or stands twice.
                    CASE
                        WHEN count(DISTINCT t."dim") = count(*)
                            AND max(t."dim") - min(t."dim") + 1 = count(*)
                            AND min(t."dim") = 0
                        THEN list(CAST(t."value" AS DOUBLE) ORDER BY t."dim")
                    END AS x
                FROM "lake"."users" AS t
                GROUP BY t."id"
            ) AS m
        ) AS v
    ) AS v
) AS r
GROUP BY bucket
