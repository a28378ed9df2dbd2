SELECT
    'items' AS side,
    'lengths' AS what,
    found.*
FROM (
    -- How many vectors of the items have so many components (n); NULL for a vector that is NULL or, in the
    -- long layout, lacks a dimension or has one twice.
    SELECT
        n,
        count(*) AS n_rows
    FROM (
        SELECT
            t."id" AS id,
            cardinality(t."embedding") AS n
        FROM "items" AS t
    ) AS r
    GROUP BY n
    ORDER BY n
) AS found
