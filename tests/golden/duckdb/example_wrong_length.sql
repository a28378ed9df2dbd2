-- The first id of the items with this problem: wrong length.
SELECT CAST(min(id) AS VARCHAR) AS example
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS DOUBLE[]) AS x
    FROM "items" AS t
) AS r
WHERE
    len(x) <> 3
