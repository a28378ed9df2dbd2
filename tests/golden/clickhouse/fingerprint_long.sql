-- What tells whether the users are the same rows as before: sums of one number of each row, by a hash of its id.
SELECT
    bucket,
    count(*) AS n_rows,
    sum(x1) AS total,
    sum(x1 * x1) AS squares
FROM (
    SELECT
        SUBSTR(lower(hex(MD5(toString(v.id)))), 9, 2) AS bucket,
        v.x1 AS x1
    FROM (
        SELECT
            id,
            toFloat64(x[1]) AS x1
        FROM (
            SELECT
                id,
                [
                    arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00])
                ] AS x
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
                GROUP BY t."id"
            ) AS m
        ) AS v
    ) AS v
) AS r
GROUP BY bucket
