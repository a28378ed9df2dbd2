-- What tells this table of items from another one of its name: sums of the first component, over a
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
            t."embedding" AS x
        FROM "items" AS t
        WHERE
            (md5(CAST(t."id" AS VARCHAR)) < '80000000')
    ) AS v
) AS r
