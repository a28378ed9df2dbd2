-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    unnest(range(3)) + 0 AS "dim",
    CAST(unnest(s.x) AS DOUBLE) AS "value"
FROM (
    SELECT
        id,
        list_transform([
            [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
            [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
            [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
        ], lambda c: list_dot_product(c, x)) AS x
    FROM (
        SELECT
            t."id" AS id,
            -- NULL where a dimension is missing or stands twice.
            CASE
                WHEN count(DISTINCT t."dim") = count(*)
                    AND max(t."dim") - min(t."dim") + 1 = count(*)
                    AND min(t."dim") = 0
                THEN list(CAST(t."value" AS DOUBLE) ORDER BY t."dim")
            END AS x
        FROM "lake"."users" AS t
        GROUP BY t."id"
    ) AS m
) AS s
