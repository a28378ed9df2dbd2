-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    u.k - 1 + 0 AS "dim",
    CAST(u.v AS double) AS "value"
FROM (
    SELECT
        id,
        transform(ARRAY[
            ARRAY[5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
            ARRAY[0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
            ARRAY[1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
        ], c -> reduce(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v, s -> s)) AS x
    FROM (
        SELECT
            t."id" AS id,
            -- NULL where a dimension is missing or stands twice.
            CASE
                WHEN count(DISTINCT t."dim") = count(*)
                    AND max(t."dim") - min(t."dim") + 1 = count(*)
                    AND min(t."dim") = 0
                THEN array_agg(CAST(t."value" AS double) ORDER BY t."dim")
            END AS x
        FROM "lake"."users" AS t
        GROUP BY t."id"
    ) AS m
) AS s
CROSS JOIN UNNEST(s.x) WITH ORDINALITY AS u(v, k)
