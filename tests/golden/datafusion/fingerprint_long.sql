-- What tells this table of users from another one of its name: sums of the first component, over a
-- share of the rows, chosen by a hash of the id.
SELECT
    count(*) AS summed,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    SELECT
        id,
        CAST(x[1] AS DOUBLE) AS x1
    FROM (
        SELECT
            t."id" AS id,
            -- NULL where a dimension is missing or stands twice.
            CASE
                WHEN count(DISTINCT t."dim") = count(*)
                    AND max(t."dim") - min(t."dim") + 1 = count(*)
                    AND min(t."dim") = 0
                THEN array_agg(CAST(t."value" AS DOUBLE) ORDER BY t."dim")
            END AS x
        FROM "lake"."users" AS t
        WHERE
            (md5(CAST(t."id" AS VARCHAR)) < '80000000')
        GROUP BY t."id"
    ) AS v
) AS r
