-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    sqlstab_k - 1 + 0 AS "dim",
    toFloat64(sqlstab_v) AS "value"
FROM (
    SELECT
        id,
        [
            arrayDotProduct(x, [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00]),
            arrayDotProduct(x, [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00]),
            arrayDotProduct(x, [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21])
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
) AS s
ARRAY JOIN s.x AS sqlstab_v, arrayEnumerate(s.x) AS sqlstab_k
