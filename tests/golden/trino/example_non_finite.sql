-- An id of the items with this problem: non finite.
SELECT min(CAST(id AS varchar)) AS example
FROM (
    SELECT
        t."id" AS id,
        t."embedding" AS x
    FROM "items" AS t
) AS r
WHERE NOT (none_match(x, v -> NOT is_finite(v)))
