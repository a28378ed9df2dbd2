-- An id of the items with this problem: duplicate ids.
SELECT min(CAST(id AS VARCHAR)) AS example
FROM (
    SELECT id
    FROM (
        SELECT t."id" AS id
        FROM "items" AS t
    ) AS d
    WHERE id IS NOT NULL
    GROUP BY id
    HAVING count(*) > 1
) AS r
