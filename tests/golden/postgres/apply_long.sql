-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    u.k - 1 + 0 AS "dim",
    CAST(u.v AS double precision) AS "value"
FROM (
    SELECT
        s.*,
        ARRAY[CAST(s.x1 AS double precision), CAST(s.x2 AS double precision), CAST(s.x3 AS double precision)] AS x
    FROM (
        SELECT
            id,
            m.x1 * 5.0000000000000000e-01 + m.x2 * 2.5000000000000000e-01 + m.x3 * 0.0000000000000000e+00 AS x1,
            m.x1 * 0.0000000000000000e+00 + m.x2 * -1.0000000000000000e+00 + m.x3 * 2.0000000000000000e+00 AS x2,
            m.x1 * 1.0000000000000000e+00 + m.x2 * 0.0000000000000000e+00 + m.x3 * 9.9999999999999995e-21 AS x3
        FROM (
            SELECT
                id,
                CAST(x[1] AS double precision) AS x1,
                CAST(x[2] AS double precision) AS x2,
                CAST(x[3] AS double precision) AS x3
            FROM (
                SELECT
                    id,
                    (x)[1:3] AS x
                FROM (
                    SELECT
                        t."id" AS id,
                        -- NULL where a dimension is missing or stands twice.
                        CASE
                            WHEN count(DISTINCT t."dim") = count(*)
                                AND max(t."dim") - min(t."dim") + 1 = count(*)
                                AND min(t."dim") = 0
                            THEN array_agg(CAST(t."value" AS double precision) ORDER BY t."dim")
                        END AS x
                    FROM "lake"."users" AS t
                    GROUP BY t."id"
                ) AS whole
                OFFSET 0
            ) AS v
            OFFSET 0
        ) AS m
        OFFSET 0
    ) AS s
) AS s
CROSS JOIN LATERAL unnest(s.x) WITH ORDINALITY AS u(v, k)
