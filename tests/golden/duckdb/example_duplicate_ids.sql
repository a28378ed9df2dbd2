-- The first id of the items with this problem: duplicate ids.
SELECT CAST(min(id) AS VARCHAR) AS example
FROM (
    SELECT id
    FROM (
        SELECT t."id" AS id
        FROM "items" AS t
    ) AS ids
    WHERE id IS NOT NULL
    GROUP BY id
    HAVING count(*) > 1
) AS d
