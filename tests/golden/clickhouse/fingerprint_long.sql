-- What tells this table of users from another one of its name: sums of the first component, over a
-- share of the rows, chosen by a hash of the id.
SELECT
    count(*) AS summed,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    SELECT
        id,
        toFloat64(x[1]) AS x1
    FROM (
        SELECT
            t."id" AS id,
            -- Empty where a dimension is missing or stands twice.
            CASE
                WHEN count(DISTINCT t."dim") = count(*)
                    AND max(t."dim") - min(t."dim") + 1 = count(*)
                    AND min(t."dim") = 0
                THEN arrayMap(v -> assumeNotNull(v), arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((t."dim", toFloat64(t."value"))))))
                ELSE []
            END AS x
        FROM "lake"."users" AS t
        WHERE
            (lower(hex(MD5(toString(t."id")))) < '80000000')
        GROUP BY t."id"
    ) AS v
) AS r
