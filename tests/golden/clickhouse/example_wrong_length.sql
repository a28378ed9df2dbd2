-- An id of the items with this problem: wrong length.
SELECT min(toString(id)) AS example
FROM (
    SELECT
        t."id" AS id,
        length(t."embedding") AS n
    FROM "items" AS t
) AS r
WHERE n <> 3
