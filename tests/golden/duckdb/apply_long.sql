-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    unnest(range(3)) + 0 AS "dim",
    CAST(unnest(s.x) AS DOUBLE) AS "value"
FROM (
    SELECT
        id,
        list_transform([
            [0.5E0, 0.25E0, 0.0E0],
            [0.0E0, -1.0E0, 2.0E0],
            [1.0E0, 0.0E0, 1E-20]
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
