-- An id of the items with this problem: non finite.
SELECT min(toString(id)) AS example
FROM (
    SELECT
        t."id" AS id,
        t."embedding" AS x
    FROM "items" AS t
) AS r
WHERE NOT (arrayAll(v -> coalesce(isFinite(v), 1), x))
