-- An id of the items with this problem: wrong length.
SELECT min(CAST(id AS VARCHAR)) AS example
FROM (
    SELECT
        t."id" AS id,
        ARRAY_SIZE(t."embedding") AS n
    FROM "ITEMS" AS t
) AS r
WHERE n <> 3
