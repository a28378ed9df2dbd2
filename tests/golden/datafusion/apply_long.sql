-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    unnest(range(0, 3)) + 0 AS "dim",
    CAST(unnest([CAST(s.x1 AS DOUBLE), CAST(s.x2 AS DOUBLE), CAST(s.x3 AS DOUBLE)]) AS DOUBLE) AS "value"
FROM (
    SELECT
        id,
        m.x1 * 0.5E0 + m.x2 * 0.25E0 + m.x3 * 0.0E0 AS x1,
        m.x1 * 0.0E0 + m.x2 * -1.0E0 + m.x3 * 2.0E0 AS x2,
        m.x1 * 1.0E0 + m.x2 * 0.0E0 + m.x3 * 1E-20 AS x3
    FROM (
        SELECT
            id,
            CAST(x[1] AS DOUBLE) AS x1,
            CAST(x[2] AS DOUBLE) AS x2,
            CAST(x[3] AS DOUBLE) AS x3
        FROM (
            SELECT
                t."id" AS id,
                -- NULL where a dimension is missing or stands twice.
                CASE
                    WHEN count(DISTINCT t."dim") = count(*)
                        AND max(t."dim") - min(t."dim") + 1 = count(*)
                        AND min(t."dim") = 0
                    THEN array_agg(CAST(t."value" AS DOUBLE) ORDER BY t."dim")
                END AS x
            FROM "lake"."users" AS t
            GROUP BY t."id"
        ) AS v
    ) AS m
) AS s
