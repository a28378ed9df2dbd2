-- An id of the items with this problem: non finite.
SELECT min(CAST(id AS VARCHAR)) AS example
FROM (
    SELECT
        t."id" AS id,
        CAST(t."embedding" AS FLOAT[]) AS x
    FROM "items" AS t
) AS r
WHERE NOT (isfinite(list_sum(x)))
