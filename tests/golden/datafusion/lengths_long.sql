-- How many vectors of the users have so many components (n); NULL for a vector that is NULL or, in the
-- long layout, lacks a dimension or has one twice.
SELECT
    n,
    count(*) AS n_rows
FROM (
    SELECT
        t."id" AS id,
        CASE
            WHEN count(DISTINCT t."dim") = count(*)
                AND max(t."dim") - min(t."dim") + 1 = count(*)
                AND min(t."dim") = 0
            THEN count(*)
        END AS n
    FROM "lake"."users" AS t
    GROUP BY t."id"
) AS r
GROUP BY n
ORDER BY n
