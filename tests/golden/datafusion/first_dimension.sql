-- The number that the vectors of the users begin with, mostly 0 or 1: the commonest, in case a row has strayed.
SELECT first_dimension
FROM (
    SELECT min(t."dim") AS first_dimension
    FROM "lake"."users" AS t
    GROUP BY t."id"
) AS firsts
GROUP BY first_dimension
ORDER BY count(*) DESC, first_dimension
LIMIT 1
