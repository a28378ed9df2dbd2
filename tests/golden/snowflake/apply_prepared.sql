-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "item_id",
    CAST(s.x1 AS FLOAT) AS "e0",
    CAST(s.x2 AS FLOAT) AS "e1",
    CAST(s.x3 AS FLOAT) AS "e2",
    s.k1 AS "genre"
FROM (
    SELECT
        id,
        m.x1 * 0.5E0 + m.x2 * 0.25E0 + m.x3 * 0.0E0 AS x1,
        m.x1 * 0.0E0 + m.x2 * -1.0E0 + m.x3 * 2.0E0 AS x2,
        m.x1 * 1.0E0 + m.x2 * 0.0E0 + m.x3 * 1E-20 AS x3,
        k1
    FROM (
        SELECT
            id,
            x1 / divisor AS x1,
            x2 / divisor AS x2,
            x3 / divisor AS x3,
            k1
        FROM (
            SELECT
                q.*,
                coalesce(nullif(sqrt(q.x1 * q.x1 + q.x2 * q.x2 + q.x3 * q.x3), 0), 1) AS divisor
            FROM (
                SELECT
                    id,
                    x1 / divisor AS x1,
                    x2 / divisor AS x2,
                    x3 / divisor AS x3,
                    k1
                FROM (
                    SELECT
                        q.*,
                        coalesce(nullif(greatest(abs(q.x1), abs(q.x2), abs(q.x3)), 0), 1) AS divisor
                    FROM (
                        SELECT
                            id,
                            c.x1 - 0.5E0 AS x1,
                            c.x2 - -1.0E0 AS x2,
                            c.x3 - 1E-20 AS x3,
                            k1
                        FROM (
                            SELECT
                                t."item_id" AS id,
                                CAST(t."e0" AS FLOAT) AS x1,
                                CAST(t."e1" AS FLOAT) AS x2,
                                CAST(t."e2" AS FLOAT) AS x3,
                                t."genre" AS k1
                            FROM "LAKE"."ITEMS" AS t
                        ) AS c
                    ) AS q
                ) AS n
            ) AS q
        ) AS n
    ) AS m
) AS s
