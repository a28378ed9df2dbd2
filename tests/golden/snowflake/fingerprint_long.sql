-- What tells this table of users from another one of its name: sums of the first component, over a
-- share of the rows, chosen by a hash of the id.
SELECT
    count(*) AS summed,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    SELECT
        t."id" AS id,
        max(CASE WHEN t."dim" = 0 THEN CAST(t."value" AS FLOAT) END) AS x1
    FROM "LAKE"."USERS" AS t
    WHERE
        (MD5(CAST(t."id" AS VARCHAR)) < '80000000')
    GROUP BY t."id"
) AS r
