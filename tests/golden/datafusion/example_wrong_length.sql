-- An id of the items with this problem: wrong length.
SELECT min(CAST(id AS VARCHAR)) AS example
FROM (
    SELECT
        t."id" AS id,
        cardinality(t."embedding") AS n
    FROM "items" AS t
) AS r
WHERE n <> 3
